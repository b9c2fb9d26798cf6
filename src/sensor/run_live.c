/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live mode: a thread for each worker, with a capture of its own. The main thread handles signals and prints; it takes
 * no part in the packets. */
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "sensor/sensor.h"
#include "sensor/silence.h"
#include "sensor/summary.h"

enum {
    STATS_US = 10 * SECOND_US,
    TICK_US = SECOND_US / 10,
    SUMMARY_US = 60 * SECOND_US,
    CALM_US = 10 * SECOND_US, /* without loss until sampling is halved again */
};

struct live_thread {
    struct sensor *sensor;
    struct worker *worker;
    struct capture *capture;
    unsigned index;
    pthread_t thread;
    bool has_started;
    atomic_bool reopen;                    /* SIGHUP came */
    atomic_bool failed;                    /* the capture broke */
    counter received, dropped, if_dropped; /* of the kernel, as of the last tick */
    int64_t next_tick_us, next_stats_us;
    uint64_t backlog;          /* as of the last tick */
    uint32_t sampling;         /* of --adaptive-sample, 1 = all */
    int64_t calm_since_us;     /* no packet has been lost since */
    struct capture_stats last; /* as of the last tick */
};

/* What AF_PACKET does not serve goes through libpcap, one worker. */
static int open_by_libpcap(struct sensor *sensor, const char *interface, struct error *err)
{
    const struct config *c = sensor->config;
    struct capture_live_options options = {.interface = interface, .filter = c->filter, .promiscuous = c->promiscuous};
    if (c->workers > 1) {
        error_set(err, "%s: expected an interface with Ethernet or IP packets; libpcap takes others, with -M 1",
                  interface);
        capture_add_interfaces(err);
        return -1;
    }
    return capture_open_live(&options, &sensor->captures[sensor->workers_wanted], err);
}

static int open_interface(struct sensor *sensor, unsigned number, struct error *err)
{
    const struct config *c = sensor->config;
    const char *interface = c->interfaces_count > 0 ? c->interfaces[number] : sensor->default_interface;
    struct capture_ring_options options = {
        .interface = interface,
        .expression = c->filter,
        .filter = {.ports = c->ports,
                   .ports_count = c->ports_count,
                   .tcp = c->tcp,
                   .fragments = c->defrag,
                   .encapsulations = c->encapsulations,
                   .tunnel_ports = c->tunnel_ports,
                   .tunnel_ports_count = c->tunnel_ports_count,
                   .share = c->share,
                   .shares = c->shares,
                   .balance_checksum = c->balance_checksum},
        .workers = c->workers,
        .fanout = c->fanout,
        .ring_bytes = c->ring_bytes,
        .promiscuous = c->promiscuous,
        .pin = c->pin,
        .pin_first = sensor->workers_wanted,
    };
    int result = capture_has_rings(interface)
                     ? capture_open_rings(&options, sensor->captures + sensor->workers_wanted, err)
                     : CAPTURE_NOT_HERE;
    if (result == CAPTURE_NOT_HERE)
        result = open_by_libpcap(sensor, interface, err);
    if (result != 0)
        return -1;
    sensor->workers_wanted += c->workers;
    log_line("capturing on %s with %u worker%s", interface, c->workers, c->workers > 1 ? "s" : "");
    return 0;
}

static int open_dnstap(struct sensor *sensor, const struct capture_dnstap_options *options, struct error *err)
{
    if (capture_open_dnstap(options, &sensor->captures[sensor->workers_wanted], err) != 0)
        return -1;
    sensor->workers_wanted++;
    log_line("listening for dnstap on %s%s%s", options->path ? options->path : options->host,
             options->path ? "" : " port ", options->path ? "" : options->port);
    return 0;
}

/* Without any source named, the first interface that can be one. */
int sensor_open_live(struct sensor *sensor, struct error *err)
{
    const struct config *c = sensor->config;
    size_t i, interfaces = c->interfaces_count || c->dnstaps_count ? c->interfaces_count : 1;
    if (interfaces > c->interfaces_count &&
        capture_default_interface(sensor->default_interface, sizeof(sensor->default_interface), err) != 0)
        return -1;
    sensor->is_live = true;
    sensor->workers_wanted = 0;
    for (i = 0; i < interfaces; i++)
        if (open_interface(sensor, (unsigned)i, err) != 0)
            return -1;
    for (i = 0; i < c->dnstaps_count; i++)
        if (open_dnstap(sensor, &c->dnstaps[i], err) != 0)
            return -1;
    return 0;
}

/* Packets that the kernel dropped on their way from the network card, before any capture saw them: the second column of
 * softnet_stat, summed over the processors. The first worker counts them for all. */
static uint64_t backlog_drops(void)
{
    FILE *file = fopen("/proc/net/softnet_stat", "re");
    unsigned dropped;
    uint64_t sum = 0;
    while (file && fscanf(file, "%*x %x %*[^\n]", &dropped) == 1)
        sum += dropped;
    if (file)
        fclose(file);
    return sum;
}

static void note_backlog(struct live_thread *t)
{
    if (t->index > 0)
        return;
    uint64_t now = backlog_drops();
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
}

/* What time alone brings about. Statistics of several workers do not leave together. */
static void pass_time(struct live_thread *t, int64_t now)
{
    struct capture_stats kernel;
    capture_stats(t->capture, &kernel);
    atomic_store(&t->received, kernel.received);
    atomic_store(&t->dropped, kernel.dropped);
    atomic_store(&t->if_dropped, kernel.if_dropped);
    t->next_tick_us = now + TICK_US;
    adapt_sampling(t, &kernel, now);
    worker_note(t->worker, DROP_SUPERPACKET, kernel.super - t->last.super);
    note_backlog(t);
    t->last = kernel;
    worker_tick(t->worker, clock_unix_us());
    if (now >= t->next_stats_us) {
        t->next_stats_us = now + STATS_US - STATS_US / 20 + now % (STATS_US / 10);
        worker_stats(t->worker, &kernel, clock_unix_us());
    }
    if (atomic_exchange(&t->reopen, false))
        worker_reopen(t->worker);
}

/* After a stop the ring is drained: what the kernel has handed over by then is still taken, within a second. */
static bool goes_on(const struct live_thread *t, int count, int64_t *stop_at)
{
    if (!atomic_load_explicit(t->sensor->signals->stop, memory_order_relaxed))
        return true;
    if (*stop_at == 0) {
        *stop_at = clock_monotonic_us() + SECOND_US;
        return true;
    }
    return count > 0 && clock_monotonic_us() < *stop_at;
}

/* What came in under load after the last look is not taken any more: it is lost in the ring. */
static void leave_rest(struct live_thread *t, struct capture_stats *kernel)
{
    if (kernel->lent == 0)
        return;
    kernel->dropped = kernel->received - kernel->lent;
    atomic_store(&t->received, kernel->received);
    atomic_store(&t->dropped, kernel->dropped);
}

static void *run(void *context)
{
    struct live_thread *t = context;
    struct packet packets[CAPTURE_BATCH];
    struct capture_stats kernel;
    struct error why;
    int count = 1, i;
    int64_t stop_at = 0;
    if (t->sensor->config->pin && !process_pin_thread(t->index))
        log_line("warning: worker %u could not be kept on a CPU of its own", t->index);
    t->next_stats_us = clock_monotonic_us() + STATS_US;
    t->sampling = 1;
    t->backlog = backlog_drops();
    while (goes_on(t, count, &stop_at)) {
        count = capture_borrow(t->capture, packets, CAPTURE_BATCH, &why);
        if (count == CAPTURE_FAILED)
            break;
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
    leave_rest(t, &kernel);
    worker_finish(t->worker);
    worker_stats(t->worker, &kernel, clock_unix_us());
    return NULL;
}

/* Signals are for the main thread. */
static int start_threads(struct sensor *sensor, struct live_thread *threads)
{
    sigset_t all, before;
    unsigned i;
    int result = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (i = 0; i < sensor->workers_count && result == 0; i++) {
        struct live_thread *t = &threads[i];
        t->sensor = sensor;
        t->worker = sensor->workers[i];
        t->capture = sensor->captures[i];
        t->index = i;
        result = pthread_create(&t->thread, NULL, run, t);
        t->has_started = result == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        log_line("error: cannot start a worker thread: %s; lower --workers", strerror(result));
    return result == 0 ? 0 : -1;
}

/* Sums up what the threads have last seen. Returns true when one of them has failed. */
static bool look_at_threads(struct sensor *sensor, const struct live_thread *threads)
{
    bool failed = false;
    unsigned i;
    memset(&sensor->kernel, 0, sizeof(sensor->kernel));
    for (i = 0; i < sensor->workers_count; i++) {
        sensor->kernel.received += counter_read(&threads[i].received);
        sensor->kernel.dropped += counter_read(&threads[i].dropped);
        sensor->kernel.if_dropped += counter_read(&threads[i].if_dropped);
        failed |= atomic_load((atomic_bool *)(uintptr_t)&threads[i].failed);
    }
    return failed;
}

static bool watch(struct sensor *sensor, struct live_thread *threads)
{
    struct timespec tick = {.tv_nsec = TICK_US * 1000L};
    int64_t next_summary = clock_monotonic_us() + SUMMARY_US;
    struct silence silence;
    bool failed = false;
    unsigned i;
    silence_start(&silence, clock_monotonic_us());
    while (!sensor_check_signals(sensor) && !failed) {
        (void)nanosleep(&tick, NULL); /* a signal ends it */
        failed = look_at_threads(sensor, threads);
        bool reload = atomic_exchange(sensor->signals->reload, false);
        for (i = 0; i < sensor->workers_count && reload; i++)
            atomic_store(&threads[i].reopen, true);
        silence_look(&silence, sensor, clock_monotonic_us());
        if (clock_monotonic_us() >= next_summary) {
            next_summary += SUMMARY_US;
            summary_log(sensor->workers, sensor->workers_count, &sensor->kernel);
        }
    }
    return failed;
}

int sensor_run_live(struct sensor *sensor)
{
    struct live_thread threads[CONFIG_WORKERS_MAX];
    unsigned i;
    memset(threads, 0, sizeof(threads));
    bool failed = start_threads(sensor, threads) != 0;
    if (!failed)
        failed = watch(sensor, threads);
    atomic_store(sensor->signals->stop, true);
    for (i = 0; i < sensor->workers_count; i++)
        if (threads[i].has_started)
            pthread_join(threads[i].thread, NULL);
    (void)look_at_threads(sensor, threads);
    return failed ? -1 : 0;
}
