/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of capture/: the Frame Streams protocol, in which dnstap is sent and stored
 * (https://github.com/farsightsec/fstrm). A length of 4 bytes and a frame; the length 0 leads a control frame, with a
 * length of its own: its type, and fields of type, length and bytes. A sender in a file just starts, and may start
 * again after its end; one on a socket may say first that it is READY and wait to be accepted. Then it is told when its
 * end has been seen, and nothing may follow. */
#ifndef DNSFLOW_CAPTURE_FRAME_STREAM_H
#define DNSFLOW_CAPTURE_FRAME_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/packet.h"

enum {
    FRAME_STREAM_CONTROL_MAX = 512,
    FRAME_STREAM_FRAME_MAX = 256 * 1024, /* a dnstap message holds two DNS messages at most */
    FRAME_STREAM_REPLY_MAX = 64,
};

struct frame_stream {
    bool is_ready;    /* READY came: both sides talk */
    bool is_started;  /* START came, and no STOP yet */
    bool is_ended;    /* STOP came, and nothing more may */
    uint32_t answers; /* control frames to send: a bit for each type */
    int64_t last_time_us;
};

/* Whether a file begins like one. */
bool frame_stream_is(const uint8_t *head, size_t len);

/* Takes frames off the bytes at hand, as format.h says of the formats of files. */
MUST_CHECK int frame_stream_lend(struct frame_stream *stream, const uint8_t *at, size_t left, struct packet *packets,
                                 int max, uint64_t *used, struct error *err);

/* The next control frame that is to be sent, if any: its length in `out`, or 0. */
size_t frame_stream_answer(struct frame_stream *stream, uint8_t out[static FRAME_STREAM_REPLY_MAX]);

#endif
