/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tcp_buffer.h"

#include <string.h>

static uint32_t *block_of(struct tcp_buffer *b, uint32_t at)
{
    return &b->blocks[(b->base + at - b->origin) / POOL_BLOCK % TCP_BUFFER_BLOCKS];
}

static size_t block_room(const struct tcp_buffer *b, uint32_t at)
{
    return POOL_BLOCK - (b->base + at - b->origin) % POOL_BLOCK;
}

void tcp_buffer_read(const struct tcp_buffer *b, const struct pool *pool, uint32_t len, uint8_t *out)
{
    uint32_t at = 0;
    while (at < len) {
        size_t room = block_room(b, at), n = room < len - at ? room : len - at;
        uint32_t block = b->blocks[(b->base + at - b->origin) / POOL_BLOCK % TCP_BUFFER_BLOCKS];
        memcpy(out + at, pool_bytes(pool, block) + (POOL_BLOCK - room), n);
        at += (uint32_t)n;
    }
}

void tcp_buffer_clear(struct tcp_buffer *b, struct pool *pool)
{
    size_t i;
    for (i = 0; i < TCP_BUFFER_BLOCKS; i++) {
        pool_give(pool, b->blocks[i]);
        b->blocks[i] = 0;
    }
    b->spans_count = 0;
}

void tcp_buffer_advance(struct tcp_buffer *b, struct pool *pool, uint32_t len)
{
    uint32_t done = 0;
    unsigned i, kept = 0;
    while (done + block_room(b, done) <= len && done < TCP_WINDOW) {
        size_t room = block_room(b, done);
        pool_give(pool, *block_of(b, done));
        *block_of(b, done) = 0;
        done += (uint32_t)room;
    }
    for (i = 0; i < b->spans_count; i++)
        if (b->spans[i].to > len)
            b->spans[kept++] =
                (struct tcp_span){b->spans[i].from > len ? b->spans[i].from - len : 0, b->spans[i].to - len};
    if (kept == 0)
        tcp_buffer_clear(b, pool);
    b->spans_count = kept;
    b->base += len;
}

/* Where the bytes at..at+len go, taking blocks as they are needed. */
static bool copy_in(struct tcp_buffer *b, struct pool *pool, uint32_t at, const uint8_t *bytes, uint32_t len,
                    tcp_buffer_make_room *make_room, void *context)
{
    uint32_t done = 0;
    while (done < len) {
        size_t room = block_room(b, at + done), n = room < len - done ? room : len - done;
        uint32_t *block = block_of(b, at + done);
        while (*block == 0 && (*block = pool_take(pool)) == 0)
            if (!make_room(context, b))
                return false;
        memcpy(pool_bytes(pool, *block) + (POOL_BLOCK - room), bytes + done, n);
        done += (uint32_t)n;
    }
    return true;
}

/* Notes that from..to has come; false when it would be one span too many. */
static bool add_span(struct tcp_buffer *b, uint32_t from, uint32_t to)
{
    unsigned first = 0, behind, i;
    while (first < b->spans_count && b->spans[first].to < from)
        first++;
    behind = first;
    while (behind < b->spans_count && b->spans[behind].from <= to)
        behind++;
    if (behind == first) {
        if (b->spans_count == TCP_SPANS)
            return false;
        for (i = b->spans_count++; i > first; i--)
            b->spans[i] = b->spans[i - 1];
        b->spans[first] = (struct tcp_span){from, to};
        return true;
    }
    if (b->spans[first].from < from)
        from = b->spans[first].from;
    if (b->spans[behind - 1].to > to)
        to = b->spans[behind - 1].to;
    b->spans[first] = (struct tcp_span){from, to};
    for (i = behind; i < b->spans_count; i++)
        b->spans[first + 1 + i - behind] = b->spans[i];
    b->spans_count -= behind - first - 1;
    return true;
}

bool tcp_buffer_store(struct tcp_buffer *b, struct pool *pool, uint32_t from, const uint8_t *bytes, uint32_t len,
                      tcp_buffer_make_room *make_room, void *context, bool *is_new)
{
    uint32_t at = from, end = from + len;
    unsigned i;
    for (i = 0; i <= b->spans_count && at < end; i++) {
        struct tcp_span next = i < b->spans_count ? b->spans[i] : (struct tcp_span){end, end};
        uint32_t until = next.from < end ? next.from : end;
        if (at < until) {
            if (!copy_in(b, pool, at, bytes + (at - from), until - at, make_room, context))
                return false;
            *is_new = true;
        }
        if (next.to > at)
            at = next.to;
    }
    return add_span(b, from, end);
}
