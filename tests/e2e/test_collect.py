# SPDX-License-Identifier: BSD-3-Clause
"""A collector that runs: what it takes, what it refuses, and that nothing is lost or doubled, whatever is killed."""

import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from collecting import (AS_ROOT, COLLECT, Running, answers, check_sound, collect, database, journalled, lookups,
                        needs_collector, send, sums, waterfall, waterfalls)
from conftest import (BUILD, SENSOR, Background, made_capture, needs_root, ok, read_pcap, reader, run, sensor, wait_until,
                      written_payload)
from datagrams import datagram, extended, set2, set3, set4, stats
from disks import filled, small_disk
from keys import KEY, key, needs_libcrypto

pytestmark = needs_collector


def payloads_of(path):
    return [written_payload(frame) for _, frame in read_pcap(path)[1]]


def made_payloads(tmp_path, count, *options):
    ok("-r", made_capture(tmp_path / "in.pcap", count), "-w", tmp_path / "made.pcap", *options)
    return payloads_of(tmp_path / "made.pcap")


def test_sensor_to_question(tmp_path):
    """What a sensor sends is answered a moment later, while both run; and it is all there after the end."""
    source = made_capture(tmp_path / "in.pcap", 500, clients=5)
    with Running(tmp_path) as collector:
        ok("-r", source, "-x", "-u", collector.target)
        done = collect("query", collector.directory, "streams", "--format", "csv")
        assert done.status == 0 and done.err == "" and b",500,0,0,0,0," in done.out, done
        client = next(iter(lookups(collector.directory)))[0]
        text = socket.inet_ntop(socket.AF_INET if len(client) == 4 else socket.AF_INET6, client)
        done = collect("query", collector.directory, "client", text, "--format", "ndjson")
        assert done.status == 0 and len(done.out.splitlines()) > 0
        collector.stop()
    received, kept, refused, dropped, _, _ = collector.ledger()
    assert received == kept and refused == dropped == 0
    assert sum(one[0] for one in lookups(collector.directory).values()) == 500
    check_sound(collector.directory)


def test_every_version(tmp_path):
    """Datagrams of all versions, with and without trailer."""
    asked = ["www.example.com", "cdn.example.net"]
    payloads = [datagram(1, set2("10.0.0.1", [n.encode() for n in asked], ["192.0.2.1"], text=True), version=0),
                datagram(2, set2("10.0.0.1", asked, ["192.0.2.1"]), version=1),
                datagram(3, set2("10.0.0.1", asked, ["192.0.2.1"]), version=2),
                datagram(4, set3("10.0.0.1", asked, ["192.0.2.1"]), version=3),
                datagram(5, set4("10.0.0.1", "10.0.0.53", asked, ["192.0.2.1"])),
                stats(6, 1, 2, 3, 4, 0), extended(1, set4("10.0.0.1", "10.0.0.53", asked, ["192.0.2.1"]))]
    with Running(tmp_path) as collector:
        send(collector.target, payloads)
        wait_until(lambda: collect("query", collector.directory, "streams").out.count(b"\n") == 3, 30)
        collector.stop()
    found = answers(collector.directory)
    assert found["www.example.com", "CNAME", "cdn.example.net"][0] == 6
    assert found["cdn.example.net", "A", "192.0.2.1"][0] == 6 and len(found) == 2
    assert sums(collector.directory)["statistics"] == 1


def test_what_is_refused(tmp_path):
    """Has a reason each, is told as it comes and at the end, and is not kept."""
    good = extended(1, set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"]))
    with Running(tmp_path, "--allow", "127.0.0.1/32") as collector:
        send(collector.target, [good, good])
        send(collector.target, [good], source="127.0.0.2")
        collector.process.wait_err("warning: a datagram from 127.0.0.2 port ")
        send(collector.target, [b"", b"\x09" * 20, good[:30]])
        wait_until(lambda: (collector.process.signal(signal.SIGUSR1) or True) and "malformed 3" in collector.err
                   and "not_allowed 1" in collector.err)
        status = collect("status", collector.directory)
        assert b"1 datagrams in 24 h not taken: from an address that is not in --allow" in status.out
        assert b"3 datagrams in 24 h not taken: no DNSFlow datagram" in status.out
        collector.stop()
    assert collector.ledger()[:4] == (6, 1, 5, 0)
    said, = [line for line in collector.err.splitlines() if "warning" in line]  # one of them, for a minute
    assert "is refused (not_allowed); " in said
    assert len(answers(collector.directory)) == 1


@needs_libcrypto
def test_signed(tmp_path, key):
    """Keys of single sensors: each is good for its own alone."""
    other = tmp_path / "other.key"
    other.write_bytes(bytes(range(100, 132)))
    other.chmod(0o600)
    source = made_capture(tmp_path / "in.pcap", 300)
    made = {}
    for name, path, sensor_id in (("seven", key, "7"), ("eight", other, "8"), ("wrong", other, "7")):
        ok("-r", source, "-w", tmp_path / name, "--auth-key", path, "--sensor-id", sensor_id)
        made[name] = payloads_of(tmp_path / name)
    with Running(tmp_path, "--auth-key", "%s=7" % key, "--auth-key", "%s=8" % other) as collector:
        for name in ("wrong", "seven", "eight"):
            send(collector.target, made[name])
        send(collector.target, made_payloads(tmp_path, 100))
        wait_until(lambda: (collector.process.signal(signal.SIGUSR1) or True) and "unsigned" in collector.err)
        collector.stop()
    received, kept, refused, dropped, reasons, _ = collector.ledger()
    # captures are of long ago, so that their tags are right and their times stale
    assert "stale %d" % (len(made["seven"]) + len(made["eight"])) in reasons
    assert "forged %d" % len(made["wrong"]) in reasons and kept == dropped == 0
    assert collector.err.count(" is refused (") == collector.err.count(" is refused (forged); ") == 1


def signed(sequence, name):
    """As a sensor with the key makes it now."""
    one = bytearray(extended(sequence, set4("10.0.0.1", "10.0.0.53", [name], ["192.0.2.1"]),
                             base=int(time.time() * 1000000)))
    struct.pack_into("!H", one, 2, 6)
    return bytes(one) + hashlib.blake2b(bytes(one), key=KEY, digest_size=16).digest()


@needs_libcrypto
def test_signed_is_taken_once(tmp_path, key):
    """What was taken before a restart is not taken again after it, from wherever it comes."""
    first = [signed(n, "n%d.example" % n) for n in range(1, 100)]
    with Running(tmp_path, "--auth-key", key) as collector:
        send(collector.target, first)
        collector.stop()
    assert collector.ledger()[1] == len(first)
    with Running(tmp_path, "--auth-key", key, directory=collector.directory) as again:
        send(again.target, first + [signed(101, "new.example")])
        wait_until(lambda: (again.process.signal(signal.SIGUSR1) or True) and
                   "(replayed %d)" % len(first) in again.err)
        again.stop()
    assert len(answers(collector.directory)) == len(first) + 1
    one = sums(collector.directory)
    assert one["down"] == 1 and one["datagrams"] == len(first) + 1, "number 100, though from another port"


def test_second_is_refused(tmp_path):
    """On the same directory, and on the same port, in one line."""
    with Running(tmp_path) as collector:
        done = run([COLLECT, "run", "--directory", collector.directory, "-l", "127.0.0.1:0", *AS_ROOT])
        assert done.status == 1
        assert done.err.endswith("%s: in use by process %d\n" % (collector.directory, collector.process.process.pid))
        assert done.err.count("\n") == 1
        done = run([COLLECT, "run", "--directory", tmp_path / "other", "-l", collector.target, *AS_ROOT])
        assert done.status == 1 and done.err.count("\n") == 1
        assert done.err.endswith("listen %s: Address already in use\n" % collector.target)
        done = collect("import", collector.directory, *AS_ROOT, made_capture(tmp_path / "in.pcap", 1))
        assert done.status == 1 and "in use by process" in done.err
        collector.stop()
    with Running(tmp_path, directory=collector.directory) as again:
        again.stop()


@needs_root
def test_root_is_refused(tmp_path):
    """A directory that belongs to root, or that nobody has named an owner for."""
    (tmp_path / "data").mkdir()
    for folder, why in (("data", "belongs to root"), ("new", "is not there")):
        done = run([COLLECT, "run", "--directory", tmp_path / folder, "-l", "127.0.0.1:0"])
        assert done.status == 1 and why in done.err and "--user" in done.err and done.err.count("\n") == 1, done.err


@needs_root
def test_becomes_the_owner(tmp_path):
    """Started by root it is somebody else, in every role, and so are its files."""
    folder = tmp_path / "of nobody"
    for path in (tmp_path, *tmp_path.parents):  # it must be able to get there
        if not path.stat().st_mode & 1:
            path.chmod(path.stat().st_mode | 0o111)
    with Running(tmp_path, "--user", "nobody", directory=folder) as collector:
        uid = folder.stat().st_uid
        assert uid != 0
        for pid in [collector.process.process.pid, *collector.roles().values()]:
            status = open("/proc/%d/status" % pid).read()
            assert re.search(r"^Uid:\s+%d\s+%d\s+%d" % (uid, uid, uid), status, re.M), status
            assert re.search(r"^CapPrm:\s+0+$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
        send(collector.target, made_payloads(tmp_path, 50, "-x"))
        collect("query", folder, "loss")
        collector.stop()
    for path in folder.rglob("*"):
        assert path.stat().st_uid == uid and path.stat().st_mode & 0o007 == 0, path


def test_group_is_stopped(tmp_path):
    """A signal to all of its processes at once, as a terminal sends it, loses nothing."""
    payloads = made_payloads(tmp_path, 3000, "-x")
    with Running(tmp_path) as collector:
        send(collector.target, payloads)
        for pid in [*collector.roles().values(), collector.process.process.pid]:
            os.kill(pid, signal.SIGTERM if pid % 2 else signal.SIGINT)
        assert collector.process.process.wait(20) == 0, collector.err
    received, kept, refused, dropped, _, _ = collector.ledger()
    assert received == kept == len(payloads) and refused == dropped == 0
    assert sum(one[0] for one in lookups(collector.directory).values()) == 3000


def test_supervisor_is_killed(tmp_path):
    """The roles end by themselves, in order, and the next start goes on."""
    payloads = made_payloads(tmp_path, 1000, "-x")
    with Running(tmp_path) as collector:
        send(collector.target, payloads)
        roles = collector.roles()
        collector.process.signal(signal.SIGKILL)
        wait_until(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in roles.values()), 20)
        collector.process.process.wait()
    with Running(tmp_path, directory=collector.directory) as again:
        again.stop()
    assert sum(one[0] for one in lookups(collector.directory).values()) == 1000
    check_sound(collector.directory)


class Sender(threading.Thread):
    """Datagrams of one stream, numbered, at a steady rate, each with one record of its own."""

    def __init__(self, target, rate):
        super().__init__()
        self.address = target.rsplit(":", 1)
        self.rate, self.sent, self.must_stop = rate, 0, False

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((self.address[0], int(self.address[1])))
            begun = time.monotonic()
            while not self.must_stop:
                while self.sent < (time.monotonic() - begun) * self.rate:
                    self.sent += 1
                    one = set4("10.0.%d.%d" % divmod(self.sent % 65536, 256), "10.9.9.9",
                               ["n%d.example" % self.sent], ["192.0.2.1"])
                    try:
                        s.send(extended(self.sent, one, rate=0))
                    except OSError:
                        pass
                time.sleep(0.002)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.must_stop = True
        self.join()


def assert_nothing_doubled(directory, sent):
    """Each record is there once or not at all, and what is not is accounted for."""
    found = lookups(directory)
    datagrams, records = journalled(directory)
    assert all(one[0] == 1 for one in found.values()), "once each"
    assert len(found) == records == datagrams, "each record of the journal is a row"
    one = sums(directory)
    assert one["datagrams"] == datagrams
    assert one["datagrams"] + one["down"] + one["here"] + one["network"] == sent
    assert one["network"] == one["here"] == 0, one
    assert waterfall(directory)["made"] == sent
    check_sound(directory)
    return one


@pytest.mark.parametrize("which", ["receive", "store", "tidy", "all"])
def test_killed_again_and_again(tmp_path, which):
    """kill -9 of a role, or all, while datagrams come: what was written is kept once, and the rest is `down`."""
    seconds = float(os.environ.get("DNSFLOW_KILL_SECONDS", "4"))
    names = ("receive", "store", "tidy") if which == "all" else (which,)
    with Running(tmp_path) as collector:
        with Sender(collector.target, 5000) as sender:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                before = collector.roles()
                time.sleep(0.4)
                collector.kill(*names)
                for name in names:
                    collector.wait_replaced(name, before.get(name, 0))
                collect("query", collector.directory, "loss")
            wait_until(lambda: set(collector.roles()) >= {"receive", "store", "tidy"})
            killed = sender.sent
            wait_until(lambda: sender.sent >= killed + 1000)
        collector.stop()
    sent = sender.sent
    one = assert_nothing_doubled_up_to_last(collector.directory, sent)
    if which in ("store", "tidy"):
        assert one["down"] == 0


def assert_nothing_doubled_up_to_last(directory, sent):
    """The same where the last datagrams of a stream may be among those that were lost: nobody can know of these."""
    db = database(directory)
    state, = db.execute("SELECT state FROM streams").fetchone()
    db.close()
    last, = struct.unpack_from("!I", state, 48 + 1 + 8)
    assert sent - 500 < last <= sent, "what came after the last kill is there"
    return assert_nothing_doubled(directory, last)


def test_journal_is_a_capture(tmp_path):
    """Any program reads it; ours passes over what is damaged; `export` makes one file of all that is whole."""
    payloads = made_payloads(tmp_path, 3000, "-x")
    with Running(tmp_path) as collector:
        send(collector.target, payloads)
        wait_until(lambda: journalled(collector.directory)[0] == len(payloads))
        (path,) = (collector.directory / "journal").iterdir()
        rows = reader("-r", path, "--format", "tsv", "--no-header")
        assert rows.status == 0 and len(rows.out.splitlines()) == 3000, "while it is written"
        collector.stop()
    text = subprocess.run("zstd -dc %s | tcpdump -nr - 2>/dev/null | grep -c ' > 127.0.0.1.5300: UDP'" % path,
                          shell=True, stdout=subprocess.PIPE, timeout=20).stdout
    assert int(text) == len(payloads)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0x10
    path.write_bytes(damaged)
    rows = reader("-r", path, "--format", "tsv", "--no-header")
    assert rows.status == 1 and 0 < len(rows.out.splitlines()) < 3000 and "damaged; passed over 1 block" in rows.err
    assert collect("check", collector.directory).status == 1
    done = collect("export", collector.directory, "-w", tmp_path / "clean.pcap")
    assert done.status == 1 and "1 damaged block" in done.err
    clean = reader("-r", tmp_path / "clean.pcap", "--format", "tsv", "--no-header")
    assert clean.status == 0 and clean.out == rows.out
    path.write_bytes(whole[:-7])
    rows = reader("-r", path, "--format", "tsv", "--no-header")
    assert rows.status == 0 and "is being written, or was cut off" in rows.err


def test_other_user_reads_it(tmp_path):
    """Plain SQLite, as somebody else: while it runs, after a stop, and after kill -9."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    for path in (tmp_path, *tmp_path.parents):
        if not path.stat().st_mode & 1:
            path.chmod(path.stat().st_mode | 0o111)
    folder = tmp_path / "data"

    def count(user_group):
        read = ("import sqlite3; print(sqlite3.connect('file:%s/dnsflow.db?mode=ro', uri=True)"
                ".execute('SELECT count(*) FROM answers_text').fetchone()[0])" % folder)
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", str(user_group), "--clear-groups",
                               "/usr/bin/python3", "-c", read], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=20)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    with Running(tmp_path, directory=folder) as collector:
        send(collector.target, made_payloads(tmp_path, 100, "-x"))
        collect("query", folder, "loss")
        there = count(0)
        assert there > 0
        for pid in [collector.process.process.pid, *collector.roles().values()]:
            os.kill(pid, signal.SIGKILL)
        collector.process.process.wait()
        assert count(0) == there
    with Running(tmp_path, directory=folder) as again:
        again.stop()
    assert count(0) == there and not (folder / "dnsflow.db-wal").exists()


def test_flood_of_streams(tmp_path):
    """More streams than there is room for: those that were there go on, all records are kept, memory is bounded."""
    one = set4("10.0.0.1", "10.9.9.9", ["real.example"], ["192.0.2.1"])
    other = bytearray(extended(1, one, worker=1, rate=0))
    at = len(other) - 24 - 16 + 4
    with Running(tmp_path) as collector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", collector.port))
        s.send(extended(1, one, rate=0))
        for i in range(70000):
            struct.pack_into("!I", other, at, 1000 + i)
            s.send(other)
            if i % 200 == 0:
                time.sleep(0.004)  # the kernel may give the socket little room
        for n in (2, 3, 5):
            s.send(extended(n, one, rate=0))
        collect("query", collector.directory, "loss", timeout=60)
        peaks = {name: int(re.search(r"VmHWM:\s+(\d+)", open("/proc/%d/status" % pid).read()).group(1)) / 1024
                 for name, pid in collector.roles().items()}
        collector.stop(seconds=60)
    received, kept, refused, dropped, _, _ = collector.ledger()
    assert refused == 0 and kept + dropped == received == 70004
    assert sums(collector.directory)["datagrams"] == kept == sums(collector.directory)["records"]
    assert sum(row[0] for row in lookups(collector.directory).values()) == kept
    db = database(collector.directory)
    assert db.execute("SELECT count(*) FROM streams").fetchone()[0] <= 65536
    real, = db.execute("SELECT id FROM streams WHERE worker = 2").fetchone()
    if dropped == 0:
        assert db.execute("SELECT sum(datagrams), sum(network) FROM minutes WHERE stream = ?",
                          (real,)).fetchone() == (4, 1)
    db.close()
    if "release" in str(BUILD):
        assert peaks["receive"] < 64 and peaks["store"] < 160, peaks
    done = collect("query", collector.directory, "streams", "--format", "csv", "--limit", "0")
    assert done.status == 0 and b"\nothers,," in done.out
    assert waterfalls(collector.directory)["others", None]["stored"] > 0


def test_full_disk(tmp_path):
    """Reception goes on, what cannot be journalled is counted, and it heals by itself."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        with Running(tmp_path, directory=disk / "data") as collector, Sender(collector.target, 3000):
            wait_until(lambda: collect("query", disk / "data", "streams", "--format", "csv").out.count(b"\n") == 2, 30)
            with filled(disk):
                collector.process.wait_err("error: journal: No space left on device", 20)
            collector.process.wait_err("journal: can be written to again", 20)
            collector.stop()
        received, kept, _, dropped, _, why = collector.ledger()
        assert dropped > 0 and re.fullmatch(r"journal \d+", why), why
        one = sums(disk / "data")
        assert (one["here"], one["network"], one["down"]) == (dropped, 0, 0)
        assert one["datagrams"] == kept == journalled(disk / "data")[0]
        check_sound(disk / "data")


def test_full_disk_of_the_store(tmp_path):
    """The journal keeps what comes meanwhile, so that nothing is lost."""
    lookups_folder = tmp_path / "data" / "lookups"
    lookups_folder.mkdir(parents=True)
    with small_disk(lookups_folder, "1m"):
        with Running(tmp_path) as collector, Sender(collector.target, 500) as sender:
            with filled(lookups_folder):
                collect("query", collector.directory, "loss")
                collector.process.wait_err("error: store: ", 20)
            collector.process.wait_err("store: can be written to again", 20)
            sender.must_stop = True
            sender.join()
            collector.stop()
        assert_nothing_doubled(collector.directory, sender.sent)
        assert sums(collector.directory)["datagrams"] == sender.sent


def test_read_only(tmp_path):
    """A directory that cannot be written to is said in one line."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        run(["mount", "-o", "remount,ro", disk])
        done = run([COLLECT, "run", "--directory", disk / "data", "-l", "127.0.0.1:0", *AS_ROOT])
        assert done.status == 1 and done.err.count("\n") == 1 and "Read-only file system" in done.err
