/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The other side of sensor/helper.h: what runs in the helper's processes. */
#ifndef DNSFLOW_SENSOR_HELPER_PROCESS_H
#define DNSFLOW_SENSOR_HELPER_PROCESS_H

#include "sensor/helper.h"

/* What the sensor asks; `collector` is for HELPER_RESOLVE. */
struct helper_request {
    uint8_t task, collector;
};

/* Serves the sensor at the other end of `fd` until that end closes; then removes the sockets that the sensor listened
 * at. One process answers, each request in a process of its own, so that a slow name server holds nothing up; another
 * one watches it. When one of the two dies the other makes a new one and sends HELPER_AGAIN. */
_Noreturn void helper_process_run(const struct config *config, int fd);

#endif
