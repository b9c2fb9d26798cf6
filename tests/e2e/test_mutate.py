# SPDX-License-Identifier: BSD-3-Clause
"""scripts/mutate on a small tree of its own: it finds what can be changed, kills what a test notices, tells what none
does, leaves out what makes no difference, and leaves the tree alone."""

import os
import shutil

import pytest

from conftest import TOP, release_build, run

pytestmark = release_build("it builds for itself")

SOURCE = """/* 1 + 2 is no code, nor is "3" in a text */
#define FOUR 4
int add(int a, int b)
{
    return a + b;
}

int unseen(int a)
{
    return a > 7;
}

int same(unsigned a)
{
    return a < 0;
}
"""
TEST = r"""#include <stdio.h>
int add(int a, int b);
int main(void)
{
    int is_good = add(2, 3) == 5;
    printf("[==========] Running 1 test(s).\n[  PASSED  ] %d test(s).\n", is_good);
    return !is_good;
}
"""
MAKEFILE = """O := build/$(BUILD)
$(O)/dnsflow $(O)/dnsflow_read $(O)/dnsflow_collect: $(O)/obj/src/base/add.o
	mkdir -p $(@D) && touch $@
$(O)/obj/%.o: %.c
	mkdir -p $(@D) && $(CC) -O1 -MMD -c $< -o $@
$(O)/tests/%: $(O)/obj/tests/%.o $(O)/obj/src/base/add.o
	mkdir -p $(@D) && $(CC) $^ -o $@
.SECONDARY:
"""


@pytest.fixture
def tree(tmp_path):
    for name, text in ("src/base/add.c", SOURCE), ("tests/unit/test_add.c", TEST), ("Makefile", MAKEFILE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "scripts").mkdir()
    for name in "mutate", "run-tests":
        shutil.copy2(TOP / "scripts" / name, tmp_path / "scripts")
    if not all(shutil.which(p) for p in ("git", "nm", "objcopy", "make")) or run(["git", "init", tmp_path]).status != 0:
        pytest.skip("no git or no tools for objects here")
    return tmp_path


def mutate(tree, *options):
    result = run([tree / "scripts/mutate", "--c-only", *options], cwd=tree)
    assert (tree / "src/base/add.c").read_text() == SOURCE
    assert [n for n in os.listdir(tree) if n == "build"] == []
    return result.status, result.out.decode().splitlines()


def test_what_is_noticed_and_what_is_not(tree):
    status, lines = mutate(tree, "src/base/add.c:5")
    assert status == 0
    assert lines == ["src/base/add.c:5: '+' -> '-'  killed by tests/unit/test_add", "", "seed 1: 1 of 1 killed, 100 %"]
    status, lines = mutate(tree, "--seed", "4", "src/base")
    assert status == 0 and lines[-1].startswith("lives: src/base/add.c:10: ")
    made = [line.split(":")[1] for line in lines if "LIVES" in line or "killed" in line and "by" in line]
    assert made.count("5") == 1 and made.count("10") == 2 and set(made) <= {"5", "10", "15"}
    assert mutate(tree, "--seed", "4", "src/base") == (0, lines), "the seed chooses"


def test_a_test_that_fails_anyway_kills_nothing(tree):
    (tree / "tests/unit/test_add.c").write_text(TEST.replace("== 5", "== 6"))
    status, lines = mutate(tree, "src/base/add.c:5")
    assert status == 1 and lines[0] == "left out, as it fails on the unchanged tree: tests/unit/test_add"
    assert lines[1] == "src/base/add.c:5: '+' -> '-'  LIVES"
