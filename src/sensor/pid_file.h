/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pid file: written once, locked as long as the process lives, never removed. */
#ifndef DNSFLOW_SENSOR_PID_FILE_H
#define DNSFLOW_SENSOR_PID_FILE_H

#include "base/error.h"

/* Returns a descriptor to keep open, or -1: "already running (pid N)" when another process holds the lock. */
int pid_file_lock(const char *path, struct error *err);

#endif
