# SPDX-License-Identifier: BSD-3-Clause
"""Records to ask about, asking, and what the reader says of them."""

import json
import random

import pytest
from collecting import collect, imported, seconds_of
from conftest import BASE_US, RAW, READER, run, write_pcap
from datagrams import extended, packet, set4


def made(path, seed, count=2000, first=1, base=BASE_US):
    """Records of few names, in all of whose orders neighbours can be taken for one another."""
    chance = random.Random(seed)
    sets = []
    for _ in range(count):
        name = ".".join(chance.choice(["example", "example-x", "Example", "a", "com", "net", "exam", "-", "a/b", "0", "example!"])
                        for _ in range(chance.randrange(1, 5)))
        client = "10.0.0.%d" % chance.randrange(20)
        if chance.random() < 0.2:
            client = "2001:db8::%x" % chance.randrange(20)
        resolver = "2001:db8::53" if ":" in client else "10.0.0.53"
        ipv4 = ["192.0.%d.%d" % (chance.randrange(3), chance.randrange(256)) for _ in range(chance.randrange(3))]
        ipv6 = ["2001:db8:%x::%x" % (chance.randrange(3), chance.randrange(9)) for _ in range(chance.randrange(2))]
        names = [name] + ["cdn%d.example" % chance.randrange(4)] * (chance.random() < 0.3)
        sets.append(set4(client, resolver, names, ipv4, ipv6))
    payloads = [extended(first + n // 20, *sets[n:n + 20], base=base + n * 1000000) for n in range(0, count, 20)]
    return write_pcap(path, RAW, [(BASE_US + i, packet(p)) for i, p in enumerate(payloads)])


def ask(directory, *words, status=0):
    done = collect("query", directory, *words, "--format", "ndjson")
    assert done.status == status, done.err
    return [json.loads(line) for line in done.out.splitlines()], done.err


def row_key(row):
    return row["name"], row["type"], row["rdata"], row["count"], seconds_of(row["first"]), seconds_of(row["last"])


def cof_rows(path):
    """The reader's passive DNS."""
    done = run([READER, "-r", path, "--format", "cof"])
    assert done.status == 0, done.err
    one = {}
    for row in map(json.loads, done.out.splitlines()):
        key = row["rrname"], row["rrtype"], row["rdata"]
        have = one.setdefault(key, [0, 1 << 60, 0])
        one[key] = [have[0] + row["count"], min(have[1], row["time_first"]), max(have[2], row["time_last"])]
    return [key + tuple(have) for key, have in one.items()]


def reader_records(path):
    done = run([READER, "-r", path, "--format", "json"])
    assert done.status == 0, done.err
    rows = [row for row in map(json.loads, done.out.splitlines()) if row["type"] == "record"]
    return [row for row in rows if not row["ext"]["set_flags"] & 1]


def is_below(name, parent):
    return parent == "." or name == parent or name.endswith("." + parent)


@pytest.fixture(scope="module", params=[1, 2])
def kept(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    path = made(folder / "out.pcap", request.param)
    imported(folder / "data", path)
    return folder / "data", path
