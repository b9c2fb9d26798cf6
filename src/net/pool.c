/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/pool.h"

#include <stdlib.h>

int pool_open(struct pool *pool, unsigned blocks)
{
    *pool = (struct pool){.count = blocks};
    pool->free_blocks = calloc(blocks, sizeof(*pool->free_blocks));
    pool->bytes = malloc((size_t)blocks * POOL_BLOCK);
    return pool->free_blocks && pool->bytes ? 0 : -1;
}

void pool_close(struct pool *pool)
{
    free(pool->free_blocks);
    free(pool->bytes);
}

uint32_t pool_take(struct pool *pool)
{
    if (pool->free_count > 0)
        return pool->free_blocks[--pool->free_count];
    return pool->unused < pool->count ? ++pool->unused : 0;
}

void pool_give(struct pool *pool, uint32_t block)
{
    if (block != 0)
        pool->free_blocks[pool->free_count++] = block;
}
