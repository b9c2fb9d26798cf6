/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Statements in SQL over what a collector keeps, that can read and nothing else. Beside the tables of dnsflow.db there
 * are
 *
 *     lookups       client, name, resolver, type, rcode, count, scaled, first, last; of all partitions, as text
 *     answers_text  name, type, rdata, count, scaled, first, last
 *     rname(NAME)   as the table answers has names, which finds them quickly; name_text(RNAME), address_text(BLOB),
 *                   type_text(NUMBER) and rcode_text(NUMBER) go the other way
 *
 * Belongs to one thread. */
#ifndef DNSFLOW_QUERY_SQL_SESSION_H
#define DNSFLOW_QUERY_SQL_SESSION_H

#include "query/kept.h"
#include "query/output.h"

struct sql_session {
    struct kept kept;
    int64_t timeout_us, until_us; /* 0 = none; of the statement that runs, monotonic */
    bool is_refused;              /* the last statement was one that does more than read */
};

/* Opens it over the directory. A statement ends after so long a time, 0 = it may take any. Returns 0, or -1 with the
 * cause. */
MUST_CHECK int sql_session_open(struct sql_session *session, const char *directory, int64_t timeout_us,
                                struct error *err);

/* Runs every statement in the text, and prints the rows of each. Returns 0, or -1 with the cause; rows may have been
 * printed then. */
MUST_CHECK int sql_session_run(struct sql_session *session, const char *text, FILE *out, enum answer_format format,
                               bool color, struct error *err);

/* Whether the text ends behind a statement. */
bool sql_session_is_complete(const char *text);

void sql_session_close(struct sql_session *session);

#endif
