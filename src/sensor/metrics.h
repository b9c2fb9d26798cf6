/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the sensor counts, for monitoring systems over HTTP: /metrics in the text formats of Prometheus and OpenMetrics,
 * /healthz. Served by the main thread's event loop, so that no client, however slow, concerns the workers. */
#ifndef DNSFLOW_SENSOR_METRICS_H
#define DNSFLOW_SENSOR_METRICS_H

#include "sensor/live_thread.h"

struct event_base;
struct metrics;

/* Opens the socket of the configuration; before rights are given up. Returns its descriptor, -1 on failure. */
MUST_CHECK int metrics_listen(const struct config *config, struct error *err);

/* Serves it; the socket is the result's then. `threads` must outlive it. NULL: out of memory or descriptors. */
struct metrics *metrics_start(struct event_base *base, int listener, struct sensor *sensor,
                              struct live_thread *threads);

/* NULL is fine. */
void metrics_stop(struct metrics *metrics);

#endif
