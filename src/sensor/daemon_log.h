/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines that go to the system's log (-D, --log). */
#ifndef DNSFLOW_SENSOR_DAEMON_LOG_H
#define DNSFLOW_SENSOR_DAEMON_LOG_H

#include "sensor/config.h"

/* A line of this character alone says that the sensor has started. Others never begin with it. */
enum { DAEMON_LOG_STARTED = 1 };

/* Standard error leads to a process that passes each line to syslog or the journal, with its level: those that begin
 * with "error:" or "warning:" behind the process id. More than 200 lines in 10 s are counted instead.
 * Until the sensor has started lines go to the old standard error as well. Where nobody listens for them, an option
 * that names syslog or the journal is refused; that -D alone loses its lines is said. */
MUST_CHECK int daemon_log(const struct config *config, struct error *err);

#endif
