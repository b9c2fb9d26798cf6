/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a captured frame to the UDP datagram or TCP segment inside it. Nothing is copied: results point into the frame
 * and are good for as long as it is. Lengths come from the IP and UDP headers, cut down to what was captured; padding
 * behind them is ignored, and messages quoted in ICMP are never looked into. */
#ifndef DNSFLOW_NET_PACKET_H
#define DNSFLOW_NET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/drops.h"

/* A frame as a capture backend delivers it: borrowed until the batch is released. */
struct packet {
    const uint8_t *bytes;
    uint32_t captured_len;
    uint32_t wire_len;  /* >= captured_len unless the capture lies */
    int64_t time_us;    /* since the Unix epoch */
    uint16_t link_type; /* LINKTYPE_ number of the pcap formats */
};

/* A fragment of an IP packet, first or later, and the payload it carries. */
struct ip_fragment {
    uint8_t ip_vers;
    uint8_t protocol; /* of the whole packet's payload */
    bool more;        /* another one follows it */
    bool whole;       /* all of it was captured */
    const uint8_t *src;
    const uint8_t *dst;
    uint32_t id;
    size_t offset; /* bytes, in the whole packet's payload */
    const uint8_t *bytes;
    size_t len;
};

enum net_transport { NET_UDP, NET_TCP, NET_DNSTAP, NET_DNSTAP_TCP };

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4 };

/* A UDP datagram or TCP segment, innermost when there are tunnels. Addresses are 4 or 16 bytes in network order, by
 * ip_vers. */
struct net_payload {
    const uint8_t *bytes;
    size_t len;    /* captured bytes of the payload */
    bool complete; /* false: cut by the snap length or a missing fragment */
    bool fragment; /* carried by a fragment; part says more */
    uint8_t ip_vers;
    uint8_t transport; /* enum net_transport */
    uint8_t depth;     /* encapsulations around it */
    uint8_t tcp_flags;
    const uint8_t *src;
    const uint8_t *dst;
    uint16_t src_port;
    uint16_t dst_port;
    uint16_t checksum; /* UDP: as sent, 0 = none */
    uint32_t tcp_seq;
    uint32_t wire_len; /* TCP: bytes of the payload as sent */
    int64_t sent_us;   /* dnstap: when the server says it was sent, 0 = it does not say */
    uint8_t over;      /* dnstap: its SocketProtocol, 0 = it does not say */
    struct ip_fragment part;
};

/* What net_decode() goes by beside the frame itself. */
struct net_options {
    const uint16_t *dns_ports; /* a UDP datagram from one of these is never a tunnel */
    size_t dns_ports_count;
    uint32_t encapsulations; /* that are unwrapped: a bit for each enum encapsulation */
    const uint8_t *tunnels;  /* by UDP port, 65536 of them: see net/encapsulation.h; NULL = none */
    bool whole_only;         /* a first fragment is not looked into: it waits for the others */
};

/* Whether the port is one of `dns_ports`. */
static inline bool net_is_dns_port(const struct net_options *options, uint16_t port)
{
    size_t i;
    for (i = 0; i < options->dns_ports_count; i++)
        if (options->dns_ports[i] == port)
            return true;
    return false;
}

/* Returns DROP_NONE with all of *out set, or why there is no datagram or segment; then only ip_vers (0 = no IP header
 * reached), src, dst, depth and fragment say something. With `fragment`, `part` is set too, whatever is returned.
 * `options` may be NULL: nothing is unwrapped. */
enum drop_reason net_decode(const struct packet *packet, const struct net_options *options, struct net_payload *out);

/* Name of a link type that is known to exist, decoded or not; "link type" without a name otherwise. */
const char *net_link_name(uint16_t link_type);

#endif
