# SPDX-License-Identifier: BSD-3-Clause
"""What comes in: from a UDP socket, or captured on an interface of a Linux machine."""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import time
from typing import Any, Generator, Iterator, List, NamedTuple, Optional, Tuple

from . import filter as pcap_filter
from .capture import Frame
from .packet import ETHERNET, RAW
from .wire import PORT

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 263, 1, 1
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 26, 35, 33
_SIOCGIFHWADDR = 0x8927
_ARPHRD_ETHER, _ARPHRD_LOOPBACK = 1, 772
_OUTGOING = 4  # kind of packet
_ROOM = 65536 + 256  # the largest packet and its link header
_RECEIVE_BUFFER = 16 << 20  # bytes

# Datagrams, and what may be parts of one: a fragment has a port only in the first, and libpcap's `udp` does not look
# behind the extension headers of IPv6.
_DATAGRAMS = ("udp dst port %d or (ip proto 17 and ip[6:2] & 0x1fff != 0) or "
              "(ip6 and ip6[6] != 6 and ip6[6] != 17 and ip6[6] != 58)" % PORT)


class Received(NamedTuple):
    """A datagram as a socket gave it. `src` is 4 or 16 bytes."""

    src: bytes
    src_port: int
    time_us: int
    payload: bytes


def _prepare(sock: socket.socket) -> None:
    """Room for bursts, and the kernel's time of arrival where it tells it."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        pass


def _arrival_us(ancillary: List[Tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == 16:
            seconds, nanoseconds = struct.unpack("=qq", data)
            return int(seconds * 1000000 + nanoseconds // 1000)
    return time.time_ns() // 1000


def _receive(sock: socket.socket, timeout: Optional[float]) -> Optional[Tuple[bytes, int, Any]]:
    """The next packet, its time and source. None: nothing came for `timeout` seconds."""
    while True:
        try:
            data, ancillary, _, source = sock.recvmsg(_ROOM, 128, socket.MSG_DONTWAIT)
            return data, _arrival_us(ancillary), source
        except BlockingIOError:
            if not select.select([sock], [], [], timeout)[0]:
                return None
        except ConnectionError:
            pass  # an answer to something that the socket sent


def open_udp(address: str, port: int) -> socket.socket:
    """A bound socket. "::" takes IPv4 too, and stands for 0.0.0.0 where there is no IPv6."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError:
        if address != "::":
            raise
        return open_udp("0.0.0.0", port)
    try:
        _prepare(sock)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def share_udp(sock: socket.socket) -> socket.socket:
    """Another handle of a socket. It does not wait by itself, whatever the timeout of the first is."""
    return socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))


def receive_udp(sock: socket.socket, timeout: Optional[float]) -> Iterator[Received]:
    """Ends when nothing has come for `timeout` seconds; None waits for ever."""
    is_ip6 = sock.family == socket.AF_INET6
    while True:
        got = _receive(sock, timeout)
        if got is None:
            return
        payload, time_us, source = got
        if is_ip6:
            src = socket.inet_pton(socket.AF_INET6, source[0].split("%")[0])
            src = src[12:] if src[:12] == bytes(10) + b"\xff\xff" else src
        else:
            src = socket.inet_aton(source[0])
        yield Received(src, source[1], time_us, payload)


class Sniffer:
    """A capture on an interface, "any" for all. Needs root or CAP_NET_RAW. On the loopback interface each packet is
    seen once. The kernel filters if libpcap is there to make the program; an expression needs it."""

    def __init__(self, interface: str, expression: Optional[str] = None) -> None:
        if not hasattr(socket, "AF_PACKET"):
            raise OSError("capturing on an interface needs Linux")
        hardware = 0 if interface == "any" else _hardware_type(interface)
        self.is_loopback = hardware == _ARPHRD_LOOPBACK
        is_ethernet = hardware in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK)
        self.link_type = ETHERNET if is_ethernet else RAW
        # Without a protocol nothing is received before the filter is there. Other frames begin with their IP header.
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW if is_ethernet else socket.SOCK_DGRAM,
                                  socket.htons(_ETH_P_ALL) if interface == "any" else 0)
        try:
            is_filtered = self._attach(interface, expression, is_ethernet)
            _prepare(self.sock)
            if interface != "any":
                self.sock.bind((interface, _ETH_P_ALL))
            elif is_filtered:
                _drain(self.sock)
            if is_ethernet:
                request = struct.pack("@iHH8s", socket.if_nametoindex(interface), _PACKET_MR_PROMISC, 0, b"")
                self.sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        except BaseException:
            self.sock.close()
            raise

    def _attach(self, interface: str, expression: Optional[str], is_ethernet: bool) -> bool:
        """Gives the kernel the filter. False: there is none."""
        if expression is None:
            if not pcap_filter.is_supported():
                return False
            expression = "(%s) or (vlan and (%s))" % (_DATAGRAMS, _DATAGRAMS) if is_ethernet else _DATAGRAMS
        code = array.array("B", pcap_filter.compile_live(expression, interface) if is_ethernet else
                           pcap_filter.compile_for(expression, RAW))
        address, size = code.buffer_info()
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", size // 8, address))
        return True

    def frames(self, timeout: Optional[float] = None) -> Generator[Frame, None, None]:
        """Ends when nothing has come for `timeout` seconds; None waits for ever. Closes the capture at its end."""
        try:
            while True:
                got = _receive(self.sock, timeout)
                if got is None:
                    return
                data, time_us, source = got
                if not (source[2] == _OUTGOING and (self.is_loopback or source[3] == _ARPHRD_LOOPBACK)):
                    yield Frame(self.link_type, time_us, len(data), data)
        finally:
            self.sock.close()


def _drain(sock: socket.socket) -> None:
    """Takes out what came before the filter."""
    try:
        while True:
            sock.recv(1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass


def _hardware_type(interface: str) -> int:
    import fcntl  # not on every system that can read files

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFHWADDR, struct.pack("@16s24x", interface.encode()[:15]))
        except OSError as error:
            raise OSError(error.errno, "%s: %s" % (interface, error.strerror)) from None
    return int(struct.unpack_from("@H", answer, 16)[0])
