# SPDX-License-Identifier: BSD-3-Clause
"""The two passive DNS interfaces, asked by Debian's dnsdbq: its rows are those of `dnsflow_collect query`."""

import collections
import json
import time
import urllib.parse

import pytest
from collecting import collect, needs_collector, seconds_of
from conftest import need, run, wait_until
from over_http import Served, basic, fill, request, send_some

pytestmark = needs_collector

TOKEN, NO_CLIENTS = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
NAMES_AS_DATA = ("CNAME", "NS", "PTR", "DNAME")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One that wants tokens, as both systems do."""
    folder = tmp_path_factory.mktemp("pdns")
    (folder / "tokens").write_text("read %s\nread-no-clients %s\n" % (TOKEN, NO_CLIENTS))
    (folder / "tokens").chmod(0o600)
    fill(folder, folder / "data")
    with Served(folder, "--token-file", folder / "tokens") as c:
        c.folder = folder
        send_some(c.target)
        wait_until(lambda: c.rows("/api/v1/names/old.example.com/clients", X_API_Key=TOKEN), 20, 0.2)
        yield c
        c.stop()


def dnsdbq(c, *options, token=TOKEN, data=None):
    """Its rows, and what it says on standard error."""
    need("dnsdbq")
    config = c.folder / "dnsdbq.conf"
    config.write_text("CIRCL_SERVER='http://%s:%d/pdns/query'\nCIRCL_AUTH='x:%s'\nDNSDB_SERVER='http://%s:%d'\nDNSDB_API_KEY='%s'\n" % (
        c.address + (token,) + c.address + (token,)))
    env = {"PATH": "/usr/bin:/bin", "HOME": str(c.folder), "DNSDBQ_CONFIG_FILE": str(config)}
    done = run(["dnsdbq", "-j"] + list(options), env=env, timeout=60, **({"data": data} if data is not None else {}))
    return [json.loads(line) for line in done.out.splitlines() if line.startswith(b'{"')], done.err


Row = collections.namedtuple("Row", "name type rdata count first last")


def kept(c, *words):
    """What the command line has."""
    done = collect("query", c.directory, *words, "--format", "ndjson", "--limit", "0")
    assert done.status == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    return sorted(Row(r["name"], r["type"], r["rdata"], r["count"], seconds_of(r["first"]), seconds_of(r["last"])) for r in rows)


def circl(c, *options, **more):
    rows, said = dnsdbq(c, "-u", "circl", *options, **more)
    return sorted(Row(r["rrname"], r["rrtype"], r["rdata"], r["count"], r["time_first"], r["time_last"]) for r in rows), said


def bare(text):
    """Without the dot at the end that names have in DNSDB."""
    return text[:-1] if len(text) > 1 and text.endswith(".") and not text.endswith("\\.") else text


def one_by_one(c, *options, **more):
    """Of rdata questions."""
    rows, said = dnsdbq(c, "-u", "dnsdb2", *options, **more)
    assert all(r["rrname"].endswith(".") and "," not in r["rrtype"] for r in rows)
    return sorted(Row(bare(r["rrname"]), r["rrtype"], bare(r["rdata"]), r["count"], r["time_first"], r["time_last"]) for r in rows), said


def sets(c, *options, **more):
    """Of rrset questions, a row for each record of a set."""
    rows, said = dnsdbq(c, "-u", "dnsdb2", *options, **more)
    assert all(r["rrname"].endswith(".") and r["rdata"] for r in rows)
    return sorted(Row(bare(r["rrname"]), r["rrtype"], bare(data), r["count"], r["time_first"], r["time_last"]) for r in rows for data in r["rdata"]), said


NAMES = ["www.example.com", "WWW.Example.COM", "example.com", "www.example.com.", "cdn.example.net", "1.2.0.192.in-addr.arpa", "nothing.example.com",
         "nosuch.example.com"]


@pytest.mark.parametrize("name", NAMES)
def test_names(served, name):
    rows = kept(served, "name", name.rstrip("."))
    assert bool(rows) == (not name.startswith("no"))
    found, said = circl(served, "-r", name)
    assert found == rows and "warning" not in said
    found, said = sets(served, "-r", name)
    assert found == rows
    assert "warning" not in said and ("no results found" in said) == (not rows)


@pytest.mark.parametrize("name", ["example.com", "com", "example", "hostile.example", "nothing.example.org"])
def test_wildcards(served, name):
    """All below a name, and itself."""
    rows = kept(served, "below", name)
    assert bool(rows) == ("nothing" not in name)
    assert circl(served, "-r", "*." + name)[0] == rows
    assert sets(served, "-r", "*." + name)[0] == rows


@pytest.mark.parametrize("kind", ["A", "AAAA", "MX", "NS", "TXT", "CNAME", "ANY", "mx"])
def test_types(served, kind):
    for name, words in (("example.com", ("name", "example.com")), ("www.example.com", ("name", "www.example.com")), ("*.example.com", ("below", "example.com"))):
        rows = [r for r in kept(served, *words) if kind == "ANY" or r.type == kind.upper()]
        assert sets(served, "-r", "%s/%s" % (name, kind))[0] == rows


PREFIXES = ["192.0.2.1", "192.0.2.2", "192.0.2.0/24", "192.0.2.0/31", "192.0.2.77/25", "0.0.0.0/0", "198.51.100.7", "203.0.113.1",
            "2001:db8::1", "2001:db8::/32", "2001:DB8:0::1/128", "::/0"]


@pytest.mark.parametrize("ask", [circl, one_by_one])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_addresses(served, prefix, ask):
    rows = kept(served, "address", prefix)
    assert bool(rows) == (prefix != "203.0.113.1")
    assert ask(served, "-i", prefix)[0] == rows


@pytest.mark.parametrize("name", ["cdn.example.net", "ns1.example.net", "www.example.com", "nothing.example.net", "CDN.example.net"])
def test_names_as_data(served, name):
    """Of records whose data is a name alone."""
    rows = [r for r in kept(served, "below", ".") if r.type in NAMES_AS_DATA and r.rdata == name.lower()]
    assert bool(rows) == ("nothing" not in name)
    assert one_by_one(served, "-n", name)[0] == rows
    for kind in "CNAME", "NS", "MX", "ANY":
        assert one_by_one(served, "-n", "%s/%s" % (name, kind))[0] == [r for r in rows if kind in ("ANY", r.type)]


def test_limits(served):
    """No more than wanted; a limit that is enough is none."""
    rows = kept(served, "address", "0.0.0.0/0")
    found, said = one_by_one(served, "-i", "0.0.0.0/0", "-l", "3")
    assert len(found) == 3 and set(found) <= set(rows)
    found, said = one_by_one(served, "-i", "0.0.0.0/0", "-l", "9999")
    assert found == rows and said == ""
    whole = sets(served, "-r", "*.example.com")[0]
    found, said = sets(served, "-r", "*.example.com", "-l", "2")
    assert len(found) == 2 and set(found) <= set(whole)
    found, said = sets(served, "-r", "*.example.com", "-l", str(len(whole)))
    assert found == whole and said == ""


def test_times(served):
    """What was seen an hour ago and now, told apart."""
    between = int(time.time()) - 1800
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(between))
    rows = kept(served, "address", "0.0.0.0/0")
    for options, fits in ((("-A", stamp), lambda r: r.last >= between), (("-B", stamp), lambda r: r.first <= between),
                          (("-c", "-A", stamp), lambda r: r.first >= between), (("-c", "-B", stamp), lambda r: r.last <= between)):
        expected = [r for r in rows if fits(r)]
        assert expected and expected != rows, options
        assert one_by_one(served, "-i", "0.0.0.0/0", *options)[0] == expected, options


def test_hostile_names(served):
    """Each name as the command line prints it, with what means something to dnsdbq escaped."""
    rows = kept(served, "below", "hostile.example")
    assert len(rows) >= 7
    for row in rows:
        name = row.name.replace("/", "\\047")
        if name.startswith("*."):
            name = "\\042" + name[1:]
        assert circl(served, "-r", name)[0] == [row], name
        assert sets(served, "-r", name)[0] == [row]
    for name in "a..b", ".", "-", "x" * 64 + ".example", ".".join(["x" * 60] * 5), "\\", "\\999.example", "a b", "$(id)", "';--", "%00", "%s%n":
        for system in "circl", "dnsdb2":
            found, said = dnsdbq(served, "-u", system, "-r", name)
            assert (found == [] or name == ".") and "libcurl 50" not in said, (name, said)
    found, said = dnsdbq(served, "-u", "circl", "-8", "-r", "\u00e4.example")
    assert found == []


@pytest.mark.parametrize("path", ["/pdns/query/" + "a" * 300, "/pdns/query/", "/pdns/query", "/pdns/query/%00", "/pdns/query/%zz", "/pdns/query/..%2f..%2fetc",
                                  "/pdns/query/a..b", "/pdns/query/192.0.2.0,33", "/pdns/query/192.0.2.0,", "/pdns/nothing",
                                  "/dnsdb/v2/lookup/rrset/name/", "/dnsdb/v2/lookup/rrset/name/a..b", 
                                  "/dnsdb/v2/lookup/rrset/raw/00", "/dnsdb/v2/lookup/rdata/ip/192.0.2.0,99", "/dnsdb/v2/lookup/rdata/ip/x",
                                  "/dnsdb/v2/lookup/rdata/ip/192.0.2.1/A/B", "/dnsdb/v2/lookup/rrset/name/example.com?limit=x",
                                  "/dnsdb/v2/lookup/rrset/name/example.com?limit=-1", "/dnsdb/v2/lookup/rrset/name/example.com?time_last_after=x",
                                  "/dnsdb/v2", "/dnsdb/v1/ping", "/dnsdb/v2/lookup/%2e%2e/ping", "/dnsdb/v2/summarize/rrset/name/example.com"])
def test_what_cannot_be_asked(served, path):
    got = served.get(path, X_API_Key=TOKEN)
    assert got.status in (400, 404), got
    assert b"\0" not in got.body and len(got.body) < 1000


def test_forms_of_a_prefix(served):
    """As dnsdbq writes it, as a slash, and encoded."""
    rows = kept(served, "address", "192.0.2.0/24")
    for text in "192.0.2.0,24", "192.0.2.0/24", "192.0.2.0%2F24", "192.0.2.0%2C24":
        got = served.get("/pdns/query/" + text, X_API_Key=TOKEN)
        assert got.status == 200 and len(got.body.splitlines()) == len(rows), text


def test_conditions(served):
    """What stands around rows of DNSDB; each answer ends in a line."""
    for path, last in (("rrset/name/www.example.com", "succeeded"), ("rrset/name/nothing.example.com", "succeeded"), ("rdata/ip/192.0.2.1", "succeeded"),
                       ("rdata/ip/0.0.0.0,0?limit=1", "limited")):
        got = served.get("/dnsdb/v2/lookup/" + path, X_API_Key=TOKEN)
        assert got.status == 200 and got.fields["content-type"].startswith("application/x-ndjson") and got.body.endswith(b"\n")
        lines = [json.loads(line) for line in got.body.splitlines()]
        assert lines[0] == {"cond": "begin"} and lines[-1]["cond"] == last and all(set(line) == {"obj"} for line in lines[1:-1])
        assert (len(lines) > 2) == ("nothing" not in path)
    assert served.get("/pdns/query/nothing.example.com", X_API_Key=TOKEN).body == b""


def test_ping_and_rate_limit(served):
    got = served.get("/dnsdb/v2/ping", X_API_Key=TOKEN)
    assert got.status == 200 and json.loads(got.body) == {"ping": "ok"}
    rows, said = dnsdbq(served, "-u", "dnsdb2", "-I")
    assert said == ""
    got = served.get("/dnsdb/v2/rate_limit", X_API_Key=TOKEN)
    assert got.status == 200 and got.body.endswith(b"\n") and "limit" in json.loads(got.body)["rate"]


def test_tokens(served):
    """Basic with the token as password, and X-API-Key; names of no client need no more than the lesser role."""
    rows = kept(served, "name", "www.example.com")
    for token in TOKEN, NO_CLIENTS:
        assert circl(served, "-r", "www.example.com", token=token)[0] == rows
        assert sets(served, "-r", "www.example.com", token=token)[0] == rows
    for system in "circl", "dnsdb2":
        found, said = dnsdbq(served, "-u", system, "-r", "www.example.com", token="wrong")
        assert found == [] and "401" in said, said
    assert served.get("/dnsdb/v2/ping").status == 401
    assert served.get("/pdns/query/www.example.com", Authorization=basic(TOKEN, "me")).status == 200


def test_batch(served):
    """Many questions of one process, one after the other."""
    rows = kept(served, "name", "www.example.com") + kept(served, "name", "example.com")
    found, said = sets(served, "-f", "-m", data=b"rrset/name/www.example.com\nrrset/name/example.com\nrrset/name/nothing.example.com\n")
    assert found == sorted(rows)
    many = "".join("rrset/name/%s\n" % urllib.parse.quote("n%d.example.com" % n) for n in range(40)) + "rrset/name/www.example.com\n"
    found, said = dnsdbq(served, "-u", "dnsdb2", "-f", data=many.encode())
    assert {bare(r["rrname"]) for r in found} == {"www.example.com"} and "warning" not in said


def test_without_auth(tmp_path):
    """On loopback no token is needed; one that comes anyway is not looked at."""
    fill(tmp_path, tmp_path / "data")
    with Served(tmp_path) as c:
        c.folder = tmp_path
        rows = kept(c, "name", "www.example.com")
        assert circl(c, "-r", "www.example.com", token="anything")[0] == rows
        assert sets(c, "-r", "www.example.com", token="anything")[0] == rows
        assert request(c.address, "/pdns/query/www.example.com").status == 200
        c.stop()


def test_without_database(tmp_path):
    """What cannot be read is no answer without rows."""
    fill(tmp_path, tmp_path / "data")
    names = "dnsflow.db", "dnsflow.db-wal", "dnsflow.db-shm"
    with Served(tmp_path) as c:
        c.folder = tmp_path
        for name in names:
            if (tmp_path / "data" / name).exists():
                (tmp_path / "data" / name).rename(tmp_path / name)
        try:
            assert c.get("/pdns/query/www.example.com").status == 503
            got = c.get("/dnsdb/v2/lookup/rrset/name/www.example.com")
            assert got.status == 503 or json.loads(got.body.splitlines()[-1])["cond"] == "failed"
            for system in "circl", "dnsdb2":
                found, said = dnsdbq(c, "-u", system, "-r", "www.example.com")
                assert found == [] and said and "no results found" not in said, said
        finally:
            for name in reversed(names):
                if (tmp_path / name).exists():
                    (tmp_path / name).rename(tmp_path / "data" / name)
        wait_until(lambda: circl(c, "-r", "www.example.com")[0], 10, 0.1)
        c.stop()
