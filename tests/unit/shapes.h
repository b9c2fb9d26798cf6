/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames described by a few letters, for the tests of the kernel's filter and fanout programs. */
#ifndef DNSFLOW_TESTS_SHAPES_H
#define DNSFLOW_TESTS_SHAPES_H

#include "testing.h"

#include <pcap/pcap.h>

#include "capture/dns_filter.h"

enum { LINK_ETHERNET = 1, LINK_RAW = 101, FRAME_MAX = 512 };

/* ---- frames ---- */

struct shape {
    const char *what;
    uint8_t ip_vers;
    uint16_t tags[4];       /* up to the first 0 */
    uint8_t options;        /* IPv4: bytes */
    uint16_t fragment;      /* IPv4: the flags and the offset */
    const char *extensions; /* IPv6, one letter each, see put_extension() */
    uint8_t protocol;       /* 0 = UDP */
    uint16_t port;          /* 0 = 53 */
    bool is_query;
    uint16_t ethertype; /* 0 = by version */
    bool is_accepted;
};

static inline uint8_t number_of(char letter, uint8_t last)
{
    switch (letter) {
    case 'h':
        return 0;
    case 'r':
        return 43;
    case 'd':
        return 60;
    case 'f': /* first fragment */
    case 'l': /* later fragment */
    case 'a': /* atomic fragment */
        return 44;
    case 'A':
        return 51;
    case 'm':
        return 135;
    default:
        return last;
    }
}

static inline void put_extension(struct writer *out, char letter, uint8_t next, size_t units)
{
    write_u8(out, next);
    switch (letter) {
    case 'f':
    case 'l':
    case 'a':
        write_u8(out, 0x77); /* reserved */
        write_be16(out, letter == 'f' ? 1 : letter == 'l' ? 185 << 3 : 0);
        write_be32(out, 0xdecade);
        break;
    case 'A':
        write_u8(out, units + 1); /* 4-byte units, less 2 */
        write_zeros(out, (units + 3) * 4 - 2);
        break;
    default:
        write_u8(out, units);
        write_zeros(out, (units + 1) * 8 - 2);
    }
}

static inline void put_v4(struct writer *out, const struct shape *s, const struct flow *f, const uint8_t *udp,
                          size_t len)
{
    uint8_t *head = out->at;
    put_ipv4(out, f->resolver, f->client, s->protocol ? s->protocol : 17, s->options + len);
    head[0] = (uint8_t)(0x45 + s->options / 4);
    store_be16(head + 6, s->fragment);
    for (unsigned i = 0; i < s->options; i++)
        write_u8(out, 1);
    write_bytes(out, udp, len);
}

static inline void put_v6(struct writer *out, const struct shape *s, const struct flow *f, const uint8_t *udp,
                          size_t len)
{
    const char *e = s->extensions ? s->extensions : "";
    uint8_t last = s->protocol ? s->protocol : 17, *head = out->at;
    put_ipv6(out, f->resolver, f->client, number_of(*e, last), len);
    for (; *e; e++)
        put_extension(out, *e, number_of(e[1], last), (size_t)(e - s->extensions) % 3);
    write_bytes(out, udp, len);
    store_be16(head + 4, (uint16_t)(out->at - head - 40));
}

/* Returns the length; *qr is where the byte with the QR bit is. */
static inline size_t build_shape(uint8_t bytes[FRAME_MAX], uint16_t link_type, const struct shape *s, struct flow *f,
                                 size_t *qr)
{
    static const uint8_t dns[] = {0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 1, 0, 1};
    struct writer out = writer_over(bytes, FRAME_MAX);
    uint8_t udp[8 + sizeof(dns)];
    struct writer inner = writer_over(udp, sizeof(udp));
    f->resolver_port = s->port ? s->port : 53;
    put_udp(&inner, f, dns, sizeof(dns));
    udp[10] = s->is_query ? 0x01 : 0x81;
    if (link_type == LINK_ETHERNET) {
        write_bytes(&out, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
        for (int i = 0; i < 4 && s->tags[i]; i++) {
            write_be16(&out, s->tags[i]);
            write_be16(&out, 0x6005 + (unsigned)i);
        }
        write_be16(&out, s->ethertype ? s->ethertype : s->ip_vers == 4 ? 0x0800 : 0x86dd);
    }
    (s->ip_vers == 4 ? put_v4 : put_v6)(&out, s, f, udp, sizeof(udp));
    assert_false(out.failed);
    *qr = writer_len(&out) - sizeof(dns) + 2;
    return writer_len(&out);
}

static inline void random_shape(struct chance *c, struct shape *s, char extensions[8])
{
    static const uint16_t kinds[] = {0x8100, 0x88a8, 0x9100};
    static const char letters[] = "hrdflaAm";
    size_t i, count;
    memset(s, 0, sizeof(*s));
    memset(extensions, 0, 8);
    s->ip_vers = chance_below(c, 2) ? 4 : 6;
    for (i = 0, count = chance_below(c, 2) ? 0 : chance_below(c, 5); i < count; i++)
        s->tags[i] = kinds[chance_below(c, 3)];
    for (i = 0, count = chance_below(c, 2) ? 0 : chance_below(c, 7); i < count; i++)
        extensions[i] = letters[chance_below(c, sizeof(letters) - 1)];
    s->extensions = extensions;
    s->options = (uint8_t)(chance_below(c, 3) ? 0 : chance_below(c, 11) * 4);
    s->fragment = (uint16_t)(chance_below(c, 4) ? 0x4000 : 1u << chance_below(c, 16));
    s->protocol = chance_below(c, 8) ? 0 : (uint8_t)chance_next(c);
    s->port = chance_below(c, 6) ? 53 : (uint16_t)chance_next(c);
    s->is_query = chance_below(c, 8) == 0;
}

#endif
