# SPDX-License-Identifier: BSD-3-Clause
"""What is kept as rows: the same as is there, in any number, safe for a spreadsheet."""

import csv
import io
import ipaddress
import json
import os
import sqlite3
import subprocess

import pytest
from collecting import (COLLECT, Running, answers, collect, imported, lookups, needs_collector,
                        reversed_name, seconds_of, send)
from conftest import BASE_US, RAW, made_capture, ok, release_build, run, write_pcap
from datagrams import extended, packet, set4

pytestmark = needs_collector

RCODES = {"NOERROR": 0}
TYPES = {"A": 1, "AAAA": 28}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store of two partitions, of which some lookups are in both."""
    folder = tmp_path_factory.mktemp("kept")
    for i in range(2):
        ok("-r", made_capture(folder / "in.pcap", 300, clients=3), "-x", "--sensor-id", str(i), "-w", folder / "out.pcap")
        imported(folder / "data", folder / "out.pcap")
    return folder / "data"


def exported(kept, *options, form="ndjson"):
    done = collect("export", kept, "--format", form, *options)
    assert done.status == 0, done.err
    if form == "csv":
        return list(csv.DictReader(io.StringIO(done.out.decode(), newline="")))
    return [json.loads(line) for line in done.out.splitlines()]


def test_lookups(kept):
    """Each row of each partition; together they are all that there is."""
    rows = exported(kept)
    assert list(rows[0]) == ["client", "name", "type", "rcode", "resolver", "count", "first", "last"]
    assert len(rows) == 600
    sums = {}
    for row in rows:
        key = (ipaddress.ip_address(row["client"]).packed, reversed_name(row["name"]),
               ipaddress.ip_address(row["resolver"]).packed, TYPES[row["type"]], RCODES[row["rcode"]])
        one = sums.setdefault(key, [0, 1 << 60, 0])
        one[:] = one[0] + row["count"], min(one[1], seconds_of(row["first"])), max(one[2], seconds_of(row["last"]))
    assert sums == lookups(kept)
    assert [dict(r, count=int(r["count"])) for r in exported(kept, form="csv")] == rows


def test_answers(kept):
    rows = exported(kept, "--what", "answers")
    assert {(r["name"], r["type"], r["rdata"]): [r["count"], seconds_of(r["first"]), seconds_of(r["last"])]
            for r in rows} == answers(kept)
    assert len(rows) == len(answers(kept)) == 300
    assert [dict(r, count=int(r["count"])) for r in exported(kept, "--what", "answers", form="csv")] == rows


@pytest.mark.parametrize("what", ["lookups", "answers"])
def test_times(tmp_path, what):
    """What was seen in between, at some time."""
    records = [(BASE_US + i, packet(extended(i + 1, set4("10.0.0.1", "10.0.0.53", ["h%d.example" % i], ["192.0.2.1"]),
                                             base=BASE_US + 10000000 * i))) for i in range(10)]
    imported(tmp_path / "data", write_pcap(tmp_path / "in.pcap", RAW, records))
    rows = exported(tmp_path / "data", "--what", what)
    times = sorted({seconds_of(row["first"]) for row in rows})
    assert len(rows) == len(times) == 10
    some = exported(tmp_path / "data", "--what", what, "--since", str(times[3]), "--until", str(times[7]))
    assert sorted(seconds_of(row["first"]) for row in some) == times[3:7]
    assert exported(tmp_path / "data", "--what", what, "--until", "1999-01-01") == []
    assert exported(tmp_path / "data", "--what", what, "--until", "1999-01-01", form="csv") == []


def test_file(kept, tmp_path):
    done = collect("export", kept, "--format", "csv", "-w", tmp_path / "rows.csv")
    assert done.status == 0 and done.out == b"" and "600 rows exported" in done.err
    assert (tmp_path / "rows.csv").read_bytes() == collect("export", kept, "--format", "csv").out


def test_formulas(tmp_path):
    """A name that a spreadsheet would take for a formula is text there."""
    names = ["=1+1.example", "-x.example", "@sum.example", "+1.example", 'a"b,c.example']
    records = [extended(i, set4("10.0.0.1", "10.0.0.53", [name, "x.example"], ["192.0.2.1"])) for i, name in enumerate(names, 1)]
    imported(tmp_path / "data", write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + i, packet(d)) for i, d in enumerate(records)]))
    for what in ("lookups", "answers"):
        rows = exported(tmp_path / "data", "--what", what, form="csv")
        plain = exported(tmp_path / "data", "--what", what)
        assert len(rows) == len(plain)
        for row, want in zip(rows, plain):
            name = want["name"]
            assert row["name"] == ("'" + name if name[0] in "=+-@" else name)


def test_what_has_just_come(tmp_path):
    with Running(tmp_path) as c:
        send(c.target, [extended(1, set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"]))])
        assert [row["name"] for row in exported(c.directory)] == ["a.example"]
        c.stop()


@release_build("a sanitizer takes memory of its own")
def test_much_takes_no_more_memory(tmp_path):
    """300 000 rows of passive DNS through 90 MB of addresses, which is what the program takes for few."""
    ok("-r", made_capture(tmp_path / "in.pcap", 10), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")

    db = sqlite3.connect(str(tmp_path / "data" / "dnsflow.db"))
    db.executemany("INSERT INTO answers VALUES(?, 1, x'c0000201', 1, 2, 3, 4)",
                   (("example.some-host-of-many.h%07d" % i,) for i in range(300000)))
    db.commit()
    db.close()
    done = run(["sh", "-c", "ulimit -v 90000; exec \"$@\" | wc -l", "sh", COLLECT, "export", "--directory",
                tmp_path / "data", "--format", "ndjson", "--what", "answers"])
    assert done.status == 0 and int(done.out) == 300010, done.err


@pytest.mark.parametrize("what", ["lookups", "answers"])
def test_outputs(kept, what):
    words = [COLLECT, "export", "--directory", str(kept), "--format", "csv", "--what", what]
    with open("/dev/full", "wb") as full:
        done = run(words, stdout=full)
    assert done.status == 1 and "No space left on device" in done.err
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(20) == 0, process.stderr.read()
    process.stderr.close()


def test_a_file_that_went(tmp_path):
    """It is not left out in silence."""
    ok("-r", made_capture(tmp_path / "in.pcap", 10), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    part, = (tmp_path / "data" / "lookups").iterdir()
    os.unlink(part)
    done = collect("export", tmp_path / "data", "--format", "csv")
    assert done.status == 1 and "1 files of lookups went meanwhile" in done.err


WRONG = [
    (("--format", "xml"), "expected one of: pcap, csv, ndjson"),
    (("--format", "csv", "--what", "names"), "expected one of: lookups, answers"),
    (("--what", "answers"), "option --what: expected --format csv or ndjson with it"),
    (("--format", "csv", "--since", "2h", "--until", "3h"), "expected the first to be before the second"),
]


@pytest.mark.parametrize("words, says", WRONG, ids=[" ".join(w) for w, _ in WRONG])
def test_wrong_use(words, says):
    done = run([COLLECT, "export", *words])
    assert done.status == 2 and done.out == b"" and done.err.count("\n") == 1 and says in done.err, done
