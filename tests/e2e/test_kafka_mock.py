# SPDX-License-Identifier: BSD-3-Clause
"""librdkafka's Kafka cluster, as tests order its faults: each fault that is ordered comes, once, and ends."""

import time

import pytest

from conftest import run
from kafka import KafkaMock, needs_peers

pytestmark = needs_peers

IDEMPOTENT = ["enable.idempotence=true"]


@pytest.fixture
def mock(tmp_path):
    with KafkaMock(tmp_path) as kafka:
        kafka.create_topic("t", 3)
        yield kafka


def payloads(kafka):
    return sorted(m["payload"] for m in kafka.consume("t"))


def read_in_group(kafka, group, count):
    done = run(["kcat", "-b", kafka.bootstrap, "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000",
                "-c", count, "-q", "-G", group, "t"])
    assert done.status == 0, done.err
    return done.out.splitlines()


def test_what_is_written_is_read(mock):
    mock.produce("t", b"\0\xff", b"b", key="k", headers=[("source", "192.0.2.1")], partition=2)
    found = mock.consume("t")
    assert [(m["partition"], m["offset"], m["payload"], m["key"], m["headers"]) for m in found] == [
        (2, i, p, b"k", [("source", b"192.0.2.1")]) for i, p in enumerate([b"\0\xff", b"b"])]


def test_errors_come_once(mock):
    mock.fail("Produce", "MSG_SIZE_TOO_LARGE")
    with pytest.raises(AssertionError, match="Message size too large"):
        mock.produce("t", b"lost")
    mock.fail("Produce", "_TRANSPORT", "NOT_LEADER_FOR_PARTITION")
    mock.produce("t", b"tried three times", options=IDEMPOTENT)
    mock.fail("Produce", "MSG_SIZE_TOO_LARGE")
    mock.clear("Produce")
    mock.produce("t", b"cleared")
    assert payloads(mock) == [b"cleared", b"tried three times"]


def test_what_is_not_understood_is_no_order(mock):
    for words in (["fail", "Produce", "NO_SUCH"], ["fail", "Nothing", "NO_ERROR"], ["topic", "t", "1"], ["down", "9x"],
                  ["down", "4"]):
        with pytest.raises(AssertionError, match="error: "):
            mock.order(*words)
    mock.produce("t", b"a")
    assert payloads(mock) == [b"a"]


def test_answers_are_late(mock):
    mock.fail_late(mock.leader("t", 0), "Produce", "NO_ERROR", 1500)
    start = time.monotonic()
    mock.produce("t", b"late", partition=0)
    assert time.monotonic() - start > 1.5
    mock.delay(400)
    start = time.monotonic()
    mock.produce("t", b"slow")
    assert time.monotonic() - start > 0.4
    mock.delay(0)
    assert payloads(mock) == [b"late", b"slow"]


def test_a_broker_is_down_and_its_partitions_move(mock):
    leader = mock.leader("t", 1)
    mock.stop(leader)
    with pytest.raises(AssertionError, match="timed out"):
        mock.produce("t", b"lost", partition=1, seconds=2)
    mock.set_leader("t", 1, leader % 3 + 1)
    assert mock.leader("t", 1) == leader % 3 + 1
    mock.produce("t", b"moved", partition=1)
    mock.start(leader)
    mock.set_leader("t", 1, -1)
    assert mock.leader("t", 1) == -1
    mock.set_leader("t", 1, leader)
    mock.produce("t", b"back", partition=1)
    assert payloads(mock) == [b"back", b"moved"]


def test_all_are_down_and_come_back(mock):
    mock.produce("t", b"before")
    mock.stop()
    assert run(["kcat", "-L", "-m", "1", "-b", mock.bootstrap]).status != 0
    mock.start()
    mock.produce("t", b"after")
    assert payloads(mock) == [b"after", b"before"]


def test_a_topic_has_an_error(mock):
    mock.set_topic_error("t", "TOPIC_AUTHORIZATION_FAILED")
    assert mock.metadata("-t", "t")["topics"][0]["error"] == "Broker: Topic authorization failed"
    with pytest.raises(AssertionError, match="timed out"):
        mock.produce("t", b"lost", seconds=2)
    mock.set_topic_error("t", "NO_ERROR")
    mock.produce("t", b"a")
    assert payloads(mock) == [b"a"]


def test_groups_commit_unless_told_not_to(mock):
    mock.produce("t", b"a", b"b", partition=1)
    mock.fail("OffsetCommit", *["GROUP_AUTHORIZATION_FAILED"] * 9)
    assert read_in_group(mock, "g", 2) == [b"a", b"b"]
    assert mock.committed("g", "t") == {}
    mock.clear("OffsetCommit")
    assert read_in_group(mock, "g", 2) == [b"a", b"b"]
    assert mock.committed("g", "t") == {1: (2, b"")}


def test_the_coordinator_is_the_one_that_was_set(mock):
    mock.produce("t", b"a", b"b", partition=1)
    mock.set_leader("t", 1, 1)
    mock.set_coordinator("g", 2)
    mock.fail_late(2, "OffsetCommit", "NO_ERROR", 1500)
    start = time.monotonic()
    assert read_in_group(mock, "g", 2) == [b"a", b"b"]
    assert time.monotonic() - start > 1.5
    assert mock.committed("g", "t") == {1: (2, b"")}
