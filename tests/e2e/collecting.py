# SPDX-License-Identifier: BSD-3-Clause
"""A collector with its directory, what comes to it, and what it keeps, read with Python's own SQLite."""

import calendar
import json
import os
import re
import signal
import socket
import sqlite3
import time

import pytest
from conftest import BUILD, READER, Background, run, wait_until
from processes import children_of

COLLECT = str(BUILD / "dnsflow_collect")

needs_collector = pytest.mark.skipif(not os.access(COLLECT, os.X_OK), reason="built without libzstd or SQLite")

LONG = bool(os.environ.get("DNSFLOW_TEST_LONG"))  # a minute of kills, where it is some seconds else

AS_ROOT = ("--user", "root") if os.geteuid() == 0 else ()


def collect(verb, directory, *options, **more):
    return run((COLLECT, verb, "--directory", directory) + options, **more)


def imported(directory, *files, **more):
    """What an import that ends well says."""
    done = collect("import", directory, *AS_ROOT, *files, **more)
    assert done.status == 0, done.err
    return done.err


class Running:
    """dnsflow_collect run, on a port of its own."""

    def __init__(self, tmp_path, *options, directory=None):
        self.directory = directory or tmp_path / "data"
        self.process = Background([COLLECT, "run", "--directory", self.directory, "-l", "127.0.0.1:0", *(() if "--user" in options else AS_ROOT),
                                   *(() if "--http" in options else ("--http", "off")), *options], tmp_path)

    def __enter__(self):
        self.process.__enter__()
        self.process.wait_err("]: ready\n")
        self.port = int(re.search(r"listening on 127\.0\.0\.1:(\d+)", self.process.err).group(1))
        return self

    def __exit__(self, *args):
        roles = self.roles() if self.process.process.poll() is None else {}
        self.process.__exit__(*args)
        for pid in roles.values():  # they end by themselves; what was killed must not stay
            wait_until(lambda: not os.path.exists("/proc/%d" % pid) or is_zombie(pid))

    @property
    def target(self):
        return "127.0.0.1:%d" % self.port

    @property
    def err(self):
        return self.process.err

    def roles(self):
        """{name: pid}"""
        found = {}
        for pid in children_of(self.process.process.pid):
            try:
                found[open("/proc/%d/comm" % pid).read().strip()] = pid
            except OSError:
                pass
        return found

    def kill(self, *names):
        for name, pid in self.roles().items():
            if name in names:
                os.kill(pid, signal.SIGKILL)

    def wait_replaced(self, name, pid):
        return wait_until(lambda: self.roles().get(name, pid) != pid)

    def stop(self, status=0, seconds=60):  # so much each role is given
        self.process.signal(signal.SIGTERM)
        assert self.process.wait(seconds) == status, self.err
        return self.err

    def ledger(self):
        """The receiver's last account."""
        line = re.findall(r"datagrams: (\d+) received = (\d+) journalled \+ (\d+) refused(?: \((.*?)\))? \+ "
                          r"(\d+) dropped(?: \((.*?)\))? \+ (\d+) waiting", self.err)[-1]
        received, journalled, refused, dropped, waiting = (int(line[i]) for i in (0, 1, 2, 4, 6))
        assert received == journalled + refused + dropped + waiting
        return received, journalled, refused, dropped, line[3], line[5]


def is_zombie(pid):
    try:
        return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def send(target, payloads, source=None):
    """Sends datagrams from one socket."""
    host, port = target.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        if source:
            s.bind((source, 0))
        for payload in payloads:
            s.sendto(payload, (host, int(port)))
        return s.getsockname()


def database(directory):
    return sqlite3.connect("file:%s/dnsflow.db?mode=ro" % directory, uri=True)


def answers(directory):
    """{(name, type, rdata): [count, first, last]}, as the query shows them."""
    db = database(directory)
    names = ["\\" + n if n.startswith("*") else n for n, in db.execute("SELECT DISTINCT name FROM answers_text")]
    db.close()
    done = run([COLLECT, "query", "--directory", directory, "--format", "ndjson", "--limit", "0", "name", "@-"],
               data="\n".join(names).encode(), timeout=60)
    assert done.status == 0, done.err
    found = {}
    for line in done.out.splitlines():
        row = json.loads(line)
        key = row["name"], row["type"], row["rdata"]
        assert key not in found, "once"
        found[key] = [row["count"], seconds_of(row["first"]), seconds_of(row["last"])]
    return found


def seconds_of(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def lookups(directory):
    """{(client, reversed name, resolver, type, rcode): [count, first, last]} over all partitions in use."""
    db = database(directory)
    files = [f for f, in db.execute("SELECT file FROM partitions WHERE replaced IS NULL")]
    db.close()
    sums = {}
    for name in files:
        part = sqlite3.connect("file:%s/lookups/%s?mode=ro" % (directory, name), uri=True)
        base, = part.execute("SELECT value FROM part WHERE key = 'base'").fetchone()
        for client, rname, resolver, kind, rcode, count, first, span in part.execute(
                "SELECT c.address, rname, r.address, k.type, k.rcode, rows.count, rows.first, rows.span FROM rows"
                " JOIN addresses c ON c.id = client JOIN names n ON n.id = rows.name JOIN kinds k ON k.id = kind"
                " JOIN addresses r ON r.id = k.resolver"):
            key = client, rname, resolver, kind, rcode
            one = sums.setdefault(key, [0, 1 << 60, 0])
            one[0] += count
            one[1] = min(one[1], base + first)
            one[2] = max(one[2], base + first + span)
        part.close()
    return sums


def check_sound(directory):
    """Every database is whole, and the catalogue tells what is there."""
    db = database(directory)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = db.execute("SELECT file, rows, lookups FROM partitions WHERE replaced IS NULL").fetchall()
    db.close()
    for name, count, total in rows:
        part = sqlite3.connect("file:%s/lookups/%s?mode=ro" % (directory, name), uri=True)
        assert part.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert part.execute("SELECT count(*), coalesce(sum(count), 0) FROM rows").fetchone() == (count, total)
        part.close()


def sums(directory):
    """Of the accounts: {column: sum}"""
    db = database(directory)
    columns = "datagrams records statistics network here down ring interface send made beside".split()
    row = db.execute("SELECT %s FROM minutes" % ", ".join("coalesce(sum(%s), 0)" % c for c in columns)).fetchone()
    db.close()
    return dict(zip(columns, row))


STAGES = ("tap interface ring refused held delivered messages unfit answered records made beside send network socket "
          "memory down journal expired stored").split()


def waterfalls(directory, *options):
    """{(source, sensor): {stage: count}} of `query loss`, each of which balances; `kept` are the records stored."""
    done = collect("query", directory, "loss", "--format", "ndjson", "--limit", "0", *options)
    assert done.status == 0, done.err
    ways = {}
    for row in map(json.loads, done.out.splitlines()):
        way = ways.setdefault((row["source"], row["sensor"]), {})
        stage = "kept" if (row["stage"], row["unit"]) == ("stored", "records") else row["stage"]
        assert stage not in way and row["estimated"] in ((None,) if row["count"] is None else ("yes", "no"))
        way[stage] = row["count"]
    for way in ways.values():
        assert list(way) == STAGES + ["kept", "difference"]
        assert way.pop("difference") == 0, way
        lost = sum(way[stage] or 0 for stage in "send network socket memory down journal expired".split())
        assert way["made"] + way["beside"] == lost + way["stored"]
        if way["tap"] is not None:
            assert way["tap"] == sum(way[s] for s in "interface ring refused held delivered".split())
            assert way["messages"] == way["unfit"] + way["answered"]
    return ways


def waterfall(directory, *options):
    """Of the one sensor that there is."""
    way, = waterfalls(directory, *options).values()
    return way


def reversed_name(name):
    """As the store has it, of a name as the reader prints it: for names without escapes."""
    return "" if name == "." else ".".join(reversed(name.lower().split(".")))


def journalled(directory):
    """(datagrams, records) of the journal, as `check` finds them."""
    done = collect("check", directory)
    assert done.status == 0, done.err
    return tuple(int(n) for n in re.search(rb"(\d+) datagrams, (\d+) records", done.out).groups())


def cof(path, *options):
    """{(name, type, rdata): [count, first, last]} of the reader's passive DNS."""
    done = run([READER, "-r", path, "--format", "cof", *options])
    assert done.status == 0, done.err
    found = {}
    for line in done.out.splitlines():
        row = json.loads(line)
        one = found.setdefault((row["rrname"], row["rrtype"], row["rdata"]), [0, 1 << 60, 0])
        one[0] += row["count"]
        one[1] = min(one[1], row["time_first"])
        one[2] = max(one[2], row["time_last"])
    return found
