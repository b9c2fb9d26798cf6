# SPDX-License-Identifier: BSD-3-Clause
"""ClickHouse beside the embedded store: every question has the same answer, in both dialects."""

import collections
import contextlib
import shutil

import pytest
from chdb_engine import Engine, Front
from clickhouse import ClickHouse, cluster, needs_clickhouse
from clickhouse_questions import (PAGED, answered, command_questions, fill, over_http, pages, paths)
from clickhouse_store import OLD, TABLES, Load, apply, check_once, kept_at, replicated, spec
from collecting import AS_ROOT, COLLECT, Running, collect, needs_collector
from conftest import run, wait_until
from over_http import Served

pytestmark = needs_collector

MICRO = "toUnixTimestamp64Micro(time)"
Both = collections.namedtuple("Both", "directory source server how folder")


@pytest.fixture(scope="module", params=["2018", "current"])
def both(request, tmp_path_factory):
    """The same records in a directory and in the tables of a server."""
    folder = tmp_path_factory.mktemp("both")
    if request.param == "2018":
        server, how, keys = ClickHouse(folder), {}, (OLD,)
    else:
        server, how, keys = Engine(folder), {"time": MICRO}, ()
    with server, Front(server) if request.param == "current" else contextlib.nullcontext(server) as front:
        source = spec(front.url, keys=keys)
        apply(source)
        with Running(folder, "--store", source) as c:
            sent = fill(folder, c.target)
            c.stop()
        assert c.ledger()[0] == sent
        yield Both(c.directory, source, server, how, folder)


def test_all_is_there(both):
    assert check_once(both.directory, both.server, **both.how) > 700


def test_same_answers(both):
    for words in command_questions(both.directory, both.folder):
        here = answered(("--directory", both.directory), words)
        there = answered(("--source", both.source), words)
        assert there == here, words


@pytest.mark.parametrize("words", PAGED, ids=lambda words: " ".join(map(str, words)))
def test_same_pages(both, words):
    *words, limit = words
    assert pages(("--source", both.source), words, limit) == pages(("--directory", both.directory), words, limit)


def test_same_over_http(both, tmp_path):
    shutil.copytree(both.directory, tmp_path / "copy")
    with Served(tmp_path, directory=tmp_path / "copy") as here, \
            Served(tmp_path, "--source", both.source, directory=tmp_path / "empty") as there:
        for path in paths():
            assert over_http(there, path) == over_http(here, path), path
