# SPDX-License-Identifier: BSD-3-Clause
"""docs/examples/nginx.conf: the page and the API through nginx with TLS."""

import contextlib
import gzip
import http.client
import json
import os
import socket
import ssl
import urllib.parse

import pytest
from collecting import needs_collector
from conftest import TOP, Background, need, run, wait_until
from over_http import Answer, Served, fill, request

pytestmark = needs_collector

EXAMPLE = TOP / "docs" / "examples" / "nginx.conf"
HOST = "dns.example.com"
TOKEN = "0123456789abcdef0123456789abcdef"

AROUND = """
daemon off;
master_process off;
%(user)s
pid %(folder)s/nginx.pid;
error_log %(folder)s/error.log;
events {}
http {
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    access_log %(folder)s/access.log;
    include %(folder)s/site.conf;
}
"""


def unused_tcp_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxy:
    """nginx with the example, its paths and ports being those of the test."""

    def __init__(self, folder, server):
        need("nginx", "openssl")
        self.folder, self.port, self.plain_port = folder, unused_tcp_port(), unused_tcp_port()
        done = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + HOST,
                    "-addext", "subjectAltName=DNS:" + HOST, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"])
        assert done.status == 0, done.err
        text = EXAMPLE.read_text()
        for old, new in (("server unix:/run/dnsflow-collect/http;", "server %s;" % server), ("listen 443 ", "listen 127.0.0.1:%d " % self.port),
                         ("listen 80;", "listen 127.0.0.1:%d;" % self.plain_port), ("/etc/ssl/dnsflow/fullchain.pem", str(folder / "cert.pem")),
                         ("/etc/ssl/dnsflow/key.pem", str(folder / "key.pem"))):
            assert old in text, old
            text = text.replace(old, new)
        (folder / "site.conf").write_text(text)
        (folder / "nginx.conf").write_text(AROUND % {"folder": folder, "user": "user root;" if os.geteuid() == 0 else ""})
        argv = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
        done = run(argv + ["-t"])
        assert done.status == 0, done.err
        assert "warn" not in done.err or os.geteuid() != 0, done.err
        self.process = Background(argv, folder)

    def __enter__(self):
        self.process.__enter__()

        def answers():
            assert self.process.process.poll() is None, (self.folder / "error.log").read_text()
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return True
        try:
            wait_until(answers)
        except BaseException:
            self.process.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *args):
        self.process.__exit__(*args)

    def get(self, path, method="GET", host=HOST, sni=HOST, **fields):
        """Over TLS, with the certificate looked at."""
        context = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        context.check_hostname = sni == HOST
        with socket.create_connection(("127.0.0.1", self.port), 30) as plain, context.wrap_socket(plain, server_hostname=sni) as tls:
            lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + host, "Connection: close"] + ["%s: %s" % (k.replace("_", "-"), v) for k, v in fields.items()]
            tls.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            got = http.client.HTTPResponse(tls, method=method)
            got.begin()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())


@pytest.fixture(scope="module", params=["unix", "tcp"])
def proxied(request, tmp_path_factory):
    """A collector with a token, and nginx before it."""
    need("nginx", "openssl")
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "tokens").write_text("read %s\n" % TOKEN)
    (folder / "tokens").chmod(0o600)
    fill(folder, folder / "data")
    where = "unix:%s/http.sock" % folder if request.param == "unix" else "127.0.0.1:0"
    with Served(folder, "--token-file", folder / "tokens", "--http-host", HOST, http=where) as c:
        with Proxy(folder, where if request.param == "unix" else "%s:%d" % c.address) as proxy:
            proxy.collector = c
            yield proxy
        c.stop()


def test_page(proxied):
    """The page needs no token, and keeps what it says of itself."""
    got = proxied.get("/")
    assert got.status == 200 and got.fields["content-type"].startswith("text/html")
    assert "default-src 'none'" in got.fields["content-security-policy"] and got.fields["x-content-type-options"] == "nosniff"
    assert got.fields["strict-transport-security"] == "max-age=31536000"
    for path in "/page.js", "/page.css", "/healthz", "/api/v1/openapi.json":
        assert proxied.get(path).status == 200, path


def test_api(proxied):
    for fields in {"Authorization": "Bearer " + TOKEN}, {"X_API_Key": TOKEN}:
        got = proxied.get("/api/v1/names/www.example.com", **fields)
        assert got.status == 200 and {r["rdata"] for r in json.loads(got.body)["rows"]} == {"cdn.example.net", "2001:db8::1"}
        assert got.fields["cache-control"] == "no-store"
    got = proxied.get("/api/v1/names/www.example.com")
    assert got.status == 401 and json.loads(got.body)["error"]["code"] == "unauthorized" and "www-authenticate" in got.fields
    assert proxied.get("/api/v1/status", Authorization="Bearer wrong-wrong-wrong-wrong").status == 401
    assert proxied.get("/metrics", X_API_Key=TOKEN).status == 200
    assert proxied.get("/pdns/query/www.example.com", X_API_Key=TOKEN).status == 200
    head = proxied.get("/api/v1/status", method="HEAD", X_API_Key=TOKEN)
    assert head.status == 200 and head.body == b""


def test_paths_go_on_as_they_came(proxied):
    """With what is encoded in them, and dots and slashes."""
    got = proxied.get("/api/v1/addresses/192.0.2.0%2F24", X_API_Key=TOKEN)
    assert got.status == 200 and len(json.loads(got.body)["rows"]) == 3
    rows = json.loads(proxied.get("/api/v1/names?below=hostile.example", X_API_Key=TOKEN).body)["rows"]
    assert len(rows) >= 7
    for row in rows:
        if row["name"].startswith("*"):
            continue
        got = proxied.get("/api/v1/names/" + urllib.parse.quote(row["name"], safe=""), X_API_Key=TOKEN)
        assert got.status == 200 and json.loads(got.body)["rows"] == [row], row
    assert proxied.get("/api/v1/names/" + "x" * 7000, X_API_Key=TOKEN).status in (400, 414)
    assert proxied.get("/api/v1/names/" + "x" * 20000, X_API_Key=TOKEN).status == 414


def test_large_answer(proxied):
    """Packed on the way, where that is wanted; the same bytes."""
    plain = proxied.get("/api/v1/openapi.json")
    packed = proxied.get("/api/v1/openapi.json", Accept_Encoding="gzip")
    assert packed.fields["content-encoding"] == "gzip" and gzip.decompress(packed.body) == plain.body
    assert plain.body == (TOP / "docs" / "openapi.json").read_bytes() and len(packed.body) < len(plain.body) / 4


def test_foreign_names(proxied):
    """Of TLS, of the request, and of who reaches the collector itself."""
    for sni in "evil.example", "x" + HOST, None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            proxied.get("/healthz", sni=sni)
    for host in "evil.example", HOST + ".evil.example", "127.0.0.1":
        assert proxied.get("/healthz", host=host).status == 421, host
    assert proxied.get("/healthz", host=HOST.upper()).status == 200
    if proxied.collector.address:
        assert request(proxied.collector.address, "/healthz", host="evil.example").status == 421
        assert request(proxied.collector.address, "/healthz", host=HOST).status == 200
        assert request(proxied.collector.address, "/healthz").status == 200


def test_other_methods(proxied):
    for method in "POST", "PUT", "DELETE", "OPTIONS":
        assert proxied.get("/api/v1/status", method=method, X_API_Key=TOKEN).status in (403, 405)
    assert proxied.get("/api/v1/status", method="POST", Content_Length="5", X_API_Key=TOKEN).status in (403, 405, 413)


def test_without_tls(proxied):
    """Leads to where there is some; a token never goes that way."""
    got = request(("127.0.0.1", proxied.plain_port), "/api/v1/names/a%2Fb?limit=1", host=HOST)
    assert got.status == 301 and got.fields["location"] == "https://%s/api/v1/names/a%%2Fb?limit=1" % HOST
    with socket.create_connection(("127.0.0.1", proxied.port)) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % HOST.encode())
        assert b" 400 " in s.recv(100)


def test_nothing_is_written_down(proxied):
    proxied.get("/api/v1/names/secret.example", X_API_Key=TOKEN)
    logs = [p.read_text() for p in (proxied.folder / "access.log", proxied.folder / "error.log") if p.exists()]
    assert "secret.example" not in "".join(logs) and TOKEN not in "".join(logs)


def test_host_that_is_not_told(tmp_path):
    """Without --http-host the collector refuses what the proxy hands on; without a collector nginx says so."""
    fill(tmp_path, tmp_path / "data")
    where = "unix:%s/http.sock" % tmp_path
    with Served(tmp_path, http="127.0.0.1:0") as c, Proxy(tmp_path, "%s:%d" % c.address) as proxy:
        assert proxy.get("/healthz").status == 421
        c.stop()
        assert proxy.get("/healthz").status == 502
    with Served(tmp_path, http=where, directory=tmp_path / "data") as c:
        assert oct((tmp_path / "http.sock").stat().st_mode)[-3:] == "660"
        c.stop()
    assert not (tmp_path / "http.sock").exists()
