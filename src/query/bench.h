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
#ifndef DNSFLOW_QUERY_BENCH_H
#define DNSFLOW_QUERY_BENCH_H

#include "query/kept.h"
#include "query/output.h"

struct bench {
    struct kept kept;
    int64_t timeout_us, until_us; /* 0 = none; of the statement that runs, monotonic */
    bool is_refused;              /* the last statement was one that does more than read */
};

/* Opens it over the directory. A statement ends after so long a time, 0 = it may take any. Returns 0, or -1 with the
 * cause. */
MUST_CHECK int bench_open(struct bench *bench, const char *directory, int64_t timeout_us, struct error *err);

/* Runs every statement in the text, and prints the rows of each. Returns 0, or -1 with the cause; rows may have been
 * printed then. */
MUST_CHECK int bench_run(struct bench *bench, const char *text, FILE *out, enum answer_format format, bool color,
                         struct error *err);

/* Whether the text ends behind a statement. */
bool bench_is_complete(const char *text);

void bench_close(struct bench *bench);

#endif
