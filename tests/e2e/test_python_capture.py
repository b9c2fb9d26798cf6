# SPDX-License-Identifier: BSD-3-Clause
"""The Python package on frames and capture files of all kinds: it must find what dnsflow_read finds, and refuse as
many."""

import bz2
import gzip
import io
import lzma
import os
import random
import re
import socket
import struct
import sys

import pytest

from conftest import BASE_US, ETHERNET, NULL, RAW, SLL, SLL2, checksum, ethernet, made_capture, run, sensor, write_pcap
from python_reader import (EXT, FILES, FRAMES, PCAPNGS, PYTHON, STATS, dnsflow, fragments, frames_of, json_rows, made,
                           needs_libpcap, packet, pcap_filter, pcap_of, reader_rows, with_extensions)
from dnsflow.packet import LOOP, Fragment, Reassembly  # found by what python_reader put on the path

IPV4, IPV6 = 228, 229


def with_options(data):
    """An IPv4 packet with 8 bytes of options."""
    head = bytearray(data[:20] + b"\1" * 8)
    head[0] = 0x47
    struct.pack_into("!H", head, 2, len(data) + 8)
    struct.pack_into("!H", head, 10, 0)
    struct.pack_into("!H", head, 10, 0xFFFF - checksum(bytes(head)))
    return bytes(head) + data[20:]


def packets():
    """Packets with a datagram or nearly one, of both families."""
    hop, destination, ah = (0, bytes(7)), (60, b"\1" + bytes(14)), (51, b"\4" + bytes(22))
    yield packet(made(1))
    yield packet(made(2, 3), 6)
    yield packet(STATS)
    yield with_options(packet(made(3)))
    yield with_extensions(packet(made(4), 6), hop, destination)
    yield with_extensions(packet(made(5), 6), hop, (43, bytes(7)), ah, (44, bytes(7)))  # an atomic fragment
    yield with_extensions(packet(made(6), 6), *[hop] * 15)
    yield with_extensions(packet(made(7), 6), *[hop] * 16)
    yield packet(made(8), port=5301)
    yield packet(made(9)[:-1])
    yield packet(b"")
    yield packet(made(10)) + b"padding"
    yield packet(made(11))[:60]
    for at in (2, 24):  # lengths that were left to the network card
        data = bytearray(packet(made(12)))
        data[at:at + 2] = bytes(2)
        yield bytes(data)
    data = bytearray(packet(made(13)))
    data[9] = 6
    yield bytes(data)


def both(path, *options, **more):
    """Rows by the package, after making sure that dnsflow_read has the same and refuses as many."""
    counts = dnsflow.Counts()
    mine = json_rows(dnsflow.pkt_iter(pcap_file=str(path), counts=counts, **more))
    rows, summary = reader_rows(path, *options)
    assert mine == rows
    assert counts.malformed == sum(int(n) for n in re.findall(r"n_malformed=(\d+)", summary))
    return rows, counts


# Frames

@pytest.mark.parametrize("link", [NULL, ETHERNET, 12, 14, RAW, LOOP, SLL, IPV4, IPV6, SLL2])
def test_link_types(link, tmp_path):
    frames = [frame for data in packets() for frame in frames_of(link, data)]
    rows, counts = both(write_pcap(tmp_path / "a.pcap", link, [(BASE_US + i, f) for i, f in enumerate(frames)]))
    assert len(rows) >= 4 and counts.malformed >= (link != IPV6) and counts.ignored > 0


def test_frames_cut_and_damaged(tmp_path):
    dice = random.Random(1)
    for link in (NULL, ETHERNET, RAW, SLL, SLL2):
        whole = [frame for data in packets() for frame in frames_of(link, data)]
        frames = [f[:n] for f in whole[:6] for n in range(len(f))]
        for _ in range(1500):
            data = bytearray(dice.choice(whole))
            for _ in range(dice.randint(1, 3)):
                data[dice.randrange(min(len(data), 80))] = dice.choice((0, 4, 6, 0x45, 0x60, dice.randrange(256)))
            frames.append(bytes(data))
        both(write_pcap(tmp_path / "a.pcap", link, [(BASE_US + i, f) for i, f in enumerate(frames)]))


def test_bare_datagrams(tmp_path):
    rows, _ = both(write_pcap(tmp_path / "a.pcap", NULL, [(BASE_US, bytes(4) + made()), (BASE_US, bytes(4)),
                                                          (BASE_US, bytes(3))]))
    assert [(r["server"], r["port"]) for r in rows] == [("0.0.0.0", 0)] * 2


def test_what_a_sensor_writes(tmp_path):
    source = made_capture(tmp_path / "in.pcap", 500)
    for options in ([], ["-x"]):
        assert sensor("-r", source, "-w", tmp_path / "out.pcap", *options).status == 0
        rows, _ = both(tmp_path / "out.pcap")
        assert sum(r["type"] == "record" for r in rows) == 500


# Fragments


@pytest.mark.parametrize("ip", [4, 6])
def test_fragments(ip, tmp_path):
    dice = random.Random(ip)
    big, frames = made(1, 60), []
    parts = fragments(ip, big, 800, 1)
    frames += parts + parts  # in order, and all of it again
    frames += fragments(ip, big, 800, 2)[::-1]
    third, other = fragments(ip, big, 800, 3), fragments(ip, big, 808, 3)
    frames += [third[0], third[0], third[2]] + third[1:]  # duplicates
    frames += [other[1]] + fragments(ip, big, 800, 4)[:-1]  # one never completed
    fifth = fragments(ip, big, 800, 5)
    frames += fifth[:2] + [fragments(ip, big, 408, 5)[3]] + fifth[2:]  # overlap
    frames += [fragments(ip, big, 800, 6)[1][:-1]] + fragments(ip, big, 800, 6)  # one cut by the snap length
    frames += fragments(ip, big, 800, 7, port=5301)
    frames += fragments(ip, made(8)[:-1], 16, 8)
    mixed = [f for n in range(20, 30) for f in fragments(ip, made(n, 20), 8 * dice.randint(1, 60), n)]
    dice.shuffle(mixed)
    records = [(BASE_US + 1000 * i, f) for i, f in enumerate(frames + mixed)]
    late = fragments(ip, big, 800, 9)
    records += [(BASE_US + 10**7, late[0])] + [(BASE_US + 41 * 10**6, f) for f in late[1:]]
    records += [(BASE_US + 42 * 10**6, f) for f in fragments(ip, big, 800, 1)]  # the number used again
    rows, counts = both(write_pcap(tmp_path / "a.pcap", RAW, records))
    assert sorted({r["seq"] for r in rows}) == [1] + list(range(20, 30)) and counts.malformed == 1
    assert sum(r["seq"] == 1 for r in rows) == 5 * 60, "complete: 1, 2, 3, 6, and 1 again"


def test_fragments_at_random(tmp_path):
    dice = random.Random(9)
    records = []
    for i in range(3000):
        number = dice.randrange(12)
        parts = fragments(dice.choice((4, 6)), made(number, 4), 8 * (12 if i % 50 == 0 else 9), number)
        records.append((BASE_US + i * dice.choice((100000, 100000, 100000, 90000)), dice.choice(parts)))
    rows, _ = both(write_pcap(tmp_path / "a.pcap", RAW, records))
    assert len(rows) > 100


def test_memory_for_fragments_is_bounded():
    reassembly = Reassembly()
    for i in range(3000):
        src = struct.pack("!I", i)
        assert reassembly.add(Fragment(src, src, i, 65400 - i % 64 * 8, True, True, bytes(64)), i) is None
        assert len(reassembly._partials) <= Reassembly.DATAGRAMS_MAX
        assert reassembly._bytes == sum(len(p.data) for p in reassembly._partials.values()) <= Reassembly.BYTES_MAX


# Capture files


@pytest.mark.parametrize("name", list(FILES))
def test_capture_formats(name, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(FILES[name])
    rows, _ = both(path)
    assert len(rows) == (16 if name in PCAPNGS else 10)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed(pack, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(pack(FILES["ns"]))
    both(path)
    path.write_bytes(pack(os.urandom(300000) + FILES["ns"])[:100000])
    with pytest.raises(dnsflow.CaptureError):
        list(dnsflow.pkt_iter(pcap_file=path))
    path.write_bytes(pack(FILES["ns"])[:-12])
    with pytest.raises(dnsflow.CaptureError, match="broken compressed data"):
        list(dnsflow.read_frames(path))


def test_file_objects_and_standard_input():
    class Slow(io.RawIOBase):
        """Gives a few bytes at a time, as a pipe may."""

        def __init__(self, data):
            self.data = io.BytesIO(data)

        def read(self, size=-1):
            return self.data.read(min(size, 7))

    for data in (FILES["little"], FILES["ng big"], gzip.compress(FILES["big"])):
        whole = json_rows(dnsflow.pkt_iter(pcap_file=io.BytesIO(data)))
        assert whole == json_rows(dnsflow.pkt_iter(pcap_file=Slow(data)))
        script = "import dnsflow\nfor p in dnsflow.pkt_iter(pcap_file='-'): print(p['header']['sequence_number'])"
        result = run([sys.executable, "-c", script], data=data, env=dict(os.environ, PYTHONPATH=str(PYTHON)))
        assert result.status == 0, result.err
        assert [int(n) for n in result.out.split()] == [r["seq"] for r in whole[::2]]


def rows_before_damage(path):
    rows = []
    try:
        for one in dnsflow.pkt_iter(pcap_file=path):
            rows += json_rows([one])
    except dnsflow.CaptureError as error:
        return rows, str(error)
    return rows, None


@pytest.mark.parametrize("name", ["little", "modified", "ng little", "ng big"])
def test_broken_captures(name, tmp_path):
    """What comes before the damage is given, then the iterator says what is wrong, where dnsflow_read does."""
    dice, path = random.Random(4), tmp_path / "a"
    for i in range(40):
        data = bytearray(FILES[name][:dice.randrange(len(FILES[name]) if i % 2 else 100)])
        if i % 2:
            data = bytearray(FILES[name])
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(len(data))] = dice.choice((0, 255, dice.randrange(256)))
        path.write_bytes(data)
        rows, error = rows_before_damage(path)
        theirs, message = reader_rows(path, status=1 if error else 0)
        assert rows == theirs, error
        assert error is None or error.split(": ")[-1].split("; expected")[0] in message


def test_no_capture(tmp_path):
    for data, why in ((b"", "empty"), (b"text", "shorter than"), (bytes(100), "neither"),
                      (b"\x28\xb5\x2f\xfd" + bytes(50), "zstd"), (pcap_of()[:4] + bytes(90), "version 0.0")):
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(dnsflow.CaptureError, match=why):
            list(dnsflow.pkt_iter(pcap_file=tmp_path / "a"))
    with pytest.raises(OSError):
        dnsflow.pkt_iter(pcap_file=tmp_path / "missing")
    with pytest.raises(ValueError):
        dnsflow.pkt_iter()
    with pytest.raises(ValueError):
        dnsflow.pkt_iter(interface="lo", pcap_file="a")


# Dictionaries

def test_fields():
    frame = ethernet(packet(made(4, ext=None)))
    one = dnsflow.process_pkt(ETHERNET, 12.5, frame)
    assert one == {
        "header": {"src_ip": bytes([10, 0, 0, 5]), "src_ip_str": "10.0.0.5", "src_port": 4000, "timestamp": 12.5,
                   "version": 4, "sets_count": 2, "flags": 0, "sequence_number": 4},
        "data": [{"client_ip": "10.0.%d.9" % i, "resolver_ip": "10.0.0.53", "names": ["h4.example"],
                  "ips": ["192.0.2.1"], "ip6s": []} for i in range(2)]}
    assert list(dnsflow.records([one])) == [(one["header"], r) for r in one["data"]]
    stats = dnsflow.process_pkt(ETHERNET, 1, ethernet(packet(STATS, 6)))
    assert stats["stats"] == {"pkts_captured": 9, "pkts_received": 8, "pkts_dropped": 7, "pkts_ifdropped": 6,
                              "sample_rate": 5}
    assert "data" not in stats and stats["header"]["ext"] == dict(EXT, base_time_us=BASE_US, counters=[1, 2, 3])
    assert stats["header"]["src_ip"] == socket.inet_pton(socket.AF_INET6, "2001:db8::5")
    assert dnsflow.process_datagram(made(), "2001:db8::1")["header"]["src_ip"][:4] == b"\x20\x01\x0d\xb8"


def test_no_dictionary():
    counts = dnsflow.Counts()
    elsewhere = ethernet(packet(made(), port=53))
    assert dnsflow.process_pkt(ETHERNET, 0, elsewhere, counts=counts) is None
    assert dnsflow.process_pkt(ETHERNET, 0, elsewhere, port=None)["header"]["sequence_number"] == 1
    assert dnsflow.process_pkt(ETHERNET, 0, elsewhere, port=53) is not None
    assert dnsflow.process_pkt(ETHERNET, 0, b"", counts=counts) is None
    assert dnsflow.process_pkt(ETHERNET, 0, ethernet(packet(b"\5" * 9)), counts=counts) is None
    assert dnsflow.process_pkt(RAW, 0, fragments(4, made(), 16)[0], counts=counts) is None
    assert dnsflow.process_pkt(999, 0, ethernet(packet(made())), counts=counts) is None
    assert (counts.ignored, counts.malformed, counts.datagrams) == (4, 1, 0)
    assert counts.last_error.code == -4


def test_only_statistics(tmp_path):
    frames = [ethernet(packet(d)) for d in (made(1), STATS, made(2)[:-1], STATS)]
    path = write_pcap(tmp_path / "a.pcap", ETHERNET, [(BASE_US, f) for f in frames])
    counts = dnsflow.Counts()
    found = list(dnsflow.pkt_iter(pcap_file=path, stats_only=True, counts=counts))
    assert len(found) == 2 and all("stats" in p and "data" not in p for p in found)
    assert (counts.frames, counts.datagrams, counts.malformed) == (4, 3, 1)
    assert dnsflow.process_pkt(ETHERNET, 0, frames[0], stats_only=True) is None


# Filters

@needs_libpcap
@pytest.mark.parametrize("expression", ["udp dst port 5301", "src host 10.0.0.5 and udp", "ip6", "udp port 4000",
                                        "vlan", "ether src 02:00:00:00:00:01", ""])
def test_filter_as_the_reader_does(expression, tmp_path):
    frames = [f for data in packets() for f in frames_of(ETHERNET, data)]
    path = write_pcap(tmp_path / "a.pcap", ETHERNET, [(BASE_US, f) for f in frames])
    _, counts = both(path, "-F", expression, pcap_filter=expression)
    assert counts.frames == len(frames) and (counts.filtered > 0) == (expression[:3] not in ("", "eth"))
    raw = write_pcap(tmp_path / "raw.pcap", RAW, [(BASE_US, d) for d in packets()])
    if expression[:3] not in ("eth", "vla"):
        both(raw, "-F", expression, pcap_filter=expression)
    else:
        assert list(dnsflow.pkt_iter(pcap_file=raw, pcap_filter=expression)) == []


@needs_libpcap
def test_no_filter(tmp_path, monkeypatch):
    path = write_pcap(tmp_path / "a.pcap", ETHERNET, [(BASE_US, FRAMES[0])])
    with pytest.raises(ValueError, match="nonsense"):
        dnsflow.pkt_iter(pcap_file=path, pcap_filter="nonsense")
    monkeypatch.setattr(pcap_filter, "_library", lambda: None)
    with pytest.raises(OSError, match="libpcap"):
        dnsflow.pkt_iter(pcap_file=path, pcap_filter="udp")
    assert len(list(dnsflow.pkt_iter(pcap_file=path))) == 1
