# SPDX-License-Identifier: BSD-3-Clause
"""SQL over what is kept: the same as questions give, and nothing that writes."""

import collections
import csv
import hashlib
import io
import json
import os
import re
import signal
import subprocess

import pytest
from collecting import COLLECT, Running, collect, imported, needs_collector, send
from conftest import BASE_US, RAW, TOP, made_capture, ok, run, wait_until, write_pcap
from datagrams import extended, packet, set4

pytestmark = needs_collector

ONE = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store of 900 records, in twelve files of lookups: SQLite attaches ten."""
    folder = tmp_path_factory.mktemp("kept")
    for part in range(12):
        ok("-r", made_capture(folder / "in.pcap", 75, clients=3), "-x", "--sensor-id", part, "-w", folder / "out.pcap")
        imported(folder / "data", folder / "out.pcap")
    assert len(list((folder / "data" / "lookups").iterdir())) == 12
    return folder / "data"


def sql(kept, *statements, status=0, **more):
    done = collect("sql", kept, "--format", "json", *statements, **more)
    assert done.status == status, done
    return json.loads(done.out)


def names_of(kept):
    return [row["name"] for row in sql(kept, "SELECT DISTINCT name FROM answers_text ORDER BY 1")]


def questioned(kept, *question):
    done = collect("query", kept, *question, "--format", "json", "--limit", "0")
    assert done.status == 0, done.err
    return json.loads(done.out)


def folded(rows, *columns):
    """{values of the columns: sum of their counts}"""
    sums = collections.Counter()
    for row in rows:
        sums[tuple(row[c] for c in columns)] += row["count"]
    return sums


LOOKUP = "client", "name", "resolver", "type", "rcode"


def test_lookups_are_those_of_questions(kept):
    """Of a name, of a client, of both, of all."""
    everything = sql(kept, "SELECT * FROM lookups")
    assert len(everything) == 900 and sql(kept, "SELECT sum(count) AS n FROM lookups") == [{"n": 900}]
    for name in names_of(kept)[:4]:
        want = folded(questioned(kept, "who", name), *LOOKUP)
        assert folded(sql(kept, "SELECT * FROM lookups WHERE name = '%s'" % name.upper()), *LOOKUP) == want
        assert {key: n for key, n in folded(everything, *LOOKUP).items() if key[1] == name} == want
    for client in {row["client"] for row in everything}:
        want = folded(questioned(kept, "client", client), *LOOKUP)
        assert folded(sql(kept, "SELECT * FROM lookups WHERE client = '%s'" % client), *LOOKUP) == want
        name = next(key[1] for key in want)
        both = "SELECT * FROM lookups WHERE client = '%s' AND name = '%s'" % (client, name)
        assert folded(sql(kept, both), *LOOKUP) == {key: n for key, n in want.items() if key[1] == name}


def test_answers_are_those_of_questions(kept):
    rows = sql(kept, "SELECT name, type, rdata, count FROM answers_text")
    for name in names_of(kept)[:4]:
        want = folded(questioned(kept, "name", name), "name", "type", "rdata")
        assert folded([row for row in rows if row["name"] == name], "name", "type", "rdata") == want
        quick = sql(kept, "SELECT name_text(rname) AS name, type_text(type) AS type, address_text(rdata) AS rdata, count"
                          " FROM answers WHERE rname = rname('%s')" % name)
        assert folded(quick, "name", "type", "rdata") == want


def test_names_of_every_kind(tmp_path):
    """A name is found as it is printed, with all bytes that it may have."""
    odd = set4("10.0.0.1", "10.0.0.53", ["a"], ["192.0.2.1"]).replace(b"\x01a\x00", b"\x01.\x00")
    with Running(tmp_path) as c:
        send(c.target, [extended(1, odd), extended(2, odd.replace(b"\x01.\x00", b"\x01'\x00")),
                        extended(3, odd.replace(b"\x01.\x00", b"\x01\xff\x00"))])
        rows = sql(c.directory, "SELECT name FROM lookups")
        assert len(rows) == 3
        for row in rows:
            where = "SELECT name FROM lookups WHERE name = '%s'" % row["name"].replace("'", "''")
            assert sql(c.directory, where) == [row]
        c.stop()


TIMES = [("last >= '2023-11-14 22:13:20'", 1), ("first > '2023-11-14 22:13:21'", 0), ("last < '2023-11-14'", 0),
         ("first <= '2023'", 0), ("first >= '2023' AND last < '2024'", 1), ("last BETWEEN '2023' AND '2024'", 1),
         ("last > 5", 0), ("name IS NULL", 0), ("name = NULL", 0), ("name = 5", 0), ("client = '10.8.0.1.'", 0),
         ("name = 'a..b'", 0), ("name LIKE '%.made.example'", 1), ("name IN ('h1.made.example', 'none')", 12 / 900),
         ("rowid > 0", 1)]


@pytest.mark.parametrize("where, share", TIMES, ids=[w for w, _ in TIMES])
def test_where(kept, where, share):
    """What is passed over is what is not asked for."""
    assert sql(kept, "SELECT count(*) AS n FROM lookups WHERE " + where) == [{"n": round(900 * share)}]


WRITES = ["VACUUM", "VACUUM INTO '%s/new.db'", "ATTACH '%s/new.db' AS n", "DETACH main", "CREATE TABLE n(a)",
          "CREATE TEMP TABLE n(a)", "CREATE TEMP VIEW n AS SELECT 1", "INSERT INTO answers SELECT * FROM answers",
          "DELETE FROM minutes", "UPDATE streams SET port = 1", "UPDATE lookups SET count = 1", "DROP VIEW answers_text",
          "REPLACE INTO position SELECT * FROM position", "PRAGMA query_only = 0", "PRAGMA journal_mode = DELETE",
          "PRAGMA writable_schema = 1", "PRAGMA user_version = 9", "PRAGMA wal_checkpoint(TRUNCATE)",
          "PRAGMA trusted_schema = 1", "PRAGMA temp_store_directory = '%s'", "PRAGMA incremental_vacuum(1)",
          "PRAGMA optimize", "BEGIN IMMEDIATE", "BEGIN", "SAVEPOINT a", "COMMIT", "ANALYZE", "REINDEX",
          "SELECT load_extension('%s/new.so')", "CREATE VIRTUAL TABLE temp.n USING fts5(a)", "ALTER TABLE answers RENAME TO b",
          "EXPLAIN DELETE FROM minutes", "WITH a AS (SELECT 1) DELETE FROM minutes", "SELECT 1; DELETE FROM minutes"]


def fingerprint(folder):
    return {str(p): (hashlib.sha256(p.read_bytes()).digest(), p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name != "lock"}


def test_nothing_can_be_written(kept, tmp_path):
    before = fingerprint(kept)
    for statement in WRITES:
        statement = statement.replace("%s", str(tmp_path))
        done = collect("sql", kept, statement)
        assert done.status == 1 and done.err.count("\n") == 1, (statement, done)
        assert any(says in done.err for says in ("only what reads is allowed here", "may not be modified")), (statement, done)
    assert fingerprint(kept) == before and list(tmp_path.iterdir()) == []


def test_nothing_can_be_written_beside_a_collector(tmp_path):
    with Running(tmp_path) as c:
        send(c.target, [extended(1, ONE)])
        assert sql(c.directory, "SELECT name, count FROM lookups") == [{"name": "a.example", "count": 1}]
        for statement in WRITES:
            assert collect("sql", c.directory, "--no-refresh", statement.replace("%s", str(tmp_path / "new"))).status == 1
        assert sql(c.directory, "SELECT count(*) AS n FROM minutes") == [{"n": 1}]
        c.stop()
    assert not (tmp_path / "new").exists() and "error" not in c.err


ENDLESS = ["WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
           "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
           "SELECT count(*) FROM lookups a, lookups b, lookups c, lookups d"]


@pytest.mark.parametrize("statement", ENDLESS)
def test_what_does_not_end(kept, statement):
    """It is ended by its time, and by SIGINT."""
    done = run(["bash", "-c", "\"$@\" >/dev/null", "bash", COLLECT, "sql", "--directory", kept, "--timeout", "1", statement])
    assert done.status == 1 and done.err == "dnsflow_collect: the statement took longer than 1 s; --timeout says how " \
        "long it may take\n"
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen([COLLECT, "sql", "--directory", str(kept), statement], stdout=null)
    wait_until(lambda: int(open("/proc/%d/stat" % process.pid).read().rsplit(")", 1)[1].split()[11]) > 5)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT


@pytest.mark.parametrize("statement", ["SELECT length(hex(randomblob(100000000)))",
                                       "SELECT group_concat(a.name) FROM lookups a, lookups b, lookups c",
                                       "SELECT " + "(" * 2000 + "1" + ")" * 2000, "SELECT replace(hex(zeroblob(9000000)), '0', 'aaaa')"])
def test_what_is_too_much(kept, statement):
    """One line, and no more memory than is allowed."""
    done = collect("sql", kept, "--timeout", "15", statement, timeout=60)
    assert done.status == 1 and done.err.count("\n") == 1 and len(done.err) < 600, done


def test_formats(kept):
    statement = "SELECT name, count, 1.5 AS real, NULL AS nil, x'0aff' AS bytes, '=1' AS formula, 7 AS seven FROM " \
                "answers_text ORDER BY 1 LIMIT 2"
    want = sql(kept, statement)
    assert want[0] == {"name": "h0.made.example", "count": 12, "real": 1.5, "nil": None, "bytes": "x'0aff'",
                       "formula": "=1", "seven": 7}
    lines = collect("sql", kept, statement, "--format", "ndjson").out.splitlines()
    assert [json.loads(line) for line in lines] == want
    rows = list(csv.reader(io.StringIO(collect("sql", kept, statement, "--format", "csv").out.decode(), newline="")))
    assert rows[0] == list(want[0]) and rows[1] == ["h0.made.example", "12", "1.5", "", "x'0aff'", "'=1", "7"]
    table = collect("sql", kept, statement).out.decode().splitlines()
    assert table[0].split() == list(want[0]) and table[1].split() == ["h0.made.example", "12", "1.5", "-", "x'0aff'", "=1", "7"]
    assert collect("sql", kept, "SELECT 1 AS a WHERE 0", "--format", "csv").out == b"a\r\n"
    assert sql(kept, "SELECT 1 WHERE 0") == []
    assert sql(kept, "SELECT 9e999 AS a, -1e300 AS b") == [{"a": "Inf", "b": -1e300}]
    assert len(sql(kept, "SELECT * FROM streams")) == 12
    assert collect("sql", kept, "SELECT 1", "--color", "always").out.startswith(b"\033[1m")


def test_several_statements(kept):
    """As arguments, in one of them, and on lines; the first that is wrong ends it."""
    for words, data in ((("SELECT 1", "SELECT 2; SELECT 3"), None), ((), b"SELECT\n1; -- one\nSELECT 2; SELECT\n 3"),
                        ((), b"SELECT 1;SELECT 2;SELECT 3;\n\n-- ;\n")):
        done = run([COLLECT, "sql", "--directory", kept, "--format", "csv", *words], **({"data": data} if data else {}))
        assert done.status == 0 and done.out == b"1\r\n1\r\n2\r\n2\r\n3\r\n3\r\n", done
    done = run([COLLECT, "sql", "--directory", kept, "--format", "csv"], data=b"SELECT 1;\nSELEC 2;\nSELECT 3;\n")
    assert done.status == 1 and done.out == b"1\r\n1\r\n" and done.err == 'dnsflow_collect: near "SELEC": syntax error\n'
    done = run([COLLECT, "sql", "--directory", kept], data=b"SELECT '" + b"a" * (1 << 21))
    assert done.status == 1 and "expected a statement of less than 1048576 bytes" in done.err
    assert run([COLLECT, "sql", "--directory", kept], data=b"").status == 0


def test_what_is_there_can_be_asked(kept):
    assert {"lookups", "answers_text"} <= {row["name"] for row in sql(kept, "PRAGMA module_list")} | \
        {row["name"] for row in sql(kept, "PRAGMA table_list")}
    assert [row["name"] for row in sql(kept, "PRAGMA table_xinfo(lookups)")][:2] == ["client", "name"]
    plan = sql(kept, "EXPLAIN QUERY PLAN SELECT * FROM answers WHERE rname = rname('a.example')")
    assert "SEARCH answers USING PRIMARY KEY (rname=?)" in plan[0]["detail"]


@pytest.mark.parametrize("words, status, says", [
    (("--format", "cof"), 2, "expected one of: table, json, ndjson, csv"), (("--timeout", "-1"), 2, "expected a number"),
    (("SELECT * FROM none",), 1, "no such table: none"), (("SELECT",), 1, "incomplete input"),
    (("SELECT " + ",".join("1" for _ in range(65)),), 1, "65 columns: expected at most 64")])
def test_wrong(kept, words, status, says):
    done = collect("sql", kept, *words)
    assert done.status == status and done.err.count("\n") == 1 and says in done.err and done.out == b"", done


def test_files_that_are_gone_or_damaged(tmp_path):
    """What is missing is said; what is damaged is an error that names the file."""
    ok("-r", made_capture(tmp_path / "in.pcap", 300), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    part, = (tmp_path / "data" / "lookups").iterdir()
    whole = part.read_bytes()
    part.write_bytes(b"nothing that SQLite knows" * 1000)
    done = collect("sql", tmp_path / "data", "SELECT count(*) FROM lookups")
    assert done.status == 1 and done.err.count("\n") == 1 and part.name in done.err, done
    part.write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    assert collect("sql", tmp_path / "data", "SELECT sum(length(name)) FROM lookups").status == 1
    part.unlink()
    done = collect("sql", tmp_path / "data", "SELECT count(*) FROM lookups")
    assert done.status == 0 and done.err.startswith("the answer is partial: files of lookups are not there")


def test_statements_of_the_document(tmp_path):
    """Each of docs/COLLECTOR.md's table, on a store that has what it is after."""
    sets = [set4("10.0.0.9", "10.0.0.53", [name], ["192.0.2.1"]) for name in ("www.example.com",) * 2 + ("a.example", "b.example")]
    sets += [set4("10.0.0.9", "10.0.0.53", ["alias.example", "mail.example.com"], ["192.0.2.2"])]
    sets += [set4("10.0.0.8", "10.0.0.53", ["www.example.com"], ["192.0.2.1"])] * 7
    payload = extended(1, *sets, base=BASE_US)
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, [(BASE_US, packet(payload))]))
    text = (TOP / "docs" / "COLLECTOR.md").read_text()
    rows = [sql(tmp_path / "data", statement) for statement in re.findall(r'^\| .* \| `sql "(.*)"` \|$', text, re.M)]
    assert rows == [[{"client": "10.0.0.9", "names": 4, "lookups": 5}, {"client": "10.0.0.8", "names": 1, "lookups": 7}],
                    [{"name": "www.example.com", "lookups": 2}] + rows[1][1:],
                    [{"name": "alias.example", "type": "CNAME", "rdata": "mail.example.com"}],
                    [{"day": "2023-11-14", "lookups": 9}]]
    assert {row["name"]: row["lookups"] for row in rows[1][1:]} == {"a.example": 1, "b.example": 1, "alias.example": 1}
