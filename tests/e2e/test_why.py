# SPDX-License-Identifier: BSD-3-Clause
"""When nothing comes out, the sensor says why: each cause and its sentence."""

import random
import re
import signal
import struct
import time

import pytest

from conftest import (BASE_US, ETHERNET, address, ethernet, pcap_header, response, response_frame, sensor, udp_packet,
                      wait_until, write_pcap)
from dnstap import Tap, handshake
from netns import finish, frames_of, needs_namespaces, net
from packets import datagram, fragments, segment
from tunnels import ENCAPSULATIONS, dns_packet, ether

QUERY = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + b"\3www\7example\0" + struct.pack("!HH", 1, 1)
SRC, DST = address("10.0.0.53"), address("10.0.0.9")


def queries(count=30):
    return [ethernet(udp_packet("10.0.0.9", 40000 + i, "10.0.0.53", 53, QUERY)) for i in range(count)]


def tcp(source, target, payload=b"\x16\3\1" + bytes(60)):
    packet = segment(DST, SRC, target, 1, 0x18, payload)
    return ethernet(packet[:20] + struct.pack("!H", source) + packet[22:])


def first_fragments(count=20):
    message = response("large.example", ["192.0.2.%d" % i for i in range(100)])
    return [ethernet(fragments(random.Random(1), SRC, DST, datagram(4000, message), n)[1]) for n in range(count)]


def snap(frame):
    """The same in an IEEE 802.3 frame, behind LLC and SNAP."""
    return frame[:12] + struct.pack("!H", len(frame) - 6) + bytes.fromhex("aaaa03000000") + frame[12:]


def icmp():
    return ethernet(bytes.fromhex("4500001c0001000040010000") + SRC + DST + bytes.fromhex("0800f7ff00000000"))


CAUSES = {
    "queries": (queries(), [], "30 packets are queries, and none is a response: one direction only is mirrored"),
    "other side": ([response_frame(flags=0x8480) for _ in range(5)], [],
                   "5 packets are responses to servers that ask without recursion"),
    "authoritative": ([response_frame(flags=0x8500)] * 5, [], "authoritative servers: capture between"),
    "fragments": (first_fragments(), [], "20 packets are parts of IP packets or TCP streams, of which the rest"),
    "fragments, not put together": (first_fragments(), ["--no-defrag"],
                                    "20 packets are IP fragments, of which the others are missing"),
    "tags": ([f[:12] + bytes.fromhex("81000001") * 4 + f[12:] for f in frames_of(9)], [],
             "9 packets have more than 3 VLAN tags"),
    "tunnels": ([ether(ENCAPSULATIONS["gre"][0](dns_packet("x.example")))] * 4, ["--decap", "none"],
                "4 packets are in tunnels, which are not looked into: try --decap all"),
    "port": (frames_of(40, source_port=5453), [], "40 packets are UDP, but none is from port 53: name the port with -d"),
    "ports": (frames_of(40), ["-d", "5353"], "40 packets are UDP, but none is from port 5353: name the port with -d"),
    "more ports": (frames_of(4), ["-d", "5300", "-d", "5301", "-Y"], "none is from port 5300, 5301 or 5353: name the"),
    "TCP ports": ([tcp(54, 40000)] * 3, [], "3 packets are TCP, which is not looked into, or not from port 53: try --tcp"),
    "link": ([bytes(12) + b"\0\x2e\x42\x42\x01" + bytes(43)] * 7, [], "7 packets are of the link layer alone, without IP"),
    "encrypted": ([tcp(853, 40000), tcp(40000, 443), ethernet(udp_packet("10.0.0.1", 443, "10.0.0.9", 5, bytes(50)))],
                  [], "3 packets are of port 853 or 443: encrypted DNS cannot be read here, let the resolver send dnstap"),
    "TCP": ([tcp(53, 40000)] * 3, ["--no-tcp"], "3 packets are TCP, which is not looked into"),
    "filter": (frames_of(12), ["-f", "src port 99"], "12 packets are refused by the filter (-f)"),
    "share": ([response_frame(client="10.0.0.2")] * 3, ["-m", "2/2"], "3 packets belong to other shares (-m)"),
    "many": (queries(1234), [], "1 234 packets are queries"),
    "no names": ([response_frame(flags=0x8183)] * 2, [], "2 packets are responses that the name does not exist"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_files(tmp_path, cause):
    frames, options, sentence = CAUSES[cause]
    source = write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US + i, f) for i, f in enumerate(frames)])
    result = sensor("-r", source, "-w", tmp_path / "out.pcap", *options)
    assert result.status == 0
    (line,) = [l for l in result.err.splitlines() if "no records: " in l]
    assert sentence in line


def test_link_type(tmp_path):
    source = write_pcap(tmp_path / "in.pcap", 119, [(BASE_US, b"\0" * 60)] * 1200)
    result = sensor("-r", source, "-w", tmp_path / "out.pcap")
    assert "no records: 1 200 packets are 802.11 with Prism header (link type 119), which is not decoded" in result.err


@pytest.mark.parametrize("length, sentence", [(20, "cut short by the snap length, before the DNS message"),
                                              (60, "cut short before the first address")])
def test_snap_length(tmp_path, length, sentence):
    path, frame = tmp_path / "in.pcap", response_frame()
    path.write_bytes(pcap_header(ETHERNET) + struct.pack("<IIII", 1, 0, length, len(frame)) + frame[:length])
    result = sensor("-r", path, "-w", tmp_path / "out.pcap")
    assert "1 packet is " + sentence in result.err


def test_nothing_is_said_when_there_are_records(tmp_path):
    source = write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US, f) for f in queries() + frames_of(1)])
    assert "no records" not in sensor("-r", source, "-w", tmp_path / "out.pcap").err


LIVE = {
    "queries": (queries(10), [], "are queries, and none is a response: one direction only is mirrored"),
    "tunnels": (CAUSES["tunnels"][0], [], "are in tunnels, which are not looked into: try --decap all"),
    "VXLAN": ([ether(ENCAPSULATIONS["vxlan"][0](dns_packet("x.example")))], [], "are in tunnels"),
    "port": (frames_of(10, source_port=5453), [], "are UDP, but none is from port 53: name the port with -d"),
    "encrypted": (CAUSES["encrypted"][0], [], "are of port 853 or 443"),
    "tags": (CAUSES["tags"][0], [], "have more than 3 VLAN tags"),
    "ports": (frames_of(10), ["-d", "5353"], "are UDP, but none is from port 5353: name the port with -d"),
    "LLC": ([snap(f) for f in frames_of(5) + queries(6)] + [icmp()] * 2, [],
            "packets looked at, # packets are in IEEE 802.3 frames with LLC, which are read from files only"),
    "filter": (frames_of(10), ["-f", "tcp port 99"], 'no packet passes the filter "tcp port 99" (-f) on in0; of'),
    "errors": ([response_frame(flags=0x8183)], [], "are responses that the name does not exist"),
}


@needs_namespaces
@pytest.mark.parametrize("cause", LIVE)
def test_live(net, tmp_path, cause):
    """Also of what the kernel's filter keeps away."""
    frames, options, sentence = LIVE[cause]
    running = net.sensor("-w", tmp_path / "out", *options)
    send = net.wire()

    def said():
        send(frames)
        return "nothing to send for 10 s: " in running.err
    wait_until(said, 20, 0.05)
    (line,) = [l for l in running.err.splitlines() if "nothing to send" in l]
    assert sentence in re.sub(r"\d+ packets are in", "# packets are in", line)
    finish(running)


@needs_namespaces
def test_one_packet(net, tmp_path):
    running = net.sensor("-w", tmp_path / "out")
    time.sleep(5)  # until a look has begun
    net.wire()(queries(1))
    wait_until(lambda: "nothing to send for 10 s: " in running.err, 20)
    assert "; of 1 packet looked at, 1 packet is a query" in running.err
    finish(running)


@needs_namespaces
def test_interface_that_is_gone(net, tmp_path):
    running = net.sensor("-w", tmp_path / "out")
    net.ip("link", "del", "in0")
    wait_until(lambda: "nothing to send for 10 s: in0 is gone\n" in running.err, 20)
    finish(running)


@pytest.mark.parametrize("clients, sentence", [(0, "no name server is connected to "), (1, "1 name server is connected to "),
                                               (2, "2 name servers are connected to ")])
def test_dnstap_socket(tmp_path, clients, sentence):
    with Tap(tmp_path) as tap:
        for _ in range(clients):
            handshake(tap.connect())
        wait_until(lambda: "nothing to send for 10 s: " in tap.sensor.err, 20)
        (line,) = [l for l in tap.sensor.err.splitlines() if "nothing to send" in l]
        assert line.endswith(sentence + str(tap.path) + (", but no message comes" if clients else ""))
        tap.sensor.signal(signal.SIGTERM)
        assert tap.sensor.wait(10) == 0
