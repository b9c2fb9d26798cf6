# SPDX-License-Identifier: BSD-3-Clause
"""Records of NXDOMAIN, errors and other types, client by client, against what tshark sees in captures of others."""

import collections
import ipaddress
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from conftest import TOP, Summary, sensor  # noqa: E402
from records_twin import Written  # noqa: E402

FOLDER = Path(os.environ.get("DNSFLOW_CAPTURES") or TOP.parent / "shared" / "captures")
NAMES = ["compactor__knot-live.raw.first8500.pcapng", "compactor__dns.pcap", "mercury__emix.pcap", "dnsflow__v6.pcap",
         "mercury__dns_packet.capture2.pcap"]
FIELDS = ("ip.dst ipv6.dst dns.flags.recdesired dns.flags.recavail dns.flags.opcode dns.flags.rcode dns.flags.truncated "
          "dns.count.queries dns.qry.type").split()
ADDRESS_TYPES = (1, 28, 255)

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="there is no tshark")


def number(text):
    return {"True": 1, "False": 0}[text] if text in ("True", "False") else int(text, 0)


def by_tshark(path):
    """How many responses of each kind each client got."""
    done = subprocess.run(["tshark", "-n", "-r", path, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-Y",
                           "dns && udp.srcport==53 && dns.flags.response==1 && !icmp && !icmpv6 && !_ws.malformed",
                           "-T", "fields", *sum((["-e", f] for f in FIELDS), [])],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120)
    found = collections.Counter()
    for line in done.stdout.splitlines():
        v4, v6, *values = line.split("\t")
        if not all(values) or any("," in v for v in values + [v4, v6]):
            continue
        rd, ra, opcode, rcode, tc, questions, qtype = map(number, values)
        if not rd or opcode or tc or questions != 1 or (rcode == 0 and not ra):
            continue
        kind = "nxdomain" if rcode == 3 else "error" if rcode else "other" if qtype not in ADDRESS_TYPES else None
        if kind:
            found[kind, str(ipaddress.ip_address(v4 or v6))] += 1
    return found


def client_of(packed):
    is_v4 = packed[4:] == bytes(12)
    return str(ipaddress.ip_address(packed[:4] if is_v4 else packed))


@pytest.mark.parametrize("name", NAMES)
def test_like_tshark(tmp_path, name):
    if not (FOLDER / name).exists():
        pytest.skip("no %s in %s" % (name, FOLDER))
    done = sensor("-r", FOLDER / name, "-w", tmp_path / "out.pcap", "--records", "all", "-d", "53", "--no-tcp", "--no-defrag")
    assert done.status == 0, done.err
    summary, ours, kinds = Summary(done.err), collections.Counter(), collections.Counter()
    for r in Written(tmp_path / "out.pcap").records:
        kind = "nxdomain" if r.rcode == 3 else "error" if r.rcode else "other" if r.qtype not in ADDRESS_TYPES else None
        if kind:
            ours[kind, client_of(r.client)] += 1
            kinds[kind] += 1
    assert kinds == {k: summary.notes[k + "_records"] for k in kinds}
    theirs = by_tshark(FOLDER / name)
    print(name, dict(kinds), "%d clients" % len({c for _, c in ours}))
    assert theirs and ours == theirs, (ours - theirs, theirs - ours)
