# SPDX-License-Identifier: BSD-3-Clause
"""docs/openapi.json: sound by itself, and true of every answer of a running collector."""

import collections
import concurrent.futures
import csv
import io
import itertools
import json
import random
import re
import time
import urllib.parse
import warnings

import pytest
from collecting import Running, collect, imported, needs_collector
from conftest import RAW, TOP, wait_until, write_pcap
from datagrams import extended, packet, set4
from over_http import Served, basic, fill, request, send_some

jsonschema = pytest.importorskip("jsonschema")

pytestmark = [needs_collector, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PATH = TOP / "docs" / "openapi.json"
DOC = json.loads(PATH.read_text())
TOKEN, NO_CLIENTS = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


def converted(schema):
    """As JSON Schema has it: what may be null is a type of its own there."""
    if isinstance(schema, list):
        return [converted(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: converted(value) for key, value in schema.items() if key not in ("nullable", "example")}
    if schema.get("nullable") is True:
        plain["type"] = [schema["type"], "null"]
    return plain


PLAIN = converted(DOC)


def resolved(node):
    """What a $ref leads to."""
    while "$ref" in node:
        assert node["$ref"].startswith("#/")
        at = PLAIN
        for part in node["$ref"][2:].split("/"):
            at = at[part.replace("~1", "/").replace("~0", "~")]
        node = at
    return node


def check(value, schema):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later versions have the resolver under another name
        resolver = jsonschema.RefResolver.from_schema(PLAIN)
    jsonschema.Draft7Validator(schema, resolver=resolver, format_checker=jsonschema.FormatChecker()).validate(value)


def walk(node, path=()):
    yield path, node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from walk(value, path + (key,))


def operation(template):
    return PLAIN["paths"][template]["get"]


def parameters(template):
    return [resolved(p) for p in operation(template).get("parameters", [])]


def is_public(template):
    return operation(template).get("security") == []


# The description by itself

def test_references():
    """Each leads somewhere, and each component is used."""
    used = set()
    for path, node in walk(PLAIN):
        if path and path[-1] == "$ref":
            resolved({"$ref": node})
            used.add(node)
    there = {"#/components/%s/%s" % (kind, name) for kind, parts in DOC["components"].items() if kind != "securitySchemes"
             for name in parts}
    assert used == there


def test_schemas():
    for path, node in walk(PLAIN):
        if path and path[-1] == "schema" or path[:2] == ("components", "schemas") and len(path) == 3:
            jsonschema.Draft7Validator.check_schema(node)
    for path, node in walk(DOC["components"]["schemas"]):
        if isinstance(node, dict) and isinstance(node.get("properties"), dict) and path[-1] != "rate":
            assert node["additionalProperties"] is False and set(node["required"]) <= set(node["properties"]), path
        if isinstance(node, dict) and node.get("nullable") is True and "enum" in node:
            assert None in node["enum"], path


def test_operations():
    ids = collections.Counter()
    for template, item in DOC["paths"].items():
        assert set(item) == {"get"}
        one = item["get"]
        ids[one["operationId"]] += 1
        assert one["summary"] and set(one["tags"]) <= {t["name"] for t in DOC["tags"]}
        names = [(p["in"], p["name"]) for p in parameters(template)]
        assert len(set(names)) == len(names)
        assert [n for where, n in names if where == "path"] == re.findall(r"{(\w+)}", template)
        for p in parameters(template):
            assert p["description"] and (p["in"] != "path" or p["required"])
            if "default" in p["schema"]:
                check(p["schema"]["default"], p["schema"])
        assert "200" in one["responses"] and all(resolved(r)["description"] for r in one["responses"].values())
        assert is_public(template) or "401" in one["responses"]
    assert set(ids.values()) == {1}
    used = set(itertools.chain(*DOC["security"]))
    assert used == set(DOC["components"]["securitySchemes"])


# Every path, as it is asked: where rows are those of a question of the command line, its words

Case = collections.namedtuple("Case", "template url words")

CASES = [
    Case("/api/v1/status", "/api/v1/status", None),
    Case("/api/v1/names", "/api/v1/names?below=example.com", ("below", "example.com")),
    Case("/api/v1/names", "/api/v1/names?below=.&limit=10000", ("below", ".", "--limit", "10000")),
    Case("/api/v1/names", "/api/v1/names?contains=xampl", ("contains", "xampl")),
    Case("/api/v1/names/{name}", "/api/v1/names/www.example.com", ("name", "www.example.com")),
    Case("/api/v1/names/{name}", "/api/v1/names/nothing.example.com", ("name", "nothing.example.com")),
    Case("/api/v1/names/{name}/leading", "/api/v1/names/www.example.com/leading", ("rdata", "www.example.com")),
    Case("/api/v1/names/{name}/clients", "/api/v1/names/www.example.com/clients", ("who", "www.example.com")),
    Case("/api/v1/names/{name}/clients", "/api/v1/names/old.example.com/clients", ("who", "old.example.com")),
    Case("/api/v1/addresses/{address}", "/api/v1/addresses/192.0.2.1", ("address", "192.0.2.1")),
    Case("/api/v1/addresses/{address}", "/api/v1/addresses/192.0.2.0/24", ("address", "192.0.2.0/24")),
    Case("/api/v1/addresses/{address}", "/api/v1/addresses/192.0.2.0%2F24", ("address", "192.0.2.0/24")),
    Case("/api/v1/addresses/{address}", "/api/v1/addresses/2001:db8::/32", ("address", "2001:db8::/32")),
    Case("/api/v1/addresses/{address}/at", "/api/v1/addresses/192.0.2.1/at", ("at", "192.0.2.1")),
    Case("/api/v1/addresses/{address}/at", "/api/v1/addresses/192.0.2.1/at?client=10.0.0.9&time=4000000000",
         ("at", "192.0.2.1", "--client", "10.0.0.9", "--time", "4000000000")),
    Case("/api/v1/addresses/{address}/at", "/api/v1/addresses/192.0.2.1/at?time=7d", None),
    Case("/api/v1/annotate", "/api/v1/annotate?server=192.0.2.1&client=10.0.0.9", None),
    Case("/api/v1/annotate", "/api/v1/annotate?server=192.0.2.1&client=10.0.0.9&time=4000000000", None),
    Case("/api/v1/addresses/{address}/clients", "/api/v1/addresses/192.0.2.1/clients", ("who", "192.0.2.1")),
    Case("/api/v1/clients/{client}/lookups", "/api/v1/clients/10.0.0.9/lookups", ("client", "10.0.0.9")),
    Case("/api/v1/clients/{client}/lookups", "/api/v1/clients/2001:db8:c::1/lookups", ("client", "2001:db8:c::1")),
    Case("/api/v1/clients/{client}/summary", "/api/v1/clients/10.0.0.9/summary", ("summary", "10.0.0.9")),
    Case("/api/v1/clients/{client}/summary", "/api/v1/clients/10.0.0.12/summary", ("summary", "10.0.0.12")),
    Case("/api/v1/rcodes/{rcode}/clients", "/api/v1/rcodes/NXDOMAIN/clients", ("rcode", "NXDOMAIN")),
    Case("/api/v1/rcodes/{rcode}/clients", "/api/v1/rcodes/2/clients", ("rcode", "2")),
] + [Case("/api/v1/top/{what}", "/api/v1/top/" + w, ("top", w)) for w in "names domains clients resolvers types rcodes".split()] + [
    Case("/api/v1/new/{what}", "/api/v1/new/" + w, ("new", w)) for w in ("names", "domains")] + [
    Case("/api/v1/" + w, "/api/v1/%s?limit=1000" % w, (w, "--limit", "1000")) for w in ("series", "loss", "sensors", "streams")] + [
    Case("/api/v1/search", "/api/v1/search?q=" + urllib.parse.quote(q), None)
    for q in ("www.example.com", "*.example.com", "xampl", "192.0.2.1", "2001:db8::1", "192.0.2.0/24", "10.0.0.9", "", "a b", "<script>", "\u00e4.example")
] + [
    Case("/api/v1/openapi.json", "/api/v1/openapi.json", None),
    Case("/healthz", "/healthz", None),
    Case("/metrics", "/metrics", None),
] + [Case("/pdns/query/{q}", "/pdns/query/" + q, None) for q in (
    "www.example.com", "*.example.com", "%2A.example.com", "192.0.2.1", "192.0.2.0,24", "2001:db8::1", "nothing.example.com")] + [
    Case("/dnsdb/v2/lookup/rrset/name/{name}", "/dnsdb/v2/lookup/rrset/name/" + q, None)
    for q in ("www.example.com", "*.example.com", "nothing.example.com", "example.com?limit=1")] + [
    Case("/dnsdb/v2/lookup/rrset/name/{name}/{type}", "/dnsdb/v2/lookup/rrset/name/example.com/" + t, None) for t in ("MX", "ANY", "AAAA")] + [
    Case("/dnsdb/v2/lookup/rdata/name/{name}", "/dnsdb/v2/lookup/rdata/name/" + q, None) for q in ("cdn.example.net", "mail.example.com")] + [
    Case("/dnsdb/v2/lookup/rdata/name/{name}/{type}", "/dnsdb/v2/lookup/rdata/name/cdn.example.net/CNAME", None)] + [
    Case("/dnsdb/v2/lookup/rdata/ip/{ip}", "/dnsdb/v2/lookup/rdata/ip/" + q, None) for q in ("192.0.2.1", "192.0.2.0,24", "2001:db8::,32")] + [
    Case("/dnsdb/v2/lookup/rdata/ip/{ip}/{type}", "/dnsdb/v2/lookup/rdata/ip/192.0.2.1/A", None),
    Case("/dnsdb/v2/ping", "/dnsdb/v2/ping", None),
    Case("/dnsdb/v2/rate_limit", "/dnsdb/v2/rate_limit", None),
]

ROWS = {name[len("Answer_"):]: schema["properties"]["rows"]["items"]["$ref"].split("/")[-1]
        for name, schema in DOC["components"]["schemas"].items() if name.startswith("Answer_")}
EMPTY = ("nothing.example.com", "at?time=7d", "cdn.example.net/AAAA", "example.com/AAAA")
QUESTIONS = [c for c in CASES if any(p["name"] == "limit" and not p["description"].startswith("most rows;") for p in parameters(c.template))]


def test_every_path_is_asked():
    assert {case.template for case in CASES} == set(DOC["paths"])


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A directory that a collector has had, which has stopped."""
    folder = tmp_path_factory.mktemp("stored")
    fill(folder, folder / "data")
    with Running(folder) as c:
        send_some(c.target)
        wait_until(lambda: collect("query", c.directory, "who", "old.example.com", "--format", "ndjson").out, 20, 0.2)
        c.stop()
    return c.directory


@pytest.mark.parametrize("words", sorted({c.words for c in CASES if c.words}), ids=" ".join)
def test_rows_of_the_command(stored, words):
    """Rows that are described are those it prints, column by column."""
    done = collect("query", stored, *words, "--format", "ndjson")
    assert done.status in (0, 1), done.err
    schema = resolved({"$ref": "#/components/schemas/" + ROWS[words[0]]})
    lines = [json.loads(line) for line in done.out.splitlines()]
    for line in lines:
        assert list(line) == list(schema["properties"])
        check(line, schema)
    assert lines or words[1:] == ("nothing.example.com",)
    head = collect("query", stored, *words, "--format", "csv").out.split(b"\r\n")[0].decode()
    assert head.split(",") == list(schema["properties"])


def test_status_of_the_command(stored):
    done = collect("status", stored, "--format", "json")
    value = json.loads(done.out)
    check(value, {"$ref": "#/components/schemas/Status"})
    assert list(value) == list(DOC["components"]["schemas"]["Status"]["properties"])
    assert all(list(s) == list(DOC["components"]["schemas"]["StatusSensor"]["properties"]) for s in value["sensors"])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    fill(folder, folder / "data")
    with Served(folder) as c:
        send_some(c.target)
        wait_until(lambda: c.rows("/api/v1/names/old.example.com/clients"), 20, 0.2)
        yield c
        c.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """One that wants tokens."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "tokens").write_text("read %s\nread-no-clients %s\n" % (TOKEN, NO_CLIENTS))
    (folder / "tokens").chmod(0o600)
    fill(folder, folder / "data")
    with Served(folder, "--token-file", folder / "tokens") as c:
        yield c
        c.stop()


def with_format(url, name):
    return url + ("&" if "?" in url else "?") + "format=" + name


def described(template, got):
    """The schema of an answer and the media type, with its head as described."""
    responses = operation(template)["responses"]
    assert str(got.status) in responses, (template, got)
    one = resolved(responses[str(got.status)])
    kind = got.fields.get("content-type", "").split(";")[0]
    assert kind in one["content"], (template, got.status, kind)
    return one, kind, one["content"][kind]["schema"]


def check_answer(template, got):
    """An answer against its schema; gives it as rows, or what else it is."""
    one, kind, schema = described(template, got)
    if kind == "application/json":
        value = json.loads(got.body)
        check(value, schema)
        if "rows" in value:
            assert value["count"] == len(value["rows"])
            return value["rows"]
        return value
    text = got.body.decode()
    check(text, schema)
    rows = None
    if kind == "application/x-ndjson":
        rows = [json.loads(line) for line in text.splitlines()]
        for row in rows:
            check(row, schema["x-row"])
    elif kind == "text/csv":
        rows = list(csv.reader(io.StringIO(text, newline="")))
        columns = [list(resolved(r)["properties"]) for r in schema["x-row"].get("oneOf", [schema["x-row"]])]
        assert rows[0] in columns and all(len(r) == len(rows[0]) for r in rows)
        rows = rows[1:]
    for name, header in one.get("headers", {}).items():
        if name.lower() in got.fields:
            check(got.fields[name.lower()], resolved(header)["schema"])
        else:
            assert name == "X-Dnsflow-Next", "%s has no %s" % (template, name)
    return rows if rows is not None else text


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.url)
def test_answers(served, case):
    """All that are described, and nothing else; HEAD has the same head."""
    got = served.get(case.url)
    if case.template == "/healthz":
        assert got.status in (200, 503)
    else:
        assert got.status == 200, got
    value = check_answer(case.template, got)
    if case in QUESTIONS and case.url.split("/")[-1] not in EMPTY:
        assert value, "rows"
    if case.template == "/api/v1/openapi.json":
        assert value == DOC
    head = served.get(case.url, method="HEAD")
    assert head.status == got.status and head.body == b"" and head.fields["content-type"] == got.fields["content-type"]


@pytest.mark.parametrize("case", QUESTIONS, ids=lambda c: c.url)
def test_formats(served, case):
    """The same rows, which are those of the command line. How long ago something was goes with the clock, if no moment is told."""
    def told(found):
        return found if "time=4" in case.url else [{k: v for k, v in row.items() if k != "age_s"} for row in found]

    whole = check_answer(case.template, served.get(case.url))
    rows = told(whole)
    lines = served.get(with_format(case.url, "ndjson"))
    assert told(check_answer(case.template, lines)) == rows and lines.fields["content-type"].startswith("application/x-ndjson")
    cells = check_answer(case.template, served.get(with_format(case.url, "csv")))
    assert [len(r) for r in cells] == [len(r) for r in whole]
    for all_of_it, row, line in zip(whole, rows, cells):
        line = [c for c, key in zip(line, all_of_it) if key in row]
        plain = ["" if v is None else str(v) for v in row.values()]
        assert [c[1:] if c[:1] == "'" and c[1:2] in "=+-@\t\r" and c[1:] else c for c in line] == plain
    if case.words:
        done = collect("query", served.directory, *case.words, "--format", "json")
        assert done.status == 0, done.err
        expected = told(json.loads(done.out))
        assert rows == expected[:100] if "--limit" not in case.words else rows == expected


@pytest.mark.parametrize("template", sorted({c.template for c in QUESTIONS if any(p["name"] == "cursor" for p in parameters(c.template))}))
def test_pages(served, template):
    """Page by page all rows, each once."""
    case = next(c for c in CASES if c.template == template)
    url = case.url + ("&" if "?" in case.url else "?")
    whole = served.rows(url + "limit=1000&cursor=start")
    found, cursor = [], "start"
    while cursor:
        got = served.get("%slimit=1&cursor=%s" % (url, cursor))
        found += check_answer(template, got)
        page = json.loads(got.body)
        assert page["more"] == (page["next"] is not None)
        cursor = page["next"]
        assert len(found) <= len(whole)
    assert found == whole


# Large ones

@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """24 000 long names of 300 domains, asked for by 1000 clients."""
    folder, chance = tmp_path_factory.mktemp("large"), random.Random(1)
    begun, frames = int(time.time() - 7200) * 1000000, []
    for n in range(3000):
        sets = [set4("10.0.%d.%d" % (chance.randrange(4), chance.randrange(250)), "10.0.0.53",
                     ["%s.%s.z%d.d%d.example" % ("x" * 60, "y" * 60, chance.randrange(40000), chance.randrange(300))],
                     ["192.0.%d.%d" % (chance.randrange(200), chance.randrange(250))]) for _ in range(8)]
        frames.append((begun + n * 1000000, packet(extended(n + 1, *sets, base=begun + n * 1000000))))
    imported(folder / "data", write_pcap(folder / "out.pcap", RAW, frames), timeout=120)
    with Served(folder) as c:
        yield c
        c.stop()


@pytest.mark.parametrize("template, path, words", [
    ("/api/v1/names", "names?below=.&limit=10000", ("below", ".")), ("/api/v1/names", "names?contains=xyx&limit=10000", ("contains", "xyx")),
    ("/api/v1/names", "names?contains=yy.z1&limit=10000", ("contains", "yy.z1")),
    ("/api/v1/addresses/{address}", "addresses/0.0.0.0/0?limit=10000", ("address", "0.0.0.0/0")),
    ("/api/v1/rcodes/{rcode}/clients", "rcodes/NOERROR/clients?limit=10000", ("rcode", "NOERROR")),
    ("/api/v1/new/{what}", "new/names?limit=10000", ("new", "names")), ("/api/v1/new/{what}", "new/domains?limit=10000", ("new", "domains")),
    ("/api/v1/top/{what}", "top/names?limit=10000", ("top", "names")), ("/api/v1/top/{what}", "top/domains?limit=10000", ("top", "domains")),
    ("/api/v1/top/{what}", "top/clients?limit=10000", ("top", "clients"))], ids=lambda v: v if isinstance(v, str) and "?" in v else "")
def test_large_answers(large, template, path, words):
    """What is sorted for them has room though nothing may be written."""
    rows = check_answer(template, large.get("/api/v1/" + path))
    done = collect("query", large.directory, *words, "--limit", "10000", "--format", "json", timeout=60)
    assert rows == json.loads(done.out) and (rows or words[1] == "xyx")


@pytest.mark.parametrize("path", ["/pdns/query/*.example", "/pdns/query/0.0.0.0%2F0", "/dnsdb/v2/lookup/rrset/name/*.example", "/dnsdb/v2/lookup/rdata/ip/0.0.0.0,0"])
def test_large_answers_of_passive_dns(large, path):
    """10 000 rows, and DNSDB's says that there are more."""
    got = large.get(path)
    assert got.status == 200, got
    lines = got.body.splitlines()
    assert len(lines) == (10002 if "dnsdb" in path else 10000) and ("dnsdb" not in path or json.loads(lines[-1])["cond"] == "limited")


# What goes wrong

BAD = [("limit=0", "limit"), ("limit=10001", "limit"), ("limit=x", "limit"), ("limit=", "limit"), ("limit=-1", "limit"), ("format=xml", "format"),
       ("since=never", "since"), ("until=2026-13-01", "until"), ("limit=1&limit=2", "limit"), ("fresh=maybe", "fresh"), ("nothing=1", "nothing")]


def error_of(template, got, status, code):
    assert got.status == status, got
    error = check_answer(template, got)["error"]
    assert error["code"] == code, error
    return error


@pytest.mark.parametrize("case", {c.template: c for c in QUESTIONS}.values(), ids=lambda c: c.template)
def test_bad_parameters(served, case):
    taken = {p["name"] for p in parameters(case.template)}
    url = case.url.split("?limit")[0]
    url += "&" if "?" in url else "?"
    for query, name in BAD:
        if name in ("since", "until") and name not in taken:
            query = name + "=today"
        error = error_of(case.template, served.get(url + query), 400, "bad_parameter")
        assert error["parameter"] == name and error["message"], (query, error)


@pytest.mark.parametrize("template, url, parameter", [
    ("/api/v1/names/{name}", "/api/v1/names/*.example.com", "path"),
    ("/api/v1/names/{name}", "/api/v1/names/a..b", "path"),
    ("/api/v1/names", "/api/v1/names", "below"),
    ("/api/v1/names", "/api/v1/names?below=a..b", "below"),
    ("/api/v1/names", "/api/v1/names?contains=ab", "contains"),
    ("/api/v1/names", "/api/v1/names?below=com&contains=exa", "contains"),
    ("/api/v1/names/{name}", "/api/v1/names/example.com?cursor=A", "cursor"),
    ("/api/v1/top/{what}", "/api/v1/top/names?cursor=start", "cursor"),
    ("/api/v1/addresses/{address}/clients", "/api/v1/addresses/192.0.2.1/clients?cursor=start", "cursor"),
    ("/api/v1/addresses/{address}", "/api/v1/addresses/192.0.2.0%2F33", "path"),
    ("/api/v1/addresses/{address}", "/api/v1/addresses/300.0.2.1", "path"),
    ("/api/v1/addresses/{address}/at", "/api/v1/addresses/192.0.2.0%2F24/at", "path"),
    ("/api/v1/addresses/{address}/at", "/api/v1/addresses/192.0.2.1/at?time=x", "time"),
    ("/api/v1/addresses/{address}/at", "/api/v1/addresses/192.0.2.1/at?client=x", "client"),
    ("/api/v1/annotate", "/api/v1/annotate?client=10.0.0.9", "server"),
    ("/api/v1/annotate", "/api/v1/annotate?server=192.0.2.1", "client"),
    ("/api/v1/annotate", "/api/v1/annotate?server=192.0.2.0%2F24&client=10.0.0.9", "server"),
    ("/api/v1/annotate", "/api/v1/annotate?server=192.0.2.1&client=10.0.0.9&time=x", "time"),
    ("/api/v1/clients/{client}/lookups", "/api/v1/clients/www.example.com/lookups", "path"),
    ("/api/v1/clients/{client}/summary", "/api/v1/clients/x/summary", "path"),
    ("/api/v1/rcodes/{rcode}/clients", "/api/v1/rcodes/NXDOMAINS/clients", "path"),
    ("/api/v1/search", "/api/v1/search", "q"),
    ("/api/v1/search", "/api/v1/search?q=%00", None),
    ("/api/v1/search", "/api/v1/search?q=%zz", None),
])
def test_what_cannot_be_asked(served, template, url, parameter):
    """The parameter is named, or "path"."""
    error = error_of(template, served.get(url), 400, "bad_parameter")
    assert error["parameter"] == parameter and error["message"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/", "/api/v1", "/api/v2/status", "/api/v1/status/x", "/api/v1/names/a/b", "/api/v1/names/a/clients/b",
                                  "/api/v1/clients/10.0.0.9", "/api/v1/top", "/api/v1/top/nothing", "/api/v1/new/nothing", "/api/v1/rcodes/NXDOMAIN",
                                  "/api/v1/%2e%2e/status", "/api/v1/../v1/status", "/API/v1/status"])
def test_not_found(served, path):
    got = served.get(path)
    assert got.status in (404, 400), got
    if got.status == 404 and path.startswith("/api/v1/"):
        value = json.loads(got.body)
        check(value, {"$ref": "#/components/schemas/Error"})
        assert value["error"]["code"] == "not_found" and value["error"]["parameter"] is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(served, method):
    for path in "/api/v1/status", "/metrics", "/pdns/query/example.com", "/dnsdb/v2/ping":
        got = served.get(path, method=method)
        assert got.status == 405 and got.fields["allow"] == "GET, HEAD"


def test_without_token(guarded):
    """A second for each, so that they are asked beside one another."""
    closed = list({c.template: c for c in CASES if not is_public(c.template)}.values())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for case, got in zip(closed, pool.map(lambda c: guarded.get(c.url), closed)):
            error_of(case.template, got, 401, "unauthorized")
            assert "www-authenticate" in got.fields
    for case in CASES:
        if is_public(case.template):
            assert guarded.get(case.url).status in ((200, 503) if case.template == "/healthz" else (200,))


def test_tokens(guarded):
    url = "/api/v1/names/www.example.com"
    for fields in {"Authorization": "Bearer " + TOKEN}, {"X_API_Key": TOKEN}, {"Authorization": basic(TOKEN)}, {"Authorization": basic(TOKEN, "")}, \
            {"Authorization": "bearer " + TOKEN}, {"Authorization": "Bearer " + NO_CLIENTS}:
        assert guarded.get(url, **fields).status == 200, fields
    wrong = [{"Authorization": "Bearer " + t} for t in (TOKEN[:-1], TOKEN + "0", "", "x", "read")] + [
        {"X_API_Key": TOKEN.upper()}, {"Authorization": TOKEN}, {"Authorization": "Digest " + TOKEN}, {"Authorization": "Basic ==="},
        {"Authorization": basic("x", TOKEN)}]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda f: guarded.get(url, **f), wrong):
            error_of("/api/v1/names/{name}", got, 401, "unauthorized")


def test_token_without_clients(guarded):
    """Each answer with clients in it is refused."""
    for case in {(c.template, c.url.split("?")[0]): c for c in CASES if c.template.startswith("/api/v1/")}.values():
        got = guarded.get(case.url, X_API_Key=NO_CLIENTS)
        has_clients = case.template.split("/")[-1] in ("clients", "lookups", "summary", "annotate") or case.url.endswith("/top/clients")
        if has_clients:
            error_of(case.template, got, 403, "forbidden")
        else:
            assert got.status == 200, (case.url, got)
            assert b"10.0.0.9" not in got.body or case.template == "/api/v1/openapi.json"
            check_answer(case.template, got)
    error_of("/api/v1/annotate", guarded.get("/api/v1/annotate?server=192.0.2.1&client=10.0.0.9", X_API_Key=NO_CLIENTS), 403, "forbidden")
    error_of("/api/v1/addresses/{address}/at", guarded.get("/api/v1/addresses/192.0.2.1/at?client=10.0.0.9", X_API_Key=NO_CLIENTS), 403, "forbidden")


def test_busy(served):
    """Many at once: all are answered, some of them with busy."""
    def one(n):
        try:
            return request(served.address, "/api/v1/names?contains=exa&fresh=0&limit=%d" % (n + 1))
        except OSError:
            return None  # more of an address than may be are closed
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        got = [a for a in pool.map(one, range(200)) if a]
    for answer in got:
        if answer.status == 503:
            error_of("/api/v1/names", answer, 503, "busy")
            assert answer.fields["retry-after"] == "1"
        else:
            assert answer.status == 200
            check_answer("/api/v1/names", answer)
    assert sum(a.status == 200 for a in got) > 10


def test_failed(tmp_path):
    """The store cannot be read."""
    fill(tmp_path, tmp_path / "data")
    with Served(tmp_path) as c:
        assert c.rows("/api/v1/names/www.example.com")
        for name in ("dnsflow.db", "dnsflow.db-wal", "dnsflow.db-shm"):
            if (tmp_path / "data" / name).exists():
                (tmp_path / "data" / name).rename(tmp_path / name)
        (tmp_path / "data" / "dnsflow.db").mkdir()

        def fails():
            got = c.get("/api/v1/names/www.example.com?fresh=0")
            return got if got.status != 200 else None
        got = wait_until(fails, 20, 0.1)
        assert got.status in (500, 503)
        error = check_answer("/api/v1/names/{name}", got)["error"]
        assert error["code"] == "failed" and error["message"]
        (tmp_path / "data" / "dnsflow.db").rmdir()
        for name in ("dnsflow.db-shm", "dnsflow.db-wal", "dnsflow.db"):
            if (tmp_path / name).exists():
                (tmp_path / name).rename(tmp_path / "data" / name)
        wait_until(lambda: c.get("/api/v1/names/www.example.com?fresh=0").status == 200, 20, 0.1)


# Nothing is missing

def matches_for(template):
    return re.compile("/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in template.split("/")))


PAGE = {"", "/", "/page.js", "/page.css", "/dygraph.js", "/dygraph.css"}


def words_of_the_server():
    """What stands in its texts, split where a path would be."""
    found = set()
    for path in sorted((TOP / "src" / "serve").glob("*.[ch]")):
        for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', path.read_text()):
            found.update(w for w in re.split(r"[/?&\s{}=,]+", text) if re.fullmatch(r"[a-z][a-z0-9_.-]{1,24}", w))
    return sorted(found)


def test_no_path_is_missing(served):
    """Every word of the server is tried in every place of a path."""
    words = words_of_the_server()
    assert {"status", "names", "lookup", "healthz"} <= set(words), words
    prefixes = {"/"}
    for template in DOC["paths"]:
        parts = re.sub(r"{(\w+)}", lambda m: {"address": "192.0.2.1", "client": "192.0.2.1", "ip": "192.0.2.1", "rcode": "3", "what": "names", "type": "A"}.get(
            m.group(1), "example.com"), template).split("/")
        prefixes.update("/".join(parts[:i]) + "/" for i in range(1, len(parts) + 1))
    known = [matches_for(template) for template in DOC["paths"]]
    missing = []
    for prefix in sorted(prefixes):
        for word in words:
            path = prefix + word
            if any(k.fullmatch(path) for k in known) or path in PAGE:
                continue
            if served.get(path + "?limit=0").status != 404:
                missing.append(path)
    assert not missing, "%d paths" % len(missing)

@pytest.mark.parametrize("q", ["www.example.com", "*.example.com", "xampl", "192.0.2.1", "192.0.2.0/24", "2001:db8::1", "example.com.", "a%b", "\u00e4"])
def test_paths_of_search(served, q):
    """What it leads to is described, and is answered."""
    found = json.loads(served.get("/api/v1/search?q=" + urllib.parse.quote(q)).body)
    assert found["query"] == q
    for one in found["questions"]:
        path = one["path"].split("?")[0]
        fits = [t for t in DOC["paths"] if matches_for(t).fullmatch(path) or matches_for(t).fullmatch(re.sub(r"/(\d+)$", r"%2F\1", path))]
        assert fits, path
        got = served.get(one["path"])
        assert got.status == 200, (one, got)
        assert json.loads(got.body)["question"] == one["question"]
