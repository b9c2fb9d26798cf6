/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks on their way from the thread that receives to the one that writes. Their number is fixed; who fills them never
 * waits. */
#ifndef DNSFLOW_COLLECT_BLOCKS_H
#define DNSFLOW_COLLECT_BLOCKS_H

#include <stdbool.h>

#include "journal/build.h"

struct filled_block {
    struct filled_block *next; /* the pool's */
    struct journal_build build;
};

struct block_pool;

/* Up to `blocks` of them, each allocated when it is needed first. NULL: out of memory. */
struct block_pool *blocks_create(unsigned blocks);

/* After both threads are done. NULL is fine. */
void blocks_destroy(struct block_pool *pool);

/* An empty block, NULL: there is none, or no memory. */
struct filled_block *blocks_get(struct block_pool *pool);

/* Hands a block over to be written. */
void blocks_put(struct block_pool *pool, struct filled_block *block);

/* Nothing more will be handed over. */
void blocks_end(struct block_pool *pool);

/* Waits so long at the most. The next block; NULL: none yet, or with *has_ended none any more. */
struct filled_block *blocks_take(struct block_pool *pool, unsigned wait_ms, bool *has_ended);

/* Gives a block back that has been written. */
void blocks_release(struct block_pool *pool, struct filled_block *block);

#endif
