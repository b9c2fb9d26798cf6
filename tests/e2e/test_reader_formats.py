# SPDX-License-Identifier: BSD-3-Clause
"""JSON, CSV, and the filters of the reader."""

import csv
import io
import json
import struct

import pytest

from conftest import RAW, address, reader, write_pcap
from datagrams import datagram, packet, set2, set4, stats
from reading import read

HOSTILE = [b'a,b|c.example', b'quo"te.example', b'back\\slash.example', b'tab\tnl\nnul\0.example', "caf\u00e9.example".encode()]


def hostile_set():
    """A set whose names hold every byte that a format gives a meaning to."""
    wire = b"".join(bytes([len(n)]) + n + b"\0" for n in HOSTILE)
    wire += bytes(-len(wire) % 4)
    return struct.pack("!BBBBHH", 4, len(HOSTILE), 1, 1, len(wire), 0) + address("10.0.0.9").ljust(16, b"\0") + \
        address("10.0.0.53").ljust(16, b"\0") + wire + address("192.0.2.1") + address("2001:db8::1")


def as_text(label, also):
    out = ""
    for byte in label:
        if not 0x21 <= byte <= 0x7e or chr(byte) in also:
            out += "\\%03d" % byte
        else:
            out += ("\\" if chr(byte) in '.\\"();@$' else "") + chr(byte)
    return out


def test_json(tmp_path):
    frames = [packet(datagram(7, hostile_set())), packet(stats(8, 5, 4, 3, 2, 1)),
              packet(datagram(1, set2("10.0.0.1", ["old.example"], ["192.0.2.9"]), version=2))]
    result = read(tmp_path, RAW, frames, "--format", "json")
    record, counters, old = (json.loads(line) for line in result.out.splitlines())
    assert list(record) == ["type", "server", "port", "seq", "time", "resolver", "client", "names", "ipv4", "ipv6"]
    assert record["type"] == "record" and record["seq"] == 7 and record["time"] == "2023-11-14T22:13:20.000000Z"
    assert record["names"] == [as_text(n, "") for n in HOSTILE]
    assert (record["ipv4"], record["ipv6"]) == (["192.0.2.1"], ["2001:db8::1"])
    assert counters["type"] == "stats" and counters["sample_rate"] == 1 and counters["pkts_captured"] == 5
    assert old["resolver"] is None and old["names"] == ["old.example"]
    assert "Summary:" in result.err


def test_csv_takes_lists_apart(tmp_path):
    result = read(tmp_path, RAW, [packet(datagram(1, hostile_set()))], "--format", "csv")
    header, row = csv.reader(io.StringIO(result.out))
    assert header == ["server", "resolver", "client", "time", "names", "ipv4", "ipv6"]
    assert row[4].split(",") == [as_text(n, ",|") for n in HOSTILE]
    assert row[5:] == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize("form", ["text", "tsv"])
def test_a_name_forges_no_column(tmp_path, form):
    separator = {"text": "|", "tsv": "\t"}[form]
    row = read(tmp_path, RAW, [packet(datagram(1, hostile_set()))], "--format", form, "--no-header").out.split("\n")[0]
    assert row.count(separator) == 6
    assert row.split(separator)[4].split(",") == [as_text(n, ",|") for n in HOSTILE]


def names_of(tmp_path, frames, *options):
    return [line.split("\t")[4] for line in
            read(tmp_path, RAW, frames, "--format", "tsv", "--no-header", *options).out.splitlines()]


def test_filters(tmp_path):
    frames = [packet(datagram(1, set4("10.0.0.1", "10.0.0.53", ["%s.example" % name], ["192.0.2.1"])), source,
                     target_port=port)
              for name, source, port in (("a", "10.1.1.1", 5300), ("b", "10.1.1.2", 5300), ("c", "10.1.1.1", 9999))]
    assert names_of(tmp_path, frames) == ["a.example", "b.example"]
    assert names_of(tmp_path, frames, "-f", "src host 10.1.1.1") == ["a.example"]
    assert names_of(tmp_path, frames, "-F", "src host 10.1.1.1") == ["a.example", "c.example"]
    assert names_of(tmp_path, frames, "-F", "udp port 9999") == ["c.example"]


def test_wrong_filters(tmp_path):
    for options in (["-f", "nonsense("], ["-f", "ip", "-F", "ip"]):
        result = reader("-r", write_pcap(tmp_path / "in.pcap", RAW, []), *options)
        assert result.status == 2 and result.err.count("\n") == 1 and "expected" in result.err
