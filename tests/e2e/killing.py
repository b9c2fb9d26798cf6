# SPDX-License-Identifier: BSD-3-Clause
"""A program that is killed in front of one of its calls that change files."""

import os
import shutil

import pytest
from conftest import release_build, run

needs_preload = release_build("a sanitizer's library comes before all others")

LIBRARY = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static long calls;

static void step(void)
{
    const char *at = getenv("KILLED_AT");
    if (++calls == (at ? atol(at) : 0))
        kill(getpid(), SIGKILL);
}

static void __attribute__((destructor)) tell(void)
{
    const char *path = getenv("COUNT_TO");
    FILE *out = path ? fopen(path, "w") : NULL;
    if (out) {
        fprintf(out, "%ld\n", calls);
        fclose(out);
    }
}

ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { step(); return syscall(SYS_pwrite64, fd, b, n, at); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { step(); return syscall(SYS_pwrite64, fd, b, n, at); }
int rename(const char *a, const char *b) { step(); return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 0); }
int renameat(int x, const char *a, int y, const char *b) { step(); return (int)syscall(SYS_renameat2, x, a, y, b, 0); }
int unlink(const char *a) { step(); return (int)syscall(SYS_unlinkat, AT_FDCWD, a, 0); }
int unlinkat(int x, const char *a, int flags) { step(); return (int)syscall(SYS_unlinkat, x, a, flags); }
int remove(const char *a) { step(); return (int)syscall(SYS_unlinkat, AT_FDCWD, a, 0); }
int rmdir(const char *a) { step(); return (int)syscall(SYS_unlinkat, AT_FDCWD, a, AT_REMOVEDIR); }
int mkdir(const char *a, mode_t mode) { step(); return (int)syscall(SYS_mkdirat, AT_FDCWD, a, mode); }
int fsync(int fd) { step(); return (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { step(); return (int)syscall(SYS_fdatasync, fd); }
int ftruncate64(int fd, off64_t n) { step(); return (int)syscall(SYS_ftruncate, fd, n); }
int ftruncate(int fd, off_t n) { step(); return (int)syscall(SYS_ftruncate, fd, n); }
"""


def library_in(folder):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        pytest.skip("no C compiler here")
    (folder / "killed.c").write_text("#define _GNU_SOURCE\n" + LIBRARY)
    made = run([compiler, "-O1", "-shared", "-fPIC", "-o", folder / "killed.so", folder / "killed.c"])
    assert made.status == 0, made.err
    return folder / "killed.so"


def kill_points(library, folder, argv, before, points=40):
    """Runs it once to its end, for how many calls it makes; then killed in front of so many of these, spread over all,
    and yields after each. `before` makes everything new."""
    environment = dict(os.environ, LD_PRELOAD=str(library), COUNT_TO=str(folder / "count"))
    before()
    whole = run(argv, env=environment)
    assert whole.status == 0, whole.err
    count = int((folder / "count").read_text())
    assert count > 10
    numbers = sorted({1 + i * (count - 1) // (points - 1) for i in range(points)})
    for number in numbers:
        before()
        done = run(argv, env=dict(environment, KILLED_AT=str(number)))
        assert done.status == -9, (number, count, done)
        yield number
