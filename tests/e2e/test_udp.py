# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams over UDP: collectors, workers, shares, sampling, pace."""

import collections
import shutil
import socket
import struct
import time

import pytest

from conftest import (BASE_US, CAPTURES, CNAME, ETHERNET, SENSOR, Collector, Summary, address_record, check_sequence,
                      ethernet, expected_rows, made_capture, needs_root, ok, read_pcap, read_written, record, response,
                      response_frame, rows_of, run, sensor, udp_packet, unused_port, wire_name, write_pcap,
                      written_rows)

CAPTURE = "real_dnsperf.pcap"
FILE = CAPTURES / CAPTURE


def one_stream(collector, count):
    streams = collector.datagrams(count)
    assert len(streams) == 1, "one source port"
    datagrams = next(iter(streams.values()))
    check_sequence(datagrams)
    return datagrams


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_same_records_as_in_a_file(host):
    first = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with Collector(first[4][0]) as collector:
        name = "[%s]" % host if ":" in host else host
        summary = ok("-r", FILE, "-u", "%s:%d" % (name, collector.port))
        (text, sent, lost, refused), = summary.collectors()
        assert text == "%s:%d" % (name, collector.port) and (lost, refused) == (0, 0)
        datagrams = one_stream(collector, sent)
    assert rows_of(datagrams) == expected_rows(CAPTURE)
    assert max(d.length for d in datagrams) <= (1452 if first[0] == socket.AF_INET6 else 1472)


def test_udp_and_file_together(tmp_path):
    with Collector() as collector:
        summary = ok("-r", FILE, "-x", "-u", collector.target, "-w", tmp_path / "out.pcap")
        datagrams = one_stream(collector, summary.notes["datagrams"])
    assert datagrams == [d for _, d in read_written(tmp_path / "out.pcap")]
    assert datagrams[-1].stats and rows_of(datagrams) == expected_rows(CAPTURE)
    assert summary.notes["sent"] == summary.notes["written"] == summary.notes["datagrams"]


def big_responses(path):
    """Responses that need more than one datagram each, so that the first part fills one."""
    records = []
    for i in range(40):
        answers = ["192.0.%d.%d" % (i, k) for k in range(200)] + ["2001:db8::%x" % k for k in range(60)]
        records.append((BASE_US + i, response_frame("big%d.example" % i, answers)))
    return write_pcap(path, ETHERNET, records)


def test_limit_is_the_smallest_of_the_collectors(tmp_path):
    capture = big_responses(tmp_path / "in.pcap")
    ok("-r", capture, "-w", tmp_path / "alone.pcap")
    assert 1452 < max(d.length for _, d in read_written(tmp_path / "alone.pcap")) <= 1472
    with Collector() as v4, Collector("::1") as v6:
        summary = ok("-r", capture, "-u", v4.target, "-u", v6.target, "-w", tmp_path / "out.pcap")
        got4 = one_stream(v4, summary.notes["datagrams"])
        got6 = one_stream(v6, summary.notes["datagrams"])
    assert got4 == got6 == [d for _, d in read_written(tmp_path / "out.pcap")]
    assert max(d.length for d in got6) <= 1452


@needs_root
@pytest.mark.parametrize("host, mtu, limit", [("127.0.0.1", 1300, 1272), ("127.0.0.1", 600, 1232),
                                              ("[::1]", 1300, 1252), ("[::1]", 1280, 1232)])
def test_limit_follows_the_route(host, mtu, limit, tmp_path):
    if not shutil.which("unshare") or not shutil.which("ip") or run(["unshare", "-n", "true"]).status:
        pytest.skip("no network namespaces here")
    capture = big_responses(tmp_path / "in.pcap")
    script = 'ip link set lo up mtu %d && exec "$@"' % mtu
    result = run(["unshare", "-n", "sh", "-c", script, "sh", SENSOR, "-r", capture, "-u", host + ":5300",
                  "-w", tmp_path / "out.pcap"])
    assert result.status == 0, result.err
    lengths = [d.length for _, d in read_written(tmp_path / "out.pcap")]
    assert limit - 16 < max(lengths) <= limit
    (_, sent, lost, _), = Summary(result.err).collectors()
    assert sent + lost == len(lengths)
    assert lost == (len(lengths) if mtu < limit else 0)  # below the floor: refused and counted


def test_a_dead_collector_does_not_hurt(tmp_path):
    dead = unused_port()
    with Collector() as live:
        summary = ok("-r", FILE, "-u", "127.0.0.1:%d" % dead, "-u", live.target)
        datagrams = one_stream(live, summary.notes["datagrams"])
    assert rows_of(datagrams) == expected_rows(CAPTURE)
    first, second = summary.collectors()
    assert first[0] == "127.0.0.1:%d" % dead and first[3] > 0, "port-unreachable replies are counted"
    assert second[2:] == (0, 0)
    assert summary.notes["send_refused"] == first[3]
    assert summary.notes["sent"] + summary.notes.get("send_lost", 0) == 2 * summary.notes["datagrams"]


def test_ten_collectors(tmp_path):
    collectors = [Collector() for _ in range(11)]
    try:
        options = [o for c in collectors[:10] for o in ("-u", c.target)]
        summary = ok("-r", FILE, *options)
        ports = set()
        for c in collectors[:10]:
            datagrams = one_stream(c, summary.notes["datagrams"])
            assert rows_of(datagrams) == expected_rows(CAPTURE)
            ports.add(c.got[0][0])
        assert len(ports) == 10, "each collector has a source port of its own"
        result = sensor("-r", FILE, *options, "-u", collectors[10].target)
        assert result.status == 2 and result.err.count("\n") == 1
        assert "--udp" in result.err and collectors[10].target in result.err and "10" in result.err
    finally:
        for c in collectors:
            c.__exit__()


def test_name_that_does_not_resolve(tmp_path):
    with Collector() as live:
        summary = ok("-r", FILE, "-u", "nowhere.invalid", "-u", live.target)
        assert rows_of(one_stream(live, summary.notes["datagrams"])) == expected_rows(CAPTURE)
    lost = [c for c in summary.collectors() if c[0] == "nowhere.invalid:5300"][0]
    assert lost[1:] == (0, summary.notes["datagrams"], 0)
    assert summary.notes["send_lost"] == summary.notes["datagrams"]
    warnings = [line for line in summary.lines if line.startswith("warning: ")]
    assert len(warnings) == 1 and "nowhere.invalid" in warnings[0]


# Workers

@pytest.mark.parametrize("workers", [2, 3, 4])
def test_workers_share_the_work(workers, tmp_path):
    capture = made_capture(tmp_path / "in.pcap", 3000, clients=50)
    ok("-r", capture, "-w", tmp_path / "out.pcap")
    want = written_rows(tmp_path / "out.pcap")
    with Collector() as collector:
        summary = ok("-r", capture, "-M", workers, "-x", "-u", collector.target)
        streams = collector.datagrams(summary.notes["datagrams"])
    assert len(streams) == workers, "one source port per worker"
    owner = collections.defaultdict(set)
    rows, numbers = [], set()
    for port, datagrams in streams.items():
        check_sequence(datagrams)
        assert [bool(d.stats) for d in datagrams] == [False] * (len(datagrams) - 1) + [True]
        numbers |= {d.trailer.worker for d in datagrams}
        assert len({d.trailer.worker for d in datagrams}) == 1
        rows += rows_of(datagrams)
        for d in datagrams:
            for s in d.sets:
                owner[s.client, s.resolver].add(port)
    assert numbers == set(range(workers))
    assert collections.Counter(rows) == collections.Counter(want)
    assert summary.records == 3000
    assert sum(d[-1].stats[0] for d in streams.values()) == 3000
    assert len(owner) == 150, "50 clients over IPv4 ask two resolvers, as many over IPv6 one"
    assert all(len(ports) == 1 for ports in owner.values()), "a client and its resolver stay at one worker"


def test_workers_over_all_captures():
    names = ["real_lo.pcap", "real_merged.pcapng", "made_packets.pcap", "made_cut.pcap", "made_vlan.pcap"]
    options = [o for n in names for o in ("-r", CAPTURES / n)]
    want = [row for n in names for row in expected_rows(n)]
    with Collector() as one, Collector() as three:
        alone = ok(*options, "-u", one.target)
        shared = ok(*options, "-M", 3, "-u", three.target)
        got = [rows_of(d) for d in three.datagrams(shared.notes["datagrams"]).values()]
    assert collections.Counter(r for rows in got for r in rows) == collections.Counter(want)
    assert shared.reasons == alone.reasons and shared.seen == alone.seen


def test_workers_and_a_file_are_refused(tmp_path):
    result = sensor("-r", FILE, "-M", 2, "-w", tmp_path / "out.pcap")
    assert result.status == 2 and result.err.count("\n") == 1 and "--write" in result.err
    assert not (tmp_path / "out.pcap").exists()
    ok("-r", FILE, "-M", 1, "-w", tmp_path / "out.pcap")


# Shares

def share_value(frame, by_checksum):
    """What is divided by N, for a frame of Ethernet without tags; None if it is no DNS response."""
    ip = frame[14:]
    if frame[12:14] == b"\x08\0" and ip[9] == 17:
        udp = ip[(ip[0] & 15) * 4:]
        source, _, _, check = struct.unpack("!HHHH", udp[:8])
        fragment = ip[6] & 0x3F or ip[7]
        value = check if by_checksum and check and not fragment else struct.unpack("!I", ip[16:20])[0]
    elif frame[12:14] == b"\x86\xdd" and ip[6] == 17:
        source, _, _, value = struct.unpack("!HHHH", ip[40:48])
    else:
        return None
    return value if source == 53 else None


def shares_capture(path):
    records = read_pcap(made_capture(path, 400, clients=97))[1]
    for i in range(60):
        message = response("z%d.example" % i, ["192.0.2.%d" % i])
        packet = udp_packet("10.0.0.53", 53, "172.16.%d.%d" % (i, 7 * i % 256), 1234, message,
                            check=0 if i % 2 else None, first_fragment=i % 3 == 0)
        records.append((BASE_US + 500000 + i, ethernet(packet)))
    return write_pcap(path, ETHERNET, records)


@pytest.mark.parametrize("balance", [False, True])
@pytest.mark.parametrize("source, n", [("made", 1), ("made", 3), ("made", 7), ("made", 65535),
                                       ("real_veth4.pcap", 2), ("real_veth6.pcap", 3), (CAPTURE, 4)])
def test_shares(source, n, balance, tmp_path):
    capture = shares_capture(tmp_path / "in.pcap") if source == "made" else CAPTURES / source
    link, frames = read_pcap(capture)
    assert link == ETHERNET
    options = ["--no-defrag", "--no-tcp"] + (["-c"] if balance else [])
    values = {share_value(f, balance) for _, f in frames} - {None}
    asked = range(1, n + 1) if n < 100 else sorted({v % n + 1 for v in values})[::60]
    total = 0
    for i in asked:
        mine = [(t, f) for t, f in frames if share_value(f, balance) is not None and
                share_value(f, balance) % n == i - 1]
        ok("-r", write_pcap(tmp_path / "mine.pcap", ETHERNET, mine), "--no-defrag", "-w", tmp_path / "want.pcap")
        summary = ok("-r", capture, "-m", "%d/%d" % (i, n), *options, "-w", tmp_path / "out.pcap")
        rows = written_rows(tmp_path / "out.pcap")
        assert rows == written_rows(tmp_path / "want.pcap")
        assert summary.delivered == len(mine)
        total += len(rows)
    if n < 100:
        whole = ok("-r", capture, "--no-defrag", "--no-tcp", "-w", tmp_path / "whole.pcap")
        assert total == whole.records


def test_share_first_then_workers(tmp_path):
    capture = shares_capture(tmp_path / "in.pcap")
    ok("-r", capture, "-m", "2/3", "-w", tmp_path / "out.pcap")
    with Collector() as collector:
        summary = ok("-r", capture, "-m", "2/3", "-M", 3, "-u", collector.target)
        rows = [r for d in collector.datagrams(summary.notes["datagrams"]).values() for r in rows_of(d)]
    assert collections.Counter(rows) == collections.Counter(written_rows(tmp_path / "out.pcap"))


# Sampling

def test_sampling(tmp_path):
    capture = made_capture(tmp_path / "in.pcap", 4000)
    whole = ok("-r", capture, "-w", tmp_path / "whole.pcap")
    assert "sampled" not in whole.reasons
    everything = written_rows(tmp_path / "whole.pcap")
    for n in 2, 10, 100:
        out = [tmp_path / "1", tmp_path / "2"]
        for path in out:
            summary = ok("-r", capture, "-s", n, "-x", "-w", path)
        assert out[0].read_bytes() == out[1].read_bytes(), "reproducible"
        assert summary.message_reasons["sampled"] + summary.with_record == 4000
        mean, spread = 4000 / n, (4000 / n * (1 - 1 / n)) ** 0.5
        assert abs(summary.with_record - mean) < 5 * spread, "about 1 in %d" % n
        datagrams = [d for _, d in read_written(out[0])]
        assert {d.trailer.sample_rate for d in datagrams} == {n}
        kept = summary.captured - summary.message_reasons["sampled"]
        assert list(datagrams[-1].stats) == [kept, summary.captured, 0, 0, n]
        rows = rows_of(datagrams)
        chosen = iter(everything)
        assert all(row in chosen for row in rows), "in order, each once"
    ok("-r", capture, "-s", 1, "-w", tmp_path / "every.pcap")
    assert written_rows(tmp_path / "every.pcap") == everything


# Pace

@pytest.mark.parametrize("workers", [1, 2])
def test_rate(workers, tmp_path):
    capture = made_capture(tmp_path / "in.pcap", 80)
    with Collector() as collector:
        start = time.monotonic()
        summary = ok("-r", capture, "-M", workers, "--rate", 100, "-u", collector.target)
        elapsed = time.monotonic() - start
        collector.datagrams(summary.notes["datagrams"])
    assert summary.records == 80
    # Workers have equal parts of the rate; their shares of the messages may not be equal.
    assert 0.6 < elapsed < 4


def test_high_rate_does_not_slow(tmp_path):
    capture = made_capture(tmp_path / "in.pcap", 2000)
    start = time.monotonic()
    ok("-r", capture, "--rate", 4294967295, "-w", tmp_path / "out.pcap")
    assert time.monotonic() - start < 3


# Time

def flush_groups(tmp_path, times):
    base = BASE_US
    records = [(base + t, response_frame("t%d.example" % i)) for i, t in enumerate(times)]
    ok("-r", write_pcap(tmp_path / "in.pcap", ETHERNET, records), "-w", tmp_path / "out.pcap")
    written = read_written(tmp_path / "out.pcap")
    check_sequence([d for _, d in written])
    groups, at = [], 0
    for time_us, d in written:
        group = list(times[at:at + len(d.sets)])
        assert [s.names[0] for s in d.sets] == ["t%d.example" % (at + i) for i in range(len(group))]
        assert time_us - base == group[-1], "record time is that of the last response in it"
        groups.append(group)
        at += len(group)
    assert at == len(times)
    return groups


def test_flush_after_a_second_of_capture_time(tmp_path):
    assert flush_groups(tmp_path, [0, 500000, 1600000, -3400000]) == [[0, 500000], [1600000], [-3400000]]


def test_flush_counts_from_the_first_set(tmp_path):
    assert flush_groups(tmp_path, [0, 600000, 1200000, 1800000, 2400000]) == \
        [[0, 600000], [1200000, 1800000], [2400000]]


def test_small_steps_back_stay_together(tmp_path):
    assert flush_groups(tmp_path, [0, -900000, 999999, -999999, 1000001]) == \
        [[0, -900000, 999999, -999999], [1000001]]


def test_time_passes_with_other_frames_and_files(tmp_path):
    """A frame without a response lets time pass too; the next file may begin earlier."""
    arp = bytes(12) + b"\x08\x06" + bytes(46)
    first = write_pcap(tmp_path / "1.pcap", ETHERNET, [
        (BASE_US, response_frame("a.example")), (BASE_US + 2000000, arp), (BASE_US + 100, response_frame("b.example"))])
    second = write_pcap(tmp_path / "2.pcap", ETHERNET, [(BASE_US - 86400000000, response_frame("c.example"))])
    ok("-r", first, "-r", second, "-w", tmp_path / "out.pcap")
    assert [(t - BASE_US, d.sets[0].names[0]) for t, d in read_written(tmp_path / "out.pcap")] == \
        [(0, "a.example"), (100, "b.example"), (-86400000000, "c.example")]


# What goes into sets

def one_response(tmp_path, name, answers, *options, qtype=255):
    packet = udp_packet("10.0.0.53", 53, "10.0.0.9", 41000, response(name, answers, qtype=qtype))
    write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US, ethernet(packet))])
    summary = ok("-r", tmp_path / "in.pcap", "-w", tmp_path / "out.pcap", *options)
    datagrams = [d for _, d in read_written(tmp_path / "out.pcap")]
    check_sequence(datagrams)
    return summary, datagrams


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("v4_count", [0, 200, 700])
def test_many_addresses_are_split(v4_count, extended, tmp_path):
    v4 = ["10.%d.%d.1" % (i // 250, i % 250) for i in range(v4_count)]
    v6 = ["2001:db8::%x" % (i + 1) for i in range(300)]
    mixed = [a for pair in zip(v4, v6) for a in pair] + v4[300:] + v6[v4_count:]
    summary, datagrams = one_response(tmp_path, "many.example", mixed, *(["-x"] if extended else []))
    sets = [s for d in datagrams for s in d.sets]
    assert [a for s in sets for a in s.ipv4] == v4 and [a for s in sets for a in s.ipv6] == v6
    assert all(s.names == ["many.example"] for s in sets)
    last_v4 = max((i for i, s in enumerate(sets) if s.ipv4), default=0)
    assert all(len(s.ipv4) == 255 or not s.ipv6 for s in sets[:last_v4]), "IPv4 first"
    assert all(d.length <= 1472 for d in datagrams) and max(d.length for d in datagrams) > 1440
    assert (summary.with_record, summary.records, summary.notes["sets"]) == (1, 1, len(sets))
    if extended:
        assert [s.ext.flags for s in sets] == [0] + [1] * (len(sets) - 1)
        assert {s.ext[:4] for s in sets} == {(BASE_US, 300, 255, 41000)}


def cname(target):
    return record(CNAME, wire_name(target))


def test_more_names_than_fit_a_set(tmp_path):
    summary, datagrams = one_response(tmp_path, "q", [cname("n%d" % i) for i in range(300)] + ["192.0.2.1"])
    (one,), = [d.sets for d in datagrams]
    assert one.names == ["q"] + ["n%d" % i for i in range(254)] and one.ipv4 == ["192.0.2.1"]
    assert summary.notes["names_truncated"] == 1


def test_names_that_leave_no_room(tmp_path):
    long = ".".join(["x" * 60] * 4)
    for count, fits in (4, True), (5, True), (6, False), (20, False):
        chain = [cname("%d%s" % (i % 10, long)) for i in range(count - 1)]
        summary, datagrams = one_response(tmp_path, "0" + long, chain + ["192.0.2.1"])
        assert summary.reasons == ({} if fits else {"oversize": 1})
        assert len(datagrams) == (1 if fits else 0)


def test_smallest_ttl(tmp_path):
    def ttl_of(*ttls):
        answers = [cname("t.example")[:6] + struct.pack("!I", ttls[0]) + cname("t.example")[10:]]
        answers += [address_record("192.0.2.1", ttl=t) for t in ttls[1:]]
        _, datagrams = one_response(tmp_path, "q.example", answers, "-x", qtype=1)
        return datagrams[0].sets[0].ext.min_ttl
    assert ttl_of(300, 60) == 60
    assert ttl_of(30, 60) == 30
    assert ttl_of(2147483647, 2147483647) == 2147483647
    assert ttl_of(60, 2147483648) == 0
    assert ttl_of(60, 4294967295) == 0


def test_offsets_beyond_31_bits_begin_a_datagram(tmp_path):
    """Also the far ends of what a record can say about its time."""
    times = [0, 4294967295 * 1000000 + 999999, 0, 1]
    records = [(t, response_frame("t%d.example" % i)) for i, t in enumerate(times)]
    ok("-r", write_pcap(tmp_path / "in.pcap", ETHERNET, records), "-x", "-w", tmp_path / "out.pcap")
    sets = [s for _, d in read_written(tmp_path / "out.pcap") for s in d.sets]
    assert [s.ext.time_us for s in sets] == times
