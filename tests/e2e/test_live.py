# SPDX-License-Identifier: BSD-3-Clause
"""Live capture, in network namespaces of its own: the sensor on one end of a veth, frames sent into the other."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import tempfile

import pytest
from conftest import (CAPTURES, ETHERNET, RAW, SENSOR, Background, check_sequence, ethernet, list_captures, need,
                      read_pcap, read_written, release_build, response, response_frame, rows_of, run, udp_packet,
                      unused_port, wait_until, written_rows)
from netns import (Task, clients_by_worker, collect, finish, frames_of, needs_namespaces, net, now, packets, wait_quiet,
                   wait_records, wait_taken, whole_rows)

pytestmark = needs_namespaces


# The same records as from a file

ETHERNET_CAPTURES = [name for name, _, _ in list_captures()
                     if name.endswith(".pcap") and read_pcap(CAPTURES / name)[0] == ETHERNET]


def is_beyond_filter(frame):
    """802.3 with LLC: the kernel's filter does not look into it."""
    at = 12
    while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8", b"\x91\0"):
        at += 4
    return frame[at:at + 2] < b"\6"


@pytest.mark.parametrize("name", ETHERNET_CAPTURES)
def test_records_of_capture(net, tmp_path, name):
    frames = [f for _, f in read_pcap(CAPTURES / name)[1] if len(f) >= 14]
    want = whole_rows(tmp_path, [f for f in frames if not is_beyond_filter(f)])
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "--tcp")
    net.wire()(frames)
    wait_taken(sensor)
    got = collect(sensor, collector)
    assert got.rows == want
    assert got.summary.captured == got.summary.received and got.summary.dropped == 0


@pytest.mark.parametrize("tags", ["8100", "88a8", "9100", "8100 8100", "88a8 8100", "9100 8100", "9100 9100",
                                  "88a8 8100 8100", "8100 88a8 9100"])
def test_vlan_tags(net, tmp_path, tags):
    tag_bytes = b"".join(bytes.fromhex(t) + b"\x20\x07" for t in tags.split())
    frames = frames_of(20, tags=tag_bytes)
    sensor = net.sensor("-w", tmp_path / "out")
    net.wire()(frames)
    wait_records(sensor, 20)
    finish(sensor)
    assert written_rows(tmp_path / "out") == whole_rows(tmp_path, frames)


@pytest.mark.parametrize("options", [["-d", "5353"], ["-d", "54", "-d", "55"], ["-Y"], ["-d", "54", "-Y"],
                                     [x for p in range(50, 60) for x in ("-d", str(p))] + ["-Y"]],
                         ids=lambda options: "".join(options)[:20])
def test_ports(net, tmp_path, options):
    frames = [f for port in (52, 53, 54, 55, 59, 5353) for f in frames_of(4, mark="p%d-" % port, source_port=port)]
    want = whole_rows(tmp_path, frames, *options)
    assert want
    sensor = net.sensor("-w", tmp_path / "out", *options)
    net.wire()(frames)
    wait_records(sensor, len(want))
    summary = finish(sensor)
    assert written_rows(tmp_path / "out") == want
    assert summary.frame_reasons == {}, "the kernel refuses other ports"


def test_small_option_memory(net):
    """The largest program fits into what older kernels allow a socket's filter."""
    allowed = run(["ip", "netns", "exec", net.name, "sysctl", "-qw", "net.core.optmem_max=20480"])
    if allowed.status != 0:
        pytest.skip("this kernel has no such limit for each namespace")
    sensor = net.sensor("-u", "127.0.0.1", "-M", "2", "-c", "-m", "1/3", "-Y",
                        *[x for p in range(50, 60) for x in ("-d", str(p))])
    finish(sensor)


# Workers, shares, interfaces

@pytest.mark.parametrize("options", [["-M2"], ["-M4"], ["-M2", "-c"], ["-M2", "--fanout", "checksum"],
                                     ["-M2", "--fanout", "cpu"], ["-M2", "--fanout", "queue"], ["-M3", "--pin"]],
                         ids=" ".join)
def test_workers(net, tmp_path, options):
    frames = frames_of(400)
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, *options)
    net.wire()(frames)
    wait_records(sensor, 400)
    got = collect(sensor, collector)
    workers = int(options[0][2:])
    assert sorted(got.rows) == sorted(whole_rows(tmp_path, frames))
    assert len(got.streams) == workers
    where = clients_by_worker(got.streams)
    used = set().union(*where.values())
    if "--fanout" not in options and "-c" not in options:
        assert all(len(ports) == 1 for ports in where.values())
    if "cpu" not in options and "queue" not in options:
        assert len(used) == workers, "every worker has something to do"
    if "-c" in options or "checksum" in options:
        assert any(len(ports) > 1 for ports in where.values())


@pytest.mark.parametrize("tags", ["8100", "88a8 8100", "9100 8100"])
def test_client_stays_at_one_worker_behind_tags(net, tags):
    tag_bytes = b"".join(bytes.fromhex(t) + b"\x20\x07" for t in tags.split())
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M2")
    net.wire()(frames_of(400, tags=tag_bytes))
    wait_records(sensor, 400)
    got = collect(sensor, collector)
    where = clients_by_worker(got.streams)
    assert [c for c, ports in where.items() if len(ports) > 1] == []
    assert len(set().union(*where.values())) == 2


def test_spread_over_many_clients(net):
    """10 000 clients: no worker has 10 % more or less than its share."""
    frames = [response_frame("spread.example", client="10.%d.%d.%d" % (i // 65536, i // 256 % 256, i % 256))
              for i in range(1, 10001)]
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M4")
    net.wire()(frames)
    wait_records(sensor, len(frames))
    got = collect(sensor, collector)
    shares = sorted(len(rows_of(s)) for s in got.streams.values())
    assert len(shares) == 4 and 2250 <= shares[0] and shares[-1] <= 2750


def test_few_clients_by_checksum(net, tmp_path):
    frames = frames_of(800, clients=3)
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M4", "-c")
    net.wire()(frames)
    wait_records(sensor, 800)
    got = collect(sensor, collector)
    assert sorted(got.rows) == sorted(whole_rows(tmp_path, frames))
    assert all(len(rows_of(s)) > 100 for s in got.streams.values()) and len(got.streams) == 4


@pytest.mark.parametrize("count, options", [(2, []), (3, []), (3, ["-c"]), (2, ["-M2"])],
                         ids=lambda x: str(x) if isinstance(x, int) else "".join(x))
def test_shares(net, tmp_path, count, options):
    frames = frames_of(300)
    sensors = []
    for i in range(count):
        collector = net.collector()
        sensors.append((net.sensor("-u", collector.target, "-m", "%d/%d" % (i + 1, count), *options), collector))
    net.wire()(frames)
    wait_until(lambda: sum(now(s).records for s, _ in sensors) >= 300)
    shares = [collect(s, c) for s, c in sensors]
    assert sorted(r for s in shares for r in s.rows) == sorted(whole_rows(tmp_path, frames))
    files = [whole_rows(tmp_path, frames, "-m", "%d/%d" % (i + 1, count), *[o for o in options if o == "-c"])
             for i in range(count)]
    assert [sorted(s.rows) for s in shares] == [sorted(rows) for rows in files]
    assert all(s.rows and s.summary.frame_reasons == {} for s in shares), "the kernel refuses other shares"


@pytest.mark.parametrize("workers", [1, 2])
def test_two_interfaces(net, tmp_path, workers):
    net.veth("out1", "in1")
    first, second = frames_of(60, mark="a"), frames_of(60, mark="b")
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M", workers, on="in0 in1")
    net.wire("out0")(first)
    net.wire("out1")(second)
    wait_records(sensor, 120)
    got = collect(sensor, collector)
    assert sorted(got.rows) == sorted(whole_rows(tmp_path, first + second))
    assert len(got.streams) == 2 * workers


def test_process_ids_of_containers(net, tmp_path):
    """Two sensors with the same process id, as in two containers, on one interface: each has everything."""
    frames = frames_of(100)
    sensors = []
    for _ in range(2):
        collector = net.collector()
        argv = net.argv("-i", "in0", "--ring-size", "8", "-M2", "-u", collector.target)
        # A shell stays root, so that the end of unshare reaches it; with it all of its process ids end.
        argv[4:4] = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", '"$@"; exit', "sh"]
        sensor = net.stack.enter_context(Background(argv, tmp_path))
        wait_until(lambda: "capturing on in0" in sensor.err or sensor.process.poll() is not None)
        assert sensor.process.poll() is None, sensor.err
        sensors.append(collector)
    net.wire()(frames)

    def all_came():
        return all(sum(data[1] for _, data in list(c.got)) >= 100 for c in sensors)
    try:
        wait_until(all_came, 4)
    except AssertionError:
        pytest.fail("records of 100: %s" % [sum(data[1] for _, data in c.got) for c in sensors])


def test_workers_into_one_file_are_refused(net, tmp_path):
    result = net.run_sensor("-i", "in0", "-M2", "-w", tmp_path / "out")
    assert result.status == 2 and "one worker" in result.err and result.err.count("\n") == 1


# Starting and stopping

class Load(Task):
    """Sends until it is stopped: responses with names that never come twice, queries and other ports."""

    def __init__(self, net):
        self.send = net.wire()
        self.names = 0

    def run(self):
        other = [ethernet(udp_packet("10.1.1.1", 9999, "10.8.1.%d" % i, 53, b"\xff" * 40)) for i in range(1, 20)]
        other += [ethernet(udp_packet("10.1.1.1", 9999, "10.8.1.%d" % i, 40000, b"\xff" * 40)) for i in range(1, 20)]
        while not self.stopped:
            self.send([response_frame("n%d.load.example" % (self.names + i), client="10.8.1.%d" % (i + 1))
                       for i in range(20)])
            self.names += 20
            self.send(other)


@pytest.mark.parametrize("options", [["-M1"], ["-M2"], ["-M4"], ["-M2", "-m", "1/2"]], ids=" ".join)
def test_start_under_load(net, options):
    collector = net.collector()
    with Load(net) as load:
        wait_until(lambda: load.names >= 200)
        sensor = net.sensor("-u", collector.target, *options)
        begun = load.names
        wait_until(lambda: load.names >= begun + 4000)
    wait_quiet(sensor)
    got = collect(sensor, collector)
    assert got.summary.frame_reasons == {} and got.summary.message_reasons == {}, "the filter was open"
    assert len(got.rows) == len(set(got.rows)), "no response at two workers"
    numbers = sorted(int(re.match(r"n(\d+)\.", row.split("\t")[2]).group(1)) for row in got.rows)
    if "-m" not in options:
        assert got.summary.dropped == 0
        assert set(range(begun + 20, load.names)) <= set(numbers), "once it says that it captures, none is missing"


@release_build("a sanitizer takes memory of its own")
@pytest.mark.parametrize("workers", [1, 4])
def test_memory_at_full_rate(net, workers):
    """Beside its rings of 8 MiB the sensor stays below 8 MiB for each worker."""
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M", workers)
    with Load(net):
        wait_records(sensor, 30000, 30)
        status = open("/proc/%d/status" % sensor.process.pid).read()
    finish(sensor)
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024
    assert peak < 8 + workers * (8 + 8)


@pytest.mark.parametrize("workers", [1, 2])
def test_termination_drains(net, tmp_path, workers):
    """What was on the wire before the signal is in the records."""
    send = net.wire()
    for turn in range(4):
        collector = net.collector()
        sensor = net.sensor("-u", collector.target, "-M", workers)
        frames = frames_of(200, mark="t%d-" % turn)
        send(frames)
        got = collect(sensor, collector)
        assert len(got.rows) == 200
        finals = [s[-1] for s in got.streams.values()]
        assert all(d.stats for d in finals) and len(finals) == workers
        assert sum(d.stats[0] for d in finals) == sum(d.stats[1] for d in finals) == 200
        assert got.summary.captured == got.summary.received == 200
        assert sum(d.stats[2] + d.stats[3] for d in finals) == 0


def test_final_statistics(net):
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-x")
    net.wire()(frames_of(30) + [response_frame("no.example", ()), response_frame("rd.example", flags=0x8080)])
    sensor.wait_captured(32)
    got = collect(sensor, collector)
    (stream,) = got.streams.values()
    assert stream[-1].stats == (32, 32, 0, 0, 0) and not any(d.stats for d in stream[:-1])
    counters = stream[-1].trailer.counters
    assert (counters["frames_seen"], counters["messages_with_record"]) == (32, 30)
    assert (counters["dns_no_address"], counters["dns_not_rd"]) == (1, 1)
    assert got.summary.message_reasons == {"dns_no_address": 1, "dns_not_rd": 1}


def test_signals(net, tmp_path):
    out = tmp_path / "out"
    sensor = net.sensor("-w", out, "--user", "root")  # who may make a file here
    send = net.wire()
    send(frames_of(10, mark="before"))
    wait_records(sensor, 10)
    wait_until(lambda: out.stat().st_size > 24)
    out.rename(tmp_path / "old")
    sensor.signal(signal.SIGHUP)
    wait_until(out.exists)
    send(frames_of(10, mark="after"))
    wait_records(sensor, 20)
    summary = finish(sensor)
    both = [d for p in (tmp_path / "old", out) for _, d in read_written(p)]
    check_sequence(both)
    assert len(rows_of(both)) == 20 and summary.records == 20
    assert "after" in rows_of(d for _, d in read_written(out))[0]


def test_two_collectors_one_dead(net, tmp_path):
    collector = net.collector()
    with net.inside():
        dead = unused_port()
    frames = frames_of(100)
    sensor = net.sensor("-u", "127.0.0.1:%d" % dead, "-u", collector.target)
    net.wire()(frames)
    wait_records(sensor, 100)
    got = collect(sensor, collector)
    assert got.rows == whole_rows(tmp_path, frames)
    assert dict((c[0], c[2]) for c in got.summary.collectors())[collector.target] == 0


def test_kill_leaves_nothing(net):
    def promiscuity():
        return int(re.search(r"promiscuity (\d+)", net.ip("-d", "link", "show", "in0")).group(1))
    assert promiscuity() == 0
    sensor = net.sensor("-u", "127.0.0.1", "-M2")
    assert promiscuity() == 1
    sensor.signal(signal.SIGKILL)
    assert sensor.wait(5) == -signal.SIGKILL
    wait_until(lambda: promiscuity() == 0, 5)
    finish(net.sensor("-u", "127.0.0.1", "-M2"))
    quiet = net.sensor("-u", "127.0.0.1", "-p")
    assert promiscuity() == 0
    finish(quiet)


# Interfaces that come and go

def state_lines(sensor):
    return re.findall(r"\]: interface (.*)", sensor.err)


@pytest.mark.parametrize("workers", [1, 2])
def test_interface_down_and_up(net, workers):
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M", workers)
    send = net.wire()
    have = 0
    for turn in range(2):
        send(frames_of(40, mark="t%d-" % turn))
        net.ip("link", "set", "in0", "down")
        wait_records(sensor, have + 40)
        wait_until(lambda: len(state_lines(sensor)) > 2 * turn, 5)
        assert len(state_lines(sensor)) == 2 * turn + 1, "what came before is no sign of being up"
        net.ip("link", "set", "in0", "up")

        def goes_on():
            with contextlib.suppress(OSError):
                send(frames_of(40, mark="u%d-" % turn))
            return now(sensor).records >= have + 80
        wait_until(goes_on, 5, 0.1)
        wait_quiet(sensor)
        have = now(sensor).records
    got = collect(sensor, collector)
    assert state_lines(sensor) == ["in0: down; waiting for it to come up", "in0: up again"] * 2
    for mark in ("t0-", "u0-", "t1-", "u1-"):
        assert len({r for r in got.rows if "\t" + mark in r}) == 40
    assert all(len(ports) == 1 for ports in clients_by_worker(got.streams).values())


@pytest.mark.parametrize("workers", [1, 2])
def test_interface_down_at_start(net, workers):
    net.ip("link", "set", "in0", "down")
    sensor = net.sensor("-u", "127.0.0.1", "-M", workers)
    assert state_lines(sensor) == ["in0: down; waiting for it to come up"]
    net.ip("link", "set", "in0", "up")
    send = net.wire()

    def goes_on():
        with contextlib.suppress(OSError):
            send(frames_of(40))
        return len(state_lines(sensor)) >= 2
    wait_until(goes_on, 5, 0.1)
    wait_records(sensor, 40)
    finish(sensor)
    assert state_lines(sensor)[1:] == ["in0: up again"]


@pytest.mark.parametrize("workers", [1, 2])
def test_interface_deleted_and_made_again(net, workers):
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M", workers)
    net.wire()(frames_of(40, mark="before"))
    wait_records(sensor, 40)
    net.ip("link", "del", "in0")
    wait_until(lambda: any("gone" in line for line in state_lines(sensor)), 5)
    net.veth()
    wait_until(lambda: sum("back" in line for line in state_lines(sensor)) >= 1, 5)
    send = net.wire()

    def goes_on():
        with contextlib.suppress(OSError):
            send(frames_of(40, mark="after"))
        return now(sensor).records >= 80
    wait_until(goes_on, 5, 0.1)
    wait_quiet(sensor)
    have = now(sensor).records
    send(frames_of(40, mark="last"))
    wait_records(sensor, have + 40)
    got = collect(sensor, collector)
    assert len({r for r in got.rows if "\tafter" in r}) == 40
    assert sum("\tlast" in r for r in got.rows) == 40
    assert all(len(ports) == 1 for ports in clients_by_worker(got.streams, "last").values())
    assert got.summary.captured <= got.summary.received
    lines = [line for line in state_lines(sensor) if "down" not in line and "up again" not in line]
    assert lines == ["in0: gone; waiting for it to come back", "in0: back, capturing again"]


def test_deleted_interface_gives_what_it_had(net):
    """Frames that came just before the interface went are not lost, and the accounts agree."""
    collector = net.collector()
    sensor = net.sensor("-u", collector.target)
    net.wire()(frames_of(40))
    net.ip("link", "del", "in0")
    wait_until(lambda: any("gone" in line for line in state_lines(sensor)), 5)
    got = collect(sensor, collector)
    assert (len(got.rows), got.summary.received) == (40, 40)


@pytest.mark.parametrize("options", [[], ["-M2"], ["-m", "1/2"]], ids="".join)
def test_missing_interface(net, options):
    result = net.run_sensor("-i", "nosuch0", "-u", "127.0.0.1", *options)
    assert result.status == 1 and result.err.count("\n") == 1
    assert all(name in result.err for name in ("nosuch0", " lo", " in0", " out0"))


# Other kinds of interface

@pytest.mark.parametrize("workers", [1, 2])
def test_loopback(net, workers):
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M", workers, on="lo")
    resolver, client = net.socket(socket.AF_INET, socket.SOCK_DGRAM), net.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.1", 53))
    client.bind(("127.0.0.1", 0))
    for i in range(200):
        resolver.sendto(response("lo%d.example" % i, ["192.0.2.1"]), client.getsockname())
    wait_records(sensor, 200)
    got = collect(sensor, collector)
    assert sorted(r.split("\t")[2] for r in got.rows) == sorted("lo%d.example" % i for i in range(200))
    assert got.summary.seen == got.summary.captured == 200
    assert got.summary.received == 200, "copies of what goes out are not counted"


def test_tun(net, tmp_path):
    """A device without link headers."""
    try:
        with net.inside():
            tun = open("/dev/net/tun", "r+b", buffering=0)
            net.stack.enter_context(tun)
            fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
    except OSError as e:
        pytest.skip("no tun device: %s" % e)
    net.ip("link", "set", "tun0", "up")
    sent = packets(60)
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M2", on="tun0")
    for p in sent:
        tun.write(p)
    wait_records(sensor, 60)
    got = collect(sensor, collector)
    assert sorted(got.rows) == sorted(whole_rows(tmp_path, sent, link=RAW))
    assert all(len(ports) == 1 for ports in clients_by_worker(got.streams).values())


def test_outgoing(net, tmp_path):
    """A resolver's own answers: frames that leave through the interface."""
    frames = frames_of(60)
    sensor = net.sensor("-w", tmp_path / "out", on="out0")
    net.wire("out0")(frames)
    wait_records(sensor, 60)
    finish(sensor)
    assert written_rows(tmp_path / "out") == whole_rows(tmp_path, frames)


def test_dummy(net, tmp_path):
    made = run(["ip", "-n", net.name, "link", "add", "dum0", "type", "dummy"])
    if made.status != 0:
        pytest.skip("no dummy device: " + made.err.strip())
    net.ip("link", "set", "dum0", "up")
    frames = frames_of(60)
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, "-M2", on="dum0")
    net.wire("dum0")(frames)
    wait_records(sensor, 60)
    got = collect(sensor, collector)
    assert sorted(got.rows) == sorted(whole_rows(tmp_path, frames))
    assert all(len(ports) == 1 for ports in clients_by_worker(got.streams).values())


def test_any(net):
    """All interfaces, through libpcap."""
    sensor = net.sensor("-w", net.folder / "out", on="any")
    net.wire("in0")(frames_of(20))
    wait_records(sensor, 20)
    finish(sensor)
    rows = written_rows(net.folder / "out")
    assert len(set(rows)) == 20


def test_filter_expression(net, tmp_path):
    frames = frames_of(40) + frames_of(40, mark="other", source_port=5454)
    options = ["-f", "udp src port 5454", "-m", "1/2"]
    want = whole_rows(tmp_path, frames, *options)
    sensor = net.sensor("-w", tmp_path / "out", *options)
    net.wire()(frames)
    wait_records(sensor, len(want))
    finish(sensor)
    assert written_rows(tmp_path / "out") == want


def test_unprivileged(net):
    need("setpriv")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(SENSOR, folder)
        for options in ([], ["-M2"]):
            result = run(["ip", "netns", "exec", net.name, "setpriv", "--reuid", "65534", "--clear-groups", copy,
                          "-i", "in0", "-u", "127.0.0.1"] + options)
            assert result.status == 1 and result.err.count("\n") == 1
            assert "in0" in result.err and "root" in result.err and "CAP_NET_RAW" in result.err
