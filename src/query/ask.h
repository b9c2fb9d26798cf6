/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Questions to what is kept. Each has its columns, and gives rows, those seen last first. */
#ifndef DNSFLOW_QUERY_ASK_H
#define DNSFLOW_QUERY_ASK_H

#include "query/kept.h"
#include "query/output.h"

enum { ASK_ROWS_MAX = 2000000 /* of partitions that are looked at for one answer */ };

/* What a question is about, and how much of it is wanted. */
struct ask {
    const char *what;         /* a name, an address or the like, as text */
    int64_t since_s, until_s; /* since <= time < until; what was seen in between at some time */
    uint64_t limit;           /* rows, 0 = all */
};

/* How an answer came out. */
struct ask_result {
    uint64_t rows;
    bool is_cut;     /* there are more than the limit */
    bool is_partial; /* more had to be looked at than ASK_ROWS_MAX */
};

enum question_about { ABOUT_NOTHING, ABOUT_NAME, ABOUT_CLIENT, ABOUT_ADDRESSES, ABOUT_RCODE, ABOUT_TOP };

struct question {
    const char *name, *help; /* in the command line; the help has what it is about in capitals */
    enum question_about about;
    const struct answer_column *columns;
    size_t columns_count;
    int (*run)(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
               struct error *err);
};

extern const struct question *const questions[];
extern const size_t questions_count;

/* Whether the question can be about that. Returns 0, or -1 with "expected ...". */
MUST_CHECK int question_check(const struct question *question, const char *what, struct error *err);

#endif
