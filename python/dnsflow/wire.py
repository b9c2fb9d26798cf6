# SPDX-License-Identifier: BSD-3-Clause
"""The bytes of a datagram to records: versions 0 to 4 of the format that docs/WIRE.md draws.

A datagram is checked whole before anything of it is given out, and refused for the reasons that the C library has, with
the same numbers. Times are microseconds since the Unix epoch, TTLs seconds."""

from __future__ import annotations

import hashlib
import hmac
from socket import AF_INET6, inet_ntoa, inet_ntop
from struct import Struct
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, TypedDict

PORT = 5300  # UDP destination of datagrams
VERSION = 4  # the highest that is read, and the one that is written

# Bits of a datagram's flags.
FLAG_STATS = 1  # statistics instead of data
FLAG_EXTENDED = 2  # an extension trailer follows
FLAG_SIGNED = 4  # a tag of TAG_SIZE bytes ends the datagram
FLAG_ANSWERS = 8  # the trailer has answers of some records

# Bits of a record's set_flags.
SET_CONTINUES = 1  # belongs to the record before it
SET_INCOMPLETE = 2  # the response was cut: names or addresses may lack
SET_TCP = 4
SET_DNSTAP = 8
SET_MDNS = 16
SET_CUT = 32  # not all answers found a place

# What a record's `transport` says; other numbers may come.
TRANSPORT_NAMES = {1: "UDP", 2: "TCP", 3: "DoT", 4: "DoH", 5: "DNSCrypt/UDP", 6: "DNSCrypt/TCP", 7: "DoQ"}

OWNER_OTHER = 255  # of an answer: none of the record's names

# The counters of the statistics trailer, in their order there: dict(zip(COUNTER_NAMES, ext["counters"])).
COUNTER_NAMES = (
    "frames_seen frames_delivered messages_parsed messages_with_record records link_unsupported link_short "
    "link_control link_encrypted vlan_depth not_ip ip_malformed ip_short ip_encrypted fragment icmp tcp not_udp "
    "udp_malformed query_port other_port other_share filtered dns_short dns_query dns_not_rd dns_not_ra "
    "dns_nxdomain dns_rcode dns_qdcount dns_qtype dns_no_address dns_malformed dns_cut oversize sampled "
    "cut_records names_truncated address_length addresses_lost sets datagrams sent send_refused send_lost written "
    "write_lost superpacket backlog absorbed tunnel tunnel_depth fragment_refused tcp_malformed tcp_empty tcp_old "
    "tcp_no_start tcp_refused encrypted_port dnstap_malformed dnstap_other tunnelled reassembled "
    "reassembly_expired reassembly_evicted tcp_messages tcp_expired tcp_evicted tcp_gaps sets_cut dnstap_refused "
    "dnstap_evicted dnstap_cut dns_truncated nodata_records nxdomain_records error_records other_records "
    "answers_malformed answers_cut").split()

TAG_SIZE = 16
KEY_SIZE = 32
EXT_VERSION = 1


class Answer(NamedTuple):
    """One answer of class IN, other than A, AAAA and CNAME."""

    owner: int  # which of the record's names it is about; OWNER_OTHER, or what has no name, is none of them
    type: int
    ttl: int  # seconds, as in the response
    rdata: bytes  # names in it uncompressed


class _RecordExt(TypedDict):

    time_us: int  # capture time of the response
    min_ttl: int  # smallest of the answers
    qtype: int  # 0 = there was no question
    client_port: int  # 0 = unknown
    set_flags: int  # sum of SET_ bits


class RecordExt(_RecordExt, total=False):
    """What the extension trailer says of one record. decode() gives all of it."""

    rcode: int  # with the upper bits of EDNS, up to 4095
    transport: int  # of TRANSPORT_NAMES, up to 15; 0 = not told
    answers: List[Answer]


class _Record(TypedDict):
    client_ip: str
    resolver_ip: str  # "0.0.0.0" below version 4
    names: List[str]  # presentation form, no trailing dot, the root is "."; the question first, then CNAME targets
    ips: List[str]
    ip6s: List[str]


class Record(_Record, total=False):
    """One observation: who asked, whom, for what, and the addresses that came back, if any."""

    ext: RecordExt  # only with the extension trailer


class Stats(TypedDict):
    """What a sensor counted since its start, modulo 2^32."""

    pkts_captured: int
    pkts_received: int
    pkts_dropped: int
    pkts_ifdropped: int
    sample_rate: int  # 0 = every message is kept


class Ext(TypedDict, total=False):
    """What the extension trailer says of the datagram."""

    worker: int
    sensor_id: int
    start_time: int  # seconds since the Unix epoch
    sample_rate: int
    base_time_us: int  # time of the first record, or near it; statistics: when they were read
    counters: List[int]  # statistics only, in the order of COUNTER_NAMES; a later sensor may have more


class Datagram(NamedTuple):
    """An accepted datagram. It has either records or stats."""

    version: int
    sets_count: int
    flags: int
    sequence_number: int
    records: List[Record]
    stats: Optional[Stats]
    ext: Optional[Ext]  # None: no trailer, or one of a version that is not known
    tag: Optional[bytes]  # None: not signed


SHORT_HEADER, BAD_VERSION, SHORT_SET, BAD_FAMILY, SHORT_NAMES = -3, -4, -5, -6, -7
BAD_NAME, SHORT_ADDRESSES, SHORT_STATS, SHORT_TRAILER, BAD_ANSWERS = -8, -9, -10, -11, -12

_REASONS = {
    SHORT_HEADER: "shorter than the 8 bytes of a header",
    BAD_VERSION: "a version above 4",
    SHORT_SET: "a set header runs past the end",
    BAD_FAMILY: "a set is neither IPv4 nor IPv6",
    SHORT_NAMES: "names run past the end",
    BAD_NAME: "a name is invalid",
    SHORT_ADDRESSES: "addresses run past the end",
    SHORT_STATS: "statistics run past the end",
    SHORT_TRAILER: "the extension trailer is broken",
    BAD_ANSWERS: "the answers are of no set, or do not fill their bytes",
}


class DecodeError(ValueError):
    """The bytes are no datagram. `code` is the number that dnsflow_decode() of the C library returns for them."""

    def __init__(self, code: int) -> None:
        super().__init__(_REASONS[code])
        self.code = code


HEADER = Struct("!BBHI")
SET3 = Struct("!BBBBHH")  # ip_vers, names_count, ips_count, ip6s_count, names_len, zero
SET4 = Struct("!BBBBHH16s16s")  # the same, client, resolver
_SET2 = Struct("!4sBBH")  # client, names_count, ips_count, names_len
STATS = Struct("!5I")
_STATS1 = Struct("!4I")
TRAILER_START = Struct("!BBH")  # ext_version, worker, trailer_len
TRAILER = Struct("!IIIq")  # sensor_id, start_time, sample_rate, base_time_us
SET_TRAILER = Struct("!iIHHHH")  # time_offset_us, min_ttl, qtype, client_port, set_flags, result
RCODE_BITS = 12  # of the result; above them is the transport
ANSWERS = Struct("!BH")  # set, bytes of its answers
ANSWER = Struct("!BHIH")  # owner, type, ttl, bytes of rdata
COUNTERS = Struct("!HH")  # counter_count, zero

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_TEXT_NAME_MAX = 1019  # a longer name of version 0 is cut, where dnsflow_read cuts it


def _escaped(byte: int) -> str:
    if not 0x21 <= byte <= 0x7E:
        return "\\%03d" % byte
    return ("\\" if byte in b'.\\"();@$' else "") + chr(byte)


_ESCAPED = [_escaped(byte) for byte in range(256)]
_TEXT_ESCAPED = ["\\%03d" % b if not 0x21 <= b <= 0x7E or b == 0x22 else chr(b) for b in range(256)]


def _name_of(labels: List[bytes]) -> str:
    text = b".".join(labels)
    if labels and (text.translate(None, _PLAIN) or text.count(b".") >= len(labels)):
        return ".".join(["".join([_ESCAPED[byte] for byte in label]) for label in labels])
    return text.decode("ascii") or "."


def _wire_names(data: bytes, at: int, end: int, count: int) -> List[str]:
    """The `count` names that begin at data[at]; they end before `end`."""
    wire, names, at = data[at:end], [], 0
    try:
        for _ in range(count):
            start, labels = at, []
            while length := wire[at]:
                if length > 63:
                    raise DecodeError(BAD_NAME)
                following = at + 1 + length
                labels.append(wire[at + 1:following])
                at = following
            at += 1
            if at - start > 255:
                raise DecodeError(BAD_NAME)
            names.append(_name_of(labels))
    except IndexError:  # behind the last byte
        raise DecodeError(BAD_NAME) from None
    return names


def _text_name(data: bytes) -> str:
    text, used = [], 0
    for byte in data:
        if used > _TEXT_NAME_MAX:
            break
        text.append(_TEXT_ESCAPED[byte])
        used += len(text[-1])
    return "".join(text)


def _text_names(data: bytes, at: int, end: int, count: int) -> List[str]:
    """Version 0: text, each name ends in a zero byte."""
    names = data[at:end].split(b"\0", count)
    if len(names) <= count:
        raise DecodeError(BAD_NAME)
    return [_text_name(name) for name in names[:count]]


# names_count, ips_count, ip6s_count, names_len, client, resolver, where the names begin
_Head = Tuple[int, int, int, int, str, str, int]


def _head2(data: bytes, at: int) -> _Head:
    if at + 8 > len(data):
        raise DecodeError(SHORT_SET)
    client, names_count, ips, names_len = _SET2.unpack_from(data, at)
    return names_count, ips, 0, names_len, inet_ntoa(client), "0.0.0.0", at + 8


def _head3(data: bytes, at: int) -> _Head:
    if at + 8 > len(data):
        raise DecodeError(SHORT_SET)
    family, names_count, ips, ip6s, names_len, _ = SET3.unpack_from(data, at)
    if family not in (4, 6):
        raise DecodeError(BAD_FAMILY)
    end = at + (12 if family == 4 else 24)
    if end > len(data):
        raise DecodeError(SHORT_SET)
    packed = data[at + 8:end]
    client = inet_ntoa(packed) if family == 4 else inet_ntop(AF_INET6, packed)
    return names_count, ips, ip6s, names_len, client, "0.0.0.0", end


def _head4(data: bytes, at: int) -> _Head:
    if at + 40 > len(data):
        raise DecodeError(SHORT_SET)
    family, names_count, ips, ip6s, names_len, _, client, resolver = SET4.unpack_from(data, at)
    if family == 4:
        return names_count, ips, ip6s, names_len, inet_ntoa(client[:4]), inet_ntoa(resolver[:4]), at + 40
    if family != 6:
        raise DecodeError(BAD_FAMILY)
    return (names_count, ips, ip6s, names_len, inet_ntop(AF_INET6, client), inet_ntop(AF_INET6, resolver), at + 40)


_HEADS: Dict[int, Callable[[bytes, int], _Head]] = {0: _head2, 1: _head2, 2: _head2, 3: _head3, 4: _head4}


def _read_sets(data: bytes, version: int, count: int) -> Tuple[List[Record], int]:
    """The records and where they end."""
    records: List[Record] = []
    at, size = HEADER.size, len(data)
    read_head, read_names = _HEADS[version], _text_names if version == 0 else _wire_names
    for _ in range(count):
        names_count, ips, ip6s, names_len, client, resolver, at = read_head(data, at)
        ips_at = at + names_len
        ip6s_at = ips_at + 4 * ips
        end = ip6s_at + 16 * ip6s
        if end > size:
            raise DecodeError(SHORT_NAMES if ips_at > size else SHORT_ADDRESSES)
        records.append({
            "client_ip": client,
            "resolver_ip": resolver,
            "names": read_names(data, at, ips_at, names_count),
            "ips": [inet_ntoa(data[i:i + 4]) for i in range(ips_at, ip6s_at, 4)],
            "ip6s": [inet_ntop(AF_INET6, data[i:i + 16]) for i in range(ip6s_at, end, 16)],
        })
        at = end
    return records, at


def _read_stats(data: bytes, version: int) -> Tuple[Stats, int]:
    layout = STATS if version >= 2 else _STATS1
    end = HEADER.size + layout.size
    if end > len(data):
        raise DecodeError(SHORT_STATS)
    values = layout.unpack_from(data, HEADER.size) + (0,)
    return {"pkts_captured": values[0], "pkts_received": values[1], "pkts_dropped": values[2],
            "pkts_ifdropped": values[3], "sample_rate": values[4]}, end


def _signed64(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _read_answer(data: bytes, at: int, end: int) -> Tuple[Answer, int]:
    rdata = at + ANSWER.size
    if rdata > end:
        raise DecodeError(BAD_ANSWERS)
    owner, kind, ttl, length = ANSWER.unpack_from(data, at)
    if rdata + length > end:
        raise DecodeError(BAD_ANSWERS)
    return Answer(owner, kind, ttl, data[rdata:rdata + length]), rdata + length


def _read_answers(data: bytes, at: int, end: int, records: List[Record]) -> None:
    """Behind the fields of the sets, up to the end of the trailer: for each set that has any, its answers."""
    before = -1
    while at < end:
        if at + ANSWERS.size > end:
            raise DecodeError(BAD_ANSWERS)
        number, length = ANSWERS.unpack_from(data, at)
        at += ANSWERS.size
        stop = at + length
        if stop > end or not before < number < len(records):
            raise DecodeError(BAD_ANSWERS)
        answers = records[number]["ext"]["answers"]
        while at < stop:
            answer, at = _read_answer(data, at, stop)
            answers.append(answer)
        before = number


def _read_trailer(data: bytes, at: int, records: List[Record], flags: int) -> Tuple[Optional[Ext], int]:
    """The trailer, whose fields for each set go into the records, and where it ends."""
    if at + 4 > len(data):
        raise DecodeError(SHORT_TRAILER)
    ext_version, worker, length = TRAILER_START.unpack_from(data, at)
    end = at + length
    if length < 4 or end > len(data):
        raise DecodeError(SHORT_TRAILER)
    if ext_version != EXT_VERSION:
        return None, end
    at += TRAILER_START.size
    is_stats = bool(flags & FLAG_STATS)
    need = at + TRAILER.size + (COUNTERS.size if is_stats else SET_TRAILER.size * len(records))
    if need > end:
        raise DecodeError(SHORT_TRAILER)
    sensor_id, start_time, sample_rate, base = TRAILER.unpack_from(data, at)
    at += TRAILER.size
    ext: Ext = {"worker": worker, "sensor_id": sensor_id, "start_time": start_time, "sample_rate": sample_rate,
                "base_time_us": base}
    if is_stats:
        count, _ = COUNTERS.unpack_from(data, at)
        if need + 8 * count > end:
            raise DecodeError(SHORT_TRAILER)
        ext["counters"] = list(Struct("!%dQ" % count).unpack_from(data, need))
    for record, fields in zip(records, SET_TRAILER.iter_unpack(data[at:need]) if records else ()):
        record["ext"] = {"time_us": _signed64(base + fields[0]), "min_ttl": fields[1], "qtype": fields[2],
                         "client_port": fields[3], "set_flags": fields[4],
                         "rcode": fields[5] & (1 << RCODE_BITS) - 1, "transport": fields[5] >> RCODE_BITS,
                         "answers": []}
    if flags & FLAG_ANSWERS and not is_stats:
        _read_answers(data, need, end, records)
    return ext, end


def decode(data: bytes) -> Datagram:
    """Reads a whole datagram, the UDP payload. Raises DecodeError on what the C decoder refuses, and nothing else.
    Bytes behind the end are ignored."""
    data = bytes(data)
    if len(data) < HEADER.size:
        raise DecodeError(SHORT_HEADER)
    version, sets_count, flags, sequence_number = HEADER.unpack_from(data)
    if version > VERSION:
        raise DecodeError(BAD_VERSION)
    records: List[Record] = []
    stats: Optional[Stats] = None
    ext: Optional[Ext] = None
    tag: Optional[bytes] = None
    if flags & FLAG_STATS:
        stats, at = _read_stats(data, version)
    else:
        records, at = _read_sets(data, version, sets_count)
    if version == VERSION and flags & FLAG_EXTENDED:
        ext, at = _read_trailer(data, at, records, flags)
    if version == VERSION and flags & FLAG_SIGNED:
        if not flags & FLAG_EXTENDED or at + TAG_SIZE > len(data):
            raise DecodeError(SHORT_TRAILER)
        tag = data[-TAG_SIZE:]
    if version == VERSION and flags & FLAG_ANSWERS and not flags & FLAG_EXTENDED:
        raise DecodeError(SHORT_TRAILER)
    return Datagram(version, sets_count, flags, sequence_number, records, stats, ext, tag)


def make_tag(data: bytes, key: bytes) -> bytes:
    """The tag that ends a datagram of which `data` is all before it. The key has KEY_SIZE bytes."""
    if len(key) != KEY_SIZE:
        raise ValueError("expected a key of %d bytes" % KEY_SIZE)
    return hashlib.blake2b(data, key=key, digest_size=TAG_SIZE).digest()


def verify(data: bytes, key: bytes) -> bool:
    """Whether the datagram is signed with this key. One that is broken, or has no trailer, is not. Whether it came
    before is for the caller to know, by sensor_id, worker, start_time and sequence_number."""
    expected = make_tag(data[:-TAG_SIZE], key)
    try:
        datagram = decode(data)
    except DecodeError:
        return False
    return datagram.tag is not None and datagram.ext is not None and hmac.compare_digest(datagram.tag, expected)
