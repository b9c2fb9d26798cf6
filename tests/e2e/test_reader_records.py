# SPDX-License-Identifier: BSD-3-Clause
"""What the reader makes of records that sensors with --records send."""

import json
import random
import struct

import pytest

from conftest import (A, ETHERNET, address_record, ethernet, reader, record, response, response_frame, sensor,
                      udp_packet, wire_name, write_pcap)

NS, SOA, PTR, MX, TXT, HTTPS = 2, 6, 12, 15, 16, 65
FIELDS = ("--no-header", "--format", "tsv", "--fields")


def frame(name, answers=(), qtype=A, rcode=0, client="10.0.0.9", number=1):
    message = response(name, list(answers), qtype=qtype, flags=0x8180 | rcode, number=number)
    return ethernet(udp_packet("10.0.0.53", 53, client, 40000, message))


def txt(*strings):
    return record(TXT, b"".join(b"%c" % len(s) + s for s in strings))


MIXED = [
    frame("www.example.com", [address_record("192.0.2.1")]),
    frame("gone.example.com", rcode=3),
    frame("broken.example.com", rcode=2, client="10.0.0.7"),
    frame("empty.example.com", qtype=28),
    frame("example.com", [record(MX, b"\0\x0a" + wire_name("mail.example.com")),
                          record(MX, b"\0\x14\3bak\xc0\x0c")], MX),
    frame("txt.example.com", [txt(b'a,b|c "d"', b"=cmd")], TXT),
]


def made(tmp_path, frames, *options):
    write_pcap(tmp_path / "in.pcap", ETHERNET, [(1700000000 * 1000000 + i, f) for i, f in enumerate(frames)])
    done = sensor("-r", tmp_path / "in.pcap", "-w", tmp_path / "out.pcap", "--records", "all", *options)
    assert done.status == 0, done.err
    return tmp_path / "out.pcap"


def rows(path, *options):
    done = reader("-r", path, *options)
    assert done.status == 0, done.err
    return done.out.decode().splitlines()


def test_columns(tmp_path):
    got = rows(made(tmp_path, MIXED), *FIELDS, "qname,qtype,rcode,transport,answers,ipv4")
    assert got == [
        "www.example.com\tA\tNOERROR\tudp\t\t192.0.2.1",
        "gone.example.com\tA\tNXDOMAIN\tudp\t\t",
        "broken.example.com\tA\tSERVFAIL\tudp\t\t",
        "empty.example.com\tAAAA\tNOERROR\tudp\t\t",
        "example.com\tMX\tNOERROR\tudp\tMX 10 mail.example.com,MX 20 bak.example.com\t",
        'txt.example.com\tTXT\tNOERROR\tudp\tTXT "a\\044b\\124c \\"d\\"" "=cmd"\t']


def test_csv_can_be_taken_apart(tmp_path):
    import csv
    import io
    done = reader("-r", made(tmp_path, MIXED), "--format", "csv", "--fields", "qname,answers")
    got = list(csv.reader(io.StringIO(done.out.decode())))
    assert got[6] == ["txt.example.com", 'TXT "a\\044b\\124c \\"d\\"" "=cmd"'] and all(len(row) == 2 for row in got)


def test_json(tmp_path):
    got = [r for r in map(json.loads, rows(made(tmp_path, MIXED), "--format", "json")) if r["type"] == "record"]
    assert [r["ext"]["rcode"] for r in got] == ["NOERROR", "NXDOMAIN", "SERVFAIL", "NOERROR", "NOERROR", "NOERROR"]
    assert got[4]["ext"]["answers"] == [
        {"name": "example.com", "type": "MX", "ttl": 300, "rdata": "10 mail.example.com"},
        {"name": "example.com", "type": "MX", "ttl": 300, "rdata": "20 bak.example.com"}]
    assert got[5]["ext"]["answers"][0]["rdata"] == '"a,b|c \\"d\\"" "=cmd"'
    some = [json.loads(line) for line in rows(made(tmp_path, MIXED), "--format", "json", "--fields", "rcode,answers")]
    assert some[4] == {"rcode": "NOERROR", "answers": ["MX 10 mail.example.com", "MX 20 bak.example.com"]}


def test_plain_records_are_as_they_were(tmp_path):
    """Of a sensor without --records nothing is said that it does not know."""
    write_pcap(tmp_path / "in.pcap", ETHERNET, [(0, MIXED[0])])
    assert sensor("-r", tmp_path / "in.pcap", "-w", tmp_path / "out", "-x").status == 0
    assert set(json.loads(rows(tmp_path / "out", "--format", "json")[0])["ext"]) == {
        "sensor_id", "worker", "start_time", "sample_rate", "time", "min_ttl", "qtype", "client_port", "set_flags"}


@pytest.mark.parametrize("options, want", [
    (["--rcode", "NXDOMAIN"], "gone"),
    (["--rcode", "3"], "gone"),
    (["--rcode", "servfail,nxdomain"], "gone broken"),
    (["--rcode", "!NOERROR"], "gone broken"),
    (["--rcode", "!0", "--rcode", "!3"], "broken"),
    (["--qtype", "TXT,15"], "example txt"),
    (["--qtype", "!A", "--qtype", "!AAAA"], "example txt"),
    (["--qtype", "TYPE28"], "empty"),
    (["--transport", "udp"], "www gone broken empty example txt"),
    (["--transport", "!udp"], ""),
    (["--transport", "DoT,doh,doq"], ""),
    (["--rcode", "!NOERROR,NXDOMAIN"], "broken"),
    (["--rcode", "!NOERROR,!NXDOMAIN"], "broken"),
    (["--transport", "tcp,1", "--rcode", "2"], "broken"),
    (["--qtype", "A", "--rcode", "!3"], "www broken")], ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_filters(options, want, tmp_path):
    got = rows(made(tmp_path, MIXED), *FIELDS, "qname", *options)
    assert [name.split(".")[0] for name in got] == want.split()


@pytest.mark.parametrize("options", [("--rcode", "NXDOMAINS"), ("--rcode", "4096"), ("--rcode", ""), ("--rcode", "!"),
                                     ("--rcode", "3,"), ("--qtype", "TYPE65536"), ("--qtype", "TXT;MX"),
                                     ("--transport", "http"), ("--transport", "16")])
def test_wrong_filters(options):
    done = reader("-r", "/nonexistent", *options)
    assert done.status == 2 and done.err.count("\n") == 1 and "expected" in done.err and options[0] in done.err


def test_passive_dns_of_every_type(tmp_path):
    foreign = record(TXT, b"\1x", owner=wire_name("other.example.net"))
    frames = MIXED + [frame("foreign.example.com", [foreign], TXT), MIXED[4]]
    got = [json.loads(line) for line in rows(made(tmp_path, frames), "--format", "cof")]
    assert {(r["rrname"], r["rrtype"], r["rdata"], r["count"]) for r in got} == {
        ("www.example.com", "A", "192.0.2.1", 1), ("example.com", "MX", "10 mail.example.com", 2),
        ("example.com", "MX", "20 bak.example.com", 2), ("txt.example.com", "TXT", '"a,b|c \\"d\\"" "=cmd"', 1)}


def test_owners_that_are_written_out(tmp_path):
    """As some servers do, without compression; they cost no more than a pointer."""
    name = ".".join("0123456789abcdef" * 2) + ".ip6.arpa"
    answers = [record(PTR, wire_name("host%d.example" % i), owner=wire_name(name)) for i in range(25)]
    got = rows(made(tmp_path, [frame(name, answers, PTR)]), *FIELDS, "answers")
    assert got == [",".join("PTR host%d.example" % i for i in range(25))]


@pytest.mark.parametrize("section, owner, rcode", [(2, b"\0", "BADVERS"), (1, b"\0", "NOERROR"), (2, b"\1x\0", "NOERROR")])
def test_opt_in_its_place(section, owner, rcode, tmp_path):
    """The upper bits of the RCODE are those of an OPT of the root in the additional section (RFC 6891)."""
    counts = [1, 0, 0, 0]
    counts[section + 1] = 1
    message = struct.pack("!HH4H", 1, 0x8180, *counts) + wire_name("a.example") + struct.pack("!HH", A, 1) \
        + owner + struct.pack("!HHIH", 41, 1232, 1 << 24, 0)
    packet = ethernet(udp_packet("10.0.0.53", 53, "10.0.0.9", 40000, message))
    assert rows(made(tmp_path, [packet]), *FIELDS, "rcode") == [rcode]


def test_names_in_rdata_have_one_case(tmp_path):
    """A pointer into the question brings the case that the client chose at random."""
    frames = [frame("Ex%sMPLE.com" % c, [record(MX, b"\0\x0a\4MaiL\xc0\x0c")], MX) for c in "aAaA"]
    got = [json.loads(line) for line in rows(made(tmp_path, frames), "--format", "cof")]
    assert [(r["rrname"], r["rdata"], r["count"]) for r in got] == [("example.com", "10 mail.example.com", 4)]


def said(path, *options):
    return [line for line in reader("-r", path, *options).err.splitlines() if "send none" in line]


def test_what_no_sensor_sends(tmp_path):
    """Columns and filters that come to nothing say so once, with the option of the sensor that is missing."""
    write_pcap(tmp_path / "in.pcap", ETHERNET, [(0, MIXED[0])])
    assert sensor("-r", tmp_path / "in.pcap", "-w", tmp_path / "plain").status == 0
    assert sensor("-r", tmp_path / "in.pcap", "-x", "-w", tmp_path / "extended").status == 0
    for path, options, want in (
            ("plain", ["--rcode", "NXDOMAIN"], "--rcode: the sensors send none of these; start them with --records"),
            ("plain", ["--qtype", "A"], "--qtype: the sensors send none of these; start them with -x (--extended)"),
            ("extended", ["--qtype", "A"], None), ("extended", ["--transport", "udp"], "--transport: "),
            ("extended", ["--fields", "client,rcode,answers"], "rcode, answers: "), ("extended", [], None)):
        lines = said(tmp_path / path, *options)
        assert len(lines) == (want is not None) and all("]: " + want in line for line in lines), (path, options, lines)
    assert not said(made(tmp_path, MIXED), "--fields", "rcode,answers", "--rcode", "REFUSED")
    assert rows(tmp_path / "extended", *FIELDS, "qtype,rcode,transport") == ["A\t\t"], "nothing is made up"


def tables(path):
    found, name = {}, None
    for line in rows(path, "--summary"):
        if ": " in line and line.split(": ")[1].endswith("different"):
            name = line.split(":")[0]
            found[name] = []
        elif name and line.split()[:1] and line.split()[0].isdigit():
            found[name].append((int(line.split()[0]), line[48:].strip()))
    return found


def test_who_makes_nxdomain(tmp_path):
    dice = random.Random(3)
    frames = [frame("n%d.example.org" % i, rcode=3, client="10.0.1.%d" % dice.randrange(1, 4), number=i)
              for i in range(60)]
    frames += [frame("s.example.org", rcode=2, client="10.0.2.1")] * 5 + [frame("ok.example.org", qtype=TXT)] * 2
    got = tables(made(tmp_path, frames))
    assert sum(count for count, _ in got["nxdomain"]) == 60 and {c for _, c in got["nxdomain"]} == {
        "10.0.1.1", "10.0.1.2", "10.0.1.3"}
    assert got["servfail"] == [(5, "10.0.2.1")]
    assert got["rcodes"] == [(60, "NXDOMAIN A"), (5, "SERVFAIL A"), (2, "NOERROR TXT")]


def test_a_tunnel_stands_out(tmp_path):
    """Many different names below one domain, where the others ask for few again and again."""
    frames = [frame("%032x.t.tunnel.example" % i, [txt(b"x" * 200)], TXT, number=i) for i in range(400)]
    frames += [response_frame("www%d.busy.example" % (i % 5)) for i in range(2000)]
    got = tables(made(tmp_path, frames))
    assert got["domains"][0] == (2000, "busy.example")
    assert got["subdomains"] == [(400, "tunnel.example"), (5, "busy.example")]


def test_no_such_tables_of_plain_sensors(tmp_path):
    write_pcap(tmp_path / "in.pcap", ETHERNET, [(0, MIXED[0])])
    assert sensor("-r", tmp_path / "in.pcap", "-w", tmp_path / "out", "-x").status == 0
    assert not {"nxdomain", "servfail", "rcodes"} & set(tables(tmp_path / "out"))
