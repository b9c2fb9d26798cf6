/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of feed/: a directory like a collector's with what a question needs of ClickHouse's tables, so that the same
 * questions give the same answers. */
#ifndef DNSFLOW_FEED_CH_FILL_H
#define DNSFLOW_FEED_CH_FILL_H

#include "feed/ch_client.h"
#include "store/database.h"

struct ch_fill {
    char folder[400];
    sqlite3 *db;
    struct tally tally; /* lookups, until ch_fill_end() */
    sqlite3_stmt *answer;
    uint64_t rows; /* that were taken */
};

/* The folder is there, and empty. Returns 0, or -1; ch_fill_close() is due either way. */
MUST_CHECK int ch_fill_open(struct ch_fill *fill, const char *folder, struct error *err);
void ch_fill_close(struct ch_fill *fill);

/* Rows of an answer: rname, rrtype, rdata, address, count, scaled, first, last. */
MUST_CHECK int ch_fill_answers(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err);

/* client, resolver, qtype, rcode, rname, count, scaled, first, last. */
MUST_CHECK int ch_fill_lookups(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err);

/* What `accounts` has, summed up: stream, minute (a number), then its columns from has_trailer on. */
MUST_CHECK int ch_fill_accounts(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err);

/* Names, and with them domains, that were answered for the first time: out of the answers that are there. */
MUST_CHECK int ch_fill_news(struct ch_fill *fill, struct error *err);

/* Writes the rest. Returns 0, or -1. */
MUST_CHECK int ch_fill_end(struct ch_fill *fill, struct error *err);

#endif
