/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All rows of a time, as they come: nothing is brought together or sorted, so that there may be any number. */
#ifndef DNSFLOW_QUERY_DUMP_H
#define DNSFLOW_QUERY_DUMP_H

#include "query/kept.h"
#include "query/output.h"

enum dump_what { DUMP_LOOKUPS, DUMP_ANSWERS, DUMP_WHATS };

/* "lookups", "answers" */
extern const char *const dump_names[DUMP_WHATS];

/* Writes what was seen in since <= time < until at some time, Unix seconds. Lookups come partition by partition, so
 * that what is the same in two is there twice, each with its count. Ends early, without a failure, where `out` has one.
 * *rows is how many were written. Returns 0, or -1 with the cause. */
MUST_CHECK int dump(struct kept *kept, enum dump_what what, int64_t since_s, int64_t until_s, FILE *out,
                    enum answer_format format, uint64_t *rows, struct error *err);

#endif
