# SPDX-License-Identifier: BSD-3-Clause
"""What is forgotten is in no file of the directory any more, whatever runs beside it or breaks it off."""

import fcntl
import ipaddress
import os
import random
import re
import shutil
import signal
import sqlite3

import pytest
from collecting import (AS_ROOT, COLLECT, Running, answers, check_sound, collect, database, imported, journalled, lookups,
                        needs_collector, reversed_name, send, sums)
from conftest import BASE_US, RAW, READER, Background, made_capture, ok, run, wait_until, write_pcap
from datagrams import extended, packet, set4
from killing import kill_points, library_in, needs_preload

pytestmark = needs_collector

NAME = "secret.person.example"


def records_of(count, first=1, names=None):
    """Of clients 10.0.0.1 to 10.0.0.5, of whom each asks for several names; one in ten leads to NAME, or is it."""
    made = []
    for i in range(first, first + count):
        chain = ["host%d.other.example" % (i % 40)]
        if i % 10 == 0:
            chain = ["alias%d.other.example" % (i % 3), NAME]
        elif i % 10 == 5:
            chain = [names or NAME]
        made.append(extended(i, set4("10.0.0.%d" % (i % 5 + 1), "10.0.0.53", chain, ["192.0.2.%d" % (i % 7 + 1)])))
    return made


def store_in(tmp_path, parts=3, count=100):
    """A store with so many partitions."""
    for part in range(parts):
        path = write_pcap(tmp_path / "in.pcap", RAW,
                          [(BASE_US + 3600000000 * part + i, packet(d)) for i, d in
                           enumerate(records_of(count, 1 + part * count))])
        imported(tmp_path / "data", path)
    return tmp_path / "data"


def forget(directory, *what, **more):
    done = collect("forget", directory, *AS_ROOT, *what, **more)
    assert done.status == 0, done.err
    return done.out.decode()


def traces(directory, *names):
    """Files that have any of the names, as they are or reversed; of the journal what its datagrams have."""
    found = []
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.suffix == ".zst":
            done = run([READER, "-r", path, "--format", "json"])
            content += done.out
        if any(form in content for name in names for form in (name.encode(), reversed_name(name).encode())):
            found.append(str(path.relative_to(directory)))
    return found


def check_numbers(directory):
    """Names, addresses and kinds are in order, and each has a row."""
    db = database(directory)
    files = [f for f, in db.execute("SELECT file FROM partitions WHERE replaced IS NULL")]
    db.close()
    assert sorted(files) == sorted(p.name for p in (directory / "lookups").iterdir())
    for name in files:
        part = sqlite3.connect("file:%s/lookups/%s?mode=ro" % (directory, name), uri=True)
        names = part.execute("SELECT id, CAST(rname AS BLOB) FROM names ORDER BY id").fetchall()
        addresses = part.execute("SELECT id, address FROM addresses ORDER BY id").fetchall()
        for rows in (names, addresses):
            assert [r[0] for r in rows] == list(range(1, len(rows) + 1))
            assert [r[1] for r in rows] == sorted(r[1] for r in rows)
        assert part.execute("SELECT count(*) FROM names WHERE id NOT IN (SELECT name FROM rows)").fetchone() == (0,)
        assert part.execute("SELECT count(*) FROM kinds WHERE id NOT IN (SELECT kind FROM rows)").fetchone() == (0,)
        assert part.execute("SELECT count(*) FROM addresses WHERE id NOT IN (SELECT client FROM rows UNION"
                            " SELECT resolver FROM kinds)").fetchone() == (0,)
        part.close()


def test_name(tmp_path):
    """Its lookups, what it was answered with, what led to it; all else stays as it was."""
    directory = store_in(tmp_path)
    before, passive, account = lookups(directory), answers(directory), sums(directory)
    assert {p.split("/")[0] for p in traces(directory, NAME)} == {"dnsflow.db", "journal", "lookups"}
    said = forget(directory, NAME.upper() + ".")
    gone = {key: one for key, one in before.items() if key[1] == reversed_name(NAME)}
    assert lookups(directory) == {key: one for key, one in before.items() if key not in gone}
    assert answers(directory) == {key: one for key, one in passive.items() if NAME not in (key[0], key[2])}
    assert traces(directory, NAME) == []
    assert "lookups: %d in " % sum(one[0] for one in gone.values()) in said and "out of 3 files" in said
    assert "answers: %d rows" % sum(NAME in (key[0], key[2]) for key in passive) in said
    assert "journal: 3 files emptied" in said
    assert sums(directory) == account
    check_sound(directory)
    check_numbers(directory)
    assert collect("check", directory).status == 0
    said = forget(directory, NAME)
    assert "lookups: 0 in 0 rows" in said and "answers: 0 rows" in said and "journal: 0 files" in said
    assert len(list((directory / "journal").iterdir())) == 4


def test_below(tmp_path):
    """All names below one, and not that one, nor one that only ends the same."""
    names = ["person.example", "a.person.example", "b.c.person.example", "otherperson.example", "person.example.net",
             "person-1.example", "person"]
    records = [extended(i, set4("10.0.0.1", "10.0.0.53", [name], ["192.0.2.1"])) for i, name in enumerate(names, 1)]
    imported(tmp_path / "data", write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + i, packet(d)) for i, d in enumerate(records)]))
    forget(tmp_path / "data", "*.person.example")
    left = {reversed_name(n) for n in names} - {"example.person.a", "example.person.c.b"}
    assert {key[1] for key in lookups(tmp_path / "data")} == left
    assert {reversed_name(key[0]) for key in answers(tmp_path / "data")} == left
    assert traces(tmp_path / "data", "a.person.example", "c.person.example") == []
    check_numbers(tmp_path / "data")
    forget(tmp_path / "data", "person.example", "person")
    assert {key[1] for key in lookups(tmp_path / "data")} == left - {"example.person", "person"}


@pytest.mark.parametrize("seed", range(3))
def test_any(tmp_path, seed):
    """Names that share labels and beginnings, clients that share bytes, several at a time, against a slow twin."""
    chance = random.Random(seed)
    names = sorted({".".join(chance.choice(["a", "b", "ab", "a-b", "b0", "example"]) for _ in range(chance.randint(1, 4)))
                    for _ in range(120)})
    clients = ["10.0.%d.%d" % (i % 3, i) for i in range(1, 20)] + ["a00:1:%x::" % i for i in range(1, 6)]
    for part in range(3):
        records = []
        for i in range(400):
            chain = chance.sample(names, chance.randint(1, 3))
            client = chance.choice(clients)
            one = set4(client, "a00:1:1::" if ":" in client else "10.0.1.1", chain, ["192.0.2.%d" % (i % 250)])
            records.append((BASE_US + 3600000000 * part + i, packet(extended(1 + part * 400 + i, one))))
        imported(tmp_path / "data", write_pcap(tmp_path / "in.pcap", RAW, records))
    before, passive = lookups(tmp_path / "data"), answers(tmp_path / "data")
    whole = set(chance.sample(names, 5)) | {"none.example"}
    below = set(chance.sample([n for n in names if "." not in n] + names, 3))
    gone = {ipaddress.ip_address(c).packed for c in chance.sample(clients, 4)}
    has_gone = lambda name: name in whole or any(name.endswith("." + n) for n in below)
    forget(tmp_path / "data", *whole, *("*." + n for n in below), *(str(ipaddress.ip_address(c)) for c in gone))
    assert lookups(tmp_path / "data") == {key: one for key, one in before.items()
                                          if key[0] not in gone and not has_gone(reversed_name(key[1]))}
    assert answers(tmp_path / "data") == {key: one for key, one in passive.items()
                                          if not has_gone(key[0]) and not has_gone(key[2])}
    assert len(lookups(tmp_path / "data")) not in (0, len(before))
    check_sound(tmp_path / "data")
    check_numbers(tmp_path / "data")


def test_client(tmp_path):
    """What it asked for; passive DNS is of nobody, and an address that is a resolver's too stays as that."""
    one = [set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"]),
           set4("10.0.0.53", "10.0.0.99", ["a.example"], ["192.0.2.1"]),
           set4("2001:db8::1", "2001:db8::53", ["b.example"], ["192.0.2.1"])]
    imported(tmp_path / "data", write_pcap(tmp_path / "in.pcap", RAW,
                                           [(BASE_US + i, packet(extended(i + 1, s))) for i, s in enumerate(one)]))
    passive = answers(tmp_path / "data")
    forget(tmp_path / "data", "10.0.0.53", "2001:0db8::0001")
    assert {ipaddress.ip_address(key[0]) for key in lookups(tmp_path / "data")} == {ipaddress.ip_address("10.0.0.1")}
    assert answers(tmp_path / "data") == passive
    check_numbers(tmp_path / "data")
    said = forget(tmp_path / "data", "10.0.0.53")
    assert "lookups: 0 in 0 rows, out of 0 files" in said
    forget(tmp_path / "data", "::ffff:10.0.0.1")
    assert lookups(tmp_path / "data") == {}
    check_sound(tmp_path / "data")
    check_numbers(tmp_path / "data")
    assert collect("query", tmp_path / "data", "who", "a.example").status == 0


def test_files_that_are_gone_or_damaged(tmp_path):
    """What somebody has removed has nothing to forget; what cannot be read is named, and keeps the rest from nothing."""
    directory = store_in(tmp_path)
    first, second, _ = sorted((directory / "lookups").iterdir())
    first.unlink()
    whole = second.read_bytes()
    second.write_bytes(whole[:100] + bytes(len(whole) - 100))
    done = collect("forget", directory, *AS_ROOT, NAME)
    aside = second.parent / (second.name + ".corrupt")
    assert done.status == 1 and "1 of the files of lookups cannot be read, and may have it still: lookups/" + aside.name in done.err, done
    assert b"lookups: 10 in 1 rows, out of 1 files" in done.out and aside.exists()
    aside.unlink()
    second.write_bytes(whole)
    collect("import", directory, *AS_ROOT, write_pcap(tmp_path / "more.pcap", RAW, []))  # which enters it again
    forget(directory, NAME)
    assert traces(directory, NAME) == []


def test_rdata_that_names_it(tmp_path):
    """Also among other words, as that of MX."""
    directory = store_in(tmp_path, parts=1)
    db = sqlite3.connect(str(directory / "dnsflow.db"))
    for kind, rdata, _ in ((12, NAME, 1), (15, "10 " + NAME, 1), (6, "ns.example %s 1 2 3 4 5" % NAME, 1),
                           (16, '"%s"' % NAME, 1), (15, "10 x" + NAME, 0), (16, '"about x%s"' % NAME, 0)):
        db.execute("INSERT INTO answers VALUES('example.some', ?, ?, 1, 2, 3, 4)", (kind, rdata))
    db.commit()
    db.close()
    forget(directory, NAME)
    assert {key[2] for key in answers(directory) if key[0] == "some.example"} == {"10 x" + NAME, '"about x%s"' % NAME}


def test_many_answers(tmp_path):
    """More than go at a time, put in and taken out in every order, leave nothing in what SQLite does not use."""
    directory = store_in(tmp_path, parts=1)
    db = sqlite3.connect(str(directory / "dnsflow.db"))
    db.execute("PRAGMA secure_delete=OFF")
    for part in range(3):
        db.executemany("INSERT INTO answers VALUES(?, 1, ?, 1, 2, 3, 4)",
                       (("example.%s.h%d" % ("secretive" if i % 3 == 0 else "open", i * 7919 % 100003), "x%d" % i)
                        for i in range(part, 60000, 3)))
        db.execute("DELETE FROM answers WHERE rname LIKE 'example.secretive.h%5'")
        db.commit()
    want = db.execute("SELECT count(*) FROM answers WHERE rname LIKE 'example.open%'").fetchone()
    db.close()
    assert b"example.secretive" in (directory / "dnsflow.db").read_bytes()
    forget(directory, "*.secretive.example")
    assert b"example.secretive" not in (directory / "dnsflow.db").read_bytes()
    db = database(directory)
    assert db.execute("SELECT count(*) FROM answers WHERE rname LIKE 'example.open%'").fetchone() == want
    db.close()
    check_sound(directory)


def test_what_is_imported_again(tmp_path):
    """The streams are known as before: nothing of it is new."""
    ok("-r", made_capture(tmp_path / "in.pcap", 3000), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    forget(tmp_path / "data", "*.made.example")
    assert lookups(tmp_path / "data") == {} == answers(tmp_path / "data")
    assert "h7.made" not in str(traces(tmp_path / "data", "made.example"))
    assert traces(tmp_path / "data", "made.example") == []
    assert " 0 datagrams with 0 records imported" in imported(tmp_path / "data", tmp_path / "out.pcap")
    assert sums(tmp_path / "data")["down"] == 0
    assert collect("check", tmp_path / "data").status == 0


def seal(c):
    assert collect("query", c.directory, "loss").status == 0


def test_while_it_runs(tmp_path):
    """Partitions that were merged, those they were made of, and the log go too; what comes meanwhile is taken in."""
    with Running(tmp_path) as c:
        for i in range(18):
            send(c.target, records_of(20, 1 + 20 * i), source="127.0.0.2")
            seal(c)
        send(c.target, records_of(20, 361), source="127.0.0.2")
        wait_until(lambda: database(c.directory).execute(
            "SELECT count(*) FROM partitions WHERE replaced IS NOT NULL").fetchone()[0] >= 16)
        roles = c.roles()
        said = forget(c.directory, NAME)
        assert int(re.search(r"(\d+) files that had been merged went", said).group(1)) >= 16
        file, = (p.name for p in (c.directory / "journal").iterdir())
        assert "journal/%s is being written and has it until then: ask again after 20" % file in said
        assert traces(c.directory, NAME) == ["journal/" + file]
        send(c.target, [extended(381, set4("10.0.0.1", "10.0.0.53", ["new.example"], ["192.0.2.1"]))], source="127.0.0.2")
        seal(c)
        assert c.roles() == roles
        c.stop()
    assert "error" not in c.err
    assert sum(one[0] for key, one in lookups(c.directory).items() if key[1] != reversed_name(NAME)) == 381 - 38
    assert reversed_name(NAME) not in {key[1] for key in lookups(c.directory)}
    check_sound(c.directory)
    assert "journal: 1 files emptied" in forget(c.directory, NAME)
    assert traces(c.directory, NAME) == []
    assert collect("check", c.directory).status == 0


def test_closed_files_beside_a_collector(tmp_path):
    """Of the journal, the files that are not written any more are emptied; a start then goes on behind them."""
    directory = store_in(tmp_path)
    with Running(tmp_path, directory=directory) as c:
        send(c.target, records_of(20, 1001), source="127.0.0.2")
        seal(c)
        assert "journal: 3 files emptied" in forget(directory, NAME)
        assert len(traces(directory, NAME)) == 1
        c.stop()
    forget(directory, NAME)
    assert traces(directory, NAME) == []
    with Running(tmp_path, directory=directory) as c:
        send(c.target, records_of(20, 2001, names="x.example"), source="127.0.0.2")
        seal(c)
        c.stop()
    check_sound(directory)
    assert journalled(directory)[0] > 0


def test_merge_in_flight_is_waited_for(tmp_path):
    """Whoever has the folder's lock may have read what is to go."""
    directory = store_in(tmp_path)
    fd = os.open(str(directory / "lookups"), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with Background([COLLECT, "forget", "--directory", directory, *AS_ROOT, NAME], tmp_path) as process:
        inode = os.fstat(fd).st_ino
        wait_until(lambda: re.search(r"-> FLOCK .*:%d " % inode, open("/proc/locks").read()))
        assert reversed_name(NAME) in {key[1] for key in lookups(directory)}
        os.close(fd)
        assert process.wait(20) == 0
    assert traces(directory, NAME) == []


def test_beside_tidying(tmp_path):
    """Again and again, while parts are merged: what goes stays away, and nothing else goes."""
    with Running(tmp_path) as c:
        for i in range(20):
            send(c.target, records_of(10, 1 + 10 * i), source="127.0.0.2")
            seal(c)
            if i % 5 == 4:
                forget(c.directory, NAME)
                assert reversed_name(NAME) not in {key[1] for key in lookups(c.directory)}
        c.stop()
    assert sum(one[0] for one in lookups(c.directory).values()) == 200 - 20
    check_sound(c.directory)


def roll_back(directory):
    """What SQLite does when somebody opens to write what was left in the middle of a transaction."""
    db = sqlite3.connect(str(directory / "dnsflow.db"))
    db.execute("SELECT count(*) FROM answers").fetchone()
    db.close()


@needs_preload
def test_killed(tmp_path):
    """In front of any of its writes: all is sound, and asking again finishes."""
    library = library_in(tmp_path)
    (tmp_path / "whole").mkdir()
    whole = store_in(tmp_path / "whole", count=40)
    directory = tmp_path / "data"
    before = {key: one for key, one in lookups(whole).items() if key[1] != reversed_name(NAME)}
    passive = {key: one for key, one in answers(whole).items() if NAME not in (key[0], key[2])}
    argv = [COLLECT, "forget", "--directory", directory, *AS_ROOT, NAME]

    def make():
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(whole, directory)

    for _ in kill_points(library, tmp_path, argv, make):
        roll_back(directory)
        check_sound(directory)
        assert collect("check", directory).status == 0
        assert {key: one for key, one in lookups(directory).items() if key[1] != reversed_name(NAME)} == before
        forget(directory, NAME)
        assert lookups(directory) == before and answers(directory) == passive
        assert traces(directory, NAME) == []
        check_numbers(directory)


@needs_preload
def test_killed_beside_a_collector(tmp_path):
    """What it has left is removed by who asks again, without a start."""
    library = library_in(tmp_path)
    (tmp_path / "whole").mkdir()
    whole = store_in(tmp_path / "whole", count=40)
    directory = tmp_path / "data"
    shutil.copytree(whole, directory)
    argv = [COLLECT, "forget", "--directory", directory, *AS_ROOT]
    with Running(tmp_path, directory=directory) as c:
        for number, name in enumerate(("host39.other.example", "host38.other.example", NAME), 1):
            for at in range(5, 400, 13):
                done = run(argv + [name], env=dict(os.environ, LD_PRELOAD=str(library), KILLED_AT=str(at)))
                if done.status == 0:
                    break
                assert done.status == -9, done
            forget(directory, name)
            assert [p for p in traces(directory, name) if not p.startswith("journal/")] == []
            check_sound(directory)
            check_numbers(directory)
            send(c.target, [extended(1000 + number, set4("10.0.0.1", "10.0.0.53", ["new.example"], ["192.0.2.1"]))])
            seal(c)
        c.stop()
    assert "error" not in c.err


def test_part_of_longer_names(tmp_path):
    """Which stay: the database's file has it all the same, is written anew, and the collector goes on."""
    with Running(tmp_path) as c:
        for i in range(3):
            send(c.target, [extended(3 * i + k, set4("10.0.0.1", "10.0.0.53", [name], ["192.0.2.1"]))
                            for k, name in enumerate(("person.example", "www.person.example", "other.example"), 1)],
                 source="127.0.0.2")
            seal(c)
            assert "answers: 1 rows" in forget(c.directory, "person.example")
        c.stop()
    assert "error" not in c.err
    assert {key[0]: one[0] for key, one in answers(c.directory).items()} == {"www.person.example": 3, "other.example": 3}
    check_sound(c.directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_becomes_the_owner(tmp_path):
    """What is written is the collector's, also beside it."""
    for path in (tmp_path, *tmp_path.parents):  # it must be able to get there
        if not path.stat().st_mode & 1:
            path.chmod(path.stat().st_mode | 0o111)
    with Running(tmp_path, "--user", "nobody", directory=tmp_path / "of nobody") as c:
        send(c.target, records_of(50), source="127.0.0.2")
        seal(c)
        done = collect("forget", c.directory, NAME)
        assert done.status == 0 and "out of 1 files" in done.out.decode(), done
        seal(c)
        assert {p.owner() for p in c.directory.rglob("*")} == {"nobody"}
        c.stop()
    done = collect("forget", c.directory, NAME)
    assert done.status == 0 and "journal: 1 files emptied" in done.out.decode(), done
    assert collect("replay", c.directory, "--rebuild", "--from-journal-only").status == 0
    assert {p.owner() for p in c.directory.rglob("*")} == {"nobody"}


def test_not_taken_in(tmp_path):
    """What a collector that was killed had received, and not brought in, does not come back."""
    with Running(tmp_path) as c:
        send(c.target, records_of(50), source="127.0.0.2")
        wait_until(lambda: journalled(c.directory)[0] == 50)
        roles = c.roles()
        for pid in (c.process.process.pid, *roles.values()):
            os.kill(pid, signal.SIGKILL)
        c.process.process.wait()
        wait_until(lambda: not any(os.path.exists("/proc/%d/exe" % pid) for pid in roles.values()))
    assert reversed_name(NAME) not in {key[1] for key in lookups(c.directory)}
    forget(c.directory, NAME)
    assert sum(one[0] for one in lookups(c.directory).values()) == 45
    assert traces(c.directory, NAME) == []


def test_backups_go(tmp_path):
    """Those that are the collector's; what else is there is named."""
    directory = store_in(tmp_path, parts=1)
    assert collect("backup", directory, directory / "backup").status == 0
    assert any(one.startswith("backup/") for one in traces(directory, NAME))
    assert "backup: 1 removed, which may have had it" in forget(directory, NAME)
    assert traces(directory, NAME) == []
    (directory / "backup" / "2026-11-27").mkdir(parents=True)
    assert "backup: %s/backup/2026-11-27 is not looked into" % directory in forget(directory, NAME)


def test_somebody_reads(tmp_path):
    """SQLite's log stays as long as somebody reads what it has: that is waited for."""
    with Running(tmp_path) as c:
        send(c.target, records_of(50), source="127.0.0.2")
        seal(c)
        db = database(c.directory)
        db.execute("BEGIN")
        assert db.execute("SELECT count(*) FROM answers WHERE rname = ?", (reversed_name(NAME),)).fetchone()[0] > 0
        with Background([COLLECT, "forget", "--directory", c.directory, *AS_ROOT, NAME], tmp_path) as process:
            wait_until(lambda: database(c.directory).execute("SELECT count(*) FROM answers WHERE rname = ?",
                                                             (reversed_name(NAME),)).fetchone() == (0,))
            assert process.process.poll() is None
            db.close()
            assert process.wait(20) == 0
        assert [p for p in traces(c.directory, NAME) if not p.startswith("journal/")] == []
        c.stop()


WRONG = [
    ((), "nothing to forget: expected a name"),
    (("*",), "expected a name, *.NAME for all names below it, or a client's address"),
    (("*.",), "expected a name"),
    ((".",), "expected a name"),
    (("",), "expected a name"),
    (("a..b",), "expected something between two dots"),
    (("192.0.2.0/24",), "expected one address, not a prefix"),
    (("a.example",) * 65, "expected at most 64 at a time"),
]


@pytest.mark.parametrize("words, says", WRONG, ids=[" ".join(w)[:20] or "nothing" for w, _ in WRONG])
def test_wrong_use(words, says):
    done = run([COLLECT, "forget", *words])
    assert done.status == 2 and done.out == b"" and done.err.count("\n") == 1 and says in done.err, done


def test_no_directory(tmp_path):
    done = collect("forget", tmp_path / "none", "a.example")
    assert done.status == 1 and done.err.count("\n") == 1 and "No such file" in done.err
    assert not (tmp_path / "none").exists()
