# SPDX-License-Identifier: BSD-3-Clause
"""Records to datagrams of version 4, byte for byte as the C library makes them: for tests, and scripts that make
traffic. One call makes one datagram; nothing is split."""

from __future__ import annotations

import re
import struct
from ipaddress import ip_address
from typing import Iterable, List, Optional, Sequence

from .wire import (ANSWER, ANSWERS, COUNTERS, EXT_VERSION, FLAG_ANSWERS, FLAG_EXTENDED, FLAG_SIGNED, FLAG_STATS, HEADER,
                   RCODE_BITS, SET4, SET_TRAILER, STATS, TAG_SIZE, TRAILER, TRAILER_START, VERSION, Ext, Record, Stats,
                   make_tag)

_SETS_MAX = 255
_EACH_MAX = 255  # names, and addresses of each family, in a set
_COUNTERS_MAX = 128
_DATAGRAM_MAX = 65507  # of UDP over IPv4
_TOKEN = re.compile(r"\\([0-9]{3})|\\([\x21-\x2f\x3a-\x7e])|(\.)|([\x21-\x5b\x5d-\x7e])")


def name_to_wire(text: str) -> bytes:
    """A name in presentation form, as decode() gives it, to wire format. Raises ValueError when it is none."""
    if text == ".":
        return b"\0"
    labels, at = [bytearray()], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            raise ValueError("name %r: expected printable characters, others as \\DDD" % text)
        at = token.end()
        number, escaped, dot, plain = token.groups()
        if dot:
            labels.append(bytearray())
        elif number and int(number) > 255:
            raise ValueError("name %r: \\%s is no byte" % (text, number))
        else:
            labels[-1].append(int(number) if number else ord(escaped or plain))
    if sum(len(label) + 1 for label in labels) > 254 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError("name %r: expected labels of 1 to 63 bytes, 255 in all" % text)
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _packed(text: str, size: int) -> bytes:
    packed = ip_address(text).packed
    if len(packed) != size:
        raise ValueError("%s: expected an address of %d bytes" % (text, size))
    return packed


def _encode_set(record: Record, is_extended: bool) -> bytes:
    names, ips, ip6s = record["names"], record["ips"], record["ip6s"]
    wire = b"".join([name_to_wire(name) for name in names])
    wire += bytes(-len(wire) % 4)
    if not 1 <= len(names) <= _EACH_MAX or len(wire) > 65535:
        raise ValueError("expected 1 to 255 names in a record, and at most 65535 bytes of them")
    if len(ips) > _EACH_MAX or len(ip6s) > _EACH_MAX:
        raise ValueError("expected at most 255 addresses of a family in a record")
    if not (ips or ip6s or is_extended):
        raise ValueError("expected an address in a record of a datagram without a trailer")
    client = ip_address(record["client_ip"]).packed
    # Below version 4 the resolver is not known, of whatever family the client is.
    is_unknown = record["resolver_ip"] == "0.0.0.0"
    resolver = bytes(16) if is_unknown else _packed(record["resolver_ip"], len(client))
    head = SET4.pack(4 if len(client) == 4 else 6, len(names), len(ips), len(ip6s), len(wire), 0, client, resolver)
    return head + wire + b"".join([_packed(a, 4) for a in ips]) + b"".join([_packed(a, 16) for a in ip6s])


def _encode_trailer(ext: Ext, base_time_us: int, rest: bytes) -> bytes:
    length = TRAILER_START.size + TRAILER.size + len(rest)
    return TRAILER_START.pack(EXT_VERSION, ext.get("worker", 0), length) + TRAILER.pack(
        ext.get("sensor_id", 0), ext.get("start_time", 0), ext.get("sample_rate", 0), base_time_us) + rest


def _encode_set_trailers(records: Sequence[Record], base_time_us: int) -> bytes:
    out: List[bytes] = []
    for record in records:
        ext = record.get("ext")
        if ext is None:
            raise ValueError("expected `ext` in each record of a datagram with a trailer")
        rcode, transport = ext.get("rcode", 0), ext.get("transport", 0)
        if rcode >> RCODE_BITS:
            raise ValueError("expected an rcode of 0 to 4095, got %d" % rcode)
        out.append(SET_TRAILER.pack(ext["time_us"] - base_time_us, ext["min_ttl"], ext["qtype"], ext["client_port"],
                                    ext["set_flags"], transport << RCODE_BITS | rcode))
    return b"".join(out)


def _encode_answers(records: Sequence[Record]) -> bytes:
    out = b""
    for number, record in enumerate(records):
        ext = record.get("ext")
        answers = [ANSWER.pack(owner, kind, ttl, len(rdata)) + rdata
                   for owner, kind, ttl, rdata in (ext.get("answers", ()) if ext else ())]
        if answers:
            out += ANSWERS.pack(number, sum(map(len, answers))) + b"".join(answers)
    return out


def _finish(flags: int, sets_count: int, sequence: int, body: bytes, trailer: bytes, key: Optional[bytes]) -> bytes:
    flags |= (FLAG_EXTENDED if trailer else 0) | (FLAG_SIGNED if key is not None else 0)
    data = HEADER.pack(VERSION, sets_count, flags, sequence) + body + trailer
    if len(data) > _DATAGRAM_MAX - TAG_SIZE:
        raise ValueError("expected at most %d bytes in a datagram" % (_DATAGRAM_MAX - TAG_SIZE))
    return data if key is None else data + make_tag(data, key)


def encode(records: Iterable[Record], sequence: int, ext: Optional[Ext] = None, key: Optional[bytes] = None) -> bytes:
    """A datagram of 1 to 255 records. With `ext` it has the extension trailer, for which each record needs its own
    `ext` but no address; base_time_us is the first record's time if it is not given. With `key`, 32 bytes, it is signed
    too. Raises ValueError on what does not fit the format."""
    records = list(records)
    if not 1 <= len(records) <= _SETS_MAX:
        raise ValueError("expected 1 to 255 records")
    if key is not None and ext is None:
        ext = {}
    try:
        body, trailer, flags = b"".join([_encode_set(record, ext is not None) for record in records]), b"", 0
        if ext is not None:
            first = records[0].get("ext")
            base = ext.get("base_time_us", first["time_us"] if first else 0)
            answers = _encode_answers(records)
            trailer = _encode_trailer(ext, base, _encode_set_trailers(records, base) + answers)
            flags = FLAG_ANSWERS if answers else 0
        return _finish(flags, len(records), sequence, body, trailer, key)
    except struct.error as error:
        raise ValueError(str(error)) from None


def encode_stats(stats: Stats, sequence: int, ext: Optional[Ext] = None, key: Optional[bytes] = None) -> bytes:
    """A datagram of statistics. With `ext` it has the extension trailer with the `counters` in it, at most 128. The
    rest is as for encode()."""
    if key is not None and ext is None:
        ext = {}
    try:
        body, trailer = STATS.pack(stats["pkts_captured"], stats["pkts_received"], stats["pkts_dropped"],
                                   stats["pkts_ifdropped"], stats["sample_rate"]), b""
        if ext is not None:
            counters = ext.get("counters", [])
            if len(counters) > _COUNTERS_MAX:
                raise ValueError("expected at most %d counters" % _COUNTERS_MAX)
            rest = COUNTERS.pack(len(counters), 0) + struct.pack("!%dQ" % len(counters), *counters)
            trailer = _encode_trailer(ext, ext.get("base_time_us", 0), rest)
        return _finish(FLAG_STATS, 1, sequence, body, trailer, key)
    except struct.error as error:
        raise ValueError(str(error)) from None
