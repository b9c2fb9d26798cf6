# SPDX-License-Identifier: BSD-3-Clause
"""The memory ceiling: what a flood of the worst input can make the programs take."""

import os
import re
import signal
import struct
import subprocess

import pytest

from conftest import RAW, READER, SENSOR, pcap_header, pcap_record, release_build, udp_packet

MIB = 1 << 20


def high_water(process):
    with open("/proc/%d/status" % process.pid) as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) * 1024


def peak_after(command, chunks):
    """Feeds standard input; the process has read all but the last pipe's worth when its memory is looked at."""
    process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    try:
        for chunk in chunks:
            process.stdin.write(chunk)
        peak = high_water(process)
        with open("/proc/%d/limits" % process.pid) as limits:
            ceiling = re.search(r"Max data size\s+(\S+)", limits.read()).group(1)
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 0, errors
        return peak, ceiling
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(10)


def largest_answer(n):
    """As many A answers as 65 KiB hold, or as many CNAMEs with the longest names."""
    head = struct.pack("!HHHHHH", n, 0x8180, 1, 4000 if n % 2 else 250, 0, 0) + b"\x01x\0" + struct.pack("!HH", 1, 1)
    if n % 2:
        return head + (b"\0" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\xc0\0\2\1") * 4000
    long_name = b"".join(b"\x3f" + bytes([97 + i]) * 63 for i in range(3)) + b"\x20" + b"z" * 32 + b"\0"
    one = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, len(long_name)) + long_name
    return head + one * 249 + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\xc0\0\2\1"


def flood(count):
    yield pcap_header(RAW)
    for n in range(count):
        yield pcap_record(n * 1000, udp_packet("10.0.0.53", 53, "10.%d.%d.%d" % (n >> 16, n >> 8 & 255, n & 255), 4000,
                                               largest_answer(n)))


needs_plain_build = release_build("a sanitizer takes memory of its own")


@needs_plain_build
@pytest.mark.parametrize("workers, most", [(1, 16), (2, 24)])
def test_sensor(workers, most):
    peak, ceiling = peak_after([SENSOR, "-r", "-", "-M", workers, "-u", "127.0.0.1:9"], flood(600))
    assert peak < most * MIB
    assert int(ceiling) == (256 + 32 * workers) * MIB


@needs_plain_build
def test_reader_of_endless_sources():
    def datagrams():
        yield pcap_header(RAW)
        body = struct.pack("!BBHI", 4, 0, 0, 1)
        for n in range(100000):
            source = "10.%d.%d.%d" % (n >> 16, n >> 8 & 255, n & 255)
            yield pcap_record(n, udp_packet(source, 4000, "10.0.0.1", 5300, body, check=0))
    peak, ceiling = peak_after([READER, "-r", "-", "--format", "tsv"], datagrams())
    assert peak < 36 * MIB
    assert int(ceiling) == 256 * MIB


def different_records(count):
    """Datagrams of 10 records, no name, client or address twice, each with another type, and by turns two RCODEs."""
    yield pcap_header(RAW)
    names = b"\x08%08d" + b"".join(b"\x3f" + bytes([97 + i]) * 63 for i in range(2)) + b"\0"
    names += bytes(-(len(names) + 5) % 4)
    for n in range(0, count, 10):
        sets = b"".join(struct.pack("!BBBBHH", 4, 1, 1, 0, len(names % i), 0) + struct.pack("!I12x", 1 << 24 | i) +
                        struct.pack("!I12x", 2 << 24 | i) + names % i + struct.pack("!I", 3 << 24 | i)
                        for i in range(n, n + 10))
        trailer = struct.pack("!BBHIIIQ", 1, 0, 24 + 160, 7, 1700000000, 0, 1700000000 * 10**6 + n) + b"".join(
            struct.pack("!iIHHHH", 0, 60, i % 65536, 0, 0, 1 << 12 | 2 + i % 2) for i in range(n, n + 10))
        body = struct.pack("!BBHI", 4, 10, 2, n // 10 + 1) + sets + trailer
        yield pcap_record(n, udp_packet("10.0.0.9", 4000, "10.0.0.1", 5300, body, check=0))


@needs_plain_build
@pytest.mark.parametrize("options, most", [(["--summary"], 40), (["--format", "cof"], 64), (["--format", "json"], 12)])
def test_reader_of_endless_names(options, most):
    """Twice as many take no more."""
    peaks = [peak_after([READER, "-r", "-", *options], different_records(count))[0] for count in (300000, 600000)]
    assert peaks[0] < most * MIB
    assert peaks[1] - peaks[0] < MIB
