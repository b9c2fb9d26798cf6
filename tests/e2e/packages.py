# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the packages share: packages that are built once, a system to install them in, under service
scripts or booted."""

import contextlib
import functools
import os
import shutil
from pathlib import Path

import pytest

from conftest import TOP, Background, need, run, wait_until

NEXT = "2.0.99"  # the version that is upgraded to


def build(kind, *version):
    done = run([TOP / "scripts" / ("build-" + kind), *version], timeout=300)
    assert done.status == 0, done.err
    return sorted((TOP / "build" / "-".join([kind, *version])).iterdir())


@functools.lru_cache(maxsize=None)
def build_both(kind):
    """The packages, and those of the next version."""
    return build(kind), build(kind, NEXT)


@pytest.fixture
def debs():
    need("dpkg-buildpackage")
    return build_both("deb")


@pytest.fixture
def rpms():
    need("rpmbuild", "rpm")
    return build_both("rpm")


@functools.lru_cache(maxsize=None)
def make_base(root):
    wanted = ["libpcap0.8", "libarchive13", "libevent-core-2.1-7", "libssl3", "libcap-ng0", "libsqlite3-0", "libzstd1", "libcurl4",
              "librdkafka1",
              "libidn2-0", "libncurses6", "libpsl5", "libseccomp2", "adduser", "init-system-helpers", "python3",
              "systemd-sysv", "dbus", "rpm"]
    made = run(["debootstrap", "--variant=minbase", "--include=" + ",".join(wanted), "bookworm", root], timeout=500)
    if made.status != 0:
        pytest.skip("no base system to be had: " + made.out.decode()[-200:])
    return root


@pytest.fixture
def base(tmp_path_factory):
    """A system that has nothing but what the packages depend on, and systemd, which runs where it is booted."""
    need("debootstrap")
    return make_base(tmp_path_factory.getbasetemp() / "base")


@pytest.fixture
def root(base, tmp_path):
    """That system again, for one test."""
    copy = tmp_path / "root"
    done = run(["cp", "-a", base, copy], timeout=120)
    assert done.status == 0, done.err
    yield copy
    shutil.rmtree(copy, ignore_errors=True)


def put_packages(root, packages):
    """Copies them to /new and /next in the system."""
    for name, files in zip(("new", "next"), packages):
        (root / name).mkdir()
        for file in files:
            shutil.copy(file, root / name)


def put_source(root, program="dnsflow", folder="sbin"):
    """The program in /usr/local, as make install leaves it, and what install-service needs in /source."""
    shutil.copy(TOP / program, root / "usr/local" / folder)
    for folder in "packaging", "scripts":
        shutil.copytree(TOP / folder, root / "source" / folder)
    return "PREFIX=/usr/local UNITDIR=/usr/local/lib/systemd/system /source/scripts/install-service "


def names_left(root, outside=("new", "next", "proc", "sys", "var/log", "var/lib/apt", "var/cache")):
    """Files and folders with the name, and what mentions it in the lists of the system."""
    found = {str(p.relative_to(root)) for p in root.rglob("*dnsflow*")}
    for name in "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "var/lib/dpkg/status":
        found |= {name} if "dnsflow" in (root / name).read_text() else set()
    return {f for f in found if not f.startswith(outside)}


def is_current(pid):
    """It runs the program that is installed, not one that was removed or replaced."""
    return not os.readlink("/proc/%s/exe" % pid).endswith("(deleted)")


# Service scripts

@contextlib.contextmanager
def entered(root):
    """run() inside of the root, whose services end with it."""
    def inside(*argv, **more):
        return run(["chroot", root, *argv], **{"timeout": 120, "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, **more})
    assert inside("mount", "-t", "proc", "proc", "/proc").status == 0
    try:
        yield inside
    finally:
        for name in "dnsflow", "dnsflow-collect":
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int((root / ("run/%s.pid" % name)).read_text()), 9)
        inside("umount", "/proc")


def must_inside(inside, root, line):
    done = inside("sh", "-c", "(%s) >/tmp/log 2>&1 </dev/null" % line)  # a daemon keeps what it inherits
    assert done.status == 0, line + ": " + (root / "tmp/log").read_text()


# systemd

BOOT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do cp -a /dev/$device dev; done
mkdir dev/pts
ln -s pts/ptmx dev/ptmx
ip link set lo up
mkdir -p old
pivot_root . old
umount -l old
exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""


def child_of(pid):
    return Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()


class Machine:
    """A root that systemd has booted, and one of its services."""

    def __init__(self, process, root, service):
        self.root, self.service = root, service
        self.init = int(wait_until(lambda: child_of(process.pid))[0])
        wait_until(lambda: self.run("systemctl", "is-system-running").out.strip() in (b"running", b"degraded"), 60, 0.2)

    def run(self, *argv):
        return run(["nsenter", "-t", str(self.init), "-a", *argv], timeout=120)

    def must(self, line):
        done = self.run("sh", "-c", line)
        assert done.status == 0, line + done.err + self.journal()
        return done.out.decode()

    def show(self, name):
        return self.run("systemctl", "show", "-P", name, self.service).out.decode().strip()

    def state(self):
        return self.show("ActiveState")

    def journal(self):
        return self.run("journalctl", "-u", self.service, "-n", "100", "--no-pager").out.decode()

    def signal_main(self, name):
        self.must("kill -%s %s" % (name, self.show("MainPID")))

    def path(self, inside):
        """As it is named outside; /run is another one there."""
        return Path("/proc/%d/root" % self.init) / inside.lstrip("/")

    def is_current(self):
        """The service runs, with the program that is installed."""
        running = self.run("readlink", "/proc/%s/exe" % self.show("MainPID")).out.decode().strip()
        return self.state() == "active" and running and "(deleted)" not in running


@contextlib.contextmanager
def booted(root, tmp_path, service="dnsflow"):
    need("nsenter", "unshare")
    if "cgroup2" not in Path("/proc/filesystems").read_text():
        pytest.skip("no cgroup2 in this kernel")
    with Background(["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child",
                     "sh", "-c", BOOT, "sh", root], tmp_path) as background:
        yield Machine(background.process, root, service)
