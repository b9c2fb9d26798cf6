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

void tcp_buffer_read(const struct tcp_buffer *b, const struct pool *pool, uint32_t at, uint32_t len, uint8_t *out)
{
    uint32_t done = 0;
    while (done < len) {
        size_t room = block_room(b, at + done), n = room < len - done ? room : len - done;
        uint32_t block = b->blocks[(b->base + at + done - b->origin) / POOL_BLOCK % TCP_BUFFER_BLOCKS];
        memcpy(out + done, pool_bytes(pool, block) + (POOL_BLOCK - room), n);
        done += (uint32_t)n;
    }
}

bool tcp_buffer_has_hole(const struct tcp_buffer *b, uint32_t *behind)
{
    uint32_t at = 0;
    bool has_hole = false;
    unsigned i;
    for (i = 0; i < b->spans_count; at = b->spans[i++].to) {
        has_hole |= b->spans[i].from > at;
        if (has_hole && !b->spans[i].is_used) {
            *behind = b->spans[i].from;
            return true;
        }
    }
    return false;
}

/* ---- pieces ---- */

static struct tcp_piece *pieces_of(const struct tcp_buffer *b, const struct pool *pool)
{
    return (struct tcp_piece *)(void *)pool_bytes(pool, b->pieces);
}

int64_t tcp_buffer_time(const struct tcp_buffer *b, const struct pool *pool, uint32_t from, uint32_t to)
{
    const struct tcp_piece *pieces = pieces_of(b, pool);
    int64_t last = INT64_MIN;
    unsigned i;
    for (i = 0; i < b->pieces_count && (int32_t)(pieces[i].seq - b->base - to) < 0; i++) {
        bool is_before = i + 1 < b->pieces_count && (int32_t)(pieces[i + 1].seq - b->base - from) <= 0;
        if (!is_before && pieces[i].time_us > last)
            last = pieces[i].time_us;
    }
    return last;
}

uint32_t tcp_buffer_piece_from(const struct tcp_buffer *b, const struct pool *pool, uint32_t at)
{
    const struct tcp_piece *pieces = pieces_of(b, pool);
    unsigned i;
    for (i = 0; i < b->pieces_count; i++)
        if ((int32_t)(pieces[i].seq - b->base - at) >= 0)
            return pieces[i].seq - b->base;
    return UINT32_MAX;
}

/* A piece too many becomes part of the one before it. */
static void add_piece(struct tcp_buffer *b, const struct pool *pool, uint32_t seq, int64_t time_us)
{
    struct tcp_piece *pieces = pieces_of(b, pool);
    unsigned at = b->pieces_count;
    while (at > 0 && (int32_t)(pieces[at - 1].seq - seq) > 0)
        at--;
    if (b->pieces_count < TCP_PIECES) {
        memmove(pieces + at + 1, pieces + at, (b->pieces_count - at) * sizeof(*pieces));
        pieces[at] = (struct tcp_piece){seq, time_us};
        b->pieces_count++;
        return;
    }
    at = at > 0 ? at - 1 : 0;
    if ((int32_t)(pieces[at].seq - seq) > 0)
        pieces[at].seq = seq;
    if (pieces[at].time_us < time_us)
        pieces[at].time_us = time_us;
}

/* Those of which nothing lies behind the base. */
static void drop_pieces(struct tcp_buffer *b, const struct pool *pool)
{
    struct tcp_piece *pieces = pieces_of(b, pool);
    unsigned n = 0;
    while (n + 1 < b->pieces_count && (int32_t)(pieces[n + 1].seq - b->base) <= 0)
        n++;
    if (n > 0)
        memmove(pieces, pieces + n, (b->pieces_count - n) * sizeof(*pieces));
    b->pieces_count -= n;
}

/* ---- giving back ---- */

/* Keeps the list of spans. */
static void give_back(struct tcp_buffer *b, struct pool *pool)
{
    size_t i;
    if (b->pieces == 0)
        return;
    for (i = 0; i < TCP_BUFFER_BLOCKS; i++)
        if (b->blocks[i] != 0)
            pool_give(pool, b->blocks[i]);
    memset(b->blocks, 0, sizeof(b->blocks));
    pool_give(pool, b->pieces);
    b->pieces = 0;
    b->pieces_count = 0;
}

/* The spans that lie behind `len` bytes, counted from there; *waits says whether something waits in them. */
static void shift_spans(struct tcp_buffer *b, uint32_t len, bool *waits)
{
    unsigned i, kept = 0;
    *waits = false;
    for (i = 0; i < b->spans_count; i++) {
        struct tcp_span s = b->spans[i];
        if (s.to <= len)
            continue;
        b->spans[kept++] = (struct tcp_span){s.from > len ? s.from - len : 0, s.to - len, s.is_used};
        *waits |= !s.is_used;
    }
    b->spans_count = kept;
}

void tcp_buffer_advance(struct tcp_buffer *b, struct pool *pool, uint32_t len)
{
    uint32_t done = 0;
    unsigned i;
    bool waits;
    for (i = 0; i < b->spans_count; i++)
        if (b->spans[i].is_used && b->spans[i].from <= len && b->spans[i].to > len)
            len = b->spans[i].to;
    while (b->pieces && done + block_room(b, done) <= len && done < TCP_WINDOW) {
        size_t room = block_room(b, done);
        pool_give(pool, *block_of(b, done));
        *block_of(b, done) = 0;
        done += (uint32_t)room;
    }
    shift_spans(b, len, &waits);
    b->base += len;
    if (!waits)
        give_back(b, pool);
    else
        drop_pieces(b, pool);
}

bool tcp_buffer_retreat(struct tcp_buffer *b, uint32_t len, uint32_t used)
{
    unsigned i;
    if (b->spans_count == TCP_SPANS || len > TCP_WINDOW || tcp_buffer_end(b) > TCP_WINDOW - len)
        return false;
    for (i = b->spans_count; i > 0; i--)
        b->spans[used ? i : i - 1] =
            (struct tcp_span){b->spans[i - 1].from + len, b->spans[i - 1].to + len, b->spans[i - 1].is_used};
    if (used) {
        b->spans[0] = (struct tcp_span){len - used, len, true};
        b->spans_count++;
    }
    b->base -= len;
    return true;
}

/* ---- storing ---- */

/* Where the bytes at..at+len go, taking blocks as they are needed. */
static bool copy_in(struct tcp_buffer *b, struct pool *pool, uint32_t at, const uint8_t *bytes, uint32_t len,
                    tcp_buffer_make_room *make_room, void *context)
{
    uint32_t done = 0;
    while (b->pieces == 0 && (b->pieces = pool_take(pool)) == 0)
        if (!make_room(context, b))
            return false;
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

/* Notes that from..to has come, of which nothing had; false when it would be one span too many. */
static bool add_span(struct tcp_buffer *b, uint32_t from, uint32_t to)
{
    struct tcp_span *s = b->spans;
    unsigned at = 0, i;
    while (at < b->spans_count && s[at].to <= from)
        at++;
    bool joins_left = at > 0 && s[at - 1].to == from && !s[at - 1].is_used;
    bool joins_right = at < b->spans_count && s[at].from == to && !s[at].is_used;
    if (joins_left && joins_right) {
        s[at - 1].to = s[at].to;
        for (i = at + 1; i < b->spans_count; i++)
            s[i - 1] = s[i];
        b->spans_count--;
    } else if (joins_left) {
        s[at - 1].to = to;
    } else if (joins_right) {
        s[at].from = from;
    } else {
        if (b->spans_count == TCP_SPANS)
            return false;
        for (i = b->spans_count++; i > at; i--)
            s[i] = s[i - 1];
        s[at] = (struct tcp_span){from, to, false};
    }
    return true;
}

/* The first place from *at on, before `end`, of which nothing has come, and where it ends. */
static bool find_missing(const struct tcp_buffer *b, uint32_t *at, uint32_t end, uint32_t *until)
{
    unsigned i;
    *until = end;
    for (i = 0; i < b->spans_count; i++) {
        if (b->spans[i].to <= *at)
            continue;
        if (b->spans[i].from > *at) {
            *until = b->spans[i].from < end ? b->spans[i].from : end;
            break;
        }
        *at = b->spans[i].to;
    }
    return *at < end;
}

bool tcp_buffer_store(struct tcp_buffer *b, struct pool *pool, uint32_t from, const uint8_t *bytes, uint32_t len,
                      int64_t time_us, tcp_buffer_make_room *make_room, void *context, bool *is_new)
{
    uint32_t at, end = from + len, until;
    for (at = from; find_missing(b, &at, end, &until); at = until) {
        if (!copy_in(b, pool, at, bytes + (at - from), until - at, make_room, context) || !add_span(b, at, until)) {
            if (b->pieces_count == 0)
                give_back(b, pool);
            return false;
        }
        add_piece(b, pool, b->base + at, time_us);
        *is_new = true;
    }
    return true;
}
