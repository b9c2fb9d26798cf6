/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small processes beside a program that do what it may not do itself any more, once it has given up its rights. They
 * speak in messages of fixed size over a socket pair; what can be asked is a number, so that a program that has been
 * taken over cannot ask for anything that was not foreseen. */
#ifndef DNSFLOW_GUARD_HELPER_H
#define DNSFLOW_GUARD_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    HELPER_TASKS_MAX = 32, /* a bit each */
    HELPER_DATA = 144,
    HELPER_AGAIN = 255 /* an answer's task: a process was replaced */
};

struct helper_answer {
    uint8_t task;
    bool is_done; /* else `cause` says why not */
    int fd;       /* that was opened; belongs to the receiver; else -1 */
    _Alignas(8) uint8_t data[HELPER_DATA];
    char cause[256];
};

/* What the processes do. Borrowed until helper_start() returns; they have a copy of their own. */
struct helper_work {
    const char *program; /* for messages */
    const char *name;    /* of the process, 15 characters at most */
    unsigned tasks_count;
    const void *context;
    int (*drop)(const void *context, struct error *err); /* gives up rights; -1 ends it */
    /* Does a task, in a process of its own: sets is_done, and data, fd or cause. */
    void (*serve)(const void *context, unsigned task, struct helper_answer *answer);
    const char *(*describe)(const void *context, unsigned task); /* "resolves names" */
    void (*leave)(const void *context);                          /* called once the program is gone */
};

struct helper;

/* Starts the processes. Before any thread; what the program has opened by then is closed in them. */
MUST_CHECK int helper_start(const struct helper_work *work, struct helper **out, struct error *err);

/* Becomes readable when there is an answer, or the processes are gone. */
int helper_fd(const struct helper *helper);

/* Asks for a task, without waiting. What is asked for already is not asked for again. */
void helper_ask(struct helper *helper, unsigned task);

/* Takes an answer, without waiting. 1: there was one, 0: not yet, -1: the helper is gone for good. */
int helper_take(struct helper *helper, struct helper_answer *out);

/* Nothing more will be asked for: it may end beside the program. NULL is fine. */
void helper_dismiss(struct helper *helper);

/* Tells it to end, if it has not been told, and does not wait long for that. NULL is fine. */
void helper_stop(struct helper *helper);

#endif
