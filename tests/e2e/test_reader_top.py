# SPDX-License-Identifier: BSD-3-Clause
"""Tables of what occurs most: printed at the end, and on a terminal, which tmux plays; files at their own pace."""

import collections
import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from conftest import (BASE_US, RAW, READER, TIMEOUT, WHY_NO_TERMINAL, Background, pcap_header, pcap_record, reader,
                      unused_port, wait_until, write_pcap)
from datagrams import ONE, datagram, extended, packet, set2, set4, stats
from reading import read

VERSION = reader("--version").out.decode()
HAS_TOP = shutil.which("tmux") and "without ncurses" not in VERSION
needs_tmux = pytest.mark.skipif(not HAS_TOP or WHY_NO_TERMINAL is not None,
                                reason=WHY_NO_TERMINAL or "there is no program tmux, or --top was not built")
TABLES = "names domains clients resolvers answers sources".split()
ALL_TABLES = TABLES + "subdomains nxdomain servfail rcodes".split()
KEYS = " 0-9 table  s sort  / filter  p pause  c clear  h help  q quit"


# Tables at the end

def tables(text):
    """The heads and the rows of each table: [count, share, rate, bar, key], of sources six numbers and the name."""
    found = {}
    for part in text.split("\n\n"):
        lines = part.strip("\n").split("\n")
        if lines[0].split(":")[0] not in TABLES:
            continue
        rows = [re.fullmatch(r" *(<?\d+) +([\d.]+)% +([\d.]+)  (#* *)  (\S+)", line) or
                re.fullmatch(r" *(\d+) +([\d.]+) +(\d+) +(\d+) +([\d.]+) +(\d+)  (\S+)", line) for line in lines[2:]]
        found[lines[0].split(":")[0]] = (lines[0].split(": ", 1)[1], [row.groups() for row in rows if row])
    assert list(found) == TABLES, text
    return found


def check_table(found, want, seconds):
    """Rows against exact counts: in order, with share, rate and a bar."""
    head, rows = found
    assert head == "%d different" % len(want)
    total, most = sum(want.values()), max(want.values(), default=0)
    assert len(rows) == min(10, len(want)) and len({row[4] for row in rows}) == len(rows)
    assert [int(row[0]) for row in rows] == sorted(want.values(), reverse=True)[:10]
    for count, share, rate, bar, key in rows:
        assert int(count) == want[key], key
        assert share == "%.1f" % (100 * want[key] / total) and abs(float(rate) - want[key] / seconds) < 0.051
        assert len(bar) == 16 and bar.rstrip() == "#" * (16 * want[key] // most)


def test_summary_of_random_records(tmp_path):
    dice = random.Random(9)
    want, frames = {t: collections.Counter() for t in TABLES}, []
    for i in range(600):
        name = dice.choice("www.Example.com WWW.example.COM a.b.example.net x.y.z.org example.com".split())
        v6 = dice.random() < 0.4
        client = ("2001:db8::%x" if v6 else "10.0.0.%d") % dice.randint(1, 9)
        server = ("2001:db8:53::%x" if v6 else "10.0.53.%d") % dice.randint(1, 2)
        ipv4, ipv6 = (["192.0.2.%d" % min(3, dice.randint(0, 9))] * dice.randint(0, 2),
                      ["2001:db8::%x" % dice.randint(1, 4) for _ in range(dice.randint(0, 2))])
        more = dice.random() < 0.2
        one = set4(client, server, [name, "cdn.other.example"][:dice.randint(1, 2)], ipv4, ipv6)
        port = 4000 + dice.randrange(3)
        frames.append(packet(extended(i, one, ext=[(0, 1, 1, 1, int(more))]), port=port))
        want["answers"].update(ipv4 + ipv6)
        if not more:
            want["names"][name.lower()] += 1
            want["domains"][".".join(name.lower().split(".")[-2:])] += 1
            want["clients"][client] += 1
            want["resolvers"][server] += 1
    text = read(tmp_path, RAW, frames, "--summary", step_us=10000).out
    found = tables(text)
    assert text.startswith("%d records in 6.0 s\n" % sum(want["names"].values())) and "Summary:" not in text
    for table in TABLES[:-1]:
        check_table(found[table], want[table], 5.99)


def test_summary_of_sources(tmp_path):
    frames = [packet(d, port=port) for port, d in (
        (4000, datagram(1, ONE)), (4000, datagram(2, ONE, ONE)), (4000, stats(3, 100, 90, 4294967290, 1, 0)),
        (4001, datagram(5, ONE)), (4000, datagram(8, ONE)), (4000, stats(9, 300, 290, 4, 1, 0)), (4001, b"\4\1"))]
    frames.append(packet(datagram(1, ONE), source="2001:db8::7"))
    result = read(tmp_path, RAW, frames, "--summary", step_us=250000)
    assert tables(result.out)["sources"] == ("3 different", [
        ("4", "2.3", "5", "4", "44.44", "10", "10.1.1.1:4000"), ("1", "0.6", "1", "0", "0.00", "0", "10.1.1.1:4001"),
        ("1", "0.6", "1", "0", "0.00", "0", "[2001:db8::7]:4000")])
    assert "malformed datagrams: 1\n" in result.out and result.err.count("\n") == 1


def test_summary_of_old_versions_and_nothing(tmp_path):
    frames = [packet(datagram(1, set2("10.0.0.1", ["a.example", "b.example"], ["192.0.2.1"]), version=2)),
              packet(datagram(2, set2("10.0.0.1", [b"A.example."], ["192.0.2.1"], text=True), version=0))]
    found = tables(read(tmp_path, RAW, frames, "--summary").out)
    assert [found[t][0] for t in TABLES] == ["1 different"] * 3 + ["0 different"] + ["1 different"] * 2
    assert found["names"][1][0][0] == "2" and found["names"][1][0][4] == "a.example"
    out = read(tmp_path, RAW, [], "--summary").out
    assert out == "records: 0\n"


def test_summary_of_some_records(tmp_path):
    """Tables count what was asked for, but for that of sources, which counts what came."""
    other = set4("2001:db8::9", "2001:db8::53", ["six.example"], ["192.0.2.9"])
    frames = [packet(datagram(1, ONE, other, ONE)), packet(datagram(1, ONE), port=4001)]
    out = read(tmp_path, RAW, frames, "--summary", "--family", "6").out
    found = tables(out)
    assert [found[t][1][0][0] for t in TABLES[:-1]] == ["1"] * 5 and "records wanted: 1 of 4\n" in out
    assert [row[0] for row in found["sources"][1]] == ["3", "1"]
    out = read(tmp_path, RAW, frames, "--summary", "--name", "nosuch.example", step_us=1500000).out
    assert out == ("records wanted: 0 of 4\n"
                   "times of the datagrams: 2023-11-14T22:13:20.000000Z to 2023-11-14T22:13:21.500000Z\n")


def test_rates_are_of_the_time_that_was_chosen(tmp_path):
    """20 records a second for 10 seconds, of which some are asked for; each second one of another client."""
    other = set4("10.0.0.8", "10.0.0.53", ["other.example"], ["192.0.2.9"])
    frames = [packet(datagram(i, other if i % 20 == 0 else ONE)) for i in range(201)]

    def rates(*options):
        text = read(tmp_path, RAW, frames, "--summary", *options, step_us=50000).out
        found = tables(text)
        return (text.split("\n")[0], {row[4]: float(row[2]) for row in found["clients"][1]},
                float(found["sources"][1][0][1]))
    second = "2023-11-14T22:13:2%d"
    assert rates() == ("201 records in 10.0 s", {"10.0.0.9": 19.0, "10.0.0.8": 1.1}, 20.1)
    for options in ([], ["--family", "4"]):
        assert rates("--since", second % 6, *options) == ("81 records in 4.0 s", {"10.0.0.9": 19.0, "10.0.0.8": 1.2}, 20.1)
    assert rates("--until", second % 2)[:2] == ("40 records in 1.9 s",
                                                {"10.0.0.9": 19.5, "10.0.0.8": 1.0})
    between = rates("--since", second % 2, "--until", second % 4)
    assert between[0] == "40 records in 1.9 s" and between[1]["10.0.0.9"] == 19.5 and between[2] == 20.1
    few = rates("--since", second % 2, "--until", second % 4, "--client", "10.0.0.8")
    assert few[:2] == ("2 records in 1.9 s", {"10.0.0.8": 1.0}), "of the time, not from one of them to the other"
    one = rates("--since", second % 2, "--until", second % 2 + ".01")
    assert one[:2] == ("1 records in 0.0 s", {"10.0.0.8": 0.0}), "no time, no rate"


def test_rates_are_by_the_times_of_records(tmp_path):
    """Of sensors with -x, whose clock is another one."""
    frames = [packet(extended(i, ONE, base=1600000000 * 1000000 + i * 100000)) for i in range(21)]
    out = read(tmp_path, RAW, frames, "--summary", "--since", "1600000001", step_us=1000).out
    assert out.startswith("11 records in 1.0 s\n") and tables(out)["names"][1][0][2] == "11.0"


@pytest.mark.skipif("libpsl" not in VERSION or "without libpsl" in VERSION, reason="built without libpsl")
def test_domains_by_the_public_suffix_list(tmp_path):
    cases = {"www.example.co.uk": "example.co.uk", "a.b.EXAMPLE.co.uk": "example.co.uk", "co.uk": "co.uk", "uk": "uk",
             "x.example.com.au": "example.com.au", "example.com": "example.com", "localhost": "localhost",
             "h.a.b.kobe.jp": "a.b.kobe.jp", "www.city.kobe.jp": "city.kobe.jp", "": ".",
             "www.unlisted.zz": "unlisted.zz", ".".join(["a"] * 120 + ["example", "org"]): "example.org"}
    for name, domain in cases.items():
        out = read(tmp_path, RAW, [packet(datagram(1, set4("10.0.0.9", "10.0.0.53", [name], ["192.0.2.1"])))],
                   "--summary").out
        assert [row[4] for row in tables(out)["domains"][1]] == [domain], name
    dotted = [[b"www", b"example.co", b"uk"]]
    out = read(tmp_path, RAW, [packet(datagram(1, set4("10.0.0.9", "10.0.0.53", dotted, ["192.0.2.1"])))], "--summary")
    assert [row[4] for row in tables(out.out)["domains"][1]] == ["example\\.co.uk"], "a dot in a label is none"


def test_more_keys_than_places(tmp_path):
    """Of 50000 clients the frequent ones are there, too high by no more than is said."""
    dice = random.Random(2)
    common = [dice.randrange(50000) for _ in range(8)]
    clients = list(range(50000)) + [c for n, c in enumerate(common) for _ in range(400 * (n + 1))]
    dice.shuffle(clients)
    rest = set4("10.0.0.9", "10.0.0.53", ["a.example"], ["192.0.2.1"])
    sets = [rest[:8] + struct.pack("!I", 0x0A000000 + c) + rest[12:] for c in clients]
    frames = [packet(datagram(i, *sets[i:i + 250])) for i in range(0, len(sets), 250)]
    head, rows = tables(read(tmp_path, RAW, frames, "--summary").out)["clients"]
    match = re.fullmatch(r"about (\d+) different \(0\.8 % standard error\); counts marked < are at most (\d+) too high",
                         head)
    assert abs(int(match.group(1)) - 50000) < 50000 * 0.04
    error, counts = int(match.group(2)), collections.Counter("10.0.%d.%d" % (c >> 8, c & 255) for c in clients)
    assert 0 < error <= len(clients) / 16384
    for row in rows:
        assert counts[row[4]] <= int(row[0].lstrip("<")) <= counts[row[4]] + (error if row[0][0] == "<" else 0)
    assert {row[4] for row in rows[:8]} == {"10.0.%d.%d" % (c >> 8, c & 255) for c in common}


# Pace

def paced(folder, seconds, count=11):
    records = [(BASE_US + i * int(seconds * 1e6) // (count - 1), packet(datagram(i, ONE))) for i in range(count)]
    return write_pcap(folder / "paced.pcap", RAW, records)


def test_speed(tmp_path):
    path, took = paced(tmp_path, 2), {}
    plain = reader("-r", path)
    for speed in "1", "10", "1000000":
        start = time.monotonic()
        result = reader("-r", path, "--speed", speed)
        took[speed] = time.monotonic() - start
        assert result == plain
    assert 1.9 <= took["1"] < 6 and 0.19 <= took["10"] < took["1"] / 2 and took["1000000"] < took["1"]


def test_rows_come_at_their_time(tmp_path):
    """Also those before a gap of a thousand seconds, in which a signal ends it."""
    records = [(BASE_US + us, packet(datagram(n, ONE))) for n, us in ((1, 0), (2, 300000), (3, 1000300000))]
    path = write_pcap(tmp_path / "in.pcap", RAW, records)
    argv = [READER, "-r", path, "--speed", "1", "--fields", "seq", "--no-header"]
    with Background(argv, tmp_path) as running:
        wait_until(lambda: running.out == b"1\n")
        wait_until(lambda: running.out == b"1\n2\n")
        running.signal(signal.SIGTERM)
        assert running.wait(5) == 0 and b"seq_last=2 " in running.out


def test_times_that_jump_back_do_not_hold_up(tmp_path):
    records = [(BASE_US + us, packet(datagram(n, ONE))) for n, us in enumerate((0, 100000, -10**12, 150000))]
    start = time.monotonic()
    result = reader("-r", write_pcap(tmp_path / "in.pcap", RAW, records), "--speed", "1", "--fields", "seq")
    assert result.out.decode().split()[1:5] == ["0", "1", "2", "3"] and time.monotonic() - start < 5


# A terminal

class Terminal:
    """A reader in a tmux of its own."""
    count = 0

    def __init__(self, folder, options, width=80, height=24, before="", env=""):
        Terminal.count += 1
        self.name = "dnsflow-test-%d-%d" % (os.getpid(), Terminal.count)
        self.pid_path = folder / ("pid.%d" % Terminal.count)
        command = "%s sh -c 'echo $$ >\"$0\"; exec \"$@\"' %s" % (
            env, shlex.join(str(a) for a in [self.pid_path, READER, *options]))
        script = "%s %s; echo ended with $?; stty -a | grep -o ' icanon.* echo '; read x" % (before, command)
        # the environment as it was: readline, if pytest has loaded it, sets LINES and COLUMNS, which curses would obey
        subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", str(width),
                        "-y", str(height), script, ";", "set", "status", "off", ";", "resize-window", "-t", "t", "-x",
                        str(width), "-y", str(height)], check=True, timeout=TIMEOUT, stderr=subprocess.DEVNULL,
                       env={k: v for k, v in os.environ.items() if k not in ("LINES", "COLUMNS")})
        self.socket = self.tmux("display", "-p", "-t", "t", "#{socket_path}").rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")
        self.end_reader()
        if os.path.basename(self.socket) == self.name and os.path.exists(self.socket):
            os.unlink(self.socket)

    def end_reader(self):
        """The reader ends when its terminal goes away; a sanitizer's check at the end may hang then."""
        command = Path("/proc/%s/cmdline" % (self.pid_path.read_text().strip() if self.pid_path.exists() else "0"))

        def is_gone():
            try:
                return READER.encode() not in command.read_bytes()
            except OSError:
                return True
        try:
            wait_until(is_gone, 5)
        except AssertionError:
            os.kill(self.pid, signal.SIGKILL)
            assert "asan" in READER or "tsan" in READER, "the reader did not end with its terminal"

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=TIMEOUT).stdout.decode("utf-8", "replace")

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "t").split("\n")

    def rows(self):
        return [line for line in self.screen()[4:-2] if line.strip()]

    def key(self, *keys):
        self.tmux("send-keys", "-t", "t", *keys)

    def resize(self, width, height):
        self.tmux("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    def wait(self, condition, seconds=8):
        """Until the condition holds of the screen's lines; then those."""
        last = []

        def holds():
            last[:] = self.screen()
            return condition(last)
        try:
            wait_until(holds, seconds, 0.03)
        except AssertionError:
            raise AssertionError("this came instead:\n" + "\n".join(last)) from None
        return last

    def press(self, keys, condition):
        self.key(*keys.split(" "))
        return self.wait(condition)

    def press_until(self, key, condition):
        """As press, again and again: curses throws away what was typed before it has the terminal back."""
        def holds(lines):
            if condition(lines):
                return True
            self.key(key)
            return False
        return self.wait(holds)

    def wait_end(self, status=0, seconds=5):
        """Until the reader has ended and the terminal is as it was."""
        lines = self.wait(lambda s: "ended with %d" % status in s and any("icanon" in line for line in s), seconds)
        assert self.tmux("display", "-p", "-t", "t", "#{alternate_on}#{cursor_flag}") == "01\n"
        return "\n".join(lines)

    def quit(self):
        self.key("q")
        return self.wait_end()

    @property
    def pid(self):
        return int(wait_until(lambda: self.pid_path.exists() and self.pid_path.read_text()))


def counted(folder):
    """A capture of 50 names, the first 50 times and each other once less, of 5 clients."""
    sets = [set4("10.0.0.%d" % (i % 5 + 1), "10.0.0.53", ["n%02d.example.com" % i], ["192.0.2.%d" % (i // 10)])
            for i in range(50) for _ in range(50 - i)]
    frames = [packet(datagram(1 + at // 25, *sets[at:at + 25])) for at in range(0, len(sets), 25)]
    return write_pcap(folder / "counted.pcap", RAW, [(BASE_US + i * 200000, f) for i, f in enumerate(frames)])


def first(text):
    return lambda screen: screen[4].split()[-1:] == [text]


@needs_tmux
def test_rates_of_the_time_that_was_chosen(tmp_path):
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top", "--since", "2023-11-14T22:13:25"]) as top:
        top.wait(lambda s: s[0].startswith("end of input: 650 records, 130/s, 1 source"))
        assert top.press("6", lambda s: s[3].endswith("SOURCE"))[4].split()[:2] == ["1275", "127.5"]


@needs_tmux
def test_keys_of_the_tables(tmp_path):
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"]) as top:
        screen = top.wait(lambda s: "end of input" in s[0] and first("n00.example.com")(s))
        assert screen[0].startswith("end of input: 1275 records, 128/s, 1 source, 0 datagrams lost")
        assert screen[1].split() == [w for i, t in enumerate(ALL_TABLES[:7]) for w in (str(i + 1), t)], "as fit"
        assert screen[2] == "50 different, sorted by count" and screen[23] == KEYS
        assert screen[4].split() == ["50", "3.9%", "5.0", "#" * 16, "n00.example.com"]
        assert [line.split()[0] for line in screen[4:23]] == [str(50 - i) for i in range(19)]
        heads = "TYPE NAME DOMAIN CLIENT RESOLVER ANSWER SOURCE DOMAIN CLIENT CLIENT".split()  # from 0 on
        tops = [None, "n00.example.com", "example.com", "10.0.0.1", "10.0.0.53", "192.0.2.0", "10.1.1.1:4000",
                "example.com", None, None]

        def shows(number):
            return lambda s: s[3].split()[-1:] == [heads[number]] and " %d %s" % (
                number, ALL_TABLES[number - 1]) in s[1] and (first(tops[number])(s) if tops[number] else not s[4].strip())
        for keys in "7 6 5 4 3 2 1 0 9 8 1".split(), ["Tab"] * 11, ["Right"] * 10, ["Left"] * 10, ["BTab"] * 2:
            for key in keys:
                at = int(key) if key.isdigit() else (at + (1 if key in ("Tab", "Right") else -1)) % 10
                top.press(key, shows(at))
        top.press("3", lambda s: s[2].startswith("5 different") and s[4].split()[0] == "275" and not s[9].strip())
        top.press("s", lambda s: "sorted by rate" in s[2])
        top.press("s", lambda s: "sorted by name" in s[2] and first("10.0.0.1")(s))
        top.press("s", lambda s: "sorted by count" in s[2])
        assert "Summary:\n10.1.1.1:4000\n" in top.quit()


@needs_tmux
def test_keys_of_rows(tmp_path):
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"]) as top:
        top.wait(first("n00.example.com"))
        for key, name in (("Up", "n00"), ("Down", "n01"), ("NPage", "n20"), ("Down", "n21"), ("PPage", "n02"),
                          ("Home", "n00"), ("NPage NPage NPage NPage", "n49"), ("Up", "n48"), ("s s", "n00"),
                          ("s", "n00"), ("Home", "n00")):
            if key == "s s":
                top.press("Home", first("n00.example.com"))
            top.press(key, first(name + ".example.com"))
        top.key("/", "N", "0", "7")
        top.wait(lambda s: s[23] == "/n07" and first("n07.example.com")(s) and s[2].endswith(', 1 with "n07"'))
        assert top.rows()[1:] == []
        top.press("BSpace", lambda s: s[23] == "/n0" and s[2].endswith(', 10 with "n0"'))
        top.press("Enter", lambda s: s[23] == KEYS and first("n00.example.com")(s))
        top.press("/ Escape", lambda s: s[2] == "50 different, sorted by count" and s[23] == KEYS)
        top.press("/ q s c 1", lambda s: s[23] == "/qsc1" and s[2].endswith(', 0 with "qsc1"'))
        top.press("Enter", lambda s: s[23] == KEYS)
        top.press("/ Enter", lambda s: s[2] == "50 different, sorted by count" and first("n00.example.com")(s))
        top.key("/", *["x"] * 100)
        top.wait(lambda s: s[23] == "/" + "x" * 63)
        top.press("Escape", first("n00.example.com"))
        top.press("h", lambda s: "begin to count anew" in s[9] and "print the summary" in s[10] and s[4].startswith("0 to 9"))
        top.press("h", first("n00.example.com"))
        top.press("c", lambda s: ": 0 records" in s[0] and not s[4].strip())
        text = top.quit()
        assert "n_data_pkts=51 n_records=1275" in text, "what was cleared is not forgotten at the end"


@needs_tmux
def test_sizes(tmp_path):
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"]) as top:
        before = top.wait(lambda s: "end of input" in s[0] and first("n00.example.com")(s))
        top.resize(40, 10)
        top.wait(lambda s: len(s) == 11 and s[3] == "      COUNT  NAME" and s[4] == "         50  n00.example.com" and
                 s[8].strip() and s[9] == KEYS[:40])
        top.key("6")
        top.wait(lambda s: s[3] == "   RECORDS     LOST  SOURCE" and s[4].endswith(" 1275        0  10.1.1.1:4000"))
        top.press("1", lambda s: s[3] == "      COUNT  NAME")
        top.resize(50, 10)
        top.wait(lambda s: len(s) == 11 and s[3] == "      COUNT  SHARE    RATE/s  NAME" and "  n00.exa" in s[4])
        top.resize(200, 50)
        top.wait(lambda s: len(s) == 51 and s[48].endswith(" n44.example.com") and s[49].startswith(KEYS) and
                 len([r for r in s[4:49] if r]) == 45)
        for width, height in (10, 3), (1, 1), (3, 30), (300, 2):
            top.resize(width, height)
            top.key("s", "s", "s", "Down", "Home")
            top.wait(lambda s: len(s) == height + 1)
        top.resize(80, 24)
        assert top.wait(lambda s: s == before) == before
        top.quit()


@needs_tmux
@pytest.mark.parametrize("width", [20, 34])
def test_narrow_screens_are_clean(width, tmp_path):
    """What does not fit a line is cut, not put on the next."""
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"], width, 12) as top:
        top.wait(lambda s: s[4].startswith("         50"))
        top.key("2", "/", "%")
        screen = top.wait(lambda s: s[11] == "/%")
        assert not any(line.strip() for line in screen[4:11])
        assert screen[2] == '1 different, sorted by count, 0 with "%"'[:width].rstrip()
        top.key("Escape")
        screen = top.wait(lambda s: s[11].startswith(" 0-9"))
        assert screen[2] == "1 different, sorted by count"[:width].rstrip()


@needs_tmux
def test_the_state_is_seen_on_80_columns(tmp_path):
    """Large numbers do not push out that the input has ended, or that the display pauses."""
    frames = [packet(datagram(n, *[ONE] * 200)) for n in list(range(1, 61)) + [2000000000]]
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + i, f) for i, f in enumerate(frames)])
    with Terminal(tmp_path, ["-r", path, "--top"]) as top:
        top.wait(lambda s: s[4].split()[:1] == ["12200"])
        top.key("p")
        top.wait(lambda s: "end of input" in s[0] and "PAUSED" in s[0], 3)
        top.quit()


@needs_tmux
def test_hostile_names(tmp_path):
    """No byte of a name reaches the terminal as it is."""
    names = [[[b"\x1b]0;owned\7\x1b[2J\x1b[31m", b"test"]], [[b"\n\r\t\b\x0e", b"test"]], [[b"\xc2\x9b2J", b"test"]],
             [[b"%s%n%d", b"test"]], [[b"x" * 63] * 3 + [b"\0" * 61]], [["caf\u00e9".encode(), b"test"]]]
    frames = [packet(datagram(i, set4("10.0.0.9", "10.0.0.53", n, ["192.0.2.1"]))) for i, n in enumerate(names)]
    frames.append(packet(datagram(9, set2("10.0.0.9", [b"\x1b[2J", b"%s"], ["192.0.2.1"], text=True), version=0)))
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + i, f) for i, f in enumerate(frames)])
    with Terminal(tmp_path, ["-r", path, "--top"]) as top:
        title = top.tmux("display", "-p", "-t", "t", "#{pane_title}")
        screen = top.wait(lambda s: "end of input" in s[0] and s[10].strip())
        assert all(re.fullmatch("[ -~]*", line) for line in screen) and screen[23] == KEYS
        shown = {line[48:] for line in screen[4:11]}
        assert "\\027]0\\;owned\\007\\027[2j\\027[31~" in shown and "%s%n%d.test" in shown
        assert "\\027[2j" in shown and len(shown) == 7
        assert top.tmux("display", "-p", "-t", "t", "#{pane_title}") == title
        top.press("2", lambda s: "DOMAIN" in s[3] and s[4].strip())
        assert all(re.fullmatch("[ -~]*", line) for line in top.screen())
        top.quit()


@needs_tmux
def test_standard_input_is_a_capture(tmp_path):
    """Keys come from the terminal, also while the pipe says nothing."""
    os.mkfifo(tmp_path / "pipe")
    one = pcap_record(BASE_US, packet(datagram(1, ONE)))
    with Terminal(tmp_path, ["-r", "-", "--top"], before="cat %s |" % shlex.quote(str(tmp_path / "pipe"))) as top:
        with open(tmp_path / "pipe", "wb") as pipe:
            pipe.write(pcap_header(RAW) + one)
            pipe.flush()
            top.wait(lambda s: s[0].startswith("dnsflow_read: 1 records") and first("www.example.com")(s))
            top.press("3", first("10.0.0.9"))
            pipe.write(one * 4)
            pipe.flush()
            top.wait(lambda s: s[4].split()[:1] == ["5"])
            top.key("q")
            wait_until(lambda: not os.path.exists("/proc/%d" % top.pid))
        assert "n_records=5" in top.wait_end()


@needs_tmux
def test_a_file_at_its_own_pace(tmp_path):
    path = paced(tmp_path, 40, 21)
    with Terminal(tmp_path, ["-r", path, "--top", "--speed", "20"]) as top:
        seen = [int(re.match(r"dnsflow_read: (\d+) ", top.wait(lambda s: " records," in s[0])[0]).group(1))]
        while seen[-1] < 21:
            seen.append(int(re.search(r": (\d+) ", top.wait(lambda s: ": %d records" % seen[-1] not in s[0])[0]).group(1)))
        assert len(seen) > 2 and "end of input" in top.wait(lambda s: "end of input" in s[0])[0]
        top.quit()


@contextlib.contextmanager
def live(folder, *options, **more):
    port = unused_port()
    with Terminal(folder, ["-l", "127.0.0.1:%d" % port, "--top", *options], **more) as top, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        top.wait(lambda screen: screen[0].startswith("dnsflow_read: 0 records"))
        yield top, lambda *payloads: [s.sendto(p, ("127.0.0.1", port)) for p in payloads]


@needs_tmux
def test_live(tmp_path):
    with live(tmp_path, width=100) as (top, send):
        send(datagram(1, ONE, ONE), datagram(4, ONE), b"\4")
        screen = top.wait(lambda s: s[4].split()[:1] == ["3"])
        assert re.match(r"dnsflow_read: 3 records, \d+/s, 1 source, 2 datagrams lost, 0 without room here, 1 malf", screen[0])
        top.wait(lambda s: s[4].split()[2:3] == ["0.0"] and ", 0/s," in s[0])
        top.press("c", lambda s: s[0].startswith("dnsflow_read: 0 records"))
        send(datagram(5, ONE))
        top.wait(lambda s: s[4].split()[:2] == ["1", "100.0%"])
        text = top.quit()
        assert "seq_lost=2" in text and "malformed datagrams: 1" in text


@needs_tmux
@pytest.mark.parametrize("table", [1, 6])
def test_pause(table, tmp_path):
    """The table stands still, counting goes on."""
    with live(tmp_path) as (top, send):
        send(datagram(1, ONE), stats(2, 0, 0, 0, 0, 0))
        top.press(str(table), lambda s: s[4].split()[:1] == ["1"] and s[4].split()[2] in ("0.0", "2"))
        before = top.press("p", lambda s: s[0].startswith("PAUSED, "))[1:]
        send(datagram(7, ONE, ONE), stats(8, 0, 0, 9, 0, 0))
        deadline = time.monotonic() + 2.5  # two intervals
        while time.monotonic() < deadline:
            assert top.screen()[1:] == before
        top.press("p", lambda s: "PAUSED" not in s[0] and s[4].split()[:1] == ["3"])
        assert "n_data_pkts=2 n_records=3 n_stats_pkts=2" in top.quit()


@needs_tmux
def test_interval(tmp_path):
    """Drawn when it is time to, and for a key."""
    with live(tmp_path, "--interval", "3600") as (top, send):
        send(datagram(1, ONE))
        top.press("Tab", lambda s: s[0].startswith("dnsflow_read: 1 records, 0/s"))
    with live(tmp_path, "--interval", "1") as (top, send):
        send(datagram(1, ONE))
        top.wait(lambda s: s[0].startswith("dnsflow_read: 1 records"))


@needs_tmux
@pytest.mark.parametrize("how", ["TERM", "INT", "C-c"])
def test_signals(how, tmp_path):
    with live(tmp_path) as (top, send):
        send(datagram(1, ONE))
        top.wait(first("www.example.com"))
        if how == "C-c":
            top.key(how)
        else:
            os.kill(top.pid, getattr(signal, "SIG" + how))
        assert "n_data_pkts=1 n_records=1" in top.wait_end()


@needs_tmux
@pytest.mark.parametrize("kind", ["no-such-terminal", "", "dumb"])
def test_terminals_that_cannot(kind, tmp_path):
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"], env="TERM=" + kind) as top:
        text = top.wait_end(1, 3)
        assert text.startswith("dnsflow_read: option --top: ") and "TERM" in text


@needs_tmux
def test_no_terminal(tmp_path):
    result = reader("-r", counted(tmp_path), "--top")
    assert result.status == 1 and result.out == b"" and result.err.count("\n") == 1
    assert "--top" in result.err and "terminal" in result.err


@needs_tmux
def test_a_file_that_is_cut_stays_on_display(tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(counted(tmp_path).read_bytes()[:-10])
    with Terminal(tmp_path, ["-r", path, "--top"]) as top:
        top.wait(lambda s: s[0].startswith("input broke: ") and first("n00.example.com")(s))
        top.press("3", lambda s: s[3].split()[-1:] == ["CLIENT"])
        top.key("q")
        assert "dnsflow_read: " in top.wait_end(status=1)


@needs_tmux
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_signals_give_the_terminal_back(number, tmp_path):
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"]) as top:
        top.wait(lambda s: "end of input" in s[0])
        os.kill(top.pid, number)
        assert "Summary:\n" in top.wait_end()


@needs_tmux
def test_escape_shows_all_rows(tmp_path):
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"]) as top:
        top.wait(lambda s: "end of input" in s[0])
        top.press("/ n 0 1 Enter", lambda s: s[2].endswith('1 with "n01"') and first("n01.example.com")(s))
        top.press("Escape", lambda s: "with" not in s[2] and first("n00.example.com")(s))


@needs_tmux
def test_suspended_again_and_again(tmp_path):
    """The system calls that this takes change from the first time to the second."""
    with Terminal(tmp_path, ["-r", counted(tmp_path), "--top"]) as top:
        top.wait(first("n00.example.com"))
        for key, head in ("2", "DOMAIN"), ("3", "CLIENT"), ("4", "RESOLVER"), ("1", "NAME"):
            os.kill(top.pid, signal.SIGTSTP)
            os.kill(top.pid, signal.SIGCONT)
            top.press_until(key, lambda s, head=head: s[3].split()[-1:] == [head])
        assert "Summary:\n10.1.1.1:4000\n" in top.quit()
