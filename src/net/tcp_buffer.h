/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of net/: the bytes of a TCP stream that wait, from its base on, the sequence number of the first byte that has
 * not been used. They lie in blocks of a pool, and a list of spans says which have come. Block numbers are counted
 * round from the stream's origin, so that nothing is moved when the base goes on. Places are counted from the base. */
#ifndef DNSFLOW_NET_TCP_BUFFER_H
#define DNSFLOW_NET_TCP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pool.h"

enum {
    TCP_BUFFER_BLOCKS = 64, /* divides 2^32 / POOL_BLOCK, so that counting round works across the wrap */
    TCP_WINDOW = (TCP_BUFFER_BLOCKS - 1) * POOL_BLOCK,
    TCP_SPANS = 16,
};

/* Bytes that have come, from `from` to before `to`. */
struct tcp_span {
    uint32_t from, to;
};

/* All zero: nothing waits. */
struct tcp_buffer {
    uint32_t base, origin;
    unsigned spans_count;
    struct tcp_span spans[TCP_SPANS];
    uint32_t blocks[TCP_BUFFER_BLOCKS]; /* of the pool, 0 = none */
};

/* Makes room in the pool for a buffer. False: there is nothing to be had. */
typedef bool tcp_buffer_make_room(void *context, const struct tcp_buffer *keep);

/* Bytes that have come without a hole from the base on. */
static inline uint32_t tcp_buffer_ready(const struct tcp_buffer *b)
{
    return b->spans_count > 0 && b->spans[0].from == 0 ? b->spans[0].to : 0;
}

/* Copies the first `len` bytes, which must be ready. */
void tcp_buffer_read(const struct tcp_buffer *b, const struct pool *pool, uint32_t len, uint8_t *out);

/* Keeps what has not come before of the bytes at from..from+len, within TCP_WINDOW. *is_new says whether there was any.
 * False: no room, or a span too many. */
bool tcp_buffer_store(struct tcp_buffer *b, struct pool *pool, uint32_t from, const uint8_t *bytes, uint32_t len,
                      tcp_buffer_make_room *make_room, void *context, bool *is_new);

/* The base goes on by `len` bytes; what lies behind it is given back. */
void tcp_buffer_advance(struct tcp_buffer *b, struct pool *pool, uint32_t len);

/* Gives back all that waits. */
void tcp_buffer_clear(struct tcp_buffer *b, struct pool *pool);

#endif
