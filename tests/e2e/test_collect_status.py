# SPDX-License-Identifier: BSD-3-Clause
"""What `status` says: in words, and the same as JSON."""

import hashlib
import json
import time

import pytest
from collecting import Running, collect, imported, needs_collector, send
from conftest import made_capture, ok, read_pcap, wait_until, write_pcap
from datagrams import ONE, datagram, extended, stats

pytestmark = needs_collector

KEYS = ["time", "running", "process", "up_to_date", "behind_records", "used_bytes", "max_bytes", "free_bytes",
        "journal_bytes", "lookups_bytes", "database_bytes", "backups_bytes", "lookups_files", "lookups_files_damaged", "lookups_files_missing", "backups",
        "lookups_since", "lookups_until", "lasts_seconds", "full_in_seconds", "dropped_datagrams_24h", "not_taken_datagrams_24h", "stores", "sensors"]
SENSOR_KEYS = ["address", "port", "sensor", "worker", "alive", "heard", "silent_seconds", "starts_24h", "datagrams_24h",
               "records_24h", "records_10min", "network_lost_datagrams_24h", "here_lost_datagrams_24h", "down_lost_datagrams_24h",
               "send_lost_datagrams_24h", "ring_lost_packets_24h", "clock_ahead_seconds"]
DROPS = {"socket": "no room in the socket", "memory": "no free block in memory", "journal": "block that could not be written"}
REFUSALS = {"doubled": "number that had come already", "not_allowed": "from an address that is not in --allow",
            "malformed": "no DNSFlow datagram", "unsigned": "not signed", "forged": "signed with another key",
            "replayed": "signed, but come already", "stale": "signed, but made more than 300 s ago, or ahead",
            "crowded": "signed, but of more streams than there is room for",
            "expired": "gone from the journal before they were read"}
LOSSES = {"ring_lost_packets_24h": "packets had no room in the sensor's ring",
          "send_lost_datagrams_24h": "datagrams the sensor could not send",
          "network_lost_datagrams_24h": "datagrams were lost on the way", "here_lost_datagrams_24h": "datagrams had no room here",
          "down_lost_datagrams_24h": "datagrams came while the collector was down"}


def as_json(directory):
    done = collect("status", directory, "--format", "json")
    assert done.status == 0 and done.err == "", done
    return json.loads(done.out)


def span(seconds):
    for limit, unit, word in ((120, 1, "s"), (7200, 60, "min"), (2 * 86400, 3600, "h")):
        if seconds < limit:
            return "%d %s" % (max(seconds, 0) // unit, word)
    return "%d days" % (seconds // 86400)


def size(count):
    unit = 0
    while count >= 1024 and unit < 4:
        count, unit = count / 1024, unit + 1
    return ("%.0f %s" if unit == 0 or count >= 100 else "%.1f %s") % (count, ("bytes", "KiB", "MiB", "GiB", "TiB")[unit])


def plural(count, word):
    return "%d %s%s" % (count, word, "" if count == 1 else "s")


def disk_lines(j):
    yield "disk       %s of %s: journal %s, lookups %s, answers and accounts %s; %s are free there" % tuple(
        size(j[k + "_bytes"]) for k in ("used", "max", "journal", "lookups", "database", "free"))
    if j["backups"]:
        yield "           %s, %s beside what they share with it" % (plural(j["backups"], "backup"), size(j["backups_bytes"]))
    if j["lookups_files"]:
        since = j["lookups_since"].replace("T", " ").replace("Z", " UTC")
        yield "           lookups received since %s, in %s" % (since, plural(j["lookups_files"], "file"))
        yield "           too short a time to say how long that lasts" if j["lasts_seconds"] is None else \
            "           at the rate of now that is %s of lookups; it is full in %s, then the oldest go" % (
                span(j["lasts_seconds"]), span(j["full_in_seconds"]))


def sensor_lines(s):
    who = "port %d" % s["port"] if s["sensor"] is None else "sensor %d worker %d" % (s["sensor"], s["worker"])
    yield "  %s %s: %s, last heard %s ago; %d records in 24 h%s" % (
        s["address"], who, "alive" if s["alive"] else "silent", span(s["silent_seconds"]), s["records_24h"],
        ", started %d times" % s["starts_24h"] if s["starts_24h"] > 1 else "")
    if s["alive"] and s["records_10min"] == 0:
        yield "             no record of it in the last 10 min: its own lines say why"
    ahead = s["clock_ahead_seconds"] or 0
    if abs(ahead) > 60:
        yield "             its clock is %s %s; records have its times" % (span(abs(ahead)), "ahead" if ahead > 0 else "behind")
    for key, text in LOSSES.items():
        if s[key] > 0:
            yield "             %d %s" % (s[key], text)


def in_words(j):
    """The text, made of the JSON."""
    running = "running (process %s)%s" % (j["process"], "" if j["up_to_date"] else ", but does not bring in what it has "
                                          "received: see its log") if j["running"] else "not running; what sensors send now is lost"
    lines = ["collector  " + running, "store      %s" % (
        "%d records of the journal are still to be taken in" % j["behind_records"] if j["behind_records"] else
        "has all that is in the journal")] + list(disk_lines(j))
    for key, word, texts in (("dropped_datagrams_24h", "dropped", DROPS), ("not_taken_datagrams_24h", "not taken", REFUSALS)):
        assert list(j[key]) == list(texts)
        lines += ["  %d datagrams in 24 h %s: %s" % (j[key][w], word, text) for w, text in texts.items() if j[key][w]]
    shown = j["sensors"][:50]
    lines += ["sensors    %d in the last 24 h" % len(j["sensors"]) if shown else "sensors    none in the last 24 h"]
    lines += [line for s in shown for line in sensor_lines(s)]
    if len(j["sensors"]) > 50:
        lines.append("  and %d more: dnsflow_collect query loss has all" % (len(j["sensors"]) - 50))
    return "\n".join(lines) + "\n"


def check_same(directory):
    """The two say the same, at some time: what is free on the disk changes."""
    def is_same():
        j = as_json(directory)
        text = collect("status", directory).out.decode()
        is_same.last = in_words(j), text
        return in_words(j) == text
    try:
        wait_until(is_same)
    except AssertionError:
        assert is_same.last[0] == is_same.last[1]
    j = as_json(directory)
    assert list(j) == KEYS and all(list(s) == SENSOR_KEYS for s in j["sensors"])
    return j


def test_of_an_import(tmp_path):
    """Nothing runs; with backups, and of lookups of a day."""
    for hours in (0, 25):
        path = made_capture(tmp_path / "in.pcap", 300)
        ok("-r", path, "-x", "--sensor-id", hours, "-w", tmp_path / "out.pcap")
        link, records = read_pcap(tmp_path / "out.pcap")
        write_pcap(tmp_path / "out.pcap", link, [(t + hours * 3600000000, frame) for t, frame in records])
        imported(tmp_path / "data", tmp_path / "out.pcap")
    j = check_same(tmp_path / "data")
    assert j["lasts_seconds"] > j["full_in_seconds"] > 0
    assert not j["running"] and j["process"] is None and j["lookups_files"] == 2 and j["sensors"] == []
    assert j["lookups_since"] == "2023-11-14T22:13:20Z"
    for count in (1, 2):
        assert collect("backup", tmp_path / "data", tmp_path / "data" / "backup").status == 0
        j = check_same(tmp_path / "data")
        assert j["backups"] == count and 0 < j["backups_bytes"] < j["used_bytes"]


def test_of_a_running_collector(tmp_path):
    """Sensors with and without the trailer, clocks that are wrong, what is lost and what is refused."""
    now_us = int(time.time()) * 1000000
    with Running(tmp_path, "--allow", "127.0.0.0/30") as c:
        send(c.target, [extended(n, ONE, base=now_us + 7200 * 1000000) for n in (1, 2, 5, 5)], source="127.0.0.1")
        send(c.target, [datagram(n, ONE) for n in (1, 2, 9)] + [b"nonsense"], source="127.0.0.2")
        send(c.target, [datagram(1, ONE)], source="127.0.0.9")
        wait_until(lambda: len(as_json(c.directory)["sensors"]) == 2)
        j = check_same(c.directory)
        assert j["running"] and j["up_to_date"] and j["process"] == c.process.process.pid
        assert j["not_taken_datagrams_24h"] == dict(dict.fromkeys(REFUSALS, 0), doubled=1, not_allowed=1, malformed=1)
        first, second = sorted(j["sensors"], key=lambda s: s["address"])
        assert (first["sensor"], first["worker"], first["port"]) == (7, 2, None)
        assert (second["sensor"], second["worker"]) == (None, None) and second["port"] > 0
        assert first["network_lost_datagrams_24h"] == 2 and second["network_lost_datagrams_24h"] == 6
        assert first["records_10min"] == 3 and b"no record of it" not in collect("status", c.directory).out
        send(c.target, [stats(1, 0, 0, 0, 0, 0)], source="127.0.0.3")
        wait_until(lambda: b"no record of it" in collect("status", c.directory).out)
        assert [s["address"] for s in check_same(c.directory)["sensors"] if s["records_10min"] == 0] == ["127.0.0.3"]
        assert 7100 < first["clock_ahead_seconds"] <= 7200 and second["clock_ahead_seconds"] is None
        assert first["datagrams_24h"] == first["records_24h"] == 3 and first["starts_24h"] == 1 and first["alive"]
        c.stop()
    assert not check_same(c.directory)["running"]


def test_many_sensors(tmp_path):
    """The text has fifty, JSON has all."""
    with Running(tmp_path) as c:
        send(c.target, [extended(1, ONE, sensor_id=i) for i in range(70)])
        wait_until(lambda: len(as_json(c.directory)["sensors"]) == 70)
        c.stop()
    j = check_same(c.directory)
    assert sorted(s["sensor"] for s in j["sensors"]) == list(range(70))


def fingerprint(folder):
    return {str(p): (p.stat().st_mtime_ns, p.is_file() and hashlib.sha256(p.read_bytes()).digest())
            for p in sorted(folder.rglob("*"))}


def test_only_looks(tmp_path):
    """It changes nothing, where nothing was fixed either, as in a backup."""
    ok("-r", made_capture(tmp_path / "in.pcap", 30), "-x", "-w", tmp_path / "out.pcap")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    assert collect("backup", tmp_path / "data", tmp_path / "target").status == 0
    copy, = (tmp_path / "target").iterdir()
    before = fingerprint(copy)
    for words in (("status",), ("status", "--format", "json"), ("check",), ("query", "loss"), ("sql", "SELECT * FROM lookups")):
        assert collect(words[0], copy, *words[1:]).status == 0
    assert fingerprint(copy) == before


@pytest.mark.parametrize("words, says", [(("--format", "xml"), "expected one of: text, json"), (("more",), "not expected")])
def test_wrong(tmp_path, words, says):
    done = collect("status", tmp_path, *words)
    assert done.status == 2 and done.err.count("\n") == 1 and says in done.err


def test_nothing_is_kept(tmp_path):
    """JSON is all or nothing."""
    (tmp_path / "journal").mkdir()
    done = collect("status", tmp_path, "--format", "json")
    assert done.status == 1 and done.out == b"" and "dnsflow.db: No such file" in done.err
    assert collect("status", tmp_path).out.startswith(b"collector  not running")
