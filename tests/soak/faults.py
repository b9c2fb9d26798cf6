# SPDX-License-Identifier: BSD-3-Clause
"""What happens to the programs: each fault in turn, with the lines that it explains and the time that it took."""

import contextlib
import http.client
import os
import re
import signal
import time

from collecting import collect
from conftest import wait_until
from product import HTTP, ROLES

KILLED = r"role (%s) \(process \d+\) was ended by signal 9 \(Killed\); it is started again"
FULL = [r"journal: No space left on device; datagrams are lost until it can be written again",
        r"(store|tidy|backup|watch): .*(No space left on device|database or disk is full).*; "
        r"tried again (each second|in \d+ s)",
        r"what was written in the last second may not survive a loss of power"]


def is_healthy():
    connection = http.client.HTTPConnection(*HTTP, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Faults:
    def __init__(self, sensors, collector, disk):
        self.sensors, self.collector, self.disk = sensors, collector, disk
        self.spans, self.unexplained, self.count, self.read = [], [], {}, 0
        self.reloads = 0

    def read_lines(self, explained=()):
        """Keeps each line of an error, since the last call, that nothing explains."""
        end = self.collector.mark()
        for line in self.collector.said(self.read)[:end - self.read].splitlines():
            if "error:" in line and not any(re.search(e, line) for e in explained):
                self.unexplained.append(line)
        self.read = end

    @contextlib.contextmanager
    def fault(self, name, *explained):
        """Until the product is whole again: every role, an answer with all that has been received, health."""
        self.read_lines()
        begun = time.monotonic()
        self.spans.append([begun, float("inf"), name])
        yield
        self.collector.wait_whole()
        wait_until(lambda: collect("query", self.collector.directory, "loss", "--format", "csv").status == 0, 60, 0.1)
        wait_until(is_healthy, 60, 0.1)
        self.spans[-1][1] = time.monotonic()
        self.read_lines(explained)
        self.count[name] = self.count.get(name, 0) + 1

    def is_explained(self, begun, ended):
        """Whether something was wrong in that time."""
        return any(begun <= to and ended >= since for since, to, _ in self.spans)

    # ---- one after the other ----

    def sensor_restarts(self):
        with self.fault("sensor restarts"):
            self.sensors[0].stop()
            self.sensors[0].start()

    def role_is_killed(self, name):
        with self.fault("kill -9 of " + name, KILLED % name):
            pid = self.collector.roles()[name]
            os.kill(pid, signal.SIGKILL)
            self.collector.wait_whole(but=[pid])

    def reload(self):
        with self.fault("SIGHUP"):
            self.reloads += 1
            self.collector.configure(self.reloads)
            self.signal_reload("has been read again", changes=True)

    def reload_of_nonsense(self):
        with self.fault("SIGHUP, a mistake", r"collect\.conf, line 1: .*; the configuration stays as it was"):
            self.collector.file.write_text("max-size much\n")
            self.signal_reload("the configuration stays as it was", changes=False)
            self.collector.configure(self.reloads)

    def signal_reload(self, words, changes):
        since, before = self.collector.mark(), set(self.collector.roles().values())
        self.collector.process.send_signal(signal.SIGHUP)
        self.collector.wait_said(words, since)
        if changes:
            self.collector.wait_whole(but=before)

    def collector_restarts(self):
        with self.fault("collector restarts"):
            assert self.collector.stop() == 0, self.collector.said(self.read)
            self.collector.start()

    def supervisor_is_killed(self):
        with self.fault("kill -9 of the supervisor"):
            roles = self.collector.roles().values()
            self.collector.process.kill()
            self.collector.wait_gone(roles)
            self.collector.start()

    def all_are_killed(self):
        with self.fault("kill -9 of all"):
            roles = self.collector.roles().values()
            for pid in self.collector.process.pid, *roles:
                os.kill(pid, signal.SIGKILL)
            self.collector.wait_gone(roles)
            self.collector.start()

    def disk_is_full(self, seconds):
        with self.fault("disk full", *FULL):
            since = self.collector.mark()
            wait_until(lambda: self.disk.is_full() and "error: journal: " in self.collector.said(since), 60, 0.1)
            until = time.monotonic() + seconds
            wait_until(lambda: self.disk.is_full() and time.monotonic() > until, seconds + 20, 0.1)
            self.disk.free()
            self.collector.wait_said("journal: can be written to again", since)

    def round(self, full_seconds):
        """All of them. A receiver is not killed right behind the start of a sensor: what is lost of a stream that
        nobody has heard yet counts as lost on the way."""
        yield self.sensor_restarts
        for name in reversed(ROLES):
            yield lambda name=name: self.role_is_killed(name)
            if name in ("tidy", "receive"):
                yield self.reload
        yield lambda: self.disk_is_full(full_seconds)
        yield self.supervisor_is_killed
        yield self.sensor_restarts
        yield self.reload_of_nonsense
        yield self.collector_restarts
        yield self.all_are_killed
