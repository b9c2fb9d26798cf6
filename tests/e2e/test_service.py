# SPDX-License-Identifier: BSD-3-Clause
"""In the background, under a service manager, with the system's log, by the service script."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import SENSOR, TOP, Background, needs_root, run, sensor, wait_until

SCRIPT = TOP / "packaging" / "dnsflow.init"


def pid_of(path):
    return int(path.read_text())


def is_alive(pid):
    try:
        return Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def end(pid, number=signal.SIGTERM):
    os.kill(pid, number)
    wait_until(lambda: not is_alive(pid))


@needs_root
def test_daemon(tmp_path):
    pid_file = tmp_path / "pid"
    result = sensor("-i", "lo", "--ring-size", "1", "-u", "127.0.0.1:9", "-D", "-P", pid_file)
    assert result.status == 0 and "capturing on lo" in result.err
    pid = pid_of(pid_file)
    try:
        assert is_alive(pid) and os.getsid(pid) != os.getsid(0)
        again = sensor("-i", "lo", "-u", "127.0.0.1:9", "-D", "-P", pid_file)
        assert again.status == 1 and "already running (pid %d)" % pid in again.err
    finally:
        end(pid)


def test_daemon_that_cannot_start(tmp_path):
    result = sensor("-i", "nosuch0", "-u", "127.0.0.1:9", "-D")
    assert result.status == 1 and "nosuch0" in result.err


class Manager:
    """The part of a service manager that takes notifications."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.settimeout(10)

    def take(self):
        return self.socket.recv(1000).decode()


@needs_root
@pytest.mark.parametrize("abstract", [False, True])
def test_notifications(tmp_path, abstract):
    name = "dnsflow-%d" % os.getpid() if abstract else str(tmp_path / "notify")
    manager = Manager("\0" + name if abstract else name)
    environment = dict(os.environ, NOTIFY_SOCKET="@" + name if abstract else name, WATCHDOG_USEC="600000")
    with subprocess.Popen([SENSOR, "-i", "lo", "--ring-size", "1", "-u", "127.0.0.1:9", "-M2"], env=environment,
                          stderr=subprocess.DEVNULL) as process:
        assert manager.take() == "READY=1"
        for _ in range(3):
            assert manager.take() == "WATCHDOG=1"
        process.terminate()
        while manager.take() != "STOPPING=1":
            pass
        assert process.wait(10) == 0


@needs_root
def test_no_sign_of_life_from_a_stuck_worker(tmp_path):
    """A worker that does not move any more keeps the whole sensor silent."""
    manager = Manager(str(tmp_path / "notify"))
    environment = dict(os.environ, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="300000")
    os.mkfifo(tmp_path / "out")
    reader = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen([SENSOR, "-i", "lo", "--ring-size", "8", "-w", str(tmp_path / "out")], env=environment,
                          stderr=subprocess.DEVNULL) as process:
        try:
            assert manager.take() == "READY=1"
            from conftest import response
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", 0))
                source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                source.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                source.bind(("127.0.0.77", 53))
                message = response("full.example", ["192.0.2.1"] * 40)
                for _ in range(4000):  # far more than a pipe that nobody reads holds
                    source.sendto(message, s.getsockname())
                source.close()
            manager.socket.settimeout(3)
            with pytest.raises(socket.timeout):
                while True:
                    assert manager.take() == "WATCHDOG=1"
        finally:
            os.close(reader)
            process.kill()


class SystemLog:
    """A socket in place of /dev/log or the journal's, seen by a sensor in a mount namespace of its own."""

    def __init__(self, tmp_path, target):
        self.path, self.target = tmp_path / "socket", target
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        os.chmod(self.path, 0o666)
        self.socket.settimeout(10)

    def command(self, *options):
        folder = os.path.dirname(self.target)
        shell = "mount -t tmpfs tmpfs %s && touch %s && mount --bind %s %s && exec \"$@\"" % (
            folder, self.target, self.path, self.target)
        return ["unshare", "-m", "sh", "-c", shell, "sh", SENSOR] + list(options)

    def take_until(self, text):
        lines = []
        while not lines or text not in lines[-1]:
            lines.append(self.socket.recv(4096).decode())
        return lines


@needs_root
@pytest.mark.parametrize("where, target", [("syslog", "/dev/log"), ("journal", "/run/systemd/journal/socket")])
def test_system_log(tmp_path, where, target):
    if not os.path.isdir(os.path.dirname(target)) and where == "journal":
        if not os.path.isdir("/run"):
            pytest.skip("there is no /run")
    log = SystemLog(tmp_path, target)
    argv = log.command("-r", "/nonexistent/file", "-w", str(tmp_path / "out"), "--log", where)
    if where == "journal":
        argv[4] = argv[4].replace("mount -t tmpfs tmpfs /run/systemd/journal",
                                  "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal")
    else:
        argv[4] = argv[4].replace("mount -t tmpfs tmpfs /dev &&", "cp -a /dev/null %s/null && mount -t tmpfs tmpfs /dev "
                                  "&& cp -a %s/null /dev/null &&" % (tmp_path, tmp_path))
    (tmp_path / "empty.pcap").write_bytes(b"nonsense that is no capture")
    argv[argv.index("/nonexistent/file")] = str(tmp_path / "empty.pcap")
    result = run(argv)
    assert result.status == 1, result.err
    lines = log.take_until("output: 0 records")
    errors = [l for l in lines if "error: " in l and "empty.pcap" in l]
    assert len(errors) == 1
    if where == "syslog":
        assert errors[0].startswith("<27>") and lines[-1].startswith("<30>")  # daemon.err, daemon.info
    else:
        assert "PRIORITY=3\n" in errors[0] and "PRIORITY=6\n" in lines[-1]
        assert all("SYSLOG_IDENTIFIER=dnsflow\n" in l for l in lines)


# The service script

def script(tmp_path, *words, **variables):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DNSFLOW_DEFAULTS": str(tmp_path / "defaults")}
    return run(["sh", SCRIPT, *words], env=environment)


@needs_root
def test_script(tmp_path):
    if not shutil.which("start-stop-daemon"):
        pytest.skip("there is no program start-stop-daemon")
    pid_file = tmp_path / "run.pid"
    (tmp_path / "defaults").write_text('DNSFLOW="%s"\nDNSFLOW_PIDFILE="%s"\nDNSFLOW_OPTS="-i lo --ring-size 1 '
                                       '-u 127.0.0.1:9"\n' % (SENSOR, pid_file))
    assert script(tmp_path, "status").status == 3
    assert script(tmp_path, "stop").status == 0, "stopping what does not run is fine"
    pids = []
    try:
        started = script(tmp_path, "start")
        assert started.status == 0, started.err
        pids.append(pid_of(pid_file))
        assert script(tmp_path, "status").status == 0
        assert script(tmp_path, "start").status == 0 and pid_of(pid_file) == pids[0], "it runs already"
        assert script(tmp_path, "force-reload").status == 0 and is_alive(pids[0])
        assert script(tmp_path, "restart").status == 0
        pids.append(pid_of(pid_file))
        assert pids[0] != pids[1] and not is_alive(pids[0]) and is_alive(pids[1])
        os.kill(pids[1], signal.SIGKILL)
        wait_until(lambda: not is_alive(pids[1]))
        assert script(tmp_path, "status").status == 1, "dead, with a pid file"
        assert script(tmp_path, "start").status == 0
        pids.append(pid_of(pid_file))
        assert script(tmp_path, "stop").status == 0 and not is_alive(pids[2])
        assert script(tmp_path, "status").status == 3
    finally:
        for pid in pids:
            if is_alive(pid):
                end(pid, signal.SIGKILL)
    assert script(tmp_path, "dance").status == 2


@needs_root
def test_script_says_what_failed(tmp_path):
    if not shutil.which("start-stop-daemon"):
        pytest.skip("there is no program start-stop-daemon")
    (tmp_path / "defaults").write_text('DNSFLOW="%s"\nDNSFLOW_PIDFILE="%s"\nDNSFLOW_OPTS="-i nosuch0 -u 127.0.0.1:9"\n'
                                       % (SENSOR, tmp_path / "pid"))
    result = script(tmp_path, "start")
    assert result.status == 1 and "nosuch0" in result.err
    (tmp_path / "defaults").write_text('DNSFLOW=/nonexistent/dnsflow\n')
    assert script(tmp_path, "start").status == 5, "not installed"


def test_unit():
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no program systemd-analyze")
    result = run(["systemd-analyze", "verify", "--recursive-errors=no", TOP / "packaging" / "dnsflow.service"])
    complaints = [l for l in result.err.splitlines() if "dnsflow.service" in l and
                  "is not executable" not in l and "Command 'man " not in l]
    assert complaints == []
    score = run(["systemd-analyze", "security", "--offline=true", TOP / "packaging" / "dnsflow.service"])
    line = [l for l in score.out.decode().splitlines() if "Overall exposure level" in l]
    if not line:
        pytest.skip("this systemd-analyze cannot look at a file: " + score.err)
    assert float(line[0].split(":")[1].split()[0]) < 2
