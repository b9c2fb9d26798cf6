/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a collector keeps, opened to be asked, beside who writes it. */
#ifndef DNSFLOW_QUERY_KEPT_H
#define DNSFLOW_QUERY_KEPT_H

#include "store/database.h"

struct kept {
    char directory[400];
    sqlite3 *db;
    struct partition *partitions;
    size_t partitions_count;
    bool is_lost;     /* dnsflow.db is not there, or damaged */
    uint64_t missing; /* partitions that are not there */
    bool *is_damaged; /* of each partition: it is not there, or cannot be used, which has been counted */
    uint64_t damaged;
    struct error damage; /* of the first of these */
};

/* Returns 0, or -1 with the cause; closed then. */
MUST_CHECK int kept_open(const char *directory, struct kept *out, struct error *err);

/* After kept_open() has found that the database is lost: opens what is in lookups, without it. Returns 0, or -1. */
int kept_open_lookups(const char *directory, struct kept *out);

void kept_close(struct kept *kept);

/* Asks the collector to bring in all that it has received, and waits for that. True: it has; else what can be asked is
 * of up to a minute before, or of when the collector ended. */
bool kept_refresh(const char *directory);

/* Looks whether the database is whole. Returns 0, or -1 with what is wrong. */
int kept_check_database(struct kept *kept, struct error *err);

/* Looks whether a partition is whole, and has what the catalogue says. Returns 0, or -1 with what is wrong. */
int kept_check_partition(struct kept *kept, size_t index, struct error *err);

/* Opens a partition. Returns 1, or 0 = it is gone, or cannot be used, which is counted. */
int kept_partition(struct kept *kept, size_t index, sqlite3 **out);

/* After a failure with an open partition: whether it was as that is damaged. It is counted then, and is not opened any
 * more, so that the rest can be asked. */
bool kept_is_damaged(struct kept *kept, size_t index, sqlite3 *partition, const struct error *why);

/* The number of the name, or address, in the partition; 0 = it is not there, -1 = it cannot be read. */
int64_t kept_find_name(sqlite3 *partition, const char *rname, struct error *err);
int64_t kept_find_address(sqlite3 *partition, const uint8_t *address, size_t len, struct error *err);

#endif
