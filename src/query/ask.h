/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Questions to what is kept. Each has its columns, and gives rows: those seen last first, or, page by page, in an order
 * that does not change while more arrives. */
#ifndef DNSFLOW_QUERY_ASK_H
#define DNSFLOW_QUERY_ASK_H

#include "query/cursor.h"
#include "query/kept.h"
#include "query/output.h"

/* What a question is about, and how much of it is wanted. */
struct ask {
    const char *const *what; /* names, addresses or the like, as text; one, "", where it is about nothing */
    size_t what_count;
    bool is_list;              /* of a file: names, *.name, addresses and prefixes in any order */
    int64_t since_s, until_s;  /* since <= time < until; what was seen in between at some time */
    uint64_t limit;            /* rows for each of them, 0 = all */
    const struct cursor *from; /* behind which row a page begins; NULL: no pages are wanted. Of one `what` alone */
    int64_t at_s;              /* the moment of question_at */
    const char *client;        /* whose lookups it goes by; NULL: anybody's */
};

/* How an answer came out. */
struct ask_result {
    uint64_t rows;
    bool is_cut;        /* there are more than the limit */
    bool is_partial;    /* it took more time, rows or memory than there was for it (struct kept_budget) */
    bool has_next;      /* `next` leads to what was cut off or left out */
    struct cursor next; /* behind the last row */
};

enum question_about {
    ABOUT_NOTHING,
    ABOUT_NAME,
    ABOUT_PART,
    ABOUT_CLIENT,
    ABOUT_ADDRESS,
    ABOUT_ADDRESSES,
    ABOUT_RCODE,
    ABOUT_TOP,
    ABOUT_NEW
};

/* What orders of rows a question has. */
enum question_pages {
    PAGES_NONE,   /* one that changes with what arrives */
    PAGES_WANTED, /* another one if pages are wanted */
    PAGES_ALWAYS
};

struct question {
    const char *name, *help; /* in the command line; the help has what it is about in capitals */
    enum question_about about;
    enum question_pages pages;
    const struct answer_column *columns;
    size_t columns_count;
    int (*run)(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
               struct error *err);
};

/* Asks. An answer that came to nothing within the budget has no cursor, as it would lead to the same again. Returns 0,
 * or -1 with the cause. */
int question_ask(const struct question *question, struct kept *kept, const struct ask *ask,
                 struct answer_output *output, struct ask_result *result, struct error *err);

extern const struct question *const questions[];
extern const size_t questions_count;

/* The one of these whose WHAT is a client. */
extern const struct question question_client;

/* Whether the question can be about that. Returns 0, or -1 with "expected ...". */
MUST_CHECK int question_check(const struct question *question, const char *what, struct error *err);

/* Whether it can be about that in a list, which mixes what names and addresses are. */
MUST_CHECK int question_check_line(const struct question *question, const char *what, struct error *err);

#endif
