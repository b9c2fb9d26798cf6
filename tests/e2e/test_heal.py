# SPDX-License-Identifier: BSD-3-Clause
"""A network that comes late, goes away and comes back: the sensor finds its collectors again by itself, loses what could
not be sent with a count and a line, and keeps its source port."""

import ipaddress
import re
import signal

import pytest
from conftest import Collector, Summary, check_sequence, rows_of, run, wait_until
from netns import Net, finish, frames_of, needs_namespaces, now, wait_records

pytestmark = needs_namespaces

FAMILIES = {4: ("10.77.0.%d", 24), 6: ("fd77::%d", 64)}


class Uplink:
    """A namespace with a sensor on in0, and another one, reached over up0, with a collector."""

    def __init__(self, tmp_path, family):
        self.near, self.far = Net(tmp_path), Net(tmp_path)
        self.family = family
        self.pattern, self.bits = FAMILIES[family]

    def __enter__(self):
        self.near.stack.enter_context(self.near)
        self.far.stack.enter_context(self.far)
        for net in (self.near, self.far):
            net.exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0",
                     "net.ipv6.conf.default.accept_dad=0")
        self.near.ip("link", "add", "up0", "type", "veth", "peer", "name", "far0", "netns", self.far.name)
        self.far.ip("link", "set", "far0", "up")
        self.far.ip("address", "add", self.host(9), "dev", "far0")
        with self.far.inside():
            self.collector = self.far.stack.enter_context(Collector("0.0.0.0" if self.family == 4 else "::"))
        return self

    def __exit__(self, *what):
        self.far.stack.close()
        self.near.stack.close()

    def address(self, number):
        return self.pattern % number

    def host(self, number):
        return "%s/%d" % (self.address(number), self.bits)

    @property
    def target(self):
        return ("%s:%d" if self.family == 4 else "[%s]:%d") % (self.address(9), self.collector.port)

    def up(self, number=1):
        self.near.ip("link", "set", "up0", "up")
        self.near.ip("address", "add", self.host(number), "dev", "up0")

    def send(self, mark, count=20):
        """Frames with responses, to the sensor; waits until their datagrams have been made."""
        before = now(self.sensor)
        self.near.wire()(frames_of(count, mark=mark))
        wait_records(self.sensor, before.records + count)
        wait_until(lambda: now(self.sensor).notes.get("datagrams", 0) > before.notes.get("datagrams", 0))

    def start(self, *options):
        self.sensor = self.near.sensor("-u", self.target, *options)
        return self.sensor

    def marks(self):
        """What has come, by source port: the marks of the names."""
        streams = {}
        for port, data in list(self.collector.got):
            streams.setdefault(port, []).append(data)
        return {port: {m for d in data for m in re.findall(rb"(m[a-z]+)\d+\x04live", d)} for port, data in streams.items()}

    def wait_mark(self, mark):
        wait_until(lambda: any(mark.encode() in marks for marks in self.marks().values()))


@pytest.fixture(params=[4, 6], ids=["ip4", "ip6"])
def uplink(request, tmp_path):
    with Uplink(tmp_path, request.param) as u:
        yield u


def warnings(sensor):
    return re.findall(r"warning: collector .*", sensor.err)


def ends_balanced(uplink):
    """Every datagram was either sent or lost."""
    summary = finish(uplink.sensor)
    name, sent, lost, _ = summary.collectors()[0]
    assert name == uplink.target and sent + lost == summary.notes["datagrams"]
    return summary, sent, lost


def test_uplink_comes_late(uplink):
    sensor = uplink.start()
    sensor.wait_err("warning: collector %s: Network is unreachable; trying again every 2 s" % uplink.target)
    uplink.send("mlost")
    assert now(sensor).notes["send_lost"] >= 1
    uplink.up()
    sensor.wait_err("collector %s: can be sent to" % uplink.target)
    uplink.send("mlate")
    uplink.wait_mark("mlate")
    assert len(warnings(sensor)) == 1
    summary, sent, lost = ends_balanced(uplink)
    assert sent >= 1 and lost >= 1 and "(unreachable %d)" % lost in sensor.err
    assert [m for m in uplink.marks().values()] == [{b"mlate"}], "nothing that was lost, and one source port"


def test_own_address_changes(uplink):
    uplink.up(1)
    sensor = uplink.start()
    uplink.send("mone")
    uplink.wait_mark("mone")
    uplink.near.ip("address", "del", uplink.host(1), "dev", "up0")
    uplink.near.ip("address", "add", uplink.host(2), "dev", "up0")
    wait_until(lambda: uplink.send("mtwo") or any(b"mtwo" in m for m in uplink.marks().values()), step=0.3)
    _, sent, lost = ends_balanced(uplink)
    assert len(uplink.marks()) == 1, "the source port stays"
    assert lost == 0 and warnings(sensor) == []


def test_route_gone_and_back(uplink):
    uplink.up()
    sensor = uplink.start()
    uplink.send("mone")
    uplink.wait_mark("mone")
    uplink.near.ip("address", "flush", "dev", "up0", "scope", "global")
    uplink.send("mgone")
    sensor.wait_err("warning: collector %s: Network is unreachable" % uplink.target)
    uplink.up()
    wait_until(lambda: uplink.send("mback") or any(b"mback" in m for m in uplink.marks().values()), step=0.3)
    ends_balanced(uplink)
    (marks,) = uplink.marks().values()
    assert marks - {b"mgone"} == {b"mone", b"mback"}, "IPv6 may send from the lost address for a second"
    assert len(warnings(sensor)) == 1 and "collector %s: can be sent to" % uplink.target in sensor.err


def test_link_flap(uplink):
    uplink.up()
    sensor = uplink.start()
    uplink.send("mone")
    for _ in range(5):
        uplink.near.ip("link", "set", "up0", "down")
        uplink.send("mdown", 3)
        uplink.near.ip("link", "set", "up0", "up")
        if uplink.family == 6:
            uplink.near.ip("address", "replace", uplink.host(1), "dev", "up0")
    wait_until(lambda: uplink.send("mback") or any(b"mback" in m for m in uplink.marks().values()), step=0.3)
    ends_balanced(uplink)
    assert len(uplink.marks()) == 1
    assert len(warnings(sensor)) <= 2, "at most a line in 10 s"


def test_reload_while_unreachable(uplink):
    """SIGHUP: what could be reached before cannot now, and later can."""
    uplink.up()
    sensor = uplink.start()
    uplink.send("mone")
    uplink.near.ip("address", "flush", "dev", "up0", "scope", "global")
    sensor.signal(signal.SIGHUP)
    sensor.wait_err("warning: collector %s: Network is unreachable" % uplink.target)
    uplink.up()
    sensor.wait_err("can be sent to")
    uplink.send("mback")
    uplink.wait_mark("mback")
    ends_balanced(uplink)
    assert list(uplink.marks().values()) == [{b"mone", b"mback"}]


def test_tentative_address(tmp_path):
    """IPv6 before duplicate address detection has ended."""
    with Uplink(tmp_path, 6) as uplink:
        uplink.near.exec("sysctl", "-qw", "net.ipv6.conf.up0.accept_dad=1", "net.ipv6.conf.up0.dad_transmits=2")
        uplink.up()
        sensor = uplink.start()
        wait_until(lambda: uplink.send("mlate") or any(b"mlate" in m for m in uplink.marks().values()), step=0.3)
        ends_balanced(uplink)
        assert len(uplink.marks()) == 1 and len(warnings(sensor)) <= 1


def test_refused_by_the_firewall(uplink):
    """What the kernel does not let out is said once, by its cause."""
    uplink.up()
    uplink.near.ip("rule" if uplink.family == 4 else "-6", *(["rule"] if uplink.family == 6 else []), "add", "to",
                   str(ipaddress.ip_address(uplink.address(9))), "prohibit", "priority", "0")
    sensor = uplink.start("-M2")
    sensor.wait_err("warning: collector %s: Permission denied" % uplink.target)
    uplink.send("mone")
    assert len(warnings(sensor)) == 1, "two workers speak with one voice"
    summary = finish(sensor)
    assert summary.notes["send_lost"] == summary.notes["datagrams"]


@pytest.mark.parametrize("workers", [1, 2])
def test_file_mode(tmp_path, workers):
    """From a file to a collector without a route: everything is counted, one line says why."""
    with Uplink(tmp_path, 4) as uplink:
        from conftest import made_capture
        source = tmp_path / "in.pcap"
        made_capture(source, 300)
        result = uplink.near.run_sensor("-r", source, "-u", uplink.target, "-M", workers)
        summary = Summary(result.err)
        assert result.status == 0 and summary.notes["send_lost"] == summary.notes["datagrams"] > 1
        assert len(re.findall("warning: collector .*Network is unreachable", result.err)) == 1


def sizes(uplink, mark):
    return [len(d) for _, d in list(uplink.collector.got) if mark.encode() in d]


@pytest.mark.parametrize("form", ["%s:%d", "[::ffff:%s]:%d"], ids=["ip4", "mapped"])
def test_narrow_path(tmp_path, form):
    """Below the least limit nothing full arrives, which the operator is told; no packet is fragmented, and a path that
    widens is used."""
    with Uplink(tmp_path, 4) as uplink:
        uplink.up()
        uplink.near.ip("link", "set", "up0", "mtu", "1000")
        target = form % (uplink.address(9), uplink.collector.port)
        sensor = uplink.sensor = uplink.near.sensor("-u", target)
        sensor.wait_err("warning: collector %s: its route is too narrow for datagrams of 1232 bytes" % target)
        uplink.send("mnarrow", 200)
        wait_until(lambda: now(sensor).notes.get("send_lost", 0) > 0)
        for mtu, least, most in (1300, 1200, 1272), (1500, 1400, 1472):
            uplink.near.ip("link", "set", "up0", "mtu", str(mtu))
            sensor.wait_err("collector %s: can be sent to" % target)
            mark = "m" + "ab"[mtu == 1500]
            wait_until(lambda mark=mark, least=least: uplink.send(mark, 200) or max(sizes(uplink, mark), default=0) > least,
                       step=0.3)
            assert max(sizes(uplink, mark)) <= most
        assert len(warnings(sensor)) == 1
        finish(sensor)


def test_an_address_better_than_that_of_the_link(tmp_path):
    """What was sent from an address of the link goes on from a better one, once there is one."""
    with Uplink(tmp_path, 6) as uplink, uplink.near.inside():
        uplink.near.ip("link", "set", "up0", "up")
        uplink.near.ip("route", "add", "fd77::/64", "dev", "up0")
        sensor = uplink.start()

        def sources():
            sockets = run(["ss", "-uanH", "dport", "=", ":%d" % uplink.collector.port]).out.decode()
            return re.findall(r"\[?(f[de][0-9a-f:]+)[]%]", sockets)
        wait_until(lambda: uplink.send("mone") or any(b"mone" in m for m in uplink.marks().values()), step=0.3)
        assert [s[:4] for s in sources()][:1] == ["fe80"], sources()
        uplink.near.ip("address", "add", uplink.host(1), "dev", "up0", "nodad")
        wait_until(lambda: uplink.send("mtwo") or sources()[:1] == [uplink.address(1)], step=0.3)
        ends_balanced(uplink)
        assert len(uplink.marks()) == 1 and len(warnings(sensor)) <= 1, "the source port stays"


def test_link_local_interface_made_anew(tmp_path):
    with Uplink(tmp_path, 6) as uplink:
        uplink.far.ip("address", "add", "fe80::9/64", "dev", "far0", "nodad")
        uplink.up()
        target = "[fe80::9%%up0]:%d" % uplink.collector.port
        sensor = uplink.sensor = uplink.near.sensor("-u", target)
        wait_until(lambda: uplink.send("mone") or sizes(uplink, "mone"), step=0.3)
        uplink.near.ip("link", "del", "up0")
        uplink.near.ip("link", "add", "up0", "type", "veth", "peer", "name", "far0", "netns", uplink.far.name)
        uplink.far.ip("link", "set", "far0", "up")
        uplink.far.ip("address", "add", "fe80::9/64", "dev", "far0", "nodad")
        uplink.up()
        wait_until(lambda: uplink.send("mtwo") or sizes(uplink, "mtwo"), step=0.3)
        finish(sensor)


def test_nobody_listens(uplink):
    """Said once, with what it may mean, as one that captures answers so too."""
    uplink.up()
    uplink.collector.stopped = True
    uplink.collector.thread.join()
    uplink.collector.socket.close()
    sensor = uplink.start()
    for _ in range(3):
        uplink.send("mone")
    sensor.wait_err("collector %s: answers that nobody listens there" % uplink.target)
    finish(sensor)
    assert sensor.err.count("answers that nobody listens") == 1
