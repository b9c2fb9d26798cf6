# SPDX-License-Identifier: BSD-3-Clause
"""Which records the reader picks, what its rows show of them, and passive DNS: against plain references."""

import collections
import csv
import ipaddress
import json
import os
import random
import re
import select
import struct
import subprocess
import time

import pytest

from conftest import BASE_US, RAW, READER, TIMEOUT, label_text, needs_terminal, reader, write_pcap
from datagrams import ONE, datagram, extended, ips, packet, padded, set2, set3, set4, stats
from reading import ALSO, read


def shown(name, also=ALSO):
    """Of a list of labels."""
    return ".".join(label_text(label, also) for label in name) or "."


def picked(tmp_path, datagrams, *options, step_us=0):
    """Sequence numbers of the records that are printed."""
    out = read(tmp_path, RAW, [packet(d) for d in datagrams], "--format", "tsv", "--no-header", "--fields", "seq",
               *options, step_us=step_us)
    return [int(line) for line in out.out.split()]


# Names

NAMES = [["example.com"], ["www.example.com"], ["WWW.Example.COM"], ["notexample.com"],
         ["a.www.example.com", "cdn.example.net", "E1.cdn.example.net"], [""], [[b"a.b", b"example"]], ["a.b.example"],
         [[b"x,y|z", b"test"]], [[b"caf\xc3\xa9", b"test"]], [[b"example", b"com.evil"]], ["com"], [[b"*", b"star"]],
         [[b"\0\x07example\3com\0", b"nul"]], [[b"x" * 63] * 3 + [b"y" * 61]], ["0", "www.example.org"],
         ["www.xn--caf-dma.test"]]
HAS_IDN = b"\nlibidn2 " in reader("--version").out
needs_idn = pytest.mark.skipif(not HAS_IDN, reason="built without libidn2")


@pytest.mark.parametrize("patterns, want", [
    ("example.com", [0]), ("EXAMPLE.com.", [0]), ("www.example.com", [1, 2]), ("*.example.com", [1, 2, 4]),
    ("*.Example.Com.", [1, 2, 4]), ("*.com", [0, 1, 2, 3, 4]), ("*.ple.com", []), ("ple.com", []), ("com", [11]),
    ("cdn.example.net", [4]), ("*.example.net", [4]), ("*.cdn.example.net", [4]), ("*.net", [4]), ("*.org", [15]),
    (".", [5]), ("a\\.b.example", [6]), ("a\\046b.example", [6]), ("a.b.example", [7]), ("\\097.\\b.example", [7]),
    ("*.b.example", [7]), ("*.example", [6, 7]), ("*a\\.b*", [6]), ("*a.b.*", [7]), ("x,y|z.test", [8]),
    ("X\\044y\\|z.test", [8]), ("*x\\044y\\124z*", [8]), ("*x\\,y*", [8]), ("*\\195\\169*", [9]),
    ("caf\\195\\169.test", [9]), ("xn--caf-dma.test", []), ("*.xn--caf-dma.test", [16]), ("*EXAMPLE*", [0, 1, 2, 3, 4, 6, 7, 10, 13, 15]),
    ("*.example.com*", [1, 2, 4]), ("example.com\\.evil", [10]), ("*.com\\.evil", [10]), ("*.evil", []),
    ("\\042.star", [12]), ("*.star", [12]), ("*\\000*", [13]), ("*.nul", [13]),
    (".".join(["x" * 63] * 3 + ["Y" * 61]), [14]), ("*.%s" % ("y" * 61), [14]), ("*%s*" % ("x" * 63), [14]),
    ("com .", [5, 11]), ("*.net *.org com", [4, 11, 15])])
def test_names(patterns, want, tmp_path):
    datagrams = [datagram(i, set4("10.0.0.9", "10.0.0.53", names, ["192.0.2.1"])) for i, names in enumerate(NAMES)]
    assert picked(tmp_path, datagrams, *["--name=" + p for p in patterns.split(" ")]) == want


@needs_idn
@pytest.mark.parametrize("pattern, want", [
    ("caf\u00e9.test", [9]), ("*.caf\u00e9.test", [16]), ("*.CAF\u00c9.test", [16]), ("*caf\u00e9*", [9, 16]),
    ("*.cafe\u0301.test", [16]), ("*caf\u00e9.te*", [9, 16]), ("*af\u00e9*", [9]), ("*.caf\u00e8.test", [])])
def test_names_beyond_ascii(pattern, want, tmp_path):
    """As DNS has them, and as they are."""
    datagrams = [datagram(i, set4("10.0.0.9", "10.0.0.53", names, ["192.0.2.1"])) for i, names in enumerate(NAMES)]
    assert picked(tmp_path, datagrams, "--name=" + pattern) == want


def test_names_beyond_ascii_that_are_refused():
    result = reader("-r", "/nonexistent", "--name=caf\udce9.test" if HAS_IDN else "--name=caf\u00e9.test")
    assert result.status == 2 and result.err.count("\n") == 1
    assert ("UTF-8" if HAS_IDN else "built without libidn2") in result.err
    assert ("\nlibidn2 " if HAS_IDN else "\nwithout libidn2: ") in reader("--version").out.decode()


@pytest.mark.parametrize("pattern, words", [
    ("*x y*", "\\032 blank"), ("*x,y*", "\\044 comma"), ("*x|y*", "\\124 bar"), ("*x\"y*", "\\\" quotation"),
    ("*x\ty*", "\\009"), ("*x\x7f*", "\\127"), ("*a..b*", "between two dots"), ("a..b", "between two dots"),
    ("*%s*" % ("x" * 64), "63 bytes"), ("x" * 64, "63 bytes"), ("*%s*" % ".".join(["xy"] * 85), "253 bytes"),
    (".".join(["xy"] * 85), "253 bytes"), ("*a\\999*", "000 255"), ("a\\999.b", "000 255"), ("*a\\1b*", "three digits"),
    ("*a\\*", "behind each backslash"), ("*.*\\**", "*TEXT*")])
def test_names_that_cannot_occur(pattern, words):
    """One line says what is expected, and how to write it."""
    result = reader("-r", "/nonexistent", "--name", pattern)
    assert result.status == 2 and result.err.count("\n") == 1
    assert all(word in result.err for word in words.split()), result.err


@pytest.mark.parametrize("pattern, want", [
    ("www.example.com", [0, 1]), ("*.example.com", [0, 1, 2]), ("cdn.example", [2]), ("*spam*", [3, 4]),
    ("user@host.example", [5]), ("*user@host*", [5]), ("*x\\032x*", [6]), ("*%s*" % ("z" * 40), [7])])
def test_text_names_of_version_0(pattern, want, tmp_path):
    names = [[b"www.example.com"], [b"WWW.EXAMPLE.COM."], [b"a..b", b"cdn.example", b"q.example.com"], [b"spam.test"],
             [b"a.test", b"SPAM"], [b"user@host.example"], [b"x x"], [b"z" * 300]]
    datagrams = [datagram(i, set2("10.0.0.9", n, ["192.0.2.1"], text=True), version=0) for i, n in enumerate(names)]
    assert picked(tmp_path, datagrams, "--name", pattern) == want


# Addresses

ADDRESSES = [  # client, resolver, answers
    ("10.0.0.9", "192.0.2.53", ["198.51.100.1"]), ("10.0.1.9", "192.0.2.54", ["198.51.100.2", "203.0.113.7"]),
    ("10.127.255.255", "192.0.2.53", ["2001:db8::1"]), ("10.128.0.0", "192.0.2.53", ["255.255.255.255"]),
    ("2001:db8::9", "2001:db8::53", ["198.51.100.1", "2001:db8:ffff::1"]),
    ("2001:db8:0:1::9", "2001:db9::53", ["2001:db8:8000::"]), ("a00:9::", "2001:db8::53", ["::ffff:198.51.100.1"]),
    ("255.255.255.255", "0.0.0.0", ["0.0.0.0"])]


@pytest.mark.parametrize("options, want", [
    ("client=10.0.0.9", [0]), ("client=10.0.0.9/32", [0]), ("client=10.0.0.8/31", [0]), ("client=10.0.0.8", []),
    ("client=10.0.0.0/24", [0]), ("client=10.0.0.255/23", [0, 1]), ("client=10.99.99.99/9", [0, 1, 2]),
    ("client=10.0.0.0/8", [0, 1, 2, 3]), ("client=0.0.0.0/0", [0, 1, 2, 3, 7]), ("client=9.9.9.9/0", [0, 1, 2, 3, 7]),
    ("client=::/0", [4, 5, 6]), ("client=2001:db8::/32", [4, 5]), ("client=2001:db8:0:0::/64", [4]),
    ("client=2001:db8::1:0:0:0/63", [4, 5]), ("client=2001:DB8::9/128", [4]), ("client=2001:db8::8/127", [4]),
    ("client=10.0.0.9 client=2001:db8::9", [0, 4]), ("client=128.0.0.0/1", [7]), ("client=255.255.255.255", [7]),
    ("resolver=192.0.2.54", [1]), ("resolver=192.0.2.52/30", [0, 1, 2, 3]), ("resolver=2001:db9::/32", [5]),
    ("resolver=0.0.0.0/32", [7]), ("resolver=0.0.0.0/0 resolver=::/0", [0, 1, 2, 3, 4, 5, 6, 7]),
    ("answer=198.51.100.1", [0, 4]), ("answer=203.0.113.0/24", [1]), ("answer=0.0.0.0/0", [0, 1, 3, 4, 7]),
    ("answer=::/0", [2, 4, 5, 6]), ("answer=2001:db8::/33", [2]), ("answer=2001:db8:8000::/33", [4, 5]),
    ("answer=::ffff:0:0/96", [6]), ("answer=0.0.0.0", [7]), ("family=4", [0, 1, 2, 3, 7]), ("family=6", [4, 5, 6]),
    ("family=4 family=6", [0, 1, 2, 3, 4, 5, 6, 7]), ("client=10.0.0.0/8 resolver=192.0.2.53", [0, 2, 3]),
    ("client=10.0.0.0/8 resolver=192.0.2.53 answer=::/0", [2]), ("client=::/0 family=4", []),
    ("family=6 answer=198.51.100.1 answer=2001:db8:8000::", [4, 5]), ("name=*.example answer=198.51.100.1", [0, 4])])
def test_addresses(options, want, tmp_path):
    datagrams = [datagram(i, set4(client, resolver, ["q.example"], [a for a in answers if "." in a and ":" not in a],
                                  [a for a in answers if ":" in a]))
                 for i, (client, resolver, answers) in enumerate(ADDRESSES)]
    assert picked(tmp_path, datagrams, *["--" + o for o in options.split(" ")]) == want


def test_old_versions_have_no_resolver(tmp_path):
    datagrams = [datagram(1, set2("10.0.0.9", ["a.example"], ["192.0.2.1"]), version=2),
                 datagram(2, set3("2001:db8::9", ["b.example"], [], ["2001:db8::1"]), version=3)]
    assert picked(tmp_path, datagrams, "--resolver", "0.0.0.0/0", "--resolver", "::/0") == []
    assert picked(tmp_path, datagrams, "--family", "6") == picked(tmp_path, datagrams, "--answer", "::/0") == [2]
    assert picked(tmp_path, datagrams, "--client", "10.0.0.0/8", "--name", "a.example") == [1]


# Times: of datagrams, 22:13:20 and a second more for each; of records, where there is a trailer

@pytest.mark.parametrize("options, want", [
    ("since=2023-11-14T22:13:22", [2, 3]), ("since=2023-11-14T22:13:22Z", [2, 3]), ("since=2023-11-14", [0, 1, 2, 3]),
    ("since=2023-11-15", []), ("until=2023-11-14T22:13:22", [0, 1]), ("until=2023-11-15", [0, 1, 2, 3]),
    ("since=2023-11-14T22:13:21.000001", [2, 3]), ("until=2023-11-14T22:13:21.000001", [0, 1]),
    ("since=2023-11-14T23:13:22+01:00", [2, 3]), ("since=2023-11-14T17:43:22-0430", [2, 3]),
    ("since=2023-11-15T03:43:22.5+05:30", [3]), ("until=1700000001", [0]), ("since=1700000001.5", [2, 3]),
    ("since=1700000001 until=1700000003", [1, 2]), ("since=0", [0, 1, 2, 3]), ("until=0", []),
    ("since=9999-12-31T23:59:59Z", []), ("until=9999-12-31T23:59:59Z", [0, 1, 2, 3]), ("since=1m", []),
    ("until=1m", [0, 1, 2, 3]), ("since=100000d", [0, 1, 2, 3]), ("until=100000d", []),
    ("since=9999999d", [0, 1, 2, 3]), ("until=9999999d", []), ("since=1969-12-31T23:59:59", [0, 1, 2, 3])])
def test_since_and_until(options, want, tmp_path):
    datagrams = [datagram(i, ONE) for i in range(4)]
    assert picked(tmp_path, datagrams, *["--" + o for o in options.split(" ")], step_us=1000000) == want


def test_how_long_ago(tmp_path):
    now, ages = time.time(), [95, 85, 605, 595, 7205, 7195, 2 * 86400 + 5, 2 * 86400 - 5]
    path = write_pcap(tmp_path / "in.pcap", RAW, [(int((now - age) * 1e6), packet(datagram(age, ONE))) for age in ages])
    for text, seconds in ("90s", 90), ("10m", 600), ("2h", 7200), ("2d", 172800):
        for option, is_there in ("--since", lambda age: age < seconds), ("--until", lambda age: age > seconds):
            result = reader("-r", path, "--format", "tsv", "--no-header", "--fields", "seq", option, text)
            assert [int(n) for n in result.out.split()] == [age for age in ages if is_there(age)], (option, text)


def test_recent_days_and_clocks(tmp_path):
    now = time.time()
    if now % 86400 < 200 or now % 86400 > 86200:
        pytest.skip("it is midnight")
    today = int(now) // 86400 * 86400
    clock = [time.strftime("%H:%M:%S", time.gmtime(now + seconds)) for seconds in (-100, 100)]
    starts = {"today": today, "yesterday": today - 86400, clock[0]: int(now) - 100, clock[1]: int(now) + 100 - 86400,
              clock[0][:5]: (int(now) - 100) // 60 * 60}
    for text, start in starts.items():
        path = write_pcap(tmp_path / "in.pcap", RAW, [(int((start + s) * 1e6), packet(datagram(s + 9, ONE)))
                                                      for s in (-3, -2, 2, 3)])
        for option, want in ("--since", [11, 12]), ("--until", [6, 7]):
            result = reader("-r", path, "--format", "tsv", "--no-header", "--fields", "seq", option, text,
                            env=dict(os.environ, TZ="IST-5:30"))
            if (option, text) == ("--until", clock[1]):
                want = [6, 7, 11, 12]  # the end of a time is of today, to come or not
            assert [int(n) for n in result.out.split()] == want, (option, text, "days and clocks are UTC")
    text = re.sub(r"\s+", " ", reader("--help").out.decode())
    assert all(word in text for word in ("today", "yesterday", "10:00"))
    result = reader("-r", path, "--since", "tomorrow")
    assert result.status == 2 and all(word in result.err for word in ("today", "yesterday", "10:00"))


def test_times_of_records(tmp_path):
    """With the trailer the datagram's time does not count."""
    ext = [(offset, 60, 1, 9, 0) for offset in (-1000000, 0, 999999, 1000000)]
    names = ["n%d.example" % i for i in range(4)]
    sets = [set4("10.0.0.9", "10.0.0.53", [n], ["192.0.2.1"]) for n in names]
    frames = [packet(extended(1, *sets, ext=ext, base=1600000000 * 1000000))]

    def found(*options):
        return read(tmp_path, RAW, frames, "--format", "tsv", "--no-header", "--fields", "qname", *options).out.split()
    assert found("--since", "1600000000") == names[1:] and found("--until", "1600000000") == names[:1]
    assert found("--since", "1600000000", "--until", "1600000001") == names[1:3]
    assert found("--until", "1600000000.999999") == names[:2] and found("--since", "2023-11-14") == []


# How many

def test_count(tmp_path):
    sets = [set4("10.0.0.%d" % (i % 2), "10.0.0.53", ["n%d.example" % i], ["192.0.2.1"]) for i in range(10)]
    frames = [packet(d) for d in (datagram(1, *sets[:3]), stats(2, 1, 2, 3, 4, 5), datagram(3, *sets[3:7]),
                                  datagram(4, *sets[7:]))]
    for count in range(1, 12):
        result = read(tmp_path, RAW, frames, "--no-header", "--count", str(count))
        rows, summary = result.out.split("\n\nSummary:\n")
        assert [r.split("|")[4] for r in rows.split("\n")] == ["n%d.example" % i for i in range(min(count, 10))]
        assert re.search(r"^records wanted: %d of \d+$" % min(count, 10), summary, re.M)
    out = read(tmp_path, RAW, frames, "--no-header", "--count", "4", "--client", "10.0.0.1").out
    assert re.findall(r"n\d", out.split("\nSummary")[0]) == ["n1", "n3", "n5", "n7"] and "STATS" not in out
    out = read(tmp_path, RAW, frames, "--client", "10.0.0.1").out
    assert "records wanted: 5 of 10\n" in out and "STATS" not in out and "n_stats_pkts=1" in out
    assert "wanted" not in read(tmp_path, RAW, frames).out


# Against a reference

def random_record(dice):
    version = dice.choice((4, 4, 6))
    pool = [b"a", b"B", b"www", b"WwW", b"example", b"Example", b"com", b"net", b"a.b", b"x,y", b"\xff", b"1|2"]
    names = [[dice.choice(pool) for _ in range(dice.randint(0, 4))] for _ in range(dice.choice((1, 1, 2, 3)))]

    def ip(v):
        return str(ipaddress.IPv4Address(0xC0000200 + dice.choice((1, 2, 64, 255, 256, 511))) if v == 4 else
                   ipaddress.IPv6Address((0x20010DB8 << 96) + (dice.randrange(4) << 64) + dice.randrange(4)))
    v4, v6 = dice.choice(((1, 0), (0, 1), (2, 1), (3, 2)))
    return dict(client=ip(version), resolver=ip(version), names=names, ipv4=[ip(4) for _ in range(v4)],
                ipv6=[ip(6) for _ in range(v6)], time=BASE_US + dice.randrange(100) * 100000)


def random_conditions(dice):
    """Pairs of a kind and a value."""
    def prefix():
        if dice.random() < 0.5:
            return "192.0.%d.%d/%d" % (dice.choice((2, 3)), dice.choice((1, 65)), dice.choice((0, 22, 24, 31, 32)))
        return "2001:db8:0:%x::%x/%d" % (dice.randrange(4), dice.randrange(4), dice.choice((0, 32, 63, 64, 127, 128)))

    def name():
        text = dice.choice(("a", "www", "EXAMPLE.com", "example.net", "com", "b.example", "a\\.b", "x\\044y", "\\255"))
        return dice.choice(("%s", "*.%s", "*.%s", "*%s*")) % text
    make = {"client": prefix, "resolver": prefix, "answer": prefix, "name": name, "family": lambda: dice.choice("46"),
            "since": lambda: "%.1f" % (1.7e9 + dice.randrange(60) / 10),
            "until": lambda: "%.1f" % (1.7e9 + 6 + dice.randrange(60) / 10)}
    kinds = dice.sample(list(make), dice.randint(1, 4))
    return [(kind, make[kind]()) for kind in kinds for _ in range(1 if kind in ("family", "since", "until") else
                                                                 dice.randint(1, 3))]


def parsed(text):
    return [re.sub(rb"\\(\d{3}|.)", lambda m: bytes([int(m[1])]) if len(m[1]) == 3 else m[1], part).lower()
            for part in re.findall(rb"(?:\\\d{3}|\\.|[^.\\])+", text.encode())]


def holds(record, kind, value):
    if kind in ("client", "resolver", "answer"):
        network = ipaddress.ip_network(value, strict=False)
        mine = record["ipv4"] + record["ipv6"] if kind == "answer" else [record[kind]]
        return any(ipaddress.ip_address(a) in network for a in mine)
    if kind == "family":
        return (":" in record["client"]) == (value == "6")
    if kind in ("since", "until"):
        return (record["time"] >= round(float(value) * 1e6)) == (kind == "since")
    for name in record["names"]:
        if value[0] == value[-1] == "*":
            found = value[1:-1].lower() in shown(name).lower()
        else:
            want, mine = parsed(value[2:] if value[0] == "*" else value), [label.lower() for label in name]
            found = len(mine) > len(want) and mine[-len(want):] == want if value[0] == "*" else mine == want
        if found:
            return True
    return False


def test_random_filters(tmp_path):
    dice = random.Random(11)
    records = [random_record(dice) for _ in range(400)]
    frames = []
    for i, r in enumerate(records):
        one, when = set4(r["client"], r["resolver"], r["names"], r["ipv4"], r["ipv6"]), r["time"]
        made = extended(i, one, base=when + 5000, ext=[(-5000, 1, 1, 1, 0)]) if i % 2 else datagram(i, one)
        frames.append((BASE_US if i % 2 else when, packet(made)))
    path, sizes = write_pcap(tmp_path / "in.pcap", RAW, frames), []
    for _ in range(100):
        conditions = random_conditions(dice)
        by_kind = collections.defaultdict(list)
        for kind, value in conditions:
            by_kind[kind].append(value)
        want = [i for i, r in enumerate(records)
                if all(any(holds(r, kind, v) for v in values) for kind, values in by_kind.items())]
        options = ["--%s=%s" % c for c in conditions]
        result = reader("-r", path, "--format", "tsv", "--no-header", "--fields", "seq", *options)
        assert [int(n) for n in result.out.split()] == want, options
        assert "records wanted: %d of 400\n" % len(want) in result.err
        sizes.append(len(want))
    assert sum(0 < s < 400 for s in sizes) > 50


# Values that are refused

BAD = [("--client", v) for v in ("", "x", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/ 8", "::/129",
                                 "10.0.0.1/8/8", "fe80::1%lo", "10.0.0.256", "1.2.3.4,5.6.7.8", "/8", ":::/0")]
BAD += [("--resolver", "10.0.0.1/33"), ("--answer", "a.example"), ("--answer", "192.0.2.0/2x")]
BAD += [("--name", v) for v in ("", "*", "**", "***", "a..b", ".a", "..", "a\\", "a\\25", "a\\256", "*.", "*a", "a*",
                                "a*b", "*.*.com", "*a*b*", "x" * 64, "*a b*", "*a,b*", "*a..b*", "*\\256*", "*" + "y" * 64 + "*", ".".join(["x" * 63] * 4), "*." + "y" * 64)]
BAD += [("--family", v) for v in ("", "5", "46", "ipv4")] + [("--count", v) for v in ("", "0", "-1", "1x", "1e3")]
BAD += [(option, v) for option in ("--since", "--until") for v in
        ("", "x", "2023-11", "2023-13-01", "2023-02-30", "2023-11-14T", "2023-11-14T22", "2023-11-14T24:00:00",
         "2023-11-14T22:13:60", "2023-11-14T22:13:20.", "2023-11-14T22:13:20+1", "2023-11-14T22:13:20+01:0",
         "2023-11-14T22:13:20+99:99", "2023-11-14T22:13:20+00:60", "2023-11-14T22:13:20Zx", "2023-11-14Z", "-5", "10w",
         "10 m", "m", "1.5h", "24:00", "10:60", "10:00:", "10", "tomorrow", "99999999999", "1e9", "0x10")]
BAD += [("--fields", v) for v in ("", ",", "client,", ",client", "client,,names", "client names", "Client", "nothing")]
BAD += [("--format", "xml"), ("--time", "gmt"), ("--color", "yes"), ("--color", ""), ("--time", "")]
BAD += [("--interval", v) for v in ("", "0", "-1", "1.5", "86401", "x")]
BAD += [("--speed", v) for v in ("", "0", "-1", "nan", "inf", "x", "1x", "1e7", "0.0001", "1,5")]


@pytest.mark.parametrize("option, value", BAD, ids=lambda v: v if len(v) < 40 else "long")
def test_bad_values(option, value):
    result = reader("-r", "/nonexistent", option + "=" + value)
    assert result.status == 2 and result.out == b"" and result.err.count("\n") == 1, result.err
    assert "expected" in result.err and option in result.err and value[:100] in result.err, result.err


def test_a_long_bad_value_does_not_hide_what_is_expected():
    for option, value in ("--name", "x" * 600), ("--fields", "response_time," * 31 + "bogus"):
        result = reader("-r", "/nonexistent", option, value)
        assert result.status == 2 and option in result.err and "expected" in result.err, result.err
        assert option == "--name" or result.err.rstrip().endswith("sample_rate"), "all columns are named"


def test_at_most_64_of_a_kind(tmp_path):
    datagrams = [datagram(i, set4("10.0.0.%d" % i, "10.0.0.53", ["n%d.example" % i], ["192.0.2.1"]))
                 for i in range(66)]
    many = ["--client=10.0.0.%d" % i for i in range(64)] + ["--name=n%d.example" % i for i in range(64)]
    assert picked(tmp_path, datagrams, *many) == list(range(64))
    for more in "--client=10.0.0.64", "--name=n64.example":
        result = reader("-r", "/nonexistent", *many, more)
        assert result.status == 2 and "at most 64" in result.err and result.err.count("\n") == 1


# Columns

PLAIN = dict(server="10.1.1.1", port=4000, seq=3, resolver="10.0.0.53", client="10.0.0.9",
             time="2023-11-14T22:13:20.000000Z", qname="www.example.com", names=["www.example.com", "cdn.example.net"],
             ipv4=["192.0.2.1", "192.0.2.2"], ipv6=["2001:db8::1"])
WHOLE = dict(PLAIN, seq=4, response_time="2020-09-13T12:26:39.500000Z", min_ttl=4294967295, qtype="AAAA",
             client_port=65535, set_flags=21, sensor_id=4000000000, worker=255, sample_rate=7)
OLD = dict(PLAIN, seq=5, resolver=None, client="10.0.0.1", qname="old.example", names=["old.example"],
           ipv4=["192.0.2.9"], ipv6=[])
RECORDS = [dict.fromkeys(WHOLE, None) | PLAIN, WHOLE, dict.fromkeys(WHOLE, None) | OLD]


def column_frames():
    whole = extended(4, ONE, ext=[(-500000, 4294967295, 28, 65535, 21)], base=1600000000 * 1000000,
                     sensor_id=4000000000, worker=255, rate=7)
    return [packet(d) for d in (datagram(3, ONE), stats(9, 1, 2, 3, 4, 5), whole,
                                datagram(5, set2("10.0.0.1", ["old.example"], ["192.0.2.9"]), version=2))]


def as_cell(name, value, form):
    if name in ("time", "response_time"):
        return "" if not value else value[11:19] if form == "text" else value
    if name == "resolver" and value is None:
        return "0.0.0.0"
    return ",".join(value) if isinstance(value, list) else "" if value is None else str(value)


@pytest.mark.parametrize("form, separator", [("text", "|"), ("tsv", "\t"), ("csv", ",")])
def test_columns(form, separator, tmp_path):
    dice = random.Random(5)
    for columns in [[c] for c in WHOLE] + [dice.sample(list(WHOLE), k=n) for n in (2, 5, 17)] + [list(WHOLE)]:
        out = read(tmp_path, RAW, column_frames(), "--fields", ",".join(columns), "--format", form).out
        lines = out.partition("\nSummary:")[0].split("\n")[:-1]
        got = [row or [""] for row in csv.reader(lines)] if form == "csv" else [line.split(separator) for line in lines]
        assert got == [columns] + [[as_cell(c, r[c], form) for c in columns] for r in RECORDS], columns
    out = read(tmp_path, RAW, column_frames(), "--fields", "names,seq,ipv6", "--format", form, "--no-header").out
    assert out.startswith("%s%s3" % ('"www.example.com,cdn.example.net"' if form == "csv" else
                                     "www.example.com,cdn.example.net", separator))


def test_columns_in_json(tmp_path):
    for columns in [[c] for c in WHOLE] + [list(WHOLE), list(WHOLE)[::-1]]:
        result = read(tmp_path, RAW, column_frames(), "--fields", ",".join(columns), "--format", "json")
        rows = [json.loads(line) for line in result.out.splitlines()]
        assert rows == [{c: r[c] for c in columns} for r in RECORDS] and all(list(r) == columns for r in rows)


NO_TRAILERS = ": the sensors send none of these; start them with -x (--extended)\n"


@pytest.mark.parametrize("form", ["text", "json", "csv", "tsv"])
def test_columns_that_nobody_sends(form, tmp_path):
    """Said once, if all of a column is empty."""
    plain, whole = [packet(datagram(i, ONE)) for i in (1, 2)], packet(extended(3, ONE))

    def said(frames, fields, *options):
        return read(tmp_path, RAW, frames, "--format", form, *(["--fields", fields] if fields else []), *options).err
    err = said(plain, "min_ttl,client,qtype")
    assert err.count(NO_TRAILERS) == 1 and re.match(r"\[\d+\]: min_ttl, qtype" + re.escape(NO_TRAILERS), err)
    every = [c for c in WHOLE if c not in PLAIN]
    assert "]: " + ", ".join(every) + NO_TRAILERS in said(plain, ",".join(every))
    for frames, fields, options in ((plain + [whole], "min_ttl", []), ([whole] + plain, "min_ttl", []), ([], "qtype", []),
                                    (plain, "client,seq", []), (plain, None, []), (plain, "qtype", ["--client", "::1"]),
                                    ([packet(stats(2, 1, 2, 3, 4, 5))], "qtype", [])):
        assert NO_TRAILERS not in said(frames, fields, *options), (fields, options)


def test_no_column_twice():
    result = reader("-r", "/nonexistent", "--fields", "client,seq,client")
    assert result.status == 2 and "each once" in result.err


@pytest.mark.parametrize("number, name", [(0, "TYPE0"), (1, "A"), (2, "NS"), (261, "TYPE261"), (28, "AAAA"), (64, "SVCB"),
                                          (65, "HTTPS"), (255, "ANY"), (65535, "TYPE65535")])
def test_types(number, name, tmp_path):
    frames = [packet(extended(1, ONE, ext=[(0, 1, number, 1, 0)]))]
    assert read(tmp_path, RAW, frames, "--fields", "qtype", "--format", "tsv", "--no-header").out == name + "\n"


# Times and colors

@pytest.mark.parametrize("style, zone, want", [
    (None, "IST-5:30", "22:13:20"), ("utc", "IST-5:30", "22:13:20"), ("local", "IST-5:30", "03:43:20"),
    ("local", "NST3:30", "18:43:20"), ("local", "UTC", "22:13:20"), ("epoch", "IST-5:30", "1700000000.250000"),
    ("iso", "IST-5:30", "2023-11-14T22:13:20.250000Z")])
def test_time_styles(style, zone, want, tmp_path):
    frame = packet(extended(1, ONE, base=BASE_US + 86400 * 1000000 + 250000))
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + 250000, frame)])
    later = want.replace("1700000000", "1700086400").replace("11-14", "11-15")
    options = ["--time", style] if style else []

    def out(*more):
        return reader("-r", path, *options, *more, env=dict(os.environ, TZ=zone)).out.decode()
    assert out("--no-header").split("|")[3] == want
    iso = [t if style else "2023-11-%dT22:13:20.250000Z" % day for t, day in ((want, 14), (later, 15))]
    for form, separator in ("csv", ","), ("tsv", "\t"):
        assert out("--no-header", "--format", form).split(separator)[3] == iso[0]
        assert out("--no-header", "--fields", "time,response_time", "--format", form) == separator.join(iso) + "\n"
    for more, take in ([], lambda row: row["ext"]["time"]), (["--fields", "time,response_time"],
                                                            lambda row: row["response_time"]):
        row = json.loads(out("--format", "json", *more), parse_float=str)
        assert [row["time"], take(row)] == iso


def colored_frames():
    hostile = [[b"\x1b[31m", b"a\x1b]0;x\7", b"\x9b2J"]]
    text = set2("10.0.0.9", [b"\x1b[2J\x9b1m|\nx"], ["192.0.2.1"], text=True)
    return [packet(d) for d in (datagram(1, ONE, set4("10.0.0.9", "10.0.0.53", hostile, ["192.0.2.1"])),
                                stats(2, 1, 2, 3, 4, 5), datagram(3, text, version=0))]


def test_colors(tmp_path):
    always = read(tmp_path, RAW, colored_frames(), "--color", "always").out
    plain = read(tmp_path, RAW, colored_frames(), "--color", "never").out
    assert re.sub("\x1b\\[[0-9;]*m", "", always) == plain and "\x1b" not in plain
    rows = always.split("\n\nSummary:\n")[0].split("\n")
    assert all(re.search("\x1b\\[[0-9;]+m", row) for row in rows) and "\x1b" not in always.split("\n\nSummary")[1]
    for cell in rows[2].split("|"):
        assert re.fullmatch("\x1b\\[[0-9;]+m[^\x1b]*\x1b\\[0m", cell), cell
    assert read(tmp_path, RAW, colored_frames(), "--color", "auto").out == plain, "standard output is no terminal"
    assert read(tmp_path, RAW, colored_frames()).out == plain


def test_the_color_of_the_header_ends_with_its_line(tmp_path):
    header = read(tmp_path, RAW, colored_frames(), "--color", "always").out.split("\n")[0]
    assert header.endswith("\x1b[0m")


@pytest.mark.parametrize("form", ["json", "csv", "tsv", "cof"])
def test_colors_are_for_text(form, tmp_path):
    result = read(tmp_path, RAW, colored_frames(), "--color", "always", "--format", form)
    assert "\x1b" not in result.out, "a program reads this"


@needs_terminal
@pytest.mark.parametrize("env, options, is_colored", [
    ({}, [], True), ({"NO_COLOR": "1"}, [], False), ({"NO_COLOR": ""}, [], True), ({"TERM": "dumb"}, [], False),
    ({"NO_COLOR": "1"}, ["--color", "always"], True), ({}, ["--color", "never"], False),
    ({}, ["--format", "csv"], False)])
def test_colors_on_a_terminal(env, options, is_colored, tmp_path):
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US, packet(datagram(1, ONE)))])
    base = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    ours, theirs = os.openpty()
    got = b""
    with subprocess.Popen([READER, "-r", path, *options], stdout=theirs, stderr=subprocess.DEVNULL,
                          env=dict(base, TERM="xterm", **env) if "TERM" not in env else dict(base, **env)) as process:
        os.close(theirs)
        assert process.wait(TIMEOUT) == 0
        while select.select([ours], [], [], 1)[0]:
            try:
                got += os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)
    assert b"www.example.com" in got and (b"\x1b[" in got) == is_colored


# Passive DNS

def reference(records):
    """The tuples of [(time in seconds, record)] in the order in which they came."""
    found = {}
    for when, r, continues in records:
        names = [shown([l.lower() for l in n], b"") for n in r["names"]]
        keys = [] if continues else [(a, "CNAME", b) for a, b in zip(names, names[1:])]
        keys += [(names[-1], "A", a) for a in r["ipv4"]] + [(names[-1], "AAAA", a) for a in r["ipv6"]]
        for key in keys:
            first, last, count = found.get(key, (when, when, 0))
            found[key] = (min(first, when), max(last, when), count + 1)
    return found


def tuples(text):
    rows = [json.loads(line) for line in text.splitlines()]
    assert all(list(r) == ["rrname", "rrtype", "rdata", "time_first", "time_last", "count"] for r in rows)
    return [((r["rrname"], r["rrtype"], r["rdata"]), (r["time_first"], r["time_last"], r["count"])) for r in rows]


def test_cof(tmp_path):
    dice = random.Random(3)
    records, frames = [], []
    for i in range(500):
        r, continues = random_record(dice), int(dice.random() < 0.2)
        one = set4(r["client"], r["resolver"], r["names"], r["ipv4"], r["ipv6"])
        frames.append(packet(extended(i, one, base=r["time"], ext=[(0, 1, 1, 1, continues)])))
        records.append((r["time"] // 1000000, r, continues))
    result = read(tmp_path, RAW, frames, "--format", "cof")
    assert tuples(result.out) == list(reference(records).items())
    assert "\nSummary:\n10.1.1.1:4000\n" in result.err and "for want of room" not in result.err
    some = [r for r in records if ":" in r[1]["client"]]
    result = read(tmp_path, RAW, frames, "--format", "cof", "--family", "6")
    assert tuples(result.out) == list(reference(some).items()) and "wanted: %d of 500" % len(some) in result.err


def test_cof_every_interval(tmp_path):
    """By capture time: each 10 s of it are printed by themselves."""
    frames = [packet(datagram(i, set4("10.0.0.9", "10.0.0.53", ["a.example"], ["192.0.2.1"]))) for i in range(35)]
    got = tuples(read(tmp_path, RAW, frames, "--format", "cof", "--interval", "10", step_us=1000000).out)
    assert got == [(("a.example", "A", "192.0.2.1"), (1700000000 + at, 1700000000 + min(at + 9, 34), min(10, 35 - at)))
                   for at in (0, 10, 20, 30)]
    result = read(tmp_path, RAW, frames, "--format", "cof", "--interval", "35", step_us=1000000)
    assert [t[1][2] for t in tuples(result.out)] == [35]


def test_cof_without_room(tmp_path):
    def many(i):
        wire = padded(b"\1a\0")
        return struct.pack("!BBBBHH", 4, 1, 255, 0, len(wire), 0) + ips(["10.0.0.9"]).ljust(32, b"\0") + wire + \
            b"".join(struct.pack("!I", 0x01000000 + 255 * i + k) for k in range(255))
    frames = [packet(datagram(i, many(i))) for i in [0] + list(range(1030)) + [0]]
    result = read(tmp_path, RAW, frames, "--format", "cof", "--no-header")
    counts = collections.Counter()
    for rdata, count in re.findall(r'"rdata":"([0-9.]+)",.*"count":(\d+)}\n', result.out):
        counts[rdata] += int(count)
    assert result.out.count("\n") == 1030 * 255 + 255 and sum(counts.values()) == 1032 * 255
    assert len(counts) == 1030 * 255 and counts["1.0.0.0"] == 3
    assert "printed before their time, for want of room: 1 times\n" in result.err
