# SPDX-License-Identifier: BSD-3-Clause
"""The sensor's command line: options, files good and bad, signals, outputs."""

import fcntl
import gzip
import os
import pty
import re
import select
import signal
import struct
import subprocess
import time

import pytest

from conftest import (AAAA, BASE_US, CAPTURES, ETHERNET, RAW, READER, SENSOR, Background, Collector, Result, Summary,
                      address_record, check_sequence, ethernet, expected_rows, made_capture, ok, pcap_header,
                      pcap_record, read_pcap, read_written, reader, record, response, response_frame, rows_of, run,
                      sensor, udp_packet, wait_until, wire_name, write_pcap, written_rows)

NAME = "real_dnsperf.pcap"
FILE = str(CAPTURES / NAME)


# Usage

WRONG = [
    # options, then what the line must name
    (["-d", "0"], "--dns-port 0 1 65535"),
    (["-d", "65536"], "--dns-port 65536 1 65535"),
    (["-d", "-5"], "--dns-port -5 1 65535"),
    (["-d", "5x"], "--dns-port 5x 1 65535"),
    (["-d", " 5"], "--dns-port 1 65535"),
    (["-d", ""], "--dns-port 1 65535"),
    (["-d", "99999999999999999999999"], "--dns-port 99999999999999999999999 65535"),
    (["--dns-port", "53,54"], "--dns-port 53,54"),
    (sum((["-d", str(i)] for i in range(1, 12)), []), "--dns-port 11 10"),
    (["-M", "-1"], "--workers -1"),
    (["-M", "65"], "--workers 65 64"),
    (["-M", "two"], "--workers two"),
    (["-i", "lo", "-i", "eth0", "-i", "lo"], "--interface lo once"),
    (["-i", ""], "--interface name"),
    (["-m", "0/2"], "--share 0/2 I/N"),
    (["-m", "3/2"], "--share 3/2 I/N"),
    (["-m", "1/0"], "--share 1/0 I/N"),
    (["-m", "1"], "--share 1 I/N"),
    (["-m", "/"], "--share / I/N"),
    (["-m", "1/2/3"], "--share 1/2/3 I/N"),
    (["-m", "-1/2"], "--share -1/2 I/N"),
    (["-m", "0000000000000000001/2"], "--share I/N"),
    (["-s", "4294967296"], "--sample 4294967296 0 4294967295"), (["-w", "a", "-w", "b"], "--write once"),
    (["-u", "300.1.1.1"], "--udp 300.1.1.1 IPv4 address"),
    (["-s", "4294967296"], "--sample 4294967296 4294967295"),
    (["-s", "1.5"], "--sample 1.5"),
    (["--sensor-id", "4294967296"], "--sensor-id 4294967296 4294967295"),
    (["--sensor-id", "x"], "--sensor-id x"),
    (["--rate", "0"], "--rate 0"),
    (["--rate", "1e3"], "--rate 1e3"),
    (["-f", "udp port"], "--filter"),
    (["-f", "host (("], "--filter"),
    (["-u", ""], "--udp"),
    (["-u", ":5300"], "--udp :5300"),
    (["-u", "host:"], "--udp host: 1 65535"),
    (["-u", "host:0"], "--udp host:0 1 65535"),
    (["-u", "host:65536"], "--udp host:65536 65535"),
    (["-u", "host:+1"], "--udp host:+1 65535"),
    (["-u", "host:53x"], "--udp host:53x 65535"),
    (["-u", "[::1"], "--udp [::1 IPv6"),
    (["-u", "[::1]5300"], "--udp [::1]5300 IPv6"),
    (["-u", "[]:5300"], "--udp []:5300"),
    (["-u", "x" * 2000 + ":1"], "--udp"),
    (["-i", "lo"], "--interface --read"),
    (["-r"], "--read FILE"),
    (["-d"], "--dns-port PORT"),
    (["--udp"], "--udp HOST[:PORT]"),
    (["-q"], "-q"),
    (["--quick"], "--quick"),
    (["--extended=1"], "--extended"),
    (["--help=1"], "--help"),
    ([""], "argument file"),
    (["--", ""], "argument file"),
    (["--tunnel-port"], "--tunnel-port KIND:PORT"),
    (["--dump-bad"], "--dump-bad FILE"),
]


@pytest.mark.parametrize("options, words", WRONG, ids=[" ".join(o)[:40] or "none" for o, _ in WRONG])
def test_wrong_usage(options, words, tmp_path):
    result = sensor("-r", FILE, "-w", tmp_path / "out.pcap", *options)
    assert result.status == 2, result.err
    assert result.out == b"" and result.err.endswith("\n") and result.err.count("\n") == 1, result.err
    assert result.err.startswith("dnsflow: ")
    for word in words.split():
        assert word in result.err, "%s in: %s" % (word, result.err)
    assert not (tmp_path / "out.pcap").exists()


def test_no_output():
    """It is told which there are, as --help has them."""
    result = sensor("-r", FILE)
    assert result.status == 2 and result.err.count("\n") == 1
    assert result.err.endswith("one or more of: -u/--udp HOST[:PORT], -w/--write FILE\n")


@pytest.mark.parametrize("options, words", [
    (["-r", FILE], "--udp --write"),
    (["-r", FILE, "-M", "2", "-w", "x"], "--write x -M"),
    (["-i", "lo", "-w", "x", "--rate", "5"], "--rate --read"),
    ([], "--udp --write"),
], ids=lambda o: " ".join(o)[:40] if isinstance(o, list) else "")
def test_options_that_do_not_fit(options, words, tmp_path):
    result = sensor(*options, cwd=tmp_path)
    assert result.status == 2 and result.err.count("\n") == 1, result.err
    assert all(word in result.err for word in words.split()), result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["5\n3", "\x1b[31m", "a\rb"])
def test_values_are_quoted_in_messages(value):
    """What a script passes on cannot forge a second line or move the cursor."""
    result = sensor("-r", FILE, "-w", "/dev/null", "-d", value)
    assert result.status == 2
    assert len(result.err.splitlines()) == 1 and all(c.isprintable() for c in result.err[:-1]), repr(result.err)


@pytest.mark.parametrize("program", [SENSOR, READER])
@pytest.mark.parametrize("options", [["-h"], ["--help"], ["-V"], ["--version"], ["-x", "-h"], ["-h", "-V"]])
def test_help_and_version(program, options):
    if "-x" in options and program == READER:
        options = ["-s", "-h"]
    result = run([program] + options)
    assert result.status == 0 and result.err == "" and result.out.endswith(b"\n")
    text = result.out.decode()
    name = program.rsplit("/", 1)[1]
    if options[-1] in ("-V", "--version") and "-h" not in options:
        assert re.match(name + r" \d+\.\d+", text)
    else:
        assert text.startswith("usage: " + name)
        assert all(len(line) < 80 for line in text.splitlines())
        options, examples = text.split("\n\nExamples:\n")
        assert len(re.findall(r"\n\n\S.*:\n  ", options)) >= 5  # headings
        assert [line.split()[0] for line in examples.splitlines()] == [name] * 3


def test_help_names_every_option():
    text = sensor("-h").out.decode()
    for option in ("-i, --interface", "-r, --read", "-f, --filter", "-u, --udp", "-w, --write", "-M, --workers",
                   "-m, --share", "-c, --balance-checksum", "-s, --sample", "-p, --no-promiscuous", "-P, --pidfile",
                   "-d, --dns-port", "-Y, --mdns", "-x, --extended", "--sensor-id", "--rate", "--dump-bad",
                   "-V, --version", "-h, --help"):
        assert option in text


@pytest.mark.parametrize("program", [SENSOR, READER])
@pytest.mark.parametrize("option", ["-h", "-V"])
def test_help_that_cannot_be_printed(program, option):
    with open("/dev/full", "wb") as full:
        result = run([program, option], stdout=full)
    assert result.status == 1


def test_long_options_are_the_same(tmp_path):
    ok("-r", FILE, "-x", "-d", 53, "-s", 3, "-m", "1/2", "-c", "-w", tmp_path / "1")
    ok("--read", FILE, "--extended", "--dns-port=53", "--sample=3", "--share=1/2", "--balance-checksum", "--write",
       tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


# Files that cannot be read

def errors(result):
    return [re.sub(r"^\[\d+\]: ", "", line) for line in result.err.splitlines() if "error:" in line]


def test_missing_file(tmp_path):
    """Found before anything is read or written."""
    path = tmp_path / "missing.pcap"
    result = sensor("-r", FILE, "-r", path, "-w", tmp_path / "out.pcap")
    assert result.status == 1 and result.err.count("\n") == 1
    assert str(path) in result.err and "No such file or directory" in result.err
    assert not (tmp_path / "out.pcap").exists()


@pytest.mark.parametrize("content, reason", [
    (b"", "empty"), (b"x" * 10, "not a capture"), (b"x" * 4096, "not a capture"),
    (b"\x1f\x8b" + b"x" * 100, "not a capture"), (b"\x1f\x8b\x08\0" + b"x" * 100, "gzip"),
    (pcap_header(ETHERNET)[:20], "not a capture"),
    (pcap_header(ETHERNET)[:4] + struct.pack("<H", 3) + pcap_header(ETHERNET)[6:], "version 3.4"),
    ("folder", "Is a directory"),
], ids=["empty", "short", "text", "not gzip", "broken gzip", "half a header", "version", "folder"])
def test_file_that_is_no_capture(content, reason, tmp_path):
    path = tmp_path / "in.pcap"
    if content == "folder":
        path.mkdir()
    else:
        path.write_bytes(content)
    (tmp_path / "out.pcap").write_bytes(b"of an earlier run")
    for options in ["-r", path], ["-r", path, "-r", path]:
        result = sensor(*options, "-w", tmp_path / "out.pcap")
        assert result.status == 1 and result.err.count("\n") == len(options) // 2
        assert all(str(path) in line and reason in line for line in result.err.splitlines())
        assert (tmp_path / "out.pcap").read_bytes() == b"of an earlier run"


def test_empty_capture(tmp_path):
    path = write_pcap(tmp_path / "in.pcap", ETHERNET, [])
    assert ok("-r", path, "-w", tmp_path / "out.pcap").seen == 0
    assert (tmp_path / "out.pcap").stat().st_size == 24
    assert ok("-r", path, "-x", "-w", tmp_path / "out.pcap").seen == 0
    (_, only), = read_written(tmp_path / "out.pcap")
    assert only.sequence == 1 and only.stats == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("program, more", [(sensor, ["-w", "/dev/null"]), (reader, [])])
def test_empty_capture_is_told(tmp_path, program, more):
    empty, full = write_pcap(tmp_path / "in.pcap", ETHERNET, []), write_pcap(tmp_path / "b.pcap", ETHERNET, [(0, b"x" * 60)])
    line = "]: no packets in %s\n"
    assert program("-r", empty, *more).err.count(line % empty) == 1
    assert program("-r", empty, "-r", full, *more).err.count("]: no packets in ") == 1
    assert program("-r", full, "-r", empty, *more).err.count(line % empty) == 1
    assert "no packets in" not in program("-r", full, *more).err
    result = program("-r", "-", *more, data=empty.read_bytes())
    assert result.status == 0 and result.err.count(line % "standard input") == 1


def test_no_capture_onto_a_terminal(tmp_path):
    path = write_pcap(tmp_path / "in.pcap", ETHERNET, [])
    try:
        master, slave = pty.openpty()
    except OSError as error:
        pytest.skip("no terminal to be had: %s" % error)
    try:
        result = sensor("-r", path, "-w", "-", stdout=slave)
        assert result.status == 2 and result.err.count("\n") == 1 and "-w/--write -: " in result.err
        assert select.select([master], [], [], 0)[0] == []
    finally:
        os.close(master)
        os.close(slave)


def test_truncated_pcap(tmp_path):
    _, frames = read_pcap(FILE)
    data = (CAPTURES / NAME).read_bytes()
    ends = [24]
    for _, frame in frames:
        ends.append(ends[-1] + 16 + len(frame))
    last = len(frames) - 1, len(frames[-1][1]) + 15
    for whole, extra in (0, 1), (0, 16), (0, 30), (10, 1), (10, 15), (250, 16), (507, 17), last:
        path = tmp_path / "in.pcap"
        path.write_bytes(data[:ends[whole] + extra])
        result = sensor("-r", path, "-w", tmp_path / "out.pcap")
        assert result.status == 1
        (line,) = errors(result)
        assert "%s: at byte %d: " % (path, ends[whole]) in line and "ends inside a record" in line
        good = write_pcap(tmp_path / "good.pcap", ETHERNET, frames[:whole])
        assert ok("-r", good, "-w", tmp_path / "want.pcap").seen == whole == Summary(result.err).seen
        assert (tmp_path / "out.pcap").read_bytes() == (tmp_path / "want.pcap").read_bytes()


def test_truncated_pcapng(tmp_path):
    data = (CAPTURES / "real_merged.pcapng").read_bytes()
    want, before = expected_rows("real_merged.pcapng"), 0
    for length in range(1, len(data), max(1, len(data) // 23)):
        path = tmp_path / "in.pcapng"
        path.write_bytes(data[:length])
        result = sensor("-r", path, "-w", tmp_path / "out.pcap")
        is_capture = (tmp_path / "out.pcap").exists()
        assert is_capture or length < 24
        rows = written_rows(tmp_path / "out.pcap") if is_capture else []
        assert rows == want[:len(rows)] and before <= len(rows)
        before = len(rows)
        if result.status:
            (line,) = errors(result) if is_capture else result.err.splitlines()
            assert str(path) in line and result.status == 1
    assert before > len(want) / 2


def test_truncated_gzip(tmp_path):
    plain = made_capture(tmp_path / "in.pcap", 5000)
    ok("-r", plain, "-w", tmp_path / "want.pcap")
    packed, path = gzip.compress(plain.read_bytes()), tmp_path / "in.pcap.gz"
    path.write_bytes(packed[:len(packed) * 9 // 10])
    result = sensor("-r", path, "-w", tmp_path / "out.pcap")
    assert result.status == 1 and str(path) in errors(result)[0] and len(errors(result)) == 1
    rows = written_rows(tmp_path / "out.pcap")
    assert rows == written_rows(tmp_path / "want.pcap")[:len(rows)]
    assert 4000 < len(rows) < 5000, "what is whole comes out"


def test_damaged_records(tmp_path):
    frames = [pcap_record(BASE_US, response_frame("a%d.example" % i)) for i in range(5)]
    for damage in struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 64), struct.pack("<IIII", 0, 0, 262145, 262145):
        path = tmp_path / "in.pcap"
        path.write_bytes(pcap_header(ETHERNET) + b"".join(frames) + damage + b"x" * 400000)
        result = sensor("-r", path, "-w", tmp_path / "out.pcap")
        assert result.status == 1
        (line,) = errors(result)
        assert "%s: at byte %d: " % (path, 24 + len(b"".join(frames))) in line
        assert len(written_rows(tmp_path / "out.pcap")) == 5


@pytest.mark.parametrize("how", ["cut", "none"])
def test_a_broken_file_among_others(how, tmp_path):
    middle = tmp_path / "middle.pcap"
    if how == "cut":
        middle.write_bytes((CAPTURES / NAME).read_bytes()[:-1])
    else:
        middle.write_bytes(b"no capture at all, but longer than a header")
    result = sensor("-r", CAPTURES / "made_raw.pcap", "-r", middle, "-r", CAPTURES / "made_vlan.pcap", "-w",
                    tmp_path / "out.pcap")
    assert result.status == 1 and len(errors(result)) == 1 and str(middle) in errors(result)[0]
    result = sensor("-r", middle, "-r", CAPTURES / "made_vlan.pcap", "-w", tmp_path / "other.pcap")
    assert result.status == 1 and len(errors(result)) == 1 and str(middle) in errors(result)[0]
    assert written_rows(tmp_path / "other.pcap")[-1] == expected_rows("made_vlan.pcap")[-1]
    between = expected_rows(NAME) if how == "cut" else []
    assert written_rows(tmp_path / "out.pcap") == \
        expected_rows("made_raw.pcap") + between + expected_rows("made_vlan.pcap")


def test_unknown_link_type(tmp_path):
    path = write_pcap(tmp_path / "in.pcap", 147, [(BASE_US, response_frame())] * 3)
    assert ok("-r", path, "-w", tmp_path / "out.pcap").frame_reasons == {"link_unsupported": 3}


# Outputs

def test_output_that_cannot_be_opened(tmp_path):
    for path in tmp_path, tmp_path / "no" / "such":
        result = sensor("-r", FILE, "-w", path)
        assert result.status == 1 and str(path) in result.err and result.err.count("\n") == 1
        result = sensor("-r", FILE, "-w", tmp_path / "ok.pcap", "--dump-bad", path)
        assert result.status == 1 and str(path) in result.err


def test_full_disk():
    result = sensor("-r", FILE, "-w", "/dev/full")
    assert result.status == 1
    assert "/dev/full" in errors(result)[0] and "No space left" in errors(result)[0]
    summary = Summary(result.err)
    assert summary.records == 116
    lost = re.search(r"file /dev/full: (\d+) datagrams? written, (\d+) lost", result.err)
    assert lost and lost.group(1) == "0" and int(lost.group(2)) == summary.notes["datagrams"]
    assert summary.notes["write_lost"] == summary.notes["datagrams"], "lost datagrams are in the summary"
    assert summary.notes.get("written", 0) == 0


def test_full_disk_does_not_stop_udp():
    with Collector() as collector:
        result = sensor("-r", FILE, "-w", "/dev/full", "-u", collector.target)
        assert result.status == 1
        streams = collector.datagrams(Summary(result.err).notes["datagrams"])
    assert rows_of(next(iter(streams.values()))) == expected_rows(NAME)


def head_of(path, size):
    """The summary of a run whose only output takes `size` bytes of what the file gives."""
    read_end, write_end = os.pipe()
    with subprocess.Popen([SENSOR, "-r", path, "-w", "-"], stdout=write_end, stderr=subprocess.PIPE) as process:
        os.close(write_end)
        os.read(read_end, size)
        os.close(read_end)
        err = process.communicate(timeout=20)[1].decode()
    return Result(process.returncode, b"", err)


@pytest.mark.parametrize("how", ["pipe", "disk"])
def test_reading_ends_with_the_only_output(how, tmp_path):
    """Nobody gets what is read from there on."""
    path = made_capture(tmp_path / "in.pcap", 40000)
    result = head_of(path, 1000) if how == "pipe" else sensor("-r", path, "-r", path, "-w", "/dev/full")
    assert result.status == 1 and len([e for e in errors(result) if e.startswith("error: ")]) == 1, result.err
    assert "nothing more is written to it" in result.err
    assert Summary(result.err).seen < 40000


def test_closed_standard_output():
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        result = sensor("-r", FILE, "-w", "-", stdout=write_end)
    finally:
        os.close(write_end)
    assert result.status == 1 and len(errors(result)) >= 1


def test_full_disk_for_bad_frames(tmp_path):
    result = sensor("-r", FILE, "-w", tmp_path / "out.pcap", "--dump-bad", "/dev/full")
    assert result.status == 1 and "/dev/full" in errors(result)[0]
    assert written_rows(tmp_path / "out.pcap") == expected_rows(NAME)


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "in.pcap"
    path.write_bytes((CAPTURES / NAME).read_bytes())
    return path


@pytest.mark.parametrize("option", ["-w", "--dump-bad", "-P"])
@pytest.mark.parametrize("way", ["same", "hard link", "symbolic link", "other spelling", "standard input"])
def test_the_input_is_never_overwritten(option, way, copy, tmp_path):
    before = copy.read_bytes()
    target = tmp_path / "other.pcap"
    if way == "hard link":
        os.link(copy, target)
    elif way == "symbolic link":
        target.symlink_to(copy)
    elif way == "other spelling":
        target = "%s/./%s" % (tmp_path, copy.name)
    else:
        target = copy
    with open(copy, "rb") as file:
        options = ["-r", "-" if way == "standard input" else copy, option, target]
        if option != "-w":
            options += ["-w", tmp_path / "out.pcap"]
        result = sensor(*options, stdin=file)
    assert copy.read_bytes() == before, "the input is changed"
    assert result.status == 2 and result.err.count("\n") == 1 and str(target) in result.err


@pytest.mark.parametrize("way", ["same", "symbolic link", "other spelling"])
def test_two_outputs_in_one_file(way, tmp_path):
    out, target = tmp_path / "out.pcap", tmp_path / "bad.pcap"
    if way == "symbolic link":
        out.touch()
        target.symlink_to(out)
    else:
        target = out if way == "same" else "%s/./out.pcap" % tmp_path
    result = sensor("-r", FILE, "-w", out, "--dump-bad", target)
    assert result.status == 2 and result.err.count("\n") == 1


# Pid file

def pipe_sensor(folder, *options):
    return Background([SENSOR, "-r", "-", *options], folder, stdin=subprocess.PIPE)


def test_pid_file(tmp_path):
    pid_file = tmp_path / "dnsflow.pid"
    with pipe_sensor(tmp_path, "-w", tmp_path / "1.pcap", "-P", pid_file) as first:
        wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
        assert pid_file.read_text() == "%d\n" % first.process.pid
        result = sensor("-r", FILE, "-w", tmp_path / "2.pcap", "-P", pid_file)
        assert result.status == 1 and result.err.count("\n") == 1
        assert "already running (pid %d)" % first.process.pid in result.err
        assert not (tmp_path / "2.pcap").exists(), "the second start touches nothing"
        assert pid_file.read_text() == "%d\n" % first.process.pid
        first.process.stdin.write((CAPTURES / NAME).read_bytes())
        first.process.stdin.close()
        assert first.wait() == 0
    assert pid_file.exists(), "the file stays"
    ok("-r", FILE, "-w", tmp_path / "2.pcap", "-P", pid_file)
    result = sensor("-r", FILE, "-w", tmp_path / "2.pcap", "-P", tmp_path / "no" / "pid")
    assert result.status == 1 and str(tmp_path / "no" / "pid") in result.err


# Signals

HEADER = pcap_header(ETHERNET)


def records(first, count, step_us=1000):
    return b"".join(pcap_record(BASE_US + i * step_us, response_frame("s%d.example" % i))
                    for i in range(first, first + count))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("extended", [False, True])
def test_stop(number, extended, tmp_path):
    options = ["-x"] if extended else []
    with pipe_sensor(tmp_path, "-w", tmp_path / "out.pcap", *options) as process:
        process.feed(HEADER + records(0, 5))
        process.wait_captured(5)
        process.signal(number)
        assert process.wait() == 0
        summary = Summary(process.err)
    assert summary.records == 5 and "error" not in process.err
    datagrams = [d for _, d in read_written(tmp_path / "out.pcap")]
    check_sequence(datagrams)
    assert len(rows_of(datagrams)) == 5 and bool(datagrams[-1].stats) == extended


def test_stop_with_workers(tmp_path):
    with Collector() as collector, pipe_sensor(tmp_path, "-u", collector.target, "-M", "2") as process:
        process.feed(HEADER + records(0, 300))
        process.wait_asleep()
        # What has been handed over by the time of the signal comes out; nothing is lost between the ledgers.
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        summary = Summary(process.err)
        rows = [r for d in collector.datagrams(summary.notes.get("datagrams", 0)).values() for r in rows_of(d)]
    assert len(rows) == summary.records == summary.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("sent", ["nothing", "half a header", "half a record"])
def test_stop_in_the_middle(sent, number, tmp_path):
    data = {"nothing": b"", "half a header": HEADER[:12], "half a record": HEADER + records(0, 2)[:-20]}[sent]
    with pipe_sensor(tmp_path, "-w", tmp_path / "out.pcap") as process:
        process.feed(data)
        if sent == "half a record":
            process.wait_captured(1)
        wait_until(lambda: (tmp_path / "out.pcap").exists())
        process.wait_asleep()
        process.signal(number)
        assert process.wait(5) == 0
        assert Summary(process.err).records == (1 if sent == "half a record" else 0)
        assert "error" not in process.err, process.err
    assert len(written_rows(tmp_path / "out.pcap")) == (1 if sent == "half a record" else 0)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
@pytest.mark.parametrize("sent", [0, 4, 12])
def test_signals_before_the_first_record(sent, number, tmp_path):
    with pipe_sensor(tmp_path, "-w", tmp_path / "out.pcap") as process:
        process.feed(HEADER[:sent])
        wait_until(lambda: (tmp_path / "out.pcap").exists())
        process.wait_asleep()
        process.signal(number)
        if number == signal.SIGUSR1:
            process.wait_err("0 packets captured")
        process.feed(HEADER[sent:] + records(0, 3))
        process.process.stdin.close()
        assert process.wait() == 0, process.err
    assert len(written_rows(tmp_path / "out.pcap")) == 3


def test_stop_while_reading_packed_data(tmp_path):
    data = gzip.compress(HEADER + records(0, 2000), 1)
    with pipe_sensor(tmp_path, "-w", tmp_path / "out.pcap") as process:
        process.feed(data[:len(data) // 2])
        wait_until(lambda: (tmp_path / "out.pcap").exists())
        process.wait_asleep()
        process.signal(signal.SIGTERM)
        assert process.wait(5) == 0, process.err


@pytest.mark.parametrize("workers", [1, 2])
def test_stop_while_waiting_for_the_pace(workers, tmp_path):
    capture = made_capture(tmp_path / "in.pcap", 60)
    with Collector() as collector:
        with Background([SENSOR, "-r", capture, "-u", collector.target, "--rate", "2", "-M", workers],
                        tmp_path) as process:
            process.wait_asleep()
            process.signal(signal.SIGTERM)
            assert process.wait(5) == 0
            Summary(process.err)


def test_report_and_go_on(tmp_path):
    with pipe_sensor(tmp_path, "-w", tmp_path / "out.pcap") as process:
        process.feed(HEADER + records(0, 4))
        process.wait_captured(4)
        assert Summary(process.err).records == 4
        process.feed(records(4, 3))
        process.wait_captured(7)
        assert process.process.poll() is None
        process.process.stdin.close()
        assert process.wait() == 0
    assert len(written_rows(tmp_path / "out.pcap")) == 7


def test_reopen(tmp_path):
    out, old = tmp_path / "out.pcap", tmp_path / "old.pcap"
    with pipe_sensor(tmp_path, "-w", out) as process:
        process.feed(HEADER + records(0, 3) + records(2000, 2))  # 2 s later, so that the first three leave
        process.wait_captured(5)
        out.rename(old)
        process.signal(signal.SIGHUP)
        wait_until(out.exists)
        process.feed(records(2002, 2))
        process.wait_captured(7)
        process.process.stdin.close()
        assert process.wait() == 0
        summary = Summary(process.err)
    parts = [[d for _, d in read_written(p)] for p in (old, out)]
    assert [len(rows_of(p)) for p in parts] == [3, 4]
    check_sequence(parts[0] + parts[1])
    assert summary.notes["written"] == 2


def test_reopen_that_fails(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pipe_sensor(tmp_path, "-w", folder / "out.pcap") as process:
        process.feed(HEADER + records(0, 3))
        process.wait_captured(3)
        folder.rename(tmp_path / "moved")
        process.signal(signal.SIGHUP)
        process.wait_err("warning: ")
        process.process.stdin.close()
        assert process.wait() == 0
    assert len(written_rows(tmp_path / "moved" / "out.pcap")) == 3


# What is let in

def test_bad_frames(tmp_path):
    _, frames = read_pcap(FILE)
    bad = tmp_path / "bad.pcap"
    summary = ok("-r", FILE, "-w", tmp_path / "out.pcap", "--dump-bad", bad)
    link, kept = read_pcap(bad)
    assert link == ETHERNET and all(k in frames for k in kept)
    again = ok("-r", bad, "-w", tmp_path / "again.pcap")
    assert again.records == 0
    assert again.reasons == {k: min(v, 16) for k, v in summary.reasons.items()}


def test_bad_frames_of_every_capture(tmp_path):
    for path in sorted(CAPTURES.glob("made_*.pcap")):
        bad = tmp_path / "bad.pcap"
        summary = ok("-r", path, "-w", tmp_path / "out.pcap", "--dump-bad", bad)
        again = ok("-r", bad, "-w", tmp_path / "again.pcap")
        assert again.reasons == {k: min(v, 16) for k, v in summary.reasons.items()}, path


def test_no_bad_frames(tmp_path):
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US, udp_packet("1.1.1.1", 53, "10.0.0.1", 9,
                                                                       response("a", ["1.2.3.4"])))])
    ok("-r", path, "-w", tmp_path / "out.pcap", "--dump-bad", tmp_path / "bad.pcap")
    assert read_pcap(tmp_path / "bad.pcap")[1] == []


def rows_with(tmp_path, link, frames, *options):
    path = write_pcap(tmp_path / "in.pcap", link, [(BASE_US + i, f) for i, f in enumerate(frames)])
    summary = ok("-r", path, "-w", tmp_path / "out.pcap", *options)
    return written_rows(tmp_path / "out.pcap"), summary


def test_filter(tmp_path):
    query = ethernet(udp_packet("10.0.0.9", 40000, "10.0.0.53", 53, response("q.example", ["1.1.1.1"], flags=0x100)))
    frames = [response_frame("a.example", client="10.0.0.1"), response_frame("b.example", client="10.0.0.2"),
              response_frame("c.example", client="10.0.0.1", source_port=54), query]

    def names(*options):
        rows, summary = rows_with(tmp_path, ETHERNET, frames, *options)
        return [r.split("\t")[2] for r in rows], summary.reasons
    assert names() == (["a.example", "b.example"], {"query_port": 1, "other_port": 1})
    assert names("-f", "udp port 53 and host 10.0.0.1") == (["a.example"], {"filtered": 3})
    assert names("-f", "udp") == (["a.example", "b.example", "c.example"], {"dns_query": 1})
    assert names("-f", "host 10.0.0.1") == (["a.example", "c.example"], {"filtered": 2})
    assert names("-f", "udp", "-d", "99") == (["a.example", "b.example", "c.example"], {"dns_query": 1})
    assert names("-f", "ether proto 0x1234") == ([], {"filtered": 4})
    assert names("-f", "") == (["a.example", "b.example", "c.example"], {"dns_query": 1})
    shares = [names("-f", "udp", "-m", "%d/2" % i) for i in (1, 2)]
    assert [s[0] for s in shares] == [["b.example"], ["a.example", "c.example"]]
    rows, summary = rows_with(tmp_path, ETHERNET, frames, "-f", "host 10.0.0.1")
    assert summary.captured == 2, "after the filter"


@pytest.mark.parametrize("name", ["made_null.pcap", "made_sll.pcap", "made_raw.pcap", "real_merged.pcapng",
                                  "made_ng_le.pcapng"])
def test_filter_on_other_link_types(name, tmp_path):
    ok("-r", CAPTURES / name, "-w", tmp_path / "plain.pcap")
    summary = ok("-r", CAPTURES / name, "-f", "ip or ip6 or not ip", "-w", tmp_path / "out.pcap")
    assert "filtered" not in summary.reasons
    assert written_rows(tmp_path / "out.pcap") == expected_rows(name)


def test_filter_on_packets_that_were_cut(tmp_path):
    """`len` in an expression means the length on the wire."""
    frame = response_frame("cut.example", ["192.0.2.%d" % i for i in range(20)])
    data = HEADER + struct.pack("<IIII", 1, 0, 120, len(frame)) + frame[:120]
    (tmp_path / "in.pcap").write_bytes(data)
    summary = ok("-r", tmp_path / "in.pcap", "-f", "greater 300", "-w", tmp_path / "out.pcap")
    assert summary.records == 1 and summary.notes["cut_records"] == 1


def test_ports(tmp_path):
    frames = [response_frame("p%d.example" % p, source_port=p) for p in (53, 54, 5353, 65535, 1)]

    def names(*options):
        return [r.split("\t")[2] for r in rows_with(tmp_path, ETHERNET, frames, *options)[0]]
    assert names() == ["p53.example"]
    assert names("-d", "54") == ["p54.example"]
    assert names("-d", "53", "-d", "65535", "-d", "1", "-d", "53") == ["p53.example", "p65535.example", "p1.example"]
    assert names("-Y", "-d", "54") == ["p54.example", "p5353.example"]
    ten = [o for p in range(46, 56) for o in ("-d", str(p))]
    assert names(*ten) == ["p53.example", "p54.example"]


# mDNS

def mdns(answers, flags=0x8400, questions=b"", count=0, target="224.0.0.251", source_port=5353):
    message = struct.pack("!HHHHHH", 0, flags, count, len(answers), 0, 0) + questions + b"".join(answers)
    return ethernet(udp_packet("10.0.0.7", source_port, target, 5353, message))


def owned(name, text):
    return address_record(text, owner=wire_name(name))


def test_mdns(tmp_path):
    frames = [
        mdns([owned("Printer.local", "10.0.0.7"), owned("other.local", "10.0.0.8"), owned("pRINTER.LOCAL", "fe80::7"),
              record(16, b"\1x", wire_name("text.local")), owned("other.local", "10.0.0.9")]),
        mdns([owned("query.local", "10.0.0.1")], flags=0),
        mdns([owned("refused.local", "10.0.0.1")], flags=0x8405),
        mdns([owned("asked.local", "10.0.0.1")], count=1, questions=wire_name("asked.local") + b"\0\x1c\0\1"),
        mdns([record(16, b"\1x", wire_name("text.local"))]),
        mdns([owned("elsewhere.local", "10.0.0.1")], source_port=53),
    ]
    rows, summary = rows_with(tmp_path, ETHERNET, frames, "-Y", "-x")
    head = "10.0.0.7\t224.0.0.251\t"
    assert rows == [head + "Printer.local\t10.0.0.7\tfe80::7", head + "other.local\t10.0.0.8,10.0.0.9\t",
                    head + "asked.local\t10.0.0.1\t"]
    assert summary.message_reasons == {"dns_query": 1, "dns_rcode": 1, "dns_no_address": 1, "dns_not_rd": 1}
    assert (summary.with_record, summary.records) == (2, 3)
    sets = [s for _, d in read_written(tmp_path / "out.pcap") for s in d.sets]
    assert [s.ext.flags for s in sets] == [16, 16, 16]
    assert [s.ext.qtype for s in sets] == [0, 0, AAAA], "0 without a question"
    assert rows_with(tmp_path, ETHERNET, frames)[0] == []


def test_mdns_owners_are_bounded(tmp_path):
    answers = [owned("h%d.local" % (i % 33), "10.0.0.%d" % (i + 1)) for i in range(66)]
    rows, summary = rows_with(tmp_path, ETHERNET, [mdns(answers)], "-Y")
    assert [r.split("\t")[2:4] for r in rows] == \
        [["h%d.local" % i, "10.0.0.%d,10.0.0.%d" % (i + 1, i + 34)] for i in range(32)]
    assert summary.notes["names_truncated"] == 1 and summary.records == 32


# Names that try to look like something else

HOSTILE = [b"a|b", b"a,b", b"a\tb", b"a\nb", b"a\r\nb", b"a\0b", b'"a"', b"'a'", b"a.b", b"a\\b", b"\\",
           b"\\124", b"=1+1", b"\x1b[2J", b"\xff\xfe", b" ", b"STATS|pkts_captured:1", b"\n\nSummary:",
           b"127.0.0.1|1.1.1.1", b"\x7f", b"#x", b"a;b", b"(a)", b"@", b"$x", b"\xe2\x80\xae"]


@pytest.mark.parametrize("form, separator", [("text", b"|"), ("tsv", b"\t")])
def test_hostile_names(form, separator, tmp_path):
    frames = [ethernet(udp_packet("10.0.0.53", 53, "10.0.0.9", 9, struct.pack("!HHHHHH", i, 0x8180, 1, 1, 0, 0) +
                                  wire_name([label, b"example"]) + b"\0\1\0\1" + address_record("192.0.2.1")))
              for i, label in enumerate(HOSTILE)]
    rows, _ = rows_with(tmp_path, ETHERNET, frames)
    assert len(rows) == len(HOSTILE)
    result = reader("-r", tmp_path / "out.pcap", "--format", form, "--no-header")
    assert result.status == 0
    lines = result.out.split(b"\n\nSummary:\n")[0].rstrip(b"\n").split(b"\n")
    assert len(lines) == len(HOSTILE)
    seen = set()
    for line in lines:
        fields = line.split(separator)
        assert len(fields) == 7 and fields[0] == b"127.0.0.1" and fields[1] == b"10.0.0.53"
        assert fields[5] == b"192.0.2.1" and b"," not in fields[4] and fields[4].endswith(b".example")
        assert all(0x21 <= c <= 0x7E for c in fields[4])
        seen.add(fields[4])
    assert len(seen) == len(HOSTILE), "each still different from the others"


# Progress

def slow_feed(process, write, seconds):
    """Feeds records for a while, a few at a time."""
    end, i = time.monotonic() + seconds, 0
    write(HEADER)
    while time.monotonic() < end:
        write(records(i, 20))
        i += 20
        select.select([], [], [], 0.05)
    return i


def test_progress_is_for_terminals(tmp_path):
    try:
        master, slave = pty.openpty()
    except OSError as error:
        pytest.skip("no terminal to be had: %s" % error)
    try:
        fcntl.ioctl(slave, 0x5414, struct.pack("HHHH", 25, 80, 0, 0))  # TIOCSWINSZ
        with pipe_sensor(tmp_path, "-w", tmp_path / "1.pcap") as plain, \
                Background([SENSOR, "-r", "-", "-w", tmp_path / "2.pcap"], tmp_path, stdin=subprocess.PIPE,
                           stderr=slave) as shown:
            os.close(slave)
            slave = -1

            def write(data):
                plain.feed(data)
                shown.feed(data)
            count = slow_feed(plain, write, 2.4)
            for process in plain, shown:
                process.process.stdin.close()
                assert process.wait() == 0
            text = b""
            while True:
                try:
                    part = os.read(master, 65536)
                except OSError:
                    break
                if not part:
                    break
                text += part
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)
    assert "\r" not in plain.err and Summary(plain.err).records == count
    assert re.search(rb"\r\d+ packets, \d+ packets/s", text)
    progress, summary = text.rsplit(b"\r\x1b[K", 1)
    assert Summary(summary.decode().replace("\r\n", "\n")).records == count
