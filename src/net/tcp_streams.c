/* SPDX-License-Identifier: BSD-3-Clause
 *
 * At the base of a stream's buffer a message begins. Messages that end in the segment at hand are delivered straight
 * out of it; the rest waits in the buffer. */
#include "net/tcp_streams.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "net/ages.h"
#include "net/tcp_buffer.h"

enum {
    PREFIX = 2,
    MESSAGE_MIN = 12, /* a DNS header */
    MESSAGE_MAX = 65535,
    ROW = 8,
};

struct stream {
    uint8_t ip_vers; /* 0: free */
    bool is_closing; /* a FIN has come: nothing follows fin_seq */
    uint16_t src_port, dst_port;
    uint8_t src[16], dst[16];
    uint32_t fin_seq;
    uint32_t messages; /* delivered, modulo 2^32 */
    int64_t seen_us, gap_since_us;
    struct tcp_buffer buffer;
};

struct tcp_streams {
    struct tcp_options options;
    struct tcp_counts counts;
    unsigned rows;
    struct stream *streams; /* counted from 1 */
    struct ages_link *ages; /* by the last segment */
    struct pool pool;
    uint8_t message[PREFIX + MESSAGE_MAX];
};

struct tcp_streams *tcp_streams_create(const struct tcp_options *options)
{
    struct tcp_streams *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->options = *options;
    t->rows = options->streams / ROW ? options->streams / ROW : 1;
    t->streams = calloc((size_t)t->rows * ROW + 1, sizeof(*t->streams));
    t->ages = calloc((size_t)t->rows * ROW + 1, sizeof(*t->ages));
    if (pool_open(&t->pool, options->blocks) != 0 || !t->streams || !t->ages) {
        tcp_streams_destroy(t);
        return NULL;
    }
    return t;
}

void tcp_streams_destroy(struct tcp_streams *streams)
{
    if (!streams)
        return;
    free(streams->streams);
    free(streams->ages);
    pool_close(&streams->pool);
    free(streams);
}

const struct tcp_counts *tcp_streams_counts(const struct tcp_streams *streams)
{
    return &streams->counts;
}

static void release(struct tcp_streams *t, struct stream *s)
{
    tcp_buffer_clear(&s->buffer, &t->pool);
    ages_remove(t->ages, (uint32_t)(s - t->streams));
    memset(s, 0, sizeof(*s));
}

/* ---- delivering ---- */

static void deliver(struct tcp_streams *t, struct stream *s, const uint8_t *bytes, size_t len, bool complete)
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
    t->options.take(t->options.context, &message);
}

/* Delivers what has come of the message at the base, if that is more than its header. Returns the length of the whole
 * with its prefix, 0 when that is not known. */
static uint32_t deliver_part(struct tcp_streams *t, struct stream *s)
{
    uint32_t have = tcp_buffer_ready(&s->buffer), whole;
    if (have < PREFIX)
        return 0;
    tcp_buffer_read(&s->buffer, &t->pool, have < sizeof(t->message) ? have : (uint32_t)sizeof(t->message), t->message);
    whole = PREFIX + load_be16(t->message);
    if (have > PREFIX + MESSAGE_MIN && have < whole)
        deliver(t, s, t->message + PREFIX, have - PREFIX, false);
    return whole;
}

/* Delivers whole messages from the base on. False: what lies there is no message. */
static bool drain(struct tcp_streams *t, struct stream *s)
{
    for (;;) {
        uint32_t have = tcp_buffer_ready(&s->buffer);
        uint8_t prefix[PREFIX];
        if (have < PREFIX)
            return true;
        tcp_buffer_read(&s->buffer, &t->pool, PREFIX, prefix);
        uint32_t len = load_be16(prefix);
        if (len < MESSAGE_MIN)
            return false;
        if (have < PREFIX + len)
            return true;
        tcp_buffer_read(&s->buffer, &t->pool, PREFIX + len, t->message);
        deliver(t, s, t->message + PREFIX, len, true);
        tcp_buffer_advance(&s->buffer, &t->pool, PREFIX + len);
    }
}

/* The same straight out of a segment that begins at the base, as long as messages end in it. Returns what it used. */
static size_t drain_segment(struct tcp_streams *t, struct stream *s, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    while (len - used >= PREFIX + MESSAGE_MIN) {
        size_t message_len = load_be16(bytes + used);
        if (message_len < MESSAGE_MIN || len - used < PREFIX + message_len)
            break;
        deliver(t, s, bytes + used + PREFIX, message_len, true);
        used += PREFIX + message_len;
    }
    s->buffer.base += (uint32_t)used;
    return used;
}

/* ---- the table ---- */

static void give_up(struct tcp_streams *t, struct stream *s, uint64_t *count)
{
    if (s->buffer.spans_count > 0) {
        ++*count;
        (void)deliver_part(t, s);
    }
    release(t, s);
}

void tcp_streams_expire(struct tcp_streams *streams, int64_t now_us)
{
    uint32_t oldest;
    while ((oldest = ages_oldest(streams->ages)) != 0) {
        struct stream *s = &streams->streams[oldest];
        uint64_t age =
            now_us > s->seen_us ? (uint64_t)now_us - (uint64_t)s->seen_us : (uint64_t)s->seen_us - (uint64_t)now_us;
        if (now_us != INT64_MAX && age <= (uint64_t)TCP_IDLE_SECONDS * SECOND_US)
            return;
        give_up(streams, s, &streams->counts.expired);
    }
}

static bool is_of(const struct stream *s, const struct net_payload *p)
{
    size_t len = p->ip_vers == 4 ? 4 : 16;
    return s->ip_vers == p->ip_vers && s->src_port == p->src_port && s->dst_port == p->dst_port &&
           memcmp(s->src, p->src, len) == 0 && memcmp(s->dst, p->dst, len) == 0;
}

static struct stream *row_of(const struct tcp_streams *t, const struct net_payload *p)
{
    uint32_t hash = (uint32_t)p->src_port << 16 | p->dst_port;
    size_t i;
    for (i = 0; i < (p->ip_vers == 4 ? 4u : 16u); i += 4)
        hash = (hash ^ load_be32(p->src + i) ^ load_be32(p->dst + i) * 2246822519u) * 2654435761u ^ hash >> 15;
    return &t->streams[1 + (size_t)(hash % t->rows) * ROW];
}

static struct stream *find(const struct tcp_streams *t, const struct net_payload *p)
{
    struct stream *row = row_of(t, p), *s;
    for (s = row; s < row + ROW; s++)
        if (is_of(s, p))
            return s;
    return NULL;
}

/* A free place in the row, or that of the stream in it that was silent longest. */
static struct stream *add_stream(struct tcp_streams *t, const struct net_payload *p, uint32_t base, int64_t time_us)
{
    struct stream *row = row_of(t, p), *best = row, *s;
    size_t len = p->ip_vers == 4 ? 4 : 16;
    for (s = row; s < row + ROW; s++)
        if (best->ip_vers && (!s->ip_vers || s->seen_us < best->seen_us))
            best = s;
    if (best->ip_vers)
        give_up(t, best, &t->counts.evicted);
    best->ip_vers = p->ip_vers;
    best->src_port = p->src_port;
    best->dst_port = p->dst_port;
    memcpy(best->src, p->src, len);
    memcpy(best->dst, p->dst, len);
    best->buffer.base = best->buffer.origin = base;
    best->seen_us = time_us;
    ages_append(t->ages, (uint32_t)(best - t->streams));
    return best;
}

/* ---- taking segments ---- */

/* The stream that was silent longest of those that have something in hand. */
static bool make_room(void *context, const struct tcp_buffer *keep)
{
    struct tcp_streams *t = context;
    uint32_t entry;
    for (entry = ages_oldest(t->ages); entry != 0; entry = t->ages[entry].after)
        if (&t->streams[entry].buffer != keep && t->streams[entry].buffer.spans_count > 0)
            break;
    if (entry == 0)
        return false;
    give_up(t, &t->streams[entry], &t->counts.evicted);
    return true;
}

/* Whether a segment begins like a message: its length and some of its header, or just the length. */
static bool begins_message(const struct tcp_streams *t, const uint8_t *bytes, size_t len)
{
    if (len < PREFIX || load_be16(bytes) < MESSAGE_MIN)
        return false;
    if (len == PREFIX) /* some servers send it by itself */
        return true;
    return len >= PREFIX + MESSAGE_MIN && t->options.looks_right(bytes + PREFIX, len - PREFIX);
}

/* Data is missing that will not come any more: goes on at the next span that begins like a message. */
static void skip_gap(struct tcp_streams *t, struct stream *s)
{
    uint8_t head[PREFIX + MESSAGE_MIN];
    t->counts.gaps++;
    (void)deliver_part(t, s);
    if (tcp_buffer_ready(&s->buffer) > 0)
        tcp_buffer_advance(&s->buffer, &t->pool, tcp_buffer_ready(&s->buffer));
    while (s->buffer.spans_count > 0) {
        tcp_buffer_advance(&s->buffer, &t->pool, s->buffer.spans[0].from);
        uint32_t have = tcp_buffer_ready(&s->buffer), len = have < sizeof(head) ? have : (uint32_t)sizeof(head);
        tcp_buffer_read(&s->buffer, &t->pool, len, head);
        if (begins_message(t, head, len))
            break;
        tcp_buffer_advance(&s->buffer, &t->pool, have);
    }
    s->gap_since_us = 0;
}

/* The snap length has cut the segment, which ends `missing` bytes further on: what has come of the last message goes
 * out, and the stream goes on behind it. */
static bool pass_over_cut(struct tcp_streams *t, struct stream *s, uint32_t missing)
{
    uint32_t cut_end = tcp_buffer_ready(&s->buffer) + missing, whole = deliver_part(t, s);
    if (whole < cut_end) /* where the next message begins has been cut off too */
        return false;
    tcp_buffer_advance(&s->buffer, &t->pool, whole);
    return true;
}

/* Data of a known stream, the bytes before the base taken off. */
static enum tcp_result take_data(struct tcp_streams *t, struct stream *s, const struct net_payload *p, uint32_t from,
                                 const uint8_t *bytes, uint32_t len)
{
    uint32_t before = s->messages;
    bool is_new = false;
    if (from == 0 && s->buffer.spans_count == 0) {
        size_t used = drain_segment(t, s, bytes, len);
        bytes += used;
        len -= (uint32_t)used;
        is_new = used > 0;
    }
    if (len > 0 && !tcp_buffer_store(&s->buffer, &t->pool, from, bytes, len, make_room, t, &is_new))
        return s->messages != before ? TCP_DELIVERED : TCP_REFUSED;
    bool goes_on = drain(t, s);
    if (goes_on && p->len < p->wire_len &&
        s->buffer.base + tcp_buffer_ready(&s->buffer) == p->tcp_seq + (uint32_t)p->len)
        goes_on = pass_over_cut(t, s, p->wire_len - (uint32_t)p->len);
    bool has_delivered = s->messages != before;
    if (!goes_on || (s->is_closing && (int32_t)(s->buffer.base - s->fin_seq) >= 0))
        release(t, s);
    if (has_delivered)
        return TCP_DELIVERED;
    return !goes_on ? TCP_NO_START : is_new ? TCP_HELD : TCP_OLD;
}

/* Where data has been missing for long, or much lies behind it, it will not come any more. */
static void look_for_gap(struct tcp_streams *t, struct stream *s, uint32_t end, int64_t time_us)
{
    bool has_gap = s->buffer.spans_count > 1 || (s->buffer.spans_count == 1 && s->buffer.spans[0].from > 0);
    if (!has_gap) {
        s->gap_since_us = 0;
        return;
    }
    if (s->gap_since_us == 0)
        s->gap_since_us = time_us;
    bool is_old = (uint64_t)time_us - (uint64_t)s->gap_since_us > (uint64_t)TCP_GAP_SECONDS * SECOND_US;
    if (!is_old && end <= TCP_WINDOW && s->buffer.spans_count < TCP_SPANS)
        return;
    skip_gap(t, s);
    (void)drain(t, s);
}

static struct stream *open_stream(struct tcp_streams *t, const struct net_payload *p, int64_t time_us)
{
    return begins_message(t, p->bytes, p->len) ? add_stream(t, p, p->tcp_seq, time_us) : NULL;
}

static enum tcp_result add_data(struct tcp_streams *t, struct stream *s, const struct net_payload *p, int64_t time_us)
{
    if (!s && !(s = open_stream(t, p, time_us)))
        return TCP_NO_START;
    s->seen_us = time_us;
    ages_remove(t->ages, (uint32_t)(s - t->streams));
    ages_append(t->ages, (uint32_t)(s - t->streams));
    int32_t ahead = (int32_t)(p->tcp_seq - s->buffer.base);
    look_for_gap(t, s, ahead > 0 ? (uint32_t)ahead + p->wire_len : 0, time_us);
    ahead = (int32_t)(p->tcp_seq - s->buffer.base);
    if (ahead < 0 && (int64_t)ahead + p->wire_len <= 0)
        return TCP_OLD;
    if (ahead > 0 && (uint32_t)ahead + p->len > TCP_WINDOW) {
        /* Without anything in hand this is another connection of the same ports, or much has been missed. */
        if (s->buffer.spans_count > 0 || !begins_message(t, p->bytes, p->len))
            return TCP_REFUSED;
        t->counts.gaps++;
        s->buffer.base = s->buffer.origin = p->tcp_seq;
        ahead = 0;
    }
    uint32_t skip = ahead < 0 ? (uint32_t)-ahead : 0;
    if (skip >= p->len)
        return TCP_OLD; /* what would be new has been cut off */
    return take_data(t, s, p, ahead > 0 ? (uint32_t)ahead : 0, p->bytes + skip, (uint32_t)p->len - skip);
}

enum tcp_result tcp_streams_add(struct tcp_streams *streams, const struct net_payload *segment, int64_t time_us)
{
    struct tcp_streams *t = streams;
    tcp_streams_expire(t, time_us);
    struct stream *s = find(t, segment);
    struct net_payload data = *segment;
    if (s && (segment->tcp_flags & TCP_SYN) && s->buffer.origin == data.tcp_seq + 1)
        return data.wire_len > 0 ? TCP_OLD : TCP_EMPTY;
    if (s && (segment->tcp_flags & (TCP_SYN | TCP_RST))) {
        give_up(t, s, &t->counts.expired);
        s = NULL;
    }
    if (segment->tcp_flags & TCP_RST)
        return TCP_EMPTY;
    if (segment->tcp_flags & TCP_SYN) {
        data.tcp_seq++;
        s = add_stream(t, segment, data.tcp_seq, time_us);
    }
    if (s && (segment->tcp_flags & TCP_FIN)) {
        s->is_closing = true;
        s->fin_seq = data.tcp_seq + data.wire_len;
    }
    if (data.wire_len > 0)
        return data.len > 0 ? add_data(t, s, &data, time_us) : TCP_OLD;
    if (s && s->is_closing && (int32_t)(s->buffer.base - s->fin_seq) >= 0)
        release(t, s);
    return TCP_EMPTY;
}
