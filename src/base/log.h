/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines for the operator, on standard error, each "[PID]: text". Never one per packet. Where standard error is the
 * journal, "<LEVEL>text" (sd-daemon(3)): it shows the program and its process itself. */
#ifndef DNSFLOW_BASE_LOG_H
#define DNSFLOW_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

/* Control characters in a line, as a file name may hold, are shown as '?'. Waits 20 ms at the most for standard error
 * to take the line; how many were left out stands in the next one. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "PROGRAM: text", for what is said before a program runs or after it failed. */
void log_failure(const char *program, const struct error *why);

/* Whether standard error is the journal: $JOURNAL_STREAM names its device and inode. */
bool log_is_journal(void);

/* LOG_ERR of a text that begins with "error:", LOG_WARNING of one with "warning:", else LOG_INFO. */
int log_level(const char *text);

#endif
