/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of query/: what questions share. */
#ifndef DNSFLOW_QUERY_QUESTION_H
#define DNSFLOW_QUERY_QUESTION_H

#include <arpa/inet.h>

#include "base/prefix.h"
#include "query/ask.h"
#include "store/rname.h"

enum { ADDRESS_TEXT = INET6_ADDRSTRLEN, CONTAINS_LEAST = 3 /* characters */ };

/* NULL: it is none. */
const char *address_text(const void *bytes, int len, char text[ADDRESS_TEXT]);

/* The reversed name. Returns 0, or -1: it is none. */
int parse_rname(const char *text, char rname[RNAME_TEXT]);

/* Prints a row of a statement. */
typedef void put_row(sqlite3_stmt *s, struct answer_output *output);

/* Rows of the statement up to the limit. Returns 0, or -1. */
int put_rows(struct kept *kept, sqlite3_stmt *s, const struct ask *ask, struct ask_result *result, struct error *err,
             put_row *put, struct answer_output *output);

/* LIMIT of a statement: one more row than is shown, so that is_cut can be told. */
int64_t ask_limit(const struct ask *ask);

/* Whether rows seen from first to last are of the time that is asked for. */
bool ask_wants(const struct ask *ask, int64_t first_s, int64_t last_s);

/* All of them, in the order in which they are told. */
#define QUESTIONS(X) \
    X(name)          \
    X(below)         \
    X(contains)      \
    X(address)       \
    X(at)            \
    X(who)           \
    X(client)        \
    X(rcode)         \
    X(new)           \
    X(top)           \
    X(series)        \
    X(sensors)       \
    X(streams)       \
    X(loss)          \
    X(summary)       \
    X(rdata)

#define X(name) extern const struct question question_##name;
QUESTIONS(X)
#undef X

/* What question_top and question_new can be about. Return 0, or -1 with "expected ...". */
MUST_CHECK int top_check(const char *what, struct error *err);
MUST_CHECK int new_check(const char *what, struct error *err);

#define QUESTION_COLUMNS(list) .columns = (list), .columns_count = sizeof(list) / sizeof((list)[0])

#endif
