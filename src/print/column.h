/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fields of a record as columns: which ones, and how they are written. */
#ifndef DNSFLOW_PRINT_COLUMN_H
#define DNSFLOW_PRINT_COLUMN_H

#include "base/error.h"
#include "print/printer.h"

/* How the names of a list are written. */
struct list_style {
    const char *quote;  /* put before and after each name and address, "" = none */
    const char *escape; /* put before the bytes of `special` inside a name */
    const char *special;
    const char *also;  /* punctuation written as \DDD, as it would end a name or a column */
    const char *first; /* the same where it would begin a name, NULL = none */
};

extern const struct list_style list_json; /* RFC 8259 strings */

/* Takes names of columns, separated by commas. Returns 0, or -1 with "expected ..." and all names. */
int layout_parse(const char *text, struct layout *layout, struct error *err);

/* Names of the columns that need this of the sensor, "a, b"; returns its length, 0 = there are none. */
size_t layout_needing(const struct layout *layout, enum field_need need, char *text, size_t size);

/* The columns of the rows that scripts know. */
void layout_default(struct layout *layout);

/* For formats: a value, without quotes around it. */
void print_value(struct output *out, const struct field *field, const struct field_record *r,
                 const struct list_style *style, enum when_style time_style);

/* The rdata of an answer, without quotes around it. */
void print_rdata(struct output *out, const struct dnsflow_answer *answer, const struct list_style *style);

enum { RDATA_TEXT = 8192 /* the longest rdata of a datagram, at most four characters a byte */ };

/* Names, or addresses, separated by commas. */
void print_names(struct output *out, struct field_names names, const struct list_style *style);
void print_addresses(struct output *out, struct field_addresses addresses, const struct list_style *style);

/* Columns one behind the other: their names, without an end of line, and a row; `quote` stands around names and lists.
 */
void print_header(struct output *out, const struct layout *layout, char separator);
void print_row(struct output *out, const struct layout *layout, char separator, const char *quote,
               const struct list_style *style, const struct received *from, const struct dnsflow_record *record);

#endif
