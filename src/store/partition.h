/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A partition: the lookups of a range of the journal's blocks, in a file of its own that is written once, in key order,
 * and then only read. Names, addresses and kinds of lookup have numbers in the order of what they are, so that all
 * names below one are a range of numbers. Each file says which range it is of, so that the catalogue in the main
 * database can be made anew from the files. Times are Unix seconds. */
#ifndef DNSFLOW_STORE_PARTITION_H
#define DNSFLOW_STORE_PARTITION_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "journal/chain.h"
#include "store/sql.h"
#include "store/tally.h"

struct folded;

/* What a partition has become by merging. */
enum partition_level {
    PARTITION_SEALED, /* as it was written */
    PARTITION_PART,   /* of an hour that is not over */
    PARTITION_HOUR,
    PARTITION_DAY,
    PARTITION_LEVELS
};

enum { PARTITION_NAME = 64, PARTITION_MERGE_MAX = 32, PARTITION_VERSION = 1 };

struct partition {
    char file[PARTITION_NAME]; /* "LEVEL-FIRST-LAST.db" */
    unsigned level;
    uint64_t first_block, last_block;
    struct journal_position end;       /* behind the last block */
    int64_t since, until;              /* received: first and last */
    int64_t record_first, record_last; /* of the lookups */
    uint64_t rows, lookups, bytes;     /* rows in it; lookups that they stand for; of the file */
};

/* Writes the folded tally's lookups as a sealed partition into the folder: level, block range, end, since and until of
 * *out are given, the rest is filled. A file of that name is replaced. Returns 0, or -1 with the cause, and leaves
 * nothing.
 */
MUST_CHECK int partition_seal(const char *folder, const struct folded *folded, struct partition *out,
                              struct error *err);

/* Merges the partitions, in order of their blocks, into one of out->level; the rest of *out is filled. It has its name
 * after partition_publish() alone. */
MUST_CHECK int partition_merge(const char *folder, const struct partition *inputs, size_t count, struct partition *out,
                               struct error *err);

/* Gives what was merged last at this level its name. Returns 0, or -1 with the cause. */
MUST_CHECK int partition_publish(const char *folder, const struct partition *partition, struct error *err);

/* What the file says of itself. Returns 1, 0 = it is no partition, or of a later version, or -1 with the cause. */
int partition_describe(const char *folder, const char *file, struct partition *out, struct error *err);

/* Whether the open file is the one that the catalogue means. Returns 0, or -1 with what is wrong. */
MUST_CHECK int partition_match(sqlite3 *db, const struct partition *partition, struct error *err);

/* The greatest block that is in a partition's name in the folder, 0 = there is none. */
uint64_t partition_last_block(const char *folder);

/* Whether the name is one of partitions. */
bool partition_is_name(const char *file);

#endif
