# SPDX-License-Identifier: BSD-3-Clause
"""What bash completes for the collector."""

import subprocess
import sys

import pytest
from collecting import COLLECT, needs_collector
from conftest import TOP

pytestmark = needs_collector

WANTED = [
    (("",), {"run", "query", "status", "import", "check", "export", "sql", "backup", "forget", "replay", "annotate", "schema"}),
    (("run", "--sync", ""), {"1s", "always", "never"}),
    (("run", "--watch-o"), {"--watch-output"}),
    (("query", "su"), {"summary"}),
    (("query", "top", "r"), {"resolvers", "rcodes"}),
    (("query", "new", ""), {"names", "domains"}),
    (("query", "--format", "c"), {"csv", "cof"}),
    (("annotate", "--format", ""), {"csv", "json", "ndjson"}),
]


@pytest.mark.parametrize("words, wanted", WANTED)
def test_bash(tmp_path, words, wanted):
    subprocess.run([sys.executable, "-B", TOP / "scripts/make-completions", COLLECT, tmp_path], check=True, timeout=20)
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dnsflow_collect; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", tmp_path / "dnsflow_collect.bash", "dnsflow_collect", *words],
                          stdout=subprocess.PIPE, check=True, timeout=20)
    assert set(done.stdout.decode().split()) == wanted


def test_zsh_explains(tmp_path):
    """What stands in brackets is the help as it is, but for a bracket and a quote, which would end it."""
    subprocess.run([sys.executable, "-B", TOP / "scripts/make-completions", COLLECT, tmp_path], check=True, timeout=20)
    text = (tmp_path / "dnsflow_collect.zsh").read_text()
    assert "UDP port, [::\\]:5300 if it is left out" in text
    assert "ADDRESS:PORT or unix:PATH; 127.0.0.1:8353 by default" in text
    assert "by default the directory'\\''s owner" in text
