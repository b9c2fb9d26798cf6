/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Headers of firewalls and of capture cards in front of the packet or frame. */
#include "net/layers.h"

/* A link type that is everybody's: Darwin writes PKTAP under it, which shows by a short header of record type 1. */
enum drop_reason net_user2(struct walk *walk)
{
    enum { HEADER_MAX = 1024, RECORD_PACKET = 1 };
    const uint8_t *head = walk->in.at;
    if (reader_left(&walk->in) < 8)
        return DROP_LINK_SHORT;
    if (load_le32(head) > HEADER_MAX || load_le32(head + 4) != RECORD_PACKET)
        return DROP_LINK_UNSUPPORTED;
    return net_pktap(walk);
}

/* OpenBSD ENC: family 4 | security parameters 4 | flags 4, then the IP packet behind its decryption */
enum drop_reason net_enc(struct walk *walk)
{
    read_skip(&walk->in, 12);
    walk->next = LAYER_IP;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* length 1 | family 1 | action 1 | reason 1 | interface 16 | ..., padded to 4 bytes, which the length does not count */
enum drop_reason net_pflog(struct walk *walk)
{
    enum { HEADER_MIN = 45 };
    uint8_t len = read_u8(&walk->in);
    if (!walk->in.failed && len < HEADER_MIN)
        return DROP_LINK_CONTROL;
    read_skip(&walk->in, ((len + 3u) & ~3u) - 1);
    walk->next = LAYER_IP;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* Endace: time 8 | type 1, with bit 7 extensions follow | flags 1 | record length 2 | lost or color 2 | wire length 2
 * [| extension 8, with bit 7 of its first byte another one follows], then, by type, Ethernet behind 2 bytes, PPP or
 * Cisco HDLC, with channels behind 4, or IP */
enum drop_reason net_erf(struct walk *walk)
{
    enum {
        HDLC = 1,
        ETHERNET,
        CHANNELS = 5,
        COLOR_HDLC = 10,
        COLOR_ETHERNET,
        DSM_HDLC = 15,
        DSM_ETHERNET,
        COLOR_CHANNELS,
        HASH_HDLC = 19,
        HASH_ETHERNET,
        IP4 = 22,
        IP6
    };
    const uint8_t *head = read_bytes(&walk->in, 16);
    if (!head)
        return DROP_LINK_SHORT;
    const uint8_t *extension = head + 8;
    while (extension && (*extension & 0x80))
        extension = read_bytes(&walk->in, 8);
    if (!extension)
        return DROP_LINK_SHORT;
    walk->next = LAYER_PPP;
    switch (head[8] & 0x7f) {
    case HDLC:
    case COLOR_HDLC:
    case DSM_HDLC:
    case HASH_HDLC:
        return DROP_NONE;
    case CHANNELS:
    case COLOR_CHANNELS:
        read_skip(&walk->in, 4);
        return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
    case ETHERNET:
    case COLOR_ETHERNET:
    case DSM_ETHERNET:
    case HASH_ETHERNET:
        return net_ethernet_behind(walk, 2);
    case IP4:
    case IP6:
        walk->next = LAYER_IP;
        return DROP_NONE;
    default:
        return DROP_LINK_UNSUPPORTED;
    }
}
