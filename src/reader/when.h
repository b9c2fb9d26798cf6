/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Times as a command line gives them, and as rows show them. */
#ifndef DNSFLOW_READER_WHEN_H
#define DNSFLOW_READER_WHEN_H

#include "base/error.h"
#include "reader/output.h"

enum when_style {
    WHEN_UTC,   /* HH:MM:SS */
    WHEN_LOCAL, /* HH:MM:SS of this machine's time zone */
    WHEN_EPOCH, /* seconds since 1970 with six decimals */
    WHEN_ISO,   /* 2026-01-31T23:59:59.123456Z */
    WHEN_STYLES
};

/* Takes 2026-01-31, today, yesterday; 2026-01-31T23:59:59 with or without decimals; 10:00 or 10:00:30, which is the
 * last time it was so late; seconds since 1970; or how long ago: 90s, 10m, 2h, 7d. Days and clocks are UTC, unless Z or
 * an offset such as +01:00 stands behind the clock. Returns 0, or -1 with "expected ...". */
int when_parse(const char *text, int64_t now_us, int64_t *out_us, struct error *err);

void when_print(struct output *out, enum when_style style, int64_t time_us);

#endif
