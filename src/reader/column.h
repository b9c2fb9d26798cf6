/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a row can show of a record. A column is one row of the table in column.c. */
#ifndef DNSFLOW_READER_COLUMN_H
#define DNSFLOW_READER_COLUMN_H

#include "reader/printer.h"

/* How the names of a list are written. */
struct list_style {
    const char *quote;  /* put before and after each name and address, "" = none */
    const char *escape; /* put before the bytes of `special` inside a name */
    const char *special;
    const char *also;  /* punctuation written as \DDD, as it would end a name or a column */
    const char *first; /* the same where it would begin a name, NULL = none */
};

extern const struct list_style list_json; /* RFC 8259 strings */

enum column_kind {
    COLUMN_NUMBER,
    COLUMN_TEXT, /* holds nothing that a format gives a meaning to */
    COLUMN_NAME,
    COLUMN_LIST,
    COLUMN_TIME,
};

enum column_need { NEEDS_NOTHING, NEEDS_TRAILER, NEEDS_RESOLVER };

struct row {
    const struct received *from;
    const struct dnsflow_record *record;
    enum when_style time_style;
};

struct column {
    const char *name;
    enum column_kind kind;
    enum column_need need; /* of the datagram; without it the column says nothing */
    const char *color;     /* SGR parameters (ECMA-48), "" = none */
    void (*print)(struct output *out, const struct row *row, const struct list_style *style);
};

/* Takes names of columns, separated by commas. Returns 0, or -1 with "expected ..." and all names. */
int layout_parse(const char *text, struct layout *layout, struct error *err);

/* Names of the columns that only sensors with -x send, "a, b"; returns its length, 0 = there are none. */
size_t layout_extended(const struct layout *layout, char *text, size_t size);

/* The columns of the rows that scripts know. */
void layout_default(struct layout *layout);

/* For formats: the names, or addresses of one family, separated by commas. */
void print_names(struct output *out, const struct dnsflow_record *record, size_t count, const struct list_style *style);
void print_addresses(struct output *out, uint8_t ip_vers, const uint8_t *addresses, size_t count,
                     const struct list_style *style);

/* The resolver, 0.0.0.0 if the datagram's version has none. */
void print_resolver(struct output *out, const struct dnsflow_record *record);

/* Columns one behind the other: their names, without an end of line, and a row; `quote` stands around names and lists.
 */
void print_header(struct output *out, const struct layout *layout, char separator);
void print_row(struct output *out, const struct layout *layout, char separator, const char *quote,
               const struct list_style *style, const struct received *from, const struct dnsflow_record *record);

#endif
