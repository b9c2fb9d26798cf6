# SPDX-License-Identifier: BSD-3-Clause
"""The codec against decoders that share nothing with it: what was made, what the Python decoder reads from the
datagrams and what dnsflow_read prints must be the same; and of damaged datagrams both refuse the same ones."""

import ipaddress
import random
import re
import struct

import pytest

from conftest import (A, AAAA, ANY, BASE_US, CNAME, ETHERNET, NULL, Summary, address_record, check_sequence, decode,
                      ethernet, label_text, read_pcap, read_written, reader, record, sensor, set_row, udp_packet,
                      wire_name, write_pcap, written_payload)
from random_datagrams import add_answers, damage, edges, old_datagrams, random_address, random_labels
from reading import ALSO

RESPONSES = 300
DAMAGED = 2000
CONTINUES = 1


# Random responses


def random_counts(dice):
    """Numbers of CNAMEs, IPv4 and IPv6 addresses: mostly few, sometimes more than a set or a datagram takes."""
    return dice.choice([(dice.randint(0, 3), dice.randint(0, 5), dice.randint(0, 5))] * 8 +
                       [(dice.randint(0, 3), dice.randint(200, 700), dice.randint(0, 3)),
                        (0, dice.randint(0, 3), dice.randint(80, 400)),
                        (dice.randint(0, 2), dice.randint(250, 260), dice.randint(250, 260)),
                        (dice.randint(100, 300), dice.randint(1, 300), dice.randint(0, 20))])


class Made:
    """A response and the record it must give."""

    def __init__(self, dice, number):
        cnames, v4, v6 = random_counts(dice)
        version = dice.choice((4, 4, 6))
        self.resolver, self.client = random_address(dice, version), random_address(dice, version)
        self.port, self.qtype = dice.randint(1024, 65535), dice.choice((A, AAAA, ANY))
        self.time_us = BASE_US + 7001 * number
        if cnames >= 100:  # root and one-letter names, so that hundreds fit
            names = [[]] + [[] if dice.random() < 0.5 else [b"%c" % dice.randrange(256)] for _ in range(cnames)]
        else:
            names = [random_labels(dice, dice.random() < 0.15) for _ in range(cnames + 1)]
        self.ipv4 = [random_address(dice, 4) for _ in range(v4)]
        self.ipv6 = [random_address(dice, 6) for _ in range(v6)]
        if not self.ipv4 and not self.ipv6:
            self.ipv4 = [random_address(dice, 4)]
        self.names = [".".join(label_text(l, ALSO) for l in n) or "." for n in names[:255]]
        ttls = []

        def ttl():
            ttls.append(dice.choice((0, 1, 60, 300, 86400, 0x7FFFFFFF, 0x80000000)))
            return ttls[-1]
        answers = [record(CNAME, wire_name(n), ttl=ttl()) for n in names[1:]]
        addresses = [address_record(a, ttl=ttl()) for a in self.ipv4]
        for packed in [address_record(a, ttl=ttl()) for a in self.ipv6]:
            addresses.insert(dice.randint(0, len(addresses)) if dice.random() < 0.1 else len(addresses), packed)
        self.ipv6 = [str(ipaddress.IPv6Address(a[-16:])) for a in addresses if a[2:4] == b"\0\x1c"]
        self.min_ttl = min(t if t < 1 << 31 else 0 for t in ttls)
        message = struct.pack("!HHHHHH", number, 0x8180, 1, len(answers + addresses), 0, 0) + wire_name(names[0]) + \
            struct.pack("!HH", self.qtype, 1) + b"".join(answers + addresses)
        self.frame = ethernet(udp_packet(self.resolver, 53, self.client, self.port, message))

    @property
    def row(self):
        return "\t".join([self.resolver, self.client, ",".join(self.names), ",".join(self.ipv4), ",".join(self.ipv6)])


def parts_of(rows, continues):
    """Rows of whole records: a row that continues the one before adds its addresses to it."""
    whole, parts = [], []
    for row, more in zip(rows, continues):
        resolver, client, names, ipv4, ipv6 = row.split("\t")
        ipv4, ipv6 = [a.split(",") if a else [] for a in (ipv4, ipv6)]
        assert len(ipv4) <= 255 and len(ipv6) <= 255 and ipv4 + ipv6
        if more:
            last = whole[-1]
            assert last[:3] == [resolver, client, names], "another record is continued"
            assert not (ipv4 and last[4]), "IPv4 behind IPv6"
            last[3] += ipv4
            last[4] += ipv6
            parts[-1] += 1
        else:
            whole.append([resolver, client, names, ipv4, ipv6])
            parts.append(1)
    return ["\t".join(w[:3] + [",".join(w[3]), ",".join(w[4])]) for w in whole], parts


def reader_rows(path):
    """The rows of dnsflow_read, without the server and the time."""
    result = reader("-r", path, "--format", "tsv", "--no-header")
    assert result.status == 0, result.err
    rows = [line.split("\t") for line in result.out.decode("ascii").splitlines()]
    assert all(len(r) == 7 for r in rows)
    return ["\t".join(r[1:3] + r[4:]) for r in rows], result.err


def escaped(one):
    """The row of a set as the reader prints it: names with two more bytes escaped."""
    names = [n.replace(",", "\\044").replace("|", "\\124") for n in one.names]
    return set_row(one._replace(names=names))


def encode(tmp_path, made):
    source = write_pcap(tmp_path / "in.pcap", ETHERNET, [(m.time_us, m.frame) for m in made])
    out = tmp_path / "out.pcap"
    result = sensor("-x", "-r", source, "-w", out)
    assert result.status == 0, result.err
    return out, Summary(result.err)


@pytest.mark.parametrize("seed", [1, 2])
def test_made_encoded_decoded(seed, tmp_path):
    dice = random.Random(seed)
    made = [Made(dice, number) for number in range(RESPONSES)]
    out, summary = encode(tmp_path, made)
    datagrams = [d for _, d in read_written(out)]
    check_sequence(datagrams)
    assert all(d.length <= 1472 for d in datagrams)
    sets = [s for d in datagrams for s in d.sets]
    rows, parts = parts_of([escaped(s) for s in sets], [s.ext.flags & CONTINUES for s in sets])
    assert rows == [m.row for m in made]
    printed, _ = reader_rows(out)
    assert printed == [escaped(s) for s in sets]
    assert max(parts) > 2 and max(len(s.names) for s in sets) == 255
    assert summary.records == RESPONSES and summary.notes["sets"] == len(sets)
    first = [sets[sum(parts[:i])] for i in range(RESPONSES)]
    for i, m in enumerate(made):
        for one in sets[sum(parts[:i]):sum(parts[:i + 1])]:
            assert one.ext == first[i].ext._replace(flags=one.ext.flags)
            assert one.ext[:4] == (m.time_us, m.min_ttl, m.qtype, m.port)
            assert one.ext.flags & ~CONTINUES == 0


# Damaged datagrams

class Refused(Exception):
    pass


def take(data, at, length):
    if at + length > len(data):
        raise Refused
    return data[at:at + length], at + length


def wire_names_of(data, count):
    at, names = 0, []
    for _ in range(count):
        start, labels = at, []
        while True:
            (length,), at = take(data, at, 1)
            if length == 0:
                break
            label, at = take(data, at, length)
            if length > 63:
                raise Refused
            labels.append(label_text(label, ALSO))
        if at - start > 255:
            raise Refused
        names.append(".".join(labels) or ".")
    return names


def text_names_of(data, count):
    parts = data.split(b"\0")
    if len(parts) <= count:
        raise Refused
    return ["".join(chr(c) if 0x21 <= c <= 0x7E and c not in b',|"' else "\\%03d" % c for c in p)
            for p in parts[:count]]


def one_set(data, at, version):
    """The row of the set at `at` and where it ends, by docs/WIRE.md."""
    if version < 3:
        head, at = take(data, at, 8)
        client, resolver, family = head[:4], bytes(4), 4
        names_count, v4, names_len = struct.unpack("!BBH", head[4:])
        v6 = 0
    else:
        head, at = take(data, at, 8)
        family, names_count, v4, v6, names_len, _ = struct.unpack("!BBBBHH", head)
        if family not in (4, 6):
            raise Refused
        size, width = (4 if family == 4 else 16), (16 if family == 6 or version == 4 else 4)
        client, at = take(data, at, width)
        resolver, at = take(data, at, 16) if version == 4 else (bytes(4), at)
        client, resolver = client[:size], resolver[:size if version == 4 else 4]
    names, at = take(data, at, names_len)
    names = (text_names_of if version == 0 else wire_names_of)(names, names_count)
    ipv4, at = take(data, at, 4 * v4)
    ipv6, at = take(data, at, 16 * v6)
    return "\t".join([str(ipaddress.ip_address(resolver)), str(ipaddress.ip_address(client)), ",".join(names),
                      ",".join(str(ipaddress.IPv4Address(ipv4[i:i + 4])) for i in range(0, len(ipv4), 4)),
                      ",".join(str(ipaddress.IPv6Address(ipv6[i:i + 16])) for i in range(0, len(ipv6), 16))]), at


def check_answers(area, sets_count):
    at, free = 0, 0
    while at < len(area):
        head, at = take(area, at, 3)
        answers, at = take(area, at, head[1] << 8 | head[2])
        if not free <= head[0] < sets_count:
            raise Refused
        free = head[0] + 1
        while answers:
            size = take(answers, 7, 2)[0]
            answers = answers[take(answers, 9, size[0] << 8 | size[1])[1]:]


def check_trailer(data, at, sets_count, flags):
    """Where the trailer ends."""
    version, _, length = struct.unpack("!BBH", take(data, at, 4)[0])
    trailer, end = take(data, at, length)
    if length < 4:
        raise Refused
    if version != 1:
        return end
    take(trailer, 0, 24)
    if flags & 1:
        count = struct.unpack("!H", take(trailer, 24, 4)[0][:2])[0]
        take(trailer, 28, 8 * count)
    else:
        _, entries_end = take(trailer, 24, 16 * sets_count)
        if flags & 8:
            check_answers(trailer[entries_end:], sets_count)
    return end


def lenient(data):
    """Rows of a datagram of any version, refusing what the page says a decoder refuses and no more."""
    (version, count, flags, _), at = struct.unpack("!BBHI", take(data, 0, 8)[0]), 8
    rows = []
    if version > 4:
        raise Refused
    if flags & 1:
        _, at = take(data, at, 20 if version >= 2 else 16)
    else:
        for _ in range(count):
            row, at = one_set(data, at, version)
            rows.append(row)
    if version == 4 and flags & 2:
        at = check_trailer(data, at, count, flags)
    if version == 4 and flags & 12 and not flags & 2:
        raise Refused
    if version == 4 and flags & 4:
        take(data, at, 16)
    return rows


def verdict(data):
    try:
        return lenient(data)
    except Refused:
        return None


def strict(data):
    """Rows by conftest's decoder, which holds a sensor to the whole of the format."""
    try:
        return [escaped(s) for s in decode(data).sets]
    except (AssertionError, struct.error, IndexError):
        return None


def read_batch(tmp_path, datagrams):
    path = write_pcap(tmp_path / "batch.pcap", NULL, [(BASE_US, bytes(4) + d) for d in datagrams])
    rows, err = reader_rows(path)
    found = re.search(r"n_malformed=(\d+)", err)
    return rows, int(found.group(1)) if found else 0


def find_culprit(tmp_path, datagrams):
    """The first datagram on which the two differ, by itself."""
    for d in datagrams:
        rows = verdict(d)
        if read_batch(tmp_path, [d]) != (rows or [], int(rows is None)):
            return "%s: expected %s" % (d.hex(), rows)
    return "no single one"


def test_damaged_datagrams(tmp_path):
    dice = random.Random(3)
    out, _ = encode(tmp_path, [Made(dice, number) for number in range(100)])
    whole = [written_payload(frame) for _, frame in read_pcap(out)[1]]
    whole += [add_answers(dice, d) for d in whole if not d[3] & 1]
    assert any(d[3] & 8 for d in whole)
    old = list(old_datagrams())
    for d in whole + old:
        assert verdict(d) is not None and (d[0] < 4 or verdict(d) == strict(d))
    damaged = [damage(dice, dice.choice(old if dice.random() < 0.3 else whole)) for _ in range(DAMAGED)]
    damaged += edges()
    verdicts = [verdict(d) for d in damaged]
    for d, rows in zip(damaged, verdicts):
        assert strict(d) is None or strict(d) == rows, d.hex()
    refused = verdicts.count(None)
    expected = [row for rows in verdicts if rows for row in rows]
    assert DAMAGED / 5 < refused < DAMAGED * 4 / 5
    if read_batch(tmp_path, damaged) != (expected, refused):
        pytest.fail(find_culprit(tmp_path, damaged), pytrace=False)
