# SPDX-License-Identifier: BSD-3-Clause
"""Reads what dnsflow sensors send, in plain Python: from capture files, interfaces, sockets and bytes.

    import dnsflow
    for packet in dnsflow.pkt_iter(pcap_file="datagrams.pcap"):
        for record in packet.get("data", ()):
            print(record["client_ip"], record["names"], record["ips"])
"""

from .capture import CaptureError, Frame, read_frames
from .encode import encode, encode_stats, name_to_wire
from .packet import Fragment, Reassembly, Udp, find_udp
from .reader import Counts, Header, Packet, pkt_iter, process_datagram, process_pkt, records, udp_iter
from .wire import (COUNTER_NAMES, FLAG_ANSWERS, FLAG_EXTENDED, FLAG_SIGNED, FLAG_STATS, OWNER_OTHER, PORT,
                   SET_CONTINUES, SET_CUT, SET_DNSTAP, SET_INCOMPLETE, SET_MDNS, SET_TCP, TRANSPORT_NAMES, VERSION,
                   Answer, Datagram, DecodeError, Ext, Record, RecordExt, Stats, decode, verify)

__version__ = "2.0.0"

__all__ = [
    "pkt_iter", "udp_iter", "records", "process_pkt", "process_datagram", "Counts",
    "Packet", "Header", "Record", "RecordExt", "Answer", "Stats", "Ext",
    "decode", "encode", "encode_stats", "verify", "name_to_wire", "Datagram", "DecodeError",
    "read_frames", "Frame", "CaptureError", "find_udp", "Udp", "Fragment", "Reassembly",
    "COUNTER_NAMES", "PORT", "VERSION", "FLAG_STATS", "FLAG_EXTENDED", "FLAG_SIGNED", "FLAG_ANSWERS",
    "SET_CONTINUES", "SET_INCOMPLETE", "SET_TCP", "SET_DNSTAP", "SET_MDNS", "SET_CUT", "TRANSPORT_NAMES", "OWNER_OTHER",
]
