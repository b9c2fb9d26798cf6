/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Running as a service: in the background, and with word to the service manager (sd_notify(3)). */
#ifndef DNSFLOW_BASE_DAEMON_H
#define DNSFLOW_BASE_DAEMON_H

#include <stdint.h>

#include "base/error.h"

/* Goes into the background. The caller goes on in the new process; the one that was started waits until
 * daemon_ready() and ends with status 0, or with 1 when the new one ends before. *ready_fd is for daemon_ready(). */
MUST_CHECK int daemon_start(int *ready_fd, struct error *err);

/* Lets the waiting process go. */
void daemon_ready(int ready_fd);

/* The service manager's socket, of $NOTIFY_SOCKET; -1 when there is none. */
int notify_open(void);

/* Sends "READY=1" and the like. */
void notify_send(int fd, const char *state);

/* Time between signs of life that the manager asks for, in us; 0 = it does not. */
int64_t notify_watchdog_us(void);

#endif
