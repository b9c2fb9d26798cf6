# SPDX-License-Identifier: BSD-3-Clause
"""The Python package: records and captures for it, and what the program prints of them."""

import ctypes
import json
import struct
import sys
import time

import pytest

from conftest import BASE_US, ETHERNET, NULL, RAW, SLL, SLL2, TOP, ethernet, reader, udp_packet

sys.path.insert(0, str(TOP / "python"))
import dnsflow  # noqa: E402
from dnsflow import filter as pcap_filter  # noqa: E402
from dnsflow.packet import LOOP  # noqa: E402

EXT = {"worker": 3, "sensor_id": 0xDEADBEEF, "start_time": 1700000000, "sample_rate": 7}

PTR, SIZE, U8, U16, U32, I64 = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32,
                                ctypes.c_int64)


class CStats(ctypes.Structure):
    _fields_ = [(n, U32) for n in ("pkts_captured", "pkts_received", "pkts_dropped", "pkts_ifdropped", "sample_rate")]


def iso(time_us):
    """As the reader prints it: 64 bits, and between 1970 and what 32 bits of seconds can say."""
    time_us = (time_us + (1 << 63)) % (1 << 64) - (1 << 63)
    seconds, us = divmod(min(max(time_us, 0), (1 << 32) * 1000000 - 1), 1000000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%06dZ" % us


def json_row(header, record):
    """What dnsflow_read --format json prints for a record."""
    row = {"type": "record", "server": header["src_ip_str"], "port": header["src_port"],
           "seq": header["sequence_number"], "time": iso(round(header["timestamp"] * 1e6)),
           "resolver": record["resolver_ip"] if header["version"] == 4 else None, "client": record["client_ip"],
           "names": record["names"], "ipv4": record["ips"], "ipv6": record["ip6s"]}
    if "ext" in record:
        more = {n: header["ext"][n] for n in EXT}
        row["ext"] = dict(more, **{n: v for n, v in record["ext"].items() if n in known_fields(record["ext"])},
                          time=iso(record["ext"]["time_us"]))
    return row


def json_rows(packets):
    """The same for all packets, statistics included."""
    rows = []
    for packet in packets:
        rows += [json_row(*item) for item in dnsflow.records([packet])]
        if "stats" in packet:
            row = json_row(packet["header"], {k: None for k in ("resolver_ip", "client_ip", "names", "ips", "ip6s")})
            row = dict({k: row[k] for k in ("server", "port", "seq", "time")}, type="stats", **packet["stats"])
            if "ext" in packet["header"]:
                row["ext"] = {n: packet["header"]["ext"][n] for n in list(EXT) + ["counters"]}
            rows.append(row)
    return rows


def known_fields(found):
    """Of an object that dnsflow_read prints, what json_rows() knows; counters without their names."""
    known = set("type server port seq time resolver client names ipv4 ipv6 ext counters min_ttl qtype client_port "
                "set_flags".split() + [n for n, _ in CStats._fields_] + list(EXT))
    if "frames_seen" in found:
        return list(found.values())
    return {k: v for k, v in found.items() if k in known}


def reader_rows(path, *options, status=0):
    """What dnsflow_read prints, and its summary."""
    result = reader("-r", path, "--format", "json", *options)
    assert result.status == status, result.err
    return [json.loads(text, object_hook=known_fields) for text in result.out.decode("ascii").splitlines()], result.err


PYTHON = TOP / "python"
TAG = struct.pack("!HH", 0x8100, 7)
needs_libpcap = pytest.mark.skipif(not pcap_filter.is_supported(), reason="no libpcap on this machine")


def made(number=1, count=2, **more):
    """A datagram, not always the same."""
    records = [{"client_ip": "10.0.%d.9" % i, "resolver_ip": "10.0.0.53", "names": ["h%d.example" % number],
                "ips": ["192.0.2.1"], "ip6s": []} for i in range(count)]
    return dnsflow.encode(records, number, **more)


STATS = dnsflow.encode_stats({"pkts_captured": 9, "pkts_received": 8, "pkts_dropped": 7, "pkts_ifdropped": 6,
                              "sample_rate": 5}, 77, dict(EXT, base_time_us=BASE_US, counters=[1, 2, 3]))


def packet(payload, ip=4, port=5300):
    if ip == 6:
        return udp_packet("2001:db8::5", 4000, "2001:db8::9", port, payload)
    return udp_packet("10.0.0.5", 4000, "10.0.0.9", port, payload)


def with_extensions(data, *headers):
    """An IPv6 packet with extension headers: (number, the bytes behind the next header field)."""
    body, following = data[40:], data[6]
    for number, rest in reversed(headers):
        body, following = bytes([following]) + rest + body, number
    return data[:4] + struct.pack("!HB", len(body), following) + data[7:40] + body


def frames_of(link, data):
    """The packet in frames of a link type."""
    ethertype = b"\x08\0" if data[0] >> 4 == 4 else b"\x86\xdd"
    if link in (NULL, LOOP):
        for family in (2,) if data[0] >> 4 == 4 else (10, 23, 24, 28, 30):
            yield struct.pack("<I" if link == NULL else ">I", family) + data
        yield b"\0\0" + ethertype + data
    elif link == ETHERNET:
        for tags in range(5):
            yield ethernet(data, b"".join([b"\x88\xa8\0\5", b"\x91\0\0\6", TAG, TAG][4 - tags:]))
    elif link == SLL:
        yield bytes(14) + ethertype + data
        yield bytes(14) + TAG + ethertype + data
    elif link == SLL2:
        yield ethertype + bytes(18) + data
        yield TAG[:2] + bytes(18) + TAG[2:] + ethertype + data
    else:
        yield data


def fragments(ip, payload, size, number=1, port=5300):
    """The fragments of a packet with a datagram, `size` bytes in each."""
    data = packet(payload, ip, port)
    head, body = (data[:20], data[20:]) if ip == 4 else (data[:40], data[40:])
    out = []
    for at in range(0, len(body), size):
        part, more = body[at:at + size], at + size < len(body)
        if ip == 4:
            one = head[:2] + struct.pack("!HHH", 20 + len(part), number, more << 13 | at // 8) + head[8:] + part
        else:
            rest = struct.pack("!BHI", 0, at | more, number)
            one = with_extensions(head + part, (44, rest))
        out.append(one)
    return out


FRAMES = [ethernet(packet(made(n))) for n in range(1, 6)]


def pcap_of(order="<", magic=0xA1B2C3D4, minor=4, record=16, unit=1, link=ETHERNET):
    out = struct.pack(order + "IHHiIII", magic, 2, minor, 0, 0, 65535, link | 0x20000000)
    for i, frame in enumerate(FRAMES):
        lengths = (len(frame) + 4, len(frame)) if minor < 4 else (len(frame), len(frame) + 4)
        out += struct.pack(order + "IIII", 1700000000 + i, 123456 * unit + unit // 2, *lengths)
        out += bytes(record - 16) + frame
    return out


PCAPS = {
    "little": pcap_of(), "big": pcap_of(">"), "ns": pcap_of("<", 0xA1B23C4D, unit=1000),
    "big ns": pcap_of(">", 0xA1B23C4D, unit=1000), "modified": pcap_of("<", 0xA1B2CD34, record=24),
    "2.3": pcap_of(minor=3), "2.2": pcap_of(">", minor=2),
}


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order, link, snap=0, *options):
    out = struct.pack(order + "HHI", link, 0, snap)
    for code, value in options:
        out += struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(order, 1, out + bytes(4))


def enhanced(order, number, units, frame, kind=6):
    head = struct.pack(order + ("I" if kind == 6 else "Hxx"), number)
    return block(order, kind, head + struct.pack(order + "IIII", units >> 32, units & 0xFFFFFFFF, len(frame),
                                                 len(frame)) + frame)


def pcapng_of(order):
    """Interfaces of several link types and clocks, every kind of packet block, two sections."""
    us = 1700000000123456
    out = section(order) + block(order, 0xBAD, b"anything")
    out += interface(order, ETHERNET) + interface(order, RAW, 0, (9, b"\x09"), (14, struct.pack(order + "q", 5)))
    out += interface(order, NULL, 0, (2, b"eth0"), (9, b"\x80")) + interface(order, RAW, 0, (9, b"\x94"))
    out += interface(order, RAW, 0, (9, b"\3"))
    out += enhanced(order, 0, us, FRAMES[0]) + enhanced(order, 1, us * 1000 + 999, FRAMES[1][14:])
    out += enhanced(order, 2, 1700000000, bytes(4) + made(9))
    out += enhanced(order, 3, (us << 20) // 10**6, FRAMES[2][14:])
    out += enhanced(order, 4, us // 1000, FRAMES[2][14:]) + enhanced(order, 0, us, FRAMES[3], kind=2)
    out += block(order, 3, struct.pack(order + "I", len(FRAMES[4])) + FRAMES[4])
    other = "<" if order == ">" else ">"
    snap = len(FRAMES[4])
    out += section(other) + interface(other, ETHERNET, snap)
    return out + block(other, 3, struct.pack(other + "I", snap + 100) + FRAMES[4])


PCAPNGS = {"ng little": pcapng_of("<"), "ng big": pcapng_of(">")}
FILES = dict(PCAPS, **PCAPNGS)
