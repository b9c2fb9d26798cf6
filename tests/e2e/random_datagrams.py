# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams, names and addresses at random, at their edges, and damaged."""

import ipaddress
import struct

from conftest import wire_name


def random_labels(dice, long=False):
    if long:
        sizes = [dice.randint(50, 63) for _ in range(3)] + [dice.randint(1, 40)]
    else:
        sizes = [dice.randint(1, 15) for _ in range(dice.choice((0, 1, 2, 2, 3, 3, 4)))]
    odd = dice.random() < 0.1
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    return [bytes(dice.randrange(256) if odd else dice.choice(plain) for _ in range(size)) for size in sizes]


def random_address(dice, version):
    return str(ipaddress.IPv4Address(dice.getrandbits(32)) if version == 4 else
               ipaddress.IPv6Address(0x20010DB8 << 96 | dice.getrandbits(96)))


def random_answers(dice, names_count):
    """(owner, type, ttl, rdata) of some, which fit one set with the names and addresses of test_python."""
    return [(dice.choice((0, 255, dice.randrange(names_count))),
             dice.choice((2, 12, 15, 16, 33, 65, dice.randrange(256, 65536))), dice.getrandbits(32),
             dice.randbytes(dice.choice((0, 1, 4, 20, 60)))) for _ in range(dice.choice((0, 0, 0, 1, 2, 3)))]


def answers_at(data):
    """Where the answers of a whole datagram of version 4 begin."""
    at = 8
    for _ in range(data[1]):
        at += 40 + struct.unpack_from("!H", data, at + 4)[0] + 4 * data[at + 2] + 16 * data[at + 3]
    return at + 24 + 16 * data[1]


def add_answers(dice, data):
    """To a datagram of version 4 with a trailer: to some of its sets, but not to those that continue a record."""
    area, end = b"", answers_at(data)
    entries = end - 16 * data[1]
    for number in sorted(dice.sample(range(data[1]), dice.randint(0, data[1]))):
        rrs = b"".join(struct.pack("!BHIH", owner, kind, ttl, len(rdata)) + rdata
                       for owner, kind, ttl, rdata in random_answers(dice, 1))
        if rrs and not data[entries + 16 * number + 13] & 1:
            area += struct.pack("!BH", number, len(rrs)) + rrs
    data = bytearray(data + area)
    data[3] |= 8 if area else 0
    struct.pack_into("!H", data, entries - 22, len(data) - entries + 24)
    return bytes(data)


def damage_answers(dice, data):
    """In the head of a set's answers or of one of these."""
    heads, at, end = [], answers_at(data), len(data) - (16 if data[3] & 4 else 0)
    while at < end:
        stop = at + 3 + struct.unpack_from("!H", data, at + 1)[0]
        heads.append((at, 3))
        at += 3
        while at < stop:
            heads.append((at, 9))
            at += 9 + struct.unpack_from("!H", data, at + 7)[0]
    at, size = dice.choice(heads)
    at += dice.choice((0, size - 1, dice.randrange(size)))
    data[at] = dice.choice((0, 1, 2, 255, (data[at] + 1) % 256, (data[at] - 1) % 256, dice.randrange(256)))


def damage(dice, data):
    data = bytearray(data)
    kind = dice.randrange(9)
    if kind == 8 and data[0] == 4 and data[3] & 9 == 8:
        damage_answers(dice, data)
        return bytes(data)
    if kind == 0:
        return bytes(data[:dice.randrange(len(data) + 1)])
    if kind == 1:
        data[dice.randrange(min(16, len(data)))] = dice.randrange(256)
    elif kind == 2:
        data[0] = dice.randrange(6)
    elif kind == 3 and len(data) > 48:
        data[48] = dice.choice((0, 62, 63, 64, 65, 191, 192))  # the first label in version 4
    elif kind == 4 and len(data) > 50 and data[0] == 4:
        at = len(data) - 24 - 16 * data[1]  # the trailer
        if at > 8:
            whole = len(data) - at
            struct.pack_into("!H", data, at + 2, dice.choice((0, 1, 2, 3, 4, 5, whole - 1, whole + 1)))
    elif kind == 5:
        data[8 + dice.choice((0, 1, 2, 3, 4, 5))] = dice.choice((0, 1, 2, 4, 6, 8, 255))
    else:
        for _ in range(dice.randint(1, 3)):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def old_datagrams():
    """A whole one of each version below 4."""
    names = wire_name("www.old.example") + wire_name("cdn.example") + b"\0\0\0"
    text = b"www.old.example\0cdn.example\0"
    one = struct.pack("!BBBBHH", 4, 2, 1, 1, len(names), 0) + bytes((10, 0, 0, 9)) + names + bytes(range(20))
    six = struct.pack("!BBBBHH", 6, 2, 0, 1, len(names), 0) + bytes(range(16)) + names + bytes(range(16))
    yield struct.pack("!BBHI", 3, 2, 0, 1) + one + six
    for version in 0, 1, 2:
        body = text if version == 0 else names
        yield struct.pack("!BBHI", version, 2, 0, 1) + \
            2 * (bytes((10, 0, 0, 9)) + struct.pack("!BBH", 2, 2, len(body)) + body + bytes(range(8)))
        yield struct.pack("!BBHI", version, 1, 1, 1) + bytes(20 if version == 2 else 16)


def edges():
    """Labels of about 63 bytes and names of about 255."""
    for sizes in [[n] for n in (1, 62, 63, 64, 65, 127, 128, 191, 192, 255)] + [[63, 63, 63, n] for n in range(58, 64)]:
        name = b"".join(bytes([n]) + n * b"a" for n in sizes) + b"\0"
        name += bytes(-len(name) % 4)
        yield struct.pack("!BBHI", 2, 1, 0, 1) + struct.pack("!IBBH", 9, 1, 1, len(name)) + name + bytes(4)
        yield struct.pack("!BBHI", 4, 1, 0, 1) + struct.pack("!BBBBHH", 4, 1, 1, 0, len(name), 0) + bytes(32) + name + \
            bytes(4)
