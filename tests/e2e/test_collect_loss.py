# SPDX-License-Identifier: BSD-3-Clause
"""`query loss`: from the tap to the store, whatever is lost in between, to zero difference."""

import json
import os
import select
import signal
import socket
import threading
import time

import pytest
from collecting import Running, collect, imported, needs_collector, send, sums, waterfall, waterfalls
from conftest import BASE_US, CAPTURES, RAW, Summary, list_captures, made_capture, ok, sensor, wait_until, write_pcap
from datagrams import Worker, extended, packet, set4, stats

pytestmark = needs_collector

ONE = set4("10.0.0.1", "10.0.0.53", ["a.example"], ["192.0.2.1"])
LARGE = set4("10.0.0.1", "10.0.0.53", ["large.example"], ["192.0.2.1"] * 250)


def lost(way):
    """{stage: count} of what was lost behind the sensor."""
    return {s: way[s] for s in "send network socket memory down journal expired".split() if way[s]}


def file_of(tmp_path, payloads, name="out.pcap", source="10.1.1.1"):
    return write_pcap(tmp_path / name, RAW, [(BASE_US + i, packet(p, source)) for i, p in enumerate(payloads)])


def as_the_sensor_says(way, summary):
    assert (way["tap"], way["refused"], way["held"], way["delivered"]) == \
        (summary.seen, summary.frames_dropped, summary.absorbed, summary.delivered)
    assert (way["messages"], way["unfit"], way["answered"]) == \
        (summary.parsed, summary.messages_dropped, summary.with_record)
    assert (way["records"], way["made"]) == (summary.notes.get("sets", 0), summary.notes.get("datagrams", 0) + 1), \
        "the last statistics are not among the datagrams that they tell of"


@pytest.mark.parametrize("name", [c[0] for c in list_captures()])
def test_captures(tmp_path, name):
    """A real sensor over each capture: what it says at its end is what the waterfall has."""
    done = sensor("-r", CAPTURES / name, "-x", "-w", tmp_path / "out.pcap")
    if done.status != 0:
        pytest.skip("it is refused")
    imported(tmp_path / "data", tmp_path / "out.pcap")
    way = waterfall(tmp_path / "data")
    summary = Summary(done.err)
    summary.notes["datagrams"] = summary.notes.get("datagrams", 0) - 1
    as_the_sensor_says(way, summary)
    assert lost(way) == {} and way["stored"] == way["made"] and way["kept"] == way["records"]


class Relay(threading.Thread):
    """Passes on datagrams, but for those of which `is_lost` of their number is true."""

    def __init__(self, target, is_lost):
        super().__init__()
        self.target, self.is_lost, self.must_stop = (target.split(":")[0], int(target.split(":")[1])), is_lost, False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.here = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.came = self.dropped = 0

    def run(self):
        while not self.must_stop:
            if not select.select([self.socket], [], [], 0.02)[0]:
                continue
            data = self.socket.recv(65536)
            self.came += 1
            if self.is_lost(int.from_bytes(data[4:8], "big")):
                self.dropped += 1
            else:
                self.socket.sendto(data, self.target)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.must_stop = True
        self.join()
        self.socket.close()


@pytest.mark.parametrize("is_lost", [lambda n: n % 3 == 0, lambda n: n <= 5], ids=["each third", "the first"])
def test_network(tmp_path, is_lost):
    """A real sensor's datagrams, some of which do not arrive: the first too, as it tells of all since its start."""
    source = made_capture(tmp_path / "in.pcap", 2000)
    with Running(tmp_path) as c, Relay(c.target, is_lost) as relay:
        done = ok("-r", source, "-x", "-u", relay.here)
        made = done.notes["datagrams"]
        wait_until(lambda: relay.came == made)
        c.stop()
    way = waterfall(c.directory)
    assert relay.dropped > 0 and lost(way) == {"network": relay.dropped}
    assert way["made"] == made and way["stored"] == made - relay.dropped and way["tap"] == 2000
    assert way["records"] > way["kept"]


def test_restart(tmp_path):
    """Of each start the counters begin with 0, and of each the sums are those of the sensor."""
    payloads = []
    for start in (1700000000, 1700000500, 1700000900):
        worker = Worker(start)
        for i in range(30):
            payloads.append(worker.data(ONE, ONE))
            worker.ring += 3
            worker.more(frames_seen=5, query_port=4, absorbed=1)
            if i % 10 == 9:
                payloads.append(worker.stats())
    imported(tmp_path / "data", file_of(tmp_path, payloads))
    way = waterfall(tmp_path / "data")
    assert (way["tap"], way["ring"], way["refused"], way["held"], way["delivered"]) == (3 * 270, 270, 360, 90, 90)
    assert (way["records"], way["kept"], way["made"], way["stored"]) == (180, 180, 99, 99)
    assert lost(way) == {}


def test_all_together(tmp_path):
    """Two sensors of two workers each, beside one that tells nothing."""
    files = []
    for k, source in enumerate(("10.1.1.1", "10.1.1.2")):
        workers = [Worker(1700000000, sensor_id=k, worker=w) for w in (0, 1)]
        workers[0].more(send_lost=5 * k)
        payloads = [w.data(ONE) for _ in range(10) for w in workers] + [w.stats() for w in workers]
        files.append(file_of(tmp_path, payloads[1:], "%d.pcap" % k, source))
    plain = [b"\4\1\0\0" + n.to_bytes(4, "big") + ONE for n in (1, 2, 4)]
    files.append(file_of(tmp_path, plain, "plain.pcap", "10.1.1.3"))
    imported(tmp_path / "data", *files)
    ways = waterfalls(tmp_path / "data")
    assert set(ways) == {("all", None), ("10.1.1.1", "0"), ("10.1.1.2", "1"), ("10.1.1.3", None)}
    for stage, count in ways["all", None].items():
        assert count == sum(way[stage] or 0 for key, way in ways.items() if key[0] != "all")
    one = ways["10.1.1.2", "1"]
    assert (one["tap"], one["made"], one["send"], one["network"], one["stored"]) == (20, 22, 1, 0, 21)
    told = "tap interface ring refused held delivered messages unfit answered records send".split()
    assert all(ways["10.1.1.3", None][stage] is None for stage in told), "not told is not none"
    assert lost(ways["10.1.1.3", None]) == {"network": 1}
    rows = [json.loads(line) for line in collect("query", tmp_path / "data", "loss", "--format", "ndjson", "--limit",
                                                 "30").out.splitlines()]
    assert len(rows) == 30 and rows[0]["source"] == "all"
    series, = [json.loads(line) for line in collect("query", tmp_path / "data", "series", "--format", "ndjson").out.splitlines()]
    assert (series["packets"], series["messages"], series["made"], series["datagrams"]) == (40, 40, 48, 45)


def test_plain_statistics(tmp_path):
    """Without a trailer statistics tell of the kernel, across a wrap, from the second on."""
    top = (1 << 32) - 1
    imported(tmp_path / "data", file_of(tmp_path, [stats(1, 10, 20, top - 4, 7, 0), stats(2, 20, 30, 5, 9, 0)]))
    way = waterfall(tmp_path / "data")
    assert way["tap"] is None and (way["ring"], way["interface"], way["made"]) == (10, 2, 2)


def test_not_from_the_start(tmp_path):
    """Of a sensor that was there long before, what it counted until then is not told."""
    worker = Worker(1600000000)
    worker.more(frames_seen=10**6, frames_delivered=10**6)
    worker.number = 5 * 10**9 % 2**32
    payloads = [worker.data(ONE), worker.stats(), worker.data(ONE), worker.data(ONE), worker.stats()]
    imported(tmp_path / "data", file_of(tmp_path, payloads[:1]))
    assert waterfall(tmp_path / "data")["tap"] is None
    for payload in payloads[1:]:
        imported(tmp_path / "data", file_of(tmp_path, [payload]))
    way = waterfall(tmp_path / "data")
    assert (way["tap"], way["made"], way["stored"], lost(way)) == (2, 5, 5, {})


def test_what_it_could_not_send(tmp_path):
    """Is missing, but not on the way; what it could not send to others is not missing here."""
    worker = Worker(1700000000)
    payloads = [worker.data(ONE) for _ in range(20)]
    worker.more(send_lost=3)
    payloads = payloads[:5] + payloads[9:] + [worker.stats()]
    imported(tmp_path / "data", file_of(tmp_path, payloads))
    assert lost(waterfall(tmp_path / "data")) == {"send": 3, "network": 1}
    worker.more(send_lost=50)
    imported(tmp_path / "data", file_of(tmp_path, [worker.stats()]))
    assert lost(waterfall(tmp_path / "data")) == {"send": 4}


def test_late_and_doubled(tmp_path):
    """Late ones are taken back from what was lost; one that comes again is not stored; what is later than the last 64
    cannot be told from one that has come, and stands beside the count."""
    worker = Worker(int(time.time()))
    payloads = [worker.data(ONE) for _ in range(200)]
    with Running(tmp_path) as c:
        send(c.target, payloads[:10] + payloads[12:60] + payloads[10:12] + payloads[60:70] + payloads[55:65] +
             payloads[75:190] + payloads[70:75] + [worker.stats()])
        c.stop()
    _, _, refused, _, why, _ = c.ledger()
    assert (refused, why) == (10, "doubled 10")
    way = waterfall(c.directory)
    assert (way["made"], way["beside"], way["stored"], lost(way)) == (201, 5, 191, {"network": 15})


def test_trailer_that_lies(tmp_path):
    """Counters that fall or leap are passed over, and no sum goes beyond what there is."""
    worker = Worker(1700000000)
    payloads = [worker.data(ONE), worker.stats()]
    for frames in (2**64 - 1, 0, 2**63, 2**40, 7):
        worker.counters["frames_seen"] = worker.counters["frames_delivered"] = worker.counters["send_lost"] = frames
        payloads += [worker.data(ONE), worker.stats()]
    imported(tmp_path / "data", file_of(tmp_path, payloads))
    done = collect("query", tmp_path / "data", "loss", "--format", "ndjson")
    assert done.status == 0 and done.err == ""


@pytest.mark.parametrize("name", ["frames_seen", "frames_delivered", "messages_parsed", "messages_with_record",
                                  "not_ip", "absorbed", "dns_short"])
def test_trailer_that_contradicts_itself(tmp_path, name):
    """Is passed over, so that everything balances; once it makes sense again it counts."""
    worker = Worker(1700000000)
    payloads = [worker.data(ONE), worker.stats()]
    worker.more(**{name: 1 << 17})
    payloads += [worker.data(ONE), worker.stats()]
    worker.more(**{name: -(1 << 17)})
    payloads += [worker.data(ONE), worker.stats(), worker.data(ONE), worker.stats()]
    imported(tmp_path / "data", file_of(tmp_path, payloads))
    way = waterfall(tmp_path / "data")
    assert (way["tap"], way["messages"], way["made"]) == (2, 2, 8)


# ---- a collector that runs ----

@pytest.fixture
def sender():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        yield s


def send_from(sender, target, payloads):
    host, port = target.rsplit(":", 1)
    for payload in payloads:
        sender.sendto(payload, (host, int(port)))


def taken(c, count):
    """Waits until so many datagrams are in the store."""
    wait_until(lambda: collect("query", c.directory, "loss").status == 0 and sums(c.directory)["datagrams"] == count, 30)


def test_killed_receiver(tmp_path, sender):
    """What was in its hands, or came meanwhile and found no room, is missing as it was down."""
    worker = Worker(int(time.time()))
    with Running(tmp_path) as c:
        send_from(sender, c.target, [worker.data(ONE) for _ in range(100)])
        taken(c, 100)
        roles = c.roles()
        os.kill(roles["receive"], signal.SIGSTOP)
        send_from(sender, c.target, [worker.data(ONE) for _ in range(50)])
        os.kill(roles["receive"], signal.SIGKILL)
        c.wait_replaced("receive", roles["receive"])
        wait_until(lambda: len(c.roles()) == 3)
        send_from(sender, c.target, [worker.data(ONE), worker.stats()])
        c.stop()
    way = waterfall(c.directory)
    assert way["made"] == 152 and way["records"] == 151 and set(lost(way)) <= {"down"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_collector_was_down(tmp_path, sender, number):
    """All of it; what sensors send meanwhile, and what one that began meanwhile had sent before."""
    old, new = Worker(int(time.time()) - 1000, worker=1), Worker(int(time.time()), worker=2)
    with Running(tmp_path) as c:
        send_from(sender, c.target, [old.data(ONE) for _ in range(100)])
        taken(c, 100)
        roles = c.roles()
        c.process.signal(number)
        wait_until(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in roles.values()), 20)
        c.process.process.wait()
    meanwhile = [old.data(ONE) for _ in range(40)] + [new.data(ONE) for _ in range(500)]
    assert len(meanwhile) == 540
    with Running(tmp_path, directory=c.directory) as again:
        send_from(sender, again.target, [old.data(ONE), new.data(ONE), old.stats(), new.stats()])
        again.stop()
    way = waterfall(c.directory)
    assert (way["made"], way["stored"], way["records"]) == (644, 104, 642)
    assert sum(lost(way).values()) == 540 and way["down"] >= 40


@pytest.mark.parametrize("kills", [False, True], ids=["", "the store is killed meanwhile"])
def test_socket_overflows(tmp_path, sender, kills):
    """What finds no room while the receiver stands still is of the socket, and what is lost before that is not."""
    worker = Worker(int(time.time()))
    with Running(tmp_path) as c:
        send_from(sender, c.target, [worker.data(ONE) for _ in range(10)])
        worker.data(ONE)
        send_from(sender, c.target, [worker.data(ONE)])
        taken(c, 11)
        receiver = c.roles()["receive"]
        os.kill(receiver, signal.SIGSTOP)
        send_from(sender, c.target, (worker.data(LARGE) for _ in range(60000)))
        os.kill(receiver, signal.SIGCONT)
        wait_until(lambda: collect("query", c.directory, "loss").status == 0 and waterfall(c.directory)["stored"] > 100)
        if kills:
            store = c.roles()["store"]
            c.kill("store")
            c.wait_replaced("store", store)
        send_from(sender, c.target, [worker.data(ONE), worker.stats()])
        c.stop()
    *_, dropped, _, why = c.ledger()
    way = waterfall(c.directory)
    assert why == "socket %d" % dropped and lost(way) == {"network": 1, "socket": dropped}
    assert way["made"] == worker.number and way["records"] == 60013


def test_store_is_behind(tmp_path, sender):
    """The journal comes to its bound before the store has read it."""
    worker = Worker(int(time.time()))
    with Running(tmp_path, "--max-size", "256M") as c:
        send_from(sender, c.target, [worker.data(ONE) for _ in range(10)])
        taken(c, 10)
        store = c.roles()["store"]
        os.kill(store, signal.SIGSTOP)
        begun = time.monotonic()
        while min(p.name for p in (c.directory / "journal").iterdir()) < "0000000003":  # it has the first one open
            send_from(sender, c.target, [worker.data(ONE) + os.urandom(1200)])  # bytes behind the trailer are nobody's
            assert time.monotonic() - begun < 60
        os.kill(store, signal.SIGCONT)
        send_from(sender, c.target, [worker.data(ONE), worker.stats()])
        c.stop(seconds=40)
    way = waterfall(c.directory)
    assert set(lost(way)) <= {"expired", "socket", "memory"} and way["expired"] > 0, way
    assert way["made"] == worker.number and way["stored"] + sum(lost(way).values()) == worker.number


def test_reading_again(tmp_path, sender):
    """SIGHUP loses nothing, and what the trailer tells goes on where it was."""
    worker = Worker(int(time.time()))
    with Running(tmp_path) as c:
        for _ in range(3):
            roles = c.roles()
            send_from(sender, c.target, [worker.data(ONE), worker.stats()])
            taken(c, worker.number)
            os.kill(c.process.process.pid, signal.SIGHUP)
            c.wait_replaced("store", roles["store"])
            wait_until(lambda: len(c.roles()) == 3)
        send_from(sender, c.target, [worker.data(ONE), worker.stats()])
        c.stop()
    way = waterfall(c.directory)
    assert (way["tap"], way["records"], way["made"], lost(way)) == (4, 4, 8, {})
