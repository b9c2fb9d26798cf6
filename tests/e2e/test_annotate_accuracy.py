# SPDX-License-Identifier: BSD-3-Clause
"""How often names on flows are right: real clients, resolvers, servers and flows. DNSFLOW_TEST_LONG=1 takes longer."""

import math
import os

import pytest
from annotate_lab import Lab, buckets, is_right, last_names, missing, table
from collecting import needs_collector
from conftest import release_build
from netns import needs_namespaces

pytestmark = [needs_collector, needs_namespaces, release_build("it waits on the clock"),
              pytest.mark.skipif(bool(missing()), reason="there is no " + ", ".join(missing()))]

ROUNDS, REQUESTS, RATE = (3, 30, 70) if os.environ.get("DNSFLOW_TEST_LONG") else (2, 14, 60)


def test_accuracy(tmp_path, capsys):
    """All lookups seen: nearly all are named, what has one candidate is right, and names are as sure as they are said to
    be. With people behind one address, or lookups that nobody saw, it is as it is."""
    tmp_path.chmod(0o777)
    with Lab(tmp_path, clients=50, gateways=2, seed=2) as lab:
        lab.run(ROUNDS, REQUESTS, RATE)
        every, most = lab.annotated("all.pcap"), lab.annotated("most.pcap")
        seen = lab.lookups("all.pcap")
        count = len(lab.web.truth)
    parts = {}
    for what, rows in (("all lookups seen", every), ("15 % of lookups not seen", most)):
        for who, is_behind in (("", False), (", 5 people behind each address", True)):
            parts[what + who] = [r for r in rows if (r["src4_addr"] in lab.gateways) == is_behind]
    with capsys.disabled():
        print("\n" + "\n".join(table(what, rows, seen) for what, rows in parts.items()))
    assert len(every) == count, "each connection is a flow"
    rows = parts["all lookups seen"]
    named = [r for r in rows if r["name"]]
    unique = [r for r in rows if r["method"] == "client-unique"]
    assert len(rows) >= 50 * ROUNDS * REQUESTS * 0.99
    assert len(named) >= 0.95 * len(rows)
    assert len(unique) > 0.2 * len(rows) and sum(map(is_right, unique)) >= 0.99 * len(unique)
    assert sum(map(is_right, named)) > 2 * last_names(rows, seen)
    checked = 0
    for method, age, flows, right, confidence in buckets(rows):
        share = right / flows
        if 2 * math.sqrt(confidence * (1 - confidence) / flows) <= 0.02 and flows >= 50:  # chance is below the 2 points
            assert abs(share - confidence) <= 0.02, (method, age, flows, share, confidence)
            checked += flows
    assert checked > len(rows) / 2
