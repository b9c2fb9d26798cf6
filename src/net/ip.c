/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200, RFC 4302), UDP (RFC 768). */
#include "net/layers.h"
#include "net/numbers.h"

enum { MAX_EXTENSION_HEADERS = 16 };

enum drop_reason net_ip(struct walk *walk)
{
    if (reader_left(&walk->in) < 1)
        return DROP_IP_SHORT;
    unsigned version = walk->in.at[0] >> 4;
    if (version != 4 && version != 6)
        return DROP_NOT_IP;
    walk->next = version == 4 ? LAYER_IPV4 : LAYER_IPV6;
    return DROP_NONE;
}

/* walk->in is at what the fragment carries, walk->protocol says what the whole packet does. */
static enum drop_reason note_fragment(struct walk *walk, uint32_t id, size_t offset, bool more)
{
    struct net_payload *out = walk->out;
    out->fragment = true;
    out->part = (struct ip_fragment){.ip_vers = out->ip_vers,
                                     .protocol = walk->protocol,
                                     .more = more,
                                     .whole = !walk->cut,
                                     .src = out->src,
                                     .dst = out->dst,
                                     .id = id,
                                     .offset = offset,
                                     .bytes = walk->in.at,
                                     .len = reader_left(&walk->in)};
    return offset > 0 || (walk->options && walk->options->whole_only) ? DROP_FRAGMENT : DROP_NONE;
}

/* The IP packet ends `len` bytes further on, or was cut before. */
static void clamp(struct walk *walk, size_t len)
{
    size_t left = reader_left(&walk->in);
    walk->cut = !reader_clamp(&walk->in, len);
    walk->missing = walk->cut ? len - left : 0;
}

/*  0 version, header length | 1 TOS | 2 total length | 4 id | 6 flags, fragment offset | 8 TTL | 9 protocol |
 * 10 checksum | 12 source | 16 destination | 20 options */
enum drop_reason net_ipv4(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 20);
    if (!head)
        return DROP_IP_SHORT;
    size_t header_len = (size_t)(head[0] & 15) * 4, total_len = load_be16(head + 2);
    if (head[0] >> 4 != 4 || header_len < 20)
        return DROP_IP_MALFORMED;
    walk->out->ip_vers = 4;
    walk->out->src = head + 12;
    walk->out->dst = head + 16;
    if (total_len == 0) /* left to the network card by segmentation offload: all that was captured */
        total_len = 20 + reader_left(&walk->in);
    if (total_len < header_len)
        return DROP_IP_MALFORMED;
    clamp(walk, total_len - 20);
    read_skip(&walk->in, header_len - 20);
    if (walk->in.failed)
        return DROP_IP_SHORT;
    uint16_t fragment = load_be16(head + 6);
    walk->out->fragment = false;
    walk->protocol = head[9];
    walk->next = LAYER_UPPER;
    if (fragment & 0x3fff)
        return note_fragment(walk, load_be16(head + 4), (size_t)(fragment & 0x1fff) * 8, (fragment & 0x2000) != 0);
    return DROP_NONE;
}

/* 0 version, class, flow | 4 payload length | 6 next header | 7 hop limit | 8 source | 24 destination */
enum drop_reason net_ipv6(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 40);
    if (!head)
        return DROP_IP_SHORT;
    if (head[0] >> 4 != 6)
        return DROP_IP_MALFORMED;
    walk->out->ip_vers = 6;
    walk->out->src = head + 8;
    walk->out->dst = head + 24;
    walk->out->fragment = false;
    size_t payload_len = load_be16(head + 4);
    if (payload_len == 0) /* jumbogram or segmentation offload */
        payload_len = reader_left(&walk->in);
    clamp(walk, payload_len);
    walk->protocol = head[6];
    walk->next = LAYER_UPPER;
    return DROP_NONE;
}

/* next header 1 | reserved 1 | offset 13 bits, reserved 2, more 1 | identification 4 */
static enum drop_reason skip_fragment_header(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 8);
    if (!head)
        return DROP_IP_SHORT;
    walk->protocol = head[0];
    size_t offset = load_be16(head + 2) & 0xfff8;
    bool more = load_be16(head + 2) & 1;
    if (offset == 0 && !more) /* an atomic fragment (RFC 6946): a whole packet */
        return DROP_NONE;
    return note_fragment(walk, load_be32(head + 4), offset, more);
}

/* next header 1 | length 1 | ... `fixed` units are not counted by the length field. */
static enum drop_reason skip_extension(struct walk *walk, size_t fixed, size_t unit)
{
    const uint8_t *head = read_bytes(&walk->in, 2);
    if (!head)
        return DROP_IP_SHORT;
    walk->protocol = head[0];
    read_skip(&walk->in, (head[1] + fixed) * unit - 2);
    return walk->in.failed ? DROP_IP_SHORT : DROP_NONE;
}

enum drop_reason net_upper(struct walk *walk)
{
    int headers;
    for (headers = 0; headers < MAX_EXTENSION_HEADERS; headers++) {
        enum drop_reason why = DROP_NONE;
        switch (walk->protocol) {
        case PROTO_UDP:
            walk->next = LAYER_UDP;
            return DROP_NONE;
        case PROTO_HOP_BY_HOP:
        case PROTO_ROUTING:
        case PROTO_DESTINATION:
        case PROTO_MOBILITY:
        case PROTO_HIP:
        case PROTO_SHIM6:
            if (walk->out->ip_vers != 6)
                return DROP_NOT_UDP;
            why = skip_extension(walk, 1, 8);
            break;
        case PROTO_FRAGMENT:
            if (walk->out->ip_vers != 6)
                return DROP_NOT_UDP;
            why = skip_fragment_header(walk);
            break;
        case PROTO_AH: /* RFC 4302: the length counts 4-byte units, minus 2 */
            why = skip_extension(walk, 2, 4);
            break;
        case PROTO_ESP:
            return DROP_IP_ENCRYPTED;
        case PROTO_TCP:
            walk->next = LAYER_TCP;
            return DROP_NONE;
        case PROTO_ICMP:
        case PROTO_ICMP6:
            return DROP_ICMP;
        default:
            return net_unwrap(walk, CARRIER_PROTOCOL, walk->protocol, DROP_NOT_UDP);
        }
        if (why != DROP_NONE)
            return why;
    }
    return DROP_IP_MALFORMED;
}

/* Where the UDP datagram leads: into a tunnel by its port. A DNS source port comes first, unless the user named the
 * tunnel's. */
static enum drop_reason open_tunnel(struct walk *walk)
{
    const struct net_options *options = walk->options;
    struct net_payload *out = walk->out;
    if (!options || !options->tunnels)
        return DROP_NONE;
    unsigned note = options->tunnels[out->dst_port];
    bool is_named = note & NET_TUNNEL_NAMED;
    if (!is_named && net_is_dns_port(options, out->src_port))
        return DROP_NONE;
    walk->by_source = note == 0;
    if (walk->by_source)
        note = options->tunnels[out->src_port];
    const struct net_carriage *row = note ? net_carriage((note & ~(unsigned)NET_TUNNEL_NAMED) - 1) : NULL;
    if (!row || (walk->by_source && row->trust != TRUST_BOTH && row->trust != TRUST_SOUND))
        return DROP_NONE;
    walk->is_doubtful = is_named || row->trust == TRUST_CONTENT || row->trust == TRUST_BOTH;
    if (walk->is_doubtful)
        *walk->datagram = *out;
    walk->next = row->layer;
    return net_enter(walk, row->encapsulation);
}

/* source port 2 | destination port 2 | length 2 | checksum 2 */
enum drop_reason net_udp(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 8);
    struct net_payload *out = walk->out;
    if (!head)
        return DROP_IP_SHORT;
    size_t len = load_be16(head + 4);
    if (len != 0 && len < 8)
        return DROP_UDP_MALFORMED;
    /* 0: a jumbogram (RFC 2675) or segmentation offload, all that the IP packet holds */
    out->complete = len == 0 ? !walk->cut : reader_clamp(&walk->in, len - 8);
    out->transport = NET_UDP;
    out->src_port = load_be16(head);
    out->dst_port = load_be16(head + 2);
    out->checksum = load_be16(head + 6);
    out->bytes = walk->in.at;
    out->len = reader_left(&walk->in);
    walk->next = LAYER_END;
    return open_tunnel(walk);
}

/* RFC 9293: source port 2 | destination port 2 | sequence 4 | acknowledgment 4 | data offset 4 bits in units of 4
 * bytes, flags 12 | window 2 | checksum 2 | urgent 2 | options */
enum drop_reason net_tcp(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 20);
    struct net_payload *out = walk->out;
    if (!head)
        return DROP_IP_SHORT;
    size_t header_len = (size_t)(head[12] >> 4) * 4;
    if (header_len < 20)
        return DROP_TCP_MALFORMED;
    read_skip(&walk->in, header_len - 20);
    if (walk->in.failed)
        return DROP_IP_SHORT;
    out->transport = NET_TCP;
    out->src_port = load_be16(head);
    out->dst_port = load_be16(head + 2);
    out->tcp_seq = load_be32(head + 4);
    out->tcp_flags = head[13];
    out->bytes = walk->in.at;
    out->len = reader_left(&walk->in);
    out->complete = !walk->cut;
    out->wire_len = (uint32_t)(out->len + walk->missing);
    walk->next = LAYER_END;
    return DROP_NONE;
}
