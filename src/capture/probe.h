/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A look at all that passes an interface, when nothing comes through the filter: to say why. It lasts until it is
 * closed, and nobody waits for it. */
#ifndef DNSFLOW_CAPTURE_PROBE_H
#define DNSFLOW_CAPTURE_PROBE_H

#include "net/packet.h"

enum { PROBE_PACKETS = 500, PROBE_BYTES = 512 /* of each packet */ };

struct probe;

/* Begins the look. NULL: there is no right or no such interface. */
struct probe *probe_open(const char *interface);

typedef void probe_take(void *context, const struct packet *packet);

/* Gives what has come since the last call. After PROBE_PACKETS in all the look is over. */
void probe_packets(struct probe *probe, probe_take *take, void *context);

/* NULL is fine. */
void probe_close(struct probe *probe);

#endif
