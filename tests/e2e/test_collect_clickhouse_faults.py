# SPDX-License-Identifier: BSD-3-Clause
"""The ClickHouse store when something fails under load: every record is there afterwards, none of them twice, and the
embedded store and reception do not notice.

Tables are replicated, as those of Debian's server take a block once only then; what its others promise is less."""

import contextlib
import json
import os
import re
import signal
import time

import pytest
from asking_http import Asked
from clickhouse import ClickHouse, ZooKeeper, cluster, needs_clickhouse, needs_zookeeper
from clickhouse_store import ALSO, Load, apply, check_once, check_unharmed, kept_at, kept_by, replicated, spec
from collecting import LONG, Running, collect, is_zombie, needs_collector, send
from conftest import release_build, wait_until
from datagrams import ONE, datagram, extended
from disks import filled

pytestmark = [needs_collector, needs_clickhouse, release_build("it waits on the clock")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with replicated(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(shared, request):
    """With tables of the test's own."""
    if not shared.is_running:
        shared.start()
    shared.where = re.sub(r"\W", "_", request.node.name)
    apply(spec(shared.url, database=shared.where), "--cluster", "dnsflow")
    return shared


def store(server, **more):
    return "--store", spec(server.url, database=server.where, **dict({"every": "1s", "timeout": "2s"}, **more))


def told(directory, name="clickhouse"):
    """What `status` says of a store."""
    done = collect("status", directory, "--format", "json")
    assert done.status == 0, done.err
    one, = [s for s in json.loads(done.out)["stores"] if s["name"] == name]
    return one


def wait_failing(collector, says, name="clickhouse"):
    def fails():
        now = told(collector.directory, name)
        return now["failing"] and says in now["cause"] and now
    return wait_until(fails, 20, 0.1)


def wait_good(collector, name="clickhouse"):
    wait_until(lambda: not told(collector.directory, name)["failing"], 20, 0.1)


def error_lines(collector):
    return [line for line in collector.err.splitlines() if "error" in line]


def wait_more(server, where=None):
    before = batches(server, where)
    wait_until(lambda: batches(server, where) > before, 20, 0.05)


def batches(server, where=None):
    return int(server.query("SELECT count() FROM %s.batches" % (where or server.where))[0][0])


def wait_under_way(server):
    """Until the first rows of a batch are there."""
    def rows():
        return int(server.query("SELECT count() FROM %s.lookups" % server.where)[0][0])
    before = rows()
    wait_until(lambda: rows() > before, 45, 0.002)  # one that ends again and again is started after a pause that grows


def wait_half_a_second():
    deadline = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > deadline)


def end(collector, server, *loads, where=None):
    for load in loads:
        load.end()
    collector.stop()
    check_unharmed(collector, *loads)
    assert check_once(collector.directory, server, where or server.where) == sum(x.sent * x.sets for x in loads)


@needs_zookeeper
def test_role_killed(tmp_path, server):
    """In the middle of a batch, and of whatever it does."""
    until, number = time.monotonic() + (60 if LONG else 0), 0
    with Running(tmp_path, *store(server)) as c, Load(c.target) as load:
        while number < 12 or time.monotonic() < until:
            number += 1
            if number % 2 == 1:
                wait_under_way(server)
            c.kill("clickhouse")
            wait_half_a_second()
        wait_until(lambda: batches(server) > 1, 20, 0.1)
        end(c, server, load)


@needs_zookeeper
def test_server_killed(tmp_path, server):
    with Running(tmp_path, *store(server)) as c, Load(c.target) as load:
        for _ in range(3):
            wait_under_way(server)
            server.kill()
            wait_failing(c, "Couldn't connect to server")
            server.start()
        wait_good(c)
        wait_more(server)
        end(c, server, load)
        assert len(error_lines(c)) <= 8, c.err


@needs_zookeeper
def test_server_paused(tmp_path, server):
    """Longer than is waited for an answer; it does what was asked when it goes on."""
    with Running(tmp_path, *store(server)) as c, Load(c.target) as load:
        wait_more(server)
        for _ in range(2):
            server.pause()
            try:
                wait_failing(c, "imed out")
            finally:
                server.resume()
            wait_good(c)
            wait_more(server)
        end(c, server, load)
        assert len(error_lines(c)) <= 4, c.err


@needs_zookeeper
def test_read_only(tmp_path, server):
    with Running(tmp_path, *store(server)) as c, Load(c.target) as load:
        wait_more(server)
        server.set_readonly(True)
        try:
            wait_failing(c, "readonly mode")
        finally:
            server.set_readonly(False)
        wait_good(c)
        wait_more(server)
        end(c, server, load)
        assert len(error_lines(c)) <= 4, c.err


@needs_zookeeper
def test_disk_full(tmp_path):
    with replicated(tmp_path, disk="64m") as server:
        server.where = "dnsflow"
        apply(spec(server.url), "--cluster", "dnsflow")
        with Running(tmp_path, *store(server)) as c, Load(c.target) as load:
            wait_more(server)
            with filled(server.data):
                wait_failing(c, "No space left on device")
            wait_good(c)
            wait_more(server)
            end(c, server, load)
            assert len(error_lines(c)) <= 4, c.err


@needs_zookeeper
def test_collector_stopped(tmp_path, server):
    loads = []
    for _ in range(3):
        with Running(tmp_path, *store(server), directory=tmp_path / "data") as c, Load(c.target) as load:
            loads.append(load)
            wait_more(server)
            load.end()
            c.stop()
            check_unharmed(c, load)
    check_once(c.directory, server, server.where)


@needs_zookeeper
def test_collector_killed(tmp_path, server):
    """With all its roles; what they had received and not yet written is lost to both stores."""
    for _ in range(3):
        with Running(tmp_path, *store(server), directory=tmp_path / "data") as c, Load(c.target):
            wait_more(server)
            roles = c.roles().values()
            c.process.signal(signal.SIGKILL)  # first, as it would replace the others
            c.process.wait()
            for pid in roles:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(lambda: all(is_zombie(pid) for pid in roles))
    with Running(tmp_path, *store(server), directory=tmp_path / "data") as c:
        c.stop()
    check_once(c.directory, server, server.where)


@needs_zookeeper
def test_reloaded(tmp_path, server):
    """The store comes, goes and comes again under load; it goes on where it was."""
    file = tmp_path / "conf"
    file.write_text("")
    with Running(tmp_path, "--config", file) as c, Load(c.target) as load:
        for option in "store " + store(server)[1], "", "store " + store(server)[1]:
            file.write_text(option + "\n")
            c.process.signal(signal.SIGHUP)
            wait_until(lambda: ("clickhouse" in c.roles()) == bool(option), 20)
            if option:
                wait_more(server)
        end(c, server, load)


@needs_zookeeper
def test_two_stores(tmp_path, server):
    """Two servers, one of which fails; each has all."""
    with replicated(tmp_path) as other:
        other.where = "other"
        apply(spec(other.url, database="other"), "--cluster", "dnsflow")
        with Running(tmp_path, *store(server), *store(other, name="second")) as c, Load(c.target) as load:
            wait_more(server)
            wait_more(other)
            other.kill()
            wait_failing(c, "Couldn't connect to server", "second")
            wait_more(server)
            assert not told(c.directory)["failing"]
            other.start()
            wait_good(c, "second")
            wait_more(other)
            end(c, server, load)
            check_once(c.directory, other, "other")


@needs_zookeeper
def test_two_replicas(tmp_path):
    """One is killed, and the other takes over; it has what the first had."""
    with ZooKeeper(tmp_path) as keeper, cluster(tmp_path, 1, 2, keeper) as servers:
        first, second = servers.values()
        for one in first, second:
            apply(spec(one.url), "--cluster", "dnsflow")
        first.where = second.where = "dnsflow"
        both = "--store", spec(first.url, second.url, every="1s", timeout="2s")
        with Running(tmp_path, *both) as c, Load(c.target) as load:
            wait_more(second)
            first.kill()
            wait_more(second)
            wait_more(second)
            load.end()
            c.stop()
            check_unharmed(c, load)
        first.start()  # it may have what it had not given away yet
        wait_until(lambda: kept_at(first) == kept_at(second), 25, 0.2)
        assert check_once(c.directory, first) == load.sent * load.sets


@needs_zookeeper
def test_sensor_from_before(tmp_path, server):
    """What a sensor sent before there was a collector is not missing, also where the role began anew since."""
    with Running(tmp_path, *store(server)) as c:
        send(c.target, [datagram(1, ONE)])
        wait_until(lambda: batches(server) == 1, 20, 0.1)
        before = c.roles()["clickhouse"]
        c.kill("clickhouse")
        c.wait_replaced("clickhouse", before)
        send(c.target, [extended(500, ONE, base=int(time.time()) * 1000000)])
        wait_until(lambda: batches(server) == 2, 20, 0.1)
        c.stop()
    assert sum(kept_by(c.directory)["accounts"].popitem()[1][3:6]) == 0
    check_once(c.directory, server, server.where)


def test_told(tmp_path):
    """By `status` and /metrics, while it fails and afterwards."""
    with ClickHouse(tmp_path) as server:
        server.where = "dnsflow"
        apply(spec(server.url))
        with Asked(tmp_path, *store(server, name="far")) as c:
            def metric(name):
                return c.metric('dnsflow_collect_%s{store="far"}' % name)

            server.kill()
            send(c.target, [datagram(number, ONE, ONE) for number in range(1, 6)])
            why = wait_failing(c, "Couldn't connect to server", "far")
            assert (why["kind"], why["records"], why["batches"], why["expired_datagrams"]) == ("clickhouse", 0, 0, 0)
            assert why["failures"] >= 1 and why["cause"].startswith(server.url + ": ")
            wait_until(lambda: told(c.directory, "far")["behind_records"] == 10, 20, 0.1)
            text = collect("status", c.directory).out.decode()
            assert re.search(r"^           far \(clickhouse\): 10 records behind, for \d+ s\n             fails: %s: .*Couldn't "
                             r"connect to server\n" % server.url, text, re.M), text
            assert (metric("feed_failing"), metric("feed_records_total")) == (1, 0) and metric("feed_failures_total") >= 1
            server.start()
            wait_until(lambda: batches(server) == 1, 20, 0.1)
            wait_good(c, "far")
            good = wait_until(lambda: (lambda t: t["records"] == 10 and t)(told(c.directory, "far")), 20, 0.1)
            assert (good["cause"], good["datagrams"], good["batches"], good["behind_records"]) == (None, 5, 1, 0)
            assert "far (clickhouse): has all that is in the journal\n" in collect("status", c.directory).out.decode()
            assert (metric("feed_failing"), metric("feed_records_total"), metric("feed_datagrams_total"),
                    metric("feed_batches_total")) == (0, 10, 5, 1)
            assert time.time() - 60 < metric("feed_read_seconds") <= time.time()
            c.stop()
        assert check_once(c.directory, server) == 10
        assert len([line for line in c.err.splitlines() if "store far: " in line]) <= 4, c.err
        assert c.err.count("store far: goes on") == 1


def test_role_killed_without_window(tmp_path):
    """Tables that take a block as often as it comes: nothing is missing, and what was not under way is there once."""
    with ClickHouse(tmp_path) as server:
        server.where = "dnsflow"
        apply(spec(server.url))
        with Running(tmp_path, *store(server)) as c, Load(c.target) as load:
            for number in range(8):
                if number % 2 == 0:
                    wait_under_way(server)
                c.kill("clickhouse")
                wait_half_a_second()
            load.end()
            c.stop()
            check_unharmed(c, load)
        have, wanted = kept_at(server), kept_by(c.directory)
        assert have.pop("batches") == wanted["batches"]
        for table, rows in have.items():
            for key, row in wanted[ALSO.get(table, table)].items():
                assert rows[key][0] >= row[0], (table, key)
