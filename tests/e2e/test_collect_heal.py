# SPDX-License-Identifier: BSD-3-Clause
"""What somebody does to the collector's files while it runs, much at a time, and many who ask."""

import os
import re
import signal
import subprocess

from collecting import COLLECT, Running, check_sound, collect, lookups, needs_collector, send, sums
from conftest import wait_until
from datagrams import datagram, extended, set4

pytestmark = needs_collector


def numbered(*numbers):
    one = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])
    return [extended(n, one) for n in numbers]


def seal(c):
    assert collect("query", c.directory, "loss").status == 0


def kept(c):
    return sum(one[0] for one in lookups(c.directory).values())


def kill_all(c):
    for pid in c.process.process.pid, *c.roles().values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: collect("status", c.directory).out.startswith(b"collector  not running"))


def test_database_is_removed(tmp_path):
    """It is made anew, with all that has become a partition, and what comes later."""
    with Running(tmp_path) as c:
        send(c.target, numbered(*range(1, 101)))
        seal(c)
        roles = c.roles()
        for name in ("dnsflow.db", "dnsflow.db-wal", "dnsflow.db-shm"):
            os.unlink(c.directory / name)
        for role in ("store", "tidy"):
            c.wait_replaced(role, roles[role])
        assert c.err.count("dnsflow.db has been removed or replaced, and is opened anew") == 1
        wait_until(lambda: collect("query", c.directory, "loss").status == 0)
        send(c.target, numbered(*range(101, 151)))
        seal(c)
        c.stop()
    assert kept(c) == 150
    check_sound(c.directory)


def test_journal_is_removed(tmp_path):
    """The next block goes into a new file, and one line says that something is lost."""
    with Running(tmp_path) as c:
        send(c.target, numbered(*range(1, 11)))
        seal(c)
        file, = (c.directory / "journal").iterdir()
        os.unlink(file)
        send(c.target, numbered(*range(11, 21)))
        c.process.wait_err("journal: its last file has been removed")
        send(c.target, numbered(*range(21, 31)))
        wait_until(lambda: collect("query", c.directory, "loss").status == 0 and kept(c) >= 20)
        c.stop()
    assert len(list((c.directory / "journal").iterdir())) == 1
    assert c.err.count("has been removed") == 1
    check_sound(c.directory)


def test_reloading_is_no_time_without(tmp_path):
    """What is missing over a SIGHUP was lost on the way."""
    with Running(tmp_path) as c:
        send(c.target, numbered(*range(1, 11)), source="127.0.0.2")
        roles = c.roles()
        os.kill(c.process.process.pid, 1)
        c.wait_replaced("receive", roles["receive"])
        wait_until(lambda: len(c.roles()) == 3)
        c.stop()
    assert sums(c.directory)["down"] == 0


def test_many_ask(tmp_path):
    """Each in its turn; nobody is told that the collector does not answer."""
    with Running(tmp_path) as c:
        send(c.target, numbered(1, 2, 3))
        asking = [subprocess.Popen([COLLECT, "query", "--directory", str(c.directory), "--format", "csv", "name", "a.example"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(80)]
        said = [one.communicate(timeout=60) for one in asking]
        c.stop()
    assert all(re.search(rb"a.example,A,192.0.2.1,3,", out) and not err for out, err in said), set(said)


def test_killed_for_good(tmp_path):
    """What the journal alone has is missing in every answer, which each says; the next start brings it in."""
    said = "no collector runs, and 40 records of the journal, which the last one could not bring in, are missing\n"
    flows = tmp_path / "flows.ndjson"
    flows.write_text('{"client": "10.0.0.1", "server": "192.0.2.1", "time": 1600000000}\n')
    with Running(tmp_path) as c:
        send(c.target, numbered(*range(1, 11)))
        seal(c)
        send(c.target, numbered(*range(11, 51)))
        wait_until(lambda: collect("check", c.directory).out.count(b"50 records"), step=0.1)
        kill_all(c)
    for words in (("query", "name", "a.example"), ("query", "loss"), ("sql", "SELECT 1"), ("annotate", flows), ("export", "--format", "csv")):
        done = collect(words[0], c.directory, *words[1:])
        assert done.status == 0 and done.err.count(said) == 1, done
    assert "missing" not in collect("query", c.directory, "--no-refresh", "loss").err
    with Running(tmp_path) as c:
        c.stop()
    assert collect("query", c.directory, "name", "a.example").err == ""
    assert kept(c) == 50


def put_block(c, number):
    """A block of 10 records in the journal, whose size is returned."""
    name = ["b%d.example" % number]
    send(c.target, [extended(10 * number + i, set4("10.0.0.1", "10.0.0.53", name, ["192.0.2.1"])) for i in range(10)])
    wait_until(lambda: b"%d records" % (10 * number) in collect("check", c.directory).out)
    file, = (c.directory / "journal").iterdir()
    return file, os.path.getsize(file)


def test_power_is_lost(tmp_path):
    """The journal was not on the disk yet, but a store had it: what comes then is not taken for what is gone."""
    store = "--store", "file,path=%s/out/%%Y.ndjson" % tmp_path
    with Running(tmp_path, *store) as c:
        file, size = [put_block(c, number) for number in range(1, 7)][2]
        wait_until(lambda: "done block 6\n" in (c.directory / "feeds" / "file").read_text())
        kill_all(c)
    os.truncate(file, size)
    with Running(tmp_path, *store) as c:
        for number in range(7, 13):
            send(c.target, [extended(number, set4("10.0.0.1", "10.0.0.53", ["b%d.example" % number], ["192.0.2.1"]))])
            seal(c)
        c.stop()
    path, = (tmp_path / "out").iterdir()
    rows = path.read_text()
    assert [rows.count('"b%d.example"' % number) for number in range(1, 13)] == 6 * [10] + 6 * [1]
    assert kept(c) == 36
    check_sound(c.directory)


def received(c):
    c.process.process.send_signal(signal.SIGUSR1)
    return int(([0] + re.findall(r"datagrams: (\d+) received", c.err))[-1])


def test_more_than_fits_in_memory(tmp_path):
    """What is sorted for a seal goes to files then, which the store may make below its directory alone."""
    domains = ["n%06d.example" % i for i in range(90000)]
    sets = [set4("10.0.0.%d" % (i % 250), "10.0.0.53", [name], ["192.0.2.9"]) for i, name in enumerate(domains)]
    with Running(tmp_path) as c:
        for number in range(1, 451):
            send(c.target, [datagram(number, *sets[200 * (number - 1):200 * number])])
            if number % 10 == 0:  # there is little room in a socket that root has not opened
                wait_until(lambda: received(c) == number, step=0.05)
        c.stop()
        assert "error" not in c.err
        assert c.ledger()[1] == 450
    assert len(lookups(c.directory)) == len(sets)
    check_sound(c.directory)
