# SPDX-License-Identifier: BSD-3-Clause
"""The reader with a socket of its own: addresses, sharing, loss, signals, and a sensor that sends to it."""

import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import (BASE_US, ETHERNET, RAW, READER, TRAILER_COUNTERS, Background, made_capture, need, needs_root,
                      reader, response_frame, run, sensor, unused_port, wait_until, write_pcap)
from datagrams import ONE, datagram, extended, packet, set4, stats
from keys import key, needs_libcrypto
from reading import HEADER, read

FIELDS = ("--format", "tsv", "--no-header", "--fields")
LARGEST = 65507


@contextlib.contextmanager
def listening(folder, *options, host="127.0.0.1", port=None):
    """A reader that listens, and where."""
    port = port or unused_port("::1" if ":" in host else "127.0.0.1")
    target = ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
    with Background([READER, "-l", target, *options], folder) as running:
        running.wait_err("listening on")
        yield running, port


@contextlib.contextmanager
def sender(host="127.0.0.1", port=0):
    """A socket from which datagrams go to a port of the same host."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((host, port))
        yield s


def lines(running):
    return running.out.decode().splitlines()


def wait_lines(running, count, seconds=40):
    return wait_until(lambda: len(lines(running)) >= count and lines(running), seconds)


def end(running, number=signal.SIGTERM):
    """What it says at the end."""
    running.signal(number)
    assert running.wait(5) == 0, running.err
    return running.out.decode() + running.err


def sequence_counts(text):
    """Datagrams with data, last number, lost ones and those out of order, of the only source."""
    found = re.findall(r"n_data_pkts=(\d+) .*|seq_last=(\d+) seq_total=\d+ seq_lost=(\d+) seq_ooo=(\d+)", text)
    assert len(found) == 2, text
    return tuple(int(n) for n in found[0][:1] + found[1][1:])


# Where it listens

@pytest.mark.parametrize("form, listens_on, source, server", [
    ("{0}", "[::]", "127.0.0.1", "127.0.0.1"), ("{0}", "[::]", "::1", "::1"),
    (":{0}", "[::]", "127.0.0.1", "127.0.0.1"),
    ("127.0.0.1:{0}", "127.0.0.1", "127.0.0.1", "127.0.0.1"), ("[::1]:{0}", "[::1]", "::1", "::1"),
    ("[::]:{0}", "[::]", "127.0.0.1", "127.0.0.1"), ("0.0.0.0:{0}", "0.0.0.0", "127.0.0.1", "127.0.0.1")])
@pytest.mark.parametrize("option", ["-l", "--listen="])
def test_addresses(option, form, listens_on, source, server, tmp_path):
    port = unused_port()
    value = form.format(port)
    argv = [READER, option + value] if option.endswith("=") else [READER, option, value]
    with Background(argv + ["--format", "json"], tmp_path) as running:
        running.wait_err("]: listening on %s:%d\n" % (listens_on, port))
        if source:
            with sender(source) as s:
                s.sendto(datagram(7, ONE), (source, port))
                row = json.loads(wait_lines(running, 1)[0])
                assert (row["server"], row["port"], row["seq"]) == (server, s.getsockname()[1], 7)
                name = ("[%s]:%d" if ":" in source else "%s:%d") % s.getsockname()[:2]
            assert "\nSummary:\n%s\n" % name in end(running)
        else:
            end(running)


@pytest.mark.parametrize("value, port", [("127.%d.1.2", None), ("[::1]", "::1"), ("::1", "::1")])
def test_port_by_default(value, port, tmp_path):
    """An address alone is port 5300. One of our own, as others may have it on the usual ones."""
    host = value % (os.getpid() % 250 + 2) if "%" in value else port
    with Background([READER, "-l", value.replace("127.%d.1.2", host), *FIELDS, "seq"], tmp_path) as running:
        wait_until(lambda: "listening on" in running.err or "already in use" in running.err)
        if "already in use" in running.err:
            pytest.skip("somebody has port 5300 here")
        assert ("[%s]:5300" if ":" in host else "%s:5300") % host in running.err
        with sender(host) as s:
            s.sendto(datagram(9, ONE), (host, 5300))
            assert wait_lines(running, 1)[-1] == "9"
        end(running)


@pytest.mark.parametrize("argv", [["-l"], ["-l", "--format", "json"], ["--listen", "--format", "json"], ["-l", ""],
                                  ["--listen="], ["--format", "json", "-l"]], ids=" ".join)
def test_without_an_address(argv, tmp_path):
    """All addresses, port 5300. Somebody else may have it: then it is named."""
    with Background([READER] + argv, tmp_path) as running:
        wait_until(lambda: "[::]:5300" in running.err)
        if "already in use" in running.err:
            assert running.wait(5) == 1 and "--reuse-port" in running.err
        else:
            end(running)


@pytest.mark.parametrize("value, host, source", [("0", "[::]", "127.0.0.1"), (":0", "[::]", "::1"),
                                                 ("127.0.0.1:0", "127.0.0.1", "127.0.0.1"), ("[::1]:0", "[::1]", "::1")])
def test_a_port_that_is_free(value, host, source, tmp_path):
    """Port 0: which one it became is said."""
    with Background([READER, "-l", value, *FIELDS, "seq"], tmp_path) as running:
        running.wait_err("listening on %s:" % host)
        port = int(re.search(r"listening on \S+:(\d+)\n", running.err)[1])
        assert port > 0
        with sender(source) as s:
            s.sendto(datagram(9, ONE), (source, port))
            assert wait_lines(running, 1) == ["9"]
        end(running)


@pytest.mark.skipif("asan" in READER or "tsan" in READER, reason="these want to be loaded first")
def test_without_ipv6(tmp_path):
    """What was opened is said, not what was asked for."""
    library = tmp_path / "no6.so"
    (tmp_path / "no6.c").write_text(
        "#include <errno.h>\n#include <sys/socket.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
        "int socket(int family, int type, int protocol) { if (family == AF_INET6) { errno = EAFNOSUPPORT; return -1; }\n"
        "return (int)syscall(SYS_socket, family, type, protocol); }\n")
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc")
    assert run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "no6.c"]).status == 0
    port = unused_port()
    with Background(["env", "LD_PRELOAD=%s" % library, READER, "-l", str(port), *FIELDS, "seq"], tmp_path) as running:
        running.wait_err("]: listening on 0.0.0.0:%d\n" % port)
        end(running)


@pytest.mark.parametrize("value", ["65536", ":65536", "127.0.0.1:65536", "127.0.0.1:00", "::0:0x", "127.0.0.1:x",
                                   "127.0.0.1:", "[::1", "[::1]x", "[::1]:", "[]:5301", "1234567", ":x", ":5301x", ":",
                                   "h" * 300 + ":5301", "localhost:5301", "s"], ids=lambda v: v[:30])
def test_bad_addresses(value):
    for argv in ["-l", value], ["--listen=" + value]:
        result = reader(*argv, "--count", "1", timeout=3)
        assert result.status == 2 and result.err.count("\n") == 1 and "--listen" in result.err, result.err
        assert "expected" in result.err and value[:100] in result.err


def test_an_address_of_somebody_else():
    result = reader("-l", "192.0.2.1:5301")
    assert result.status == 1 and result.err.count("\n") == 1 and "192.0.2.1:5301" in result.err, result.err


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_port_in_use(host, tmp_path):
    with listening(tmp_path, host=host) as (running, port):
        target = ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
        for options in ["-l", target], ["-l", target, "--reuse-port"], ["-l", str(port)]:
            result = reader(*options)
            assert result.status == 1 and result.out in (b"", HEADER.encode()) and result.err.count("\n") == 1
            assert str(port) in result.err and "in use" in result.err and "--reuse-port" in result.err
        end(running)


# Sharing

def test_readers_share_a_port(tmp_path):
    """Each source goes to one of them, all of it."""
    sources, each = 60, 5
    with listening(tmp_path, "--reuse-port", *FIELDS, "port,seq") as (one, port), \
            listening(tmp_path, "--reuse-port", *FIELDS, "port,seq", port=port) as (two, _), \
            contextlib.ExitStack() as stack:
        senders = [stack.enter_context(sender()) for _ in range(sources)]
        for sequence in range(1, each + 1):
            for s in senders:
                s.sendto(datagram(sequence, ONE), ("127.0.0.1", port))
        wait_until(lambda: len(lines(one)) + len(lines(two)) >= sources * each)
        got = [[tuple(int(n) for n in line.split("\t")) for line in lines(r)] for r in (one, two)]
        want = [(s.getsockname()[1], n) for s in senders for n in range(1, each + 1)]
        assert sorted(got[0] + got[1]) == sorted(want)
        assert all(got) and not {p for p, _ in got[0]} & {p for p, _ in got[1]}
        text = end(one) + end(two)
        assert text.count("seq_lost=0 seq_ooo=0\n") == sources


@needs_root
def test_without_privileges(tmp_path):
    need("setpriv")
    port = unused_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", shutil.copy(READER, folder)]
        with Background(as_user + ["-l", str(port), *FIELDS, "server"], tmp_path) as running, sender() as s:
            running.wait_err("listening on")
            status = Path("/proc/%d/status" % running.process.pid).read_text()
            assert re.search(r"^Uid:\s+65534\s+65534", status, re.M)
            s.sendto(datagram(1, ONE), ("127.0.0.1", port))
            assert wait_lines(running, 1) == ["127.0.0.1"]
            end(running)
        result = run(as_user + ["-l", "127.0.0.1:530"])
        assert result.status == 0 or (result.status == 1 and "Permission denied" in result.err), "a port below 1024"


# Loss

def kernel_counts(port):
    """Bytes that wait in the socket and datagrams it had no room for, of the one on this port."""
    for name in "udp", "udp6":
        for line in Path("/proc/net/" + name).read_text().splitlines()[1:]:
            columns = line.split()
            if int(columns[1].rsplit(":", 1)[1], 16) == port:
                return int(columns[4].split(":")[1], 16), int(columns[-1])
    raise AssertionError("no socket has port %d" % port)


def test_no_room_in_its_own_socket(tmp_path):
    """A reader that was stopped for a while tells exactly what it missed."""
    with listening(tmp_path, *FIELDS, "seq") as (running, port), sender() as s:
        def send(number):
            s.sendto(datagram(number, ONE) + bytes(60000), ("127.0.0.1", port))
        send(1)
        wait_lines(running, 1)
        running.signal(signal.SIGSTOP)
        sent = 1
        deadline = time.monotonic() + 10
        while kernel_counts(port)[1] < 100:
            assert time.monotonic() < deadline and sent < 20000
            for _ in range(50):
                sent += 1
                send(sent)
        running.signal(signal.SIGCONT)
        wait_until(lambda: kernel_counts(port)[0] == 0)
        sent += 1
        send(sent)
        wait_until(lambda: lines(running)[-1] == str(sent))
        dropped = kernel_counts(port)[1]
        text = end(running)
    numbers = [int(n) for n in lines(running)]
    assert dropped >= 100 and len(numbers) == sent - dropped
    assert re.findall(r"^datagrams this reader's socket had no room for: (\d+)\b", text, re.M) == [str(dropped)]
    assert sequence_counts(text) == (sent - dropped, sent, 0, 0)
    assert re.findall(r"^  n_no_room=(\d+)$", text, re.M) == [str(dropped)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_waits_in_the_socket_belongs_to_it(tmp_path, number):
    """A reader that is told to end takes what came before, all of it, and nothing of what comes after."""
    with listening(tmp_path, *FIELDS, "seq") as (running, port), sender() as s:
        running.signal(signal.SIGSTOP)
        for i in range(1, 2001):
            s.sendto(datagram(i, ONE), ("127.0.0.1", port))
        running.signal(number)
        running.signal(signal.SIGCONT)
        assert running.wait(5) == 0, running.err
        text = running.out.decode() + running.err
    assert [int(n) for n in lines(running)] == list(range(1, 2001))
    assert sequence_counts(text) == (2000, 2000, 0, 0) and "no room" not in text


@pytest.mark.parametrize("options, gathered", [
    (["--format", "cof"], r'"rrtype":"CNAME".*"count":3'), (["--summary"], r"^ +3 .*www\.example\.com$"),
    ([], r"^  n_data_pkts=3 ")])
def test_asked_for_what_it_has(tmp_path, options, gathered):
    """SIGUSR1: what was gathered is printed, and it goes on."""
    with listening(tmp_path, *options) as (running, port), sender() as s:
        for i in 1, 2, 3:
            s.sendto(datagram(i, ONE), ("127.0.0.1", port))
        wait_until(lambda: kernel_counts(port)[0] == 0)

        def asked():
            running.signal(signal.SIGUSR1)
            return re.search(gathered, running.out.decode() + running.err, re.M)
        wait_until(asked)
        s.sendto(datagram(4, ONE), ("127.0.0.1", port))
        text = end(running)
    assert re.search(r"^  n_data_pkts=4 ", text, re.M) or options == ["--summary"], text


def test_lost_on_the_way(tmp_path):
    with listening(tmp_path) as (running, port), sender() as s:
        for number in 1, 2, 5, 4, 9, 9:
            s.sendto(datagram(number, ONE), ("127.0.0.1", port))
        wait_lines(running, 7)
        text = end(running)
    assert sequence_counts(text) == (6, 9, 4, 2) and "no room" not in text


# What comes out, and when

def test_rows_come_at_once(tmp_path):
    """In each format, while the reader goes on listening."""
    for form in "text", "json", "csv", "tsv":
        with listening(tmp_path, "--format", form, "--no-header") as (running, port), sender() as s:
            for number in 1, 2, 3:
                s.sendto(datagram(number, ONE), ("127.0.0.1", port))
                wait_lines(running, number, 3)
            end(running)


@pytest.mark.parametrize("options", [[], ["-s"], ["--format", "tsv"], ["--format", "csv"], ["--format", "tsv", "-s"],
                                     ["--format", "json"]], ids=" ".join)
def test_statistics_come_at_once(options, tmp_path):
    with listening(tmp_path, *options) as (running, port), sender() as s:
        s.sendto(stats(1, 5, 4, 3, 2, 1), ("127.0.0.1", port))
        wait_until(lambda: "pkts_captured" in running.out.decode() + running.err, 3)
        end(running)


def test_passive_dns_comes_each_interval(tmp_path):
    with listening(tmp_path, "--format", "cof", "--interval", "1") as (running, port), sender() as s:
        sets = [set4("10.0.0.9", "10.0.0.53", ["A.example"], ["192.0.2.1"])]
        before = int(time.time())
        s.sendto(datagram(1, *sets * 3), ("127.0.0.1", port))
        row = json.loads(wait_lines(running, 1, 5)[0])
        assert before <= row.pop("time_first") == row.pop("time_last") <= time.time()
        assert row == dict(rrname="a.example", rrtype="A", rdata="192.0.2.1", count=3)
        s.sendto(datagram(2, *sets), ("127.0.0.1", port))
        assert json.loads(wait_lines(running, 2, 5)[1])["count"] == 1
        s.sendto(datagram(3, *sets * 2), ("127.0.0.1", port))
        wait_until(lambda: kernel_counts(port)[0] == 0)
        end(running)
        assert sum(json.loads(line)["count"] for line in lines(running)) == 6


def test_columns_that_nobody_sends_are_told_at_once(tmp_path):
    with listening(tmp_path, *FIELDS, "seq,qtype") as (running, port), sender() as s:
        for sequence in 1, 2:
            s.sendto(datagram(sequence, ONE), ("127.0.0.1", port))
        wait_lines(running, 2)
        running.wait_err("]: qtype: the sensors send none of these; start them with -x (--extended)\n")
        assert end(running).count("send none of these") == 1


def test_count_ends_it(tmp_path):
    with listening(tmp_path, *FIELDS, "seq", "--count", "3", "--client", "10.0.0.9") as (running, port), sender() as s:
        other = set4("10.0.0.8", "10.0.0.53", ["a.example"], ["192.0.2.1"])
        for number in range(1, 6):
            s.sendto(datagram(number, other, *[ONE] * (number % 2)), ("127.0.0.1", port))
        assert running.wait(5) == 0 and lines(running) == ["1", "3", "5"]
        assert re.search(r"^records wanted: 3 of \d+$", running.err, re.M)


def test_filters_by_the_time_of_arrival(tmp_path):
    with listening(tmp_path, *FIELDS, "seq", "--since", "1m") as (running, port), sender() as s:
        s.sendto(extended(1, ONE), ("127.0.0.1", port))
        s.sendto(datagram(2, ONE), ("127.0.0.1", port))
        assert wait_lines(running, 1) == ["2"]
        assert "records wanted: 1 of 2\n" in end(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [[], ["--summary"], ["--format", "cof"], ["-s"]], ids=" ".join)
def test_signals_end_it(number, options, tmp_path):
    with listening(tmp_path, *options) as (running, port), sender() as s:
        s.sendto(datagram(1, ONE), ("127.0.0.1", port))
        wait_until(lambda: kernel_counts(port)[0] == 0)
        text = end(running, number)
        assert "sources: 1 different" in text if options == ["--summary"] else "n_data_pkts=1 n_records=1" in text


def test_largest_datagrams(tmp_path):
    """As much as UDP carries: records to the last byte of it."""
    one = set4("10.0.0.9", "10.0.0.53", ["a.example"], [], ["2001:db8::%x" % i for i in range(1, 16)])
    count = (LARGEST - 8) // len(one)
    rest = LARGEST - 8 - count * len(one)
    assert 0 < count <= 255 and rest < len(one)
    whole = datagram(1, *[one] * count) + bytes(rest)
    with listening(tmp_path, *FIELDS, "seq,ipv6") as (running, port), sender() as s:
        s.sendto(whole, ("127.0.0.1", port))
        s.sendto(datagram(2, ONE), ("127.0.0.1", port))
        wait_until(lambda: lines(running)[-1:] == ["2\t2001:db8::1"])
        assert lines(running)[:-1] == ["1\t" + ",".join("2001:db8::%x" % i for i in range(1, 16))] * count
        end(running)


def test_malformed(tmp_path):
    dice = random.Random(1)
    with listening(tmp_path, *FIELDS, "seq") as (running, port), sender() as one, sender() as two:
        for number in range(1, 21):
            one.sendto(datagram(number, ONE), ("127.0.0.1", port))
            for s in one, two:
                s.sendto(dice.choice((b"", b"\4\1\0", dice.randbytes(40) + b"\xff", datagram(1, ONE)[:-1])),
                         ("127.0.0.1", port))
        one.sendto(datagram(21, ONE), ("127.0.0.1", port))
        wait_until(lambda: lines(running)[-1:] == ["21"])
        assert lines(running) == [str(n) for n in range(1, 22)]
        ports = [s.getsockname()[1] for s in (one, two)]
        for p in ports:
            assert running.err.count("malformed datagram from 127.0.0.1:%d: " % p) == 1, "one line a source"
        text = end(running)
    assert text.count("  n_malformed=20\n") == 2 and "malformed datagrams: 40\n" in text


# Beside others

@needs_root
def test_capturing_beside_a_listener(tmp_path):
    host, mark = "127.%d.3.4" % (os.getpid() % 250 + 2), "m%d.example" % os.getpid()
    one = set4("10.0.0.9", "10.0.0.53", [mark], ["192.0.2.1"])
    with listening(tmp_path, *FIELDS, "server,qname", host=host, port=5300) as (receiver, _), sender(host) as s, \
            Background([READER, "-i", "lo", *FIELDS, "server,qname"], tmp_path) as sniffer:
        def both():
            s.sendto(datagram(1, one), (host, 5300))
            return "%s\t%s" % (host, mark) in lines(sniffer) and "%s\t%s" % (host, mark) in lines(receiver)
        wait_until(both, 10, 0.1)
        end(sniffer)
        end(receiver)


@pytest.mark.parametrize("options", [[], ["-x", "--sensor-id", "9"], ["-M3", "-x"]], ids=" ".join)
def test_a_sensor_sends_to_it(options, tmp_path):
    """What arrives is what the sensor also wrote to a file."""
    source = made_capture(tmp_path / "in.pcap", 3000)
    fields = "resolver,client,names,ipv4,ipv6,min_ttl,client_port,sensor_id"
    with listening(tmp_path, *FIELDS, fields) as (running, port):
        result = sensor("-r", source, "-u", "127.0.0.1:%d" % port, *options)
        assert result.status == 0, result.err
        more = [o for o in options if o != "-M3"]  # a file has one sequence
        assert sensor("-r", source, "-w", tmp_path / "out.pcap", *more).status == 0
        wait_lines(running, 3000)
        text = end(running)
    rows = reader("-r", tmp_path / "out.pcap", *FIELDS, fields).out.decode().splitlines()
    assert collections.Counter(lines(running)) == collections.Counter(rows) and len(rows) == 3000
    assert "-M3" in options or lines(running) == rows
    assert "seq_lost=0 seq_ooo=0\n" in text and not re.search("seq_lost=[1-9]|no room|malformed", text)
    assert ("sensor: " in text) == bool(options), text


@needs_libcrypto
def test_signed_datagrams(tmp_path, key):
    files = [write_pcap(tmp_path / name, ETHERNET, [(int(when * 1e6), response_frame(name + ".example"))])
             for name, when in (("now", time.time()), ("old", BASE_US / 1e6))]
    with listening(tmp_path, *FIELDS, "qname", "--auth-key", key) as (running, port):
        for path, options in (files[0], []), (files[1], ["--auth-key", key]), (files[0], ["--auth-key", key]):
            assert sensor("-r", path, "-u", "127.0.0.1:%d" % port, *options).status == 0
        assert wait_lines(running, 1) == ["now.example"]
        wait_until(lambda: kernel_counts(port)[0] == 0)
        text = end(running)
    assert text.count("  n_unsigned=1\n") == 1 and len(lines(running)) == 1
    assert sum(int(n) for n in re.findall(r"n_stale=(\d+)", text)) >= 1


# What sensors say of themselves

def test_counters_by_name(tmp_path):
    """Those that this reader does not know have numbers; the block has those that are not 0."""
    values = [(i * 7919) % 5 and (1 << 63) - i for i in range(len(TRAILER_COUNTERS) + 2)]
    body = struct.pack("!HH", len(values), 0) + struct.pack("!%dQ" % len(values), *values)
    trailer = struct.pack("!BBHIIIQ", 1, 3, 24 + len(body), 9, 1600000000, 5, BASE_US) + body
    frames = [packet(datagram(1, struct.pack("!5I", 1, 2, 3, 4, 5), trailer, flags=3, count=1))]
    want = dict(zip(TRAILER_COUNTERS + ["counter_%d" % (len(TRAILER_COUNTERS) + i) for i in range(2)], values))
    result = read(tmp_path, RAW, frames, "--format", "json")
    found = json.loads(result.out)["ext"]
    assert list(found["counters"].items()) == list(want.items())
    assert (found["sensor_id"], found["worker"], found["sample_rate"]) == (9, 3, 5)
    line = " ".join("%s=%d" % (k, v) for k, v in want.items() if v and not k.startswith("counter_"))
    assert "\n  sensor: %s\n" % line in result.err
    assert "sensor:" not in read(tmp_path, RAW, [packet(stats(1, 1, 2, 3, 4, 5))]).out


def test_who_reads_the_rows_goes_away(tmp_path):
    port = unused_port()
    with subprocess.Popen([READER, "-l", "127.0.0.1:%d" % port], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process, sender() as s:
        try:
            process.stderr.readline()
            process.stdout.close()

            def ended():
                s.sendto(datagram(1, ONE), ("127.0.0.1", port))
                return process.poll() is not None
            wait_until(ended, 5, 0.05)
            assert process.returncode == 0 and process.stderr.read() == b""
        finally:
            process.kill()


# Options

@pytest.mark.parametrize("options", [
    "--top --summary", "--top -s", "--summary -s", "--format cof -s", "--format cof --top", "--format cof --summary",
    "--format json --top", "--format csv --summary", "--fields seq --top", "--fields seq --summary", "--fields seq -s",
    "--fields seq --format cof", "--interval 5", "--interval 5 --format json", "--interval 5 --summary", "--reuse-port",
    "-l 5301", "-i lo", "-f ip -F ip", "--since 2023-11-14 --until 2023-11-14", "--since 1700000001 --until 1700000000",
    "-s --client 10.0.0.1", "-s --count 1", "--top -S"])
def test_options_that_contradict_each_other(options):
    result = reader("-r", "/nonexistent", *options.split(" "))
    assert result.status == 2 and result.out == b"" and result.err.count("\n") == 1, result.err
    assert "expected" in result.err


def test_inputs_that_options_need():
    for options in (["--speed", "2", "-l"], ["--speed", "2", "-i", "lo"], ["-l", "-f", "ip"], ["-l", "-F", "ip"],
                    ["-l", "-l"], ["-l", "-i", "lo"], ["--reuse-port", "-i", "lo"], ["--count", "3"], ["--top"]):
        result = reader(*options)
        assert result.status == 2 and result.err.count("\n") == 1 and "expected" in result.err, options
