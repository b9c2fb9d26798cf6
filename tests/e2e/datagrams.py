# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams of every version, made by hand, and the packets that carry them."""

import struct

from conftest import BASE_US, TRAILER_COUNTERS, address, udp_packet, wire_name


def padded(data):
    return data + bytes(-len(data) % 4)


def ips(texts):
    return b"".join(address(t) for t in texts)


def wire_names(names):
    return padded(b"".join(wire_name(n) for n in names))


def set4(client, resolver, names, ipv4=(), ipv6=()):
    packed = wire_names(names)
    family = 6 if ":" in client else 4
    return struct.pack("!BBBBHH", family, len(names), len(ipv4), len(ipv6), len(packed), 0) + \
        address(client).ljust(16, b"\0") + address(resolver).ljust(16, b"\0") + packed + ips(ipv4) + ips(ipv6)


def set3(client, names, ipv4=(), ipv6=(), wide=False):
    packed = wire_names(names)
    family = 6 if ":" in client else 4
    head = struct.pack("!BBBBHH", family, len(names), len(ipv4), len(ipv6), len(packed), 0)
    return head + address(client).ljust(16 if wide else 4, b"\0") + packed + ips(ipv4) + ips(ipv6)


def set2(client, names, ipv4, text=False):
    packed = padded(b"".join(n + b"\0" for n in names)) if text else wire_names(names)
    return address(client) + struct.pack("!BBH", len(names), len(ipv4), len(packed)) + packed + ips(ipv4)


def datagram(sequence, *sets, version=4, flags=0, count=None):
    return struct.pack("!BBHI", version, len(sets) if count is None else count, flags, sequence) + b"".join(sets)


def stats(sequence, *values, version=4):
    return datagram(sequence, struct.pack("!%dI" % len(values), *values), version=version, flags=1)


def extended(sequence, *sets, ext=((0, 300, 1, 40000, 0),), base=BASE_US, sensor_id=7, worker=2, rate=10):
    """A datagram with the trailer; ext has an entry for each set, or one for all."""
    ext = list(ext) * (len(sets) if len(ext) == 1 else 1)
    trailer = struct.pack("!BBHIIIQ", 1, worker, 24 + 16 * len(sets), sensor_id, 1600000000, rate, base)
    trailer += b"".join(struct.pack("!iIHHHH", *e, 0) for e in ext)
    return datagram(sequence, *sets, trailer, flags=2, count=len(sets))


class Worker:
    """A sensor's worker from its start: numbers its datagrams, and counts as a trailer does."""

    def __init__(self, start, sensor_id=7, worker=0):
        self.start, self.sensor_id, self.worker, self.number = start, sensor_id, worker, 0
        self.counters = dict.fromkeys(TRAILER_COUNTERS, 0)
        self.ring = self.interface = 0

    def _trailer(self, rest):
        return struct.pack("!BBHIIIQ", 1, self.worker, 24 + len(rest), self.sensor_id, self.start, 0,
                           (self.start + self.number // 50) * 1000000) + rest

    def data(self, *sets):
        self.number += 1
        for name, by in (("frames_seen", 1), ("frames_delivered", 1), ("messages_parsed", 1), ("messages_with_record", 1),
                         ("records", len(sets)), ("sets", len(sets)), ("datagrams", 1)):
            self.counters[name] += by
        rest = struct.pack("!iIHHHH", 0, 300, 1, 40000, 0, 0) * len(sets)
        return datagram(self.number, *sets, self._trailer(rest), flags=2, count=len(sets))

    def more(self, **counters):
        """What else it has counted."""
        for name, by in counters.items():
            self.counters[name] += by

    def stats(self):
        self.number += 1
        kernel = [self.counters["frames_seen"], self.counters["frames_seen"] + self.ring, self.ring, self.interface, 0]
        rest = struct.pack("!HH%dQ" % len(TRAILER_COUNTERS), len(TRAILER_COUNTERS), 0,
                           *(self.counters[n] % 2**64 for n in TRAILER_COUNTERS))
        self.counters["datagrams"] += 1
        return datagram(self.number, struct.pack("!5I", *(n & 0xffffffff for n in kernel)), self._trailer(rest), flags=3, count=1)


ONE = set4("10.0.0.9", "10.0.0.53", ["www.example.com", "cdn.example.net"], ["192.0.2.1", "192.0.2.2"], ["2001:db8::1"])


def packet(payload, source="10.1.1.1", port=4000, target=None, target_port=5300):
    return udp_packet(source, port, target or ("2001:db8::5300" if ":" in source else "10.1.1.2"), target_port, payload)


def bare(payload):
    """A frame of DLT_NULL without packet headers."""
    return bytes(4) + payload
