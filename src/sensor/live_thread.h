/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One worker of a live sensor: a thread with a capture of its own. The main thread reads its counters, and leaves it
 * orders, which it looks at ten times a second. */
#ifndef DNSFLOW_SENSOR_LIVE_THREAD_H
#define DNSFLOW_SENSOR_LIVE_THREAD_H

#include <pthread.h>
#include <signal.h>

#include "sensor/sensor.h"

/* What the main thread has found or opened for the worker's outputs. */
struct orders {
    pthread_mutex_t lock; /* over everything below but `waiting` */
    atomic_bool waiting;  /* there are some */
    bool has_news[SINKS_MAX];
    struct sink_news news[SINKS_MAX];
};

struct live_thread {
    struct sensor *sensor;
    struct worker *worker;
    struct capture *capture;
    unsigned index;
    pthread_t thread;
    bool is_running;
    atomic_bool failed;                    /* the capture broke */
    counter heartbeat;                     /* moves as long as the thread does its rounds */
    counter received, dropped, if_dropped; /* of the kernel, as of the last tick */
    counter ring_fill;                     /* percent */
    counter sample_rate;                   /* 1 message in this many is kept */
    struct orders orders;
    int64_t next_tick_us, next_stats_us;
    uint64_t backlog;          /* as of the last tick */
    uint32_t sampling;         /* of --adaptive-sample, 1 = all */
    int64_t calm_since_us;     /* no packet has been lost since */
    struct capture_stats last; /* as of the last tick */
};

/* The signal that ends its waits; to be caught by a handler that does nothing. All others are blocked in it. */
enum { LIVE_THREAD_WAKE = SIGUSR2 };

/* Returns 0 or an errno. */
int live_thread_start(struct live_thread *thread, struct sensor *sensor, unsigned index);

/* Once the sensor's stop flag is set: whether it has ended, and been freed. Else it is woken, so that it looks at the
 * flag. */
bool live_thread_has_ended(struct live_thread *thread);

/* Leaves orders about output number `index`; from the main thread. A descriptor belongs to the worker then. */
void live_thread_renew(struct live_thread *thread, unsigned index, const struct sink_news *news);

#endif
