# SPDX-License-Identifier: BSD-3-Clause
"""A current engine of ClickHouse, chdb, in a process of the test: its SQL, types and settings, and RowBinary as it is.

It is no server: it shows nothing of HTTP, users, replicas, clusters, ON CLUSTER, or of statements at the same time.
Front takes requests for it, so that dnsflow_collect can be run against it; how Front answers is the test's own.
"""

import contextlib
import functools
import gzip
import http.server
import json
import re
import struct
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest
from clickhouse import Refused, rows_of
from conftest import TOP

SECONDS = 600  # to download 180 MB
ABOUT_THE_REQUEST = ("query", "user", "password", "query_id", "wait_end_of_query", "decompress",
                     "http_native_compression_disable_checksumming_on_decompress")
INSERT_END = re.compile(rb"(?<=\))\s+(SETTINGS\s[^()]*)?FORMAT\s+\w+\s*$")  # behind its columns
STATUS = {60: 404, 62: 400, 81: 404, 115: 404}  # else 500


@functools.lru_cache(None)
def _install():
    return subprocess.run([TOP / "scripts" / "install-chdb"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=SECONDS, text=True)


def python():
    """The one that has chdb; skips where it can't be had."""
    done = _install()
    if done.returncode != 0:
        pytest.skip("scripts/install-chdb: " + (done.stderr.strip().splitlines() or ["it failed"])[-1])
    return done.stdout.strip()


class Engine:
    """query() and insert() are those of clickhouse.ClickHouse. Ended with the block it is used in; its data stay."""

    def __init__(self, tmp_path):
        self.folder = tmp_path / "chdb"
        self.folder.mkdir(exist_ok=True)
        self.python = python()
        self.lock = threading.Lock()

    def __enter__(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-B", Path(__file__).with_name("chdb_session.py"), self.folder / "data"], cwd=self.folder,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def _ask(self, statement, layout="TabSeparated"):
        self.process.stdin.write(json.dumps([statement.decode("latin-1"), layout]).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (self.folder / "log").read_text("utf-8", "replace")[-2000:]
        outcome = json.loads(line)
        if "error" in outcome:
            raise Refused(0, outcome["error"].encode("latin-1").decode("utf-8", "replace"))
        return outcome["answer"].encode("latin-1")

    def ask(self, statement, layout="TabSeparated", data=None, database=None, **settings):
        """The bytes of its answer. The settings hold for this statement. data is what an INSERT has behind its end: it
        is read from a file, as in a statement two newlines would end it; nothing else of the statement is changed."""
        with self.lock, contextlib.ExitStack() as after:
            if data is not None:
                rows = self.folder / "rows"
                rows.write_bytes(data)
                after.callback(rows.unlink)
                source = rb" FROM INFILE '%s' COMPRESSION 'none'\g<0>" % bytes(rows)
                statement, count = INSERT_END.subn(source, statement)
                assert count == 1, statement
            if database:
                self._ask(b"USE `%s`" % database.encode())
                after.callback(self._ask, b"USE default")
            for name, value in settings.items():
                self._ask(b"SET %s = '%s'" % (name.encode(), str(value).encode()))
                after.callback(self._ask, b"SET %s = DEFAULT" % name.encode())
            return self._ask(statement, layout)

    def query(self, sql, **settings):
        return rows_of(self.ask(sql.encode(), **settings).decode("utf-8", "surrogateescape"))

    def insert(self, table, columns, data, layout="RowBinary", **settings):
        self.ask(("INSERT INTO %s (%s) FORMAT %s" % (table, columns, layout)).encode(), data=data, **settings)


def unpacked(data, fields, parameters):
    """The body of a request; with decompress one frame that is not compressed."""
    if fields.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
    if parameters.get("decompress") == "1":
        method, size, plain = struct.unpack("<16xBII", data[:25])
        assert (method, size, plain) == (2, plain + 9, len(data) - 25), (method, size, plain, len(data))
        data = data[25:]
    return data


class Asked(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, status, body, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _take(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self._take(int(self.headers.get("Content-Length", 0)))
        parts = []
        while not parts or parts[-1]:
            parts.append(self._take(int(self.rfile.readline() or b"0", 16)))
            self._take(2)
        return b"".join(parts)

    def do_POST(self):
        asked = urllib.parse.urlsplit(self.path)
        parameters = dict(urllib.parse.parse_qsl(asked.query, keep_blank_values=True))
        try:
            data = unpacked(self._body(), self.headers, parameters)
        except EOFError:
            self.close_connection = True
            return
        sql = parameters.get("query", "").encode()
        settings = {name: value for name, value in parameters.items() if name not in ABOUT_THE_REQUEST}
        settings["layout"] = settings.pop("default_format", "TabSeparated")
        self.server.asked.append((parameters, len(data)))
        if asked.path == "/ping":
            self._answer(200, b"Ok.\n")
            return
        try:
            if not sql:
                sql, data = data, None
            elif not INSERT_END.search(sql):
                data = None
            if b"RowBinary" in sql and data is None and sql.lstrip()[:6].upper() == b"INSERT":
                raise Refused(400, "Code: 0. The test takes the rows of an INSERT in the body alone")
            self._answer(200, self.server.engine.ask(sql, data=data, **settings))
        except Refused as error:
            self._answer(STATUS.get(error.code, 500), error.text.encode() + b"\n",
                         X_ClickHouse_Exception_Code=error.code)

    do_GET = do_POST


class Front:
    """Takes requests for an engine, at .url, as a server of ClickHouse does, as far as dnsflow_collect asks. What was
    asked is in .asked: [(parameters, bytes of the body)]."""

    def __init__(self, engine):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self.server.daemon_threads = True
        self.server.engine, self.server.asked = engine, []

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def asked(self):
        return self.server.asked

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_port
