# SPDX-License-Identifier: BSD-3-Clause
"""Something that answers like a ClickHouse server, as far as a collector asks, and can be told to answer otherwise."""

import contextlib
import http.server
import re
import struct
import threading
import urllib.parse

from collecting import COLLECT
from conftest import run


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return varint(len(value)) + value


def columns():
    """[(table, column, type)] of the tables that are offered."""
    schema = run([COLLECT, "schema", "clickhouse"]).out.decode()
    found = []
    for table, body in re.findall(r"CREATE TABLE IF NOT EXISTS `\w+`\.`(\w+)` \(\n(.*?)\n\)\n", schema, re.S):
        found += [(table, *pair) for pair in re.findall(r"^  `(\w+)` (.*?)(?: CODEC\(.*?\))?,?$", body, re.M)]
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body=b"", status=200, headers=()):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        fake = self.server
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
        size, statement = int(self.headers["Content-Length"]), query.get("query")
        if statement:
            left = size
            while left > 0:
                left -= len(self.rfile.read(min(left, 1 << 20))) or left
        else:
            statement = self.rfile.read(size).decode("latin-1")
        fake.asked.append(statement)
        with contextlib.suppress(OSError):  # it did not wait for the end
            if fake.otherwise and fake.otherwise(self, statement):
                return
            if statement.startswith("INSERT"):
                fake.inserts.append((statement.split("`")[3], query["query_id"], size))
            self.reply(fake.answer(statement))


class Fake(http.server.ThreadingHTTPServer):
    """`otherwise(handler, statement)` may answer, and returns whether it has."""

    daemon_threads = True

    def __init__(self, otherwise=None, version="25.8.1.1"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.otherwise, self.version, self.columns = otherwise, version, columns()
        self.inserts, self.asked = [], []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server_address[1]

    def answer(self, statement):
        if "version()" in statement:
            return text(self.version)
        if "system.columns" in statement:
            return b"".join(map(text, sum(self.columns, ())))
        if statement.startswith("SELECT count() FROM system.tables"):
            return struct.pack("<Q", 0)
        if "system.tables" in statement:
            return b"".join(text(table) + text("MergeTree") + text("non_replicated_deduplication_window = 10000")
                            for table in sorted({table for table, *_ in self.columns}))
        return b""
