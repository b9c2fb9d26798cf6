/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Statements to ClickHouse over HTTP (libcurl). What is sent as rows goes as one frame of ClickHouse's own, so that the
 * server takes all of it or nothing, wherever a connection breaks. */
#ifndef DNSFLOW_FEED_CH_CLIENT_H
#define DNSFLOW_FEED_CH_CLIENT_H

#include "feed/feed.h"
#include "feed/rowbinary.h"

enum { CH_SERVERS_MAX = 16, CH_DATABASE = 64 };

/* url=, database=, user=, password-file= and the like; texts point into the spec. */
struct ch_options {
    size_t servers_count;
    const char *servers[CH_SERVERS_MAX];
    char database[CH_DATABASE];
    const char *user; /* NULL: the server's usual one */
    char password[FEED_PASSWORD];
    const char *settings[FEED_OPTIONS_MAX][2]; /* of inserts, more than those that are told */
    size_t settings_count;
    bool is_old; /* a server of 2018 (ch_schema.h) */
    uint64_t timeout_s;
};

/* Without a server, too, where none is needed. Returns 0, or -1 with "expected ...". */
MUST_CHECK int ch_options_parse(const struct feed_spec *spec, bool needs_server, struct ch_options *out,
                                struct error *err);

struct ch_client;

/* How a statement came out. */
enum ch_result {
    CH_DONE = 0,
    CH_REFUSED = -1, /* the server says so, or was not reached: nothing of it was done */
    CH_UNKNOWN = -2  /* it may have been done, or not */
};

/* `beat` is called while something is waited for, and ends the wait when it returns false. NULL: out of memory. */
struct ch_client *ch_client_open(const struct ch_options *options, bool (*beat)(void *context), void *context);
void ch_client_close(struct ch_client *client);

/* Another server, if there are several. */
void ch_client_next(struct ch_client *client);

/* Asks. The answer is good until the next statement. */
enum ch_result ch_client_ask(struct ch_client *client, const char *sql, struct rowbinary_reader *answer,
                             struct error *err);

/* Inserts rows, under the token; where a token was taken before nothing is done again. */
enum ch_result ch_client_insert(struct ch_client *client, const char *table, const char *columns,
                                const struct rowbinary *rows, const char *token, struct error *err);

#endif
