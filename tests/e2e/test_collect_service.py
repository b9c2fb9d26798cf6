# SPDX-License-Identifier: BSD-3-Clause
"""The collector by its service script, and with the configuration that is shipped."""

import os
import re
import shutil
import signal

import pytest

from collecting import AS_ROOT, COLLECT, collect, needs_collector, send
from conftest import TOP, needs_root, run, wait_until
from datagrams import ONE, datagram
from processes import is_alive

pytestmark = needs_collector

PACKAGING = TOP / "packaging"


def script(tmp_path, *words):
    """As it is installed: by its name it knows that it serves the collector."""
    shutil.copy(PACKAGING / "dnsflow-service", tmp_path / "dnsflow-collect-service")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DNSFLOW_DEFAULTS": str(tmp_path / "defaults")}
    return run(["sh", tmp_path / "dnsflow-collect-service", *words], env=environment)


def configure(tmp_path, program, options="", more=""):
    (tmp_path / "defaults").write_text(
        'DNSFLOW_COLLECT="%s"\nDNSFLOW_COLLECT_CONF="%s"\nDNSFLOW_COLLECT_PIDFILE="%s"\nDNSFLOW_COLLECT_OPTS="%s"\n%s'
        % (program, tmp_path / "conf", tmp_path / "pid", options, more))


@needs_root
def test_script(tmp_path):
    """With the statuses of the LSB; what was sent to it is there after a restart."""
    configure(tmp_path, COLLECT, "--user root")
    (tmp_path / "conf").write_text("directory %s\nlisten 127.0.0.1:0\nhttp off\n" % (tmp_path / "data"))
    pids = []

    def start(verb):
        done = script(tmp_path, verb)
        assert done.status == 0, done.err
        pids.append(int((tmp_path / "pid").read_text()))
        return "127.0.0.1:" + re.search(r"listening on 127\.0\.0\.1:(\d+)", done.err).group(1)

    try:
        assert script(tmp_path, "status").status == 3
        assert script(tmp_path, "stop").status == 0 and script(tmp_path, "reload").status == 7
        send(start("start"), [datagram(0, ONE)])
        assert script(tmp_path, "status").status == 0
        assert script(tmp_path, "start").status == 0, "it runs already"
        assert (tmp_path / "pid").read_text() == "%d\n" % pids[0]
        assert script(tmp_path, "force-reload").status == 0 and is_alive(pids[0])
        for verb in "restart", "try-restart":
            start(verb)
            assert pids[-1] != pids[-2] and not is_alive(pids[-2]) and is_alive(pids[-1])
            assert b"www.example.com" in collect("query", tmp_path / "data", "name", "www.example.com").out
        os.kill(pids[-1], signal.SIGKILL)
        wait_until(lambda: not is_alive(pids[-1]))
        assert script(tmp_path, "status").status == 1, "dead, with a pid file"
        wait_until(lambda: script(tmp_path, "start").status == 0)  # once its roles have ended
        pids.append(int((tmp_path / "pid").read_text()))
        assert script(tmp_path, "stop").status == 0 and not is_alive(pids[-1]) and not (tmp_path / "pid").exists()
    finally:
        for pid in filter(is_alive, pids):
            os.kill(pid, signal.SIGKILL)


def test_script_says_what_failed(tmp_path):
    configure(tmp_path, COLLECT, " ".join(AS_ROOT))
    (tmp_path / "conf").write_text("directory %s\nnonsense\n" % (tmp_path / "data"))
    done = script(tmp_path, "start")
    assert done.status == 1 and "conf, line 2: nonsense" in done.err and done.err.count("\n") == 2, done.err
    assert not (tmp_path / "pid").exists() and script(tmp_path, "status").status == 3
    assert script(tmp_path, "run").status == 2, "which the unit does not try again"
    configure(tmp_path, "/nonexistent/dnsflow_collect")
    assert script(tmp_path, "start").status == 5, "not installed"


OPTIONS = [("", []), ("--max-size 1T", ["--max-size", "1T"]), ("--http 'unix:/run/a b'", ["--http", "unix:/run/a b"])]


@pytest.mark.parametrize("text, expected", OPTIONS)
def test_options_mean_the_same_to_unit_and_script(tmp_path, text, expected):
    program = tmp_path / "echo"
    program.write_text("#!/bin/sh\nprintf '%%s\\n' \"$@\" >%s\n" % (tmp_path / "words"))
    program.chmod(0o755)
    configure(tmp_path, program, text)
    for verb, more in ("run", []), ("start", ["-D", "-P", str(tmp_path / "pid")]):
        done = script(tmp_path, verb)
        assert done.status == 0, done.err
        words = (tmp_path / "words").read_text().split("\n")[:-1]
        assert words == ["run", "--config", str(tmp_path / "conf")] + expected + more
    configure(tmp_path, program, "--http 'unix:/run/a")
    for verb, status in ("run", 2), ("start", 6), ("restart", 6):
        done = script(tmp_path, verb)
        assert done.status == status and done.err.count("\n") == 1 and "a quote is not closed" in done.err, done.err


def test_options_as_shipped(tmp_path):
    """There are none, and the example is good."""
    shipped = (PACKAGING / "dnsflow-collect.default").read_text()
    example, = [line[1:] for line in shipped.splitlines() if line.startswith("#DNSFLOW_COLLECT_OPTS")]
    for text in shipped, example + "\n":
        configure(tmp_path, COLLECT)
        (tmp_path / "defaults").write_text(text + "DNSFLOW_COLLECT=%s\nDNSFLOW_COLLECT_CONF=/nonexistent\n" % COLLECT)
        done = script(tmp_path, "run")
        assert done.status == 2 and len(done.err.splitlines()) == 1 and "/nonexistent" in done.err, done.err


def test_configuration_as_shipped(tmp_path):
    """It is one, with all its examples too, and tells of the service's own folders."""
    text = (PACKAGING / "collect.conf").read_text()
    told = dict(line.split() for line in text.splitlines() if re.match("[a-z]", line))
    assert told == {"directory": "/var/lib/dnsflow-collect", "http": "unix:/run/dnsflow-collect/http"}
    unit = (PACKAGING / "dnsflow-collect.service").read_text()
    assert "\nStateDirectory=dnsflow-collect\n" in unit and "\nRuntimeDirectory=dnsflow-collect\n" in unit
    (tmp_path / "key").write_text("00" * 32)
    (tmp_path / "tokens").write_text("read " + "a" * 32 + "\n")
    (tmp_path / "watch").write_text("*.example\n")
    (tmp_path / "clickhouse").write_text("secret\n")
    for path in "key", "tokens":
        (tmp_path / path).chmod(0o600)
    examples = re.findall(r"^#([a-z][a-z-]* \S+)$", text, re.M)
    assert len(examples) >= 8
    text = re.sub(r"^#([a-z][a-z-]* \S+)$", r"\1", text, flags=re.M).replace("/etc/dnsflow/", "%s/" % tmp_path)
    (tmp_path / "conf").write_text(text + "user nosuchuser\n")  # the last thing that is looked at
    done = run([COLLECT, "run", "--config", tmp_path / "conf"])
    assert done.status == 2 and done.err.count("\n") == 1 and "nosuchuser: there is no such user" in done.err, done.err
