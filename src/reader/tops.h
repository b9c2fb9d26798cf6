/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What occurs most: tables of names, domains, clients, resolvers, answers and sources, in constant memory. A record
 * counts once, for its question name; each of its addresses counts as an answer. */
#ifndef DNSFLOW_READER_TOPS_H
#define DNSFLOW_READER_TOPS_H

#include "record/name.h"
#include "print/output.h"
#include "receive/source.h"

enum top_table {
    TOP_NAMES,
    TOP_DOMAINS,
    TOP_CLIENTS,
    TOP_RESOLVERS,
    TOP_ANSWERS,
    TOP_SOURCES,
    TOP_SUBDOMAINS, /* domains, by how many different names below them were asked for: tunnels have many */
    TOP_NXDOMAIN,   /* clients, by answers with this RCODE: --records of the sensor */
    TOP_SERVFAIL,
    TOP_RCODES, /* with the type asked for */
    TOP_TABLES
};
enum top_order { TOP_BY_COUNT, TOP_BY_RATE, TOP_BY_NAME, TOP_ORDERS };

enum { TOP_PLACES = 16384 }; /* keys of a table that are counted */

struct top_row {
    char text[NAME_TEXT];
    uint64_t count, over; /* the count is too high by at most `over` */
    double rate;          /* in a second, of the last interval */
    /* TOP_SOURCES only */
    uint64_t datagrams, lost, dropped;
    double lost_percent;
};

/* Of a table. */
struct top_sum {
    uint64_t total; /* of all counts */
    uint64_t distinct;
    uint64_t error; /* the largest `over` there can be; 0: counts and `distinct` are exact */
    size_t rows;    /* that the filter lets pass */
    uint64_t most;  /* the largest count of these */
};

struct tops;

/* NULL: out of memory. The sources stay the caller's. */
struct tops *tops_create(struct sources *sources);

/* NULL is fine. */
void tops_destroy(struct tops *tops);

/* Of a later part of a split record (is_part) only the addresses count. */
void tops_add(struct tops *tops, const struct dnsflow_record *record, bool is_part);

/* Records that were counted since the start or the last tops_clear(). */
uint64_t tops_records(const struct tops *tops);

/* Sets the rates of all rows but those of the sources, `seconds` (above 0) having passed since the last mark. */
void tops_mark(struct tops *tops, double seconds);

/* Forgets all counts but those of the sources. */
void tops_clear(struct tops *tops);

/* Rows `skip` and following of the table, of those that have `filter` (lower case, "" = all) in their text. Returns how
 * many were filled in. */
size_t tops_rows(struct tops *tops, enum top_table table, enum top_order order, const char *filter, size_t skip,
                 struct top_row *rows, size_t max, struct top_sum *sum);

/* "names" and the like; "count" and the like. */
const char *top_table_name(enum top_table table);
const char *top_order_name(enum top_order order);

/* Lines of at most `width` characters, for a terminal or a page: the heads of the columns, and a row. */
void top_head_line(enum top_table table, char *line, size_t width);
void top_row_line(enum top_table table, const struct top_row *row, const struct top_sum *sum, char *line, size_t width);

/* All tables once, for --summary, of records of `seconds`; the sources have their rates already. */
void tops_print(struct tops *tops, double seconds, struct output *out);

#endif
