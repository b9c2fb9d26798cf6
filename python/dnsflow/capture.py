# SPDX-License-Identifier: BSD-3-Clause
"""Capture files: pcap in both byte orders and its variants, and pcapng, plain or compressed with gzip, bzip2 or xz.

https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import zlib
from typing import IO, Any, Generator, Iterator, List, NamedTuple, Optional, Tuple, Union, cast

CaptureFile = Union[str, "os.PathLike[str]", IO[bytes]]

_CAPTURED_MAX = 256 * 1024  # bytes of a frame
_BLOCK_MAX = 1024 * 1024  # bytes of a pcapng block that has to be read, not just passed over
_BUFFER = 256 * 1024
_HEAD = 6  # bytes by which a compression is known
_INTERFACES_MAX = 65536

_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_TSRESOL, _TSOFFSET = 9, 14


class CaptureError(ValueError):
    """The file is no capture, or broken. What came before it is good."""


class Frame(NamedTuple):
    """A captured frame."""

    link_type: int  # LINKTYPE_ number
    time_us: int
    wire_len: int
    data: bytes


class _Joined:
    """A few bytes that were read ahead, and the rest of the file behind them."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        size = len(self._head) if size < 0 else size
        taken, self._head = self._head[:size], self._head[size:]
        return taken


class _Bytes:
    """Exact reads. Decompresses what is compressed."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        head = b""
        while len(head) < _HEAD:
            more = file.read(_HEAD - len(head))
            if not more:
                break
            head += more
        self._file = self._unpacked(head, cast(IO[bytes], _Joined(head, file)))

    def _unpacked(self, head: bytes, file: IO[bytes]) -> IO[bytes]:
        unpacked: Any = None
        if head[:2] == b"\x1f\x8b":
            unpacked = gzip.GzipFile(fileobj=file)
        elif head[:3] == b"BZh":
            unpacked = bz2.BZ2File(file)
        elif head == b"\xfd7zXZ\0":
            unpacked = lzma.LZMAFile(file)
        elif head[:4] in (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"):
            raise CaptureError("%s: zstd and lz4 are not unpacked here; unpack it before, or on standard input"
                               % self.name)
        return file if unpacked is None else cast(IO[bytes], io.BufferedReader(unpacked, _BUFFER))

    def fail(self, why: str) -> CaptureError:
        return CaptureError("%s: %s" % (self.name, why))

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end of the file."""
        try:
            data = self._file.read(size)
            while len(data) < size:
                more = self._file.read(size - len(data))
                if not more:
                    break
                data += more
            return data
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the file could not be read; gzip and bz2 have no number
            raise self.fail("broken compressed data: %s" % error) from error

    def read_whole(self, size: int) -> bytes:
        data = self.read(size)
        if len(data) < size:
            raise self.fail("the file ends inside a record")
        return data

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.read_whole(min(size, _BUFFER)))


_PCAP_MAGICS = {0xA1B2C3D4: (16, 1), 0xA1B23C4D: (16, 1000), 0xA1B2CD34: (24, 1)}  # record header, fractions in a us


def _pcap_kind(head: bytes) -> Optional[Tuple[str, int, int]]:
    """Byte order, bytes of a record header, fractions in a microsecond."""
    for order in "<>":
        kind = _PCAP_MAGICS.get(struct.unpack(order + "I", head[:4])[0])
        if kind:
            return (order,) + kind
    return None


def _pcap_frames(file: _Bytes, head: bytes) -> Iterator[Frame]:
    kind = _pcap_kind(head)
    if not kind:
        raise file.fail("not a capture: neither pcap nor pcapng, plain or compressed")
    order, header_len, unit = kind
    major, minor, _, _, _, link = struct.unpack(order + "HHiIII", head[4:])
    if major != 2:
        raise file.fail("pcap version %d.%d is not known; 2.x is" % (major, minor))
    link &= 0xFFFF
    unpack = struct.Struct(order + "IIII").unpack_from
    while True:
        header = file.read(header_len)
        if not header:
            return
        if len(header) < header_len:
            raise file.fail("the file ends inside a record")
        seconds, fraction, captured, wire = unpack(header)
        if minor < 3 or (minor == 3 and captured > wire):  # the two stood the other way round
            captured, wire = wire, captured
        if captured > _CAPTURED_MAX:
            raise file.fail("a record claims %d captured bytes, over %d" % (captured, _CAPTURED_MAX))
        yield Frame(link, seconds * 1000000 + fraction // unit, wire, file.read_whole(captured))


class _Interface(NamedTuple):
    link_type: int
    snap_len: int  # 0 = none
    resolution: int  # units in a second
    offset_us: int


class _Blocks:
    """The blocks of a pcapng file: type 4 | total length 4 | body, padded to 4 | total length 4"""

    def __init__(self, file: _Bytes) -> None:
        self.file = file
        self.order = "<"
        self.interfaces: List[_Interface] = []
        self.last_time_us = 0

    def unpack(self, layout: str, body: bytes, what: str, at: int = 0) -> Tuple[Any, ...]:
        if at + struct.calcsize(self.order + layout) > len(body):
            raise self.file.fail("%s is too short" % what)
        return struct.unpack_from(self.order + layout, body, at)

    def read_block(self, head: bytes) -> Tuple[int, bytes]:
        """Type and body of the block that begins with these 12 bytes; a section header sets the byte order."""
        if head[:4] == b"\n\r\r\n":
            orders = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
            if head[8:12] not in orders:
                raise self.file.fail("a block header is damaged")
            self.order = orders[head[8:12]]
        kind, length = struct.unpack_from(self.order + "II", head)
        if length < 12 or length > 0xFFFFFFFC:
            raise self.file.fail("a block header is damaged")
        padded = (length + 3) & ~3
        if kind not in (_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED):
            self.file.skip(padded - 12)
            return 0, b""
        if padded > _BLOCK_MAX:
            raise self.file.fail("a block claims more than 1 MiB")
        rest = head[8:] + self.file.read_whole(padded - 12)
        if (struct.unpack(self.order + "I", rest[-4:])[0] + 3) & ~3 != padded:
            raise self.file.fail("the two lengths of a block differ")
        return kind, rest[:-4]

    def begin_section(self, body: bytes) -> None:
        if self.unpack("IHHq", body, "a section header")[1] != 1:
            raise self.file.fail("pcapng of a version other than 1.x")
        self.interfaces = []

    def add_interface(self, body: bytes) -> None:
        link_type, _, snap_len = self.unpack("HHI", body, "an interface block")
        if len(self.interfaces) == _INTERFACES_MAX:
            raise self.file.fail("more than %d interfaces in a section" % _INTERFACES_MAX)
        resolution, offset_us, at = 10**6, 0, 8
        while at + 4 <= len(body):  # options: code 2 | length 2 | value, padded to 4; code 0 ends them
            code, length = struct.unpack_from(self.order + "HH", body, at)
            at += 4
            if code == 0 or length > len(body) - at:
                break
            if code == _TSRESOL and length >= 1:
                resolution = 1 << (body[at] & 127) if body[at] & 128 else 10 ** body[at]
            if code == _TSOFFSET and length >= 8:
                offset_us = struct.unpack_from(self.order + "q", body, at)[0] * 1000000
            at += (length + 3) & ~3
        self.interfaces.append(_Interface(link_type, snap_len, resolution, offset_us))

    def frame(self, kind: int, body: bytes) -> Frame:
        if kind == _SIMPLE:  # wire length 4 | data; of interface 0, cut at its snap length
            wire, = self.unpack("I", body, "a packet block")
            number, at, units = 0, 4, None
            limit = self.interfaces[0].snap_len if self.interfaces else 0
            captured = min(wire, limit) if limit else wire
        else:  # interface 4, of which the obsolete block has 2 | time 8 | captured length 4 | wire length 4 | data
            number, high, low, captured, wire = self.unpack("IIIII", body, "a packet block")
            number = struct.unpack_from(self.order + "H", body)[0] if kind == _PACKET else number
            at, units = 20, high << 32 | low
        if number >= len(self.interfaces):
            raise self.file.fail("a packet names an interface that no block describes")
        if captured > len(body) - at or captured > _CAPTURED_MAX:
            raise self.file.fail("a packet claims more captured bytes than its block holds")
        interface = self.interfaces[number]
        if units is not None:
            self.last_time_us = units * 1000000 // interface.resolution + interface.offset_us
        return Frame(interface.link_type, self.last_time_us, wire, body[at:at + captured])

    def frames(self, head: bytes) -> Iterator[Frame]:
        while head:
            if len(head) < 12:
                raise self.file.fail("the file ends inside a record")
            kind, body = self.read_block(head)
            if kind == _SECTION:
                self.begin_section(body)
            elif kind == _INTERFACE:
                self.add_interface(body)
            elif kind:
                yield self.frame(kind, body)
            head = self.file.read(12)


def _read_frames(file: _Bytes) -> Iterator[Frame]:
    head = file.read(12)
    if not head:
        raise file.fail("the file is empty; expected pcap or pcapng")
    if head[:4] == b"\n\r\r\n":
        yield from _Blocks(file).frames(head)
        return
    head += file.read(12)
    if len(head) < 24:
        raise file.fail("not a capture: shorter than a pcap header")
    yield from _pcap_frames(file, head)


def open_capture(file: CaptureFile) -> IO[bytes]:
    """The file to read from: a path is opened, "-" is standard input, anything with read() is itself."""
    if isinstance(file, (str, os.PathLike)):
        return sys.stdin.buffer if file == "-" else open(file, "rb", _BUFFER)
    return file


def read_frames(file: CaptureFile) -> Generator[Frame, None, None]:
    """The frames of a capture. Opens a path at once, OSError says why it cannot, and closes it at the end; a file
    object stays the caller's. Raises CaptureError where the file is broken, behind all that came before."""
    opened = open_capture(file)
    return _frames_of(opened, opened is not file and file != "-")


def _frames_of(file: IO[bytes], is_ours: bool) -> Generator[Frame, None, None]:
    try:
        yield from _read_frames(_Bytes(file, str(getattr(file, "name", "capture"))))
    finally:
        if is_ours:
            file.close()
