# SPDX-License-Identifier: BSD-3-Clause
"""Pages, lists, and the questions that have no other order than pages: contains, new; and at."""

import collections
import ipaddress
import json
import os
import random
import re

import pytest
from collecting import collect, imported, needs_collector, seconds_of
from conftest import BASE_US
from questions import ask, cof_rows, is_below, kept, made, reader_records, row_key  # noqa: F401

pytestmark = needs_collector


def pages(directory, *words, limit, most=500):
    """All rows, page by page, and how many pages there were."""
    rows, cursor = [], "start"
    for count in range(1, most):
        page, said = ask(directory, *words, "--limit", str(limit), "--cursor", cursor)
        assert len(page) <= limit
        rows += page
        found = re.search("--cursor ([A-Za-z0-9_-]+)$", said.strip())
        if not found:
            assert said.strip() == "" or not rows, said
            return rows, count
        cursor = found.group(1)
        yield_to = getattr(pages, "between", None)
        if yield_to:
            yield_to()
    raise AssertionError("pages without end")


def order_free(rows):
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


QUESTIONS = [("name", "example"), ("name", "a.example"), ("below", "."), ("below", "example"), ("address", "192.0.2.0/24"),
             ("address", "2001:db8::/32"), ("who", "a"), ("who", "example"), ("client", "10.0.0.7"), ("client", "2001:db8::3"),
             ("contains", "exa"), ("contains", "e.e"), ("contains", "mple-x"), ("new", "names"), ("new", "domains")]


@pytest.mark.parametrize("words", QUESTIONS, ids=" ".join)
def test_pages_are_the_whole(kept, words):
    directory, _ = kept
    whole, _ = ask(directory, *words, "--limit", "0")
    assert whole
    for limit in (1, 3, 7, len(whole), len(whole) + 1):
        if len(whole) / limit > 120:
            continue
        rows, count = pages(directory, *words, limit=limit)
        assert order_free(rows) == order_free(whole)
        assert count == max(1, -(-len(whole) // limit))


@pytest.mark.parametrize("words", QUESTIONS, ids=" ".join)
def test_pages_of_a_time(kept, words):
    directory, _ = kept
    times = "--since", "2023-11-14T22:14:00Z", "--until", "2023-11-14T22:40:00Z"
    whole, _ = ask(directory, *words, "--limit", "0", *times)
    rows, _ = pages(directory, *words, *times, limit=max(1, len(whole) // 3))
    assert order_free(rows) == order_free(whole)


@pytest.mark.parametrize("words", QUESTIONS, ids=" ".join)
def test_pages_while_more_arrives(tmp_path, words):
    """Every row that was there at the start comes once, whatever is imported meanwhile, which makes other partitions, and
    merges them."""
    path = made(tmp_path / "1.pcap", 3)
    imported(tmp_path / "data", path)
    before, _ = ask(tmp_path / "data", *words, "--limit", "0")
    counted = collections.Counter(identity(row) for row in before)
    seeds = iter(range(4, 100))
    rows, cursor = [], "start"
    limit = max(1, len(before) // 6)
    while cursor:
        page, said = ask(tmp_path / "data", *words, "--limit", str(limit), "--cursor", cursor)
        rows += page
        found = re.search("--cursor ([A-Za-z0-9_-]+)$", said.strip())
        cursor = found and found.group(1)
        seed = next(seeds)
        later = BASE_US + seed * 3600000000 if words[0] == "new" else BASE_US  # what comes late is not new any more
        imported(tmp_path / "data", made(tmp_path / "more.pcap", seed, count=200, first=1000 * seed, base=later))
    seen = collections.Counter(identity(row) for row in rows)
    assert all(number == 1 for number in seen.values()), [row for row, number in seen.items() if number > 1][:5]
    assert not counted - seen


def identity(row):
    return tuple(str(row.get(key)) for key in ("name", "client", "type", "rcode", "resolver", "rdata", "what", "value"))


def test_cursors_of_others(kept):
    """Damaged, of another question, or no cursor at all: one line."""
    directory, _ = kept
    _, said = ask(directory, "below", ".", "--limit", "5")
    cursor = said.strip().rsplit(" ", 1)[1]
    chance = random.Random(7)
    bad = ["", "A", "start2", "../../etc/passwd", "%00", cursor[:-1], cursor + "A", "A" * 5000, cursor.lower()]
    for _ in range(60):
        at = chance.randrange(len(cursor))
        bad.append(cursor[:at] + chance.choice("ABCxyz019-_!\xe9") + cursor[at + 1:])
    for text in bad:
        if text == cursor:
            continue
        done = collect("query", directory, "below", ".", "--cursor", text)
        assert done.status == 2 and done.out == b"" and done.err.count("\n") == 1, (text, done)
        assert "option --cursor: expected" in done.err
    for question in ("name", "contains", "who"):
        done = collect("query", directory, question, "example", "--cursor", cursor)
        assert done.status == 2 and "expected \"start\", or what an answer of \"%s example\"" % question in done.err
    done = collect("query", directory, "below", "example", "--cursor", cursor)
    assert done.status == 2 and "what an answer of \"below example\"" in done.err
    for words in (("top", "names"), ("loss",), ("who", "a", "example"), ("rcode", "NXDOMAIN"), ("at", "192.0.2.1")):
        done = collect("query", directory, *words, "--cursor", "start")
        assert done.status == 2 and "others have no pages" in done.err


@pytest.mark.parametrize("text", ["exa", "EXA", "ple", "e.e", ".ex", "ample-", "xample!", "com.example", "a\\047b", "m.-", "zzz"])
def test_contains(kept, text):
    directory, path = kept
    rows, _ = ask(directory, "contains", text, "--limit", "0")
    plain = text.lower().replace("\\047", "/")
    expected = {}
    for record in reader_records(path):
        name = record["names"][0].lower()
        if plain in name:
            at = seconds_of(record["ext"]["time"][:19] + "Z")
            have = expected.setdefault(name, [0, at, at])
            have[:] = have[0] + 1, min(have[1], at), max(have[2], at)
    assert {row["name"]: [row["count"], seconds_of(row["first"]), seconds_of(row["last"])] for row in rows} == expected
    assert len(rows) == len(expected)


def test_contains_many_names(tmp_path):
    """More names than a partition is read through for: by its index, against a search of all."""
    from datagrams import extended, packet, set4
    from conftest import RAW, write_pcap
    chance = random.Random(11)
    names = {"%s.%s.example%d.net" % ("".join(chance.choice("abcdefgh-0") for _ in range(6)).strip("-") or "x",
                                      chance.choice(["www", "mail", "api", "a-b"]), chance.randrange(40)) for _ in range(9000)}
    names = sorted(names)
    chance.shuffle(names)
    payloads = [extended(n + 1, *[set4("10.0.0.1", "10.0.0.53", [name], ["192.0.2.1"]) for name in names[n * 20:n * 20 + 20]],
                         base=BASE_US + n * 1000) for n in range(len(names) // 20 + 1) if names[n * 20:n * 20 + 20]]
    path = write_pcap(tmp_path / "out.pcap", RAW, [(BASE_US + i, packet(p)) for i, p in enumerate(payloads)])
    imported(tmp_path / "data", path)
    texts = ["abc", "www", "h.ap", "example7", "e39.n", "a-b.example1.", "0-0", "ffff", "qqq", "mail.example22.net"]
    texts += ["".join(chance.choice("abcdefgh-0") for _ in range(chance.randrange(3, 6))).strip("-").ljust(3, "a") for _ in range(40)]
    for text in texts:
        rows, said = ask(tmp_path / "data", "contains", text, "--limit", "0")
        assert sorted(row["name"] for row in rows) == sorted(name for name in names if text in name), text
    paged, count = pages(tmp_path / "data", "contains", "www", limit=500)
    assert [row["name"] for row in paged] == [row["name"] for row in ask(tmp_path / "data", "contains", "www", "--limit", "0")[0]]
    assert count > 3


def test_new(kept):
    directory, path = kept
    first = {}
    for name, _, _, _, at, _ in cof_rows(path):
        first[name] = min(first.get(name, at), at)
    for since, until in ((0, 1 << 40), (BASE_US // 1000000 + 60, 1 << 40), (BASE_US // 1000000 + 30, BASE_US // 1000000 + 70)):
        rows, _ = ask(directory, "new", "names", "--limit", "0", "--since", stamp(since), "--until", stamp(until))
        expected = {name: at for name, at in first.items() if since <= at < until}
        assert {row["value"]: seconds_of(row["first"]) for row in rows} == expected and len(rows) == len(expected)
        assert [row["first"] for row in rows] == sorted(row["first"] for row in rows)


def stamp(seconds):
    import datetime
    return datetime.datetime.fromtimestamp(min(seconds, 4102444800), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_new_domains(tmp_path):
    """Of a registered domain the first name counts, also where other domains begin with the same letters."""
    from datagrams import extended, packet, set4
    from conftest import RAW, write_pcap
    names = ["www.example.co.uk", "example-x.co.uk", "a.example-x.co.uk", "example.co.uk", "b.example.com", "c.example.com",
             "co.uk", "www.example.co.uk", "x.example.org", "z.example.co.uk"]
    payloads = [extended(n + 1, set4("10.0.0.1", "10.0.0.53", [name], ["192.0.2.%d" % n]), base=BASE_US + n * 1000000)
                for n, name in enumerate(names)]
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, [(BASE_US + n * 1000000, packet(p)) for n, p in enumerate(payloads)]))
    rows, _ = ask(tmp_path / "data", "new", "domains")
    start = BASE_US // 1000000
    expected = [("example.co.uk", 0), ("example-x.co.uk", 1), ("example.com", 4), ("co.uk", 6), ("example.org", 8)]
    assert [(row["value"], seconds_of(row["first"]) - start) for row in rows] == expected
    rows, _ = ask(tmp_path / "data", "new", "domains", "--since", stamp(start + 3))
    assert [row["value"] for row in rows] == ["example.com", "co.uk", "example.org"]


def test_lists(kept):
    """Names, *.names, addresses and prefixes in any order, in one answer."""
    directory, path = kept
    lines = ["example", "*.com", "192.0.2.7", "2001:db8:1::/48", "# a note", "", "nothing.example", "a.example", "192.0.0.0/29"]
    done = collect("query", directory, "name", "@-", "--limit", "0", "--format", "ndjson", data="\n".join(lines).encode())
    assert done.status == 0 and done.err == "", done.err
    expected = []
    for line in lines:
        for row in cof_rows(path):
            if line.startswith("*."):
                hit = is_below(row[0], line[2:])
            elif "/" in line or re.match(r"^[0-9.]+$", line):
                network = ipaddress.ip_network(line, strict=False)
                hit = row[1] in ("A", "AAAA") and ipaddress.ip_address(row[2]) in network
            else:
                hit = row[0] == line
            if hit:
                expected.append(row)
    assert sorted(row_key(json.loads(line)) for line in done.out.splitlines()) == sorted(expected)


def test_list_of_who(kept):
    """An address stands for the names that led to it."""
    directory, path = kept
    lines = ["example", "a.example", "192.0.2.7", "EXAMPLE"]
    done = collect("query", directory, "who", "@-", "--limit", "0", "--format", "ndjson", data="\n".join(lines).encode())
    assert done.status == 0 and done.err == "", done.err
    answers = cof_rows(path)
    names = {row[0] for row in answers if row[2] == "192.0.2.7"}
    while True:
        more = {row[0] for row in answers if row[1] == "CNAME" and row[2] in names} - names
        if not more:
            break
        names |= more
    names |= {"example", "a.example"}
    expected = collections.Counter((r["names"][0].lower(), r["client"]) for r in reader_records(path) if r["names"][0].lower() in names)
    got = collections.Counter()
    for row in map(json.loads, done.out.splitlines()):
        got[row["name"], row["client"]] += row["count"]
    assert got == expected


def test_long_list(tmp_path):
    """100 000 lines in one pass over many partitions; what it takes is counted as processor time."""
    def used():
        return os.times().children_user + os.times().children_system
    for seed in range(1, 6):
        imported(tmp_path / "data", made(tmp_path / "out.pcap", seed, first=1000 * seed))
    lines = ["no%d.example.org" % n for n in range(99990)] + ["example", "a.example", "192.0.2.7"]
    random.Random(1).shuffle(lines)
    for question in ("who", "name"):
        begun = used()
        done = collect("query", tmp_path / "data", question, "@-", "--limit", "0", "--format", "ndjson", data="\n".join(lines).encode(), timeout=60)
        assert done.status == 0 and used() - begun < 20
        names = {json.loads(line)["name"] for line in done.out.splitlines()}
        assert {"example", "a.example"} <= names
        few = collect("query", tmp_path / "data", question, "@-", "--limit", "0", "--format", "ndjson", data=b"a.example\nexample\n192.0.2.7\n")
        assert sorted(few.out.splitlines()) == sorted(done.out.splitlines())


def test_at(tmp_path):
    """The name seen last before the moment; the client's own first; the question behind a CNAME."""
    from datagrams import extended, packet, set4
    from conftest import RAW, write_pcap
    rows = [(0, "10.0.0.1", ["a.example"]), (10, "10.0.0.2", ["b.example"]), (20, "10.0.0.1", ["www.example", "cdn.example"]),
            (30, "10.0.0.2", ["a.example"]), (40, "10.0.0.3", ["late.example"])]
    payloads = [(BASE_US + at * 1000000, packet(extended(n + 1, set4(client, "10.0.0.53", names, ["192.0.2.1"]), base=BASE_US + at * 1000000)))
                for n, (at, client, names) in enumerate(rows)]
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, payloads))
    start = BASE_US // 1000000

    def names_at(at, *more):
        return [(row["name"], row["via"], row["method"], row["age_s"]) for row in
                ask(tmp_path / "data", "at", "192.0.2.1", "--time", stamp(start + at), *more)[0]]

    assert names_at(5) == [("a.example", None, "anybody", 0)]
    assert names_at(25)[0] == ("a.example", None, "anybody", 0)
    assert ("www.example", "cdn.example", "anybody", 5) in names_at(25) and ("cdn.example", None, "anybody", 5) in names_at(25)
    assert names_at(25, "--client", "10.0.0.2")[0] == ("b.example", None, "client", 15)
    assert names_at(25, "--client", "10.0.0.1")[:2] == [("www.example", "cdn.example", "client", 5), ("a.example", None, "client", 25)]
    assert names_at(100)[0] == ("late.example", None, "anybody", 60)
    assert ask(tmp_path / "data", "at", "192.0.2.9")[0] == []
    done = collect("query", tmp_path / "data", "at", "192.0.2.0/24")
    assert done.status == 2 and 'did you mean "address 192.0.2.0/24"?' in done.err


def test_too_many_names(tmp_path):
    """Of a domain, and of a client: the rest is counted, and the answer says so."""
    from datagrams import extended, packet, set4
    from conftest import RAW, write_pcap
    names = ["n%d.big.example" % n for n in range(21000)] + ["www.big.example"] * 5 + ["big.example"]
    sets = [set4("10.0.0.%d" % (n % 3), "10.0.0.53", [name], ["192.0.2.1"]) for n, name in enumerate(names)]
    payloads = [extended(n // 20 + 1, *sets[n:n + 20], base=BASE_US + n) for n in range(0, len(sets), 20)]
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, [(BASE_US + n, packet(p)) for n, p in enumerate(payloads)]))
    rows, said = ask(tmp_path / "data", "contains", "big.example", "--limit", "0")
    assert "a name that begins with * is the rest" in said
    counts = {row["name"]: row["count"] for row in rows}
    assert sum(counts.values()) == len(names) and counts["www.big.example"] == 5 and counts["big.example"] == 1
    assert 20000 <= len(rows) <= 20002 and counts["*.big.example"] == len(names) - sum(n for name, n in counts.items() if name[0] != "*")
    rows, said = ask(tmp_path / "data", "below", "big.example", "--limit", "0")
    assert "is the rest" in said and sum(row["count"] for row in rows) == len(names) and len(rows) <= 20002
    assert [row["rdata"] for row in rows if row["name"] == "*.big.example"] == [""]
    rows, said = ask(tmp_path / "data", "who", "www.big.example")
    assert sum(row["count"] for row in rows) == 5 and said == ""
    assert ask(tmp_path / "data", "top", "domains")[0][0]["count"] == len(names)
    assert len(ask(tmp_path / "data", "new", "names", "--limit", "0")[0]) <= 20001


def test_closed_pipe(kept):
    """Who reads has had enough."""
    import subprocess
    from collecting import COLLECT
    directory, _ = kept
    for words in (("query", "below", "."), ("query", "top", "names"), ("sql", "SELECT * FROM lookups")):
        for form in ("csv", "json", "table"):
            done = subprocess.run("'%s' %s --directory '%s' --format %s%s | head -1" % (
                COLLECT, " ".join(words[:1]) + " " + " ".join("'%s'" % w for w in words[1:]), directory, form,
                " --limit 0" if words[0] == "query" else ""), shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
            assert done.stderr.count(b"\n") == 0, done.stderr


def test_budget(kept):
    """What takes too long is partial, says so, and goes on."""
    directory, _ = kept
    done = collect("query", directory, "below", ".", "--max-time", "0", "--limit", "0", "--format", "ndjson")
    assert done.status == 0 and done.err == ""
    done = collect("query", directory, "below", ".", "--max-time", "x")
    assert done.status == 2 and "option --max-time x: expected" in done.err


def test_pages_of_names_behind_an_address(kept):
    """One name has pages, several have not; nobody is no failure."""
    directory, _ = kept
    rows, said = ask(directory, "who", "198.51.100.1", "--cursor", "start")
    assert rows == [] and "--cursor" not in said
    _, said = ask(directory, "who", "192.0.1.7", "--cursor", "start", status=1)
    assert "192.0.1.7: several names are behind it, which have no pages" in said
