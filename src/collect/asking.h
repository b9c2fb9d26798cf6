/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the verbs that ask have in common. */
#ifndef DNSFLOW_COLLECT_ASKING_H
#define DNSFLOW_COLLECT_ASKING_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/* "auto", "always" or "never". Returns 0, or -1 with "expected ...". */
MUST_CHECK int asking_parse_color(const char *text, unsigned *out, struct error *err);

/* Whether standard output gets colors, by what was parsed. */
bool asking_wants_color(unsigned color);

enum { ASKING_LINE = 160 };

/* Asks a collector that runs to bring in what it has received. Returns whether all is there, or says what is missing:
 * one that runs does not answer, or the last one was killed. */
MUST_CHECK bool asking_refresh(const char *directory, char missing[ASKING_LINE]);

/* The same, which is said on standard error. */
void asking_refresh_or_tell(const char *directory);

/* Behind the last row: whether all of it could be written. One who reads it may have had enough, which is no failure.
 * Returns 0, or -1 with the cause. */
MUST_CHECK int asking_end_output(FILE *out, struct error *err);

#endif
