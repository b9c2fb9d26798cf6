/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bounded reading and writing of bytes. Both cursors are sticky: the first access that does not fit sets `failed`,
 * and from then on reads give 0 and writes do nothing, so that a caller names the fields in order and tests once.
 * Test `failed` before a value drives a loop or an offset, and once at the end.
 * The _be functions hold numbers in network order on the wire and in host order in memory; _le the reverse. */
#ifndef DNSFLOW_BASE_BYTES_H
#define DNSFLOW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

/* Unaligned loads for callers that have checked the length themselves. */
static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t load_be64(const uint8_t *p)
{
    return (uint64_t)load_be32(p) << 32 | load_be32(p + 4);
}

static inline uint16_t load_le16(const uint8_t *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Unaligned stores, likewise. */
static inline void store_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
    store_be16(p, (uint16_t)(v >> 16));
    store_be16(p + 2, (uint16_t)v);
}

static inline void store_be64(uint8_t *p, uint64_t v)
{
    store_be32(p, (uint32_t)(v >> 32));
    store_be32(p + 4, (uint32_t)v);
}

/* A reader of these bytes, which stay the caller's and must outlive it. */
static inline struct reader reader_over(const uint8_t *bytes, size_t len)
{
    return (struct reader){.at = bytes, .end = bytes + len, .failed = false};
}

/* Bytes that are left, 0 once it has failed. */
static inline size_t reader_left(const struct reader *in)
{
    return (size_t)(in->end - in->at);
}

/* The next `len` bytes, and past them; NULL when fewer are left. */
static inline const uint8_t *read_bytes(struct reader *in, size_t len)
{
    if (__builtin_expect(in->failed || reader_left(in) < len, 0)) {
        in->failed = true;
        in->at = in->end;
        return NULL;
    }
    const uint8_t *p = in->at;
    in->at += len;
    return p;
}

/* Past the next `len` bytes. */
static inline void read_skip(struct reader *in, size_t len)
{
    (void)read_bytes(in, len);
}

static inline uint8_t read_u8(struct reader *in)
{
    const uint8_t *p = read_bytes(in, 1);
    return p ? *p : 0;
}

static inline uint16_t read_be16(struct reader *in)
{
    const uint8_t *p = read_bytes(in, 2);
    return p ? load_be16(p) : 0;
}

static inline uint32_t read_be32(struct reader *in)
{
    const uint8_t *p = read_bytes(in, 4);
    return p ? load_be32(p) : 0;
}

static inline uint64_t read_be64(struct reader *in)
{
    const uint8_t *p = read_bytes(in, 8);
    return p ? load_be64(p) : 0;
}

/* Forgets everything after the next `len` bytes; no effect when fewer are left. True if it did cut or fit exactly. */
static inline bool reader_clamp(struct reader *in, size_t len)
{
    if (reader_left(in) < len)
        return false;
    in->end = in->at + len;
    return true;
}

/* A writer into these bytes, which stay the caller's and must outlive it. */
static inline struct writer writer_over(uint8_t *bytes, size_t size)
{
    return (struct writer){.start = bytes, .at = bytes, .end = bytes + size, .failed = false};
}

/* Bytes written so far. */
static inline size_t writer_len(const struct writer *out)
{
    return (size_t)(out->at - out->start);
}

/* Bytes behind what was written. */
static inline size_t writer_room(const struct writer *out)
{
    return (size_t)(out->end - out->at);
}

/* Room for `len` bytes, which the caller fills; NULL when there is none. */
static inline uint8_t *write_space(struct writer *out, size_t len)
{
    if (__builtin_expect(out->failed || writer_room(out) < len, 0)) {
        out->failed = true;
        return NULL;
    }
    uint8_t *p = out->at;
    out->at += len;
    return p;
}

static inline void write_bytes(struct writer *out, const void *bytes, size_t len)
{
    uint8_t *p = write_space(out, len);
    if (p && len)
        memcpy(p, bytes, len);
}

static inline void write_zeros(struct writer *out, size_t len)
{
    uint8_t *p = write_space(out, len);
    if (p && len)
        memset(p, 0, len);
}

/* A number that does not fit its field fails the writer; it is never cut. */
static inline void write_u8(struct writer *out, size_t v)
{
    uint8_t *p = write_space(out, 1);
    if (p && v <= UINT8_MAX)
        *p = (uint8_t)v;
    else
        out->failed = true;
}

static inline void write_be16(struct writer *out, size_t v)
{
    uint8_t *p = write_space(out, 2);
    if (p && v <= UINT16_MAX)
        store_be16(p, (uint16_t)v);
    else
        out->failed = true;
}

static inline void write_be32(struct writer *out, uint32_t v)
{
    uint8_t *p = write_space(out, 4);
    if (p)
        store_be32(p, v);
}

static inline void write_be64(struct writer *out, uint64_t v)
{
    uint8_t *p = write_space(out, 8);
    if (p)
        store_be64(p, v);
}

#endif
