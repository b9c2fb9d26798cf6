# SPDX-License-Identifier: BSD-3-Clause
"""The reader's accounts under restarts, hostile senders and broken input, and its ends."""

import fcntl
import os
import re
import signal
import struct
import subprocess

import pytest

from conftest import BASE_US, NULL, RAW, READER, TIMEOUT, Background, pcap_header, pcap_record, reader, wait_until, \
    write_pcap
from datagrams import ONE, bare, datagram, packet, set4, stats
from keys import key, needs_libcrypto
from reading import read, read_bare

F_SETPIPE_SZ = 1031


def pcapng(packets):
    """Ethernet-less pcapng of one interface: (time in us, any 64 bits; frame)."""
    out = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) + \
        struct.pack("<IIHHII", 1, 20, RAW, 0, 0, 20)
    for time_us, frame in packets:
        padded = frame + bytes(-len(frame) % 4)
        size = 32 + len(padded)
        out += struct.pack("<IIIIIII", 6, size, 0, time_us >> 32 & 0xFFFFFFFF, time_us & 0xFFFFFFFF, len(frame),
                           len(frame)) + padded + struct.pack("<I", size)
    return out


# Sequence numbers and counters

def test_counters_across_a_restart(tmp_path):
    """1000 dropped, then 40 more; the sensor begins anew and drops 7, then 5 more."""
    numbers = [(5000, 1000), (5001, 1040), (1, 7), (2, 12)]
    out = read_bare(tmp_path, [stats(n, 0, 0, dropped, 0, 0) for n, dropped in numbers]).out
    assert "  pkts_captured=0 pkts_received=0 pkts_dropped=52 pkts_ifdropped=0\n" in out
    assert "seq_last=2 seq_total=4 seq_lost=0 seq_ooo=0" in out
    table = read_bare(tmp_path, [stats(n, 0, 0, dropped, 0, 0) for n, dropped in numbers], "--summary").out
    assert re.search(r"sources: .*\n.*\n +0 +0\.0 +4 +0 +0\.00 +52  0\.0\.0\.0:0", table)


def trailer(start_time):
    return struct.pack("!BBHIIIQ", 1, 0, 28, 0, start_time, 0, BASE_US) + bytes(4)


def counted(number, captured, start_time=None):
    body = struct.pack("!5I", captured, captured, 0, 0, 0)
    if start_time is None:
        return datagram(number, body, flags=1)
    return datagram(number, body, trailer(start_time), flags=3, count=1)


@pytest.mark.parametrize("name, datagrams, captured", [
    ("out of order", [counted(1, 100), counted(3, 300), counted(2, 200), counted(4, 400)], 300),
    ("late by much, as the trailer tells", [counted(5000, 10 ** 6, 7), counted(3000, 10, 7),
                                            counted(5001, 10 ** 6 + 10, 7)], 10),
    ("a late one that is no statistics", [counted(5000, 10 ** 6), datagram(3000, ONE),
                                          counted(5001, 10 ** 6 + 10)], 10),
    ("a new run", [counted(5, 1000, 7), counted(6, 1100, 7), counted(1, 20, 9), counted(2, 50, 9)], 150),
    ("a late one of the run before", [counted(5, 1000, 7), counted(7, 1100, 7), counted(1, 20, 9),
                                      counted(6, 1050, 7), counted(2, 50, 9)], 150),
    ("the first comes late", [datagram(5, ONE), counted(4, 100), counted(6, 300)], 200)])
def test_growth(name, datagrams, captured, tmp_path):
    out = read_bare(tmp_path, datagrams).out
    assert "  pkts_captured=%d pkts_received=%d " % (captured, captured) in out, name + out


@pytest.mark.parametrize("before", [0x80000010, 0xE0000000, 0x7FFFFFF0])
def test_a_restart_from_a_high_number(before, tmp_path):
    out = read_bare(tmp_path, [datagram(n, ONE) for n in (before, before + 1, 1, 2, 3)]).out
    assert "seq_last=3 seq_total=5 seq_lost=0 seq_ooo=0" in out


def test_a_long_gap_is_loss(tmp_path):
    out = read_bare(tmp_path, [datagram(n, ONE) for n in (1, 1000000)]).out
    assert "seq_total=1000000 seq_lost=999998" in out


def test_wrap_without_loss(tmp_path):
    out = read_bare(tmp_path, [datagram(n & 0xFFFFFFFF, ONE) for n in range(0xFFFFFFFE, 0x100000002)]).out
    assert "seq_last=1 seq_total=4 seq_lost=0 seq_ooo=0" in out


# Hostile senders

def test_a_crowd_does_not_hide_a_sensor(tmp_path):
    """Of 70000 addresses that send broken datagrams few get accounts, and few a line."""
    frames = [packet(b"\4", source="10.%d.%d.%d" % (n >> 16, n >> 8 & 255, n & 255)) for n in range(70000)]
    frames += [packet(datagram(n, ONE), source="192.0.2.1") for n in (1, 2, 5)]
    result = read(tmp_path, RAW, frames)
    assert "\n192.0.2.1:4000\n  n_data_pkts=3 n_records=3 " in result.out and "seq_lost=2" in result.out
    assert "malformed datagrams: 70000\n" in result.out
    assert result.out.count("  n_malformed=1\n") == 1024
    assert result.err.count("malformed datagram from ") == 64 and result.err.count("\n") == 65


@needs_libcrypto
def test_forged_datagrams_make_few_sources(tmp_path, key):
    frames = [packet(datagram(1, ONE), source="10.%d.%d.%d" % (n >> 16, n >> 8 & 255, n & 255)) for n in range(2000)]
    result = read(tmp_path, RAW, frames, "--auth-key", str(key), "--no-header")
    assert result.out.count("  n_unsigned=1\n") == 1024 and "10.0.0.53|" not in result.out
    assert "datagrams not signed as they must be: 2000\n" in result.out


# Times

TIMES = [0, 1 << 63, (1 << 64) - 1, (1 << 63) - 1, BASE_US]


@pytest.mark.parametrize("options", [[], ["--summary"], ["--format", "cof", "--interval", "5"], ["--format", "json"],
                                     ["--time", "local"], ["--speed", "1000000", "--count", "2"],
                                     ["--since", "1h", "--until", "2040-01-01"]])
def test_any_time(options, tmp_path):
    path = tmp_path / "in.pcapng"
    path.write_bytes(pcapng([(t, packet(datagram(n + 1, ONE))) for n, t in enumerate(TIMES)]))
    result = reader("-r", path, *options)
    assert result.status == 0, result.err


def test_time_jumps_back(tmp_path):
    times = [BASE_US, BASE_US + 10 * 1000000, BASE_US - 20 * 1000000]
    path = write_pcap(tmp_path / "in.pcap", RAW, [(t, packet(datagram(n, ONE))) for n, t in enumerate(times)])
    assert reader("-r", path, "--summary").out.startswith(b"3 records in 30.0 s\n")


# Split records

def test_parts_of_a_record(tmp_path):
    """The part that has the address counts, with its names."""
    trailer = struct.pack("!BBHIIIQ", 1, 0, 24 + 32, 0, 0, 0, BASE_US) + \
        b"".join(struct.pack("!iIHHHH", 0, 60, 1, 1000, flags, 0) for flags in (0, 1))
    sets = [set4("10.0.0.9", "10.0.0.53", ["a.example", "b.example"], [a]) for a in ("192.0.2.1", "192.0.2.2")]
    frames = [packet(datagram(1, *sets, trailer, flags=2, count=2))]
    out = read(tmp_path, RAW, frames, "--summary").out
    assert out.startswith("1 records in ") and "answers: 2 different" in out
    assert "names: 1 different" in read(tmp_path, RAW, frames, "--summary", "--answer", "192.0.2.2").out
    for options, cnames in ([], 1), (["--answer", "192.0.2.2"], 1), (["--client", "10.0.0.9"], 1):
        rows = read(tmp_path, RAW, frames, "--format", "cof", *options).out
        assert rows.count('"CNAME"') == cnames and '"count":2' not in rows


# Ends

def test_rows_of_a_pipe_that_waits(tmp_path):
    with Background([READER, "-r", "-"], tmp_path, stdin=subprocess.PIPE) as process:
        process.feed(pcap_header(RAW) + pcap_record(BASE_US, packet(datagram(1, ONE))))
        wait_until(lambda: b"www.example.com" in process.out)
        process.feed(pcap_record(BASE_US, packet(datagram(2, ONE))))
        wait_until(lambda: process.out.count(b"www.example.com") == 2)


def many_rows(tmp_path):
    return write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US, packet(datagram(n, *[ONE] * 10))) for n in range(2000)])


def wait_blocked(process):
    wait_until(lambda: "pipe" in open("/proc/%d/wchan" % process.pid).read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_nobody_takes_the_output(number, tmp_path):
    with subprocess.Popen([READER, "-r", many_rows(tmp_path)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        fcntl.fcntl(process.stdout, F_SETPIPE_SZ, 4096)
        wait_blocked(process)
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 0
        assert process.stderr.read() == b"standard output: nobody took the rest\n"


def test_signal_while_somebody_takes_the_output(tmp_path):
    """What was read is written whole; the summary counts it."""
    with subprocess.Popen([READER, "-r", many_rows(tmp_path), "--format", "json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        wait_blocked(process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0 and out.endswith(b"}\n")
    assert b"n_records=%d " % out.count(b"\n") in err and b"nobody" not in err


def test_signal_while_nobody_takes_the_errors(tmp_path):
    """Statistics go to standard error here, which is full."""
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US, packet(stats(n, 1, 2, 3, 4, 5))) for n in range(20000)])
    with subprocess.Popen([READER, "-r", path, "--format", "csv"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:
        wait_blocked(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0


def test_output_that_does_not_block(tmp_path):
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
    got = b""
    with subprocess.Popen([READER, "-r", many_rows(tmp_path), "--format", "tsv", "--no-header"], stdout=theirs,
                          stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        wait_until(lambda: "poll" in open("/proc/%d/wchan" % process.pid).read())
        while part := os.read(ours, 65536):
            got += part
        assert process.wait(TIMEOUT) == 0
    os.close(ours)
    assert got.count(b"\n") == 20000


def test_signal_while_a_compressed_pipe_waits(tmp_path):
    packed = subprocess.run(["gzip", "-c"], input=pcap_header(RAW) + pcap_record(BASE_US, packet(datagram(1, ONE))) * 50,
                            stdout=subprocess.PIPE, check=True, timeout=TIMEOUT).stdout
    with Background([READER, "-r", "-"], tmp_path, stdin=subprocess.PIPE) as process:
        process.feed(packed[:-9])
        wait_until(lambda: open("/proc/%d/stat" % process.process.pid).read().rsplit(")", 1)[1].split()[0] == "S")
        process.signal(signal.SIGINT)
        assert process.wait() == 0 and process.err == "", process.err


def test_no_datagrams(tmp_path):
    other = [packet(datagram(1, ONE), target_port=53)] * 3
    assert read(tmp_path, RAW, other).err.endswith("]: no datagram to UDP port 5300 in 3 frames\n")
    assert read(tmp_path, RAW, other, "-F", "tcp").err.endswith("]: the filter accepts none of 3 frames\n")
    assert read(tmp_path, RAW, [packet(datagram(1, ONE))], "-f", "udp port 9").err.endswith(
        "]: the filter accepts none of 1 frames\n")
    assert read(tmp_path, NULL, []).err.endswith("]: no packets in %s\n" % (tmp_path / "in.pcap"))
    assert read(tmp_path, NULL, [bare(datagram(1, ONE))]).err == ""


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_printed(option):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([READER, option], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert done.returncode == 1 and done.stderr == b"dnsflow_read: standard output: No space left on device\n"
