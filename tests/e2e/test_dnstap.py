# SPDX-License-Identifier: BSD-3-Clause
"""dnstap: made frames in files and over sockets, and what real name servers send."""

import contextlib
import os
import resource
import signal
import socket
import stat
import struct
import time

import pytest

from conftest import (UNBOUND, Background, Summary, address, decode, need, read_written, response, rows_of, run, sensor,
                      unused_port, wait_until, written_rows)
from dnstap import (ACCEPT, CLIENT_QUERY, DOH, DOQ, DOT, FINISH, READY, RESOLVER_RESPONSE, START, STOP, TCP, UDP, Tap,
                    control, field, frames, handshake, message, row, whole)


def ok(*options, **more):
    result = sensor(*options, **more)
    assert result.status == 0, result.err
    return Summary(result.err)


# Files

def test_file(tmp_path):
    made = [message("n%d.example" % i, protocol=p) for i, p in enumerate((UDP, TCP, DOT, DOH, DOQ))]
    made.append(message("six.example", client="2001:db8::9", resolver="2001:db8::53"))
    made.append(message("nobody.example", resolver=None))
    (tmp_path / "in.tap").write_bytes(whole(*made))
    for option in "-r", "-t":
        summary = ok(option, tmp_path / "in.tap", "-w", tmp_path / "out.pcap", "-x")
        datagrams = [d for _, d in read_written(tmp_path / "out.pcap")]
        assert rows_of(datagrams) == [row("n%d.example" % i) for i in range(5)] + [
            row("six.example", "2001:db8::9", "2001:db8::53"), row("nobody.example", resolver="0.0.0.0")]
        sets = [s for d in datagrams for s in d.sets]
        assert [s.ext.flags for s in sets] == [8, 12, 8, 8, 8, 8, 8]
        assert all(s.ext.client_port == 4000 and s.ext.time_us == 1700000000250000 for s in sets)
        assert summary.seen == summary.delivered == 7


def test_mapped_addresses(tmp_path):
    """Each address by itself; the client says of what family the record is."""
    mapped, mapped_resolver = "::ffff:192.0.2.9", "::ffff:192.0.2.53"
    made = [message(client=c, resolver=r) for c in ("192.0.2.9", mapped) for r in ("192.0.2.53", mapped_resolver)]
    made += [message(client=mapped, resolver=None), message(client=mapped, resolver="::"),
             message(client=mapped, resolver="2001:db8::53"), message(client="2001:db8::9", resolver=mapped_resolver),
             message(client="2001:db8::9", resolver="192.0.2.53")]
    (tmp_path / "in.tap").write_bytes(whole(*made))
    for workers in "1", "3":
        where = ["-w", tmp_path / "out.pcap"] if workers == "1" else ["-u", "127.0.0.1:9", "-M", workers]
        assert ok("-r", tmp_path / "in.tap", *where).records == 9
    assert written_rows(tmp_path / "out.pcap") == 4 * [row()] + 3 * [row(resolver="0.0.0.0")] + 2 * [
        row(client="2001:db8::9", resolver="::")]


def test_several_streams_in_a_file(tmp_path):
    data = whole(message("a.example")) + whole() + whole(message("b.example"), message("c.example"))
    (tmp_path / "in.tap").write_bytes(data)
    ok("-r", tmp_path / "in.tap", "-w", tmp_path / "out.pcap")
    assert written_rows(tmp_path / "out.pcap") == [row("%s.example" % n) for n in "abc"]
    for rest in b"xyz", bytes(20), b"something else, and long", frames(message()), control(START)[:9]:
        (tmp_path / "in.tap").write_bytes(data + rest)
        result = sensor("-r", tmp_path / "in.tap", "-w", tmp_path / "out.pcap")
        assert result.status == 1 and result.err.count("error:") == 1, result.err
        assert "at byte %d: " % len(data) in result.err
        assert len(written_rows(tmp_path / "out.pcap")) == 3


def test_no_filter(tmp_path):
    """An expression has nothing to look at: said in one line, whatever way the messages come."""
    (tmp_path / "in.tap").write_bytes(whole(message()))
    for where in "unix:%s/tap.sock" % tmp_path, "tcp:127.0.0.1:%d" % unused_port(), tmp_path / "in.tap":
        result = sensor("-t", where, "-f", "udp", "-u", "127.0.0.1:9")
        assert result.status == 2 and result.err.count("\n") == 1 and "--filter" in result.err, result.err
    for name, data in (tmp_path / "in.tap", None), ("-", (tmp_path / "in.tap").read_bytes()):
        result = sensor("-r", name, "-f", "udp", "-w", tmp_path / "out.pcap", data=data)
        assert result.status == 1 and result.err.count("error:") == 1, result.err
        assert "--filter" in result.err and (str(name) if name != "-" else "standard input") in result.err
        assert Summary(result.err).seen == 0


def test_shares(tmp_path):
    clients = ["192.0.2.%d" % i for i in range(4)] + ["2001:db8::%x" % i for i in range(1, 5)] + ["::ffff:10.0.0.7"]
    (tmp_path / "in.tap").write_bytes(whole(*[message(client=c) for c in clients]))
    for i in range(3):
        summary = ok("-r", tmp_path / "in.tap", "-m", "%d/3" % (i + 1), "-w", tmp_path / "out.pcap")
        mine = [c.replace("::ffff:", "") for c in clients if int.from_bytes(address(c)[-4:], "big") % 3 == i]
        assert [r.split("\t")[1] for r in written_rows(tmp_path / "out.pcap")] == mine
        assert summary.frame_reasons == {"other_share": len(clients) - len(mine)}


def test_compressed_and_standard_input(tmp_path):
    import gzip
    data = whole(message())
    (tmp_path / "in.gz").write_bytes(gzip.compress(data))
    ok("-t", tmp_path / "in.gz", "-w", tmp_path / "out.pcap")
    assert written_rows(tmp_path / "out.pcap") == [row()]
    ok("-r", "-", "-w", tmp_path / "out.pcap", data=data)
    assert written_rows(tmp_path / "out.pcap") == [row()]


def test_reasons(tmp_path):
    good = message()
    made = [good, message(kind=CLIENT_QUERY), message(kind=RESOLVER_RESPONSE), message(dns=b""), message(dns=b"\1"),
            good[:-30], b"\xff\xff\xff", field(15, 2) + good, message(client="192.0.2.9").replace(
                field(4, address("192.0.2.9")), field(4, b"abc")), message(flags=0x8183)]
    (tmp_path / "in.tap").write_bytes(whole(*made))
    summary = ok("-t", tmp_path / "in.tap", "-w", tmp_path / "out.pcap")
    assert summary.frame_reasons == {"dnstap_other": 2, "dnstap_malformed": 4}
    assert summary.message_reasons == {"dns_short": 1, "dns_nxdomain": 1}
    assert summary.records == 2


def test_every_cut_of_a_message(tmp_path):
    good = message()
    (tmp_path / "in.tap").write_bytes(whole(*[good[:n] for n in range(1, len(good) + 1)]))
    summary = ok("-t", tmp_path / "in.tap", "-w", tmp_path / "out.pcap")
    assert summary.seen == len(good) and summary.records >= 1
    assert set(summary.frame_reasons) <= {"dnstap_other", "dnstap_malformed"}


def test_file_that_is_cut(tmp_path):
    data = whole(message("a.example"), message("b.example"))
    for length in range(len(control(START)) + 1, len(data) - 12):
        (tmp_path / "in.tap").write_bytes(data[:length])
        result = sensor("-t", tmp_path / "in.tap", "-w", tmp_path / "out.pcap")
        assert result.status in (0, 1), result.err
        assert result.err.count("error:") == (result.status == 1)
        assert len(written_rows(tmp_path / "out.pcap")) <= 2


@pytest.mark.parametrize("data", [control(START, b"protobuf:other"), control(START) + control(START),
                                  control(START) + struct.pack("!I", 1 << 30), control(START) + control(FINISH, None),
                                  control(START) + struct.pack("!II", 0, 4096)])
def test_file_that_makes_no_sense(tmp_path, data):
    (tmp_path / "in.tap").write_bytes(data + bytes(20))
    result = sensor("-t", tmp_path / "in.tap", "-w", tmp_path / "out.pcap")
    assert result.status == 1 and result.err.count("error:") == 1 and "in.tap" in result.err


# Sockets

LIMIT = 256 * 1024  # bytes of a frame
CLIENTS = 64
START_SECONDS = 5


@pytest.mark.parametrize("where", [None, "tcp:127.0.0.1:%d", "tcp:[::1]:%d"])
def test_both_ways_to_speak(tmp_path, where):
    with Tap(tmp_path, where=where and where % unused_port("::1" if "[" in where else "127.0.0.1")) as tap:
        one, two = tap.connect(), tap.connect()
        handshake(one)
        one.sendall(frames(message("one.example")) + control(STOP, None))
        assert one.recv(1000) == control(FINISH, None) and one.recv(1000) == b""
        two.sendall(whole(message("two.example", protocol=DOH)))
        tap.wait_seen(2)
        summary, rows = tap.finish()
    assert sorted(rows) == [row("one.example"), row("two.example")]
    assert summary.captured == summary.received == 2


def test_several_at_once_byte_by_byte(tmp_path):
    with Tap(tmp_path) as tap:
        clients = [tap.connect() for _ in range(20)]
        data = [whole(*[message("c%d-%d.example" % (i, k)) for k in range(5)]) for i in range(20)]
        for at in range(0, max(map(len, data)), 37):
            for client, bytes_ in zip(clients, data):
                client.sendall(bytes_[at:at + 37])
        tap.wait_seen(100)
        _, rows = tap.finish()
    assert sorted(rows) == sorted(row("c%d-%d.example" % (i, k)) for i in range(20) for k in range(5))


def test_clients_come_and_go(tmp_path):
    """Whatever a client does, the others are served."""
    with Tap(tmp_path) as tap:
        good = tap.connect()
        handshake(good)
        for bad in (b"GET / HTTP/1.0\r\n\r\n", control(READY, b"other"), control(START) + b"\xff" * 100, b"\0" * 40,
                    frames(message())):
            s = tap.connect()
            s.sendall(bad)
            assert s.recv(100) == b"", "it is sent away"
        tap.connect().close()
        half = tap.connect()
        half.sendall(control(START) + frames(message())[:-9])
        half.close()
        good.sendall(frames(message("good.example")))
        tap.wait_seen(6)
        tap.wait_note("dnstap_cut", 1)
        summary, rows = tap.finish()
    assert rows == [row("good.example")]
    assert summary.frame_reasons == {"dnstap_malformed": 5}
    assert summary.notes["dnstap_refused"] == 5 and summary.notes["dnstap_cut"] == 1
    assert tap.sensor.err.count("sent away") == 1, "one line, however many there are"


def test_more_clients_than_there_is_room_for(tmp_path):
    """A new one gets the place of the one that was silent for longest."""
    with Tap(tmp_path) as tap:
        clients = [tap.connect() for _ in range(CLIENTS)]
        for s in clients:
            handshake(s)
        new = tap.connect()
        handshake(new)
        assert clients[0].recv(100) == b"", "it gives way"
        for i, s in enumerate(clients[1:]):
            s.sendall(frames(message("m%d.example" % i)))
        new.sendall(frames(message("new.example")))
        tap.wait_seen(CLIENTS)
        summary, rows = tap.finish()
    assert sorted(rows) == sorted([row("m%d.example" % i) for i in range(CLIENTS - 1)] + [row("new.example")])
    assert summary.notes["dnstap_evicted"] == 1 and "dnstap_refused" not in summary.notes
    assert tap.sensor.err.count("sent away") == 1


def test_each_new_client_is_served(tmp_path):
    """However many come and stay, without a word before and after."""
    with Tap(tmp_path) as tap:
        clients = [tap.connect() for _ in range(CLIENTS)]
        for i in range(100):
            clients.append(tap.connect())
            clients[-1].sendall(whole(message("n%d.example" % i)))
        tap.wait_seen(100)
        summary, rows = tap.finish()
    assert sorted(rows) == sorted(row("n%d.example" % i) for i in range(100))
    assert summary.notes["dnstap_evicted"] == 100


def test_busy_clients_keep_their_places(tmp_path):
    """A new one waits as long as all send a message a second, and comes in when one does not."""
    with Tap(tmp_path) as tap:
        clients = [tap.connect() for _ in range(CLIENTS)]
        silent, sent = clients[17], 0
        for s in clients:
            s.sendall(control(START))

        def talk_once():
            nonlocal sent
            for s in clients:
                s.sendall(frames(message("old.example")))
            sent += len(clients)
            tap.wait_seen(sent)
            return tap.count() > sent

        assert not talk_once()
        new = tap.connect()
        new.sendall(control(START) + frames(message("new.example")))
        cpu, last = tap.cpu_seconds(), time.monotonic()
        end = last + 3
        while last < end:
            came_in, now = talk_once(), time.monotonic()
            if now - last > 0.5:
                pytest.skip("this machine is too slow to keep %d clients busy" % CLIENTS)
            assert not came_in, "the new one came in"
            last = now
        assert tap.cpu_seconds() - cpu < 1, "it spins"
        assert "new clients have to wait" in tap.sensor.err
        clients.remove(silent)
        wait_until(talk_once)
        assert silent.recv(100) == b""
        summary, rows = tap.finish()
    assert sorted(rows) == [row("new.example")] + [row("old.example")] * sent
    assert summary.notes["dnstap_evicted"] == 1 and tap.sensor.err.count("have to wait") == 1


def test_who_does_not_start(tmp_path):
    """Is sent away after some seconds, whatever it does meanwhile. Who has started may be silent."""
    with Tap(tmp_path) as tap:
        good = tap.connect()
        handshake(good)
        silent, ready, drip, ended = [tap.connect() for _ in range(4)]
        ready.sendall(control(READY))
        assert ready.recv(100) == control(ACCEPT)
        ended.sendall(whole(message("ended.example")))
        data = iter(control(START))

        def is_gone():
            try:
                drip.sendall(bytes([next(data)]))
                return False
            except OSError:
                return True

        wait_until(is_gone, START_SECONDS + 5, step=0.25)
        for s in silent, ready, ended:
            assert s.recv(100) == b""
        good.sendall(frames(message("good.example")))
        tap.wait_seen(2)
        tap.wait_note("dnstap_refused", 4)
        summary, rows = tap.finish()
    assert rows == [row("ended.example"), row("good.example")]
    assert summary.notes["dnstap_refused"] == 4 and summary.notes["dnstap_cut"] == 1
    assert tap.sensor.err.count("sent away") == 1


def test_drip_feeding(tmp_path):
    """A message byte by byte arrives; it keeps nobody waiting, and no place that another needs."""
    data = frames(message("drip.example"))
    with Tap(tmp_path) as tap:
        clients = [tap.connect() for _ in range(CLIENTS)]
        for s in clients:
            s.sendall(control(START))
        for byte in data[:-1]:
            for s in clients[:4]:
                s.sendall(bytes([byte]))
        for s in clients[4:]:
            s.sendall(frames(message("whole.example")))
        tap.wait_seen(CLIENTS - 4)
        new = tap.connect()
        new.sendall(control(START) + frames(message("new.example")))
        tap.wait_seen(CLIENTS - 3)
        assert clients[0].recv(100) == b""
        for s in clients[1:4]:
            s.sendall(data[-1:])
        tap.wait_seen(CLIENTS)
        summary, rows = tap.finish()
    assert rows.count(row("drip.example")) == 3 and rows.count(row("new.example")) == 1
    assert summary.notes["dnstap_evicted"] == 1 and summary.notes["dnstap_cut"] == 1


KILLED = """
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(bytes.fromhex(sys.argv[2]))
print("sent", flush=True)
time.sleep(60)
"""


def test_client_that_is_killed_inside_a_frame(tmp_path):
    data = control(START) + frames(message("whole.example"), message("cut.example"))
    with Tap(tmp_path) as tap:
        with Background(["/usr/bin/python3", "-c", KILLED, tap.path, data[:-20].hex()], tmp_path) as client:
            wait_until(lambda: b"sent" in client.out)
            tap.wait_seen(1)
            client.signal(signal.SIGKILL)
            client.wait()
        tap.wait_note("dnstap_cut", 1)
        s = tap.connect()
        s.sendall(whole(message("next.example")))
        tap.wait_seen(2)
        summary, rows = tap.finish()
    assert rows == [row("whole.example"), row("next.example")]
    assert summary.notes["dnstap_cut"] == 1 and not summary.frame_reasons


def test_no_descriptors_left(tmp_path):
    """Clients that cannot be accepted wait, and the sensor does not spin."""
    same_user = ["--user", "root"] if os.geteuid() == 0 else []  # whose limits may be set
    with Tap(tmp_path, *same_user) as tap:
        old = tap.connect()
        handshake(old)
        old.sendall(frames(message("old.example")))
        tap.wait_seen(1)
        pid = tap.sensor.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (tap.next_descriptor(), before[1]))
        new = [tap.connect() for _ in range(5)]
        for s in new:
            s.sendall(whole(message("new.example")))
        tap.sensor.wait_err("new clients have to wait: Too many open files")
        cpu, end = tap.cpu_seconds(), time.monotonic() + 2.5
        wait_until(lambda: time.monotonic() > end)
        assert tap.cpu_seconds() - cpu < 0.5, "it spins"
        old.sendall(frames(message("old.example")))
        tap.wait_seen(2)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        tap.wait_seen(7)
        summary, rows = tap.finish()
    assert sorted(rows) == [row("new.example")] * 5 + [row("old.example")] * 2
    assert tap.sensor.err.count("have to wait") == 1


def test_streams_one_after_the_other(tmp_path):
    """On one connection, unless the first began with a handshake: then its end is the end."""
    with Tap(tmp_path) as tap:
        one = tap.connect()
        one.sendall(whole(message("a.example")) + whole(message("b.example")))
        tap.wait_seen(2)
        one.sendall(control(START) + frames(message("c.example")))
        tap.wait_seen(3)
        one.sendall(control(STOP, None))
        handshake(one)
        one.sendall(frames(message("d.example")) + control(STOP, None))
        assert one.recv(100) == control(FINISH, None) and one.recv(100) == b""
        two = tap.connect()
        handshake(two)
        two.sendall(frames(message("e.example")) + control(STOP, None) + whole(message("lost.example")))
        assert two.recv(100) == control(FINISH, None)
        with contextlib.suppress(ConnectionResetError):
            assert two.recv(100) == b""
        tap.wait_seen(6)
        summary, rows = tap.finish()
    assert rows == [row("%s.example" % n) for n in "abcde"]
    assert summary.frame_reasons == {"dnstap_malformed": 1} and summary.notes["dnstap_refused"] == 1
    assert "behind the end of the stream" in tap.sensor.err


def test_client_that_does_not_wait(tmp_path):
    """It sends all that it has and is gone; nobody is there to be answered."""
    data = control(READY) + whole(*[message("n%d.example" % i) for i in range(1000)])
    with Tap(tmp_path) as tap:
        for _ in range(3):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(10)
            s.connect(str(tap.path))
            s.sendall(data)
            s.close()
        tap.wait_seen(3000)
        summary, rows = tap.finish()
    assert len(rows) == summary.records == 3000
    assert not {"dnstap_cut", "dnstap_refused"} & set(summary.notes)


def test_frames_over_the_limit(tmp_path):
    body = message("fits.example")
    body += field(3, bytes(LIMIT - len(body) - 4))  # "extra" of dnstap
    assert len(body) == LIMIT
    with Tap(tmp_path) as tap:
        fits, not_ = tap.connect(), tap.connect()
        fits.sendall(control(START) + frames(body))
        tap.wait_seen(1)
        not_.sendall(control(START) + struct.pack("!I", LIMIT + 1))
        assert not_.recv(100) == b""
        tap.wait_seen(2)
        summary, rows = tap.finish()
    assert rows == [row("fits.example")]
    assert summary.frame_reasons == {"dnstap_malformed": 1} and summary.notes["dnstap_refused"] == 1
    assert "a frame of %d bytes" % (LIMIT + 1) in tap.sensor.err


def test_time_of_the_response(tmp_path):
    """Is the record's; that of its coming if it has none. Neither old nor far nor jumping ones hold anything back."""
    day = 86400
    now = int(time.time())
    told = [now - 100, now + 100, now, now - 1000, now - 10 * day, now + 10 * day, 1, 0xFFFFFFFF, 1700000000]
    with Tap(tmp_path, "-x") as tap:
        s = tap.connect()
        s.sendall(control(START) + frames(*[message("n%d.example" % t, seconds=t) for t in told]))
        s.sendall(frames(message("none.example", seconds=None), message("large.example", seconds=1 << 32),
                         message("zero.example", seconds=0)))
        tap.wait_seen(len(told) + 3)
        wait_until(lambda: sum(decode(d).flags & 1 == 0 and len(decode(d).sets) for _, d in tap.collector.got)
                   == len(told) + 3, 5)
        tap.finish()
        datagrams = [decode(d) for _, d in tap.collector.got]
    sets = {x.names[0]: x for d in datagrams for x in d.sets}
    for t in told:
        assert sets["n%d.example" % t].ext.time_us == t * 1000000 + 250000
    for name in "none.example", "large.example", "zero.example":
        assert abs(sets[name].ext.time_us / 1e6 - now) < 60
    assert all(abs(d.trailer.start_time - now) < 60 for d in datagrams)
    near = [d for d in datagrams if d.stats or abs(d.sets[0].ext.time_us / 1e6 - now) < 2000]
    assert all(abs(d.trailer.base_time_us / 1e6 - now) < 60 for d in near)


def test_wrong_clocks_do_not_split_datagrams(tmp_path):
    """Two servers, one half an hour behind, and 400 messages in turn: as many datagrams as size and seconds make."""
    with Tap(tmp_path, "-x") as tap:
        pair = tap.connect(), tap.connect()
        now = int(time.time())
        for s in pair:
            s.sendall(control(START))
        for i in range(200):
            for s, away in zip(pair, (0, -1800)):
                s.sendall(frames(message("m.example", seconds=now + away)))
        tap.wait_seen(400)
        summary, rows = tap.finish()
    assert rows == [row("m.example")] * 400
    assert summary.notes["datagrams"] < 80


def test_keepalive(tmp_path):
    need("ss")
    port = unused_port()
    with Tap(tmp_path, where="tcp:127.0.0.1:%d" % port) as tap:
        s = tap.connect()
        handshake(s)
        shown = run(["ss", "-tnoH", "state", "established", "sport", "=", ":%d" % port]).out.decode()
        assert "timer:(keepalive," in shown, shown
        tap.finish()


def test_largest_messages(tmp_path):
    large = response("large.example", ["198.51.100.1"] + [b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 60000)
                                                         + bytes(60000)])
    with Tap(tmp_path) as tap:
        s = tap.connect()
        s.sendall(control(START) + b"".join(frames(message("large.example", dns=large)) for _ in range(40)))
        tap.wait_seen(40)
        _, rows = tap.finish()
    assert rows == [row("large.example")] * 40


def test_socket_file(tmp_path):
    """Made with its mode, in place of one that is stale, and gone in the end if the sensor's user may remove it; never in
    place of anything else."""
    path = tmp_path / "tap.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    for options in [], ["--user", "root"]:
        if options and os.geteuid() != 0:
            break
        with Tap(tmp_path, *options) as tap:
            tap.finish()
    assert os.geteuid() != 0 or not path.exists()
    with Tap(tmp_path, "--dnstap-mode", "0622") as tap:
        assert stat.S_IMODE(path.stat().st_mode) == 0o622
        again = sensor("-t", "unix:%s" % path, "-u", "127.0.0.1:9")
        assert again.status == 1 and "listens" in again.err and again.err.count("\n") == 1
        tap.finish()
    path.unlink(missing_ok=True)
    path.write_text("not a socket")
    result = sensor("-t", "unix:%s" % path, "-u", "127.0.0.1:9")
    assert result.status == 1 and str(path) in result.err and path.read_text() == "not a socket"


@pytest.mark.parametrize("options", [["-t", "tcp:127.0.0.1"], ["-t", "tcp:::1:5"], ["-t", "tcp::5"], ["-t", "unix:"],
                                     ["--dnstap-mode", "999"], ["--dnstap-mode", "01777"]])
def test_wrong_options(options):
    result = sensor(*options, "-u", "127.0.0.1:9")
    assert result.status == 2 and result.err.count("\n") == 1 and "expected" in result.err


# Real name servers


RESOLVER = UNBOUND + """    interface: 127.0.0.1@%(port)d
    interface: 127.0.0.1@%(tls)d
    interface: 127.0.0.1@%(https)d
    tls-port: %(tls)d
    https-port: %(https)d
    tls-service-key: "%(folder)s/key.pem"
    tls-service-pem: "%(folder)s/cert.pem"
    access-control: 127.0.0.0/8 allow
    module-config: "iterator"
    local-zone: "example." static
    local-data: "udp.example. A 192.0.2.1"
    local-data: "tcp.example. A 192.0.2.2"
    local-data: "tls.example. A 192.0.2.3"
    local-data: "https.example. AAAA 2001:db8::4"
remote-control:
    control-enable: no
dnstap:
    dnstap-enable: yes
    dnstap-socket-path: "%(socket)s"
    dnstap-send-identity: yes
    dnstap-log-client-response-messages: yes
    dnstap-log-client-query-messages: yes
"""

DNSDIST = """
setLocal("127.0.0.1:%(port)d")
addTLSLocal("127.0.0.1:%(tls)d", "%(folder)s/cert.pem", "%(folder)s/key.pem")
addDOHLocal("127.0.0.1:%(https)d", "%(folder)s/cert.pem", "%(folder)s/key.pem", "/dns-query")
setSecurityPollSuffix("")
newServer("127.0.0.1:%(backend)d")
getServer(0):setUp()
tap = newFrameStreamUnixLogger("%(socket)s")
addResponseAction(AllRule(), DnstapLogResponseAction("here", tap))
addCacheHitResponseAction(AllRule(), DnstapLogResponseAction("here", tap))
"""


def certificate(folder):
    made = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"])
    assert made.status == 0, made.err


def ask_every_way(ports):
    """Over UDP, TCP, TLS and HTTPS; what was asked."""
    ways = [("udp", "A", ports["port"], []), ("tcp", "A", ports["port"], ["+tcp"]),
            ("tls", "A", ports["tls"], ["+tls"]), ("https", "AAAA", ports["https"], ["+https"])]
    for name, kind, port, options in ways:
        asked = run(["kdig", "@127.0.0.1", "-p", port, *options, "+short", "+timeout=3", "+retry=1", name + ".example",
                     kind])
        assert asked.status == 0 and asked.out.strip(), (name, asked.out, asked.err)
    return ["%s.example" % name for name, *_ in ways]


def expect_rows(rows):
    assert sorted(r.split("\t", 1)[1] for r in rows) == sorted([
        "127.0.0.1\tudp.example\t192.0.2.1\t", "127.0.0.1\ttcp.example\t192.0.2.2\t",
        "127.0.0.1\ttls.example\t192.0.2.3\t", "127.0.0.1\thttps.example\t\t2001:db8::4"])


@pytest.fixture
def ports():
    return {name: unused_port() for name in ("port", "tls", "https", "backend")}


def unbound(tmp_path, ports, socket_path, port):
    config = tmp_path / ("unbound%d.conf" % port)
    config.write_text(RESOLVER % dict(ports, folder=tmp_path, socket=socket_path, port=port))
    if b"nghttp2" not in run(["unbound", "-V"]).out + run(["unbound", "-V"]).err.encode():
        pytest.skip("this unbound has no DNS over HTTPS")
    return Background(["unbound", "-d", "-c", config], tmp_path)


def wait_answers(port):
    wait_until(lambda: run(["kdig", "@127.0.0.1", "-p", port, "+timeout=1", "+retry=0", "udp.example", "TXT"]).status == 0)


def test_unbound(tmp_path, ports):
    need("unbound", "kdig", "openssl")
    certificate(tmp_path)
    with Tap(tmp_path) as tap, unbound(tmp_path, ports, tap.path, ports["port"]):
        wait_answers(ports["port"])
        ask_every_way(ports)
        tap.wait_records(4)
        summary, rows = tap.finish()
    expect_rows(rows)
    assert summary.frame_reasons.get("dnstap_other", 0) >= 4, "the queries"


def test_dnsdist(tmp_path, ports):
    need("dnsdist", "unbound", "kdig", "openssl")
    certificate(tmp_path)
    backend = dict(ports, tls=unused_port(), https=unused_port())
    with Tap(tmp_path) as tap, unbound(tmp_path, backend, tmp_path / "none", ports["backend"]):
        wait_answers(ports["backend"])
        config = tmp_path / "dnsdist.conf"
        config.write_text(DNSDIST % dict(ports, folder=tmp_path, socket=tap.path))
        with Background(["dnsdist", "--supervised", "--disable-syslog", "-C", config], tmp_path) as process:
            wait_until(lambda: "Polled" in process.out.decode() or "Listening" in process.out.decode() or
                       "ready" in process.out.decode() or process.process.poll() is not None)
            assert process.process.poll() is None, process.out + process.err.encode()
            wait_answers(ports["port"])
            ask_every_way(ports)
            tap.wait_records(4)
        _, rows = tap.finish()
    expect_rows(rows)
