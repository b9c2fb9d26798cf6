# SPDX-License-Identifier: BSD-3-Clause
"""Filter expressions (pcap-filter(7)), compiled by the libpcap of this machine if it has one."""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import lru_cache
from typing import Any, Dict, Optional

from .packet import ETHERNET, RAW

_SNAP_LEN = 262144
_NETMASK_UNKNOWN = 0xFFFFFFFF
_ERROR_SIZE = 256
_LIBRARIES = ("libpcap.so.1", "libpcap.so.0.8", "libpcap.dylib")
_DLT_RAW = 12


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint), ("instructions", ctypes.POINTER(_Instruction))]


class _PacketHeader(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("microseconds", ctypes.c_long), ("captured_len", ctypes.c_uint32),
                ("wire_len", ctypes.c_uint32)]


def _load() -> Optional[Any]:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            pass
    found = ctypes.util.find_library("pcap")
    return ctypes.CDLL(found) if found else None


@lru_cache(maxsize=None)
def _library() -> Optional[Any]:
    """libpcap with the types of what is called here, None if this machine has none."""
    lib = _load()
    if lib is None:
        return None
    program, text = ctypes.POINTER(_Program), ctypes.c_char_p
    for name, result, arguments in (
            ("pcap_open_dead", ctypes.c_void_p, [ctypes.c_int, ctypes.c_int]),
            ("pcap_open_live", ctypes.c_void_p, [text, ctypes.c_int, ctypes.c_int, ctypes.c_int, text]),
            ("pcap_compile", ctypes.c_int, [ctypes.c_void_p, program, text, ctypes.c_int, ctypes.c_uint32]),
            ("pcap_geterr", text, [ctypes.c_void_p]),
            ("pcap_close", None, [ctypes.c_void_p]),
            ("pcap_freecode", None, [program]),
            ("pcap_offline_filter", ctypes.c_int, [program, ctypes.POINTER(_PacketHeader), text])):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def is_supported() -> bool:
    """Whether this machine has libpcap."""
    return _library() is not None


def _need_library() -> Any:
    lib = _library()
    if lib is None:
        raise OSError("a filter expression needs libpcap, which is not on this machine")
    return lib


def _compile(handle: Optional[int], expression: str) -> bytes:
    """The instructions. Closes the handle. Raises ValueError with what libpcap says of the expression."""
    lib = _need_library()
    if not handle:
        raise MemoryError
    program = _Program()
    try:
        if lib.pcap_compile(handle, ctypes.byref(program), expression.encode(), 1, _NETMASK_UNKNOWN) != 0:
            raise ValueError("filter %r: %s" % (expression, lib.pcap_geterr(handle).decode("utf-8", "replace")))
    finally:
        lib.pcap_close(handle)
    instructions = ctypes.string_at(program.instructions, program.length * ctypes.sizeof(_Instruction))
    lib.pcap_freecode(ctypes.byref(program))
    return instructions


def compile_for(expression: str, link_type: int) -> bytes:
    """Classic BPF, in this machine's byte order, for frames of a link type."""
    return _compile(_need_library().pcap_open_dead(_DLT_RAW if link_type == RAW else link_type, _SNAP_LEN), expression)


def compile_live(expression: str, interface: str) -> bytes:
    """The same for an Ethernet interface, where the kernel takes VLAN tags off the frames. Needs the rights to capture
    there: OSError says that they lack."""
    text = ctypes.create_string_buffer(_ERROR_SIZE)
    handle = _need_library().pcap_open_live(interface.encode(), _SNAP_LEN, 0, 1, text)
    if not handle:
        raise OSError("%s: %s" % (interface, text.value.decode("utf-8", "replace")))
    return _compile(handle, expression)


class Filter:
    """An expression for frames of any link type; compiled for each when its first frame comes."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._programs: Dict[int, Optional[_Program]] = {}
        self._match = _need_library().pcap_offline_filter
        try:
            compile_for(expression, ETHERNET)
        except ValueError:
            if self._program(RAW) is None:
                raise

    def _program(self, link_type: int) -> Optional[_Program]:
        if link_type not in self._programs:
            try:
                code = compile_for(self._expression, link_type)
                count = len(code) // ctypes.sizeof(_Instruction)
                self._programs[link_type] = _Program(count, (_Instruction * count).from_buffer_copy(code))
            except ValueError:
                self._programs[link_type] = None
        return self._programs[link_type]

    def matches(self, link_type: int, data: bytes, wire_len: int) -> bool:
        """False too for a link type on which the expression makes no sense."""
        program = self._program(link_type)
        header = _PacketHeader(0, 0, len(data), wire_len)
        return program is not None and self._match(ctypes.byref(program), ctypes.byref(header), data) != 0
