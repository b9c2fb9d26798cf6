/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Serial lines, ATM and the older local networks. */
#include "net/layers.h"
#include "net/numbers.h"

/* The protocol field of PPP (RFC 1661): one byte when its lowest bit is set (compressed), else two. */
static enum drop_reason ppp_protocol(struct walk *walk)
{
    uint16_t protocol = read_u8(&walk->in);
    if (!(protocol & 1))
        protocol = (uint16_t)(protocol << 8 | read_u8(&walk->in));
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    if (protocol == 0x0021)
        walk->next = LAYER_IPV4;
    else if (protocol == 0x0057)
        walk->next = LAYER_IPV6;
    else if (protocol == 0x0281 || protocol == 0x0283)
        return net_unwrap(walk, CARRIER_ETHERTYPE, ETHERTYPE_MPLS, DROP_LINK_CONTROL);
    else
        return DROP_LINK_CONTROL;
    return DROP_NONE;
}

/* PPP with or without the address and control bytes of HDLC framing (RFC 1662), and Cisco's HDLC, which captures
 * mark with the same link types: it begins with 0f or 8f. */
enum drop_reason net_ppp(struct walk *walk)
{
    if (reader_left(&walk->in) < 2)
        return DROP_LINK_SHORT;
    if (walk->in.at[0] == 0xff && walk->in.at[1] == 0x03)
        read_skip(&walk->in, 2);
    else if (walk->in.at[0] == 0x0f || walk->in.at[0] == 0x8f)
        return net_cisco_hdlc(walk);
    return ppp_protocol(walk);
}

/* One byte for the direction: in front of the frame, or (pppd) in place of its address byte, before the control. */
enum drop_reason net_ppp_direction(struct walk *walk)
{
    read_skip(&walk->in, 1);
    if (reader_left(&walk->in) > 0 && walk->in.at[0] == 0x03)
        read_skip(&walk->in, 1);
    return net_ppp(walk);
}

/* RFC 2516: version and type 1 | code 1 | session 2 | length 2, then PPP's protocol */
enum drop_reason net_pppoe(struct walk *walk)
{
    uint16_t type_code = read_be16(&walk->in);
    read_skip(&walk->in, 2);
    reader_clamp(&walk->in, read_be16(&walk->in));
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    return type_code == 0x1100 ? ppp_protocol(walk) : DROP_LINK_CONTROL;
}

/* address 1 | control 1 | ethertype 2 */
enum drop_reason net_cisco_hdlc(struct walk *walk)
{
    read_skip(&walk->in, 2);
    walk->ethertype = read_be16(&walk->in);
    walk->next = LAYER_ETHERTYPE;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* direction 1 | compressed header 15 | IP packet, the compression undone by who captured */
enum drop_reason net_slip(struct walk *walk)
{
    read_skip(&walk->in, 16);
    walk->next = LAYER_IP;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* access control 1 | frame control 1 | destination 6 | source 6 [| routing information], then LLC */
enum drop_reason net_token_ring(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 14);
    if (!head)
        return DROP_LINK_SHORT;
    if ((head[1] & 0xc0) != 0x40)
        return DROP_LINK_CONTROL;
    if (head[8] & 0x80) { /* source-routed: the low 5 bits of the first byte give the length of the field */
        uint8_t routing_len = reader_left(&walk->in) > 0 ? walk->in.at[0] & 0x1f : 0;
        if (routing_len < 2)
            return DROP_LINK_SHORT;
        read_skip(&walk->in, routing_len);
    }
    walk->next = LAYER_LLC;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* frame control 1 | destination 6 | source 6, then LLC when the control says so (x101 ....) */
enum drop_reason net_fddi(struct walk *walk)
{
    uint8_t control = read_u8(&walk->in);
    read_skip(&walk->in, 12);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    walk->next = LAYER_LLC;
    return (control & 0x70) == 0x50 ? DROP_NONE : DROP_LINK_CONTROL;
}

/* source 1 | destination 1 | offset 2 | type 1 | split flag 1 | sequence 2 (RFC 1201). A flag of 0xff marks a frame
 * whose header follows once more behind padding. */
enum drop_reason net_arcnet(struct walk *walk)
{
    read_skip(&walk->in, 4);
    uint8_t type = read_u8(&walk->in);
    if (reader_left(&walk->in) > 0 && walk->in.at[0] == 0xff)
        read_skip(&walk->in, 4);
    uint8_t split = read_u8(&walk->in);
    read_skip(&walk->in, 2);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    if (type != 0xd4 && type != 0xc4)
        return DROP_NOT_IP;
    walk->next = LAYER_IP;
    return split == 0 ? DROP_NONE : DROP_FRAGMENT;
}

/* RFC 2684 over ATM: LLC with SNAP, bridged Ethernet as SNAP 0080c2 with two bytes of padding, or bare IP. */
enum drop_reason net_atm(struct walk *walk)
{
    static const uint8_t bridged[6] = {0xaa, 0xaa, 0x03, 0x00, 0x80, 0xc2};
    if (reader_left(&walk->in) < 1)
        return DROP_LINK_SHORT;
    if (walk->in.at[0] >> 4 == 4 || walk->in.at[0] >> 4 == 6) {
        walk->next = LAYER_IP;
        return DROP_NONE;
    }
    walk->next = LAYER_LLC;
    if (reader_left(&walk->in) < sizeof(bridged) || memcmp(walk->in.at, bridged, sizeof(bridged)) != 0)
        return DROP_NONE;
    if (reader_left(&walk->in) < 10)
        return DROP_LINK_SHORT;
    uint16_t kind = load_be16(walk->in.at + 6);
    read_skip(&walk->in, 10);
    walk->next = LAYER_ETHERNET;
    return kind == 1 || kind == 7 ? DROP_NONE : DROP_NOT_IP;
}
