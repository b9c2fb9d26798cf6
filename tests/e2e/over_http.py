# SPDX-License-Identifier: BSD-3-Clause
"""A collector that is asked over HTTP, and what it is asked about."""

import base64
import collections
import http.client
import json
import time

from asking_http import Asked
from collecting import imported, send
from conftest import ETHERNET, SENSOR, address_record, ethernet, record, response, run, udp_packet, wire_name, write_pcap
from datagrams import Worker, datagram, set3, set4

Answer = collections.namedtuple("Answer", "status fields body")


def request(address, path, method="GET", host=None, seconds=30, **fields):
    """The answer to one request; the names of fields have _ for -."""
    connection = http.client.HTTPConnection(*address, timeout=seconds)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or "%s:%d" % address)
        for name, value in fields.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        got = connection.getresponse()
        return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
    finally:
        connection.close()


def basic(token, user="x"):
    return "Basic " + base64.b64encode(("%s:%s" % (user, token)).encode()).decode()


class Served(Asked):
    """dnsflow_collect run with --http, asked by a client that knows HTTP."""

    def __init__(self, tmp_path, *options, http="127.0.0.1:0", **more):
        super().__init__(tmp_path, *options, at=http, **more)

    @property
    def address(self):
        return ("127.0.0.1", self.http_port) if not self.path else None

    def get(self, path, **more):
        return request(self.address, path, **more)

    def rows(self, path, **more):
        """Of a question that is answered."""
        got = self.get(path, **more)
        assert got.status == 200, (path, got)
        return json.loads(got.body)["rows"]


# What is kept

HOSTILE = [b"<script>alert(1)</script>", b"\"'&;\\", b"a/b%2f?c#d", b"\xe2\x80\xae\xff", b"\0\n\r\x7f", b"*", b"=1+1", b"x" * 63]

Frame = collections.namedtuple("Frame", "name records qtype flags client")


def cname(owner, target):
    return record(5, wire_name(target), wire_name(owner))


def everything():
    """Responses with addresses, chains of CNAME, other types, errors, and names that mean something elsewhere."""
    frames = []

    def add(name, records=(), qtype=1, flags=0x8180, client="10.0.0.9"):
        frames.append(Frame(name, list(records), qtype, flags, client))
    for client in "10.0.0.9", "10.0.0.10", "2001:db8:c::1":
        add("www.example.com", [cname("www.example.com", "cdn.example.net"), address_record("192.0.2.1", wire_name("cdn.example.net")),
                                address_record("192.0.2.2", wire_name("cdn.example.net"))], client=client)
        add("www.example.com", [address_record("2001:db8::1")], 28, client=client)
    add("mail.example.com", [address_record("192.0.2.25")])
    add("example.com", [record(15, b"\0\x0a" + wire_name("mail.example.com"))], 15)
    add("example.com", [record(2, wire_name("ns1.example.net")), record(2, wire_name("ns2.example.net"))], 2)
    add("example.com", [record(16, b"\x0bv=spf1 -all")], 16)
    add("1.2.0.192.in-addr.arpa", [record(12, wire_name("www.example.com"))], 12)
    add("nosuch.example.com", flags=0x8183)
    add("nosuch.example.com", flags=0x8183, client="10.0.0.10")
    add("broken.example.org", flags=0x8182)
    for label in HOSTILE:
        add([label, b"hostile", b"example"], [address_record("198.51.100.7")])
    return frames


def written(folder, at_us, *options):
    """What a sensor makes of everything()."""
    frames = []
    for i, f in enumerate(everything()):
        resolver = "2001:db8:53::1" if ":" in f.client else "10.0.0.53"
        message = response(f.name, f.records, qtype=f.qtype, flags=f.flags, number=i)
        frames.append((at_us + i * 1000, ethernet(udp_packet(resolver, 53, f.client, 40000 + i, message))))
    done = run([SENSOR, "-r", write_pcap(folder / "in.pcap", ETHERNET, frames), "-x", "--records", "all", "--sensor-id", "7",
                "-w", folder / "made.pcap", *options])
    assert done.status == 0, done.err
    return folder / "made.pcap"


def fill(folder, directory):
    """A directory that has everything() as of an hour ago."""
    imported(directory, written(folder, int(time.time() - 3600) * 1000000))


def send_some(target, number=1):
    """To a collector that runs: of a sensor with trailer and statistics, and of two that tell less."""
    worker = Worker(int(time.time()) - 100, sensor_id=8)
    one = set4("10.0.0.11", "10.0.0.53", ["www.example.com"], ["192.0.2.1"])
    send(target, [worker.stats(), worker.data(one, one), worker.data(one), worker.stats()])
    send(target, [datagram(number, one)])
    send(target, [datagram(number, set3("10.0.0.12", ["old.example.com"], ["192.0.2.3"]), version=3)])
