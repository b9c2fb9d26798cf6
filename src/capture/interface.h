/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of capture/: what the system knows of an interface. */
#ifndef DNSFLOW_CAPTURE_INTERFACE_H
#define DNSFLOW_CAPTURE_INTERFACE_H

#include <stdint.h>

/* Packets it has lost so far, by its driver's counters: rx_dropped, rx_missed_errors and rx_fifo_errors. */
uint64_t interface_drops(const char *interface);

#endif
