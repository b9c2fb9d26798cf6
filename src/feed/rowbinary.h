/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ClickHouse's RowBinary: rows of values one behind the other, numbers little-endian, strings and arrays behind their
 * length as a varint, IPv6 in network order. */
#ifndef DNSFLOW_FEED_ROWBINARY_H
#define DNSFLOW_FEED_ROWBINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Grows; once memory is short nothing more is taken, which is to be looked at in the end. */
struct rowbinary {
    uint8_t *bytes;
    size_t len, size;
    uint64_t rows; /* the caller's */
    bool is_short;
};

static inline uint8_t *rowbinary_reserve(struct rowbinary *r, size_t len)
{
    if (r->size - r->len < len && !r->is_short) {
        size_t size = r->size > 0 ? r->size : 1 << 16;
        while (size - r->len < len)
            size *= 2;
        uint8_t *grown = realloc(r->bytes, size);
        if (grown) {
            r->bytes = grown;
            r->size = size;
        }
        r->is_short = !grown;
    }
    if (r->is_short)
        return NULL;
    r->len += len;
    return r->bytes + r->len - len;
}

static inline void rowbinary_bytes(struct rowbinary *r, const void *bytes, size_t len)
{
    uint8_t *at = rowbinary_reserve(r, len);
    if (at && len > 0)
        memcpy(at, bytes, len);
}

static inline void rowbinary_u8(struct rowbinary *r, uint8_t n)
{
    rowbinary_bytes(r, &n, 1);
}

static inline void rowbinary_number(struct rowbinary *r, uint64_t n, size_t len)
{
    uint8_t *at = rowbinary_reserve(r, len);
    size_t i;
    for (i = 0; at && i < len; i++)
        at[i] = (uint8_t)(n >> 8 * i);
}

static inline void rowbinary_u16(struct rowbinary *r, uint16_t n)
{
    rowbinary_number(r, n, 2);
}

static inline void rowbinary_u32(struct rowbinary *r, uint32_t n)
{
    rowbinary_number(r, n, 4);
}

static inline void rowbinary_u64(struct rowbinary *r, uint64_t n)
{
    rowbinary_number(r, n, 8);
}

static inline void rowbinary_varint(struct rowbinary *r, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        rowbinary_u8(r, (uint8_t)(n | 0x80));
    rowbinary_u8(r, (uint8_t)n);
}

static inline void rowbinary_string(struct rowbinary *r, const void *bytes, size_t len)
{
    rowbinary_varint(r, len);
    rowbinary_bytes(r, bytes, len);
}

/* 4 or 16 bytes, IPv4 as ::ffff:a.b.c.d; none as ::. */
static inline void rowbinary_ip(struct rowbinary *r, const uint8_t *address, size_t len)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, none[16];
    if (len == 4)
        rowbinary_bytes(r, mapped, sizeof(mapped));
    rowbinary_bytes(r, len == 0 ? none : address, len == 0 ? sizeof(none) : len);
}

static inline void rowbinary_clear(struct rowbinary *r)
{
    r->len = 0;
    r->rows = 0;
    r->is_short = false;
}

/* ---- reading an answer ---- */

struct rowbinary_reader {
    const uint8_t *at, *end;
    bool failed; /* it ended too early: what is read then is 0 */
};

static inline const uint8_t *rowbinary_take(struct rowbinary_reader *r, size_t len)
{
    r->failed |= (size_t)(r->end - r->at) < len;
    if (r->failed)
        return NULL;
    r->at += len;
    return r->at - len;
}

static inline uint64_t rowbinary_read(struct rowbinary_reader *r, size_t len)
{
    const uint8_t *at = rowbinary_take(r, len);
    uint64_t n = 0;
    size_t i;
    for (i = 0; at && i < len; i++)
        n |= (uint64_t)at[i] << 8 * i;
    return n;
}

static inline const uint8_t *rowbinary_read_string(struct rowbinary_reader *r, size_t *len)
{
    uint64_t n = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)rowbinary_read(r, 1);
        r->failed |= shift == 63 && byte > 1; /* beyond 64 bits */
        n |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) && !r->failed);
    r->failed |= n != (size_t)n;
    *len = (size_t)n;
    const uint8_t *at = rowbinary_take(r, *len);
    *len = at ? *len : 0;
    return at;
}

#endif
