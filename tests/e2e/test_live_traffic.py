# SPDX-License-Identifier: BSD-3-Clause
"""Live capture of traffic that other programs make: resolvers and their clients, replayed captures, changing routes."""

import contextlib
import select
import signal
import socket
import time

import pytest
from conftest import (CAPTURES, ETHERNET, SENSOR, UNBOUND, Background, Collector, list_captures, need, read_pcap, run,
                      wait_until, write_pcap, written_rows)
from netns import (Task, collect, finish, frames_of, needs_namespaces, net, now, wait_quiet, wait_records, wait_taken,
                   whole_rows)

pytestmark = needs_namespaces


# A filter expression of the user's own

@pytest.mark.parametrize("options", [["-f", "udp src port 53 and net 10.9.0.0/16"],
                                     ["-f", "udp src port 53", "-M2"], ["-f", "udp src port 53", "-M3", "-m", "1/2"]],
                         ids=lambda o: " ".join(o[2:]) or "one worker")
def test_expression(net, tmp_path, options):
    frames = frames_of(300) + frames_of(100, mark="other", source_port=54)
    want = whole_rows(tmp_path, frames, *[o for o in options if not o.startswith("-M")])
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, *options)
    net.wire()(frames)
    wait_records(sensor, len(want))
    got = collect(sensor, collector)
    assert sorted(got.rows) == sorted(want)
    assert len(got.streams) == int((options + ["-M1"])[2][2:])


def test_expression_on_stripped_tags(net, tmp_path):
    """The kernel keeps the outer tag beside the frame; `vlan` finds it there."""
    tagged, plain = frames_of(20, mark="tagged", tags=b"\x81\0\0\x07"), frames_of(20, mark="plain")
    sensor = net.sensor("-w", tmp_path / "out", "-f", "vlan 7 and udp")
    net.wire()(tagged + plain)
    wait_records(sensor, 20)
    wait_quiet(sensor)
    finish(sensor)
    assert written_rows(tmp_path / "out") == whole_rows(tmp_path, tagged)


def test_wrong_expression(net):
    result = net.run_sensor("-i", "in0", "-u", "127.0.0.1", "-f", "udp and and")
    assert result.status == 2 and result.err.count("\n") == 1 and "--filter" in result.err


# Replayed captures

@pytest.mark.parametrize("options", [["--tcp"], ["--tcp", "-M2"]], ids=["one", "-M2"])
def test_tcpreplay(net, tmp_path, options):
    need("tcpreplay")
    frames = []
    for name, _, _ in list_captures():
        if name.endswith(".pcap") and read_pcap(CAPTURES / name)[0] == ETHERNET:
            frames += [f for _, f in read_pcap(CAPTURES / name)[1] if len(f) >= 14 and f[12:14] >= b"\6"]
    source = write_pcap(tmp_path / "all.pcap", ETHERNET, [(1700000000000000 + 50 * i, f) for i, f in enumerate(frames)])
    want = whole_rows(tmp_path, frames)
    collector = net.collector()
    sensor = net.sensor("-u", collector.target, *options)
    net.exec("tcpreplay", "-q", "-i", "out0", "--topspeed", str(source))
    wait_taken(sensor)
    assert sorted(collect(sensor, collector).rows) == sorted(want)


# Real programs

ZONE = UNBOUND + """    interface: 10.7.0.53
    interface: fd07::53
    access-control: 10.7.0.0/16 allow
    access-control: fd07::/64 allow
    so-sndbuf: 0
    so-rcvbuf: 0
    module-config: "iterator"
    local-zone: "example." static
    local-data: "www.example. A 192.0.2.1"
    local-data: "www.example. AAAA 2001:db8::1"
    local-data: "two.example. A 192.0.2.2"
    local-data: "two.example. A 192.0.2.3"
    local-data: "mail.example. MX 10 www.example."
remote-control:
    control-enable: no
"""


class Hosts:
    """A client in a namespace of its own and a resolver in `net`, joined by a veth."""

    def __init__(self, net):
        self.net, self.stack = net, contextlib.ExitStack()
        self.client = net.name + "c"

    def __enter__(self):
        net = self.net
        net.command("ip", "netns", "add", self.client)
        self.stack.callback(run, ["ip", "netns", "del", self.client])
        net.ip("link", "add", "r0", "type", "veth", "peer", "name", "c0", "netns", self.client)
        for name, interface, end in ((net.name, "r0", "53"), (self.client, "c0", "9")):
            net.command("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0",
                        "net.ipv6.conf.%s.disable_ipv6=0" % interface)
            net.command("ip", "-n", name, "link", "set", interface, "up")
            net.command("ip", "-n", name, "addr", "add", "10.7.0.%s/16" % end, "dev", interface)
            net.command("ip", "-n", name, "addr", "add", "fd07::%s/64" % end, "dev", interface, "nodad")
        return self

    def __exit__(self, *what):
        return self.stack.__exit__(*what)

    def ask(self, *argv, **more):
        return run(["ip", "netns", "exec", self.client] + [str(a) for a in argv], **more)


class Mirror(Task):
    """What a switch does for a tap: every frame of r0 goes out of out0 as well, with VLAN tags in front of it."""

    def __init__(self, net, tags):
        self.tap = net.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.tap.bind(("r0", 3))  # ETH_P_ALL
        self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.send, self.tags = net.wire(), tags

    def run(self):
        while not self.stopped:
            if select.select([self.tap], [], [], 0.05)[0]:
                frame = self.tap.recv(65536)
                self.send([frame[:12] + self.tags + frame[12:]])


@contextlib.contextmanager
def resolver(net, tmp_path):
    config = tmp_path / "unbound.conf"
    config.write_text(ZONE % {"folder": tmp_path})
    with Background(["ip", "netns", "exec", net.name, "unbound", "-d", "-c", config], tmp_path) as process:
        yield process


@pytest.mark.parametrize("tags", [None, "81000007", "88a8000781000009"], ids=["plain", "tagged", "QinQ"])
def test_resolver_and_its_clients(net, tmp_path, tags):
    need("unbound", "kdig", "dnsperf")
    questions = tmp_path / "questions"
    questions.write_text("www.example A\ntwo.example A\nwww.example AAAA\nmail.example MX\nnone.example A\n")
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(Hosts(net))
        stack.enter_context(resolver(net, tmp_path))
        wait_until(lambda: b"192.0.2.1" in hosts.ask("kdig", "+short", "+timeout=1", "@10.7.0.53", "www.example").out)
        collector = net.collector()
        sensor = net.sensor("-u", collector.target, on="in0" if tags else "r0")
        if tags:
            stack.enter_context(Mirror(net, bytes.fromhex(tags)))
        asked = {"10.7.0.53": 0, "fd07::53": 0}
        for server in asked:
            for name, kind in (("www.example", "A"), ("two.example", "A"), ("www.example", "AAAA")):
                answer = hosts.ask("kdig", "+short", "@" + server, name, kind)
                assert answer.status == 0 and answer.out, answer.err
                asked[server] += 1
            done = hosts.ask("dnsperf", "-s", server, "-d", questions, "-n", "20", "-c", "4", "-q", "10", timeout=30)
            assert b"Queries completed:    100 (100.00%)" in done.out, done.out + done.err.encode()
            asked[server] += 60
        wait_records(sensor, sum(asked.values()))
        wait_quiet(sensor)
        got = collect(sensor, collector)
    assert {s: sum(r.startswith(s + "\t") for r in got.rows) for s in asked} == asked
    assert set(r.split("\t", 2)[2] for r in got.rows) == {
        "www.example\t192.0.2.1\t", "two.example\t192.0.2.2,192.0.2.3\t", "www.example\t\t2001:db8::1"} | (
            {"two.example\t192.0.2.3,192.0.2.2\t"} & set(r.split("\t", 2)[2] for r in got.rows))
    assert got.summary.message_reasons == {"dns_qtype": 40, "dns_nxdomain": 40}


# Collectors whose path changes

def test_mtu_becomes_smaller(net, tmp_path):
    """Datagrams that no longer fit are lost and counted; those after them fit."""
    far = net.name + "c"
    net.command("ip", "netns", "add", far)
    net.stack.callback(run, ["ip", "netns", "del", far])
    net.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1", "netns", far)
    net.ip("addr", "add", "10.6.0.1/24", "dev", "d0")
    net.ip("link", "set", "d0", "up")
    for command in (["addr", "add", "10.6.0.2/24", "dev", "d1"], ["link", "set", "d1", "up"]):
        net.command("ip", "-n", far, *command)
    sensor = net.sensor("-u", "10.6.0.2", "-u", "127.0.0.1:5399")
    send = net.wire()
    frames = frames_of(3000, clients=200, mark="l" * 50)
    send(frames[:1000])
    wait_records(sensor, 1000)
    net.ip("link", "set", "d0", "mtu", "1280")
    send(frames[1000:2000])
    wait_records(sensor, 2000)
    wait_until(lambda: now(sensor).notes.get("send_lost", 0) > 0)
    lost = now(sensor).notes["send_lost"]
    send(frames[2000:])
    wait_records(sensor, 3000)
    summary = finish(sensor)
    by_name = {name: (sent, gone) for name, sent, gone, _ in summary.collectors()}
    assert by_name["10.6.0.2:5300"][1] == lost, "what follows the change fits"
    assert by_name["127.0.0.1:5399"][1] == 0, "the other collector is not concerned"
    assert by_name["10.6.0.2:5300"][0] + lost == summary.notes["datagrams"]
    assert "too large %d" % lost in sensor.err


def test_address_changes_at_sighup(net, tmp_path):
    """A collector named by host name is sent to its new address once SIGHUP has come."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 sink.example\n")
    need("unshare", "mount")
    first = net.collector()
    with net.inside():
        second = net.stack.enter_context(Collector("127.0.0.2", first.port))
    argv = ["ip", "netns", "exec", net.name, "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh",
            str(hosts), SENSOR, "-i", "in0", "--ring-size", "8", "-u", "sink.example:%d" % first.port]
    sensor = net.stack.enter_context(Background(argv, tmp_path))
    sensor.wait_err("capturing on in0 with")
    sensor.wait_handlers()
    send = net.wire()
    send(frames_of(50))
    wait_records(sensor, 50)
    wait_until(lambda: first.got)
    hosts.write_text("127.0.0.2 sink.example\n")
    deadline = time.monotonic() + 10
    while not second.got and time.monotonic() < deadline:
        sensor.signal(signal.SIGHUP)
        send(frames_of(50))
        wait_quiet(sensor)
    assert second.got, sensor.err
    summary = finish(sensor)
    assert summary.notes.get("send_lost", 0) == 0, sensor.err
