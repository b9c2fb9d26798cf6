# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams into Kafka: each one is there, byte for byte, whatever becomes of the brokers and of who hands them over,
and what came twice can be told by its id. The brokers are librdkafka's, which fail as they are told."""

import ipaddress
import json
import re
import time

import pytest
from collecting import AS_ROOT, COLLECT, Running, check_sound, collect, journalled, lookups, needs_collector, send
from conftest import RAW, READER, run, wait_until, write_pcap
from datagrams import ONE, datagram, extended, packet, set2, set3, set4, stats
from kafka import KafkaMock, needs_peers
from kafka_use import Load, feed_state, once, store, wait

pytestmark = [needs_peers, needs_collector]

AGAIN = ["kafka.reconnect.backoff.max.ms=500", "kafka.retry.backoff.ms=50"]


@pytest.fixture
def mock(tmp_path):
    with KafkaMock(tmp_path) as kafka:
        kafka.create_topic("dnsflow", 3)
        yield kafka


def check_whole(kafka, collector, load):
    """After the end of both: nothing that was sent is missing anywhere."""
    received, journal, refused, dropped, _, _ = collector.ledger()
    assert (received, refused, dropped) == (len(load.sent), 0, 0) and journal <= received
    assert journalled(collector.directory) == (len(load.sent), len(load.sent))
    assert sorted(once(kafka.consume("dnsflow"))) == sorted(load.sent)
    check_sound(collector.directory)
    found = lookups(collector.directory)
    assert {name for _, name, *_ in found} == {"com.example.n%d" % n for n in range(load.number)}
    assert sum(count for count, _, _ in found.values()) == len(load.sent)


def is_up_to_date(collector, name="kafka"):
    found = feed_state(collector.directory, name)
    return found and not found["failing"] and found["behind_records"] == 0


def handed_over(collector):
    return (feed_state(collector.directory) or {"datagrams": 0})["datagrams"]


# What is in a message

MANY = set4("2001:db8::9", "2001:db8::53", ["a\\b%d.example" % i for i in range(9)], ["192.0.2.1"], ["2001:db8::1"])
PLAIN = [datagram(1, ONE, MANY), datagram(2, set3("10.0.0.7", ["three.example"], ["192.0.2.3"]), version=3),
         datagram(3, set2("10.0.0.8", ["two.example"], ["192.0.2.4"]), version=2), stats(4, 1, 2, 3, 4, 5),
         datagram(5, set4("10.0.0.9", "10.0.0.53", ["n%d.example" % i for i in range(200)], ["192.0.2.9"]))]
NUMBERED = [extended(i, ONE, sensor_id=4294967295) for i in range(3)]


def test_messages_are_what_was_received(mock, tmp_path):
    mock.create_topic("rows", 3)
    start_us = time.time() * 1000000
    with Running(tmp_path, *store(mock), *store(mock, "topic=rows", "format=json", name="rows")) as c:
        ports = {p: send(c.target, [p])[1] for p in PLAIN}
        other = send(c.target, NUMBERED + [b"no datagram"], source="127.0.0.2")
        c.stop()
    messages = mock.consume("dnsflow")
    assert sorted(once(messages)) == sorted(PLAIN + NUMBERED)
    frames = []
    for m in messages:
        headers = dict(m["headers"])
        assert [name for name, _ in m["headers"]] == ["source", "port", "received", "id"]
        source = headers["source"].decode(), int(headers["port"])
        assert source == (("127.0.0.1", ports[m["payload"]]) if m["payload"] in ports else other)
        assert m["key"] == (b"4294967295" if m["payload"] in NUMBERED else b"127.0.0.1")
        received_us = int(headers["received"])
        assert start_us <= received_us <= time.time() * 1000000 and m["ts"] == received_us // 1000
        frames.append((received_us, packet(m["payload"], *source)))
    write_pcap(tmp_path / "same.pcap", RAW, sorted(frames))
    rows = mock.consume("rows")
    printed = run([READER, "-r", tmp_path / "same.pcap", "--format", "json"])
    assert printed.status == 0 and len(once(rows)) == len(rows) > 5
    assert sorted(m["payload"] for m in rows) == sorted(line for line in printed.out.splitlines()
                                                        if json.loads(line)["type"] != "stats")
    for m in rows:
        assert ipaddress.ip_address(m["key"].decode()) == ipaddress.ip_address(json.loads(m["payload"])["client"])
        assert [name for name, _ in m["headers"]] == ["source", "port", "received", "id"]


# Faults

def leader_moves(mock):
    for partition in range(3):
        mock.set_leader("dnsflow", partition, mock.leader("dnsflow", partition) % 3 + 1)


def broker_is_away(mock):
    number = mock.leader("dnsflow", 0)
    mock.stop(number)
    yield 2
    mock.start(number)


def all_are_away(mock):
    mock.stop()
    yield 3
    mock.start()


def producer_is_refused(mock):
    """A fatal error: there is no way on but a new producer, which is refused once."""
    mock.fail("InitProducerId", "COORDINATOR_LOAD_IN_PROGRESS")
    mock.fail("Produce", "OUT_OF_ORDER_SEQUENCE_NUMBER")


def failing(*errors):
    return lambda mock: mock.fail("Produce", *errors)


RETRIED = ["NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "_TRANSPORT"]
FAULTS = [failing(*RETRIED), leader_moves, broker_is_away, all_are_away, failing("INVALID_MSG"), producer_is_refused]


def test_nothing_is_lost_by_faults(mock, tmp_path):
    with Running(tmp_path, *store(mock, *AGAIN)) as c:
        with Load(c.target) as load:
            for fault in FAULTS:
                handed = handed_over(c)
                for seconds in fault(mock) or ():
                    wait(seconds)
                wait_until(lambda: handed_over(c) > handed and not feed_state(c.directory)["failing"])
        c.stop()
    for cause in "topic dnsflow: Broker: Invalid message", "(topic dnsflow: Local: Fatal error|.*sequence number)":
        assert re.search("error: store kafka: kafka: %s; tried again" % cause, c.err, re.I), c.err
    assert c.err.count("store kafka: goes on") >= 3
    check_whole(mock, c, load)


def test_nothing_is_lost_by_kills(mock, tmp_path):
    with Running(tmp_path, *store(mock)) as c:
        with Load(c.target) as load:
            for _ in range(5):
                there, pid = len(mock.consume("dnsflow")), c.roles()["kafka"]
                wait_until(lambda: len(mock.consume("dnsflow")) > there, step=0.05)
                c.kill("kafka")  # before it has written down what is at the brokers
                wait_until(lambda: c.roles().get("kafka", pid) != pid)
            for _ in range(2):
                wait(0.5)
                c.kill("kafka")
        wait_until(lambda: is_up_to_date(c))
        c.stop()
    check_whole(mock, c, load)
    assert len(mock.consume("dnsflow")) > len(load.sent), "some came twice, so that the ids were needed"


# While brokers are away

def test_what_is_wrong_is_told_and_ends(mock, tmp_path):
    with Running(tmp_path, *store(mock, *AGAIN)) as c:
        with Load(c.target) as load:
            wait_until(lambda: handed_over(c) > 0)
            mock.stop()
            told = wait_until(lambda: (feed_state(c.directory) or {}).get("failing") and feed_state(c.directory))
            assert told["cause"].startswith("kafka: ") and "127.0.0.1:" in told["cause"]
            wait_until(lambda: feed_state(c.directory)["behind_records"] > 500)
            status = collect("status", c.directory).out.decode()
            assert "fails: kafka: " in status and "records behind" in status
            mock.start()
            wait_until(lambda: not feed_state(c.directory)["failing"])
            assert feed_state(c.directory)["cause"] is None
            assert "fails: " not in collect("status", c.directory).out.decode()
        c.stop()
    assert c.err.count("error: store kafka: ") < 10 and "store kafka: goes on" in c.err
    check_whole(mock, c, load)


def test_the_end_while_brokers_are_away(mock, tmp_path):
    with Running(tmp_path, *store(mock, *AGAIN)) as c:
        with Load(c.target, a_second=2000) as load:
            wait_until(lambda: len(load.sent) > 1000)
            mock.stop()
            wait_until(lambda: len(load.sent) > 3000)
        start = time.monotonic()
        c.stop()
        assert time.monotonic() - start < 40
        assert "the next start goes on there" in c.err
    mock.start()
    with Running(tmp_path, *store(mock, *AGAIN)) as again:
        wait_until(lambda: is_up_to_date(again))
        again.stop()
    check_whole(mock, c, load)


# What is given

@pytest.mark.parametrize("given, why", [
    ("topic=x", "broker"), ("broker=127.0.0.1:1,format=xml", "expected raw or json"),
    ("broker=127.0.0.1:1,kafka.no.such=1", "No such configuration property"),
    ("broker=127.0.0.1:1,kafka.linger.ms=soon", "linger.ms"),
    ("broker=127.0.0.1:1,kafka.compression.codec=none-such", "compression"),
    ("broker=127.0.0.1:1,topic=" + "x" * 250, "249"), ("broker=127.0.0.1:1,nosuch=1", "nosuch"),
    ("broker=127.0.0.1:1,topic=", "topic"), ("broker=", "broker")])
def test_what_is_not_understood_is_refused(tmp_path, given, why):
    done = run([COLLECT, "run", "--directory", tmp_path / "data", *AS_ROOT, "-l", "127.0.0.1:0", "--store",
                "kafka," + given])
    assert done.status == 2 and why in done.err and len(done.err.splitlines()) == 1, done.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("given, why", [
    ("broker=127.0.0.1:1,format=json", "expected raw"), ("broker=127.0.0.1:1,kafka.session.timeout.ms=0", "session.timeout"),
    ("group=x", "broker")])
def test_what_is_not_understood_is_refused_from_kafka(tmp_path, given, why):
    done = run([COLLECT, "run", "--directory", tmp_path / "data", *AS_ROOT, "--from-kafka", given, "--store",
                "clickhouse,url=http://127.0.0.1:1"])
    assert done.status == 2 and why in done.err and len(done.err.splitlines()) == 1, done.err


def test_a_topic_that_is_not_there(mock, tmp_path):
    """Its messages wait until it is."""
    mock.set_topic_error("dnsflow", "UNKNOWN_TOPIC_OR_PART")
    with Running(tmp_path, *store(mock, "kafka.topic.metadata.propagation.max.ms=500",
                                  "kafka.topic.metadata.refresh.interval.ms=200")) as c:
        with Load(c.target) as load:
            told = wait_until(lambda: (feed_state(c.directory) or {}).get("failing") and feed_state(c.directory))
            assert re.fullmatch("kafka: topic dnsflow: (Local: Unknown topic|Broker: Unknown topic or partition)", told["cause"])
            mock.set_topic_error("dnsflow", "NO_ERROR")
            wait_until(lambda: not feed_state(c.directory)["failing"])
        c.stop()
    check_whole(mock, c, load)
