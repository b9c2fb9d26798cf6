/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the sensor asks its helper for: what its outputs name, found or opened anew; a task is the output's number. Once
 * the sensor is gone the helper removes the sockets it listened at. */
#ifndef DNSFLOW_SENSOR_REQUESTS_H
#define DNSFLOW_SENSOR_REQUESTS_H

#include "guard/helper.h"
#include "sensor/config.h"

/* Starts the helper. `drop` gives up its rights. */
MUST_CHECK int requests_start(const struct config *config, int (*drop)(const struct config *, struct error *),
                              struct helper **out, struct error *err);

/* What an answer with is_done has found or opened. */
void requests_news(const struct helper_answer *answer, struct sink_news *out);

#endif
