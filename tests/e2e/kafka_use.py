# SPDX-License-Identifier: BSD-3-Clause
"""What tests of the collector with Kafka share: datagrams that come all the time, and what became of them."""

import collections
import json
import re
import socket
import threading
import time

from collecting import collect
from conftest import wait_until
from datagrams import extended, set4


def wait(seconds):
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until)


def store(kafka, *options, name="kafka"):
    """--store with all brokers."""
    return ["--store", ",".join(["kafka", "name=" + name, *("broker=" + b for b in kafka.bootstrap.split(",")), *options])]


def from_kafka(kafka, *options):
    return ["--from-kafka", ",".join([*("broker=" + b for b in kafka.bootstrap.split(",")), *options])]


class Load:
    """Sends datagrams, each with a name of its own, by turns of some sensors, until the end of the block."""

    def __init__(self, target, a_second=500, sensors=6, first=0):
        self.target, self.a_second, self.sensors = target, a_second, sensors
        self.number, self.sent, self.ends = first, [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()

    def _one(self):
        number, now_us = self.number, int(time.time() * 1000000)
        self.number += 1
        one = set4("10.0.%d.%d" % (number >> 8 & 255, number & 255), "10.0.0.53", ["n%d.example.com" % number],
                   ["192.0.%d.%d" % (number >> 8 & 255, number & 255)])
        return extended(number // self.sensors + 1, one, base=now_us, sensor_id=1 + number % self.sensors, rate=0)

    def _run(self):
        step = max(1, self.a_second // 50)
        host, port = self.target.rsplit(":", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            while not self.ends.wait(step / self.a_second):
                for _ in range(step):
                    self.sent.append(self._one())
                    s.sendto(self.sent[-1], (host, int(port)))


def once(messages):
    """Payloads, those with the same id once, after looking at the ids: one instance gave them all, whoever has one has
    the same payload, and no block lacks one."""
    found, blocks, instances = {}, collections.defaultdict(set), set()
    for m in messages:
        name = dict(m["headers"])["id"].decode()
        instance, block, index = re.fullmatch(r"([0-9a-f]{16})-(\d+)-(\d+)", name).groups()
        assert found.setdefault(name, (m["payload"], m["key"], m["partition"])) == (
            m["payload"], m["key"], m["partition"]), name
        instances.add(instance)
        blocks[int(block)].add(int(index))
    assert len(instances) == 1
    for block, indexes in blocks.items():
        assert indexes == set(range(len(indexes))), block
    return [payload for payload, _, _ in found.values()]


def feed_state(directory, name="kafka"):
    """The store, as `status --format json` has it."""
    done = collect("status", directory, "--format", "json")
    assert done.status == 0, done.err
    return next((s for s in json.loads(done.out)["stores"] if s["name"] == name), None)
