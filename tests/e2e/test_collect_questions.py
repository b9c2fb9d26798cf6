# SPDX-License-Identifier: BSD-3-Clause
"""Questions against slow twins over the reader's rows."""

import collections
import ipaddress
import json
import random
import sqlite3
import time

import pytest
from collecting import Running, collect, imported, needs_collector, seconds_of, send
from conftest import BASE_US, CAPTURES, RAW, READER, list_captures, release_build, run, sensor, write_pcap
from datagrams import extended, packet, set4
from questions import ask, cof_rows, is_below, kept, made, reader_records, row_key  # noqa: F401

pytestmark = needs_collector

TYPES = {"A": 4, "AAAA": 6}
TYPE_WORDS = {1: "A", 28: "AAAA", 255: "ANY"}


@pytest.mark.parametrize("parent", ["example", "Example.COM", "com", "a.example", "exam", "-", "example-x", "nothing", "."])
def test_below(kept, parent):
    directory, path = kept
    rows, said = ask(directory, "below", parent, "--limit", "0")
    expected = sorted(row for row in cof_rows(path) if is_below(row[0], parent.lower()))
    assert sorted(map(row_key, rows)) == expected and said == ""
    order = [tuple(reversed(row["name"].split("."))) for row in rows]
    assert all(".".join(a) <= ".".join(b) for a, b in zip(order, order[1:])), "in the order of names"


def test_cof(kept):
    """As the reader writes it, a line for each."""
    directory, path = kept
    expected = sorted(cof_rows(path))
    for words in (("below", "."), ("name", "@-")):
        done = collect("query", directory, *words, "--format", "cof", "--limit", "0",
                       data="\n".join({row[0] for row in expected}).encode())
        assert done.status == 0, done.err
        rows = [json.loads(line) for line in done.out.splitlines()]
        keys = "rrname", "rrtype", "rdata", "count", "time_first", "time_last"
        assert all(set(row) == set(keys) for row in rows)
        assert sorted(tuple(row[key] for key in keys) for row in rows) == expected
    done = collect("query", directory, "who", "a.example", "--format", "cof")
    assert done.status == 2 and "option --format cof: expected name, below, address or rdata" in done.err


def test_pages_of_below(kept):
    """A limit gives the first rows of all, and says that there are more."""
    directory, _ = kept
    rows, _ = ask(directory, "below", "example", "--limit", "0")
    first, said = ask(directory, "below", "example", "--limit", "7")
    assert first == rows[:7] and said.startswith("there is more: --limit is 7; go on with --cursor ")
    exact, said = ask(directory, "below", "example", "--limit", str(len(rows)))
    assert exact == rows and said == ""


@pytest.mark.parametrize("prefix", ["192.0.2.7", "192.0.2.0/24", "192.0.0.0/23", "192.0.1.77/25", "0.0.0.0/0", "203.0.113.0/24",
                                    "2001:db8::/32", "2001:db8:1::3", "2001:db8:2::/127", "::/0", "::ffff:192.0.2.7"])
def test_address(kept, prefix):
    directory, path = kept
    rows, _ = ask(directory, "address", prefix, "--limit", "0")
    network = ipaddress.ip_network(prefix.replace("::ffff:", ""), strict=False)
    expected = sorted(row for row in cof_rows(path) if row[1] in TYPES and TYPES[row[1]] == network.version
                      and ipaddress.ip_address(row[2]) in network)
    assert sorted(map(row_key, rows)) == expected
    assert [row["last"] for row in rows] == sorted((row["last"] for row in rows), reverse=True)


@pytest.mark.parametrize("name", [c[0] for c in list_captures()][:12])
def test_rcode(tmp_path, name):
    """Of the project's captures, with errors too."""
    done = sensor("-r", CAPTURES / name, "-w", tmp_path / "out.pcap", "--records", "all")
    records = reader_records(tmp_path / "out.pcap") if done.status == 0 else []
    if not records:
        pytest.skip("nothing comes of it")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    for rcode in ("NOERROR", "nxdomain", "2", "REFUSED"):
        rows, _ = ask(tmp_path / "data", "rcode", rcode, "--limit", "0")
        word = {"2": "SERVFAIL"}.get(rcode, rcode.upper())
        expected = collections.Counter(row["client"] for row in records if row["ext"].get("rcode", "NOERROR") == word)
        assert {row["client"]: row["count"] for row in rows} == expected and len(rows) == len(expected)
        assert all(row["rcode"] == word for row in rows)
        assert [row["count"] for row in rows] == sorted(expected.values(), reverse=True)


@pytest.mark.parametrize("what", ["names", "domains", "clients", "resolvers", "types", "rcodes"])
def test_top(kept, what):
    directory, path = kept
    rows, _ = ask(directory, "top", what, "--limit", "0")
    of = {"names": lambda row: row["names"][0].lower(), "domains": lambda row: domain_of(row["names"][0].lower()), "clients": lambda row: row["client"],
          "resolvers": lambda row: row["resolver"], "types": lambda row: TYPE_WORDS[row["ext"]["qtype"]],
          "rcodes": lambda row: row["ext"].get("rcode", "NOERROR")}[what]
    expected = collections.Counter(map(of, reader_records(path)))
    assert {row["value"]: row["count"] for row in rows} == expected and len(rows) == len(expected)
    assert [row["count"] for row in rows] == sorted(expected.values(), reverse=True)
    assert all(row["what"] == what and row["error"] == 0 for row in rows)
    assert ask(directory, "top", what, "--limit", "1")[0] == rows[:1]


def domain_of(name):
    """By the public suffixes among the names of made(), beside which a suffix is one label."""
    labels = name.split(".")
    return ".".join(labels[-2:]) if len(labels) > 1 else name


@pytest.mark.parametrize("what", ["names", "domains", "clients"])
def test_top_of_many(tmp_path, what):
    """Beyond what a partition keeps of its tops: counts are too low by at most their error, and those of the first exact."""
    chance = random.Random(5)
    counts = collections.Counter()
    for hour in range(3):
        sets = []
        for n in range(24000):  # each a row of its own: of fewer than 20000 a partition keeps no tops
            at = int(chance.paretovariate(0.4)) % 3000
            name, client = "www.n%d.example" % ((at * 7 + hour) % 3000 if at > 300 else at), "10.0.%d.%d" % divmod(at + hour if at > 300 else at, 250)
            name, client = ("www.m%d.example" % n, client) if what == "clients" else (name, "10.1.%d.%d" % divmod(n, 250))
            counts[{"names": name, "domains": domain_of(name), "clients": client}[what]] += 1
            sets.append(set4(client, "10.0.0.53", [name], ["192.0.2.1"]))
        base = BASE_US + hour * 3600000000
        payloads = [extended(hour * 2000 + n // 20 + 1, *sets[n:n + 20], base=base + n) for n in range(0, len(sets), 20)]
        imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, [(base + i, packet(p)) for i, p in enumerate(payloads)]))
    rows, _ = ask(tmp_path / "data", "top", what, "--limit", "400")
    assert len(rows) == 400
    for row in rows:
        assert row["count"] <= counts[row["value"]] <= row["count"] + row["error"], row
    assert [(row["value"], row["count"]) for row in rows[:20]] == [(v, n) for v, n in counts.most_common(20)] or \
        [row["count"] for row in rows[:20]] == [n for _, n in counts.most_common(20)]
    assert all(row["error"] == 0 for row in rows[:20])
    more, _ = ask(tmp_path / "data", "top", what, "--limit", "1000")
    assert all(row["count"] <= counts[row["value"]] <= row["count"] + row["error"] for row in more)
    assert any(row["error"] > 0 for row in more) == (what != "domains")  # which are summed up of all names
    exact, _ = ask(tmp_path / "data", "top", what, "--limit", "0")
    assert {row["value"]: row["count"] for row in exact} == counts and all(row["error"] == 0 for row in exact)


@pytest.mark.parametrize("minutes, step", [(1, 60), (200, 60), (201, 3600), (200 * 60, 3600), (200 * 60 + 1, 86400)])
def test_series(tmp_path, minutes, step):
    """The shortest step that gives no more than 200 rows; sums are those of the datagrams."""
    begun = BASE_US // 60000000 * 60
    begun -= begun % 86400
    one = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])
    at = sorted({0, minutes - 1} | {random.Random(minutes).randrange(minutes) for _ in range(50)})
    frames = [((begun + 60 * minute) * 1000000 + 7, packet(extended(n + 1, one, one))) for n, minute in enumerate(at)]
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, frames))
    rows, _ = ask(tmp_path / "data", "series", "--limit", "0")
    expected = collections.Counter((begun + 60 * minute) // step * step for minute in at)
    assert {seconds_of(row["time"]): row["datagrams"] for row in rows} == expected
    assert all(row["records"] == 2 * row["datagrams"] and row["seconds"] == step for row in rows)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    some, _ = ask(tmp_path / "data", "series", "--since", str(begun), "--until", str(begun + 60))
    assert sum(row["datagrams"] for row in some) == 1


def test_times(kept):
    """A time range gives what was seen in it at some time."""
    directory, path = kept
    rows, _ = ask(directory, "below", ".", "--limit", "0")
    times = sorted(seconds_of(row["first"]) for row in rows)
    since, until = times[len(times) // 3], times[len(times) // 2]
    words = "--since", str(since), "--until", str(until)
    inside = [row for row in rows if seconds_of(row["last"]) >= since and seconds_of(row["first"]) < until]
    assert ask(directory, "below", ".", "--limit", "0", *words)[0] == inside


def test_sensors(tmp_path):
    """Each stream once, the one seen last first."""
    with Running(tmp_path) as c:
        one = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])
        for sensor_id in (7, 8, 7):
            send(c.target, [extended(n, one, sensor_id=sensor_id) for n in (1, 2, 3)])
        rows, _ = ask(c.directory, "sensors")
        c.stop()
    assert collections.Counter(row["sensor"] for row in rows) == {"7/2": 2, "8/2": 1}
    assert all(row["records"] == row["datagrams"] == 3 and row["verified"] == "no" for row in rows)
    assert [row["last"] for row in rows] == sorted((row["last"] for row in rows), reverse=True)


def asks_quickly(tmp_path):
    with Running(tmp_path) as c:
        one, are_quick = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"]), True
        for n, most_s in ((1, 1.5), (2, 2.5), (2, 1.5), (2, 1.5)):
            send(c.target, [extended(i, one) for i in range(n)])
            begun = time.monotonic()
            rows, said = ask(c.directory, "who", "a.example")
            are_quick = are_quick and time.monotonic() - begun < most_s
            assert said == "" and sum(row["count"] for row in rows) >= 1
        c.stop()
    return are_quick


@release_build("it looks at the clock")
def test_asking_again(tmp_path):
    """Nobody waits when there is nothing to bring in, and not much longer than a second when there is. The machine may
    be busy with others, so that one good try counts."""
    folders = [tmp_path / str(i) for i in range(5)]
    for folder in folders:
        folder.mkdir()
    assert any(asks_quickly(folder) for folder in folders)


HOSTILE = [
    ("lookups", "UPDATE part SET value = 9223372036854775807 WHERE key = 'base'"),
    ("lookups", "UPDATE part SET value = -9223372036854775807 WHERE key = 'base'"),
    ("lookups", "UPDATE rows SET first = 9223372036854775807, span = 9223372036854775807"),
    ("lookups", "UPDATE rows SET count = 9223372036854775807"),
    ("lookups", "UPDATE names SET rname = zeroblob(70000)"),
    ("lookups", "UPDATE addresses SET address = 'text'"),
    ("lookups", "UPDATE kinds SET type = -1, rcode = 99999999999"),
    ("lookups", "DROP TABLE kinds"),
    ("dnsflow.db", "UPDATE answers SET first = 9223372036854775807, last = -9223372036854775807, count = 'x'"),
    ("dnsflow.db", "UPDATE streams SET address = x'01', port = 'x', state = x'00', ahead = -9223372036854775807"),
    ("dnsflow.db", "UPDATE minutes SET minute = 9223372036854775807"),
    ("dnsflow.db", "UPDATE partitions SET file = '../../../etc/passwd'"),
    ("dnsflow.db", "UPDATE position SET file = 9223372036854775807, offset = -1, totals = x'00'"),
]


@pytest.mark.parametrize("where, statement", HOSTILE, ids=[h[1] for h in HOSTILE])
def test_hostile_files(tmp_path, where, statement):
    """Whatever is in them: an answer or one line, no crash."""
    imported(tmp_path / "data", made(tmp_path / "out.pcap", 3, 100))
    path = next((tmp_path / "data" / "lookups").iterdir()) if where == "lookups" else tmp_path / "data" / where
    db = sqlite3.connect(str(path))
    db.execute(statement)
    db.commit()
    db.close()
    words = [("name", "a"), ("below", "."), ("address", "::/0"), ("who", "a"), ("client", "10.0.0.1"), ("rcode", "NOERROR"),
             ("top", "names"), ("top", "rcodes"), ("series", ), ("sensors", ), ("loss", )]
    for verb in [("query", ) + word + ("--limit", "0") for word in words] + [("status", ), ("check", )]:
        done = collect(verb[0], tmp_path / "data", *verb[1:])
        assert done.status in (0, 1) and "Sanitizer" not in done.err and "runtime error" not in done.err, done.err


NEAREST = [
    (("name", "*.example.com"), 'did you mean "below example.com"?'),
    (("below", "*.example.com"), "expected a whole name, without the star"),
    (("name", "192.0.2.1"), 'did you mean "address 192.0.2.1"?'),
    (("name", "192.0.2.1/40"), "expected a name, or an address or prefix that is one"),
    (("name", "https://example.com/"), "without what stands around it in a URL"),
    (("who", "google[.]com"), "expected a name alone"),
    (("rcode", "NXDOMAIN", "SERVFAIL"), "query rcode: expected one at a time"),
    (("top", "names", "clients"), "query top: expected one at a time"),
    (("who", "a.example", "--client", "192.0.2.1"), "option --client: expected at, which alone has it"),
    (("loss", "--time", "10:00"), "option --time: expected at, which alone has it"),
    (("client", "www.example.com"), 'did you mean "who www.example.com"?'),
    (("address", "www.example.com"), "expected an IPv4 or IPv6 address, or a prefix"),
    (("address", "192.0.2.0/33"), "or a prefix such as"),
    (("rcode", "NXDOMAINS"), "expected an RCODE, such as NXDOMAIN or 3"),
    (("rcode", ), "query rcode: expected RCODE behind it, or @FILE"),
    (("top", "domain"), "expected one of: names, domains, clients, resolvers, types, rcodes"),
    (("sensors", "7"), "expected nothing behind sensors"),
]


@pytest.mark.parametrize("words, says", NEAREST, ids=[n[1] for n in NEAREST])
def test_nearest(tmp_path, words, says):
    done = collect("query", tmp_path, *words)
    assert done.status == 2 and done.out == b"" and says in done.err and done.err.count("\n") == 1
