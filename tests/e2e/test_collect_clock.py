# SPDX-License-Identifier: BSD-3-Clause
"""Clocks that are wrong: the collector's, which jumps while it runs, and a sensor's."""

import glob
import json
import os
import re
import socket
import time

import pytest
from collecting import Running, check_sound, collect, journalled, lookups, needs_collector, sums
from conftest import BUILD, wait_until
from datagrams import extended, set4

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") +
                    glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")), None)

pytestmark = needs_collector
needs_faketime = pytest.mark.skipif(not LIBRARY or "release" not in str(BUILD),
                                    reason="needs libfaketime, which a sanitizer does not go with")

HOUR, DAY = 3600, 86400


class Clock:
    """The clock of what is started while it is in use; it is wrong by a file's content."""

    def __init__(self, tmp_path, monkeypatch):
        self.path = tmp_path / "clock"
        self.set(0)
        for name, value in (("LD_PRELOAD", LIBRARY), ("FAKETIME_TIMESTAMP_FILE", str(self.path)),
                            ("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")):
            monkeypatch.setenv(name, value)
        self.monkeypatch = monkeypatch

    def set(self, seconds):
        """At once: a reader never sees half of it."""
        new = self.path.with_suffix(".new")
        new.write_text("%+d\n" % seconds)
        new.chmod(0o644)
        os.rename(new, self.path)

    def leave_alone(self):
        """What is started from now on has the right time."""
        for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE", "FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC"):
            self.monkeypatch.delenv(name)


@pytest.fixture
def clock(tmp_path, monkeypatch):
    return Clock(tmp_path, monkeypatch)


def one_set(name):
    return set4("10.0.0.9", "10.0.0.53", [name], ["192.0.2.1"])


class Sensor:
    """A stream with one record in each datagram."""

    def __init__(self, target, sensor_id=7, off=0):
        self.sensor_id, self.off, self.sequence = sensor_id, off, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host, port = target.rsplit(":", 1)
        self.socket.connect((host, int(port)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, name, count):
        base = int((time.time() + self.off) * 1e6)
        for _ in range(count):
            self.sequence += 1
            self.socket.send(extended(self.sequence, one_set(name), ext=((0, 300, 1, 0, 0),), base=base, rate=1,
                                      sensor_id=self.sensor_id))


def rows_of(collector, *question):
    done = collect("query", collector.directory, *question, "--format", "ndjson", "--limit", "0")
    assert done.status == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def count_of(collector, name):
    return sum(row["count"] for row in rows_of(collector, "name", name) if row["type"] == "A")


def wait_count(collector, name, count):
    wait_until(lambda: count_of(collector, name) == count, 20)


@needs_faketime
def test_clock_jumps(tmp_path, clock):
    """Back an hour, forward a day, and right again, with datagrams all the time."""
    with Running(tmp_path) as collector, Sensor(collector.target) as sensor:
        clock.leave_alone()
        roles, total = collector.roles(), 0
        for i, wrong in enumerate((0, -HOUR, DAY, 0)):
            clock.set(wrong)
            name = "n%d.clock.example" % i
            for _ in range(4):
                sensor.send(name, 25)
                total += 25
            wait_count(collector, name, 100)
        assert count_of(collector, "n0.clock.example") == 100
        assert collector.roles() == roles, "none ended"
        collector.stop()
    received, kept, refused, dropped, _, _ = collector.ledger()
    assert (received, kept, refused, dropped) == (total, total, 0, 0)
    assert journalled(collector.directory) == (total, total)
    assert sum(one[0] for one in lookups(collector.directory).values()) == total
    account = sums(collector.directory)
    assert account["datagrams"] == account["records"] == total
    assert account["network"] == account["here"] == account["down"] == 0
    check_sound(collector.directory)


@needs_faketime
def test_ages_a_day_ahead(tmp_path, clock):
    """What is a day old goes when the clock says so; the collector goes on, and so when the clock is right again."""
    with Running(tmp_path, "--max-age", "1") as collector, Sensor(collector.target) as sensor:
        clock.leave_alone()
        roles = collector.roles()
        for i, wrong in enumerate((0, DAY + 2 * HOUR, 0)):
            clock.set(wrong)
            sensor.send("n%d.age.example" % i, 100)
            wait_until(lambda: sum(r["count"] for r in rows_of(collector, "client", "10.0.0.9")
                                   if "n%d.age.example" % i in json.dumps(r)) == 100, 20)
        assert collector.roles() == roles, "none ended"
        collector.stop()
    received, kept, refused, dropped, _, _ = collector.ledger()
    assert (received, kept, refused, dropped) == (300, 300, 0, 0)
    check_sound(collector.directory)


@pytest.mark.parametrize("off", [-DAY, DAY])
def test_clock_of_a_sensor(tmp_path, off):
    """Its records are kept to the last one, with its own time; accounts have the collector's."""
    with Running(tmp_path) as collector, Sensor(collector.target, 7) as right, \
            Sensor(collector.target, 8, off) as wrong:
        begun = time.time()
        for _ in range(4):
            right.send("right.example", 25)
            wrong.send("wrong.example", 25)
        wait_count(collector, "right.example", 100)
        wait_count(collector, "wrong.example", 100)
        found = lookups(collector.directory)
        done = collect("status", collector.directory)
        assert done.status == 0 and done.out.count(b"alive") == 2, done
        assert re.findall(rb"its clock is (.*);", done.out) == [b"24 h behind" if off < 0 else b"24 h ahead"]
        ahead = {row["sensor"].split("/")[0]: row["clock_ahead_s"] for row in rows_of(collector, "sensors")}
        assert abs(ahead["7"]) <= 2 and abs(ahead["8"] - off) <= 2
        collector.stop()
    assert collector.ledger()[:4] == (200, 200, 0, 0)
    for name, by in (("right", 0), ("wrong", off)):
        (count, first, last), = [one for key, one in found.items() if key[1] == "example." + name]
        assert count == 100 and begun + by - 2 <= first <= last <= time.time() + by + 2
    account = sums(collector.directory)
    assert account["datagrams"] == 200 and account["network"] == account["here"] == account["down"] == 0
    check_sound(collector.directory)
