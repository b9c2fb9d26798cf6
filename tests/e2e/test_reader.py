# SPDX-License-Identifier: BSD-3-Clause
"""The reader on datagrams made here, of every version, and both programs live on loopback."""

import os
import random
import re
import signal
import socket
import struct
import subprocess

import pytest

from conftest import (AAAA, BASE_US, ETHERNET, NULL, RAW, READER, SENSOR, SLL, SLL2, TIMEOUT, Background, Collector,
                      Summary, address, check_sequence, ethernet, needs_root, pcap_header, pcap_record, reader,
                      response, response_frame, rows_of, run, sensor, wait_until, write_pcap)
from datagrams import ONE, bare, datagram, packet, set2, set3, set4, stats
from reading import HEADER, read, read_bare, write

CLOCK, WHOLE_TIME = "22:13:20", "2023-11-14T22:13:20.000000Z"  # of BASE_US
ONE_COLUMNS = "10.0.0.53|10.0.0.9|%s|www.example.com,cdn.example.net|192.0.2.1,192.0.2.2|2001:db8::1"
ROW4 = "10.1.1.1|" + ONE_COLUMNS % CLOCK + "\n"


# The format that scripts know

def test_text_in_full(tmp_path):
    frames = [packet(d) for d in (datagram(1, ONE, ONE), stats(2, 100, 90, 7, 1, 0), datagram(3, ONE),
                                  stats(4, 300, 290, 8, 1, 0))]
    result = read(tmp_path, RAW, frames, step_us=500000)
    late = ROW4.replace("22:13:20", "22:13:21")
    assert result.out == (
        HEADER + ROW4 + ROW4 +
        "STATS|pkts_captured:100|pkts_received:90|pkts_dropped:7|pkts_ifdropped:1|sample_rate:0\n" + late +
        "STATS|pkts_captured:300|pkts_received:290|pkts_dropped:8|pkts_ifdropped:1|sample_rate:0\n" +
        "\nSummary:\n"
        "10.1.1.1:4000\n"
        "  n_data_pkts=2 n_records=3 n_stats_pkts=2\n"
        "  n_data_pkts/s=1.33 n_records/s=2.00 n_stats_pkts/s=1.33\n"
        "  pkts_captured=200 pkts_received=200 pkts_dropped=1 pkts_ifdropped=0\n"
        "  pkts_captured/s=133.33 pkts_received/s=133.33 pkts_dropped/s=0.67 pkts_ifdropped/s=0.00\n"
        "  seq_last=4 seq_total=4 seq_lost=0 seq_ooo=0\n")
    assert result.err == ""


def test_an_empty_file_names_what_is_read(tmp_path):
    (tmp_path / "in.pcap").write_bytes(b"")
    result = reader("-r", tmp_path / "in.pcap")
    assert result.status == 1 and result.err.endswith("the file is empty; expected pcap or pcapng\n")


def test_growth_takes_two_statistics(tmp_path):
    frames = [packet(datagram(1, ONE)), packet(stats(2, 100, 90, 7, 1, 0))]
    out = read(tmp_path, RAW, frames, step_us=500000).out
    assert "STATS|pkts_captured:100|" in out and "pkts_captured=" not in out and "n_stats_pkts=1" in out


def test_summary_without_statistics_or_time(tmp_path):
    assert read(tmp_path, RAW, [packet(datagram(7, ONE))]).out == (
        HEADER + ROW4 + "\nSummary:\n10.1.1.1:4000\n  n_data_pkts=1 n_records=1 n_stats_pkts=0\n"
        "  seq_last=7 seq_total=1 seq_lost=0 seq_ooo=0\n")


def test_nothing(tmp_path):
    assert read(tmp_path, RAW, []).out == HEADER + "\nSummary:\n"
    assert read(tmp_path, RAW, [], "--no-header").out == "\nSummary:\n"


def test_statistics_wrap(tmp_path):
    out = read_bare(tmp_path, [stats(1, 4294967290, 0, 4294967295, 5, 0), stats(2, 10, 0, 0, 5, 0)]).out
    assert "  pkts_captured=16 pkts_received=0 pkts_dropped=1 pkts_ifdropped=0\n" in out


def test_several_sources(tmp_path):
    frames = [packet(datagram(1, ONE)), packet(datagram(9, ONE), port=4001), packet(datagram(2, ONE)),
              packet(datagram(1, ONE), source="2001:db8::7")]
    out = read(tmp_path, RAW, frames).out
    blocks = out.split("\nSummary:\n")[1].split("\n")
    assert [line for line in blocks if line and line[0] != " "] == \
        ["10.1.1.1:4000", "10.1.1.1:4001", "[2001:db8::7]:4000"]
    assert [line for line in blocks if "seq_last" in line] == [
        "  seq_last=2 seq_total=2 seq_lost=0 seq_ooo=0", "  seq_last=9 seq_total=1 seq_lost=0 seq_ooo=0",
        "  seq_last=1 seq_total=1 seq_lost=0 seq_ooo=0"]


def wrappers():
    v4, v6 = "10.1.1.1", "2001:db8::7"
    for source in v4, v6:
        p = packet(datagram(1, ONE), source=source)
        ethertype = struct.pack("!H", 0x800 if source == v4 else 0x86DD)
        tag = b"\x81\0\0\x05"
        yield source, "ethernet", ETHERNET, ethernet(p)
        yield source, "vlan", ETHERNET, ethernet(p, tag)
        yield source, "two tags", ETHERNET, ethernet(p, b"\x88\xa8\0\7" + tag)
        yield source, "raw", RAW, p
        yield source, "null", NULL, struct.pack("<I", 2 if source == v4 else 30) + p
        yield source, "null, big-endian", NULL, struct.pack(">I", 2 if source == v4 else 10) + p
        yield source, "sll", SLL, struct.pack("!HHHQ", 0, 1, 6, 0) + ethertype + p
        yield source, "sll2", SLL2, ethertype + struct.pack("!HIHBBQ", 0, 1, 1, 0, 6, 0) + p
        yield source, "sll, vlan", SLL, struct.pack("!HHHQ", 0, 1, 6, 0) + tag + ethertype + p


@pytest.mark.parametrize("source, name, link, frame", wrappers(), ids=lambda v: v if isinstance(v, str) else "")
def test_ways_to_be_captured(source, name, link, frame, tmp_path):
    result = read(tmp_path, link, [frame])
    assert result.out.startswith(HEADER + source + "|" + ONE_COLUMNS % CLOCK + "\n\nSummary:\n")
    assert ("[%s]:4000\n" if ":" in source else "%s:4000\n") % source in result.out


def test_bare_datagram(tmp_path):
    result = read_bare(tmp_path, [datagram(1, ONE)])
    assert result.out.startswith(HEADER + "0.0.0.0|" + ONE_COLUMNS % CLOCK + "\n\nSummary:\n0.0.0.0:0\n")


def test_other_traffic_is_passed_over(tmp_path):
    frames = [packet(datagram(1, ONE), target_port=5301), packet(datagram(1, ONE), port=5300, target_port=53),
              b"\x45" + bytes(3), b""]
    assert read(tmp_path, RAW, frames).out == HEADER + "\nSummary:\n"


def test_fragmented_datagram(tmp_path):
    """A datagram over 1500 bytes, as old sensors send them: in two fragments."""
    names = ["%d%s.example" % (i, "x" * 50) for i in range(20)]
    sets = [set4("10.0.0.9", "10.0.0.53", [n], ["192.0.2.1"]) for n in names]
    whole = packet(datagram(1, *sets))
    assert len(whole) > 1500
    cut = 20 + 1480

    def piece(start, end, more):
        part = whole[start:end]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part), 77, (0x2000 if more else 0) | (start - 20) // 8, 64,
                           17, 0)
        return head + whole[12:20] + part
    for order in (1, -1):
        result = read(tmp_path, RAW, [piece(20, cut, True), piece(cut, len(whole), False)][::order], "--format", "tsv",
                      "--no-header")
        assert [line.split("\t")[4] for line in result.out.splitlines()] == names


# Older versions

def test_version_3(tmp_path):
    sets = [set3("10.0.0.9", ["v3.example"], ["192.0.2.1"]),
            set3("2001:db8::9", ["v3.example"], [], ["2001:db8::1", "2001:db8::2"]),
            set3("10.0.0.8", ["a.example", "b.example"], ["192.0.2.1"], ["2001:db8::1"])]
    out = read_bare(tmp_path, [datagram(1, *sets, version=3), stats(2, 1, 2, 3, 4, 5, version=3)]).out
    assert out.split("\n\n")[0] + "\n" == HEADER + (
        "0.0.0.0|0.0.0.0|10.0.0.9|22:13:20|v3.example|192.0.2.1|\n"
        "0.0.0.0|0.0.0.0|2001:db8::9|22:13:20|v3.example||2001:db8::1,2001:db8::2\n"
        "0.0.0.0|0.0.0.0|10.0.0.8|22:13:20|a.example,b.example|192.0.2.1|2001:db8::1\n"
        "STATS|pkts_captured:1|pkts_received:2|pkts_dropped:3|pkts_ifdropped:4|sample_rate:5\n")


@pytest.mark.parametrize("version", [0, 1, 2])
def test_versions_0_to_2(version, tmp_path):
    names = [b"old.example", b"target.example"] if version == 0 else ["old.example", "target.example"]
    sets = [set2("10.0.0.9", names, ["192.0.2.1", "192.0.2.2"], text=version == 0)] * 2
    values = (1, 2, 3, 4, 5) if version == 2 else (1, 2, 3, 4)
    out = read_bare(tmp_path, [datagram(1, *sets, version=version), stats(2, *values, version=version)]).out
    row = "0.0.0.0|0.0.0.0|10.0.0.9|22:13:20|old.example,target.example|192.0.2.1,192.0.2.2|\n"
    assert out.split("\n\n")[0] + "\n" == HEADER + row + row + (
        "STATS|pkts_captured:1|pkts_received:2|pkts_dropped:3|pkts_ifdropped:4|sample_rate:%d\n" %
        (5 if version == 2 else 0))


@pytest.mark.parametrize("form, separator", [("text", "|"), ("tsv", "\t")])
def test_hostile_text_names(form, separator, tmp_path):
    hostile = [b"a|b", b"a\tb", b"a\nb", b"a,b", b'"a"', b"\x1b[2J", b"\xff", b"a b", b"", b"\\", b"x" * 300,
               b"1.1.1.1|1.1.1.1|\n0.0.0.0|fake"]
    sets = [set2("10.0.0.9", [name], ["192.0.2.1"], text=True) for name in hostile]
    result = read_bare(tmp_path, [datagram(1, *sets, version=0)], "--format", form, "--no-header")
    lines = result.out.split("\n\nSummary:")[0].rstrip("\n").split("\n")
    assert len(lines) == len(hostile)
    for line in lines:
        fields = line.split(separator)
        assert len(fields) == 7 and fields[2] == "10.0.0.9" and fields[5] == "192.0.2.1"
        assert "," not in fields[4] and all(0x21 <= ord(c) <= 0x7E for c in fields[4])


def test_trailers_are_passed_over(tmp_path):
    known = struct.pack("!BBHIIIQ", 1, 0, 40, 1, 1, 0, BASE_US) + struct.pack("!iIHHHH", 0, 60, 1, 9, 0, 0)
    unknown = struct.pack("!BBH", 9, 0, 12) + bytes(8)
    out = read_bare(tmp_path, [datagram(1, ONE, known, flags=2, count=1), datagram(2, ONE, unknown, flags=2, count=1),
                               datagram(3, ONE, b"junk behind the sets", count=1)])
    assert out.out.count("www.example.com") == 3 and out.err == ""


# Sequence numbers

def sequence_line(tmp_path, numbers):
    out = read_bare(tmp_path, [datagram(n, ONE) for n in numbers], "-s").out
    found = re.search(r"seq_last=(\d+) seq_total=(\d+) seq_lost=(\d+) seq_ooo=(\d+)", out)
    return tuple(int(v) for v in found.groups())


@pytest.mark.parametrize("numbers, want", [
    # last, total, lost, out of order
    ([1, 2, 3], (3, 3, 0, 0)),
    ([500, 501], (501, 2, 0, 0)),
    ([1, 2, 5, 6], (6, 6, 2, 0)),
    ([1, 3, 2, 4], (4, 4, 0, 1)),
    ([1, 2, 2, 3], (3, 3, 0, 1)),
    ([1, 5, 3, 3, 2], (5, 5, 1, 3)),
    ([1, 2, 5, 3, 3, 6], (6, 6, 1, 2)),
    ([4294967294, 4294967295, 0, 1], (1, 4, 0, 0)),
    ([4294967294, 1], (1, 4, 2, 0)),
    ([4294967295, 1, 0], (1, 3, 0, 1)),
    ([0, 4294967295], (0, 1, 0, 1)),
    ([5000, 5001, 1, 2], (2, 4, 0, 0)),
    ([1, 100001], (100001, 100001, 99999, 0)),
], ids=str)
def test_sequence_numbers(numbers, want, tmp_path):
    assert sequence_line(tmp_path, numbers) == want


def test_a_new_start_time_is_a_new_sequence(tmp_path):
    def extended(sequence, start):
        trailer = struct.pack("!BBHIIIQ", 1, 0, 40, 1, start, 0, BASE_US) + struct.pack("!iIHHHH", 0, 60, 1, 9, 0, 0)
        return datagram(sequence, ONE, trailer, flags=2, count=1)
    out = read_bare(tmp_path, [extended(1, 10), extended(2, 10), extended(1, 20), extended(2, 20), extended(4, 20)]).out
    assert "seq_last=4 seq_total=6 seq_lost=1 seq_ooo=0" in out


# Options

def test_only_statistics(tmp_path):
    line = "STATS|pkts_captured:%d|pkts_received:0|pkts_dropped:0|pkts_ifdropped:0|sample_rate:0\n"
    block = "10.1.1.1:4000\n  n_data_pkts=1 n_records=1 n_stats_pkts=%d\n%s" \
        "  seq_last=%d seq_total=%d seq_lost=0 seq_ooo=0\n"
    frames = [packet(d) for d in (datagram(1, ONE), stats(2, 5, 0, 0, 0, 0), stats(3, 9, 0, 0, 0, 0))]
    last = block % (2, "  pkts_captured=4 pkts_received=0 pkts_dropped=0 pkts_ifdropped=0\n", 3, 3)
    out = read(tmp_path, RAW, frames, "-s", "--no-header").out
    assert read(tmp_path, RAW, frames, "-s").out == HEADER + out
    for form in "csv", "tsv":
        assert read(tmp_path, RAW, frames, "-s", "--format", form).out == "", "only rows go there, and there are none"
    assert out == \
        line % 5 + block % (1, "", 2, 2) + line % 9 + last + "\nSummary:\n" + last


def test_summaries(tmp_path):
    head, one = pcap_header(NULL), pcap_record(BASE_US, bytes(4) + datagram(0, ONE))
    at = len(one) - len(ONE) - 4
    path = tmp_path / "in.pcap"
    path.write_bytes(head + b"".join(one[:at] + struct.pack("!I", i) + one[at + 4:] for i in range(1, 200002)))
    parts = ["0.0.0.0:0\n  n_data_pkts=%d n_records=%d n_stats_pkts=0\n"
             "  seq_last=%d seq_total=%d seq_lost=0 seq_ooo=0\n" % ((total,) * 4) for total in (100000, 200000, 200001)]
    want = ("-" * 40 + "\n").join(parts[:2] + ["\nSummary:\n" + parts[2]])
    for options in [], ["-s"], ["--no-header"]:
        result = reader("-r", path, "-S", *options)
        assert result.status == 0 and result.out.decode() == want
    for form in "json", "csv", "tsv":
        result = reader("-r", path, "-S", "--format", form)
        assert result.out == b"" and result.err == want, "only rows go there, and there are none"
    result = reader("-r", path, "-S", "--client", "10.0.0.9")
    assert result.out.decode() == want + "records wanted: 200001 of 200001\n"
    assert b"-----" not in reader("-r", path).out


def test_only_summaries(tmp_path):
    """Neither rows nor statistics."""
    frames = [packet(d) for d in (datagram(1, ONE), stats(2, 5, 0, 0, 0, 0))]
    assert read(tmp_path, RAW, frames, "-S").out == \
        "\nSummary:\n10.1.1.1:4000\n  n_data_pkts=1 n_records=1 n_stats_pkts=1\n" \
        "  seq_last=2 seq_total=2 seq_lost=0 seq_ooo=0\n"


def test_tsv(tmp_path):
    frames = [packet(d) for d in (datagram(1, ONE), stats(2, 5, 0, 0, 0, 0))]
    row = ROW4.replace("|", "\t").replace(CLOCK, WHOLE_TIME)
    result = read(tmp_path, RAW, frames, "--format", "tsv", "--no-header")
    assert result.out == row
    assert "Summary:\n10.1.1.1:4000\n" in result.err, "what is not data goes to standard error"
    result = read(tmp_path, RAW, frames, "--format", "tsv")
    assert result.out.endswith("\n" + row) and result.out.count("\n") == 2
    assert read(tmp_path, RAW, frames, "--format", "text").out == read(tmp_path, RAW, frames).out


def test_tsv_statistics(tmp_path):
    result = read(tmp_path, RAW, [packet(stats(2, 5, 0, 0, 0, 0))], "--format", "tsv", "--no-header", "-s")
    assert result.out == ""
    assert result.err.startswith("STATS|pkts_captured:5|"), "the rest goes to standard error"


@pytest.mark.parametrize("options, words", [
    ([], "--read --interface"), (["-r"], "--read FILE"), (["-i", "a", "-i", "b"], "--interface once"),
    (["-r", "a", "-i", "lo"], "--read --interface"), (["-r", "a", "--format", "xml"], "--format xml text tsv"),
    (["-r", "a", "-q"], "-q"), (["-i", "lo", "b"], "--read --interface"), (["-r", "a", "-S", "--format", "cof"], "--summaries cof"),
    (["-r", "a", "-S", "--time", "iso"], "--time"), (["-r", "a", "-S", "--fields", "seq"], "--fields"), (["-r", "a", "--stats=1"], "--stats")])
def test_wrong_usage(options, words):
    result = reader(*options)
    assert result.status == 2 and result.out == b"" and result.err.count("\n") == 1, result.err
    assert all(word in result.err for word in words.split()), result.err


def test_files_that_cannot_be_read(tmp_path):
    for content, reason in (None, "No such file"), (b"", "empty"), (b"x" * 100, "not a capture"):
        path = tmp_path / "in.pcap"
        if content is not None:
            path.write_bytes(content)
        result = reader("-r", path)
        assert result.status == 1 and result.err.count("\n") == 1
        assert str(path) in result.err and reason in result.err


def test_truncated_file(tmp_path):
    path = write(tmp_path, RAW, [packet(datagram(i, ONE)) for i in (1, 2, 3)])
    path.write_bytes(path.read_bytes()[:-5])
    result = reader("-r", path)
    assert result.status == 1 and result.err.count("\n") == 1
    assert str(path) in result.err and "ends inside a record" in result.err
    assert result.out.decode().count(ROW4) == 2 and b"seq_last=2 " in result.out


def test_standard_input(tmp_path):
    path = write(tmp_path, RAW, [packet(datagram(1, ONE))])
    assert reader("-r", "-", data=path.read_bytes()).out == reader("-r", path).out


@pytest.mark.parametrize("form", ["text", "tsv"])
def test_closed_pipe(form, tmp_path):
    path = write(tmp_path, RAW, [packet(datagram(i, *[ONE] * 10)) for i in range(1, 5001)])
    with subprocess.Popen([READER, "-r", path, "--format", form], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(TIMEOUT) == 0
            assert form == "tsv" or process.stderr.read() == b""
        finally:
            process.kill()


def test_full_disk(tmp_path):
    path = write(tmp_path, RAW, [packet(datagram(1, ONE))])
    with open("/dev/full", "wb") as full:
        result = reader("-r", path, stdout=full)
    assert result.status == 1 and result.err.count("\n") == 1 and "No space left" in result.err


# Datagrams that are broken

BROKEN = {
    "nothing": b"", "short header": b"\4\1\0\0\0\0\0", "version 5": datagram(1, ONE, version=5),
    "version 255": datagram(1, ONE, version=255), "no set": datagram(1, count=1),
    "set missing": datagram(1, ONE, count=2),
    "cut in names": datagram(1, ONE)[:60], "cut in addresses": datagram(1, ONE)[:-1],
    "family 5": datagram(1, b"\5" + ONE[1:]), "second set broken": datagram(1, ONE, ONE[:-4]),
    "names_len too large": datagram(1, ONE[:4] + b"\xff\xff" + ONE[6:]),
    "names_len too small": datagram(1, ONE[:4] + b"\0\4" + ONE[6:]),
    "names_count too large": datagram(1, ONE[:1] + b"\xff" + ONE[2:]),
    "pointer in a name": datagram(1, ONE[:40] + b"\xc0\0" + ONE[42:]),
    "label of 64": datagram(1, set4("1.1.1.1", "1.1.1.1", ["a"], ["1.1.1.1"])[:40] + b"\x40" + bytes(71)),
    "name of 256": datagram(1, set4("1.1.1.1", "1.1.1.1", [".".join(["x" * 63] * 3 + ["y" * 62])], ["1.1.1.1"])),
    "short statistics": stats(1, 1, 2, 3, 4), "short statistics, version 1": stats(1, 1, 2, 3, version=1),
    "text without end": datagram(1, address("1.1.1.1") + b"\1\0\0\4abcd", version=0),
    "trailer missing": datagram(1, ONE, flags=2),
    "trailer cut": datagram(1, ONE, b"\1\0\0\x28" + bytes(20), flags=2, count=1),
    "trailer length 0": datagram(1, ONE, b"\1\0\0\0", flags=2, count=1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_datagram(name, tmp_path):
    bad, good = BROKEN[name], datagram(7, ONE)
    result = read(tmp_path, RAW, [packet(bad), packet(good), packet(bad), packet(bad)])
    assert result.out.startswith(HEADER + ROW4 + "\nSummary:\n10.1.1.1:4000\n"), "no rows of broken ones"
    assert "  n_data_pkts=1 n_records=1 n_stats_pkts=0\n" in result.out
    assert "seq_last=7 seq_total=1 seq_lost=0 seq_ooo=0\n" in result.out
    assert "  n_malformed=3\n" in result.out
    assert result.err.count("\n") == 1 and "10.1.1.1" in result.err, "one line per source: " + result.err


def test_broken_datagrams_of_several_sources(tmp_path):
    frames = [packet(b"\4\1", source="10.1.1.%d" % (i % 3 + 1)) for i in range(9)]
    result = read(tmp_path, RAW, frames)
    assert result.err.count("\n") == 3 and result.out.count("  n_malformed=3\n") == 3


def test_random_datagrams(tmp_path):
    """Broken at random places: never a crash, every row has its columns."""
    rng = random.Random(5300)
    frames = []
    for i in range(3000):
        version, flags = rng.choice([0, 1, 2, 3, 4, 4, 4]), rng.choice([0, 0, 1, 2, 3])
        data = bytearray(datagram(i, ONE, ONE, version=version, flags=flags))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        frames.append(bare(bytes(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data)))
    result = read(tmp_path, NULL, frames, "--no-header")
    rows, summary = result.out.rsplit("\nSummary:\n", 1)
    for line in rows.splitlines():
        assert line.startswith("STATS|pkts_captured:") or line.count("|") == 6, line


# Live

def asked(count):
    return [response("live%d.example" % i, ["192.0.2.%d" % (i % 250 + 1)], number=i) for i in range(count)]


@needs_root
def test_live_sensor(tmp_path):
    with Collector() as collector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        resolver.bind(("127.0.0.1", 0))
        client.bind(("127.0.0.1", 0))
        port, client_port = resolver.getsockname()[1], client.getsockname()[1]
        with Background([SENSOR, "-i", "lo", "-d", str(port), "-u", collector.target, "-x"], tmp_path) as sensor:
            sensor.wait_err("capturing on lo")
            messages = asked(5)
            for message in messages:
                resolver.sendto(message, client.getsockname())
            wait_until(lambda: collector.got, 3)  # a datagram leaves a second after its first set
            resolver.sendto(messages[0][:2] + b"\x01\0" + messages[0][4:], client.getsockname())
            resolver.sendto(asked(6)[5], client.getsockname())
            sensor.wait_captured(6)
            sensor.signal(signal.SIGTERM)
            assert sensor.wait(5) == 0
            summary = Summary(sensor.err)
        streams = collector.datagrams(summary.notes["datagrams"])
        (datagrams,) = streams.values()
    check_sequence(datagrams)
    rows = rows_of(datagrams)
    assert rows == ["127.0.0.1\t127.0.0.1\tlive%d.example\t192.0.2.%d\t" % (i, i + 1) for i in range(6)]
    assert summary.message_reasons == {}, "the kernel's filter refuses the query"
    assert (summary.captured, summary.received, summary.dropped) == (6, 6, 0)
    last = datagrams[-1]
    assert last.stats == (6, 6, 0, 0, 0) and not any(d.stats for d in datagrams[:-1])
    assert last.trailer.counters["records"] == 6
    assert {s.ext.client_port for d in datagrams for s in d.sets} == {client_port}


@needs_root
def test_live_reader(tmp_path):
    """The sensor reads a file and sends to port 5300 on loopback, where the reader listens."""
    mark = "r%d.example" % os.getpid()
    path = write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US, response_frame(mark))])
    with Background([READER, "-i", "lo", "--no-header"], tmp_path) as live:
        def arrived():
            assert live.process.poll() is None, live.err
            assert run([SENSOR, "-r", path, "-u", "127.0.0.1"]).status == 0
            return mark.encode() in live.out
        wait_until(arrived, 10, 0.1)
        live.signal(signal.SIGTERM)
        assert live.wait(5) == 0
        out = live.out.decode()
    rows = [line for line in out.splitlines() if mark in line]
    want = re.escape("127.0.0.1|10.0.0.53|10.0.0.9|CLOCK|%s|192.0.2.1|" % mark).replace("CLOCK", r"\d\d:\d\d:\d\d")
    assert all(re.fullmatch(want, row) for row in rows)
    assert "\nSummary:\n127.0.0.1:" in out


@needs_root
@pytest.mark.parametrize("program", [SENSOR, READER])
def test_no_such_interface(program):
    options = ["-u", "127.0.0.1"] if program == SENSOR else []
    result = run([program, "-i", "nosuch0"] + options)
    assert result.status == 1 and "nosuch0" in result.err


@needs_root
def test_live_sensor_reports_every_address_family(tmp_path):
    """IPv6 responses, -f in place of the ports, and a message the filter keeps out."""
    with Collector("::1") as collector, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as resolver, \
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        resolver.bind(("::1", 0))
        client.bind(("::1", 0))
        expression = "udp and src port %d and dst port %d" % (resolver.getsockname()[1], client.getsockname()[1])
        with Background([SENSOR, "-i", "lo", "-f", expression, "-u", collector.target], tmp_path) as sensor:
            sensor.wait_err("capturing on lo")
            resolver.sendto(response("six.example", ["2001:db8::1"], qtype=AAAA), client.getsockname())
            client.sendto(response("no.example", ["2001:db8::1"], qtype=AAAA), resolver.getsockname())
            wait_until(lambda: collector.got, 3)
            sensor.signal(signal.SIGTERM)
            assert sensor.wait(5) == 0
            summary = Summary(sensor.err)
        (datagrams,) = collector.datagrams(summary.notes["datagrams"]).values()
    assert rows_of(datagrams) == ["::1\t::1\tsix.example\t\t2001:db8::1"]
    assert summary.captured == 1 and datagrams[-1].stats is not None
