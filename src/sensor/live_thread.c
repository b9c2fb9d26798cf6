/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/live_thread.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "sensor/backlog.h"

enum {
    STATS_US = 10 * SECOND_US,
    TICK_US = SECOND_US / 10,
    CALM_US = 10 * SECOND_US, /* without loss until sampling is halved again */
};

/* The first worker counts them for all. */
static void note_backlog(struct live_thread *t)
{
    if (t->index > 0)
        return;
    uint64_t now = backlog_drops(t->sensor->softnet_fd);
    worker_note(t->worker, DROP_BACKLOG, now - t->backlog);
    t->backlog = now;
}

/* --adaptive-sample: twice as sparse at each tick that saw a loss, half as sparse after 10 s without. */
static void adapt_sampling(struct live_thread *t, const struct capture_stats *kernel, int64_t now)
{
    uint32_t max = t->sensor->config->adaptive_max, before = t->sampling;
    if (max == 0)
        return;
    if (kernel->dropped > t->last.dropped) {
        t->calm_since_us = now;
        t->sampling = t->sampling > max / 2 ? max : t->sampling * 2;
    } else if (t->sampling > 1 && now - t->calm_since_us >= CALM_US) {
        t->calm_since_us = now;
        t->sampling /= 2;
    }
    if (t->sampling == before)
        return;
    log_line("worker %u: keeps 1 DNS message in %u, %s", t->index, t->sampling,
             t->sampling > before ? "as packets are lost" : "as none is lost any more");
    worker_set_sampling(t->worker, t->sampling, kernel, clock_unix_us());
    counter_set(&t->sample_rate, worker_sample_rate(t->worker));
}

static void follow_orders(struct live_thread *t)
{
    struct orders *o = &t->orders;
    unsigned i;
    pthread_mutex_lock(&o->lock);
    for (i = 0; i < SINKS_MAX; i++) {
        if (o->has_news[i])
            worker_renew(t->worker, i, &o->news[i]);
        o->has_news[i] = false;
    }
    atomic_store(&o->waiting, false);
    pthread_mutex_unlock(&o->lock);
}

static void note_clients(struct live_thread *t, const struct capture_stats *now)
{
    worker_note(t->worker, DROP_DNSTAP_REFUSED, now->clients_refused - t->last.clients_refused);
    worker_note(t->worker, DROP_DNSTAP_EVICTED, now->clients_evicted - t->last.clients_evicted);
    worker_note(t->worker, DROP_DNSTAP_CUT, now->frames_cut - t->last.frames_cut);
}

/* What time alone brings about. Statistics of several workers do not leave together. */
static void pass_time(struct live_thread *t, int64_t now)
{
    struct capture_stats kernel;
    capture_stats(t->capture, &kernel);
    atomic_store(&t->received, kernel.received);
    atomic_store(&t->dropped, kernel.dropped);
    atomic_store(&t->if_dropped, kernel.if_dropped);
    counter_set(&t->ring_fill, kernel.ring_fill);
    counter_set(&t->sensor->clients[t->index], kernel.clients);
    t->next_tick_us = now + TICK_US;
    adapt_sampling(t, &kernel, now);
    worker_note(t->worker, DROP_SUPERPACKET, kernel.super - t->last.super);
    note_clients(t, &kernel);
    note_backlog(t);
    t->last = kernel;
    worker_tick(t->worker, clock_unix_us());
    if (now >= t->next_stats_us) {
        t->next_stats_us = now + STATS_US - STATS_US / 20 + now % (STATS_US / 10);
        worker_stats(t->worker, &kernel, clock_unix_us());
    }
    if (atomic_load_explicit(&t->orders.waiting, memory_order_acquire))
        follow_orders(t);
}

/* What a stop leaves to be done. */
struct drain {
    int64_t since_us; /* 0: not stopped */
    uint64_t received;
};

/* Whether all that a ring took in before the stop has been lent. */
static bool is_drained(const struct drain *drain, const struct capture_stats *now)
{
    return now->lent + now->dropped >= drain->received;
}

/* After a stop the ring is drained: what has come by then is handed over soon, and a ring full of it is lent for a
 * second at the most. */
static bool goes_on(const struct live_thread *t, int count, struct drain *drain)
{
    struct capture_stats kernel;
    if (!atomic_load_explicit(t->sensor->signals->stop, memory_order_relaxed))
        return true;
    int64_t now = clock_monotonic_us();
    capture_stats(t->capture, &kernel);
    if (drain->since_us == 0)
        *drain = (struct drain){now, kernel.received};
    if (kernel.is_ring)
        return !is_drained(drain, &kernel) && now - drain->since_us < SECOND_US;
    return now - drain->since_us < (count > 0 ? SECOND_US : CAPTURE_HANDOVER_MS * 1000);
}

/* What came after the stop was not captured; what came before and has not been lent by now is lost in the ring. */
static void leave_rest(struct live_thread *t, const struct drain *drain, struct capture_stats *kernel)
{
    if (!kernel->is_ring)
        return;
    if (!is_drained(drain, kernel))
        kernel->dropped = drain->received - kernel->lent;
    kernel->received = kernel->lent + kernel->dropped;
    atomic_store(&t->received, kernel->received);
    atomic_store(&t->dropped, kernel->dropped);
}

static void *capture_until_end(void *context)
{
    struct live_thread *t = context;
    struct packet packets[CAPTURE_BATCH];
    struct capture_stats kernel;
    struct error why;
    sigset_t wake;
    int count = 1, i;
    struct drain drain = {0, 0};
    sigemptyset(&wake);
    sigaddset(&wake, LIVE_THREAD_WAKE);
    pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
    if (t->sensor->config->pin && !process_pin_thread(t->index))
        log_line("warning: worker %u could not be kept on a CPU of its own", t->index);
    t->next_stats_us = clock_monotonic_us() + STATS_US;
    t->sampling = 1;
    t->backlog = backlog_drops(t->sensor->softnet_fd);
    while (goes_on(t, count, &drain)) {
        count = capture_borrow(t->capture, packets, CAPTURE_BATCH, &why);
        if (count == CAPTURE_FAILED)
            break;
        counter_add(&t->heartbeat, 1);
        for (i = 0; i < count; i++)
            worker_packet(t->worker, &packets[i]);
        int64_t now = clock_monotonic_us();
        if (now >= t->next_tick_us)
            pass_time(t, now);
    }
    if (count == CAPTURE_FAILED) {
        log_line("error: %s", why.text);
        atomic_store(&t->failed, true);
    }
    pass_time(t, clock_monotonic_us());
    capture_stats(t->capture, &kernel);
    leave_rest(t, &drain, &kernel);
    worker_finish(t->worker);
    worker_stats(t->worker, &kernel, clock_unix_us());
    return NULL;
}

int live_thread_start(struct live_thread *thread, struct sensor *sensor, unsigned index)
{
    memset(thread, 0, sizeof(*thread));
    thread->sensor = sensor;
    thread->worker = sensor->workers[index];
    thread->capture = sensor->captures[index];
    thread->index = index;
    pthread_mutex_init(&thread->orders.lock, NULL);
    counter_set(&thread->sample_rate, worker_sample_rate(thread->worker));
    int result = process_start_thread(&thread->thread, capture_until_end, thread);
    thread->is_running = result == 0;
    return result;
}

/* What nobody has taken is nobody's any more. */
static void drop_news(struct orders *o, unsigned index)
{
    if (o->has_news[index] && o->news[index].fd >= 0)
        close(o->news[index].fd);
    o->has_news[index] = false;
}

bool live_thread_has_ended(struct live_thread *thread)
{
    unsigned i;
    if (thread->is_running && pthread_tryjoin_np(thread->thread, NULL) != 0) {
        (void)pthread_kill(thread->thread, LIVE_THREAD_WAKE); /* out of its wait for packets */
        return false;
    }
    for (i = 0; thread->is_running && i < SINKS_MAX; i++)
        drop_news(&thread->orders, i);
    if (thread->is_running)
        pthread_mutex_destroy(&thread->orders.lock);
    thread->is_running = false;
    return true;
}

void live_thread_renew(struct live_thread *thread, unsigned index, const struct sink_news *news)
{
    struct orders *o = &thread->orders;
    pthread_mutex_lock(&o->lock);
    drop_news(o, index);
    o->news[index] = *news;
    o->has_news[index] = true;
    atomic_store_explicit(&o->waiting, true, memory_order_release);
    pthread_mutex_unlock(&o->lock);
}
