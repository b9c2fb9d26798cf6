/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the verbs that ask have in common. */
#ifndef DNSFLOW_COLLECT_ASKING_H
#define DNSFLOW_COLLECT_ASKING_H

#include <stdbool.h>

#include "base/error.h"

/* "auto", "always" or "never". Returns 0, or -1 with "expected ...". */
MUST_CHECK int asking_parse_color(const char *text, unsigned *out, struct error *err);

/* Whether standard output gets colors, by what was parsed. */
bool asking_wants_color(unsigned color);

/* Asks a collector that runs to bring in what it has received; one that does not answer is told on standard error. */
void asking_refresh(const char *directory);

#endif
