/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live mode: a thread for each worker, and the main thread, which takes no part in the packets: it looks at signals,
 * counters and time, and passes on what the helper process has found. */
#include <event2/event.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "http/server.h"
#include "sensor/live_thread.h"
#include "sensor/metrics.h"
#include "sensor/silence.h"
#include "sensor/requests.h"
#include "sensor/summary.h"

enum {
    TICK_US = SECOND_US / 10,
    SUMMARY_US = 60 * SECOND_US,
    RESOLVE_US = 10 * SECOND_US, /* between attempts to find an address */
    NAMES_US = SECOND_US,        /* to wait for addresses at the start */
    STOP_MS = 3,                 /* between looks at threads that are to end */
    SIGNALS = 4
};

static const int signals[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};

struct watch {
    struct sensor *sensor;
    struct event_base *base;
    size_t events_count;
    struct event *events[SIGNALS + 1];
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

/* The outputs whose bit is set, as far as they can be found or opened anew. */
static void ask_for(struct watch *w, uint32_t which)
{
    const struct config *config = w->sensor->config;
    unsigned i;
    for (i = 0; i < config->sinks_count; i++)
        if (config->sinks[i].is_renewable && (which >> i & 1))
            helper_ask(w->sensor->helper, i);
}

/* Each worker has a descriptor of its own. */
static void renew_all(struct watch *w, unsigned index, struct sink_news *news)
{
    unsigned i;
    int fd = news->fd;
    for (i = 0; i < w->sensor->workers_count; i++) {
        news->fd = i == 0 || fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (w->threads[i].is_running)
            live_thread_renew(&w->threads[i], index, news);
        else
            worker_renew(w->sensor->workers[i], index, news);
    }
}

/* Of an output that has never been found, `unknown` has a bit, and `warned` once that has been said. */
static void take_answer(struct watch *w, const struct helper_answer *answer)
{
    const struct sink_plan *plan = &w->sensor->config->sinks[answer->task];
    uint32_t bit = UINT32_C(1) << answer->task;
    struct sink_news news;
    if (answer->is_done) {
        if (w->warned & bit)
            log_line("collector %s: resolved", plan->target.text);
        w->unknown &= ~bit;
        w->warned &= ~bit;
        requests_news(answer, &news);
        renew_all(w, answer->task, &news);
    } else if ((w->unknown & bit) == 0) {
        log_line("warning: %s; %s", answer->cause, plan->kind->old);
    } else if ((w->warned & bit) == 0) {
        log_line("warning: %s; trying again every %d s, datagrams until then are lost", answer->cause,
                 RESOLVE_US / SECOND_US);
        w->warned |= bit;
    }
}

static void take_answers(evutil_socket_t fd, short what, void *context)
{
    struct watch *w = context;
    struct helper_answer answer;
    int result;
    (void)fd, (void)what;
    while ((result = helper_take(w->sensor->helper, &answer)) > 0) {
        if (answer.task < w->sensor->config->sinks_count) {
            take_answer(w, &answer);
        } else if (answer.task == HELPER_AGAIN) {
            counter_add(&w->sensor->helper_deaths, 1);
            log_line("warning: a process of the helper has died and was replaced");
        }
    }
    if (result == 0)
        return;
    counter_add(&w->sensor->helper_deaths, 1);
    counter_set(&w->sensor->helper_is_gone, 1);
    log_line("error: the helper processes are gone; names are not resolved and files not opened until the sensor is "
             "started again");
    event_free(w->helper);
    w->helper = NULL;
}

static uint32_t unknown_outputs(const struct sensor *sensor)
{
    struct sink_output output;
    uint32_t unknown = 0;
    unsigned i;
    for (i = 0; worker_output(sensor->workers[0], i, &output); i++)
        if (output.cause == SINK_UNRESOLVED)
            unknown |= UINT32_C(1) << i;
    return unknown;
}

/* Names that are found at once, as most are, are known before the first packet is taken; the rings hold these so long.
 */
static void wait_for_addresses(struct watch *w)
{
    struct pollfd ready = {.fd = helper_fd(w->sensor->helper), .events = POLLIN};
    int64_t until = clock_monotonic_us() + NAMES_US;
    ask_for(w, w->unknown);
    w->next_resolve_us = clock_monotonic_us() + RESOLVE_US;
    while (w->helper && (w->unknown & ~w->warned) != 0 && !atomic_load(w->sensor->signals->stop)) {
        int64_t left = until - clock_monotonic_us();
        int result = left > 0 ? poll(&ready, 1, (int)(left / 1000) + 1) : 0;
        if (result == 0 || (result < 0 && errno != EINTR))
            return;
        if (result > 0)
            take_answers(-1, 0, w);
    }
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
        ask_for(w, UINT32_MAX);
    }
    if (w->unknown && w->helper && now >= w->next_resolve_us) {
        w->next_resolve_us = now + RESOLVE_US;
        ask_for(w, w->unknown);
    }
    silence_look(&w->silence, w->sensor, now);
    if (now >= w->next_summary_us) {
        w->next_summary_us += SUMMARY_US;
        http_take_libevent_line();
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

/* A signal is acted upon at once, not at the next tick. */
static void take_signal(evutil_socket_t number, short what, void *context)
{
    struct watch *w = context;
    if (number == SIGHUP)
        atomic_store(w->sensor->signals->reload, true);
    else if (number == SIGUSR1)
        atomic_store(w->sensor->signals->report, true);
    else
        atomic_store(w->sensor->signals->stop, true);
    tick(-1, what, w);
}

/* ---- the loop ---- */

static bool add_event(struct watch *w, struct event *event, const struct timeval *every)
{
    return event && (w->events[w->events_count++] = event) && event_add(event, every) == 0;
}

static bool make_loop(struct watch *w)
{
    const struct timeval every = {.tv_usec = TICK_US};
    http_take_libevent_line();
    bool is_made = (w->base = event_base_new()) != NULL;
    size_t i;
    for (i = 0; i < SIGNALS && is_made; i++)
        is_made = add_event(w, evsignal_new(w->base, signals[i], take_signal, w), NULL);
    is_made = is_made && add_event(w, event_new(w->base, -1, EV_PERSIST, tick, w), &every);
    if (is_made)
        w->helper = event_new(w->base, helper_fd(w->sensor->helper), EV_READ | EV_PERSIST, take_answers, w);
    if (is_made && w->sensor->metrics_fd >= 0)
        w->metrics = metrics_start(w->base, w->sensor->metrics_fd, w->sensor, w->threads);
    is_made = is_made && (w->metrics || w->sensor->metrics_fd < 0);
    if (w->metrics)
        w->sensor->metrics_fd = -1; /* it closes it */
    if (is_made && w->helper && event_add(w->helper, NULL) == 0)
        return true;
    log_line("error: cannot make the event loop");
    return false;
}

static void free_loop(struct watch *w)
{
    metrics_stop(w->metrics);
    while (w->events_count > 0)
        event_free(w->events[--w->events_count]);
    if (w->helper)
        event_free(w->helper);
    if (w->base)
        event_base_free(w->base);
}

static bool start_threads(struct watch *w)
{
    unsigned i;
    for (i = 0; i < w->sensor->workers_count; i++) {
        int result = live_thread_start(&w->threads[i], w->sensor, i);
        if (result != 0) {
            log_line("error: cannot start a worker thread: %s; lower --workers", strerror(result));
            return false;
        }
    }
    return true;
}

static void stop_threads(struct watch *w)
{
    unsigned i, running;
    atomic_store(w->sensor->signals->stop, true);
    for (;;) {
        for (running = i = 0; i < w->sensor->workers_count; i++)
            running += !live_thread_has_ended(&w->threads[i]);
        if (running == 0)
            return;
        (void)poll(NULL, 0, STOP_MS);
    }
}

int sensor_run_live(struct sensor *sensor)
{
    struct watch w = {.sensor = sensor};
    w.unknown = unknown_outputs(sensor);
    bool is_running = make_loop(&w);
    if (is_running) {
        wait_for_addresses(&w);
        is_running = start_threads(&w);
    }
    if (is_running) {
        sensor_tell_ready(sensor);
        w.next_summary_us = clock_monotonic_us() + SUMMARY_US;
        w.watchdog_us = notify_watchdog_us();
        silence_start(&w.silence, sensor, clock_monotonic_us());
        (void)event_base_dispatch(w.base);
    }
    notify_send(sensor->notify_fd, "STOPPING=1");
    helper_dismiss(sensor->helper);
    stop_threads(&w);
    (void)look_at_threads(&w);
    silence_stop(&w.silence);
    free_loop(&w);
    return is_running && !w.failed ? 0 : -1;
}
