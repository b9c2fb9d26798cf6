/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The shortest way through net/, for those who have every frame pass: inline, and silent about what it does not take.
 */
#ifndef DNSFLOW_NET_PLAIN_H
#define DNSFLOW_NET_PLAIN_H

#include "base/bytes.h"
#include "net/numbers.h"
#include "net/packet.h"

/* Fills in the datagram at `udp`, of which `left` bytes (8 at least) are there. False: it is not whole. */
static inline bool net_fill_plain(const uint8_t *udp, size_t left, struct net_payload *out)
{
    size_t len = load_be16(udp + 4);
    if (len < 8 || len > left)
        return false;
    out->bytes = udp + 8;
    out->len = len - 8;
    out->complete = true;
    out->fragment = false;
    out->transport = NET_UDP;
    out->depth = 0;
    out->src_port = load_be16(udp);
    out->dst_port = load_be16(udp + 2);
    out->checksum = load_be16(udp + 6);
    return true;
}

/* Nearly every frame: whole, Ethernet without tags, IPv4 without options or IPv6 without extension headers, no
 * fragment, UDP. Says the same as the walk does or nothing; tests/prop holds the two against each other. */
static inline bool net_decode_plain(const struct packet *packet, struct net_payload *out)
{
    enum { ETHERNET = 14, IP4 = 20, IP6 = 40, UDP = 8 }; /* bytes of headers */
    const uint8_t *ip = packet->bytes + ETHERNET;
    if (packet->link_type != LINKTYPE_ETHERNET || packet->captured_len < ETHERNET + IP6 + UDP)
        return false;
    size_t left = packet->captured_len - ETHERNET;
    uint16_t ethertype = load_be16(packet->bytes + 12);
    if (ethertype == ETHERTYPE_IPV4 && ip[0] == 0x45 && ip[9] == PROTO_UDP && (load_be16(ip + 6) & 0x3fff) == 0) {
        size_t total_len = load_be16(ip + 2);
        out->ip_vers = 4;
        out->src = ip + 12;
        out->dst = ip + 16;
        return total_len >= IP4 + UDP && total_len <= left && net_fill_plain(ip + IP4, total_len - IP4, out);
    }
    if (ethertype == ETHERTYPE_IPV6 && ip[0] >> 4 == 6 && ip[6] == PROTO_UDP) {
        size_t payload_len = load_be16(ip + 4);
        out->ip_vers = 6;
        out->src = ip + 8;
        out->dst = ip + 24;
        return payload_len >= UDP && payload_len <= left - IP6 && net_fill_plain(ip + IP6, payload_len, out);
    }
    return false;
}

#endif
