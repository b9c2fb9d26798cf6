/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Running as a service: in the background (-D), with lines that go to the system's log (--log), and with word to the
 * service manager (sd_notify(3)). */
#ifndef DNSFLOW_SENSOR_DAEMON_H
#define DNSFLOW_SENSOR_DAEMON_H

#include <stdint.h>

#include "sensor/config.h"

/* Goes into the background. The caller goes on in the new process; the one that was started waits until
 * daemon_ready() and ends with status 0, or with 1 when the new one ends before. *ready_fd is for daemon_ready(). */
MUST_CHECK int daemon_start(int *ready_fd, struct error *err);

/* Lets the waiting process go. */
void daemon_ready(int ready_fd);

/* A line of this character alone says that the sensor has started. Others never begin with it. */
enum { DAEMON_LOG_STARTED = 1 };

/* Standard error leads to a process that passes each line to syslog or the journal, with its level: those that begin
 * with "error:" or "warning:" behind the process id. More than 200 lines in 10 s are counted instead.
 * Until the sensor has started lines go to the old standard error as well. Where nobody listens for them, an option
 * that names syslog or the journal is refused; that -D alone loses its lines is said. */
MUST_CHECK int daemon_log(const struct config *config, struct error *err);

/* The service manager's socket, of $NOTIFY_SOCKET; -1 when there is none. */
int notify_open(void);

/* Sends "READY=1" and the like. */
void notify_send(int fd, const char *state);

/* Time between signs of life that the manager asks for, in us; 0 = it does not. */
int64_t notify_watchdog_us(void);

#endif
