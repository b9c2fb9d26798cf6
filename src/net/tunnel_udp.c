/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Encapsulations behind a UDP port. What does not look like one is left as the UDP datagram that it is. */
#include "net/layers.h"
#include "net/numbers.h"

static enum drop_reason go_on(struct walk *walk, enum layer next)
{
    walk->next = next;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* Whether an IP packet of this version lies here, as far as it was captured. */
static bool holds_ip(const struct walk *walk, unsigned version)
{
    const uint8_t *at = walk->in.at;
    size_t left = reader_left(&walk->in);
    return left >= 20 && at[0] >> 4 == version && (!walk->out->complete || net_looks_like_ip(at, left, false));
}

/* Whether what the GENEVE header announces is there. */
static bool is_sound_geneve(const struct walk *walk, const uint8_t *head)
{
    if ((head[1] & 0x3f) != 0 || head[7] != 0)
        return false;
    if (walk->ethertype == ETHERTYPE_IPV4 || walk->ethertype == ETHERTYPE_IPV6)
        return holds_ip(walk, walk->ethertype == ETHERTYPE_IPV4 ? 4 : 6);
    return net_looks_like_ethernet(walk->in.at, reader_left(&walk->in));
}

/* RFC 8926: version 2 bits, options length 6 in units of 4 bytes | flags 2 bits, reserved 6 | ethertype 2 | network id
 * 3 | reserved 1 | options */
enum drop_reason net_geneve(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 8);
    if (!head || head[0] >> 6 != 0)
        return net_no_tunnel(walk);
    walk->ethertype = load_be16(head + 2);
    if (walk->ethertype != ETHERTYPE_BRIDGED && !net_knows_ethertype(walk->ethertype))
        return net_no_tunnel(walk);
    read_skip(&walk->in, (size_t)(head[0] & 0x3f) * 4);
    if (walk->by_source && !is_sound_geneve(walk, head))
        return net_no_tunnel(walk);
    return go_on(walk, walk->ethertype == ETHERTYPE_BRIDGED ? LAYER_ETHERNET : LAYER_ETHERTYPE);
}

/* The optional fields of a GTP header. False: an extension of length 0. */
static bool skip_gtp_options(struct walk *walk, uint8_t flags)
{
    enum { HAS_OPTIONAL = 0x07, HAS_EXTENSION = 0x04 };
    if (!(flags & HAS_OPTIONAL))
        return true;
    read_skip(&walk->in, 3);
    uint8_t next = read_u8(&walk->in);
    while ((flags & HAS_EXTENSION) && next != 0 && !walk->in.failed) {
        size_t len = (size_t)read_u8(&walk->in) * 4;
        if (len == 0)
            return walk->in.failed; /* cut off there */
        read_skip(&walk->in, len - 2);
        next = read_u8(&walk->in);
    }
    return true;
}

/* 3GPP TS 29.281: version 3 bits, PT, reserved, E, S, PN | type 1 | length 2 | endpoint 4 [| sequence 2 | N-PDU 1 |
 * next extension 1, when E, S or PN is set], then extensions: length 1 in units of 4 bytes | content | next extension 1
 */
enum drop_reason net_gtp(struct walk *walk)
{
    enum { VERSION_1 = 0x30, RESERVED = 0x08, G_PDU = 255 };
    const uint8_t *head = read_bytes(&walk->in, 8);
    if (!head || (head[0] & 0xf0) != VERSION_1 || head[1] != G_PDU)
        return net_no_tunnel(walk);
    size_t len = load_be16(head + 2), left = reader_left(&walk->in);
    if (walk->out->complete && len > left)
        return net_no_tunnel(walk);
    if (!skip_gtp_options(walk, head[0]))
        return DROP_IP_MALFORMED;
    bool is_ip = holds_ip(walk, 4) || holds_ip(walk, 6);
    bool is_ethernet = !is_ip && net_looks_like_ethernet(walk->in.at, reader_left(&walk->in));
    bool is_sound = (is_ip || is_ethernet) && !(head[0] & RESERVED) && (len == left || !walk->out->complete);
    if (walk->by_source && !is_sound)
        return net_no_tunnel(walk);
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
        return net_no_tunnel(walk);
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
    case 119: /* 802.11 behind other headers */
    case 127:
        return DROP_LINK_UNSUPPORTED;
    default:
        return net_no_tunnel(walk);
    }
}

/* RFC 4380: [00 01 | id length 1 | authentication length 1 | both | nonce 8 | confirmation 1] [00 00 | port 2 | address
 * 4], then an IPv6 packet */
enum drop_reason net_teredo(struct walk *walk)
{
    enum { PAYLOAD_MIN = 8 }; /* of UDP; what looks like IPv6 with less is a DNS message with one question */
    const uint8_t *at = walk->in.at;
    if (reader_left(&walk->in) >= 4 && at[0] == 0 && at[1] == 1)
        read_skip(&walk->in, 13u + at[2] + at[3]);
    at = walk->in.at;
    if (reader_left(&walk->in) >= 2 && at[0] == 0 && at[1] == 0)
        read_skip(&walk->in, 8);
    if (walk->in.failed || !holds_ip(walk, 6) || load_be16(walk->in.at + 4) < PAYLOAD_MIN)
        return net_no_tunnel(walk);
    return go_on(walk, LAYER_IPV6);
}

/* Juniper's mirror of intercepted traffic: intercept id 4 | session id 4 | IP packet */
enum drop_reason net_jmirror(struct walk *walk)
{
    read_skip(&walk->in, 8);
    if (walk->out->complete && !net_looks_like_ip(walk->in.at, reader_left(&walk->in), false))
        return DROP_NOT_IP;
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
