/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of serve/: threads that work out answers while the loop goes on. */
#ifndef DNSFLOW_SERVE_POOL_H
#define DNSFLOW_SERVE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct event_base;
struct pool;

/* What is worked on; whoever makes one frees it. */
struct pool_job {
    struct pool_job *next;
};

struct pool_owner {
    void *context;
    void (*work)(void *context, struct pool_job *job); /* in one of the threads */
    void (*done)(void *context, struct pool_job *job); /* in the loop; the job is its own from then on */
};

/* NULL: the cause. */
struct pool *pool_start(struct event_base *base, unsigned threads, const struct pool_owner *owner, struct error *err);

/* From the loop; jobs are begun in that order. */
void pool_put(struct pool *pool, struct pool_job *job);

/* Jobs that no thread has begun with. */
size_t pool_waiting(struct pool *pool);

/* Waits for those that have been begun, and frees all with `drop`. NULL is fine. */
void pool_stop(struct pool *pool, void (*drop)(struct pool_job *job));

#endif
