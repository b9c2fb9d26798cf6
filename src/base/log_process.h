/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines that go to the system's log (-D, --log): standard error leads to a process that passes them on. */
#ifndef DNSFLOW_BASE_LOG_PROCESS_H
#define DNSFLOW_BASE_LOG_PROCESS_H

#include <stdbool.h>

#include "base/error.h"

enum log_where { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNAL };

struct log_choice {
    enum log_where where;
    bool is_given; /* by an option: where nobody listens for lines it is refused, else that they are lost is said */
};

/* Takes "stderr", "syslog" or "journal"; `choice` may be NULL. Returns 0, or -1 with "expected ...". */
MUST_CHECK int log_choose(const char *text, struct log_choice *choice, struct error *err);

/* Starts a process that passes each line to syslog or the journal, under the program's name and with its level: those
 * that begin with "error:" or "warning:" behind the process id. More than 200 lines in 10 s are counted instead. It
 * gives up its rights with `drop`. Until log_tell_started() lines go to the old standard error as well. */
MUST_CHECK int log_process_start(const struct log_choice *choice, const char *program,
                                 void (*drop)(const void *context), const void *context, struct error *err);

/* The program has started. */
void log_tell_started(const struct log_choice *choice);

#endif
