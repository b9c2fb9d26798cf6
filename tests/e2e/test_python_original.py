# SPDX-License-Identifier: BSD-3-Clause
"""dnsflow_read.py for scripts that were written for the original's module: its names, what they take and give, and
accounts as dnsflow_read prints them."""

import contextlib
import io
import os
import random
import signal
import socket
import sys

import pytest

from conftest import (BASE_US, ETHERNET, NULL, RAW, SLL, SLL2, TOP, Background, made_capture, needs_root, pcap_header,
                      reader, run, sensor, udp_packet, unused_port, wait_until, write_pcap)
from python_reader import EXT, STATS, dnsflow, fragments, frames_of, made, needs_libpcap, packet
from reading import HEADER

sys.path.insert(0, str(TOP))
import dnsflow_read as original  # noqa: E402

# What scripts do: the link type is not known, the frame ends with the file.
SCRIPT = """import sys, dnsflow_read as d
for p in d.pkt_iter(pcap_file=sys.argv[1], stats_only=True):
    print(p["header"]["src_ip"] + ":" + str(p["header"]["src_port"]), sorted(p))
pkt, err = d.process_pkt(0, 1.0, open(sys.argv[1], "rb").read()[40:], stats_only=False, filter=True)
print(err, pkt["header"]["sequence_number"])
t = d.SrcTracker(); t.update(pkt); t.print_summary()"""
BLOCK = "10.0.0.5:4000\n  n_data_pkts=1 n_records=2 n_stats_pkts=0\n  seq_last=7 seq_total=1 seq_lost=0 seq_ooo=0\n"


def write(tmp_path, payloads, link=RAW, step_us=500000):
    frames = [next(frames_of(link, packet(p))) for p in payloads]
    return write_pcap(tmp_path / "in.pcap", link, [(BASE_US + i * step_us, f) for i, f in enumerate(frames)])


def run_script(script, *arguments):
    return run([sys.executable] + list(script) + list(arguments), env=dict(os.environ, PYTHONPATH=str(TOP)))


def printed(function, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = function(*arguments)
    return status, out.getvalue()


@pytest.mark.parametrize("link", [NULL, RAW, ETHERNET, SLL, SLL2])
def test_script(link, tmp_path):
    result = run_script(["-c", SCRIPT], write(tmp_path, [made(7), STATS, b"nonsense"], link))
    assert result.status == 0 and result.err == ""
    assert result.out.decode() == ("10.0.0.5:4000 ['header']\n10.0.0.5:4000 ['header', 'stats']\nNone 7\n" + BLOCK)


@pytest.mark.parametrize("first, error", [(b"nonsense", "malformed datagram: a version above 4"),
                                          (made(7)[:-1], "malformed datagram: addresses run past the end")])
def test_script_on_what_is_no_datagram(first, error, tmp_path):
    path = write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US, packet(first))])
    result = run_script(["-c", SCRIPT], path)
    assert (result.status, result.out.decode(), result.err) == (0, error + " 0\n", "")


def test_script_on_what_a_sensor_writes(tmp_path):
    for options in ((), ("-x",)):
        written = tmp_path / "out.pcap"
        assert sensor("-r", made_capture(tmp_path / "in.pcap", 50), "-w", written, *options).status == 0
        result = run_script(["-c", SCRIPT], written)
        assert result.status == 0 and "\nNone 1\n127.0.0.1:0\n" in result.out.decode(), result.err


def test_script_of_the_shared_cases():
    cases = TOP.parent / "shared" / "cases"
    if not (cases / "old_script.py").exists():
        pytest.skip("no ../shared/cases")
    for name in ("hostile_names.pcap", "csv_formula.pcap"):
        result = run_script([cases / "old_script.py"], cases / name)
        assert result.status == 0 and "\nNone 1\n" in result.out.decode(), result.err


@pytest.mark.parametrize("wanted, options, port, error", [
    (7, {}, 5300, None),
    (7, {"filter": True}, 5300, None),
    (7, {"filter": None}, 5300, None),
    (7, {"filter": original.DEFAULT_PCAP_FILTER}, 5300, None),
    (7, {"filter": False}, 5301, None),
    (0, {"filter": True}, 5301, "no datagram to UDP port 5300"),
    (0, {}, 5301, "no datagram to UDP port 5300"),
    pytest.param(7, {"filter": "udp dst port 5301"}, 5301, None, marks=needs_libpcap),
    pytest.param(0, {"filter": "udp dst port 5301"}, 5300, "no datagram that the filter wants", marks=needs_libpcap),
])
def test_process_pkt(wanted, options, port, error):
    for ip in (4, 6):
        for stats_only in (False, True):
            pkt, err = original.process_pkt(RAW, 1.5, packet(made(7), ip, port), stats_only=stats_only, **options)
            assert err == error and pkt["header"]["sequence_number"] == wanted
            assert pkt["header"]["timestamp"] == 1.5 and ("data" in pkt) == (err is None and not stats_only)
            assert pkt["header"]["src_ip"] == ({4: "10.0.0.5", 6: "2001:db8::5"}[ip] if err is None else "")


def test_process_pkt_gives_what_the_package_does():
    for payload in (made(7), STATS):
        pkt, _ = original.process_pkt(RAW, 1.5, memoryview(packet(payload)))
        expected = dnsflow.process_pkt(RAW, 1.5, packet(payload))
        expected["header"]["src_ip"] = "10.0.0.5"
        assert pkt == expected
    assert "0.0.0.0" == original.process_pkt(NULL, 0.0, bytes(4) + made(7))[0]["header"]["src_ip"]


def test_names():
    assert (original.DNSFLOW_FLAG_STATS, original.DNSFLOW_PORT, original.SNAPLEN) == (1, 5300, 65535)
    assert original.TIMEOUT > 0 and original.decode is dnsflow.decode, "the rest of the package is there too"
    for name in ("Reader", "SrcTracker", "get_pcap", "main", "SNAPLEN"):
        assert hasattr(original, name) and not hasattr(dnsflow, name)
    assert isinstance(dnsflow.process_pkt(RAW, 0.0, packet(made()))["header"]["src_ip"], bytes)


def test_reader(tmp_path):
    path = str(write(tmp_path, [made(1), STATS, made(2)]))
    packets = original.Reader(pcap_file=path, filter=original.DEFAULT_PCAP_FILTER, stats_only=True)
    assert next(packets)["header"]["sequence_number"] == 1
    assert [p["header"]["sequence_number"] for p in packets] == [77, 2]
    packets.close()
    with open(path, "rb") as file:
        assert [len(p.get("data", ())) for p in original.pkt_iter(pcap_file=file)] == [2, 0, 2]
    for wrong in ({}, {"intf": "lo", "pcap_file": path}):
        for opens in (original.Reader, original.get_pcap, original.pkt_iter):
            with pytest.raises(ValueError, match="either interface or pcap_file"):
                opens(**wrong)
    with pytest.raises(OSError, match="missing.pcap"):
        original.Reader(pcap_file=str(tmp_path / "missing.pcap"))


@pytest.mark.parametrize("ip", [4, 6])
def test_reader_puts_fragments_together(ip, tmp_path):
    parts = fragments(ip, made(5, 60), 800)
    path = str(write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US, part) for part in parts]))
    assert [len(p["data"]) for p in original.Reader(pcap_file=path, filter=original.DEFAULT_PCAP_FILTER)] == [60]
    assert [buf for _, buf in original.get_pcap(pcap_file=path)] == parts


@needs_libpcap
def test_filter_of_a_file(tmp_path):
    frames = [packet(made(1), port=5300), packet(made(2), port=5301), packet(made(3), 6, 5301)]
    path = str(write_pcap(tmp_path / "in.pcap", RAW, [(BASE_US, f) for f in frames]))
    for options, wanted in (({}, [1]), ({"filter": "udp dst port 5301"}, [2, 3]), ({"filter": False}, [1, 2, 3]),
                            ({"pcap_filter": "ip6"}, [3]), ({"filter": True}, [1])):
        found = [p["header"]["sequence_number"] for p in original.Reader(pcap_file=path, **options)]
        assert found == wanted
        source = original.get_pcap(pcap_file=path, **options)
        found = [original.process_pkt(source.datalink(), ts, buf, filter=False)[0] for ts, buf in source]
        assert [p["header"]["sequence_number"] for p in found] == wanted
    with pytest.raises(ValueError, match="nonsense"):
        original.get_pcap(pcap_file=path, filter="nonsense")


def test_get_pcap(tmp_path):
    for link in (NULL, RAW, ETHERNET):
        source = original.get_pcap(pcap_file=str(write(tmp_path, [made(1), b"", made(2)], link)))
        assert source.datalink() == link
        got = [(ts, original.process_pkt(source.datalink(), ts, buf)) for ts, buf in source]
        assert [pkt["header"]["sequence_number"] for _, (pkt, _) in got] == [1, 0, 2]
        assert [ts for ts, _ in got] == [BASE_US / 1e6 + n / 2 for n in range(3)]
    path = write(tmp_path, [made(1)])
    assert [len(buf) for _, buf in original.get_pcap(pcap_file=path, snaplen=40, timeout=original.TIMEOUT)] == [40]
    path.write_bytes(pcap_header(RAW))
    source = original.get_pcap(pcap_file=path)
    assert list(source) == []
    source.close()


@needs_root
def test_live():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        mine, target = out.getsockname()[1], ("127.0.0.1", 5300)
        packets, source = original.Reader(intf="lo", stats_only=True, timeout=10), original.get_pcap("lo")
        for data in (made(1), STATS):
            out.sendto(data, target)
        got = []
        while len(got) < 2:
            one = next(packets)
            got += [one] if one["header"]["src_port"] == mine else []
        assert [sorted(p) for p in got] == [["header"], ["header", "stats"]]
        for ts, buf in source:
            pkt, err = original.process_pkt(source.datalink(), ts, buf)
            if err is None and pkt["header"]["src_port"] == mine:
                assert pkt["header"]["src_ip"] == "127.0.0.1" and len(pkt["data"]) == 2
                break
        packets.close()
        source.close()


@needs_root
@needs_libpcap
def test_live_filter():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        expression = "udp src port %d" % out.getsockname()[1]
        packets = original.Reader("lo", filter=expression, timeout=10)
        source = original.get_pcap("lo", filter=expression)
        out.sendto(made(3), ("127.0.0.1", 5301))
        assert next(packets)["header"]["sequence_number"] == 3
        ts, buf = next(iter(source))
        pkt, err = original.process_pkt(source.datalink(), ts, buf, filter=expression)
        assert err is None and pkt["header"]["sequence_number"] == 3
        packets.close()
        source.close()


# Accounts and the command

RECORD_EXT = {"time_us": BASE_US, "min_ttl": 0, "qtype": 1, "client_port": 0, "set_flags": 0}


def random_walk(dice):
    """Datagrams of a sensor with gaps, duplicates, late ones, and new starts; the wrap is among them."""
    number, start, base = dice.choice((1, 0xFFFFFFF0)), 1700000000, 0xFFFFFF00
    is_extended = dice.random() < 0.5
    for _ in range(300):
        if dice.random() < 0.02:
            number, start, base = dice.choice((1, number + 5000, number + (1 << 29))), start + 60, 0
        shown = (number - dice.choice((0, 0, 0, 0, 1, 5, 63, 64, 65, 500))) % (1 << 32)
        ext = dict(EXT, start_time=start - dice.choice((0, 0, 0, 0, 60))) if is_extended else None
        if dice.random() < 0.3:
            counters = [(base + dice.randrange(9)) % (1 << 32) for _ in range(4)]
            values = dict(zip(("pkts_captured", "pkts_received", "pkts_dropped", "pkts_ifdropped"), counters),
                          sample_rate=0)
            yield dnsflow.encode_stats(values, shown, ext and dict(ext, base_time_us=BASE_US, counters=[]))
            base += dice.randrange(100)
        else:
            record = {"client_ip": "10.0.0.9", "resolver_ip": "10.0.0.53", "names": ["a,b|c.example"],
                      "ips": ["192.0.2.1", "192.0.2.2"], "ip6s": ["2001:db8::1"], "ext": RECORD_EXT}
            yield dnsflow.encode([record] * dice.randint(1, 4), shown, ext)
        number += dice.choice((1, 1, 1, 1, 2, 7, 62, 63, 64, 65, 900))


@pytest.mark.parametrize("seed", range(12))
def test_prints_what_dnsflow_read_prints(seed, tmp_path):
    dice = random.Random(seed)
    walks = [random_walk(dice), random_walk(dice), random_walk(dice)]
    records = []
    for i in range(900):
        payload = next(walks[i % 3])
        source = ("10.0.0.5", 4000, "10.0.0.9") if i % 3 < 2 else ("2001:db8::5", 4000, "2001:db8::9")
        frame = udp_packet(source[0], source[1] + i % 3, source[2], 5300, payload)
        records.append((BASE_US + i * 123457, frame))
    path = write_pcap(tmp_path / "in.pcap", RAW, records)
    assert printed(original.main, ["-r", str(path)]) == (0, reader("-r", path).out.decode())


ROWS = "".join("10.0.0.5|10.0.0.53|10.0.%d.9|22:13:20|h1.example|192.0.2.1|\n" % i for i in range(2))
LINE = "STATS|pkts_captured:9|pkts_received:8|pkts_dropped:7|pkts_ifdropped:6|sample_rate:5\n"
ENTRY = ("10.0.0.5:4000\n  n_data_pkts=1 n_records=2 n_stats_pkts=1\n"
         "  n_data_pkts/s=2.00 n_records/s=4.00 n_stats_pkts/s=2.00\n")


@pytest.mark.parametrize("options, begin, blocks", [
    ([], HEADER + ROWS + LINE + "\nSummary:\n", 1),
    (["-s"], HEADER + LINE, 2),
    (["-S"], "\nSummary:\n10.0.0.5:4000\n", 1),
    (["dnsflow_read.py"], HEADER + ROWS + LINE, 1),
    pytest.param(["-f", "host 10.0.0.5"], HEADER + ROWS + LINE, 1, marks=needs_libpcap),
    pytest.param(["-f", "host 10.0.0.6"], HEADER + "\nSummary:\n", 0, marks=needs_libpcap),
])
def test_main(options, begin, blocks, tmp_path, monkeypatch):
    path = write(tmp_path, [made(1), STATS, b"nonsense"])
    status, out = printed(original.main, options + ["-r", str(path)])
    assert status == 0 and out.startswith(begin) and out.count(ENTRY) == blocks
    assert out.endswith("malformed datagrams: 1\n") == (blocks > 0)
    monkeypatch.setattr(sys, "argv", ["script.py"] + [o for o in options if o != "dnsflow_read.py"] + ["-r", str(path)])
    assert printed(original.main) == (0, out)


def test_main_says_each_so_many_datagrams(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["dnsflow.original"], "SUMMARY_EVERY", 2)
    path = write(tmp_path, [made(n) for n in range(1, 6)])
    _, out = printed(original.main, ["-S", "-r", str(path)])
    assert out.count("-" * 40 + "\n") == 2 and out.count("10.0.0.5:4000\n") == 3


def test_main_on_what_it_cannot_read(tmp_path, capsys):
    path = write(tmp_path, [made(1), STATS])
    path.write_bytes(path.read_bytes()[:-1])
    assert original.main(["-r", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "\nSummary:\n10.0.0.5:4000\n" in out and err == "dnsflow_read.py: %s: the file ends inside a record\n" % path
    assert original.main(["-r", str(tmp_path / "missing")]) == 1
    assert "No such file" in capsys.readouterr().err
    for wrong in ([], ["-i", "lo", "-r", "x"], ["-r"]):
        with pytest.raises(SystemExit) as caught:
            original.main(wrong)
        assert caught.value.code == 2


def test_main_into_a_pipe_that_nobody_reads(tmp_path):
    path = write(tmp_path, [made(n, 4) for n in range(1, 3000)])
    script = "import sys, dnsflow_read; sys.exit(dnsflow_read.main())"
    result = run(["sh", "-c", '"$0" -c "$1" -r "$2" | head -n 1', sys.executable, script, path],
                 env=dict(os.environ, PYTHONPATH=str(TOP)))
    assert result.status == 0 and result.out.decode() == HEADER and result.err == ""


@needs_root
def test_main_live_until_it_is_interrupted(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    command = [sys.executable, "-c", "import sys, dnsflow_read; sys.exit(dnsflow_read.main())", "-i", "lo"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, Background(command, tmp_path) as program:
        out.bind(("127.0.0.1", 0))

        def came():
            out.sendto(made(1, 1), ("127.0.0.1", 5300))
            return b"|h1.example|" in program.out
        wait_until(came)
        program.signal(signal.SIGINT)
        assert program.wait() == 0 and program.err == ""
        assert "\n127.0.0.1:%d\n  n_data_pkts=" % out.getsockname()[1] in program.out.decode().split("Summary:")[1]


def test_tracker_takes_packets_of_the_package():
    tracker, port = original.SrcTracker(), unused_port()
    found = original.udp_iter("127.0.0.1", port, timeout=10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(made(1), ("127.0.0.1", port))
        tracker.update(next(found))
        name = "127.0.0.1:%d" % out.getsockname()[1]
    assert printed(tracker.print_summary)[1].startswith(name + "\n  n_data_pkts=1 n_records=2 n_stats_pkts=0\n")
    found.close()
