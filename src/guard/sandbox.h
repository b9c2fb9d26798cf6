/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of the system calls that a program may make once it has opened all it works with (seccomp(2)). */
#ifndef DNSFLOW_GUARD_SANDBOX_H
#define DNSFLOW_GUARD_SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/* Of --seccomp. */
enum sandbox_mode { SANDBOX_ON, SANDBOX_LOG, SANDBOX_OFF, SANDBOX_MODES };

/* "on", "log", "off" */
extern const char *const sandbox_mode_names[SANDBOX_MODES];

/* What a program still needs beside input and output on what is open, memory, threads and time. */
enum {
    SANDBOX_SOCKETS = 1,  /* to send, and to open sockets for that and to capture */
    SANDBOX_FILES = 2,    /* to open files, to read them only */
    SANDBOX_TERMINAL = 4, /* to draw on a terminal */
    SANDBOX_ANSWERS = 8,  /* to answer who connects, from files that it opens to read; opening one to write fails */
    SANDBOX_KEEPS = 16,   /* to make, write, move and remove files, and to answer who connects */
    SANDBOX_CONNECTS = 32 /* to resolve names and connect by TCP */
};

/* For this thread and those that it starts. Another call ends the process, or with SANDBOX_LOG is written to the
 * kernel's log; opening files by name fails with EPERM. No effect with SANDBOX_OFF, and in builds with a sanitizer,
 * which calls more. Returns -1 with one line for the user. */
MUST_CHECK int sandbox_enter(unsigned needs, enum sandbox_mode mode, struct error *err);

/* For the helper: what resolving names, through whatever library does it, and opening a file take. Another call fails
 * with EPERM. */
MUST_CHECK int sandbox_enter_helper(enum sandbox_mode mode, struct error *err);

#endif
