/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A short look at all that passes an interface, when nothing comes through the filter: to say why. */
#ifndef DNSFLOW_CAPTURE_PROBE_H
#define DNSFLOW_CAPTURE_PROBE_H

#include "net/packet.h"

enum { PROBE_PACKETS = 500, PROBE_MS = 200, PROBE_BYTES = 512 /* of each packet */ };

typedef void probe_take(void *context, const struct packet *packet);

/* Gives up to PROBE_PACKETS packets, within PROBE_MS. Returns their number, -1 when there is no right or no interface.
 */
int capture_probe(const char *interface, probe_take *take, void *context);

#endif
