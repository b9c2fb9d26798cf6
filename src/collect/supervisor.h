/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `dnsflow_collect run`: the process that starts the roles and replaces those that end. It reads no input. */
#ifndef DNSFLOW_COLLECT_SUPERVISOR_H
#define DNSFLOW_COLLECT_SUPERVISOR_H

#include <signal.h>
#include <stdatomic.h>

#include "collect/role.h"

/* Set by signal handlers, looked at by the supervisor. */
struct supervisor_signals {
    atomic_bool *stop, *report;
};

/* Runs the roles with what `context` has, control_fd aside, until it is told to stop, or one could not start at all.
 * SIGCHLD and the signals of the handlers must be blocked; `unblocked` is the mask to wait with. Roles end one after
 * the other, in the order in which they work on the data. Returns the exit status. */
int supervisor_run(const struct role_context *context, const struct supervisor_signals *signals,
                   const sigset_t *unblocked);

#endif
