#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds in tests/fuzz/corpus from the captures in tests/captures and the vectors of docs/WIRE.md.

usage: tests/fuzz/make_corpus.py BUILD_DIR      needs the programs there, for datagrams and a journal
"""
import base64, glob, hashlib, os, re, struct, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CAPTURES = os.path.join(HERE, "..", "captures")
PER_CAPTURE = 3


def put(target, data):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, hashlib.sha1(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


def frames(path):
    """(link type, frame) of a little-endian or big-endian pcap of the common kind."""
    with open(path, "rb") as f:
        data = f.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if not order:
        return
    link, at = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF, 24
    while at + 16 <= len(data):
        size = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        yield link, data[at + 16:at + 16 + size]
        at += 16 + size


def dns_message(frame):
    """Whatever follows a UDP header from port 53."""
    at = frame.find(b"\x00\x35")
    return frame[at + 8:] if 0 <= at and len(frame) > at + 20 else None


def tunnels():
    """Frames of every encapsulation, as the end-to-end tests make them."""
    sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "e2e")]
    from tunnels import ENCAPSULATIONS, dns_packet, ether
    for build, _ in ENCAPSULATIONS.values():
        for version in 4, 6:
            packet = build(dns_packet("x.example", version))
            if packet:
                yield ether(packet)


def with_length(frame, kind=0):
    return struct.pack("!HB", len(frame), kind) + frame


def put_input():
    """Fragments, TCP segments and tunnels, several frames each."""
    made = list(tunnels())
    for frame in made:
        put("frame", struct.pack("!H", 1) + frame)
    for i in range(0, len(made), 8):
        put("input", b"".join(with_length(f) for f in made[i:i + 8]))
    for name in ("real_lo.pcap", "real_veth4.pcap", "real_veth6.pcap", "made_cut.pcap", "made_packets.pcap"):
        tcp = [f for link, f in frames(os.path.join(CAPTURES, name)) if link == 1]
        for i in range(0, len(tcp), 12):
            put("input", b"".join(with_length(f, 4 * (i % 3)) for f in tcp[i:i + 12]))


def put_dnstap():
    """Streams with and without a handshake, in small and large pieces."""
    from dnstap import CLIENT_QUERY, DOH, READY, START, TCP, control, frames as framed, message, whole
    made = [whole(message(), message(kind=CLIENT_QUERY), message(client="2001:db8::9", resolver="2001:db8::53")),
            control(READY) + control(START) + framed(message(protocol=DOH), message(protocol=TCP, resolver=None)),
            control(START, None) + framed(message(dns=b"")), whole(),
            whole(message(client="::ffff:192.0.2.9")) + whole(message(resolver="::ffff:192.0.2.53", seconds=None)),
            control(READY) + whole(message(seconds=1 << 40)) + whole()]
    for data in made:
        for piece in b"\x0c", b"\xff":
            put("dnstap", piece + data)


def put_http():
    """Requests, good and otherwise."""
    get = b"GET /a/b?c=d HTTP/1.1\r\nHost: [::1]:80\r\n"
    for data in (get + b"\r\n", get + b"Content-Length: 0\r\nAccept: */*\r\n\r\nmore", b"HEAD / HTTP/1.0\r\n\r\n",
                 get + b"Content-Length: 1\r\n\r\n", get + b"Transfer-Encoding: chunked\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n", get + b"A : b\r\n c\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a.\r\nHost: b:\r\n\r\n", get):
        put("http", data)


def put_vectors():
    with open(os.path.join(HERE, "..", "..", "docs", "WIRE.md"), encoding="utf-8") as f:
        for text in re.findall(r"^```vector \S+\n(.*?)^```$", f.read(), re.M | re.S):
            put("datagram", bytes.fromhex("".join(line.split(";")[0] for line in text.splitlines())))


def put_journal(build):
    """What an import makes of three captures: files with a table of streams; all of them in one, and that torn, with a
    false head in the middle, and without its beginning."""
    with tempfile.TemporaryDirectory() as work:
        user = ["--user", "root"] if os.geteuid() == 0 else []
        for name in ("real_veth4", "made_le_us", "made_names"):
            out = os.path.join(work, "out.pcap")
            subprocess.run([os.path.join(build, "dnsflow"), "-x", "-r", os.path.join(CAPTURES, name + ".pcap"), "-w", out],
                           check=True, timeout=20, stderr=subprocess.DEVNULL)
            subprocess.run([os.path.join(build, "dnsflow_collect"), "import", "--directory", work + "/data", *user, out],
                           check=True, timeout=20, stderr=subprocess.DEVNULL)
        whole = b""
        for path in sorted(glob.glob(work + "/data/journal/*")):
            with open(path, "rb") as f:
                data = f.read()
            put("journal", data)
            whole += data
        half = len(whole) // 2
        for data in (whole, whole[:-30], whole[:half] + b"\x5d\x2a\x4d\x18" + whole[half:], whole[half:]):
            put("journal", data)


def put_watch():
    put("watch", b"# all\none.example\n*.two.example note\n192.0.2.7\n192.0.2.0/25\t# note\r\n2001:db8::/32\n\nlast")
    put("watch", b"a\\.b.example\n\\255x\n::ffff:192.0.2.1\n0.0.0.0/0\n::/0\n*.x\n")
    put("watch", b"a..b\n")
    put("watch", "b\u00fccher.example\n".encode())


def put_config():
    put("config", b"# all\nlisten 127.0.0.1:5300\nlisten=[::1]:5301\nallow 192.0.2.0/24\nallow\t2001:db8::/32\n"
        b"directory /srv/dns\nmax-size = 2T\nmax-age 30\nsync never\nuser nobody\npidfile /run/x\ndaemon\nlog syslog\n")
    put("config", b"listen\r\n\r\n  auth-key /etc/key=7 \r\n")
    put("config", b"config x\n")
    put("config", b"help")


def fnv(data, value=0xcbf29ce484222325):
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return value


def cursor(question, name, key, number):
    body = struct.pack(">qqqQH", -1 << 63, (1 << 63) - 1, number, 0, len(name)) + name + key
    head = bytes([1]) + struct.pack(">Q", fnv(body, fnv(question)))
    return base64.urlsafe_b64encode(head + body).rstrip(b"=")


def put_ask():
    """In the order of questions[]."""
    subjects = [(b"name", b"www.example.com"), (b"below", b"example.com"), (b"contains", b"exa"), (b"address", b"192.0.2.0/24"),
                (b"at", b"192.0.2.1"), (b"who", b"example.com"), (b"client", b"192.0.2.1"), (b"rcode", b"NXDOMAIN"),
                (b"new", b"domains"), (b"top", b"names"), (b"series", b""), (b"sensors", b""), (b"streams", b""), (b"loss", b""),
                (b"summary", b"192.0.2.1"), (b"rdata", b"www.example.com")]
    for number, (question, what) in enumerate(subjects):
        put("ask", bytes([number]) + what)
        put("ask", bytes([number]) + what + b"\0" + cursor(question, b"com.example", b"\4\x0a\0\0\1\xc0\0\2\1", 3))
    put("ask", b"\1*.example.com\0A")
    put("ask", b"\0\\*.example.com")


def put_serve():
    paths = [b"names/www.example.com", b"names?below=example.com&limit=3", b"names?contains=exa&cursor=start", b"names/a/clients",
             b"addresses/192.0.2.0/24", b"addresses/192.0.2.0%2F24?format=csv", b"addresses/2001:db8::1/at?time=10m&client=192.0.2.7",
             b"clients/192.0.2.7/lookups?since=1h&until=today", b"clients/192.0.2.7/summary?fresh=0", b"rcodes/NXDOMAIN/clients",
             b"top/names?limit=5", b"new/domains?format=ndjson", b"series", b"status", b"search?q=https%3A%2F%2Fwww.example.com%2Fx",
             b"search?q=*.example[.]com", b"search?q=192.0.2.1", b"search?q=exa*"]
    for path in paths:
        put("serve", b"\0" + path.replace(b"?", b"\0"))
    for path in [b"query/www.example.com", b"query/192.0.2.0/24", b"query/*.example.com"]:
        put("serve", b"\1" + path)
    for path in [b"ping", b"lookup/rrset/name/*.example.com/A?limit=5&time_last_after=-60", b"lookup/rdata/ip/192.0.2.0,24", b"lookup/rdata/name/a/CNAME"]:
        put("serve", b"\2" + path.replace(b"?", b"\0"))


def put_annotate():
    """The first byte is the format; flows, and what is none."""
    flow = b'{"client":"10.0.0.1","server":"192.0.2.1","time":1790000001.5,"port":853}\n'
    made = [b"\x00ts,te,sa,da,sp,dp\n2026-09-21 14:13:21,x,10.0.0.1,192.0.2.1,1,443\r\nSummary\nflows\n1\n",
            b"\x40ts,sa,da,name\n1790000001,10.0.0.1,192.0.2.1,a\nbroken\n\"\n",
            b"\x80ts,sa,da,sni\n1790000001.5,10.0.0.1,192.0.2.1,x.example\n1790000001.5,10.0.0.1,192.0.2.1,\n",
            b'\x01[\n{\n\t"first" : "2026-09-21T14:13:21.468",\n\t"src4_addr" : "10.0.0.1",\n\t"dst4_addr" : "192.0.2.1",\n'
            b'\t"label" : "}{\\""\n},\n{"first":1790000001,"src6_addr":"::1","dst6_addr":"::2"}\n]\n',
            b"\x02" + flow, b"\x82" + flow.replace(b"port", b"sni") + b"none\n{}", b'\x01{{{{"', b"\x00ts,sa\n",
            b'\x02{"a":{"b":[{},[1,null],"\\\\"]},"client":1}']
    for data in made:
        put("annotate", data)


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def text(value):
    return varint(len(value)) + value


def put_feed():
    """The first byte says what it is, as in fuzz_feed.c."""
    place = b"dnsflow place 1\ninstance 7\n" + b"".join(b"%s %s %d\n" % (a, b, n) for n, (a, b) in enumerate(
        (a, b) for a in (b"done", b"wanted") for b in (b"file", b"offset", b"block", b"datagrams"))) + b"note 12 /srv/a.csv.part\n"
    for data in (place, place[:-1], place.replace(b"7", b"18446744073709551615")):
        put("feed", b"\0" + data)
    for data in (b"file,path=/srv/%Y%m%d/%H%M.pcap.zst,max-size=1G,max-age=30d,name=a", b"file,path=%V.csv,max-size=1",
                 b"clickhouse,url=http://127.0.0.1:8123,url=https://[::1]:8443/x,database=d,user=u,setting.a=1,dialect=2018",
                 b"kafka,broker=a:1,topic=t,kafka.client.id=y", b"file,path=/%s/./%%.csv"):
        put("feed", b"\1" + data)
    put("feed", b"\2" + text(b"") + text(b"x" * 200) + varint(2**64 - 1) + b"x")
    count = struct.pack("<QQII", 3, 30, 1790000000, 1790003600)
    four, six = bytes(10) + b"\xff\xff\xc0\0\2\1", bytes.fromhex("20010db8" + "00" * 11 + "01")
    answers = [(b"com.example.www", 1, b"192.0.2.1", four), (b"com.example.www", 28, b"2001:db8::1", six),
               (b"com.example", 15, b"10 mail.example.com", bytes(16)), (b"", 28, b"\\# 2 0000", bytes(16))]
    rows = [text(name) + struct.pack("<H", kind) + text(rdata) + ip + count for name, kind, rdata, ip in answers]
    put("feed", b"\3" + b"".join(rows))
    put("feed", b"\3" + rows[0][:-1])
    rows = [four + six + struct.pack("<HH", 1, rcode) + text(name) + count
            for rcode, name in ((0, b"com.example.www"), (3, b"com.example"), (0, b""), (0, b"a..b"), (0, b"x" * 300))]
    put("feed", b"\4" + b"".join(rows))
    put("feed", b"\4" + rows[0] + rows[0][:-1] + b"\0")
    account = struct.pack("<QIBIBI", 5, 1790000040, 1, 7, 2, 1790000000) + four + struct.pack("<HBBQII", 4000, 1, 1, 9, 1, 2) + \
        b"\1" + struct.pack("<14Q", *range(14)) + struct.pack("<9Q", *range(9))
    put("feed", b"\5" + account)
    put("feed", b"\5" + account + account)


def main():
    build = sys.argv[1]
    put_config()
    put_watch()
    put_feed()
    put_ask()
    put_serve()
    put_annotate()
    put_journal(build)
    put_http()
    put_input()
    put_dnstap()
    put_vectors()
    for path in sorted(glob.glob(os.path.join(CAPTURES, "*.pcap*"))):
        if os.path.getsize(path) < 3000:
            with open(path, "rb") as f:
                put("capture", f.read())
        for link, frame in list(frames(path))[:PER_CAPTURE]:
            put("frame", struct.pack("!H", link) + frame)
            message = dns_message(frame)
            if message:
                put("message", message)
        with tempfile.TemporaryDirectory() as work:
            out = os.path.join(work, "out.pcap")
            subprocess.run([os.path.join(build, "dnsflow"), "-x", "-r", path, "-w", out], check=True, timeout=20,
                           stderr=subprocess.DEVNULL)
            for link, frame in list(frames(out))[-2:]:
                put("datagram", frame[32:])
                put("reader", bytes([len(frame) % 8]) + struct.pack("!H", link) + frame)  # each way of printing


main()
