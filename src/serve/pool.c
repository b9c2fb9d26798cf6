/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/pool.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/process.h"

enum { THREADS_MAX = 16 };

struct list {
    struct pool_job *first, **end;
};

struct pool {
    struct pool_owner owner;
    pthread_mutex_t mutex; /* of the two lists, the number and the flag */
    pthread_cond_t wake;
    struct list todo, done;
    size_t waiting;
    bool has_ended;
    int bell; /* an eventfd: something is done */
    struct event *arrival;
    pthread_t threads[THREADS_MAX];
    unsigned threads_count;
};

static void list_clear(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct list *list, struct pool_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct pool_job *list_take(struct list *list)
{
    struct pool_job *job = list->first;
    if (job && !(list->first = job->next))
        list->end = &list->first;
    return job;
}

static void *run(void *context)
{
    struct pool *p = context;
    const uint64_t one = 1;
    pthread_mutex_lock(&p->mutex);
    while (!p->has_ended) {
        struct pool_job *job = list_take(&p->todo);
        if (!job) {
            pthread_cond_wait(&p->wake, &p->mutex);
            continue;
        }
        p->waiting--;
        pthread_mutex_unlock(&p->mutex);
        p->owner.work(p->owner.context, job);
        pthread_mutex_lock(&p->mutex);
        list_add(&p->done, job);
        (void)!write(p->bell, &one, sizeof(one));
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void on_done(evutil_socket_t fd, short what, void *context)
{
    struct pool *p = context;
    struct pool_job *job, *next;
    uint64_t count;
    (void)what;
    (void)!read(fd, &count, sizeof(count));
    pthread_mutex_lock(&p->mutex);
    job = p->done.first;
    list_clear(&p->done);
    pthread_mutex_unlock(&p->mutex);
    for (; job; job = next) {
        next = job->next;
        p->owner.done(p->owner.context, job);
    }
}

struct pool *pool_start(struct event_base *base, unsigned threads, const struct pool_owner *owner, struct error *err)
{
    struct pool *p = calloc(1, sizeof(*p));
    int cause = 0;
    if (!p) {
        error_set(err, "out of memory");
        return NULL;
    }
    p->owner = *owner;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    list_clear(&p->todo);
    list_clear(&p->done);
    p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->arrival = p->bell >= 0 ? event_new(base, p->bell, EV_READ | EV_PERSIST, on_done, p) : NULL;
    bool is_good = p->arrival && event_add(p->arrival, NULL) == 0;
    for (; is_good && cause == 0 && p->threads_count < threads && p->threads_count < THREADS_MAX; p->threads_count++)
        if ((cause = process_start_thread(&p->threads[p->threads_count], run, p)) != 0)
            break;
    if (is_good && cause == 0)
        return p;
    error_set(err, "a thread that answers cannot be started: %s", cause ? strerror(cause) : "no descriptor or memory");
    pool_stop(p, NULL);
    return NULL;
}

void pool_put(struct pool *pool, struct pool_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    list_add(&pool->todo, job);
    pool->waiting++;
    pthread_cond_signal(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

size_t pool_waiting(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    size_t waiting = pool->waiting;
    pthread_mutex_unlock(&pool->mutex);
    return waiting;
}

void pool_stop(struct pool *pool, void (*drop)(struct pool_job *job))
{
    struct pool_job *job;
    unsigned i;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->has_ended = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (i = 0; i < pool->threads_count; i++)
        pthread_join(pool->threads[i], NULL);
    while ((job = list_take(&pool->todo)) || (job = list_take(&pool->done)))
        drop(job);
    if (pool->arrival)
        event_free(pool->arrival);
    if (pool->bell >= 0)
        close(pool->bell);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
