# SPDX-License-Identifier: BSD-3-Clause
"""Copies of what the collector keeps: whole, of one moment, and beside who writes it."""

import fcntl
import os
import re
import shutil
import sqlite3
import stat
import time

import pytest
from collecting import (AS_ROOT, COLLECT, Running, answers, check_sound, collect, imported, lookups, needs_collector,
                        send, sums)
from conftest import BASE_US, RAW, made_capture, ok, run, wait_until, write_pcap
from datagrams import datagram, extended, packet, set4

pytestmark = needs_collector

STAMP = re.compile(r"\d{8}-\d{6}$")
ONE = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])


@pytest.fixture
def kept(tmp_path):
    """A store of 300 records in two files of lookups."""
    for part in "12":
        ok("-r", made_capture(tmp_path / "in.pcap", 150, clients=3), "-x", "--sensor-id", part, "-w", tmp_path / "out.pcap")
        imported(tmp_path / "data", tmp_path / "out.pcap")
    return tmp_path / "data"


def stamps(target):
    return sorted(p.name for p in target.iterdir() if STAMP.match(p.name)) if target.exists() else []


def backed_up(directory, target):
    """Makes a backup, whose path is given back."""
    done = collect("backup", directory, target)
    assert done.status == 0 and done.err == "" and done.out.count(b"\n") == 1, done
    return target / re.match(r"(.*?): ", done.out.decode()).group(1).rsplit("/", 1)[1]


def parts(directory):
    return sorted((directory / "lookups").iterdir())


def test_is_the_same(kept, tmp_path):
    """It opens as what it is of, is whole, and is as private."""
    done = collect("backup", kept, tmp_path / "target")
    line = done.out.decode()
    assert done.status == 0 and re.match(
        r"%s/target/\d{8}-\d{6}: answers, accounts and 2 files of lookups; [\d.]+ KiB, of which [\d.]+ KiB are no links; "
        r"received until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\n$" % re.escape(str(tmp_path)), line), line
    copy = tmp_path / "target" / stamps(tmp_path / "target")[0]
    assert lookups(copy) == lookups(kept) and answers(copy) == answers(kept) and sums(copy) == sums(kept)
    check_sound(copy)
    assert collect("check", copy).out.count(b"all whole") == 2
    assert collect("status", copy).status == 0
    assert [p.stat().st_ino for p in parts(copy)] == [p.stat().st_ino for p in parts(kept)]
    assert (copy / "dnsflow.db").read_bytes()[18:20] == b"\1\1", "a single file, which needs no log beside it"
    for folder, _, files in os.walk(tmp_path / "target"):
        assert not stat.S_IMODE(os.stat(folder).st_mode) & 0o7
        assert not any(os.stat(os.path.join(folder, f)).st_mode & 0o7 for f in files)


def test_becomes_a_collector(kept, tmp_path):
    """A copy of a backup goes on where it ended."""
    copy = backed_up(kept, tmp_path / "target")
    before = len(lookups(kept))
    with Running(tmp_path, directory=copy) as c:
        send(c.target, [extended(1, ONE)])
        assert collect("query", copy, "name", "a.example").out.count(b"a.example") == 1
        c.stop()
    assert len(lookups(copy)) == before + 1
    backed_up(kept, tmp_path / "target")
    backed_up(kept, tmp_path / "target")
    assert copy.name in stamps(tmp_path / "target"), "it is a collector's now, and stays"


def test_restored_with_the_journal(tmp_path):
    """A backup, and from the journal what was received behind it, are what was kept."""
    for part in (0, 1):
        path = write_pcap(tmp_path / "in.pcap", RAW, [
            (BASE_US + 60000000 * part + i, packet(datagram(1 + 50 * part + i, set4(
                "10.0.0.1", "10.0.0.53", ["n%d.example" % (i % 7)], ["192.0.2.1"])))) for i in range(50)])
        imported(tmp_path / "data", path)
        if part == 0:
            copy = backed_up(tmp_path / "data", tmp_path / "target")
    shutil.copytree(copy, tmp_path / "restored")
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BASE_US // 1000000 + 1))
    assert collect("export", tmp_path / "data", "--since", since, "-w", tmp_path / "rest.pcap").status == 0
    imported(tmp_path / "restored", tmp_path / "rest.pcap")
    counts = [{key: row[0] for key, row in lookups(tmp_path / name).items()} for name in ("data", "restored")]
    assert counts[0] == counts[1] and sum(counts[0].values()) == 100
    check_sound(tmp_path / "restored")


def test_newest_two_are_kept(kept, tmp_path):
    """What is not of its own making stays: other names, folders without its mark or with something in them."""
    target = tmp_path / "target"
    mine = [target / "20200101-000000", target / "20200102-000000", target / "notes", target / "20200103-000000.new"]
    made = [backed_up(kept, target)]
    for folder in mine:
        folder.mkdir()
    (target / "20200104-000000").write_text("mine")
    (mine[1] / ".backup").write_text("")
    (mine[1] / "mine.txt").write_text("mine")
    for part in ("lookups", "journal"):
        (target / "20200105-000000.new" / part).mkdir(parents=True)
    (target / "20200105-000000.new" / ".backup").write_text("")
    (target / "20200105-000000.new" / "lookups" / "0-1-2.db").write_text("")
    made += [backed_up(kept, target) for _ in range(3)]
    assert [p.exists() for p in made] == [False, False, True, True]
    assert all(p.is_dir() for p in mine) and (mine[1] / "mine.txt").exists()
    assert (target / "20200104-000000").read_text() == "mine"
    assert not (target / "20200105-000000.new").exists(), "of one that was killed"


def test_other_file_system(kept, tmp_path):
    """Without links files are copied, and the next backup shares them with the one before."""
    shm = "/dev/shm/dnsflow-test-%d" % os.getpid()
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(str(tmp_path)).st_dev:
        pytest.skip("no other file system")
    target = type(tmp_path)(shm)
    try:
        first, second = backed_up(kept, target), backed_up(kept, target)
        assert [p.read_bytes() for p in parts(first)] == [p.read_bytes() for p in parts(kept)]
        assert [p.stat().st_ino for p in parts(first)] == [p.stat().st_ino for p in parts(second)]
        check_sound(second)
    finally:
        run(["rm", "-rf", shm])


def test_beside_who_writes(tmp_path):
    """Each is of one moment: its lookups, answers and accounts are of the same datagrams."""
    with Running(tmp_path) as c:
        number = 0
        for _ in range(4):
            send(c.target, [extended(number + i + 1, ONE) for i in range(500)])
            number += 500
            copy = backed_up(c.directory, tmp_path / "target")
            check_sound(copy)
            account = sums(copy)
            assert account["records"] == sum(one[0] for one in lookups(copy).values())
            assert account["records"] == sum(one[0] for one in answers(copy).values())
        assert sums(copy)["records"] + sums(copy)["here"] == 2000, "what was received is brought in first"
        c.stop()
    assert c.ledger()[0] == 2000 and "error" not in c.err


def test_partition_is_gone(kept, tmp_path):
    """It begins again, and in the end takes what there is, and says so."""
    for count, damage in enumerate((lambda path: path.unlink(), lambda path: path.rename(str(path) + ".corrupt"))):
        victim = parts(kept)[0]
        if count:
            db = sqlite3.connect(str(kept / "dnsflow.db"))
            db.execute("UPDATE partitions SET file = file || '.corrupt' WHERE file = ?", (victim.name,))
            db.commit()
            db.close()
        damage(victim)
        done = collect("backup", kept, tmp_path / ("target%d" % count))
        assert done.status == 0 and b"; %d more cannot be used, \"check\" says which" % (count + 1) in done.out
        copy, = (tmp_path / ("target%d" % count)).iterdir()
        assert {p.name for p in (copy / "lookups").iterdir()} == {p.name for p in parts(kept) if p.suffix == ".db"}


@pytest.mark.parametrize("name", ["../lock", "/etc/passwd", "", "0-1-2.db/../../lock"])
def test_catalogue_is_damaged(kept, tmp_path, name):
    """What it names outside of the folder is neither taken nor made."""
    db = sqlite3.connect(str(kept / "dnsflow.db"))
    db.execute("UPDATE partitions SET file = ? WHERE first_block = 1", (name,))
    db.commit()
    db.close()
    done = collect("backup", kept, tmp_path / "target")
    assert done.status == 1 and done.err.count("\n") == 1 and "dnsflow.db: damaged: its catalogue has " + name in done.err
    assert list((tmp_path / "target").iterdir()) == [] and os.stat(str(kept / "lock")).st_nlink == 1


def test_wrong(kept, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "target").mkdir()
    for words, status, says in (((), 2, "no target: expected a directory"), (("",), 2, "expected a file name"),
                                (("a", "b"), 2, "expected one directory"),
                                ((kept,), 1, "is what is to be copied; expected another directory"),
                                ((tmp_path / "file",), 1, "file: Not a directory"),
                                ((tmp_path / "none" / "none",), 1, "cannot be made: No such file or directory"),
                                (("x" * 420,), 1, "the path is too long")):
        done = collect("backup", kept, *words)
        assert done.status == status and done.err.count("\n") == 1 and says in done.err and done.out == b"", done
    done = collect("backup", tmp_path / "nowhere", tmp_path / "target")
    assert done.status == 1 and "nowhere/dnsflow.db: No such file or directory" in done.err
    fd = os.open(str(tmp_path / "target"), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    done = collect("backup", kept, tmp_path / "target")
    os.close(fd)
    assert done.status == 1 and "another backup is being made there" in done.err
    assert list((tmp_path / "target").iterdir()) == []


def test_full_disk(kept, tmp_path):
    """Nothing of it stays."""
    done = run(["bash", "-c", "ulimit -f 8; exec \"$@\"", "bash", COLLECT, "backup", "--directory", kept, tmp_path / "target"])
    assert done.status == 1 and done.err.count("\n") == 1, done
    assert re.search(r"target/\d{8}-\d{6}\.new/dnsflow\.db: .*: File too large\n", done.err), done
    assert list((tmp_path / "target").iterdir()) == []


def newest_reaches(target, records):
    """Whether the newest backup has so many."""
    found = stamps(target)
    try:
        return bool(found) and sums(target / found[-1])["records"] >= records
    except sqlite3.Error:  # it has just been let go
        return False


def test_by_itself(tmp_path):
    """A collector makes one each day, here each second; two stay, and it starts again with them there."""
    target = tmp_path / "data" / "backup"
    with Running(tmp_path, "--backup-every", "1s") as c:
        send(c.target, [extended(1, ONE)])
        assert collect("query", c.directory, "loss").status == 0
        wait_until(lambda: newest_reaches(target, 1))
        send(c.target, [extended(2, ONE)])
        assert collect("query", c.directory, "loss").status == 0
        wait_until(lambda: newest_reaches(target, 2))
        wait_until(lambda: c.err.count("backup: ") >= 3 and len(stamps(target)) == 2)
        c.stop()
    assert "error" not in c.err
    for name in stamps(target):
        check_sound(target / name)
    with Running(tmp_path):
        pass
    assert len(stamps(target)) == 2


def test_elsewhere_or_not(tmp_path):
    """Where the place cannot be written that is said, and all else goes on."""
    with Running(tmp_path, "--backup-every", "1s", "--backup", tmp_path / "none" / "none") as c:
        send(c.target, [extended(1, ONE)])
        assert collect("query", c.directory, "loss").status == 0
        c.process.wait_err("none/none: cannot be made: No such file or directory; tried again in 1 s")
        (tmp_path / "none").mkdir()
        wait_until(lambda: newest_reaches(tmp_path / "none" / "none", 1))
        c.stop()
    with Running(tmp_path, "--backup-every", "1s", "--backup", "off") as c:
        for number in range(2, 6):  # a second between two seals
            send(c.target, [extended(number, ONE)])
            assert collect("query", c.directory, "loss").status == 0
        c.stop()
        assert "backup" not in c.err
    assert not (tmp_path / "data" / "backup").exists()


def test_no_room(kept, tmp_path):
    """A database that is too large for a backup beside it: that is said, and none is made."""
    db = sqlite3.connect(str(kept / "dnsflow.db"))
    db.execute("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 60000) INSERT INTO answers"
               " SELECT 'com.example.' || n || hex(zeroblob(450)), 16, 'a', 2000000000, 2000000000, 1, 1 FROM r")
    db.commit()
    db.close()
    assert os.stat(str(kept / "dnsflow.db")).st_size > 49 << 20
    with Running(tmp_path, "--backup-every", "1s", "--max-size", "256M", directory=kept) as c:
        c.process.wait_err("warning: backup: there is none, as dnsflow.db has ")
        c.stop()
    assert "may take 48; --backup names another place, --max-size makes room" in c.err and not (kept / "backup").exists()


def test_status_tells(kept):
    """What backups below the directory take, beside what they share with the store."""
    assert "backup" not in collect("status", kept).out.decode()
    backed_up(kept, kept / "backup")
    assert re.search(r"\n +1 backup, [\d.]+ KiB beside what they share with it\n", collect("status", kept).out.decode())


@pytest.mark.parametrize("words, says", [(("--backup-every", "0d"), "expected a time, such as 12h or 7d"),
                                         (("--backup-every", "7"), "expected a time"),
                                         (("--backup-every", "1w"), "expected a time"),
                                         (("--backup", ""), "expected a file name")])
def test_wrong_options(tmp_path, words, says):
    done = run([COLLECT, "run", "--directory", tmp_path / "data", *AS_ROOT, *words])
    assert done.status == 2 and done.err.count("\n") == 1 and says in done.err


def test_reload_names_it(tmp_path):
    """What has changed of it comes with the next start."""
    config = tmp_path / "collect.conf"
    config.write_text("backup off\n")
    with Running(tmp_path, "--config", config) as c:
        config.write_text("backup-every 2d\n")
        os.kill(c.process.process.pid, 1)
        c.process.wait_err("what has changed of --backup, --backup-every comes with the next start")
        c.stop()


def test_going_back(tmp_path):
    """What came after the backup is brought in out of the old journal, once."""
    with Running(tmp_path) as c:
        send(c.target, [extended(number, ONE) for number in range(1, 101)])
        copy = backed_up(c.directory, tmp_path / "target")
        send(c.target, [extended(number, ONE) for number in range(101, 151)])
        c.stop()
    before = sums(c.directory), lookups(c.directory), answers(c.directory)
    run(["cp", "-a", copy, tmp_path / "again"])
    run(["cp", "-a", "%s/journal/." % c.directory, tmp_path / "again" / "journal"])
    with Running(tmp_path, directory=tmp_path / "again") as c:
        assert collect("query", c.directory, "loss").status == 0
        assert (sums(c.directory), lookups(c.directory), answers(c.directory)) == before
        send(c.target, [extended(151, ONE)])
        c.stop()
    assert before[0]["records"] == 150 and sums(c.directory)["records"] == 151
    check_sound(c.directory)
