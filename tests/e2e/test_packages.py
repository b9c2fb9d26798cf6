# SPDX-License-Identifier: BSD-3-Clause
"""The packages of make deb and make rpm, and what make install-service makes: installed, used, upgraded, removed, under
service scripts and under systemd. Only where DNSFLOW_TEST_PACKAGES is set, as this takes longer than all other tests."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from conftest import TOP, need, needs_root, run, wait_until
from packages import (base, booted, build, debs, entered, is_current, must_inside, names_left, put_packages, put_source,
                      root, rpms)
from processes import is_alive


pytestmark = pytest.mark.skipif(not os.environ.get("DNSFLOW_TEST_PACKAGES"), reason="DNSFLOW_TEST_PACKAGES is not set")

OPTIONS = "-i lo --ring-size 1 -u 127.0.0.1:53053"


def configure(root, options=OPTIONS):
    (root / "etc/default/dnsflow").write_text('DNSFLOW_OPTS="%s"\n' % options)


def test_deb_is_clean(debs):
    need("lintian")
    assert set(p.name.split("_")[0] for p in debs[0]) == {"dnsflow", "dnsflow-collect", "libdnsflow1", "libdnsflow-dev"}
    before = [p.read_bytes() for p in debs[0]]
    assert [p.read_bytes() for p in build("deb")] == before, "two builds, the same bytes"
    lint = run(["lintian", "--allow-root", "--fail-on", "error", *debs[0]], timeout=120)
    assert lint.status == 0, lint.out


# Service scripts

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

def try_service(machine):
    """What any installation must be able to do: start, be watched, reload, be started again when it fails."""
    machine.must("systemctl restart dnsflow")
    assert machine.state() == "active" and machine.show("NRestarts") == "0"
    first = machine.show("WatchdogTimestampMonotonic")
    wait_until(lambda: machine.show("WatchdogTimestampMonotonic") != first, 15, 0.2)
    machine.must("systemctl reload dnsflow")
    assert machine.state() == "active"
    machine.signal_main("KILL")
    wait_until(lambda: machine.show("NRestarts") == "1" and machine.state() == "active", 15, 0.2)
    machine.signal_main("STOP")
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
    assert len(before) == 4 and [p.read_bytes() for p in build("rpm")] == before, "two builds, the same bytes"


@needs_root
def test_rpm(rpms, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    done = run(["rpm", "--root", root, "--nodeps", "--noscripts", "-i", *rpms[0]], timeout=120)
    assert done.status == 0, done.err
    for name in ("usr/sbin/dnsflow", "usr/bin/dnsflow_read", "usr/lib/systemd/system/dnsflow.service",
                 "usr/libexec/dnsflow-service", "etc/default/dnsflow", "usr/lib64/libdnsflow.so.1", "usr/include/dnsflow.h",
                 "usr/bin/dnsflow_collect", "usr/lib/systemd/system/dnsflow-collect.service",
                 "usr/libexec/dnsflow-collect-service", "etc/default/dnsflow-collect", "etc/dnsflow/collect.conf",
                 "usr/share/man/man8/dnsflow.8", "usr/share/man/man5/dnsflow.5", "usr/share/man/man3/libdnsflow.3"):
        assert list(root.glob(name + "*")), name
    assert run([root / "usr/sbin/dnsflow", "--version"]).status == 0
    assert run(["rpm", "--root", root, "--nodeps", "--noscripts", "-e", "dnsflow", "dnsflow-collect",
                "libdnsflow-devel", "libdnsflow"]).status == 0
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
