/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: the tops of a partition's summary. */
#ifndef DNSFLOW_STORE_SUMMARY_TOPS_H
#define DNSFLOW_STORE_SUMMARY_TOPS_H

#include "store/summary.h"

/* A thing and how often it was; several of one number are added. */
struct summary_top {
    uint64_t number;
    struct summary_sum sum;
};

/* Prints, or finds, what stands for the number; bound to the statement's place. Returns 0, or -1. */
typedef int summary_key(const void *context, sqlite3_stmt *statement, int place, uint64_t number, struct error *err);

/* Writes the SUMMARY_TOPS of them with most lookups, of those that have any, and what the next one has. The list is
 * changed. Returns 0, or -1 with the cause. */
MUST_CHECK int summary_write_tops(sqlite3 *db, const char *what, struct summary_top *list, size_t count,
                                  summary_key *key, const void *context, struct error *err);

#endif
