# SPDX-License-Identifier: BSD-3-Clause
"""ClickHouse beside the embedded store: every question has the same answer, in both dialects; what is refused."""

import collections
import contextlib
import json
import shutil
import time

import pytest
from chdb_engine import Engine, Front
from clickhouse import ClickHouse, ZooKeeper, cluster, free_ports, needs_clickhouse, needs_zookeeper
from clickhouse_questions import PAGED, answered, command_questions, fill, over_http, pages, paths
from clickhouse_store import (ALSO, MICRO, TABLES, Load, Own, apply, check_once, check_unharmed, kept_at, kept_by,
                              merged, spec)
from collecting import COLLECT, Running, collect, needs_collector, send
from conftest import needs_root, release_build, run, wait_until
from datagrams import ONE, datagram, extended
from over_http import Served

pytestmark = needs_collector

Both = collections.namedtuple("Both", "directory source server how folder most")


@contextlib.contextmanager
def opened(kind, folder):
    """(server, what stands behind --store, how kept_at() asks it)"""
    if kind == "own":
        with Own() as server:
            yield server, spec(server.url, keys=server.keys, database=server.where), {"where": server.where, "time": MICRO}
    elif kind == "current":
        with Engine(folder) as engine, Front(engine) as front:
            yield engine, spec(front.url, keys=()), {"time": MICRO}
    else:
        with ClickHouse(folder) as server:
            yield server, spec(server.url), {}


@pytest.fixture(scope="module", params=["own"] if Own.url else ["2018", "current"])
def both(request, tmp_path_factory):
    """The same records in a directory and in the tables of a server."""
    folder = tmp_path_factory.mktemp("both")
    with opened(request.param, folder) as (server, source, how):
        apply(source)
        with Running(folder, "--store", source) as c:
            sent = fill(folder, c.target)
            c.stop()
        assert c.ledger()[0] == sent
        yield Both(c.directory, source, server, how, folder, {"own": 100, "current": 30}.get(request.param, 1000))


def test_all_is_there(both):
    assert check_once(both.directory, both.server, **both.how) > 700


@pytest.mark.parametrize("part", range(3))
def test_same_answers(both, part):
    for words in command_questions(both.directory, both.folder, both.most)[part::3]:
        here = answered(("--directory", both.directory), words)
        there = answered(("--source", both.source), words)
        assert there == here, words


@pytest.mark.parametrize("words", PAGED, ids=lambda words: " ".join(map(str, words)))
def test_same_pages(both, words):
    *words, limit = words
    assert pages(("--source", both.source), words, limit) == pages(("--directory", both.directory), words, limit)


def test_same_over_http(both, tmp_path):
    shutil.copytree(both.directory, tmp_path / "copy")
    with Served(tmp_path, directory=tmp_path / "copy") as here, \
            Served(tmp_path, "--source", both.source, directory=tmp_path / "empty") as there:
        for path in paths():
            assert over_http(there, path) == over_http(here, path), path


# The current dialect

def statements(*options):
    done = run([COLLECT, "schema", *options])
    assert (done.status, done.err) == (0, "")
    *parts, rest = done.out.decode().split(";\n\n")
    assert rest == ""
    return parts


def test_schema_as_printed(tmp_path):
    """The engine takes every statement, as it stands there, and again."""
    with Engine(tmp_path) as engine:
        for _ in range(2):
            for statement in statements("clickhouse,database=other"):
                engine.query(statement)
        assert sorted(t for t, in engine.query("SHOW TABLES FROM other")) == sorted(TABLES)
        clustered = statements("clickhouse", "--cluster", "main")
        assert len(clustered) == 1 + 2 * len(TABLES)
        for statement in clustered:
            assert " ON CLUSTER 'main'" in statement
            engine.query("EXPLAIN AST " + statement)  # it has no cluster to make them in


class Unanswered:
    """In place of an engine: the first insert into each table is done, and then `kill` is called in place of an answer."""

    def __init__(self, engine, kill):
        self.engine, self.kill, self.left = engine, kill, list(TABLES)

    def ask(self, statement, **more):
        answer = self.engine.ask(statement, **more)
        for table in self.left:
            if b"INSERT INTO `dnsflow`.`%s`" % table.encode() in statement:
                self.left.remove(table)
                self.kill()
                break
        return answer


@release_build("it waits on the clock")
def test_batch_twice(tmp_path):
    """A role that is killed before it has an answer sends all of the batch again, under the same tokens."""
    with Engine(tmp_path) as engine, Front(engine) as front:
        source = spec(front.url, keys=())
        apply(source)
        with Running(tmp_path, "--store", spec(front.url, keys=(), every="1s")) as c, \
                Load(c.target, every=0.02) as load:
            front.server.engine = killing = Unanswered(engine, lambda: c.kill("clickhouse"))
            wait_until(lambda: not killing.left, 25, 0.1)
            load.end()
            c.stop()
            check_unharmed(c, load)
        tokens = collections.Counter(p["insert_deduplication_token"] for p, _ in front.asked if "INSERT" in p.get("query", ""))
        again = {token.rsplit("/", 1)[1] for token, count in tokens.items() if count > 1}
        assert again >= set(TABLES) - {"streams", "batches"}, tokens  # with these it knows that all was done
        assert check_once(c.directory, engine, time=MICRO) == load.sent * load.sets


@release_build("it waits on the clock")
def test_same_rows(tmp_path):
    """Two batches that bring the same rows to a table are two: what comes again is told by its token, not by its rows."""
    with Engine(tmp_path) as engine, Front(engine) as front:
        apply(spec(front.url, keys=()))
        with Running(tmp_path, "--store", spec(front.url, keys=(), every="1s")) as c:
            for number in 1, 2, 3:
                send(c.target, [extended(number, ONE)])
                wait_until(lambda: engine.query("SELECT count() FROM dnsflow.batches") == [[str(number)]], 20, 0.1)
            c.stop()
        assert check_once(c.directory, engine, time=MICRO) == 3


def refused(collector, path, source, why):
    got = collector.get(path)
    assert got.status == 503 and why in json.loads(got.body)["error"]["message"], got
    assert collector.get("/metrics").status == 200
    status, rows, said = answered(("--source", source), ["loss"])
    assert (status, rows) == (1, []) and why in said and said.count("\n") == 1


@needs_clickhouse
@release_build("it waits on the clock")
def test_source_away(tmp_path):
    """Who asks is told why, in one line; the collector goes on, and answers when the server is back."""
    with ClickHouse(tmp_path) as server:
        apply(spec(server.url))
        source = spec(server.url, timeout="2s")
        with Served(tmp_path, "--store", spec(server.url, every="1s"), "--source", source) as c:
            send(c.target, [datagram(1, ONE)])
            wait_until(lambda: server.query("SELECT count() FROM dnsflow.batches") == [["1"]], 20, 0.1)
            path = "/api/v1/names/www.example.com"
            rows = c.rows(path)
            assert rows
            server.kill()
            both = "--source", spec(server.url, "http://127.0.0.1:1")
            other = "--source", spec("http://127.0.0.1:1", server.url)
            refused(c, path, source, "Couldn't connect to server")
            server.start()
            assert c.rows(path) == rows
            assert answered(both, ["loss"]) == answered(other, ["loss"]) == answered(("--source", source), ["loss"])
            server.pause()
            try:
                refused(c, path, source, "Operation timed out")
            finally:
                server.resume()
            assert c.rows(path) == rows
            assert not list((c.directory / "asking").iterdir())
            assert "error" not in c.stop()


@pytest.mark.skipif(not Own.url, reason="make check-clickhouse URL= has it")
def test_own_role_killed(tmp_path):
    """In the middle of whatever it does, each half second."""
    with Own() as server:
        source = spec(server.url, keys=server.keys, database=server.where, every="1s")
        apply(source)
        with Running(tmp_path, "--store", source) as c, Load(c.target) as load:
            for _ in range(16):
                c.kill("clickhouse")
                deadline = time.monotonic() + 0.5
                wait_until(lambda: time.monotonic() > deadline)
            load.end()
            c.stop()
            check_unharmed(c, load)
        assert check_once(c.directory, server, server.where, time=MICRO) == load.sent * load.sets


# Several servers

def without_all(rows):
    """But for the sum over all sensors."""
    return [row for row in rows if '"source":"all"' not in row]


@needs_zookeeper
@release_build("it waits on the clock")
def test_two_shards(tmp_path):
    """Each has a collector of its own; who asks one of them asks both."""
    with ZooKeeper(tmp_path) as keeper, cluster(tmp_path, 2, 1, keeper) as servers, contextlib.ExitStack() as held:
        shards = list(servers.values())
        directories = []
        for number, shard in enumerate(shards, 1):
            apply(spec(shard.url), "--cluster", "dnsflow")
            c = held.enter_context(Running(tmp_path, "--store", spec(shard.url), directory=tmp_path / str(number)))
            with Load(c.target, sensor_id=number) as load:
                wait_until(lambda: load.sent > 100)
                load.end()
            c.stop()
            check_once(c.directory, shard)
            directories.append(c.directory)
        kept = [kept_by(d) for d in directories]
        for shard in shards:
            have = kept_at(shard, end="_all")
            for table in have:
                wanted = [k[ALSO.get(table, table)] for k in kept]
                if table == "batches":
                    assert have[table] == tuple(map(sum, zip(*wanted)))
                elif table != "accounts":
                    assert have[table] == merged((key, *row) for one in wanted for key, row in one.items())
            source = "--source", spec(shard.url)
            for words in ("who", "n3.s1.example.com"), ("who", "n3.s2.example.com"), ("sensors",), ("loss",), ("streams",):
                status, there, _ = answered(source, words)
                here = [row for d in directories for row in answered(("--directory", d), words)[1]]
                assert status == 0 and there
                assert sorted(without_all(there)) == sorted(without_all(here)), words


# Refusals

WRONG = [
    ("clickhouse", "expected url=http://HOST:8123"),
    ("clickhouse,url=127.0.0.1:8123", "expected http://HOST:PORT or https://HOST:PORT"),
    ("clickhouse,url=http://a@b:1", "expected http://HOST:PORT or https://HOST:PORT"),
    ("clickhouse,url=http://127.0.0.1:1,no=1", "expected for clickhouse one of: url, database"),
    ("clickhouse,url", "expected KEY=VALUE"),
    ("clickhouse,url=http://127.0.0.1:1,database=a-b", "letters, digits and _"),
    ("clickhouse,url=http://127.0.0.1:1,database=a,database=b", "is there twice"),
    ("clickhouse,url=http://127.0.0.1:1,timeout=x", "timeout=x: expected"),
    ("clickhouse,url=http://127.0.0.1:1,every=0", "every=0: expected"),
    ("clickhouse,url=http://127.0.0.1:1,rows=0", "rows=0: expected"),
    ("clickhouse,url=http://127.0.0.1:1,rows=1000001", "rows=1000001: expected"),
    ("clickhouse,url=http://127.0.0.1:1,password-file=/nonexistent", "password-file=/nonexistent: "),
    ("clickhouse,url=http://127.0.0.1:1,setting.=1", "expected for clickhouse one of"),
    ("clickhouse,url=http://127.0.0.1:1,name=A", "name=A: expected"),
    ("clickhouse," + ",".join(["url=http://127.0.0.1:1"] * 17), "expected at most"),
]


@pytest.mark.parametrize("store, says", WRONG, ids=lambda text: text[:70])
def test_wrong_store(tmp_path, store, says):
    asked = ("run", "--store", store), ("run", "--source", store), ("query", "--source", store, "loss")
    for argv in asked[:1 if "every=" in store or "rows=" in store else 3]:
        more = () if argv[0] == "query" else ("--directory", tmp_path / "data")
        done = run([COLLECT, *argv, *more])
        assert (done.status, done.out) == (2, b"") and says in done.err and done.err.count("\n") == 1, done
    assert not (tmp_path / "data").exists()


def test_wrong_source(tmp_path):
    done = run([COLLECT, "query", "--source", spec("http://127.0.0.1:1"), "--directory", tmp_path, "loss"])
    assert done.status == 2 and "--source" in done.err and done.err.count("\n") == 1
    for store, says in ("file,path=/tmp/x", "expected clickhouse"), ("what", "expected NAME[,KEY=VALUE...]"):
        done = run([COLLECT, "query", "--source", store, "loss"])
        assert done.status == 2 and says in done.err and done.err.count("\n") == 1


def causes(tmp_path, stores):
    """{name: why that store fails}; each is told in one line, once, and the embedded store has what comes."""
    options = [word for name, store in stores.items() for word in ("--store", "%s,name=%s" % (store, name))]
    with Running(tmp_path, *options) as c:
        send(c.target, [datagram(1, ONE)])
        told = wait_until(lambda: (lambda s: len(s) == len(stores) and all(x["failing"] for x in s) and s)(
            json.loads(collect("status", c.directory, "--format", "json").out)["stores"]), 20, 0.1)
        c.stop()
        assert c.ledger()[:2] == (1, 1) and len(kept_by(c.directory)["lookups"]) == 1
    for one in told:
        lines = [line for line in c.err.splitlines() if "error: store %s: " % one["name"] in line]
        assert len(lines) == 1 and one["cause"] in lines[0], c.err
        assert one["records"] == one["batches"] == 0 and one["behind_records"] <= 1
    return {one["name"]: one["cause"] for one in told}


@needs_clickhouse
def test_refused_by_tables(tmp_path):
    with ClickHouse(tmp_path) as server:
        apply(spec(server.url, database="lacks"))
        server.query("ALTER TABLE lacks.pdns DROP COLUMN scaled")
        apply(spec(server.url, database="other"))
        server.query("ALTER TABLE other.accounts MODIFY COLUMN telling UInt32".replace("telling", "told_sets"))
        why = causes(tmp_path, {
            "none": spec(server.url), "lacks": spec(server.url, database="lacks"),
            "other": spec(server.url, database="other"), "old": spec(server.url, keys=(), database="other")})
        assert why["none"] == ("clickhouse: the database dnsflow has no tables of dnsflow; \"dnsflow_collect schema "
                               "clickhouse --apply\" makes them")
        assert why["lacks"].startswith("clickhouse: lacks.pdns has no column scaled: ")
        assert why["other"].startswith("clickhouse: column told_sets of other.accounts is UInt32, expected Int64: ")
        assert why["old"] == "clickhouse: is of version 18.16.1; expected 22.8 or later"
        done = run([COLLECT, "query", "--source", spec(server.url, database="nosuch"), "name", "a.example"])
        assert done.status == 1 and "Database nosuch doesn't exist" in done.err and done.err.count("\n") == 1, done


@needs_clickhouse
@needs_root
def test_refused_by_server(tmp_path):
    """Also with a password, which roles that read few files have by then."""
    (tmp_path / "wrong").write_text("false\n")
    port, = free_ports(1)
    with ClickHouse(tmp_path) as server:
        apply(spec(server.url))
        user = {"user": "writer", "password-file": tmp_path / "wrong"}
        why = causes(tmp_path, {"password": spec(server.url, **user), "user": spec(server.url, user="nobody"),
                                "away": spec("http://127.0.0.1:%d" % port),
                                "reader": spec(server.url, user="reader")})
        assert "Wrong password for user writer" in why["password"]
        assert "Unknown user nobody" in why["user"]
        assert "Couldn't connect to server" in why["away"]
        assert "Password required for user reader" in why["reader"]
        (tmp_path / "right").write_text("secret\n")
        right = spec(server.url, **dict(user, **{"password-file": tmp_path / "right"}), every="1s")
        with Served(tmp_path, "--store", right, "--source", right, directory=tmp_path / "new") as c:
            send(c.target, [datagram(1, ONE)])
            wait_until(lambda: server.query("SELECT count() FROM dnsflow.batches") == [["1"]], 20, 0.1)
            assert c.rows("/api/v1/names/www.example.com")
        assert answered(("--source", right), ["name", "www.example.com"])[1]
    done = run(["unshare", "--net", COLLECT, "query", "--source", spec("http://clickhouse.invalid:8123"), "loss"])
    assert done.status == 1 and "Could not resolve host" in done.err and done.err.count("\n") == 1


def test_refused_without_window(tmp_path):
    with Engine(tmp_path) as engine, Front(engine) as front:
        for statement in statements("clickhouse"):
            engine.query(statement.replace("non_replicated_deduplication_window = 10000", "index_granularity = 1024")
                         if ".`pdns` " in statement else statement)
        why = causes(tmp_path, {"window": spec(front.url, keys=())})["window"]
        assert why == ("clickhouse: dnsflow.pdns takes twice what comes twice: ALTER TABLE dnsflow.pdns MODIFY SETTING "
                       "non_replicated_deduplication_window = 10000")
        engine.query(why.split("twice: ")[1])
        with Running(tmp_path, "--store", spec(front.url, keys=()), directory=tmp_path / "new") as c:
            send(c.target, [datagram(1, ONE)])
            c.stop()
        assert check_once(c.directory, engine, time=MICRO) == 1
