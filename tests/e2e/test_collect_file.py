# SPDX-License-Identifier: BSD-3-Clause
"""Files as a store of the collector: what is in them, their names, and that everything is in them once, whatever ends or
is full meanwhile."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import threading
import time

import pytest
from collecting import AS_ROOT, COLLECT, LONG, Running, collect, is_zombie, journalled, needs_collector, send, sums
from conftest import CAPTURES, SENSOR, need, reader, run, wait_until
from datagrams import extended, set4, stats
from disks import filled, small_disk

pytestmark = needs_collector


class Sender(threading.Thread):
    """Datagrams of one stream at a steady rate, each with one record of its own."""

    def __init__(self, target, rate, first=1, count=1 << 30):
        super().__init__()
        host, port = target.rsplit(":", 1)
        self.address, self.rate, self.first, self.count = (host, int(port)), rate, first, count
        self.sent, self.must_stop = 0, False

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(self.address)
            begun = time.monotonic()
            while not self.must_stop and self.sent < self.count:
                while self.sent < min(self.count, (time.monotonic() - begun) * self.rate):
                    try:
                        s.send(payload(self.first + self.sent))
                    except OSError:  # nobody listens just now
                        pass
                    self.sent += 1
                time.sleep(0.002)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.must_stop = True
        self.join()


def payload(number):
    return extended(number, set4("10.0.%d.%d" % divmod(number % 65536, 256), "10.9.9.9", ["n%d.example" % number], ["192.0.2.1"]))


def burst(collector, first, count):
    """Sends so many records, and waits until they are written to the journal."""
    before = journalled(collector.directory)[1]
    with Sender(collector.target, 2000, first, count) as sender:
        wait_until(lambda: sender.sent == count)
    wait_until(lambda: journalled(collector.directory)[1] == before + count, step=0.1)


def file_store(pattern, *more):
    return "--store", ",".join(("file", "path=%s" % pattern) + more)


def all_files(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)


def plain(path):
    return run(["zstd", "-dcf", path]).out if ".zst" in path else open(path, "rb").read()


def rows_of(path, style="json"):
    """Lines that the reader prints of a file for records, or that are in it."""
    if ".pcap" not in path:
        return plain(path).splitlines(True)
    done = reader("-r", path, "--format", style)
    assert done.status == 0, done.err
    return [row for row in done.out.splitlines(True) if not row.startswith(b'{"type":"stats"')]


def journal_rows(directory, style="json"):
    rows = []
    for path in all_files(directory / "journal"):
        more = rows_of(path, style)
        rows += more[1:] if rows and style == "csv" else more
    return rows


def names_in(folder):
    """The first name of each record in all files, those that are open included; the collector has ended."""
    names = []
    for path in all_files(folder):
        for row in rows_of(path):
            names.append(json.loads(row)["names"][0])
    return names


def assert_once(directory, folder):
    """All that is in the journal is in the files, once; at most one is still open."""
    names, journal = names_in(folder), [json.loads(row)["names"][0] for row in journal_rows(directory)]
    assert sorted(names) == sorted(journal) and len(set(journal)) == len(journal) > 0
    assert sum(path.endswith(".part") for path in all_files(folder)) <= 1
    assert sums(directory)["records"] == len(journal)


def cause(collector, name="file"):
    """Why the store fails, as `status` says."""
    said = collect("status", collector.directory).out.decode()
    found = re.search(r"^ +%s \(file\): .*\n +fails: (.*)$" % name, said, re.M)
    return found and found.group(1)


def kept(collector, name="file"):
    """Bytes of the open file that are written down as handed over."""
    found = re.search(r"^note (\d+)", (collector.directory / "feeds" / name).read_text(), re.M)
    return int(found.group(1)) if found else 0


def error_lines(collector, name="file"):
    return re.findall(r"^\[\d+\]: error: store %s: (.*)$" % name, collector.err, re.M)


# What is in them

ENDINGS = ("pcap", "pcap.zst", "ndjson", "ndjson.zst", "csv", "csv.zst")


@pytest.mark.parametrize("endings", [ENDINGS[:4], ENDINGS[2:]])
def test_content(tmp_path, endings):
    """What the reader prints of the journal; captures are read as any."""
    need("zstd")
    stores = [o for e in endings for o in file_store(tmp_path / e / ("%Y." + e), "name=" + e.replace(".", "-"))]
    with Running(tmp_path, *stores) as collector:
        for capture in "real_veth4", "real_veth6", "made_names", "real_dnsperf":
            done = run([SENSOR, "-r", CAPTURES / (capture + ".pcap"), "-u", collector.target, "-x", "--records", "all"])
            assert done.status == 0, done.err
        send(collector.target, [payload(1), stats(2, 1, 2, 3, 4, 5), b"none", payload(3)])
        wait_until(lambda: journalled(collector.directory)[1] > 100, step=0.1)
        collector.stop()
    assert "ends before" not in collector.err and not error_lines(collector, ".*")
    styles = {style: journal_rows(collector.directory, style) for style in ("json", "csv")}
    for ending in endings:
        path, = all_files(tmp_path / ending)
        assert path.endswith("." + ending + ".part")
        assert rows_of(path) == styles["csv" if "csv" in ending else "json"], ending
        if "pcap" in ending:
            assert rows_of(path, "csv") == styles["csv"]
            whole = b"".join(run(["zstd", "-dc", p]).out for p in all_files(collector.directory / "journal"))
            assert plain(path) == whole  # datagrams with statistics, too


# Names

def test_new_file_with_each_time(tmp_path):
    """Named after the second in which its first datagram came; the last one is whole soon after its time is over."""
    folder = tmp_path / "out"
    with Running(tmp_path, *file_store(folder / "%Y%m%d" / "%H%M%S.pcap")) as collector:
        with Sender(collector.target, 500, count=1500) as sender:
            wait_until(lambda: sender.sent == sender.count)
        wait_until(lambda: all_files(folder) and not [p for p in all_files(folder) if p.endswith(".part")] and
                   len(names_in(folder)) == sender.sent, step=0.3)
        files = all_files(folder)
        collector.stop()
    assert all_files(folder) == files and len(files) >= 3
    assert_once(collector.directory, folder)
    for path in files:
        first, = struct.unpack_from("<I", plain(path), 24)
        assert path == time.strftime("%s/%%Y%%m%%d/%%H%%M%%S.pcap" % folder, time.gmtime(first))


def test_names_are_nobody_elses(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    year = time.strftime("%Y", time.gmtime())
    for name in year + ".ndjson", year + "-1.ndjson", year + "-2.ndjson.part":
        (folder / name).write_text("mine\n")
    with Running(tmp_path, *file_store(folder / "%Y.ndjson")) as collector:
        burst(collector, 1, 10)
        collector.stop()
    made, = set(all_files(folder)) - {str(folder / (year + e)) for e in (".ndjson", "-1.ndjson", "-2.ndjson.part")}
    assert made == str(folder / (year + "-3.ndjson.part")) and len(rows_of(made)) == 10
    assert all(open(path).read() == "mine\n" for path in all_files(folder) if path != made)


# Going on

@pytest.mark.parametrize("ending", ["csv", "pcap.zst"])
def test_goes_on_after_a_restart(tmp_path, ending):
    folder = tmp_path / "out"
    for i in range(3):
        with Running(tmp_path, *file_store(folder / ("%Y." + ending))) as collector:
            burst(collector, 1 + 10 * i, 10)
            collector.stop()
            assert len(all_files(folder)) == 1
    path, = all_files(folder)
    assert rows_of(path, "csv") == journal_rows(collector.directory, "csv") and len(rows_of(path, "csv")) == 31


def test_path_that_changes(tmp_path):
    """A file of other content ends there; one that is out of reach keeps its name, and that is said."""
    need("zstd")
    a, b = tmp_path / "a" / "deep", tmp_path / "b" / "deep"
    b.mkdir(parents=True)  # so that the role may not go further
    for i, pattern in enumerate((a / "%Y.csv", a / "%Y.ndjson.zst", b / "%Y.ndjson")):
        with Running(tmp_path, *file_store(pattern)) as collector:
            burst(collector, 1 + 10 * i, 10)
            collector.stop()
        assert not error_lines(collector)
    year = time.strftime("%Y", time.gmtime())
    packed, = set(all_files(a)) - {str(a / (year + ".csv"))}
    assert [len(rows_of(p)) for p in (str(a / (year + ".csv")), packed, str(b / (year + ".ndjson.part")))] == [11, 10, 10]
    assert packed.endswith(".part") == ("%s keeps this name, as path= leads elsewhere now" % packed in collector.err)


def test_killed_role(tmp_path):
    """Under load, again and again: each record once over all files, and no file is left behind."""
    need("zstd")
    folder = tmp_path / "out"
    with Running(tmp_path, *file_store(folder / "%H%M%S.ndjson.zst")) as collector:
        with Sender(collector.target, 2000):
            last, until = None, time.monotonic() + (60 if LONG else 9)
            while time.monotonic() < until:
                pid = wait_until(lambda: collector.roles().get("file", last) != last and collector.roles()["file"])
                last, since = pid, time.monotonic()
                wait_until(lambda: time.monotonic() - since > 0.3)
                os.kill(pid, signal.SIGKILL)
        collector.wait_replaced("file", last)
        collector.stop()
    assert collector.err.count("(Killed)") >= 3
    assert_once(collector.directory, folder)


def test_killed_all(tmp_path):
    folder = tmp_path / "out"
    for i in range(4):
        with Running(tmp_path, *file_store(folder / "%Y.pcap.zst")) as collector:
            with Sender(collector.target, 2000, 1 + 100000 * i):
                wait_until(lambda: journalled(collector.directory)[1] > 2000 * (i + 1), step=0.1)
                if i == 3:
                    break
                every = [collector.process.process.pid, *collector.roles().values()]
                for pid in every:
                    os.kill(pid, signal.SIGKILL)
                wait_until(lambda: all(is_zombie(pid) for pid in every))
    with Running(tmp_path, *file_store(folder / "%Y.pcap.zst")) as collector:
        collector.stop()
    assert_once(collector.directory, folder)


# Disks

@pytest.mark.parametrize("ending", ["ndjson", "pcap.zst"])
def test_full_disk(tmp_path, ending):
    """Everything is there once when there is room again; nobody else is harmed."""
    folder = tmp_path / "out"
    folder.mkdir()
    with small_disk(folder, "16m"):
        with Running(tmp_path, *file_store(folder / "files" / ("%Y%m%d%H%M%S." + ending))) as collector:
            with Sender(collector.target, 300):
                wait_until(lambda: all_files(folder))
                with filled(folder):
                    collector.process.wait_err("No space left on device; tried again", 20)
                    wait_until(lambda: "No space left on device" in (cause(collector) or ""))
                    before = journalled(collector.directory)[1]
                    wait_until(lambda: journalled(collector.directory)[1] > before + 300, step=0.1)
                collector.process.wait_err("]: store file: goes on\n", 30)
            wait_until(lambda: not cause(collector), step=0.2)
            collector.stop()
        os.unlink(folder / "filler")
        assert_once(collector.directory, folder)
    received, kept, _, dropped, _, _ = collector.ledger()
    assert received == kept and dropped == 0
    assert len(error_lines(collector)) <= 3, collector.err


def test_folder_that_is_removed(tmp_path):
    """Another process makes it, as the one that there was may write nowhere else; what comes from then on is in it."""
    folder = tmp_path / "out"
    with Running(tmp_path, *file_store(folder / "in" / "%Y.ndjson")) as collector:
        burst(collector, 1, 10)
        wait_until(lambda: kept(collector) > 0)
        path, = all_files(folder)
        shutil.rmtree(folder)
        burst(collector, 11, 10)
        collector.process.wait_err("error: store file: %s: No such file or directory; tried again" % path)
        collector.process.wait_err("error: role file (process ")
        wait_until(lambda: folder.exists() and kept(collector) > 0 and not cause(collector))
        collector.stop()
    assert len(error_lines(collector)) == 1
    assert all_files(folder) == [path] and names_in(folder) == ["n%d.example" % n for n in range(11, 21)]


def test_folder_that_cannot_be_written_to(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir(mode=0o500)
    with Running(tmp_path, *file_store(folder / "in" / "%Y.ndjson")) as collector:
        burst(collector, 1, 10)
        why = "%s: Permission denied" % (folder / "in")
        collector.process.wait_err("error: store file: %s; tried again" % why)
        wait_until(lambda: cause(collector) == why)
        folder.chmod(0o700)
        collector.process.wait_err("]: store file: goes on\n")
        wait_until(lambda: not cause(collector))
        collector.stop()
    assert len(error_lines(collector)) == 1
    assert_once(collector.directory, folder)


def test_disk_that_is_read_only(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with small_disk(folder):
        run(["mount", "-o", "remount,ro", folder])
        with Running(tmp_path, *file_store(folder / "%Y.ndjson")) as collector:
            burst(collector, 1, 10)
            why = "%s/%s.ndjson.part: Read-only file system" % (folder, time.strftime("%Y", time.gmtime()))
            collector.process.wait_err("error: store file: %s; tried again" % why)
            wait_until(lambda: cause(collector) == why)
            run(["mount", "-o", "remount,rw", folder])
            collector.process.wait_err("]: store file: goes on\n")
            wait_until(lambda: not cause(collector))
            collector.stop()
        assert len(error_lines(collector)) == 1
        assert_once(collector.directory, folder)


# What the journal has no longer

def expired(directory):
    """As `status` says, of the one store."""
    told, = json.loads(collect("status", directory, "--format", "json").out)["stores"]
    return told["expired_datagrams"]


def gap(tmp_path, store):
    """A directory whose journal has lost 20 datagrams that the store has not been given."""
    for i, options in enumerate((store, (), ())):
        with Running(tmp_path, *options) as collector:
            burst(collector, 1 + 20 * i, 20)
            collector.stop()
    _, lost, _ = all_files(collector.directory / "journal")
    os.unlink(lost)
    return collector.directory


def test_gone_between_two_runs(tmp_path):
    folder = tmp_path / "out"
    directory = gap(tmp_path, file_store(folder / "%Y.ndjson"))
    for lost in 20, 0:
        with Running(tmp_path, *file_store(folder / "%Y.ndjson")) as collector:
            collector.stop()
        assert expired(directory) == lost
        assert ("warning: store file: 20 datagrams went from the journal before" in collector.err) == (lost > 0)
    assert names_in(folder) == ["n%d.example" % n for n in (*range(1, 21), *range(41, 61))]


def test_gone_is_counted_once(tmp_path):
    """Also when it is met again, as what came behind it could not be written."""
    folder = tmp_path / "out"
    folder.mkdir()
    with small_disk(folder):
        directory = gap(tmp_path, file_store(folder / "%Y.ndjson"))
        with Running(tmp_path, *file_store(folder / "%Y.ndjson")) as collector:
            with filled(folder), Sender(collector.target, 2000, 61, 200):
                wait_until(lambda: json.loads(collect("status", directory, "--format", "json").out)["stores"][0]["failures"] >= 3)
            collector.process.wait_err("]: store file: goes on\n")
            wait_until(lambda: not cause(collector))
            collector.stop()
        assert expired(directory) == 20 and collector.err.count("went from the journal before") == 1
        assert names_in(folder) == ["n%d.example" % n for n in (*range(1, 21), *range(41, 261))]


def test_restored_from_a_backup(tmp_path):
    """With the journal, and how far the store was in it: each record once, as before."""
    folder, old = tmp_path / "out", tmp_path / "old"
    with Running(tmp_path, *file_store(folder / "%Y.ndjson")) as collector:
        burst(collector, 1, 20)
        assert collect("backup", collector.directory, tmp_path / "backup").status == 0
        burst(collector, 21, 20)
        collector.stop()
    os.rename(collector.directory, old)
    copy, = (tmp_path / "backup").iterdir()
    for source, target in ((copy, ""), ("%s/journal/." % old, "journal"), (old / "feeds", "")):
        assert run(["cp", "-a", source, collector.directory / target]).status == 0
    with Running(tmp_path, *file_store(folder / "%Y.ndjson")) as collector:
        burst(collector, 41, 20)
        collector.stop()
    assert_once(collector.directory, folder)
    assert sorted(names_in(folder)) == sorted("n%d.example" % n for n in range(1, 61))


# Bounds

FOREIGN = ("20200101-000000.pcap.part", "20200101-000000.pcap.zst", "20200101-000000-01.pcap", "20200101-000000x.pcap", "20200101.pcap",
           "2020-01-01.pcap", "sub/20200101-000000.pcap", "list")


def test_bounds(tmp_path):
    """Of its own files the oldest go, those of before it began as well; a foreign one never."""
    folder, stay = tmp_path / "out", set()
    (folder / "sub").mkdir(parents=True)
    for name in FOREIGN:
        (folder / name).write_bytes(bytes(1 << 20))
        stay.add(str(folder / name))
    for name in "20200101-000000.pcap", "20200101-000000-1.pcap", "20200102-030405.pcap":
        (folder / name).write_bytes(bytes(1000))
    with Running(tmp_path, *file_store(folder / "%Y%m%d-%H%M%S.pcap", "max-size=200K", "max-age=1d")) as collector:
        wait_until(lambda: set(all_files(folder)) == stay)  # before anything came
        with Sender(collector.target, 500):
            kept = {}
            def size():
                for path in set(all_files(folder)) - stay:
                    if path.endswith(".pcap"):
                        kept[path] = True
                return len(kept) >= 6
            wait_until(size)
        collector.stop()
    own = [path for path in all_files(folder) if path not in stay]
    assert set(all_files(folder)) >= stay
    whole = [path for path in own if path.endswith(".pcap")]
    assert sum(os.path.getsize(path) for path in whole) <= 200 << 10
    assert sorted(kept)[-len(whole):] == sorted(whole) and len(whole) < len(kept)


# Options

def test_stores_come_and_go_with_the_file(tmp_path):
    config = tmp_path / "conf"
    lines = ["store file,name=%s,path=%s/%s/%%Y.ndjson\n" % (name, tmp_path, name) for name in ("one", "two")]
    config.write_text(lines[0])
    with Running(tmp_path, "--config", config) as collector:
        def reload(text, names):
            config.write_text(text)
            collector.process.signal(signal.SIGHUP)
            wait_until(lambda: {n for n in collector.roles() if n in ("one", "two")} == names)
        burst(collector, 1, 10)
        wait_until(lambda: kept(collector, "one") > 0)
        reload("".join(lines), {"one", "two"})
        first = kept(collector, "one")
        burst(collector, 11, 10)
        wait_until(lambda: kept(collector, "one") > first and kept(collector, "two") > 0)
        reload(lines[1], {"two"})
        burst(collector, 21, 10)
        collector.stop()
    assert names_in(tmp_path / "one") == ["n%d.example" % n for n in range(1, 21)]
    assert names_in(tmp_path / "two") == ["n%d.example" % n for n in range(1, 31)]  # all that the journal has
    status = collect("status", collector.directory).out.decode()
    assert "           two (file): has all that is in the journal\n" in status


def test_stores_that_were(tmp_path):
    """They hide none that is there."""
    with Running(tmp_path, *file_store(tmp_path / "out" / "%Y.csv", "name=mine")) as collector:
        burst(collector, 1, 10)
        collector.stop()
    names = ["was%d" % i for i in range(20)]
    for name in names:
        shutil.copy(collector.directory / "feeds" / "mine.state", collector.directory / "feeds" / (name + ".state"))
    said = collect("status", collector.directory).out.decode()
    assert re.findall(r"^ +(\w+) \(file\): has all", said, re.M) == ["mine", *sorted(names)]


@pytest.mark.parametrize("value, says", [
    ("file", "expected path=PATTERN"),
    ("files,path=/x/%Y.csv", "expected NAME[,KEY=VALUE...], the name one of: "),
    ("file,path", "path: expected KEY=VALUE"),
    ("file,path=/x/%Y.csv,colour=red", "colour: expected for file one of: path, max-size, max-age, name"),
    ("file,path=/x/%Y.csv,path=/y/%Y.csv", "path: is there twice"),
    ("file,path=/x/%Y.txt", "expected it to end with .pcap, .ndjson or .csv"),
    ("file,path=/x/all.csv", "expected a time in it"),
    ("file,path=/x/%V.csv,max-age=1d", "expected with max-size and max-age a time"),
    ("file,path=/x/%Y.csv,max-size=many", "max-size=many: expected a number of bytes"),
    ("file,path=/x/%Y.csv,max-age=3", "max-age=3: expected a time"),
    ("file,path=/x/%Y.csv,name=A", "name=A: expected up to 31 of a to z"),
    ("file,path=/x/%Y.csv,name=query", "name=query: is that of a role"),
    ("file,path=/x/%Y.csv,name=consume", "name=consume: is that of a role"),
])
def test_bad_options(tmp_path, value, says):
    done = run([COLLECT, "run", "--directory", tmp_path / "data", "-l", "127.0.0.1:0", *AS_ROOT, "--store", value])
    assert done.status == 2 and done.err.count("\n") == 1 and says in done.err, done.err
    assert not (tmp_path / "data").exists()


def test_two_of_one_name(tmp_path):
    stores = file_store("/x/%Y.csv") + file_store("/y/%Y.csv")
    done = run([COLLECT, "run", "--directory", tmp_path / "data", "-l", "127.0.0.1:0", *AS_ROOT, *stores])
    assert done.status == 2 and done.err.count("\n") == 1 and "expected another name=" in done.err
