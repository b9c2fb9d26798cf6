/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/frame_stream.h"

#include "base/bytes.h"
#include "capture/format.h"
#include "net/dnstap.h"

enum { CONTROL_ACCEPT = 1, CONTROL_START, CONTROL_STOP, CONTROL_READY, CONTROL_FINISH };

enum { FIELD_CONTENT_TYPE = 1, LENGTH = 4 };

static const char content_type[] = "protobuf:dnstap.Dnstap";

bool frame_stream_is(const uint8_t *head, size_t len)
{
    return len >= 12 && load_be32(head) == 0 && load_be32(head + 4) >= 4 &&
           load_be32(head + 4) <= FRAME_STREAM_CONTROL_MAX && load_be32(head + 8) == CONTROL_START;
}

/* Whether the content types of a control frame, if it has any, are for us. */
static bool is_dnstap(struct reader in)
{
    bool has_any = false;
    while (reader_left(&in) > 0) {
        uint32_t type = read_be32(&in), len = read_be32(&in);
        const uint8_t *bytes = read_bytes(&in, len);
        if (!bytes)
            return false;
        if (type != FIELD_CONTENT_TYPE)
            continue;
        has_any = true;
        if (len == sizeof(content_type) - 1 && memcmp(bytes, content_type, len) == 0)
            return true;
    }
    return !has_any;
}

static int take_start(struct frame_stream *s, uint32_t type, struct reader in, struct error *err)
{
    if (!is_dnstap(in))
        return error_set(err, "a stream of something else than dnstap");
    if (s->is_started || (type == CONTROL_READY && s->is_ready))
        return error_set(err, "a stream that starts twice");
    if (type == CONTROL_READY) {
        s->is_ready = true;
        s->answers |= 1u << CONTROL_ACCEPT;
    } else {
        s->is_started = true;
    }
    return 0;
}

/* Who has been accepted is told of the end and leaves; others may start anew. */
static int stop(struct frame_stream *s, struct error *err)
{
    if (!s->is_started)
        return error_set(err, "a stream that ends before its start");
    s->is_started = false;
    s->is_ended = s->is_ready;
    if (s->is_ready)
        s->answers |= 1u << CONTROL_FINISH;
    return 0;
}

/* The bytes of a control frame, its type first. */
static int take_control(struct frame_stream *s, struct reader in, struct error *err)
{
    uint32_t type = read_be32(&in);
    switch (type) {
    case CONTROL_READY:
    case CONTROL_START:
        return take_start(s, type, in, err);
    case CONTROL_STOP:
        return stop(s, err);
    default:
        return error_set(err, "control frame %u, which no sender has", type);
    }
}

/* Length of the control frame at hand with what leads it; 0: more bytes are needed, -1: it makes no sense. */
static int control_len(const uint8_t *at, size_t left, struct error *err)
{
    if (left < 2 * LENGTH)
        return 0;
    uint32_t len = load_be32(at + LENGTH);
    if (len < LENGTH || len > FRAME_STREAM_CONTROL_MAX)
        return error_set(err, "a control frame of %u bytes", len);
    return left < 2 * LENGTH + len ? 0 : (int)(2 * LENGTH + len);
}

static void lend_frame(struct frame_stream *s, const uint8_t *bytes, uint32_t len, struct packet *out)
{
    int64_t time_us = net_dnstap_time(bytes, len);
    if (time_us != 0)
        s->last_time_us = time_us;
    *out = (struct packet){
        .bytes = bytes, .captured_len = len, .wire_len = len, .time_us = s->last_time_us, .link_type = NET_LINK_DNSTAP};
}

/* The frame at hand, with what leads it. Returns its length, 0 when more bytes are needed, or -1. */
static int frame_len(const struct frame_stream *s, const uint8_t *at, size_t left, struct error *err)
{
    if (s->is_ended)
        return error_set(err, "more bytes behind the end of the stream");
    if (left < LENGTH)
        return 0;
    uint32_t len = load_be32(at);
    if (len == 0)
        return control_len(at, left, err);
    if (!s->is_started)
        return error_set(err, "a frame of %u bytes before the start", len);
    if (len > FRAME_STREAM_FRAME_MAX)
        return error_set(err, "a frame of %u bytes; at most %d are taken", len, FRAME_STREAM_FRAME_MAX);
    return left < LENGTH + len ? 0 : (int)(LENGTH + len);
}

int frame_stream_lend(struct frame_stream *stream, const uint8_t *at, size_t left, struct packet *packets, int max,
                      uint64_t *used, struct error *err)
{
    int count = 0, len;
    const uint8_t *start_at = at;
    while (count < max && left > 0 && (len = frame_len(stream, at, left, err)) != 0) {
        bool is_control = len > 0 && load_be32(at) == 0;
        if (len < 0 ||
            (is_control && take_control(stream, reader_over(at + 2 * LENGTH, (size_t)len - 2 * LENGTH), err) != 0)) {
            count = count > 0 ? count : LEND_BROKEN;
            break;
        }
        if (!is_control)
            lend_frame(stream, at + LENGTH, (uint32_t)len - LENGTH, &packets[count++]);
        at += len;
        left -= (size_t)len;
    }
    *used = (uint64_t)(at - start_at);
    return count;
}

size_t frame_stream_answer(struct frame_stream *stream, uint8_t out[static FRAME_STREAM_REPLY_MAX])
{
    struct writer w = writer_over(out, FRAME_STREAM_REPLY_MAX);
    size_t type_len = sizeof(content_type) - 1;
    if (stream->answers == 0)
        return 0;
    bool is_accept = stream->answers >> CONTROL_ACCEPT & 1;
    uint32_t type = is_accept ? CONTROL_ACCEPT : CONTROL_FINISH;
    write_be32(&w, 0);
    write_be32(&w, (uint32_t)(is_accept ? 12 + type_len : 4));
    write_be32(&w, type);
    if (is_accept) {
        write_be32(&w, FIELD_CONTENT_TYPE);
        write_be32(&w, (uint32_t)type_len);
        write_bytes(&w, content_type, type_len);
    }
    stream->answers &= ~(1u << type);
    return writer_len(&w);
}
