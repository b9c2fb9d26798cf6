# SPDX-License-Identifier: BSD-3-Clause
"""Disks that fill up."""

import contextlib
import os

import pytest
from conftest import run


@contextlib.contextmanager
def small_disk(path, size="4m"):
    """A file system of its own at the path; skips where none can be mounted."""
    if os.geteuid() != 0 or run(["mount", "-t", "tmpfs", "-o", "size=" + size, "none", path]).status != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield path
    finally:
        run(["umount", "-l", path])


@contextlib.contextmanager
def filled(disk):
    """Until the block ends there is no room."""
    with open(disk / "filler", "wb", buffering=0) as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        try:
            yield
        finally:
            os.ftruncate(filler.fileno(), 0)
