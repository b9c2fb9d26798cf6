# SPDX-License-Identifier: BSD-3-Clause
"""The collector's packages, and its service as they and make install-service make it: sent to, asked, reloaded, killed,
upgraded, removed. Only where DNSFLOW_TEST_PACKAGES is set."""

import contextlib
import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from conftest import need, needs_root, run, wait_until
from datagrams import datagram, set4
from packages import (base, booted, debs, entered, is_current, must_inside, names_left, put_packages, put_source, root,
                      rpms)
from processes import children_of, is_alive

pytestmark = pytest.mark.skipif(not os.environ.get("DNSFLOW_TEST_PACKAGES"), reason="DNSFLOW_TEST_PACKAGES is not set")

DATA = "/var/lib/dnsflow-collect"
NET_ADMIN = 1 << 12
ROLES = {"receive", "store", "tidy", "query"}
SEND = """import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(bytes.fromhex(sys.argv[2]), ("127.0.0.1", int(sys.argv[1])))
"""
HTTP = """import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/dnsflow-collect/http")
s.sendall(b"GET " + sys.argv[1].encode() + b" HTTP/1.0\\r\\n\\r\\n")
print(s.makefile().read())
"""


def send_command(number, name, port=5300):
    one = set4("10.0.0.9", "10.0.0.53", [name], ["192.0.2.1"])
    return ["python3", "-c", SEND, str(port), datagram(number, one).hex()]


def found(answer):
    """Names in what a query printed."""
    assert answer.status == 0, answer.err
    return {json.loads(line)["name"] for line in answer.out.splitlines()}


def asked_command(directory=DATA):
    return ["dnsflow_collect", "query", "--directory", directory, "below", "example.com", "--format", "ndjson"]


class Collector:
    """The service on a machine. Each datagram has a name of its own."""

    def __init__(self, machine):
        self.machine, self.sent = machine, 0

    def __getattr__(self, name):
        return getattr(self.machine, name)

    def takes(self):
        """A datagram sent to it is found, with all that came before."""
        assert self.run(*send_command(self.sent, "n%d.example.com" % self.sent)).status == 0
        self.sent += 1
        self.keeps()

    def keeps(self):
        wanted = {"n%d.example.com" % i for i in range(self.sent)}
        wait_until(lambda: found(self.run(*asked_command())) == wanted, 20, 0.2)

    def roles(self):
        """{name: its process, as it is named outside}"""
        main, = [p for p in children_of(self.init) if (Path("/proc/%d/comm" % p).read_text() == "dnsflow_collect\n")]
        return {Path("/proc/%d/comm" % pid).read_text().strip(): pid for pid in children_of(main)}

    def is_whole(self):
        with contextlib.suppress(OSError, ValueError):
            return self.state() == "active" and set(self.roles()) == ROLES

    def has_process(self):
        return "dnsflow_collect" in self.machine.must("cat /proc/[0-9]*/comm").split()

    def stop(self):
        self.must("systemctl stop dnsflow-collect")
        assert (self.state(), self.show("Result"), self.show("MainPID")) == ("inactive", "success", "0")

    def count(self, text):
        return self.journal().count(text)


def try_service(c):
    """Active when it is ready, watched, reloaded; what ends in it or as a whole comes again."""
    c.must("systemctl start dnsflow-collect")
    assert c.state() == "active" and c.count("]: ready\n") == 1 and c.is_whole()
    c.takes()
    c.must("systemctl reload dnsflow-collect")
    wait_until(lambda: c.count("the configuration has been read again") == 1 and c.is_whole())
    main = c.show("MainPID")
    for name, pid in c.roles().items():
        os.kill(pid, 9)
        wait_until(lambda: c.is_whole() and c.roles()[name] != pid, 30, 0.1)
    c.takes()
    assert c.show("MainPID") == main and c.show("NRestarts") == "0"
    c.signal_main("KILL")
    wait_until(lambda: c.show("NRestarts") == "1" and c.is_whole(), 30, 0.2)
    c.takes()


def try_watchdog(c):
    """One that stands is ended and started again; in less time than that of the unit."""
    folder = c.path("run/systemd/system/dnsflow-collect.service.d")
    folder.mkdir(parents=True)
    (folder / "sooner.conf").write_text("[Service]\nWatchdogSec=4\nTimeoutAbortSec=1\n")
    c.must("systemctl daemon-reload && systemctl restart dnsflow-collect")
    first = c.show("WatchdogTimestampMonotonic")
    wait_until(lambda: c.show("WatchdogTimestampMonotonic") != first, 15, 0.2)
    c.signal_main("STOP")
    wait_until(lambda: c.show("NRestarts") == "1" and c.is_whole(), 60, 0.2)
    c.takes()
    c.must("rm -r /run/systemd/system/dnsflow-collect.service.d && systemctl daemon-reload")


def try_wrong_configuration(c):
    """A line that says what is wrong; while it runs nothing changes, and it is not started again and again."""
    conf = c.root / "etc/dnsflow/collect.conf"
    good = conf.read_text()
    c.must("systemctl start dnsflow-collect")
    conf.write_text(good + "max-age never\n")
    c.must("systemctl reload dnsflow-collect")
    wait_until(lambda: c.count("the configuration stays as it was") == 1)
    c.takes()
    c.stop()
    before = len(c.journal().splitlines())
    assert c.run("systemctl", "start", "dnsflow-collect").status != 0
    assert (c.state(), c.show("ExecMainStatus"), c.show("NRestarts")) == ("failed", "2", "0")
    said = [line for line in c.journal().splitlines()[before:] if "dnsflow-collect[" in line]
    assert len(said) == 1 and "collect.conf, line %d: " % (good.count("\n") + 1) in said[0], said
    c.must("systemctl reset-failed dnsflow-collect")
    conf.write_text(good)


def try_another_folder(c):
    """As docs/OPERATIONS.md has it."""
    conf = c.root / "etc/dnsflow/collect.conf"
    good = conf.read_text()
    c.must("mkdir /srv/dns && chown dnsflow-collect: /srv/dns && chmod 750 /srv/dns")
    conf.write_text(good.replace("directory " + DATA, "directory /srv/dns"))
    assert c.run("systemctl", "start", "dnsflow-collect").status != 0, "only root may write there, or the unit's own"
    c.must("systemctl stop dnsflow-collect; mkdir -p /run/systemd/system/dnsflow-collect.service.d")
    folder = c.path("run/systemd/system/dnsflow-collect.service.d")
    (folder / "folder.conf").write_text("[Service]\nReadWritePaths=/srv/dns\n")
    c.must("systemctl daemon-reload && systemctl start dnsflow-collect")
    assert c.run(*send_command(0, "other.example.com")).status == 0
    wait_until(lambda: found(c.run(*asked_command("/srv/dns"))) == {"other.example.com"}, 20, 0.2)
    c.stop()
    conf.write_text(good)
    c.must("rm -r /srv/dns /run/systemd/system/dnsflow-collect.service.d && systemctl daemon-reload")


def try_rights(c):
    """Its socket and what it keeps are for its user and group; the processes have no capability."""
    user = c.run("id", "-u", "dnsflow-collect").out.decode().strip()
    for pid in c.roles().values():
        lines = Path("/proc/%d/status" % pid).read_text().splitlines()
        status = dict(line.split(":\t") for line in lines if ":\t" in line)
        assert status["Uid"].split() == [user] * 4 and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert all(int(status["Cap" + of], 16) == 0 for of in ("Inh", "Prm", "Eff", "Amb"))
        assert int(status["CapBnd"], 16) in (0, NET_ADMIN)
    assert "room for 65536 KiB" in c.journal()  # whatever net.core.rmem_max is
    others = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    members = ["setpriv", "--reuid", "nobody", "--regid", "dnsflow-collect", "--clear-groups"]
    for argv in ["python3", "-c", HTTP, "/healthz"], asked_command():
        assert c.run(*others, *argv).status != 0
        assert c.run(*members, *argv).status == 0
    assert c.run(*others, "ls", DATA).status != 0
    assert "200 OK" in c.run(*members, "python3", "-c", HTTP, "/healthz").out.decode()


@needs_root
def test_deb_with_systemd(root, debs, tmp_path):
    put_packages(root, debs)
    with booted(root, tmp_path, "dnsflow-collect") as machine:
        c = Collector(machine)
        c.must("dpkg -i /new/dnsflow-collect_*.deb")
        assert c.state() == "inactive" and c.show("UnitFileState") == "disabled", "off until it is told"
        c.must("systemctl enable dnsflow-collect")
        try_service(c)
        try_rights(c)
        assert "running" in c.must("dnsflow_collect status --directory " + DATA)
        main = c.show("MainPID")
        c.must("dpkg -i /next/dnsflow-collect_*.deb")
        assert c.machine.is_current() and c.show("MainPID") != main and c.show("UnitFileState") == "enabled"
        c.takes()
        try_watchdog(c)
        c.stop()
        c.must("dpkg -i /new/dnsflow-collect_*.deb")
        assert c.state() == "inactive", "what did not run is not started"
        try_wrong_configuration(c)
        try_another_folder(c)
        c.must("systemctl start dnsflow-collect && apt-get -y remove dnsflow-collect")
        assert not c.has_process() and (root / "etc/dnsflow/collect.conf").exists()
        assert (root / DATA[1:] / "dnsflow.db").exists() and "dnsflow-collect" in (root / "etc/passwd").read_text()
        c.must("dpkg -i /new/dnsflow-collect_*.deb && systemctl start dnsflow-collect")
        c.keeps()
        c.must("DEBIAN_FRONTEND=noninteractive apt-get -y purge dnsflow-collect </dev/null")
        assert not c.has_process() and "dnsflow" not in c.must("ls /run; systemctl list-units --all")
    assert names_left(root) == set()


@needs_root
def test_deb_with_the_service_script(root, debs):
    """Without the sensor's package, and with what is kept on another disk."""
    put_packages(root, debs)
    pid_file = root / "run/dnsflow-collect.pid"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    def pid():
        return int(pid_file.read_text())

    with entered(root) as inside:
        def must(line):
            must_inside(inside, root, line)

        def status():
            return inside("service", "dnsflow-collect", "status").status

        def takes(number):
            assert inside(*send_command(number, "n%d.example.com" % number, port)).status == 0
            wait_until(lambda: len(found(inside(*asked_command()))) == number + 1, 20, 0.2)

        must("dpkg -i /new/dnsflow-collect_*.deb /new/dnsflow_*.deb")
        must("dnsflow_collect --version && dnsflow_read --version && apt-get check && apt-get -y purge dnsflow")
        must("dnsflow_collect --version")
        assert status() == 3
        must("mkdir /disk && chown dnsflow-collect: /disk && chmod 750 /disk && ln -s /disk " + DATA)
        must("echo 'listen 127.0.0.1:%d' >>/etc/dnsflow/collect.conf && service dnsflow-collect start" % port)
        assert status() == 0
        uid = [l.split()[1] for l in Path("/proc/%d/status" % pid()).read_text().splitlines() if l.startswith("Uid:")]
        assert uid == [inside("id", "-u", "dnsflow-collect").out.decode().strip()]
        takes(0)
        first = pid()
        must("service dnsflow-collect reload && service dnsflow-collect start")
        assert pid() == first
        must("service dnsflow-collect restart")
        second = pid()
        assert second != first and not is_alive(first)
        must("dpkg -i --force-confold /next/dnsflow-collect_*.deb")
        assert status() == 0 and pid() != second and not is_alive(second) and is_current(pid())
        takes(1)
        must("service dnsflow-collect stop; dpkg -i --force-confold /new/dnsflow-collect_*.deb")
        assert status() == 3, "what did not run is not started"
        must("service dnsflow-collect start")
        first = pid()
        must("apt-get -y remove dnsflow-collect")
        assert not is_alive(first) and not pid_file.exists() and (root / "disk/dnsflow.db").exists()
        assert inside("sh", "/etc/init.d/dnsflow-collect", "status").status == 3
        must("dpkg -i --force-confold /new/dnsflow-collect_*.deb && service dnsflow-collect start")
        first = pid()
        takes(2)
        must("apt-get -y purge dnsflow-collect")
        assert not is_alive(first) and list((root / "disk").iterdir()) == []
    assert names_left(root) == set()


def depends(package):
    return run(["dpkg-deb", "-f", package, "Pre-Depends", "Depends", "Recommends"]).out.decode()


def test_sensor_has_nothing_of_the_collector(debs, rpms):
    """Neither in files nor in what is installed with it."""
    need("dpkg-deb", "rpm")
    one, = [p for p in debs[0] if p.name.startswith("dnsflow_")]
    other, = [p for p in debs[0] if p.name.startswith("dnsflow-collect_")]
    assert "sqlite" not in depends(one) and "collect" not in depends(one) and "libsqlite3-0" in depends(other)
    listed = run(["dpkg-deb", "-c", one]).out.decode()
    assert "collect" not in listed and "/usr/sbin/dnsflow\n" in listed
    assert "publicsuffix" in run(["dpkg-deb", "-f", other, "Recommends"]).out.decode()
    one, = [p for p in rpms[0] if p.name.startswith("dnsflow-2")]
    other, = [p for p in rpms[0] if p.name.startswith("dnsflow-collect-")]
    asked = run(["rpm", "-qp", "--requires", "-l", one]).out.decode()
    assert "sqlite" not in asked and "collect" not in asked and "/usr/sbin/dnsflow\n" in asked
    assert "libsqlite3.so" in run(["rpm", "-qp", "--requires", other]).out.decode()


@needs_root
def test_rpm_with_systemd(root, rpms, tmp_path):
    """Its scriptlets, in a system of Debian's."""
    put_packages(root, rpms)
    with booted(root, tmp_path, "dnsflow-collect") as machine:
        c = Collector(machine)
        c.must("rpm -i --nodeps /new/dnsflow-collect-2*.rpm && systemctl start dnsflow-collect")
        c.takes()
        main = c.show("MainPID")
        c.must("rpm -U --nodeps /next/dnsflow-collect-2*.rpm")
        assert machine.is_current() and c.show("MainPID") != main
        c.takes()
        c.stop()
        c.must("rpm -U --oldpackage --nodeps /new/dnsflow-collect-2*.rpm")
        assert c.state() == "inactive", "what did not run is not started"
        c.must("systemctl start dnsflow-collect; echo max-age 9 >>/etc/dnsflow/collect.conf; rpm -e dnsflow-collect")
        assert not c.has_process() and "dnsflow" not in c.must("systemctl list-units --all")
        assert "max-age 9" in (root / "etc/dnsflow/collect.conf.rpmsave").read_text()
        assert (root / DATA[1:] / "dnsflow.db").exists()
    assert not (root / "etc/systemd/system/multi-user.target.wants/dnsflow-collect.service").is_symlink()


@needs_root
def test_install_service_with_systemd(root, tmp_path):
    """make install-service, by the script that it calls."""
    call = put_source(root, "dnsflow_collect", "bin")
    with booted(root, tmp_path, "dnsflow-collect") as machine:
        c = Collector(machine)
        c.must(call + "install && systemctl enable --now dnsflow-collect")
        c.takes()
        c.must(call + "remove")
        assert not c.has_process() and "dnsflow" not in c.must("systemctl list-units --all")
        assert not (root / "etc/dnsflow").exists() or not list((root / "etc/dnsflow").iterdir())
    shutil.rmtree(root / "source")
    kept = {"usr/local/bin/dnsflow_collect", DATA[1:], "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"}
    assert {f for f in names_left(root) if not f.startswith(DATA[1:] + "/")} - {"etc/dnsflow"} == kept
