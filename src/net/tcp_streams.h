/* SPDX-License-Identifier: BSD-3-Clause
 *
 * DNS messages out of TCP (RFC 1035 section 4.2.2: each behind its length in two bytes), by one direction of each
 * connection. A stream is picked up at its SYN, or in the middle where a segment begins like a message. Segments may
 * come in any order and more than once, also after the stream has ended; of bytes that come twice the first count. A
 * segment that begins like a message and has no place in its stream belongs to another connection of the same ports.
 * Streams, and the memory for what waits in them, have fixed limits; the one that was silent longest makes room.
 * Belongs to one thread. */
#ifndef DNSFLOW_NET_TCP_STREAMS_H
#define DNSFLOW_NET_TCP_STREAMS_H

#include "net/packet.h"

enum { TCP_IDLE_SECONDS = 30, TCP_GAP_SECONDS = 3 };

struct tcp_streams;

struct tcp_counts {
    uint64_t messages;
    uint64_t expired; /* streams given up with data in hand, silent or closed */
    uint64_t evicted; /* the same, as others needed the room */
    uint64_t gaps;    /* places where data never came */
};

enum tcp_result {
    TCP_DELIVERED, /* at least one message ended in it */
    TCP_HELD,      /* part of a message */
    TCP_EMPTY,     /* no data */
    TCP_OLD,       /* its data has come before */
    TCP_NO_START,  /* nothing known begins in it */
    TCP_REFUSED,   /* too far ahead, or in too many pieces */
};

struct tcp_options {
    unsigned streams, blocks; /* blocks: of 2 KiB, for all that waits */
    uint64_t seed;            /* of the table's hash: which streams make room depends on it */
    /* Whether a message may begin with these bytes, 12 at least. */
    bool (*looks_right)(const uint8_t *bytes, size_t len);
    /* Gets each message: bytes, len, complete, and addresses and ports of its stream, with the capture time of its last
     * byte. Must not call back. */
    void (*take)(void *context, const struct net_payload *message, int64_t time_us);
    void *context;
};

/* Copies the options. Memory is touched as it is used. NULL: out of memory. */
struct tcp_streams *tcp_streams_create(const struct tcp_options *options);

/* NULL is fine. Nothing is delivered. */
void tcp_streams_destroy(struct tcp_streams *streams);

/* Takes a segment of the direction that is followed, captured at time_us. */
enum tcp_result tcp_streams_add(struct tcp_streams *streams, const struct net_payload *segment, int64_t time_us);

/* Gives up streams that were silent for TCP_IDLE_SECONDS, delivering what waits in them: whole messages, also behind
 * holes, and what has come of others as incomplete. INT64_MAX: all streams. */
void tcp_streams_expire(struct tcp_streams *streams, int64_t now_us);

/* The counts as they are, until they are destroyed. */
const struct tcp_counts *tcp_streams_counts(const struct tcp_streams *streams);

#endif
