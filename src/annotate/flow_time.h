/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Times as lists of flows have them. */
#ifndef DNSFLOW_ANNOTATE_FLOW_TIME_H
#define DNSFLOW_ANNOTATE_FLOW_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was worked out last, of times that say no zone. All zero at the start. */
struct flow_zone {
    bool is_local; /* they are of this machine's zone (TZ), as nfdump writes them; else UTC */
    bool is_known;
    int64_t hour; /* since 1970, as written */
    int64_t ahead_s;
    bool is_whole_second; /* of the last time that was taken: it has no decimals */
};

/* Takes seconds since 1970 with or without decimals, or milliseconds or microseconds, which have 13 and 16 digits; and
 * 2026-01-31 23:59:59, with a blank or T, with or without decimals, and Z or +01:00 behind. False: it is no time. */
bool flow_time_parse(struct flow_zone *zone, const char *text, size_t len, int64_t *out_us);

#endif
