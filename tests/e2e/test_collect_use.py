# SPDX-License-Identifier: BSD-3-Clause
"""The collector's command line: what it refuses, what it says, and in which form."""

import csv
import io
import json
import re
import subprocess

import pytest
from collecting import AS_ROOT, COLLECT, collect, imported, needs_collector
from conftest import CAPTURES, Background, made_capture, need, needs_root, ok, run, wait_until

pytestmark = needs_collector


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store of 300 records."""
    folder = tmp_path_factory.mktemp("kept")
    ok("-r", made_capture(folder / "in.pcap", 300, clients=3), "-x", "-w", folder / "out.pcap")
    imported(folder / "data", folder / "out.pcap")
    return folder / "data"


def rows(kept, *question, status=0):
    done = collect("query", kept, *question, "--format", "ndjson")
    assert done.status == status, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def names_of(kept):
    done = subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys; print('\\n'.join(r[0] for r in sqlite3.connect("
                           "sys.argv[1]).execute('SELECT DISTINCT name FROM answers_text')))", str(kept / "dnsflow.db")],
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split()


WRONG = [
    ((), "no verb: expected one of run, query, status, import, check, export, sql, backup"),
    (("what",), "what: expected one of run, query"),
    (("--what",), "--what: expected one of run"),
    (("query",), "no question: expected name, below, contains, address, at, who, client, rcode, new, top, series, sensors, streams, loss, summary or rdata"),
    (("query", "what"), "argument what: expected name, below, contains, address, at, who, client, rcode, new, top, series, sensors, streams, loss, summary or rdata"),
    (("query", "name"), "query name: expected NAME behind it, or @FILE"),
    (("query", "client"), "query client: expected ADDRESS behind it"),
    (("query", "name", "192.0.2.1"), "expected a name, not an address"),
    (("query", "name", "*.example.com"), "expected a whole name"),
    (("query", "name", ""), "expected a whole name"),
    (("query", "name", "a..b"), "expected something between two dots"),
    (("query", "client", "www.example.com"), "expected an IPv4 or IPv6 address"),
    (("query", "client", "192.0.2.0/24"), "expected an IPv4 or IPv6 address, not a prefix\n"),
    (("query", "client", "192.0.2.999"), "expected an IPv4 or IPv6 address\n"),
    (("query", "client", "www.example.com"), "did you mean \"who www.example.com\"?"),
    (("query", "address", "www.example.com"), "or a prefix; did you mean \"name www.example.com\"?"),
    (("query", "address", "192.0.2.0/33"), "or a prefix such as 192.0.2.0/24"),
    (("query", "top"), "query top: expected one of: names, domains, clients"),
    (("query", "new"), "query new: expected one of: names, domains"),
    (("query", "loss", "more"), "expected nothing behind loss"),
    (("query", "name", "@"), "expected a file behind @"),
    (("query", "loss", "--format", "xml"), "expected one of: table, json, ndjson, csv"),
    (("query", "loss", "--limit", "-1"), "option --limit -1: expected"),
    (("query", "loss", "--since", "today", "--until", "2000-01-01"), "expected the first to be before the second"),
    (("sql", "--format", "cof"), "expected one of: table, json, ndjson, csv"),
    (("backup",), "no target: expected a directory for the copies"),
    (("export", "--since", "2h", "--until", "3h"), "expected the first to be before the second"),
    (("import",), "no file: expected one or more"),
    (("run", "-l", "example.com:53"), "option -l/--listen example.com:53: expected ADDR:PORT"),
    (("run", "--allow", "10.0.0.0/33"), "option --allow 10.0.0.0/33: expected"),
    (("run", "--max-size", "1K"), "option --max-size 1K: expected a number of bytes"),
    (("run", "--max-size", "20X"), "option --max-size 20X: expected"),
    (("run", "--max-age", "0"), "option --max-age 0: expected"),
    (("run", "--sync", "often"), "expected one of: 1s, always, never"),
    (("run", "--auth-key", "/nonexistent"), "/nonexistent"),
    (("run", "--user", "nobody-of-that-name"), "there is no such user"),
    (("run", "--directory", ""), "option --directory"),
]


@pytest.mark.parametrize("words, says", WRONG, ids=[" ".join(w) or "nothing" for w, _ in WRONG])
def test_wrong_use(words, says):
    """One line that names the thing and what is expected; status 2."""
    done = run([COLLECT, *words])
    assert done.status == 2 and done.out == b"" and done.err.count("\n") == 1, done
    assert done.err.startswith("dnsflow_collect: ") and says in done.err


@pytest.mark.parametrize("verb", ["run", "query", "status", "import", "check", "export", "backup", "sql", "forget", "replay"])
def test_help(verb):
    done = run([COLLECT, verb, "--help"])
    assert done.status == 0 and done.err == "" and done.out.startswith(b"usage: dnsflow_collect %s" % verb.encode())
    assert max(len(line) for line in done.out.split(b"\nExamples")[0].splitlines()) <= 80
    assert all(byte in b"\n" or 32 <= byte < 127 for byte in done.out)


def test_questions_in_help():
    """All of them, with what they are about, as the line has it that wants it."""
    listed = run([COLLECT, "query", "--help"]).out.decode().partition("\nQuestions:\n")[2].splitlines()
    rows = [re.fullmatch(r"  ([a-z]+)(?: ([A-Z]+))? +(\S.*)", line).groups() for line in listed]
    known = re.search("expected (.*)$", run([COLLECT, "query", "what"]).err.strip())[1].replace(" or ", ", ").split(", ")
    assert [name for name, _, _ in rows] == known
    for name, about, _ in rows:
        if about:
            expected = "one of: " if about == "WHAT" else about + " behind it"
            assert "query %s: expected %s" % (name, expected) in run([COLLECT, "query", name]).err


def test_listen_without_a_port(tmp_path):
    """-l alone is the usual port; whether somebody has it or not, it is named."""
    with Background([COLLECT, "run", "-l", "--directory", tmp_path / "data", *AS_ROOT], tmp_path) as process:
        wait_until(lambda: ":5300" in process.err)


@pytest.mark.parametrize("verb", ["query", "status", "check", "export", "sql"])
def test_no_directory(tmp_path, verb):
    done = collect(verb, tmp_path / "none", *(("loss",) if verb == "query" else ()))
    assert done.status == 1 and done.err.count("\n") == 1 and "none" in done.err and "No such file" in done.err


@needs_root
def test_directory_of_the_service(kept, tmp_path):
    """Who only asks need not name it, where there is no ./dnsflow-data; who may not read it hears who may."""
    need("unshare", "setpriv")
    line = 'mount -t tmpfs tmpfs /var/lib && cp -a "$1" /var/lib/dnsflow-collect && cp "$2" /var/lib/program && shift 2 && exec "$@"'

    def asked(*argv):
        return run(["unshare", "--mount", "sh", "-c", line, "sh", kept, COLLECT, *argv], cwd=tmp_path)

    nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    for words in (("status",), ("query", "loss"), ("check",), ("export", "-w", "/dev/null"), ("sql", "VALUES(1)"),
                  ("backup", "/var/lib/target"), ("annotate", "--fields", "time=t", "/dev/null")):
        done = asked("/var/lib/program", *words)
        assert done.status == 0, done.err
    for words in ("status",), ("query", "loss"):
        done = asked(*nobody, "/var/lib/program", *words)
        assert done.status == 1 and done.err.count("\n") == 1, done.err
        assert "/var/lib/dnsflow-collect" in done.err and "Permission denied; its owner and its group may read it\n" in done.err
    (tmp_path / "dnsflow-data").mkdir()
    done = asked("/var/lib/program", "query", "loss")
    assert done.status == 1 and "./dnsflow-data/dnsflow.db: No such file" in done.err


def test_foreign_directory(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for words in (["run", "-l", "127.0.0.1:0"], ["import", tmp_path / "mine.txt"]):
        done = run([COLLECT, words[0], "--directory", tmp_path, *AS_ROOT, *words[1:]])
        assert done.status == 1 and "holds other things (mine.txt)" in done.err and done.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_several_at_once(kept, tmp_path):
    """Each row says what it is about; a list may have blanks, comments and a mark at its start."""
    names = names_of(kept)[:3]
    found = rows(kept, "who", *names)
    assert {row["name"] for row in found} == set(names)
    clients = sorted({row["client"] for row in found})
    assert {row["client"] for row in rows(kept, "client", *clients)} == set(clients)
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf" + names[0].encode() + b"\r\n\n  # a comment\n \t" + names[1].encode() + b"  \n" +
                     names[2].upper().encode())
    assert rows(kept, "who", "@%s" % path) == found
    path.write_text("%s\na..b\n%s\n" % (names[0], names[1]))
    done = collect("query", kept, "who", "@%s" % path, "--format", "ndjson")
    assert done.status == 1 and "line 2: a..b: expected" in done.err and done.err.count("\n") == 1
    assert {json.loads(line)["name"] for line in done.out.splitlines()} == set(names[:2])
    done = collect("query", kept, "who", "@%s" % tmp_path)
    assert done.status == 1 and "Is a directory" in done.err


def test_formats(kept):
    """The same rows in each."""
    name = names_of(kept)[0]
    want = rows(kept, "name", name)
    assert len(want) > 0 and json.loads(collect("query", kept, "name", name, "--format", "json").out) == want
    text = collect("query", kept, "name", name, "--format", "csv").out.decode()
    assert [dict(r, count=int(r["count"])) for r in csv.DictReader(io.StringIO(text, newline=""))] == want
    lines = collect("query", kept, "name", name).out.decode().splitlines()
    assert lines[0].split() == list(want[0]) and len(lines) == 1 + len(want)
    assert "\033" not in lines[0]
    assert collect("query", kept, "name", name, "--color", "always").out.startswith(b"\033[1m")
    assert collect("query", kept, "name", "none.example", "--format", "json").out == b"[]\n"


def test_limits_and_times(kept):
    name = names_of(kept)[0]
    found = rows(kept, "name", name)
    done = collect("query", kept, "client", rows(kept, "who", name)[0]["client"], "--limit", "1", "--format", "csv")
    assert len(done.out.splitlines()) == 2 and "there is more: --limit is 1" in done.err
    assert len(rows(kept, "loss", "--limit", "0")) > 2 and [len(rows(kept, "loss", "--limit", n)) for n in (1, 2)] == [1, 2]
    last = max(row["last"] for row in found)
    assert rows(kept, "name", name, "--since", last) == [r for r in found if r["last"] >= last]
    assert rows(kept, "name", name, "--until", "1999-01-01") == []
    done = collect("query", kept, "who", "none.example", "--since", "1999-01-01")
    assert done.status == 0 and done.out == b""
    assert "nothing was found of none.example in that time; what is kept was seen from 20" in done.err


@pytest.mark.parametrize("words", [("query", "loss"), ("status",), ("check",), ("export",), ("sql", "SELECT * FROM lookups")])
def test_full_output(kept, words):
    with open("/dev/full", "wb") as full:
        done = run([COLLECT, words[0], "--directory", kept, *words[1:]], stdout=full)
    assert done.status == 1 and "No space left on device" in done.err


@pytest.mark.parametrize("words", [("query", "loss"), ("status",), ("check",), ("export",), ("sql", "SELECT * FROM lookups")])
def test_closed_pipe(kept, words):
    process = subprocess.Popen([COLLECT, words[0], "--directory", str(kept), *words[1:]], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(20) in (0,), process.stderr.read()
    process.stderr.close()


def test_damage_is_found(tmp_path):
    """Of a partition, a missing one, and the database."""
    ok("-r", made_capture(tmp_path / "in.pcap", 300), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    assert collect("check", tmp_path / "data").out.count(b"all whole") == 2
    part, = (tmp_path / "data" / "lookups").iterdir()
    whole = part.read_bytes()
    part.write_bytes(whole[:8192] + bytes(8192) + whole[16384:])
    done = collect("check", tmp_path / "data")
    assert done.status == 1 and part.name in done.err, done
    part.unlink()
    done = collect("check", tmp_path / "data")
    assert done.status == 1 and "is not there" in done.err
    done = collect("query", tmp_path / "data", "who", "www.example.com")
    assert "1 files of lookups are not there" in done.err
    part.write_bytes(whole)
    assert collect("check", tmp_path / "data").status == 0
    (tmp_path / "data" / "dnsflow.db").write_bytes(b"nothing that SQLite knows" * 100)
    done = collect("check", tmp_path / "data")
    assert done.status == 1 and "not a database" in done.err and "sets it aside" in done.err


def test_import_of_dns(tmp_path):
    """A capture of DNS is no capture of datagrams, and what to do is said."""
    done = collect("import", tmp_path / "data", *AS_ROOT, CAPTURES / "made_le_us.pcap")
    assert done.status == 1 and "dnsflow -r FILE -x -w - | dnsflow_collect import -" in done.err
