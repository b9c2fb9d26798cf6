# SPDX-License-Identifier: BSD-3-Clause
"""Questions over HTTP: the same answers as on the command line, and who may have them."""

import base64
import csv
import io
import json
import os
import signal
import stat
import threading
import time
import urllib.parse

import pytest
from asking_http import Asked
from collecting import AS_ROOT, collect, imported, needs_collector, send
from conftest import BASE_US, wait_until
from datagrams import extended, set4
from disks import filled, small_disk
from questions import ask, made

pytestmark = needs_collector

TOKEN, BLIND = "0123456789abcdef-read", "0123456789abcdef-blind"

# path, words of the command line
SAME = [
    ("/api/v1/names/a.example", ("name", "a.example")),
    ("/api/v1/names/a.example/clients", ("who", "a.example")),
    ("/api/v1/names/cdn1.example/leading", ("rdata", "cdn1.example")),
    ("/api/v1/names?below=example", ("below", "example")),
    ("/api/v1/names?contains=exam", ("contains", "exam")),
    ("/api/v1/addresses/192.0.1.0/24", ("address", "192.0.1.0/24")),
    ("/api/v1/addresses/192.0.1.0%2F24", ("address", "192.0.1.0/24")),
    ("/api/v1/addresses/192.0.1.7", ("address", "192.0.1.7")),
    ("/api/v1/addresses/192.0.1.7/clients", ("who", "192.0.1.7")),
    ("/api/v1/clients/10.0.0.3/lookups", ("client", "10.0.0.3")),
    ("/api/v1/clients/10.0.0.3/summary", ("summary", "10.0.0.3")),
    ("/api/v1/clients/2001:db8::3/lookups", ("client", "2001:db8::3")),
    ("/api/v1/rcodes/NOERROR/clients", ("rcode", "NOERROR")),
    ("/api/v1/top/names", ("top", "names")),
    ("/api/v1/top/domains", ("top", "domains")),
    ("/api/v1/top/clients", ("top", "clients")),
    ("/api/v1/top/resolvers", ("top", "resolvers")),
    ("/api/v1/top/types", ("top", "types")),
    ("/api/v1/top/rcodes", ("top", "rcodes")),
    ("/api/v1/new/names", ("new", "names")),
    ("/api/v1/new/domains", ("new", "domains")),
    ("/api/v1/series", ("series",)),
    ("/api/v1/loss", ("loss",)),
    ("/api/v1/sensors", ("sensors",)),
    ("/api/v1/streams", ("streams",)),
]


def with_query(path, **more):
    return path + ("&" if "?" in path else "?") + urllib.parse.urlencode(more)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("http")
    path = made(folder / "out.pcap", 5)
    imported(folder / "data", path)
    with Asked(folder) as asked:
        yield asked


@pytest.mark.parametrize("path, words", SAME)
def test_same_as_the_command_line(asked, path, words):
    rows, said = ask(asked.directory, *words, "--limit", "10000")
    answer = asked.get(with_query(path, limit=10000))
    assert answer.fields["content-type"] == "application/json"
    assert answer.rows == rows and answer.json["count"] == len(rows)
    assert answer.json["question"] == words[0] and answer.json["about"] == (words[1] if len(words) > 1 else "")
    assert answer.json["more"] is False and answer.json["partial"] is False
    assert rows or words[0] in ("sensors", "streams", "series", "loss")
    ndjson = asked.get(with_query(path, limit=10000, format="ndjson"))
    assert [json.loads(line) for line in ndjson.text.splitlines()] == rows
    as_csv = asked.get(with_query(path, limit=10000, format="csv"))
    done = collect("query", asked.directory, *words, "--limit", "10000", "--format", "csv")
    assert as_csv.body == done.out and len(list(csv.reader(io.StringIO(as_csv.text)))) == len(rows) + 1
    assert (ndjson.fields["x-dnsflow-more"], ndjson.fields["x-dnsflow-partial"]) == ("false", "false")


def test_at(asked):
    time_s = BASE_US // 1000000 + 5
    rows, _ = ask(asked.directory, "at", "192.0.1.7", "--time", str(time_s), "--client", "10.0.0.3")
    assert asked.get("/api/v1/addresses/192.0.1.7/at?time=%d&client=10.0.0.3" % time_s).rows == rows
    assert asked.get("/api/v1/addresses/192.0.1.7/at").status == 200


@pytest.mark.parametrize("path, words", [row for row in SAME if "addresses/192.0.1.7/clients" not in row[0] and row[1][0] in ("name", "below", "contains", "who", "client", "new")])
def test_page_by_page(asked, path, words):
    whole, _ = ask(asked.directory, *words, "--limit", "0", "--cursor", "start")
    rows, cursor = [], "start"
    while cursor:
        answer = asked.get(with_query(path, limit=7, cursor=cursor))
        rows += answer.rows
        cursor = answer.json["next"]
        assert answer.json["more"] == (cursor is not None)
    assert rows == whole
    assert asked.get(with_query(path, cursor="start", limit=3, format="csv")).fields.get("x-dnsflow-next") or len(whole) <= 3


def test_since_and_until(asked):
    since, until = BASE_US // 1000000 + 20, BASE_US // 1000000 + 60
    rows, _ = ask(asked.directory, "below", "example", "--since", str(since), "--until", str(until), "--limit", "0")
    assert rows and asked.get("/api/v1/names?below=example&since=%d&until=%d&limit=10000" % (since, until)).rows == rows


@pytest.mark.parametrize("path, status, code, parameter", [
    ("/api/v1/", 404, "not_found", None),
    ("/api/v1/nothing", 404, "not_found", None),
    ("/api/v1/names/a/b/c", 404, "not_found", None),
    ("/api/v1/top", 404, "not_found", None),
    ("/api/v1/names", 400, "bad_parameter", "below"),
    ("/api/v1/names/x..y", 400, "bad_parameter", "path"),
    ("/api/v1/names/%2A.example", 400, "bad_parameter", "path"),
    ("/api/v1/names/%C3%BC..x", 400, "bad_parameter", "path"),
    ("/api/v1/names/%00", 400, "bad_parameter", None),
    ("/api/v1/names/%zz", 400, "bad_parameter", None),
    ("/api/v1/names?contains=ex", 400, "bad_parameter", "contains"),
    ("/api/v1//status", 404, "not_found", None),
    ("/api/v1/addresses/192.0.2.1/33", 400, "bad_parameter", "path"),
    ("/api/v1/addresses/192.0.2.0/24/at", 400, "bad_parameter", "path"),
    ("/api/v1/clients/x/lookups", 400, "bad_parameter", "path"),
    ("/api/v1/top/nothing", 400, "bad_parameter", "path"),
    ("/api/v1/rcodes/NOTHING/clients", 400, "bad_parameter", "path"),
    ("/api/v1/loss?limit=0", 400, "bad_parameter", "limit"),
    ("/api/v1/loss?limit=10001", 400, "bad_parameter", "limit"),
    ("/api/v1/loss?limit=5&limit=6", 400, "bad_parameter", "limit"),
    ("/api/v1/loss?since=yesterdays", 400, "bad_parameter", "since"),
    ("/api/v1/loss?since=today&until=2000-01-01", 400, "bad_parameter", "since"),
    ("/api/v1/loss?format=xml", 400, "bad_parameter", "format"),
    ("/api/v1/loss?fresh=2", 400, "bad_parameter", "fresh"),
    ("/api/v1/loss?cursor=start", 400, "bad_parameter", "cursor"),
    ("/api/v1/names/a.example?cursor=x", 400, "bad_parameter", "cursor"),
    ("/api/v1/names/a.example?%3Cscript%3E=x", 400, "bad_parameter", "<script>"),
    ("/api/v1/search", 400, "bad_parameter", "q"),
    ("/api/v1/status?x=1", 400, "bad_parameter", "x"),
])
def test_what_is_wrong(asked, path, status, code, parameter):
    answer = asked.get(path)
    assert (answer.status, answer.error["code"], answer.error["parameter"]) == (status, code, parameter), answer.body
    assert answer.error["message"] and answer.fields["content-type"] == "application/json"


@pytest.mark.parametrize("text, kind, about, first", [
    ("www.example.com", "name", "www.example.com", "name"),
    (" WWW.Example.com. ", "name", "WWW.Example.com.", "name"),
    ("*.example.com", "below", "example.com", "below"),
    ("example", "text", "example", "contains"),
    ("*exam*", "text", "exam", "contains"),
    ("exam.ple*", "text", "exam.ple", "contains"),
    ("de", "name", "de", "name"),
    ("192.0.2.1", "address", "192.0.2.1", "address"),
    ("2001:db8::1", "address", "2001:db8::1", "address"),
    ("192.0.2.0/24", "prefix", "192.0.2.0/24", "address"),
    ("https://www.example.com/a?b#c", "name", "www.example.com", "name"),
    ("http://www.example.com:8080/", "name", "www.example.com", "name"),
    ("https://192.0.2.1:8443/x", "address", "192.0.2.1", "address"),
    ("192.0.2.1:53", "address", "192.0.2.1", "address"),
    ("[2001:db8::1]:53", "address", "2001:db8::1", "address"),
    (".", "below", ".", "below"),
    ("www[.]example[.]com", "name", "www.example.com", "name"),
    ("b\u00fccher.example", "name", "b\u00fccher.example", "name"),
    ("", "nothing", None, None),
    ("x", "name", "x", "name"),
    ("*", "nothing", None, None),
    ("a..b", "nothing", None, None),
    ("<script>alert(1)</script>", "text", "<script>alert(1)</script>", "contains"),
])
def test_search(asked, text, kind, about, first):
    answer = asked.get("/api/v1/search?" + urllib.parse.urlencode({"q": text}))
    found = answer.json
    assert (found["query"], found["kind"]) == (text, kind), found
    assert bool(found["questions"]) == (kind != "nothing") and found["understood"]
    if first:
        assert found["questions"][0]["question"] == first and found["understood"].endswith(about)
    for question in found["questions"]:
        answer = asked.get(question["path"])
        assert answer.status == 200 and answer.json["question"] == question["question"], answer.body


def test_what_has_just_come(tmp_path):
    with Asked(tmp_path) as asked:
        send(asked.target, [extended(1, set4("10.0.0.1", "10.0.0.53", ["just.example"], ["192.0.2.9"]))])
        # a block is written after 250 ms, and a question waits for what was there when it came
        wait_until(lambda: asked.get("/api/v1/names/just.example").rows, step=0.3)
        assert asked.get("/api/v1/status").json["running"] is True
        assert asked.metric("dnsflow_collect_records_total") == 1
        assert asked.get("/healthz").text == "ok\n"


def test_database_is_lost(tmp_path):
    """Lookups are in files of their own: what needs no more is answered, and says what is missing."""
    with Asked(tmp_path) as asked:
        send(asked.target, [extended(1, set4("10.0.0.1", "10.0.0.53", ["lost.example"], ["192.0.2.9"]))])
        wait_until(lambda: asked.get("/api/v1/names/lost.example").rows, step=0.3)
        for path in (tmp_path / "data").glob("dnsflow.db*"):
            path.rename(tmp_path / path.name)
        answer = asked.get("/api/v1/names/lost.example/clients?fresh=0")
        assert answer.status == 200 and [r["client"] for r in answer.rows] == ["10.0.0.1"]
        assert answer.json["partial"] and answer.json["notes"] == [
            "the answer is of lookups alone: %s: No such file or directory" % (tmp_path / "data/dnsflow.db")]
        assert asked.get("/api/v1/names/lost.example?fresh=0").json["partial"]


def test_zone_of_a_time(asked):
    """A plus sign stands for a blank in a URL; who does not know gets the time that was meant."""
    for parameter in "since", "until", "time":
        path = "/api/v1/addresses/192.0.1.7/at?time=" if parameter == "time" else "/api/v1/names/a.example?%s=" % parameter
        for zone in "+01:00", "%2B01:00", "Z":
            assert asked.get(path + "2026-01-31T10:00" + zone).status == 200
        assert asked.get(path + "2026-01-31T10:00+x").error["parameter"] == parameter


def test_small_disk(tmp_path):
    """Is full when it is, and not because there are disks that are larger."""
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", "24m") as disk, Asked(tmp_path, directory=disk / "data") as asked:
        assert asked.get("/healthz").text == "ok\n"
        with filled(disk):
            wait_until(lambda: "the disk is nearly full: 0 KiB are free\n" in asked.get("/healthz").text)
        assert asked.get("/healthz").text == "ok\n"


# The role

def test_rights_of_the_role(asked):
    pid = asked.roles()["query"]
    status = dict(line.split(":\t", 1) for line in open("/proc/%d/status" % pid).read().splitlines() if ":\t" in line)
    assert {status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2") or "asan" in os.environ.get("DNSFLOW_BUILD", "") \
        or "tsan" in os.environ.get("DNSFLOW_BUILD", "")


def test_role_is_replaced(tmp_path):
    with Asked(tmp_path) as asked:
        before = asked.roles()
        asked.kill("query")
        asked.wait_replaced("query", before["query"])
        wait_until(lambda: asked.get("/healthz").status == 200)
        assert {name: pid for name, pid in asked.roles().items() if name != "query"} == \
            {name: pid for name, pid in before.items() if name != "query"}
        assert asked.metric('dnsflow_collect_role_starts_total{role="query"}') == 2
        asked.stop()


def test_unix_socket(tmp_path):
    path = tmp_path / "http"
    with Asked(tmp_path, at="unix:%s" % path) as asked:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        assert asked.get("/healthz", host="anything.example").text == "ok\n"
        asked.stop()
    assert not path.exists()


def test_port_in_use(tmp_path):
    with Asked(tmp_path) as asked:
        port = asked.http_port
        done = collect("run", tmp_path / "other", "-l", "127.0.0.1:0", "--http", "127.0.0.1:%d" % port, *AS_ROOT)
        assert done.status == 1 and "option --http: 127.0.0.1 port %d: cannot listen: Address already in use" % port in done.err


# Who may ask

@pytest.mark.parametrize("where", ["0.0.0.0:0", "[::]:0", "*:0", "192.0.2.1:8353", "dns.example:80"])
def test_others_need_a_token(tmp_path, where):
    done = collect("run", tmp_path / "data", "-l", "127.0.0.1:0", "--http", where)
    assert done.status == 2 and "expected --token-file with it" in done.err and not (tmp_path / "data").exists()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    tokens = folder / "tokens"
    tokens.write_text("# who may ask\nread %s\nread-no-clients %s\n" % (TOKEN, BLIND))
    tokens.chmod(0o600)
    imported(folder / "data", made(folder / "out.pcap", 6, count=200))
    with Asked(folder, "--token-file", str(tokens), "--http-host", "dns.example") as asked:
        yield asked


@pytest.mark.parametrize("field", ["Authorization: Bearer " + TOKEN, "X-API-Key: " + TOKEN,
                                   "Authorization: Basic " + base64.b64encode(("x:" + TOKEN).encode()).decode()])
def test_tokens(guarded, field):
    for path in ("/api/v1/loss", "/metrics", "/pdns/query/a.example", "/dnsdb/v2/ping", "/api/v1/clients/10.0.0.1/lookups"):
        assert guarded.get(path, field).status == 200, path


def test_without_a_token(guarded):
    for path in ("/api/v1/loss", "/metrics", "/pdns/query/a.example", "/dnsdb/v2/ping", "/api/v1/nothing"):
        answer = guarded.get(path)
        assert (answer.status, answer.error["code"]) == (401, "unauthorized") and answer.fields["www-authenticate"].startswith("Bearer")
    for path in ("/", "/page.js", "/page.css", "/healthz", "/api/v1/openapi.json"):
        assert guarded.get(path).status == 200


@pytest.mark.parametrize("path", ["/api/v1/clients/10.0.0.1/lookups", "/api/v1/clients/10.0.0.1/summary", "/api/v1/names/a.example/clients",
                                  "/api/v1/addresses/192.0.1.7/clients", "/api/v1/top/clients", "/api/v1/rcodes/NOERROR/clients",
                                  "/api/v1/addresses/192.0.1.7/at?client=10.0.0.1"])
def test_token_without_clients(guarded, path):
    field = "X-API-Key: " + BLIND
    answer = guarded.get(path, field)
    assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert guarded.get("/api/v1/names/a.example", field).status == 200
    assert "10.0.0." not in guarded.get("/api/v1/addresses/192.0.1.7/at", field).text


def test_wrong_tokens_take_a_second(guarded):
    for text in ("wrong", TOKEN[:-1], TOKEN + "x", "x" * 5000, ""):
        begun = time.monotonic()
        assert guarded.get("/api/v1/loss", "Authorization: Bearer " + text).status == 401
        assert time.monotonic() - begun >= 0.9


def test_tokens_are_read_again(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("read %s\n" % TOKEN)
    tokens.chmod(0o600)
    with Asked(tmp_path, "--token-file", str(tokens)) as asked:
        assert asked.get("/api/v1/loss", "X-API-Key: " + TOKEN).status == 200
        tokens.write_text("read another-%s\n" % TOKEN)
        asked.process.signal(signal.SIGHUP)
        asked.process.wait_err("has been read again")
        wait_until(lambda: asked.get("/api/v1/loss", "X-API-Key: another-" + TOKEN).status == 200)
        assert asked.get("/api/v1/loss", "X-API-Key: " + TOKEN).status == 401
        tokens.write_text("nonsense\n")
        asked.process.signal(signal.SIGHUP)
        asked.process.wait_err("the configuration stays as it was")
        assert asked.get("/api/v1/loss", "X-API-Key: another-" + TOKEN).status == 200


def test_tokens_stay_with_their_address(tmp_path):
    """A reload that would open to everybody what others can reach is refused."""
    tokens, file = tmp_path / "tokens", tmp_path / "collect.conf"
    tokens.write_text("read %s\n" % TOKEN)
    tokens.chmod(0o600)
    file.write_text("token-file %s\n" % tokens)
    with Asked(tmp_path, "--config", file, at="0.0.0.0:0") as asked:
        assert asked.get("/api/v1/loss").status == 401
        file.write_text("# none\n")
        asked.process.signal(signal.SIGHUP)
        asked.process.wait_err("the configuration stays as it was")
        assert asked.get("/api/v1/loss").status == 401


def test_reload_cuts_no_answer(tmp_path):
    with Asked(tmp_path) as asked:
        answers, is_over = [], []

        def look():
            while not is_over:
                answers.extend(asked.get(path) for path in ("/api/v1/loss", "/api/v1/status", "/metrics"))
        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            asked.process.signal(signal.SIGHUP)
            pid = asked.roles().get("query")
            wait_until(lambda: asked.roles().get("query", pid) != pid)
        is_over.append(True)
        for thread in threads:
            thread.join(60)
        assert not [answer.text for answer in answers if answer.status != 200] and len(answers) >= 12


def test_nothing_open_but_its_own(asked):
    """Of the role's descriptors: sockets are the one where questions come in and the supervisor's."""
    pid = asked.roles()["query"]
    links = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
    assert sum(link.startswith("socket:") for link in links) == 2 + (os.readlink("/proc/%d/fd/2" % pid).startswith("socket:")), links
    assert not [link for link in links if link.endswith("/lock") or "/journal" in link], links


def test_counters_over_a_restart(tmp_path):
    with Asked(tmp_path) as asked:
        send(asked.target, [extended(1, set4("10.0.0.1", "10.0.0.53", ["just.example"], ["192.0.2.9"]))])
        wait_until(lambda: asked.metric("dnsflow_collect_records_total") == 1)
        asked.stop()
    with Asked(tmp_path) as asked:
        assert asked.metric("dnsflow_collect_records_total") == 1


def test_big_sorts_need_no_files(tmp_path):
    """The role may make none."""
    imported(tmp_path / "data", made(tmp_path / "out.pcap", 8, count=30000))
    with Asked(tmp_path) as asked:
        for path in ("top/domains", "top/names?since=2000-01-01", "rcodes/NOERROR/clients", "addresses/0.0.0.0/0", "clients/10.0.0.3/lookups"):
            assert asked.get(with_query("/api/v1/" + path, limit=10000)).rows, path


@pytest.mark.parametrize("host, status", [("dns.example", 200), ("DNS.example:443", 200), ("127.0.0.1", 200), ("localhost", 200),
                                          ("evil.example", 421), ("dns.example.evil", 421)])
def test_hosts(guarded, host, status):
    answer = guarded.get("/healthz", host=host)
    assert answer.status == status and (status != 421 or "expected an IP address, localhost or a name" in answer.text)


def test_strict_page(asked):
    answer = asked.get("/")
    policy = answer.fields["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.fields["content-type"] == "text/html; charset=utf-8"
