# SPDX-License-Identifier: BSD-3-Clause
"""Files of the store that are damaged, cut, missing or somebody else's: one line says so, they stay, and the rest answers."""

import collections
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from collecting import (AS_ROOT, Running, answers, check_sound, collect, database, imported, lookups, needs_collector,
                        send, sums, waterfall)
from conftest import RAW, wait_until, write_pcap
from datagrams import Worker, packet, set4

pytestmark = needs_collector

QUESTIONS = [("name", "n1.d1.example"), ("below", "example"), ("address", "0.0.0.0/0"), ("who", "n1.d1.example"),
             ("client", "10.0.0.1"), ("rcode", "NOERROR"), ("top", "names"), ("top", "clients"), ("top", "resolvers"),
             ("top", "types"), ("series",), ("sensors",), ("streams",), ("loss",)]
START = int(time.time()) // 3600 * 3600 - 1800  # within an hour, and not so old that it is let go
OF_PARTITIONS = ("who", "client", "rcode", "top")


def made(tmp_path, pieces, each=400):
    """Files of one sensor, each of which becomes a partition of its own."""
    worker, files = Worker(START), []
    for piece in range(pieces):
        chance = random.Random(piece)
        payloads = []
        for i in range(0, each, 20):
            sets = [set4("10.0.0.%d" % chance.randrange(1, 30), "10.0.0.53",
                         ["n%d.d%d.example" % (chance.randrange(90), chance.randrange(4))], ["192.0.2.1"]) for _ in range(19)]
            sets.append(set4("10.0.0.1", "10.0.0.53", ["n1.d1.example"], ["192.0.2.1"]))
            payloads.append(worker.data(*sets))
        payloads.append(worker.stats())
        files.append(write_pcap(tmp_path / ("in.%d" % piece), RAW, [(1000000 * START + piece * 1000 + n, packet(p))
                                                                   for n, p in enumerate(payloads)]))
    return files


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store of four partitions."""
    folder = tmp_path_factory.mktemp("damage")
    for path in made(folder, 4):
        imported(folder / "data", path)
    return folder / "data"


def partitions(directory):
    return sorted((directory / "lookups").glob("*.db"))


def rows_of(path):
    """{client: lookups} of a partition."""
    part = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    found = collections.Counter(dict(part.execute(
        "SELECT c.address, sum(count) FROM rows JOIN addresses c ON c.id = client GROUP BY 1").fetchall()))
    part.close()
    return collections.Counter({"%d.%d.%d.%d" % tuple(key): n for key, n in found.items()})


def flipped(at, by=0xff):
    def damage(path):
        with open(path, "r+b") as f:
            where = at if at >= 0 else os.path.getsize(path) + at
            f.seek(where)
            byte = f.read(1)
            f.seek(where)
            f.write(bytes([byte[0] ^ by]))
    return damage


def page(number, content=None):
    def damage(path):
        size = os.path.getsize(path)
        step = int.from_bytes(path.read_bytes()[16:18], "big")
        with open(path, "r+b") as f:
            f.seek(min(number if number >= 0 else size // step + number, size // step - 1) * step)
            f.write(content or random.Random(number).randbytes(step))
    return damage


def cut(to):
    return lambda path: os.truncate(path, to if to >= 0 else os.path.getsize(path) + to)


def another(path):
    path.unlink()
    db = sqlite3.connect(str(path))
    db.execute("CREATE TABLE mine(a)")
    db.execute("INSERT INTO mine VALUES('mine')")
    db.commit()
    db.close()


def of_another(path):
    shutil.copy(next(p for p in partitions(path.parent.parent) if p != path), path)


def folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {"%s %d" % (name, value): make(value) for name, make, values in (
    ("flip", flipped, list(range(0, 24)) + list(range(24, 108, 7)) + [108, 200, 1000, 3000, 4000, 4100, 4200, 8192, 8200, 9000, 12288,
                                                                     12300, 16384, 16390, 20480, 20485, -1, -100, -4096, -4095]),
    ("page", page, [0, 1, 2, 3, 4, 5, 6, -1, -2, -3]),
    ("cut", cut, [0, 1, 15, 16, 100, 4096, 5000, 8192, -4096, -1])) for value in values}
DAMAGES.update({"another database": another, "of another": of_another, "folder": folder})


@pytest.mark.parametrize("what", DAMAGES)
def test_every_question(tmp_path, kept, what):
    """No crash, at most two lines; what says that it is partial has all of the others, and ends with 1."""
    shutil.copytree(kept, tmp_path / "data")
    whole = [rows_of(path) for path in partitions(kept)]
    victim = partitions(tmp_path / "data")[1]
    DAMAGES[what](victim)
    before = victim.read_bytes() if victim.is_file() else None
    for words in QUESTIONS:
        done = collect("query", tmp_path / "data", *words, "--format", "ndjson", "--limit", "0")
        is_partial = "the answer is partial: of lookups 1 file cannot be used: lookups/%s" % victim.name in done.err
        assert (done.status, done.err.count("\n")) == ((1, 1) if is_partial else (0, 0)), done
        assert not is_partial or words[0] in OF_PARTITIONS
        rows = [json.loads(line) for line in done.out.splitlines()]
        if words[0] not in OF_PARTITIONS:
            assert len(rows) > 0
        elif words == ("top", "clients") and is_partial:
            assert {r["value"]: r["count"] for r in rows} == whole[0] + whole[2] + whole[3]
    for verb in ("check", "status"):
        done = collect(verb, tmp_path / "data")
        assert done.status == (0 if verb == "status" or b"3 files" in done.out else done.status) and "Sanitizer" not in done.err
        assert done.status in (0, 1) and done.err.count("\n") <= 1, done
    assert not victim.is_file() or victim.read_bytes() == before, "who asks changes nothing"


def test_cut_or_foreign_is_seen(tmp_path, kept):
    """What can be seen without reading all of it is said by each question to partitions, by status and check."""
    for what in ("cut 0", "cut 100", "page 0", "another database", "of another", "flip 3"):
        shutil.copytree(kept, tmp_path / what)
        victim = partitions(tmp_path / what)[2]
        DAMAGES[what](victim)
        assert collect("query", tmp_path / what, "top", "names").status == 1
        assert b"1 of these cannot be used: lookups/%s" % victim.name.encode() in collect("status", tmp_path / what).out
        done = collect("check", tmp_path / what)
        assert done.status == 1 and victim.name in done.err and done.err.count("\n") == 1


def rows_page(path):
    """The number of a page that holds rows, and nothing else does: the last below their root, or the root itself."""
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'rows'").fetchone()
        size, = db.execute("PRAGMA page_size").fetchone()
    db.close()
    data = path.read_bytes()[(root - 1) * size:root * size]
    return root if data[0] == 10 else int.from_bytes(data[8:12], "big"), size


def rows_lost(path):
    number, size = rows_page(path)
    with open(path, "r+b") as f:
        f.seek((number - 1) * size)
        f.write(bytes(size))


DAMAGES["rows"] = rows_lost


@pytest.mark.parametrize("what, at_start", [("cut -4096", True), ("another database", True), ("rows", False), ("page 4", False)])
def test_set_aside_and_back(tmp_path, what, at_start):
    """By the store as it begins, or as it merges; in one line, with nothing lost; and back under its own name."""
    for path in made(tmp_path, 20):
        imported(tmp_path / "data", path)
    want = lookups(tmp_path / "data")
    victim = partitions(tmp_path / "data")[7]
    whole = victim.read_bytes()
    DAMAGES[what](victim)
    bad = victim.read_bytes()
    aside = victim.parent / (victim.name + ".corrupt")
    with Running(tmp_path, directory=tmp_path / "data") as c:
        wait_until(lambda: aside.exists(), 20)
        done = collect("query", c.directory, "top", "clients", "--format", "ndjson", "--limit", "0")
        assert done.status == 1 and "lookups/%s (set aside)" % aside.name in done.err and done.err.count("\n") == 1
        assert sum(json.loads(line)["count"] for line in done.out.splitlines()) == 19 * 400
        assert b"cannot be used: lookups/%s" % aside.name.encode() in collect("status", c.directory).out
        assert collect("check", c.directory).status == 1
        c.stop()
    assert aside.read_bytes() == bad and not victim.exists()
    assert c.err.count("it is set aside as %s" % aside.name) == 1
    shutil.copy(aside, tmp_path / "bad")
    aside.rename(victim)
    victim.write_bytes(whole)
    with Running(tmp_path, directory=c.directory) as c:
        assert "lookups/%s is back, with" % victim.name in c.err
        done = collect("query", c.directory, "top", "clients")
        assert done.status == 0 and done.err == ""
        c.stop()
    assert lookups(c.directory) == want
    assert collect("check", c.directory).status == 0
    check_sound(c.directory)


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="no sqlite3")
def test_mended(tmp_path):
    """As the documents have it, while the collector runs: what can be saved of it counts again."""
    for path in made(tmp_path, 20, 4000):
        imported(tmp_path / "data", path)
    victim = partitions(tmp_path / "data")[7]
    whole = victim.stat().st_size
    rows_lost(victim)
    aside = victim.parent / (victim.name + ".corrupt")
    with Running(tmp_path, directory=tmp_path / "data") as c:
        wait_until(aside.exists, 20)
        saved = subprocess.run("sqlite3 '%s' .dump | sed 's/^ROLLBACK;.*/COMMIT;/' | sqlite3 '%s'" % (aside, victim), shell=True,
                               stderr=subprocess.PIPE, timeout=60)
        assert saved.returncode == 0, saved.stderr
        c.process.signal(signal.SIGHUP)
        c.process.wait_err("lookups/%s is back, with" % victim.name)
        wait_until(lambda: len(c.roles()) == 3)
        count = sum(top(c.directory).values())
        c.stop()
    assert 19 * 4000 < count < 20 * 4000 and victim.stat().st_size > whole // 3
    assert collect("check", c.directory).status == 0 and aside.exists()


def test_mended_too_late(tmp_path):
    """The catalogue was lost meanwhile, and others were merged across its time: it stays a file, and a line says so."""
    for path in made(tmp_path, 20):
        imported(tmp_path / "data", path)
    victim = partitions(tmp_path / "data")[7]
    whole = victim.read_bytes()
    victim.rename(tmp_path / "aside")
    (tmp_path / "data" / "dnsflow.db").unlink()
    with Running(tmp_path, directory=tmp_path / "data") as c:
        wait_until(lambda: any(p.name.startswith("1-") for p in partitions(c.directory)))
        c.stop()
    shutil.copy(tmp_path / "aside", victim)
    with Running(tmp_path, directory=tmp_path / "data") as c:
        c.process.wait_err("lookups/%s is left alone: another one is of all its time" % victim.name)
        assert sum(top(c.directory).values()) == 19 * 400
        c.stop()
    assert victim.read_bytes() == whole


def test_never_removed(tmp_path, kept):
    """What was set aside stays, though its time is over; so does an older one of the same name."""
    shutil.copytree(kept, tmp_path / "data")
    victim = partitions(tmp_path / "data")[1]
    old = victim.parent / (victim.name + ".corrupt")
    old.write_text("mine")
    victim.write_bytes(b"nothing")
    db = sqlite3.connect(str(tmp_path / "data" / "dnsflow.db"))
    db.execute("UPDATE partitions SET since = 1, until = 2")
    db.commit()
    db.close()
    with Running(tmp_path, "--max-age", "1", directory=tmp_path / "data") as c:
        c.process.wait_err("stays until somebody removes it")
        wait_until(lambda: not partitions(c.directory))
        c.stop()
    assert old.read_text() == "mine" and (victim.parent / (victim.name + ".corrupt.2")).read_text() == "nothing"


# ---- dnsflow.db ----

def damaged_database(path, how):
    if how == "none of SQLite's":
        path.write_bytes(b"nothing that SQLite knows" * 100)
    elif how == "cut":
        os.truncate(path, 5000)
    elif how == "schema":
        page(0, b"SQLite format 3\0" + path.read_bytes()[16:100] + bytes(3996))(path)
    elif how == "gone":
        path.unlink()
    elif how == "empty":
        os.truncate(path, 0)


@pytest.mark.parametrize("how", ["none of SQLite's", "cut", "schema", "gone", "empty"])
@pytest.mark.parametrize("verb", ["run", "import"])
def test_database_is_made_anew(tmp_path, kept, how, verb):
    """Of partitions and journal: lookups once, answers and accounts as far as the journal has them."""
    shutil.copytree(kept, tmp_path / "data")
    path = tmp_path / "data" / "dnsflow.db"
    damaged_database(path, how)
    bad = path.read_bytes() if path.exists() else b""
    for words in (("query", "who", "n1.d1.example"), ("status",), ("check",)):
        done = collect(words[0], tmp_path / "data", *words[1:])
        assert done.status in (0, 1) and done.err.count("\n") <= 1, done
        assert how not in ("none of SQLite's", "cut", "schema") or done.status == 1 and "sets it aside" in done.err
    if how != "empty":
        assert top(tmp_path / "data", 1) == top(kept), "lookups answer without it"
        done = collect("query", tmp_path / "data", "name", "n1.d1.example", "--format", "ndjson")
        assert (done.status, done.out, done.err.count("\n")) == (1, b"", 1) and "the answer is of lookups alone: " in done.err
    if verb == "run":
        with Running(tmp_path, directory=tmp_path / "data") as c:
            c.stop()
            said = c.err
    else:
        said = imported(tmp_path / "data", made(tmp_path, 1)[0])
    aside = tmp_path / "data" / "dnsflow.db.corrupt"
    if how in ("gone", "empty"):
        assert not aside.exists()
    else:
        assert aside.read_bytes() == bad and said.count("it is set aside as dnsflow.db.corrupt") == 1
    assert said.count("dnsflow.db is new: answers and accounts of what is not in the journal any more are lost") == 1
    assert lookups(tmp_path / "data") == lookups(kept)
    assert answers(tmp_path / "data") == answers(kept)
    assert sums(tmp_path / "data") == sums(kept) and waterfall(tmp_path / "data") == waterfall(kept)
    check_sound(tmp_path / "data")
    assert collect("check", tmp_path / "data").status == 0


def test_made_anew_in_part(tmp_path, kept):
    """A journal that has not come to its beginning, and goes on: nothing is taken twice, and nothing of the new is lost."""
    shutil.copytree(kept, tmp_path / "data")
    (tmp_path / "data" / "dnsflow.db").write_bytes(b"nothing that SQLite knows" * 100)
    with Running(tmp_path, directory=tmp_path / "data") as c:
        worker = Worker(START, sensor_id=9)
        send(c.target, [worker.data(set4("10.1.0.1", "10.0.0.53", ["new.example"], ["192.0.2.9"])) for _ in range(30)])
        assert collect("query", c.directory, "loss").status == 0
        roles = c.roles()
        c.process.signal(9)
        c.process.process.wait()
        wait_until(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in roles.values()), 20)
    with Running(tmp_path, directory=tmp_path / "data") as c:
        c.stop()
    found = {client: n for client, n in top(tmp_path / "data").items()}
    assert found.pop("10.1.0.1") == 30 and found == top(kept)
    check_sound(tmp_path / "data")


def top(directory, status=0):
    done = collect("query", directory, "top", "clients", "--format", "ndjson", "--limit", "0")
    assert done.status == status, done.err
    return {row["value"]: row["count"] for row in map(json.loads, done.out.splitlines())}


def test_journal_is_lost_too(tmp_path, kept):
    """The next one begins behind what partitions have, so that nothing of it is passed over."""
    shutil.copytree(kept, tmp_path / "data")
    (tmp_path / "data" / "dnsflow.db").write_bytes(b"nothing that SQLite knows" * 100)
    for path in (tmp_path / "data" / "journal").iterdir():
        path.unlink()
    worker = Worker(START, sensor_id=9)
    payloads = [worker.data(set4("10.1.0.1", "10.0.0.53", ["new.example"], ["192.0.2.9"])) for _ in range(30)]
    imported(tmp_path / "data", write_pcap(tmp_path / "new.pcap", RAW, [(1000000 * START, packet(p)) for p in payloads]))
    found = top(tmp_path / "data")
    assert found.pop("10.1.0.1") == 30 and found == top(kept)
    check_sound(tmp_path / "data")


def test_damage_met_while_running(tmp_path, kept):
    """In a page that is looked at only as something is written: the store begins anew, and loses nothing of lookups."""
    shutil.copytree(kept, tmp_path / "data")
    path = tmp_path / "data" / "dnsflow.db"
    db = sqlite3.connect(str(path))
    root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'totals'").fetchone()
    db.execute("PRAGMA journal_mode=DELETE")
    db.close()
    page(root - 1, bytes(4096))(path)
    with Running(tmp_path, directory=tmp_path / "data") as c:
        worker = Worker(START, sensor_id=9)
        send(c.target, [worker.data(set4("10.1.0.1", "10.0.0.53", ["new.example"], ["192.0.2.9"])) for _ in range(30)])
        wait_until(lambda: collect("query", c.directory, "loss").status == 0 and (c.directory / "dnsflow.db.corrupt").exists(), 30)
        wait_until(lambda: "10.1.0.1" in top(c.directory), 30)
        c.stop()
    assert c.err.count("it is set aside as dnsflow.db.corrupt") == 1
    found = top(c.directory)
    assert found.pop("10.1.0.1") == 30 and found == top(kept)
    check_sound(c.directory)


def test_foreign_database(tmp_path, kept):
    """Another program's is refused, and left as it is."""
    shutil.copytree(kept, tmp_path / "data")
    path = tmp_path / "data" / "dnsflow.db"
    another(path)
    before = path.read_bytes()
    done = collect("import", tmp_path / "data", *AS_ROOT, made(tmp_path, 1)[0])
    assert done.status == 1 and "dnsflow.db: is of another program; move it away" in done.err
    db = sqlite3.connect(str(path))
    assert db.execute("SELECT a FROM mine").fetchall() == [("mine",)]
    assert db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (1,)
    db.close()
    assert len(before) == path.stat().st_size and [p.name for p in tmp_path.glob("data/*.corrupt*")] == []


def test_foreign_files_stay(tmp_path, kept):
    """Of whatever name; those of partitions that the catalogue does not have are told."""
    shutil.copytree(kept, tmp_path / "data")
    where = tmp_path / "data" / "lookups"
    another(touched(where / "0-0000009000-0000009001.db"))
    (where / "0-0000009002-0000009003.db").write_bytes(b"mine")
    (where / "notes.db").write_bytes(b"mine")
    before = {p.name: p.read_bytes() for p in where.iterdir()}
    said = imported(tmp_path / "data", made(tmp_path, 1)[0])
    assert said.count("is left alone") == 2
    assert {p.name: p.read_bytes() for p in where.iterdir()} == before
    db = database(tmp_path / "data")
    assert db.execute("SELECT count(*) FROM partitions").fetchone() == (4,)
    db.close()


def touched(path):
    path.touch()
    return path
