/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ethernet and the headers that capture programs put in its place. Layouts: https://www.tcpdump.org/linktypes.html. */
#include "net/layers.h"
#include "net/numbers.h"

enum { MAX_VLAN_TAGS = 3 };

static bool is_vlan_tag(uint16_t ethertype)
{
    return ethertype == ETHERTYPE_CTAG || ethertype == ETHERTYPE_STAG || ethertype == ETHERTYPE_QINQ;
}

enum drop_reason net_ethernet(struct walk *walk)
{
    read_skip(&walk->in, 12);
    walk->ethertype = read_be16(&walk->in);
    walk->next = LAYER_ETHERTYPE;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

enum drop_reason net_ethertype(struct walk *walk)
{
    int tags;
    for (tags = 0; is_vlan_tag(walk->ethertype); tags++) {
        if (tags == MAX_VLAN_TAGS)
            return DROP_VLAN_DEPTH;
        read_skip(&walk->in, 2);
        walk->ethertype = read_be16(&walk->in);
    }
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    if (walk->ethertype == ETHERTYPE_IPV4)
        walk->next = LAYER_IPV4;
    else if (walk->ethertype == ETHERTYPE_IPV6)
        walk->next = LAYER_IPV6;
    else if (walk->ethertype < ETHERTYPE_MIN)
        walk->next = LAYER_LLC;
    else
        return net_unwrap(walk, CARRIER_ETHERTYPE, walk->ethertype, DROP_NOT_IP);
    return DROP_NONE;
}

/* IEEE 802.2: DSAP, SSAP, control. SNAP (RFC 1042) carries an ethertype behind a 3-byte OUI; NLPID (RFC 2684) and
 * SAP 06 carry IP directly. */
enum drop_reason net_llc(struct walk *walk)
{
    uint16_t saps = read_be16(&walk->in);
    uint8_t control = read_u8(&walk->in);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    if (control != 3)
        return DROP_LINK_CONTROL;
    walk->next = LAYER_IP;
    if (saps == 0x0606)
        return DROP_NONE;
    if (saps == 0xfefe) {
        uint8_t nlpid = read_u8(&walk->in);
        if (walk->in.failed)
            return DROP_LINK_SHORT;
        return nlpid == 0xcc || nlpid == 0x8e ? DROP_NONE : DROP_NOT_IP;
    }
    if (saps != 0xaaaa)
        return DROP_NOT_IP;
    uint32_t oui = (uint32_t)read_be16(&walk->in) << 8;
    oui |= read_u8(&walk->in);
    walk->ethertype = read_be16(&walk->in);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    /* 0000f8 is the bridge-tunnel OUI of IEEE 802.1H. A length here would lead back to LLC for ever. */
    if ((oui != 0 && oui != 0x0000f8) || walk->ethertype < ETHERTYPE_MIN)
        return DROP_NOT_IP;
    walk->next = LAYER_ETHERTYPE;
    return DROP_NONE;
}

/* NULL and LOOP: a 4-byte address family. It is in the byte order of the machine that captured, which no field
 * tells; the values are small, so that the order shows. Some systems put an ethertype into the last two bytes. */
enum drop_reason net_null(struct walk *walk)
{
    uint32_t family = read_be32(&walk->in);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    walk->ethertype = (uint16_t)family;
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    switch (family) {
    case 2: /* AF_INET everywhere */
        walk->next = LAYER_IPV4;
        return DROP_NONE;
    case 10: /* AF_INET6: Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin */
    case 23:
    case 24:
    case 28:
    case 30:
        walk->next = LAYER_IPV6;
        return DROP_NONE;
    default:
        walk->next = LAYER_ETHERTYPE;
        return walk->ethertype >= ETHERTYPE_MIN ? DROP_NONE : DROP_NOT_IP;
    }
}

/* The protocol field of both cooked headers: an ethertype, or a small number for frames without one. */
static enum drop_reason cooked_protocol(struct walk *walk)
{
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    if (walk->ethertype == 4)
        walk->next = LAYER_LLC;
    else if (walk->ethertype < ETHERTYPE_MIN)
        return DROP_NOT_IP;
    else
        walk->next = LAYER_ETHERTYPE;
    return DROP_NONE;
}

/* packet type 2 | ARPHRD 2 | address length 2 | address 8 | protocol 2 */
enum drop_reason net_sll(struct walk *walk)
{
    read_skip(&walk->in, 14);
    walk->ethertype = read_be16(&walk->in);
    return cooked_protocol(walk);
}

/* protocol 2 | reserved 2 | interface 4 | ARPHRD 2 | packet type 1 | address length 1 | address 8 */
enum drop_reason net_sll2(struct walk *walk)
{
    walk->ethertype = read_be16(&walk->in);
    read_skip(&walk->in, 18);
    return cooked_protocol(walk);
}

/* family 1 | version 1 | resource 2, then TLVs: length 2 | type 2 | value, padded to 4; lengths include the 4 bytes.
 * Length and type are in the byte order of the machine that captured; types are below 256, so that it shows. */
enum drop_reason net_nflog(struct walk *walk)
{
    enum { NFULA_PAYLOAD = 9 };
    read_skip(&walk->in, 4);
    while (!walk->in.failed && reader_left(&walk->in) >= 4) {
        const uint8_t *head = read_bytes(&walk->in, 4);
        bool is_little = head[3] == 0;
        size_t len = is_little ? load_le16(head) : load_be16(head);
        uint16_t type = is_little ? load_le16(head + 2) : load_be16(head + 2);
        if (len < 4)
            return DROP_LINK_CONTROL;
        if (type == NFULA_PAYLOAD) {
            reader_clamp(&walk->in, len - 4);
            walk->next = LAYER_IP;
            return DROP_NONE;
        }
        read_skip(&walk->in, (len - 4 + 3) & ~(size_t)3);
    }
    return walk->in.failed ? DROP_LINK_SHORT : DROP_LINK_CONTROL;
}

/* header length 4 | record type 4 | link type 4 | ..., little-endian on every machine that makes it */
enum drop_reason net_pktap(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 12);
    if (!head || load_le32(head) < 12)
        return DROP_LINK_SHORT;
    read_skip(&walk->in, load_le32(head) - 12);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    uint32_t link_type = load_le32(head + 8);
    walk->next = link_type <= UINT16_MAX ? net_link_layer((uint16_t)link_type) : LAYER_NONE;
    return DROP_NONE;
}
