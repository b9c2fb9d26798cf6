# SPDX-License-Identifier: BSD-3-Clause
"""Asking for the pages of --metrics, and reading what they say."""

import collections
import contextlib
import re
import socket

from conftest import wait_until


def exchange(address, data, seconds=10):
    """What a server says to these bytes until it closes, as (status, head, body); status 0: nothing."""
    with socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX) as s:
        s.settimeout(seconds)
        s.connect(address)
        got = b""
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
            while part := s.recv(65536):
                got += part
    head, _, body = got.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, head.decode(), body.decode()


def ask(address, path, *headers, method="GET", host="localhost"):
    fields = "".join(h + "\r\n" for h in ("Host: " + host,) + headers)
    return exchange(address, ("%s %s HTTP/1.1\r\n%s\r\n" % (method, path, fields)).encode())


Series = collections.namedtuple("Series", "name labels value")


def series_of(text):
    """Every series of a page; fails where one comes twice, or a family is not in one piece under its HELP and TYPE."""
    found, families, family = [], [], None
    for line in text.splitlines():
        if line.startswith("#"):
            word, name = line.split(" ")[1:3] if line != "# EOF" else ("EOF", None)
            if word == "HELP":
                assert name not in families, "HELP of %s comes again" % name
                families.append(name)
            family = name
            continue
        name, labels, value = re.fullmatch(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\d+)', line).groups()
        assert family and name in (family, family + "_total"), line
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
        plain = {k: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m.group(1), m.group(1)), v) for k, v in pairs}
        assert len(plain) == len(pairs)
        found.append(Series(name, plain, int(value)))
    keys = [(s.name, tuple(sorted(s.labels.items()))) for s in found]
    assert len(set(keys)) == len(keys), "the same series again"
    return found


def total(found, name, **labels):
    values = [s.value for s in found if s.name == "dnsflow_" + name and labels.items() <= s.labels.items()]
    assert values, "no series %s %s" % (name, labels)
    return sum(values)


def wait_answer(address):
    """Until a server answers there."""
    def answers():
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError, BlockingIOError):  # the last: in a queue
            return ask(address, "/healthz")[0] > 0
    wait_until(answers)
