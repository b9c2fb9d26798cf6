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
    uint64_t missing; /* partitions that are not there */
    struct kept_budget budget;
    int64_t ends_us;  /* monotonic: when the time is over; INT64_MAX: never */
    uint64_t rows;    /* that were looked at since kept_begin() */
    bool is_lost;     /* dnsflow.db is not there, or damaged */
    bool is_part;     /* what one question needs, of what is kept elsewhere */
    bool *is_damaged; /* of each partition: it is not there, or cannot be used, which has been counted */
    uint64_t damaged;
    struct error damage; /* of the first of these */
};

/* Returns 0, or -1 with the cause; closed then. */
MUST_CHECK int kept_open(const char *directory, struct kept *out, struct error *err);
/* As it is at this moment, and stays so until it is closed: for what is answered soon, as the store cannot begin
 * meanwhile. */
MUST_CHECK int kept_open_moment(const char *directory, struct kept *out, struct error *err);

/* Which partitions there are now. Returns 0, or -1 with the cause, and it is as it was. */
MUST_CHECK int kept_look_again(struct kept *kept, struct error *err);
/* After kept_open() has found that the database is lost: opens what is in lookups, without it. Returns 0, or -1. */
int kept_open_lookups(const char *directory, struct kept *out);

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

/* Looks whether the database is whole. Returns 0, or -1 with what is wrong. */
int kept_check_database(struct kept *kept, struct error *err);

/* Looks whether a partition is whole, and has what the catalogue says. Returns 0, or -1 with what is wrong. */
int kept_check_partition(struct kept *kept, size_t index, struct error *err);

/* Whether it is not there as it was let go, or another has taken its place, since the catalogue was read. */
bool kept_has_gone(const struct kept *kept, size_t index);

/* Opens a partition. Returns 1, or 0 = it is gone, or cannot be used, which is counted. */
int kept_partition(struct kept *kept, size_t index, sqlite3 **out);

/* After a failure with an open partition: whether it was as that is damaged. It is counted then, and is not opened any
 * more, so that the rest can be asked. */
bool kept_is_damaged(struct kept *kept, size_t index, sqlite3 *partition, const struct error *why);

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
