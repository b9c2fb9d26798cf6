/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a program does to itself before it opens anything. */
#ifndef DNSFLOW_BASE_PROCESS_H
#define DNSFLOW_BASE_PROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Opens /dev/null in place of standard files that are closed, so that no output is opened in their place. */
void process_open_standard_files(void);

/* Standard input and output lead nowhere from now on. */
void process_leave_terminal(void);

/* Closes all descriptors from `first` on. */
void process_close_from(int first);

/* Sets a ceiling on the memory the process may ask for (RLIMIT_DATA), in bytes. All tables have a fixed size, so that
 * it is never met unless there is a defect; then an allocation fails instead of the machine. No effect in builds with a
 * sanitizer, which maps far more. */
void process_limit_memory(size_t bytes);

/* Whether this build has a sanitizer, which takes memory and system calls of its own. */
bool process_has_sanitizer(void);

/* Starts a thread that no signal is delivered to, with a stack of a fixed size. Returns 0 or an errno. */
int process_start_thread(pthread_t *thread, void *(*run)(void *), void *context);

/* Keeps the calling thread on one CPU, number `index` of those it may use, counted round. False: it stays free. */
bool process_pin_thread(unsigned index);

/* As many descriptors as it may have. */
void process_raise_files(void);

#endif
