# SPDX-License-Identifier: BSD-3-Clause
"""`make soak` in short, and that its bounds notice what they are for."""

import os
import subprocess
import sys

import pytest
from collecting import needs_collector
from conftest import BUILD, TOP, release_build
from netns import needs_namespaces

sys.path.append(str(TOP / "tests" / "soak"))
from faults import FULL, Faults  # noqa: E402
from samples import Sample, flat_between, flat_in_life  # noqa: E402
from table import at_most, flat_row, none, print_table  # noqa: E402

SOAK = [sys.executable, "-B", str(TOP / "tests" / "soak" / "run"), str(BUILD)]
SECONDS = int(os.environ.get("DNSFLOW_SOAK_SECONDS", "60"))
SKIPPED = 77  # its exit status where namespaces or mounts are refused


@needs_collector
@needs_namespaces
@release_build("memory is measured, and it waits on the clock")
def test_short():
    running = subprocess.Popen([*SOAK, "--seconds", str(SECONDS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    try:
        said = running.communicate(timeout=3 * SECONDS + 200)[0].decode()
    finally:
        running.terminate()
        running.wait(60)
    if running.returncode == SKIPPED:
        pytest.skip(said.strip())
    print(said)
    assert running.returncode == 0 and ", 0 broken" in said, said


def samples_of(kib, fds, count=60, pid=7):
    return [Sample(float(i), pid, kib(i), fds(i)) for i in range(count)]


@pytest.mark.parametrize("kib, fds, broken", [
    (lambda i: 4000 + i % 7 * 100, lambda i: 12 + i % 2, []),
    (lambda i: 4000 + i * 300, lambda i: 12, ["memory"]),
    (lambda i: 4000, lambda i: 12 + i // 5, ["descriptors"]),
    (lambda i: 4000 if i < 40 else 9000, lambda i: 12 if i < 40 else 30, ["memory", "descriptors"])])
def test_growth_is_noticed(kib, fds, broken):
    taken = samples_of(kib, fds)
    for flats in flat_between("x", taken, (20, 39), (40, 60)), flat_in_life("x", taken)[0]:
        assert [f.what for f in flats if not f.holds] == broken


def test_the_longest_life_counts():
    """Short ones behind it make no difference, and what was never seen does not hold."""
    taken = samples_of(lambda i: 4000 + i * 300, lambda i: 12) + samples_of(lambda i: 4000, lambda i: 12, 9, pid=8)
    flats, seconds = flat_in_life("x", taken)
    assert seconds == 59 and [f.what for f in flats if not f.holds] == ["memory"]
    assert not any(f.holds for f in flat_between("x", [], (0, 1), (2, 3)) + flat_in_life("x", [])[0])


@pytest.mark.parametrize("who, kept, broken", [("query", 3, []), ("query", 1, ["memory"]), ("receive", 3, ["memory"])])
def test_memory_may_follow_the_store(who, kept, broken):
    taken = [Sample(float(i), 7, 8000 if i < 40 else 20000, 12, 1 if i < 40 else kept) for i in range(60)]
    assert [f.what for f in flat_between(who, taken, (20, 39), (40, 60)) if not f.holds] == broken


def test_verdicts(capsys):
    assert print_table([at_most("a", 3, 3), none("b", [])]) == 0
    assert print_table([at_most("a", 3, 4), none("b", [])]) == 1
    assert print_table([none("b", ["one", "two"])]) == 1
    assert print_table([flat_row(flat_between("x", [], (0, 1), (2, 3))[0], "span")]) == 1
    assert "2: one" in capsys.readouterr().out


class Log:
    """The part of a collector that Faults reads lines of."""

    def __init__(self):
        self.text = ""

    def mark(self):
        return len(self.text)

    def said(self, since=0):
        return self.text[since:]


def test_only_what_a_fault_explains():
    log = Log()
    faults = Faults([], log, None)
    full = "[1]: error: journal: No space left on device; datagrams are lost until it can be written again\n"
    log.text += "[1]: ready\n" + full
    faults.read_lines(FULL)
    assert faults.unexplained == []
    log.text += "[1]: error: store: dnsflow.db: malformed; tried again each second\n"
    faults.read_lines(FULL)
    log.text += full
    faults.read_lines()
    assert len(faults.unexplained) == 2
    faults.spans = [[10, 20, "x"]]
    assert faults.is_explained(5, 11) and faults.is_explained(19, 30) and not faults.is_explained(21, 30)
