# SPDX-License-Identifier: BSD-3-Clause
"""Asking a collector over HTTP, with sockets and nothing between, so that a test may send what it likes."""

import json
import re
import socket

from collecting import Running

TIMEOUT = 30


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/1.1 ") else 0
        self.fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def rows(self):
        assert self.status == 200, self.body
        return self.json["rows"]

    @property
    def error(self):
        error = self.json["error"]
        assert set(error) == {"code", "message", "parameter"}
        return error


class Asked(Running):
    """A collector that answers over HTTP: at a port, or at a path."""

    def __init__(self, tmp_path, *options, at="127.0.0.1:0", **more):
        self.path = at[5:] if at.startswith("unix:") else None
        super().__init__(tmp_path, "--http", at, *options, **more)

    def __enter__(self):
        super().__enter__()
        if not self.path:
            self.http_port = int(re.search(r"http: listening on \S+:(\d+)", self.err).group(1))
        return self

    def connect(self):
        if not self.path:
            return socket.create_connection(("127.0.0.1", self.http_port), timeout=TIMEOUT)
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(TIMEOUT)
        s.connect(self.path)
        return s

    def send(self, request):
        """The answer to these bytes; status 0: there is none."""
        with self.connect() as s:
            try:
                s.sendall(request)
            except OSError:
                pass
            raw = b""
            while True:
                try:
                    more = s.recv(1 << 16)
                except ConnectionResetError:
                    more = b""
                if not more:
                    return Answer(raw)
                raw += more

    def get(self, path, *fields, host="127.0.0.1"):
        return self.send(("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path, host, "".join(f + "\r\n" for f in fields))).encode())

    def metric(self, name, *fields):
        text = self.get("/metrics", *fields).text
        return float(re.search(r"^%s (\S+)$" % re.escape(name), text, re.M).group(1))
