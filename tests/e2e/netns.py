# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces for the tests of live capture: a veth in one, the sensor on its inner end, and what the tests do
with a sensor that runs there."""

import collections
import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import socket
import threading
import time

import pytest
from conftest import (AAAA, BASE_US, ETHERNET, SENSOR, Background, Collector, Summary, check_sequence, ethernet, response,
                      rows_of, run, udp_packet, wait_until, write_pcap, written_rows)

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class Task:
    """Does self.run() in a thread until `stopped`."""

    def __enter__(self):
        self.stopped = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.join()


def why_not():
    if os.geteuid() != 0:
        return "capturing needs root"
    for program in ("ip", "sysctl"):
        if not shutil.which(program):
            return "there is no program " + program
    name = "dnsflow-%d" % os.getpid()
    made = run(["ip", "netns", "add", name])
    if made.status != 0:
        return "no network namespaces: " + made.err.strip()
    entered = run(["ip", "netns", "exec", name, "true"])
    run(["ip", "netns", "del", name])
    return None if entered.status == 0 else "network namespaces cannot be entered: " + entered.err.strip()


WHY_NOT = why_not()
needs_namespaces = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


class Net:
    """A namespace with a veth, out0 to in0. Everything that was made in it ends with it."""

    numbers = itertools.count()

    def __init__(self, folder):
        self.name = "dnsflow-%d-%d" % (os.getpid(), next(Net.numbers))
        self.folder = folder
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        self.command("ip", "netns", "add", self.name)
        self.stack.callback(run, ["ip", "netns", "del", self.name])
        try:
            self.exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            self.ip("link", "set", "lo", "up")
            self.veth()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *what):
        return self.stack.__exit__(*what)

    @staticmethod
    def command(*argv):
        result = run(argv)
        assert result.status == 0, "%s: %s" % (" ".join(argv), result.err)
        return result.out.decode()

    def ip(self, *arguments):
        return self.command("ip", "-n", self.name, *arguments)

    def exec(self, *argv):
        return self.command("ip", "netns", "exec", self.name, *argv)

    def veth(self, outer="out0", inner="in0"):
        self.ip("link", "add", outer, "mtu", "16000", "type", "veth", "peer", "name", inner, "mtu", "16000")
        self.ip("link", "set", outer, "up")
        self.ip("link", "set", inner, "up")

    @contextlib.contextmanager
    def inside(self):
        """This thread's sockets are made in the namespace."""
        with open("/proc/thread-self/ns/net") as home, open("/run/netns/" + self.name) as there:
            assert libc.setns(there.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), CLONE_NEWNET) == 0

    def socket(self, *kind):
        with self.inside():
            return self.stack.enter_context(socket.socket(*kind))

    def collector(self):
        with self.inside():
            return self.stack.enter_context(Collector())

    def wire(self, interface="out0"):
        """A function that sends frames."""
        s = self.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind((interface, 0))

        def send(frames):
            for frame in frames:
                s.send(frame)
        return send

    def argv(self, *options):
        return ["ip", "netns", "exec", self.name, SENSOR] + [str(o) for o in options]

    def run_sensor(self, *options):
        return run(self.argv(*options))

    def sensor(self, *options, on="in0"):
        """A sensor that is capturing. A ring of 8 MiB is enough here."""
        names = on.split()
        more = [x for n in names for x in ("-i", n)]
        started = self.stack.enter_context(Background(self.argv(*more, "--ring-size", "8", *options), self.folder))
        for n in names:
            started.wait_err("capturing on %s with" % n)
        started.wait_handlers()
        return started


@pytest.fixture
def net(tmp_path):
    with Net(tmp_path) as n:
        yield n


def now(sensor, tries=50):
    """The counters as they are. While packets come, two of them may be as of slightly different moments."""
    seen = sensor.err.count("]: output: ")
    sensor.signal(signal.SIGUSR1)

    def answered():
        return sensor.err.count("]: output: ") > seen or sensor.process.poll() is not None
    try:
        wait_until(answered)
    except AssertionError:
        if "tsan" not in os.environ.get("DNSFLOW_BUILD", ""):
            raise
        sensor.signal(signal.SIGUSR1)  # the thread sanitizer holds signals back and has been seen to lose one
        wait_until(answered)
    assert sensor.process.poll() is None, sensor.err
    try:
        return Summary(sensor.err)
    except AssertionError:
        if tries == 1:
            raise
        return now(sensor, tries - 1)


def wait_records(sensor, count, seconds=40):
    return wait_until(lambda: now(sensor).records >= count, seconds)


def finish(sensor):
    sensor.signal(signal.SIGTERM)
    assert sensor.wait(10) == 0, sensor.err
    return Summary(sensor.err)


def wait_quiet(sensor):
    """Until nothing more comes: a block of the ring is handed over within 10 ms, counters are read every 100 ms."""
    last = [None, 0]

    def is_quiet():
        seen = now(sensor).seen
        if seen != last[0]:
            last[:] = [seen, time.monotonic()]
        return time.monotonic() > last[1] + 0.15
    wait_until(is_quiet)


def wait_taken(sensor):
    """Until what was sent has been taken; something was."""
    wait_until(lambda: now(sensor).seen > 0)
    wait_quiet(sensor)


Sent = collections.namedtuple("Sent", "summary streams rows")


def collect(sensor, collector):
    """Ends the sensor; what the collector got of it, in order by source port."""
    summary = finish(sensor)
    streams = collector.datagrams(summary.notes["datagrams"])
    for stream in streams.values():
        check_sequence(stream)
    return Sent(summary, streams, [r for s in streams.values() for r in rows_of(s)])


def whole_rows(tmp_path, frames, *options, link=ETHERNET):
    """The rows that the same frames give out of a file."""
    source = write_pcap(tmp_path / "frames.pcap", link, [(BASE_US, f) for f in frames])
    result = run([SENSOR, "-r", source, "-w", tmp_path / "frames.out"] + list(options))
    assert result.status == 0, result.err
    return written_rows(tmp_path / "frames.out")


def packets(count, clients=40, mark="h", source_port=53):
    """`count` IP packets with responses, every name another; a third of the clients have IPv6."""
    made = []
    for i in range(count):
        k, name = i % clients, "%s%d.live.example" % (mark, i)
        if k % 3:
            made.append(udp_packet("10.9.%d.53" % (i // clients % 3), source_port, "10.8.1.%d" % (k + 1), 40000 + i,
                                   response(name, ["192.0.2.%d" % (i % 250 + 1)], number=i)))
        else:
            made.append(udp_packet("2001:db8:53::%d" % (i // clients % 3 + 1), source_port, "2001:db8:c::%x" % (k + 1),
                                   40000 + i, response(name, ["2001:db8::%x" % (i + 1)], qtype=AAAA, number=i)))
    return made


def frames_of(*arguments, tags=b"", **more):
    return [ethernet(p, tags) for p in packets(*arguments, **more)]


def row_client(row):
    return row.split("\t")[1]


def clients_by_worker(streams, mark=""):
    where = collections.defaultdict(set)
    for port, stream in streams.items():
        for row in (r for r in rows_of(stream) if "\t" + mark in r):
            where[row_client(row)].add(port)
    return where
