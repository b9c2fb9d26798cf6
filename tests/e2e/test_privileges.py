# SPDX-License-Identifier: BSD-3-Clause
"""What rights a live sensor keeps, and what it says when it lacks some."""

import os
import pwd
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from conftest import BUILD, SENSOR, Background, Collector, run, sensor, wait_until
from netns import collect, finish, frames_of, needs_namespaces, net, wait_records

NET_RAW = 1 << 13
plain_build = pytest.mark.skipif("release" not in str(BUILD), reason="a sanitizer takes other system calls")


def status(pid, thread=None):
    path = Path("/proc/%d/%sstatus" % (pid, "task/%d/" % thread if thread else ""))
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", path.read_text(), re.M))


def threads(pid):
    return [int(p.name) for p in Path("/proc/%d/task" % pid).iterdir()]


def helper_of(pid):
    def children():
        return Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    wait_until(lambda: len(children()) == 1)  # proc(5): the list can lack one while the process runs
    return int(children()[0])


def capabilities(values):
    return {k: int(values[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def expect_confined(values, user, raw, seccomp):
    kept = NET_RAW if raw else 0
    assert values["Uid"].split() == [str(user.pw_uid)] * 4 and values["Gid"].split() == [str(user.pw_gid)] * 4
    assert values["Groups"].strip() == ""
    assert capabilities(values) == {"CapInh": 0, "CapPrm": kept, "CapEff": kept, "CapBnd": 0, "CapAmb": 0}
    assert values["NoNewPrivs"] == "1" and values["Seccomp"] == ("2" if seccomp else "0")


def default_user():
    for name in "dnsflow", "nobody":
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass


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
    expect_confined(status(helper_of(pid)), user, False, False)
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
def test_helper_goes_with_the_sensor(net):
    """Also when the sensor is killed; and the sensor goes on without it."""
    for victim in "sensor", "helper":
        running = net.sensor("-u", "127.0.0.1:9")
        helper = helper_of(running.process.pid)
        if victim == "sensor":
            running.process.kill()
            running.wait(10)
            wait_until(lambda: not Path("/proc/%d" % helper).exists())
        else:
            os.kill(helper, signal.SIGKILL)
            running.wait_err("the helper process is gone")
            net.wire()(frames_of(5))
            wait_records(running, 5)
            finish(running)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_unknown_user():
    result = sensor("-i", "lo", "-u", "127.0.0.1", "--user", "nosuchuser")
    assert result.status == 1 and "--user nosuchuser" in result.err.splitlines()[-1]


@needs_namespaces
@plain_build
def test_ordinary_user_with_the_file_capability(net):
    for program in "setcap", "setpriv":
        if not shutil.which(program):
            pytest.skip("there is no program " + program)
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
