/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Times as rows show them. */
#ifndef DNSFLOW_PRINT_WHEN_H
#define DNSFLOW_PRINT_WHEN_H

#include "print/output.h"

enum when_style {
    WHEN_UTC,   /* HH:MM:SS */
    WHEN_LOCAL, /* HH:MM:SS of this machine's time zone */
    WHEN_EPOCH, /* seconds since 1970 with six decimals */
    WHEN_ISO,   /* 2026-01-31T23:59:59.123456Z */
    WHEN_STYLES
};

/* Writes the time in that style. */
void when_print(struct output *out, enum when_style style, int64_t time_us);

#endif
