# SPDX-License-Identifier: BSD-3-Clause
"""dnstap messages and Frame Streams, made by hand, and a sensor that listens for them."""

import contextlib
import os
import re
import signal
import socket
import struct

from conftest import SENSOR, Background, Collector, Summary, address, check_sequence, response, rows_of, wait_until

CONTENT = b"protobuf:dnstap.Dnstap"
ACCEPT, START, STOP, READY, FINISH = 1, 2, 3, 4, 5
CLIENT_QUERY, CLIENT_RESPONSE, RESOLVER_RESPONSE = 5, 6, 4
UDP, TCP, DOT, DOH, DOQ = 1, 2, 3, 4, 7


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(name="tap.example", client="192.0.2.9", resolver="192.0.2.53", kind=CLIENT_RESPONSE, protocol=UDP,
            port=4000, seconds=1700000000, dns=None, **more):
    body = field(1, kind) + field(2, 2 if ":" in client else 1) + field(3, protocol) + field(4, address(client))
    if resolver:
        body += field(5, address(resolver))
    body += field(6, port) + field(7, 53)
    if seconds is not None:
        body += field(12, seconds) + varint(13 << 3 | 5) + struct.pack("<I", 250000000)
    body += field(14, dns if dns is not None else response(name, ["198.51.100.1"], **more))
    return field(1, b"identity") + field(2, b"version") + field(14, body) + field(15, 1)


def row(name="tap.example", client="192.0.2.9", resolver="192.0.2.53"):
    return "\t".join((resolver, client, name, "198.51.100.1", ""))


def control(kind, content=CONTENT):
    fields = struct.pack("!II", 1, len(content)) + content if content is not None else b""
    return struct.pack("!III", 0, 4 + len(fields), kind) + fields


def frames(*messages):
    return b"".join(struct.pack("!I", len(m)) + m for m in messages)


def whole(*messages):
    return control(START) + frames(*messages) + control(STOP, None)


class Tap:
    """A sensor that listens, and its collector."""

    def __init__(self, tmp_path, *options, where=None):
        self.path = tmp_path / "tap.sock"
        self.where = where or "unix:%s" % self.path
        self.stack = contextlib.ExitStack()
        self.collector = self.stack.enter_context(Collector())
        self.sensor = self.stack.enter_context(
            Background([SENSOR, "-t", self.where, "-u", self.collector.target, *options], tmp_path))
        self.sensor.wait_err("listening for dnstap on")
        self.sensor.wait_handlers()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        return self.stack.__exit__(*what)

    def connect(self):
        if self.where.startswith("unix:"):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(self.path))
        else:
            host, port = self.where[4:].rsplit(":", 1)
            s = socket.create_connection((host.strip("[]"), int(port)))
        s.settimeout(10)
        return self.stack.enter_context(s)

    def count(self):
        self.sensor.signal(signal.SIGUSR1)
        found = [l for l in self.sensor.err.splitlines() if "]: frames: " in l]
        return int(found[-1].split("frames: ")[1].split()[0]) if found else 0

    def wait_seen(self, count):
        wait_until(lambda: self.count() >= count, step=0.05)

    def wait_records(self, count):
        def enough():
            self.sensor.signal(signal.SIGUSR1)
            return any("]: output: " in l and int(l.split("output: ")[1].split()[0]) >= count
                       for l in self.sensor.err.splitlines())
        wait_until(enough, step=0.1)

    def wait_note(self, name, count):
        def there():  # the ledgers of a running sensor may have a frame in work
            self.sensor.signal(signal.SIGUSR1)
            return any(int(n) >= count for n in re.findall(r"\]: output: .*\b%s (\d+)" % name, self.sensor.err))
        wait_until(there, step=0.1)

    def cpu_seconds(self):
        ticks = open("/proc/%d/stat" % self.sensor.process.pid).read().rsplit(")", 1)[1].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def next_descriptor(self):
        used = os.listdir("/proc/%d/fd" % self.sensor.process.pid)
        return next(n for n in range(len(used) + 1) if str(n) not in used)

    def finish(self):
        self.sensor.signal(signal.SIGTERM)
        assert self.sensor.wait(10) == 0, self.sensor.err
        summary = Summary(self.sensor.err)
        streams = self.collector.datagrams(summary.notes["datagrams"])
        for stream in streams.values():
            check_sequence(stream)
        return summary, [r for stream in streams.values() for r in rows_of(stream)]


def handshake(s):
    """READY, ACCEPT, START, as senders over sockets do it."""
    s.sendall(control(READY))
    assert s.recv(1000) == control(ACCEPT)
    s.sendall(control(START))
