/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines for the operator, on standard error, each "[PID]: text". Never one per packet. */
#ifndef DNSFLOW_BASE_LOG_H
#define DNSFLOW_BASE_LOG_H

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
