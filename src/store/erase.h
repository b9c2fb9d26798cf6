/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Taking what is to be forgotten out of the store, also beside the processes that write it and keep it in order.
 *
 * Seals only add what was received later. Merges are kept away by the lock of the folder (lookups_lock.h), so that none
 * that has read the old partitions can publish. The catalogue changes in a transaction, and a partition without the
 * lookups has another name than the one with them: whenever it is broken off, the catalogue names one of the two, and
 * the other is removed the next time. */
#ifndef DNSFLOW_STORE_ERASE_H
#define DNSFLOW_STORE_ERASE_H

#include "store/database.h"
#include "store/forgotten.h"

struct erase_counts {
    uint64_t files;         /* of lookups that were written anew */
    uint64_t rows, lookups; /* that went from these */
    uint64_t replaced;      /* files that had been merged into others, and went at once */
    uint64_t answers;       /* rows of passive DNS */
    uint64_t damaged;       /* files of lookups that could not be looked into */
    struct error damage;    /* of the first of these */
};

/* From all partitions. Returns 0, or -1 with the cause; it may be done again. */
MUST_CHECK int erase_lookups(sqlite3 *db, const char *directory, const struct forgotten *forgotten,
                             struct erase_counts *counts, struct error *err);

/* From passive DNS: of such an owner, or with rdata that names one. Likewise. */
MUST_CHECK int erase_answers(sqlite3 *db, const struct forgotten *forgotten, struct erase_counts *counts,
                             struct error *err);

/* From what SQLite has not written over: its log is cut, and where the names are in the file still, that is written
 * anew. Returns 0, or -1 with the cause. */
MUST_CHECK int erase_traces(sqlite3 *db, const struct forgotten *forgotten, struct error *err);

#endif
