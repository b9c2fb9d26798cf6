# SPDX-License-Identifier: BSD-3-Clause
"""What a live sensor says and does when packets are lost or come as superpackets."""

import os
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from conftest import (SENSOR, Background, Collector, Summary, ethernet, needs_root, response, response_frame, udp_packet,
                      wait_until)
from netns import finish, needs_namespaces, net, wait_records

SOL_UDP, UDP_SEGMENT = 17, 103


def ip(*arguments):
    return subprocess.run(["ip"] + list(arguments), timeout=10, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)


@pytest.fixture
def veth():
    """A veth pair in the namespace of the test; nothing but the test sends on it."""
    if not shutil.which("ip"):
        pytest.skip("needs iproute2")
    near, far = "dfn%d" % (os.getpid() % 100000), "dff%d" % (os.getpid() % 100000)
    made = ip("link", "add", near, "type", "veth", "peer", "name", far)
    if made.returncode != 0:
        pytest.skip("no veth: %s" % made.stderr.decode().strip())
    try:
        for name in (near, far):
            ip("link", "set", name, "up")
        yield near, far
    finally:
        ip("link", "del", near)


@needs_root
def test_adaptive_sampling(tmp_path, veth):
    """Stopped while far more comes than its ring holds, the sensor samples once it goes on, and says so on the wire."""
    near, far = veth
    frame = response_frame("flood.example")
    with Collector() as collector, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((near, 0))
        with Background([SENSOR, "-i", far, "-u", collector.target, "-x", "--ring-size", "1", "--adaptive-sample", "4"],
                        tmp_path) as sensor:
            sensor.wait_err("capturing on")

            def lost():
                sensor.signal(signal.SIGSTOP)
                for _ in range(12000):
                    out.send(frame)
                sensor.signal(signal.SIGCONT)
                return "keeps 1 DNS message in 4, as packets are lost" in sensor.err
            wait_until(lost, 20, 0.3)
            for _ in range(4000):
                out.send(frame)
            sensor.signal(signal.SIGTERM)
            assert sensor.wait(10) == 0
            summary = Summary(sensor.err)
        (datagrams,) = collector.datagrams(summary.notes["datagrams"]).values()
    assert summary.dropped > 0 and summary.message_reasons["sampled"] > 0
    assert any(d.trailer.sample_rate == 4 and d.sets for d in datagrams)
    rates = [d.trailer.sample_rate for d in datagrams]
    changes = [i for i in range(1, len(rates)) if rates[i] != rates[i - 1]]
    assert changes and all(datagrams[i].stats for i in changes), "statistics follow each change"
    assert all(d.stats[4] == d.trailer.sample_rate for d in datagrams if d.stats)


@needs_root
def test_superpackets_are_counted(tmp_path, veth):
    """A sender that leaves segmentation to the card shows a capture one frame of many datagrams."""
    near, far = veth
    message = response("super.example", ["192.0.2.1"])
    message += bytes(1000 - len(message))
    ip("addr", "add", "198.18.255.1/30", "dev", near)
    ip("neigh", "add", "198.18.255.2", "lladdr", "02:00:00:00:00:99", "dev", near)
    with Collector() as collector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("198.18.255.1", 0))
        port = str(resolver.getsockname()[1])
        with Background([SENSOR, "-i", far, "-d", port, "-u", collector.target], tmp_path) as sensor:
            sensor.wait_err("capturing on")
            resolver.sendmsg([message * 5], [(SOL_UDP, UDP_SEGMENT, struct.pack("H", 1000))], 0, ("198.18.255.2", 4000))
            sensor.wait_captured(1)
            sensor.signal(signal.SIGTERM)
            assert sensor.wait(5) == 0
            summary = Summary(sensor.err)
    if summary.captured != 1:
        pytest.skip("this kernel cuts the segments before a capture sees them")
    assert summary.notes["superpacket"] == 1 and summary.notes["sets"] == 1


@needs_root
def test_raised_mtu(tmp_path, veth):
    """A datagram that fits, once the MTU has been raised, is no superpacket."""
    near, far = veth
    big = ["192.0.2.%d" % (i % 250) for i in range(120)]
    with Collector() as collector, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((near, 0))
        with Background([SENSOR, "-i", far, "-u", collector.target], tmp_path) as sensor:
            sensor.wait_err("capturing on")
            for name in (near, far):
                ip("link", "set", name, "mtu", "9000")
            wire.send(ethernet(udp_packet("10.0.0.53", 53, "10.0.0.9", 4000, response("udp.example", big))))
            sensor.wait_captured(1)
            sensor.signal(signal.SIGTERM)
            assert sensor.wait(5) == 0
            summary = Summary(sensor.err)
    assert summary.records == 1 and "superpacket" not in summary.notes


@needs_namespaces
def test_segments_put_together(net):
    """TCP is read in full, however large the frames are in which the kernel shows it."""
    net.ip("link", "set", "lo", "mtu", "1500")
    message = response("tcp.example", ["192.0.2.%d" % (i % 250) for i in range(900)])
    sensor = net.sensor("--tcp", "-u", "127.0.0.1:9", on="lo")
    server, client = net.socket(socket.AF_INET, socket.SOCK_STREAM), net.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("127.0.0.1", 53))
    server.listen()
    client.connect(("127.0.0.1", 53))
    with server.accept()[0] as peer:
        peer.sendall(struct.pack("!H", len(message)) + message)
        wait_records(sensor, 1)
    summary = finish(sensor)
    assert summary.notes["tcp_messages"] == 1 and "superpacket" not in summary.notes
