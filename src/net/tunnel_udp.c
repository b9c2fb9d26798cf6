/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Encapsulations behind a UDP port. What does not look like one is left as the UDP datagram that it is. */
#include "net/layers.h"

static enum drop_reason is_no_tunnel(struct walk *walk)
{
    walk->next = LAYER_END;
    return DROP_NONE;
}

static enum drop_reason go_on(struct walk *walk, enum layer next)
{
    walk->next = next;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* RFC 8926: version 2 bits, options length 6 in units of 4 bytes | flags 1 | ethertype 2 | network id 3 | reserved 1 |
 * options */
enum drop_reason net_geneve(struct walk *walk)
{
    const uint8_t *head = walk->in.at;
    if (reader_left(&walk->in) < 8 || head[0] >> 6 != 0)
        return is_no_tunnel(walk);
    read_skip(&walk->in, 8 + (size_t)(head[0] & 0x3f) * 4);
    walk->ethertype = load_be16(head + 2);
    return go_on(walk, walk->ethertype == 0x6558 ? LAYER_ETHERNET : LAYER_ETHERTYPE);
}

/* 3GPP TS 29.281: version 3 bits, PT, reserved, E, S, PN | type 1 | length 2 | endpoint 4 [| sequence 2 | N-PDU 1 |
 * next extension 1, when E, S or PN is set], then extensions: length 1 in units of 4 bytes | content | next extension 1
 */
enum drop_reason net_gtp(struct walk *walk)
{
    enum { VERSION_1 = 0x30, G_PDU = 255, HAS_OPTIONAL = 0x07, HAS_EXTENSION = 0x04 };
    const uint8_t *head = walk->in.at;
    if (reader_left(&walk->in) < 8 || (head[0] & 0xf0) != VERSION_1 || head[1] != G_PDU)
        return is_no_tunnel(walk);
    read_skip(&walk->in, 8);
    if (head[0] & HAS_OPTIONAL) {
        read_skip(&walk->in, 3);
        uint8_t next = read_u8(&walk->in);
        while ((head[0] & HAS_EXTENSION) && next != 0 && !walk->in.failed) {
            size_t len = (size_t)read_u8(&walk->in) * 4;
            if (len == 0)
                return DROP_IP_MALFORMED;
            read_skip(&walk->in, len - 2);
            next = read_u8(&walk->in);
        }
    }
    bool is_ethernet = !walk->in.failed && !net_looks_like_ip(walk->in.at, reader_left(&walk->in), false) &&
                       net_looks_like_ethernet(walk->in.at, reader_left(&walk->in));
    return go_on(walk, is_ethernet ? LAYER_ETHERNET : LAYER_IP);
}

/* version 1 | type 1 | encapsulation 2, then tags: type 1 [| length 1 | value], up to one of type 1. Padding (0) and
 * the end have no length. The frame is of the kind that `encapsulation` says. */
enum drop_reason net_tzsp(struct walk *walk)
{
    enum { TAG_PADDING = 0, TAG_END = 1 };
    const uint8_t *head = walk->in.at;
    uint8_t tag = TAG_PADDING;
    if (reader_left(&walk->in) < 4 || head[0] != 1 || head[1] > 1)
        return is_no_tunnel(walk);
    read_skip(&walk->in, 4);
    while (tag != TAG_END && !walk->in.failed) {
        tag = read_u8(&walk->in);
        if (tag > TAG_END)
            read_skip(&walk->in, read_u8(&walk->in));
    }
    switch (load_be16(head + 2)) {
    case 1:
        return go_on(walk, LAYER_ETHERNET);
    case 4:
        return go_on(walk, LAYER_PPP);
    case 7:
        return go_on(walk, LAYER_IP);
    case 18:
        return go_on(walk, LAYER_WIFI);
    default:
        return DROP_LINK_UNSUPPORTED;
    }
}

/* RFC 4380: [00 01 | id length 1 | authentication length 1 | both | nonce 8 | confirmation 1] [00 00 | port 2 | address
 * 4], then an IPv6 packet */
enum drop_reason net_teredo(struct walk *walk)
{
    const uint8_t *at = walk->in.at;
    if (reader_left(&walk->in) >= 4 && at[0] == 0 && at[1] == 1)
        read_skip(&walk->in, 13u + at[2] + at[3]);
    at = walk->in.at;
    if (reader_left(&walk->in) >= 2 && at[0] == 0 && at[1] == 0)
        read_skip(&walk->in, 8);
    if (walk->in.failed || reader_left(&walk->in) < 1 || walk->in.at[0] >> 4 != 6)
        return is_no_tunnel(walk);
    return go_on(walk, LAYER_IPV6);
}

/* Juniper's mirror of intercepted traffic: intercept id 4 | session id 4 | IP packet */
enum drop_reason net_jmirror(struct walk *walk)
{
    read_skip(&walk->in, 8);
    return go_on(walk, LAYER_IP);
}

/* A record of a pcap file: seconds 4 | microseconds 4 | captured length 4 | length 4 | Ethernet frame. Its byte order
 * is that of the machine that captured; the captured length fits into the datagram in the right one. */
enum drop_reason net_pcap_record(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 16);
    if (!head)
        return DROP_LINK_SHORT;
    uint32_t little = load_le32(head + 8), big = load_be32(head + 8);
    if (!reader_clamp(&walk->in, little))
        reader_clamp(&walk->in, big);
    return go_on(walk, LAYER_ETHERNET);
}
