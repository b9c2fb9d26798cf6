/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers as rows of cells, in the format that is wanted. */
#ifndef DNSFLOW_QUERY_OUTPUT_H
#define DNSFLOW_QUERY_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* ANSWER_COF: the common output format of passive DNS (draft-dulaunoy-dnsop-passive-dns-cof), for what has it alone. */
enum answer_format { ANSWER_TABLE, ANSWER_JSON, ANSWER_NDJSON, ANSWER_CSV, ANSWER_COF, ANSWER_FORMATS };

/* "table", "json", "ndjson", "csv", "cof" */
extern const char *const answer_format_names[ANSWER_FORMATS];

enum answer_kind { CELL_TEXT, CELL_NUMBER, CELL_TIME /* Unix seconds */, CELL_VALUE /* text, or a number as text */ };

enum { ANSWER_COLUMNS_MAX = 64 };

struct answer_column {
    const char *name;
    enum answer_kind kind;
    const char *cof; /* its name there; NULL in the first column: the answer has no such form */
};

/* A number that is not told: there is no value. */
#define ANSWER_NONE INT64_MIN

/* By the column's kind; text NULL: there is no value. Of CELL_VALUE the number is not 0 where the text is a number. */
struct answer_cell {
    const char *text;
    int64_t number;
};

struct answer_output;

/* The columns are borrowed. `color`: for a terminal. NULL: out of memory. */
struct answer_output *answer_open(FILE *out, enum answer_format format, bool color, const struct answer_column *columns,
                                  size_t columns_count);

/* Rows go to a function instead. NULL: out of memory. */
typedef void answer_row_taker(void *context, const struct answer_cell *cells);
struct answer_output *answer_open_taker(answer_row_taker *take, void *context, const struct answer_column *columns,
                                        size_t columns_count);

/* A row of as many cells as there are columns. */
void answer_row(struct answer_output *output, const struct answer_cell *cells);

/* Whether a name was the rest of a domain, or of all (store/folded.h): it begins with a star. */
bool answer_has_rest(const struct answer_output *output);

/* Ends it, and frees. Returns how many rows there were. */
uint64_t answer_close(struct answer_output *output);

/* "2026-01-31T23:59:59Z", or with a space and no Z. */
enum { ANSWER_TIME = 24 };
void answer_time(int64_t time_s, bool is_iso, char text[ANSWER_TIME]);

#endif
