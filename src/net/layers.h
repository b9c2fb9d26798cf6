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

enum layer {
    LAYER_NONE, /* not decoded */
    LAYER_ETHERNET,
    LAYER_ETHERTYPE, /* walk->ethertype says what comes */
    LAYER_LLC,
    LAYER_NULL,
    LAYER_SLL,
    LAYER_SLL2,
    LAYER_PPP,
    LAYER_PPP_DIRECTION,
    LAYER_PPPOE,
    LAYER_CISCO_HDLC,
    LAYER_SLIP,
    LAYER_TOKEN_RING,
    LAYER_FDDI,
    LAYER_ARCNET,
    LAYER_ATM,
    LAYER_NFLOG,
    LAYER_PKTAP,
    LAYER_USER2,
    LAYER_ENC,
    LAYER_PFLOG,
    LAYER_ERF,
    LAYER_WIFI,
    LAYER_RADIOTAP,
    LAYER_PPI,
    LAYER_DNSTAP,
    LAYER_IP, /* 4 or 6, by the version nibble */
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_UPPER, /* walk->protocol says what comes */
    LAYER_UDP,
    LAYER_TCP,
    LAYER_MPLS,
    LAYER_PBB,
    LAYER_VNTAG,
    LAYER_HSR,
    LAYER_MACSEC,
    LAYER_NSH,
    LAYER_FABRICPATH,
    LAYER_CMD,
    LAYER_ETAG,
    LAYER_TTAG,
    LAYER_GRE,
    LAYER_ETHERIP,
    LAYER_L2TP_IP,
    LAYER_VXLAN,
    LAYER_GENEVE,
    LAYER_GTP,
    LAYER_L2TP,
    LAYER_TZSP,
    LAYER_TEREDO,
    LAYER_JMIRROR,
    LAYER_PCAP_RECORD,
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

/* link.c */
layer_decode net_ethernet, net_ethertype, net_llc, net_null, net_sll, net_sll2, net_nflog, net_pktap;
/* link_serial.c */
layer_decode net_ppp, net_ppp_direction, net_pppoe, net_cisco_hdlc, net_slip, net_token_ring, net_fddi, net_arcnet,
    net_atm;
/* link_wifi.c */
layer_decode net_wifi, net_radiotap, net_ppi;
/* link_capture.c */
layer_decode net_user2, net_enc, net_pflog, net_erf;
/* dnstap.c */
layer_decode net_dnstap;
/* ip.c */
layer_decode net_ip, net_ipv4, net_ipv6, net_upper, net_udp, net_tcp;
/* tunnel.c */
layer_decode net_mpls, net_gre, net_etherip, net_vxlan;
/* tunnel_tags.c */
layer_decode net_pbb, net_vntag, net_hsr, net_macsec, net_nsh, net_fabricpath, net_cmd, net_etag, net_ttag;
/* tunnel_udp.c */
layer_decode net_geneve, net_gtp, net_tzsp, net_teredo, net_jmirror, net_pcap_record;
/* tunnel_l2tp.c */
layer_decode net_l2tp, net_l2tp_ip;

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
