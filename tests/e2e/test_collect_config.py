# SPDX-License-Identifier: BSD-3-Clause
"""The collector's configuration file, SIGHUP, and going into the background."""

import os
import re
import signal
import subprocess
import time

import pytest
from collecting import AS_ROOT, COLLECT, Running, collect, is_zombie, journalled, lookups, needs_collector, send
from conftest import TOP, Background, run, wait_until
from datagrams import datagram, set4

pytestmark = needs_collector


def one(number):
    return datagram(number, set4("10.0.0.1", "10.0.0.53", ["n%d.example.com" % number], ["192.0.2.1"]))


WRONG = [
    (b"listen 70000\n", ", line 1: listen 70000: expected ADDR:PORT"),
    (b"# x\n\nmax-sise 2T\n", ", line 3: max-sise: not known here"),
    (b"max-size\n", ", line 1: max-size: expected a value: SIZE"),
    (b"max-age 1\nmax-age 2\n", ", line 2: max-age: expected once"),
    (b"daemon yes\n", ", line 1: daemon: expected nothing behind it"),
    (b"auth-key /nonexistent\n", "key file /nonexistent: No such file"),
    (b"help\n", ": help is for the command line"),
    (b"config other\n", ": config is for the command line"),
    (b"allow 10.0.0.0/33", ", line 1: allow 10.0.0.0/33: expected"),
    (b"user nobody-of-that-name\n", "there is no such user"),
    (b"allow \0\n", "expected a text file"),
]


@pytest.mark.parametrize("text, says", WRONG, ids=[w[1] for w in WRONG])
def test_wrong_file(tmp_path, text, says):
    file = tmp_path / "conf"
    file.write_bytes(text)
    done = run([COLLECT, "run", "--directory", tmp_path / "data", "--config", file])
    assert (done.status, done.out) == (2, b"")
    assert says in done.err and done.err.count("\n") == 1
    assert not os.path.exists(tmp_path / "data")


def test_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = run([COLLECT, "run", "--config", tmp_path / "pipe"])
    assert done.status == 2 and "expected a text file" in done.err
    done = run([COLLECT, "run", "--auth-key", tmp_path / "pipe"])
    assert done.status == 2 and "expected a file that only its owner can read" in done.err


def test_command_line_wins(tmp_path):
    file = tmp_path / "conf"
    file.write_text("directory %s\nmax-size = 300M\nallow 127.0.0.2\nallow\t127.0.0.3/32\n" % (tmp_path / "not-this"))
    with Running(tmp_path, "--config", file, "--allow", "127.0.0.4") as c:
        assert "keeps up to 300 MiB" in c.err
        for last, source in enumerate(("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")):
            send(c.target, [one(last)], source=source)
        c.stop()
        assert c.ledger()[:4] == (4, 3, 1, 0) and "not_allowed 1" in c.err
    assert not os.path.exists(tmp_path / "not-this")


def reloads(c):
    return c.err.count("has been read again")


def reload(c):
    before, roles = reloads(c), c.roles()
    c.process.signal(signal.SIGHUP)
    wait_until(lambda: reloads(c) > before)
    wait_until(lambda: set(c.roles()) == set(roles) and not set(c.roles().values()) & set(roles.values()))


def test_lists_are_read_again(tmp_path):
    file = tmp_path / "conf"
    file.write_text("allow 127.0.0.2\n")
    with Running(tmp_path, "--config", file) as c:
        file.write_text("allow 127.0.0.3\nlisten 127.0.0.1:9\nmax-size 400M\nuser root\n")
        reload(c)
        named = "--listen" if AS_ROOT else "--listen, --user"
        assert "what has changed of %s comes with the next start" % named in c.err
        send(c.target, [one(1)], source="127.0.0.2")
        send(c.target, [one(1), one(2)], source="127.0.0.3")
        c.stop()
        assert c.ledger()[:3] == (3, 2, 1)
    assert journalled(c.directory) == (2, 2)
    assert "error" not in c.err
    assert open(c.directory / "settings").read() == "max-size %d\n" % (400 << 20)


def page_of_options():
    """{option: whether SIGHUP takes it}, as the manual page of the file says."""
    with open(os.path.join(TOP, "docs/man/dnsflow_collect.conf.5")) as page:
        items = re.findall(r"^\.It Cm ([\w-]+)(.*?)(?=^\.It |^\.El)", page.read(), re.M | re.S)
    said = {name: re.findall(r"^(Taken|Restart)\b", text, re.M) for name, text in items}
    assert all(len(words) == 1 for words in said.values()), said
    return {name: words == ["Taken"] for name, words in said.items()}


def test_manual_says_what_is_taken(tmp_path):
    """All options are changed at once; those that the page calls for a restart are named, and no other."""
    file, secrets = tmp_path / "conf", tmp_path / "secrets"
    secrets.write_text("read 0123456789abcdef0123456789abcdef\n")
    secrets.chmod(0o600)
    key = tmp_path / "key"
    key.write_text("0123456789abcdef" * 4 + "\n")
    key.chmod(0o600)
    (tmp_path / "list").write_text("example.com\n")
    after = {"listen": "127.0.0.1:9", "allow": "127.0.0.3", "auth-key": key, "directory": tmp_path / "other",
             "max-size": "400M", "max-age": 9, "sync": "never", "backup": "off", "backup-every": "7d",
             "http": "127.0.0.1:0", "http-host": "dns.example.com", "token-file": secrets,
             "watch": tmp_path / "list", "watch-output": tmp_path / "hits", "user": "nobody", "daemon": "",
             "store": "file,path=%s/%%H.pcap" % tmp_path, "source": "clickhouse,url=http://127.0.0.1:9",
             "seccomp": "log", "log": "stderr", "pidfile": tmp_path / "pid"}
    taken = page_of_options()
    assert set(after) | {"from-kafka"} == set(taken)  # which does not go with listen
    file.write_text("listen 127.0.0.1:0\ndirectory %s\nhttp off\n%s" %
                    (tmp_path / "data", "user root\n" if AS_ROOT else ""))
    with Background([COLLECT, "run", "--config", file], tmp_path) as c:
        c.wait_err("]: ready\n")
        file.write_text("".join("%s %s\n" % (name, value) for name, value in after.items()))
        c.signal(signal.SIGHUP)
        c.wait_err("comes with the next start\n")
        named = re.search(r"what has changed of (.*) comes with", c.err).group(1).split(", ")
        # "log stderr" is what it was without the line
        assert set(named) == {"--" + name for name, is_taken in taken.items() if not is_taken} - {"--log", "--from-kafka"}
        file.write_text("listen 127.0.0.1:0\ndirectory %s\nhttp off\n%slog syslog\n" %
                        (tmp_path / "data", "user root\n" if AS_ROOT else ""))
        c.signal(signal.SIGHUP)
        c.wait_err("what has changed of --log comes with the next start\n")


def test_bad_file_changes_nothing(tmp_path):
    file = tmp_path / "conf"
    file.write_text("allow 127.0.0.2\n")
    with Running(tmp_path, "--config", file) as c:
        roles = c.roles()
        for text, says in ((b"allow 127.0.0.3\nallow x\n", "line 2: allow x: expected"), (b"\0", "expected a text file")):
            file.write_bytes(text)
            c.process.signal(signal.SIGHUP)
            c.process.wait_err(says)
        os.unlink(file)
        c.process.signal(signal.SIGHUP)
        c.process.wait_err("%s: No such file or directory; the configuration stays as it was" % file)
        assert c.roles() == roles and reloads(c) == 0
        send(c.target, [one(1)], source="127.0.0.2")
        send(c.target, [one(1)], source="127.0.0.3")
        c.stop()
        assert c.ledger()[:3] == (2, 1, 1)


def test_reloading_loses_nothing(tmp_path):
    """Under way, at 5000 datagrams a second, and many at once."""
    with Running(tmp_path) as c:
        sent, begun = 0, time.monotonic()
        while sent < 20000:
            sent += 50
            send(c.target, [one(n) for n in range(sent - 50, sent)])
            time.sleep(max(0, begun + sent / 5000 - time.monotonic()))
            if sent % 1000 == 0:
                c.process.signal(signal.SIGHUP)
        wait_until(lambda: len(c.roles()) == 3)
        assert reloads(c) > 2
        c.stop(seconds=40)
        assert [line for line in c.err.splitlines() if "error" in line] == []
    assert journalled(c.directory) == (sent, sent), c.err


@pytest.mark.parametrize("pause", [0, 0.01, 0.05])
def test_end_after_reload(tmp_path, pause):
    """What waits in the socket while roles are replaced is taken in, though the end comes at once."""
    with Running(tmp_path) as c:
        send(c.target, [one(n) for n in range(500)])
        c.process.signal(signal.SIGHUP)
        time.sleep(pause)
        send(c.target, [one(n) for n in range(500, 1000)])
        c.stop()
    assert journalled(c.directory) == (1000, 1000), c.err
    assert sum(count[0] for count in lookups(c.directory).values()) == 1000


@pytest.mark.parametrize("name", ["receive", "store"])
def test_end_after_kill(tmp_path, name):
    with Running(tmp_path) as c:
        send(c.target, [one(n) for n in range(500)])
        collect("query", c.directory, "loss")
        c.kill(name)
        send(c.target, [one(n) for n in range(500, 1000)])
        c.stop()
    assert journalled(c.directory) == (1000, 1000), c.err
    assert sum(count[0] for count in lookups(c.directory).values()) == 1000


@pytest.mark.parametrize("name", ["receive", "store"])
@pytest.mark.parametrize("is_ordered", [False, True])
def test_killed_in_the_moment_of_the_end(tmp_path, name, is_ordered):
    """Before the order to end reaches it, or behind that: another one does what it had left to do."""
    with Running(tmp_path) as c:
        send(c.target, [one(n) for n in range(500)])
        assert collect("query", c.directory, "loss").status == 0
        role, supervisor = c.roles()[name], c.process.process.pid
        os.kill(role, signal.SIGSTOP)
        send(c.target, [one(n) for n in range(500, 1000)])
        if is_ordered:
            others = set(c.roles()) - {name, "receive"}
            os.kill(supervisor, signal.SIGTERM)
            if name == "store":  # what is before it ends first
                wait_until(lambda: "receive" not in c.roles())
            assert others <= set(c.roles())
            os.kill(role, signal.SIGKILL)
        else:
            os.kill(supervisor, signal.SIGSTOP)
            os.kill(supervisor, signal.SIGTERM)
            os.kill(role, signal.SIGKILL)
            wait_until(lambda: is_zombie(role))
            os.kill(supervisor, signal.SIGCONT)
        assert c.process.wait(60) == 0, c.err
    assert "role %s (process %d) was ended by signal 9 (Killed)" % (name, role) in c.err
    assert journalled(c.directory) == (1000, 1000), c.err
    assert sum(count[0] for count in lookups(c.directory).values()) == 1000


def test_background(tmp_path):
    """It returns once the port is open, with the pid in its file; what is wrong is said at once."""
    file, pid_file = tmp_path / "conf", tmp_path / "pid"
    file.write_text("listen 127.0.0.1:0\ndirectory %s\npidfile %s\nlog stderr\n%s" %
                    (tmp_path / "data", pid_file, "user root\n" if AS_ROOT else ""))
    with open(tmp_path / "lines", "wb") as lines:
        assert subprocess.run([COLLECT, "run", "-D", "--config", str(file)], stderr=lines, timeout=20).returncode == 0
    pid = int(pid_file.read_text())
    try:
        assert "]: ready\n" in (tmp_path / "lines").read_text()
        assert os.readlink("/proc/%d/fd/0" % pid) == "/dev/null" and os.getsid(pid) != os.getsid(0)
        done = run([COLLECT, "run", "-D", "--config", file])
        assert done.status == 1 and "already running (pid %d)" % pid in done.err
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists("/proc/%d" % pid))
    assert "0 waiting" in (tmp_path / "lines").read_text()
