# SPDX-License-Identifier: BSD-3-Clause
"""A store out of the journal again: the same as before, and whatever breaks it off, one of the two is there."""

import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess

import pytest
from collecting import (AS_ROOT, COLLECT, Running, answers, check_sound, collect, imported, lookups, needs_collector, send,
                        sums)
from conftest import BASE_US, RAW, run, wait_until, write_pcap
from datagrams import extended, packet, set4
from killing import kill_points, library_in, needs_preload

pytestmark = needs_collector


def records_of(count, first=1):
    return [extended(i, set4("10.0.0.%d" % (i % 5 + 1), "10.0.0.53", ["host%d.example" % (i % 40), "cdn.example"],
                             ["192.0.2.%d" % (i % 7 + 1)]), base=BASE_US + 1000000 * i) for i in range(first, first + count)]


def store_in(tmp_path, parts=3, count=100):
    """A store with so many partitions and files of the journal."""
    for part in range(parts):
        path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + 3600000000 * part + i, packet(d)) for i, d in
                                                      enumerate(records_of(count, 1 + part * count))])
        imported(tmp_path / "data", path)
    return tmp_path / "data"


def all_of(directory):
    return lookups(directory), answers(directory), sums(directory)


def replay(directory, *options, status=0, **more):
    done = collect("replay", directory, *AS_ROOT, "--store", "sqlite", *options, **more)
    assert done.status == status, done.err
    return done.err


def check_clean(directory):
    """Nothing is left of what was made, or was there before."""
    assert {p.name for p in directory.iterdir()} <= {"dnsflow.db", "lookups", "journal", "lock", "settings"}
    check_sound(directory)
    assert collect("check", directory).status == 0


def damage_store(directory):
    """In a way that everybody sees."""
    db = sqlite3.connect(str(directory / "dnsflow.db"))
    db.execute("DELETE FROM answers WHERE type = 1")
    db.execute("UPDATE minutes SET records = 0")
    db.commit()
    db.close()


def test_the_same_again(tmp_path):
    directory = store_in(tmp_path)
    before = all_of(directory)
    damage_store(directory)
    assert all_of(directory) != before
    said = replay(directory, "--rebuild")
    assert "300 datagrams with 300 records brought in" in said
    assert all_of(directory) == before
    check_clean(directory)
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + i, packet(d)) for i, d in enumerate(records_of(20, 301))])
    assert "20 datagrams with 20 records imported" in imported(directory, path), "it goes on"
    assert sum(one[0] for one in lookups(directory).values()) == 320


def test_after_a_collector(tmp_path):
    """Of what it has taken in seal by seal, also when it was killed."""
    with Running(tmp_path) as c:
        for i in range(3):
            send(c.target, records_of(50, 1 + 50 * i), source="127.0.0.2")
            assert collect("query", c.directory, "loss").status == 0
        said = replay(c.directory, "--rebuild", status=1)
        assert "in use by process %d" % c.process.process.pid in said and said.count("\n") == 1
        roles = c.roles()
        os.kill(c.process.process.pid, signal.SIGKILL)
        c.process.process.wait()
        wait_until(lambda: not any(os.path.exists("/proc/%d/exe" % pid) for pid in roles.values()))
    before = all_of(c.directory)
    replay(c.directory, "--rebuild")
    assert all_of(c.directory) == before
    assert not [p.name for p in c.directory.iterdir() if "old" in p.name or p.name == "replay"]
    check_sound(c.directory)


def test_without_rebuild(tmp_path):
    """What the store has is refused, and what to do is said; what it has not is brought in."""
    directory = store_in(tmp_path)
    said = replay(directory, status=1)
    assert re.search(r"the store has all \d+ blocks of the journal; --rebuild makes it anew of these", said)
    assert said.count("\n") == 1
    before = all_of(directory)
    shutil.copytree(directory / "journal", tmp_path / "journal")
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + i, packet(d)) for i, d in enumerate(records_of(20, 301))])
    shutil.copytree(directory, tmp_path / "more")
    imported(tmp_path / "more", path)
    shutil.rmtree(directory / "journal")
    shutil.copytree(tmp_path / "more" / "journal", directory / "journal")
    assert "20 datagrams with 20 records brought in" in replay(directory)
    assert all_of(directory) == all_of(tmp_path / "more") != before


def test_no_store_yet(tmp_path):
    directory = store_in(tmp_path)
    before = all_of(directory)
    shutil.rmtree(directory / "lookups")
    (directory / "dnsflow.db").unlink()
    shutil.copytree(directory, tmp_path / "other")
    replay(directory)
    replay(tmp_path / "other", "--rebuild")
    assert all_of(directory) == all_of(tmp_path / "other") == before
    check_clean(tmp_path / "other")


def rest_of(directory):
    db = sqlite3.connect("file:%s/dnsflow.db?mode=ro" % directory, uri=True)
    found = [db.execute("SELECT * FROM %s ORDER BY 1, 2" % table).fetchall() for table in ("minutes", "totals", "position")]
    found.append(db.execute("SELECT id, identity, sensor, first, last, state FROM streams ORDER BY 1").fetchall())
    db.close()
    return found


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1), (0, 2)])
def test_journal_that_has_not_all(tmp_path, which):
    """What its oldest files, or some in between, had is taken over, to the record; the rest is made anew."""
    directory = store_in(tmp_path, parts=4)
    before, rest = all_of(directory), rest_of(directory)
    files = sorted((directory / "journal").iterdir())
    for i in which:
        os.unlink(files[i])
    old = {p.name: p.stat().st_ino for p in (directory / "lookups").iterdir()}
    said = replay(directory, "--rebuild")
    assert "taken over from the store" in said
    assert all_of(directory) == before and rest_of(directory) == rest
    new = {p.name: p.stat().st_ino for p in (directory / "lookups").iterdir()}
    assert sum(old.get(name) == inode for name, inode in new.items()) == max(which) + 1
    check_sound(directory)
    damage_store(directory)
    db = sqlite3.connect(str(directory / "dnsflow.db"))
    db.execute("DELETE FROM answers")
    db.commit()
    db.close()
    replay(directory, "--rebuild")
    assert lookups(directory) == before[0]
    assert 0 < sum(one[0] for one in answers(directory).values()) < sum(one[0] for one in before[1].values())
    replay(directory, "--rebuild", "--from-journal-only")
    assert sum(one[0] for one in lookups(directory).values()) == 400 - 100 * len(which)
    assert {p.name for p in directory.iterdir()} <= {"dnsflow.db", "lookups", "journal", "lock", "settings"}
    check_sound(directory)


def test_partition_across_the_end(tmp_path):
    """One that is in part of what the journal has, and what the store had not yet."""
    directory = store_in(tmp_path, parts=1, count=100)
    with Running(tmp_path, directory=directory) as c:
        for i in range(18):
            send(c.target, records_of(10, 1001 + 10 * i), source="127.0.0.2")
            assert collect("query", directory, "loss").status == 0
        wait_until(lambda: any(p.name.startswith("1-") for p in (directory / "lookups").iterdir()))
        c.stop()
    before = all_of(directory)
    os.unlink(min((directory / "journal").iterdir()))
    replay(directory, "--rebuild")
    assert all_of(directory) == before
    check_sound(directory)


def test_journal_that_lost_its_end(tmp_path):
    """That is refused, and nothing changes."""
    directory = store_in(tmp_path)
    before = all_of(directory)
    os.unlink(max((directory / "journal").iterdir()))
    said = replay(directory, "--rebuild", status=1)
    assert "the journal has not the last" in said and "--from-journal-only does without" in said and said.count("\n") == 1
    assert all_of(directory) == before
    replay(directory, "--rebuild", "--from-journal-only")
    assert sum(one[0] for one in lookups(directory).values()) == 200


def test_damaged_journal(tmp_path):
    """A block that cannot be read is one that it has not."""
    directory = store_in(tmp_path)
    before = all_of(directory)
    path = sorted((directory / "journal").iterdir())[1]
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert "are damaged, and nothing has changed" in replay(directory, "--rebuild", status=1)
    assert all_of(directory) == before and not (directory / "replay").exists()
    replay(directory, "--rebuild", "--from-journal-only")
    assert sum(one[0] for one in lookups(directory).values()) < 300


def test_forgotten(tmp_path):
    """What was taken out does not come back, and what stood beside it in the journal stays."""
    directory = store_in(tmp_path)
    assert collect("forget", directory, *AS_ROOT, "host1.example").status == 0
    before = all_of(directory)
    replay(directory, "--rebuild")
    assert all_of(directory) == before
    assert "example.host1" not in {key[1] for key in lookups(directory)}


@needs_preload
def test_killed(tmp_path):
    """In front of any of its writes, the store before or the new one is there when the directory is opened again."""
    library = library_in(tmp_path)
    (tmp_path / "whole").mkdir()
    whole = store_in(tmp_path / "whole", count=40)
    before = all_of(whole)
    damage_store(whole)
    damaged = all_of(whole)
    directory = tmp_path / "data"
    twice = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + i, packet(d)) for i, d in enumerate(records_of(40, 1))])

    def make():
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(whole, directory)

    seen = set()
    argv = [COLLECT, "replay", "--directory", directory, *AS_ROOT, "--rebuild"]
    for number in kill_points(library, tmp_path, argv, make, points=60):
        names = {p.name for p in directory.iterdir()}
        if number % 2:
            imported(directory, twice)  # whoever opens it to write completes it, and brings nothing here
        else:
            replay(directory, "--rebuild")
        have = all_of(directory)
        assert have == before or (have == damaged and number % 2 == 1)
        seen.add((have == before, "dnsflow.db" in names, "lookups" in names))
        check_clean(directory)
    assert {one[0] for one in seen} == {True, False}


@needs_preload
def test_every_step_of_the_swap(tmp_path):
    """From when the new store is whole, each of the last calls."""
    library = library_in(tmp_path)
    (tmp_path / "whole").mkdir()
    whole = store_in(tmp_path / "whole", parts=1, count=10)
    before = all_of(whole)
    damage_store(whole)
    directory = tmp_path / "data"
    environment = dict(os.environ, LD_PRELOAD=str(library), COUNT_TO=str(tmp_path / "count"))
    argv = [COLLECT, "replay", "--directory", directory, *AS_ROOT, "--rebuild"]
    shutil.copytree(whole, directory)
    assert run(argv, env=environment).status == 0
    count = int((tmp_path / "count").read_text())
    rebuilt = 0
    for at in range(count - 40, count + 1):
        shutil.rmtree(directory)
        shutil.copytree(whole, directory)
        (directory / "lookups.old-1").mkdir()  # somebody else's
        (directory / "lookups" / "notes.txt").write_text("mine")
        assert run(argv, env=dict(environment, KILLED_AT=str(at))).status == -9
        with Running(tmp_path, directory=directory) as c:
            c.stop()
        assert all_of(directory)[0] == before[0]
        rebuilt += answers(directory) == before[1]  # accounts are too old, and go
        assert not (directory / "replay").exists() and (directory / "lookups.old-1").exists()
        assert list(directory.rglob("notes.txt")), "what is not the collector's stays"
        assert not list(directory.glob("dnsflow.db.old*"))
    assert 15 < rebuilt < 41


@needs_preload
def test_interrupted(tmp_path):
    """SIGINT leaves all as it was."""
    directory = store_in(tmp_path, parts=1, count=10)
    before = all_of(directory)
    (tmp_path / "stop.c").write_text("#include <signal.h>\n#include <sys/stat.h>\n#include <sys/syscall.h>\n"
                                     "#include <fcntl.h>\n#include <unistd.h>\n"
                                     "int mkdirat(int at, const char *a, mode_t mode) { raise(SIGINT);"
                                     " return (int)syscall(SYS_mkdirat, at, a, mode); }\n")
    library = tmp_path / "stop.so"
    assert run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "stop.c"]).status == 0
    done = run([COLLECT, "replay", "--directory", directory, *AS_ROOT, "--rebuild"],
               env=dict(os.environ, LD_PRELOAD=str(library)))
    assert done.status == 1 and "nothing has changed" in done.err
    assert all_of(directory) == before
    check_clean(directory)


def test_progress_on_a_terminal(tmp_path):
    """How far it is and how long it will take, and nothing of that elsewhere."""
    directory = store_in(tmp_path)
    leader, follower = pty.openpty()
    process = subprocess.Popen([COLLECT, "replay", "--directory", str(directory), *AS_ROOT, "--rebuild"], stderr=follower)
    os.close(follower)
    said = b""
    try:
        while True:
            piece = os.read(leader, 4096)
            if not piece:
                break
            said += piece
    except OSError:
        pass
    os.close(leader)
    assert process.wait() == 0
    assert re.search(rb"\r\x1b\[Kreplay: \d+ of 300 datagrams, \d+ %, \d+ s left", said), said
    assert "\r" not in replay(directory, "--rebuild")


WRONG = [
    (("--store", "other"), "expected one of: sqlite"),
    (("--from-journal-only",), "option --from-journal-only: expected --rebuild with it"),
    (("word",), "word"),
]


@pytest.mark.parametrize("words, says", WRONG, ids=[" ".join(w) for w, _ in WRONG])
def test_wrong_use(words, says):
    done = run([COLLECT, "replay", *words])
    assert done.status == 2 and done.out == b"" and done.err.count("\n") == 1 and says in done.err, done


def test_no_directory(tmp_path):
    done = collect("replay", tmp_path / "none", "--rebuild")
    assert done.status == 1 and done.err.count("\n") == 1 and "No such file" in done.err
    assert not (tmp_path / "none").exists()
