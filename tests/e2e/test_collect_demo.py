# SPDX-License-Identifier: BSD-3-Clause
"""scripts/demo --collector: it shows what it says, and leaves nothing behind."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from collecting import needs_collector
from conftest import BUILD, TOP, Background, needs_root, release_build, run, wait_until
from over_http import request

DEMO = TOP / "scripts" / "demo"

pytestmark = [needs_collector, needs_root, release_build("the script builds and runs that"),
              pytest.mark.skipif(BUILD != TOP / "build" / "release", reason="the script has its own build")]


def processes_of(session):
    """Those that are no zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def demo(tmp_path):
    """Begins it with a folder for temporary files of its own; all that it started is ended with the test."""
    begun = []
    (tmp_path / "tmp").mkdir()

    def begin(*options):
        def prepare():
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.environ["TMPDIR"] = str(tmp_path / "tmp")
        running = Background(["env", "TMPDIR=%s" % (tmp_path / "tmp"), DEMO, "--collector", *options], tmp_path, prepare=prepare)
        running.__enter__()
        begun.append(running)
        return running
    yield begin
    for running in begun:
        for pid in processes_of(running.process.pid):
            os.kill(pid, signal.SIGKILL)
        running.__exit__()


def wait_page(running):
    def told():
        assert running.process.poll() is None, running.out.decode() + running.err
        return re.search(rb"The page is at  http://127\.0\.0\.1:(\d+)/\n(.*\n)*Control-C", running.out)
    return "127.0.0.1", int(wait_until(told, 60, 0.1).group(1))


def check_gone(running, tmp_path):
    wait_until(lambda: processes_of(running.process.pid) == [], 10, 0.05)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_until_it_is_ended(demo, tmp_path, number, status):
    running = demo()
    address = wait_page(running)
    assert request(address, "/").fields["content-type"].startswith("text/html")
    rows = json.loads(request(address, "/api/v1/sensors").body)["rows"]
    assert {r["sensor"] for r in rows} == {"1/0", "2/0"}
    wait_until(lambda: json.loads(request(address, "/api/v1/names/www.example.com/clients").body)["rows"], 20, 0.2)
    assert json.loads(request(address, "/api/v1/rcodes/NXDOMAIN/clients").body)["rows"]
    running.signal(number)
    assert running.wait(20) == status, running.err
    check_gone(running, tmp_path)


def test_control_c(demo, tmp_path):
    """As a terminal has it: all of its processes get the signal."""
    running = demo()
    wait_page(running)
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.wait(20) == 130, running.err
    check_gone(running, tmp_path)


def test_for_a_second(demo, tmp_path):
    running = demo("1")
    assert running.wait(90) == 0, running.out.decode() + running.err
    text = running.out.decode()
    assert re.search(r"The page is at  http://127\.0\.0\.1:\d+/\n", text) and "Control-C" not in text
    assert "sensor 1 worker 0: alive" in text and "sensor 2 worker 0: alive" in text and running.err == ""
    check_gone(running, tmp_path)


@pytest.mark.parametrize("options", [("--what",), ("--collector", "x"), ("--collector", "1", "2"), ("1",)])
def test_wrong(options):
    done = run([DEMO, *options])
    assert done.status == 2 and done.err.startswith("usage: scripts/demo [--collector [SECONDS]]")
