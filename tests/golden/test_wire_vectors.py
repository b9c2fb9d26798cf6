# SPDX-License-Identifier: BSD-3-Clause
"""docs/WIRE.md says what the programs do: its test vectors and its list of counters.

The vectors are read as that page describes them. DNSFLOW_BUILD is the directory of dnsflow_read."""

import hashlib
import os
import re
import struct
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
BUILD = os.environ.get("DNSFLOW_BUILD") or os.path.join(TOP, "build", "release")
SECONDS = 20

FLAG_STATS, FLAG_EXTENDED, FLAG_SIGNED, FLAG_ANSWERS = 1, 2, 4, 8
KEY = bytes(range(32))
DFDECODE = os.path.join(TOP, "..", "shared", "tools", "dfdecode.py")  # a reader of plain version 4
LOOPBACK = bytes([127, 0, 0, 1])


def read_text(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


PAGE = read_text("docs", "WIRE.md")


def blocks(kind):
    """{name: lines} of the fenced blocks of a kind."""
    found = re.findall(r"^```%s (\S+)\n(.*?)^```$" % kind, PAGE, re.M | re.S)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), "two blocks of one name"
    return {name: text.splitlines() for name, text in found}


VECTORS, EXPECTED = blocks("vector"), blocks("expect")


def datagram_of(name):
    return bytes.fromhex("".join(line.split(";")[0] for line in VECTORS[name]))


def capture_of(*datagrams):
    """A pcap file of link type NULL with the datagrams as UDP to port 5300."""
    capture = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 0)
    for datagram in datagrams:
        udp = struct.pack(">HHHH", 0, 5300, 8 + len(datagram), 0) + datagram
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + LOOPBACK + LOOPBACK
        frame = struct.pack("<I", 2) + ip + udp
        capture += struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
    return capture


def run_reader(capture):
    run = subprocess.run([os.path.join(BUILD, "dnsflow_read"), "-r", "-", "--format", "text", "--no-header"],
                         input=capture, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    assert run.returncode == 0, run.stderr
    return run


def read_back(datagram):
    """Rows of dnsflow_read without the server and the time; statistics as they are."""
    run = run_reader(capture_of(datagram))
    assert run.stderr == b""
    rows = []
    for line in run.stdout.decode("ascii").split("\n\nSummary:")[0].splitlines():
        columns = line.split("|")
        if columns[0] == "STATS":
            rows.append(line)
        elif line:
            assert len(columns) == 7 and columns[0] == "127.0.0.1" and columns[3] == "00:00:00", line
            rows.append("|".join(columns[1:3] + columns[4:]))
    return rows


def fields(line, names, values):
    return "|".join([line] + ["%s:%d" % pair for pair in zip(names.split(), values)])


def answer_lines(answers, sets_count):
    """{set: lines} of the answers behind the entries of the sets."""
    lines, before = {}, -1
    while answers:
        number, size = struct.unpack(">BH", answers[:3])
        assert before < number < sets_count
        before, lines[number] = number, []
        rest, answers = answers[3:3 + size], answers[3 + size:]
        assert len(rest) == size > 0
        while rest:
            owner, kind, ttl, rdlength = struct.unpack(">BHIH", rest[:9])
            rdata, rest = rest[9:9 + rdlength], rest[9 + rdlength:]
            assert len(rdata) == rdlength
            lines[number].append(fields("ANSWER", "owner type ttl", (owner, kind, ttl)) + "|rdata:" + rdata.hex())
    return lines


def trailer_lines(datagram):
    """The trailer of a version 4 datagram, read by hand."""
    version, sets_count, flags = struct.unpack(">BBH", datagram[:4])
    if version != 4 or not flags & FLAG_EXTENDED:
        return []
    if flags & FLAG_SIGNED:
        tag, datagram = datagram[-16:], datagram[:-16]
        assert tag == hashlib.blake2b(datagram, key=KEY, digest_size=16).digest()
    at = 28 if flags & FLAG_STATS else 8
    for _ in range(0 if flags & FLAG_STATS else sets_count):
        ips, ip6s, names_len = struct.unpack(">BBH", datagram[at + 2:at + 6])
        assert names_len % 4 == 0 and at % 4 == 0
        at += 40 + names_len + 4 * ips + 16 * ip6s
    ext_version, worker, trailer_len = struct.unpack(">BBH", datagram[at:at + 4])
    assert ext_version == 1 and at + trailer_len == len(datagram)
    lines = [fields("TRAILER", "worker sensor_id start_time sample_rate base_time_us",
                    (worker,) + struct.unpack(">IIIQ", datagram[at + 4:at + 24]))]
    at += 24
    if flags & FLAG_STATS:
        count, zero = struct.unpack(">HH", datagram[at:at + 4])
        assert zero == 0
        counters = struct.unpack(">%dQ" % count, datagram[at + 4:])
        return lines + ["|".join(["COUNTERS"] + ["%d" % n for n in counters])]
    entries = at + 16 * sets_count
    answers = answer_lines(datagram[entries:], sets_count)
    assert bool(answers) == bool(flags & FLAG_ANSWERS)
    for number, values in enumerate(struct.iter_unpack(">iIHHHH", datagram[at:entries])):
        values = values[:5] + (values[5] & 4095, values[5] >> 12)
        lines.append(fields("SET", "time_offset_us min_ttl qtype client_port set_flags rcode transport", values))
        lines += answers.get(number, [])
    return lines


def test_page_has_vectors():
    assert VECTORS and sorted(VECTORS) == sorted(EXPECTED)
    assert {datagram_of(name)[0] for name in VECTORS} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_vector(name):
    datagram = datagram_of(name)
    assert read_back(datagram) + trailer_lines(datagram) == EXPECTED[name]


@pytest.mark.skipif(not os.path.exists(DFDECODE), reason="no " + DFDECODE)
@pytest.mark.parametrize("name", sorted(name for name in VECTORS if name.startswith("v4")))
def test_readers_of_plain_version_4(name, tmp_path):
    """Stop behind the sets: names without addresses, where there are none."""
    datagram = datagram_of(name)
    (tmp_path / "in.pcap").write_bytes(capture_of(datagram))
    run = subprocess.run([sys.executable, "-B", DFDECODE, str(tmp_path / "in.pcap")], stdout=subprocess.PIPE,
                         timeout=SECONDS, check=True)
    rows = run.stdout.decode("ascii").splitlines()
    if datagram[3] & FLAG_STATS:
        assert len(rows) == 1 and rows[0].startswith("STATS\t")
    else:
        assert [row.replace("\t", "|") for row in rows] == \
            [line.replace("\\044", ",").replace("\\124", "|") for line in EXPECTED[name][:datagram[1]]]


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_shorter_vector_is_refused(name):
    """No byte of a vector is one too many: whole it decodes, cut at any length it does not."""
    datagram = datagram_of(name)
    run = run_reader(capture_of(*[datagram[:length] for length in range(len(datagram))]))
    head, _, summary = run.stdout.decode("ascii").partition("\nSummary:\n")
    assert head == ""
    assert "n_malformed=%d\n" % len(datagram) in summary
    assert b"malformed datagram" in run.stderr


def test_counters_are_listed_in_order():
    tokens = re.findall(r'\bX\(\w+, "(\w+)"', read_text("src", "base", "drops.h"))
    first = ["frames_seen", "frames_delivered", "messages_parsed", "messages_with_record", "records"]
    listed = re.findall(r"^\| (\d+) \| (\w+) \|", PAGE, re.M)
    assert [int(number) for number, _ in listed] == list(range(len(first) + len(tokens)))
    assert [token for _, token in listed] == first + tokens
