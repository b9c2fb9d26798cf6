/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `dnsflow_collect run`: the process that starts the roles and replaces those that end. It reads nothing that comes
 * from outside. */
#ifndef DNSFLOW_COLLECT_SUPERVISOR_H
#define DNSFLOW_COLLECT_SUPERVISOR_H

#include <signal.h>
#include <stdatomic.h>

#include "collect/role.h"

/* Whom the supervisor works for. */
struct supervisor_owner {
    atomic_bool *stop, *report, *reload; /* set by signal handlers, looked at by the supervisor */
    void *context;                       /* for these */
    bool (*read_again)(void *context);   /* at `reload`: true = there is something new, for which roles are replaced */
    void (*tell_ready)(void *context);   /* every role works, for the first time */
};

/* Runs the roles with what `context` has, control_fd aside, until it is told to stop, or one could not start at all.
 * SIGCHLD and the signals of the handlers must be blocked; `unblocked` is the mask to wait with. Roles end one after
 * the other: who only reads, then the others in the order in which they work on the data. Returns the exit status. */
int supervisor_run(const struct role_context *context, const struct supervisor_owner *owner, const sigset_t *unblocked);

#endif
