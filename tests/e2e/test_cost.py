# SPDX-License-Identifier: BSD-3-Clause
"""What messages cost: the worst in instructions that callgrind counts, each family of them below tried with the numbers
that might make it worst, and held against ordinary responses counted in the same way."""

import os
import random
import re
import shutil
import struct

import pytest
from conftest import (BASE_US, ETHERNET, SENSOR, address_record, ethernet, release_build, response, run, udp_packet,
                      wire_name, write_pcap)

COPIES = 50
# Ordinary responses. Of mDNS a message gives up to 32 records, and with --records 160 answers. 560 take less than 100 us (72 us was the most measured).
LIMITS = {1472: (40, 50), 65507: (560, 560)}
CNAME, A, AAAA, TXT, HTTPS, NS, MINFO, ANY = 5, 1, 28, 16, 65, 2, 14, 255
ALL = ("--records", "all")

pytestmark = [pytest.mark.skipif(not shutil.which("valgrind"), reason="there is no valgrind"),
              release_build("the release build counts")]


def header(answers, questions=1, flags=0x8180):
    return struct.pack(">6H", 1, flags, questions, min(answers, 65535), 0, 0)


def rr(owner, kind, rdata, ttl=60):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(rdata)) + rdata


def pointer(at):
    return struct.pack(">H", 0xc000 | at)


def fill(size, start, make, flags=0x8180, question=None):
    """A message of about `size` bytes: a question, `start` answers, then those that make(index, offset) gives."""
    question = wire_name("q.example") + struct.pack(">HH", A, 1) if question is None else question
    body, count, index = question + b"".join(start), len(start), 0
    while True:
        one = make(index, 12 + len(body))
        if 12 + len(body) + len(one) > size:
            return header(count, 1 if question else 0, flags) + body
        body, count, index = body + one, count + 1, index + 1


Q = len(wire_name("q.example")) + 4 + 12  # where the first answer begins
A_RDATA = bytes([192, 0, 2, 1])


def chains(size, depth, labels):
    """Pointers one behind the other, in a TXT answer; then CNAMEs whose targets begin at its end."""
    words = b"\1x" * labels + b"\0"
    at = Q + 12
    ladder, starts = words, [at]
    for _ in range(depth):
        starts.append(at + len(ladder))
        ladder += pointer(starts[-2])
    return fill(size, [rr(b"\xc0\x0c", A, A_RDATA), rr(b"\xc0\x0c", TXT, b"")][1:0] + [rr(b"\xc0\x0c", TXT, ladder)],
                lambda i, _: rr(b"\xc0\x0c", A, A_RDATA) if i == 0 else rr(b"\xc0\x0c", CNAME, pointer(starts[-1])))


def owners(size, labels, kind):
    """Answers with owners that are spelled out."""
    return fill(size, [rr(b"\xc0\x0c", A, A_RDATA)],
                lambda i, _: rr(b"\1x" * labels + b"\0", kind, A_RDATA if kind == A else b""))


def long_names(size, cnames, labels):
    """CNAMEs with all that a name can have, and addresses for which these must be sent again."""
    return fill(size, [rr(b"\xc0\x0c", CNAME, (b"%c" % (labels - 1) + b"x" * (labels - 1)) * (250 // labels) + b"\0")] +
                [rr(b"\xc0\x0c", CNAME, pointer(Q + 12)) for _ in range(cnames - 1)],
                lambda i, _: rr(b"\xc0\x0c", A, A_RDATA))


def hints(size, length):
    """HTTPS answers full of address hints, or of empty parameters."""
    rdata = b"\0\1\0" + (struct.pack(">HH", 4, length) + bytes(length) if length else struct.pack(">HH", 9, 0) * 100)
    return fill(size, [], lambda i, _: rr(b"\xc0\x0c", HTTPS, rdata),
                question=wire_name("q.example") + struct.pack(">HH", HTTPS, 1))


def mdns_pointers(size, owners_count):
    """Addresses of names that all have been seen, in turn."""
    owners_count = min(owners_count, (size - 12) // 26)
    names = [wire_name("n%d.local" % i) for i in range(owners_count)]
    starts, at, first = [], 12, []
    for name in names:
        starts.append(at)
        first.append(rr(name, A, A_RDATA))
        at += len(first[-1])
    return fill(size, first, lambda i, _: rr(pointer(starts[i * 7 % owners_count]), A, A_RDATA), 0x8400, b"")


def mdns_names(size, labels, case, behind):
    """Names that are spelled out anew each time, alike but for case, or different, some ending in a pointer."""
    def name(i):
        tail = b"\1x" * labels
        head = struct.pack(">B4s", 4, b"%04d" % (i % 9999))
        if case:
            head, tail = b"\4" + bytes(c ^ (0x20 if i >> n & 1 else 0) for n, c in enumerate(b"name")), tail
        return head + (pointer(12) if behind and i else tail + b"\0")
    return fill(size, [rr(b"\1x" * labels + b"\0", A, A_RDATA)] if behind else [],
                lambda i, _: rr(name(i + 1), A, A_RDATA), 0x8400, b"")


def mdns_chains(size, depth, labels):
    words = b"\1x" * labels + b"\0"
    at = 12 + 11
    ladder, starts = words, [at]
    for _ in range(depth):
        starts.append(at + len(ladder))
        ladder += pointer(starts[-2])
    return fill(size, [rr(b"\0", TXT, ladder)], lambda i, _: rr(b"\1" + b"%c" % (97 + i % 26) + pointer(starts[-1]), A, A_RDATA),
                0x8400, b"")


def asks(kind):
    return wire_name("q.example") + struct.pack(">HH", kind, 1)


def rising(prefix, labels, i):
    return b"\4%04d" % i + prefix + b"\1x" * labels + b"\0"


def answers_owners(size, labels, spelled):
    """TXT answers whose owners are no names of the record: by pointers in turn to a long name, or spelled out."""
    name = b"\1x" * labels + b"\0"
    return fill(size, [rr(name, TXT, b"")],
                lambda i, _: rr(rising(b"", labels, i) if spelled else pointer(Q + i % 2 * 2), TXT, b""), question=asks(TXT))


def answers_known(size, cnames, labels):
    """Aliases, and answers whose owners are the last of them, by pointers in turn."""
    start = Q + 12
    targets = [rr(b"\xc0\x0c", CNAME, b"\1" + b"%c" % (97 + n) + (b"\1x" * labels + b"\0" if n == 0 else pointer(start + 2)))
               for n in range(cnames)]
    last = start if cnames == 1 else start + 2 + 2 * labels + 1 + 12 + (cnames - 2) * 16
    return fill(size, targets, lambda i, _: rr(pointer((last, start + 2)[i % 2]), TXT, b""), question=asks(TXT))


def answers_names(size, kind, names, labels, broken):
    """Compressed names in the rdata, all of them long; with a byte too many none of them is kept."""
    name = b"\1x" * labels + b"\0"
    return fill(size, [rr(name, TXT, b"")],
                lambda i, _: rr(b"\xc0\x0c", kind, pointer(Q) * names + b"\0" * broken), question=asks(ANY))


def answers_cnames(size, cnames, labels):
    """Aliases, all of them names that are to be known, and compressed name servers of them."""
    name = b"\1x" * labels + b"\0"
    start = [rr(b"\xc0\x0c", CNAME, name)] + [rr(b"\xc0\x0c", CNAME, b"\1y" + pointer(Q + 12)) for _ in range(cnames - 1)]
    return fill(size, start, lambda i, _: rr(pointer(Q + 12), NS, pointer(Q + 12 + 2 * (i % (labels or 1)))), question=asks(NS))


def answers_plain(size, length, kind):
    """As many as there is room for, or far more."""
    return fill(size, [], lambda i, _: rr(b"\xc0\x0c", TXT, bytes([length - 1]) + bytes(length - 1) if length else b""),
                question=asks(kind))


def hash_of(name):
    """As src/dns/answers.c has it."""
    value, either_case, low = len(name), 0x2020202020202020, (1 << 64) - 1
    whole = len(name) & ~7
    for (word,) in struct.iter_unpack("<Q", name[:whole]):
        value = (value ^ (word | either_case)) * 0x9e3779b97f4a7c15 & low
        value ^= value >> 32
    value = (value ^ (int.from_bytes(name[whole:], "big") | either_case)) * 0x9e3779b97f4a7c15 & low
    return value >> 32


def answers_collide(size, cnames, length):
    """Owners that differ from every name that is known in the last bytes, and not in the hash of all of it."""
    chance, head, found, best = random.Random(1), bytes([length]) + b"x" * (length - 8), {}, None
    while not best:
        name = head + bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=8)) + b"\0"
        other = found.setdefault(hash_of(name), name)
        if other != name:
            best = other, name
    start = [rr(b"\xc0\x0c", CNAME, best[0])] + [rr(b"\xc0\x0c", CNAME, pointer(Q + 12)) for _ in range(cnames - 1)]
    start.append(rr(best[1], TXT, b""))
    at = 12 + len(asks(TXT)) + sum(map(len, start[:-1]))
    return fill(size, start, lambda i, _: rr(pointer((at, Q + 13)[i % 2]), TXT, b""), question=asks(TXT))


def tail(size, rdata, code):
    """Records behind the answers, over which an OPT is looked for."""
    message = fill(size, [], lambda i, _: rr(b"\xc0\x0c", TXT, rdata), 0x8180 | code)
    return message[:6] + b"\0\0" + message[6:8] + message[10:]


# Name, maker, what it is tried with, options. The first of each list is what the whole search has found worst; the others
# are tried with DNSFLOW_LONG only.
FAMILIES = [("chains", chains, [(1, 0), (8, 20)] + [(d, n) for d in (1, 8, 15, 16, 17, 200) for n in (20, 126)], ()),
            ("owners", owners, [(126, A), (0, TXT)] + [(n, k) for n in (0, 20, 126) for k in (A, TXT)], ()),
            ("long names", long_names, [(5, 2), (5, 60)] + [(c, n) for c in (1, 3, 6, 15, 20, 60) for n in (2, 60)], ()),
            ("hints", hints, [(1400,), (0,), (4,)], ("--svcb",)),
            ("mdns pointers", mdns_pointers, [(31,), (60,), (1,), (33,)], ("-Y",)),
            ("mdns names", mdns_names, [(8, False, True), (120, True, True)] +
             [(n, c, b) for n in (0, 8, 120) for c in (False, True) for b in (False, True)], ("-Y",)),
            ("answers owners", answers_owners, [(120, False), (60, True)] +
             [(n, p) for n in (0, 20, 126) for p in (False, True)], ALL),
            ("answers known", answers_known, [(50, 1), (50, 20)] + [(c, n) for c in (2, 5, 50) for n in (1, 20, 120)], ALL),
            ("answers names", answers_names, [(MINFO, 2, 120, 1), (NS, 1, 0, 0)] +
             [(k, n, l, b) for k, n in ((NS, 1), (MINFO, 2)) for l in (10, 30, 60, 120) for b in (0, 1)], ALL),
            ("answers cnames", answers_cnames, [(40, 20), (10, 60)] + [(c, n) for c in (1, 5, 60) for n in (0, 5, 20, 120)], ALL),
            ("answers plain", answers_plain, [(0, TXT), (10, ANY)] + [(n, k) for n in (1, 100, 255) for k in (TXT, A)], ALL),
            ("answers collide", answers_collide, [(10, 60), (40, 60)] + [(c, n) for c in (1, 20, 80) for n in (8, 30, 60)], ALL),
            ("tail", tail, [(b"", 0), (b"", 3)], ALL),
            ("mdns chains", mdns_chains, [(8, 20), (1, 0)] + [(d, n) for d in (1, 8, 15) for n in (0, 20, 120)], ("-Y",))]
TRIED = 99 if os.environ.get("DNSFLOW_LONG") else 2


def capture(path, message, port, copies):
    packet = udp_packet("10.0.0.53", port, "10.0.0.9", 40000, message)
    return write_pcap(path, ETHERNET, [(BASE_US + i, ethernet(packet)) for i in range(copies)])


def instructions(source, options):
    done = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", SENSOR, "-r", source, "-w", "/dev/null",
                *options], timeout=100)
    assert done.status == 0, done.err
    return int(re.search(r"Collected : (\d+)", done.err).group(1))


class Costs:
    """Instructions that one message more takes, with these options."""

    def __init__(self, folder):
        self.folder, self.starts = folder, {}

    def of(self, message, options=()):
        port = 5353 if "-Y" in options else 53
        if options not in self.starts:
            one = capture(self.folder / "one.pcap", response("a.example", [address_record("192.0.2.1")]), 53, 1)
            self.starts[options] = instructions(one, options)
        many = capture(self.folder / "many.pcap", message, port, COPIES)
        return (instructions(many, options) - self.starts[options]) / COPIES


# Three names and two addresses, as genuine traffic has them.
ORDINARY = response("www.example.com", [rr(b"\xc0\x0c", CNAME, wire_name("www.cdn.example.net")),
                                        rr(b"\xc0\x2d", A, A_RDATA), rr(b"\xc0\x2d", A, A_RDATA)])


def ordinary(costs):
    return costs.of(ORDINARY)


@pytest.mark.parametrize("size", sorted(LIMITS))
def test_worst_message(tmp_path, size):
    costs = Costs(tmp_path)
    plain = ordinary(costs)
    assert 500 < plain < 1500
    found = []
    for name, make, parameters, options in FAMILIES:
        for values in parameters[:TRIED]:
            message = make(size, *values)
            assert len(message) <= size
            ratio = costs.of(message, options) / plain
            found.append((ratio / LIMITS[size][bool(options) and options[0] != "--svcb"], ratio, name, values))
    found.sort(reverse=True)
    print("ordinary response: %d instructions; the worst messages of %d bytes, in ordinary ones:" % (plain, size))
    for _, ratio, name, values in found[:10]:
        print("%8.1f  %s %s" % (ratio, name, values))
    assert found[0][0] <= 1, found[:5]


def test_kinds_beside_addresses(tmp_path):
    """Half of a mix are responses as --records makes records of, as genuine traffic has them."""
    costs = Costs(tmp_path)
    soa = rr(pointer(16), 6, b"\2ns" + pointer(16) + b"\4host" + pointer(16) + bytes(20))

    def negative(rcode):
        dns = response("www.example.com", [], flags=0x8180 | rcode)
        return dns[:8] + b"\0\1\0\1" + dns[12:] + soa + b"\0\0\x29\4\xd0" + bytes(6)
    texts = [rr(b"\xc0\x0c", TXT, b"\x40" + bytes(64))]
    others = [negative(3), negative(0), negative(2), response("www.example.com", texts, TXT),
              response("www.example.com", [rr(b"\xc0\x0c", 15, b"\0\5\3mx" + b"%c" % i + pointer(16)) for i in b"ab"], 15),
              response("9.2.0.192.in-addr.arpa", [rr(b"\xc0\x0c", 12, wire_name("host.example.com"))], 12),
              response("www.example.com", [rr(b"\xc0\x0c", HTTPS, b"\0\1\0\0\1\0\3\2h2")], HTTPS)]
    address = ordinary(costs)
    each = [costs.of(m, ALL) for m in others]
    beside = costs.of(ORDINARY, ALL)
    mixed = (beside + sum(each) / len(each)) / 2
    print("address: %d instructions, %d with --records; half others: %d;" % (address, beside, mixed), *map(int, each))
    assert mixed <= 1.3 * beside


@pytest.mark.parametrize("options", [(), ("-x", "--records", "all")])
def test_packets_take_no_memory_of_the_heap(tmp_path, options):
    """What is allocated is so at the start: for a thousand responses as for one."""
    counts = set()
    for copies in 1, 1000:
        source = capture(tmp_path / "some.pcap", ORDINARY, 53, copies)
        done = run(["valgrind", SENSOR, "-r", source, "-w", "/dev/null", *options], timeout=100)
        assert done.status == 0, done.err
        counts.add(int(re.search(r"total heap usage: ([\d,]+) allocs", done.err).group(1).replace(",", "")))
    assert len(counts) == 1 and counts.pop() > 0
