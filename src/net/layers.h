/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of net/: one function per header kind. A layer reads its header from walk->in, leaves walk->in at what the
 * header carries and says in walk->next what that is. net_decode() runs the layers in a bounded loop: a new link type
 * or encapsulation is a function, a row of the layer table and a row that leads to it. */
#ifndef DNSFLOW_NET_LAYERS_H
#define DNSFLOW_NET_LAYERS_H

#include "base/bytes.h"
#include "net/encapsulation.h"
#include "net/packet.h"

/* Name and function of each layer, by the file that has it. */
#define NET_LAYERS(X)                                                 \
    /* link.c */                                                      \
    X(ETHERNET, net_ethernet)                                         \
    X(ETHERTYPE, net_ethertype) /* walk->ethertype says what comes */ \
    X(LLC, net_llc)                                                   \
    X(NULL, net_null)                                                 \
    X(SLL, net_sll)                                                   \
    X(SLL2, net_sll2)                                                 \
    X(NFLOG, net_nflog)                                               \
    X(PKTAP, net_pktap)                                               \
    /* link_serial.c */                                               \
    X(PPP, net_ppp)                                                   \
    X(PPP_DIRECTION, net_ppp_direction)                               \
    X(PPPOE, net_pppoe)                                               \
    X(CISCO_HDLC, net_cisco_hdlc)                                     \
    X(SLIP, net_slip)                                                 \
    X(TOKEN_RING, net_token_ring)                                     \
    X(FDDI, net_fddi)                                                 \
    X(ARCNET, net_arcnet)                                             \
    X(ATM, net_atm)                                                   \
    /* link_wifi.c */                                                 \
    X(WIFI, net_wifi)                                                 \
    X(RADIOTAP, net_radiotap)                                         \
    X(PPI, net_ppi)                                                   \
    /* link_capture.c */                                              \
    X(USER2, net_user2)                                               \
    X(ENC, net_enc)                                                   \
    X(PFLOG, net_pflog)                                               \
    X(ERF, net_erf)                                                   \
    /* dnstap.c */                                                    \
    X(DNSTAP, net_dnstap)                                             \
    /* ip.c */                                                        \
    X(IP, net_ip) /* 4 or 6, by the version nibble */                 \
    X(IPV4, net_ipv4)                                                 \
    X(IPV6, net_ipv6)                                                 \
    X(UPPER, net_upper) /* walk->protocol says what comes */          \
    X(UDP, net_udp)                                                   \
    X(TCP, net_tcp)                                                   \
    /* tunnel.c */                                                    \
    X(MPLS, net_mpls)                                                 \
    X(GRE, net_gre)                                                   \
    X(ETHERIP, net_etherip)                                           \
    X(VXLAN, net_vxlan)                                               \
    /* tunnel_tags.c */                                               \
    X(PBB, net_pbb)                                                   \
    X(VNTAG, net_vntag)                                               \
    X(HSR, net_hsr)                                                   \
    X(MACSEC, net_macsec)                                             \
    X(NSH, net_nsh)                                                   \
    X(FABRICPATH, net_fabricpath)                                     \
    X(CMD, net_cmd)                                                   \
    X(ETAG, net_etag)                                                 \
    X(TTAG, net_ttag)                                                 \
    /* tunnel_udp.c */                                                \
    X(GENEVE, net_geneve)                                             \
    X(GTP, net_gtp)                                                   \
    X(TZSP, net_tzsp)                                                 \
    X(TEREDO, net_teredo)                                             \
    X(JMIRROR, net_jmirror)                                           \
    X(PCAP_RECORD, net_pcap_record)                                   \
    /* tunnel_l2tp.c */                                               \
    X(L2TP, net_l2tp)                                                 \
    X(L2TP_IP, net_l2tp_ip)

enum layer {
    LAYER_NONE, /* not decoded */
#define X(name, function) LAYER_##name,
    NET_LAYERS(X)
#undef X
        LAYER_END, /* *walk->out is filled */
    LAYER_COUNT
};

struct walk {
    struct reader in;
    enum layer next;
    uint16_t ethertype;
    bool cut;         /* the captured bytes end before the innermost IP packet does */
    size_t missing;   /* by so many bytes */
    uint8_t protocol; /* IP protocol number or IPv6 next header */
    bool wifi_padded; /* radiotap: the 802.11 header is padded to 4 bytes */
    bool by_source;   /* the source port alone says that this is a tunnel */
    bool is_doubtful; /* a port alone does, of this datagram, and no IP packet has been reached in it yet */
    struct net_payload *datagram;
    const struct net_options *options;
    struct net_payload *out;
};

typedef enum drop_reason layer_decode(struct walk *walk);

/* What net_decode() does for every frame that is not plain. */
enum drop_reason net_walk(const struct packet *packet, const struct net_options *options, struct net_payload *out);

/* Goes on with the encapsulation that the number leads into: DROP_NONE, or why not; `otherwise` when there is none. */
enum drop_reason net_unwrap(struct walk *walk, enum net_carrier carrier, uint16_t number, enum drop_reason otherwise);

/* Counts an encapsulation that is entered: DROP_NONE, or why it is not. */
enum drop_reason net_enter(struct walk *walk, enum encapsulation encapsulation);

/* Takes that back: the datagram is no tunnel, whatever its port says. */
enum drop_reason net_no_tunnel(struct walk *walk);

/* The layer that frames of a link type begin with, LAYER_NONE when there is none. */
enum layer net_link_layer(uint16_t link_type);

#define X(name, function) layer_decode function;
NET_LAYERS(X)
#undef X

/* Goes on with an Ethernet frame behind `skip` bytes, or with what the ethertype there says that follows. */
enum drop_reason net_ethernet_behind(struct walk *walk, size_t skip);
enum drop_reason net_ethertype_behind(struct walk *walk, size_t skip);

/* Goes on with what a next-protocol number of NSH or VXLAN-GPE stands for. */
bool net_knows_next(uint8_t number);
enum drop_reason net_next_protocol(struct walk *walk, uint8_t number);

/* Passes over Cisco MetaData between two ethertypes. */
enum drop_reason net_skip_metadata(struct walk *walk);

/* Whether what follows this ethertype is decoded. */
bool net_knows_ethertype(uint16_t ethertype);

/* Whether the bytes look like an Ethernet frame that holds IP or a tag, for encapsulations that do not tell. */
bool net_looks_like_ethernet(const uint8_t *bytes, size_t len);

/* Whether they look like an IP packet of no more than `len` bytes; `exact`: of just as many. */
bool net_looks_like_ip(const uint8_t *bytes, size_t len, bool exact);

#endif
