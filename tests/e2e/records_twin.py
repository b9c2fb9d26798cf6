# SPDX-License-Identifier: BSD-3-Clause
"""A second reader of datagrams with what `--records` adds: sets without addresses, RCODE, transport, and answers."""

import collections
import struct

from conftest import read_pcap, name_text, written_payload

ADDRESSES_CUT, TCP, DNSTAP, MDNS, ANSWERS_CUT = 2, 4, 8, 16, 32
NAMED = {2: "n", 6: "nn992", 12: "n", 15: "2n", 33: "6n"}  # of the types that the tests use

Record = collections.namedtuple("Record", "client names addresses time_us ttl qtype port flags rcode transport answers")
Answer = collections.namedtuple("Answer", "owner type ttl rdata")


def sets_of(data):
    """(flags, records, counters, sample rate) of a datagram; fails on anything that should not be in it."""
    version, count, flags, _ = struct.unpack_from("!BBHI", data)
    assert version == 4 and flags & ~0xb == 0 and flags & 2
    at, heads = 8, []
    if flags & 1:
        rate = struct.unpack_from("!5I", data, at)[4]
        at += 20
    for _ in range(0 if flags & 1 else count):
        assert at % 4 == 0
        _, names_count, v4, v6, names_len, zero = struct.unpack_from("!BBBBHH", data, at)
        assert zero == 0 and names_count > 0
        client, names, used = data[at + 8:at + 24], [], at + 40
        for _ in range(names_count):
            name, used = name_text(data, used)
            names.append(name)
        at += 40 + names_len
        assert at - used in range(4)
        end = at + 4 * v4 + 16 * v6
        heads.append((client, names, data[at:end]))
        at = end
    start, end = at, at + struct.unpack_from("!H", data, at + 2)[0]
    assert end == len(data) and data[at] == 1
    base = struct.unpack_from("!Q", data, at + 16)[0]
    at += 24
    if flags & 1:
        number = struct.unpack_from("!H", data, at)[0]
        counters = struct.unpack_from("!%dQ" % number, data, at + 4)
        assert at + 4 + 8 * number == end and not flags & 8
        return flags, [], counters, rate
    records = []
    for client, names, addresses in heads:
        offset, ttl, qtype, port, set_flags, result = struct.unpack_from("!iIHHHH", data, at)
        records.append(Record(client, names, addresses, base + offset, ttl, qtype, port, set_flags, result & 0xfff,
                              result >> 12, []))
        at += 16
    assert bool(flags & 8) == (at < end), "flag 8 says whether there are answers"
    last = -1
    while at < end:
        number, length = struct.unpack_from("!BH", data, at)
        assert last < number < len(records) and length > 0
        at, last, stop = at + 3, number, at + 3 + length
        assert stop <= end
        while at < stop:
            owner, kind, ttl, length = struct.unpack_from("!BHIH", data, at)
            at += 9 + length
            assert at <= stop and (owner == 255 or owner < len(records[number].names))
            records[number].answers.append(Answer(owner, kind, ttl, data[at - length:at]))
    assert at == end and start > 0
    return flags, records, None, 0


class Written:
    """What a -w file holds."""

    def __init__(self, path):
        self.records, self.flags, self.counters, self.rates, self.times = [], set(), None, set(), []
        for time_us, frame in read_pcap(path)[1]:
            flags, records, counters, rate = sets_of(written_payload(frame))
            self.records += records
            self.flags.add(flags)
            if counters:
                self.counters = counters
                self.rates.add(rate)
