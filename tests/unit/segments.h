/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests of TCP: one stream of bytes, and the segments that carry it. */
#ifndef DNSFLOW_SEGMENTS_H
#define DNSFLOW_SEGMENTS_H

#include "net/tcp_streams.h"

#include "testing.h"

enum { STREAM_MAX = 200000 };

static uint8_t stream[STREAM_MAX];
static size_t stream_len;
static uint64_t looks; /* how often a segment's beginning was looked at */

static inline bool looks_right(const uint8_t *bytes, size_t len)
{
    looks++;
    return len >= 12 && bytes[4] == 0xd5 && bytes[5] == 0x5d;
}

/* `len` bytes of the stream from `from` on, when its first has the number `base`. */
static inline struct net_payload segment(uint32_t base, size_t from, size_t len, uint8_t flags)
{
    static const uint8_t src[4] = {192, 0, 2, 53}, dst[4] = {198, 51, 100, 7};
    return (struct net_payload){.bytes = stream + from,
                                .len = len,
                                .complete = true,
                                .ip_vers = 4,
                                .transport = NET_TCP,
                                .tcp_flags = flags,
                                .src = src,
                                .dst = dst,
                                .src_port = 53,
                                .dst_port = 4000,
                                .tcp_seq = base + (uint32_t)from,
                                .wire_len = (uint32_t)len};
}

static inline void open_with_syn(struct tcp_streams *t, uint32_t base)
{
    struct net_payload syn = segment(base - 1, 0, 0, TCP_SYN);
    assert_int_equal(tcp_streams_add(t, &syn, 0), TCP_EMPTY);
}

#endif
