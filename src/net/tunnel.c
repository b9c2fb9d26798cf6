/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Encapsulations behind an IP protocol number or a UDP port that others share: MPLS, GRE, EtherIP, VXLAN. */
#include "net/layers.h"
#include "net/numbers.h"

enum { MPLS_LABELS_MAX = 16 };

enum drop_reason net_ethernet_behind(struct walk *walk, size_t skip)
{
    read_skip(&walk->in, skip);
    walk->next = LAYER_ETHERNET;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

enum drop_reason net_ethertype_behind(struct walk *walk, size_t skip)
{
    read_skip(&walk->in, skip);
    walk->ethertype = read_be16(&walk->in);
    walk->next = LAYER_ETHERTYPE;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* RFC 3032: label 20 bits, class 3, bottom of stack 1, TTL 8, as often as there are labels. Nothing says what follows:
 * IP shows by its version, a pseudo-wire is Ethernet (RFC 4448), with or without a control word of 4 bytes whose first
 * nibble is 0; 1 is its associated channel (RFC 4385). */
enum drop_reason net_mpls(struct walk *walk)
{
    uint32_t entry;
    int labels = 0;
    do {
        entry = read_be32(&walk->in);
        if (walk->in.failed)
            return DROP_LINK_SHORT;
        if (labels++ == MPLS_LABELS_MAX)
            return DROP_TUNNEL_DEPTH;
    } while (!(entry & 0x100));
    const uint8_t *at = walk->in.at;
    size_t left = reader_left(&walk->in);
    if (left < 1)
        return DROP_LINK_SHORT;
    unsigned nibble = at[0] >> 4;
    walk->next = LAYER_IP;
    if ((nibble == 4 || nibble == 6) &&
        (left < 20 || !net_looks_like_ethernet(at, left) || net_looks_like_ip(at, left, false)))
        return DROP_NONE;
    if (nibble == 0 && (left < 4 || net_looks_like_ethernet(at + 4, left - 4) || !net_looks_like_ethernet(at, left)))
        return net_ethernet_behind(walk, 4);
    return nibble == 1 && !net_looks_like_ethernet(at, left) ? DROP_LINK_CONTROL : net_ethernet_behind(walk, 0);
}

/* RFC 7348: flags 1 | reserved 3 | network id 3 | reserved 1. With the P flag (VXLAN-GPE) the byte before the network
 * id says what follows. Without the I flag it is something else, and so are a byte that should be 0 and no frame
 * behind. */
enum drop_reason net_vxlan(struct walk *walk)
{
    enum { HAS_ID = 0x08, HAS_PROTOCOL = 0x04 };
    const uint8_t *head = read_bytes(&walk->in, 8);
    if (!head || !(head[0] & HAS_ID))
        return net_no_tunnel(walk);
    if (head[0] & HAS_PROTOCOL)
        return net_knows_next(head[3]) ? net_next_protocol(walk, head[3]) : net_no_tunnel(walk);
    if (head[7] != 0 && !net_looks_like_ethernet(walk->in.at, reader_left(&walk->in)))
        return net_no_tunnel(walk);
    return net_ethernet_behind(walk, 0);
}

/* RFC 1701: source route entries (family 2 | offset 1 | length 1 | address), ended by one of family 0, length 0. */
static void skip_routing(struct reader *in)
{
    uint16_t family;
    uint8_t len;
    do {
        family = read_be16(in);
        read_skip(in, 1);
        len = read_u8(in);
        read_skip(in, len);
    } while (!in->failed && (family != 0 || len != 0));
}

/* ERSPAN II: version, VLAN 2 | session 2 | index 4. III: the same 4 | time 4 | group 2 | P, frame type 5, hardware 6,
 * D, granularity 2, O 2 [| platform 8 when O is set]. I has no header, and a GRE header without a sequence number. */
static enum drop_reason open_erspan(struct walk *walk, uint16_t protocol, bool has_sequence)
{
    enum drop_reason why = net_enter(walk, ENCAP_ERSPAN);
    if (why != DROP_NONE)
        return why;
    if (protocol == ETHERTYPE_ERSPAN)
        return net_ethernet_behind(walk, has_sequence ? 8 : 0);
    const uint8_t *head = read_bytes(&walk->in, 12);
    if (!head)
        return DROP_LINK_SHORT;
    uint16_t last = load_be16(head + 10);
    why = net_ethernet_behind(walk, last & 1 ? 8 : 0);
    if ((last >> 10 & 0x1f) == 2)
        walk->next = LAYER_IP;
    return why;
}

/* What the protocol field of GRE says that follows. */
static enum drop_reason gre_protocol(struct walk *walk, uint16_t protocol, bool has_sequence)
{
    walk->ethertype = protocol;
    walk->next = LAYER_ETHERTYPE;
    switch (protocol) {
    case ETHERTYPE_BRIDGED:
    case ETHERTYPE_ROUTEROS:
        walk->next = LAYER_ETHERNET;
        return DROP_NONE;
    case ETHERTYPE_PPP:
        walk->next = LAYER_PPP;
        return reader_left(&walk->in) == 0 ? DROP_LINK_CONTROL : DROP_NONE; /* a bare acknowledgment */
    case ETHERTYPE_ERSPAN:
    case ETHERTYPE_ERSPAN3:
        return open_erspan(walk, protocol, has_sequence);
    case ETHERTYPE_CMD: /* Cisco MetaData, whose ethertype may stand in front here; versions are smaller */
        if (reader_left(&walk->in) < 2 || load_be16(walk->in.at) < ETHERTYPE_MIN)
            return DROP_NONE;
        walk->ethertype = read_be16(&walk->in);
        return net_skip_metadata(walk);
    case ETHERTYPE_WCCP: /* WCCP: version 2 has a header of 4 bytes, version 1 none */
        walk->next = LAYER_IP;
        if (reader_left(&walk->in) > 0 && walk->in.at[0] >> 4 != 4)
            read_skip(&walk->in, 4);
        return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
    default:
        return DROP_NONE;
    }
}

/* RFC 2784, 2890, 1701; version 1 is RFC 2637.
 * flags, version 2 | protocol 2 [| checksum 2, offset 2] [| key 4] [| sequence 4] [| routing] [| acknowledgment 4] */
enum drop_reason net_gre(struct walk *walk)
{
    enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, ACKNOWLEDGMENT = 0x0080, VERSION = 7 };
    uint16_t flags = read_be16(&walk->in), protocol = read_be16(&walk->in);
    if ((flags & VERSION) > 1)
        return DROP_NOT_UDP;
    if (flags & (CHECKSUM | ROUTING))
        read_skip(&walk->in, 4);
    if (flags & KEY)
        read_skip(&walk->in, 4);
    if (flags & SEQUENCE)
        read_skip(&walk->in, 4);
    if (flags & ROUTING)
        skip_routing(&walk->in);
    if ((flags & VERSION) == 1 && (flags & ACKNOWLEDGMENT))
        read_skip(&walk->in, 4);
    return walk->in.failed ? DROP_LINK_SHORT : gre_protocol(walk, protocol, (flags & SEQUENCE) != 0);
}

/* RFC 3378: version 3 in the first nibble, 12 reserved bits, then an Ethernet frame */
enum drop_reason net_etherip(struct walk *walk)
{
    if (reader_left(&walk->in) >= 1 && walk->in.at[0] >> 4 != 3)
        return DROP_NOT_UDP;
    return net_ethernet_behind(walk, 2);
}
