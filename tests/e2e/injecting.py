# SPDX-License-Identifier: BSD-3-Clause
"""A system call made by another process, in place of what it does: ptrace(2)."""

import contextlib
import ctypes
import os
import platform
import signal

import pytest
from conftest import wait_until

ATTACH, DETACH, GETREGS, SETREGS, POKE, PEEK, STEP = 16, 17, 12, 13, 5, 2, 9
SYSCALL = 0x050f  # the instruction
WALL = 0x40000000  # waitpid(2)
REGISTERS = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
             "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs")
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
NUMBERS = {"read": 0, "write": 1, "open": 2, "socket": 41, "connect": 42, "sendto": 44, "bind": 49, "listen": 50,
           "clone": 56, "execve": 59, "kill": 62, "rename": 82, "unlink": 87, "ptrace": 101, "setuid": 105,
           "openat": 257, "unlinkat": 263, "accept4": 288}


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def ptrace(request, pid, address=None, data=None):
    ctypes.set_errno(0)
    result = libc.ptrace(request, pid, address, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def poke(pid, address, data):
    data += b"\0" * (-len(data) % 8)
    for i in range(0, len(data), 8):
        ptrace(POKE, pid, address + i, int.from_bytes(data[i:i + 8], "little"))


class Killed(Exception):
    """The process was ended by this signal instead."""


def needs_ptrace(pid):
    if platform.machine() != "x86_64":
        pytest.skip("the registers are those of x86-64")
    try:
        ptrace(ATTACH, pid)
    except OSError as error:
        pytest.skip("processes cannot be traced here: %s" % error)
    os.waitpid(pid, WALL)
    ptrace(DETACH, pid)


def stop_in_call(pid):
    """Its registers, once it is stopped in a system call; None: it was not in one, and goes on."""
    registers = Registers()
    ptrace(ATTACH, pid)
    os.waitpid(pid, WALL)
    ptrace(GETREGS, pid, None, ctypes.addressof(registers))
    with contextlib.suppress(OSError):
        if ptrace(PEEK, pid, registers.rip - 2) & 0xffff == SYSCALL:
            return registers
    ptrace(DETACH, pid)
    return None


def call(pid, name, *arguments):
    """What the system call gives, such as -13 for EACCES; bytes are put where the process has room for them."""
    before, now = wait_until(lambda: stop_in_call(pid)), Registers()
    try:
        ctypes.memmove(ctypes.addressof(now), ctypes.addressof(before), ctypes.sizeof(before))
        room = before.rsp - 8192
        for register, value in zip(ARGUMENTS, arguments):
            if isinstance(value, bytes):
                poke(pid, room, value)
                value, room = room, room + len(value) + 8
            setattr(now, register, value & 0xffffffffffffffff)
        now.rax, now.orig_rax, now.rip = NUMBERS[name], 0xffffffffffffffff, before.rip - 2
        ptrace(SETREGS, pid, None, ctypes.addressof(now))
        ptrace(STEP, pid)
        _, status = os.waitpid(pid, WALL)
        if os.WIFSIGNALED(status) or os.WSTOPSIG(status) == signal.SIGSYS:
            raise Killed(signal.SIGSYS)
        ptrace(GETREGS, pid, None, ctypes.addressof(now))
        result = ctypes.c_longlong(now.rax).value
        if before.orig_rax < 1 << 32:  # what was cut short is done once more
            before.rax, before.rip, before.orig_rax = before.orig_rax, before.rip - 2, 0xffffffffffffffff
        ptrace(SETREGS, pid, None, ctypes.addressof(before))
        return result
    finally:
        with contextlib.suppress(OSError):
            ptrace(DETACH, pid)
