/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeping what is kept in order: partitions become hours and days, and what is too much or too old goes. */
#ifndef DNSFLOW_STORE_TIDY_H
#define DNSFLOW_STORE_TIDY_H

#include "store/database.h"

struct tidy_limits {
    uint64_t
        bytes;     /* of database, partitions and backups beside them; then the oldest go, but not the last partition */
    int64_t age_s; /* what was seen last before that goes; 0 = it stays */
};

struct tidy_counts {
    uint64_t merges, merged; /* partitions that came of it, and that went into them */
    uint64_t expired;        /* partitions that went for want of room or for their age */
    int64_t next_age_s;      /* when ages are looked at again */
    int64_t next_wal_s;      /* monotonic: when SQLite's log may be cut again */
    int64_t next_check_s;    /* monotonic: when partitions that could not be merged may be checked again */
    int64_t cut_s;           /* answers seen last by then are on their way out; 0 = none are */
};

/* Of so much that the store may take, what backups beside it may. */
uint64_t tidy_backup_bytes(uint64_t bytes);

/* Does one thing of what is to be done. 1: it was done, 0: there is nothing to do, or somebody else is about to change
 * partitions (erase.h), -1: it failed, with the cause. */
int tidy_step(sqlite3 *db, const char *directory, const struct tidy_limits *limits, int64_t now_s,
              struct tidy_counts *counts, struct error *err);

#endif
