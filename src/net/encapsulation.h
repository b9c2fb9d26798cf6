/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The encapsulations that are unwrapped, and what carries each: the one table for the decoder, the kernel filter, the
 * option --decap and its help. */
#ifndef DNSFLOW_NET_ENCAPSULATION_H
#define DNSFLOW_NET_ENCAPSULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NET_ENCAPSULATIONS_MAX = 8 /* one inside the other */ };

/* name, token of --decap, what it is */
#define NET_ENCAPSULATIONS(X)                                                          \
    X(MPLS, "mpls", "MPLS labels, before IP or Ethernet")                              \
    X(PPPOE, "pppoe", "PPP over Ethernet")                                             \
    X(TAGS, "tags", "further tags: 802.1ah, 802.1BR, HSR, clear MACsec, NSH, Cisco's") \
    X(IPIP, "ipip", "IPv4 and IPv6 in each other")                                     \
    X(GRE, "gre", "GRE, before IP, Ethernet or PPP")                                   \
    X(ERSPAN, "erspan", "ERSPAN types I to III")                                       \
    X(ETHERIP, "etherip", "EtherIP")                                                   \
    X(AH, "ah", "IPsec AH")                                                            \
    X(VXLAN, "vxlan", "VXLAN and VXLAN-GPE")                                           \
    X(GENEVE, "geneve", "GENEVE")                                                      \
    X(GTP, "gtp", "GTP-U")                                                             \
    X(L2TP, "l2tp", "L2TP versions 2 and 3")                                           \
    X(TZSP, "tzsp", "TZSP")                                                            \
    X(TEREDO, "teredo", "Teredo")                                                      \
    X(JMIRROR, "jmirror", "port of -J")                                                \
    X(PCAP_RECORD, "pcap-record", "port of -X")

enum encapsulation {
#define X(name, token, text) ENCAP_##name,
    NET_ENCAPSULATIONS(X)
#undef X
        ENCAP_COUNT
};

enum { ENCAP_ALL = (1u << ENCAP_COUNT) - 1 };
_Static_assert(ENCAP_COUNT < 32, "a set of encapsulations has a bit for each");

struct net_encapsulation {
    const char *token;
    const char *text;
};

/* Indexed by enum encapsulation. */
extern const struct net_encapsulation net_encapsulations[ENCAP_COUNT];

enum net_carrier { CARRIER_ETHERTYPE, CARRIER_PROTOCOL, CARRIER_PORT };

/* How far a UDP port is to be trusted. */
enum net_trust {
    TRUST_NONE,        /* no port */
    TRUST_DESTINATION, /* as destination port */
    TRUST_SOUND,       /* as source port too, if header and content leave no doubt; not by the kernel's filter */
    TRUST_CONTENT,     /* as destination port, if there is an IP packet inside: the header does not tell enough */
    TRUST_BOTH,        /* as source port too, if there is */
};

/* An ethertype, IP protocol or UDP port that leads into an encapsulation. */
struct net_carriage {
    uint8_t encapsulation;
    uint8_t carrier;
    uint16_t number;
    uint8_t layer; /* enum layer */
    uint8_t trust; /* ports: enum net_trust */
};

/* The rows of the table; NULL behind the last one. */
const struct net_carriage *net_carriage(size_t index);

/* Notes in tunnels[0..65536) which UDP ports lead into the encapsulations of the set. */
void net_tunnels_fill(uint8_t *tunnels, uint32_t encapsulations);

/* In the note of a port that the user named: it wins over a DNS source port, and what leads to no IP packet there is no
 * tunnel. */
enum { NET_TUNNEL_NAMED = 0x80 };

/* Notes a port that was named. */
void net_tunnels_add(uint8_t *tunnels, enum encapsulation encapsulation, uint16_t port);

#endif
