/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Times as a command line gives them. */
#ifndef DNSFLOW_RECORD_MOMENT_H
#define DNSFLOW_RECORD_MOMENT_H

#include <stdint.h>

#include "base/error.h"

/* Takes 2026-01-31, today, yesterday; 2026-01-31T23:59:59 with or without decimals; 10:00 or 10:00:30, which is the
 * last time it was so late; seconds since 1970; or how long ago: 90s, 10m, 2h, 7d. Days and clocks are UTC, unless Z or
 * an offset such as +01:00 stands behind the clock. Returns 0, or -1 with "expected ...". */
int moment_parse(const char *text, int64_t now_us, int64_t *out_us, struct error *err);

/* The same for the end of a time: a clock is that of today, though it may be still to come. */
int moment_parse_end(const char *text, int64_t now_us, int64_t *out_us, struct error *err);

/* Where beginning and end are both clocks, the end is the first one behind the beginning. The texts may be NULL. */
void moment_end_after(const char *since, int64_t since_us, const char *until, int64_t *until_us);

#endif
