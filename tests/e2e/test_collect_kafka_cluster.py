# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams through a real Kafka cluster into ClickHouse, with everything on the way killed, stopped and away: all is
there once in the end. Only where DNSFLOW_TEST_KAFKA is set."""

import collections
import contextlib
import json
import os
import re
import signal
import time

import pytest
from clickhouse import needs_zookeeper
from clickhouse_store import OLD, apply, check_once, replicated, spec
from collecting import AS_ROOT, COLLECT, Running, collect, is_zombie, needs_collector
from conftest import Background, run, wait_until
from datagrams import ONE, datagram, extended
from kafka import Kafka, needs_cluster, needs_peers
from kafka_use import Load, feed_state, from_kafka, once, store, wait
from processes import children_of

pytestmark = [needs_cluster, needs_peers, needs_zookeeper, needs_collector]

GROUP = ["kafka.session.timeout.ms=6000", "kafka.heartbeat.interval.ms=1000", "kafka.reconnect.backoff.max.ms=1000"]
# A server of 2018 has no names for batches. Its replicated tables take a block of the same bytes once; its plain ones
# take what comes again as more, so that they cannot show what a server of these days does with the name.
PARTITIONS = 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Kafka(tmp_path_factory.mktemp("cluster")) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with replicated(tmp_path_factory.mktemp("server")) as server:
        yield server


class Way:
    """From one collector that receives, over a topic, into a database of its own, by those that `consume`."""

    def __init__(self, tmp_path, cluster, server, name, has_topic=True):
        self.folder, self.cluster, self.server, self.name = tmp_path, cluster, server, name
        self.target = spec(server.url, database=name)
        if has_topic:
            cluster.create_topic(name, PARTITIONS)
        apply(self.target, "--cluster", "dnsflow")

    def receiver(self, *options):
        return Running(self.folder, *store(self.cluster, "topic=" + self.name, *options))

    def consumer(self, number, *options):
        return Consumer(self.folder, number, *from_kafka(self.cluster, "topic=" + self.name, "group=" + self.name, *GROUP,
                                                         *options), "--store", self.target)

    def query(self, sql):
        return self.server.query(sql.replace("#", "`%s`" % self.name))

    def datagrams(self):
        return int(self.query("SELECT sum(datagrams) FROM #.batches")[0][0])

    def wait_datagrams(self, count, seconds=60):
        wait_until(lambda: self.datagrams() >= count, seconds, 0.2)

    def check(self, directory):
        """All that the receiver has, once in each table; ranges of partitions follow each other without gap; rows are
        of the batches there are."""
        check_once(directory, self.server, self.name)
        ranges = collections.defaultdict(list)
        for feed, batch, position in self.query("SELECT feed, batch, position FROM #.batches ORDER BY feed, position"):
            assert batch.startswith(feed + "/")
            ranges[feed].append((int(batch[len(feed) + 1:]), int(position)))
        for feed, all_of in ranges.items():
            assert [begin for begin, _ in all_of] == [0] + [end for _, end in all_of[:-1]], (feed, all_of)
        assert self.query("SELECT count() FROM #.lookups WHERE batch NOT IN (SELECT batch FROM #.batches)") == [["0"]]
        ends = {int(feed.rsplit("-", 1)[1]): all_of[-1][1] for feed, all_of in ranges.items()}
        committed = self.cluster.committed(self.name, self.name)
        assert {p: c.offset for p, c in committed.items() if p in ends} == ends
        return ranges


class Consumer:
    """dnsflow_collect run --from-kafka."""

    def __init__(self, folder, number, *options):
        self.directory = folder / ("consumer%d" % number)
        self.process = Background([COLLECT, "run", "--directory", self.directory, *AS_ROOT, "--http", "off", *options],
                                  folder)

    def __enter__(self):
        self.process.wait_err("]: ready\n")
        return self

    def __exit__(self, *_):
        pids = self.children()
        self.process.__exit__()
        for pid in pids:
            wait_until(lambda: is_zombie(pid))

    @property
    def err(self):
        return self.process.err

    def children(self):
        return children_of(self.process.process.pid) if self.process.process.poll() is None else []

    def pid(self):
        """Of the role, None: it is being replaced."""
        for pid in self.children():
            with contextlib.suppress(OSError):
                if open("/proc/%d/comm" % pid).read().strip() == "consume":
                    return pid
        return None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(wait_until(self.pid), number)

    def kill(self):
        """All of it: nobody leaves the group."""
        for pid in [self.process.process.pid, *self.children()]:
            os.kill(pid, signal.SIGKILL)

    def wait_parts(self, count, seconds=40):
        wait_until(lambda: (re.findall(r"has (\d+) partitions", self.err) or ["-1"])[-1] == str(count), seconds)

    def stop(self):
        self.process.signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.err
        return self.err

    def told(self):
        done = collect("status", self.directory, "--format", "json")
        assert done.status == 0, done.err
        assert "from Kafka" in collect("status", self.directory).out.decode()
        return (json.loads(done.out)["stores"] or [{"failing": False, "refused_datagrams": 0}])[0]


# Into the topic

def test_nothing_is_lost_on_the_way_in(cluster, tmp_path):
    cluster.create_topic("in", PARTITIONS)
    with Running(tmp_path, *store(cluster, "topic=in")) as c:
        with Load(c.target) as load:
            leader = cluster.leader("in", 0)
            cluster.kill(leader)
            cluster.wait_leader("in", 0, leader)
            cluster.start(leader)
            c.kill("kafka")
            cluster.stop(cluster.wait_leader("in", 1))
            cluster.start()
            cluster.kill()
            wait_until(lambda: feed_state(c.directory)["failing"])
            cluster.start()
            handed = feed_state(c.directory)["datagrams"]
            wait_until(lambda: feed_state(c.directory)["datagrams"] > handed and
                       not feed_state(c.directory)["failing"], 60)
        wait_until(lambda: feed_state(c.directory)["behind_records"] == 0)
        c.stop()
    assert c.ledger()[:4] == (len(load.sent), len(load.sent), 0, 0)
    assert sorted(once(cluster.consume("in"))) == sorted(load.sent)


# Out of it

def test_collectors_take_over(cluster, server, tmp_path):
    """One of two is killed, the other stands longer than its session lasts."""
    way = Way(tmp_path, cluster, server, "taken")
    with way.receiver() as c, Load(c.target, 300) as load, way.consumer(1) as one:
        one.wait_parts(PARTITIONS)
        with way.consumer(2) as two:
            two.wait_parts(PARTITIONS // 2)
            wait(3)
            two.kill()
            one.wait_parts(PARTITIONS)
        with way.consumer(3) as three:
            three.wait_parts(PARTITIONS // 2)
            wait(1)
            pid = three.pid()
            three.signal(signal.SIGSTOP)
            one.wait_parts(PARTITIONS)
            wait(2)
            three.signal(signal.SIGCONT)
            wait_until(lambda: three.err.count("has 2 partitions") == 2)
            assert three.pid() == pid, "it was not replaced"
            load.__exit__()
            c.stop()
            way.wait_datagrams(len(load.sent))
            one.stop()
            three.stop()
    way.check(c.directory)


def test_killed_at_any_moment(cluster, server, tmp_path):
    """In the midst of a batch, and by time. The receiver's role that writes, too, so that messages come twice."""
    way = Way(tmp_path, cluster, server, "killed")
    whole = "SELECT count() FROM #.lookups WHERE batch NOT IN (SELECT batch FROM #.batches)"
    soon = "kafka.session.timeout.ms=2000", "kafka.heartbeat.interval.ms=500"
    with way.receiver() as c, Load(c.target, 300) as load, way.consumer(1, *soon) as one, way.consumer(2, *soon) as two:
        one.wait_parts(PARTITIONS // 2)
        for i in range(6):
            wait_until(lambda: way.query(whole) == [["0"]])
            wait_until(lambda: way.query(whole) != [["0"]], 30, 0)
            (one, two)[i % 2].signal(signal.SIGKILL)
            wait(0.3)
            (two, one)[i % 2].signal(signal.SIGKILL)
            if i % 2 == 0:
                c.kill("kafka")
        load.__exit__()
        c.stop()
        way.wait_datagrams(len(load.sent), 90)
        one.stop()
        two.stop()
    way.check(c.directory)
    assert len(cluster.consume(way.name)) > len(load.sent), "some came twice"


def test_killed_before_the_last_row(cluster, server, tmp_path):
    """What its messages had brought to all tables but one is no sign that they came before."""
    way = Way(tmp_path, cluster, server, "last")
    with way.receiver() as c, Load(c.target, 300) as load, way.consumer(1) as one:
        way.wait_datagrams(100)
        way.query("DETACH TABLE #.batches")
        wait_until(lambda: one.told()["failing"] and "batches" in one.told()["cause"])
        one.signal(signal.SIGKILL)
        way.query("ATTACH TABLE #.batches")
        load.__exit__()
        c.stop()
        way.wait_datagrams(len(load.sent))
        one.stop()
    way.check(c.directory)


def test_one_is_away(cluster, server, tmp_path):
    """ClickHouse, then Kafka, while which a collector can be stopped."""
    way = Way(tmp_path, cluster, server, "away")
    with way.receiver() as c, Load(c.target, 300) as load, way.consumer(1) as one, \
            way.consumer(2) as two:
        way.wait_datagrams(100)
        server.kill()
        wait_until(lambda: one.told()["failing"] and ":%d: " % server.http_port in one.told()["cause"])
        wait(5)
        server.start()
        way.wait_datagrams(len(load.sent))
        wait_until(lambda: not one.told()["failing"] and one.told()["cause"] is None)
        cluster.kill()
        wait_until(lambda: one.told()["failing"] and one.told()["cause"].startswith("kafka: "))
        start = time.monotonic()
        two.stop()
        assert time.monotonic() - start < 40
        wait(5)
        cluster.start()
        way.wait_datagrams(len(load.sent), 90)
        wait_until(lambda: not one.told()["failing"])
        load.__exit__()
        c.stop()
        way.wait_datagrams(len(load.sent))
        one.stop()
    way.check(c.directory)


def test_a_server_that_is_away_is_passed_over(cluster, server, tmp_path):
    way = Way(tmp_path, cluster, server, "passed")
    way.target = spec("http://127.0.0.1:1", server.url, database="passed")
    with way.receiver() as c, Load(c.target, 200) as load, way.consumer(1) as one:
        way.wait_datagrams(200)
        load.__exit__()
        c.stop()
        way.wait_datagrams(len(load.sent))
        one.stop()
    way.check(c.directory)


def test_what_is_no_datagram_is_passed_over(cluster, server, tmp_path):
    """Also where a batch is nothing else, and whoever has the partition next begins behind it."""
    way = Way(tmp_path, cluster, server, "garbage")
    garbage = [b"garbage", os.urandom(999000), b"\x04" + b"\xff" * 50, b"", b""]
    with way.consumer(1) as one:
        cluster.produce("garbage", extended(1, ONE), partition=0)
        way.wait_datagrams(1)
        cluster.produce("garbage", *garbage[:-2], partition=0)
        for more in [], ["-Z"]:  # empty, and nothing
            done = run(["kcat", "-P", "-b", cluster.bootstrap, "-t", "garbage", "-p", "0", "-K", ":", *more], data=b"k:\n")
            assert done.status == 0, done.err
        wait_until(lambda: cluster.committed("garbage", "garbage")[0].offset == 1 + len(garbage))
        assert wait_until(lambda: one.told()["refused_datagrams"]) == len(garbage)
        one.signal(signal.SIGKILL)
        cluster.produce("garbage", datagram(1, ONE), partition=0)
        way.wait_datagrams(2)
        cluster.produce("garbage", garbage[0], datagram(2, ONE), partition=0)
        way.wait_datagrams(3)
        assert "%d cannot be decoded" % 1 in one.stop()
    rows = [json.loads(line) for line in open(one.directory / "feeds" / "refused")]
    assert [(r["partition"], r["offset"], r["bytes"]) for r in rows] == [
        (0, i, len(g)) for i, g in [*enumerate(garbage, 1), (7, garbage[0])]]
    assert [bytes.fromhex(r["hex"]) for r in rows] == [g[:1500] for g in garbage + garbage[:1]]
    assert way.query("SELECT count(), uniq(rname) FROM #.lookups") == [["3", "1"]]
    assert way.query("SELECT position FROM #.batches ORDER BY position")[-1] == ["9"]


def test_a_topic_that_is_not_there(cluster, server, tmp_path):
    way = Way(tmp_path, cluster, server, "missing", has_topic=False)
    soon = ["kafka.topic.metadata.propagation.max.ms=1000", "kafka.topic.metadata.refresh.interval.ms=500"]
    with way.receiver(*soon) as c, way.consumer(1, *soon) as one, Load(c.target) as load:
        for told in lambda: feed_state(c.directory), one.told:
            wait_until(lambda: (told() or {}).get("failing"))
            assert "nknown topic" in told()["cause"]
        cluster.create_topic(way.name, PARTITIONS)
        wait_until(lambda: not feed_state(c.directory)["failing"] and not one.told()["failing"])
        load.__exit__()
        c.stop()
        way.wait_datagrams(len(load.sent))
        one.stop()
    way.check(c.directory)
