/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live mode: a thread for each worker, and the main thread, which takes no part in the packets: it looks at signals,
 * counters and time, and passes on what the helper process has found. */
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sensor/daemon.h"
#include "sensor/live_thread.h"
#include "sensor/metrics.h"
#include "sensor/silence.h"
#include "sensor/summary.h"

enum {
    TICK_US = SECOND_US / 10,
    SUMMARY_US = 60 * SECOND_US,
    RESOLVE_US = 10 * SECOND_US, /* between attempts to find an address */
};

struct watch {
    struct sensor *sensor;
    struct event_base *base;
    struct event *helper; /* NULL: it is gone */
    struct metrics *metrics;
    int64_t next_summary_us, next_resolve_us;
    uint32_t unknown; /* collectors without an address: a bit each */
    uint32_t warned;  /* ... of which that has been said */
    struct silence silence;
    bool failed;
    int64_t watchdog_us, next_sign_us; /* the service manager's; 0 = none */
    uint64_t heartbeats[CONFIG_WORKERS_MAX];
    struct live_thread threads[CONFIG_WORKERS_MAX];
};

/* Sums up what the threads have last seen. Returns true when one of them has failed. */
static bool look_at_threads(struct watch *w)
{
    struct capture_stats *kernel = &w->sensor->kernel;
    bool failed = false;
    unsigned i;
    memset(kernel, 0, sizeof(*kernel));
    for (i = 0; i < w->sensor->workers_count; i++) {
        kernel->received += counter_read(&w->threads[i].received);
        kernel->dropped += counter_read(&w->threads[i].dropped);
        kernel->if_dropped += counter_read(&w->threads[i].if_dropped);
        failed |= atomic_load(&w->threads[i].failed);
    }
    return failed;
}

/* ---- the helper ---- */

static void ask_for_addresses(struct watch *w, uint32_t which)
{
    unsigned i;
    for (i = 0; i < w->sensor->config->targets_count; i++)
        if (which >> i & 1)
            helper_ask(w->sensor->helper, HELPER_RESOLVE, i);
}

static void take_address(struct watch *w, const struct helper_answer *answer)
{
    const char *name = w->sensor->config->targets[answer->collector].text;
    uint32_t bit = 1u << answer->collector;
    unsigned i;
    if (!answer->is_done && (w->unknown & bit) == 0) {
        log_line("warning: %s; sending to its old address", answer->cause);
    } else if (!answer->is_done) {
        if ((w->warned & bit) == 0)
            log_line("warning: %s; trying again every %d s, datagrams until then are lost", answer->cause,
                     RESOLVE_US / SECOND_US);
        w->warned |= bit;
    } else {
        if (w->unknown & bit)
            log_line("collector %s: resolved", name);
        w->unknown &= ~bit;
        for (i = 0; i < w->sensor->workers_count; i++)
            live_thread_set_address(&w->threads[i], answer->collector, &answer->address);
    }
}

static void take_answers(evutil_socket_t fd, short what, void *context)
{
    struct watch *w = context;
    struct helper_answer answer;
    int result;
    (void)fd, (void)what;
    while ((result = helper_take(w->sensor->helper, &answer)) > 0) {
        if (answer.task == HELPER_RESOLVE && answer.collector < w->sensor->config->targets_count)
            take_address(w, &answer);
        else if (answer.fd >= 0)
            live_thread_set_file(&w->threads[0], answer.fd);
        else
            log_line("warning: %s; writing on to the old file", answer.cause);
    }
    if (result == 0)
        return;
    log_line("warning: the helper process is gone; names are not resolved and files not opened any more");
    event_free(w->helper);
    w->helper = NULL;
}

/* ---- time ---- */

/* The manager hears from us as long as every worker does its rounds, at the latest ten times a second. */
static void give_sign_of_life(struct watch *w, int64_t now)
{
    bool all_move = true;
    unsigned i;
    if (w->watchdog_us == 0 || now < w->next_sign_us)
        return;
    for (i = 0; i < w->sensor->workers_count; i++) {
        uint64_t beats = counter_read(&w->threads[i].heartbeat);
        all_move &= beats != w->heartbeats[i];
    }
    if (!all_move)
        return;
    for (i = 0; i < w->sensor->workers_count; i++)
        w->heartbeats[i] = counter_read(&w->threads[i].heartbeat);
    w->next_sign_us = now + w->watchdog_us / 3;
    notify_send(w->sensor->notify_fd, "WATCHDOG=1");
}

static void look_at_time(struct watch *w, int64_t now)
{
    if (atomic_exchange(w->sensor->signals->reload, false) && w->helper) {
        ask_for_addresses(w, UINT32_MAX);
        if (w->sensor->config->write_path)
            helper_ask(w->sensor->helper, HELPER_OPEN, 0);
    }
    if (w->unknown && w->helper && now >= w->next_resolve_us) {
        w->next_resolve_us = now + RESOLVE_US;
        ask_for_addresses(w, w->unknown);
    }
    silence_look(&w->silence, w->sensor, now);
    if (now >= w->next_summary_us) {
        w->next_summary_us += SUMMARY_US;
        summary_log(w->sensor->workers, w->sensor->workers_count, &w->sensor->kernel);
    }
}

static void tick(evutil_socket_t fd, short what, void *context)
{
    struct watch *w = context;
    (void)fd, (void)what;
    w->failed |= look_at_threads(w);
    look_at_time(w, clock_monotonic_us());
    give_sign_of_life(w, clock_monotonic_us());
    if (sensor_check_signals(w->sensor) || w->failed)
        event_base_loopbreak(w->base);
}

/* Returns -1 when the loop cannot be made, which has been said. */
static int run_loop(struct watch *w)
{
    const struct timeval every = {.tv_usec = TICK_US};
    int64_t now = clock_monotonic_us();
    struct event *timer = NULL;
    w->next_summary_us = now + SUMMARY_US;
    w->next_resolve_us = now;
    w->watchdog_us = notify_watchdog_us();
    silence_start(&w->silence, now);
    w->base = event_base_new();
    if (w->base) {
        timer = event_new(w->base, -1, EV_PERSIST, tick, w);
        w->helper = event_new(w->base, helper_fd(w->sensor->helper), EV_READ | EV_PERSIST, take_answers, w);
    }
    if (w->base && w->sensor->metrics_fd >= 0)
        w->metrics = metrics_start(w->base, w->sensor->metrics_fd, w->sensor, w->threads);
    int result = timer && w->helper && event_add(timer, &every) == 0 && event_add(w->helper, NULL) == 0 ? 0 : -1;
    if (result == 0)
        (void)event_base_dispatch(w->base);
    else
        log_line("error: cannot make the event loop");
    if (w->metrics)
        w->sensor->metrics_fd = -1; /* it closes it */
    metrics_stop(w->metrics);
    if (timer)
        event_free(timer);
    if (w->helper)
        event_free(w->helper);
    if (w->base)
        event_base_free(w->base);
    return result;
}

static int start_threads(struct watch *w)
{
    unsigned i;
    for (i = 0; i < w->sensor->workers_count; i++) {
        int result = live_thread_start(&w->threads[i], w->sensor, i);
        if (result != 0) {
            log_line("error: cannot start a worker thread: %s; lower --workers", strerror(result));
            return -1;
        }
    }
    return 0;
}

int sensor_run_live(struct sensor *sensor)
{
    struct watch w = {.sensor = sensor};
    unsigned i;
    for (i = 0; i < sensor->config->targets_count; i++)
        if (sensor->addresses[i].len == 0)
            w.unknown |= 1u << i;
    w.failed = start_threads(&w) != 0 || run_loop(&w) != 0;
    notify_send(sensor->notify_fd, "STOPPING=1");
    atomic_store(sensor->signals->stop, true);
    for (i = 0; i < sensor->workers_count; i++)
        live_thread_join(&w.threads[i]);
    (void)look_at_threads(&w);
    return w.failed ? -1 : 0;
}
