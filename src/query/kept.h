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
    uint64_t missing; /* partitions that could not be opened */
};

/* Returns 0, or -1 with the cause; closed then. */
MUST_CHECK int kept_open(const char *directory, struct kept *out, struct error *err);

/* Which partitions there are now. Returns 0, or -1 with the cause, and it is as it was. */
MUST_CHECK int kept_look_again(struct kept *kept, struct error *err);

void kept_close(struct kept *kept);

/* Asks the collector to bring in all that it has received, and waits for that. True: it has; else what can be asked is
 * of up to a minute before, or of when the collector ended. */
bool kept_refresh(const char *directory);

/* Looks whether the database and every partition are whole, and tell the same. *lookups is how many are in those that
 * are. Returns 0, or -1 with the first that is not. */
int kept_check(struct kept *kept, uint64_t *lookups, struct error *err);

/* Opens a partition. Returns 1, 0 = it is gone, which is counted, or -1. */
int kept_partition(struct kept *kept, size_t index, sqlite3 **out, struct error *err);

/* The number of the name, or address, in the partition; 0 = it is not there, -1 = it cannot be read. */
int64_t kept_find_name(sqlite3 *partition, const char *rname, struct error *err);
int64_t kept_find_address(sqlite3 *partition, const uint8_t *address, size_t len, struct error *err);

#endif
