# SPDX-License-Identifier: BSD-3-Clause
"""Tables of ClickHouse that a collector fills, beside what its embedded store keeps of the same."""

import contextlib
import ipaddress
import os
import re
import socket
import threading
import time
import urllib.request
from pathlib import Path

from clickhouse import ClickHouse, ZooKeeper, rows_of
from collecting import COLLECT, database, journalled, lookups
from conftest import run
from datagrams import Worker, set4

TABLES = "lookups lookups_by_name lookups_by_client pdns pdns_by_rdata accounts streams batches".split()
COUNTS = ("datagrams records statistics network here down ring interface send made beside memory journal "
          "expired").split()
OLD = "dialect=18"  # of Debian's server, for tests
MICRO = "toUnixTimestamp64Micro(time)"  # of the current dialect


def spec(*urls, keys=(OLD,), **more):
    """What stands behind --store and --source."""
    return ",".join(["clickhouse", *("url=" + url for url in urls), *keys, *("%s=%s" % item for item in more.items())])


def apply(store, *options):
    done = run([COLLECT, "schema", store, *options, "--apply"])
    assert done.status == 0 and " are there" in done.err, done.err


@contextlib.contextmanager
def replicated(tmp_path, **more):
    """A server over a ZooKeeper, whose tables take a block once. It is the cluster dnsflow."""
    server = ClickHouse(tmp_path, **more)
    with ZooKeeper(tmp_path) as keeper:
        server.join({(1, 1): server}, 1, 1, keeper)
        with server:
            yield server


class Own:
    """A server that somebody has, of `make check-clickhouse`: for a database of the test's own, which goes with the block.
    Keys are those of --store that it takes to be let in."""

    url = os.environ.get("DNSFLOW_CLICKHOUSE")
    keys = tuple(filter(None, os.environ.get("DNSFLOW_CLICKHOUSE_KEYS", "").split(",")))

    def __init__(self):
        self.where = "dnsflow_test_%d" % os.getpid()

    def query(self, sql):
        keys = dict(key.split("=", 1) for key in self.keys)
        fields = {"X-ClickHouse-User": keys.get("user"), "X-ClickHouse-Key": None}
        if "password-file" in keys:
            fields["X-ClickHouse-Key"] = Path(keys["password-file"]).read_text().splitlines()[0]
        asked = urllib.request.Request(self.url, sql.encode(), {k: v for k, v in fields.items() if v})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60) as answer:
            return rows_of(answer.read().decode("utf-8", "surrogateescape"))

    def __enter__(self):
        self.query("DROP DATABASE IF EXISTS " + self.where)
        return self

    def __exit__(self, *_):
        self.query("DROP DATABASE IF EXISTS " + self.where)


# What is kept

def packed(text):
    """An address as the embedded store has it."""
    address = ipaddress.ip_address(text)
    return b"" if address.packed == bytes(16) else (getattr(address, "ipv4_mapped", None) or address).packed


def merged(rows):
    """{key: [sum, least, greatest]} of (key, count, first, last)."""
    sums = {}
    for key, count, first, last in rows:
        one = sums.setdefault(key, [0, 1 << 60, 0])
        sums[key] = [one[0] + int(count), min(one[1], int(first)), max(one[2], int(last))]
    return sums


def answer_text(kind, rdata):
    return socket.inet_ntop(socket.AF_INET6 if kind == 28 else socket.AF_INET, rdata) if isinstance(rdata, bytes) else rdata


def kept_by(directory):
    """{table: what the embedded store has of it}"""
    db = database(directory)
    kept = {"lookups": {(bytes(client), rname, bytes(resolver or b""), kind, rcode): row for
                        (client, rname, resolver, kind, rcode), row in lookups(directory).items()},
            "pdns": merged(((rname, kind, answer_text(kind, rdata)), *row) for rname, kind, rdata, *row in db.execute(
                "SELECT rname, type, rdata, count, first, last FROM answers")),
            "accounts": {minute * 60: row for minute, *row in db.execute(
                "SELECT minute, %s FROM minutes GROUP BY minute" % ", ".join("sum(%s)" % c for c in COUNTS))},
            "batches": journalled(directory)}
    db.close()
    return kept


def kept_at(server, where="dnsflow", time="time", end=""):
    """The same of the tables; `time` gives microseconds, `end` is behind the names of tables."""
    def asked(sql, table):
        return server.query(sql.replace("#", " FROM %s.%s%s " % (where, table, end)))

    key = "SELECT IPv6NumToString(client), rname, IPv6NumToString(resolver), qtype, rcode, "

    def sums(rows):
        return merged(((packed(r[0]), r[1], packed(r[2]), int(r[3]), int(r[4])), *r[5:]) for r in rows)
    kept = {"lookups": sums(asked(key + "count(), intDiv(min(%s), 1000000), intDiv(max(%s), 1000000)# GROUP BY client, "
                                  "rname, resolver, qtype, rcode" % (time, time), "lookups"))}
    for table in "lookups_by_name", "lookups_by_client":
        kept[table] = sums(asked(key + "count, toUInt32(first), toUInt32(last)#", table))
    for table in "pdns", "pdns_by_rdata":
        kept[table] = merged(((r[0], int(r[1]), r[2]), *r[3:]) for r in asked(
            "SELECT rname, rrtype, rdata, count, toUInt32(first), toUInt32(last)#", table))
    kept["accounts"] = {int(minute): [int(n) for n in row] for minute, *row in asked(
        "SELECT toUInt32(minute) AS m, %s# GROUP BY m" % ", ".join("sum(%s)" % c for c in COUNTS), "accounts")}
    kept["batches"] = tuple(int(n) for n in asked("SELECT sum(datagrams), sum(records)#", "batches")[0])
    return kept


def difference(have, expected):
    """Of two dictionaries: [(key, what is there, what should be)], the beginning."""
    return [(k, have.get(k), expected.get(k)) for k in sorted(have.keys() | expected.keys(), key=repr)
            if have.get(k) != expected.get(k)][:5]


ALSO = {"lookups_by_name": "lookups", "lookups_by_client": "lookups", "pdns_by_rdata": "pdns"}


def check_once(directory, server, where="dnsflow", **more):
    """All records of the directory are at the server, and none of them twice. Returns how many lookups these are."""
    expected, have = kept_by(directory), kept_at(server, where, **more)
    for table in have:
        wanted = expected[ALSO.get(table, table)]
        assert have[table] == wanted, (table, have[table] if table == "batches" else difference(have[table], wanted))
    return sum(row[0] for row in expected["lookups"].values())


# Load

class Load(threading.Thread):
    """A sensor that goes on until the block ends. Names come again after a while, as the embedded store takes those of a
    domain together when there are very many."""

    def __init__(self, target, sensor_id=7, every=0.004, sets=5):
        super().__init__()
        host, port = target.split(":")
        self.target, self.every, self.sets = (host, int(port)), every, sets
        self.worker = Worker(int(time.time()) - 1, sensor_id=sensor_id)
        self.stopped, self.sent = threading.Event(), 0

    def _set(self, number):
        return set4("10.%d.0.%d" % (self.worker.sensor_id, number % 200), "10.0.0.53",
                    ["n%d.s%d.example.com" % (number % 3000, self.worker.sensor_id), "cdn.example.net"],
                    ["192.0.2.%d" % (number % 256)], ["2001:db8::%x" % (number % 1000)] * (number % 3 == 0))

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            while not self.stopped.wait(self.every):
                first = self.sent * self.sets
                s.sendto(self.worker.data(*map(self._set, range(first, first + self.sets))), self.target)
                self.sent += 1

    def __enter__(self):
        self.start()
        return self

    def end(self):
        self.stopped.set()
        self.join()

    def __exit__(self, *_):
        self.end()


def check_unharmed(collector, *loads):
    """What was sent came, all of it, and is in the journal: in the last accounts of all receivers that there were."""
    sent = sum(load.sent for load in loads)
    came = [tuple(map(int, m)) for m in re.findall(
        r"datagrams: (\d+) received = (\d+) journalled \+ (\d+) refused.* \+ (\d+) dropped.* \+ 0 waiting", collector.err)]
    assert [sum(n) for n in zip(*came)] == [sent, sent, 0, 0], (came, sent)
