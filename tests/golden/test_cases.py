# SPDX-License-Identifier: BSD-3-Clause
"""Small inputs out of the field with the value each must give, if there are any: DNSFLOW_SHARED or a folder `shared` beside
the checkout, with cases/. The project's own tests have inputs of their own for each kind."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import READER, SENSOR, TOP, Summary, read_written, run

CASES = Path(os.environ.get("DNSFLOW_SHARED") or TOP.parent / "shared") / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="there is no folder shared/cases: DNSFLOW_SHARED is not set")


def case(name):
    path = CASES / name
    if not path.exists():
        pytest.skip("there is no " + name)
    return path


def made(tmp_path, name, *options):
    """(sets, summary) of a case."""
    result = run([SENSOR, "-r", case(name), "-w", tmp_path / "out", "-x", *options])
    assert result.status == 0, result.err
    return [s for _, d in read_written(tmp_path / "out") for s in d.sets], Summary(result.err)


RECORDS = {
    "fstrm_concatenated.fstrm": 2, "tcp_hole_eof.pcap": 5, "tcp_retransmit_after_fin.pcap": 1,
    "tcp_port_reuse_lower_seq.pcap": 2, "tcp_cut_time.pcap": 1, "frag6_next_header.pcap": 1, "frag_id_reuse.pcap": 2,
    "eth_ttag_8988.pcap": 1, "eth_fabricpath_8903.pcap": 1, "eth_etag_893f.pcap": 1, "geneve_source_port.pcap": 1,
    "link149_pktap.pcap": 1, "link117_pflog.pcap": 1, "ng_big_shb.pcapng.gz": 1, "null_macos_ipv6.pcap": 4,
}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_records(tmp_path, name):
    assert made(tmp_path, name)[1].records == RECORDS[name]


@pytest.mark.parametrize("name, options, records", [
    ("jmirror_outer_port53.pcap", ["-J", "30030"], 40), ("jmirror_outer_port53.pcap", ["-J", "30030", "-f", "udp"], 40),
    ("ng_17_links_filter.pcapng", ["-f", "udp src port 53"], 2), ("null_macos_ipv6.pcap", ["-f", "udp src port 53"], 4)])
def test_records_with_options(tmp_path, name, options, records):
    assert made(tmp_path, name, *options)[1].records == records


def test_dnstap_addresses(tmp_path):
    sets, summary = made(tmp_path, "dnstap_ipv4_mapped.fstrm")
    assert summary.records == 5
    assert [(s.client, s.resolver) for s in sets] == 4 * [("198.51.100.7", "192.0.2.53")] + [
        ("2001:db8:c::7", "2001:db8::53")], "the last one is of IPv6 clients"


def test_time_of_a_cut_message(tmp_path):
    (one,), _ = made(tmp_path, "tcp_cut_time.pcap")
    assert one.ext.time_us // 1000000 % 86400 == 22 * 3600 + 13 * 60 + 20 and one.ext.flags & 2


def test_fragments_of_ip6(tmp_path):
    sets, _ = made(tmp_path, "frag6_next_header.pcap")
    assert sum(len(s.ipv4) + len(s.ipv6) for s in sets) == 90


def test_skippable_zstd_frame(tmp_path):
    assert made(tmp_path, "pzstd_skippable.pcap.zst")[1].records > 0


@pytest.mark.parametrize("expression", ["inbound", "outbound", "ifindex 3"])
def test_filter_that_a_file_cannot_answer(tmp_path, expression):
    result = run([SENSOR, "-r", case("filter_inbound.pcap"), "-w", tmp_path / "out", "-f", expression])
    errors = [line for line in result.err.splitlines() if "error: " in line]
    assert result.status == 1 and len(errors) == 1
    assert "option -f/--filter %s: cannot be judged from a file" % expression in errors[0]


def test_no_tunnel(tmp_path):
    assert "tunnelled" not in made(tmp_path, "filter_no_tunnel.pcap", "-f", "udp")[1].notes


@pytest.mark.parametrize("name, options", [("pointer_chain_1472.pcap", []), ("pointer_chain_20k_fragments.pcap", []),
                                           ("mdns_pointer_chain_1472.pcap", ["-Y"])])
def test_pointer_chains(tmp_path, name, options):
    summary = made(tmp_path, name, *options)[1]
    assert summary.records == 0 and set(summary.message_reasons) == {"dns_malformed"}


def test_amplification(tmp_path):
    result = run([SENSOR, "-r", case("split_amp_1472.pcap"), "-w", tmp_path / "out"])
    summary = Summary(result.err)
    assert summary.notes["sets"] <= 16 * summary.records and summary.notes["sets_cut"] > 0


@pytest.mark.parametrize("name", ["hostile_names.pcap", "csv_formula.pcap"])
def test_names_in_a_spreadsheet(name):
    """No cell of csv is a formula; read back as presentation form the names are those of the other formats."""
    result = run([READER, "-r", case(name), "--format", "csv", "--fields", "names"])
    cells = [row[0] for row in csv.reader(result.out.decode().splitlines())][1:]
    assert result.status == 0 and cells and not [c for c in cells if c[:1] in tuple("=+-@")]
    plain = [json.loads(line)["names"] for line in run([READER, "-r", case(name), "--format", "json"]).out.splitlines()
             if b'"names"' in line]
    assert [unescape(c) for c in cells] == [unescape(",".join(n.replace(",", "\\044") for n in names)) for names in plain]


def unescape(text):
    return re.sub(r"\\(\d{3})", lambda m: chr(int(m.group(1))), text)


def test_refused_call(tmp_path):
    """The sensor ends on SIGTERM also where close_range is refused; tests/e2e/test_privileges.py has the rest."""
    script = case("refuse_syscalls.py")
    if os.geteuid() != 0:
        pytest.skip("capturing needs root")
    with subprocess.Popen([sys.executable, script, "38", "close_range", SENSOR, "-i", "lo", "-u", "127.0.0.1:9"],
                          stderr=subprocess.PIPE) as process:
        while b"capturing on" not in process.stderr.readline():
            assert process.poll() is None
        process.terminate()
        assert process.wait(10) in (0, -15)
