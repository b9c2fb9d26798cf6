# SPDX-License-Identifier: BSD-3-Clause
"""The ClickHouse servers, the ZooKeeper and the engine that tests start do what those tests rely on."""

import gzip
import http.client
import os
import socket
import struct
import urllib.parse

import pytest
from chdb_engine import Engine, Front
from clickhouse import ClickHouse, Refused, ZooKeeper, cluster, needs_clickhouse, needs_zookeeper, old_dialect
from conftest import wait_until
from disks import filled

TEXT = b"a\xff\0\n\n;\t\\'"
TABLE = "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a"


def rows(numbers):
    return b"".join(struct.pack("<QB", n, len(TEXT)) + TEXT for n in numbers)


def count(server, table="t"):
    return int(server.query("SELECT count() FROM " + table)[0][0])


def refused(server, **more):
    with pytest.raises(Refused) as error:
        server.insert("t", "a, b", rows([1]), **more)
    return error.value.status, error.value.code


@needs_clickhouse
def test_server(tmp_path):
    with ClickHouse(tmp_path) as server:
        server.query(TABLE)
        server.insert("t", "a, b", rows(range(3)))
        server.insert("t", "b, a", b"\x01x" + struct.pack("<Q", 3), user="writer:secret", query_id="one")
        text = TEXT.decode("utf-8", "surrogateescape")
        assert server.query("SELECT a, b FROM t ORDER BY a") == [["0", text], ["1", text], ["2", text], ["3", "x"]]
        assert server.query("SELECT NULL") == [[None]]
        assert count(server) == 4 and server.query("SELECT count() FROM t", user="reader:secret") == [["4"]]
        assert refused(server, user="reader:secret") == (500, 164)
        assert refused(server, user="reader:false") == (401, 193)
        assert refused(server, insert_deduplication_token="x") == (404, 115)
        server.set_readonly(True)
        assert refused(server) == (500, 164)
        server.set_readonly(False)
        server.kill()
        with pytest.raises(OSError):
            server.query("SELECT 1")
        server.start()
        assert count(server) == 4
        server.pause()
        with pytest.raises(OSError):
            server.query("SELECT 1", seconds=0.2)
        server.resume()
        server.stop()
        server.start()
        assert count(server) == 4
        pid = server.process.pid
    assert not os.path.exists("/proc/%d" % pid)


@needs_clickhouse
def test_ended_when_the_test_fails(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with cluster(tmp_path, 1, 2) as servers:
            pids = [server.process.pid for server in servers.values()]
            raise ZeroDivisionError
    assert len(pids) == 2 and not any(os.path.exists("/proc/%d" % pid) for pid in pids)
    server = ClickHouse(tmp_path, disk="8m")
    server.wait_answering = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError), server:
        pass
    assert not server.is_running and not os.path.ismount(server.data)


@needs_clickhouse
def test_full_disk(tmp_path):
    with ClickHouse(tmp_path, disk="8m") as server:
        server.query(TABLE)
        with filled(server.data):
            assert refused(server) == (500, 75)
            assert count(server) == 0
        server.insert("t", "a, b", rows([1]))
        assert count(server) == 1
    assert not os.path.ismount(server.data)


@needs_zookeeper
def test_cluster(tmp_path):
    with ZooKeeper(tmp_path) as zookeeper, cluster(tmp_path, 2, 2, zookeeper) as servers:
        one, two = servers[1, 1], servers[1, 2]
        one.query("CREATE TABLE t ON CLUSTER dnsflow (a UInt64, b String) "
                  "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/t', '{replica}') ORDER BY a")
        two.query("CREATE TABLE whole ON CLUSTER dnsflow AS t ENGINE = Distributed(dnsflow, default, t)")
        for _ in range(3):
            one.insert("t", "a, b", rows(range(3)))
        assert count(one) == 3
        wait_until(lambda: count(two) == 3)
        two.insert("t", "a, b", rows(range(3)))
        assert count(one) == count(two) == 3
        servers[2, 1].insert("t", "a, b", rows(range(4)))
        wait_until(lambda: count(servers[2, 2]) == 4)
        assert {count(server, "whole") for server in servers.values()} == {7}
        servers[2, 1].kill()
        assert count(one, "whole") == 7
        zookeeper.kill()
        wait_until(lambda: refused(one) == (500, 242))
        zookeeper.start()
        servers[2, 1].start()
        for server in one, servers[2, 1]:
            wait_until(lambda: server.query("SELECT is_readonly FROM system.replicas") == [["0"]])
            server.insert("t", "a, b", rows([9]))
        assert count(one) == 4 and count(servers[2, 1]) == 5


CURRENT = [
    """CREATE TABLE lookups (batch UInt64 CODEC(T64, ZSTD(3)), time DateTime64(6) CODEC(Delta, ZSTD), client IPv6,
        name String CODEC(ZSTD), ips Array(IPv6), kind LowCardinality(String),
        INDEX n name TYPE bloom_filter(0.01) GRANULARITY 4, INDEX i ips TYPE bloom_filter GRANULARITY 4)
    ENGINE = MergeTree PARTITION BY toDate(time) ORDER BY (client, name, time) TTL toDate(time) + INTERVAL 14 DAY
    SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 100""",
    """CREATE TABLE pdns (name String CODEC(ZSTD), last SimpleAggregateFunction(max, DateTime),
        count SimpleAggregateFunction(sum, UInt64))
    ENGINE = AggregatingMergeTree ORDER BY name TTL last + INTERVAL 730 DAY
    SETTINGS non_replicated_deduplication_window = 100"""]
LOOKUP = struct.pack("<QQ16s4sB32s2s", 7, 4102444800 * 10 ** 6, bytes(range(16)), b"\x03a\xff\0", 2, bytes(range(32)),
                     b"\x01k")
PAIR = b"\x01a" + struct.pack("<IQ", 4102444800, 3)


@needs_clickhouse
def test_both_dialects(tmp_path):
    """The same bytes go in and come out."""
    with Engine(tmp_path) as engine, ClickHouse(tmp_path) as server:
        for current in CURRENT:
            engine.query(current)
            server.query(old_dialect(current))
        for one in engine, server:
            one.insert("lookups", "batch, time, client, name, ips, kind", LOOKUP)
            one.insert("pdns", "name, last, count", PAIR)
            one.insert("pdns", "name, last, count", PAIR + PAIR)
        grouped = "SELECT name, max(last), sum(count) FROM pdns GROUP BY name"
        for sql, whole in ("SELECT * FROM lookups", LOOKUP), (grouped, PAIR[:-8] + struct.pack("<Q", 9)):
            assert engine.ask(sql.encode(), "RowBinary") == whole
            assert server.request(sql.encode(), default_format="RowBinary")[2] == whole


def asked(front, data=b"", coding="", **parameters):
    """(status, body) of a request to a front."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(front.url).netloc, timeout=60)
    try:
        connection.request("POST", "/?" + urllib.parse.urlencode(parameters), data,
                           {"Content-Encoding": coding} if coding else {})
        got = connection.getresponse()
        return got.status, got.read()
    finally:
        connection.close()


def cut_off(front, rest):
    """The answer to an insert whose body has an end too early."""
    where = urllib.parse.urlsplit(front.url)
    with socket.create_connection((where.hostname, where.port), 60) as s:
        s.sendall(b"POST /?query=INSERT+INTO+t+(a,+b)+FORMAT+RowBinary HTTP/1.1\r\nHost: x\r\n" + rest)
        s.shutdown(socket.SHUT_WR)
        return s.makefile("rb").read()


def test_engine(tmp_path):
    with Engine(tmp_path) as engine, Front(engine) as front:
        engine.query(TABLE + " SETTINGS non_replicated_deduplication_window = 100")
        for _ in range(2):
            engine.insert("t", "a, b", rows(range(3)))
        assert count(engine) == 3
        assert engine.ask(b"SELECT a, b FROM t ORDER BY a", "RowBinary") == rows(range(3))
        with pytest.raises(Refused) as error:
            engine.query("SELECT * FROM nosuch")
        assert error.value.code == 60
        frame = rows([5, 6])
        frame = struct.pack("<16xBII", 2, len(frame) + 9, len(frame)) + frame
        insert = {"query": "INSERT INTO t (a, b) FORMAT RowBinary", "query_id": "one"}
        for tokens, data, more in [(2, rows([4]), {}), (1, gzip.compress(rows([4])), {"coding": "gzip"}),
                                   (1, frame, {"decompress": "1"})]:
            for token in range(tokens):
                assert asked(front, data, insert_deduplication_token=str(token) + str(len(data)), **insert,
                             **more) == (200, b"")
        assert asked(front, iter([rows([7]), rows([8])]), **insert) == (200, b"")
        assert asked(front, b"SELECT arraySort(groupArray(a)) FROM t") == (200, b"[0,1,2,4,4,4,5,6,7,8]\n")
        assert asked(front, query="SELECT 1 AS a", default_format="JSONCompactEachRow") == (200, b"[1]\n")
        for fields in b"Content-Length: 99\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n12\r\n":
            assert cut_off(front, fields + rows([1])) == b""
        many = rows(range(0x0a0a00, 0x0a0a00 + 100000))
        assert asked(front, many, **insert) == (200, b"")
        assert engine.ask(b"SELECT a, b FROM t WHERE a > 9 ORDER BY a", "RowBinary") == many
        status, body = asked(front, b"SELECT 1", no_such_setting="1")
        assert status == 404 and body.startswith(b"Code: 115. ")
        assert front.asked[0] == (dict(insert, insert_deduplication_token="0" + str(len(rows([4])))), len(rows([4])))
    with Engine(tmp_path) as engine:
        assert count(engine) == 100010
