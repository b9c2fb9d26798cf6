#!/usr/bin/python3
"""Prints the records that a capture should give, one per line:

    resolver TAB client TAB names TAB IPv4 addresses TAB IPv6 addresses

A slow and plain second reader, used only to check the sensor. It shares nothing with it.

Usage: tests/captures/expect.py CAPTURE"""

import ipaddress
import struct
import sys

NULL, ETHERNET, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = 0, 1, 101, 108, 113, 228, 229, 276
RAW_OTHERS = (12, 14)
TAGS = (0x8100, 0x88A8, 0x9100)
TYPE_A, TYPE_CNAME, TYPE_AAAA, TYPE_ANY = 1, 5, 28, 255


class Unsupported(Exception):
    """A capture this reader does not know."""


class Nothing(Exception):
    """The frame gives no record."""


class Cut(Exception):
    """The data end before the field does."""


def take(data, start, length):
    if start + length > len(data):
        raise Cut()
    return data[start:start + length]


def u8(data, at):
    return take(data, at, 1)[0]


def u16(data, at):
    return struct.unpack(">H", take(data, at, 2))[0]


# Captures: each reader yields (link type, captured bytes).

def frames(data):
    magic = data[:4]
    if magic == b"\n\r\r\n":
        return pcapng(data)
    for order in "<", ">":
        for number, header in ((0xA1B2C3D4, 16), (0xA1B23C4D, 16), (0xA1B2CD34, 24)):
            if magic == struct.pack(order + "I", number):
                return pcap(data, order, header)
    raise Unsupported("not a capture")


def pcap(data, order, header):
    link = struct.unpack(order + "I", take(data, 20, 4))[0] & 0xFFFF
    at = 24
    while at + header <= len(data):
        captured = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        at += header
        if at + captured > len(data):
            return
        yield link, data[at:at + captured]
        at += captured


def pcapng(data):
    order, links, snaps, at = "<", [], [], 0
    while at + 12 <= len(data):
        if data[at:at + 4] == b"\n\r\r\n":
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links, snaps = [], []
        kind, total = struct.unpack(order + "II", data[at:at + 8])
        if total < 12 or at + total > len(data):
            return
        body = data[at + 8:at + total - 4]
        at += total
        if kind == 1:
            link, _, snap = struct.unpack(order + "HHI", body[:8])
            links.append(link)
            snaps.append(snap)
        elif kind == 6:
            interface, _, _, captured = struct.unpack(order + "IIII", body[:16])
            yield links[interface], body[20:20 + captured]
        elif kind == 2:
            interface, _, _, _, captured = struct.unpack(order + "HHIII", body[:16])
            yield links[interface], body[20:20 + captured]
        elif kind == 3:
            captured = struct.unpack(order + "I", body[:4])[0]
            if snaps[0]:
                captured = min(captured, snaps[0])
            yield links[0], body[4:4 + captured]


# Frames: each step gives the bytes of the IP packet.

def ethertype(data, at):
    """The packet behind an EtherType or length field at `at`, past VLAN tags and LLC/SNAP."""
    kind = u16(data, at)
    while kind in TAGS:
        at += 4
        kind = u16(data, at)
    if kind <= 1500 and data[at + 2:at + 8] == b"\xaa\xaa\x03\0\0\0":
        at += 8
        kind = u16(data, at)
    if kind not in (0x0800, 0x86DD):
        raise Nothing()
    return data[at + 2:]


def packet(link, data):
    if link == ETHERNET:
        return ethertype(data, 12)
    if link == SLL:
        return ethertype(take(data, 14, 2) + data[16:], 0)
    if link == SLL2:
        return ethertype(take(data, 0, 2) + data[20:], 0)
    if link in (NULL, LOOP):
        family = take(data, 0, 4)
        if family not in [struct.pack(o + "I", f) for f in (2, 10, 24, 28, 30) for o in "<>"]:
            raise Nothing()
        return data[4:]
    if link in (RAW, IPV4, IPV6) + RAW_OTHERS:
        return data
    raise Unsupported("link type %d" % link)


class Packet:
    """An IP packet, or a fragment of one."""

    def __init__(self, source, destination, kind, payload, number=None, start=0, more=False):
        self.source, self.destination, self.kind, self.payload = source, destination, kind, payload
        self.number, self.start, self.more = number, start, more

    @property
    def is_fragment(self):
        return self.more or self.start > 0


def ip(data):
    version = u8(data, 0) >> 4
    if version == 4:
        return ipv4(data)
    if version == 6:
        return ipv6(data)
    raise Nothing()


def ipv4(data):
    header = (u8(data, 0) & 15) * 4
    take(data, 0, header)
    where = u16(data, 6)
    return Packet(data[12:16], data[16:20], u8(data, 9), data[header:u16(data, 2)], u16(data, 4),
                  (where & 0x1FFF) * 8, where & 0x2000 > 0)


def ipv6(data):
    take(data, 0, 40)
    source, destination = data[8:24], data[24:40]
    if u16(data, 4):
        data = data[:40 + u16(data, 4)]
    kind, at = data[6], 40
    while kind in (0, 43, 44, 51, 60):
        if kind == 44:
            where = u16(data, at + 2)
            if where & 0xFFF9:
                return Packet(source, destination, u8(data, at), data[at + 8:], take(data, at + 4, 4), where & 0xFFF8,
                              where & 1 > 0)
            length = 8
        elif kind == 51:
            length = (u8(data, at + 1) + 2) * 4
        else:
            length = (u8(data, at + 1) + 1) * 8
        kind, at = u8(data, at), at + length
    return Packet(source, destination, kind, data[at:])


class Fragments:
    """Puts IP packets together; of those that stay incomplete gives the beginning, in the end."""

    def __init__(self):
        self.waiting = {}

    def add(self, p):
        key = p.source, p.destination, p.kind, p.number
        parts = self.waiting.setdefault(key, {})
        parts[p.start] = p
        whole = self.join(parts)
        if whole is None:
            return None
        del self.waiting[key]
        return Packet(p.source, p.destination, p.kind, whole)

    @staticmethod
    def join(parts, incomplete=False):
        payload = b""
        while len(payload) in parts:
            part = parts[len(payload)]
            payload += part.payload
            if not part.more:
                return payload
            if not part.payload:
                break
        return payload if incomplete else None

    def rest(self):
        for (source, destination, kind, _), parts in self.waiting.items():
            yield Packet(source, destination, kind, self.join(parts, True))


class Stream:
    """One direction of a TCP connection, from its SYN on or from a segment that begins with a message."""

    def __init__(self):
        self.next, self.parts = None, {}

    def add(self, segment):
        """Gives the messages that are whole now."""
        sequence, flags = struct.unpack(">I", take(segment, 4, 4))[0], u8(segment, 13)
        data = segment[(u8(segment, 12) >> 4) * 4:]
        if flags & 2:
            self.next, self.parts = (sequence + 1) % 2**32, {}
        elif self.next is None and len(data) > 5 and u16(data, 0) >= 12 and data[4] & 0x80:
            self.next = sequence
        if self.next is None or not data:
            return
        for i, byte in enumerate(data):
            self.parts.setdefault((sequence + i) % 2**32, byte)
        while True:
            ready = self.ready()
            if len(ready) < 2 or len(ready) < 2 + u16(ready, 0):
                return
            yield ready[2:2 + u16(ready, 0)]
            self.next = (self.next + 2 + u16(ready, 0)) % 2**32

    def ready(self):
        ready, at = bytearray(), self.next
        while at in self.parts:
            ready.append(self.parts[at])
            at = (at + 1) % 2**32
        return bytes(ready)


def dns_message(datagram):
    if u16(datagram, 0) != 53:
        raise Nothing()
    length = u16(datagram, 4)
    if length < 8:
        raise Nothing()
    return datagram[8:length]


# DNS

def label_text(label):
    text = ""
    for byte in label:
        if byte in b'.\\"();@$':
            text += "\\" + chr(byte)
        elif 0x21 <= byte <= 0x7E:
            text += chr(byte)
        else:
            text += "\\%03d" % byte
    return text


def read_name(message, at):
    """(text, offset behind the name)"""
    labels, end, octets = [], None, 1
    while True:
        length = u8(message, at)
        if length >= 0xC0:
            target = u16(message, at) & 0x3FFF
            end = at + 2 if end is None else end
            if target >= at:
                raise Nothing()
            at = target
        elif length >= 0x40:
            raise Nothing()
        elif length == 0:
            return ".".join(labels) or ".", at + 1 if end is None else end
        else:
            labels.append(label_text(take(message, at + 1, length)))
            at += 1 + length
            octets += 1 + length
            if octets > 255:
                raise Nothing()


def read_answers(message, at, count, names, v4, v6):
    for _ in range(count):
        _, at = read_name(message, at)
        kind, length = u16(message, at), u16(message, at + 8)
        data, at = take(message, at + 10, length), at + 10 + length
        if kind == TYPE_CNAME:
            names.append(read_name(message, at - length)[0])
        elif kind == TYPE_A and length == 4:
            v4.append(str(ipaddress.IPv4Address(data)))
        elif kind == TYPE_AAAA and length == 16:
            v6.append(ipv6_text(data))


def ipv6_text(data):
    address = ipaddress.IPv6Address(data)
    if address.ipv4_mapped:
        return "::ffff:%s" % address.ipv4_mapped
    return str(address)


def record(message):
    """(names, IPv4, IPv6)"""
    take(message, 0, 12)
    flags, questions, answers = struct.unpack(">HHH", message[2:8])
    if flags & 0x8180 != 0x8180 or flags & 15 or questions != 1:
        raise Nothing()
    name, at = read_name(message, 12)
    kind = u16(message, at)
    take(message, at, 4)
    if kind not in (TYPE_A, TYPE_AAAA, TYPE_ANY):
        raise Nothing()
    names, v4, v6 = [name], [], []
    try:
        read_answers(message, at + 4, answers, names, v4, v6)
    except Cut:
        pass  # what is whole counts
    if not v4 and not v6:
        raise Nothing()
    return names, v4, v6


class Reader:
    def __init__(self):
        self.fragments, self.streams = Fragments(), {}

    @staticmethod
    def row(p, message):
        try:
            names, v4, v6 = record(message)
        except (Nothing, Cut):
            return []
        text = ipv6_text if len(p.source) == 16 else lambda a: str(ipaddress.IPv4Address(a))
        return ["\t".join((text(p.source), text(p.destination), ",".join(names), ",".join(v4), ",".join(v6)))]

    def rows(self, link, data):
        try:
            p = ip(packet(link, data))
            if p.is_fragment:
                p = self.fragments.add(p)
            return self.rows_of(p) if p else []
        except (Nothing, Cut):
            return []

    def rows_of(self, p):
        if p.kind == 17:
            return self.row(p, dns_message(p.payload))
        if p.kind != 6 or u16(p.payload, 0) != 53:
            return []
        key = p.source, p.destination, u16(p.payload, 2)
        stream = self.streams.setdefault(key, Stream())
        return [r for message in stream.add(p.payload) for r in self.row(p, message)]

    def rest(self):
        rows = []
        for p in self.fragments.rest():
            try:
                rows += self.rows_of(p)
            except (Nothing, Cut):
                pass
        return rows


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.rsplit("\n\n", 1)[1])
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    try:
        reader = Reader()
        for link, frame in frames(data):
            print("\n".join(reader.rows(link, frame) + [""]), end="")
        print("\n".join(reader.rest() + [""]), end="")
    except Unsupported as error:
        sys.stderr.write("%s: %s\n" % (sys.argv[1], error))
        sys.exit(2)


if __name__ == "__main__":
    main()
