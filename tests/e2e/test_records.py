# SPDX-License-Identifier: BSD-3-Clause
"""--records: responses without addresses, errors, all types; what all records then tell."""

import struct

import pytest

from conftest import (A, AAAA, ANY, BASE_US, CAPTURES, CNAME, ETHERNET, TRAILER_COUNTERS, Summary, ethernet,
                      list_captures, read_pcap, record, response, sensor, udp_packet, unused_port, wire_name,
                      write_pcap, written_payload)
from dnstap import Tap, frames, handshake, message, whole
from metrics_page import ask, series_of
from records_twin import ANSWERS_CUT, DNSTAP, MDNS, TCP, Written

NS, SOA, MX, TXT, HTTPS = 2, 6, 15, 16, 65
NXDOMAIN, REFUSED = 3, 5
KINDS = "nodata nxdomain error other".split()
WORDS = ["address"] + KINDS + ["all"]


def flags(rcode=0, ra=True, tc=False):
    return 0x8100 | (0x80 if ra else 0) | (0x200 if tc else 0) | rcode


def with_opt(dns, upper):
    return dns[:10] + b"\0\1" + dns[12:] + b"\0" + struct.pack("!HHIH", 41, 1232, upper << 24, 0)


def frame(dns, client="10.0.0.9", port=40000, source_port=53):
    return ethernet(udp_packet("10.0.0.53", source_port, client, port, dns))


MESSAGES = {
    "address": response("address.example", ["192.0.2.1"]),
    "nodata": response("nodata.example", [], AAAA),
    "nxdomain": response("nxdomain.example", [], A, flags(NXDOMAIN)),
    "error": response("error.example", [], A, flags(REFUSED, ra=False)),
    "other": response("other.example", [record(TXT, b"\4text")], TXT),
}
PLAIN_REASONS = {"nodata": "dns_no_address", "nxdomain": "dns_nxdomain", "error": "dns_not_ra", "other": "dns_qtype"}


@pytest.fixture
def capture(tmp_path):
    def write(*messages):
        return write_pcap(tmp_path / "in.pcap", ETHERNET,
                          [(BASE_US + 1000 * i, m if m[:6] == bytes(6) else frame(m)) for i, m in enumerate(messages)])
    return write


@pytest.fixture
def ran(tmp_path):
    def go(source, *options):
        done = sensor("-r", source, "-w", tmp_path / "out.pcap", *options)
        assert done.status == 0, done.err
        return Summary(done.err), Written(tmp_path / "out.pcap")
    return go


# The command line

@pytest.mark.parametrize("value", ["", "none", "ALL", "nodata,", ",nodata", "nodata,,all", "nodata nxdomain", "addres",
                                   "addresses", "nodata,servfail", " all"])
def test_unknown_words(tmp_path, capture, value):
    done = sensor("-r", capture(MESSAGES["address"]), "-w", tmp_path / "out.pcap", "--records", value)
    assert done.status == 2 and len(done.err.splitlines()) == 1
    assert all(word in done.err for word in WORDS + ["--records"])
    assert not (tmp_path / "out.pcap").exists()


def names_with(ran, source, *options):
    summary, written = ran(source, *options)
    for kind in KINDS:
        there = any(r.names == [kind + ".example"] for r in written.records)
        assert summary.notes.get(kind + "_records", 0) == int(there)
        assert summary.message_reasons.get(PLAIN_REASONS[kind], 0) == int(not there)
    assert summary.with_record == len(written.records) and summary.parsed == len(MESSAGES)
    return [r.names[0].split(".")[0] for r in written.records]


@pytest.mark.parametrize("value", WORDS + ["nodata,other", "other,nodata,other", "address,error", "nxdomain,all"])
def test_words(capture, ran, value):
    source, words = capture(*MESSAGES.values()), value.split(",")
    wanted = [k for k in MESSAGES if k == "address" or k in words or "all" in words]
    assert names_with(ran, source, "--records", value) == wanted
    assert names_with(ran, source, *sum((["--records", w] for w in words), [])) == wanted, "given again"


def test_address_fills_the_result(capture, ran):
    _, written = ran(capture(*MESSAGES.values()), "--records", "address")
    assert [(r.names, r.rcode, r.transport) for r in written.records] == [(["address.example"], 0, 1)]
    assert written.flags == {2, 3}


def test_all(capture, ran):
    _, written = ran(capture(*MESSAGES.values()), "--records", "all")
    assert [(r.names[0], r.qtype, r.rcode, r.transport, len(r.addresses), r.ttl) for r in written.records] == [
        ("address.example", A, 0, 1, 4, 300), ("nodata.example", AAAA, 0, 1, 0, 0), ("nxdomain.example", A, 3, 1, 0, 0),
        ("error.example", A, 5, 1, 0, 0), ("other.example", TXT, 0, 1, 0, 0)]
    assert [r.answers for r in written.records] == [[], [], [], [], [(0, TXT, 300, b"\4text")]]
    assert all(r.client[:4] == bytes([10, 0, 0, 9]) and r.port == 40000 and r.flags == 0 for r in written.records)
    assert [r.time_us for r in written.records] == [BASE_US + 1000 * i for i in range(5)]
    assert written.flags == {2 | 8, 3}


def test_without_it_nothing_is_different(capture, tmp_path):
    source = capture(*MESSAGES.values())
    for options in (), ("-x",):
        done = sensor("-r", source, "-w", tmp_path / "out.pcap", *options)
        assert done.status == 0 and Summary(done.err).records == 1
        for _, packet in read_pcap(tmp_path / "out.pcap")[1]:
            data = written_payload(packet)
            assert struct.unpack_from("!H", data, 2)[0] & ~3 == 0
            if options and not data[3] & 1:
                assert data[-2:] == b"\0\0", "the result"


@pytest.mark.parametrize("name", [name for name, _, _ in list_captures()])
def test_addresses_are_the_same(tmp_path, name):
    """Those of the captures, with all kinds and without."""
    plain, every = tmp_path / "plain.pcap", tmp_path / "all.pcap"
    done = sensor("-r", CAPTURES / name, "-w", plain, "-x"), sensor("-r", CAPTURES / name, "-w", every, "--records", "all")
    assert [d.status for d in done] == [0, 0], done
    summaries = [Summary(d.err) for d in done]

    def rows(path):
        return [(r.client, r.names, r.addresses, r.time_us, r.ttl, r.qtype, r.port, r.flags & ~ANSWERS_CUT)
                for r in Written(path).records if r.addresses and r.rcode == 0 and r.qtype in (A, AAAA, ANY)]
    assert rows(plain) == rows(every)
    more = sum(summaries[1].notes.get(k + "_records", 0) for k in KINDS)
    assert summaries[0].with_record + more == summaries[1].with_record
    assert summaries[0].parsed == summaries[1].parsed


# What is in them

def test_names_and_answers(capture, ran):
    at = 12 + len(wire_name("q.example")) + 4
    target = b"\xc0" + bytes([at + 12])
    chain = record(CNAME, wire_name("To.example"))
    messages = [
        response("q.example", [chain, record(MX, b"\0\5\2mx\xc0\x0e", target), record(MX, b"\0\6\xc0\x0c", target)], MX),
        response("q.example", [chain, record(TXT, b"\1x", wire_name("tO.EXAMPLE")), record(TXT, b"\1y")], TXT),
        response("q.example", [record(SOA, b"\2ns\xc0\x0e\4host\xc0\x0e" + bytes(range(20)))], SOA),
        response("q.example", [chain], AAAA, flags(NXDOMAIN)),
        response("q.example", ["192.0.2.1", record(NS, b"\2ns\xc0\x0e"), record(46, b"signature")], ANY),
        with_opt(response("q.example", []), 1),
        with_opt(response("q.example", [], A, flags(NXDOMAIN)), 2),
    ]
    summary, written = ran(capture(*messages), "--records", "all")
    mx, txt, soa, gone, every, version, strange = written.records
    example = wire_name("example")
    assert mx.names == ["q.example", "To.example"] and mx.ttl == 300
    assert mx.answers == [(1, MX, 300, b"\0\5\2mx" + example), (1, MX, 300, b"\0\6" + wire_name("q.example"))]
    assert txt.answers == [(1, TXT, 300, b"\1x"), (0, TXT, 300, b"\1y")]
    assert soa.answers == [(0, SOA, 300, b"\2ns" + example + b"\4host" + example + bytes(range(20)))]
    assert gone.names == ["q.example", "To.example"] and gone.answers == [] and gone.rcode == 3 and gone.ttl == 300
    assert every.addresses == bytes([192, 0, 2, 1]) and every.answers == [(0, NS, 300, b"\2ns" + example)]
    assert (version.rcode, strange.rcode) == (16, 35)
    assert {k: summary.notes.get(k + "_records", 0) for k in KINDS} == {"nodata": 0, "nxdomain": 1, "error": 2, "other": 3}
    assert "answers_malformed" not in summary.notes


def test_malformed_answers(capture, ran):
    summary, written = ran(capture(response("q.example", [record(MX, b"\0"), record(MX, b"\0\1\0"), record(MX, b"\0\1\xff\xff")],
                                            MX)), "--records", "other")
    assert written.records[0].answers == [(0, MX, 300, b"\0\1\0")]
    assert summary.notes["answers_malformed"] == 2 and summary.with_record == 1


def test_more_than_a_datagram_holds(capture, ran):
    texts = [record(TXT, b"\xfa" + bytes([i]) * 250) for i in range(8)]
    few = response("few.example", texts[:1], TXT)
    summary, written = ran(capture(few, response("many.example", texts, TXT), few), "--records", "other")
    assert [len(r.answers) for r in written.records] == [1, 5, 1]
    assert [r.flags for r in written.records] == [0, ANSWERS_CUT, 0]
    assert [a.rdata[1] for a in written.records[1].answers] == list(range(5))
    assert summary.notes["answers_cut"] == 1 and summary.with_record == 3
    # what the parser keeps, and the datagram has no room for
    texts = [record(TXT, b"\xf0" + bytes(240)) for _ in range(5)] + [record(TXT, b"\x90" + bytes(144))]
    summary, written = ran(capture(response("x" * 60 + ".example", texts, TXT)), "--records", "other")
    assert [len(r.answers) for r in written.records] == [5] and written.records[0].flags == ANSWERS_CUT
    assert summary.notes["answers_cut"] == 1


def test_truncated(capture, ran):
    messages = [response("tc.example", [], A, flags(tc=True)), response("tc.example", [record(TXT, b"\1x")], TXT, flags(tc=True)),
                response("tc.example", ["192.0.2.1"], A, flags(tc=True)),
                response("tc.example", [], A, flags(NXDOMAIN, tc=True))]
    summary, written = ran(capture(*messages), "--records", "all")
    assert summary.message_reasons == {"dns_truncated": 3}
    assert len(written.records) == 1 and written.records[0].addresses
    summary, _ = ran(capture(*messages), "--records", "error")
    assert summary.message_reasons == {"dns_no_address": 1, "dns_qtype": 1, "dns_nxdomain": 1}


def test_svcb(capture, ran):
    hint = struct.pack("!HBHH4B", 1, 0, 4, 4, 192, 0, 2, 7)
    messages = [response("with.example", [record(HTTPS, hint)], HTTPS), response("without.example", [record(HTTPS, hint[:3])], HTTPS)]
    summary, written = ran(capture(*messages), "--records", "all", "--svcb")
    assert [(r.names[0], r.addresses) for r in written.records] == [("with.example", bytes([192, 0, 2, 7])),
                                                                    ("without.example", b"")]
    assert summary.notes["other_records"] == 1 and "nodata_records" not in summary.notes
    summary, written = ran(capture(*messages), "--records", "all")
    assert summary.notes["other_records"] == 2
    assert [r.answers for r in written.records] == [[(0, HTTPS, 300, hint)], [(0, HTTPS, 300, hint[:3])]]
    summary, _ = ran(capture(*messages), "--records", "address,nodata", "--svcb")
    assert summary.message_reasons == {"dns_no_address": 1} and summary.with_record == 1


def test_not_for_multicast(capture, ran):
    """Its records have no result, not that of the response before either."""
    mdns = response("printer.local", ["192.0.2.9"], flags=0x8400)
    empty = response("scanner.local", [], flags=0x8400 | NXDOMAIN)
    source = capture(MESSAGES["error"], frame(mdns, source_port=5353, port=5353), frame(empty, source_port=5353, port=5353))
    summary, written = ran(source, "-Y", "--records", "all")
    assert [(r.names[0], r.rcode, r.transport, r.flags) for r in written.records] == [
        ("error.example", 5, 1, 0), ("printer.local", 0, 0, MDNS)]
    assert summary.with_record == 2


# What they came by

def test_dnstap(tmp_path):
    protocols = [1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 200, 1 << 32 | 2]
    made = [message("n%d.example" % i, protocol=p) for i, p in enumerate(protocols)]
    (tmp_path / "in.tap").write_bytes(whole(*made, message(protocol=4, dns=MESSAGES["nxdomain"])))
    done = sensor("-t", tmp_path / "in.tap", "-w", tmp_path / "out.pcap", "--records", "all")
    assert done.status == 0, done.err
    records = Written(tmp_path / "out.pcap").records
    assert [r.transport for r in records] == [1, 2, 3, 4, 5, 6, 7, 9, 15, 0, 0, 0, 4]
    assert [r.flags for r in records] == [DNSTAP | (TCP if p == 2 else 0) for p in protocols] + [DNSTAP]
    assert records[-1].rcode == NXDOMAIN


def test_tcp(tmp_path):
    messages = [MESSAGES["nxdomain"], MESSAGES["other"], MESSAGES["address"]]
    stream = b"".join(struct.pack("!H", len(m)) + m for m in messages)

    def segment(number, bits, data=b""):
        tcp = struct.pack("!HHIIBBHHH", 53, 40000, number, 1, 0x50, bits, 8192, 0, 0) + data
        packet = udp_packet("10.0.0.53", 53, "10.0.0.9", 40000, tcp[8:])
        head = packet[:9] + b"\6\0\0" + packet[12:20]
        return ethernet(head + tcp)
    write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US, segment(99, 0x12)), (BASE_US + 1, segment(100, 0x18, stream))])
    done = sensor("-r", tmp_path / "in.pcap", "-w", tmp_path / "out.pcap", "--records", "all")
    assert done.status == 0, done.err
    assert [(r.names[0], r.transport, r.flags, r.rcode) for r in Written(tmp_path / "out.pcap").records] == [
        ("nxdomain.example", 2, TCP, 3), ("other.example", 2, TCP, 0), ("address.example", 2, TCP, 0)]


# Accounts

COUNTED = {"nodata": 2, "nxdomain": 3, "error": 4, "other": 5}


def test_counters(capture, ran):
    messages = sum(([MESSAGES[k]] * n for k, n in COUNTED.items()), [MESSAGES["address"]])
    summary, written = ran(capture(*messages), "--records", "all")
    counters = dict(zip(TRAILER_COUNTERS, written.counters))
    for kind, n in COUNTED.items():
        assert summary.notes[kind + "_records"] == counters[kind + "_records"] == n
    assert summary.records == counters["records"] == counters["sets"] == counters["messages_with_record"] == 15
    assert summary.message_reasons == {}


def test_sampling(capture, ran):
    summary, written = ran(capture(*[MESSAGES["nxdomain"], MESSAGES["other"]] * 400), "--records", "all", "-s", "4")
    assert summary.message_reasons["sampled"] + summary.with_record == 800
    assert 100 < summary.with_record < 320 and written.rates == {4}
    assert summary.notes["nxdomain_records"] + summary.notes["other_records"] == summary.with_record == len(written.records)


def test_share(capture, ran):
    """A message that is another sensor's is none of these kinds here."""
    source = capture(*[frame(MESSAGES["nxdomain"], client="10.0.0.%d" % i) for i in range(1, 101)])
    shares = [ran(source, "--records", "all", "-m", "%d/3" % i)[0].notes.get("nxdomain_records", 0) for i in (1, 2, 3)]
    assert sum(shares) == 100


def test_metrics(tmp_path):
    """The page counts them as the datagrams do."""
    address = "127.0.0.1", unused_port()
    with Tap(tmp_path, "--records", "all", "--metrics", "%s:%d" % address) as tap:
        s = tap.connect()
        handshake(s)
        s.sendall(frames(*[message(dns=MESSAGES[k]) for k, n in COUNTED.items() for _ in range(n)]))
        tap.wait_records(sum(COUNTED.values()))
        found = series_of(ask(address, "/metrics")[2])
        for kind, n in COUNTED.items():
            values = [f.value for f in found if kind + "_records" in f.labels.values() or
                      f.name == "dnsflow_%s_records_total" % kind]
            assert sum(values) == n, kind
