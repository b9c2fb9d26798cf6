# SPDX-License-Identifier: BSD-3-Clause
"""The codec of the Python package against that of the C library: the vectors of docs/WIRE.md, random records in both
directions, and the same verdict, number for number, on damaged datagrams of every version."""

import ctypes
import hashlib
import ipaddress
import json
import random
import re
import struct

import pytest

from conftest import BASE_US, BUILD, NULL, TOP, address, decode, label_text, reader, wire_name, write_pcap
from keys import KEY, key
from python_reader import EXT, I64, PTR, SIZE, U16, U32, U8, CStats, dnsflow, json_rows, reader_rows
from random_datagrams import damage, edges, old_datagrams, random_address, random_answers, random_labels

MUTATIONS = 6000


# The C library

EXT_FIELDS = ("time_us", "min_ttl", "qtype", "client_port", "set_flags", "rcode", "transport")
EMIT = ctypes.CFUNCTYPE(None, PTR, PTR, SIZE, I64)
SIGN = ctypes.CFUNCTYPE(None, PTR, PTR, SIZE, PTR)


class CRecord(ctypes.Structure):
    _fields_ = [("ip_vers", U8), ("names_text", U8), ("set_flags", U16), ("client", PTR), ("resolver", PTR),
                ("names", PTR), ("names_len", SIZE), ("names_count", SIZE), ("ip4s", PTR), ("ip4s_count", SIZE),
                ("ip6s", PTR), ("ip6s_count", SIZE), ("time_us", I64), ("min_ttl", U32), ("qtype", U16),
                ("client_port", U16), ("rcode", U16), ("transport", U8), ("answers", PTR), ("answers_len", SIZE),
                ("spare_", SIZE * 4)]


class CAnswer(ctypes.Structure):
    _fields_ = [("owner", U8), ("type", U16), ("ttl", U32), ("rdata", PTR), ("rdata_len", U16)]


class CTrailer(ctypes.Structure):
    _fields_ = [("ext_version", U8), ("worker", U8), ("sensor_id", U32), ("start_time", U32), ("sample_rate", U32),
                ("base_time_us", I64)]


class CDatagram(ctypes.Structure):
    _fields_ = [("version", U8), ("sets_count", U8), ("flags", U16), ("sequence", U32), ("stats", CStats),
                ("has_trailer", ctypes.c_int), ("trailer", CTrailer), ("tag", PTR), ("counters", PTR),
                ("counters_count", SIZE), ("bytes_", PTR), ("len_", SIZE), ("at_", SIZE), ("sets_done_", SIZE),
                ("set_trailers_", PTR), ("room", U8 * 256)]  # room for fields that a later library adds


class COptions(ctypes.Structure):
    _fields_ = [("size", SIZE), ("limit", SIZE), ("extended", ctypes.c_int), ("worker", U8), ("sensor_id", U32),
                ("start_time", U32), ("sample_rate", U32), ("emit", EMIT), ("context", PTR), ("sign", SIGN),
                ("sign_context", PTR)]


def load_library():
    try:
        lib = ctypes.CDLL(str(BUILD / "libdnsflow.so.1"))
    except OSError:
        return None  # not built in this variant, or with a sanitizer
    lib.dnsflow_encoder_create.restype = PTR
    for name, arguments in (("create", [PTR]), ("add", [PTR, PTR]), ("flush", [PTR]), ("destroy", [PTR]),
                            ("stats", [PTR, PTR, I64, PTR, SIZE])):
        getattr(lib, "dnsflow_encoder_" + name).argtypes = arguments
    lib.dnsflow_decode.argtypes = [PTR, SIZE, PTR]
    lib.dnsflow_result_text.restype = ctypes.c_char_p
    lib.dnsflow_put_answer.argtypes, lib.dnsflow_put_answer.restype = [PTR, SIZE, SIZE, PTR], SIZE
    lib.dnsflow_next_answer.argtypes = [ctypes.POINTER(PTR), PTR, PTR]
    lib.dnsflow_name_text.argtypes = [ctypes.POINTER(PTR), PTR, ctypes.c_char_p, PTR, SIZE]
    return lib


LIB = load_library()
needs_library = pytest.mark.skipif(LIB is None, reason="libdnsflow.so.1 cannot be loaded from " + str(BUILD))


class CEncoder:
    """Datagrams of the C encoder, as they are emitted."""

    def __init__(self, ext=None, key=None):
        self.out = []
        emit = EMIT(lambda _, data, length, time_us: self.out.append(ctypes.string_at(data, length)))
        sign = SIGN(lambda _, data, length, tag: ctypes.memmove(
            tag, hashlib.blake2b(ctypes.string_at(data, length), key=key, digest_size=16).digest(), 16))
        more = dict(ext or {}, **({"sign": sign} if key else {}))
        self.options = COptions(size=ctypes.sizeof(COptions), extended=ext is not None, emit=emit, **more)
        self.encoder = LIB.dnsflow_encoder_create(ctypes.byref(self.options))
        assert self.encoder, "the library's options are others"

    def add(self, record):
        """Returns the number of sets, or the error."""
        parts = {"client": address(record["client_ip"]), "resolver": address(record["resolver_ip"]),
                 "names": record["wire"], "ip4s": b"".join(map(address, record["ips"])),
                 "ip6s": b"".join(map(address, record["ip6s"])), "answers": put_answers(record["ext"]["answers"])}
        keep = {k: ctypes.create_string_buffer(v, max(len(v), 1)) for k, v in parts.items()}
        c = CRecord(ip_vers=6 if ":" in record["client_ip"] else 4, names_len=len(record["wire"]),
                    names_count=len(record["names"]), ip4s_count=len(record["ips"]), ip6s_count=len(record["ip6s"]),
                    answers_len=len(parts["answers"]), **{k: ctypes.addressof(v) for k, v in keep.items()},
                    **{k: v for k, v in record["ext"].items() if k != "answers"})
        return LIB.dnsflow_encoder_add(self.encoder, ctypes.byref(c))

    def finish(self):
        LIB.dnsflow_encoder_flush(self.encoder)
        LIB.dnsflow_encoder_destroy(self.encoder)
        return self.out


def texts(at, count, size):
    data = ctypes.string_at(at, count * size) if count else b""
    return [str(ipaddress.ip_address(data[i:i + size])) for i in range(0, len(data), size)]


def c_names(record):
    if record.names_text:
        raw = ctypes.string_at(record.names, record.names_len).split(b"\0")[:record.names_count]
        return ["".join(chr(c) if 0x21 <= c <= 0x7E and c != 0x22 else "\\%03d" % c for c in name) for name in raw]
    at, text, names = PTR(record.names), ctypes.create_string_buffer(1024), []
    for _ in range(record.names_count):
        length = LIB.dnsflow_name_text(ctypes.byref(at), record.names + record.names_len, None, text, 1024)
        names.append(text.raw[:length].decode("ascii"))
    return names


def put_answers(answers):
    out, used = ctypes.create_string_buffer(4096), 0
    for owner, kind, ttl, rdata in answers:
        keep = ctypes.create_string_buffer(rdata, max(len(rdata), 1))
        c = CAnswer(owner=owner, type=kind, ttl=ttl, rdata=ctypes.addressof(keep), rdata_len=len(rdata))
        used = LIB.dnsflow_put_answer(out, used, len(out), ctypes.byref(c))
        assert used > 0
    return out.raw[:used]


def c_answers(record):
    at, end, c, out = PTR(record.answers), (record.answers or 0) + record.answers_len, CAnswer(), []
    while LIB.dnsflow_next_answer(ctypes.byref(at), end, ctypes.byref(c)) == 1:
        out.append((c.owner, c.type, c.ttl, ctypes.string_at(c.rdata, c.rdata_len)))
    assert (at.value or 0) == end
    return out


def c_records(datagram):
    record = CRecord()
    while LIB.dnsflow_next_record(ctypes.byref(datagram), ctypes.byref(record)) == 1:
        size = 4 if record.ip_vers == 4 else 16
        one = {"client_ip": texts(record.client, 1, size)[0],
               "resolver_ip": texts(record.resolver, 1, size)[0] if record.resolver else "0.0.0.0",
               "names": c_names(record), "ips": texts(record.ip4s, record.ip4s_count, 4),
               "ip6s": texts(record.ip6s, record.ip6s_count, 16)}
        if datagram.has_trailer:
            one["ext"] = {n: getattr(record, n) for n in EXT_FIELDS}
            one["ext"]["answers"] = c_answers(record)
        yield one


def c_decode(data):
    """What the C library says: the number of the error, or the same as dnsflow.decode()."""
    buffer, d = ctypes.create_string_buffer(data, max(len(data), 1)), CDatagram()
    result = LIB.dnsflow_decode(buffer, len(data), ctypes.byref(d))
    if result != 0:
        return result
    records = list(c_records(d))
    ext = {n: getattr(d.trailer, n) for n, _ in CTrailer._fields_[1:]} if d.has_trailer else None
    stats = {n: getattr(d.stats, n) for n, _ in CStats._fields_} if d.flags & 1 else None
    if ext and stats:
        counters = ctypes.string_at(d.counters, 8 * d.counters_count) if d.counters_count else b""
        ext["counters"] = list(struct.unpack("!%dQ" % d.counters_count, counters))
    tag = ctypes.string_at(d.tag, 16) if d.tag else None
    return dnsflow.Datagram(d.version, d.sets_count, d.flags, d.sequence, records, stats, ext, tag)


def py_decode(data):
    try:
        return dnsflow.decode(data)
    except dnsflow.DecodeError as error:
        return error.code


# Random records

def random_record(dice, many=False, is_extended=True):
    """Which without the trailer has an address."""
    family = dice.choice((4, 4, 6))
    names = [random_labels(dice, dice.random() < 0.1) for _ in range(dice.choice((1, 1, 2, 3, 40 if many else 4)))]
    ips, ip6s = dice.choice(((1, 0), (0, 1), (3, 0), (2, 2), (dice.randint(0, 12), 5), (0, 0 if is_extended else 2)))
    return {"client_ip": random_address(dice, family), "resolver_ip": random_address(dice, family),
            "names": [".".join(map(label_text, n)) or "." for n in names], "wire": b"".join(map(wire_name, names)),
            "ips": [random_address(dice, 4) for _ in range(ips)],
            "ip6s": [random_address(dice, 6) for _ in range(ip6s)],
            "ext": {"time_us": BASE_US + dice.randrange(1 << 31), "min_ttl": dice.getrandbits(32),
                    "qtype": dice.getrandbits(16), "client_port": dice.getrandbits(16),
                    "set_flags": 2 * dice.getrandbits(15), "rcode": dice.choice((0, 3, dice.getrandbits(12))),
                    "transport": dice.getrandbits(4), "answers": random_answers(dice, len(names))}}


def bare(record, is_extended=True):
    """Without what only the C encoder is given, as a decoder gives it."""
    return {k: v for k, v in record.items() if k != "wire" and (k != "ext" or is_extended)}


def c_encoded(dice, count, ext, key):
    """Records that each fit one set, and the datagrams that the C library makes of them."""
    encoder, made = CEncoder(ext, key), []
    while len(made) < count:
        record = random_record(dice, is_extended=ext is not None or key is not None)
        assert encoder.add(record) == 1
        made.append(record)
    return made, encoder.finish()


# The vectors of docs/WIRE.md

def blocks(kind):
    page = (TOP / "docs" / "WIRE.md").read_text("utf-8")
    return dict(re.findall(r"^```%s (\S+)\n(.*?)^```$" % kind, page, re.M | re.S))


VECTORS = {name: bytes.fromhex("".join(line.split(";")[0] for line in text.splitlines()))
           for name, text in blocks("vector").items()}


def line(kind, fields, *names):
    return "|".join([kind] + ["%s:%d" % (n, fields[n]) for n in names])


def as_lines(d):
    """A datagram as the page writes it."""
    out = ["|".join([r["resolver_ip"], r["client_ip"],
                     ",".join(n.replace(",", "\\044").replace("|", "\\124") for n in r["names"]), ",".join(r["ips"]),
                     ",".join(r["ip6s"])]) for r in d.records]
    if d.stats:
        out.append(line("STATS", d.stats, *d.stats))
    if d.ext:
        out.append(line("TRAILER", d.ext, "worker", "sensor_id", "start_time", "sample_rate", "base_time_us"))
        for r in d.records:
            offset = {"time_offset_us": r["ext"]["time_us"] - d.ext["base_time_us"]}
            out.append(line("SET", dict(r["ext"], **offset), "time_offset_us", "min_ttl", "qtype", "client_port",
                            "set_flags", "rcode", "transport"))
            out += ["ANSWER|owner:%d|type:%d|ttl:%d|rdata:%s" % (*a[:3], a.rdata.hex()) for a in r["ext"]["answers"]]
    if d.ext and d.stats:
        out.append("|".join(["COUNTERS"] + [str(n) for n in d.ext["counters"]]))
    return out


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_vector(name):
    data = VECTORS[name]
    d = dnsflow.decode(data)
    assert as_lines(d) == blocks("expect")[name].splitlines()
    if d.version == 4 and d.stats:
        assert dnsflow.encode_stats(d.stats, d.sequence_number, d.ext) == data
    elif d.version == 4:
        assert dnsflow.encode(d.records, d.sequence_number, d.ext, KEY if d.tag else None) == data
        assert dnsflow.verify(data, KEY) == (d.tag is not None)


@needs_library
@pytest.mark.parametrize("name", sorted(VECTORS))
def test_vector_cut_at_every_length(name):
    data = VECTORS[name]
    assert py_decode(data) == c_decode(data) != 0
    for length in range(len(data)):
        code = py_decode(data[:length])
        assert code == c_decode(data[:length]) and code < 0, length
        text = str(dnsflow.DecodeError(code))
        assert text == LIB.dnsflow_result_text(code).decode()


# Both directions

@needs_library
@pytest.mark.parametrize("ext, key", [(None, None), (EXT, None), (EXT, KEY), (None, KEY)])
def test_c_encodes_python_decodes(ext, key):
    made, datagrams = c_encoded(random.Random(11), 400, ext, key)
    is_extended = ext is not None or key is not None
    decoded = [dnsflow.decode(d) for d in datagrams]
    assert [r for d in decoded for r in d.records] == [bare(r, is_extended) for r in made]
    assert [d.sequence_number for d in decoded] == list(range(1, len(datagrams) + 1))
    for data, d in zip(datagrams, decoded):
        assert d == c_decode(data)
        twin = decode(data).sets
        assert [(s.client, s.resolver, s.names, s.ipv4, s.ipv6) for s in twin] == \
            [(r["client_ip"], r["resolver_ip"], r["names"], r["ips"], r["ip6s"]) for r in d.records]
        if is_extended:
            assert [tuple(s.ext) for s in twin] == [tuple(r["ext"].values()) for r in d.records]
        fields = dict.fromkeys(EXT, 0) if ext is None else ext
        assert d.ext == (dict(fields, base_time_us=d.records[0]["ext"]["time_us"]) if is_extended else None)
        assert dnsflow.encode(d.records, d.sequence_number, d.ext and fields, key) == data
        assert dnsflow.verify(data, KEY) == (key is not None)


@needs_library
@pytest.mark.parametrize("ext, key", [(None, None), (EXT, None), (EXT, KEY)])
def test_c_encodes_statistics(ext, key):
    dice = random.Random(12)
    for count in (0, 1, 69, 128):
        encoder = CEncoder(ext, key)
        stats = {n: dice.getrandbits(32) for n, _ in CStats._fields_}
        counters = [dice.getrandbits(64) for _ in range(count)]
        assert LIB.dnsflow_encoder_stats(encoder.encoder, ctypes.byref(CStats(**stats)), BASE_US,
                                         (ctypes.c_uint64 * 128)(*counters), count) == 0
        data, = encoder.finish()
        d = dnsflow.decode(data)
        more = dict(ext, base_time_us=BASE_US, counters=counters) if ext else None
        assert (d.stats, d.ext, d.records) == (stats, more, [])
        assert dnsflow.encode_stats(stats, 1, more, key) == data


def write_bare(path, datagrams):
    """A capture of bare datagrams, as old sensors write them."""
    return write_pcap(path, NULL, [(BASE_US + i, bytes(4) + d) for i, d in enumerate(datagrams)])


@pytest.mark.parametrize("is_extended", [False, True])
def test_python_encodes_c_reads(is_extended, tmp_path):
    dice = random.Random(13)
    datagrams, made = [], []
    for number in range(200):
        records = [bare(random_record(dice, True, is_extended), is_extended) for _ in range(dice.randint(1, 9))]
        ext = {"worker": dice.getrandbits(8), "sensor_id": dice.getrandbits(32), "start_time": dice.getrandbits(32),
               "sample_rate": dice.getrandbits(32)} if is_extended else None
        datagrams.append(dnsflow.encode(records, dice.getrandbits(32), ext))
        assert dnsflow.decode(datagrams[-1]).records == records
        made += records
    stats = dict.fromkeys((n for n, _ in CStats._fields_), 5)
    datagrams.append(dnsflow.encode_stats(stats, 9, dict(EXT, counters=[1, 2]) if is_extended else None))
    path = write_bare(tmp_path / "made.pcap", datagrams)
    rows, _ = reader_rows(path)
    assert [r.get("names") for r in rows[:-1]] == [r["names"] for r in made]
    assert rows == json_rows(dnsflow.pkt_iter(pcap_file=path))


def test_signed_both_ways(tmp_path, key):
    records = [bare(random_record(random.Random(14)))]
    signed = dnsflow.encode(records, 1, EXT, KEY)
    forged = bytes(signed[:-1]) + bytes([signed[-1] ^ 1])
    assert [dnsflow.verify(d, KEY) for d in (signed, forged, signed[:-1], b"", dnsflow.encode(records, 1))] == \
        [True] + 4 * [False]
    assert not dnsflow.verify(signed, bytes(32))
    with pytest.raises(ValueError):
        dnsflow.verify(signed, b"short")
    if "without libcrypto" in reader("--version").out.decode() or reader("--auth-key", key, "-r", "-").status == 2:
        pytest.skip("the reader is built without libcrypto")
    rows, summary = reader_rows(write_bare(tmp_path / "signed.pcap", [forged, signed, signed]), "--auth-key", key)
    assert len(rows) == 1 and "n_forged=1" in summary and "n_replayed=1" in summary


# What is refused

@needs_library
def test_damaged_datagrams():
    dice = random.Random(15)
    whole = [d for ext, key in ((None, None), (EXT, None), (EXT, KEY)) for d in c_encoded(dice, 60, ext, key)[1]]
    whole += list(VECTORS.values()) + list(old_datagrams())
    damaged = [damage(dice, dice.choice(whole)) for _ in range(MUTATIONS)] + list(edges())
    verdicts = {}
    for data in whole + damaged:
        mine, theirs = py_decode(data), c_decode(data)
        assert mine == theirs, data.hex()
        kind = mine if isinstance(mine, int) else (mine.version, mine.stats is None)
        verdicts[kind] = verdicts.get(kind, 0) + 1
    assert {k for k in verdicts if isinstance(k, int)} == set(range(-12, -2)), "every reason"
    assert all((v, True) in verdicts for v in range(5)) and all((v, False) in verdicts for v in range(5))


@needs_library
def test_times_wrap_as_in_c():
    record = bare(random_record(random.Random(16)))
    for base in (-1 << 63, (1 << 63) - 1, 0):
        data = bytearray(dnsflow.encode([dict(record, ext=dict(record["ext"], time_us=base, answers=[]))], 1,
                                        {}))
        for offset in (-1 << 31, -1, 1, (1 << 31) - 1):
            struct.pack_into("!i", data, len(data) - 16, offset)
            assert py_decode(bytes(data)) == c_decode(bytes(data))


def test_any_buffer_decodes():
    for kind in (bytearray, memoryview):
        assert dnsflow.decode(kind(VECTORS["v4-data-trailer"])) == dnsflow.decode(VECTORS["v4-data-trailer"])


def test_long_text_names_are_cut_as_by_the_reader(tmp_path):
    names = [b"a" * n for n in (1018, 1019, 1020, 1021, 2000)] + [b"\xff" * n for n in (254, 255, 256)] + \
        [b"b" * n + b"\xff\xff" for n in range(1014, 1021)] + [b'q"\\.,|', b""]
    wire = b"".join(n + b"\0" for n in names)
    data = struct.pack("!BBHI4sBBH", 0, 1, 0, 1, bytes(4), len(names), 1, len(wire)) + wire + bytes(4)
    path = write_bare(tmp_path / "long.pcap", [data])
    assert reader_rows(path)[0] == json_rows(dnsflow.pkt_iter(pcap_file=path))


def test_names_of_every_byte():
    for byte in range(256):
        wire = bytes([3]) + b"a%cb" % byte + b"\1c\0"
        record = dict(bare(random_record(random.Random(1), is_extended=False), False), names=[label_text(wire[1:4]) + ".c"])
        assert dnsflow.name_to_wire(record["names"][0]) == wire
        assert dnsflow.decode(dnsflow.encode([record], 1)).records[0] == record
    assert len(dnsflow.name_to_wire(".".join(["a" * 63] * 3 + ["a" * 61]))) == 255


@pytest.mark.parametrize("text", ["", ".a", "a.", "a..b", "a b", "\\", "a\\", "\\25", "\\256", "caf\u00e9", "a\n",
                                  "a" * 64, ".".join(["a" * 63] * 3 + ["a" * 62])])
def test_no_name(text):
    with pytest.raises(ValueError):
        dnsflow.name_to_wire(text)


@pytest.mark.parametrize("change", [
    {"names": []}, {"names": ["."] * 256}, {"names": ["a" * 63 + "." + "b" * 63 + "." + "c" * 63] * 255 + ["x"]},
    {"ips": ["10.0.0.1"] * 256}, {"ip6s": ["::1"] * 256}, {"ips": ["::1"]},
    {"ip6s": ["10.0.0.1"]}, {"client_ip": "x"}, {"client_ip": "::1"}, {"resolver_ip": "::1"},
    {"ext": dict(dict.fromkeys(("time_us", "min_ttl", "client_port", "set_flags"), 0), qtype=65536)}] + [
        {"ext": dict(dict.fromkeys(EXT_FIELDS, 0), **more)} for more in (
            {"rcode": 4096}, {"rcode": -1}, {"transport": 16}, {"transport": -1},
            {"answers": [dnsflow.Answer(256, 16, 0, b"")]}, {"answers": [dnsflow.Answer(0, 65536, 0, b"")]},
            {"answers": [dnsflow.Answer(0, 16, 1 << 32, b"")]}, {"answers": [dnsflow.Answer(0, 16, 0, bytes(65536))]},
            {"answers": 2 * [dnsflow.Answer(0, 16, 0, bytes(40000))]})])
def test_what_is_not_encoded(change):
    record = bare(random_record(random.Random(2)))
    record.update(client_ip="10.0.0.1", resolver_ip="10.0.0.2")
    assert dnsflow.encode([record], 1, EXT)
    with pytest.raises(ValueError):
        dnsflow.encode([dict(record, **change)], 1, EXT)


def test_datagrams_that_are_not_encoded():
    record = bare(random_record(random.Random(3)))
    for records, more in (([], {}), ([record] * 256, {}), ([dict(record, ips=[], ip6s=[])], {}),
                          ([bare(record, False)], {"ext": EXT}),
                          ([record, dict(record, ext=dict(record["ext"], time_us=0))], {"ext": EXT}),
                          ([record], {"key": b"short"}), ([dict(record, ip6s=["::1"] * 255)] * 20, {})):
        with pytest.raises(ValueError):
            dnsflow.encode(records, 1, **more)
    with pytest.raises(ValueError):
        dnsflow.encode([record], 1 << 32)
    stats = dict.fromkeys((n for n, _ in CStats._fields_), 5)
    for change, ext in (({"sample_rate": -1}, None), ({}, {"counters": [0] * 129}), ({}, {"counters": [1 << 64]})):
        with pytest.raises(ValueError):
            dnsflow.encode_stats(dict(stats, **change), 1, ext)


def test_counter_names(tmp_path):
    """As the reader names them."""
    stats = dict.fromkeys(("pkts_captured", "pkts_received", "pkts_dropped", "pkts_ifdropped", "sample_rate"), 0)
    payload = dnsflow.encode_stats(stats, 1, dict(EXT, counters=list(range(128))))
    path = write_pcap(tmp_path / "in.pcap", NULL, [(BASE_US, bytes(4) + payload)])
    counters = json.loads(reader("-r", path, "--format", "json").out)["ext"]["counters"]
    assert list(counters)[:len(dnsflow.COUNTER_NAMES)] == dnsflow.COUNTER_NAMES
    assert all(re.fullmatch(r"counter_\d+", name) for name in list(counters)[len(dnsflow.COUNTER_NAMES):])
