# SPDX-License-Identifier: BSD-3-Clause
"""What runs beside a test."""

import contextlib
import socket
import subprocess
from pathlib import Path

from conftest import SENSOR, response, wait_until


def is_alive(pid):
    try:
        return Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    return [int(p) for p in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def helpers_of(pid):
    """The process that watches and the one that answers; proc(5): the list can lack one while a process runs."""
    wait_until(lambda: len(children_of(pid)) == 1)
    keeper = children_of(pid)[0]
    wait_until(lambda: len(children_of(keeper)) == 1)
    return [keeper] + children_of(keeper)


@contextlib.contextmanager
def sensor_of_full_output(*options, **more):
    """A sensor on loopback whose output nobody reads, a socket as a pipe would not block; and what fills that, so that
    its worker does not move any more."""
    out, reader = socket.socketpair()

    def fill():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            sink.bind(("127.0.0.1", 0))
            source.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            source.bind(("127.0.0.77", 53))
            message = response("full.example", ["192.0.2.1"] * 40)
            for _ in range(4000):  # far more than a socket that nobody reads holds
                source.sendto(message, sink.getsockname())
    with out, reader, subprocess.Popen([SENSOR, "-i", "lo", "--ring-size", "8", "-w", "-", *options], stdout=out,
                                       stderr=subprocess.DEVNULL, **more) as process:
        try:
            yield process, fill
        finally:
            process.kill()
