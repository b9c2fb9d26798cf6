# SPDX-License-Identifier: BSD-3-Clause
"""The pipelines of docs/RECIPES.md, taken from the page and run in a folder with a small out.pcap."""

import collections
import gzip
import http.server
import json
import os
import random
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from collecting import imported
from conftest import (BUILD, ETHERNET, SENSOR, TIMEOUT, TOP, Background, ethernet, response_frame, sensor, udp_packet,
                      unused_port, wait_until, write_pcap)
from dnstap import message, whole

PAGE = (TOP / "docs" / "RECIPES.md").read_text()
TOOLS = ("awk clickhouse-local curl gzip jq kcat logger nfdump sort split uniq zstd").split()
TIME_US = 1700000000000000
ASKED = [("10.0.0.9", "www.example.com", ["192.0.2.1", "192.0.2.2"]), ("10.0.0.9", "mail.example.net", ["192.0.2.25"]),
         ("10.0.0.8", "www.example.com", ["2001:db8::1"])]


def recipes():
    """{heading: the shell of its blocks}"""
    found = collections.OrderedDict()
    for part in re.split(r"^## ", PAGE, flags=re.M)[1:]:
        blocks = re.findall(r"^```sh\n(.*?)^```", part, re.M | re.S)
        found[part.split("\n")[0]] = "".join(blocks)
    return found


RECIPES = recipes()
TESTED = set()


def recipe(heading):
    """Marks the test of a recipe. Skipped where a tool is missing."""
    TESTED.add(heading)
    text = RECIPES.get(heading, "")
    missing = [tool for tool in TOOLS if re.search(r"(?<![\w-])%s(?![\w.-])" % tool, text) and not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason="not installed: " + " ".join(missing))


def shell(heading, folder, **variables):
    """What the recipe prints."""
    env = dict(os.environ, LC_ALL="C", PATH="%s:%s" % (BUILD, os.environ["PATH"]), **variables)
    for name in [name for name in env if name.lower().endswith("_proxy")]:
        del env[name]
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", RECIPES[heading]], cwd=str(folder), env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def folder(tmp_path):
    frames = [(TIME_US + i, response_frame(name, answers, client=client))
              for i, (client, name, answers) in enumerate(ASKED)]
    write_pcap(tmp_path / "in.pcap", ETHERNET, frames)
    assert sensor("-r", tmp_path / "in.pcap", "-x", "-w", tmp_path / "out.pcap").status == 0
    return tmp_path


class Receiver:
    """An HTTP server that keeps what is sent to it, as (path, headers, lines)."""

    def __init__(self, answer):
        self.got = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.got.append((self.path, self.headers, read_body(self).decode().splitlines()))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def read_body(handler):
    """Of the length that is told, or in chunks."""
    if "Content-Length" in handler.headers:
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    body = b""
    while True:
        size = int(handler.rfile.readline(), 16)
        body += handler.rfile.read(size)
        handler.rfile.readline()
        if size == 0:
            return body


def test_every_recipe_is_tested():
    assert len(RECIPES) >= 10
    assert {heading for heading, text in RECIPES.items() if text} == TESTED


@recipe("Rotate and compress")
def test_rotate(folder):
    argv = [SENSOR, "-t", "unix:" + str(folder / "tap"), "-w", "dns.pcap", "-P", "dnsflow.pid"]
    argv += ["--user", "root"] if os.geteuid() == 0 else []  # who owns the folder
    argv = ["sh", "-c", 'cd "$0" && exec "$@"', folder] + argv
    with Background(argv, folder) as running, socket.socket(socket.AF_UNIX) as server:
        wait_until(lambda: (folder / "dnsflow.pid").exists() and server.connect_ex(str(folder / "tap")) == 0)
        running.wait_handlers()
        server.sendall(whole(message("old.example")))
        wait_until(lambda: (folder / "dns.pcap").stat().st_size > 24)  # its header alone
        shell("Rotate and compress", folder)
    assert len(list(folder.glob("dns-*.pcap.zst"))) == 1 and not list(folder.glob("dns-*.pcap"))
    assert "|old.example|198.51.100.1|" in (folder / "rows").read_text()


@recipe("Rows in compressed files")
def test_files(folder):
    shell("Rows in compressed files", folder)
    with gzip.open(str(folder / "dns-aa.json.gz"), "rt") as rows:
        rows = [json.loads(row) for row in rows]
    assert [row["names"] for row in rows if row["type"] == "record"] == [[name] for _, name, _ in ASKED]


@recipe("jq")
def test_jq(folder):
    lines = shell("jq", folder).splitlines()
    assert [line.split() for line in lines] == [["2", "www.example.com"], ["1", "mail.example.net"]]


@recipe("Syslog")
def test_syslog(folder):
    got = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            got.append(self.rfile.read())

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        shell("Syslog", folder, SYSLOG_HOST="127.0.0.1", SYSLOG_PORT=str(server.server_address[1]))
        thread.join(TIMEOUT)
    data, messages = got[0], []
    while data:
        size, data = data.split(b" ", 1)
        messages.append(data[:int(size)].decode())
        data = data[int(size):]
    assert all(m.startswith("<134>1 ") and " dnsflow " in m for m in messages), messages
    assert [json.loads(m[m.index("{"):])["qname"] for m in messages] == [name for _, name, _ in ASKED]


@recipe("Kafka")
def test_kafka(folder):
    """The broker is the one that librdkafka has for tests, inside a consumer."""
    argv = ["kcat", "-C", "-u", "-b", "none", "-X", "test.mock.num.brokers=1", "-X", "debug=mock", "-t", "dns",
            "-f", "%k %s\\n"]
    with Background(argv, folder) as consumer:
        broker = wait_until(lambda: re.search(r"bootstrap\.servers=(127\.0\.0\.1:\d+)", consumer.err)).group(1)
        shell("Kafka", folder, BROKERS=broker)
        wait_until(lambda: consumer.out.count(b"\n") >= len(ASKED))
        rows = [line.split(" ", 1) for line in consumer.out.decode().splitlines()]
    assert all(json.loads(row)["client"] == key for key, row in rows)
    assert sorted((key, json.loads(row)["names"][0]) for key, row in rows) == sorted(asked[:2] for asked in ASKED)


@recipe("ClickHouse")
def test_clickhouse(folder):
    with Receiver({}) as server:
        shell("ClickHouse", folder, CLICKHOUSE=server.url)
    (path, _, lines), = server.got
    assert path == "/?query=INSERT+INTO+dns+FORMAT+JSONEachRow"
    columns = re.search(r"CREATE TABLE dns \((.*?)\) ENGINE", PAGE, re.S).group(1)
    for row, (client, name, _) in zip(map(json.loads, lines), ASKED):
        assert list(row) == [column.split()[0] for column in re.split(r",\s+", columns)]
        assert (row["client"], row["names"]) == (client, [name]) and 1.7e9 <= row["time"] < 1.7e9 + 1
    assert len(lines) == len(ASKED)


CLICKHOUSE_CONFIG = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host><http_port>%d</http_port>
<path>./data/</path><tmp_path>./tmp/</tmp_path><mark_cache_size>5000000</mark_cache_size>
<users_config>users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database></yandex>
"""
CLICKHOUSE_USERS = """<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>
<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>
"""


def ask(url, sql):
    """What the server answers, None while there is none."""
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, sql.encode(), TIMEOUT).read()
    except urllib.error.HTTPError as error:
        pytest.fail(error.read().decode())
    except OSError:
        return None


@recipe("ClickHouse")
@pytest.mark.skipif(not shutil.which("clickhouse-server"), reason="not installed: clickhouse-server")
def test_clickhouse_server(folder):
    port = unused_port()
    url = "http://127.0.0.1:%d" % port
    (folder / "config.xml").write_text(CLICKHOUSE_CONFIG % port)
    (folder / "users.xml").write_text(CLICKHOUSE_USERS)
    argv = ["sh", "-c", 'cd "$0" && exec clickhouse-server --config-file=config.xml', folder]
    with Background(argv, folder):
        wait_until(lambda: ask(url, "SELECT 1") == b"1\n", TIMEOUT)
        ask(url, re.search(r"^```sql\n(.*?)^```", PAGE, re.M | re.S).group(1))
        shell("ClickHouse", folder, CLICKHOUSE=url)
        found = ask(url, "SELECT client, names[1], ipv4, toString(toDateTime(time), 'UTC') FROM dns")
    assert sorted(found.decode().splitlines()) == sorted(
        "%s\t%s\t%s\t2023-11-14 22:13:20" % (client, name, str([a for a in answers if ":" not in a]).replace(" ", ""))
        for client, name, answers in ASKED)


@recipe("ClickHouse without a server")
def test_clickhouse_local(folder):
    assert shell("ClickHouse without a server", folder) == "www.example.com\t2\nmail.example.net\t1\n"


@recipe("Elasticsearch, OpenSearch")
@pytest.mark.parametrize("errors", [False, True])
def test_elastic(folder, errors):
    with Receiver({"took": 3, "errors": errors, "items": []}) as server:
        if errors:
            with pytest.raises(AssertionError):
                shell("Elasticsearch, OpenSearch", folder, ELASTIC=server.url)
        else:
            shell("Elasticsearch, OpenSearch", folder, ELASTIC=server.url)
    (path, headers, lines), = server.got
    assert path == "/dns/_bulk" and headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in lines]
    assert lines[0::2] == [{"create": {}}] * len(ASKED)
    assert [(d["client"], d["names"], d["answers"]) for d in lines[1::2]] == [(c, [n], a) for c, n, a in ASKED]
    assert lines[1]["@timestamp"].startswith("2023-11-14T22:13:20.")


@recipe("Splunk")
def test_splunk(folder):
    with Receiver({"text": "Success", "code": 0}) as server:
        shell("Splunk", folder, SPLUNK=server.url, TOKEN="5e3c")
    (path, headers, lines), = server.got
    assert path == "/services/collector/event" and headers["Authorization"] == "Splunk 5e3c"
    for event, (client, name, _) in zip(map(json.loads, lines), ASKED):
        assert event["host"] == "127.0.0.1" and event["sourcetype"] == "dnsflow" and int(event["time"]) == 1700000000
        assert (event["event"]["client"], event["event"]["names"]) == (client, [name])
    assert len(lines) == len(ASKED)


@recipe("Tunnels, and names made by programs")
def test_tunnels(tmp_path):
    """A tunnel in TXT, a program that tries names, and people who do neither."""
    dice = random.Random(11)
    frames = [response_frame("www%d.shop.example" % dice.randrange(8), client="10.0.0.%d" % dice.randrange(20, 40))
              for _ in range(1500)]
    frames += [response_frame("%060x.t.tunnel.example" % i, [], client="10.0.0.66", qtype=16) for i in range(120)]
    frames += [response_frame("%016x.com" % dice.getrandbits(64), [], client="10.0.0.77", flags=0x8183) for _ in range(90)]
    frames += [response_frame("typo%d.shop.example" % i, [], client="10.0.0.20", flags=0x8183) for i in range(5)]
    dice.shuffle(frames)
    write_pcap(tmp_path / "in.pcap", ETHERNET, [(TIME_US + i, f) for i, f in enumerate(frames)])
    assert sensor("-r", tmp_path / "in.pcap", "--records", "all", "-w", tmp_path / "every.pcap").status == 0
    shell("Tunnels, and names made by programs", tmp_path)
    tables = dict(part.strip().split(":", 1) for part in (tmp_path / "tables").read_text().split("\n\n")[1:])
    assert tables["subdomains"].split("\n")[2].split()[-1] == "tunnel.example"
    assert tables["nxdomain"].split("\n")[2].split()[::4] == ["90", "10.0.0.77"]
    assert (tmp_path / "generators").read_text() == "1.00 90 10.0.0.77\n"
    assert (tmp_path / "long").read_text().split() == ["120", "tunnel.example"]


@recipe("Top talkers by name")
def test_talkers(tmp_path):
    """Flows as softflowd sends them, with what was looked up before, both of this hour."""
    if not shutil.which("softflowd") or not shutil.which("nfcapd"):
        pytest.skip("not installed: softflowd, nfcapd")
    begin_us = int(time.time() - 60) * 1000000
    write_pcap(tmp_path / "in.pcap", ETHERNET, [
        (begin_us + i, response_frame(name, answers, client=client)) for i, (client, name, answers) in enumerate(ASKED)])
    assert sensor("-r", tmp_path / "in.pcap", "-x", "-w", tmp_path / "out.pcap").status == 0
    imported(tmp_path / "data", tmp_path / "out.pcap")
    sent = [("10.0.0.9", "192.0.2.2", 600), ("10.0.0.9", "192.0.2.25", 72), ("10.0.0.8", "192.0.2.77", 10)]
    write_pcap(tmp_path / "flows.pcap", ETHERNET, [
        (begin_us + 2000000 + i, ethernet(udp_packet(client, 40000 + i, address, 443, b"x" * size)))
        for i, (client, address, size) in enumerate(sent)])
    (tmp_path / "flows").mkdir()
    port = unused_port()
    with Background(["nfcapd", "-l", tmp_path / "flows", "-p", port, "-b", "127.0.0.1", "-t", "3600"], tmp_path) as nfcapd:
        nfcapd.wait_err("Startup")
        subprocess.run(["softflowd", "-r", "flows.pcap", "-v", "9", "-A", "milli", "-n", "127.0.0.1:%d" % port, "-c", "none",
                        "-p", "pid"], cwd=tmp_path, check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        wait_until(lambda: all(line.split()[4].endswith(":00000000")  # nothing waits in its socket
                               for line in open("/proc/%d/net/udp" % nfcapd.process.pid).readlines()[1:]))
        nfcapd.signal(15)
        nfcapd.wait()
    shell("Top talkers by name", tmp_path)
    assert (tmp_path / "talkers").read_text().splitlines() == [
        "628\t10.0.0.9\twww.example.com", "100\t10.0.0.9\tmail.example.net", "38\t10.0.0.8\t?"]


@recipe("Flows with names")
def test_nfdump(folder):
    if not shutil.which("nfpcapd"):
        pytest.skip("not installed: nfpcapd")
    flows = [("10.0.0.9", "192.0.2.2"), ("10.0.0.8", "192.0.2.2"), ("10.0.0.9", "192.0.2.25")]
    write_pcap(folder / "flows.pcap", ETHERNET, [
        (TIME_US + i, ethernet(udp_packet(client, 40000 + i, address, 443, b"x" * 72)))
        for i, (client, address) in enumerate(flows)])
    (folder / "flows").mkdir()
    subprocess.run(["nfpcapd", "-r", str(folder / "flows.pcap"), "-l", str(folder / "flows")], check=True,
                   timeout=TIMEOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shell("Flows with names", folder)
    assert sorted((folder / "named").read_text().splitlines()) == [
        "10.0.0.9 192.0.2.2 www.example.com 100", "10.0.0.9 192.0.2.25 mail.example.net 100"]
