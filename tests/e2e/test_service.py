# SPDX-License-Identifier: BSD-3-Clause
"""In the background, under a service manager, with the system's log, by the service script."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import CAPTURES, SENSOR, TOP, Background, need, needs_root, pcap_header, run, sensor, wait_until
from processes import is_alive, sensor_of_full_output
from service import Manager

SCRIPT = TOP / "packaging" / "dnsflow-service"
HAS_COLLECTOR = os.access(TOP / "dnsflow_collect", os.X_OK)


def pid_of(path):
    return int(path.read_text())


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
    result = sensor("-i", "nosuch0", "-u", "127.0.0.1:9", "-D", "-P", tmp_path / "pid")
    assert result.status == 1 and "nosuch0" in result.err
    wait_until(lambda: not (tmp_path / "pid").exists())


@needs_root
def test_nothing_is_said_to_run_before_all_is_open(tmp_path):
    """What cannot start says why, in one line, and leaves no files."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for options in (["--metrics", "unix:/nosuch/x"], ["--metrics", port], ["--dump-bad", "/nosuch/x"],
                        ["--metrics", "unix:%s" % (tmp_path / "socket"), "--dump-bad", "/nosuch/x"]):
            result = sensor("-i", "lo", "--ring-size", "1", "-w", tmp_path / "out", "-P", tmp_path / "pid", *options)
            assert result.status == 1 and result.err.count("\n") == 1, result.err
            assert list(tmp_path.iterdir()) == []


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
    with sensor_of_full_output(env=environment) as (_, fill):
        assert manager.take() == "READY=1"
        fill()
        manager.socket.settimeout(3)
        deadline = time.monotonic() + 30
        with pytest.raises(socket.timeout):
            while time.monotonic() < deadline:
                assert manager.take() == "WATCHDOG=1"


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
    alone = run(["unshare", "-m", "true"])
    if alone.status != 0:  # the root folder of a chroot is no mount point
        pytest.skip("no mount namespace of one's own: " + alone.err.strip())
    log = SystemLog(tmp_path, target)
    argv = log.command("-r", "/nonexistent/file", "-w", str(tmp_path / "out"), "--log", where)
    if where == "journal":
        argv[4] = argv[4].replace("mount -t tmpfs tmpfs /run/systemd/journal",
                                  "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal")
    else:
        argv[4] = argv[4].replace("mount -t tmpfs tmpfs /dev &&", "cp -a /dev/null %s/null && mount -t tmpfs tmpfs /dev "
                                  "&& cp -a %s/null /dev/null &&" % (tmp_path, tmp_path))
    (tmp_path / "empty.pcap").write_bytes(pcap_header(1) + b"no record")
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
        assert all("SYSLOG_IDENTIFIER=dnsflow\n" in l and "MESSAGE=[" not in l for l in lines)


@pytest.mark.parametrize("options, line", [
    (["-r", "/nonexistent/file", "-w", "/dev/null"], r"<3>/nonexistent/file: .*"),
    (["--nonsense"], r"<3>option --nonsense: .*"),
    (["-r", CAPTURES / "made_le_us.pcap", "-w", "/dev/null"], r"<6>6 packets captured"),
])
def test_lines_to_the_journal(tmp_path, options, line):
    """It adds name and process itself; elsewhere the lines are as they are, whatever the environment says."""
    with open(tmp_path / "err", "wb") as err:
        stream = "%d:%d" % (os.fstat(err.fileno()).st_dev, os.fstat(err.fileno()).st_ino)
        subprocess.run([SENSOR, *options], env=dict(os.environ, JOURNAL_STREAM=stream), stderr=err, timeout=20, check=False)
    lines = (tmp_path / "err").read_text().splitlines()
    assert re.fullmatch(line, lines[0]) and not [l for l in lines if not re.match(r"<[346]>[^\[]", l)], lines
    plain = run([SENSOR, *options], env=dict(os.environ, JOURNAL_STREAM=stream))
    assert not [l for l in plain.err.splitlines() if l.startswith("<")]


@needs_root
def test_no_syslog(tmp_path):
    """Lines do not vanish without a word."""
    hidden = ["unshare", "-m", "sh", "-c", "cp -a /dev/null %s/null && mount -t tmpfs tmpfs /dev && "
              "cp -a %s/null /dev/null && exec \"$@\"" % (tmp_path, tmp_path), "sh", SENSOR]
    live = ["-i", "lo", "--ring-size", "1", "-u", "127.0.0.1:9", "-P", tmp_path / "pid"]
    for options in ["--log", "syslog"], ["-D", "--log", "syslog"]:
        result = run(hidden + live + options)
        assert result.status == 1 and result.err.count("\n") == 1, result.err
        assert "--log syslog" in result.err and "/dev/log" in result.err and "--log stderr" in result.err
    result = run(hidden + live + ["-D"])
    try:
        assert result.status == 0 and "warning: " in result.err and "no syslog at /dev/log" in result.err
    finally:
        end(pid_of(tmp_path / "pid"))


# The service script

def script(tmp_path, *words, path=SCRIPT):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DNSFLOW_DEFAULTS": str(tmp_path / "defaults")}
    return run(["sh", path, *words], env=environment)


def configure(tmp_path, options, program=SENSOR, more=""):
    (tmp_path / "defaults").write_text('DNSFLOW="%s"\nDNSFLOW_PIDFILE="%s"\nDNSFLOW_OPTS="%s"\n%s'
                                       % (program, tmp_path / "pid", options, more))


@needs_root
def test_script(tmp_path):
    pid_file = tmp_path / "pid"
    configure(tmp_path, "-i lo --ring-size 1 -u 127.0.0.1:9")
    assert script(tmp_path, "status").status == 3
    assert script(tmp_path, "stop").status == 0, "stopping what does not run is fine"
    assert script(tmp_path, "try-restart").status == 0 and not pid_file.exists(), "nothing to start again"
    assert script(tmp_path, "reload").status == 7
    pids = []
    try:
        started = script(tmp_path, "start")
        assert started.status == 0, started.err
        pids.append(pid_of(pid_file))
        assert script(tmp_path, "status").status == 0
        assert script(tmp_path, "start").status == 0 and pid_of(pid_file) == pids[0], "it runs already"
        assert script(tmp_path, "force-reload").status == 0 and is_alive(pids[0])
        for number, word in enumerate(["restart", "try-restart", "condrestart"]):
            assert script(tmp_path, word).status == 0
            pids.append(pid_of(pid_file))
            assert pids[-1] != pids[-2] and not is_alive(pids[-2]) and is_alive(pids[-1]), word
        end(pids[-1], signal.SIGKILL)
        assert script(tmp_path, "status").status == 1, "dead, with a pid file"
        assert script(tmp_path, "try-restart").status == 0 and script(tmp_path, "status").status == 1
        assert script(tmp_path, "start").status == 0
        pids.append(pid_of(pid_file))
        assert script(tmp_path, "stop").status == 0 and not is_alive(pids[-1]) and not pid_file.exists()
        assert script(tmp_path, "status").status == 3
    finally:
        for pid in pids:
            if is_alive(pid):
                end(pid, signal.SIGKILL)
    assert script(tmp_path, "dance").status == 2


@needs_root
@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_script_of_a_program_that_changed(tmp_path, change):
    """After an upgrade and after a removal what runs is stopped all the same."""
    program = tmp_path / "dnsflow"
    shutil.copy(SENSOR, program)
    configure(tmp_path, "-i lo --ring-size 1 -u 127.0.0.1:9", program)
    assert script(tmp_path, "start").status == 0
    pid = pid_of(tmp_path / "pid")
    try:
        program.unlink()
        if change == "replaced":
            shutil.copy(SENSOR, program)
        assert script(tmp_path, "status").status == 0
        if change == "replaced":
            assert script(tmp_path, "try-restart").status == 0 and not is_alive(pid)
            pid = pid_of(tmp_path / "pid")
        else:
            assert script(tmp_path, "start").status == 5 and script(tmp_path, "restart").status == 5 and is_alive(pid)
        assert script(tmp_path, "stop").status == 0 and not is_alive(pid)
        assert script(tmp_path, "status").status == 3
    finally:
        if is_alive(pid):
            end(pid, signal.SIGKILL)


@needs_root
def test_script_says_what_failed(tmp_path):
    configure(tmp_path, "-i nosuch0 -u 127.0.0.1:9")
    result = script(tmp_path, "start")
    assert result.status == 1 and "nosuch0" in result.err
    assert not (tmp_path / "pid").exists() and script(tmp_path, "status").status == 3
    (tmp_path / "defaults").write_text('DNSFLOW=/nonexistent/dnsflow\n')
    assert script(tmp_path, "start").status == 5, "not installed"


@needs_root
def test_script_leaves_the_pid_file_of_another(tmp_path):
    """A sensor of another name has it: the script's does not start, and the file stays."""
    other = shutil.copy(SENSOR, tmp_path / "other")
    configure(tmp_path, "-i lo --ring-size 1 -u 127.0.0.1:9")
    with Background([other, "-i", "lo", "--ring-size", "1", "-u", "127.0.0.1:9", "-P", tmp_path / "pid"], tmp_path) as first:
        first.wait_err("capturing on lo")
        result = script(tmp_path, "start")
        assert result.status == 1 and "already running (pid %d)" % first.process.pid in result.err
        assert pid_of(tmp_path / "pid") == first.process.pid


def test_script_leaves_other_processes_alone(tmp_path):
    """A pid file with the number of something else is one of a sensor that is dead."""
    configure(tmp_path, "-i lo -u 127.0.0.1:9")
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "pid").write_text("%d\n" % other.pid)
        assert script(tmp_path, "status").status == 1
        assert script(tmp_path, "reload").status == 7
        assert script(tmp_path, "stop").status == 0 and other.poll() is None
        other.kill()
    for text in ("", "nonsense", "../1", "-1", "1 1"):
        (tmp_path / "pid").write_text(text)
        assert script(tmp_path, "status").status == 1 and script(tmp_path, "stop").status == 0, text


@needs_root
def test_status_of_an_unreadable_pid_file():
    need("setpriv")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chmod(folder, 0o755)
        configure(folder, "-i lo -u 127.0.0.1:9")
        shutil.copy(SCRIPT, folder / "script")
        (folder / "pid").write_text("1\n")
        (folder / "pid").chmod(0o600)
        result = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
                      "DNSFLOW_DEFAULTS=%s/defaults" % folder, "sh", folder / "script", "status"])
    assert result.status == 4 and b"pid cannot be read" in result.out.replace(b" or /proc", b""), result


# The options of both

OPTIONS = [
    ('DNSFLOW_OPTS="-i eth0 -u 192.0.2.9"', ["-i", "eth0", "-u", "192.0.2.9"]),
    ("DNSFLOW_OPTS='-i eth0\t -u  192.0.2.9 '", ["-i", "eth0", "-u", "192.0.2.9"]),
    ('export DNSFLOW_OPTS="-i eth0 -u c"', ["-i", "eth0", "-u", "c"]),
    ('# a comment\n  # another\nDNSFLOW_OPTS="-i eth0 -u c" # and one behind', ["-i", "eth0", "-u", "c"]),
    ("DNSFLOW_OPTS=\"-f 'udp and (src port 53 or 5353)' -u c\"", ["-f", "udp and (src port 53 or 5353)", "-u", "c"]),
    ("DNSFLOW_OPTS='-f \"udp  port 53\" -u c'", ["-f", "udp  port 53", "-u", "c"]),
    ('DNSFLOW_OPTS="-f \\"udp port 53\\" -u c"', ["-f", "udp port 53", "-u", "c"]),
    ("DNSFLOW_OPTS='-f udp\\ port\\ 53 -u c'", ["-f", "udp port 53", "-u", "c"]),
    ("DNSFLOW_OPTS=\"-f 'udp[10] & 0x80 != 0' -u c\"", ["-f", "udp[10] & 0x80 != 0", "-u", "c"]),
    ("DNSFLOW_OPTS='-f udp[10]&128!=0 -w /* -u ~;c>x|y(z)$A`b`'",
     ["-f", "udp[10]&128!=0", "-w", "/*", "-u", "~;c>x|y(z)$A`b`"]),
    ('IF=eth3\nDNSFLOW_OPTS="-i $IF"\nDNSFLOW_OPTS="$DNSFLOW_OPTS -u c"', ["-i", "eth3", "-u", "c"]),
    ('DNSFLOW_OPTS="-i eth0 \\\n  -u c"', ["-i", "eth0", "-u", "c"]),
    ('DNSFLOW_OPTS="-i eth0\n-u c"', ["-i", "eth0", "-u", "c"]),
    ("DNSFLOW_OPTS=\"-u c --sensor-id ''\"", ["-u", "c", "--sensor-id", ""]),
    ("DNSFLOW_OPTS=\"-n -e --help\"", ["-n", "-e", "--help"]),
]


def echo_program(tmp_path):
    """A program that tells how it was called."""
    program = tmp_path / "echo"
    program.write_text("#!/bin/sh\nprintf '%%s\\n' \"$@\" >%s\n" % (tmp_path / "words"))
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("text, expected", OPTIONS)
def test_options_mean_the_same_to_unit_and_script(tmp_path, text, expected):
    (tmp_path / "defaults").write_text("%s\nDNSFLOW=%s\nDNSFLOW_PIDFILE=%s\n"
                                       % (text, echo_program(tmp_path), tmp_path / "pid"))
    for verb, more in ("run", []), ("start", ["-D", "-P", str(tmp_path / "pid")]):
        done = script(tmp_path, verb)
        assert done.status == 0, done.err
        assert (tmp_path / "words").read_text().split("\n")[:-1] == expected + more
    assert script(tmp_path, "check").status == 0


BROKEN = ["DNSFLOW_OPTS=\"-f 'udp port 53 -u c\"", 'DNSFLOW_OPTS="-i eth0 -u c', "if true; then", "DNSFLOW_OPTS=(-i eth0)"]


@pytest.mark.parametrize("text", BROKEN)
def test_options_that_cannot_be_read(tmp_path, text):
    """One line, and nothing that runs is stopped for them."""
    (tmp_path / "defaults").write_text("DNSFLOW=%s\nDNSFLOW_PIDFILE=%s\n%s\n"
                                       % (echo_program(tmp_path), tmp_path / "pid", text))
    assert script(tmp_path, "check").status == 0, "the unit fails in run, and says why"
    for verb, status in ("run", 2), ("start", 6), ("restart", 6):
        done = script(tmp_path, verb)
        assert done.status == status and len(done.err.splitlines()) == 1 and "defaults" in done.err, done.err
    assert not (tmp_path / "words").exists()


def test_nothing_is_started_as_shipped(tmp_path):
    shipped = (TOP / "packaging" / "dnsflow.default").read_text()
    for text in (shipped, "", 'DNSFLOW_OPTS="  "\n', None):
        (tmp_path / "defaults").unlink(missing_ok=True)
        if text is not None:
            (tmp_path / "defaults").write_text(text + "DNSFLOW=%s\n" % echo_program(tmp_path))
        done = script(tmp_path, "check")
        assert done.status == 1 and b"DNSFLOW_OPTS" in done.out and len(done.out.splitlines()) == 1
        if text is not None:
            assert script(tmp_path, "start").status == 0 and script(tmp_path, "run").status == 2
    assert not (tmp_path / "words").exists()
    examples = [line[1:] for line in shipped.splitlines() if line.startswith("#DNSFLOW_OPTS")]
    for example in examples:
        (tmp_path / "defaults").write_text("%s\nDNSFLOW=%s\n" % (example, echo_program(tmp_path)))
        assert script(tmp_path, "run").status == 0
        words = (tmp_path / "words").read_text().split("\n")[:-1]
        assert sensor(*words, "--version").status == 0, "the examples in the file are good"
    assert examples


def test_program_in_usr_local(tmp_path):
    """The script takes the program from there when there is none in /usr/sbin; here both are elsewhere."""
    text = SCRIPT.read_text()
    for folder in "usr", "usr/local":
        (tmp_path / folder / "sbin").mkdir(parents=True)
        program = shutil.copy(echo_program(tmp_path), tmp_path / folder / "sbin/dnsflow")
    text = text.replace("=/usr", "=%s/usr" % tmp_path).replace("PATH=%s/usr" % tmp_path, "PATH=/usr")
    (tmp_path / "script").write_text(text)
    (tmp_path / "defaults").write_text('DNSFLOW_OPTS="-i lo"\n')
    for folder in "usr", "usr/local":
        program = tmp_path / folder / "sbin/dnsflow"
        program.write_text(program.read_text() + "echo %s >%s\n" % (folder, tmp_path / "which"))
    for folder in "usr", "usr/local":
        assert script(tmp_path, "run", path=tmp_path / "script").status == 0
        assert (tmp_path / "which").read_text().strip() == folder
        (tmp_path / folder / "sbin/dnsflow").unlink()
    assert script(tmp_path, "run", path=tmp_path / "script").status == 2


# What make installs

def make(*words):
    return run(["make", "-s", "-C", TOP, *words], timeout=120)


def files_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@pytest.mark.parametrize("prefix, unit", [("/usr", "usr/lib/systemd/system"), ("/usr/local", "usr/local/lib/systemd/system"),
                                          ("/opt/dnsflow", "etc/systemd/system")])
def test_install_service(tmp_path, prefix, unit):
    """The unit and the script name the program of the prefix, and uninstall takes away what was made, folders too."""
    where = ["DESTDIR=%s" % tmp_path, "PREFIX=" + prefix]
    done = make("install-service", *where)
    assert done.status == 0 and "/etc/default/dnsflow" in done.out.decode(), done.err
    files = {"etc/default/dnsflow", "etc/init.d/dnsflow", unit + "/dnsflow.service", prefix[1:] + "/libexec/dnsflow-service"}
    if HAS_COLLECTOR:
        files |= {name.replace("dnsflow.", "dnsflow-collect.").replace("/dnsflow-service", "/dnsflow-collect-service")
                  if name.endswith("service") else name + "-collect" for name in files} | {"etc/dnsflow/collect.conf"}
    assert set(files_below(tmp_path)) == files
    for name in ["dnsflow", "dnsflow-collect"][:1 + HAS_COLLECTOR]:
        helper = "%s/libexec/%s-service" % (prefix, name)
        assert "ExecStart=%s run\n" % helper in (tmp_path / unit / (name + ".service")).read_text()
        assert 'exec %s "$@"\n' % helper in (tmp_path / "etc/init.d" / name).read_text()
        assert "\nDNSFLOW=%s/sbin/dnsflow\n" % prefix in (tmp_path / helper[1:]).read_text()
        assert "\nDNSFLOW_COLLECT=%s/bin/dnsflow_collect\n" % prefix in (tmp_path / helper[1:]).read_text()
        assert os.access(tmp_path / helper[1:], os.X_OK) and os.access(tmp_path / "etc/init.d" / name, os.X_OK)
    assert "ExecCondition=%s/libexec/dnsflow-service check\n" % prefix in (tmp_path / unit / "dnsflow.service").read_text()
    (tmp_path / "etc/default/dnsflow").write_text('DNSFLOW_OPTS="-i lo"\n')
    assert make("install-service", *where).status == 0
    assert (tmp_path / "etc/default/dnsflow").read_text() == 'DNSFLOW_OPTS="-i lo"\n', "options stay"
    done = make("uninstall", *where)
    assert done.status == 0, done.err
    assert list(tmp_path.iterdir()) == []


def test_install_service_beside_another(tmp_path):
    """What was there before is left alone, the options of an earlier program too."""
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/default/dnsflow").write_text('DNSFLOW_OPTS="-i lo"\n')
    if HAS_COLLECTOR:
        (tmp_path / "etc/dnsflow").mkdir()
        (tmp_path / "etc/dnsflow/collect.conf").write_text("directory /srv/dns\n")
    mine = files_below(tmp_path)
    assert make("install-service", "DESTDIR=%s" % tmp_path).status == 0
    other = make("install-service", "DESTDIR=%s" % tmp_path, "PREFIX=/opt")
    assert other.status != 0 and "/etc/init.d/dnsflow" in other.err and not (tmp_path / "opt").exists()
    assert make("uninstall", "DESTDIR=%s" % tmp_path, "PREFIX=/opt").status == 0
    assert "etc/init.d/dnsflow" in files_below(tmp_path)
    assert make("uninstall", "DESTDIR=%s" % tmp_path).status == 0
    assert files_below(tmp_path) == mine
    assert not HAS_COLLECTOR or (tmp_path / "etc/dnsflow/collect.conf").read_text() == "directory /srv/dns\n"
    assert make("install-service", "DESTDIR=%s" % tmp_path, "PREFIX=/usr").status == 0, "as a package does"
    assert make("install-service", "DESTDIR=%s" % tmp_path).status != 0
    before = files_below(tmp_path)
    assert make("uninstall", "DESTDIR=%s" % tmp_path).status == 0 and files_below(tmp_path) == before


def test_help_names_every_target():
    said = make("help").out.decode()
    targets = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", (TOP / "Makefile").read_text(), re.M).group(1)
    inner = {"all", "programs", "tests", "core", "check-core", "smoke-programs"}
    missing = [t for t in targets.replace("\\\n", " ").split() if t not in inner and
               not re.search(r"(?<![\w-])%s(?![\w-])" % t, said)]
    assert not missing


@pytest.mark.parametrize("name", ["dnsflow", "dnsflow-collect"])
def test_unit(name):
    need("systemd-analyze")
    unit = TOP / "packaging" / (name + ".service")
    result = run(["systemd-analyze", "verify", "--recursive-errors=no", unit])
    complaints = [l for l in result.err.splitlines() if name + ".service" in l and
                  "is not executable" not in l and "Command 'man " not in l]
    assert complaints == []
    score = run(["systemd-analyze", "security", "--offline=true", unit])
    line = [l for l in score.out.decode().splitlines() if "Overall exposure level" in l]
    if not line:
        pytest.skip("this systemd-analyze cannot look at a file: " + score.err)
    assert float(line[0].split(":")[1].split()[0]) < 2
