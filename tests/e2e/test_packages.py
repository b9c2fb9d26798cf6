# SPDX-License-Identifier: BSD-3-Clause
"""The packages of make deb and make rpm, and what make install-service makes: installed, used, upgraded, removed, under
service scripts and under systemd. Only where DNSFLOW_TEST_PACKAGES is set, as this takes longer than all other tests."""

import contextlib
import os
import shutil
import socket
from pathlib import Path

import pytest

from conftest import TOP, Background, need, needs_root, run, wait_until
from processes import is_alive


pytestmark = pytest.mark.skipif(not os.environ.get("DNSFLOW_TEST_PACKAGES"), reason="DNSFLOW_TEST_PACKAGES is not set")

NEXT = "2.0.99"  # the version that is upgraded to
OPTIONS = "-i lo --ring-size 1 -u 127.0.0.1:53053"


def build(kind, *version):
    done = run([TOP / "scripts" / ("build-" + kind), *version], timeout=300)
    assert done.status == 0, done.err
    return sorted((TOP / "build" / "-".join([kind, *version])).iterdir())


@pytest.fixture(scope="module")
def debs():
    """The packages, and those of the next version."""
    need("dpkg-buildpackage")
    return build("deb"), build("deb", NEXT)


@pytest.fixture(scope="module")
def rpms():
    need("rpmbuild", "rpm")
    return build("rpm"), build("rpm", NEXT)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A system that has nothing but what the packages depend on, and systemd, which runs where it is booted."""
    need("debootstrap")
    root = tmp_path_factory.mktemp("base") / "root"
    wanted = ["libpcap0.8", "libarchive13", "libevent-core-2.1-7", "libssl3", "libcap-ng0",
              "libidn2-0", "libncurses6", "libpsl5", "libseccomp2", "adduser", "init-system-helpers", "python3",
              "systemd-sysv", "dbus", "rpm"]
    made = run(["debootstrap", "--variant=minbase", "--include=" + ",".join(wanted), "bookworm", root], timeout=500)
    if made.status != 0:
        pytest.skip("no base system to be had: " + made.out.decode()[-200:])
    return root


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


def put_source(root):
    """The program in /usr/local, as make install leaves it, and what install-service needs in /source."""
    shutil.copy(TOP / "dnsflow", root / "usr/local/sbin")
    for folder in "packaging", "scripts":
        shutil.copytree(TOP / folder, root / "source" / folder)
    return "PREFIX=/usr/local UNITDIR=/usr/local/lib/systemd/system /source/scripts/install-service "


def names_left(root, outside=("new", "next", "proc", "sys", "var/log", "var/lib/apt", "var/cache")):
    """Files and folders with the name, and what mentions it in the lists of the system."""
    found = {str(p.relative_to(root)) for p in root.rglob("*dnsflow*")}
    for name in "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "var/lib/dpkg/status":
        found |= {name} if "dnsflow" in (root / name).read_text() else set()
    return {f for f in found if not f.startswith(outside)}


def configure(root, options=OPTIONS):
    (root / "etc/default/dnsflow").write_text('DNSFLOW_OPTS="%s"\n' % options)


def is_current(pid):
    """It runs the program that is installed, not one that was removed or replaced."""
    return not os.readlink("/proc/%s/exe" % pid).endswith("(deleted)")


def test_deb_is_clean(debs):
    need("lintian")
    assert set(p.name.split("_")[0] for p in debs[0]) == {"dnsflow", "libdnsflow1", "libdnsflow-dev"}
    before = [p.read_bytes() for p in debs[0]]
    assert [p.read_bytes() for p in build("deb")] == before, "two builds, the same bytes"
    lint = run(["lintian", "--allow-root", "--fail-on", "error", *debs[0]], timeout=120)
    assert lint.status == 0, lint.out


# Service scripts

@contextlib.contextmanager
def entered(root):
    """run() inside of the root, whose service ends with it."""
    def inside(*argv, **more):
        return run(["chroot", root, *argv], **{"timeout": 120, "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, **more})
    assert inside("mount", "-t", "proc", "proc", "/proc").status == 0
    try:
        yield inside
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((root / "run/dnsflow.pid").read_text()), 9)
        inside("umount", "/proc")


def must_inside(inside, root, line):
    done = inside("sh", "-c", "(%s) >/tmp/log 2>&1 </dev/null" % line)  # a daemon keeps what it inherits
    assert done.status == 0, line + ": " + (root / "tmp/log").read_text()


@needs_root
def test_deb_with_the_service_script(root, debs):
    put_packages(root, debs)
    pid_file = root / "run/dnsflow.pid"

    def pid():
        return int(pid_file.read_text())

    with entered(root) as inside:
        def must(line):
            must_inside(inside, root, line)

        def status():
            return inside("service", "dnsflow", "status").status

        must("apt-get -y install /new/dnsflow_*.deb")
        assert status() == 3
        must("service dnsflow start")
        assert status() == 3 and "DNSFLOW_OPTS" in (root / "tmp/log").read_text(), "as shipped: not started"
        must("cd / && python3 -c 'import dnsflow; dnsflow.decode'")
        must("dnsflow_read --version")
        configure(root)
        must("service dnsflow start")
        uid = [l.split()[1] for l in Path("/proc/%d/status" % pid()).read_text().splitlines() if l.startswith("Uid:")]
        assert uid == [inside("id", "-u", "dnsflow").out.decode().strip()], "runs as the user that the package made"
        must("service dnsflow restart")
        first = pid()
        must("dpkg -i /next/dnsflow_*.deb")
        assert status() == 0 and pid() != first and not is_alive(first) and is_current(pid())
        must("service dnsflow stop; dpkg -i /new/dnsflow_*.deb")
        assert status() == 3, "what did not run is not started"
        must("service dnsflow start; test -d /var/lib/dnsflow; test -d /run/dnsflow")
        first = pid()
        must("apt-get -y remove dnsflow")
        assert not is_alive(first) and not pid_file.exists()
        assert (root / "etc/default/dnsflow").exists()
        must("dpkg -i /new/dnsflow_*.deb && service dnsflow start && touch /var/lib/dnsflow/some.pcap")
        first = pid()
        must("apt-get -y purge dnsflow")
        assert not is_alive(first)
    assert names_left(root) == set()


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
    """A root that systemd has booted."""

    def __init__(self, process, root):
        self.root = root
        self.init = int(wait_until(lambda: child_of(process.pid))[0])
        wait_until(lambda: self.run("systemctl", "is-system-running").out.strip() in (b"running", b"degraded"), 60, 0.2)

    def run(self, *argv):
        return run(["nsenter", "-t", str(self.init), "-a", *argv], timeout=120)

    def must(self, line):
        done = self.run("sh", "-c", line)
        assert done.status == 0, line + done.err + self.journal()
        return done.out.decode()

    def show(self, name):
        return self.run("systemctl", "show", "-P", name, "dnsflow").out.decode().strip()

    def state(self):
        return self.show("ActiveState")

    def journal(self):
        return self.run("journalctl", "-u", "dnsflow", "-n", "100", "--no-pager").out.decode()

    def signal_sensor(self, name):
        self.must("kill -%s %s" % (name, self.show("MainPID")))

    def path(self, inside):
        """As it is named outside; /run is another one there."""
        return Path("/proc/%d/root" % self.init) / inside.lstrip("/")

    def is_current(self):
        """The service runs, with the program that is installed."""
        running = self.run("readlink", "/proc/%s/exe" % self.show("MainPID")).out.decode().strip()
        return self.state() == "active" and running and "(deleted)" not in running


@contextlib.contextmanager
def booted(root, tmp_path):
    need("nsenter", "unshare")
    if "cgroup2" not in Path("/proc/filesystems").read_text():
        pytest.skip("no cgroup2 in this kernel")
    with Background(["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child",
                     "sh", "-c", BOOT, "sh", root], tmp_path) as background:
        yield Machine(background.process, root)


def try_service(machine):
    """What any installation must be able to do: start, be watched, reload, be started again when it fails."""
    machine.must("systemctl restart dnsflow")
    assert machine.state() == "active" and machine.show("NRestarts") == "0"
    first = machine.show("WatchdogTimestampMonotonic")
    wait_until(lambda: machine.show("WatchdogTimestampMonotonic") != first, 15, 0.2)
    machine.must("systemctl reload dnsflow")
    assert machine.state() == "active"
    machine.signal_sensor("KILL")
    wait_until(lambda: machine.show("NRestarts") == "1" and machine.state() == "active", 15, 0.2)
    machine.signal_sensor("STOP")
    wait_until(lambda: machine.show("NRestarts") == "2" and machine.state() == "active", 40, 0.2)
    machine.must("systemctl stop dnsflow")
    assert (machine.state(), machine.show("Result"), machine.show("MainPID")) == ("inactive", "success", "0")


def try_upgrade(machine, install):
    """What runs is started again with the new program, what does not run is left alone."""
    machine.must("systemctl start dnsflow")
    first = machine.show("MainPID")
    machine.must(install)
    assert machine.is_current() and machine.show("MainPID") != first
    machine.must("systemctl stop dnsflow")


def has_process(machine):
    return "dnsflow" in machine.must("cat /proc/[0-9]*/comm").split()


def never_started(machine):
    """As shipped, at boot or by hand: no failure, and a line that says why."""
    machine.must("systemctl start dnsflow")
    return machine.state() == "inactive" and "is empty" in machine.journal() and not has_process(machine)


@needs_root
def test_deb_with_systemd(root, debs, tmp_path):
    put_packages(root, debs)
    done = run(["chroot", root, "sh", "-c", "dpkg -i /new/dnsflow_*.deb"], timeout=120)
    assert done.status == 0, done.err
    with booted(root, tmp_path) as machine:
        assert "dnsflow" not in machine.must("systemctl --failed")
        assert "is empty" in machine.journal() and never_started(machine)
        configure(root)
        try_service(machine)
        machine.must("dpkg -i /next/dnsflow_*.deb")
        assert machine.state() == "inactive", "what did not run is not started"
        try_upgrade(machine, "dpkg -i /new/dnsflow_*.deb")
        machine.must("systemctl start dnsflow && apt-get -y remove dnsflow")
        assert not has_process(machine)
        machine.must("dpkg -i /new/dnsflow_*.deb && systemctl start dnsflow && touch /var/lib/dnsflow/some.pcap")
        machine.must("apt-get -y purge dnsflow")
        assert not has_process(machine) and "dnsflow" not in machine.must("ls /run; systemctl list-units --all")
    assert names_left(root) == set()


def ask_metrics(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(str(path))
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return s.recv(1000)


@needs_root
def test_unit(root, debs, tmp_path):
    """What docs/OPERATIONS.md shows works under the unit; wrong usage is not tried again; each line comes once."""
    put_packages(root, debs)
    run(["chroot", root, "sh", "-c", "dpkg -i /new/dnsflow_*.deb"], timeout=120)
    expression = "udp and (src port 53 or src port 5353)"
    (root / "etc/default/dnsflow").write_text(
        "# comment\nexport DNSFLOW_OPTS=\"%s -P /run/dnsflow/dnsflow.pid --metrics unix:/run/dnsflow/metrics.sock "
        "-f '%s' -w /var/lib/dnsflow/out.pcap --user dnsflow\" # more\n" % (OPTIONS, expression))
    with booted(root, tmp_path) as machine:
        machine.must("systemctl start dnsflow")
        pid = machine.show("MainPID")
        assert expression.encode() in machine.path("proc/%s/cmdline" % pid).read_bytes().split(b"\0")
        assert machine.path("run/dnsflow/dnsflow.pid").read_text().strip() == pid
        assert b"200" in ask_metrics(machine.path("run/dnsflow/metrics.sock")).split(b"\r\n")[0]
        machine.must("setpriv --reuid nobody --regid dnsflow --clear-groups test -w /run/dnsflow/metrics.sock")
        machine.must("mv /var/lib/dnsflow/out.pcap /var/lib/dnsflow/old.pcap && systemctl reload dnsflow")
        wait_until(machine.path("var/lib/dnsflow/out.pcap").exists)
        assert machine.journal().count("dnsflow[%s]: capturing on lo" % pid) == 1, machine.journal()
        machine.must("systemctl stop dnsflow")
        for options in OPTIONS + " --nonsense", OPTIONS + " -f 'udp":
            configure(root, options)
            assert machine.run("systemctl", "start", "dnsflow").status != 0
            assert (machine.state(), machine.show("Result")) == ("failed", "exit-code")
            assert (machine.show("ExecMainStatus"), machine.show("NRestarts")) == ("2", "0")
            machine.must("systemctl reset-failed dnsflow")
        assert machine.journal().count("--nonsense") == 1 and machine.journal().count("not closed") == 1


# of make install, and of the service itself
LEFT = {"usr/local/sbin/dnsflow", "var/lib/dnsflow"}


@needs_root
def test_install_service_with_systemd(root, tmp_path):
    """make install-service, by the script that it calls."""
    call = put_source(root)
    with booted(root, tmp_path) as machine:
        machine.must(call + "install")
        assert never_started(machine)
        configure(root)
        try_service(machine)
        machine.must("systemctl enable --now dnsflow && " + call + "remove")
        assert not has_process(machine) and "dnsflow" not in machine.must("systemctl list-units --all")
    shutil.rmtree(root / "source")
    assert names_left(root) == LEFT


@needs_root
def test_install_service_with_the_service_script(root):
    call = put_source(root)
    with entered(root) as inside:
        def must(line):
            must_inside(inside, root, line)
        must(call + "install && update-rc.d dnsflow defaults")
        configure(root)
        must("/etc/init.d/dnsflow start")
        pid = int((root / "run/dnsflow.pid").read_text())
        assert is_alive(pid) and os.readlink("/proc/%d/exe" % pid).endswith("/usr/local/sbin/dnsflow")
        must(call + "remove")
        assert not is_alive(pid)
    shutil.rmtree(root / "source")
    assert names_left(root) == LEFT | {"run/dnsflow"}


# RPM

def test_rpm_is_reproducible(rpms):
    before = [p.read_bytes() for p in rpms[0]]
    assert len(before) == 3 and [p.read_bytes() for p in build("rpm")] == before, "two builds, the same bytes"


@needs_root
def test_rpm(rpms, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    done = run(["rpm", "--root", root, "--nodeps", "--noscripts", "-i", *rpms[0]], timeout=120)
    assert done.status == 0, done.err
    for name in ("usr/sbin/dnsflow", "usr/bin/dnsflow_read", "usr/lib/systemd/system/dnsflow.service",
                 "usr/libexec/dnsflow-service", "etc/default/dnsflow", "usr/lib64/libdnsflow.so.1", "usr/include/dnsflow.h",
                 "usr/share/man/man8/dnsflow.8", "usr/share/man/man5/dnsflow.5", "usr/share/man/man3/libdnsflow.3"):
        assert list(root.glob(name + "*")), name
    assert run([root / "usr/sbin/dnsflow", "--version"]).status == 0
    assert run(["rpm", "--root", root, "--nodeps", "--noscripts", "-e", "dnsflow", "libdnsflow-devel",
                "libdnsflow"]).status == 0
    assert not [p for p in root.rglob("*dnsflow*") if not p.is_dir()]


@needs_root
def test_rpm_with_systemd(root, rpms, tmp_path):
    """Its scriptlets, in a system of Debian's."""
    put_packages(root, rpms)
    with booted(root, tmp_path) as machine:
        machine.must("rpm -i --nodeps /new/dnsflow-2*.rpm")
        assert never_started(machine)
        configure(root)
        try_service(machine)
        machine.must("rpm -U --nodeps /next/dnsflow-2*.rpm")
        assert machine.state() == "inactive", "what did not run is not started"
        try_upgrade(machine, "rpm -U --oldpackage --nodeps /new/dnsflow-2*.rpm")
        machine.must("systemctl start dnsflow && rpm -e dnsflow")
        assert not has_process(machine) and "dnsflow" not in machine.must("systemctl list-units --all")
    assert not (root / "etc/systemd/system/multi-user.target.wants/dnsflow.service").is_symlink()


# The two commands of the README

@needs_root
def test_demo_in_a_bare_system():
    """make check-long does this with scripts/check."""
    need("debootstrap", "git")
    done = run([TOP / "scripts" / "check-bare", "scripts/demo"], timeout=1200)
    if "no base system" in done.err:
        pytest.skip(done.err)
    lines = done.out.decode().splitlines()
    assert done.status == 0, done.out.decode()[-2000:] + done.err
    assert lines[1].startswith("dnsflow needs these packages: gcc ") and lines[-1].startswith("That is all")
    assert not [line for line in lines + done.err.splitlines() if line.startswith(("Get:", "Reading", "Setting up"))]


@needs_root
@pytest.mark.parametrize("command", ["demo", "check", "build-deb"])
def test_no_network(base, root, command):
    """In a system without compiler and network: what failed, and one line at the end that says what that means."""
    done = run(["git", "clone", "-q", "--no-hardlinks", TOP, root / "dnsflow"], timeout=60)
    assert done.status == 0, done.err
    done = run(["unshare", "--net", "chroot", root, "/dnsflow/scripts/" + command], timeout=300)
    lines = done.err.splitlines()
    assert done.status == 1 and done.out.startswith(b"dnsflow needs these packages: ")
    assert lines[-1].startswith(command + ": nothing was ") and lines[-2].startswith("install-deps: ")
