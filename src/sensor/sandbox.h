/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of system calls that a live sensor may make. */
#ifndef DNSFLOW_SENSOR_SANDBOX_H
#define DNSFLOW_SENSOR_SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/* For this thread and those that it starts. Another call ends the process, or with `only_log` is written to the
 * kernel's log; opening files by name fails with EPERM. No effect in builds with a sanitizer, which calls more. */
int sandbox_enter(bool only_log, struct error *err);

/* For the helper: what resolving names, through whatever library does it, and opening a file take. Another call fails
 * with EPERM. */
int sandbox_enter_helper(struct error *err);

#endif
