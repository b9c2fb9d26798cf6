# SPDX-License-Identifier: BSD-3-Clause
"""Every capture of tests/captures against the records it must give."""

import bz2
import gzip
import lzma
import shutil
import struct
import subprocess
from datetime import datetime, timedelta

import pytest

from conftest import (CAPTURES, Summary, address, check_sequence, expected_rows, list_captures, name_text, read_pcap,
                      read_written, reader, rows_of, sensor, set_row, written_rows)

ALL = list_captures()
NAMES = [name for name, _, _ in ALL]
LIMIT = 1472


def run_capture(name, out, *options):
    result = sensor("-r", CAPTURES / name, "-w", out, *options)
    assert result.status == 0, result.err
    assert "error" not in result.err, result.err
    return Summary(result.err)


def test_every_capture_is_listed():
    stored = {p.name for p in CAPTURES.iterdir() if p.suffix in (".pcap", ".pcapng")}
    assert stored == set(NAMES)


@pytest.mark.parametrize("name, smallest, largest", ALL, ids=NAMES)
def test_records(name, smallest, largest, tmp_path):
    out = tmp_path / "out.pcap"
    summary = run_capture(name, out)
    written = read_written(out)
    datagrams = [d for _, d in written]
    rows = rows_of(datagrams)
    assert rows == expected_rows(name)
    assert smallest <= len(rows) <= largest
    check_sequence(datagrams)
    assert all(8 < d.length <= LIMIT and d.flags == 0 for d in datagrams)
    assert summary.records == summary.with_record <= len(rows)
    assert summary.notes.get("sets", 0) == len(rows)
    assert summary.notes.get("datagrams", 0) == summary.notes.get("written", 0) == len(datagrams)
    assert summary.captured == summary.received == summary.seen
    assert summary.dropped == summary.if_dropped == 0


@pytest.mark.parametrize("name", NAMES)
def test_reader_prints_the_same(name, tmp_path):
    out = tmp_path / "out.pcap"
    run_capture(name, out)
    result = reader("-r", out, "--format", "tsv", "--no-header")
    assert result.status == 0
    want = []
    for time_us, datagram in read_written(out):
        time = datetime(1970, 1, 1) + timedelta(microseconds=time_us)
        for one in datagram.sets:
            resolver, client, names, ipv4, ipv6 = set_row(one).replace("|", "\\124").split("\t")
            want.append("\t".join(["127.0.0.1", resolver, client, time.isoformat(timespec="microseconds") + "Z", names, ipv4, ipv6]))
    assert result.out.decode("ascii").splitlines() == want


@pytest.mark.parametrize("name", NAMES)
def test_written_file_is_reproducible(name, tmp_path):
    for i in 1, 2:
        run_capture(name, tmp_path / str(i), "-x")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def udp_in_frame(frame, one):
    """Client port and question type of the response in a frame, found by the addresses of the record."""
    pair = address(one.resolver) + address(one.client)
    at = frame.find(pair)
    if at < 0:
        return None
    if len(pair) == 8:
        udp = at - 12 + (frame[at - 12] & 15) * 4
    elif frame[at - 2] == 17:
        udp = at + 32
    else:
        return "extension headers"
    dns = udp + 8
    try:
        name, end = name_text(frame, dns + 12)
    except (AssertionError, IndexError):
        return None
    if name != one.names[0]:
        return None
    return struct.unpack_from("!H", frame, udp + 2)[0], struct.unpack_from("!H", frame, end)[0]


@pytest.mark.parametrize("name", NAMES)
def test_trailer(name, tmp_path):
    out = tmp_path / "out.pcap"
    summary = run_capture(name, out, "-x", "--sensor-id", "4000000001")
    written = read_written(out)
    datagrams = [d for _, d in written]
    check_sequence(datagrams)
    assert rows_of(datagrams) == expected_rows(name)
    assert all(d.flags & 2 and d.length <= LIMIT for d in datagrams)
    assert all((d.trailer.worker, d.trailer.sensor_id, d.trailer.sample_rate) == (0, 4000000001, 0) for d in datagrams)
    assert len({d.trailer.start_time for d in datagrams}) == 1
    sets = [s for d in datagrams for s in d.sets]
    assert sum(s.ext.flags & 2 > 0 for s in sets) == summary.notes.get("cut_records", 0)
    for s in sets:
        assert s.ext.flags & ~6 == 0 and s.ipv4 + s.ipv6
        assert (s.ext.rcode, s.ext.transport, s.ext.answers) == (0, 0, []), "without --records"
        assert 0 < s.ext.min_ttl < 1 << 31
        assert s.ext.qtype in (1, 28, 255) and s.ext.client_port > 0
    for time_us, d in written:
        if d.sets:
            assert d.trailer.base_time_us == d.sets[0].ext.time_us
            assert time_us == d.sets[-1].ext.time_us

    assert [bool(d.stats) for d in datagrams] == [False] * (len(datagrams) - 1) + [True]
    last = datagrams[-1]
    assert last.stats == (summary.captured, summary.received, 0, 0, 0)
    counters = last.trailer.counters
    want = dict(frames_seen=summary.seen, frames_delivered=summary.delivered, messages_parsed=summary.parsed,
                messages_with_record=summary.with_record, records=summary.records)
    want.update(summary.reasons)
    want.update({k: v for k, v in summary.notes.items() if k not in ("datagrams", "written")})
    want["datagrams"] = len(datagrams) - 1
    want["absorbed"] = summary.absorbed
    del counters["written"]  # some may still be in the buffer
    assert {k: v for k, v in counters.items() if v} == {k: v for k, v in want.items() if v}


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith(".pcap")])
def test_trailer_against_the_frames(name, tmp_path):
    out = tmp_path / "out.pcap"
    run_capture(name, out, "-x")
    sets = [s for _, d in read_written(out) for s in d.sets if not s.ext.flags & 4]
    _, frames = read_pcap(CAPTURES / name)
    at, checked = 0, 0
    for s in sets:
        while frames[at][0] != s.ext.time_us or udp_in_frame(frames[at][1], s) is None:
            at += 1
            assert at < len(frames), "no frame at that time has this record"
        found = udp_in_frame(frames[at][1], s)
        at += 1
        if found != "extension headers":
            assert (s.ext.client_port, s.ext.qtype) == found
            checked += 1
    assert checked >= len(sets) / 2


def test_datagrams_are_filled(tmp_path):
    """A datagram leaves when the next set does not fit, or a second after its first set."""
    for name in NAMES:
        out = tmp_path / "out.pcap"
        run_capture(name, out, "-x")
        data = [d for _, d in read_written(out) if d.sets]
        for d, following in zip(data, data[1:]):
            n = following.sets[0]
            away = abs(n.ext.time_us - d.sets[0].ext.time_us)
            names = sum(len(text) + 2 for text in n.names)  # at most this many octets on the wire, without escapes
            need = 40 + 16 + names + 3 + 4 * len(n.ipv4) + 16 * len(n.ipv6)
            assert away >= 900000 or d.length + need > LIMIT, name
            assert all(abs(s.ext.time_us - d.sets[0].ext.time_us) < 1000000 for s in d.sets), name


def test_all_in_one_run(tmp_path):
    options, want = [], []
    for name in NAMES:
        options += ["-r", CAPTURES / name]
        want += expected_rows(name)
    result = sensor(*options, "-w", tmp_path / "out.pcap")
    assert result.status == 0, result.err
    # what waits for fragments when a file ends goes on waiting in the next
    assert sorted(written_rows(tmp_path / "out.pcap")) == sorted(want)
    assert Summary(result.err).records == len(want)


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
           "zst": ["zstd", "-q", "-c"], "lz4": ["lz4", "-q", "-c"]}


@pytest.mark.parametrize("way", ["plain"] + list(PACKERS))
@pytest.mark.parametrize("name", ["real_dnsperf.pcap", "real_merged.pcapng"])
def test_packed_and_standard_input(name, way, tmp_path):
    data = (CAPTURES / name).read_bytes()
    packer = PACKERS.get(way, bytes)
    if isinstance(packer, list):
        if not shutil.which(packer[0]):
            pytest.skip(packer[0] + " is not installed")
        data = subprocess.run(packer, input=data, stdout=subprocess.PIPE, timeout=20, check=True).stdout
    else:
        data = packer(data)
    packed = tmp_path / "capture"
    packed.write_bytes(data)
    result = sensor("-r", packed, "-w", tmp_path / "out.pcap")
    assert result.status == 0, result.err
    assert written_rows(tmp_path / "out.pcap") == expected_rows(name)
    with open(packed, "rb") as file:
        result = sensor("-r", "-", "-w", tmp_path / "file", stdin=file)
    assert result.status == 0, result.err
    result = sensor("-r", "-", "-w", tmp_path / "pipe", data=data)
    assert result.status == 0, result.err
    assert (tmp_path / "file").read_bytes() == (tmp_path / "pipe").read_bytes() == (tmp_path / "out.pcap").read_bytes()


def test_standard_output(tmp_path):
    run_capture("real_dnsperf.pcap", tmp_path / "out.pcap")
    result = sensor("-r", CAPTURES / "real_dnsperf.pcap", "-w", "-")
    assert result.status == 0
    assert result.out == (tmp_path / "out.pcap").read_bytes()
