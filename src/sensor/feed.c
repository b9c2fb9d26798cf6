/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/feed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
enum {
    BATCHES = 4,
    BATCH_PACKETS = 1024,
    BATCH_BYTES = 512 * 1024, /* holds the largest frame that a file can have, 256 KiB */
};

struct batch {
    int count;
    size_t used;
    struct packet packets[BATCH_PACKETS];
    uint8_t bytes[BATCH_BYTES];
};

struct feed {
    struct worker *worker;
    pthread_t thread;
    pthread_mutex_t lock; /* over filled, taken, finished, reopen */
    pthread_cond_t changed;
    unsigned filled, taken; /* batches handed over and worked off, counted without end */
    bool finished, reopen;
    struct batch batches[BATCHES];
};

static void *work_off_batches(void *context)
{
    struct feed *f = context;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (f->taken == f->filled && !f->finished && !f->reopen)
            pthread_cond_wait(&f->changed, &f->lock);
        if (f->taken == f->filled && f->finished)
            break;
        bool reopen = f->reopen, has_batch = f->taken != f->filled;
        const struct batch *b = &f->batches[f->taken % BATCHES];
        f->reopen = false;
        pthread_mutex_unlock(&f->lock);
        int i;
        if (reopen)
            worker_reopen(f->worker);
        for (i = 0; has_batch && i < b->count; i++)
            worker_packet(f->worker, &b->packets[i]);
        pthread_mutex_lock(&f->lock);
        f->taken += has_batch;
        pthread_cond_signal(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    worker_finish(f->worker);
    return NULL;
}

int feed_start(struct worker *worker, struct feed **out, struct error *err)
{
    struct feed *f = calloc(1, sizeof(*f));
    if (!f)
        return error_set(err, "out of memory");
    f->worker = worker;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    if (process_start_thread(&f->thread, work_off_batches, f) != 0) {
        free(f);
        return error_set(err, "cannot start a worker thread; lower --workers");
    }
    *out = f;
    return 0;
}

/* Hands over the batch being filled and waits until there is room for the next. */
static void hand_over(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->filled++;
    pthread_cond_signal(&f->changed);
    while (f->filled - f->taken == BATCHES)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    struct batch *next = &f->batches[f->filled % BATCHES];
    next->count = 0;
    next->used = 0;
}

void feed_packet(struct feed *feed, const struct packet *packet)
{
    struct batch *b = &feed->batches[feed->filled % BATCHES];
    if (b->count == BATCH_PACKETS || packet->captured_len > BATCH_BYTES - b->used) {
        hand_over(feed);
        b = &feed->batches[feed->filled % BATCHES];
    }
    struct packet *copy = &b->packets[b->count++];
    *copy = *packet;
    copy->bytes = b->bytes + b->used;
    memcpy(b->bytes + b->used, packet->bytes, packet->captured_len);
    b->used += packet->captured_len;
}

void feed_reopen(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->reopen = true;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

void feed_finish(struct feed *feed)
{
    if (!feed)
        return;
    hand_over(feed);
    pthread_mutex_lock(&feed->lock);
    feed->finished = true;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    pthread_join(feed->thread, NULL);
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}
