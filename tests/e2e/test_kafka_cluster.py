# SPDX-License-Identifier: BSD-3-Clause
"""The Kafka cluster that tests use: what is written into it is found, whatever becomes of its brokers. Only where
DNSFLOW_TEST_KAFKA is set."""

import os
import socket
import time

import pytest

from conftest import run
from kafka import KEPT, Kafka, needs_cluster, needs_peers
from processes import is_alive

pytestmark = [needs_cluster, needs_peers]

ODD = bytes(range(256)) + b"\n\r\n%s"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Kafka(tmp_path_factory.mktemp("cluster")) as kafka:
        yield kafka


def payloads(kafka, topic):
    return sorted(m["payload"] for m in kafka.consume(topic))


def test_what_is_written_is_read(cluster):
    cluster.create_topic("plain", 3, 3)
    headers = [("source", "192.0.2.1"), ("port", "5300")]
    cluster.produce("plain", ODD, b"two", key="k\u00e9y", headers=headers, partition=2)
    cluster.produce("plain", b"three", partition=0)
    found = cluster.consume("plain")
    assert [(m["partition"], m["offset"], m["payload"]) for m in found] == [
        (0, 0, b"three"), (2, 0, ODD), (2, 1, b"two")]
    assert found[1]["key"] == "k\u00e9y".encode() and found[0]["key"] is None
    assert found[1]["headers"] == [("source", b"192.0.2.1"), ("port", b"5300")] and found[0]["headers"] == []
    assert abs(found[0]["ts"] / 1000 - time.time()) < 600


def test_topics_are_made_with_their_settings(cluster):
    cluster.create_topic("small", 2, 3, max_message_bytes=1000)
    with pytest.raises(AssertionError, match="[Mm]essage"):
        cluster.produce("small", os.urandom(5000))
    with pytest.raises(AssertionError, match="already exists"):
        cluster.create_topic("small")
    assert cluster.consume("small") == []


def test_old_messages_are_gone(cluster):
    cluster.create_topic("old", 1)
    cluster.produce("old", b"a", b"b", b"c")
    cluster.delete_before("old", 0, 2)
    assert [(m["offset"], m["payload"]) for m in cluster.consume("old")] == [(2, b"c")]


def test_what_a_group_has_committed_is_told(cluster):
    cluster.create_topic("read", 2)
    cluster.produce("read", b"a", b"b", partition=1)
    assert cluster.committed("readers", "read") == {}
    done = run(["kcat", "-b", cluster.bootstrap, "-X", "auto.offset.reset=earliest", "-c", "2", "-q", "-G", "readers",
                "read"])
    assert done.status == 0 and done.out == b"a\nb\n", done.err
    assert cluster.committed("readers", "read") == {1: (2, b"")}


def test_a_leader_that_is_killed_is_replaced_and_comes_back(cluster):
    cluster.create_topic("moved", 1, 3)
    cluster.produce("moved", b"before")
    leader = cluster.leader("moved", 0)
    cluster.kill(leader)
    assert not cluster.brokers[leader].is_running
    assert cluster.wait_leader("moved", 0, leader) in cluster.brokers
    cluster.produce("moved", b"during")
    cluster.start(leader)
    cluster.wait_in_sync("moved")
    cluster.produce("moved", b"after")
    assert payloads(cluster, "moved") == [b"after", b"before", b"during"]


def test_a_leader_that_stops_in_order_is_replaced(cluster):
    cluster.create_topic("handed", 1, 3)
    leader = cluster.leader("handed", 0)
    cluster.stop(leader)
    assert cluster.wait_leader("handed", 0, leader) in cluster.brokers
    cluster.produce("handed", b"during")
    cluster.start(leader)
    cluster.wait_in_sync("handed")
    assert payloads(cluster, "handed") == [b"during"]


def test_a_leader_that_is_paused_is_replaced(cluster):
    cluster.create_topic("paused", 1, 3)
    leader = cluster.leader("paused", 0)
    cluster.pause(leader)
    assert cluster.wait_leader("paused", 0, leader) in cluster.brokers
    cluster.produce("paused", b"during")
    cluster.resume(leader)
    cluster.wait_in_sync("paused")
    assert payloads(cluster, "paused") == [b"during"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_all_brokers_go_down_and_come_back(cluster, end):
    topic = "all-" + end
    cluster.create_topic(topic)
    cluster.produce(topic, b"before")
    getattr(cluster, end)()
    assert not any(b.is_running for b in cluster.brokers.values())
    done = run(["kcat", "-L", "-m", "1", "-b", cluster.bootstrap])
    assert done.status != 0
    cluster.start()
    cluster.wait_in_sync(topic)
    cluster.produce(topic, b"after")
    assert payloads(cluster, topic) == [b"after", b"before"]


def test_one_of_three_brokers_acknowledges_nothing(cluster):
    cluster.create_topic("few", 1, 3)
    leader = cluster.leader("few", 0)
    others = [n for n in cluster.brokers if n != leader]
    cluster.kill(*others)
    with pytest.raises(AssertionError, match="timed out"):
        cluster.produce("few", b"unknown", partition=0, seconds=3)
    cluster.start(*others)
    cluster.wait_in_sync("few")
    cluster.produce("few", b"after")
    assert b"after" in payloads(cluster, "few")


def test_nothing_is_left(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with Kafka(tmp_path, brokers=1) as kafka:
            kafka.create_topic("alone", 1)
            kafka.produce("alone", b"x")
            assert payloads(kafka, "alone") == [b"x"]
            kafka.pause(1)
            process = kafka.brokers[1].process
            1 / 0
    assert not is_alive(process.pid) and process not in KEPT
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_does_not_come_up_says_why(tmp_path):
    kafka = Kafka(tmp_path, brokers=1)
    with socket.create_server(("127.0.0.1", kafka.brokers[1].port)):
        with pytest.raises(AssertionError, match="broker 1 ended(.|\n)*Address already in use"):
            kafka.__enter__()
    assert list(tmp_path.iterdir()) == []
