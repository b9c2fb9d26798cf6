/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tcp_messages.h"

#include "base/bytes.h"

enum {
    PREFIX = TCP_MESSAGE_PREFIX,
    MESSAGE_MIN = 12, /* a DNS header */
    HEAD = PREFIX + MESSAGE_MIN,
    CHUNK = 256, /* looked at in one go */
};

/* ---- delivering ---- */

static void deliver(struct tcp_shared *t, struct tcp_stream *s, const uint8_t *bytes, size_t len, bool complete,
                    int64_t time_us)
{
    struct net_payload message = {.bytes = bytes,
                                  .len = len,
                                  .complete = complete,
                                  .ip_vers = s->ip_vers,
                                  .transport = NET_TCP,
                                  .src = s->src,
                                  .dst = s->dst,
                                  .src_port = s->src_port,
                                  .dst_port = s->dst_port};
    s->messages++;
    t->counts.messages++;
    t->options.take(t->options.context, &message, time_us);
}

size_t tcp_take_segment(struct tcp_shared *t, struct tcp_stream *s, const uint8_t *bytes, size_t len, int64_t time_us)
{
    size_t used = 0;
    while (len - used >= HEAD) {
        size_t message_len = load_be16(bytes + used);
        if (message_len < MESSAGE_MIN || len - used < PREFIX + message_len)
            break;
        deliver(t, s, bytes + used + PREFIX, message_len, true, time_us);
        used += PREFIX + message_len;
    }
    s->buffer.base += (uint32_t)used;
    return used;
}

/* Delivers what has come of the message at the base, if that is more than its header. Returns the length of the whole
 * with its prefix, 0 when that is not known. */
static uint32_t deliver_part(struct tcp_shared *t, struct tcp_stream *s)
{
    struct tcp_buffer *b = &s->buffer;
    uint32_t have = tcp_buffer_ready(b), whole;
    if (have < PREFIX)
        return 0;
    have = have < sizeof(t->message) ? have : (uint32_t)sizeof(t->message);
    tcp_buffer_read(b, &t->pool, 0, have, t->message);
    whole = PREFIX + load_be16(t->message);
    if (have > HEAD && have < whole)
        deliver(t, s, t->message + PREFIX, have - PREFIX, false, tcp_buffer_time(b, &t->pool, 0, have));
    return whole;
}

/* ---- getting in step ---- */

bool tcp_begins_message(const struct tcp_shared *t, const uint8_t *bytes, size_t len)
{
    if (len < PREFIX || load_be16(bytes) < MESSAGE_MIN)
        return false;
    if (len == PREFIX) /* some servers send it by itself */
        return true;
    return len >= HEAD && t->options.looks_right(bytes + PREFIX, len - PREFIX);
}

/* The same of what waits at `at`, HEAD bytes or more. */
static bool begins_at(const struct tcp_shared *t, const struct tcp_buffer *b, uint32_t at)
{
    uint8_t head[HEAD];
    tcp_buffer_read(b, &t->pool, at, HEAD, head);
    return tcp_begins_message(t, head, HEAD);
}

/* Whether a message begins at `at`, where `n` bytes are at hand of what waits up to `end`: they look so, and a piece
 * begins there, or another message follows, or nothing. */
static bool is_start(const struct tcp_shared *t, const struct tcp_buffer *b, uint32_t at, uint32_t end,
                     const uint8_t *bytes, uint32_t n, bool is_piece)
{
    if (!tcp_begins_message(t, bytes, n))
        return false;
    uint32_t next = PREFIX + load_be16(bytes);
    if (is_piece || next > end - at)
        return is_piece;
    if (end - at - next < HEAD)
        return true;
    return n >= next + HEAD ? tcp_begins_message(t, bytes + next, HEAD) : begins_at(t, b, at + next);
}

/* The first place from `at` on where a message begins in what waits up to `end`; `end` when there is none. The first
 * piece behind `at` begins at `piece`. Looks at each byte once. */
static uint32_t find_start(const struct tcp_shared *t, const struct tcp_buffer *b, uint32_t at, uint32_t piece,
                           uint32_t end)
{
    uint8_t bytes[CHUNK];
    uint32_t i, n, stop;
    for (; end - at >= PREFIX; at += i) {
        n = end - at < CHUNK ? end - at : CHUNK;
        stop = at + n == end ? n - PREFIX + 1 : n - HEAD + 1;
        tcp_buffer_read(b, &t->pool, at, n, bytes);
        for (i = 0; i < stop; i++) {
            uint32_t place = at + i, len = load_be16(bytes + i);
            if (len < MESSAGE_MIN || (place < piece && len > end - place - PREFIX))
                continue;
            if (place > piece)
                piece = tcp_buffer_piece_from(b, &t->pool, place);
            if (is_start(t, b, place, end, bytes + i, n - i, place == piece))
                return place;
        }
    }
    return end;
}

static void fall_out(struct tcp_shared *t, struct tcp_stream *s)
{
    tcp_buffer_advance(&s->buffer, &t->pool, tcp_buffer_end(&s->buffer));
    s->in_step = false;
}

/* Goes on at the next place, from `at` on, where a message begins. */
static void get_in_step(struct tcp_shared *t, struct tcp_stream *s, uint32_t at)
{
    struct tcp_buffer *b = &s->buffer;
    unsigned i;
    for (i = 0; i < b->spans_count; i++) {
        struct tcp_span span = b->spans[i];
        if (span.is_used || span.to <= at)
            continue;
        uint32_t from = span.from > at ? span.from : at;
        uint32_t piece = span.from >= at ? from : tcp_buffer_piece_from(b, &t->pool, from);
        uint32_t found = find_start(t, b, from, piece, span.to);
        if (found < span.to) {
            tcp_buffer_advance(b, &t->pool, found);
            s->in_step = true;
            return;
        }
    }
    fall_out(t, s);
}

/* What waits at `at`; NULL when nothing does. */
static const struct tcp_span *span_at(const struct tcp_buffer *b, uint32_t at)
{
    unsigned i;
    for (i = 0; i < b->spans_count; i++)
        if (!b->spans[i].is_used && b->spans[i].from <= at && at < b->spans[i].to)
            return &b->spans[i];
    return NULL;
}

/* Goes on behind the message at the base, of which `have` bytes came, `whole` with its prefix. Where something else
 * than a message waits there, that was none either; where nothing does, the message's header tells. */
static void go_on_behind(struct tcp_shared *t, struct tcp_stream *s, uint32_t whole, uint32_t have)
{
    struct tcp_buffer *b = &s->buffer;
    const struct tcp_span *span = span_at(b, whole);
    bool is_next = span && (span->to - whole < HEAD || begins_at(t, b, whole));
    bool is_message = !span && have >= HEAD && begins_at(t, b, 0);
    if (is_next || (is_message && whole >= tcp_buffer_end(b)))
        tcp_buffer_advance(b, &t->pool, whole);
    else
        get_in_step(t, s, is_message ? whole : have);
}

/* ---- taking ---- */

/* Whether what waits at the base ends where bytes have been used: no message goes on there. */
static bool ends_at_used(const struct tcp_buffer *b)
{
    return b->spans_count > 1 && b->spans[1].is_used && b->spans[1].from == b->spans[0].to;
}

void tcp_take_ready(struct tcp_shared *t, struct tcp_stream *s)
{
    struct tcp_buffer *b = &s->buffer;
    uint32_t have;
    if (!s->in_step)
        get_in_step(t, s, 0);
    while (s->in_step && (have = tcp_buffer_ready(b)) > 0) {
        uint8_t prefix[PREFIX];
        uint32_t len = MESSAGE_MIN;
        if (have >= PREFIX) {
            tcp_buffer_read(b, &t->pool, 0, PREFIX, prefix);
            len = load_be16(prefix);
        }
        if (len < MESSAGE_MIN) {
            get_in_step(t, s, 1);
        } else if (have >= PREFIX + len) {
            tcp_buffer_read(b, &t->pool, 0, PREFIX + len, t->message);
            deliver(t, s, t->message + PREFIX, len, true, tcp_buffer_time(b, &t->pool, 0, PREFIX + len));
            tcp_buffer_advance(b, &t->pool, PREFIX + len);
        } else if (ends_at_used(b)) {
            (void)deliver_part(t, s);
            tcp_buffer_advance(b, &t->pool, have);
        } else {
            return;
        }
    }
}

void tcp_pass_hole(struct tcp_shared *t, struct tcp_stream *s)
{
    uint32_t have = tcp_buffer_ready(&s->buffer), whole = deliver_part(t, s);
    t->counts.gaps++;
    if (whole > 0)
        go_on_behind(t, s, whole, have);
    else
        get_in_step(t, s, have);
}

void tcp_pass_cut(struct tcp_shared *t, struct tcp_stream *s, uint32_t missing)
{
    uint32_t end = tcp_buffer_ready(&s->buffer) + missing, whole = deliver_part(t, s);
    bool is_known = whole >= end; /* else where the next message begins has been cut off too */
    tcp_buffer_advance(&s->buffer, &t->pool, is_known ? whole : end);
    s->in_step = is_known;
}

void tcp_take_all(struct tcp_shared *t, struct tcp_stream *s)
{
    uint32_t behind;
    while (tcp_buffer_waits(&s->buffer)) {
        if (tcp_buffer_has_hole(&s->buffer, &behind)) {
            tcp_pass_hole(t, s);
        } else {
            (void)deliver_part(t, s);
            tcp_buffer_advance(&s->buffer, &t->pool, tcp_buffer_ready(&s->buffer));
        }
        tcp_take_ready(t, s);
    }
    fall_out(t, s);
}
