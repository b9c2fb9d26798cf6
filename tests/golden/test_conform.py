# SPDX-License-Identifier: BSD-3-Clause
"""A larger collection of captures, if there is one: DNSFLOW_SHARED or a folder `shared` beside the checkout, with
tools/conform.py, captures/ and golden/."""

import os
import sys
from pathlib import Path

import pytest

from conftest import SENSOR, TOP, run

SHARED = Path(os.environ.get("DNSFLOW_SHARED") or TOP.parent / "shared")


@pytest.mark.parametrize("options", [[], ["--skip-linktypes", "none"]], ids=["usual", "every link type"])
def test_conform(options):
    tool = SHARED / "tools" / "conform.py"
    if not tool.is_file() or not (SHARED / "captures" / "INDEX.tsv").is_file():
        pytest.skip("no shared captures: DNSFLOW_SHARED is not set and there is no folder `shared` beside the checkout")
    golden = ["--golden", SHARED / "golden"] if (SHARED / "golden").is_dir() else []
    result = run([sys.executable, "-B", tool, "--captures", SHARED / "captures", *golden, "--level", "plain", *options,
                  SENSOR], timeout=120)
    assert result.status == 0, result.out.decode("utf-8", "replace") + result.err
