# SPDX-License-Identifier: BSD-3-Clause
"""What a collector looks out for: told within a second, once, whatever ends or is full meanwhile."""

import json
import os
import re
import signal
import time

import pytest
from asking_http import Asked
from collecting import AS_ROOT, Running, collect, is_zombie, needs_collector, send
from conftest import wait_until
from datagrams import extended, set4

pytestmark = needs_collector

CLIENT, RESOLVER = "10.0.0.1", "10.0.0.53"


def datagram(number, *names, address="198.51.100.9"):
    return extended(number, set4(CLIENT, RESOLVER, list(names), [address]))


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "list"
    path.write_text("*.evil.example  # a feed\nplain.test\n192.0.2.0/24\n")
    return path


def is_gone(pid):
    return not os.path.exists("/proc/%d" % pid) or is_zombie(pid)


def hits_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_told(tmp_path, listed):
    """Each within a second: in the log, in the output, and counted."""
    out = tmp_path / "hits"
    with Asked(tmp_path, "--watch", listed, "--watch-output", out) as c:
        begun = time.monotonic()
        send(c.target, [datagram(1, "a.evil.example"), datagram(2, "evil.example"), datagram(3, "x.test", "plain.test"),
                        datagram(4, "b.test", address="192.0.2.77"), datagram(5, "c.test")])
        wait_until(lambda: out.read_text().count("\n") == 3)
        took = time.monotonic() - begun
        hits = hits_of(out)
        assert [(h["entry"], h["note"], h["what"], h["match"]) for h in hits] == [
            ("*.evil.example", "a feed", "question", "a.evil.example"),
            ("plain.test", "", "chain", "plain.test"),
            ("192.0.2.0/24", "", "answer", "192.0.2.77")]
        assert hits[1] == {"time": "2023-11-14T22:13:20.000000Z", "entry": "plain.test", "note": "", "what": "chain",
                           "match": "plain.test", "client": CLIENT, "resolver": RESOLVER, "server": "127.0.0.1",
                           "sensor": 7, "names": ["x.test", "plain.test"], "addresses": ["198.51.100.9"], "qtype": "A",
                           "rcode": None}
        assert "watch: *.evil.example (a feed): 10.0.0.1 asked 10.0.0.53 for a.evil.example\n" in c.err
        assert "watch: plain.test: 10.0.0.1 asked 10.0.0.53 for x.test, whose chain has plain.test\n" in c.err
        assert "watch: 192.0.2.0/24: 10.0.0.1 asked 10.0.0.53 for b.test, answered with 192.0.2.77\n" in c.err
        wait_until(lambda: c.metric("dnsflow_collect_watch_records_total") == 5)
        assert c.metric("dnsflow_collect_watch_hits_total") == 3 and c.metric("dnsflow_collect_watch_lines") == 3
        assert c.metric("dnsflow_collect_watch_lost_total") == 0
        err = c.stop()
    assert "watch: 3 lines in the list, 5 records looked at, 3 hits, 0 of them not written\n" in err
    assert took < 1 or os.getloadavg()[0] > os.cpu_count(), took


def test_lists_that_are_wrong(tmp_path):
    path = tmp_path / "list"
    path.write_text("good.example\n192.0.2.0/33\n")
    done = collect("run", tmp_path / "data", "--watch", path)
    assert done.status == 2
    assert done.err == ("dnsflow_collect: option --watch: %s: line 2: expected a name, *.NAME, an address or a prefix\n"
                        % path)
    done = collect("run", tmp_path / "data", "--watch-output", tmp_path / "out")
    assert done.status == 2 and "expected --watch with it" in done.err and not (tmp_path / "data").exists()


def test_list_anew(tmp_path, listed):
    """SIGHUP takes the list and opens the output anew; a list that is wrong leaves in force the one that was."""
    out = tmp_path / "hits"
    with Running(tmp_path, "--watch", listed, "--watch-output", out) as c:
        send(c.target, [datagram(1, "a.evil.example")])
        wait_until(lambda: len(hits_of(out)) == 1)
        out.rename(tmp_path / "hits.1")
        listed.write_text("new.test\n")
        pid = c.roles()["watch"]
        c.process.signal(signal.SIGHUP)
        c.wait_replaced("watch", pid)
        wait_until(out.exists)
        send(c.target, [datagram(2, "b.evil.example"), datagram(3, "new.test")])
        wait_until(lambda: len(hits_of(out)) == 1)
        assert hits_of(out)[0]["match"] == "new.test" and len(hits_of(tmp_path / "hits.1")) == 1
        listed.write_text("a..b\n")
        c.process.signal(signal.SIGHUP)
        c.process.wait_err("line 1: expected something between two dots, and before the first; the configuration stays")
        send(c.target, [datagram(4, "new.test")])
        wait_until(lambda: len(hits_of(out)) == 2)
        c.stop()


def test_begun_and_ended_by_a_configuration(tmp_path, listed):
    """Who looks out anew begins with what comes then."""
    config = tmp_path / "config"
    config.write_text("")
    with Running(tmp_path, "--config", config) as c:
        assert "watch" not in c.roles()
        send(c.target, [datagram(1, "plain.test")])
        wait_until(lambda: list((c.directory / "journal").iterdir()))
        assert collect("query", c.directory, "loss").status == 0
        config.write_text("watch %s\n" % listed)
        c.process.signal(signal.SIGHUP)
        wait_until(lambda: "watch" in c.roles())
        wait_until(lambda: (c.directory / "watch").exists() and (c.directory / "watch").read_text())
        send(c.target, [datagram(2, "plain.test")])
        wait_until(lambda: c.err.count("watch: plain.test: ") == 1)
        config.write_text("")
        c.process.signal(signal.SIGHUP)
        wait_until(lambda: "watch" not in c.roles() and not (c.directory / "watch").exists())
        c.stop()
    assert c.err.count("watch: plain.test: ") == 1 and "1 records looked at, 1 hits" in c.err


def test_begun_again_with_no_output(tmp_path, listed):
    """A role that cannot begin at SIGHUP ends nothing else, and begins when it can."""
    folder, config = tmp_path / "folder", tmp_path / "config"
    folder.mkdir()
    on = "watch %s\nwatch-output %s\n" % (listed, folder / "hits")
    config.write_text(on)
    with Asked(tmp_path, "--config", config) as c:
        config.write_text("")
        c.process.signal(signal.SIGHUP)
        wait_until(lambda: "watch" not in c.roles())
        (folder / "hits").unlink()
        folder.rmdir()
        config.write_text(on)
        c.process.signal(signal.SIGHUP)
        c.process.wait_err("error: watch: %s: No such file or directory" % (folder / "hits"))
        c.process.wait_err("error: role watch (process ")
        wait_until(lambda: "query" in c.roles())
        assert c.metric("dnsflow_collect_watch_hits_total") == 0
        folder.mkdir()
        wait_until((folder / "hits").exists)
        send(c.target, [datagram(1, "plain.test")])
        wait_until(lambda: len(hits_of(folder / "hits")) == 1)
        c.stop()


def test_ended_by_a_configuration_and_stopped(tmp_path, listed):
    """It is not started once more, without a list."""
    config = tmp_path / "config"
    config.write_text("watch %s\n" % listed)
    with Running(tmp_path, "--config", config) as c:
        pid = c.roles()["watch"]
        os.kill(pid, signal.SIGSTOP)
        send(c.target, [datagram(1, "plain.test")])
        config.write_text("")
        c.process.signal(signal.SIGHUP)
        c.process.wait_err("the configuration has been read again")
        c.process.signal(signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        assert c.process.wait(60) == 0, c.err
        assert c.err.count(" lines in the list, ") == 1 and not (c.directory / "watch").exists()


def test_role_killed(tmp_path, listed):
    """Nothing is missed; what was told in its last moment may be told once more."""
    out = tmp_path / "hits"
    count = 400
    with Running(tmp_path, "--watch", listed, "--watch-output", out) as c:
        for number in range(count):
            send(c.target, [datagram(number, "n%d.evil.example" % number)])
            if number % 100 == 50:
                pid = c.roles()["watch"]
                c.kill("watch")
                c.wait_replaced("watch", pid)
        c.stop()
    names = [h["match"] for h in hits_of(out)]
    assert set(names) == {"n%d.evil.example" % n for n in range(count)}
    assert len(names) <= 3 * count


def test_what_came_while_it_was_not_there(tmp_path, listed):
    out = tmp_path / "hits"
    with Running(tmp_path, "--watch", listed, "--watch-output", out) as c:
        send(c.target, [datagram(1, "a.evil.example")])
        wait_until(lambda: len(hits_of(out)) == 1)
        os.kill(c.roles()["watch"], signal.SIGSTOP)
        send(c.target, [datagram(2, "b.evil.example")])
        wait_until(lambda: collect("query", c.directory, "name", "b.evil.example").out.count(b"b.evil.example"))
        for pid in [c.process.process.pid, *c.roles().values()]:
            os.kill(pid, signal.SIGKILL)
    with Running(tmp_path, "--watch", listed, "--watch-output", out, directory=c.directory) as c:
        wait_until(lambda: [h["match"] for h in hits_of(out)] == ["a.evil.example", "b.evil.example"])
        c.stop()
    assert len(hits_of(out)) == 2


def test_journal_begun_anew(tmp_path, listed):
    """A place that it has not got to would leave all of it without a look."""
    with Running(tmp_path, "--watch", listed) as c:
        c.stop()
    (c.directory / "watch").write_text("%020d %020d\n" % (57, 1000))
    with Running(tmp_path, "--watch", listed, directory=c.directory) as c:
        assert "warning: watch: %s is of another journal; " % (c.directory / "watch") in c.err
        send(c.target, [datagram(1, "plain.test")])
        c.process.wait_err("watch: plain.test: ")
        c.stop()
    with Running(tmp_path, "--watch", listed, directory=c.directory) as c:
        c.stop()
    assert "of another journal" not in c.err


@pytest.mark.parametrize("place", ["garbage", "0 0 18446744073709551615\n", "1 18446744073709551615\n", "\0" * 64, "1\n"])
def test_place_that_is_damaged(tmp_path, listed, place):
    with Running(tmp_path, "--watch", listed) as c:
        c.stop()
    (c.directory / "watch").write_text(place)
    with Running(tmp_path, "--watch", listed, directory=c.directory) as c:
        send(c.target, [datagram(1, "plain.test")])
        c.process.wait_err("watch: plain.test: ")
        c.stop()


def test_one_at_a_time(tmp_path, listed):
    """While one of a collector that was killed is still there no other begins, which would tell its hits once more."""
    out = tmp_path / "hits"
    with Running(tmp_path, "--watch", listed, "--watch-output", out) as c:
        roles = c.roles()
        os.kill(roles["watch"], signal.SIGSTOP)
        send(c.target, [datagram(1, "a.evil.example")])
        c.process.process.kill()
        c.process.process.wait()
        wait_until(lambda: all(is_gone(pid) for name, pid in roles.items() if name != "watch"))
        done = collect("run", c.directory, "-l", "127.0.0.1:0", "--http", "off", *AS_ROOT, "--watch", listed)
        os.kill(roles["watch"], signal.SIGCONT)
        assert done.status == 1 and "in use" in done.err
        wait_until(lambda: is_gone(roles["watch"]))
    assert [h["match"] for h in hits_of(out)] == ["a.evil.example"]


def test_pipe(tmp_path, listed):
    """It needs no reader; one that comes later gets whole lines."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    os.chmod(pipe, 0o666)
    with Asked(tmp_path, "--watch", listed, "--watch-output", pipe) as c:
        total = 600  # more than a pipe holds
        for number in range(total):
            send(c.target, [datagram(number, "n%d.evil.example" % number)])
        wait_until(lambda: c.metric("dnsflow_collect_watch_hits_total") == total)
        c.process.wait_err("error: watch: %s: its reader does not keep up; hits that find no room" % pipe)
        lost = c.metric("dnsflow_collect_watch_lost_total")
        assert 0 < lost < total
        fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        got = b""

        def more():
            nonlocal got
            try:
                got += os.read(fd, 1 << 20)
            except BlockingIOError:
                pass
            return got.endswith(b"\n") and b"last.evil.example" in got
        wait_until(lambda: more() or got)
        send(c.target, [datagram(total, "last.evil.example")])
        wait_until(more)
        c.process.wait_err("watch: %s: can be written to again" % pipe)
        c.stop()
        os.close(fd)
    assert len([json.loads(line) for line in got.splitlines()]) == total + 1 - lost


def test_slow_reader(tmp_path, listed):
    """One that now and then makes room causes no line each time."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with Asked(tmp_path, "--watch", listed, "--watch-output", pipe) as c:
        fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        sent = rounds = lost = 0
        while rounds < 12:
            send(c.target, [datagram(sent + n, "n%d.evil.example" % n) for n in range(400)])
            sent += 400
            wait_until(lambda: c.metric("dnsflow_collect_watch_hits_total") == sent)
            before, lost = lost, c.metric("dnsflow_collect_watch_lost_total")
            rounds += lost > before
            os.read(fd, 16384)
        os.close(fd)
        err = c.stop()
    failed, good = err.count("its reader does not keep up"), err.count("can be written to again")
    assert 1 <= failed < 6 and failed - 1 <= good <= failed


def test_full_disk(tmp_path, listed):
    with Running(tmp_path, "--watch", listed, "--watch-output", "/dev/full") as c:
        send(c.target, [datagram(1, "a.evil.example"), datagram(2, "b.evil.example")])
        c.process.wait_err("error: watch: /dev/full: No space left on device; hits that find no room there are lost")
        err = c.stop()
    assert err.count("/dev/full: No space") == 1 and "2 hits, 2 of them not written" in err
    assert err.count("asked 10.0.0.53 for") == 2


def test_many_hits(tmp_path, listed):
    """The log has some of them, and how many more there were."""
    out = tmp_path / "hits"
    with Running(tmp_path, "--watch", listed, "--watch-output", out) as c:
        send(c.target, [datagram(n, "n%d.evil.example" % n) for n in range(500)])
        wait_until(lambda: len(hits_of(out)) == 500)
        err = c.stop()
    said = len(re.findall(r"watch: \*\.evil\.example \(a feed\): ", err))
    assert 10 <= said <= 100
    assert sum(int(n) for n in re.findall(r"watch: (\d+) more hits, which the log has no lines of", err)) == 500 - said


def test_output_that_cannot_be_opened(tmp_path, listed):
    done = collect("run", tmp_path / "data", "-l", "127.0.0.1:0", "--http", "off", *AS_ROOT, "--watch", listed,
                   "--watch-output", tmp_path / "none" / "hits")
    assert done.status == 1 and "error: watch: %s: No such file or directory" % (tmp_path / "none" / "hits") in done.err


def test_hostile_names(tmp_path):
    """As they are printed elsewhere: no line is torn, no control character gets through."""
    path, out = tmp_path / "list", tmp_path / "hits"
    path.write_text("*.evil.example\n")
    name = [b"a\"\n\x1b", b"\xff" * 63, b"evil", b"example"]
    with Running(tmp_path, "--watch", path, "--watch-output", out) as c:
        send(c.target, [extended(1, set4(CLIENT, RESOLVER, [name], ["192.0.2.9"]))])
        wait_until(lambda: len(hits_of(out)) == 1)
        c.stop()
    line = out.read_text()
    assert line.count("\n") == 1 and "\x1b" not in line and "\x1b" not in c.err
    assert hits_of(out)[0]["match"].startswith("a\\\"\\010\\027.\\255")
