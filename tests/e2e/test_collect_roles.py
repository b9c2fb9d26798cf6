# SPDX-License-Identifier: BSD-3-Clause
"""What each role of a collector holds and may do, shown by attempts from within it; and that they give signs of life."""

import ctypes
import errno
import os
import re
import signal
import socket
import time

import pytest
from asking_http import Asked
from collecting import needs_collector, send
from conftest import wait_until
from datagrams import extended, set4
from injecting import Killed, call, needs_ptrace
from rights import capabilities, plain_build, status
from service import Manager

pytestmark = [needs_collector, plain_build]

ROLES = ("receive", "store", "tidy", "watch", "file", "query")
DATAGRAM = extended(1, set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.9"]))


def more_in(folder):
    """Options with which all roles are there."""
    (folder / "list").write_text("watched.example\n")
    (folder / "files" / "out").mkdir(parents=True)
    return "--watch", folder / "list", "--store", "file,path=%s/files/out/%%Y.ndjson" % folder


@pytest.fixture
def asked(tmp_path):
    with Asked(tmp_path, *more_in(tmp_path)) as a:
        yield a
        a.stop()


def has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= 2  # landlock_create_ruleset, which version


def sockets_of(pid):
    """{inode} of the sockets that a process holds."""
    found = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        found |= {link} if link.startswith("socket:") else set()
    return found


def inode(kind, port):
    """Of the socket at this port, as /proc/net has it."""
    for line in open("/proc/net/" + kind).read().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rsplit(":", 1)[1], 16) == port:
            return "socket:[%s]" % fields[9]
    raise AssertionError("nobody listens at %d" % port)


def test_what_they_hold(asked):
    """The sockets of sensors are those of who receives, that of questions is that of who answers; the database is open
    in those that write it."""
    roles = asked.roles()
    assert set(roles) >= set(ROLES)
    supervisor = asked.process.process.pid
    sensors, questions = inode("udp", asked.port), inode("tcp", asked.http_port)
    assert {sensors, questions} <= sockets_of(supervisor)
    for name in ROLES:
        assert (sensors in sockets_of(roles[name])) == (name == "receive"), name
        assert (questions in sockets_of(roles[name])) == (name == "query"), name
        files = [os.readlink("/proc/%d/fd/%s" % (roles[name], fd)) for fd in os.listdir("/proc/%d/fd" % roles[name])]
        assert any(f.endswith("/dnsflow.db") for f in files) == (name in ("store", "tidy")), (name, files)
        assert any("/journal" in f for f in files) == (name in ("receive", "store", "watch", "file")), (name, files)


def test_what_proc_says(asked):
    for name, pid in asked.roles().items():
        if name in ROLES:
            for thread in os.listdir("/proc/%d/task" % pid):
                values = status(pid, int(thread))
                assert set(capabilities(values).values()) == {0}, name
                assert (values["NoNewPrivs"], values["Seccomp"]) == ("1", "2"), name
    values = status(asked.process.process.pid)
    assert set(capabilities(values).values()) == {0} and values["NoNewPrivs"] == "1"


# Attempts

OPEN_READ, OPEN_WRITE, OPEN_MAKE = 0, 2, 0o102
AT_FDCWD = -100

# what is tried, and in which roles it works
FILES = (
    ("dnsflow.db", OPEN_READ, "store tidy query"),
    ("dnsflow.db", OPEN_WRITE, "store tidy"),
    ("journal/new", OPEN_MAKE, "receive store tidy"),
    ("journal", OPEN_READ, "receive store tidy watch file query"),
    ("lookups/new", OPEN_MAKE, "store tidy"),
    ("feeds/new", OPEN_MAKE, "store tidy file"),
    ("../files/out/new", OPEN_MAKE, "file"), ("../files/new", OPEN_MAKE, ""),
    ("../list", OPEN_WRITE, ""),
    ("/etc/passwd", OPEN_READ, ""),
    ("/tmp/dnsflow-made-by-a-role", OPEN_MAKE, ""),
)


@pytest.mark.parametrize("role", ROLES)
def test_files(asked, role):
    pid = asked.roles()[role]
    needs_ptrace(pid)
    if not has_landlock():
        pytest.skip("this kernel has no Landlock")
    for name, flags, whom in FILES:
        path = os.path.join(str(asked.directory), name)
        got = call(pid, "openat", AT_FDCWD, path.encode() + b"\0", flags, 0o640)
        assert (got >= 0) == (role in whom.split()), (role, name, flags, got)
        assert got >= 0 or -got in (errno.EACCES, errno.EPERM), (role, name, got)
    assert call(pid, "socket", socket.AF_UNIX, socket.SOCK_STREAM, 0) == -errno.EPERM
    assert call(pid, "unlinkat", AT_FDCWD, b"/etc/hostname\0", 0) in (-errno.EACCES, -errno.EPERM)
    for made in "journal/new", "lookups/new", "feeds/new", "../files/out/new":
        if (asked.directory / made).exists():
            (asked.directory / made).unlink()


ADDRESS = socket.AF_INET.to_bytes(2, "little") + (9).to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8)
DEADLY = (
    ("socket", socket.AF_INET, socket.SOCK_DGRAM, 0),
    ("connect", 0, ADDRESS, 16),
    ("execve", b"/bin/sh\0", 0, 0),
    ("kill", 1, 0),
    ("clone", signal.SIGCHLD, 0, 0, 0, 0),
)


@pytest.mark.parametrize("role", ROLES)
def test_calls_that_end_it(tmp_path, role):
    """Each ends the role, which is replaced; the others go on."""
    with Asked(tmp_path, *more_in(tmp_path)) as asked:
        others = {name: pid for name, pid in asked.roles().items() if name != role}
        needs_ptrace(asked.roles()[role])
        for attempt in DEADLY + ((("sendto", sensor_socket(asked), b"out", 3, 0, ADDRESS, 16),) if role == "receive" else ()):
            pid = wait_until(lambda: asked.roles().get(role))
            wait_until(lambda: status(pid).get("Seccomp") == "2")
            with pytest.raises(Killed):
                pytest.fail("%s: %s gave %d" % (role, attempt[0], call(pid, *attempt)))
            asked.wait_replaced(role, pid)
        assert "(Bad system call)" in asked.err
        assert {name: pid for name, pid in asked.roles().items() if name != role} == others
        asked.stop()


def sensor_socket(asked):
    pid, wanted = asked.roles()["receive"], inode("udp", asked.port)
    return next(int(fd) for fd in os.listdir("/proc/%d/fd" % pid) if os.readlink("/proc/%d/fd/%s" % (pid, fd)) == wanted)


# Signs of life

class Watched(Asked):
    """With a manager that waits for a sign of life for six seconds; a role has two."""

    def __init__(self, tmp_path, *options):
        self.manager = Manager(str(tmp_path / "notify"))
        os.environ.update(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="6000000")
        try:
            super().__init__(tmp_path, *more_in(tmp_path), *options)
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]


@pytest.mark.parametrize("role", ROLES)
def test_role_that_stands(tmp_path, role):
    """It is replaced, and nothing is lost."""
    with Watched(tmp_path) as asked:
        assert asked.manager.take() == "READY=1"
        assert asked.manager.take() == "WATCHDOG=1"
        pid = asked.roles()[role]
        os.kill(pid, signal.SIGSTOP)
        send(asked.target, [DATAGRAM])
        asked.process.wait_err("error: role %s (process %d) has given no sign of life for 2 s and is killed" % (role, pid))
        asked.wait_replaced(role, pid)
        wait_until(lambda: asked.get("/api/v1/names/a.example").rows, step=0.3)
        asked.stop()
        received, journalled, *_ = asked.ledger()
        assert (received, journalled) == (1, 1)


def test_signs_as_long_as_it_works(tmp_path):
    """A role that works long without a round is no reason; the supervisor that stands gives none."""
    with Watched(tmp_path) as asked:
        assert asked.manager.take() == "READY=1"
        for _ in range(3):
            assert asked.manager.take() == "WATCHDOG=1"
        os.kill(asked.process.process.pid, signal.SIGSTOP)
        asked.manager.socket.settimeout(3)
        deadline = time.monotonic() + 30
        with pytest.raises(socket.timeout):
            while time.monotonic() < deadline:
                assert asked.manager.take() == "WATCHDOG=1"
        os.kill(asked.process.process.pid, signal.SIGCONT)
        asked.manager.socket.settimeout(10)
        asked.stop()
        assert not re.search("sign of life", asked.err)
