# SPDX-License-Identifier: BSD-3-Clause
"""What files can be and how they are named: filters that know the file, blocks and frames of any size, files of the
other program, arguments without an option."""

import gzip
import lzma
import re
import shutil
import struct
import subprocess
import zlib

import pytest
from conftest import (BASE_US, CAPTURES, ETHERNET, NULL, RAW, SENSOR, SLL, SLL2, Summary, made_capture, pcap_record,
                      reader, release_build, response, response_frame, sensor, udp_packet, write_pcap, written_rows)


def dns(name="x.example", version=4):
    if version == 4:
        return udp_packet("10.0.0.53", 53, "10.0.0.9", 40000, response(name, ["192.0.2.1"]))
    return udp_packet("2001:db8::53", 53, "2001:db8::9", 40000, response(name, ["192.0.2.1"]))


def read(tmp_path, source, *options, status=0, records=None):
    result = sensor("-r", source, "-w", tmp_path / "out.pcap", *options)
    assert result.status == status, result.err
    summary = Summary(result.err)
    if records is not None:
        assert summary.records == records, result.err
    return summary, result.err


# -m

@pytest.mark.parametrize("options", [[], ["-f", "udp src port 53"], ["-f", "not host 10.0.0.3"], ["-M", "2"]])
def test_shares_by_arithmetic(tmp_path, options):
    """IPv4 by address modulo N, IPv6 by the UDP checksum modulo N, a filter or none in front; -c: IPv4 by checksum too,
    where there is one."""
    packets = []
    for i in range(40):
        message = response("n%d.example" % i, ["192.0.2.1"])
        check = 0 if i % 8 == 0 else None
        packets.append((i, udp_packet("10.0.0.53", 53, "10.0.%d.%d" % (i % 3, i), 40000, message, check)))
        packets.append((i, udp_packet("2001:db8::53", 53, "2001:db8::%x" % i, 40000, message)))
    source = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US + n, p) for n, (_, p) in enumerate(packets)])
    for shares, balance in (2, False), (3, False), (7, True):
        for share in range(shares):
            want = []
            for i, p in packets:
                is_ip4 = p[0] >> 4 == 4
                check = int.from_bytes(p[26:28] if is_ip4 else p[46:48], "big")
                by_check = not is_ip4 or (balance and check != 0)
                value = check if by_check else int.from_bytes(p[16:20], "big")
                if value % shares == share and not (is_ip4 and "not host 10.0.0.3" in options and i == 3):
                    want.append("n%d.example" % i)
            more = ["-m", "%d/%d" % (share + 1, shares)] + ["-c"] * balance
            if "-M" in options:
                result = sensor("-r", source, "-u", "127.0.0.1:9", *more, *options)
                assert Summary(result.err).records == len(want)
                continue
            read(tmp_path, source, *more, *options, records=len(want))
            assert [row.split("\t")[2] for row in written_rows(tmp_path / "out.pcap")] == want


# -f

def loopback_file(path, order):
    """A file of a machine of this byte order: IPv6 has another number on each system."""
    with open(path, "wb") as out:
        out.write(struct.pack(order + "IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, NULL))
        for family, version in (2, 4), (24, 6), (28, 6), (30, 6), (10, 6), (23, 6):
            frame = struct.pack(order + "I", family) + dns(version=version)
            out.write(struct.pack(order + "IIII", 1700000000, 0, len(frame), len(frame)) + frame)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [[], ["-f", "udp src port 53"], ["-f", "ip or ip6"]])
def test_loopback_of_any_machine(tmp_path, order, options):
    read(tmp_path, loopback_file(tmp_path / "in.pcap", order), *options, records=6)


def test_loopback_in_sections_of_both_orders(tmp_path):
    """One filter, two machines."""
    path = tmp_path / "in.pcapng"
    with open(path, "wb") as out:
        for order in "<>":
            out.write(section(order) + interface(order, NULL))
            for family, version in (2, 4), (30, 6):
                out.write(enhanced(order, struct.pack(order + "I", family) + dns(version=version)))
    read(tmp_path, path, "-f", "udp src port 53", records=4)


@pytest.mark.parametrize("link, prefix", [(ETHERNET, None), (RAW, b""), (NULL, b"\2\0\0\0")])
@pytest.mark.parametrize("expression", ["inbound", "outbound", "ifindex 3", "udp and inbound"])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_no_file_tells_is_refused(tmp_path, link, prefix, expression, workers):
    frame = response_frame() if prefix is None else prefix + dns()
    source = write_pcap(tmp_path / "in.pcap", link, [(BASE_US, frame)] * 3)
    result = sensor("-r", source, "-u", "127.0.0.1:9", "-M", workers, "-f", expression)
    assert result.status == 1
    lines = [line for line in result.err.splitlines() if "cannot be judged from a file" in line]
    assert len(lines) == 1 and expression in lines[0] and "in.pcap" in lines[0] and "-f/--filter" in lines[0]
    assert "no records" not in result.err and "warning: filter" not in result.err
    result = reader("-r", source, "-f", expression)
    assert result.status == 1 and result.err.count("cannot be judged from a file") == 1 == result.err.count("\n")


def cooked(link, sent, interface_number, packet):
    if link == SLL:
        return struct.pack("!HHH8sH", 4 if sent else 0, 1, 6, bytes(8), 0x0800) + packet
    return struct.pack("!HHIHBB8s", 0x0800, 0, interface_number, 1, 4 if sent else 0, 6, bytes(8)) + packet


@pytest.mark.parametrize("link", [SLL, SLL2])
def test_direction_in_cooked_files(tmp_path, link):
    frames = [cooked(link, sent, 3, dns("d%d.example" % sent)) for sent in (0, 1, 0)]
    source = write_pcap(tmp_path / "in.pcap", link, [(BASE_US + i, f) for i, f in enumerate(frames)])
    for expression, count in ("inbound", 2), ("outbound", 1), ("udp and inbound", 2):
        read(tmp_path, source, "-f", expression, records=count)
        if shutil.which("tcpdump"):
            done = subprocess.run(["tcpdump", "-nr", source, expression], stdout=subprocess.PIPE, timeout=20,
                                  stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            assert len(done.stdout.splitlines()) == count
    if link == SLL2:
        read(tmp_path, source, "-f", "ifindex 3", records=3)
        read(tmp_path, source, "-f", "ifindex 4", records=0)


def test_what_came_before_is_good(tmp_path):
    """The first interface of the file tells the direction, the second does not."""
    path = tmp_path / "in.pcapng"
    path.write_bytes(section("<") + interface("<", SLL) + interface("<", ETHERNET)
                     + enhanced("<", cooked(SLL, 0, 0, dns())) * 2 + enhanced("<", response_frame(), 1)
                     + enhanced("<", cooked(SLL, 0, 0, dns())))
    summary, err = read(tmp_path, path, "-f", "inbound", status=1, records=2)
    assert err.count("cannot be judged") == 1 and summary.seen == 2


# pcapng

def block(order, kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order, options=b""):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options)


def interface(order, link, options=b""):
    return block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options)


def enhanced(order, frame, number=0, options=b""):
    return block(order, 6, struct.pack(order + "IIIII", number, 0, 5000, len(frame), len(frame)) + frame
                 + bytes(-len(frame) % 4) + options)


def comments(order, count):
    return struct.pack(order + "HH65532s", 1, 65532, b"") * count


@release_build("a sanitizer takes memory of its own")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("where", range(4))
def test_blocks_of_many_mebibytes(tmp_path, order, where):
    """What is needed of them stands in front; memory does not grow with them."""
    huge = [comments(order, 600) if i == where else b"" for i in range(4)]
    body = section(order, huge[0]) + interface(order, ETHERNET, huge[1]) + block(order, 4, bytes(4) + huge[2]) \
        + enhanced(order, response_frame("first.example"), 0, huge[3]) + enhanced(order, response_frame("last.example"))
    path = tmp_path / "in.pcapng.gz"
    path.write_bytes(gzip.compress(body, 1))
    done = subprocess.run(["/usr/bin/python3", "-c", MEASURED, *map(str, (SENSOR, path, tmp_path / "out.pcap"))],
                          stdout=subprocess.PIPE, timeout=60)
    assert int(done.stdout) < 24 * 1024
    assert [row.split("\t")[2] for row in written_rows(tmp_path / "out.pcap")] == ["first.example", "last.example"]


MEASURED = """
import resource, subprocess, sys
subprocess.run([sys.argv[1], "-r", sys.argv[2], "-w", sys.argv[3]], check=True, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_more_link_types_than_there_were_programs_for(tmp_path):
    """The filter's verdict on the 17th link type, and on the 100th."""
    path = tmp_path / "in.pcapng"
    links = [n for n in range(100, 250) if n not in (101, 113)]
    frames = b"".join(enhanced("<", bytes(60), n) for n in range(len(links)))
    path.write_bytes(section("<") + b"".join(interface("<", n) for n in links + [RAW, SLL, ETHERNET]) + frames
                     + enhanced("<", dns(), len(links)) + enhanced("<", cooked(SLL, 0, 0, dns()), len(links) + 1)
                     + enhanced("<", response_frame(), len(links) + 2) + frames)
    _, err = read(tmp_path, path, "-f", "udp src port 53", records=3)
    assert err.count("warning: filter on frames") <= 16


# Compression

def skippable(number, size):
    return struct.pack("<II", 0x184D2A50 + number, size) + bytes(size)


@pytest.mark.parametrize("tool", [["zstd", "-c"], ["lz4", "-c"], ["lz4", "-l", "-c"]])
def test_frames_to_be_skipped(tmp_path, tool):
    if not shutil.which(tool[0]):
        pytest.skip("no " + tool[0])
    plain = made_capture(tmp_path / "in.pcap", 500).read_bytes()
    first, second = (subprocess.run(tool, input=part, stdout=subprocess.PIPE, timeout=20, stderr=subprocess.DEVNULL,
                                    check=True).stdout for part in (plain[:9999], plain[9999:]))
    path = tmp_path / "in.pcap.compressed"
    path.write_bytes(skippable(10, 4) + skippable(0, 100000) + first + skippable(15, 0) + second + skippable(3, 7))
    read(tmp_path, path, records=500)
    result = sensor("-r", "-", "-w", tmp_path / "out.pcap", data=path.read_bytes())
    assert result.status == 0 and Summary(result.err).records == 500


@pytest.mark.parametrize("cut", range(55, 100, 11))
@pytest.mark.parametrize("pack, unpack", [(gzip.compress, lambda: zlib.decompressobj(31)), (lzma.compress, lzma.LZMADecompressor)])
def test_cut_in_the_middle(tmp_path, pack, unpack, cut):
    """All of what there is before the cut is read, but for the last piece, of 64 KiB, that libarchive makes of it."""
    plain = made_capture(tmp_path / "in.pcap", 8000).read_bytes()
    packed, path = pack(plain), tmp_path / "cut"
    path.write_bytes(packed[:len(packed) * cut // 100])
    there = len(unpack().decompress(path.read_bytes()))
    assert len(plain) > there > 300000
    summary, err = read(tmp_path, path, status=1)
    at = int(re.search(r"error: \S+: at byte (\d+): broken compressed data: .*; what came before it is good", err).group(1))
    assert there >= at > there - (64 << 10) - 200  # the last record may be cut too
    assert abs(summary.records - 8000 * at / len(plain)) < 20


# Files of the other program

def test_the_reader_is_named_for_datagrams(tmp_path):
    source, out = made_capture(tmp_path / "in.pcap", 500), tmp_path / "flow.pcap"
    assert sensor("-r", source, "-w", out).status == 0
    for options in [], ["-f", "udp"], ["-M", "2"]:
        result = sensor("-r", out, "-u", "127.0.0.1:9", *options)
        lines = [line for line in result.err.splitlines() if "dnsflow_read" in line]
        assert result.status == 0 and len(lines) == 1 and "flow.pcap: DNSFlow datagrams" in lines[0], result.err
        assert "no records" not in result.err
    result = sensor("-r", "-", "-w", tmp_path / "again.pcap", data=out.read_bytes())
    assert "standard input: DNSFlow datagrams" in result.err
    result = sensor(out, source, "-w", tmp_path / "again.pcap")
    assert result.status == 0 and Summary(result.err).records == 500 and result.err.count("dnsflow_read") == 1


@pytest.mark.parametrize("other", [dns(), udp_packet("10.0.0.1", 1234, "10.0.0.2", 5300, b"no datagram"),
                                   udp_packet("10.0.0.53", 53, "10.0.0.9", 5300, response("x.example", ["192.0.2.1"]))])
def test_with_anything_else_in_it_nobody_is_named(tmp_path, other):
    assert sensor("-r", made_capture(tmp_path / "in.pcap", 500), "-w", tmp_path / "flow.pcap").status == 0
    body = (tmp_path / "flow.pcap").read_bytes()
    for frames in (body[:24] + pcap_record(BASE_US, b"\2\0\0\0" + other) + body[24:],
                   body + pcap_record(BASE_US, b"\2\0\0\0" + other)):
        result = sensor("-r", "-", "-w", tmp_path / "out.pcap", data=frames)
        assert result.status == 0 and "dnsflow_read" not in result.err


def test_the_sensor_is_named_for_dns(tmp_path):
    source = made_capture(tmp_path / "in.pcap", 50)
    result = reader("-r", source)
    assert result.status == 0 and result.err.count("\n") == 1
    assert "in.pcap: a capture of DNS responses" in result.err and "dnsflow -r %s -w" % source in result.err
    result = reader("-r", "-", data=source.read_bytes())
    assert result.status == 0 and "standard input: a capture of DNS responses" in result.err
    assert sensor("-r", source, "-w", tmp_path / "flow.pcap").status == 0
    both = (tmp_path / "flow.pcap").read_bytes() + pcap_record(BASE_US, b"\2\0\0\0" + dns())
    assert reader("-r", "-", data=both).err == ""
    query = udp_packet("10.0.0.9", 40000, "10.0.0.53", 53, response("x.example", [], flags=0x0100))
    result = reader("-r", write_pcap(tmp_path / "q.pcap", RAW, [(BASE_US, query)]))
    assert result.status == 0 and "no datagram to UDP port 5300 in 1 frames" in result.err


# Arguments

def test_arguments_are_files(tmp_path):
    names = [tmp_path / name for name in ("a.pcap", "b.pcap", "-c.pcap")]
    for i, name in enumerate(names):
        write_pcap(name, ETHERNET, [(BASE_US + i, response_frame("f%d.example" % i))])
    want = ["f0.example", "f1.example", "f2.example"]
    for arguments in (["-r", *names[:2], "-w", "out", names[2]], [*names, "-w", "out"], ["-w", "out", *names],
                      ["-w", "out", "--", "a.pcap", "b.pcap", "-c.pcap"], ["a.pcap", "-wout", "-rb.pcap", names[2]]):
        result = sensor(*arguments, cwd=tmp_path)
        assert result.status == 0, result.err
        assert [row.split("\t")[2] for row in written_rows(tmp_path / "out")] == want
    result = sensor("-", "-w", tmp_path / "out", data=names[0].read_bytes())
    assert result.status == 0 and Summary(result.err).records == 1
    result = sensor("-w", "out", "--", "-w", cwd=tmp_path)
    assert result.status == 1 and "-w: No such file" in result.err


def test_arguments_that_make_no_sense(tmp_path):
    for arguments in (["-i", "lo", "a.pcap", "-w", "x"], ["", "-w", "x"], ["-w", "x", "a.pcap", "-Z"]):
        result = sensor(*arguments, cwd=tmp_path)
        assert result.status == 2 and result.err.count("\n") == 1, result.err
    result = sensor("a.pcap", "-w", "a.pcap", cwd=tmp_path)
    assert result.status == 1 and "a.pcap" in result.err
    assert "[options] [FILE...]" in sensor("--help").out.decode().splitlines()[0]
    result = reader("a.pcap", cwd=tmp_path)
    assert result.status == 1 and "a.pcap: No such file" in result.err


def test_reader_reads_several_files(tmp_path):
    """One behind the other, by option and without; what is broken is said, and the next one is read."""
    made = [tmp_path / name for name in ("a", "b", "c")]
    for path in made:
        assert sensor("-r", CAPTURES / "made_ipv4.pcap", "-w", path).status == 0
    rows = reader("-r", made[0], "--no-header", "--format", "tsv").out
    assert rows and reader("-r", made[0], *made[1:], "--no-header", "--format", "tsv").out == 3 * rows
    assert reader("--no-header", "--format", "tsv", *made).out == 3 * rows
    whole = made[1].read_bytes()
    made[1].write_bytes(whole[:len(whole) // 2])
    result = reader(*made, "--no-header", "--format", "tsv")
    assert result.status == 1 and result.out == 2 * rows
    assert [line for line in result.err.splitlines() if "error:" in line and "/b: " in line]
    summary = reader("--summary", made[0], made[2])
    assert summary.status == 0
    missing = reader(made[0], tmp_path / "none")
    assert missing.status == 1 and missing.out == b"" and missing.err.count("\n") == 1, "nothing is read then"
