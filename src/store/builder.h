/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: writing a partition's file. Everything comes in order, each once: names, addresses and kinds, which
 * get the numbers 1, 2, ... of their kind; then rows by client, name and kind. */
#ifndef DNSFLOW_STORE_BUILDER_H
#define DNSFLOW_STORE_BUILDER_H

#include "store/grams.h"
#include "store/partition.h"
#include "store/rname.h"
#include "store/sql.h"
#include "store/summary.h"

struct builder {
    sqlite3 *db;
    char path[512]; /* of the file while it is written; empty: it stays */
    sqlite3_stmt *name, *address, *kind, *row;
    struct grams *grams;
    struct summary *summary;
    char group[RNAME_TEXT]; /* the first two labels of the name that came last */
    uint32_t group_names, client_names, last_client, last_name;
    uint32_t most_of_group, most_of_client; /* names: of these, and of a client, so that who merges knows what can be */
    int64_t base;                           /* what times in the file count from */
    struct partition *info;
};

/* A row; `first` and `last` in Unix seconds. */
struct builder_row {
    uint32_t client, name, kind;
    uint64_t count, scaled;
    int64_t first, last;
};

/* Adds what another row of the same lookup has. */
static inline void builder_row_add(struct builder_row *sum, const struct builder_row *row)
{
    sum->count += row->count;
    sum->scaled += row->scaled;
    sum->first = row->first < sum->first ? row->first : sum->first;
    sum->last = row->last > sum->last ? row->last : sum->last;
}

/* Begins the file of *info, which must outlive the builder; its lookups lie not before `base`. Returns 0, or -1 with
 * the cause. */
MUST_CHECK int builder_open(struct builder *builder, const char *folder, struct partition *info, int64_t base,
                            struct error *err);

MUST_CHECK int builder_name(struct builder *builder, const char *rname, size_t len, struct error *err);
MUST_CHECK int builder_address(struct builder *builder, const uint8_t *address, size_t len, struct error *err);
MUST_CHECK int builder_kind(struct builder *builder, uint32_t resolver, uint16_t type, uint16_t rcode,
                            struct error *err);
MUST_CHECK int builder_row(struct builder *builder, const struct builder_row *row, struct error *err);

/* Brings the file to the disk, for partition_publish(), with rows, lookups, times and size in the info. Returns 0, or
 * -1. */
MUST_CHECK int builder_finish(struct builder *builder, struct error *err);

/* Frees; what was not finished is removed. */
void builder_close(struct builder *builder);

#endif
