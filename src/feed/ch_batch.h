/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of feed/: what blocks bring to the tables of ch_schema.h, gathered until it is inserted as one batch. The same
 * blocks, begun with the same streams, give the same rows in the same order. */
#ifndef DNSFLOW_FEED_CH_BATCH_H
#define DNSFLOW_FEED_CH_BATCH_H

#include "feed/ch_schema.h"
#include "feed/rowbinary.h"
#include "store/gather.h"

enum {
    CH_FEED = 300,
    CH_TOKEN = 400,
    CH_ROWS = 200000,
    CH_ROWS_MAX = 1000000 /* of a batch */,
    CH_BYTES = 96 << 20 /* likewise, of one of its tables: with a block beyond it within 128 MiB */
};

struct ch_batch {
    char feed[CH_FEED];   /* whose chain of batches it is */
    char token[CH_TOKEN]; /* of the batch at hand, by where it begins */
    struct tally tally;
    struct account account;
    struct rowbinary lookups; /* written as records come */
    struct rowbinary rows;    /* of another table, while it is inserted */
    int64_t day;              /* Unix days, received; of the first block */
    int64_t since_us, until_us;
    uint64_t datagrams, blocks;
    uint64_t position; /* where it ends, which is in what it is inserted under, too */
    char *text;        /* of rdata */
    struct {
        uint32_t hours, pdns; /* entries of the tally that are in `bytes` */
        uint64_t bytes[2];    /* that rows of these will have at most */
    } weighed;
};

/* Returns 0, or -1 with the cause; to be closed either way. */
MUST_CHECK int ch_batch_open(struct ch_batch *batch, const char *feed, struct error *err);
void ch_batch_close(struct ch_batch *batch);

/* Whether a block belongs to it: it is of the same day, and there is room. */
bool ch_batch_has_room(const struct ch_batch *batch, const struct journal_block *block, uint64_t most_rows);

/* Takes a block, whose place in the chain is `position`. Returns 0, or -1: out of memory. */
MUST_CHECK int ch_batch_take(struct ch_batch *batch, const struct journal_block *block, const uint8_t *plain,
                             uint64_t position, struct error *err);

/* The same for a datagram that is in no block: whether it is of the batch's day, whether there is room, and taking it,
 * which false says it cannot be, as it cannot be decoded. That memory is short shows in ch_batch_rows(). */
bool ch_batch_is_of_day(const struct ch_batch *batch, int64_t time_us);
bool ch_batch_is_full(const struct ch_batch *batch, uint64_t most_rows);
bool ch_batch_take_datagram(struct ch_batch *batch, struct received *from);

/* The rows of a table, in batch->rows or batch->lookups; `token` must be set. NULL: out of memory. */
const struct rowbinary *ch_batch_rows(struct ch_batch *batch, enum ch_table table);

/* Forgets all but where streams are. */
void ch_batch_clear(struct ch_batch *batch);

#endif
