# SPDX-License-Identifier: BSD-3-Clause
"""Every encapsulation alone, in every other, nested to the limit, cut at every byte, from files and live."""

import os
import struct

import pytest
from conftest import (BASE_US, ETHERNET, SENSOR, Summary, ethernet, pcap_header, read_written, response, rows_of, run,
                      sensor, udp_packet, write_pcap, written_rows)
from netns import finish, needs_namespaces, net, wait_records, wait_taken
from tunnels import ENCAPSULATIONS, MACS, VXLAN, dns_packet, ether, row_of, udp_over

pytest.importorskip("scapy")
PORTS = ["-J", "30030", "-X", "30001"]


def read(tmp_path, frames, *options):
    source = write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US + i, f) for i, f in enumerate(frames)])
    result = sensor("-r", source, "-w", tmp_path / "out.pcap", *PORTS, *options)
    assert result.status == 0, result.err
    return Summary(result.err), written_rows(tmp_path / "out.pcap")


def frames_of_all():
    for name, (build, token) in ENCAPSULATIONS.items():
        for version in 4, 6:
            packet = build(dns_packet("x.example", version))
            if packet:
                yield name, token, version, ether(packet)


@pytest.mark.parametrize("name", ENCAPSULATIONS)
def test_alone(tmp_path, name):
    build, token = ENCAPSULATIONS[name]
    inner = [(v, build(dns_packet("one.example", v))) for v in (4, 6)]
    inner = [(v, p) for v, p in inner if p]
    frames = [ether(p) for _, p in inner]
    summary, rows = read(tmp_path, frames)
    assert rows == [row_of("one.example", v) for v, _ in inner]
    assert summary.notes["tunnelled"] == len(frames)
    if token:
        summary, rows = read(tmp_path, frames, "--decap", token)
        assert len(rows) == len(frames)
        summary, rows = read(tmp_path, frames, "--decap", "none")
        assert rows == [] and sum(summary.frame_reasons.get(r, 0) for r in ("tunnel", "other_port")) == len(frames)


@pytest.mark.parametrize("outer", ENCAPSULATIONS)
def test_every_other_inside(tmp_path, outer):
    frames, want = [], []
    for inner, (build, _) in ENCAPSULATIONS.items():
        for version in 4, 6:
            name = "n%d.example" % len(frames)
            packet = build(dns_packet(name, version))
            packet = packet and ENCAPSULATIONS[outer][0](packet)
            if packet:
                frames.append(ether(packet))
                want.append((row_of(name, version), inner))
    summary, rows = read(tmp_path, frames)
    missing = [inner for row, inner in want if row not in rows]
    assert missing == [] and len(rows) == len(want), summary.frame_reasons


@pytest.mark.parametrize("name", ["vxlan", "gre", "ip in ip4", "mpls, pseudo-wire", "geneve, options", "802.1ah"])
def test_depth(tmp_path, name):
    packet, frames = dns_packet("deep.example"), []
    for _ in range(9):
        packet = ENCAPSULATIONS[name][0](packet)
        frames.append(ether(packet))
    summary, rows = read(tmp_path, frames)
    assert rows == [row_of("deep.example")] * 8
    assert summary.frame_reasons == {"tunnel_depth": 1}


def test_too_many_labels(tmp_path):
    stack = struct.pack("!I", 16 << 12 | 64) * 17 + struct.pack("!I", 16 << 12 | 0x140)
    summary, rows = read(tmp_path, [MACS + b"\x88\x47" + stack + dns_packet("x.example")[1]])
    assert rows == [] and summary.frame_reasons == {"tunnel_depth": 1}


def test_vlan_tags_in_front(tmp_path):
    tags = bytes.fromhex("88a8000781000009")
    frames = [f[:12] + tags + f[12:] for _, _, _, f in frames_of_all()]
    _, rows = read(tmp_path, frames)
    assert len(rows) == len(frames)


def test_a_dns_port_comes_first(tmp_path):
    """A client's port that equals a tunnel's does not make its responses a tunnel."""
    frames = [ethernet(udp_packet("10.0.0.53", 53, "10.0.0.9", port, response("plain.example", ["192.0.2.1"])))
              for port in (4789, 8472, 4790, 6081, 2152, 1701, 37008, 3544, 4754, 6635, 30030, 30001)]
    summary, rows = read(tmp_path, frames)
    assert len(rows) == len(frames) and "tunnelled" not in summary.notes


def test_what_is_no_tunnel_stays_udp(tmp_path):
    """Other things on the ports of tunnels are refused for their port, not as broken tunnels."""
    frames = [ethernet(udp_packet("10.0.0.1", 50000, "10.0.0.9", port, bytes(20)))
              for port in (4789, 4790, 2152, 1701, 37008, 3544)]
    summary, rows = read(tmp_path, frames)
    assert rows == [] and summary.frame_reasons == {"other_port": len(frames)}


def test_cut_at_every_byte(tmp_path):
    """Nothing is read that was not captured, and every frame is accounted for; a part of a response still counts."""
    path = tmp_path / "cut.pcap"
    seen = 0
    with open(path, "wb") as out:
        out.write(pcap_header(ETHERNET))
        for _, _, _, frame in frames_of_all():
            for length in range(len(frame) + 1):
                out.write(struct.pack("<IIII", 1, seen % 1000000, length, len(frame)) + frame[:length])
                seen += 1
    result = sensor("-r", path, "-w", tmp_path / "out.pcap", *PORTS)
    assert result.status == 0, result.err
    summary = Summary(result.err)
    assert summary.seen == seen and set(summary.frame_reasons) <= {
        "link_short", "ip_short", "not_ip", "other_port", "link_control", "ip_malformed"}, summary.frame_reasons
    rows = [r for _, d in read_written(tmp_path / "out.pcap") for r in rows_of([d])]
    assert set(rows) == {row_of("x.example", 4), row_of("x.example", 6)}


ETHER, IP4, IP6, UDP = ("link_short", 14), ("ip_short", 20), ("ip_short", 40), ("ip_short", 8)
INSIDE = [("ip_short", 28), ("dns_cut", 43)]  # IPv4 and UDP, and the response up to where its address is

# What the bytes of a frame are, to where each goes, and why the frame is refused when it is cut in there. The content
# tells whether it is a tunnel where only a port says so: before there is enough of it, it is another port's datagram.
PLACES = {
    "mpls": [ETHER, ("link_short", 4 + 1), ("ip_short", 27), INSIDE[1]],  # the first byte tells what follows a label
    "pppoe": [ETHER, ("link_short", 6 + 2), *INSIDE],
    "802.1ah": [ETHER, ("link_short", 4), ETHER, *INSIDE],
    "hsr": [ETHER, ("link_short", 4 + 2), *INSIDE],
    "nsh": [ETHER, ("link_short", 24), ETHER, *INSIDE],
    "ip in ip4": [ETHER, IP4, *INSIDE],
    "ip in ip6": [ETHER, IP6, *INSIDE],
    "gre": [ETHER, IP4, ("link_short", 4), *INSIDE],
    "gre, key": [ETHER, IP4, ("link_short", 4 + 4), *INSIDE],
    "gre, ethernet": [ETHER, IP4, ("link_short", 4), ETHER, *INSIDE],
    "erspan 2": [ETHER, IP4, ("link_short", 4 + 4 + 8), ETHER, *INSIDE],
    "etherip": [ETHER, IP4, ("link_short", 2), ETHER, *INSIDE],
    "ah over ip4": [ETHER, IP4, ("ip_short", 24), *INSIDE],
    "vxlan": [ETHER, IP4, UDP, ("other_port", 8), ETHER, *INSIDE],
    "geneve, options": [ETHER, IP4, UDP, ("other_port", 8), ("link_short", 12), ETHER, *INSIDE],
    "geneve, ethertype": [ETHER, IP4, UDP, ("other_port", 8), *INSIDE],
    "gtp": [ETHER, IP4, UDP, ("other_port", 8), *INSIDE],
    "gtp, sequence": [ETHER, IP4, UDP, ("other_port", 8), ("link_short", 4), *INSIDE],
    "gtp, extensions": [ETHER, IP6, UDP, ("other_port", 8), ("link_short", 4 + 4 + 8), *INSIDE],
    "l2tp 2": [ETHER, IP4, UDP, ("other_port", 2), ("link_short", 4 + 4), *INSIDE],
    "tzsp": [ETHER, IP4, UDP, ("other_port", 4), ("link_short", 5), ETHER, *INSIDE],
}


@pytest.mark.parametrize("name", PLACES)
def test_cut_in_each_place(tmp_path, name):
    frame = ether(ENCAPSULATIONS[name][0](dns_packet("x.example")))
    begin = 0
    for place, (reason, size) in enumerate(PLACES[name]):
        path = tmp_path / "cut.pcap"
        with open(path, "wb") as out:
            out.write(pcap_header(ETHERNET))
            for length in range(begin, begin + size):
                out.write(struct.pack("<IIII", 1, length, length, len(frame)) + frame[:length])
        result = sensor("-r", path, "-w", tmp_path / "out.pcap", *PORTS)
        summary = Summary(result.err)
        assert summary.reasons == {reason: size}, "place %d, from byte %d" % (place, begin)
        begin += size
    assert begin == len(frame), "one more, and it is whole"


@needs_namespaces
@pytest.mark.parametrize("workers", [1, 2])
def test_live(net, tmp_path, workers):
    frames = [f for _, _, _, f in frames_of_all()]
    out = net.collector()
    running = net.sensor("-u", out.target, "--decap", "all", *PORTS, "-M", workers)
    net.wire()(frames)
    wait_records(running, len(frames))
    summary = finish(running)
    assert summary.records == len(frames) == summary.notes["tunnelled"]


@needs_namespaces
def test_live_without_decap(net, tmp_path):
    """The kernel refuses tunnels that were not asked for, but those of -J and -X."""
    frames = [(token, f) for _, token, _, f in frames_of_all()]
    running = net.sensor("-w", tmp_path / "out", *PORTS)
    net.wire()([f for _, f in frames])
    wait_records(running, sum(token is None for token, _ in frames))
    wait_taken(running)
    summary = finish(running)
    assert summary.seen == summary.records == sum(token is None for token, _ in frames)


@needs_namespaces
def test_live_shares_of_what_is_inside(net, tmp_path):
    """-m goes by the addresses inside of the tunnel."""
    frames, rows = [], []
    for i in range(60):
        packet = (0x0800, udp_packet("10.0.0.53", 53, "10.0.0.%d" % (i + 1), 40000,
                                     response("s%d.example" % i, ["192.0.2.1"])))
        frames.append(ether(ENCAPSULATIONS["vxlan"][0](packet)))
    for share in 1, 2, 3:
        out = tmp_path / ("out%d" % share)
        running = net.sensor("-w", out, "--decap", "vxlan", "-m", "%d/3" % share)
        net.wire()(frames)
        wait_records(running, 20)
        finish(running)
        rows += written_rows(out)
    assert len(rows) == len(set(rows)) == 60


def named_frames():
    """Tunnels to ports of the user's choice, from a DNS port and from another, and responses to the same ports."""
    packet = dns_packet("in.example")
    plain = response("plain.example", ["192.0.2.1"])
    gtp = struct.pack("!BBHI", 0x30, 255, len(packet[1]), 7) + packet[1]
    kinds = {4788: VXLAN + ether(packet), 6082: struct.pack("!BBHI", 0, 0, 0x6558, 0x700) + ether(packet),
             2153: gtp, 37009: b"\1\0\0\1\1" + ether(packet), 30030: struct.pack("!II", 7, 8) + packet[1],
             30001: struct.pack("<IIII", 1, 5, len(ether(packet)), len(ether(packet))) + ether(packet)}
    tunnels = [ether(udp_over(port, inside, source=source)) for port, inside in kinds.items() for source in (53, 55555)]
    responses = [ethernet(udp_packet("10.0.0.53", 53, "10.0.0.9", port, plain)) for port in kinds]
    return tunnels, responses


NAMED = [word for kind in ("vxlan:4788", "geneve:6082", "gtp:2153", "tzsp:37009") for word in ("--tunnel-port", kind)]


@pytest.mark.parametrize("options", [[], ["-f", "udp"], ["--decap", "none"], ["-M", "2"]])
def test_named_ports_come_first(tmp_path, options):
    """What goes to a named port is unwrapped also when it comes from a DNS port; what is no tunnel is DNS there."""
    tunnels, responses = named_frames()
    if "-M" in options:
        source = write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US, f) for f in tunnels + responses])
        summary = Summary(sensor("-r", source, "-u", "127.0.0.1:9", *PORTS, *NAMED, *options).err)
    else:
        summary, rows = read(tmp_path, tunnels + responses, *NAMED, *options)
        assert sorted(rows) == sorted([row_of("in.example")] * len(tunnels)
                                      + ["10.0.0.53\t10.0.0.9\tplain.example\t192.0.2.1\t"] * len(responses))
    assert summary.records == len(tunnels) + len(responses) and summary.notes["tunnelled"] == len(tunnels)


def test_ports_that_are_not_named(tmp_path):
    """The standard ports are not asked for by naming others, and a DNS port comes before them."""
    frames = [ether(ENCAPSULATIONS["vxlan"][0](dns_packet("x.example")))]
    summary, rows = read(tmp_path, frames, "--decap", "none", "--tunnel-port", "vxlan:4788")
    assert rows == [] and summary.frame_reasons == {"other_port": 1}
    summary, rows = read(tmp_path, [ether(udp_over(4789, VXLAN + ether(dns_packet("x.example")), source=53))])
    assert rows == [] and "tunnelled" not in summary.notes


@pytest.mark.parametrize("client", [4789, 8472, 4790, 6081, 2152, 1701, 37008, 3544, 4754, 6635])
def test_no_tunnel_is_counted_as_one(tmp_path, client):
    """With -f a response may come from any port; to the port of a tunnel it is still one, and not tunnelled."""
    frames = [ethernet(udp_packet("10.0.0.53", 5300, "10.0.0.9", client, response("p%d.example" % i, ["192.0.2.1"],
                                                                                 number=i * 257)))
              for i in range(256)]
    summary, rows = read(tmp_path, frames, "-f", "udp")
    assert len(rows) == len(frames) and "tunnelled" not in summary.notes


@pytest.mark.parametrize("name", ["geneve, scapy", "geneve, options", "geneve, ethertype", "gtp", "gtp, extensions"])
def test_by_source_port(tmp_path, name):
    """GENEVE and GTP-U are known by their source port too."""
    build, port = ENCAPSULATIONS[name][0], 6081 if "geneve" in name else 2152
    inner = [build(dns_packet("one.example", v))[1] for v in (4, 6)]
    inside = [p[28:] if p[0] >> 4 == 4 else p[48:] for p in inner]
    frames = [ether(udp_over(40001, p, v, source=port)) for p in inside for v in (4, 6)]
    summary, rows = read(tmp_path, frames)
    assert len(rows) == len(frames) == summary.notes["tunnelled"]
    summary, rows = read(tmp_path, frames, "--decap", "none")
    assert rows == [] and summary.frame_reasons == {"other_port": len(frames)}


@needs_namespaces
def test_live_named_ports(net, tmp_path):
    tunnels, responses = named_frames()
    out = net.collector()
    running = net.sensor("-u", out.target, *PORTS, *NAMED)
    net.wire()(tunnels + responses)
    wait_records(running, len(tunnels) + len(responses))
    summary = finish(running)
    assert summary.records == len(tunnels) + len(responses) and summary.notes["tunnelled"] == len(tunnels)


@pytest.mark.parametrize("value", ["", "vxlan", "vxlan:", "vxlan:0", "vxlan:65536", "gre:47", "4789:vxlan", "vxlan:1x"])
def test_wrong_tunnel_port(value):
    result = sensor("-r", "x", "-w", "y", "--tunnel-port", value)
    assert result.status == 2 and result.err.count("\n") == 1
    assert "--tunnel-port" in result.err and "expected" in result.err


@pytest.mark.parametrize("value", ["", "vxlan,", "nonsense", "vxlan nsh", "jmirror", "pcap-record", ",gre"])
def test_wrong_list(value):
    result = sensor("-r", "x", "-w", "y", "--decap", value)
    assert result.status == 2 and result.err.count("\n") == 1
    assert "--decap" in result.err and "vxlan" in result.err and "expected" in result.err
