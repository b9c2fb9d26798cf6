# SPDX-License-Identifier: BSD-3-Clause
"""The programs that are soaked, in a network and with mounts that nobody else sees."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time

from collecting import COLLECT, is_zombie
from conftest import SENSOR, Summary, run, wait_until
from processes import children_of

CLONE_NEWNS, CLONE_NEWNET, PR_SET_CHILD_SUBREAPER = 0x20000, 0x40000000, 36
UDP, HTTP = ("127.0.0.1", 5300), ("127.0.0.1", 8353)
ROLES = ("receive", "store", "tidy", "watch", "query")
WATCHED = 1000  # domains of names that are asked for once
libc = ctypes.CDLL(None, use_errno=True)


def command(*argv):
    done = run(argv)
    assert done.status == 0, "%s: %s" % (" ".join(map(str, argv)), done.err)
    return done.out.decode()


def isolate():
    """A network of its own with a veth, out0 to in0, mounts of its own, and orphans that are this process's children.
    All of it goes with the process."""
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 or libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no namespaces: " + os.strerror(ctypes.get_errno()))
    command("mount", "--make-rprivate", "/")
    for where in "all", "default":
        with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % where, "w") as file:
            file.write("1")
    command("ip", "link", "set", "lo", "up")
    command("ip", "link", "add", "out0", "mtu", "16000", "type", "veth", "peer", "name", "in0", "mtu", "16000")
    for end in "out0", "in0":
        command("ip", "link", "set", end, "up")


class Disk:
    """A small file system, whose free room can be taken away."""

    def __init__(self, path, mib=1024):
        self.path, self.mib = path, mib
        path.mkdir()
        command("mount", "-t", "tmpfs", "-o", "size=%dm,mode=755" % mib, "none", path)

    def is_full(self):
        """Makes it as large as what is in it, and says whether nothing is free."""
        at = os.statvfs(self.path)
        used = (at.f_blocks - at.f_bfree) * at.f_frsize // 1024
        return run(["mount", "-o", "remount,size=%dk" % used, self.path]).status == 0

    def unmount(self):
        command("umount", "-l", self.path)

    def free(self):
        command("mount", "-o", "remount,size=%dm" % self.mib, self.path)


class Sensor:
    """One of the two live sensors, through all of its starts."""

    def __init__(self, number, folder, *options):
        self.number, self.path, self.starts, self.process = number, folder / ("sensor%d.log" % number), [], None
        self.argv = [SENSOR, "-i", "in0", "--ring-size", "8", "--sensor-id", str(number), "-u", "%s:%d" % UDP,
                     *map(str, options)]

    def said(self, since=0):
        with open(self.path, "rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def start(self):
        with open(self.path, "ab") as log:
            self.begun = log.tell()
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: "capturing on in0" in self.said(self.begun) or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

        def is_caught():
            status = open("/proc/%d/status" % self.process.pid).read()
            return int(re.search(r"^SigCgt:\s*(\w+)", status, re.M).group(1), 16) >> (signal.SIGTERM - 1) & 1
        wait_until(is_caught)

    def stop(self):
        """Keeps its summary, which balances or fails."""
        self.process.terminate()
        status = self.process.wait(20)
        self.starts.append((status, Summary(self.said(self.begun))))


class Collector:
    """dnsflow_collect run, through all of its starts, with a log that goes on."""

    def __init__(self, folder, directory):
        self.directory, self.path, self.file = directory, folder / "collector.log", folder / "collect.conf"
        self.process, self.pids, self.starts = None, set(), 0
        self.hits, self.list = folder / "hits", folder / "watched"
        self.hits.touch()
        self.hits.chmod(0o666)
        self.list.write_text("".join("*.d%d.example\n" % i for i in range(WATCHED)))
        self.path.touch()
        self.configure(0)

    def configure(self, number):
        """By turns two files of options, each of which SIGHUP can change."""
        odd = number % 2
        self.file.write_text("max-size %s\nmax-age %d\nsync %s\nallow 127.0.0.0/29\nallow 127.0.0.%d\n" % (
            ("640M", "700M")[odd], (20000, 30000)[odd], ("1s", "always")[odd], (8, 9)[odd]))

    def said(self, since=0):
        with open(self.path, "rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def mark(self):
        return self.path.stat().st_size

    def start(self):
        since = self.mark()
        with open(self.path, "ab") as log:
            self.process = subprocess.Popen([COLLECT, "run", "--directory", self.directory, "--config", self.file,
                                             "--user", "nobody", "--watch", self.list, "--watch-output", self.hits,
                                             "-l", "%s:%d" % UDP, "--http", "%s:%d" % HTTP],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.starts += 1
        wait_until(lambda: "]: ready\n" in self.said(since) or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.said(since)

    def roles(self):
        """{name: pid} of what runs."""
        found = {}
        for pid in children_of(self.process.pid) if self.process.poll() is None else ():
            with contextlib.suppress(OSError):
                name = open("/proc/%d/comm" % pid).read().strip()
                if name in ROLES and not is_zombie(pid):
                    found[name] = pid
        self.pids |= {self.process.pid, *found.values()}
        return found

    def wait_whole(self, but=()):
        """Until every role runs, none of them in one of these processes."""
        wait_until(lambda: set(self.roles()) == set(ROLES) and not set(self.roles().values()) & set(but), 60, 0.05)

    def wait_said(self, words, since, seconds=60):
        wait_until(lambda: words in self.said(since), seconds, 0.05)

    def wait_gone(self, pids):
        """The roles end by themselves when nobody watches them."""
        self.process.wait(70)
        wait_until(lambda: all(is_zombie(pid) for pid in pids), 70, 0.05)
        reap()

    def stop(self):
        pids = self.roles().values()
        self.process.terminate()
        status = self.process.wait(90)
        self.wait_gone(pids)
        return status


def reap():
    """Takes in orphans that have ended; this process waits for its own children by their Popen."""
    for pid in children_of(os.getpid()):
        with contextlib.suppress(OSError):
            if open("/proc/%d/comm" % pid).read().strip() in ROLES and is_zombie(pid):
                os.waitpid(pid, os.WNOHANG)


def wait_until_after(moment, stopped=lambda: False):
    wait_until(lambda: time.monotonic() >= moment or stopped(), max(1, moment - time.monotonic() + 10), 0.05)
