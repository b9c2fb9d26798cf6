# SPDX-License-Identifier: BSD-3-Clause
"""Fragments, datagrams and TCP segments, made by hand."""

import struct


def ip_packet(src, dst, protocol, payload, number=0, where=0):
    if len(src) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, where, 64, protocol, 0)
        return head + src + dst + payload
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + src + dst + payload


def fragments(rng, src, dst, payload, number, protocol=17):
    """The packet in pieces of 8 to 200 bytes, or whole."""
    made, at = [], 0
    while at < len(payload):
        size = 8 * rng.randint(1, 25)
        more = at + size < len(payload)
        piece = payload[at:at + size]
        if len(src) == 4:
            made.append(ip_packet(src, dst, protocol, piece, number, at // 8 | (0x2000 if more else 0)))
        else:
            head = struct.pack("!BBHI", protocol, 0, at | more, number)
            made.append(ip_packet(src, dst, 44, head + piece))
        at += size
    return made


def datagram(port, message):
    return struct.pack("!HHHH", 53, port, 8 + len(message), 0) + message


def segment(src, dst, port, sequence, flags, payload):
    return ip_packet(src, dst, 6, struct.pack("!HHIIBBHHH", 53, port, sequence % 2**32, 0, 0x50, flags, 1000, 0, 0)
                     + payload)
