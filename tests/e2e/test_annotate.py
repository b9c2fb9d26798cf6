# SPDX-License-Identifier: BSD-3-Clause
"""dnsflow_collect annotate: names on flows, against a slow twin, in every format, and with input that is broken."""

import collections
import csv
import io
import ipaddress
import json
import re
import sqlite3
import time

import pytest
from annotate_twin import BEGIN_US, Flow, Lookup, Twin, World
from collecting import COLLECT, answers, imported, needs_collector, reversed_name
from conftest import RAW, run, write_pcap
from datagrams import extended, packet, set4
from over_http import Served

pytestmark = needs_collector

ADDED = ["name", "via", "method", "age", "candidates", "confidence"]
ENVIRONMENT = {"TZ": "UTC", "PATH": "/usr/bin:/bin"}


def annotate(flows, *options, status=0, env=ENVIRONMENT):
    done = run([COLLECT, "annotate", *map(str, options), "-"], data=flows.encode() if isinstance(flows, str) else flows,
               env=env)
    assert done.status == status, done.err
    return done


def balance(err):
    """{method or other: lines} of the last line, which balances."""
    line = [l for l in err.splitlines() if " lines = " in l][-1]
    total, rest = re.search(r"(\d+) lines = (.*)", line).groups()
    parts = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z -]+?)(?: \+ |$)", rest)}
    assert sum(parts.values()) == int(total)
    return parts


def clock(time_us, decimals=True):
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time_us // 1000000))
    return text + (".%06d" % (time_us % 1000000) if decimals else "")


def as_csv(flows):
    """The columns that nfdump has before and behind those that are read."""
    lines = ["ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt"]
    lines += ["%s,%s,0.100,%s,%s,%d,%d,TCP,...A..SF,0,0" % (clock(f.time_us, False), clock(f.time_us, False), f.client,
                                                          f.server, f.source_port, f.port) for f in flows]
    return "\n".join(lines) + "\nSummary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n%d,1,1,1,0,1\n" % len(flows)


def as_json(flows):
    def one(f):
        family = {True: "6", False: "4"}[":" in f.client]
        return {"type": "FLOW", "first": clock(f.time_us).replace(" ", "T"), "src_port": f.source_port, "dst_port": f.port,
                "src%s_addr" % family: f.client, "dst%s_addr" % family: f.server, "label": "}{,\"\\"}
    return json.dumps([one(f) for f in flows if (":" in f.client) == (":" in f.server)], indent="\t")


def as_ndjson(flows):
    return "".join(json.dumps({"client": f.client, "server": f.server, "time": f.time_us / 1e6, "port": f.port}) + "\n"
                   for f in flows)


def expected(found):
    name, via, method, age, candidates = found
    return name, via, method, "" if age is None else "%d.%03d" % (age // 1000000, age // 1000 % 1000), \
        "" if candidates is None else str(candidates)


def texts(row):
    """As csv has them."""
    return tuple("" if row[c] is None else "%.3f" % row[c] if c == "age" and not isinstance(row[c], str) else str(row[c])
                 for c in ADDED[:5])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(1)
    made.capture = tmp_path_factory.mktemp("world") / "lookups.pcap"
    write_pcap(made.capture, RAW, made.packets())
    return made


def check_twin(rows, flows, twin):
    methods = collections.Counter()
    for row, flow in zip(rows, flows, strict=True):
        want = expected(twin.annotate(flow))
        assert texts(row) == want, flow
        methods[want[2]] += 1
    assert set(methods) == {"client-unique", "client-latest", "others-domain", "no-lookup", "few-lookups", "expired",
                            "many-domains", "encrypted-resolver"}
    assert all(count >= 10 for count in methods.values()), methods
    return methods


def test_twin_ndjson(world):
    flows = world.flows(4000)
    done = annotate(as_ndjson(flows), "--from", world.capture)
    methods = check_twin([json.loads(line) for line in done.out.splitlines()], flows, Twin(world.lookups))
    assert {k: v for k, v in balance(done.err).items() if v} == dict(methods)


def test_twin_csv(world):
    """Whole seconds, and answers that come back."""
    flows = world.flows(3000, whole_seconds=True, either_way=True)
    done = annotate(as_csv(flows), "--from", world.capture, "--slack", 60)
    lines = done.out.decode().split("Summary\n")[0]
    check_twin(csv.DictReader(io.StringIO(lines)), flows, Twin(world.lookups, slack=60, either_way=True, whole_second=True))
    assert done.out.decode().endswith("Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n3000,1,1,1,0,1\n")
    assert balance(done.err)["that are no flows"] == 4


def test_twin_json(world):
    flows = [f for f in world.flows(6000, either_way=True) if (":" in f.client) == (":" in f.server)]
    done = annotate(as_json(flows), "--from", world.capture)
    check_twin(json.loads(done.out), flows, Twin(world.lookups, either_way=True))


def test_order_of_flows(world):
    """What is found does not depend on it, as long as the lookups have room."""
    flows = world.flows(2000)
    found = annotate(as_ndjson(flows), "--from", world.capture).out.splitlines()
    shuffled = sorted(range(len(flows)), key=lambda i: flows[i].time_us % 1009)
    again = annotate(as_ndjson([flows[i] for i in shuffled]), "--from", world.capture).out.splitlines()
    pairs = [(json.loads(found[i]), json.loads(again[n])) for n, i in enumerate(shuffled)]
    assert all(a == b for a, b in pairs if "encrypted-resolver" not in (a["method"], b["method"]))


def kept_lookups(directory):
    """What the rows of partitions have, as the twin takes it: a name, and the addresses that it led to."""
    leads = collections.defaultdict(set)
    for name, kind, rdata in answers(directory):
        leads[name].add((kind, rdata))
    of = {reversed_name(name): name for name in leads}
    found = []
    for path in sorted((directory / "lookups").glob("*.db")):
        part = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        base, = part.execute("SELECT value FROM part WHERE key = 'base'").fetchone()
        for client, rname, count, first, span in part.execute(
                "SELECT c.address, rname, count, first, span FROM rows JOIN addresses c ON c.id = client"
                " JOIN names n ON n.id = rows.name"):
            names = [of[rname]]
            while any(kind == "CNAME" for kind, _ in leads[names[-1]]):
                names += [rdata for kind, rdata in leads[names[-1]] if kind == "CNAME"]
            addresses = [rdata for kind, rdata in leads[names[-1]] if kind != "CNAME"]
            found.append(Lookup(str(ipaddress.ip_address(client)), addresses, names, (base + first) * 1000000,
                                (base + first + span) * 1000000, count, 300))
        part.close()
    return found


def test_twin_of_a_store(world, tmp_path):
    """Of clients' lookups, which are what partitions have; those of others are sums that go back further."""
    imported(tmp_path / "data", world.capture)
    flows = world.flows(3000)
    done = annotate(as_ndjson(flows), "--directory", tmp_path / "data")
    twin = Twin(kept_lookups(tmp_path / "data"))
    methods = collections.Counter()
    for line, flow in zip(done.out.splitlines(), flows, strict=True):
        row, want = json.loads(line), twin.of_client(flow.client, flow.server, flow.time_us)[0]
        if want:  # of several in the same second any is the newest
            assert texts(row)[2:] == expected(want)[2:], flow
            assert (row["name"], row["via"] or "") in twin.newest(flow.client, flow.server, flow.time_us), flow
        else:
            assert not row["method"].startswith("client-"), (flow, row)
        methods[row["method"]] += 1
    assert methods["client-unique"] > 500 and methods["client-latest"] > 100 and methods["others-domain"] > 10


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """One client that asked for www.shop.example, which is at edge.cdn.example."""
    path = tmp_path_factory.mktemp("small") / "lookups.pcap"
    sets = set4("10.0.0.1", "10.0.0.53", ["www.shop.example", "edge.cdn.example"], ["192.0.2.1"])
    write_pcap(path, RAW, [(BEGIN_US + 100000, packet(extended(1, sets, base=BEGIN_US, rate=0)))])
    return path


FLOW = Flow("10.0.0.1", "192.0.2.1", BEGIN_US + 1500000)


def only(done):
    row, = map(json.loads, done.out.splitlines())
    return [row[c] for c in ADDED]


def test_one_flow(small):
    name, via, method, age, candidates, confidence = only(annotate(as_ndjson([FLOW]), "--from", small))
    assert (name, via, method, age, candidates) == ("www.shop.example", "edge.cdn.example", "client-unique", 1.5, 1)
    assert 0.99 < confidence < 1


def test_times(small):
    """The moment at which a lookup is too old, and too new; times in other forms."""
    for offset, slack, method in ((600, 300, "client-unique"), (601, 300, "expired"), (601, 301, "client-unique"),
                                  (-2, 300, "client-unique"), (-3, 300, "no-lookup"), (301, 0, "expired")):
        flow = FLOW._replace(time_us=BEGIN_US + offset * 1000000)
        assert only(annotate(as_ndjson([flow]), "--from", small, "--slack", slack))[2] == method, offset
    for text in (1790000001.5, "1790000001.500", 1790000001500, 1790000001500000, "2026-09-21T14:13:21.5Z",
                 "2026-09-21 16:13:21.500+02:00", "2026-09-21T14:13:21.5", "2026-09-21T10:13:21.500000-0400"):
        line = json.dumps({"client": "10.0.0.1", "server": "192.0.2.1", "time": text})
        assert only(annotate(line, "--from", small))[3] == 1.5, text


def test_zone(small):
    """nfdump writes the time of its machine's zone."""
    flows = as_csv([FLOW]).replace(clock(FLOW.time_us, False), "2026-09-21 10:13:21")
    done = annotate(flows, "--from", small, env=dict(ENVIRONMENT, TZ="America/New_York"))
    row = next(csv.DictReader(io.StringIO(done.out.decode())))
    assert row["name"] == "www.shop.example" and row["age"] == "1.000"


def test_fields(small):
    """Columns of other programs, and members below others."""
    zeek = json.dumps({"ts": 1790000001.5, "id.orig_h": "10.0.0.1", "id.resp_h": "192.0.2.1"})
    assert only(annotate(zeek, "--from", small, "--fields", "client=id.orig_h,server=id.resp_h,time=ts"))[3] == 1.5
    nested = json.dumps({"flow": {"start": "2026-09-21T14:13:21.5Z", "to": ["192.0.2.9"]}, "src_ip": "10.0.0.1",
                         "dest_ip": "192.0.2.1"})
    assert only(annotate(nested, "--from", small, "--fields", "client=src_ip,server=dest_ip,time=flow.start"))[3] == 1.5


def test_missing_columns(small):
    done = annotate("sa,ts,x\n", "--from", small, status=2)
    assert "there is no column for server (da or dstAddr)" in done.err and not done.out
    done = annotate('{"client":"10.0.0.1"}\n', "--from", small, status=2)
    assert "there is no column for server (server), time (time)" in done.err
    done = annotate("ts,sa,da,name\n", "--from", small, status=2)
    assert '"name" already; --prefix' in done.err
    done = annotate("ts,sa,da,name\n", "--from", small, "--prefix", "dns_")
    assert done.out == b"ts,sa,da,name,dns_name,dns_via,dns_method,dns_age,dns_candidates,dns_confidence\n"
    done = annotate('{"age":1,"client":2,"server":3,"time":4}', "--from", small, status=2)
    assert '"age" already' in done.err
    assert "expected client=COLUMN" in annotate("", "--from", small, "--fields", "who=sa", status=2).err
    assert "expected one of them" in annotate("", "--from", small, "--directory", "x", status=2).err


UNREADABLE = ("2026-09-21 14:13:21,10.0.0.1", "2026-09-21 14:13:21,10.0.0.1,192.0.2.1,x", "yesterday,10.0.0.1,192.0.2.1",
              "2026-09-21 14:13:21,10.0.0.300,192.0.2.1", '2026-09-21 14:13:21,"10.0.0.1,192.0.2.1',
              "2026-13-21 14:13:21,10.0.0.1,192.0.2.1", "\x1b[2J\\,,", "a" * 200000)


def test_unreadable_lines(small):
    """Passed on as they came, counted, and the first quoted so that a terminal does nothing."""
    good = "2026-09-21 14:13:21,10.0.0.1,192.0.2.1"
    flows = "\r\n".join(["ts,sa,da"] + [part for bad in UNREADABLE for part in (bad, good)])
    done = annotate(flows, "--from", small)
    lines = done.out.decode().split("\r\n")
    assert lines[1::2] == list(UNREADABLE)
    assert {line.rsplit(",", 1)[0] for line in lines[2::2]} == \
        {good + ",www.shop.example,edge.cdn.example,client-unique,1.000,1"}
    assert balance(done.err) == {"client-unique": len(UNREADABLE), "unreadable": len(UNREADABLE), "that are no flows": 1,
                                 **dict.fromkeys(("client-latest", "others-domain", "encrypted-resolver", "expired",
                                                  "many-domains", "few-lookups", "no-lookup"), 0)}
    assert done.err.count("cannot be read") == 3 and "line 2 cannot be read: expected 3 columns, there are 2" in done.err
    err = annotate("ts,sa,da\n\x1b[2J\\ ~\x7f,,\n", "--from", small).err
    assert "\x1b" not in err and r": \x1b[2J\x5c ~\x7f,," + "\n" in err, err


@pytest.mark.parametrize("length", (79, 80, 81))
def test_unreadable_line_that_is_long(small, length):
    """Its first 80 bytes are quoted, however they are written."""
    for byte, shown in (("q", "q"), ("\x01", r"\x01")):
        err = annotate("ts,sa,da\n,," + byte * (length - 2) + "\n", "--from", small).err
        quoted = re.search(r"cannot be read: .*: ,,(.*)", err).group(1)
        assert quoted == shown * (min(length, 80) - 2) + "..." * (length > 80)


BROKEN = ('{"client":"10.0.0.1","server":"192.0.2.1","time":1790000001', '["client"]', '{"client" "x"}', '{"a":tru\x00e}',
          '{"a":"\\', "{" * 40, '{"client":"10.0.0.1","server":"192.0.2.1"}', '{"client":"10.0.0.1","server":"x","time":1}',
          '{"client":"10.0.0.1","server":"192.0.2.1","time":1,}', '{"client":"10.0.0.1","server":"192.0.2.1","time":1}}')


def test_unreadable_objects(small):
    flow = as_ndjson([FLOW])
    done = annotate(flow + "".join(bad + "\n" for bad in BROKEN) + flow, "--from", small)
    lines = done.out.decode().split("\n")
    assert tuple(lines[1:-2]) == BROKEN
    assert json.loads(lines[0])["name"] == json.loads(lines[-2])["name"] == "www.shop.example"
    assert balance(done.err)["unreadable"] == len(BROKEN)


def test_hostile_names(tmp_path):
    """No name leaves its cell, or becomes a formula."""
    names = [b'=cmd|"a",b', b"\r\n\x1b[2J", b"-x\\", b'","via":"x']
    wire = [bytes([len(n)]) + n + b"\7example\0" for n in names]
    packets = []
    for i, name in enumerate(wire):
        one = bytearray(set4("10.0.0.1", "10.0.0.53", ["x" * (len(name) - 10) + ".example"], ["192.0.2.%d" % (i + 1)]))
        one[40:40 + len(name)] = name
        packets.append((BEGIN_US + i, packet(extended(i + 1, bytes(one), base=BEGIN_US, rate=0))))
    write_pcap(tmp_path / "evil.pcap", RAW, packets)
    flows = [FLOW._replace(server="192.0.2.%d" % (i + 1)) for i in range(len(names))]
    rows = list(csv.DictReader(io.StringIO(annotate(as_csv(flows), "--from", tmp_path / "evil.pcap").out.decode(),
                                           newline="")))[:len(names)]
    objects = [json.loads(line) for line in annotate(as_ndjson(flows), "--from", tmp_path / "evil.pcap").out.splitlines()]
    for row, one in zip(rows, objects, strict=True):
        assert row["method"] == one["method"] == "client-unique" and one["via"] is None
        assert row["name"].lstrip("'") == one["name"] and one["name"].isprintable() and row["name"][0] not in "=+-@"
        assert set(row) == set("ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt".split(",") + ADDED)


def test_calibrate(world, tmp_path):
    """The table is what the known names give; with it confidences are its shares."""
    flows, table = world.flows(4000), tmp_path / "table"
    twin, counts, lines = Twin(world.lookups), collections.Counter(), []
    for i, flow in enumerate(flows):
        found = twin.annotate(flow)
        known = found[0].upper() + "." if found[0] and i % 10 else "other.example"
        if found[2] == "others-domain" and i % 10:
            known = "sub." + known
        lines.append(dict(json.loads(as_ndjson([flow])), sni=known))
        counts[found[2], bool(found[0] and i % 10)] += 1
    text = "".join(json.dumps(line) + "\n" for line in lines)
    annotate(text, "--from", world.capture, "--fields", "name=sni", "--calibrate", table)
    read = [line.split() for line in open(table) if not line.startswith("#")]
    assert len(read) == 3 * 8
    for method in ("client-unique", "client-latest", "others-domain"):
        mine = [(int(flows), int(right)) for name, _, flows, right in read if name == method]
        assert sum(f for f, _ in mine) == counts[method, True] + counts[method, False]
        assert sum(r for _, r in mine) == counts[method, True]
    done = annotate(as_ndjson(flows), "--from", world.capture, "--confidence", table)
    ages = {below: i for i, below in enumerate("0.1 1 5 10 60 300 3600 more".split())}
    cells = {(name, ages[below]): (int(flows), int(right)) for name, below, flows, right in read}
    for row in map(json.loads, done.out.splitlines()):
        if row["name"]:
            bucket = next((i for i, below in enumerate((0.1, 1, 5, 10, 60, 300, 3600)) if row["age"] < below), 7)
            mine = [cells[row["method"], i] for i in range(8)]
            enough = [i for i in (*range(bucket, -1, -1), *range(bucket + 1, 8)) if mine[i][0] >= 50]
            flows_there, right = mine[enough[0]] if enough else map(sum, zip(*mine))
            assert row["confidence"] == pytest.approx((right + 1) / (flows_there + 2), abs=0.0006)
        else:
            assert row["confidence"] is None
    assert annotate(text, "--from", world.capture, "--fields", "name=sni", "--calibrate", "-").out == open(table, "rb").read()
    assert "no flow has a name" in annotate(as_ndjson(flows[:5]), "--from", world.capture, "--calibrate", "-", status=1).err


@pytest.mark.parametrize("line", ["client-unique 2 5 1", "client-unique 1 5 6", "no-lookup 1 5 5", "client-unique 1 5",
                                  "client-unique 1 5 5 5", "client-unique -1 5 5", "client-unique 1 x 5"])
def test_broken_table(small, tmp_path, line):
    (tmp_path / "table").write_text("# \n\n" + line + "\n")
    done = annotate("", "--from", small, "--confidence", tmp_path / "table", status=2)
    assert "table, line 3: expected METHOD AGE FLOWS RIGHT" in done.err


def test_no_lookups_at_all(small, tmp_path):
    write_pcap(tmp_path / "none.pcap", RAW, [])
    done = annotate(as_ndjson([FLOW]), "--from", tmp_path / "none.pcap", status=1)
    assert only(done)[:3] == [None, None, "no-lookup"] and "no DNSFlow datagrams" in done.err
    assert "No such file" in annotate("", "--from", tmp_path / "gone.pcap", status=1).err
    assert "no files of a journal" in annotate("", "--from", tmp_path, status=1).err


def test_journal(world, tmp_path):
    """A folder of a journal is as good as the capture that it was made of, and may be damaged."""
    imported(tmp_path / "data", world.capture)
    flows = as_ndjson(world.flows(500))
    whole = annotate(flows, "--from", world.capture)
    assert annotate(flows, "--from", tmp_path / "data" / "journal").out == whole.out
    one, = (tmp_path / "data" / "journal").glob("*.pcap.zst")
    data = bytearray(one.read_bytes())
    data[len(data) // 2] ^= 255
    one.write_bytes(data)
    done = annotate(flows, "--from", one, status=1)
    assert "damaged; passed over 1 block" in done.err and len(done.out.splitlines()) == 500


def test_one_flow_over_http(world, tmp_path):
    """What the command says of the same flow, one at a time; ages in whole seconds."""
    imported(tmp_path / "data", world.capture)
    flows = [f._replace(time_us=f.time_us - f.time_us % 1000000) for f in world.flows(60) if f.port != 853]
    text = as_ndjson(flows).replace(".0,", ",")  # without decimals, as the parameter is
    wanted = [json.loads(line) for line in annotate(text, "--directory", tmp_path / "data").out.splitlines()]
    with Served(tmp_path, directory=tmp_path / "data") as c:
        for flow, want in zip(flows, wanted):
            got, = c.rows("/api/v1/annotate?client=%s&server=%s&fresh=0&time=%d" % (flow.client, flow.server, flow.time_us // 1000000))
            assert got.pop("age_s") == (None if want["age"] is None else int(want["age"]))
            assert got == {"client": flow.client, "server": flow.server, **{k: want[k] for k in ADDED if k != "age"}}
        c.stop()
    assert len({want["method"] for want in wanted}) >= 4
