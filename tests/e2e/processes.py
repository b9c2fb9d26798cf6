# SPDX-License-Identifier: BSD-3-Clause
"""What runs beside a test."""

from pathlib import Path

from conftest import wait_until


def is_alive(pid):
    try:
        return Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid):
    return [int(p) for p in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def helpers_of(pid):
    """The process that watches and the one that answers; proc(5): the list can lack one while a process runs."""
    wait_until(lambda: len(children_of(pid)) == 1)
    keeper = children_of(pid)[0]
    wait_until(lambda: len(children_of(keeper)) == 1)
    return [keeper] + children_of(keeper)
