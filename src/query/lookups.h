/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of query/: rows of lookups out of all partitions, brought together. */
#ifndef DNSFLOW_QUERY_LOOKUPS_H
#define DNSFLOW_QUERY_LOOKUPS_H

#include "query/question.h"

/* How a question finds its rows. */
struct lookup_query {
    enum { BY_NAME, BY_CLIENT, BY_RCODE } by; /* the last makes sums */
    const char *rows;  /* of a partition: what, resolver, type, rcode, count, first, span; ?1 = number of the name or
                          client, or the RCODE; ?2, ?3 = since and until, of sums */
    const char *pages; /* the same in the order of what, resolver, type and rcode; ?2 = least number of what. NULL: it
                          has no pages */
};

/* Of a client, for `rows`. */
#define CLIENT_ROWS                                                                                          \
    "SELECT n.rname, coalesce(r.address, x''), k.type, k.rcode, rows.count, rows.first, rows.span FROM rows" \
    " JOIN names n ON n.id = rows.name JOIN kinds k ON k.id = rows.kind"                                     \
    " LEFT JOIN addresses r ON r.id = k.resolver WHERE rows.client = ?1"

/* What rows are about: a reversed name or an address. */
struct subject {
    uint8_t *key;
    size_t len;
    const char *text; /* for BY_RCODE */
};

struct subjects {
    struct subject *list; /* in order, each once */
    size_t count;
    bool are_names;
};

/* Those of the question: names, or addresses. An address in a list of names stands for the names that led to it.
 * Returns 0, or -1 with the cause; free them also then. */
MUST_CHECK int subjects_make(struct subjects *subjects, struct kept *kept, const struct ask *ask,
                             const struct lookup_query *query, struct ask_result *result, struct error *err);
void subjects_free(struct subjects *subjects);

/* A row of what was found: about, what, resolver, type, rcode, count, first, last. Names are reversed, addresses are
 * blobs. */
enum { FOUND_ABOUT, FOUND_WHAT, FOUND_RESOLVER, FOUND_TYPE, FOUND_RCODE, FOUND_COUNT, FOUND_FIRST, FOUND_LAST };

/* Makes a database with the table `found`, of all rows of all partitions. Returns 0, or -1 with the cause. */
MUST_CHECK int lookups_gather(struct kept *kept, const struct ask *ask, const struct lookup_query *query, sqlite3 **out,
                              struct ask_result *result, struct error *err);

/* Whether what was found takes more memory than it may; looks once in a while. */
bool lookups_are_too_many(const struct kept *kept, sqlite3 *found);

/* Times of a partition count from its base; sums stay within what there is, as a file may have any number. */
int64_t time_later(int64_t time_s, int64_t by_s);

/* A time as the partition has it; all of time stays that. */
int64_t time_before(int64_t time_s, int64_t base);
MUST_CHECK int partition_base(sqlite3 *partition, int64_t *base, struct error *err);

/* The answer to such a question: rows in the order that is given, or, if pages are wanted, in that of pages. */
int ask_lookups(struct kept *kept, const struct ask *ask, const struct lookup_query *query, const char *order,
                put_row *put, struct answer_output *output, struct ask_result *result, struct error *err);

/* A row, wherever it comes from. */
struct lookup_row {
    const uint8_t *about, *what, *resolver;
    size_t about_len, what_len, resolver_len;
    bool is_about_name; /* else what is */
    int64_t type, rcode, count, first, last;
};

void put_lookup(const struct lookup_row *row, struct answer_output *output);

/* The page behind ask->from. */
int ask_page(struct kept *kept, const struct ask *ask, const struct lookup_query *query, struct answer_output *output,
             struct ask_result *result, struct error *err);

#endif
