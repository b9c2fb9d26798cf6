/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tags and headers behind an ethertype of their own, MPLS apart. */
#include "net/layers.h"

/* IEEE 802.1ah: I-TAG 4, then the customer's frame from its addresses on */
enum drop_reason net_pbb(struct walk *walk)
{
    return net_ethernet_behind(walk, 4);
}

/* Cisco VN-Tag: 4 bytes, then the ethertype */
enum drop_reason net_vntag(struct walk *walk)
{
    return net_ethertype_behind(walk, 4);
}

/* IEC 62439-3 HSR: path and size 2 | sequence 2, then the ethertype */
enum drop_reason net_hsr(struct walk *walk)
{
    return net_ethertype_behind(walk, 4);
}

/* IEEE 802.1AE: control 1 | short length 1 | packet number 4 [| channel 8], then the ethertype if it is in the clear.
 */
enum drop_reason net_macsec(struct walk *walk)
{
    enum { CHANNEL = 0x20, ENCRYPTED = 0x08, CHANGED = 0x04 };
    uint8_t control = read_u8(&walk->in);
    if (control & (ENCRYPTED | CHANGED))
        return DROP_LINK_ENCRYPTED;
    return net_ethertype_behind(walk, control & CHANNEL ? 13 : 5);
}

/* Cisco FabricPath: tag and hop limit 2, then the frame that it carries, from its addresses on. The addresses of the
 * frame around it are those of switches. */
enum drop_reason net_fabricpath(struct walk *walk)
{
    return net_ethernet_behind(walk, 2);
}

/* IEEE 802.1BR E-TAG: 6 bytes, then the ethertype */
enum drop_reason net_etag(struct walk *walk)
{
    return net_ethertype_behind(walk, 6);
}

/* Cisco TTag: time 6, then the ethertype */
enum drop_reason net_ttag(struct walk *walk)
{
    return net_ethertype_behind(walk, 6);
}

/* version 1 | length 1 in units of 4 bytes | options, such as a security group */
enum drop_reason net_skip_metadata(struct walk *walk)
{
    uint8_t version = read_u8(&walk->in), units = read_u8(&walk->in);
    read_skip(&walk->in, (size_t)units * 4);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    return version == 1 ? DROP_NONE : DROP_NOT_IP;
}

/* Cisco MetaData, then the ethertype */
enum drop_reason net_cmd(struct walk *walk)
{
    enum drop_reason why = net_skip_metadata(walk);
    return why == DROP_NONE ? net_ethertype_behind(walk, 0) : why;
}

/* What the next-protocol numbers of NSH and VXLAN-GPE stand for. */
static const uint8_t next_protocols[] = {
    [1] = LAYER_IPV4, [2] = LAYER_IPV6, [3] = LAYER_ETHERNET, [4] = LAYER_NSH, [5] = LAYER_MPLS};

bool net_knows_next(uint8_t number)
{
    return number > 0 && number < sizeof(next_protocols);
}

enum drop_reason net_next_protocol(struct walk *walk, uint8_t number)
{
    if (!net_knows_next(number))
        return DROP_NOT_IP;
    walk->next = next_protocols[number];
    return number >= 4 ? net_enter(walk, number == 4 ? ENCAP_TAGS : ENCAP_MPLS) : DROP_NONE;
}

/* RFC 8300: version 2 bits, O, reserved, TTL 6, length 6 in units of 4 bytes | type 1 | next protocol 1 | path 4 | ...
 */
enum drop_reason net_nsh(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 8);
    if (!head)
        return DROP_LINK_SHORT;
    size_t len = (size_t)(head[1] & 0x3f) * 4;
    if (head[0] >> 6 != 0 || len < 8)
        return DROP_NOT_IP;
    read_skip(&walk->in, len - 8);
    return walk->in.failed ? DROP_LINK_SHORT : net_next_protocol(walk, head[3]);
}
