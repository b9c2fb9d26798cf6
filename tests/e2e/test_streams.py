# SPDX-License-Identifier: BSD-3-Clause
"""Real messages split into IP fragments and TCP segments, shuffled and repeated: the records are those of the whole."""

import random
import struct

import pytest

from conftest import (BASE_US, CAPTURES, ETHERNET, Summary, address, ethernet, read_pcap, read_written, response,
                      rows_of, sensor, write_pcap, written_rows)
from packets import datagram, fragments, ip_packet, segment
from tunnels import ENCAPSULATIONS

SEEDS = range(12)
SECOND = 1000000
SERVER, CLIENT = address("10.0.0.53"), address("10.0.0.9")


def messages():
    """(resolver, client, client port, message) of the responses in real captures."""
    found = []
    for name in ("real_dnsperf.pcap", "real_veth4.pcap", "real_veth6.pcap"):
        for _, frame in read_pcap(CAPTURES / name)[1]:
            at = {b"\x08\0": 34, b"\x86\xdd": 54}.get(frame[12:14])
            if not at or frame[{34: 23, 54: 20}[at]] != 17 or frame[at:at + 2] != b"\0\x35":
                continue
            if at == 34 and frame[20:22] not in (b"\0\0", b"\x40\0"):
                continue
            size = 4 if at == 34 else 16
            src, dst = frame[at - 2 * size:at - size], frame[at - size:at]
            length = struct.unpack_from("!H", frame, at + 4)[0]
            found.append((src, dst, struct.unpack_from("!H", frame, at + 2)[0], frame[at + 8:at + length]))
    assert len(found) > 150
    return found


MESSAGES = messages()


def run_timed(tmp_path, frames, *options):
    """Runs over packets with their times."""
    path = write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US + us, ethernet(p)) for us, p in frames])
    result = sensor("-r", path, "-w", tmp_path / "out.pcap", *options)
    assert result.status == 0, result.err
    return Summary(result.err), written_rows(tmp_path / "out.pcap")


def run_frames(tmp_path, packets, *options, step_us=10):
    return run_timed(tmp_path, [(step_us * i, p) for i, p in enumerate(packets)], *options)


def written_sets(tmp_path):
    """(first name, record time) of what was written, with -x; the times of the capture file agree."""
    found = []
    for time_us, d in read_written(tmp_path / "out.pcap"):
        found += [(s.names[0], s.ext.time_us - BASE_US) for s in d.sets]
        assert all(abs(time_us - s.ext.time_us) < SECOND for s in d.sets)
    return found


def whole_rows(tmp_path):
    return run_frames(tmp_path, [ip_packet(s, d, 17, datagram(p, m)) for s, d, p, m in MESSAGES])[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_fragments(tmp_path, seed):
    rng, packets = random.Random(seed), []
    for number, (src, dst, port, message) in enumerate(MESSAGES):
        pieces = fragments(rng, src, dst, datagram(port, message), number)
        if len(pieces) > 1 and rng.random() < 0.2:
            pieces.append(rng.choice(pieces))
        rng.shuffle(pieces)
        packets += pieces
    window = rng.randint(1, 60)  # pieces of many datagrams among each other
    packets = [p for _, p in sorted(enumerate(packets), key=lambda item: item[0] + rng.randint(0, window))]
    summary, rows = run_frames(tmp_path, packets)
    assert sorted(rows) == sorted(whole_rows(tmp_path))
    assert summary.notes.get("reassembly_evicted", 0) == 0
    assert set(summary.frame_reasons) <= {"fragment_refused", "fragment"}


@pytest.mark.parametrize("seed", SEEDS)
def test_tcp(tmp_path, seed):
    rng, packets = random.Random(seed), []
    by_client = {}
    for src, dst, port, message in MESSAGES:
        by_client.setdefault((src, dst, rng.randint(0, 2)), []).append(message)
    for port, ((src, dst, _), several) in enumerate(by_client.items(), 2000):
        data = b"".join(struct.pack("!H", len(m)) + m for m in several)
        start, pieces, at = rng.randrange(2**32), [], 0
        while at < len(data):
            size = rng.randint(1, rng.choice((20, 200, 1460)))
            back = min(at, rng.choice((0, 0, 0, 7)))
            pieces.append(segment(src, dst, port, start + 1 + at - back, 0x10, data[at - back:at + size]))
            at += size
        window = rng.randint(0, 4)
        pieces = [p for _, p in sorted(enumerate(pieces), key=lambda item: item[0] + rng.randint(0, window))]
        pieces.insert(0, segment(src, dst, port, start, 0x12, b""))
        pieces.append(segment(src, dst, port, start + 1 + len(data), 0x11, b""))
        packets.append(pieces)
    mixed = []
    while packets:  # connections among each other
        pieces = rng.choice(packets)
        mixed.append(pieces.pop(0))
        packets = [p for p in packets if p]
    summary, rows = run_frames(tmp_path, mixed)
    assert sorted(rows) == sorted(whole_rows(tmp_path))
    assert summary.notes["tcp_messages"] == len(MESSAGES) == summary.parsed
    assert "tcp_expired" not in summary.notes and "tcp_gaps" not in summary.notes


@pytest.mark.parametrize("name", ["vxlan", "gre", "ip in ip6", "gtp", "geneve, options"])
def test_fragments_of_tunnels_and_in_tunnels(tmp_path, name):
    """Fragments in a tunnel whose packets are fragments themselves."""
    rng, packets = random.Random(7), []
    for number, (src, dst, port, message) in enumerate(MESSAGES[:40]):
        for piece in fragments(rng, src, dst, datagram(port, message), number):
            kind = 0x0800 if piece[0] >> 4 == 4 else 0x86DD
            outer = ENCAPSULATIONS[name][0]((kind, piece))[1]
            head = 20 if outer[0] >> 4 == 4 else 40
            ends = outer[12:20] if head == 20 else outer[8:40]
            half = len(ends) // 2
            packets += fragments(rng, ends[:half], ends[half:], outer[head:], len(packets), outer[9 if head == 20 else 6])
    _, rows = run_frames(tmp_path, packets)
    assert sorted(rows) == sorted(run_frames(
        tmp_path, [ip_packet(s, d, 17, datagram(p, m)) for s, d, p, m in MESSAGES[:40]])[1])


def test_records_of_tcp_are_marked(tmp_path):
    message = response("marked.example", ["192.0.2.1"])
    src, dst = address("10.0.0.53"), address("10.0.0.9")
    packets = [segment(src, dst, 4000, 1, 0x18, struct.pack("!H", len(message)) + message),
               ip_packet(src, dst, 17, datagram(4000, message))]
    run_frames(tmp_path, packets, "-x")
    sets = [s for _, d in read_written(tmp_path / "out.pcap") for s in d.sets]
    assert [(s.ext.flags, s.ext.client_port) for s in sets] == [(4, 4000), (0, 4000)]


def test_a_lost_fragment_gives_what_came_before_it(tmp_path):
    message = response("large.example", ["192.0.2.%d" % i for i in range(100)])
    pieces = fragments(random.Random(1), address("10.0.0.53"), address("10.0.0.9"), datagram(4000, message), 1)
    summary, rows = run_frames(tmp_path, pieces[:-1])
    assert len(rows) == 1 and "192.0.2.0,192.0.2.1" in rows[0] and rows[0].count(",") < 99
    assert summary.notes["cut_records"] == 1 and summary.notes["reassembly_expired"] == 1
    summary, rows = run_frames(tmp_path, pieces[1:])
    assert rows == [] and summary.absorbed == len(pieces) - 1


def test_fragments_of_other_datagrams_are_not_held(tmp_path):
    """Once the first fragment shows another port, the rest is refused at sight."""
    other = struct.pack("!HHHH", 9999, 4000, 1608, 0) + bytes(1600)
    pieces = fragments(random.Random(1), address("10.0.0.53"), address("10.0.0.9"), other, 1)
    summary, rows = run_frames(tmp_path, pieces)
    assert rows == [] and summary.absorbed == 0
    assert summary.frame_reasons == {"other_port": 1, "fragment": len(pieces) - 1}


def test_overlapping_fragments_are_refused(tmp_path):
    """RFC 5722: nothing of the datagram counts."""
    message = response("overlap.example", ["192.0.2.%d" % i for i in range(60)])
    whole = datagram(4000, message)
    src, dst = address("10.0.0.53"), address("10.0.0.9")
    packets = [ip_packet(src, dst, 17, whole[:400], 5, 0x2000), ip_packet(src, dst, 17, bytes(80), 5, 0x2000 | 45),
               ip_packet(src, dst, 17, whole[400:], 5, 50)]
    summary, rows = run_frames(tmp_path, packets)
    assert rows == [] and summary.frame_reasons == {"fragment_refused": 1, "fragment": 1}


@pytest.mark.parametrize("options, reason, count", [(["--no-tcp"], "tcp", 1), (["--no-defrag"], "fragment", 2)])
def test_turned_off(tmp_path, options, reason, count):
    message = response("off.example", ["192.0.2.1"] * 30)
    src, dst = address("10.0.0.53"), address("10.0.0.9")
    packets = [segment(src, dst, 4000, 1, 0x18, struct.pack("!H", len(message)) + message)] + \
        fragments(random.Random(3), src, dst, datagram(4000, message), 1)
    summary, rows = run_frames(tmp_path, packets, *options)
    assert summary.frame_reasons[reason] >= 1 and len(rows) == count


@pytest.mark.parametrize("workers", [2, 5])
def test_workers(tmp_path, workers):
    """Fragments and segments that belong together come to one worker."""
    from conftest import Collector
    rng, packets = random.Random(9), []
    for number, (src, dst, port, message) in enumerate(MESSAGES):
        if number % 2:
            packets += fragments(rng, src, dst, datagram(port, message), number)
        else:
            data = struct.pack("!H", len(message)) + message
            packets += [segment(src, dst, 3000 + number, 1 + i, 0x10, data[i:i + 50]) for i in range(0, len(data), 50)]
    path = write_pcap(tmp_path / "in.pcap", ETHERNET, [(BASE_US + i, ethernet(p)) for i, p in enumerate(packets)])
    with Collector() as collector:
        result = sensor("-r", path, "-u", collector.target, "-M", workers)
        summary = Summary(result.err)
        got = [r for s in collector.datagrams(summary.notes["datagrams"]).values() for r in rows_of(s)]
    assert sorted(got) == sorted(whole_rows(tmp_path))


# What waits when a stream ends

COUNT = 6
NAMES = ["m%d.example" % i for i in range(COUNT)]
ENDS = ["file", "fin", "rst", "syn", "silence", "gap", "other connection, higher", "other connection, lower"]


def stream(names=NAMES, answers=3):
    """A stream with a response for each name, and where they begin."""
    parts = [response(n, ["192.0.2.%d" % i for i in range(answers)]) for n in names]
    parts = [struct.pack("!H", len(p)) + p for p in parts]
    return b"".join(parts), [sum(map(len, parts[:i])) for i in range(len(parts) + 1)]


def tcp(sequence, payload=b"", flags=0x10, port=4000):
    return segment(SERVER, CLIENT, port, sequence, flags, payload)


def ending(how, base, length, now):
    """Frames that end a stream, or a later one that makes it go on."""
    one = struct.pack("!H", 60) + response("other.example", ["192.0.2.99"])[:60]
    return {"file": [], "fin": [(now, tcp(base + length, flags=0x11))], "rst": [(now, tcp(base + length, flags=4))],
            "syn": [(now, tcp(base + 99999, flags=0x12))], "silence": [(now + 40 * SECOND, tcp(5, flags=0x12, port=9))],
            "gap": [(now + 4 * SECOND, tcp(base))], "other connection, higher": [(now, tcp(base + 9999999, one[:30]))],
            "other connection, lower": [(now, tcp(base - 9999999, one[:30]))]}[how]


@pytest.mark.parametrize("size", [None, 2, 60, 97, 300])
@pytest.mark.parametrize("how", ENDS)
def test_all_that_is_whole_comes_out(tmp_path, how, size):
    """A hole anywhere, in segments of a message each, or of any size: only what it cuts is missing, and all that comes
    out has the time of its own last byte. `size` 2: the length and the message in segments of their own."""
    data, starts = stream()
    cuts = starts if size is None else range(0, len(data) + size, size)
    if size == 2:
        cuts = sorted(starts + [s + 2 for s in starts[:-1]])
    pieces = [(a, min(b, len(data))) for a, b in zip(cuts, list(cuts)[1:]) if a < len(data)]
    for lost in range(len(pieces)):
        frames = [(0, tcp(999, flags=0x12))]
        came = {}
        for number, (a, b) in enumerate(pieces):
            if number != lost:
                frames.append((number * 100, tcp(1000 + a, data[a:b])))
                came.update((k, number * 100) for k in range(a, b))
        frames += ending(how, 1000, len(data), 50000)
        if how == "gap":  # data, so that the stream is looked at
            frames[-1] = (frames[-1][0], tcp(1000 + len(data), b"\0"))
        summary, _ = run_timed(tmp_path, frames, "-x")
        want = [(NAMES[i], max(came[k] for k in range(starts[i], starts[i + 1]))) for i in range(COUNT)
                if all(k in came for k in range(starts[i], starts[i + 1]))]
        got = written_sets(tmp_path)
        assert [g for g in got if g in want] == want, (lost, got)
        rest = [name for name, _ in got if name not in [n for n, _ in want]]
        assert len(rest) == summary.notes.get("cut_records", 0) <= 1 and set(rest) < set(NAMES)


def test_what_is_sent_again_after_the_end(tmp_path):
    data, starts = stream()
    whole = [tcp(999, flags=0x12)] + [tcp(1000 + a, data[a:b]) for a, b in zip(starts, starts[1:])]
    for flags in (0x11, 4):
        again = [tcp(1000, data), tcp(1000 + starts[2], data[starts[2]:])] + whole[1:]
        summary, rows = run_frames(tmp_path, whole + [tcp(1000 + len(data), flags=flags)] + again)
        assert len(rows) == COUNT and summary.frame_reasons["tcp_old"] == len(again)
        # the next connection of these ports, with a SYN and without
        for first in ([tcp(4999, flags=0x12)], []):
            _, rows = run_frames(tmp_path, whole + [tcp(1000 + len(data), flags=flags)] + first + [tcp(5000, data)])
            assert len(rows) == 2 * COUNT


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_with_holes(tmp_path, seed):
    """SYN and FIN too come at any time or not at all; a segment is missing."""
    rng = random.Random(seed)
    data, starts = stream()
    pieces = [(i, tcp(1000 + a, data[a:b])) for i, (a, b) in enumerate(zip(starts, starts[1:]))]
    lost = rng.randrange(COUNT)
    del pieces[lost]
    packets = [p for _, p in pieces] + rng.choice(([], [tcp(999, flags=0x12)])) + \
        rng.choice(([], [tcp(1000 + len(data), flags=0x11)]))
    packets += rng.sample(packets, 3)
    rng.shuffle(packets)
    _, rows = run_frames(tmp_path, packets)
    names = sorted(r.split("\t")[2] for r in rows)
    assert names == NAMES[:lost] + NAMES[lost + 1:]


@pytest.mark.parametrize("second", [1000000000, 2999000000, 3000700000, 4000000000])
def test_ports_used_again_unseen(tmp_path, second):
    """Neither FIN nor SYN of a second connection was seen; half a message of the first waits."""
    data, starts = stream()
    head = data[:starts[3] + 40]
    for count in (1, COUNT):
        packets = [tcp(2999999999, flags=0x12), tcp(3000000000, head), tcp(second, data[:starts[count]]),
                   tcp(3000000000, head), tcp(second, data[:starts[count]])]
        summary, rows = run_frames(tmp_path, packets, step_us=SECOND)
        assert len(rows) == 3 + count and summary.message_reasons == {"dns_cut": 1}
        assert summary.frame_reasons["tcp_old"] >= 1


def test_the_time_of_what_is_cut(tmp_path):
    """Half a message, and half a packet: what there is of it has its own time, not that of the frame hours later."""
    data, _ = stream(["cut.example"], 60)
    message = response("part.example", ["192.0.2.%d" % i for i in range(100)])
    pieces = fragments(random.Random(1), SERVER, CLIENT, datagram(4000, message), 1)
    late = 8 * 3600 * SECOND
    frames = [(0, tcp(999, flags=0x12)), (10, tcp(1000, data[:300])), (2 * SECOND, tcp(1300, data[300:500]))]
    frames += [(3 * SECOND + i, p) for i, p in enumerate(pieces[:-1])]
    plain = ip_packet(SERVER, CLIENT, 17, datagram(4000, response("late.example", ["192.0.2.1"])))
    other = fragments(random.Random(1), SERVER, CLIENT, datagram(4000, message), 2)[0]
    frames += [(late, plain), (late, other), (late + 1, tcp(5, flags=0x12, port=9)), (late + 2, plain)]
    summary, _ = run_timed(tmp_path, frames, "-x")
    assert summary.notes["cut_records"] == 2
    assert sorted(written_sets(tmp_path)) == [("cut.example", 2 * SECOND), ("late.example", late),
                                              ("late.example", late + 2), ("part.example", 3 * SECOND + len(pieces) - 2)]


# Numbers of fragments

def large(name, last):
    return datagram(4000, response(name, ["192.0.2.%d" % (i % 250) for i in range(90)] + [last]))


@pytest.mark.parametrize("after_us", [0, 20, 1000, SECOND, 5 * SECOND])
@pytest.mark.parametrize("ends", [(SERVER, CLIENT), (address("2001:db8::53"), address("2001:db8::9"))])
def test_a_number_used_again(tmp_path, ends, after_us):
    rng, frames = random.Random(3), []
    for turn, name in enumerate(("one.example", "two.example", "three.example")):
        pieces = fragments(rng, *ends, large(name, "192.0.2.251"), 7)
        frames += [(turn * after_us, p) for p in pieces]
    summary, rows = run_timed(tmp_path, frames)
    assert len(rows) == 3 and summary.notes["reassembled"] == 3 and not summary.frame_reasons


@pytest.mark.parametrize("back_us", [-500, 0, 500, 100000])
@pytest.mark.parametrize("ends", [(SERVER, CLIENT), (address("2001:db8::53"), address("2001:db8::9"))])
def test_two_taps(tmp_path, ends, back_us):
    """All fragments twice, the second ones behind the first or among them, with a clock of their own."""
    rng = random.Random(4)
    pieces = fragments(rng, *ends, large("taps.example", "192.0.2.251"), 7)
    first, second = ([(SECOND + us + i, p) for i, p in enumerate(pieces)] for us in (0, back_us))
    among = [f for pair in zip(first, second) for f in pair]
    for frames in (first + second, among, first + second[:1], first + second[-1:], first + second[::-1]):
        summary, rows = run_timed(tmp_path, frames)
        assert len(rows) == 1 and set(summary.frame_reasons) == {"fragment_refused"}
        assert "cut_records" not in summary.notes


@pytest.mark.parametrize("following", [0, 6, 59, 58, 255])
def test_the_next_header_of_the_first_fragment_counts(tmp_path, following):
    """RFC 8200, section 4.5. What is not DNS is known by the first fragment too."""
    ends = address("2001:db8::53"), address("2001:db8::9")
    pieces = fragments(random.Random(5), *ends, large("next.example", "192.0.2.251"), 7)
    pieces[1:] = [p[:40] + bytes([following]) + p[41:] for p in pieces[1:]]
    for packets in (pieces, pieces[::-1]):
        summary, rows = run_frames(tmp_path, packets)
        assert len(rows) == 1 and rows[0].count(",") == 90 and not summary.frame_reasons
    others = [p[:40] + b"\x3a" + p[41:] for p in pieces[:1]] + pieces[1:]
    summary, rows = run_frames(tmp_path, others)
    assert rows == [] and summary.frame_reasons == {"fragment": len(pieces)}
