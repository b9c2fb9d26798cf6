/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of streams, and where in its stream a segment belongs. A stream that has ended keeps its place for a while,
 * to know by it what is sent again. */
#include "net/tcp_streams.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "net/rows.h"
#include "net/tcp_messages.h"

enum { KNOWN_MAX = 1 << 30 /* so far back a stream knows its bytes */ };

struct tcp_streams {
    struct tcp_shared shared;
    struct rows rows; /* by the last segment; held are those in which something waits */
    struct tcp_stream *streams;
};

struct tcp_streams *tcp_streams_create(const struct tcp_options *options)
{
    struct tcp_streams *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->shared.options = *options;
    t->streams = rows_open(&t->rows, options->streams, sizeof(*t->streams), options->seed);
    if (pool_open(&t->shared.pool, options->blocks) != 0 || !t->streams) {
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
    rows_close(&streams->rows);
    pool_close(&streams->shared.pool);
    free(streams);
}

const struct tcp_counts *tcp_streams_counts(const struct tcp_streams *streams)
{
    return &streams->shared.counts;
}

/* ---- the table ---- */

static uint32_t number_of(const struct tcp_streams *t, const struct tcp_stream *s)
{
    return (uint32_t)(s - t->streams);
}

/* Puts the stream in the list of those in which something waits, behind the others, or takes it out. */
static void note_waiting(struct tcp_streams *t, struct tcp_stream *s)
{
    if (s->is_waiting)
        ages_remove(t->rows.held, number_of(t, s));
    s->is_waiting = tcp_buffer_waits(&s->buffer);
    if (s->is_waiting)
        ages_append(t->rows.held, number_of(t, s));
}

/* Nothing more is waited for. The place is kept. */
static void end_stream(struct tcp_streams *t, struct tcp_stream *s, uint64_t *count)
{
    *count += tcp_buffer_waits(&s->buffer);
    tcp_take_all(&t->shared, s);
    s->is_closing = false;
    note_waiting(t, s);
}

static void release(struct tcp_streams *t, struct tcp_stream *s, uint64_t *count)
{
    end_stream(t, s, count);
    ages_remove(t->rows.ages, number_of(t, s));
    memset(s, 0, sizeof(*s));
}

void tcp_streams_expire(struct tcp_streams *streams, int64_t now_us)
{
    uint32_t oldest;
    while ((oldest = ages_oldest(streams->rows.ages)) != 0) {
        struct tcp_stream *s = &streams->streams[oldest];
        if (now_us != INT64_MAX && ages_between(s->seen_us, now_us) <= (uint64_t)TCP_IDLE_SECONDS * SECOND_US)
            return;
        release(streams, s, &streams->shared.counts.expired);
    }
}

static bool is_of(const struct tcp_stream *s, const struct net_payload *p)
{
    size_t len = p->ip_vers == 4 ? 4 : 16;
    return s->ip_vers == p->ip_vers && s->src_port == p->src_port && s->dst_port == p->dst_port &&
           memcmp(s->src, p->src, len) == 0 && memcmp(s->dst, p->dst, len) == 0;
}

static struct tcp_stream *row_of(const struct tcp_streams *t, const struct net_payload *p)
{
    size_t len = p->ip_vers == 4 ? 4 : 16;
    uint64_t hash = hash_bytes(t->rows.seed ^ ((uint64_t)p->src_port << 16 | p->dst_port), p->src, len);
    return &t->streams[rows_first(&t->rows, hash_bytes(hash, p->dst, len))];
}

static struct tcp_stream *find_stream(const struct tcp_streams *t, const struct net_payload *p)
{
    struct tcp_stream *row = row_of(t, p), *s;
    for (s = row; s < row + ROW; s++)
        if (is_of(s, p))
            return s;
    return NULL;
}

/* Of two places that another stream could have: a free one, one without a message to come, the one silent longer. */
static bool is_better_place(const struct tcp_stream *a, const struct tcp_stream *b)
{
    if (!a->ip_vers || !b->ip_vers)
        return b->ip_vers;
    return a->in_step != b->in_step ? b->in_step : a->seen_us < b->seen_us;
}

static struct tcp_stream *add_stream(struct tcp_streams *t, const struct net_payload *p, uint32_t base)
{
    struct tcp_stream *row = row_of(t, p), *best = row, *s;
    size_t len = p->ip_vers == 4 ? 4 : 16;
    for (s = row + 1; s < row + ROW; s++)
        if (is_better_place(s, best))
            best = s;
    if (best->ip_vers)
        release(t, best, &t->shared.counts.evicted);
    best->ip_vers = p->ip_vers;
    best->src_port = p->src_port;
    best->dst_port = p->dst_port;
    memcpy(best->src, p->src, len);
    memcpy(best->dst, p->dst, len);
    best->first = best->buffer.base = best->buffer.origin = base;
    best->in_step = true;
    ages_append(t->rows.ages, number_of(t, best));
    return best;
}

/* Another connection has the ports. */
static void begin_anew(struct tcp_streams *t, struct tcp_stream *s, uint32_t base)
{
    end_stream(t, s, &t->shared.counts.expired);
    s->past_from = s->first;
    s->past_to = s->buffer.base;
    s->first = s->buffer.base = s->buffer.origin = base;
    s->in_step = true;
    s->has_syn = false;
}

static void note_segment(struct tcp_streams *t, struct tcp_stream *s, int64_t time_us)
{
    s->seen_us = time_us;
    ages_remove(t->rows.ages, number_of(t, s));
    ages_append(t->rows.ages, number_of(t, s));
}

/* ---- where data belongs ---- */

/* The stream that was silent longest of those in which something waits. */
static bool make_room(void *context, const struct tcp_buffer *keep)
{
    struct tcp_streams *t = context;
    uint32_t oldest = ages_oldest(t->rows.held);
    if (oldest != 0 && &t->streams[oldest].buffer == keep)
        oldest = t->rows.held[oldest].after;
    if (oldest == 0)
        return false;
    end_stream(t, &t->streams[oldest], &t->shared.counts.evicted);
    return true;
}

/* How many bytes from `seq` on have come before and been used. */
static uint32_t known_len(const struct tcp_stream *s, uint32_t seq)
{
    if (seq - s->first < s->buffer.base - s->first)
        return s->buffer.base - seq;
    if (s->in_step && seq - s->buffer.base <= TCP_WINDOW)
        return 0;
    return seq - s->past_from < s->past_to - s->past_from ? s->past_to - seq : 0;
}

/* Takes what is known off the data. False: nothing is left. */
static bool skip_known(const struct tcp_stream *s, struct net_payload *data)
{
    uint32_t known = known_len(s, data->tcp_seq);
    if (known >= data->len) /* what would be new may have been cut off */
        return false;
    data->tcp_seq += known;
    data->bytes += known;
    data->len -= known;
    data->wire_len -= known;
    return true;
}

/* Passes over holes until there is room for the data, which lies far behind them or would make one too many. */
static void make_way(struct tcp_streams *t, struct tcp_stream *s, const struct net_payload *data)
{
    struct tcp_buffer *b = &s->buffer;
    uint32_t behind;
    while (tcp_buffer_has_hole(b, &behind)) {
        int32_t ahead = (int32_t)(data->tcp_seq - b->base);
        bool is_far = ahead > 0 && (uint32_t)ahead + data->wire_len > TCP_WINDOW;
        if (!is_far && b->spans_count < TCP_SPANS)
            return;
        tcp_pass_hole(&t->shared, s);
        tcp_take_ready(&t->shared, s);
    }
}

/* What has been missing for long will not come any more. */
static void pass_old_holes(struct tcp_streams *t, struct tcp_stream *s, int64_t time_us)
{
    struct tcp_buffer *b = &s->buffer;
    uint32_t behind;
    while (tcp_buffer_has_hole(b, &behind)) {
        int64_t since_us = tcp_buffer_time(b, &t->shared.pool, behind, behind + 1);
        if (ages_between(since_us, time_us) <= (uint64_t)TCP_GAP_SECONDS * SECOND_US)
            return;
        tcp_pass_hole(&t->shared, s);
        tcp_take_ready(&t->shared, s);
    }
}

static bool has_place(const struct tcp_stream *s, const struct net_payload *data)
{
    uint32_t ahead = data->tcp_seq - s->buffer.base;
    return s->in_step && ahead <= TCP_WINDOW && data->len <= TCP_WINDOW - ahead &&
           !(s->is_closing && (int32_t)(data->tcp_seq - s->fin_seq) >= 0);
}

/* Whether the stream, whose beginning has not been seen, can begin at `seq` instead. */
static bool move_back(struct tcp_stream *s, uint32_t seq)
{
    uint32_t used = s->buffer.base - s->first, back = s->buffer.base - seq;
    if (s->has_syn || back <= used || !tcp_buffer_retreat(&s->buffer, back, used))
        return false;
    s->first = seq;
    return true;
}

/* Makes a place for data that has none. False: it is part of nothing that is known. */
static bool make_place(struct tcp_streams *t, struct tcp_stream *s, const struct net_payload *data)
{
    uint32_t ahead = data->tcp_seq - s->buffer.base;
    bool is_next = !s->in_step && ahead <= TCP_WINDOW;
    if (is_next)
        tcp_buffer_advance(&s->buffer, &t->shared.pool, ahead);
    if (!tcp_begins_message(&t->shared, data->bytes, data->len))
        return is_next; /* a message may begin in it */
    if (!is_next && !move_back(s, data->tcp_seq)) {
        t->shared.counts.gaps += s->in_step && (int32_t)ahead > 0;
        begin_anew(t, s, data->tcp_seq);
    }
    s->in_step = true;
    return true;
}

/* ---- taking segments ---- */

/* Data that has a place. */
static enum tcp_result take_data(struct tcp_streams *t, struct tcp_stream *s, const struct net_payload *data,
                                 int64_t time_us)
{
    struct tcp_buffer *b = &s->buffer;
    uint32_t before = s->messages, from = data->tcp_seq - b->base, len = (uint32_t)data->len;
    const uint8_t *bytes = data->bytes;
    bool is_new = false;
    if (s->in_step && from == 0 && b->spans_count == 0) {
        uint32_t used = (uint32_t)tcp_take_segment(&t->shared, s, bytes, len, time_us);
        bytes += used;
        len -= used;
    }
    bool is_stored = len == 0 || tcp_buffer_store(b, &t->shared.pool, from, bytes, len, time_us, make_room, t, &is_new);
    if (!is_stored && s->in_step)
        return s->messages != before ? TCP_DELIVERED : TCP_REFUSED;
    tcp_take_ready(&t->shared, s);
    if (s->in_step && data->len < data->wire_len &&
        b->base + tcp_buffer_ready(b) == data->tcp_seq + (uint32_t)data->len) {
        tcp_pass_cut(&t->shared, s, data->wire_len - (uint32_t)data->len);
        tcp_take_ready(&t->shared, s);
    }
    if (s->messages != before)
        return TCP_DELIVERED;
    return !s->in_step ? TCP_NO_START : is_new ? TCP_HELD : TCP_OLD;
}

static enum tcp_result add_data(struct tcp_streams *t, struct tcp_stream *s, const struct net_payload *segment,
                                int64_t time_us)
{
    struct net_payload data = *segment;
    if (!skip_known(s, &data))
        return TCP_OLD;
    make_way(t, s, &data);
    if (!skip_known(s, &data))
        return TCP_OLD;
    if (!has_place(s, &data) && !make_place(t, s, &data))
        return s->in_step && (int32_t)(data.tcp_seq - s->buffer.base) > 0 ? TCP_REFUSED : TCP_NO_START;
    return take_data(t, s, &data, time_us);
}

/* A connection begins at `base`, or its SYN has come late, or again before it has ended. */
static struct tcp_stream *take_syn(struct tcp_streams *t, struct tcp_stream *s, const struct net_payload *segment,
                                   uint32_t base)
{
    if (!s)
        s = add_stream(t, segment, base);
    else if (s->first != base || (s->has_syn && !s->in_step)) {
        if (!move_back(s, base))
            begin_anew(t, s, base);
        s->in_step = true;
    }
    s->has_syn = true;
    return s;
}

/* Nothing follows a FIN; when nothing is missing before it the stream ends. */
static void take_fin(struct tcp_streams *t, struct tcp_stream *s, const struct net_payload *segment)
{
    uint32_t fin_seq = segment->tcp_seq + segment->wire_len;
    if ((segment->tcp_flags & TCP_FIN) && s->in_step && fin_seq - s->buffer.base <= TCP_WINDOW) {
        s->is_closing = true;
        s->fin_seq = fin_seq;
    }
    if (s->is_closing && (int32_t)(s->buffer.base + tcp_buffer_ready(&s->buffer) - s->fin_seq) >= 0)
        end_stream(t, s, &t->shared.counts.expired);
}

static void take_rst(struct tcp_streams *t, struct tcp_stream *s, uint32_t seq)
{
    if (seq - s->first <= s->buffer.base - s->first + TCP_WINDOW)
        end_stream(t, s, &t->shared.counts.expired);
}

enum tcp_result tcp_streams_add(struct tcp_streams *streams, const struct net_payload *segment, int64_t time_us)
{
    struct tcp_streams *t = streams;
    tcp_streams_expire(t, time_us);
    struct tcp_stream *s = find_stream(t, segment);
    struct net_payload data = *segment;
    if (segment->tcp_flags & TCP_RST) {
        if (s)
            take_rst(t, s, segment->tcp_seq);
        return TCP_EMPTY;
    }
    if (segment->tcp_flags & TCP_SYN)
        s = take_syn(t, s, segment, ++data.tcp_seq);
    if (!s && tcp_begins_message(&t->shared, segment->bytes, segment->len))
        s = add_stream(t, segment, segment->tcp_seq);
    if (!s)
        return segment->wire_len == 0 ? TCP_EMPTY : segment->len == 0 ? TCP_OLD : TCP_NO_START;
    if (segment->wire_len > 0 || (segment->tcp_flags & TCP_SYN))
        note_segment(t, s, time_us);
    enum tcp_result result = segment->wire_len == 0 ? TCP_EMPTY
                             : segment->len == 0    ? TCP_OLD
                                                    : add_data(t, s, &data, time_us);
    take_fin(t, s, &data);
    pass_old_holes(t, s, time_us);
    note_waiting(t, s);
    if (s->buffer.base - s->first > KNOWN_MAX)
        s->first = s->buffer.base - KNOWN_MAX;
    return result;
}
