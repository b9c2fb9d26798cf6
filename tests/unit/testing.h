/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests share: exact-size copies, a random generator with a fixed seed, builders of DNS messages,
 * packets and records, and a catcher for an encoder's datagrams. Nothing here uses the code under test except
 * the byte cursors. */
#ifndef DNSFLOW_TESTING_H
#define DNSFLOW_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/drops.h"
#include "dnsflow.h"
#include "net/packet.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* ---- memory, files, chance ---- */

/* A copy in an allocation of exactly `len` bytes, so that the address sanitizer sees a byte read behind it.
 */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len);
    assert_true(copy != NULL || len == 0);
    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

/* Makes a temporary file that holds `bytes`; the caller removes it. */
static inline void temp_file(char path[256], const void *bytes, size_t len)
{
    const char *dir = getenv("TMPDIR");
    snprintf(path, 256, "%s/dnsflow-test-XXXXXX", dir ? dir : "/tmp");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    if (len)
        assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

/* The whole of a file; the caller frees it. */
static inline uint8_t *read_whole(const char *path, size_t *len)
{
    FILE *in = fopen(path, "rbe");
    assert_non_null(in);
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    *len = (size_t)ftell(in);
    rewind(in);
    uint8_t *bytes = malloc(*len + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *len, in), *len);
    fclose(in);
    return bytes;
}

/* SplitMix64. */
struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *c)
{
    uint64_t z = (c->state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline size_t chance_below(struct chance *c, size_t n)
{
    return (size_t)(chance_next(c) % n);
}

/* ---- names ---- */

/* "www.example" in wire format; "" is the root. */
static inline void put_name(struct writer *out, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, ".");
        write_u8(out, n);
        write_bytes(out, text, n);
        text += n + (text[n] == '.');
    }
    write_u8(out, 0);
}

/* A name of exactly `octets` bytes, root included; not 2. Different tags make different names. */
static inline void put_name_of(struct writer *out, size_t octets, unsigned tag)
{
    size_t left = octets - 1;
    while (left > 0) {
        size_t size = left > 64 ? 64 : left; /* with the length byte */
        if (left - size == 1)
            size--;
        write_u8(out, size - 1);
        for (size_t i = 1; i < size; i++, tag /= 26)
            write_u8(out, 'a' + tag % 26);
        left -= size;
    }
    write_u8(out, 0);
}

/* ---- DNS messages ---- */

enum { MESSAGE_RESPONSE = 0x8180, TYPE_A = 1, TYPE_CNAME = 5, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_ANY = 255 };

struct message {
    uint8_t bytes[65536];
    struct writer out;
};

static inline void message_begin(struct message *m, uint16_t flags)
{
    m->out = writer_over(m->bytes, sizeof(m->bytes));
    write_be16(&m->out, 0x1234);
    write_be16(&m->out, flags);
    write_zeros(&m->out, 8);
}

static inline size_t message_len(const struct message *m)
{
    assert_false(m->out.failed);
    return writer_len(&m->out);
}

static inline void message_count(struct message *m, size_t at)
{
    store_be16(m->bytes + at, (uint16_t)(load_be16(m->bytes + at) + 1));
}

static inline void message_question(struct message *m, const char *name, uint16_t type)
{
    put_name(&m->out, name);
    write_be16(&m->out, type);
    write_be16(&m->out, 1);
    message_count(m, 4);
}

/* An answer; without an owner it is a pointer to the question. */
static inline void message_answer(struct message *m, const char *owner, uint16_t type, uint32_t ttl, const void *rdata,
                                  size_t len)
{
    if (owner)
        put_name(&m->out, owner);
    else
        write_be16(&m->out, 0xc00c);
    write_be16(&m->out, type);
    write_be16(&m->out, 1);
    write_be32(&m->out, ttl);
    write_be16(&m->out, len);
    write_bytes(&m->out, rdata, len);
    message_count(m, 6);
}

static inline void message_a(struct message *m, const char *owner, uint32_t ttl, uint32_t address)
{
    uint8_t rdata[4];
    store_be32(rdata, address);
    message_answer(m, owner, TYPE_A, ttl, rdata, sizeof(rdata));
}

static inline void message_aaaa(struct message *m, const char *owner, uint32_t ttl, uint32_t address)
{
    uint8_t rdata[16] = {0x20, 0x01, 0x0d, 0xb8};
    store_be32(rdata + 12, address);
    message_answer(m, owner, TYPE_AAAA, ttl, rdata, sizeof(rdata));
}

static inline void message_cname(struct message *m, const char *owner, uint32_t ttl, const char *target)
{
    uint8_t rdata[256];
    struct writer out = writer_over(rdata, sizeof(rdata));
    put_name(&out, target);
    message_answer(m, owner, TYPE_CNAME, ttl, rdata, writer_len(&out));
}

/* A response with one CNAME, an A and an AAAA. */
static inline void message_typical(struct message *m)
{
    message_begin(m, MESSAGE_RESPONSE);
    message_question(m, "www.example.com", TYPE_A);
    message_cname(m, NULL, 300, "edge.example.net");
    message_a(m, "edge.example.net", 60, 0xc0000201);
    message_aaaa(m, "edge.example.net", 120, 7);
}

/* ---- packets ---- */

struct flow {
    uint8_t ip_vers;
    uint8_t resolver[16], client[16];
    uint16_t resolver_port, client_port;
};

static inline struct flow flow_of(uint8_t ip_vers)
{
    struct flow f = {.ip_vers = ip_vers, .resolver_port = 53, .client_port = 40000};
    memcpy(f.resolver, ip_vers == 4 ? "\x0a\0\0\x35" : "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x35",
           ip_vers == 4 ? 4 : 16);
    memcpy(f.client, ip_vers == 4 ? "\x0a\0\0\x07" : "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07",
           ip_vers == 4 ? 4 : 16);
    return f;
}

/* The Internet checksum, byte by byte. */
static inline uint32_t slow_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static inline uint16_t udp_checksum(uint8_t ip_vers, const uint8_t *src, const uint8_t *dst, const uint8_t *udp,
                                    size_t len)
{
    size_t address_len = ip_vers == 4 ? 4 : 16;
    uint8_t tail[4] = {0, 17, (uint8_t)(len >> 8), (uint8_t)len};
    uint32_t sum = slow_sum(0, src, address_len);
    sum = slow_sum(sum, dst, address_len);
    sum = slow_sum(sum, tail, sizeof(tail));
    return (uint16_t)~slow_sum(sum, udp, len);
}

static inline void put_ipv4(struct writer *out, const uint8_t *src, const uint8_t *dst, uint8_t protocol, size_t len)
{
    uint8_t *head = out->at;
    write_be16(out, 0x4500);
    write_be16(out, 20 + len);
    write_be32(out, 0x00010000);
    write_u8(out, 64);
    write_u8(out, protocol);
    write_be16(out, 0);
    write_bytes(out, src, 4);
    write_bytes(out, dst, 4);
    store_be16(head + 10, (uint16_t)~slow_sum(0, head, 20));
}

static inline void put_ipv6(struct writer *out, const uint8_t *src, const uint8_t *dst, uint8_t next, size_t len)
{
    write_be32(out, 0x60000000);
    write_be16(out, len);
    write_u8(out, next);
    write_u8(out, 64);
    write_bytes(out, src, 16);
    write_bytes(out, dst, 16);
}

static inline void put_udp(struct writer *out, const struct flow *f, const uint8_t *payload, size_t len)
{
    uint8_t *head = out->at;
    write_be16(out, f->resolver_port);
    write_be16(out, f->client_port);
    write_be16(out, 8 + len);
    write_be16(out, 0);
    write_bytes(out, payload, len);
    uint16_t sum = udp_checksum(f->ip_vers, f->resolver, f->client, head, 8 + len);
    store_be16(head + 6, sum ? sum : 0xffff);
}

/* The response's way: IP and UDP from the resolver to the client. */
static inline void put_ip_udp(struct writer *out, const struct flow *f, const uint8_t *payload, size_t len)
{
    if (f->ip_vers == 4)
        put_ipv4(out, f->resolver, f->client, 17, 8 + len);
    else
        put_ipv6(out, f->resolver, f->client, 17, 8 + len);
    put_udp(out, f, payload, len);
}

static inline void put_ethernet(struct writer *out, uint16_t ethertype)
{
    write_bytes(out, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
    write_be16(out, ethertype);
}

/* An Ethernet frame; returns its length. */
static inline size_t build_frame(uint8_t *bytes, size_t size, const struct flow *f, const uint8_t *payload, size_t len)
{
    struct writer out = writer_over(bytes, size);
    put_ethernet(&out, f->ip_vers == 4 ? 0x0800 : 0x86dd);
    put_ip_udp(&out, f, payload, len);
    assert_false(out.failed);
    return writer_len(&out);
}

static inline struct packet packet_of(const uint8_t *bytes, size_t len, uint16_t link_type, int64_t time_us)
{
    return (struct packet){.bytes = bytes,
                           .captured_len = (uint32_t)len,
                           .wire_len = (uint32_t)len,
                           .time_us = time_us,
                           .link_type = link_type};
}

/* ---- datagrams ---- */

enum { CAUGHT_MAX = 4096 };

/* What an encoder emitted, each datagram in an allocation of its size. */
struct caught {
    size_t count;
    size_t len[CAUGHT_MAX];
    uint8_t *bytes[CAUGHT_MAX];
    int64_t time_us[CAUGHT_MAX];
};

static inline void catch_datagram(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct caught *c = context;
    assert_in_range(c->count, 0, CAUGHT_MAX - 1);
    c->bytes[c->count] = exact_copy(datagram, len);
    c->len[c->count] = len;
    c->time_us[c->count++] = time_us;
}

static inline void release_caught(struct caught *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->bytes[i]);
    c->count = 0;
}

static inline struct dnsflow_encoder *encoder_into(struct caught *c, bool extended, size_t limit)
{
    struct dnsflow_encoder_options options = {
        .size = sizeof(options), .limit = limit, .extended = extended, .emit = catch_datagram, .context = c};
    c->count = 0;
    struct dnsflow_encoder *e = dnsflow_encoder_create(&options);
    assert_non_null(e);
    return e;
}

#endif
