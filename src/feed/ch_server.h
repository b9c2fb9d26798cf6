/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of feed/: whether a server can be worked with, and where a chain of batches stands there. */
#ifndef DNSFLOW_FEED_CH_SERVER_H
#define DNSFLOW_FEED_CH_SERVER_H

#include "feed/ch_batch.h"
#include "feed/ch_client.h"

struct ch_server {
    bool has_replicas; /* what is inserted at one of them is at all of them, and taken once by all */
};

/* Looks at version, tables and columns. Returns 0, or -1 with one line that says what to do. */
MUST_CHECK int ch_server_check(struct ch_client *client, const struct ch_options *options, struct ch_server *out,
                               struct error *err);

/* Where the chain stands there. */
struct ch_stand {
    uint64_t position; /* behind the last batch that is whole, 0 = there is none */
    uint64_t streams;  /* up to where streams are: of a batch whose last row alone may be missing */
};

/* Reads it, and brings the account's streams and totals there. Returns 0, or -1. */
MUST_CHECK int ch_server_restore(struct ch_client *client, const struct ch_options *options, struct ch_batch *batch,
                                 struct ch_stand *out, struct error *err);

/* Inserts the batch, from one table to another; `beat` before each. Returns 0, or -1 with the cause. */
MUST_CHECK int ch_server_insert(struct ch_client *client, struct ch_batch *batch, enum ch_table first,
                                enum ch_table last, const struct feed_owner *owner, struct error *err);

#endif
