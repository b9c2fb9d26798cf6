# SPDX-License-Identifier: BSD-3-Clause
"""/metrics of a collector, and the alert rules and the dashboard that go by it."""

import json
import os
import re
import signal
import socket
import time

import pytest
from collecting import collect, needs_collector
from conftest import TOP, need, run, wait_until
from datagrams import Worker, set4
from over_http import Served, fill, send, send_some

pytestmark = needs_collector

RULES = TOP / "packaging" / "prometheus" / "dnsflow-collect.rules.yml"
RULES_TEST = TOP / "tests" / "e2e" / "collect_rules.yml"
DASHBOARD = TOP / "packaging" / "grafana" / "dnsflow-collect.json"

PREFIX = "dnsflow_collect_"
COUNTERS = """role_starts_total datagrams_total records_total dropped_datagrams_total refused_datagrams_total store_rows_total store_seals_total
    store_failures_total watch_records_total watch_hits_total watch_lost_total feed_records_total feed_datagrams_total feed_batches_total feed_refused_total feed_expired_total feed_failures_total http_requests_total http_bad_total http_refused_total http_unauthorized_total http_forbidden_total query_partial_total query_failed_total query_busy_total""".split()
GAUGES = """build_info start_time_seconds store_behind_records store_sealed_timestamp_seconds journal_bytes lookups_bytes database_bytes
    backups_bytes max_bytes disk_free_bytes lookups_files lookups_files_damaged lookups_files_missing lookups_oldest_timestamp_seconds
    sensor_heard_timestamp_seconds sensor_records_day sensor_lost_day watch_lines feed_failing feed_read_seconds http_connections""".split()
LABELS = {"version", "role", "reason", "sensor", "stage", "le", "store"}
VALUES = {"stage": {"ring", "send", "network", "here", "down"},
          "dropped": {"socket", "memory", "journal"},
          "refused": {"doubled", "not_allowed", "malformed", "unsigned", "forged", "replayed", "stale", "crowded"},
          "http": {"full", "peer_full", "no_file", "slow", "slow_read", "late", "crowded"}}


def scrape(c):
    """{name: family} of a page that is sound."""
    parser = pytest.importorskip("prometheus_client.parser")
    got = c.get("/metrics")
    assert got.status == 200 and got.fields["content-type"].startswith("text/plain; version=0.0.4"), got
    text = got.body.decode()
    helps, types, last = [], [], None
    for line in text.splitlines():
        word = re.match(r"# (HELP|TYPE) (\S+) (\S.*)", line)
        if word:
            last = word.group(2)
            (helps if word.group(1) == "HELP" else types).append(last)
            continue
        assert not line.startswith("#") and line, line
        name = re.match(r"\w+", line).group()
        assert last and name in (last, last + "_bucket", last + "_count", last + "_sum"), "%s is not under its HELP and TYPE" % name
    assert helps == types and len(set(helps)) == len(helps)
    families = {f.name: f for f in parser.text_string_to_metric_families(text)}
    keys = [(s.name, tuple(sorted(s.labels.items()))) for f in families.values() for s in f.samples]
    assert len(set(keys)) == len(keys), "the same series again"
    scrape.text = text
    return families


def samples(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families.values() for s in f.samples}


def value(families, name, **labels):
    found = [v for (n, have), v in samples(families).items() if n == PREFIX + name and labels.items() <= dict(have).items()]
    assert found, "no %s %s" % (name, labels)
    return sum(found)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observe")
    fill(folder, folder / "data")
    with Served(folder, "--store", "file,path=%s/%%Y%%m%%d.pcap" % folder) as c:
        send_some(c.target)
        wait_until(lambda: c.rows("/api/v1/names/old.example.com/clients"), 20, 0.2)
        yield c
        c.stop()


# What is said

def test_families(served):
    """All that there are, of the right type, each with its labels alone."""
    families = scrape(served)
    types = {f.name: f.type for f in families.values()}
    expected = dict({PREFIX + n[:-len("_total")]: "counter" for n in COUNTERS}, **{PREFIX + n: "gauge" for n in GAUGES})
    expected[PREFIX + "query_seconds"] = "histogram"
    assert types == expected
    assert all(len(f.documentation) > 10 for f in families.values())
    if run(["sh", "-c", "command -v promtool"]).status == 0:
        done = run(["promtool", "check", "metrics"], data=scrape.text.encode())
        assert done.status == 0 and not done.err.strip(), done.err + done.out.decode()


def test_labels(served):
    """No name, client or address."""
    families = scrape(served)
    for (name, labels), _ in samples(families).items():
        for key, text in labels:
            assert key in LABELS, (name, key)
            if key == "sensor":
                assert text == "none" or text.isdigit()
            elif key == "stage":
                assert text in VALUES["stage"]
            elif key == "reason":
                kind = re.match(PREFIX + "(dropped|refused|http)_", name).group(1)
                assert text in VALUES[kind], (name, text)
    for word in "example", "10.0.0.", "192.0.2", "2001:db8", "127.0.0.1", "script", "in-addr":
        assert word not in scrape.text.lower()
    for kind, name in (("dropped", "dropped_datagrams"), ("refused", "refused_datagrams"), ("http", "http_refused")):
        assert {s.labels["reason"] for s in families[PREFIX + name].samples} == VALUES[kind], "those of which there are none, too"
    sensors = {s.labels["sensor"] for s in families[PREFIX + "sensor_heard_timestamp_seconds"].samples}
    assert {"8", "none"} <= sensors
    for sensor in sensors:
        assert {s.labels["stage"] for s in families[PREFIX + "sensor_lost_day"].samples if s.labels["sensor"] == sensor} == VALUES["stage"]


def test_values(served):
    families, now = scrape(served), time.time()
    assert value(families, "build_info") == 1
    assert now - 300 < value(families, "start_time_seconds") <= now
    assert now - 300 < value(families, "store_sealed_timestamp_seconds") <= now + 1
    assert now - 300 < value(families, "sensor_heard_timestamp_seconds", sensor="8") <= now + 1
    assert value(families, "sensor_records_day", sensor="8") == 3 and value(families, "sensor_records_day", sensor="none") == 2
    assert value(families, "datagrams_total") >= 5 and value(families, "records_total") >= 5
    told = status(served)
    families = scrape(served)
    for name in "journal_bytes", "lookups_bytes", "backups_bytes", "max_bytes", "lookups_files", "lookups_files_damaged", "lookups_files_missing":
        assert value(families, name) == told[name], name
    assert abs(value(families, "disk_free_bytes") - told["free_bytes"]) < 1 << 30
    assert value(families, "store_behind_records") == 0 and value(families, "store_seals_total") >= 1
    assert {s.labels["role"]: s.value for s in families[PREFIX + "role_starts"].samples}.keys() >= {"receive", "store", "tidy"}
    oldest = value(families, "lookups_oldest_timestamp_seconds")
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(oldest)) == told["lookups_since"]


def test_histogram(served):
    """Buckets grow, the last has all; a question is one more."""
    before = scrape(served)
    for _ in range(3):
        served.rows("/api/v1/names/www.example.com")
    after = scrape(served)
    assert value(after, "query_seconds_count") >= value(before, "query_seconds_count") + 3
    buckets = [(float(s.labels["le"].replace("+Inf", "inf")), s.value) for s in after[PREFIX + "query_seconds"].samples if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets) and [n for _, n in buckets] == sorted(n for _, n in buckets)
    assert buckets[-1] == (float("inf"), value(after, "query_seconds_count"))
    assert any(0.9 <= le <= 2.5 for le, _ in buckets), "answers are ended at 2 s"
    assert value(after, "query_seconds_sum") >= 0


def test_counters_count(served):
    """What is done is counted, once; no counter falls."""
    before = scrape(served)
    number = int(time.time())
    worker = Worker(number, sensor_id=9)
    one = set4("10.0.0.13", "10.0.0.53", ["more.example.com"], ["192.0.2.4"])
    payload = worker.data(one)
    send(served.target, [payload, payload, worker.data(one), b"no datagram", b""])
    wait_until(lambda: served.rows("/api/v1/names/more.example.com/clients"), 20, 0.2)
    assert served.get("/api/v1/names/a..b").status == 400
    assert served.get("/nothing").status == 404

    def is_told():
        after = scrape(served)
        return value(after, "records_total") >= value(before, "records_total") + 2 and after
    after = wait_until(is_told, 20, 0.2)
    assert value(after, "records_total") == value(before, "records_total") + 2
    assert value(after, "datagrams_total") >= value(before, "datagrams_total") + 2

    def refused(reason, families):
        return value(families, "refused_datagrams_total", reason=reason)
    wait_until(lambda: refused("malformed", scrape(served)) > refused("malformed", before), 10, 0.2)
    after = scrape(served)
    assert refused("doubled", after) == refused("doubled", before) + 1
    assert value(after, "http_requests_total") >= value(before, "http_requests_total") + 5
    assert value(after, "sensor_records_day", sensor="9") == 2
    now = samples(after)
    for key, old in samples(before).items():
        name = key[0]
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            assert now[key] >= old, key


def test_roles_that_are_replaced(tmp_path):
    """Counters of the others go on, and none falls."""
    with Served(tmp_path) as c:
        before = scrape(c)
        assert {s.labels["role"]: s.value for s in before[PREFIX + "role_starts"].samples} == {
            "receive": 1, "store": 1, "tidy": 1, "watch": 0, "query": 1}
        pid = c.roles()["tidy" if "tidy" in c.roles() else next(n for n in c.roles() if n.endswith("tidy"))]
        name = next(n for n, p in c.roles().items() if p == pid)
        c.kill(name)
        c.wait_replaced(name, pid)
        wait_until(lambda: value(scrape(c), "role_starts_total", role="tidy") == 2, 10, 0.1)
        now = samples(scrape(c))
        assert all(now[key] >= old for key, old in samples(before).items() if key[0].endswith("_total"))
        c.stop()


def test_unauthorized(tmp_path):
    (tmp_path / "tokens").write_text("read %s\n" % ("a1" * 16))
    (tmp_path / "tokens").chmod(0o600)
    with Served(tmp_path, "--token-file", tmp_path / "tokens") as c:
        assert c.get("/metrics").status == 401
        got = c.get("/metrics", Authorization="Bearer " + "a1" * 16)
        assert got.status == 200 and re.search(r"^dnsflow_collect_http_unauthorized_total 1$", got.body.decode(), re.M)
        c.stop()


def test_forbidden(tmp_path):
    (tmp_path / "tokens").write_text("read-no-clients %s\n" % ("a1" * 16))
    (tmp_path / "tokens").chmod(0o600)
    with Served(tmp_path, "--token-file", tmp_path / "tokens") as c:
        for _ in range(2):
            assert c.get("/api/v1/top/clients", Authorization="Bearer " + "a1" * 16).status == 403
        assert c.get("/api/v1/top/names", Authorization="Bearer " + "a1" * 16).status == 200
        got = c.get("/metrics", Authorization="Bearer " + "a1" * 16)
        assert re.search(r"^dnsflow_collect_http_forbidden_total 2$", got.body.decode(), re.M)
        c.stop()


def test_healthz(tmp_path):
    """Also while nobody sends anything; and while it answers nothing, it has nothing to do with who receives."""
    with Served(tmp_path) as c:
        got = c.get("/healthz")
        assert (got.status, got.body) == (200, b"ok\n") and got.fields["content-type"].startswith("text/plain")
        assert c.get("/healthz", method="HEAD").body == b""
        c.stop()
        with pytest.raises(OSError):
            c.get("/healthz")


def status(c):
    return json.loads(c.get("/api/v1/status").body)


def same_status(c):
    """What both say of the same moment, but for what changes by itself."""
    api = status(c)
    done = collect("status", c.directory, "--format", "json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert list(api) == list(told)
    for one in api, told:
        for key in "time", "free_bytes", "lasts_seconds", "full_in_seconds", "database_bytes", "used_bytes":
            del one[key]
        for sensor in one["sensors"]:
            del sensor["silent_seconds"]
    return api, told


def test_status(tmp_path):
    """As the command line has it; also while the store does nothing."""
    fill(tmp_path, tmp_path / "data")
    with Served(tmp_path) as c:
        send_some(c.target)
        wait_until(lambda: c.rows("/api/v1/names/old.example.com/clients"), 20, 0.2)
        api, told = same_status(c)
        assert api == told and api["up_to_date"] and len(api["sensors"]) == 4
        store = c.roles()["store"]
        os.kill(store, signal.SIGSTOP)
        try:
            send_some(c.target, 2)
            wait_until(lambda: status(c)["behind_records"] > 0, 10, 0.1)
            assert c.get("/healthz").status in (200, 503)

            def is_told():
                answer = json.loads(c.get("/api/v1/names/www.example.com").body)
                assert answer["rows"], "what there is"
                return "not brought it in" in " ".join(answer["notes"])
            wait_until(is_told, 20, 0.2)
            api, told = same_status(c)
            assert not told["up_to_date"] and api == told
        finally:
            os.kill(store, signal.SIGCONT)
        wait_until(lambda: c.rows("/api/v1/sensors") and status(c)["up_to_date"] and status(c)["behind_records"] == 0, 20, 0.2)
        c.stop()


def test_connections_that_are_slow(served):
    """Held open they are seen, and counted when they are given up."""
    before = scrape(served)
    held = [socket.create_connection(served.address) for _ in range(3)]
    try:
        wait_until(lambda: value(scrape(served), "http_connections") >= 3, 4, 0.05)
        wait_until(lambda: value(scrape(served), "http_refused_total", reason="slow") >= value(before, "http_refused_total", reason="slow") + 3, 20, 0.2)
    finally:
        for s in held:
            s.close()


# Rules and dashboard

def metrics_in(text):
    return set(re.findall(PREFIX + r"\w+", text))


def printed(families):
    return {s.name for f in families.values() for s in f.samples}


def test_rules():
    """By promtool: they are sound, each fires for what it is about, and none when all is well."""
    need("promtool")
    for argv in ["check", "rules", RULES], ["test", "rules", RULES_TEST]:
        done = run(["promtool"] + argv, timeout=120)
        assert done.status == 0, done.out.decode() + done.err
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    assert alerts and alerts <= set(re.findall(r"alertname=\"(\w+)\"", RULES_TEST.read_text())), "each is tested"
    assert RULES.read_text().count("description: ") == RULES.read_text().count("summary: ") == len(alerts)


def panels():
    return [p for p in json.loads(DASHBOARD.read_text())["panels"] if p["type"] != "row"]


def expressions():
    return [t["expr"] for p in panels() for t in p["targets"]]


def test_dashboard():
    """What Grafana needs to import it; each panel says what it shows."""
    board = json.loads(DASHBOARD.read_text())
    assert board["title"] and board["uid"] and board["schemaVersion"] >= 36 and "id" not in board
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    ids = [p["id"] for p in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, "%s lies on another" % panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["title"] and panel["description"].endswith(".") and panel["fieldConfig"]["defaults"]["unit"], panel
        assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"]
        assert all(t["datasource"]["uid"] == "${datasource}" for t in panel["targets"])
        refs = [t["refId"] for t in panel["targets"]]
        assert len(set(refs)) == len(refs)
    used = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))
    assert used <= set(variables) | {"__rate_interval"}


def test_expressions(tmp_path):
    """Those of the dashboard are ones that Prometheus takes."""
    need("promtool")
    lines = ["groups: [{name: dashboard, rules: ["]
    for n, expr in enumerate(expressions()):
        plain = expr.replace("$__rate_interval", "5m").replace("$instance", "c")
        lines.append("{record: 'panel:%d', expr: '%s'}," % (n, plain))
    (tmp_path / "rules.yml").write_text("\n".join(lines) + "]}]\n")
    done = run(["promtool", "check", "rules", tmp_path / "rules.yml"])
    assert done.status == 0, done.out.decode() + done.err


def test_metrics_that_are_used(served):
    """Every one that rules and dashboard name is printed; and the dashboard shows every one that is printed."""
    names = printed(scrape(served))
    assert metrics_in(RULES.read_text()) <= names
    shown = metrics_in(" ".join(expressions()))
    assert shown <= names
    families = {re.sub("_(bucket|count|sum)$", "", n) for n in names}
    assert families == {re.sub("_(bucket|count|sum)$", "", n) for n in shown}


def test_end(tmp_path):
    """While somebody is connected and says nothing."""
    with Served(tmp_path) as c, socket.create_connection(c.address):
        c.process.signal(signal.SIGTERM)
        assert c.process.wait(20) == 0
