/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pid file: written once, locked as long as the process lives, and removed only when it could not start. */
#ifndef DNSFLOW_BASE_PID_FILE_H
#define DNSFLOW_BASE_PID_FILE_H

#include "base/error.h"

/* Returns a descriptor to keep open, or -1: "already running (pid N)" when another process holds the lock. */
MUST_CHECK int pid_file_lock(const char *path, struct error *err);

/* Removes the file of a process that could not start, and closes `fd`, which pid_file_lock() gave; -1 is fine. */
void pid_file_remove(const char *path, int fd);

#endif
