# SPDX-License-Identifier: BSD-3-Clause
"""From a captured frame to the UDP datagram in it.

Lengths come from the IP and UDP headers, cut down to what was captured. What is not understood gives None."""

from __future__ import annotations

import enum
from struct import Struct
from typing import Dict, NamedTuple, Optional, Tuple, Union

NULL, ETHERNET, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = 0, 1, 101, 108, 113, 228, 229, 276
_RAW_TYPES = (RAW, 12, 14)  # 12 and 14 are what libpcap calls it on some systems

_ETHERTYPE_IPV4, _ETHERTYPE_IPV6, _ETHERTYPE_MIN = 0x0800, 0x86DD, 0x0600
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
_VLAN_TAGS_MAX = 3
_BY_FAMILY = {2: _ETHERTYPE_IPV4, 10: _ETHERTYPE_IPV6, 23: _ETHERTYPE_IPV6, 24: _ETHERTYPE_IPV6, 28: _ETHERTYPE_IPV6,
              30: _ETHERTYPE_IPV6}  # AF_INET6 is another number on each system

_UDP, _FRAGMENT, _AH = 17, 44, 51
_EXTENSIONS = (0, 43, 60, 135, 139, 140)  # hop-by-hop, routing, destination, mobility, HIP, shim6
_HEADERS_MAX = 16

_be16 = Struct("!H").unpack_from
_ip4 = Struct("!BBHHHBBH4s4s").unpack_from  # version, TOS, length, id, fragment, TTL, protocol, checksum, from, to
_ip6 = Struct("!IHBB16s16s").unpack_from  # version, payload length, next header, hop limit, from, to
_fragment = Struct("!BBHI").unpack_from  # next header, reserved, offset and more, id
_udp = Struct("!HHHH").unpack_from  # source port, destination port, length, checksum


class Udp(NamedTuple):
    """A datagram. `src` is 4 or 16 bytes."""

    src: bytes
    src_port: int
    dst_port: int
    payload: bytes


class Fragment(NamedTuple):
    """A part of an IP packet that carries UDP."""

    src: bytes
    dst: bytes
    id: int
    offset: int  # bytes
    more: bool
    is_whole: bool  # all of it was captured
    payload: bytes

    def units(self) -> int:
        """A bit for each 8 bytes of the packet that it holds."""
        return (1 << (self.offset + len(self.payload) + 7) // 8) - (1 << self.offset // 8)


def _read_udp(src: bytes, data: bytes) -> Optional[Udp]:
    if len(data) < 8:
        return None
    src_port, dst_port, length, _ = _udp(data)
    if length == 0:  # segmentation offload, or a jumbogram: all that there is
        length = len(data)
    return Udp(src, src_port, dst_port, data[8:length]) if length >= 8 else None


def _link(link_type: int, frame: bytes) -> Tuple[int, int]:
    """Ethertype of the packet in the frame, 0 = none, and where it begins."""
    if link_type in _RAW_TYPES:
        version = frame[0] >> 4 if frame else 0
        return (_ETHERTYPE_IPV4 if version == 4 else _ETHERTYPE_IPV6 if version == 6 else 0), 0
    if link_type in (IPV4, IPV6):
        return (_ETHERTYPE_IPV4 if link_type == IPV4 else _ETHERTYPE_IPV6), 0
    if link_type in (NULL, LOOP):
        # In the byte order of the machine that captured; the values are small, so that the order shows.
        family = int.from_bytes(frame[:4], "big")
        swapped = int.from_bytes(frame[:4], "little") if family > 0xFFFF else family
        return _BY_FAMILY.get(swapped, family & 0xFFFF), 4
    at = {ETHERNET: 12, SLL: 14, SLL2: 0}.get(link_type, len(frame))
    if at + 2 > len(frame):
        return 0, 0
    return _be16(frame, at)[0], 20 if link_type == SLL2 else at + 2


def _read_ip4(frame: bytes, at: int) -> Union[Udp, Fragment, None]:
    left = len(frame) - at
    if left < 20:
        return None
    version, _, total, number, fragment, _, protocol, _, src, dst = _ip4(frame, at)
    header = (version & 15) * 4
    total = total or left  # 0: left to the network card by segmentation offload
    if version >> 4 != 4 or header < 20 or total < header or header > left:
        return None
    end = at + min(total, left)
    if fragment & 0x3FFF:
        if protocol != _UDP:
            return None
        return Fragment(src, dst, number, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), total <= left,
                        frame[at + header:end])
    if protocol == _UDP:
        return _read_udp(src, frame[at + header:end])
    return _read_upper(frame[at + header:end], src, dst, protocol, total <= left) if protocol == _AH else None


def _read_ip6(frame: bytes, at: int) -> Union[Udp, Fragment, None]:
    left = len(frame) - at - 40
    if left < 0:
        return None
    version, length, protocol, _, src, dst = _ip6(frame, at)
    if version >> 28 != 6:
        return None
    length = length or left  # 0: segmentation offload, or a jumbogram
    at += 40
    return _read_upper(frame[at:at + length], src, dst, protocol, length <= left)


def _read_upper(data: bytes, src: bytes, dst: bytes, protocol: int, is_whole: bool) -> Union[Udp, Fragment, None]:
    """Passes the extension headers."""
    at = 0
    for _ in range(_HEADERS_MAX):
        if protocol == _UDP:
            return _read_udp(src, data[at:])
        if protocol == _FRAGMENT and len(src) == 16:
            if at + 8 > len(data):
                return None
            protocol, _, offset, number = _fragment(data, at)
            at += 8
            if offset & 0xFFF9:  # else an atomic fragment (RFC 6946): a whole packet
                if protocol != _UDP and not offset & 0xFFF8:  # the first one's counts (RFC 8200)
                    return None
                return Fragment(src, dst, number, offset & 0xFFF8, bool(offset & 1), is_whole, data[at:])
            continue
        if at + 2 > len(data):
            return None
        if protocol in _EXTENSIONS and len(src) == 16:
            size = (data[at + 1] + 1) * 8
        elif protocol == _AH:
            size = (data[at + 1] + 2) * 4
        else:
            return None
        protocol = data[at]
        at += size
        if at > len(data):
            return None
    return None


def find_udp(link_type: int, frame: bytes) -> Union[Udp, Fragment, None]:
    """The datagram in a frame, or the fragment of one. `link_type` is a LINKTYPE_ number of the pcap formats."""
    ethertype, at = _link(link_type, frame)
    for _ in range(_VLAN_TAGS_MAX):
        if ethertype not in _VLAN_TAGS or at + 4 > len(frame):
            break
        ethertype = _be16(frame, at + 2)[0]
        at += 4
    if ethertype == _ETHERTYPE_IPV4:
        return _read_ip4(frame, at)
    if ethertype == _ETHERTYPE_IPV6:
        return _read_ip6(frame, at)
    return None


class _State(enum.Enum):
    OPEN = 0
    DONE = 1  # complete: what repeats it is refused
    REFUSED = 2  # what comes of it is not wanted


class _Agreement(enum.Enum):
    ADDS = 0
    REPEATS = 1
    REPLACES = 2
    CONTRADICTS = 3


class _Partial:
    """What has come of a fragmented datagram. `have` has a bit for each 8 bytes."""

    __slots__ = ("started_us", "last_us", "state", "have", "total", "data")

    def __init__(self, now_us: int) -> None:
        self.begin(now_us)

    def begin(self, now_us: int) -> None:
        self.started_us = self.last_us = now_us
        self.state = _State.OPEN
        self.clear()

    def clear(self) -> None:
        self.have = self.total = 0
        self.data = bytearray()

    def _fits(self, f: Fragment, end: int) -> bool:
        """Whether it agrees with what is known of its datagram."""
        if not f.is_whole or not f.payload or end > 65535 - (20 if len(f.src) == 4 else 0):
            return False
        if f.more and len(f.payload) % 8 != 0:
            return False
        if self.total and (end > self.total or (not f.more and end != self.total)):
            return False
        return f.more or end >= len(self.data)

    def compare(self, f: Fragment) -> _Agreement:
        end, units = f.offset + len(f.payload), f.units()
        if not self._fits(f, end) or self.have & units not in (0, units):
            return _Agreement.CONTRADICTS
        if not self.have & units:
            return _Agreement.ADDS
        return _Agreement.REPEATS if self.data[f.offset:end] == f.payload else _Agreement.REPLACES

    def repeats(self, f: Fragment) -> bool:
        """Whether it has been part of this complete datagram. Where the bytes are gone, it is thought so."""
        end = f.offset + len(f.payload)
        if not self.data or not f.is_whole:
            return True
        return end <= self.total and f.more == (end < self.total) and self.data[f.offset:end] == f.payload


class Reassembly:
    """Puts fragmented datagrams together, in bounded memory: the oldest make room. Fragments that repeat what has come
    are ignored; one that overlaps it in part ends its datagram (RFC 5722). Other bytes in the place of known ones are
    of another datagram, whose sender has used the number again."""

    DATAGRAMS_MAX = 256
    BYTES_MAX = 1 << 20
    EXPIRES_US = 30 * 1000000
    REPEAT_US = 2 * 1000000  # fragments that come so late are of another datagram

    def __init__(self) -> None:
        self._partials: Dict[Tuple[bytes, bytes, int], _Partial] = {}  # by age
        self._bytes = 0

    def _clear(self, partial: _Partial) -> None:
        self._bytes -= len(partial.data)
        partial.clear()

    def _evict(self, key: Tuple[bytes, bytes, int]) -> None:
        self._clear(self._partials.pop(key))

    def _begin(self, key: Tuple[bytes, bytes, int], now_us: int) -> None:
        """Another datagram of the same number."""
        partial = self._partials.pop(key)
        self._clear(partial)
        partial.begin(now_us)
        self._partials[key] = partial

    def _find(self, key: Tuple[bytes, bytes, int], now_us: int) -> _Partial:
        while self._partials:
            oldest = next(iter(self._partials))
            if abs(now_us - self._partials[oldest].started_us) <= self.EXPIRES_US:
                break
            self._evict(oldest)
        if key not in self._partials:
            if len(self._partials) == self.DATAGRAMS_MAX:
                self._evict(next(iter(self._partials)))
            self._partials[key] = _Partial(now_us)
        return self._partials[key]

    def _make_room(self, keep: _Partial) -> None:
        """At the cost of what is only kept to know repetitions by, then of the oldest datagram."""
        others = [(key, p) for key, p in self._partials.items() if p is not keep and p.data]
        key, partial = next((o for o in others if o[1].state is _State.DONE), others[0])
        if partial.state is _State.DONE:
            self._clear(partial)
        else:
            self._evict(key)

    def _store(self, partial: _Partial, f: Fragment, now_us: int) -> None:
        end = f.offset + len(f.payload)
        grown = end - len(partial.data)
        if grown > 0:
            partial.data += bytes(grown)
            self._bytes += grown
        partial.data[f.offset:end] = f.payload
        partial.have |= f.units()
        partial.last_us = max(partial.last_us, now_us)
        if not f.more:
            partial.total = end
        while self._bytes > self.BYTES_MAX:
            self._make_room(partial)

    def _agrees(self, key: Tuple[bytes, bytes, int], p: _Partial, f: Fragment, is_late: bool, now_us: int) -> bool:
        """Whether it adds to its datagram, which is begun anew where the number has been used again."""
        how = p.compare(f)
        if how is _Agreement.REPEATS:
            return False
        if how is not _Agreement.ADDS and (is_late or (how is _Agreement.REPLACES and len(f.src) == 4)):
            self._begin(key, now_us)
            how = p.compare(f)
        if how is not _Agreement.ADDS:
            self._clear(p)
            p.state, p.last_us = _State.REFUSED, now_us
        return how is _Agreement.ADDS

    def add(self, f: Fragment, now_us: int) -> Optional[Udp]:
        """Takes a fragment; returns the datagram that it completes."""
        key = (f.src, f.dst, f.id)
        p = self._find(key, now_us)
        is_late = abs(now_us - p.last_us) >= self.REPEAT_US
        if p.state is _State.DONE and not is_late and p.repeats(f):
            return None
        if p.state is _State.REFUSED and not is_late and f.offset > 0:
            return None
        if p.state is not _State.OPEN:
            self._begin(key, now_us)
            is_late = False
        if not self._agrees(key, p, f, is_late, now_us):
            return None
        self._store(p, f, now_us)
        if not p.total or p.have != (1 << (p.total + 7) // 8) - 1:
            return None
        p.state, p.last_us = _State.DONE, now_us
        return _read_udp(f.src, bytes(p.data))
