/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of net/: the bytes of a TCP stream that wait, from its base on, the sequence number of the first byte that has
 * not been used. They lie in blocks of a pool; a list of spans says which have come, and a list of pieces when, and
 * where segments began. Block numbers are counted round from the stream's origin, so that nothing is moved when the
 * base goes on. Places are counted from the base. */
#ifndef DNSFLOW_NET_TCP_BUFFER_H
#define DNSFLOW_NET_TCP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pool.h"

enum {
    TCP_BUFFER_BLOCKS = 64,
    TCP_WINDOW = (TCP_BUFFER_BLOCKS - 1) * POOL_BLOCK,
    TCP_SPANS = 16,
};
_Static_assert((UINT64_C(1) << 32) / POOL_BLOCK % TCP_BUFFER_BLOCKS == 0, "counting round works across the wrap");

/* Bytes that have come, from `from` to before `to`. Of used ones nothing is kept. None is used at the base. */
struct tcp_span {
    uint32_t from, to;
    bool is_used;
};

/* Bytes that came at a time, up to the next piece. */
struct tcp_piece {
    uint32_t seq;
    int64_t time_us;
};

enum { TCP_PIECES = POOL_BLOCK / sizeof(struct tcp_piece) };

/* All zero: nothing waits. */
struct tcp_buffer {
    uint32_t base, origin;
    unsigned spans_count, pieces_count;
    struct tcp_span spans[TCP_SPANS];
    uint32_t pieces;                    /* a block of the pool too; 0: nothing waits */
    uint32_t blocks[TCP_BUFFER_BLOCKS]; /* 0 = none */
};

/* Makes room in the pool for a buffer. False: there is nothing to be had. */
typedef bool tcp_buffer_make_room(void *context, const struct tcp_buffer *keep);

/* Whether any bytes wait. */
static inline bool tcp_buffer_waits(const struct tcp_buffer *b)
{
    return b->pieces != 0;
}

/* Bytes that wait without a hole from the base on. */
static inline uint32_t tcp_buffer_ready(const struct tcp_buffer *b)
{
    return b->spans_count > 0 && b->spans[0].from == 0 ? b->spans[0].to : 0;
}

/* Behind all that has come. */
static inline uint32_t tcp_buffer_end(const struct tcp_buffer *b)
{
    return b->spans_count > 0 ? b->spans[b->spans_count - 1].to : 0;
}

/* Whether something waits behind a hole; *behind is where the first such bytes are. */
bool tcp_buffer_has_hole(const struct tcp_buffer *b, uint32_t *behind);

/* Copies `len` bytes from `at` on, which must wait there. */
void tcp_buffer_read(const struct tcp_buffer *b, const struct pool *pool, uint32_t at, uint32_t len, uint8_t *out);

/* When the last of the bytes from..to came. When there were more pieces than can be told apart, it is that of bytes
 * near them. */
int64_t tcp_buffer_time(const struct tcp_buffer *b, const struct pool *pool, uint32_t from, uint32_t to);

/* Where the first piece begins at `at` or behind it, UINT32_MAX when there is none. */
uint32_t tcp_buffer_piece_from(const struct tcp_buffer *b, const struct pool *pool, uint32_t at);

/* Keeps what has not come before of the bytes at from..from+len, within TCP_WINDOW. *is_new says whether there was any.
 * False: no room, or a span too many. */
bool tcp_buffer_store(struct tcp_buffer *b, struct pool *pool, uint32_t from, const uint8_t *bytes, uint32_t len,
                      int64_t time_us, tcp_buffer_make_room *make_room, void *context, bool *is_new);

/* The base goes on by `len` bytes, and over what has been used there; what lies behind it is given back. */
void tcp_buffer_advance(struct tcp_buffer *b, struct pool *pool, uint32_t len);

/* The base goes back by `len` bytes, the last of which, `used` in number, have been used before. False: there is no
 * room for that in the window or the list of spans. */
bool tcp_buffer_retreat(struct tcp_buffer *b, uint32_t len, uint32_t used);
#endif
