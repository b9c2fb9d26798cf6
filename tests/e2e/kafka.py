# SPDX-License-Identifier: BSD-3-Clause
"""Kafka for tests: `Kafka`, a real cluster of its brokers, and `KafkaMock`, librdkafka's, which fails as it is told.
Both are on loopback, end with the block they are used in, number their brokers from 1, and are looked at by kcat."""

import atexit
import collections
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, TOP, need, run, wait_until

MOCK = str(BUILD / "tests" / "e2e" / "kafka_mock")
ADMIN = str(BUILD / "tests" / "e2e" / "kafka_admin")

needs_peers = pytest.mark.skipif(not os.access(MOCK, os.X_OK), reason="built without librdkafka")
needs_cluster = pytest.mark.skipif(not os.environ.get("DNSFLOW_TEST_KAFKA"), reason="DNSFLOW_TEST_KAFKA is not set")

START_SECONDS = 120  # for what a loaded machine starts
JAVA = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
KEPT = []  # processes that run

Committed = collections.namedtuple("Committed", "offset metadata")


@atexit.register
def _end_all():
    for process in KEPT:
        process.kill()


def _kcat(*words, timeout):
    done = run(["kcat", *words], timeout=timeout)
    assert done.status == 0, done.err
    return done.out


class Client:
    """What is asked of a cluster from outside. Who inherits has `bootstrap`, and `reachable`, the same without what is
    known to be down."""

    def metadata(self, *words, brokers=None):
        """kcat's JSON of brokers and topics, as one of these brokers knows them, or None if no answer comes in time."""
        done = run(["kcat", "-L", "-J", "-m", "5", "-b", brokers or self.reachable, *words])
        return json.loads(done.out) if done.status == 0 else None

    def _partitions(self, topic, brokers=None):
        """As metadata has them; empty where the topic is not known, or nobody answers."""
        for one in (self.metadata("-t", topic, brokers=brokers) or {"topics": []})["topics"]:
            if one["topic"] == topic:
                return {p["partition"]: p for p in one["partitions"]}
        return {}

    def leader(self, topic, partition):
        """The number of the broker, -1 for none, or None where it cannot be found out."""
        return self._partitions(topic).get(partition, {}).get("leader")

    def wait_leader(self, topic, partition, other_than=-1, seconds=60):
        """The number of a leader that is another one."""
        def new_leader():
            found = self.leader(topic, partition)
            return found if found not in (None, -1, other_than) else None
        return wait_until(new_leader, seconds, 0.1)

    def produce(self, topic, *payloads, key=None, headers=(), partition=None, seconds=30, options=()):
        """Each payload (bytes) as one message, with the same key and headers [(name, value)] of text. Fails unless all
        are acknowledged in time. `options` are librdkafka's, "KEY=VALUE"."""
        words = ["-P", "-b", self.reachable, "-t", topic, "-X", "message.timeout.ms=%d" % (1000 * seconds)]
        words += [word for option in options for word in ("-X", option)]
        words += ["-k", key] if key is not None else []
        words += ["-p", str(partition)] if partition is not None else []
        for name, value in headers:
            words += ["-H", "%s=%s" % (name, value)]
        self.count = getattr(self, "count", 0) + 1
        folder = self.folder / ("produced.%d" % self.count)
        folder.mkdir()
        for i, payload in enumerate(payloads):
            (folder / str(i)).write_bytes(payload)
        try:
            _kcat(*words, *(folder / str(i) for i in range(len(payloads))), timeout=seconds + 30)
        finally:
            shutil.rmtree(folder)

    def consume(self, topic, *words, timeout=60):
        """All messages there are, each a dict: topic, partition, offset, ts (ms), key and payload (bytes or None),
        headers [(name, bytes or None)]; ordered by partition and offset. `words` are kcat's."""
        out = _kcat("-C", "-b", self.reachable, "-t", topic, "-o", "beginning", "-e", "-q", "-J", *words,
                    timeout=timeout)
        found = []
        for line in out.split(b"\n")[:-1]:
            one = json.loads(line.decode("latin-1"))  # bytes stand in it as they are
            names = one.get("headers", [])
            one["headers"] = [(n, _bytes(v)) for n, v in zip(names[::2], names[1::2])]
            one["key"], one["payload"] = _bytes(one["key"]), _bytes(one["payload"])
            found.append(one)
        return sorted(found, key=lambda m: (m["partition"], m["offset"]))

    def committed(self, group, topic):
        """{partition: Committed} of what the group has committed."""
        partitions = wait_until(lambda: len(self._partitions(topic)), step=0.1)
        done = run([ADMIN, self.reachable, "committed", group, topic, partitions])
        assert done.status == 0, done.err
        found = {}
        for line in done.out.decode().splitlines():
            partition, offset, metadata = line.split()
            found[int(partition)] = Committed(int(offset), b"" if metadata == "-" else bytes.fromhex(metadata))
        return found


def _bytes(text):
    return None if text is None else text.encode("latin-1")


class Broker:
    def __init__(self, number, folder, port, controller_port):
        self.number, self.folder, self.port, self.controller_port = number, folder, port, controller_port
        self.process, self.is_started, self.is_paused = None, False, False

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def log(self):
        return (self.folder / "log").read_text("utf-8", "replace")


def _unused_ports(count):
    """Below those that the system gives to who connects: of a broker that is down nobody takes the port."""
    found = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            s = stack.enter_context(socket.socket())
            port = random.randrange(10000, 32768)
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                found.append(port)
    return found


def _jars():
    done = run([TOP / "scripts" / "fetch-kafka"], timeout=330)
    if done.status != 0:
        pytest.skip("no Kafka: " + done.err.strip().rsplit("\n", 1)[-1])
    return done.out.decode().strip()


class Kafka(Client):
    """Brokers that are controllers too, in a folder each. `settings` go into each one's server.properties. Brokers end
    with the thread that started them."""

    def __init__(self, tmp_path, brokers=3, settings=None):
        need("java", "kcat", "setpriv")
        self.jars = _jars()
        self.folder = Path(tmp_path) / "kafka"
        self.folder.mkdir()
        ports = _unused_ports(2 * brokers)
        self.brokers = {i + 1: Broker(i + 1, self.folder / str(i + 1), ports[2 * i], ports[2 * i + 1])
                        for i in range(brokers)}
        self.settings = settings or {}

    def __enter__(self):
        try:
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(self._format, self.brokers.values()))
            for number in self.brokers:
                self._launch(number)
            self.wait_started()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for number in self.brokers:
            self.kill(number)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def bootstrap(self):
        return ",".join(b.address for b in self.brokers.values())

    @property
    def reachable(self):
        return ",".join(b.address for b in self.brokers.values() if b.is_running and not b.is_paused)

    def _properties(self, broker):
        most = len(self.brokers)
        enough = str(min(2, most))
        return {
            "process.roles": "broker,controller", "node.id": broker.number,
            "controller.quorum.voters": ",".join("%d@127.0.0.1:%d" % (b.number, b.controller_port)
                                                 for b in self.brokers.values()),
            "listeners": "BROKER://%s,CONTROLLER://127.0.0.1:%d" % (broker.address, broker.controller_port),
            "advertised.listeners": "BROKER://" + broker.address,
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "BROKER", "controller.listener.names": "CONTROLLER",
            "log.dirs": broker.folder / "data", "log.segment.bytes": 16 << 20, "log.index.size.max.bytes": 1 << 20,
            "log.cleaner.dedupe.buffer.size": 2 << 20,
            "auto.create.topics.enable": "false", "default.replication.factor": min(3, most),
            "min.insync.replicas": enough,
            "offsets.topic.num.partitions": 3, "offsets.topic.replication.factor": min(3, most),
            "transaction.state.log.num.partitions": 3, "transaction.state.log.replication.factor": min(3, most),
            "transaction.state.log.min.isr": enough,
            # A broker that is gone is noticed sooner than in use, and groups need not wait for members.
            "broker.heartbeat.interval.ms": 1000, "broker.session.timeout.ms": 6000,
            "group.initial.rebalance.delay.ms": 0, "group.min.session.timeout.ms": 1000,
            "num.network.threads": 2, "num.io.threads": 2, **self.settings}

    def _format(self, broker):
        broker.folder.mkdir()
        lines = ["%s=%s\n" % row for row in self._properties(broker).items()]
        properties = broker.folder / "server.properties"
        properties.write_text("".join(lines))
        done = run([*JAVA, "-cp", self.jars + "/*", "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg",
                    "-c", properties], timeout=START_SECONDS)
        assert done.status == 0, done.out.decode() + done.err

    def _launch(self, number):
        broker = self.brokers[number]
        assert not broker.is_running
        with open(broker.folder / "log", "ab") as log:
            broker.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *JAVA, "-cp", self.jars + "/*",
                 "-Dlog4j2.configurationFile=%s" % (TOP / "tests" / "kafka" / "log4j2.properties"), "kafka.Kafka",
                 str(broker.folder / "server.properties")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=broker.folder)
        broker.is_started, broker.is_paused = True, False
        KEPT.append(broker.process)

    def _answers(self, broker):
        """Whether it knows all that can answer."""
        assert broker.is_running, "broker %d ended: %s" % (broker.number, broker.log[-3000:])
        wanted = {n for n, b in self.brokers.items() if b.is_started and not b.is_paused}
        found = self.metadata(brokers=broker.address)
        return found is not None and {b["id"] for b in found["brokers"]} >= wanted

    def wait_started(self):
        """Until each broker that was started, and is not paused, knows all of these."""
        for broker in self.brokers.values():
            if broker.is_started and not broker.is_paused:
                wait_until(lambda: self._answers(broker), START_SECONDS, 0.1)

    def start(self, *numbers, wait=True):
        """Brokers that do not run, by default all of them; alone, without a majority, one does not come up."""
        for number in numbers or [n for n, b in self.brokers.items() if not b.is_running]:
            self._launch(number)
        if wait:
            self.wait_started()

    def stop(self, *numbers, seconds=40):
        """In order, by default all; those that lack a majority to leave in order are killed after `seconds`."""
        numbers = numbers or [n for n, b in self.brokers.items() if b.is_running]
        for number in numbers:
            self.brokers[number].process.terminate()
        for number in numbers:
            try:
                self.brokers[number].process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill(number)
            self._forget(number)

    def kill(self, *numbers):
        """kill -9, by default all."""
        numbers = numbers or list(self.brokers)
        for number in numbers:
            if self.brokers[number].process:
                self.brokers[number].process.kill()
        for number in numbers:
            self._forget(number)

    def _forget(self, number):
        process = self.brokers[number].process
        self.brokers[number].is_started = False
        if process:
            process.wait()
            if process in KEPT:
                KEPT.remove(process)

    def pause(self, number):
        """It is there, and does nothing."""
        self.brokers[number].process.send_signal(signal.SIGSTOP)
        self.brokers[number].is_paused = True

    def resume(self, number):
        self.brokers[number].process.send_signal(signal.SIGCONT)
        self.brokers[number].is_paused = False

    def _ask(self, *words):
        done = run([ADMIN, self.reachable, *words])
        assert done.status == 0, done.err

    def create_topic(self, name, partitions=3, replicas=None, **settings):
        """`settings` are those of the topic, with _ for each dot."""
        self._ask("create", name, partitions, replicas or min(3, len(self.brokers)),
                  *("%s=%s" % (key.replace("_", "."), value) for key, value in settings.items()))
        self.wait_in_sync(name)

    def delete_before(self, topic, partition, offset):
        """As when the messages have become too old."""
        self._ask("delete", topic, partition, offset)

    def wait_in_sync(self, topic, replicas=None, seconds=60):
        """Until each broker knows that each partition has a leader, and so many replicas, by default all, that lack
        nothing."""
        def in_sync(address):
            found = self._partitions(topic, address).values()
            return found and all(p["leader"] > 0 and len(p["isrs"]) >= (replicas or len(p["replicas"])) for p in found)
        wait_until(lambda: all(in_sync(a) for a in self.reachable.split(",")), seconds, 0.1)


class KafkaMock(Client):
    """Keeps messages and offsets in memory. `fail` and its like last until they have come once or are cleared."""

    def __init__(self, tmp_path, brokers=3):
        need("kcat")
        if not os.access(MOCK, os.X_OK):
            pytest.skip("built without librdkafka")
        self.folder, self.brokers, self.down = Path(tmp_path), brokers, set()

    def __enter__(self):
        self.process = subprocess.Popen([MOCK, str(self.brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        KEPT.append(self.process)
        self.bootstrap = self.process.stdout.readline().decode().strip()
        assert self.bootstrap
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            assert self.process.wait(40) == 0
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            KEPT.remove(self.process)

    @property
    def reachable(self):
        return ",".join(a for i, a in enumerate(self.bootstrap.split(",")) if i + 1 not in self.down)

    def order(self, *words):
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode().strip()
        assert answer == "ok", answer

    def create_topic(self, name, partitions=3, replicas=None):
        self.order("topic", name, partitions, replicas or min(3, self.brokers))

    def stop(self, *numbers):
        """Connections are cut and refused, by default of all. Leaders stay what they were."""
        for number in numbers or range(1, self.brokers + 1):
            self.order("down", number)
            self.down.add(number)

    def start(self, *numbers):
        for number in numbers or range(1, self.brokers + 1):
            self.order("up", number)
            self.down.discard(number)

    def delay(self, milliseconds, number=-1):
        """Every answer of this broker, by default of all."""
        self.order("rtt", number, milliseconds)

    def fail(self, request, *errors):
        """The next requests ("Produce"), one for each error ("NOT_LEADER_FOR_PARTITION"); "_TRANSPORT" cuts the
        connection, "NO_ERROR" lets it pass."""
        self.order("fail", request, *errors)

    def fail_late(self, number, request, error, milliseconds):
        """The next request to this broker, answered so late."""
        self.order("fail-late", number, request, error, milliseconds)

    def clear(self, request):
        self.order("clear", request)

    def set_topic_error(self, topic, error):
        """What metadata says of it; "NO_ERROR" ends that."""
        self.order("topic-error", topic, error)

    def set_leader(self, topic, partition, number):
        self.order("leader", topic, partition, number)

    def set_coordinator(self, group, number):
        self.order("coordinator", group, number)
