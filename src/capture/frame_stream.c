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

/* The bytes of a control frame, its type first. */
static int take_control(struct frame_stream *s, struct reader in, struct error *err)
{
    uint32_t type = read_be32(&in);
    switch (type) {
    case CONTROL_READY:
    case CONTROL_START:
        if (!is_dnstap(in))
            return error_set(err, "a stream of something else than dnstap");
        if (s->is_started || (type == CONTROL_READY && s->is_ready))
            return error_set(err, "a stream that starts twice");
        if (type == CONTROL_READY) {
            s->is_ready = true;
            s->answer = CONTROL_ACCEPT;
        } else {
            s->is_started = true;
        }
        return 0;
    case CONTROL_STOP:
        s->is_ended = true;
        s->answer = s->is_ready ? CONTROL_FINISH : 0;
        return 0;
    default:
        return error_set(err, "control frame %u, which only a receiver sends", type);
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

int frame_stream_lend(struct frame_stream *stream, const uint8_t *at, size_t left, struct packet *packets, int max,
                      uint64_t *used, struct error *err)
{
    int count = 0;
    const uint8_t *start = at;
    while (count < max && left >= LENGTH && !stream->is_ended) {
        uint32_t len = load_be32(at);
        size_t whole = LENGTH + (size_t)len;
        *used = (uint64_t)(at - start);
        if (len == 0) {
            int control = control_len(at, left, err);
            if (control <= 0 ||
                take_control(stream, reader_over(at + 2 * LENGTH, (size_t)control - 2 * LENGTH), err) != 0)
                return control == 0 ? count : count > 0 ? count : LEND_BROKEN;
            whole = (size_t)control;
        } else if (len > FRAME_STREAM_FRAME_MAX || !stream->is_started) {
            error_set(err, stream->is_started ? "a frame of %u bytes" : "a frame of %u bytes before the start", len);
            return count > 0 ? count : LEND_BROKEN;
        } else if (left < whole) {
            return count;
        } else {
            lend_frame(stream, at + LENGTH, len, &packets[count++]);
        }
        at += whole;
        left -= whole;
    }
    *used = stream->is_ended ? (uint64_t)(at - start) + left : (uint64_t)(at - start);
    return count;
}

size_t frame_stream_answer(struct frame_stream *stream, uint8_t out[FRAME_STREAM_REPLY_MAX])
{
    struct writer w = writer_over(out, FRAME_STREAM_REPLY_MAX);
    size_t type_len = sizeof(content_type) - 1;
    if (stream->answer == 0)
        return 0;
    bool is_accept = stream->answer == CONTROL_ACCEPT;
    write_be32(&w, 0);
    write_be32(&w, (uint32_t)(is_accept ? 12 + type_len : 4));
    write_be32(&w, stream->answer);
    if (is_accept) {
        write_be32(&w, FIELD_CONTENT_TYPE);
        write_be32(&w, (uint32_t)type_len);
        write_bytes(&w, content_type, type_len);
    }
    stream->answer = 0;
    return writer_len(&w);
}
