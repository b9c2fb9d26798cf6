/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of query/: what questions share. */
#ifndef DNSFLOW_QUERY_QUESTION_H
#define DNSFLOW_QUERY_QUESTION_H

#include <arpa/inet.h>

#include "query/ask.h"
#include "store/rname.h"

enum { ADDRESS_TEXT = INET6_ADDRSTRLEN };

/* NULL: it is none. */
const char *address_text(const void *bytes, int len, char text[ADDRESS_TEXT]);

/* Returns the length, 0: it is no address. IPv4 in the form of IPv6 is IPv4. */
size_t parse_address(const char *text, uint8_t address[16]);

/* The reversed name. Returns 0, or -1: it is none. */
int parse_rname(const char *text, char rname[RNAME_TEXT]);

/* Prints a row of a statement; `name` is the caller's. */
typedef void put_row(sqlite3_stmt *s, const char *name, struct answer_output *output);

/* Rows of the statement up to the limit. Returns 0, or -1. */
int put_rows(sqlite3_stmt *s, const struct ask *ask, struct ask_result *result, struct error *err, put_row *put,
             const char *name, struct answer_output *output);

/* LIMIT of a statement: one more row than is shown, so that is_cut can be told. */
int64_t ask_limit(const struct ask *ask);

extern const struct question question_name, question_below, question_address, question_who, question_client,
    question_rcode, question_top, question_series, question_sensors, question_streams, question_loss;

/* What question_top can be about. Returns 0, or -1 with "expected ...". */
MUST_CHECK int top_check(const char *what, struct error *err);

#define QUESTION_COLUMNS(list) .columns = (list), .columns_count = sizeof(list) / sizeof((list)[0])

#endif
