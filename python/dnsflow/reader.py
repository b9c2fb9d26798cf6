# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams as dictionaries, from wherever they come."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import closing
from typing import Generator, Iterable, Iterator, List, Optional, Tuple, TypedDict, Union

from .capture import CaptureFile, Frame, read_frames
from .filter import Filter
from .live import Sniffer, open_udp, receive_udp, share_udp
from .packet import NULL, Fragment, Reassembly, Udp, find_udp
from .wire import PORT, Datagram, DecodeError, Ext, Record, Stats, decode


class _Header(TypedDict):
    src_ip: bytes  # 4 or 16
    src_ip_str: str
    src_port: int
    timestamp: float  # seconds since the Unix epoch: when the datagram was captured or received
    version: int
    sets_count: int
    flags: int  # sum of FLAG_ bits
    sequence_number: int


class Header(_Header, total=False):
    """Where a datagram comes from, and its header."""

    ext: Ext  # only with the extension trailer


class _Packet(TypedDict):
    header: Header


class Packet(_Packet, total=False):
    """A datagram. It has either data or stats; the other key is absent."""

    data: List[Record]
    stats: Stats


class Counts:
    """What an iterator has met. Give it one to look at afterwards, or meanwhile."""

    def __init__(self) -> None:
        self.frames = 0  # captured, before the filter
        self.filtered = 0  # of these, refused by the filter
        self.ignored = 0  # of these, without a datagram, or held as a part of one
        self.datagrams = 0  # accepted
        self.malformed = 0  # refused
        self.last_error: Optional[DecodeError] = None  # why the last one was


def _text_of(src_ip: bytes) -> str:
    if len(src_ip) == 4:
        return socket.inet_ntoa(src_ip)
    return socket.inet_ntop(socket.AF_INET6, src_ip)


def _packet_of(datagram: Datagram, src_ip: bytes, src_port: int, timestamp: float) -> Packet:
    header: Header = {
        "src_ip": src_ip,
        "src_ip_str": _text_of(src_ip),
        "src_port": src_port,
        "timestamp": timestamp,
        "version": datagram.version,
        "sets_count": datagram.sets_count,
        "flags": datagram.flags,
        "sequence_number": datagram.sequence_number,
    }
    if datagram.ext is not None:
        header["ext"] = datagram.ext
    if datagram.stats is not None:
        return {"header": header, "stats": datagram.stats}
    return {"header": header, "data": datagram.records}


def process_datagram(payload: bytes, src_ip: Union[str, bytes] = "0.0.0.0", src_port: int = 0, timestamp: float = 0.0,
                     stats_only: bool = False, counts: Optional[Counts] = None) -> Optional[Packet]:
    """The dictionary of a UDP payload; None when it is malformed, or when it is data and only statistics are wanted."""
    counts = Counts() if counts is None else counts
    try:
        datagram = decode(payload)
    except DecodeError as error:
        counts.malformed += 1
        counts.last_error = error
        return None
    counts.datagrams += 1
    if stats_only and datagram.stats is None:
        return None
    src_ip = ipaddress.ip_address(src_ip).packed if isinstance(src_ip, str) else src_ip
    return _packet_of(datagram, src_ip, src_port, timestamp)


def _find(link_type: int, data: bytes) -> Union[Udp, Fragment, None]:
    """A NULL frame of address family 0 is a bare datagram: old sensors write files of these."""
    if link_type == NULL and data[:4] == bytes(4):
        return Udp(bytes(4), 0, PORT, data[4:])
    return find_udp(link_type, data)


def process_pkt(dl_type: int, ts: float, buf: bytes, stats_only: bool = False, port: Optional[int] = PORT,
                counts: Optional[Counts] = None) -> Optional[Packet]:
    """The dictionary of a captured frame of this link type; None when it carries no datagram to UDP port `port` (None =
    any), also when it is a fragment of one, and as for process_datagram(). `ts` is its time in seconds."""
    udp = _find(dl_type, bytes(buf))
    if not isinstance(udp, Udp) or (port is not None and udp.dst_port != port):
        if counts is not None:
            counts.ignored += 1
        return None
    return process_datagram(udp.payload, udp.src, udp.src_port, ts, stats_only, counts)


def _packets_of(frames: Generator[Frame, None, None], accept: Optional[Filter], port: Optional[int],
                stats_only: bool, counts: Counts) -> Iterator[Packet]:
    reassembly = Reassembly()
    with closing(frames):
        for frame in frames:
            counts.frames += 1
            if accept is not None and not accept.matches(frame.link_type, frame.data, frame.wire_len):
                counts.filtered += 1
                continue
            udp = _find(frame.link_type, frame.data)
            if isinstance(udp, Fragment):
                udp = reassembly.add(udp, frame.time_us)
            if udp is None or (port is not None and udp.dst_port != port):
                counts.ignored += 1
                continue
            packet = process_datagram(udp.payload, udp.src, udp.src_port, frame.time_us / 1e6, stats_only, counts)
            if packet is not None:
                yield packet


def pkt_iter(interface: Optional[str] = None, pcap_file: Optional[CaptureFile] = None,
             pcap_filter: Optional[str] = None, stats_only: bool = False, counts: Optional[Counts] = None,
             timeout: Optional[float] = None) -> Iterator[Packet]:
    """The datagrams of a capture file ("-" = standard input, or a binary file object), or captured on an interface.

    They go to UDP port 5300; `pcap_filter`, an expression for libpcap, takes what it accepts instead. Live it ends when
    nothing has come for `timeout` seconds, None = never. What is malformed is counted and passed over. Opens what it
    reads at once: ValueError and OSError say why it cannot. A broken file raises CaptureError where it breaks."""
    if (interface is None) == (pcap_file is None):
        raise ValueError("expected either interface or pcap_file")
    counts = Counts() if counts is None else counts
    port = PORT if pcap_filter is None else None
    if interface is not None:
        return _packets_of(Sniffer(interface, pcap_filter).frames(timeout), None, port, stats_only, counts)
    assert pcap_file is not None
    accept = None if pcap_filter is None else Filter(pcap_filter)
    return _packets_of(read_frames(pcap_file), accept, port, stats_only, counts)


def udp_iter(address: str = "::", port: int = PORT, sock: Optional[socket.socket] = None, stats_only: bool = False,
             counts: Optional[Counts] = None, timeout: Optional[float] = None) -> Iterator[Packet]:
    """The datagrams that come to a UDP port: a collector. Binds at once ("::" takes IPv4 too); or reads `sock`, which
    stays the caller's. Ends when nothing has come for `timeout` seconds, None = never."""
    return _received(open_udp(address, port) if sock is None else share_udp(sock), stats_only,
                     Counts() if counts is None else counts, timeout)


def _received(sock: socket.socket, stats_only: bool, counts: Counts, timeout: Optional[float]) -> Iterator[Packet]:
    with closing(sock):
        for got in receive_udp(sock, timeout):
            packet = process_datagram(got.payload, got.src, got.src_port, got.time_us / 1e6, stats_only, counts)
            if packet is not None:
                yield packet


def records(packets: Iterable[Packet]) -> Iterator[Tuple[Header, Record]]:
    """One item for each record of the datagrams, with the header of its datagram."""
    for packet in packets:
        for record in packet.get("data", ()):
            yield packet["header"], record
