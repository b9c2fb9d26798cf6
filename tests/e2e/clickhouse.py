# SPDX-License-Identifier: BSD-3-Clause
"""ClickHouse servers of a test, alone or as a cluster over a ZooKeeper: Debian's, on loopback, in the test's folder."""

import collections
import contextlib
import http.client
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import urllib.parse
from pathlib import Path

import pytest
from conftest import wait_until
from disks import small_disk

SERVER = shutil.which("clickhouse-server", path=os.environ["PATH"] + ":/usr/sbin")
ZOOKEEPER_JAR = Path("/usr/share/java/zookeeper.jar")
SECONDS = 60  # for a server to start or stop on a machine with other work

needs_clickhouse = pytest.mark.skipif(not SERVER, reason="not installed: clickhouse-server")
needs_zookeeper = pytest.mark.skipif(not (SERVER and ZOOKEEPER_JAR.exists() and shutil.which("java")),
                                     reason="not installed: clickhouse-server, zookeeper or java")

CONFIG = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host>
<http_port>%(http)d</http_port><tcp_port>%(tcp)d</tcp_port>
<interserver_http_host>127.0.0.1</interserver_http_host>
<interserver_http_port>%(interserver)d</interserver_http_port>
<path>%(data)s/</path><tmp_path>%(data)s/tmp/</tmp_path>
<user_files_path>%(data)s/user_files/</user_files_path>
<format_schema_path>%(data)s/format_schemas/</format_schema_path>
<users_config>%(folder)s/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database><timezone>UTC</timezone>
<mark_cache_size>5000000</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
<max_concurrent_queries>100</max_concurrent_queries><keep_alive_timeout>10</keep_alive_timeout>
<merge_tree><max_delay_to_insert>0</max_delay_to_insert></merge_tree>
%(cluster)s
</yandex>
"""

# A background pool is of threads, each with memory; a fetch of a replica takes one.
USERS = """<yandex>
<profiles>
<default><max_memory_usage>1000000000</max_memory_usage><max_threads>2</max_threads>
<background_pool_size>4</background_pool_size>
<background_schedule_pool_size>4</background_schedule_pool_size><load_balancing>in_order</load_balancing>
<readonly>%(readonly)d</readonly></default>
<reading><readonly>1</readonly></reading>
</profiles>
<quotas><default/></quotas>
<users>
<default><password/>%(rights)s<profile>default</profile></default>
<writer><password>secret</password>%(rights)s<profile>default</profile></writer>
<reader><password>secret</password>%(rights)s<profile>reading</profile></reader>
</users>
</yandex>
"""
RIGHTS = "<networks><ip>127.0.0.1</ip></networks><quota>default</quota>"

# A replica that was killed takes rows again when its last session is forgotten.
CLUSTER = """<zookeeper><node><host>127.0.0.1</host><port>%d</port></node>
<session_timeout_ms>4000</session_timeout_ms></zookeeper>
<distributed_ddl><path>/clickhouse/ddl</path></distributed_ddl>"""


def free_ports(count):
    """Of TCP, below those that connections get: a client that tries again and again where no server is would in the end
    be connected to itself."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with contextlib.ExitStack() as held:
        found = []
        while len(found) < count:
            s = held.enter_context(socket.socket())
            port = random.randrange(first // 2, first)
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                found.append(port)
        return found


class Refused(Exception):
    """What a server answers that is no success."""

    def __init__(self, status, text):
        super().__init__("%d: %s" % (status, text.strip()))
        self.status, self.text = status, text
        self.code = int((re.match(r"Code: (\d+)", text) or ["", "0"])[1])


class Server:
    """A process that is started, ended and started again on its data. Ended with the block it is used in."""

    def __init__(self, folder, argv):
        self.folder, self.argv = folder, argv
        self.log = folder / "log"
        self.process = None

    def __enter__(self):
        with contextlib.ExitStack() as failed:
            failed.callback(self.kill)
            self.start()
            failed.pop_all()
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def is_answering(self):
        raise NotImplementedError

    def start(self, wait=True):
        assert not self.is_running
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        if wait:
            self.wait_answering()

    def wait_answering(self):
        """Fails with the end of its log when it has ended."""
        wait_until(lambda: not self.is_running or self.is_answering(), SECONDS)
        assert self.is_running, self.log.read_text("utf-8", "replace")[-2000:]

    def kill(self):
        if self.is_running:
            self.process.kill()
            self.process.wait(SECONDS)

    def stop(self):
        """As its operator does; it closes what it has open."""
        self.process.terminate()
        self.process.wait(SECONDS)

    def pause(self):
        """It takes connections still, as the kernel does that, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class ZooKeeper(Server):
    def __init__(self, tmp_path):
        if not (ZOOKEEPER_JAR.exists() and shutil.which("java")):
            pytest.skip("not installed: zookeeper or java")
        folder = tmp_path / "zookeeper"
        folder.mkdir()
        self.port, = free_ports(1)
        (folder / "zoo.cfg").write_text(
            "tickTime=500\ndataDir=%s/data\nclientPort=%d\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
            "admin.enableServer=false\n4lw.commands.whitelist=srvr,cons\n" % (folder, self.port))
        super().__init__(folder, ["java", "-Xms32m", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                                  "-XX:-UsePerfData", "-Djava.io.tmpdir=%s" % folder, "-cp", ZOOKEEPER_JAR,
                                  "org.apache.zookeeper.server.ZooKeeperServerMain", "zoo.cfg"])

    def _ask(self, word):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                s.sendall(word)
                return s.makefile().read()
        except OSError:
            return ""

    def is_answering(self):
        return "Mode:" in self._ask(b"srvr")  # else that it does not serve yet

    def sessions(self):
        """How many have asked it more than a greeting."""
        return sum(int(count) >= 4 for count in re.findall(r"recved=(\d+),sent=\d+,sid=", self._ask(b"cons")))


ESCAPES = {"b": "\b", "f": "\f", "r": "\r", "n": "\n", "t": "\t", "0": "\0"}


def unescaped(text):
    return None if text == "\\N" else re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), text, flags=re.S)


def rows_of(text):
    """TabSeparated; None for NULL."""
    return [[unescaped(field) for field in line.split("\t")] for line in text.split("\n")[:-1]]


class ClickHouse(Server):
    """Users: default, without a password; writer and reader, with the password secret; reader may read only. With a
    size of disk its data lies on a small file system of its own, at .data: disks.filled(server.data) leaves no room."""

    number = itertools.count(1)

    def __init__(self, tmp_path, disk=None):
        if not SERVER:
            pytest.skip("not installed: clickhouse-server")
        folder = tmp_path / ("clickhouse%d" % next(self.number))
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.http_port, self.tcp_port, self.interserver_port = free_ports(3)
        super().__init__(folder, [SERVER, "--config-file=%s/config.xml" % folder])
        self.disk, self.held = disk, contextlib.ExitStack()
        self.zookeeper, self.peers = None, [self]
        self.allowed = 0
        self._configure("")
        self._allow(0)

    def _configure(self, cluster):
        (self.folder / "config.xml").write_text(CONFIG % {
            "http": self.http_port, "tcp": self.tcp_port, "interserver": self.interserver_port, "data": self.data,
            "folder": self.folder, "cluster": cluster})

    def _allow(self, readonly):
        part = self.folder / "users.part"
        part.write_text(USERS % {"rights": RIGHTS, "readonly": readonly})
        self.allowed += 10  # the server looks at the second a file was changed in
        os.utime(part, (self.allowed, self.allowed))
        part.replace(self.folder / "users.xml")

    def join(self, servers, shard, replica, zookeeper):
        """Before it is started: as one of servers, {(shard, replica): server}, in the cluster dnsflow."""
        self.zookeeper, self.peers = zookeeper, servers.values()
        shards = collections.defaultdict(str)
        for (number, _), server in servers.items():
            shards[number] += "<replica><host>127.0.0.1</host><port>%d</port></replica>" % server.tcp_port
        layout = "<shard><internal_replication>true</internal_replication>%s</shard>"
        self._configure("<remote_servers><dnsflow>%s</dnsflow></remote_servers>"
                        "<macros><shard>%d</shard><replica>%d</replica></macros>%s" % (
                            "".join(layout % replicas for replicas in shards.values()), shard, replica,
                            CLUSTER % zookeeper.port if zookeeper else ""))

    def __enter__(self):
        with self.held:
            if self.disk:
                self.held.enter_context(small_disk(self.data, self.disk))
            super().__enter__()
            self.held = self.held.pop_all()
        return self

    def __exit__(self, *args):
        with self.held:
            super().__exit__(*args)

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.http_port

    def is_answering(self):
        """With a ZooKeeper: when it looks for statements ON CLUSTER there. A server that gets one before dies of it."""
        try:
            if self.request(path="/ping", seconds=5)[::2] != (200, b"Ok.\n"):
                return False
        except (OSError, http.client.HTTPException):
            return False
        return not self.zookeeper or not self.zookeeper.is_running or (
            self.zookeeper.sessions() >= sum(peer.is_running for peer in self.peers))

    def request(self, body=None, path="/", user=None, seconds=60, **parameters):
        """(status, fields, body); user is NAME:PASSWORD, the parameters go into the URL."""
        if user:
            parameters["user"], parameters["password"] = user.split(":")
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=seconds)
        try:
            connection.request("GET" if body is None else "POST",
                               path + "?" * bool(parameters) + urllib.parse.urlencode(parameters), body)
            got = connection.getresponse()
            return got.status, {k.lower(): v for k, v in got.getheaders()}, got.read()
        finally:
            connection.close()

    def _ask(self, body, **more):
        status, _, answer = self.request(body, **more)
        text = answer.decode("utf-8", "surrogateescape")
        if status != 200:
            raise Refused(status, text)
        return text

    def query(self, sql, **more):
        """Rows of text."""
        return rows_of(self._ask(sql.encode(), **more))

    def insert(self, table, columns, data, layout="RowBinary", **more):
        """data as it is."""
        self._ask(data, query="INSERT INTO %s (%s) FORMAT %s" % (table, columns, layout), **more)

    def set_readonly(self, is_readonly):
        """For all users; the server looks at its file each two seconds."""
        self._allow(int(is_readonly))
        sql = "SELECT value FROM system.settings WHERE name = 'readonly'"
        wait_until(lambda: self.query(sql) == [[str(int(is_readonly))]], SECONDS)


@contextlib.contextmanager
def cluster(tmp_path, shards, replicas, zookeeper=None):
    """{(shard, replica): server}, from 1, all started."""
    servers = {at: ClickHouse(tmp_path) for at in itertools.product(range(1, shards + 1), range(1, replicas + 1))}
    with contextlib.ExitStack() as held:
        for at, server in servers.items():
            server.join(servers, *at, zookeeper)
            held.callback(server.kill)
            server.start(wait=False)
        for server in servers.values():
            server.wait_answering()
        yield servers


def old_dialect(sql):
    """A statement for Debian's server: what that does not know is left out, and types it does not know are others of
    the same bytes in RowBinary. It does not merge rows by functions: a reader groups them."""
    times = "|".join(re.findall(r"\b(\w+) DateTime64\(6\)", sql)) or "(?!)"
    nested = r"\((?:[^()]|\([^()]*\))*\)"
    for pattern, to in (
            (r" CODEC" + nested, ""), (r",\s*INDEX \w+ .*? GRANULARITY \d+", ""),
            (r"\s+TTL .*?(?=\s+SETTINGS\b|;|$)", ""),
            (r",\s*non_replicated_deduplication_window = \d+|\bnon_replicated_deduplication_window = \d+,\s*", ""),
            (r"\s+SETTINGS non_replicated_deduplication_window = \d+", ""),
            (r"\bIPv6\b", "FixedString(16)"), (r"\bDateTime64\(6\)", "Int64"),
            (r"\bSimpleAggregateFunction\(\w+, (\w+)\)", r"\1"), (r"\bLowCardinality\((\w+)\)", r"\1"),
            (r"\bAggregatingMergeTree\b", "MergeTree"), (r"\bReplicatedAggregatingMergeTree\b", "ReplicatedMergeTree"),
            (r"\btoDate\((%s)\)" % times, r"toDate(toDateTime(intDiv(\1, 1000000)))")):
        sql = re.sub(pattern, to, sql, flags=re.S)
    return sql
