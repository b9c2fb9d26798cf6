# SPDX-License-Identifier: BSD-3-Clause
"""The packages of make deb and make rpm: installed, used, removed. Only where DNSFLOW_TEST_PACKAGES is set, as building
them takes longer than all other tests."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import TOP, Background, needs_root, run, wait_until

pytestmark = pytest.mark.skipif(not os.environ.get("DNSFLOW_TEST_PACKAGES"), reason="DNSFLOW_TEST_PACKAGES is not set")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip("there is no program " + program)


def build(kind):
    done = run([TOP / "scripts" / ("build-" + kind)], timeout=300)
    assert done.status == 0, done.err
    return {p.name: p.read_bytes() for p in sorted((TOP / "build" / kind).iterdir())}


def files_of(root):
    return {str(p.relative_to(root)) for p in Path(root).rglob("*") if not p.is_dir()}


def base_system(tmp_path, *more):
    root = tmp_path / "root"
    wanted = ["libpcap0.8", "libarchive13", "libevent-core-2.1-7", "libssl3", "libcap-ng0",
              "libncurses6", "libpsl5", "libseccomp2", "adduser", "init-system-helpers", *more]
    made = run(["debootstrap", "--variant=minbase", "--include=" + ",".join(wanted), "bookworm", root], timeout=500)
    if made.status != 0:
        pytest.skip("no base system to be had: " + made.out.decode()[-200:])
    return root


@needs_root
def test_deb(tmp_path):
    """In a root that has nothing but the base system: installed by dpkg, started, fed, stopped, purged."""
    need("dpkg-buildpackage", "debootstrap", "lintian")
    packages = build("deb")
    assert set(n.split("_")[0] for n in packages) == {"dnsflow", "libdnsflow1", "libdnsflow-dev"}
    assert build("deb") == packages, "two builds, the same bytes"
    folder = TOP / "build" / "deb"
    lint = run(["lintian", "--allow-root", "--fail-on", "error", *folder.glob("*.deb")], timeout=120)
    assert lint.status == 0, lint.out
    root = base_system(tmp_path, "python3")
    before = files_of(root)
    for package in folder.glob("*.deb"):
        shutil.copy(package, root)

    def inside(*argv, **more):
        return run(["chroot", root] + list(argv), **more)
    installed = inside("sh", "-c", "dpkg -i /libdnsflow1_*.deb /libdnsflow-dev_*.deb /dnsflow_*.deb", timeout=120)
    assert installed.status == 0, installed.out.decode() + installed.err
    (root / "etc/default/dnsflow").write_text('DNSFLOW_OPTS="-i lo --ring-size 1 -u 127.0.0.1:53053"\n')
    assert inside("sh", "-c", "mount -t proc proc /proc").status == 0
    try:
        assert inside("service", "dnsflow", "status").status == 3
        assert inside("sh", "-c", "service dnsflow start >/tmp/log 2>&1 </dev/null").status == 0
        assert inside("service", "dnsflow", "status").status == 0
        pid = int((root / "run/dnsflow.pid").read_text())
        uid = [l.split()[1] for l in Path("/proc/%d/status" % pid).read_text().splitlines() if l.startswith("Uid:")]
        assert uid == [inside("id", "-u", "dnsflow").out.decode().strip()], "runs as the user that the package made"
        assert inside("service", "dnsflow", "restart").status == 0
        assert inside("service", "dnsflow", "stop").status == 0
        version = inside("dnsflow_read", "--version")
        assert version.status == 0 and version.out.startswith(b"dnsflow_read 2.")
        purged = inside("dpkg", "--purge", "dnsflow", "libdnsflow-dev", "libdnsflow1", timeout=120)
        assert purged.status == 0, purged.err
    finally:
        inside("umount", "/proc")
    left = {f for f in files_of(root) - before if not f.endswith(".deb") and not f.startswith(("var/", "tmp/"))}
    assert not [f for f in left if "dnsflow" in f], left


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


@needs_root
def test_systemd(tmp_path):
    """A base system that is booted: the unit becomes active, is watched, started again, told to reload, stopped."""
    need("dpkg-buildpackage", "debootstrap", "nsenter")
    if "cgroup2" not in Path("/proc/filesystems").read_text():
        pytest.skip("no cgroup2 in this kernel")
    build("deb")
    root = base_system(tmp_path, "python3-minimal", "systemd-sysv", "dbus")
    for package in (TOP / "build" / "deb").glob("*.deb"):
        shutil.copy(package, root)
    done = run(["chroot", root, "sh", "-c", "dpkg --force-depends -i /libdnsflow1_*.deb /dnsflow_*.deb"], timeout=120)
    assert done.status == 0, done.err
    (root / "etc/default/dnsflow").write_text('DNSFLOW_OPTS="-i lo --ring-size 1 -u 127.0.0.1:53053"\n')
    with Background(["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child",
                     "sh", "-c", BOOT, "sh", root], tmp_path) as machine:
        init = int(wait_until(lambda: child_of(machine.process.pid))[0])

        def inside(*argv):
            return run(["nsenter", "-t", str(init), "-a", *argv], timeout=60)

        def show(name):
            return inside("systemctl", "show", "-P", name, "dnsflow").out.decode().strip()

        def signal_sensor(name):
            inside("sh", "-c", "kill -%s %s" % (name, show("MainPID")))
        wait_until(lambda: inside("systemctl", "is-system-running").out.strip() in (b"running", b"degraded"), 60, 0.2)
        started = inside("systemctl", "start", "dnsflow")
        assert started.status == 0, started.err + inside("journalctl", "-n", "20", "--no-pager").out.decode()
        assert show("ActiveState") == "active" and show("NRestarts") == "0"
        first = show("WatchdogTimestampMonotonic")
        wait_until(lambda: show("WatchdogTimestampMonotonic") != first, 15, 0.2)
        assert inside("systemctl", "reload", "dnsflow").status == 0 and show("ActiveState") == "active"
        signal_sensor("KILL")
        wait_until(lambda: show("NRestarts") == "1" and show("ActiveState") == "active", 15, 0.2)
        signal_sensor("STOP")
        wait_until(lambda: show("NRestarts") == "2" and show("ActiveState") == "active", 40, 0.2)
        assert inside("systemctl", "stop", "dnsflow").status == 0
        assert (show("ActiveState"), show("Result"), show("MainPID")) == ("inactive", "success", "0")


@needs_root
def test_rpm(tmp_path):
    need("rpmbuild", "rpm")
    packages = build("rpm")
    assert len(packages) == 3 and build("rpm") == packages, "two builds, the same bytes"
    root = tmp_path / "root"
    root.mkdir()
    done = run(["rpm", "--root", root, "--nodeps", "--noscripts", "-i", *(TOP / "build" / "rpm").glob("*.rpm")],
               timeout=120)
    assert done.status == 0, done.err
    for name in ("usr/sbin/dnsflow", "usr/bin/dnsflow_read", "usr/lib/systemd/system/dnsflow.service",
                 "etc/default/dnsflow", "usr/lib64/libdnsflow.so.1", "usr/include/dnsflow.h", "usr/share/man/man8/dnsflow.8",
                 "usr/share/man/man5/dnsflow.5", "usr/share/man/man3/libdnsflow.3"):
        assert list(root.glob(name + "*")), name
    assert run([root / "usr/sbin/dnsflow", "--version"]).status == 0
    assert run(["rpm", "--root", root, "--nodeps", "--noscripts", "-e", "dnsflow", "libdnsflow-devel",
                "libdnsflow"]).status == 0
    assert not [f for f in files_of(root) if "dnsflow" in f]
