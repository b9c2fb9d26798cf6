/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of net/: memory in blocks of 2 KiB for what waits to be put together, taken and given back one by one. Never
 * grows; touched as far as it is used. */
#ifndef DNSFLOW_NET_POOL_H
#define DNSFLOW_NET_POOL_H

#include <stdint.h>

enum { POOL_BLOCK = 2048 };

struct pool {
    unsigned count, free_count, unused; /* blocks from `unused` on have never been taken */
    uint32_t *free_blocks;
    uint8_t *bytes;
};

/* Returns -1 when there is no memory. */
int pool_open(struct pool *pool, unsigned blocks);

/* Frees it, also after a failed pool_open(). */
void pool_close(struct pool *pool);

/* A block's number, from 1; 0 when all are taken. */
uint32_t pool_take(struct pool *pool);

/* 0 is fine. */
void pool_give(struct pool *pool, uint32_t block);

/* The POOL_BLOCK bytes of a block that was taken. */
static inline uint8_t *pool_bytes(const struct pool *pool, uint32_t block)
{
    return pool->bytes + (uint64_t)(block - 1) * POOL_BLOCK;
}

#endif
