/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a collector keeps, opened to be asked, beside who writes it. */
#ifndef DNSFLOW_QUERY_KEPT_H
#define DNSFLOW_QUERY_KEPT_H

#include "store/database.h"

/* How much an answer may take; what is more is left out, and told. 0: no limit. */
struct kept_budget {
    int64_t time_us;
    uint64_t rows; /* that are looked at */
    uint64_t bytes;
};

enum { KEPT_ROWS = 5000000, KEPT_BYTES = 64 << 20 };

struct kept {
    char directory[400];
    sqlite3 *db;
    struct partition *partitions;
    size_t partitions_count;
    uint64_t missing; /* partitions that could not be opened */
    struct kept_budget budget;
    int64_t ends_us; /* monotonic: when the time is over; INT64_MAX: never */
    uint64_t rows;   /* that were looked at since kept_begin() */
};

/* Returns 0, or -1 with the cause; closed then. */
MUST_CHECK int kept_open(const char *directory, struct kept *out, struct error *err);

/* Which partitions there are now. Returns 0, or -1 with the cause, and it is as it was. */
MUST_CHECK int kept_look_again(struct kept *kept, struct error *err);

void kept_close(struct kept *kept);

/* Begins an answer: what it may take counts from here. */
void kept_begin(struct kept *kept, const struct kept_budget *budget);

/* Whether more may be taken. */
bool kept_may_go_on(const struct kept *kept);

/* A row of a statement, within the budget. 1: it is there, 0: there is no more, or no more is to be taken, which
 * *is_over says, -1: the cause. */
int kept_step(struct kept *kept, sqlite3_stmt *s, bool *is_over, struct error *err);

/* Asks the collector to bring in all that it has received, and waits for that. True: it has; else what can be asked is
 * of up to a minute before, or of when the collector ended. */
bool kept_refresh(const char *directory);

/* Looks whether the database and every partition are whole, and tell the same. *lookups is how many are in those that
 * are. Returns 0, or -1 with the first that is not. */
int kept_check(struct kept *kept, uint64_t *lookups, struct error *err);

/* Opens a partition. Returns 1, 0 = it is gone, which is counted, or -1. */
int kept_partition(struct kept *kept, size_t index, sqlite3 **out, struct error *err);

/* A place in the numbers of names, or addresses, of a partition: that of the least that is not before what is looked
 * for; one more than there are: all are. */
struct kept_place {
    int64_t number;
    bool is_it; /* it is what was looked for */
};

/* Return 0, or -1: it cannot be read. */
MUST_CHECK int kept_find_name(sqlite3 *partition, const char *rname, struct kept_place *out, struct error *err);
MUST_CHECK int kept_find_address(sqlite3 *partition, const uint8_t *address, size_t len, struct kept_place *out,
                                 struct error *err);

#endif
