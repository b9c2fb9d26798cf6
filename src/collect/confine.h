/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a role may do once it works, beside memory, time, and what it shares with the supervisor: nothing else. */
#ifndef DNSFLOW_COLLECT_CONFINE_H
#define DNSFLOW_COLLECT_CONFINE_H

#include "collect/role.h"

/* Of what the supervisor has opened; the rest is closed. */
enum {
    HOLDS_LISTENERS = 1, /* the sockets of sensors */
    HOLDS_SEALS = 2,     /* the socket of who ask for a seal */
    HOLDS_QUESTIONS = 4, /* where questions come in */
    HOLDS_JOURNAL = 8,   /* the folder of the journal */
    HOLDS_WISHES = 16,   /* the eventfd that asks for a seal */
    HOLDS_LOCK = 32      /* the directory's, which those have anyway who write there by name */
};

struct confinement {
    unsigned holds;
    unsigned needs;           /* system calls, of guard/sandbox.h */
    const char *writes;       /* below the directory, what is made, written and removed; "": all of it; NULL: nothing */
    const char *reads;        /* ... and what is read only; with "" lists of the system, too */
    const char *writes_there; /* a folder elsewhere, too; NULL: none */
    bool only_there;          /* if it is there, else what is around it, where it may be made or mounted */
    bool connects;            /* to other machines: what resolving names and their certificates take is read */
};

/* Before the role takes anything in, and before its threads. Returns -1 with one line. */
MUST_CHECK int confine(const struct role_context *context, const struct confinement *to, struct error *err);

#endif
