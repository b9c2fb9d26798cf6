/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tables of the ClickHouse store. One description gives the statements that make them, the columns of inserts, and
 * what a server's tables are compared with. */
#ifndef DNSFLOW_FEED_CH_SCHEMA_H
#define DNSFLOW_FEED_CH_SCHEMA_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

enum ch_table {
    CH_LOOKUPS,         /* one row for each */
    CH_LOOKUPS_BY_NAME, /* summed up by hour, in two orders */
    CH_LOOKUPS_BY_CLIENT,
    CH_PDNS, /* passive DNS, in two orders */
    CH_PDNS_BY_RDATA,
    CH_ACCOUNTS, /* streams and what is missing of them, by minute */
    CH_STREAMS,  /* where each stream is, for who goes on with them */
    CH_BATCHES,  /* what was inserted; a row is the last thing of a batch */
    CH_TABLES
};

/* How they are made. */
struct ch_dialect {
    const char *database;
    const char *cluster; /* NULL: one server */
    bool is_old;         /* for servers of 2018: clauses and types that these do not have are left out. For tests */
    bool has_replicas;   /* with is_old: replicated without ON CLUSTER */
};

extern const char *const ch_table_names[CH_TABLES];

/* The statements, each ended by ";\n"; `put` gets them one by one, without. Returns what it returns, 0 to go on. */
typedef int ch_put(void *context, const char *statement, struct error *err);
int ch_schema_statements(const struct ch_dialect *dialect, ch_put *put, void *context, struct error *err);

/* "a, b, c": the columns of an insert. */
void ch_schema_columns(enum ch_table table, char *text, size_t size);

/* Column by column; NULL behind the last one. The type is that of the dialect. */
const char *ch_schema_column(enum ch_table table, size_t index);
void ch_schema_type(const struct ch_dialect *dialect, enum ch_table table, size_t index, char *text, size_t size);

#endif
