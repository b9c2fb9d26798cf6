# SPDX-License-Identifier: BSD-3-Clause
"""Each name of /metrics is in the document for who runs the collector, and the other way round."""

import re
import socket

from collecting import Running, needs_collector
from conftest import TOP

pytestmark = needs_collector


def test_document_has_each_name(tmp_path):
    with Running(tmp_path, "--http", "unix:%s" % (tmp_path / "http"), "--store", "file,path=%s/%%H.pcap" % tmp_path):
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(10)
            asked.connect(str(tmp_path / "http"))
            asked.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            page = asked.makefile("rb").read()
    served = set(re.findall(r"^# TYPE dnsflow_collect_(\w+) ", page.decode(), re.M))
    table = (TOP / "docs/OPERATIONS-COLLECTOR.md").read_text().split("## What /metrics says")[1].split("\n## ")[0]
    named = set()
    for row in re.findall(r"^\| (`.*?) \|", table, re.M):
        named |= set(re.findall(r"`(\w+)`", row))
    assert served and named == served
