# SPDX-License-Identifier: BSD-3-Clause
"""Signed datagrams and what the reader makes of them; clients under other addresses."""

import hashlib
import ipaddress
import re
import struct

import pytest
from conftest import (CAPTURES, NULL, checksum, decode, made_capture, read_pcap, read_written, reader, sensor,
                      write_pcap, written_payload, written_rows)
from keys import KEY, key, needs_libcrypto

pytestmark = needs_libcrypto


def signed_file(tmp_path, key, *options, count=300):
    source = made_capture(tmp_path / "in.pcap", count)
    result = sensor("-r", source, "-w", tmp_path / "signed.pcap", "--auth-key", key, *options)
    assert result.status == 0, result.err
    return tmp_path / "signed.pcap"


def frame_of(payload, port=0):
    udp = struct.pack("!HHHH", port, 5300, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0) + bytes([127, 0, 0, 1] * 2)
    return struct.pack("=I", 2) + head[:10] + struct.pack("!H", 0xFFFF - checksum(head)) + head[12:] + udp


def read_back(tmp_path, payloads, *options):
    path = write_pcap(tmp_path / "datagrams.pcap", NULL, [(1700000000000000 + i, frame_of(p)) for i, p in
                                                          enumerate(payloads)])
    result = reader("-r", path, "--format", "tsv", "--no-header", *options)
    assert result.status == 0, result.err
    return result.out.decode().splitlines(), dict(re.findall(r"^  n_(unsigned|forged|replayed|stale|crowded)=(\d+)$",
                                                             result.err, re.M))


def payloads_of(path):
    return [written_payload(f) for _, f in read_pcap(path)[1]]


def test_every_datagram_is_signed(tmp_path, key):
    """The tag is what another implementation of BLAKE2b makes of the bytes before it; limits count it."""
    path = signed_file(tmp_path, key)
    payloads = payloads_of(path)
    assert len(payloads) > 10
    for payload in payloads:
        assert struct.unpack_from("!H", payload, 2)[0] & 6 == 6 and len(payload) <= 1472
        assert hashlib.blake2b(payload[:-16], key=KEY, digest_size=16).digest() == payload[-16:]
    assert decode(payloads[-1]).stats, "statistics too"


def test_same_records_as_unsigned(tmp_path, key):
    path = signed_file(tmp_path, key)
    sensor("-r", tmp_path / "in.pcap", "-w", tmp_path / "plain.pcap")
    assert written_rows(path) == written_rows(tmp_path / "plain.pcap")
    rows, refused = read_back(tmp_path, payloads_of(path))
    assert len(rows) == 300 and refused == {}, "who has no key reads them as ever"
    rows, refused = read_back(tmp_path, payloads_of(path), "--auth-key", key)
    assert len(rows) == 300 and refused == {}


@pytest.mark.parametrize("name", ["real_dnsperf.pcap", "made_names.pcap", "real_veth6.pcap"])
def test_captures(tmp_path, key, name):
    result = sensor("-r", CAPTURES / name, "-w", tmp_path / "out.pcap", "--auth-key", key)
    assert result.status == 0
    assert written_rows(tmp_path / "out.pcap") == (CAPTURES / name).with_suffix(".tsv").read_text().splitlines()


def test_forged_and_unsigned(tmp_path, key):
    payloads = payloads_of(signed_file(tmp_path, key))
    good = payloads[3]
    for at in list(range(0, len(good), 7)) + [len(good) - 1]:
        changed = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]
        rows, refused = read_back(tmp_path, [changed], "--auth-key", key)
        assert rows == [], "changed at %d" % at
    sensor("-r", tmp_path / "in.pcap", "-w", tmp_path / "plain.pcap", "-x")
    plain = payloads_of(tmp_path / "plain.pcap")
    rows, refused = read_back(tmp_path, plain, "--auth-key", key)
    assert rows == [] and refused == {"unsigned": str(len(plain))}
    other = tmp_path / "other"
    other.write_text("ab" * 32 + "\n")
    other.chmod(0o600)
    rows, refused = read_back(tmp_path, payloads, "--auth-key", other)
    assert rows == [] and refused == {"forged": str(len(payloads))}


def test_replayed(tmp_path, key):
    """Each number once: again, late within 64 it is taken, later not."""
    payloads = payloads_of(signed_file(tmp_path, key, count=2000))[:-1]
    sets = [len(decode(p).sets) for p in payloads]
    assert len(payloads) > 80
    rows, refused = read_back(tmp_path, payloads + payloads[:5] + payloads[-5:], "--auth-key", key)
    assert len(rows) == sum(sets) and refused == {"replayed": "10"}
    late = payloads[1:64] + [payloads[0]] + payloads[64:]
    rows, refused = read_back(tmp_path, late, "--auth-key", key)
    assert len(rows) == sum(sets) and refused == {}
    later = payloads[1:66] + [payloads[0]] + payloads[66:]
    rows, refused = read_back(tmp_path, later, "--auth-key", key)
    assert len(rows) == sum(sets[1:]) and refused == {"replayed": "1"}


def test_streams_have_numbers_of_their_own(tmp_path, key):
    one = payloads_of(signed_file(tmp_path, key, "--sensor-id", "1"))
    two = payloads_of(signed_file(tmp_path, key, "--sensor-id", "2"))
    rows, refused = read_back(tmp_path, one + two, "--auth-key", key)
    assert len(rows) == 600 and refused == {}


@pytest.mark.parametrize("content, mode, says", [
    (KEY, 0o644, "only its owner"), (KEY, 0o640, "only its owner"), (KEY[:31], 0o600, "32 bytes"),
    (b"x" * 64, 0o600, "64 hexadecimal"), (b"", 0o600, "32 bytes"), (b"0" * 66, 0o600, "32 bytes"), (None, 0, "No such")])
@pytest.mark.parametrize("program", [sensor, reader])
def test_key_files(tmp_path, content, mode, says, program):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    options = ["-w", tmp_path / "out"] if program is sensor else []
    result = program("-r", CAPTURES / "made_le_us.pcap", "--auth-key", path, *options)
    assert result.status == 2 and says in result.err and str(path) in result.err and result.err.count("\n") == 1


# Clients under other addresses

def clients(path):
    return [s.client for _, d in read_written(path) for s in d.sets]


def test_truncated_clients(tmp_path):
    source = made_capture(tmp_path / "in.pcap", 60)
    sensor("-r", source, "-w", tmp_path / "plain.pcap")
    result = sensor("-r", source, "-w", tmp_path / "out.pcap", "-x", "--anonymize-client", "truncate:24/48")
    assert result.status == 0, result.err
    for plain, other in zip(clients(tmp_path / "plain.pcap"), clients(tmp_path / "out.pcap")):
        keep = 24 if "." in plain else 48
        assert other == str(ipaddress.ip_network("%s/%d" % (plain, keep), strict=False).network_address)
    sets = [s for _, d in read_written(tmp_path / "out.pcap") for s in d.sets]
    assert all(s.ext.client_port == 0 for s in sets), "the port would tell clients apart again"
    assert [r.split("\t")[2:] for r in written_rows(tmp_path / "out.pcap")] == [
        r.split("\t")[2:] for r in written_rows(tmp_path / "plain.pcap")]


def test_cryptopan_clients(tmp_path, key):
    """One stand-in for each client, the same in every run."""
    source = made_capture(tmp_path / "in.pcap", 60)
    sensor("-r", source, "-w", tmp_path / "plain.pcap")
    for out in "a", "b":
        result = sensor("-r", source, "-w", tmp_path / out, "--anonymize-client", "cryptopan:%s" % key)
        assert result.status == 0, result.err
    plain, other = clients(tmp_path / "plain.pcap"), clients(tmp_path / "a")
    assert other == clients(tmp_path / "b")
    pairs = set(zip(plain, other))
    assert len(pairs) == len(set(plain)) == len(set(other)) and all(a != b for a, b in pairs)


def test_shares_go_by_the_real_client(tmp_path, key):
    source = made_capture(tmp_path / "in.pcap", 90)
    rows = []
    for i in 1, 2, 3:
        sensor("-r", source, "-w", tmp_path / "out", "-m", "%d/3" % i, "--anonymize-client", "truncate:0/0")
        rows += written_rows(tmp_path / "out")
    assert len(rows) == 90


@pytest.mark.parametrize("value", ["", "truncate", "truncate:24", "truncate:33/48", "truncate:24/129", "truncate:x/1",
                                   "cryptopan:", "cryptopan:/nonexistent", "rot13"])
def test_wrong_ways(value):
    result = sensor("-r", "x", "-w", "y", "--anonymize-client", value)
    assert result.status == 2 and "--anonymize-client" in result.err and result.err.count("\n") == 1
