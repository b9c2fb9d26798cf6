# SPDX-License-Identifier: BSD-3-Clause
"""Builds every encapsulation the sensor unwraps. A packet is (ethertype, bytes); each builder puts one into another, or
gives None where that cannot be. Made by scapy where it knows the protocol, else by hand."""

import struct

from conftest import response, udp_packet

IP4, IP6 = 0x0800, 0x86DD
OUTER4, OUTER6 = ("172.16.0.1", "172.16.0.2"), ("fd00::1", "fd00::2")
MACS = bytes.fromhex("020000000001020000000002")


def kind_of(packet):
    return (IP4 if packet[0] >> 4 == 4 else IP6), packet


def ether(packet):
    return MACS + struct.pack("!H", packet[0]) + packet[1]


def ip_over(protocol, payload, version=4):
    """An IP packet of any protocol around the payload."""
    import ipaddress
    src, dst = (ipaddress.ip_address(a).packed for a in (OUTER4 if version == 4 else OUTER6))
    if version == 6:
        return IP6, struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + src + dst + payload
    return IP4, struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0) + src + dst + payload


def udp_over(port, payload, version=4, source=55555):
    a, b = OUTER4 if version == 4 else OUTER6
    return kind_of(udp_packet(a, source, b, port, payload))


def is_ip(packet):
    return packet[0] in (IP4, IP6)


def only_ip(build):
    return lambda p: build(p) if is_ip(p) else None


def scapy_ip(layers):
    """The bytes of scapy layers below an IPv4 header."""
    from scapy.layers.inet import IP
    return kind_of(bytes(IP(src=OUTER4[0], dst=OUTER4[1]) / layers))


def mpls(labels, control_word=None, ethernet=False):
    def build(p):
        if not ethernet and not is_ip(p):
            return None
        stack = b"".join(struct.pack("!I", (16 + i) << 12 | (0x100 if i == labels - 1 else 0) | 64)
                         for i in range(labels))
        return 0x8847, stack + (control_word or b"") + (ether(p) if ethernet else p[1])
    return build


def ppp(p, framing=b"\xff\x03", short=False):
    protocol = {IP4: 0x21, IP6: 0x57}[p[0]]
    return framing + (bytes([protocol]) if short else struct.pack("!H", protocol)) + p[1]


def pppoe(p):
    inner = ppp(p, b"")
    return 0x8864, struct.pack("!BBHH", 0x11, 0, 5, len(inner)) + inner


def gre(flags=0, fields=b"", protocol=None, inner=None, version=4):
    """inner: what stands behind the header, by default the packet itself."""
    def build(p):
        body = p[1] if inner is None else inner(p)
        number = protocol if protocol is not None else p[0]
        return ip_over(47, struct.pack("!HH", flags, number) + fields + body, version)
    return build


def erspan(number):
    def build(p):
        if number == 1:
            return gre(protocol=0x88BE, inner=ether)(p)
        if number == 2:
            return gre(0x1000, bytes(4), 0x88BE, lambda q: struct.pack("!HHI", 0x1001, 7, 0) + ether(q))(p)
        last, more = (0x0000, b"") if number == 3 else (0x0001, bytes(8))
        return gre(0x1000, bytes(4), 0x22EB,
                   lambda q: struct.pack("!HHIHH", 0x2001, 7, 0, 0, last) + more + ether(q))(p)
    return build


def scapy_vxlan(p):
    from scapy.layers.l2 import Ether
    from scapy.layers.inet import UDP
    from scapy.layers.vxlan import VXLAN
    return scapy_ip(UDP(sport=55555, dport=4789) / VXLAN(vni=7) / Ether(ether(p)))


def scapy_geneve(p):
    from scapy.contrib.geneve import GENEVE
    from scapy.layers.inet import UDP
    from scapy.layers.l2 import Ether
    return scapy_ip(UDP(sport=55555, dport=6081) / GENEVE(vni=7, proto=0x6558) / Ether(ether(p)))


def scapy_gtp(p):
    from scapy.contrib.gtp import GTP_U_Header
    from scapy.layers.inet import UDP
    from scapy.packet import Raw
    return scapy_ip(UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7, gtp_type=255) / Raw(p[1]))


def scapy_gre(p):
    from scapy.layers.l2 import GRE
    from scapy.packet import Raw
    return scapy_ip(GRE(proto=p[0], chksum_present=1, key_present=1, seqnum_present=1, key=9, seqence_number=3)
                    / Raw(p[1]))


def scapy_pppoe(p):
    from scapy.layers.ppp import PPP, PPPoE
    from scapy.packet import Raw
    return 0x8864, bytes(PPPoE(sessionid=7) / PPP(proto={IP4: 0x21, IP6: 0x57}[p[0]]) / Raw(p[1]))


def scapy_mpls(p):
    from scapy.contrib.mpls import MPLS
    from scapy.packet import Raw
    return 0x8847, bytes(MPLS(label=100, s=0, ttl=9) / MPLS(label=200, s=1, ttl=9) / Raw(p[1]))


def scapy_nsh(p):
    from scapy.contrib.nsh import NSH
    from scapy.packet import Raw
    return 0x894F, bytes(NSH(nextproto=3, mdtype=1) / Raw(ether(p)))


def gtp(flags, optional, version=4):
    return only_ip(lambda p: udp_over(2152, struct.pack("!BBHI", flags, 255, len(optional) + len(p[1]), 7) + optional
                                      + p[1], version))


def l2tp2(flags, fields):
    return only_ip(lambda p: udp_over(1701, struct.pack("!H", flags | 2) + fields + ppp(p)))


def l2tp3(cookie, over_ip=False, inner=ether):
    def build(p):
        if inner is not ether and not is_ip(p):
            return None
        if inner is ether and p[0] not in (IP4, IP6, 0x8847, 0x8864):
            return None  # nothing tells what such a session carries
        session = struct.pack("!I", 7) + cookie + inner(p)
        return ip_over(115, session) if over_ip else udp_over(1701, struct.pack("!HH", 3, 0) + session)
    return build


def teredo(head, to_server=True):
    def build(p):
        if p[0] != IP6:
            return None
        return udp_over(3544, head + p[1]) if to_server else udp_over(40123, head + p[1], source=3544)
    return build


def ah(version):
    def build(p):
        if not is_ip(p):
            return None
        return ip_over(51, struct.pack("!BBHII", 4 if p[0] == IP4 else 41, 4, 0, 7, 1) + bytes(12) + p[1], version)
    return build


def pcap_record(order):
    def build(p):
        frame = ether(p)
        return udp_over(30001, struct.pack(order + "IIII", 1700000000, 5, len(frame), len(frame)) + frame)
    return build


def tagged(*tags):
    """An Ethernet frame whose packet is behind VLAN tags, in VXLAN."""
    def build(p):
        inner = MACS + b"".join(struct.pack("!HH", t, 7) for t in tags) + struct.pack("!H", p[0]) + p[1]
        return udp_over(4789, struct.pack("!II", 0x08000000, 0x700) + inner)
    return build


def gpe(number, inner):
    return lambda p: udp_over(4790, struct.pack("!BBBBI", 0x0C, 0, 0, number(p), 0x700) + inner(p))


VXLAN = struct.pack("!II", 0x08000000, 0x700)

# name: (builder, its token of --decap)
ENCAPSULATIONS = {
    "mpls": (mpls(1), "mpls"),
    "mpls, 3 labels": (mpls(3), "mpls"),
    "mpls, scapy": (only_ip(scapy_mpls), "mpls"),
    "mpls, pseudo-wire": (mpls(1, ethernet=True), "mpls"),
    "mpls, pseudo-wire, control word": (mpls(2, bytes(4), True), "mpls"),
    "mpls in ip": (lambda p: (mpls(1)(p) or None) and ip_over(137, mpls(1)(p)[1]), "mpls"),
    "mpls in udp": (lambda p: (mpls(1)(p) or None) and udp_over(6635, mpls(1)(p)[1]), "mpls"),
    "pppoe": (only_ip(pppoe), "pppoe"),
    "pppoe, scapy": (only_ip(scapy_pppoe), "pppoe"),
    "802.1ah": (lambda p: (0x88E7, bytes(4) + ether(p)), "tags"),
    "vn-tag": (lambda p: (0x8926, bytes(4) + struct.pack("!H", p[0]) + p[1]), "tags"),
    "hsr": (lambda p: (0x892F, bytes(4) + struct.pack("!H", p[0]) + p[1]), "tags"),
    "macsec": (lambda p: (0x88E5, b"\0\0" + bytes(4) + struct.pack("!H", p[0]) + p[1] + bytes(16)), "tags"),
    "macsec, channel": (lambda p: (0x88E5, b"\x20\0" + bytes(12) + struct.pack("!H", p[0]) + p[1] + bytes(16)), "tags"),
    "nsh": (scapy_nsh, "tags"),
    "fabricpath": (lambda p: (0x8903, b"\0\x40" + ether(p)), "tags"),
    "802.1br": (lambda p: (0x893F, bytes(6) + struct.pack("!H", p[0]) + p[1]), "tags"),
    "ttag": (lambda p: (0x8988, bytes(range(6)) + struct.pack("!H", p[0]) + p[1]), "tags"),
    "metadata": (lambda p: (0x8909, b"\1\1\0\1\0\x64" + struct.pack("!H", p[0]) + p[1]), "tags"),
    "metadata in gre": (lambda p: gre(protocol=0x8909, inner=lambda q: struct.pack("!H", q[0]) + b"\1\1\0\1\0\x64"
                                      + q[1])(p), "gre"),
    "ip in ip4": (only_ip(lambda p: ip_over(4 if p[0] == IP4 else 41, p[1])), "ipip"),
    "ip in ip6": (only_ip(lambda p: ip_over(4 if p[0] == IP4 else 41, p[1], 6)), "ipip"),
    "gre": (gre(), "gre"),
    "gre over ip6": (gre(version=6), "gre"),
    "gre, all fields, scapy": (scapy_gre, "gre"),
    "gre, checksum": (gre(0x8000, bytes(4)), "gre"),
    "gre, key": (gre(0x2000, bytes(4)), "gre"),
    "gre, sequence": (gre(0x1000, bytes(4)), "gre"),
    "gre, routing": (gre(0x4000, bytes(4) + struct.pack("!HBB", 2, 0, 4) + bytes(4) + bytes(4)), "gre"),
    "gre, ethernet": (gre(protocol=0x6558, inner=ether), "gre"),
    "gre, pptp": (only_ip(gre(0x3081, bytes(12), 0x880B, ppp)), "gre"),
    "gre, eoip": (gre(0x2001, bytes(4), 0x6400, ether), "gre"),
    "gre, wccp 1": (lambda p: gre(protocol=0x883E)(p) if p[0] == IP4 else None, "gre"),
    "gre, wccp 2": (only_ip(gre(protocol=0x883E, inner=lambda p: b"\0\1\2\3" + p[1])), "gre"),
    "gre in udp": (lambda p: udp_over(4754, struct.pack("!HH", 0, p[0]) + p[1]), "gre"),
    "erspan 1": (erspan(1), "gre,erspan"),
    "erspan 2": (erspan(2), "gre,erspan"),
    "erspan 3": (erspan(3), "gre,erspan"),
    "erspan 3, platform": (erspan(4), "gre,erspan"),
    "etherip": (lambda p: ip_over(97, b"\x30\0" + ether(p)), "etherip"),
    "ah over ip4": (ah(4), "ah,ipip"),
    "ah over ip6": (ah(6), "ah,ipip"),
    "vxlan": (lambda p: udp_over(4789, VXLAN + ether(p)), "vxlan"),
    "vxlan, scapy": (scapy_vxlan, "vxlan"),
    "vxlan, 8472, over ip6": (lambda p: udp_over(8472, VXLAN + ether(p), 6), "vxlan"),
    "vxlan, tags inside": (tagged(0x88A8, 0x8100), "vxlan"),
    "vxlan-gpe, ip": (only_ip(gpe(lambda p: 1 if p[0] == IP4 else 2, lambda p: p[1])), "vxlan"),
    "vxlan-gpe, ethernet": (gpe(lambda p: 3, ether), "vxlan"),
    "geneve, scapy": (scapy_geneve, "geneve"),
    "geneve, options": (lambda p: udp_over(6081, struct.pack("!BBHI", 3, 0, 0x6558, 0x700) + bytes(12) + ether(p)),
                        "geneve"),
    "geneve, ethertype": (lambda p: udp_over(6081, struct.pack("!BBHI", 0, 0, p[0], 0x700) + p[1]), "geneve"),
    "gtp, scapy": (only_ip(scapy_gtp), "gtp"),
    "gtp": (gtp(0x30, b""), "gtp"),
    "gtp, sequence": (gtp(0x32, bytes(4)), "gtp"),
    "gtp, extensions": (gtp(0x34, b"\0\0\0\x85" + b"\1\0\0\xc0" + b"\2" + bytes(6) + b"\0", 6), "gtp"),
    "l2tp 2": (l2tp2(0, struct.pack("!HH", 1, 2)), "l2tp"),
    "l2tp 2, all fields": (l2tp2(0x4A00, struct.pack("!HHHHHH", 60, 1, 2, 3, 4, 6) + bytes(6)), "l2tp"),
    "l2tp 3": (l2tp3(b""), "l2tp"),
    "l2tp 3, cookie of 4": (l2tp3(b"\x11\x22\x33\x44"), "l2tp"),
    "l2tp 3, cookie of 8, over ip": (l2tp3(b"\x11\x22\x33\x44\x55\x66\x77\x88", True), "l2tp"),
    "l2tp 3, ppp": (l2tp3(b"\x11\x22\x33\x44", inner=ppp), "l2tp"),
    "tzsp": (lambda p: udp_over(37008, b"\1\0\0\1" + b"\0" + b"\x0a\1\x55" + b"\1" + ether(p)), "tzsp"),
    "teredo": (teredo(b""), "teredo"),
    "teredo, origin": (teredo(struct.pack("!HHI", 0, 1, 2), False), "teredo"),
    "teredo, authentication": (teredo(struct.pack("!HBB", 1, 2, 3) + bytes(5 + 8 + 1)), "teredo"),
    "jmirror": (only_ip(lambda p: udp_over(30030, struct.pack("!II", 7, 8) + p[1])), None),
    "pcap-record": (pcap_record("<"), None),
    "pcap-record, big-endian": (pcap_record(">"), None),
}


def dns_packet(name, version=4):
    if version == 4:
        return kind_of(udp_packet("10.0.0.53", 53, "10.0.0.9", 40000, response(name, ["192.0.2.1"])))
    return kind_of(udp_packet("2001:db8::53", 53, "2001:db8::9", 40000, response(name, ["192.0.2.1"])))


def row_of(name, version=4):
    ends = ("10.0.0.53", "10.0.0.9") if version == 4 else ("2001:db8::53", "2001:db8::9")
    return "\t".join(ends + (name, "192.0.2.1", ""))
