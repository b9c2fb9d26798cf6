# SPDX-License-Identifier: BSD-3-Clause
"""Memory and descriptors of each process, sizes of what is kept, and whether they stay as they are."""

import collections
import os
import re
import statistics
import threading
import time

MEMORY_KIB, MEMORY_PART = 2048, 0.1  # that a median may grow by: so much, and this part of what it was
YOUNG_KIB = 8192  # and so much where what is kept grows from nothing meanwhile
DESCRIPTORS = 2  # connections come and go
LOOKS_AT_ALL = ("query", "tidy")  # roles whose memory may grow as what is kept does, and no faster

Sample = collections.namedtuple("Sample", "at pid kib fds kept", defaults=(1,))  # kept: bytes of the store
WHAT = ("memory", "descriptors")
Flat = collections.namedtuple("Flat", "who what before after bound holds")


def memory_kib(pid):
    """The proportional set size: what is shared counts in part."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))


def size_of(folder):
    total = 0
    for at, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(at, name)).st_blocks * 512
            except OSError:
                pass
    return total


class Samples(threading.Thread):
    """Looks each `every_s` seconds at {who: pid} of `processes()`, until `stop` is called."""

    def __init__(self, processes, directory, every_s):
        super().__init__(daemon=True)
        self.processes, self.directory, self.every_s = processes, directory, every_s
        self.taken = collections.defaultdict(list)
        self.journal = self.store = 0
        self.stopping = threading.Event()

    def look(self):
        self.journal = size_of(self.directory / "journal")
        self.store = size_of(self.directory) - self.journal
        for who, pid in self.processes().items():
            try:
                fds = len(os.listdir("/proc/%d/fd" % pid))
                self.taken[who].append(Sample(time.monotonic(), pid, memory_kib(pid), fds, self.store))
            except (OSError, AttributeError):  # it has just ended
                pass

    def run(self):
        while not self.stopping.wait(self.every_s):
            self.look()

    def stop(self):
        self.stopping.set()
        self.join()

    def last(self, who):
        return self.taken[who][-1] if self.taken[who] else None


def medians_of(span):
    return [statistics.median(values) for values in zip(*((s.kib, s.fds, s.kept) for s in span))]


def compare(who, before, after, kib):
    """The medians of two spans of samples."""
    was, became = medians_of(before), medians_of(after)
    part = max(1 + MEMORY_PART, became[2] / was[2] if who in LOOKS_AT_ALL else 0)
    bounds = was[0] * part + kib, was[1] + DESCRIPTORS
    return [Flat(who, what, was[i], became[i], bounds[i], became[i] <= bounds[i]) for i, what in enumerate(WHAT)]


def compare_both(who, before, after, kib):
    if not before or not after:
        return [Flat(who, what, None, None, None, False) for what in WHAT]
    return compare(who, before, after, kib)


def flat_between(who, taken, second, last, kib=MEMORY_KIB):
    """Between two spans of time, (from, to) each, whatever processes there were."""
    return compare_both(who, *([s for s in taken if begin <= s.at <= end] for begin, end in (second, last)), kib)


def flat_in_life(who, taken, kib=MEMORY_KIB):
    """Of the process that lived longest: the second third of its life and the last."""
    lives = collections.defaultdict(list)
    for sample in taken:
        lives[sample.pid].append(sample)
    life = max(lives.values(), key=len, default=[])
    third = len(life) // 3
    return compare_both(who, life[third:2 * third], life[2 * third:], kib), life[-1].at - life[0].at if life else 0
