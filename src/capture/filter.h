/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's pcap filter expression, run on frames of a file, of any number of link types. Belongs to one thread. */
#ifndef DNSFLOW_CAPTURE_FILTER_H
#define DNSFLOW_CAPTURE_FILTER_H

#include "base/error.h"
#include "capture/bpf_build.h"
#include "net/packet.h"

struct filter;

/* Returns -1 when the expression is no valid one for any kind of link. */
MUST_CHECK int filter_create(const char *expression, struct filter **out, struct error *err);

/* The expression as a kernel program for a live interface. libpcap is asked on an open device, as only then it knows
 * that the kernel keeps the outer VLAN tag beside the frame. *link_type is that of the frames it is for. */
MUST_CHECK int filter_compile_live(const char *interface, const char *expression, uint16_t *link_type,
                                   struct bpf_build *out, struct error *err);

/* The same for bare IP packets, of whatever interface. */
MUST_CHECK int filter_compile_raw(const char *expression, struct bpf_build *out, struct error *err);

/* Returns -1 when the expression asks of frames out of a file what only an interface can tell, as `inbound` does with
 * most link types, or when memory ran out; *err begins with the expression then. Logs once that the expression makes no
 * sense for a link type, for the first 16 of them. */
MUST_CHECK int filter_check_link(struct filter *filter, uint16_t link_type, struct error *err);

/* Whether the frame passes. Frames of a link type for which the expression makes no sense do not, nor do those for
 * which there was no memory to compile it. */
bool filter_match(struct filter *filter, const struct packet *packet);

/* NULL is fine. */
void filter_destroy(struct filter *filter);

#endif
