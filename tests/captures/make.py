#!/usr/bin/python3
"""Writes the made_* captures, their expected records and LIST. The result is always the same bytes.

The expected rows come from what is put in, not from reading the captures.

Usage: tests/captures/make.py [--list]     (--list: only LIST)"""

import ipaddress
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28, "DNAME": 39, "RRSIG": 46, "HTTPS": 65,
         "ANY": 255}
MAC1, MAC2, MAC3 = bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), bytes.fromhex("020000000003")
SNAP = b"\xaa\xaa\x03\0\0\0"
V4, V6 = "192.0.2.53", "2001:db8::53"
CLIENT4, CLIENT6 = "198.51.100.7", "2001:db8:c::7"
QR_RD_RA = 0x8180


# DNS messages

class Name:
    """A name by its labels, and the text it should have in a record."""

    def __init__(self, labels, text):
        self.labels, self.text = labels, text


def name(text):
    """A name of plain letters, digits, hyphens and underscores."""
    return Name([label.encode() for label in text.split(".") if text != "."], text)


class Message:
    """A DNS message as it is put together; the names in it are compressed."""

    def __init__(self, ident, flags=QR_RD_RA, counts=(1, 0, 0, 0)):
        self.data = struct.pack(">HHHHHH", ident, flags, *counts)
        self.seen = {}

    def raw(self, data):
        self.data += data

    def name(self, item, base=0):
        labels = list(item.labels)
        while labels:
            key = tuple(labels)
            if key in self.seen:
                self.raw(struct.pack(">H", 0xC000 | self.seen[key]))
                return
            self.seen[key] = len(self.data) + base
            self.raw(bytes([len(labels[0])]) + labels[0])
            labels.pop(0)
        self.raw(b"\0")

    def question(self, item, kind, klass=1):
        self.name(item)
        self.raw(struct.pack(">HH", TYPES[kind], klass))

    def answer(self, owner, kind, value, klass=1):
        self.name(owner)
        self.raw(struct.pack(">HHI", TYPES[kind], klass, 300))
        start = len(self.data)
        self.raw(b"\0\0")
        if kind == "MX":
            self.raw(struct.pack(">H", 10))
        if isinstance(value, Name):
            self.name(value)
        elif kind in ("A", "AAAA") and isinstance(value, str):
            self.raw(ipaddress.ip_address(value).packed)
        else:
            self.raw(value)
        self.data = self.data[:start] + struct.pack(">H", len(self.data) - start - 2) + self.data[start + 2:]


class Response:
    """A response and the row it should give; row None for none."""

    def __init__(self, message, names=None, v4=(), v6=(), ipv6=False, client=None):
        self.message = message
        self.ipv6 = ipv6
        self.resolver = V6 if ipv6 else V4
        self.client = client or (CLIENT6 if ipv6 else CLIENT4)
        self.row = None
        if names is not None:
            self.row = "\t".join((self.resolver, self.client, ",".join(names), ",".join(v4), ",".join(v6)))

    def nothing(self):
        return Response(self.message, ipv6=self.ipv6, client=self.client)

    def ip(self, **more):
        make = ip6 if self.ipv6 else ip4
        return make(self.resolver, self.client, udp(self, 53, 33000 + len(self.message) % 1000), **more)


def respond(ident, qname, kind, answers, ipv6=False, flags=QR_RD_RA, client=None, none=False):
    """A response to one question; answers are (owner, type, value), owner None for the last name."""
    qname = name(qname) if isinstance(qname, str) else qname
    message = Message(ident, flags, (1, len(answers), 0, 0))
    message.question(qname, kind)
    names, v4, v6 = [qname.text], [], []
    last = qname
    for owner, rtype, value in answers:
        message.answer(last if owner is None else owner, rtype, value)
        if rtype == "CNAME":
            names.append(value.text)
            last = value
        if rtype == "A" and isinstance(value, str):
            v4.append(value)
        if rtype == "AAAA" and isinstance(value, str):
            v6.append(value)
    wanted = not none and (v4 or v6)
    return Response(message.data, names if wanted else None, v4, v6, ipv6, client)


def base():
    """The handful of responses that goes into most captures; IPv4 and IPv6, and one without a record."""
    return [
        respond(1, "www.example.com", "A", [(None, "A", "203.0.113.1")]),
        respond(2, "shop.example.com", "A", [
            (None, "CNAME", name("shop.cdn.example.net")), (None, "CNAME", name("e1.cdn.example.net")),
            (None, "A", "203.0.113.10"), (None, "A", "203.0.113.11")]),
        respond(3, "www.example.com", "AAAA", [
            (None, "AAAA", "2001:db8:1::1"), (None, "AAAA", "2001:db8:1:0:1::2")], client="198.51.100.8"),
        respond(4, "api.example.org", "A", [
            (None, "A", "203.0.113.20"), (None, "A", "203.0.113.21"), (None, "A", "203.0.113.22")], ipv6=True),
        respond(5, "example.org", "ANY", [
            (None, "MX", name("mail.example.org")), (None, "A", "203.0.113.30"), (None, "TXT", b"\x05hello"),
            (None, "AAAA", "2001:db8:2::30")], ipv6=True),
        respond(6, "missing.example.com", "A", [], flags=QR_RD_RA | 3),
    ]


def base4():
    return [r for r in base() if not r.ipv6]


def base6():
    return [r for r in base() if r.ipv6]


# IP

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(response, source, destination, length=None):
    size = 8 + len(response.message)
    head = struct.pack(">HHH", source, destination, size if length is None else length)
    ends = b"".join(ipaddress.ip_address(a).packed for a in (response.resolver, response.client))
    check = checksum(ends + struct.pack(">II", size, 17) + head + b"\0\0" + response.message) or 0xFFFF
    return head + struct.pack(">H", check) + response.message


def ip4(source, destination, payload, options=b"", protocol=17, fragment=0):
    words = 5 + len(options) // 4
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    head = struct.pack(">BBHHHBB", 0x40 | words, 0, words * 4 + len(payload), 0x1234, fragment, 64, protocol)
    check = checksum(head + b"\0\0" + ends + options)
    return head + struct.pack(">H", check) + ends + options + payload


def ip6(source, destination, payload, protocol=17, extensions=b""):
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    body = extensions + payload
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + ends + body


# Capture files. A frame is (bytes, original length or None, row or None).

def frame(data, row=None, length=None):
    return data, length, row


def pcap(link, items, order="<", nano=False, snaplen=65535):
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)
    for number, (data, length, _) in enumerate(items):
        fraction = number * 1001 * (1000 if nano else 1)
        out += struct.pack(order + "IIII", 1700000000, fraction, len(data), length or len(data)) + data
    return out


def pcap_modified(link, items, order="<"):
    out = struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, link)
    for number, (data, length, _) in enumerate(items):
        out += struct.pack(order + "IIIIIHBB", 1700000000, number * 1001, len(data), length or len(data), 2, 8, 0, 0)
        out += data
    return out


class Ng:
    """A pcapng file, block by block."""

    def __init__(self, order):
        self.order, self.data = order, b""

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def pad(self, data):
        return data + b"\0" * (-len(data) % 4)

    def block(self, kind, body):
        total = 12 + len(self.pad(body))
        self.data += self.pack("II", kind, total) + self.pad(body) + self.pack("I", total)

    def option(self, code, value):
        return self.pack("HH", code, len(value)) + self.pad(value)

    def section(self):
        self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link, tsresol, snaplen=0):
        self.block(1, self.pack("HHI", link, 0, snaplen) + self.option(9, bytes([tsresol])) + self.pack("HH", 0, 0))

    def stamp(self, ticks):
        return self.pack("II", ticks >> 32, ticks & 0xFFFFFFFF)

    def enhanced(self, interface, ticks, item, options=b""):
        data, length, _ = item
        self.block(6, self.pack("I", interface) + self.stamp(ticks)
                   + self.pack("II", len(data), length or len(data)) + self.pad(data) + options)

    def simple(self, item):
        self.block(3, self.pack("I", len(item[0])) + item[0])

    def obsolete(self, interface, ticks, item):
        self.block(2, self.pack("HH", interface, 0) + self.stamp(ticks)
                   + self.pack("II", len(item[0]), len(item[0])) + item[0])

    def statistics(self, interface):
        self.block(5, self.pack("I", interface) + self.stamp(0))


def ng_section(order, ethernet, raw):
    """One section: an Ethernet interface in 10^-9 s and a raw IP interface in 2^-20 s, and every kind of block."""
    ng = Ng(order)
    ng.section()
    ng.interface(1, 9)
    ng.block(0x00000BAD, ng.pack("I", 32473) + b"a custom block, not known")
    ng.interface(101, 0x80 | 20)
    ng.block(4, ng.pack("HH", 1, 18) + ng.pad(b"\xc0\0\2\x35resolver.test\0") + ng.pack("HH", 0, 0))
    second = 1700000000
    comment = ng.option(1, b"a comment") + ng.pack("HH", 0, 0)
    for number in range(len(ethernet)):
        ticks = number * 1001
        if number == 1:
            ng.simple(ethernet[number])
        elif number == 2:
            ng.obsolete(0, second * 10 ** 9 + ticks, ethernet[number])
        else:
            ng.enhanced(0, second * 10 ** 9 + ticks, ethernet[number], comment if number % 2 else b"")
        ng.block(0x70000000 + number, b"\xff" * (5 + number))
        ng.enhanced(1, (second << 20) + ticks, raw[number])
    ng.statistics(0)
    ng.statistics(1)
    return ng.data


# Link headers. Each takes the IP packet and its version and gives the frame.

def kind_of(response):
    return 0x86DD if response.ipv6 else 0x0800


def be16(number):
    return struct.pack(">H", number)


def ethernet(response, packet=None, tags=()):
    head = MAC2 + MAC1
    for tag, vlan in tags:
        head += be16(tag) + be16(vlan)
    return head + be16(kind_of(response)) + (response.ip() if packet is None else packet)


def ethers(responses):
    return [frame(ethernet(r), r.row) for r in responses]


def raws(responses):
    return [frame(r.ip(), r.row) for r in responses]


def llc(response):
    return SNAP + be16(kind_of(response)) + response.ip()


def each(responses, *links):
    """Every response behind every one of the link headers."""
    return [frame(link(r), r.row) for link in links for r in responses]


def sll(response):
    return struct.pack(">HHH8sH", 0, 1, 6, MAC1 + b"\0\0", kind_of(response)) + response.ip()


def sll_vlan(response):
    return struct.pack(">HHH8sHHH", 0, 1, 6, MAC1 + b"\0\0", 0x8100, 7, kind_of(response)) + response.ip()


def sll2(response):
    return struct.pack(">HHIHBB8s", kind_of(response), 0, 3, 1, 0, 6, MAC1 + b"\0\0") + response.ip()


def sll2_vlan(response):
    head = struct.pack(">HHIHBB8s", 0x8100, 0, 3, 1, 0, 6, MAC1 + b"\0\0")
    return head + be16(7) + be16(kind_of(response)) + response.ip()


def null(order, family6):
    return lambda r: struct.pack(order + "I", family6 if r.ipv6 else 2) + r.ip()


def token_ring(response):
    return b"\x10\x40" + MAC2 + MAC1 + llc(response)


def token_ring_routed(response):
    source = bytes([MAC1[0] | 0x80]) + MAC1[1:]
    return b"\x10\x40" + MAC2 + source + bytes.fromhex("06300011002a") + llc(response)


def fddi(response):
    return b"\x50" + MAC2 + MAC1 + llc(response)


def ppp_kind(response):
    return b"\x57" if response.ipv6 else b"\x21"


def ppp_plain(response):
    return b"\0" + ppp_kind(response) + response.ip()


def ppp_address(response):
    return b"\xff\x03\0" + ppp_kind(response) + response.ip()


def ppp_compressed(response):
    return ppp_kind(response) + response.ip()


def ppp_address_compressed(response):
    return b"\xff\x03" + ppp_kind(response) + response.ip()


def cisco_hdlc(response):
    return b"\x0f\0" + be16(kind_of(response)) + response.ip()


def pppoe(response):
    body = b"\0" + ppp_kind(response) + response.ip()
    return b"\x11\0" + be16(0x0007) + be16(len(body)) + body


def slip(direction):
    return lambda r: bytes([direction]) + (b"\x60" if r.ipv6 else b"\x40") + b"\0" * 14 + r.ip()


def nflog(response):
    out = bytes([10 if response.ipv6 else 2, 0]) + be16(5)
    parts = ((1, be16(kind_of(response)) + b"\x01\0"), (10, b"dns-tap\0"), (3, b"\0" * 16), (5, b"\0\0\0\3"),
             (11, b"\0\0\x03\xe8"), (10, b"odd\0\0"), (9, response.ip()))
    for kind, value in parts:
        out += struct.pack("<HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
    return out


def bridged(response):
    return b"\xaa\xaa\x03\x00\x80\xc2\x00\x07\0\0" + ethernet(response)


def bridged_fcs(response):
    return b"\xaa\xaa\x03\x00\x80\xc2\x00\x01\0\0" + ethernet(response) + b"\x11\x22\x33\x44"


def wlan(kind, flags, four=False, qos=b"", pad=b"", order=b""):
    """An 802.11 data frame; kind is the first octet of frame control, flags the second."""
    def build(response):
        first, second, third = {0: (MAC2, MAC1, MAC3), 1: (MAC3, MAC1, MAC2), 2: (MAC2, MAC3, MAC1),
                                3: (MAC3, MAC1, MAC2)}[flags & 3]
        head = bytes([kind, flags]) + b"\x2c\0" + first + second + third + b"\x10\0"
        return head + (MAC1 if four else b"") + qos + order + pad + llc(response)
    return build


WLAN_TO, WLAN_FROM, WLAN_BOTH, WLAN_ADHOC = wlan(0x08, 1), wlan(0x08, 2), wlan(0x08, 3, True), wlan(0x08, 0)
WLAN_QOS, WLAN_QOS4 = wlan(0x88, 2, qos=b"\0\0"), wlan(0x88, 3, True, qos=b"\0\0")
WLAN_HT = wlan(0x88, 0x82, qos=b"\0\0", order=b"\0\0\0\0")
WLAN_PADDED = wlan(0x88, 2, qos=b"\0\0", pad=b"\0\0")
WLAN_PROTECTED = wlan(0x08, 0x42)


def radiotap(inner, words, fields, tail=b""):
    """The fields come with their alignment already in place."""
    present = b"".join(struct.pack("<I", w) for w in words)
    return lambda r: struct.pack("<BBH", 0, 0, 4 + len(present) + len(fields)) + present + fields + inner(r) + tail


def radiotaps():
    """Bit 0 is the time (8 octets), bit 1 the flags, bit 2 the rate, bit 3 the channel, bit 5 the signal."""
    tsft = struct.pack("<Q", 123456)
    return (
        radiotap(WLAN_FROM, [0], b""),
        radiotap(WLAN_TO, [2], b"\x10", b"\xde\xad\xbe\xef"),
        radiotap(WLAN_QOS, [1 | 2 | 4], tsft + b"\x10\x0c", b"\xde\xad\xbe\xef"),
        radiotap(WLAN_PADDED, [2 | 4 | 8], b"\x20\x0c" + struct.pack("<HH", 2437, 0x00A0)),
        radiotap(WLAN_PADDED, [0xA0000003 | 32, 0xA0000020, 32],
                 b"".join((tsft, b"\x30", b"\xc4", b"\xc0", b"\xbf")), b"\xde\xad\xbe\xef"),
        radiotap(WLAN_PADDED, [0xA0000003, 0x00000020],
                 b"\0\0\0\0" + tsft + b"\x20\xc1"),
    )


def ppi(dlt, inner, fields=b""):
    return lambda r: struct.pack("<BBHI", 0, 0, 8 + len(fields), dlt) + fields + inner(r)


def ppis():
    common = struct.pack("<HH", 2, 20) + struct.pack("<QHHHHBBbb", 99, 0, 2, 2437, 0xA0, 0, 0, -60, -90)
    odd = struct.pack("<HH", 30, 3) + b"abc"
    return (ppi(1, ethernet), ppi(105, WLAN_FROM, common), ppi(105, WLAN_QOS, odd + common))


# Groups of frames

def vlans():
    sets = [[(0x8100, 100)], [(0x8100, 0xE000 | 4094)], [(0x88A8, 7), (0x8100, 8)], [(0x9100, 7), (0x8100, 8)],
            [(0x8100, 7), (0x8100, 8)], [(0x88A8, 1), (0x88A8, 2), (0x8100, 3)],
            [(0x8100, 1), (0x8100, 2), (0x8100, 3)]]
    return [frame(ethernet(r, tags=tags), r.row) for tags in sets for r in base()]


def snap_ethernet(response):
    body = llc(response)
    return MAC2 + MAC1 + be16(len(body)) + body


def chain(packet):
    """The IPv6 packet with hop-by-hop, routing, destination options and authentication headers before UDP."""
    hop = bytes([43, 0]) + b"\x05\x02\0\0\x01\0"
    routing = bytes([60, 2, 0, 0]) + b"\0\0\0\0" + ipaddress.ip_address("2001:db8::99").packed
    options = bytes([51, 1]) + b"\x01\x0c" + b"\0" * 12
    auth = bytes([17, 4]) + b"\0\0" + struct.pack(">II", 0x100, 1) + b"\xa5" * 12
    more = hop + routing + options + auth
    return packet[:4] + be16(len(packet) - 40 + len(more)) + b"\0" + packet[7:40] + more + packet[40:]


def odd_packets():
    """IP and Ethernet in their less usual forms; and packets that must give nothing."""
    four, chained, six = base4()[0], base4()[1], base6()[0]
    out = each([four, six], snap_ethernet)
    options = b"\x94\x04\0\0\x01\x01\x01\0"
    out += [frame(ethernet(r, r.ip(options=options)), r.row) for r in (four, chained)]
    out.append(frame(ethernet(six, chain(six.ip())), six.row))
    fragment = struct.pack(">BBHI", 17, 0, 0, 77)
    plain = six.ip()
    atomic = plain[:4] + be16(len(plain) - 32) + b"\x2c" + plain[7:40] + fragment + plain[40:]
    out.append(frame(ethernet(six, atomic), six.row))
    esp = ip6(six.resolver, six.client, struct.pack(">II", 0x1001, 1) + udp(six, 53, 33000), protocol=50)
    out.append(frame(ethernet(six, esp)))
    out += [frame(ethernet(r) + b"\0" * 6, r.row) for r in (four, chained, six)]
    for protocol in (50, 6):
        out.append(frame(ethernet(four, ip4(V4, CLIENT4, udp(four, 53, 33000), protocol=protocol))))
    quoted = four.ip()
    reply = b"\x03\x03\0\0\0\0\0\0" + quoted
    reply = reply[:2] + be16(checksum(reply)) + reply[4:]
    out.append(frame(ethernet(four, ip4(CLIENT4, V4, reply, protocol=1))))
    out.append(frame(ethernet(four, ip4(V4, CLIENT4, four.message, fragment=185))))
    out.append(frame(ethernet(four, ip4(V4, CLIENT4, udp(four, 53, 33000, length=7)))))
    out.append(frame(ethernet(four, ip4(V4, CLIENT4, udp(four, 5300, 33000)))))
    out.append(frame(ethernet(four, ip4(CLIENT4, V4, udp(four.nothing(), 33000, 53)))))
    out.append(frame(b"\xff" * 6 + MAC1 + be16(0x0806) + b"\0\1\x08\0\6\4\0\1" + MAC1 + b"\xc0\0\2\1" + b"\0" * 10))
    out.append(frame(ethernet(four)[:20], length=len(ethernet(four))))
    return out


def cut_packets():
    """Frames cut by the snap length: whole addresses still count, and names are whole or absent."""
    answers = [(None, "CNAME", name("many.cdn.example.net"))]
    answers += [(None, "A", "203.0.113.%d" % n) for n in range(1, 9)]
    many = respond(20, "many.example.com", "A", answers)
    whole = ethernet(many)
    names = ["many.example.com", "many.cdn.example.net"]

    def row(count):
        kept = Response(many.message, names, ["203.0.113.%d" % n for n in range(1, count + 1)])
        return kept.row if count else None
    # An answer is a pointer (2), type to length (10) and the address (4).
    first = len(whole) - 8 * 16
    cuts = [(len(whole), 8), (len(whole) - 1, 7), (len(whole) - 16, 7), (len(whole) - 20, 6), (first + 16, 1),
            (first + 15, 0), (first + 12, 0), (first, 0), (first - 5, 0), (14 + 20 + 8 + 20, 0),
            (14 + 20 + 8 + 12, 0), (14 + 20 + 8 + 5, 0), (14 + 20 + 4, 0), (14 + 10, 0), (9, 0)]
    out = [frame(whole[:size], row(count), len(whole)) for size, count in cuts]
    # The first fragment of a packet is a message that ends early, too.
    payload = udp(many, 53, 33000)
    keep = (8 + len(many.message) - 3 * 16) // 8 * 8
    start = 8 + len(many.message) - 8 * 16
    out.append(frame(ethernet(many, ip4(V4, CLIENT4, payload[:keep], fragment=0x2000)), row((keep - start) // 16)))
    return out


def odd_names():
    """Names with bytes that need an escape, the root, and the longest."""
    labels = [
        ([b"a b", b"example", b"com"], "a\\032b.example.com"),
        ([b"dot.ted", b"example", b"com"], "dot\\.ted.example.com"),
        ([b"back\\slash", b"example", b"com"], "back\\\\slash.example.com"),
        ([b'q"uote', b"(par)", b"semi;colon", b"at@", b"$dollar"], 'q\\"uote.\\(par\\).semi\\;colon.at\\@.\\$dollar'),
        ([b"\0\x01\x1f\x7f\x80\xff", b"example", b"com"], "\\000\\001\\031\\127\\128\\255.example.com"),
        ([b"caf\xc3\xa9", b"example", b"com"], "caf\\195\\169.example.com"),
        ([b"WwW", b"ExAmPlE", b"CoM"], "WwW.ExAmPlE.CoM"),
        ([b"_sip", b"_tcp", b"*", b"x-y"], "_sip._tcp.*.x-y"),
        ([b"!#%&'*+-/:<=>?[]^_`{|}~", b"example"], "!#%&'*+-/:<=>?[]^_`{|}~.example"),
        ([b"\t", b"\r\n"], "\\009.\\013\\010"),
        ([], "."),
        ([b"com"], "com"),
        ([b"m" * 63, b"example", b"com"], "m" * 63 + ".example.com"),
        ([b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61], ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 61))),
        ([b"l"] * 127, ".".join(["l"] * 127)),
        ([b"\xff" * 63] * 3 + [b"\xff" * 61], ".".join(["\\255" * 63] * 3 + ["\\255" * 61])),
    ]
    names = [Name(*pair) for pair in labels]
    out = [respond(100 + i, n, "A", [(None, "A", "203.0.113.%d" % (i + 1))]) for i, n in enumerate(names)]
    for i, item in enumerate(names):
        out.append(respond(200 + i, "alias.example.com", "AAAA",
                           [(None, "CNAME", item), (None, "AAAA", "2001:db8:3::%x" % (i + 1))], ipv6=i % 2 == 1))
    return ethers(out)


def by_hand(data, names=None, v4=(), v6=()):
    return Response(data, names, v4, v6)


def compressed():
    """A CNAME target that is only a pointer, pointers to pointers, and pointers into the data of a record."""
    www, out = b"\3www\7example\3com\0", []
    head = struct.pack(">HHHHHH", 50, QR_RD_RA, 1, 3, 0, 0)
    fixed = struct.pack(">HHI", 5, 1, 60)
    address = struct.pack(">HHIH", 1, 1, 60, 4)
    body = head + www + b"\0\1\0\1"                     # www at 12, example at 16, com at 24
    body += b"\xc0\x0c" + fixed + be16(2) + b"\xc0\x10"   # target is a pointer: example.com, at 45
    body += b"\xc0\x2d" + fixed + be16(6) + b"\3cdn\xc0\x2d"  # cdn and a pointer to that pointer, at 59
    body += b"\xc0\x3b" + address + bytes([203, 0, 113, 77])
    out.append(by_hand(body, ["www.example.com", "example.com", "cdn.example.com"], ["203.0.113.77"]))
    head = struct.pack(">HHHHHH", 51, QR_RD_RA, 1, 2, 0, 0)
    body = head + www + b"\0\1\0\1" + b"\xc0\x0c" + fixed + be16(17) + www
    body += b"\3www\7example\3com\0" + address + bytes([203, 0, 113, 78])
    out.append(by_hand(body, ["www.example.com", "www.example.com"], ["203.0.113.78"]))
    return out


def flagged():
    """The same good answer under other flags; class, TC, AA, AD, CD and opcode do not matter."""
    def one(ident, flags, none):
        return respond(ident, "flags.example.com", "A", [(None, "A", "203.0.113.90")], flags=flags, none=none)
    good = (0x8180, 0x8580, 0x8380, 0x81B0, 0x81F0, 0xA180, 0xF9B0)
    bad = (0x0180, 0x8100, 0x8080, 0x8000, 0x0100, 0x8182, 0x8183, 0x8185, 0x818F)
    return ([one(60 + i, flags, False) for i, flags in enumerate(good)]
            + [one(70 + i, flags, True) for i, flags in enumerate(bad)])


def counted():
    """Two questions, none, and other types and classes of question."""
    out = []
    qname, address = name("count.example.com"), "203.0.113.91"
    two = Message(80, counts=(2, 1, 0, 0))
    two.question(qname, "A")
    two.question(qname, "AAAA")
    two.answer(qname, "A", address)
    out.append(by_hand(two.data))
    none = Message(81, counts=(0, 1, 0, 0))
    none.answer(qname, "A", address)
    out.append(by_hand(none.data))
    chaos = Message(82, counts=(1, 1, 0, 0))
    chaos.question(qname, "A", 3)
    chaos.answer(qname, "A", address)
    out.append(by_hand(chaos.data, [qname.text], [address]))
    for ident, kind in ((83, "TXT"), (84, "HTTPS"), (85, "CNAME"), (86, "MX")):
        out.append(respond(ident, qname, kind, [(None, "A", address)], none=True))
    for section in (1, 2):
        counts = [1, 0, 0, 0]
        counts[1 + section] = 1
        elsewhere = Message(87 + section, counts=counts)
        elsewhere.question(qname, "A")
        elsewhere.answer(qname, "A", address)
        out.append(by_hand(elsewhere.data))
    extra = Message(92, counts=(1, 1, 1, 2))
    extra.question(qname, "A")
    extra.answer(qname, "A", address)
    extra.answer(name("example.com"), "NS", name("ns1.example.com"))
    extra.answer(name("ns1.example.com"), "A", "203.0.113.200")
    extra.raw(b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08cookie!!")
    out.append(by_hand(extra.data, [qname.text], [address]))
    return out


def answered():
    """Answers of other types, wrong lengths, and no address at all."""
    q, alias = "answer.example.com", name("alias.example.com")
    rrsig = struct.pack(">HBBIIIH", 1, 13, 3, 300, 1700000000, 1690000000, 4711) + b"\7example\3com\0" + b"\x5a" * 64
    return [
        respond(110, q, "A", [(None, "A", b"\xcb\0\x71"), (None, "A", "203.0.113.101")]),
        respond(111, q, "A", [(None, "A", "203.0.113.102"), (None, "A", b"\xcb\0\x71\1\2")]),
        respond(112, q, "AAAA", [(None, "AAAA", b"\x20\x01\x0d\xb8" + b"\0" * 11), (None, "AAAA", "2001:db8::103")]),
        respond(113, q, "A", [(None, "A", b"\xcb\0\x71")]),
        respond(114, q, "A", [(None, "CNAME", alias)]),
        respond(115, q, "A", [(None, "AAAA", "2001:db8::104")]),
        respond(116, q, "A", [(None, "RRSIG", rrsig), (None, "A", "203.0.113.105"), (None, "RRSIG", rrsig)]),
        respond(117, q, "A", [(name("example.com"), "DNAME", name("example.net")),
                              (name(q), "CNAME", name("answer.example.net")), (None, "A", "203.0.113.106")]),
        respond(118, q, "A", [(alias, "A", "203.0.113.107"), (name(q), "CNAME", alias)]),
        respond(119, q, "ANY", [(None, "A", "203.0.113.108"), (None, "AAAA", "::"), (None, "A", "0.0.0.0"),
                                (None, "AAAA", "2001:0:0:1::1"), (None, "A", "255.255.255.255"),
                                (None, "AAAA", "2001:db8:0:1:1:1:1:1"), (None, "TXT", b"\4none")]),
        respond(120, q, "A", [(None, "A", "203.0.113.%d" % (n % 250 + 1)) for n in range(60)]),
    ]


def broken():
    """Messages that end early or whose question cannot be read."""
    good = respond(130, "short.example.com", "A", [(None, "A", "203.0.113.120")]).message
    question = b"\0\1\0\1"
    head = struct.pack(">HHHHHH", 131, QR_RD_RA, 1, 1, 0, 0)
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([203, 0, 113, 121])
    bad = [good[:size] for size in (0, 1, 11, 12, 20)]
    bad += [head + b"\xc0\x0c" + question + answer, head + b"\1a\xc0\x0c" + question + answer,
            head + b"\x41a\0" + question + answer, head + b"\x80a\0" + question + answer,
            head + (b"\x3f" + b"x" * 63) * 4 + b"\0" + question + answer]
    return [by_hand(data) for data in bad]


def rules():
    return ethers(compressed() + flagged() + counted() + answered() + broken())


def captures():
    """(file name, contents, frames)"""
    all6, four, six = base(), base4(), base6()
    ether, raw = ethers(all6), raws(all6)
    mixed = [f for pair in zip(ether, raw) for f in pair]

    def plain(link, frames):
        return pcap(link, frames), frames
    protected = [frame(WLAN_PROTECTED(four[0]))]
    return {
        "made_le_us.pcap": (pcap(1, ether), ether),
        "made_be_us.pcap": (pcap(1, ether, ">"), ether),
        "made_le_ns.pcap": (pcap(1, ether, "<", True), ether),
        "made_be_ns.pcap": (pcap(1, ether, ">", True), ether),
        "made_modified.pcap": (pcap_modified(1, ether), ether),
        "made_ng_le.pcapng": (ng_section("<", ether, raw), mixed),
        "made_ng_be.pcapng": (ng_section(">", ether, raw), mixed),
        "made_ng_sections.pcapng": (ng_section("<", ether, raw) + ng_section(">", ether[:3], raw[:3]),
                                    mixed + mixed[:6]),
        "made_vlan.pcap": plain(1, vlans()),
        "made_sll.pcap": plain(113, each(all6, sll, sll_vlan)),
        "made_sll2.pcap": plain(276, each(all6, sll2, sll2_vlan)),
        "made_null.pcap": plain(0, each(all6, null("<", 24), null(">", 24), null("<", 28), null(">", 30))),
        "made_loop.pcap": plain(108, each(all6, null(">", 24))),
        "made_raw.pcap": plain(101, raw),
        "made_ipv4.pcap": plain(228, raws(four)),
        "made_ipv6.pcap": plain(229, raws(six)),
        "made_token_ring.pcap": plain(6, each(all6, token_ring, token_ring_routed)),
        "made_fddi.pcap": plain(10, each(all6, fddi)),
        "made_ppp.pcap": plain(9, each(all6, ppp_plain, ppp_address, ppp_compressed, ppp_address_compressed)),
        "made_ppp_hdlc.pcap": plain(50, each(all6, ppp_address, ppp_address_compressed, cisco_hdlc)),
        "made_pppoe.pcap": plain(51, each(all6, pppoe)),
        "made_slip.pcap": plain(8, each(all6, slip(0), slip(1))),
        "made_nflog.pcap": plain(239, each(all6, nflog)),
        "made_atm.pcap": plain(100, each(all6, llc, bridged, bridged_fcs)),
        "made_atm_clip.pcap": plain(106, each(all6, llc) + raws(four)),
        "made_wlan.pcap": plain(105, each(all6, WLAN_TO, WLAN_FROM, WLAN_BOTH, WLAN_ADHOC, WLAN_QOS, WLAN_QOS4, WLAN_HT)
                                + protected),
        "made_radiotap.pcap": plain(127, each(all6, *radiotaps())),
        "made_ppi.pcap": plain(192, each(all6, *ppis())),
        "made_packets.pcap": plain(1, odd_packets()),
        "made_cut.pcap": plain(1, cut_packets()),
        "made_names.pcap": plain(1, odd_names()),
        "made_rules.pcap": plain(1, rules()),
    }


def stem(capture):
    return os.path.join(HERE, capture.rsplit(".", 1)[0])


def write_list():
    with open(os.path.join(HERE, "LIST"), "w") as out:
        for capture in sorted(f for f in os.listdir(HERE) if f.endswith((".pcap", ".pcapng"))):
            with open(stem(capture) + ".tsv") as rows:
                count = len(rows.readlines())
            out.write("%s %d %d\n" % (capture, count, count))


def main():
    if sys.argv[1:] not in ([], ["--list"]):
        sys.exit(__doc__.rsplit("\n\n", 1)[1])
    for capture, (data, items) in ({} if sys.argv[1:] else captures()).items():
        with open(os.path.join(HERE, capture), "wb") as out:
            out.write(data)
        with open(stem(capture) + ".tsv", "w") as out:
            out.writelines(row + "\n" for _, _, row in items if row is not None)
    write_list()


main()
