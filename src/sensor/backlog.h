/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets that the kernel dropped on their way from the network card, before any capture saw them. */
#ifndef DNSFLOW_SENSOR_BACKLOG_H
#define DNSFLOW_SENSOR_BACKLOG_H

#include <stdint.h>

/* The second column of softnet_stat, which is open at `fd` (-1: it is not), summed over the processors, however many
 * these are. */
uint64_t backlog_drops(int fd);

#endif
