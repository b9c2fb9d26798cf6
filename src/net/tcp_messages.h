/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of net/: the messages in the bytes of one TCP stream. A stream is in step when a message is known to begin at
 * its base; only then bytes wait there. Behind a hole it gets in step again where the message before it ends, where a
 * segment begins like a message, or where two messages follow each other. */
#ifndef DNSFLOW_NET_TCP_MESSAGES_H
#define DNSFLOW_NET_TCP_MESSAGES_H

#include "net/tcp_buffer.h"
#include "net/tcp_streams.h"

enum { TCP_MESSAGE_PREFIX = 2, TCP_MESSAGE_MAX = 65535 };

struct tcp_stream {
    uint8_t ip_vers; /* 0: free */
    bool has_syn;    /* nothing comes before `first` */
    bool in_step;
    bool is_closing; /* a FIN has come: nothing follows fin_seq */
    bool is_waiting; /* in the list of those in which something waits */
    uint16_t src_port, dst_port;
    uint8_t src[16], dst[16];
    uint32_t first;              /* what comes from here to the base has come before */
    uint32_t past_from, past_to; /* the same of the connection that had these ports before */
    uint32_t fin_seq;
    uint32_t messages; /* delivered, modulo 2^32 */
    int64_t seen_us;
    struct tcp_buffer buffer;
};

/* What all streams of a table share. */
struct tcp_shared {
    struct tcp_options options;
    struct tcp_counts counts;
    struct pool pool;
    uint8_t message[TCP_MESSAGE_PREFIX + TCP_MESSAGE_MAX];
};

/* Whether a segment begins like a message: its length and some of its header, or just the length. */
bool tcp_begins_message(const struct tcp_shared *t, const uint8_t *bytes, size_t len);

/* Delivers whole messages straight out of a segment that begins at the base of an empty buffer. Returns what it used.
 */
size_t tcp_take_segment(struct tcp_shared *t, struct tcp_stream *s, const uint8_t *bytes, size_t len, int64_t time_us);

/* Delivers the whole messages that wait at the base, and passes over what is none. Gets in step first, or drops what
 * waits. */
void tcp_take_ready(struct tcp_shared *t, struct tcp_stream *s);

/* Data is missing that will not come any more: what has come of the message before it goes out, and the stream goes on
 * behind it. */
void tcp_pass_hole(struct tcp_shared *t, struct tcp_stream *s);

/* The same where what waits at the base goes on for `missing` bytes that the snap length has cut off. */
void tcp_pass_cut(struct tcp_shared *t, struct tcp_stream *s, uint32_t missing);

/* Nothing more will come: delivers all that waits. The stream is out of step then. */
void tcp_take_all(struct tcp_shared *t, struct tcp_stream *s);

#endif
