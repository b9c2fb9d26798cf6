/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of feed/: what a question needs out of ClickHouse, statement by statement (ch_source.h). */
#ifndef DNSFLOW_FEED_CH_LOAD_H
#define DNSFLOW_FEED_CH_LOAD_H

#include "feed/ch_fill.h"
#include "query/question.h"

enum { CH_CHUNK = 500 /* names or addresses in a statement */, CH_IP = 16 };

/* How often, and when: what ch_fill.h reads behind what rows are about. */
#define CH_SUMS ", sum(count) AS c, sum(scaled) AS s, min(first) AS f, max(last) AS t"

struct ch_load {
    const struct question *question;
    const struct ask *ask;
    struct ch_options options;
    struct ch_client *client;
    struct ch_fill fill;
    const char *all; /* behind the names of tables: those of all shards */
    uint64_t most_rows;
    int64_t ends_us; /* monotonic: no more is waited for then */
    bool is_cut;
    char *text; /* of the statement */
    size_t text_len;
    FILE *sql; /* writes it */
};

/* Takes the rows of an answer. */
typedef int ch_take_rows(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err);

/* ---- a statement ---- */

/* Begins it. */
void ch_load_begin(struct ch_load *load, const char *text);
void ch_load_table(const struct ch_load *load, const char *table);

/* Text as ClickHouse quotes it. */
void ch_load_text(FILE *sql, const char *text);

/* An address of 4, 16 or no bytes, which are ::ffff:a.b.c.d, itself and ::. */
void ch_load_ip(const struct ch_load *load, const uint8_t *address, size_t len);

/* Times of rows that overlap what is asked for, behind `before`: "AND", or "WHERE" where these are the first. */
void ch_load_times(const struct ch_load *load, const char *before);

/* Runs it, with at most so many rows, 0 = as many as may be. Returns 0, or -1. */
MUST_CHECK int ch_load_run(struct ch_load *load, uint64_t limit, ch_take_rows *take, struct error *err);

/* One more row than is shown, so that it can be told that there are more; 0 = all. */
uint64_t ch_load_limit(const struct ch_load *load);

/* Whether a page is wanted that begins behind a row. */
bool ch_load_is_page(const struct ch_load *load);

/* ---- what questions need; return 0, or -1 ---- */

/* The least and the greatest address. Returns their length, 0 = it is none. */
size_t ch_load_range(const char *what, uint8_t least[CH_IP], uint8_t most[CH_IP]);

/* name, below, address, rdata; the names behind an address; all names. */
MUST_CHECK int ch_load_answers(struct ch_load *load, const char *what, struct error *err);
MUST_CHECK int ch_load_behind(struct ch_load *load, const char *what, struct error *err);
MUST_CHECK int ch_load_new(struct ch_load *load, struct error *err);

/* who, client, rcode, top, contains. */
MUST_CHECK int ch_load_who(struct ch_load *load, struct error *err);
MUST_CHECK int ch_load_client(struct ch_load *load, const char *what, struct error *err);
MUST_CHECK int ch_load_rcode(struct ch_load *load, const char *what, struct error *err);
MUST_CHECK int ch_load_top(struct ch_load *load, const char *what, struct error *err);
MUST_CHECK int ch_load_contains(struct ch_load *load, const char *what, struct error *err);

#endif
