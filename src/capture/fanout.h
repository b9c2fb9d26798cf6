/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of capture/: the fanout group of the sockets that share an interface (PACKET_FANOUT). The kernel gives each
 * packet to one of them. Sockets are opened and reopened by the threads that own them; all of this may be called from
 * any thread. */
#ifndef DNSFLOW_CAPTURE_FANOUT_H
#define DNSFLOW_CAPTURE_FANOUT_H

#include "capture/capture.h"

struct fanout;

/* Held by its maker. NULL: out of memory. */
struct fanout *fanout_create(enum capture_fanout mode);

/* One holder more, who must release it too. From any thread, as all of these. */
void fanout_hold(struct fanout *fanout);

/* Frees it after its last holder. */
void fanout_release(struct fanout *fanout);

/* Adds the bound socket `fd`; the first to come makes the kernel's group. On loopback each packet is seen twice, going
 * out and coming in; *shows_twice says that this kernel cannot leave one out. Returns -1 with errno set. */
int fanout_join(struct fanout *fanout, int fd, unsigned if_index, bool is_loopback, bool *shows_twice);

/* Takes a socket off the books that had joined on this interface and is about to be closed. */
void fanout_leave(struct fanout *fanout, unsigned if_index);

/* How many sockets are in the group. */
unsigned fanout_joined(struct fanout *fanout);

#endif
