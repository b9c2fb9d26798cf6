# SPDX-License-Identifier: BSD-3-Clause
"""Clients that ask too much, too slowly or in strange ways: limits hold, and what is received is not less for it."""

import os
import select
import shutil
import socket
import subprocess
import threading
import time

import pytest
from asking_http import Asked
from collecting import imported, needs_collector
from conftest import BASE_US, BUILD, wait_until
from datagrams import extended, set4
from questions import made

pytestmark = needs_collector

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def asked(tmp_path):
    imported(tmp_path / "data", made(tmp_path / "out.pcap", 7))
    with Asked(tmp_path) as asked:
        yield asked


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET /" + b"a" * 7000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
    (b"GET /api/v1/names/" + b"a" * 7000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    (b"GET /api/v1/search?q=" + b"a" * 7000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 431),
    (b"GET /api/v1/loss?" + b"a=1&" * 1000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    (REQUEST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
    (REQUEST + b"Content-Length: 5\r\n\r\nhello", 413),
    (REQUEST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (REQUEST + b"Host: evil.example\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    (b"POST /api/v1/loss HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
    (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
    (b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
    (b"GET /api/v1/../../status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
    (b"GET /api/v1/names/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    (b"GET /api/v1/names/\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
])
def test_strange_requests(asked, request_bytes, status):
    assert asked.send(request_bytes).status == status
    assert asked.get("/healthz").status == 200


class Many:
    """Threads that each do something again and again; what they returned."""

    def __init__(self, count, what):
        self.results, self.is_over = [], False
        self.threads = [threading.Thread(target=self.go, args=(what,)) for _ in range(count)]

    def go(self, what):
        while not self.is_over:
            self.results.append(what())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


def received_meanwhile(collector, seconds):
    """Sends 200 datagrams a second; whether all of them were received is the collector's to say."""
    host, port = collector.target.split(":")
    count = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        end = time.monotonic() + seconds
        begun = time.monotonic()
        while time.monotonic() < end:
            while count < 200 * (time.monotonic() - begun):
                name = "n%d.example" % (count % 500)
                s.sendto(extended(count + 1, set4("10.0.0.1", "10.0.0.53", [name], ["192.0.2.%d" % (count % 250)]), base=BASE_US), (host, int(port)))
                count += 1
            select.select([], [], [], 0.002)
    return count


def test_heavy_questions_take_nothing_from_reception(asked):
    """100 at once: each is answered, partly or with "busy", or has to wait for its connection."""
    path = "/api/v1/names?below=.&limit=10000"

    def heavy():
        try:
            return asked.get(path).status
        except OSError:
            return 0
    with Many(100, heavy) as many:
        count = received_meanwhile(asked, 5)
    assert set(many.results) <= {0, 200, 503} and many.results.count(200) > 20, sorted(set(many.results))
    wait_until(lambda: asked.get("/healthz").status == 200)
    asked.stop(seconds=60)
    received, journalled, _, dropped, _, _ = asked.ledger()
    assert (received, journalled, dropped) == (count, count, 0)
    assert "ended by signal" not in asked.err


def test_guessing_tokens_holds_nobody_off(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("read 0123456789abcdef\n")
    tokens.chmod(0o600)
    with Asked(tmp_path, "--token-file", str(tokens)) as asked:
        def guess():
            try:
                return asked.get("/api/v1/loss", "X-API-Key: guess-guess-guess").status
            except OSError:
                return 0
        with Many(100, guess) as many:
            good = [asked.get("/api/v1/loss", "X-API-Key: 0123456789abcdef").status for _ in range(10)]
        assert good == [200] * 10
        assert set(many.results) <= {0, 401}
        assert asked.metric("dnsflow_collect_http_unauthorized_total", "X-API-Key: 0123456789abcdef") >= many.results.count(401)


@pytest.mark.skipif(not shutil.which("slowhttptest"), reason="slowhttptest is not installed")
@pytest.mark.parametrize("mode", ["-H", "-X"], ids=["slow headers", "slow reading"])
def test_slow_clients(asked, tmp_path, mode):
    """Many hold on; others are served all the same, and what is received is not less."""
    command = ["slowhttptest", "-c", "300", mode, "-l", "8", "-i", "1", "-r", "200", "-u",
               "http://127.0.0.1:%d/api/v1/names?below=.&limit=10000" % asked.http_port, "-x", "10", "-p", "1"]
    if mode == "-X":
        command += ["-w", "1", "-y", "2", "-n", "5", "-z", "1", "-k", "1"]
    slow = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=tmp_path)
    try:
        statuses = []

        def look():
            try:
                statuses.append(asked.get("/healthz").status)
            except OSError:
                statuses.append(0)
        watcher = Many(1, look)
        with watcher:
            count = received_meanwhile(asked, 6)
    finally:
        slow.kill()
        slow.wait(20)
    assert statuses.count(200) >= 1, statuses
    wait_until(lambda: asked.get("/healthz").status == 200, seconds=40)
    asked.stop(seconds=60)
    received, journalled, _, dropped, _, _ = asked.ledger()
    assert (received, journalled, dropped) == (count, count, 0)


def test_descriptors_and_memory_stay(asked):
    """What a thousand questions leave behind."""
    pid = asked.roles()["query"]

    def size():
        text = open("/proc/%d/status" % pid).read()
        return int(text.split("VmRSS:")[1].split()[0]), len(os.listdir("/proc/%d/fd" % pid))
    paths = ["/api/v1/names?below=.", "/api/v1/top/names", "/metrics", "/api/v1/names/a.example/clients", "/nothing", "/api/v1/names/x..y"]
    for path in paths * 20:
        asked.get(path + ("&" if "?" in path else "?") + "fresh=0" if "/api" in path else path)
    before = size()
    for path in paths * 100:
        asked.get(path + ("&" if "?" in path else "?") + "fresh=0" if "/api" in path else path)
    after = wait_until(lambda: size() if size()[1] <= before[1] else None)
    if "release" in str(BUILD):
        assert after[0] < before[0] + 16 * 1024, (before, after)
