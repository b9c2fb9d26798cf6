# SPDX-License-Identifier: BSD-3-Clause
"""A key for signed datagrams, and what needs the library for it."""

import pytest

from conftest import sensor

KEY = bytes(range(32))
needs_libcrypto = pytest.mark.skipif("without libcrypto" in sensor("--version").out.decode(),
                                     reason="built without libcrypto")


@pytest.fixture
def key(tmp_path):
    """A file with KEY that its owner alone can read."""
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path
