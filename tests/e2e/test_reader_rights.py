# SPDX-License-Identifier: BSD-3-Clause
"""What rights the reader keeps while it parses what others have made."""

import os
import pwd
import signal
import socket

import pytest

from conftest import READER, Background, made_capture, needs_root, run, sensor, unused_port, wait_until
from netns import needs_namespaces, net
from rights import DAC_READ_SEARCH, capabilities, default_user, expect_confined, plain_build, status


def written(folder):
    """A capture of one datagram."""
    made_capture(folder / "in.pcap", 1)
    assert sensor("-r", folder / "in.pcap", "-w", folder / "written").status == 0
    return folder / "written"


def one_datagram(folder):
    return written(folder).read_bytes()[24 + 16 + 4 + 28:]  # behind the headers: file, record, DLT_NULL, IP and UDP


@needs_root
@plain_build
@pytest.mark.parametrize("options, user, seccomp", [([], None, True), (["--user", "daemon"], "daemon", True),
                                                    (["--seccomp", "off"], None, False),
                                                    (["--seccomp", "log"], None, True)],
                         ids=lambda x: " ".join(x) if isinstance(x, list) else str(x))
def test_reader_that_listens(tmp_path, options, user, seccomp):
    port = unused_port()
    with Background([READER, "-l", port, *options], tmp_path) as running:
        running.wait_asleep()
        expect_confined(status(running.process.pid), pwd.getpwnam(user) if user else default_user(), False, seccomp)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(one_datagram(tmp_path), ("127.0.0.1", port))
        running.signal(signal.SIGUSR1)  # prints what came, and goes on
        wait_until(lambda: b"n_records=1" in running.out)


@needs_namespaces
@plain_build
def test_reader_that_captures(net, tmp_path):
    with Background(["ip", "netns", "exec", net.name, READER, "-i", "in0"], tmp_path) as running:
        running.wait_asleep()
        expect_confined(status(running.process.pid), default_user(), True, True)


@needs_root
@plain_build
def test_reader_of_files(tmp_path):
    """Root reads any file, of whomever, and nothing else; --user becomes that user even so."""
    theirs, pipe = written(tmp_path), tmp_path / "pipe"
    os.chown(theirs, pwd.getpwnam("daemon").pw_uid, -1)
    theirs.chmod(0o400)
    os.mkfifo(pipe)
    with Background([READER, "-r", theirs, "-r", pipe, "-r", theirs], tmp_path) as running:
        running.wait_asleep()
        values = status(running.process.pid)
        with open(pipe, "wb") as out:
            out.write(theirs.read_bytes())
        assert running.process.wait(10) == 0 and running.out.count(b"\n127.0.0.1|") == 3
    assert values["Uid"].split() == ["0"] * 4 and values["NoNewPrivs"] == "1" and values["Seccomp"] == "2"
    assert capabilities(values) == dict.fromkeys(("CapInh", "CapBnd", "CapAmb"), 0) | dict.fromkeys(
        ("CapPrm", "CapEff"), DAC_READ_SEARCH)
    done = run([READER, "-r", theirs, "-r", theirs, "--user", "nobody"])
    assert done.status == 1 and "%s: Permission denied" % theirs in done.err


@needs_root
def test_reader_without_such_a_user():
    done = run([READER, "-l", "127.0.0.1:%d" % unused_port(), "--user", "nosuchuser"])
    assert done.status == 2 and done.err == "dnsflow_read: option --user nosuchuser: there is no such user\n"
