# SPDX-License-Identifier: BSD-3-Clause
"""Seals of so much that lookups and answers are written by two threads at a time."""

import pytest
from collecting import AS_ROOT, COLLECT, answers, check_sound, collect, imported, lookups, needs_collector
from conftest import BASE_US, RAW, run, write_pcap
from datagrams import extended, packet, set4

pytestmark = needs_collector


def many_lookups(path, count):
    """So many records, each of another client: enough for lookups and answers to be written side by side."""
    made = [set4("10.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255), "10.0.0.53", ["n%d.example.com" % (i % 5000)],
                 ["192.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255)]) for i in range(count)]
    payloads = [extended(n // 20 + 1, *made[n:n + 20]) for n in range(0, count, 20)]
    return write_pcap(path, RAW, [(BASE_US + i, packet(p)) for i, p in enumerate(payloads)])


@pytest.mark.parametrize("blocks", [None, 2000, 3500])
def test_many_lookups(tmp_path, blocks):
    """Also where some file cannot become so large at first: nothing of it stays, and the next start brings it all."""
    count = 52000
    path = many_lookups(tmp_path / "out.pcap", count)
    if blocks:
        done = run(["bash", "-c", "ulimit -f %d; exec \"$@\"" % blocks, "-", COLLECT, "import", "--directory", tmp_path / "data",
                    *AS_ROOT, path])
        assert done.status == 1 and done.err.count("\n") == 1, done.err
        assert not list((tmp_path / "data" / "lookups").glob("0-*"))
        empty = write_pcap(tmp_path / "empty.pcap", RAW, [(BASE_US, packet(extended(1)))])
        collect("import", tmp_path / "data", *AS_ROOT, empty)
    else:
        imported(tmp_path / "data", path)
    check_sound(tmp_path / "data")
    kept = lookups(tmp_path / "data")
    assert len(kept) == count and all(one[0] == 1 for one in kept.values())
    found = answers(tmp_path / "data")
    assert len(found) == count and all(one[0] == 1 for one in found.values())
