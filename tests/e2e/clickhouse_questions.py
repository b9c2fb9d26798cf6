# SPDX-License-Identifier: BSD-3-Clause
"""Records of every kind, and questions about them, asked of a directory and of ClickHouse."""

import json
import random
import re
import struct
import time
import urllib.parse

from collecting import COLLECT, database, send
from conftest import label_text, read_pcap, run, wire_name, written_payload
from datagrams import Worker, datagram, extended, set4
from over_http import send_some, written
from random_datagrams import add_answers, edges, old_datagrams, random_address, random_labels

HOSTILE = [[b"it's", b"a\\b", b"c"], [b"a.b", b"dots"], [bytes(range(63)), b"low"], [bytes(range(193, 256)), b"high"],
           [b"'; DROP TABLE pdns; --", b"x"], [b"\0", b"nul"], [b"%s%d{p}", b"f"], [b"\n\t\r\\N", b"tab"], [b"*", b"star"],
           [b"/", b"slash"], [b"-", b"slash"], [b"!", b"slash"], [b"0", b"slash"], [b"\\000", b"slash"], [b"UPPER", b"Case"]]


def odd_answers(data):
    """Answers of types that addresses have, of other lengths, and of types as they are."""
    rrs = b"".join(struct.pack("!BHIH", 0, kind, 300, len(rdata)) + rdata for kind, rdata in (
        (1, b"\1\2\3"), (1, b"\1\2\3\4\5"), (1, b""), (28, b"\1" * 15), (28, b""), (2, wire_name("ns.example")),
        (15, b"\0\x0a" + wire_name("mail.example")), (16, b"\5it's\\"), (12, wire_name([b"it's", b"a.b"])),
        (65, b"\0\1\0"), (256, b"\0\1\0\2http://x")))
    area = struct.pack("!BH", 0, len(rrs)) + rrs
    at = len(data) - 24 - 16 * data[1]
    data = bytearray(data + area)
    data[3] |= 8
    struct.pack_into("!H", data, at + 2, len(data) - at)
    return bytes(data)


def payloads(folder, seed=1):
    """Datagrams of a sensor that has seen much; times of records go back three days."""
    dice, now_us = random.Random(seed), int(time.time()) * 1000000
    resolvers = ["10.0.0.53", "10.0.1.53"]
    sets = [set4("10.0.0.3", "10.0.0.53", [name], ["198.51.100.7"]) for name in HOSTILE]
    for n in range(700):
        client = "2001:db8::%x" % dice.randrange(9) if n % 5 == 0 else "10.0.0.%d" % dice.randrange(20)
        name = random_labels(dice, dice.random() < 0.02) or [b"x"]
        if n % 3:
            name = ".".join(dice.choice(["example", "example-x", "Example", "a", "com", "exam", "a/b", "0", "co", "uk"])
                            for _ in range(dice.randrange(1, 5)))
        names = [name] + dice.choice([[], [], ["cdn%d.example" % (n % 4)], ["alias.example", "cdn%d.example" % (n % 4)]])
        sets.append(set4(client, "2001:db8::53" if ":" in client else dice.choice(resolvers), names,
                         [random_address(dice, 4) if n % 7 == 0 else "192.0.2.%d" % dice.randrange(9)] * (n % 4 > 0),
                         ["2001:db8:1::%x" % dice.randrange(9)] * (n % 5 == 1)))
    made = []
    for n in range(0, len(sets), 5):
        base = now_us - dice.randrange(3 * 86400) * 1000000
        made.append(add_answers(dice, extended(1 + n // 5, *sets[n:n + 5], base=base, rate=dice.choice((0, 10)))))
    odd = set4("10.0.0.3", "10.0.0.53", ["odd.example"], ["192.0.2.1", "0.0.0.0"],
               ["::", "::ffff:192.0.2.9", "2001:db8::1"])
    made.append(odd_answers(extended(1 + len(made), odd, base=now_us)))
    made += list(old_datagrams()) + list(edges())
    made += [written_payload(frame) for _, frame in read_pcap(written(folder, now_us - 7200 * 1000000))[1]]
    worker = Worker(now_us // 1000000 - 30, sensor_id=9, worker=3)
    worker.more(frames_seen=50, link_short=20, dns_query=30, sampled=4)
    worker.ring, worker.interface = 5, 3
    made += [worker.stats(), worker.data(sets[0]), worker.data(sets[1], sets[2])]
    worker.number += 7  # did not come
    made += [worker.data(sets[3]), worker.stats()]
    return made + [datagram(4, set4("10.0.0.3", "10.0.0.53", ["plain.example"], ["192.0.2.3"]))]


def fill(folder, target):
    made = payloads(folder)
    for n in range(0, len(made), 20):
        send(target, made[n:n + 20], source="127.0.0.1")
    send_some(target)
    return len(made) + 6


# Questions

TOPS = "names domains clients resolvers types rcodes".split()


def what_is_there(directory):
    """(names, addresses, clients, names that others lead to), as texts."""
    db = database(directory)
    names = [n for n, in db.execute("SELECT DISTINCT name FROM answers_text ORDER BY name")]
    addresses = [a for a, in db.execute("SELECT DISTINCT rdata FROM answers_text WHERE type IN (1, 28) ORDER BY rdata")]
    targets = [a for a, in db.execute("SELECT DISTINCT rdata FROM answers_text WHERE type IN (2, 5, 12) ORDER BY rdata")]
    db.close()
    return names, addresses, targets


def command_questions(directory, folder, most=1000):
    """Words of the command line; the list of all names is made shorter for an engine that takes long."""
    names, addresses, targets = what_is_there(directory)
    names, addresses = names[::len(names) // most + 1], addresses[::len(addresses) // most + 1]
    hostile = [".".join(label_text(label) for label in name) for name in HOSTILE]
    now, today = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.strftime("%Y-%m-%d", time.gmtime())
    everything = folder / "everything.txt"
    everything.write_text("".join(line + "\n" for line in ["\\" + n if n.startswith("*") else n for n in names] + [
        a for a in addresses if re.fullmatch("[0-9.:a-f]+", a)] + ["*.example", "192.0.2.0/24", "2001:db8::/32"]))
    some = folder / "some.txt"
    some.write_text("cdn1.example\nexample\n192.0.2.1\n192.0.2.0/29\n2001:db8:1::1\n")
    asked = [("name", "@%s" % everything), ("name", "@%s" % everything, "--limit", "2"), ("who", "@%s" % some),
             ("below", "."), ("below", "example"), ("below", "slash"), ("below", "nosuch.example"), ("below", "com", "--limit", "5"),
             ("address", "0.0.0.0/0"), ("address", "2000::/3"), ("address", "::/0"), ("address", "::/0", "--limit", "2"), ("address", "::"),
             ("address", "::ffff:192.0.2.9"), ("below", "odd.example"), ("address", "192.0.2.0/29", "--limit", "4"),
             ("address", "203.0.113.255"), ("rdata", "it's.a\\.b"), ("rdata", "nosuch.example"),
             ("contains", "exa"), ("contains", "e.e"), ("contains", "mple-x"), ("contains", "it's"), ("contains", "\\092"),
             ("contains", "a/b"), ("contains", "exa", "--limit", "3"), ("contains", "nosuchtext"),
             ("client", "10.0.0.250"), ("rcode", "NXDOMAIN"), ("rcode", "NOERROR"), ("rcode", "NOERROR", "--limit", "3"),
             ("rcode", "SERVFAIL"), ("rcode", "REFUSED"), ("new", "names"), ("new", "domains"), ("new", "domains", "--limit", "3"),
             ("series",), ("sensors",), ("streams",), ("loss",), ("series", "--limit", "1"), ("streams", "--limit", "2")]
    asked += [("name", n) for n in hostile[:6]] + [("who", n) for n in hostile[:4]]
    asked += [("rdata", t) for t in targets[::max(1, len(targets) // 6)] if not t.startswith("\\#")]
    for address in "192.0.2.1", "192.0.2.2", "2001:db8:1::1", "198.51.100.7", "::":
        at = "at", address, "--time", now
        asked += [("address", address), at, ("who", address), (*at, "--client", "10.0.0.3"), (*at, "--limit", "2"),
                  ("at", address, "--time", today)]
    for client in "10.0.0.3", "10.0.0.9", "2001:db8::2":
        asked += [("client", client), ("client", client, "--limit", "3"), ("summary", client)]
    for top in TOPS:
        asked += [("top", top), ("top", top, "--limit", "3")]
    whole = "--since", "30d", "--until", "2100-01-01"
    asked += [(*words, *whole) for words in (
        ("who", "example"), ("client", "10.0.0.3"), ("summary", "10.0.0.9"), ("rcode", "NXDOMAIN"), ("top", "names"),
        ("contains", "exa"), ("new", "names"), ("new", "domains"), ("series",), ("loss",), ("streams",), ("sensors",))]
    for cut in ("--since", "1d"), ("--until", "1d"), ("--since", "2d", "--until", "1d"), ("--until", "2001-01-01"):
        asked += [(*words, *cut) for words in (("name", "@%s" % everything), ("below", "."), ("address", "0.0.0.0/0"))]
    return asked


def answered(where, words, layout="ndjson"):
    """(status, rows, what is said) on the command line."""
    done = run([COLLECT, "query", *where, "--format", layout, *words], timeout=30)
    return done.status, done.out.decode("utf-8", "surrogateescape").splitlines(), done.err


def pages(where, words, limit, most=200):
    """Each page, with what it says of the next."""
    cursor, found = "start", []
    while len(found) < most:
        found.append(answered(where, [*words, "--limit", str(limit), "--cursor", cursor]))
        more = re.search("--cursor ([A-Za-z0-9_-]+)$", found[-1][2].strip())
        if not more:
            return found
        cursor = more[1]
    raise AssertionError("pages without end")


PAGED = [("below", ".", 150), ("name", "odd.example", 1), ("address", "::/0", 9), ("name", "a.example", 1), ("below", "example", 15), ("address", "192.0.2.0/24", 40),
         ("address", "2001:db8::/32", 9), ("who", "example", 5), ("client", "10.0.0.3", 9), ("contains", "exa", 10),
         ("contains", "a/b", 10), ("new", "names", 150), ("new", "domains", 50)]


def paths():
    """Of /api/v1/, with those of other forms."""
    hostile = [urllib.parse.quote(".".join(label_text(label) for label in name), safe="") for name in HOSTILE[:6]]
    asked = ["names/" + n for n in hostile + ["a.example", "cdn1.example", "nosuch.example"]]
    asked += ["names/%s/clients" % n for n in hostile[:2] + ["example", "a.example"]] + ["names/ns.example/leading"]
    asked += ["names?below=example", "names?below=com&limit=5", "names?contains=exa", "names?contains=exa&limit=3",
              "names?below=.&limit=7&cursor=start", "rcodes/NXDOMAIN/clients", "rcodes/NOERROR/clients?limit=2"]
    for address in "192.0.2.1", "2001:db8:1::1", "192.0.2.0%2F24":
        asked += ["addresses/" + address, "addresses/%s/clients" % address]
    at = "/at?time=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    asked += ["addresses/%s%s" % (a, at) for a in ("192.0.2.1", "198.51.100.7", "2001:db8:1::1")]
    asked += ["addresses/192.0.2.1%s&client=10.0.0.3" % at]
    asked += ["annotate%s&client=%s&server=%s" % (at[3:], client, server) for client in ("10.0.0.3", "10.0.0.9")
              for server in ("192.0.2.1", "192.0.2.9", "203.0.113.255")]
    asked += ["clients/%s/%s" % (c, w) for c in ("10.0.0.3", "2001:db8::2") for w in ("lookups", "summary")]
    asked += ["top/%s%s" % (t, limit) for t in TOPS for limit in ("", "?limit=3")]
    asked += ["new/names", "new/domains", "new/domains?limit=3&cursor=start", "series", "loss", "sensors", "streams",
              "names?below=example&format=csv", "names/a..b", "clients/x/lookups"]
    return ["/api/v1/" + path for path in asked] + [
        "/pdns/query/a.example", "/pdns/query/192.0.2.1", "/dnsdb/v2/lookup/rrset/name/a.example/A",
        "/dnsdb/v2/lookup/rrset/name/*.example", "/dnsdb/v2/lookup/rdata/name/ns.example",
        "/dnsdb/v2/lookup/rdata/ip/192.0.2.1"]


def over_http(collector, path):
    """(status, body)"""
    got = collector.get(path)
    try:
        body = json.loads(got.body)
    except ValueError:
        return got.status, got.body
    if isinstance(body, dict) and body.get("rows") == []:
        assert body["notes"][0].startswith("nothing was found"), body
        body["notes"] = []  # a directory tells of what time it has something
    return got.status, body
