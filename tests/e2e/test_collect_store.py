# SPDX-License-Identifier: BSD-3-Clause
"""What the collector's store makes of datagrams, against dnsflow_read on the same: to the record."""

import collections
import ipaddress
import json
import os
import random
import shutil
import sqlite3
import struct

import pytest
from collecting import (AS_ROOT, answers, check_sound, cof, collect, database, imported, journalled, lookups,
                        needs_collector, reversed_name, sums, waterfall)
from datagrams import extended, packet, set4
from conftest import BASE_US, CAPTURES, RAW, READER, list_captures, made_capture, ok, read_pcap, run, sensor, write_pcap

pytestmark = needs_collector


ESCAPED = set("\\$@;()\",|")
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}


def reader_rows(path):
    """The reader's records; sets that continue one are none."""
    done = run([READER, "-r", path, "--format", "json"])
    assert done.status == 0, done.err
    rows = [row for row in map(json.loads, done.out.splitlines()) if row["type"] == "record"]
    return [row for row in rows if not row["ext"]["set_flags"] & 1]


def question_of(row):
    rcode = row["ext"].get("rcode", "NOERROR")
    return (ipaddress.ip_address(row["client"]).packed, reversed_name(row["names"][0]),
            ipaddress.ip_address(row["resolver"]).packed, row["ext"]["qtype"],
            RCODES[rcode] if rcode in RCODES else int(rcode.replace("RCODE", "")))


def assert_equal_to_reader(directory, path):
    """Names with escapes are compared in what they were answered with, and in their number."""
    rows = reader_rows(path)
    have = {key: one[0] for key, one in lookups(directory).items()}
    assert sum(have.values()) == len(rows)
    plain = collections.Counter(question_of(row) for row in rows if not ESCAPED & set(row["names"][0]))
    assert {key: n for key, n in have.items() if not ESCAPED & set(key[1])} == plain
    assert answers(directory) == cof(path)


@pytest.mark.parametrize("name", [c[0] for c in list_captures()])
def test_captures(tmp_path, name):
    """Each capture of the project, with every kind of record."""
    done = sensor("-r", CAPTURES / name, "-w", tmp_path / "out.pcap", "--records", "all")
    if done.status != 0 or not reader_rows(tmp_path / "out.pcap"):
        pytest.skip("nothing comes of it")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    check_sound(tmp_path / "data")
    assert_equal_to_reader(tmp_path / "data", tmp_path / "out.pcap")


def pieces_of(path, tmp_path, count, seed):
    """The file in so many pieces, cut at random."""
    link, records = read_pcap(path)
    cuts = sorted(random.Random(seed).sample(range(1, len(records)), count - 1))
    made = []
    for i, (start, end) in enumerate(zip([0] + cuts, cuts + [len(records)])):
        made.append(write_pcap(tmp_path / ("piece.%d" % i), link, records[start:end]))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_any_cut_gives_the_same(tmp_path, seed):
    """Into imports, each with blocks and partitions of its own."""
    source = made_capture(tmp_path / "in.pcap", 3000, clients=50)
    ok("-r", source, "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "whole", tmp_path / "out.pcap")
    for piece in pieces_of(tmp_path / "out.pcap", tmp_path, 7, seed):
        imported(tmp_path / "cut", piece)
    assert lookups(tmp_path / "cut") == lookups(tmp_path / "whole")
    assert answers(tmp_path / "cut") == answers(tmp_path / "whole")
    assert sums(tmp_path / "cut") == sums(tmp_path / "whole")
    assert journalled(tmp_path / "cut") == journalled(tmp_path / "whole")
    assert sums(tmp_path / "cut")["down"] == 0, "nothing was missed between two imports"


def test_twice_is_once(tmp_path):
    """A file that is imported again brings nothing, nor does an older part of it."""
    ok("-r", made_capture(tmp_path / "in.pcap", 3000), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    before = lookups(tmp_path / "data"), answers(tmp_path / "data")
    said = imported(tmp_path / "data", tmp_path / "out.pcap", pieces_of(tmp_path / "out.pcap", tmp_path, 3, 1)[0])
    assert " 0 datagrams with 0 records imported" in said
    assert (lookups(tmp_path / "data"), answers(tmp_path / "data")) == before


def test_twice_in_one_command(tmp_path):
    """A file again, its beginning, and what goes on behind it."""
    ok("-r", made_capture(tmp_path / "in.pcap", 3000), "-x", "-w", tmp_path / "out.pcap")
    link, records = read_pcap(tmp_path / "out.pcap")
    part = write_pcap(tmp_path / "part.pcap", link, records[:len(records) // 2])
    for i, files in enumerate(((tmp_path / "out.pcap",) * 3, (part, tmp_path / "out.pcap"), (tmp_path / "out.pcap", part))):
        imported(tmp_path / ("data%d" % i), *files)
        assert sum(one[0] for one in lookups(tmp_path / ("data%d" % i)).values()) == 3000


@pytest.mark.parametrize("name", ["settings", "lock", "dnsflow.db"])
def test_pipes_are_no_files(tmp_path, name):
    """They are not waited for."""
    ok("-r", made_capture(tmp_path / "in.pcap", 10), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    os.unlink(tmp_path / "data" / name)
    os.mkfifo(tmp_path / "data" / name)
    for verb in (("import", *AS_ROOT, tmp_path / "out.pcap"), ("query", "loss"), ("status",)):
        done = collect(verb[0], tmp_path / "data", *verb[1:])
        assert done.status in (0, 1) and done.err.count("\n") <= 2, done.err
        assert verb[0] != "import" or (done.status == 1 and name in done.err)


def test_planted_number(tmp_path):
    """A file of a number behind which the chain could not go on is none of the journal."""
    ok("-r", made_capture(tmp_path / "in.pcap", 10), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    file, = (tmp_path / "data" / "journal").iterdir()
    shutil.copy(file, file.parent / "9999999999-20261127T000000Z.pcap.zst")
    ok("-r", tmp_path / "in.pcap", "-x", "--sensor-id", "7", "-w", tmp_path / "more.pcap")
    imported(tmp_path / "data", tmp_path / "more.pcap")
    assert sum(one[0] for one in lookups(tmp_path / "data").values()) == 20


def test_snapshot(tmp_path):
    """A copy of database and lookups goes on in a journal that has grown since, and comes to the same."""
    ok("-r", made_capture(tmp_path / "in.pcap", 3000), "-x", "-w", tmp_path / "out.pcap")
    pieces = pieces_of(tmp_path / "out.pcap", tmp_path, 4, 5)
    imported(tmp_path / "data", *pieces[:2])
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    imported(tmp_path / "data", *pieces[2:])
    shutil.rmtree(tmp_path / "copy" / "journal")
    shutil.copytree(tmp_path / "data" / "journal", tmp_path / "copy" / "journal")
    imported(tmp_path / "copy", pieces[0])  # nothing of it is new
    for look in (lookups, answers, sums, journalled):
        assert look(tmp_path / "copy") == look(tmp_path / "data")
    check_sound(tmp_path / "copy")


def test_many_sensors(tmp_path):
    """1000 sensors of 4 workers, all started in the same second, every tenth with a number missing."""
    records = []
    for number in (1, 2, 3):
        for i in range(1000):
            for worker in range(4):
                if number == 2 and i % 10 == 0:
                    continue
                one = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])
                source = "10.1.%d.%d" % (i >> 8, i & 255)
                payload = extended(number, one, sensor_id=0, worker=worker)
                records.append((BASE_US + len(records), packet(payload, source, 4000 + worker)))
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, records))
    done = collect("query", tmp_path / "data", "streams", "--format", "ndjson", "--limit", "0")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert len(rows) == len({row["source"] for row in rows}) == 4000
    assert collections.Counter((row["datagrams"], row["network"]) for row in rows) == {(3, 0): 3600, (2, 1): 400}


def test_without_trailer(tmp_path):
    """Captures of old sensors have nothing that tells one from another: each is taken, twice too."""
    link, records = read_pcap(made_capture(tmp_path / "in.pcap", 550))
    for i, part in enumerate((records[:300], records[300:])):
        write_pcap(tmp_path / "part.pcap", link, part)
        ok("-r", tmp_path / "part.pcap", "-w", tmp_path / ("out.%d" % i))
        said = imported(tmp_path / "data", tmp_path / ("out.%d" % i))
        assert " 0 came already" in said
    assert sum(one[0] for one in lookups(tmp_path / "data").values()) == 550
    imported(tmp_path / "data", tmp_path / "out.0")
    assert sum(one[0] for one in lookups(tmp_path / "data").values()) > 550


def test_older_is_refused(tmp_path):
    """What is from before all that is there of its stream is told, and not counted again and again."""
    ok("-r", made_capture(tmp_path / "in.pcap", 3000), "-x", "-w", tmp_path / "out.pcap")
    older, newer = pieces_of(tmp_path / "out.pcap", tmp_path, 2, 4)
    imported(tmp_path / "data", newer)
    before = lookups(tmp_path / "data")
    for _ in range(2):
        done = collect("import", tmp_path / "data", *AS_ROOT, older)
        assert done.status == 1 and "are older than what is kept of their streams" in done.err
    assert lookups(tmp_path / "data") == before
    done = collect("import", tmp_path / "other", *AS_ROOT, newer, older)
    assert done.status == 1 and "are older than what is kept of their streams" in done.err
    assert lookups(tmp_path / "other") == before


@pytest.mark.parametrize("size", [65507, 65508, 70000, 131072, 160000, 250000])
def test_large_bare_datagrams(tmp_path, size):
    """A bare datagram in a capture may be longer than an IP packet: it is refused, and costs no other."""
    small = struct.pack("!BBHI", 4, 1, 0, 1) + set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])
    sets = b""
    while len(sets) < size - 1100:
        sets += set4("10.0.0.1", "10.0.0.53", ["b.example"], ["192.0.2.1"] * 250)
    large = struct.pack("!BBHI", 4, len(sets) // len(set4("10.0.0.1", "10.0.0.53", ["b.example"], ["192.0.2.1"] * 250)), 0,
                        2) + sets
    write_pcap(tmp_path / "in.pcap", 0, [(1700000000000000 + i, struct.pack("!I", 0) + d)
                                         for i, d in enumerate((small, large, small))])
    imported(tmp_path / "data", tmp_path / "in.pcap")
    found = lookups(tmp_path / "data")
    assert sum(one[0] for key, one in found.items() if key[1] == "example.a") == 2
    assert journalled(tmp_path / "data")[0] == (3 if len(large) <= 65507 else 2)


def test_sampled(tmp_path):
    """What stands for more is counted as it came, and scaled beside that."""
    ok("-r", made_capture(tmp_path / "in.pcap", 2000), "-x", "-s", "4", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    db = database(tmp_path / "data")
    count, scaled = db.execute("SELECT sum(count), sum(scaled) FROM answers").fetchone()
    assert count > 0 and scaled == 4 * count
    db.close()


def test_journal_is_imported(tmp_path):
    """The files of a journal are captures: another collector's can be taken over."""
    ok("-r", made_capture(tmp_path / "in.pcap", 1000), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "one", tmp_path / "out.pcap")
    imported(tmp_path / "two", *sorted((tmp_path / "one" / "journal").iterdir()))
    assert lookups(tmp_path / "two") == lookups(tmp_path / "one")
    assert answers(tmp_path / "two") == answers(tmp_path / "one")


def test_pipeline(tmp_path):
    """A store out of yesterday: the sensor's output straight into the import."""
    source = made_capture(tmp_path / "in.pcap", 500)
    piped = sensor("-r", source, "-x", "-w", "-")
    done = collect("import", tmp_path / "data", *AS_ROOT, "-",
                   data=piped.out)
    assert done.status == 0 and "500 records imported" in done.err, done.err


def test_lost_catalogue(tmp_path):
    """Without dnsflow.db the partitions are entered anew, nothing is taken twice, and what is lost is said."""
    ok("-r", made_capture(tmp_path / "in.pcap", 2000), "-x", "-w", tmp_path / "out.pcap")
    for piece in pieces_of(tmp_path / "out.pcap", tmp_path, 4, 9):
        imported(tmp_path / "data", piece)
    before = lookups(tmp_path / "data")
    (tmp_path / "data" / "dnsflow.db").unlink()
    foreign = tmp_path / "data" / "lookups" / "0-0000000001-0000000009.db"
    sqlite3.connect(str(foreign)).execute("CREATE TABLE mine(a)")
    (tmp_path / "data" / "lookups" / "notes.txt").write_text("mine")
    said = imported(tmp_path / "data", pieces_of(tmp_path / "out.pcap", tmp_path, 4, 9)[0])
    assert "4 partitions were not in the catalogue" in said and "are lost" in said
    assert lookups(tmp_path / "data") == before
    imported(tmp_path / "data", tmp_path / "out.pcap")
    assert lookups(tmp_path / "data") == before, "at the second start too"
    assert foreign.exists() and (tmp_path / "data" / "lookups" / "notes.txt").exists()


def test_lost_journal(tmp_path):
    """A journal that somebody has removed begins behind what the store knows, so that nothing of it is passed over."""
    link, records = read_pcap(made_capture(tmp_path / "in.pcap", 2000))
    for i, part in enumerate((records[:1500], records[1500:])):
        write_pcap(tmp_path / "part.pcap", link, part)
        ok("-r", tmp_path / "part.pcap", "-x", "--sensor-id", str(i), "-w", tmp_path / "out.pcap")
        imported(tmp_path / "data", tmp_path / "out.pcap")
        for path in (tmp_path / "data" / "journal").iterdir():
            path.unlink()
    assert sum(one[0] for one in lookups(tmp_path / "data").values()) == 2000
    check_sound(tmp_path / "data")


def change(directory, *statements):
    db = sqlite3.connect(str(directory / "dnsflow.db"))
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize("version", [99, -1, -(1 << 31)])
def test_unknown_version_is_refused(tmp_path, version):
    ok("-r", made_capture(tmp_path / "in.pcap", 10), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    change(tmp_path / "data", "PRAGMA user_version = %d" % version)
    before = (tmp_path / "data/dnsflow.db").read_bytes()
    for verb in (("import", *AS_ROOT, tmp_path / "out.pcap"), ("query", "loss"), ("status",), ("check",)):
        done = collect(verb[0], tmp_path / "data", *verb[1:])
        assert done.status == 1 and done.err.count("\n") == 1 and "version %d" % version in done.err, done.err
    done = collect("run", tmp_path / "data", *AS_ROOT, "-l", "127.0.0.1:0", "--http", "off")
    said = [line for line in done.err.splitlines() if "listening on" not in line]
    assert done.status == 1 and len(said) == 1 and "version %d" % version in said[0] and "take the program" in said[0], done.err
    assert (tmp_path / "data/dnsflow.db").read_bytes() == before and "ready" not in done.err


TO_VERSION_2 = ["DROP TABLE sensor_minutes", "DROP TABLE news", "ALTER TABLE streams DROP COLUMN told",
                "ALTER TABLE position DROP COLUMN no_room"] + [
    "ALTER TABLE minutes DROP COLUMN " + column for column in ("made", "beside", "memory", "journal", "expired")] + [
    "PRAGMA user_version = 2"]


def test_version_2_is_changed(tmp_path):
    """What it does not tell is not told; what came is the same, and balances."""
    one = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])
    sent = [(BASE_US + n, packet(extended(n, one))) for n in (1, 2, 5, 6)]
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, sent))
    before = waterfall(tmp_path / "data")
    change(tmp_path / "data", *TO_VERSION_2)
    imported(tmp_path / "data", write_pcap(tmp_path / "none.pcap", RAW, sent[:1]))
    assert waterfall(tmp_path / "data") == before
    assert (before["made"], before["network"], before["stored"], before["tap"]) == (6, 2, 4, None)


def test_earlier_version_is_changed(tmp_path):
    """By who writes; who only reads says so."""
    for i in range(2):
        ok("-r", made_capture(tmp_path / "in.pcap", 100), "-x", "--sensor-id", str(i), "-w", tmp_path / ("out.%d" % i))
    imported(tmp_path / "data", tmp_path / "out.0")
    change(tmp_path / "data", *TO_VERSION_2, "ALTER TABLE streams DROP COLUMN ahead", "PRAGMA user_version = 1")
    done = collect("query", tmp_path / "data", "sensors")
    assert done.status == 1 and "is of version 1, not 4" in done.err
    imported(tmp_path / "data", tmp_path / "out.1")
    done = collect("query", tmp_path / "data", "sensors", "--format", "ndjson")
    assert {json.loads(line)["sensor"] for line in done.out.splitlines()} == {"0/0", "1/0"}
    assert sum(one[0] for one in lookups(tmp_path / "data").values()) == 200
    check_sound(tmp_path / "data")


def test_text_views(tmp_path):
    """Who opens the files with sqlite3 alone reads names and addresses."""
    ok("-r", made_capture(tmp_path / "in.pcap", 20, clients=2), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    db = database(tmp_path / "data")
    want = {(name, rdata) for (name, kind, rdata) in answers(tmp_path / "data") if kind == "A"}
    assert {tuple(r) for r in db.execute("SELECT name, rdata FROM answers_text WHERE type = 1")} == want
    name, = db.execute("SELECT file FROM partitions").fetchone()
    db.close()
    part = sqlite3.connect("file:%s/lookups/%s?mode=ro" % (tmp_path / "data", name), uri=True)
    rows = part.execute("SELECT client, resolver, count, first FROM lookups").fetchall()
    clients = {ipaddress.ip_address(key[0]) for key in lookups(tmp_path / "data")}
    assert {ipaddress.ip_address(r[0]) for r in rows} == clients and all(r[3].startswith("20") for r in rows)
    part.close()
