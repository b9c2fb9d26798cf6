/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the sensor asks its helper for: the addresses of collectors, the output file opened by its name. Once the sensor
 * is gone the helper removes the sockets it listened at. */
#ifndef DNSFLOW_SENSOR_REQUESTS_H
#define DNSFLOW_SENSOR_REQUESTS_H

#include "guard/helper.h"
#include "sensor/config.h"

/* A task below this resolves that collector's name; its answer's data is a struct sink_address. */
enum { REQUEST_FILE = SINK_COLLECTORS_MAX, REQUESTS };

/* Starts the helper. `drop` gives up its rights. */
int requests_start(const struct config *config, int (*drop)(const struct config *, struct error *), struct helper **out,
                   struct error *err);

/* The address in an answer to a request below REQUEST_FILE. */
void requests_address(const struct helper_answer *answer, struct sink_address *out);

#endif
