# SPDX-License-Identifier: BSD-3-Clause
"""Stores beside the embedded one, where the server says what no server says, and where what comes is chosen to harm."""

import json
import os
import random
import signal
import socket
import struct

import pytest
from clickhouse_fake import Fake
from collecting import Running, collect, needs_collector, send
from conftest import address, wait_until
from datagrams import datagram, padded, set4

pytestmark = needs_collector


def store(fake, *keys):
    return "--store", ",".join(["clickhouse", "url=" + fake.url, "every=1s", *keys])


def told(collector):
    done = collect("status", collector.directory, "--format", "json")
    assert done.status == 0, done.err
    return json.loads(done.out)["stores"][0]


def one(number=1):
    return datagram(number, set4("10.0.0.1", "10.0.0.53", ["n%d.example.com" % number], ["192.0.2.1"]))


def wait_failing(collector, says=""):
    return wait_until(lambda: (lambda now: now["failing"] and says in now["cause"])(told(collector)), 20, 0.1)


def wait_good(collector, datagrams):
    """It goes on, and has handed over so many."""
    wait_until(lambda: (lambda now: now["datagrams"] == datagrams and not now["failing"])(told(collector)), 40, 0.1)
    assert "signal" not in collector.err and "Sanitizer" not in collector.err, collector.err


def flood(collector, payloads):
    """Sends them no faster than they are taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", collector.port))
        for at in range(0, len(payloads), 16):
            for payload in payloads[at:at + 16]:
                s.send(payload)
            wait_until(lambda: waiting(collector.port) == 0, 20, 0.001)


def waiting(port):
    """Bytes in the socket of this port."""
    ending = ":%04X" % port
    return sum(int(line.split()[4].split(":")[1], 16) for line in open("/proc/net/udp") if line.split()[1].endswith(ending))


def refuse(handler, _):
    handler.reply(b"Code: 1. DB::Exception: not today\n", 500)
    return True


def test_insert_answered_with_text(tmp_path):
    """A server says nothing to an insert that was done: what says something, though with 200, has not done it."""
    def otherwise(handler, statement):
        if statement.startswith("INSERT"):
            handler.reply(b"Code: 241. DB::Exception: Memory limit exceeded\n")
            return True
    with Fake(otherwise) as fake, Running(tmp_path, *store(fake)) as c:
        send(c.target, [one()])
        wait_failing(c, "Memory limit exceeded")
        fake.otherwise = None
        wait_good(c, 1)


def told_after(collector):
    """What a store that has ended had handed over."""
    line = open(os.path.join(collector.directory, "feeds", "clickhouse.state")).read().splitlines()[1].split()
    return {"datagrams": int(line[1]), "expired": int(line[5])}


def test_server_by_name(tmp_path):
    """Names are found with system calls restricted, too. Without a question to a name server, as it is in a file."""
    names = [name for line in open("/etc/hosts") for name in line.split("#")[0].split()[1:] if not name.startswith("localhost")]
    if not names:
        pytest.skip("/etc/hosts has no name but localhost")
    with Running(tmp_path, "--store", "clickhouse,url=http://%s:1" % names[0]) as c:
        wait_failing(c, "connect to " + names[0])


def test_server_is_ahead(tmp_path):
    """It knows of batches that the place does not: that nothing is handed over until then is told."""
    def otherwise(handler, statement):
        if statement.startswith("SELECT") and "`batches`" in statement:
            handler.reply(struct.pack("<IQBB", 1700000000, 1000, 0, 0))
            return True
    with Fake(otherwise) as fake, Running(tmp_path, *store(fake)) as c:
        c.process.wait_err("warning: store clickhouse: the server has blocks up to 1000, ")
        send(c.target, [one()])
        c.stop()
        assert not fake.inserts and c.err.count("warning") == 1


def test_state_damaged(tmp_path):
    """What `status` reads is what a store wrote, or nothing of it is shown."""
    with Fake() as fake, Running(tmp_path, *store(fake)) as c:
        send(c.target, [one()])
        wait_good(c, 1)
        c.stop()
    folder = tmp_path / "data" / "feeds"
    good = (folder / "clickhouse.state").read_bytes()
    (folder / 'a"\x1b.state').write_bytes(good)
    for at in range(len(good)):
        (folder / "clickhouse.state").write_bytes(good[:at] + bytes([good[at] ^ 0xff]) + good[at + 1:])
        done = collect("status", tmp_path / "data", "--format", "json")
        assert done.status == 0 and [s["kind"] for s in json.loads(done.out)["stores"]] in ([], ["clickhouse"])
    (folder / "clickhouse.state").write_bytes(good[:-1] + b"\x1b[31m\n")
    assert b"\x1b" not in collect("status", tmp_path / "data").out


def test_gone_meanwhile(tmp_path):
    """What the journal had to let go while the server was away is counted, and no more than that."""
    shuffled = random.Random(1)

    def large(number):
        names = padded(b"".join(b"\x3c" + shuffled.randbytes(60) + b"\0" for _ in range(255)))
        return datagram(number, struct.pack("!BBBBHH", 4, 255, 0, 0, len(names), 0) + address("10.0.0.1").ljust(16, b"\0") * 2 + names)
    with Fake() as fake, Running(tmp_path, *store(fake), "--max-size", "256M") as c:
        send(c.target, [one()])
        wait_good(c, 1)
        fake.otherwise = refuse
        send(c.target, [one(2)])
        wait_failing(c)
        journal = tmp_path / "data" / "journal"
        oldest, number = min(os.listdir(journal)), 3
        while oldest in os.listdir(journal):
            assert number < 20000
            flood(c, [large(number + k) for k in range(64)])
            number += 64
        fake.otherwise = None
        wait_until(lambda: not told(c)["failing"], 60, 0.1)
        c.process.signal(signal.SIGTERM)
        c.process.wait(60)  # whatever the embedded store made of that
        _, journalled, *_ = c.ledger()
        now = told_after(c)
        assert now["expired"] > 0 and now["datagrams"] + now["expired"] == journalled, (now, journalled)
