# SPDX-License-Identifier: BSD-3-Clause
"""Both programs on files when memory runs out: the n-th allocation fails, for every n there is, also in the libraries.
Each time they end with status 0 or 1 and one line that says so, never by a signal, and what they have written by then
is what they write otherwise, or the beginning of it.

Left out are what libpcap and libarchive do not survive themselves: -f and -F, as libpcap's scanner of expressions ends
the program or reads through NULL, compressed files, and the list of system calls, of which libseccomp makes one that
lets hardly any through. tests/unit/test_filter_memory.c has filters."""

import os
import re
import shutil

import pytest

from conftest import READER, SENSOR, TOP, release_build, run, unused_port, written_rows

pytestmark = release_build("a sanitizer has allocations of its own")

LIBRARY = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static atomic_long count;
static long fails_at = -1;

static int fails(void)
{
    if (fails_at < 0) {
        const char *text = getenv("FAILS_AT");
        fails_at = text ? atol(text) : 0;
    }
    if (atomic_fetch_add(&count, 1) + 1 != fails_at)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}

static int told_to = -1;

/* At the start, as the reader gives up opening files. */
__attribute__((constructor)) static void open_count(void)
{
    const char *path = getenv("COUNT_TO");
    told_to = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
}

__attribute__((destructor)) static void tell(void)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)count);
    if (told_to >= 0 && write(told_to, text, (size_t)len) != len)
        _exit(99);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        pytest.skip("no C compiler here")
    folder = tmp_path_factory.mktemp("library")
    (folder / "fails.c").write_text(LIBRARY)
    made = run([compiler, "-O1", "-shared", "-fPIC", "-o", folder / "fails.so", folder / "fails.c"])
    assert made.status == 0, made.err
    if run(["true"], env=dict(os.environ, LD_PRELOAD=str(folder / "fails.so"))).status != 0:
        pytest.skip("this C library has no malloc by another name")
    return folder / "fails.so"


def complaints(err):
    """The lines that are not part of a summary."""
    lines = [re.sub(r"^\[\d+\]: ", "", line) for line in err.splitlines()]
    return [line for line in lines if re.match(r"(dnsflow|dnsflow_read|error|warning|Fatal)\b.*: ", line)]


def every_failure(library, tmp_path, argv, check):
    """Runs it with each allocation failing once; `check` looks at the result, and at the first without any failure."""
    environment = dict(os.environ, LD_PRELOAD=str(library), COUNT_TO=str(tmp_path / "count"))
    whole = run(argv, env=environment)
    assert whole.status == 0 and complaints(whole.err) == [], whole.err
    count = int((tmp_path / "count").read_text())
    assert count > 10
    check(whole, whole)
    failed = 0
    for number in range(1, count + 1):
        result = run(argv, env=dict(environment, FAILS_AT=str(number)))
        said = complaints(result.err)
        assert result.status in (0, 1), (number, result.status, result.err)
        assert len(said) == 1 if result.status else len(said) <= 1, (number, result.err)
        failed += result.status
        check(result, whole)
    assert failed > 0, "allocations that fail are noticed"


@pytest.mark.parametrize("options", [
    ["-r", "made_ipv4.pcap"], ["-x", "-r", "made_ng_le.pcapng", "--decap", "all", "--dump-bad", "BAD"],
    ["-r", "made_packets.pcap", "-m", "1/2"]])
def test_sensor(library, tmp_path, options):
    out, kept = tmp_path / "out.pcap", {}
    options = [tmp_path / o if o == "BAD" else TOP / "tests" / "captures" / o if ".pcap" in o else o for o in options]

    def check(result, whole):
        rows = written_rows(out) if out.exists() and out.stat().st_size > 0 else []
        if result is whole:
            kept["rows"] = rows
        assert rows == kept["rows"][:len(rows)] and kept["rows"]
        assert result.status == 1 or rows == kept["rows"], result.err
        out.unlink(missing_ok=True)
    every_failure(library, tmp_path, [SENSOR, *options, "-w", out], check)


def test_sensor_with_workers(library, tmp_path):
    every_failure(library, tmp_path, [SENSOR, "-r", TOP / "tests/captures/real_lo.pcap", "-M", "2", "-x", "-u",
                                      "127.0.0.1:%d" % unused_port()], lambda result, whole: None)


@pytest.mark.parametrize("options", [[], ["--format", "json"], ["--format", "csv"], ["--summary"], ["--format", "cof"]])
def test_reader(library, tmp_path, options):
    source = tmp_path / "in.pcap"
    made = run([SENSOR, "-x", "-r", TOP / "tests/captures/real_lo.pcap", "-w", source])
    assert made.status == 0

    def check(result, whole):
        if "datagrams of more than 65536 sources: 1" in result.out.decode() + result.err:
            return  # a source that finds no room is counted like one that is too many
        assert whole.out.startswith(result.out) and whole.out
        rows, all_rows = (r.out.split(b"\nSummary:")[0] for r in (result, whole))  # accounts of a sensor can be missing
        assert result.status == 1 or rows == all_rows, result.err
    every_failure(library, tmp_path, [READER, "-r", source, "--seccomp", "off", *options], check)
