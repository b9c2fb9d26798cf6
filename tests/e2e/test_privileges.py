# SPDX-License-Identifier: BSD-3-Clause
"""What rights a live sensor keeps, and what it says when it lacks some."""

import contextlib
import ctypes
import errno
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import SENSOR, Background, need, run, sensor, wait_until
from netns import collect, finish, frames_of, needs_namespaces, net, wait_records
from processes import children_of, helpers_of, is_alive
from rights import NET_RAW, capabilities, default_user, expect_confined, plain_build, status


def threads(pid):
    return [int(p.name) for p in Path("/proc/%d/task" % pid).iterdir()]


@needs_namespaces
@plain_build
@pytest.mark.parametrize("options, user, seccomp", [([], None, True), (["--user", "daemon"], "daemon", True),
                                                    (["--seccomp", "off"], None, False),
                                                    (["--seccomp", "log"], None, True), (["-M3"], None, True)],
                         ids=lambda x: " ".join(x) if isinstance(x, list) else str(x))
def test_rights(net, options, user, seccomp):
    collector = net.collector()
    running = net.sensor("-u", collector.target, *options)
    net.wire()(frames_of(30))
    wait_records(running, 30)
    user = pwd.getpwnam(user) if user else default_user()
    pid = running.process.pid
    assert len(threads(pid)) == (4 if "-M3" in options else 2)
    for thread in threads(pid):
        expect_confined(status(pid, thread), user, True, seccomp)
    for helper in helpers_of(pid):
        expect_confined(status(helper), user, False, "off" not in options)
    assert len(collect(running, collector).rows) == 30


@needs_namespaces
def test_root_without_capabilities(net):
    """--user root stays root, with nothing that root could do elsewhere."""
    running = net.sensor("-u", "127.0.0.1:9", "--user", "root")
    wait_until(lambda: status(running.process.pid)["NoNewPrivs"] == "1")
    values = status(running.process.pid)
    assert values["Uid"].split() == ["0"] * 4 and values["NoNewPrivs"] == "1"
    assert capabilities(values)["CapEff"] == NET_RAW and capabilities(values)["CapBnd"] == 0
    finish(running)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_dnstap_keeps_nothing(tmp_path):
    with Background([SENSOR, "-t", "unix:%s" % (tmp_path / "s"), "-u", "127.0.0.1:9"], tmp_path) as running:
        running.wait_err("listening for dnstap on")
        running.wait_handlers()
        wait_until(lambda: capabilities(status(running.process.pid))["CapPrm"] == 0)
        running.signal(signal.SIGTERM)
        assert running.wait(10) == 0


@needs_namespaces
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_helper_goes_with_the_sensor(net, number):
    running = net.sensor("-u", "127.0.0.1:9")
    helpers = helpers_of(running.process.pid)
    running.signal(number)
    running.wait(10)
    wait_until(lambda: not any(is_alive(h) for h in helpers))


@needs_namespaces
@pytest.mark.parametrize("victims", [[0], [1], [0, 1, 0, 1]], ids=["keeper", "server", "each twice"])
def test_helper_is_replaced(net, victims):
    """Whichever of its processes dies: a name is resolved and a file opened afterwards."""
    out = net.folder / "out"
    running = net.sensor("-u", "localhost:9", "-w", out, "--user", "root")
    helpers = helpers_of(running.process.pid)
    for n, victim in enumerate(victims):
        os.kill(helpers[victim], signal.SIGKILL)
        wait_until(lambda: running.err.count("a process of the helper has died and was replaced") == n + 1)
        left = helpers[1 - victim]
        wait_until(lambda: children_of(left) if victim == 1 or is_alive(left) else True)
        helpers = [left, children_of(left)[0]]
    out.rename(net.folder / "out.1")
    running.signal(signal.SIGHUP)
    wait_until(out.exists)
    net.wire()(frames_of(5))
    wait_records(running, 5)
    finish(running)
    wait_until(lambda: not any(is_alive(h) for h in helpers))


@needs_namespaces
def test_all_helpers_gone(net):
    """There is nobody left who may make new ones: that is said, and the sensor goes on."""
    running = net.sensor("-u", "127.0.0.1:9")
    helpers = helpers_of(running.process.pid)
    for helper in helpers:
        os.kill(helper, signal.SIGSTOP)
    for helper in helpers:
        os.kill(helper, signal.SIGKILL)
    running.wait_err("error: the helper processes are gone")
    net.wire()(frames_of(5))
    wait_records(running, 5)
    finish(running)


@needs_namespaces
@pytest.mark.parametrize("capabilities", ["net_raw", "net_raw,setpcap", "net_raw,setuid,setgid"])
def test_few_capabilities(net, capabilities):
    """Root in a container that gives no more than these."""
    need("setpriv")
    bounds = "-all," + ",".join("+" + c for c in capabilities.split(","))
    command = ["setpriv", "--bounding-set", bounds, "--inh-caps=-all"] + net.argv("-i", "in0", "-u", "127.0.0.1:9")[4:]
    before = ["ip", "netns", "exec", net.name]
    with Background(before + command, net.folder) as running:
        running.wait_err("capturing on in0")
        wait_until(lambda: status(running.process.pid)["NoNewPrivs"] == "1")
        net.wire()(frames_of(5))
        wait_records(running, 5)
        values = status(running.process.pid)
        assert values["Uid"].split()[0] == ("0" if "setuid" not in capabilities else str(default_user().pw_uid))
        assert int(values["CapEff"], 16) == NET_RAW
        finish(running)
    if "setuid" not in capabilities:
        refused = run(before + command + ["--user", "daemon"])
        assert refused.status == 1 and "--user daemon" in refused.err and "SETUID" in refused.err


@needs_namespaces
def test_user_that_it_is_already(net):
    need("setpriv")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(SENSOR, folder)
        command = ["ip", "netns", "exec", net.name, "setpriv", "--reuid", "daemon", "--clear-groups", "--inh-caps=+net_raw",
                   "--ambient-caps=+net_raw", copy, "-i", "in0", "-u", "127.0.0.1:9", "--ring-size", "8", "--user"]
        with Background(command + ["daemon"], net.folder) as running:
            running.wait_err("capturing on in0")
            running.wait_handlers()
            finish(running)
        other = run(command + ["nobody"])
        assert other.status == 1 and "only root can become another user" in other.err


REFUSED = """
close_range landlock_create_ruleset landlock_add_rule landlock_restrict_self prctl capset setresuid setgroups
setresgid getrandom prlimit64 sched_getaffinity epoll_create1 pipe2 socketpair clone clone3 rseq set_robust_list
getsockopt setsockopt bind connect sendmmsg ioctl newfstatat fstat statfs access readlink pread64 madvise wait4
tgkill uname
""".split()


def refusing(name, error):
    """A function for a child before exec: this system call fails with this errno from then on. None: it has no number."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    number = lib.seccomp_syscall_resolve_name(name.encode())
    rules = lib.seccomp_init(0x7fff0000)
    assert number >= 0 and lib.seccomp_rule_add_array(rules, 0x00050000 | error, number, 0, None) == 0, name
    return lambda: lib.seccomp_load(rules)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@plain_build
@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM], ids=["ENOSYS", "EPERM"])
def test_refused_calls(tmp_path, error):
    """Kernels and containers that lack a system call: the sensor runs without, or ends with one line; it never hangs, and
    its helper never outlives it."""
    for name in REFUSED:
        text = tmp_path / name
        with open(text, "w") as err:
            process = subprocess.Popen([SENSOR, "-i", "lo", "-u", "localhost:9", "--ring-size", "1"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                                       preexec_fn=refusing(name, error), start_new_session=True)
        try:
            wait_until(lambda: process.poll() is not None or "capturing on lo" in text.read_text())
            if process.poll() is None:
                wait_until(lambda: process.poll() is not None or
                           int(status(process.pid).get("SigCgt", "0"), 16) & 1 << 14)
                process.terminate()
            process.wait(5)
        except (subprocess.TimeoutExpired, AssertionError):
            pytest.fail("hangs without %s" % name)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)
        assert process.returncode in (0, 1, 127), "%s: %d %s" % (name, process.returncode, text.read_text())
        wait_until(lambda: not list(session(process.pid)))


def session(leader):
    """The living processes of a session."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            yield int(path.parent.name)


@needs_namespaces
def test_helper_without_close_range(net):
    """It holds nothing of the sensor's but the standard files and its end of the pair."""
    with Background(net.argv("-i", "in0", "-u", "127.0.0.1:9", "--ring-size", "1"), net.folder,
                    prepare=refusing("close_range", errno.ENOSYS)) as running:
        running.wait_err("capturing on in0")
        for helper in helpers_of(running.process.pid):
            assert sorted(int(p.name) for p in Path("/proc/%d/fd" % helper).iterdir()) == [0, 1, 2, 3]
        running.wait_handlers()
        finish(running)


@needs_namespaces
def test_standard_error_that_nobody_reads(net):
    """A pipe that is full stops nothing; the lines that are missing are counted once it is read."""
    read, write = os.pipe()
    with Background(net.argv("-i", "in0", "-u", "127.0.0.1:9", "--ring-size", "1"), net.folder, stderr=write) as running:
        wait_until(lambda: b"capturing on" in os.read(read, 65536))
        running.wait_asleep()
        full = os.open("/proc/self/fd/%d" % write, os.O_WRONLY | os.O_NONBLOCK)

        def fill_and_ask():
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(full, bytes(512))
            running.signal(signal.SIGUSR1)
            select.select([], [], [], 0.1)
            text = os.read(read, 1 << 20)
            running.signal(signal.SIGUSR1)
            return b"lines before this one are missing" in text + os.read(read, 1 << 20)
        wait_until(fill_and_ask)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(full, bytes(512))
        start = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.wait(5) == 0 and time.monotonic() - start < 2
    for fd in read, write, full:
        os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_unknown_user():
    result = sensor("-i", "lo", "-u", "127.0.0.1", "--user", "nosuchuser")
    assert result.status == 2 and result.err.count("\n") == 1 and "--user nosuchuser" in result.err


@needs_namespaces
@plain_build
def test_ordinary_user_with_the_file_capability(net):
    need("setcap", "setpriv")
    collector = net.collector()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(SENSOR, folder)
        if run(["setcap", "cap_net_raw=ep", copy]).status != 0:
            pytest.skip("no file capabilities here")
        as_user = ["ip", "netns", "exec", net.name, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                   copy, "-i", "in0", "--ring-size", "8", "-u", collector.target]
        with Background(as_user, net.folder) as running:
            running.wait_err("capturing on in0 with")
            running.wait_handlers()
            net.wire()(frames_of(30))
            wait_records(running, 30)
            values = status(running.process.pid)
            assert values["Uid"].split() == ["65534"] * 4
            assert capabilities(values)["CapPrm"] == capabilities(values)["CapEff"] == NET_RAW
            assert values["NoNewPrivs"] == "1" and values["Seccomp"] == "2"
            assert len(collect(running, collector).rows) == 30
        result = run(as_user + ["--user", "daemon"])
        assert result.status == 1 and "only root can become another user" in result.err


def test_files_change_nothing(tmp_path):
    """Reading files, the sensor stays who it is."""
    with Background([SENSOR, "-r", "-", "-w", tmp_path / "out"], tmp_path, stdin=-1) as running:
        running.wait_handlers()
        values = status(running.process.pid)
        assert values["Uid"].split() == [str(os.geteuid())] * 4 and values["NoNewPrivs"] == "0"
        running.process.stdin.close()
        assert running.wait(10) == 1
