/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of capture/: what the system knows of an interface. */
#ifndef DNSFLOW_CAPTURE_INTERFACE_H
#define DNSFLOW_CAPTURE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

/* Its number, 0 when there is no such. if_nametoindex() asks over a local socket, which a confined sensor has not. */
unsigned interface_index(const char *interface);

/* How it stands. Returns -1 when there is no such interface, or it cannot be asked. */
struct interface_state {
    bool is_up, has_link;
    uint64_t received; /* packets, by its own counter */
    uint64_t drops;    /* as interface_drops() */
};
int interface_state(const char *interface, struct interface_state *out);

/* Packets it has lost so far, by its driver's counters: rx_dropped, rx_missed_errors and rx_fifo_errors. */
uint64_t interface_drops(const char *interface);

/* What kind of frames it gives to AF_PACKET: LINKTYPE_ETHERNET, or (with SOCK_DGRAM) LINKTYPE_RAW. Returns -1 when
 * there is no such interface, with errno set. */
int interface_link_type(const char *interface, uint16_t *link_type);

#endif
