# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the programs share: running them, datagrams and captures written and read without their code.

The programs are taken from the folder DNSFLOW_BUILD, build/release by default."""

import collections
import ipaddress
import os
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("DNSFLOW_BUILD") or TOP / "build" / "release").absolute()
SENSOR = str(BUILD / "dnsflow")
READER = str(BUILD / "dnsflow_read")
CAPTURES = TOP / "tests" / "captures"

TIMEOUT = 40  # seconds for any program that should end by itself
FILE_LIMIT = 64 << 20

NULL, ETHERNET, RAW, SLL, SLL2 = 0, 1, 101, 113, 276
A, CNAME, AAAA, ANY = 1, 5, 28, 255

# The order of the counters in the statistics trailer. New ones come at the end.
TRAILER_COUNTERS = (
    "frames_seen frames_delivered messages_parsed messages_with_record records "
    "link_unsupported link_short link_control link_encrypted vlan_depth not_ip ip_malformed ip_short ip_encrypted "
    "fragment icmp tcp not_udp udp_malformed query_port other_port other_share filtered dns_short dns_query "
    "dns_not_rd dns_not_ra dns_nxdomain dns_rcode dns_qdcount dns_qtype dns_no_address dns_malformed dns_cut oversize "
    "sampled cut_records names_truncated address_length addresses_lost sets datagrams sent send_refused send_lost "
    "written write_lost superpacket backlog absorbed tunnel tunnel_depth fragment_refused tcp_malformed tcp_empty "
    "tcp_old tcp_no_start tcp_refused encrypted_port dnstap_malformed dnstap_other tunnelled reassembled "
    "reassembly_expired reassembly_evicted tcp_messages tcp_expired tcp_evicted tcp_gaps sets_cut dnstap_refused "
    "dnstap_evicted dnstap_cut dns_truncated nodata_records nxdomain_records error_records other_records "
    "answers_malformed answers_cut").split()


def pytest_collection_modifyitems(items):
    missing = [p for p in (SENSOR, READER) if not os.access(p, os.X_OK)]
    for item in items if missing else []:
        item.add_marker(pytest.mark.skip(reason="not built: " + missing[0]))


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="capturing needs root")


def release_build(why):
    """Marks what holds for the release build alone: it waits on the clock, or a sanitizer has its own memory or calls."""
    return pytest.mark.skipif("release" not in str(BUILD), reason=why)


def need(*programs):
    """Skips the test where one of these is not installed."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip("there is no program " + program)


def _why_no_terminal():
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError as error:  # a folder that was made a root has no /dev/pts
        return "no terminal to be had: %s" % error
    return None


WHY_NO_TERMINAL = _why_no_terminal()
needs_terminal = pytest.mark.skipif(WHY_NO_TERMINAL is not None, reason=WHY_NO_TERMINAL or "")


# Running programs

def _limits():
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


Result = collections.namedtuple("Result", "status out err")


def run(argv, stdin=subprocess.DEVNULL, data=None, timeout=TIMEOUT, **more):
    """Runs a program to its end. Standard output is bytes, standard error text."""
    source = {"input": data} if data is not None else {"stdin": stdin}
    done = subprocess.run([str(a) for a in argv], stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                          timeout=timeout, preexec_fn=_limits, **source, **more)
    return Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def sensor(*options, **more):
    return run((SENSOR,) + options, **more)


def ok(*options, **more):
    """The summary of a sensor that ends well."""
    result = sensor(*options, **more)
    assert result.status == 0, result.err
    assert "error" not in result.err, result.err
    return Summary(result.err)


def reader(*options, **more):
    return run((READER,) + options, **more)


def wait_until(condition, seconds=40, step=0.01):
    """Polls; returns what the condition returned, or fails the test."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, "waited in vain for %g s" % seconds
        select.select([], [], [], step)


UNBOUND = """
server:
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "%(folder)s"
    pidfile: ""
    logfile: "%(folder)s/log"
    use-syslog: no
"""  # as every test starts it


class Background:
    """A program that runs beside the test. Its outputs go to files. Ended with the block it is used in."""

    def __init__(self, argv, folder, stdin=subprocess.DEVNULL, stderr=None, prepare=lambda: None):
        Background.count = getattr(Background, "count", 0) + 1
        self.out_path = Path(folder) / ("out.%d" % Background.count)
        self.err_path = Path(folder) / ("err.%d" % Background.count)
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen([str(a) for a in argv], stdin=stdin, stdout=out, stderr=stderr or err,
                                            preexec_fn=lambda: (_limits(), prepare()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except OSError:
                pass
        self.process.wait(TIMEOUT)

    @property
    def err(self):
        return self.err_path.read_text("utf-8", "replace")

    @property
    def out(self):
        return self.out_path.read_bytes()

    def feed(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def signal(self, number):
        self.process.send_signal(number)

    def wait_err(self, text, seconds=40):
        return wait_until(lambda: text in self.err or self._ended(text), seconds)

    def _ended(self, text):
        assert self.process.poll() is None or text in self.err, "ended without saying %r: %s" % (text, self.err)

    def wait_handlers(self):
        """Until the program catches SIGUSR1, so that a signal does not end it."""
        def caught():
            status = Path("/proc/%d/status" % self.process.pid).read_text()
            mask = int(re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.M).group(1), 16)
            return mask >> (signal.SIGUSR1 - 1) & 1
        wait_until(caught)

    def wait_asleep(self):
        """Until it catches signals and waits for something: input, or its time."""
        self.wait_handlers()
        stat = Path("/proc/%d/stat" % self.process.pid)
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "S")

    def wait_captured(self, count, seconds=40):
        """Asks for counters until the program has taken `count` packets."""
        def taken():
            assert self.process.poll() is None, self.err
            self.signal(signal.SIGUSR1)
            return "]: %d packets captured\n" % count in self.err
        self.wait_handlers()
        wait_until(taken, seconds, 0.03)

    def wait(self, seconds=TIMEOUT):
        return self.process.wait(seconds)


# The summary on standard error

def _reasons(text):
    return {k: int(v) for k, v in (item.rsplit(" ", 1) for item in (text or "").split(", ") if item)}


class Summary:
    """The last summary in a text; fails if one of its ledgers does not balance."""

    def __init__(self, text):
        self.lines = [re.sub(r"^\[\d+\]: ", "", line) for line in text.splitlines() if re.match(r"\[\d+\]: ", line)]

        def last(pattern):
            found = [m for m in (re.fullmatch(pattern, line) for line in self.lines) if m]
            assert found, "no line like %s in:\n%s" % (pattern, text)
            return found[-1].groups()

        self.captured = int(last(r"(\d+) packets captured")[0])
        self.received = int(last(r"(\d+) packets received by filter")[0])
        self.dropped = int(last(r"(\d+) packets dropped by kernel")[0])
        self.if_dropped = int(last(r"(\d+) packets dropped by interface")[0])
        frames = last(r"frames: (\d+) seen = (\d+) delivered \+ (\d+) dropped(?: \((.*?)\))?(?: \+ (\d+) absorbed)?")
        messages = last(r"messages: (\d+) parsed = (\d+) with a record \+ (\d+) dropped(?: \((.*)\))?")
        output = last(r"output: (\d+) records(?: \((.*)\))?")
        self.seen, self.delivered, self.frames_dropped = map(int, frames[:3])
        self.parsed, self.with_record, self.messages_dropped = map(int, messages[:3])
        self.absorbed = int(frames[4] or 0)
        self.frame_reasons, self.message_reasons = _reasons(frames[3]), _reasons(messages[3])
        self.records, self.notes = int(output[0]), _reasons(output[1])
        assert self.seen == self.delivered + self.frames_dropped + self.absorbed
        assert self.frames_dropped == sum(self.frame_reasons.values())
        assert self.parsed == self.with_record + self.messages_dropped
        assert self.messages_dropped == sum(self.message_reasons.values())
        if not self.absorbed and "tcp_messages" not in self.notes:
            assert self.parsed == self.delivered, "a message in each delivered frame"

    @property
    def reasons(self):
        return dict(self.frame_reasons, **self.message_reasons)

    def collectors(self):
        """Per collector, in the order of the command line: name, sent, lost, port-unreachable replies."""
        found = collections.OrderedDict()
        for line in self.lines:
            m = re.fullmatch(r"collector (\S+): (\d+) datagrams? sent, (\d+) lost(?: \(.*\))?", line)
            if m:
                found[m.group(1)] = (m.group(1), int(m.group(2)), int(m.group(3)), 0)
            m = re.fullmatch(r"collector (\S+): answered (\d+) times? that nobody listens on this port", line)
            if m:
                found[m.group(1)] = found[m.group(1)][:3] + (int(m.group(2)),)
        return list(found.values())


# Datagrams

SetTrailer = collections.namedtuple("SetTrailer", "time_us min_ttl qtype client_port flags rcode transport answers")
Answer = collections.namedtuple("Answer", "owner type ttl rdata")
Set = collections.namedtuple("Set", "client resolver names ipv4 ipv6 ext")
Trailer = collections.namedtuple("Trailer", "worker sensor_id start_time sample_rate base_time_us counters")
Datagram = collections.namedtuple("Datagram", "length flags sequence sets stats trailer")


def label_text(label, also=b""):
    text = ""
    for c in label:
        if c < 0x21 or c > 0x7E or c in also:
            text += "\\%03d" % c
        else:
            text += ("\\" if c in b'.\\"();@$' else "") + chr(c)
    return text


def name_text(wire, at, also=b""):
    """Text of the name at `at` and where it ends."""
    labels, start = [], at
    while wire[at]:
        length = wire[at]
        assert length < 64 and at + 1 + length < len(wire), "bad label"
        labels.append(label_text(wire[at + 1:at + 1 + length], also))
        at += 1 + length
    assert at + 1 - start <= 255, "name over 255 octets"
    return ".".join(labels) or ".", at + 1


def _decode_set(data, at, is_extended):
    assert at % 4 == 0 and at + 40 <= len(data)
    version, names_count, v4_count, v6_count, names_len, zero = struct.unpack_from("!BBBBHH", data, at)
    assert version in (4, 6) and zero == 0 and names_count > 0 and names_len % 4 == 0
    assert v4_count + v6_count > 0 or is_extended, "a set without an address and without a trailer"
    client, resolver = data[at + 8:at + 24], data[at + 24:at + 40]
    if version == 4:
        assert client[4:] == resolver[4:] == bytes(12)
        client, resolver = client[:4], resolver[:4]
    at += 40
    names, wire, used = [], data[at:at + names_len], 0
    assert len(wire) == names_len
    for _ in range(names_count):
        name, used = name_text(wire, used)
        names.append(name)
    assert wire[used:] == bytes(-used % 4), "padding"
    at += names_len
    end = at + 4 * v4_count + 16 * v6_count
    assert end <= len(data)
    ipv4 = [str(ipaddress.IPv4Address(data[at + 4 * i:at + 4 * i + 4])) for i in range(v4_count)]
    at += 4 * v4_count
    ipv6 = [str(ipaddress.IPv6Address(data[at + 16 * i:at + 16 * i + 16])) for i in range(v6_count)]
    return Set(str(ipaddress.ip_address(client)), str(ipaddress.ip_address(resolver)), names, ipv4, ipv6, None), end


def _decode_answers(data, sets):
    """Puts the answers into their sets."""
    at, before = 0, -1
    assert data, "the flag and no answers"
    while at < len(data):
        number, size = struct.unpack_from("!BH", data, at)
        at, end = at + 3, at + 3 + size
        assert before < number < len(sets) and size > 0 and end <= len(data)
        assert not sets[number].ext.flags & 1, "answers of a set that continues a record"
        while at < end:
            owner, kind, ttl, length = struct.unpack_from("!BHIH", data, at)
            assert (owner < len(sets[number].names) or owner == 255) and kind not in (A, CNAME, AAAA)
            assert at + 9 + length <= end
            sets[number].ext.answers.append(Answer(owner, kind, ttl, data[at + 9:at + 9 + length]))
            at += 9 + length
        before = number


def decode(data):
    """A version 4 datagram; fails on anything that the format does not allow."""
    version, count, flags, sequence = struct.unpack_from("!BBHI", data)
    assert version == 4 and flags & ~15 == 0 and (flags & 2 or not flags & 12) and flags & 9 != 9, "version %d, flags %d" % (version, flags)
    whole = len(data)
    if flags & 4:
        data = data[:-16]
    at, sets, stats, trailer = 8, [], None, None
    if flags & 1:
        assert count == 1
        stats = struct.unpack_from("!5I", data, at)
        at += 20
    else:
        assert count > 0, "a datagram without a set"
        for _ in range(count):
            one, at = _decode_set(data, at, flags & 2)
            sets.append(one)
    if flags & 2:
        version, worker, length, sensor_id, start, rate, base = struct.unpack_from("!BBHIIIQ", data, at)
        assert version == 1 and at + length == len(data)
        at += 24
        counters = None
        if stats:
            number, zero = struct.unpack_from("!HH", data, at)
            assert zero == 0 and number >= len(TRAILER_COUNTERS)
            counters = dict(zip(TRAILER_COUNTERS, struct.unpack_from("!%dQ" % number, data, at + 4)))
            at += 4 + 8 * number
        for i in range(len(sets)):
            offset, ttl, qtype, port, set_flags, result = struct.unpack_from("!iIHHHH", data, at)
            sets[i] = sets[i]._replace(ext=SetTrailer(base + offset, ttl, qtype, port, set_flags, result & 4095,
                                                      result >> 12, []))
            at += 16
        if flags & 8:
            _decode_answers(data[at:], sets)
            at = len(data)
        trailer = Trailer(worker, sensor_id, start, rate, base, counters)
    assert at == len(data), "%d bytes behind the end" % (len(data) - at)
    return Datagram(whole, flags, sequence, sets, stats, trailer)


def set_row(one):
    return "\t".join([one.resolver, one.client, ",".join(one.names), ",".join(one.ipv4), ",".join(one.ipv6)])


def rows_of(datagrams):
    return [set_row(s) for d in datagrams for s in d.sets]


def check_sequence(datagrams):
    assert [d.sequence for d in datagrams] == list(range(1, len(datagrams) + 1))


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def written_payload(frame):
    """The datagram in a frame of a -w file; fails if one of the headers is not as it must be."""
    assert frame[:4] == struct.pack("=I", 2)
    ip, udp = frame[4:24], frame[24:]
    assert ip[0] == 0x45 and ip[1] == 0 and ip[9] == 17
    assert struct.unpack("!H", ip[2:4])[0] == len(frame) - 4
    assert ip[4:6] == b"\0\0" and ip[6:8] == b"\x40\0", "id 0 and DF"
    assert ip[8] == 64 and checksum(ip) == 0xFFFF
    assert ip[12:] == bytes([127, 0, 0, 1] * 2)
    source, target, length, check = struct.unpack("!HHHH", udp[:8])
    assert (source, target, length) == (0, 5300, len(udp)) and check != 0
    assert checksum(ip[12:] + struct.pack("!HH", 17, length) + udp) == 0xFFFF
    return udp[8:]


def read_written(path):
    """(time in us, Datagram) for each record of a -w file."""
    link, records = read_pcap(path)
    assert link == NULL
    return [(t, decode(written_payload(frame))) for t, frame in records]


def written_rows(path):
    datagrams = [d for _, d in read_written(path)]
    check_sequence(datagrams)
    return rows_of(datagrams)


# Captures

def read_pcap(path):
    """Link type and [(time in us, bytes)] of a pcap file that is whole."""
    data = Path(path).read_bytes()
    for order in "<>":
        number = struct.unpack(order + "I", data[:4])[0]
        if number in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34):
            break
    else:
        raise ValueError("not pcap")
    head, link = 24 if number == 0xA1B2CD34 else 16, struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at, records = 24, []
    while at < len(data):
        seconds, part, length, _ = struct.unpack_from(order + "IIII", data, at)
        at += head + length
        assert at <= len(data), "cut"
        records.append((seconds * 1000000 + part // (1000 if number == 0xA1B23C4D else 1), data[at - length:at]))
    return link, records


def pcap_header(link):
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)


def pcap_record(time_us, frame):
    return struct.pack("<IIII", time_us // 1000000, time_us % 1000000, len(frame), len(frame)) + frame


def write_pcap(path, link, records):
    Path(path).write_bytes(pcap_header(link) + b"".join(pcap_record(t, f) for t, f in records))
    return path


def address(text):
    return ipaddress.ip_address(text).packed


def udp_packet(source, source_port, target, target_port, payload, check=None, first_fragment=False):
    """An IP packet with a UDP datagram; its checksum is right unless another is given."""
    src, dst = address(source), address(target)
    length = 8 + len(payload)
    if check is None:
        pseudo = src + dst + struct.pack("!II", length, 17)
        head = struct.pack("!HHHH", source_port, target_port, length, 0)
        check = (0xFFFF - checksum(pseudo + head + payload)) or 0xFFFF
    udp = struct.pack("!HHHH", source_port, target_port, length, check) + payload
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + src + dst + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0x2000 if first_fragment else 0, 64, 17, 0) + src + dst
    return head[:10] + struct.pack("!H", 0xFFFF - checksum(head)) + head[12:] + udp


def ethernet(packet, tags=b""):
    return bytes(6) + b"\2\0\0\0\0\1" + tags + (b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def wire_name(name):
    """A name given as text without escapes, or as a list of labels."""
    labels = name if isinstance(name, (list, tuple)) else [l.encode() for l in name.split(".") if l]
    return b"".join(bytes([len(l)]) + l for l in labels) + b"\0"


def record(kind, data, owner=b"\xc0\x0c", ttl=300):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def address_record(text, owner=b"\xc0\x0c", ttl=300):
    packed = address(text)
    return record(A if len(packed) == 4 else AAAA, packed, owner, ttl)


def response(name, answers, qtype=A, flags=0x8180, number=1):
    """A response; answers are addresses as text, or whole records."""
    body = [a if isinstance(a, bytes) else address_record(a) for a in answers]
    return struct.pack("!HHHHHH", number, flags, 1, len(body), 0, 0) + wire_name(name) + struct.pack("!HH", qtype, 1) \
        + b"".join(body)


def response_frame(name="www.example.com", answers=("192.0.2.1",), resolver="10.0.0.53", client="10.0.0.9", port=40000,
                   source_port=53, **more):
    return ethernet(udp_packet(resolver, source_port, client, port, response(name, answers, **more)))


BASE_US = 1700000000 * 1000000


def made_capture(path, count, clients=20):
    """`count` responses to IPv4 and IPv6 clients, 1 ms apart."""
    records = []
    for i in range(count):
        name, k = "h%d.made.example" % i, i % clients
        if i % 3:
            frame = response_frame(name, ["192.0.2.%d" % (i % 250 + 1)], "10.9.%d.53" % (i // clients % 2),
                                   "10.8.0.%d" % (k + 1), number=i)
        else:
            frame = response_frame(name, ["2001:db8::%x" % (i + 1)], "2001:db8:53::1", "2001:db8:c::%x" % (k + 1),
                                   qtype=AAAA, number=i)
        records.append((BASE_US + 1000 * i, frame))
    return write_pcap(path, ETHERNET, records)


def list_captures():
    """(name, smallest, largest number of records) of every capture in tests/captures/LIST."""
    lines = (CAPTURES / "LIST").read_text().split("\n")
    return [(n, int(a), int(b)) for n, a, b in (l.split() for l in lines if l and not l.startswith("#"))]


def expected_rows(name):
    return (CAPTURES / name).with_suffix(".tsv").read_text().splitlines()


# Collectors

class Collector:
    """A UDP socket on loopback that keeps what comes, with the source."""

    def __init__(self, host="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        except OSError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.socket.bind((host, port))
        self.port = self.socket.getsockname()[1]
        self.host = "[%s]" % host if ":" in host else host
        self.got = []  # (source port, bytes)
        self.stopped = False
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def _receive(self):
        while not self.stopped:
            if select.select([self.socket], [], [], 0.05)[0]:
                data, source = self.socket.recvfrom(65536)
                self.got.append((source[1], data))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.join()
        self.socket.close()

    @property
    def target(self):
        return "%s:%d" % (self.host, self.port)

    def datagrams(self, count):
        """The datagrams by source port, once `count` have come."""
        wait_until(lambda: len(self.got) >= count)
        assert len(self.got) == count
        streams = collections.defaultdict(list)
        for port, data in self.got:
            streams[port].append(decode(data))
        return streams


def unused_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((host, 0))
        return s.getsockname()[1]
