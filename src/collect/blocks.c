/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/blocks.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct block_pool {
    pthread_mutex_t lock;
    pthread_cond_t has_block;
    unsigned left; /* that are not allocated yet */
    bool has_ended;
    struct filled_block *free;         /* the one given back last is taken first, so that few are touched */
    struct filled_block *first, *last; /* to be written */
};

struct block_pool *blocks_create(unsigned blocks)
{
    struct block_pool *pool = calloc(1, sizeof(*pool));
    pthread_condattr_t attributes;
    if (!pool)
        return NULL;
    pool->left = blocks;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->has_block, &attributes);
    pthread_condattr_destroy(&attributes);
    return pool;
}

static void free_list(struct filled_block *block)
{
    while (block) {
        struct filled_block *next = block->next;
        build_end(&block->build);
        free(block);
        block = next;
    }
}

void blocks_destroy(struct block_pool *pool)
{
    if (!pool)
        return;
    free_list(pool->free);
    free_list(pool->first);
    pthread_cond_destroy(&pool->has_block);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

struct filled_block *blocks_get(struct block_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct filled_block *block = pool->free;
    bool may_have = !block && pool->left > 0;
    if (block)
        pool->free = block->next;
    pool->left -= may_have;
    pthread_mutex_unlock(&pool->lock);
    if (may_have && !(block = malloc(sizeof(*block)))) {
        pthread_mutex_lock(&pool->lock);
        pool->left++;
        pthread_mutex_unlock(&pool->lock);
    }
    if (block)
        build_begin(&block->build, 0);
    return block;
}

void blocks_put(struct block_pool *pool, struct filled_block *block)
{
    block->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->last)
        pool->last->next = block;
    else
        pool->first = block;
    pool->last = block;
    pthread_cond_signal(&pool->has_block);
    pthread_mutex_unlock(&pool->lock);
}

void blocks_end(struct block_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->has_ended = true;
    pthread_cond_signal(&pool->has_block);
    pthread_mutex_unlock(&pool->lock);
}

static struct timespec in_ms(unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

struct filled_block *blocks_take(struct block_pool *pool, unsigned wait_ms, bool *has_ended)
{
    struct timespec until = in_ms(wait_ms);
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->has_ended && pthread_cond_timedwait(&pool->has_block, &pool->lock, &until) == 0)
        ;
    struct filled_block *block = pool->first;
    if (block)
        pool->first = block->next;
    if (!pool->first)
        pool->last = NULL;
    *has_ended = !block && pool->has_ended;
    pthread_mutex_unlock(&pool->lock);
    return block;
}

void blocks_release(struct block_pool *pool, struct filled_block *block)
{
    build_end(&block->build);
    pthread_mutex_lock(&pool->lock);
    block->next = pool->free;
    pool->free = block;
    pthread_mutex_unlock(&pool->lock);
}
