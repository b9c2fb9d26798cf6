/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One buffer: the open datagram, and behind it room for the names of the set being made, which may turn out not to
 * fit. Then the datagram is emitted without them and they move to the front of the next. */
#include "flow/encoder.h"

#include <stdlib.h>

#include "flow/wire.h"

enum {
    NAMES_ROOM = WIRE_NAMES_MAX * 255 + 64, /* slack for writers that move 16 bytes at a time */
    BUFFER = DNSFLOW_LIMIT_IP4 + WIRE_SET_HEADER + NAMES_ROOM,
};

struct dnsflow_encoder {
    struct dnsflow_encoder_options options;
    struct writer names; /* of the set being made */
    size_t used;         /* bytes of the open datagram; WIRE_HEADER = nothing in it */
    size_t sets;         /* sets in it */
    size_t trailer;      /* bytes a datagram ends with, its tag included ... */
    size_t set_trailer;  /* ... and more for each set */
    size_t tail;         /* ... so that the open one ends with these, its answers included */
    uint32_t sequence;   /* of the open datagram */
    uint64_t datagrams;
    bool has_base;
    int64_t next_base_us; /* with has_base, of the next datagram */
    int64_t base_us;      /* of the open datagram: the time of its first set, or near it */
    int64_t last_time_us; /* of its last */
    uint8_t buffer[BUFFER];
    uint8_t set_trailers[DNSFLOW_SETS_MAX * WIRE_SET_TRAILER];
    size_t answers_used; /* bytes of answers in the open datagram */
    uint8_t answers[DNSFLOW_LIMIT_IP4];
    uint8_t moved_names[NAMES_ROOM]; /* on their way to the next datagram */
};

struct dnsflow_encoder *dnsflow_encoder_create(const struct dnsflow_encoder_options *options)
{
    struct dnsflow_encoder *e;
    if (options->size != sizeof(*options) || !options->emit || (e = calloc(1, sizeof(*e))) == NULL)
        return NULL;
    e->options = *options;
    if (options->limit == 0 || options->limit > DNSFLOW_LIMIT_IP4)
        e->options.limit = DNSFLOW_LIMIT_IP4;
    if (e->options.limit < DNSFLOW_LIMIT_MIN)
        e->options.limit = DNSFLOW_LIMIT_MIN;
    if (options->sign)
        e->options.extended = 1;
    e->trailer = (e->options.extended ? WIRE_TRAILER : 0u) + (options->sign ? DNSFLOW_TAG_SIZE : 0u);
    e->set_trailer = e->options.extended ? WIRE_SET_TRAILER : 0;
    e->tail = e->trailer;
    e->used = WIRE_HEADER;
    e->sequence = 1;
    return e;
}

void dnsflow_encoder_destroy(struct dnsflow_encoder *encoder)
{
    free(encoder);
}

/* What the datagram will measure when it is closed now. */
static size_t closed_size(const struct dnsflow_encoder *e)
{
    return e->used + e->tail;
}

static void put_header(struct dnsflow_encoder *e, unsigned flags, size_t sets)
{
    if (e->options.extended)
        flags |= DNSFLOW_FLAG_EXTENDED;
    if (e->options.sign)
        flags |= DNSFLOW_FLAG_SIGNED;
    if (e->answers_used > 0)
        flags |= DNSFLOW_FLAG_ANSWERS;
    e->buffer[0] = DNSFLOW_VERSION;
    e->buffer[1] = (uint8_t)sets;
    store_be16(e->buffer + 2, (uint16_t)flags);
    store_be32(e->buffer + 4, e->sequence);
}

static void put_trailer(const struct dnsflow_encoder *e, struct writer *out, size_t len, int64_t base_time_us)
{
    write_u8(out, WIRE_EXT_VERSION);
    write_u8(out, e->options.worker);
    write_be16(out, len);
    write_be32(out, e->options.sensor_id);
    write_be32(out, e->options.start_time);
    write_be32(out, e->options.sample_rate);
    write_be64(out, (uint64_t)base_time_us);
}

/* `len` is that of the datagram with its tag, which is still to be made. */
static void emit(struct dnsflow_encoder *e, size_t len, int64_t time_us)
{
    if (e->options.sign) {
        uint8_t *tag = e->buffer + len - DNSFLOW_TAG_SIZE;
        e->options.sign(e->options.sign_context, e->buffer, len - DNSFLOW_TAG_SIZE, tag);
    }
    e->options.emit(e->options.context, e->buffer, len, time_us);
    e->sequence++;
    e->datagrams++;
    e->used = WIRE_HEADER;
    e->sets = 0;
    e->answers_used = 0;
    e->tail = e->trailer;
}

/* Emits the open datagram. The names of a set being made lie behind it, where the trailer goes: they are moved to
 * their place in the next datagram, which is theirs too if nothing else comes. */
static void close_datagram(struct dnsflow_encoder *e, size_t names_len)
{
    const size_t names_at = WIRE_HEADER + WIRE_SET_HEADER;
    size_t trailers_len = e->sets * e->set_trailer;

    if (names_len)
        memcpy(e->moved_names, e->names.start, names_len);
    put_header(e, 0, e->sets);
    if (e->options.extended) {
        struct writer out = writer_over(e->buffer + e->used, BUFFER - e->used);
        put_trailer(e, &out, WIRE_TRAILER + trailers_len + e->answers_used, e->base_us);
        write_bytes(&out, e->set_trailers, trailers_len);
        write_bytes(&out, e->answers, e->answers_used);
    }
    emit(e, closed_size(e), e->last_time_us);
    if (names_len)
        memcpy(e->buffer + names_at, e->moved_names, names_len);
    e->names = writer_over(e->buffer + names_at, NAMES_ROOM);
    e->names.at += names_len;
}

int dnsflow_encoder_flush(struct dnsflow_encoder *encoder)
{
    if (encoder->sets == 0)
        return 0;
    close_datagram(encoder, 0);
    return 1;
}

struct writer *flow_encoder_names(struct dnsflow_encoder *encoder)
{
    encoder->names = writer_over(encoder->buffer + encoder->used + WIRE_SET_HEADER, NAMES_ROOM);
    return &encoder->names;
}

/* A record on its way into sets: what is still to be placed. */
struct pending {
    const struct dnsflow_record *record;
    size_t names_len; /* padded */
    const uint8_t *ip4s, *ip6s;
    size_t ip4s_count, ip6s_count;
    size_t answers_size; /* of their area, while they are still to be placed */
    bool is_bare;        /* has no address: one set all the same */
    bool is_cut;         /* answers have been left out */
    int sets;
};

/* One more than the bytes that are left in the open datagram behind the header and the names of one more set; 0 when
 * these do not fit. */
static inline size_t room_and_one(const struct dnsflow_encoder *e, const struct pending *p)
{
    size_t need = closed_size(e) + e->set_trailer + WIRE_SET_HEADER + p->names_len;
    return need <= e->options.limit && e->sets < DNSFLOW_SETS_MAX ? e->options.limit - need + 1 : 0;
}

static inline bool fits_whole(const struct dnsflow_encoder *e, const struct pending *p)
{
    return p->ip4s_count <= WIRE_ADDRESSES_MAX && p->ip6s_count <= WIRE_ADDRESSES_MAX &&
           4 * p->ip4s_count + 16 * p->ip6s_count + p->answers_size < room_and_one(e, p);
}

static void put_set_header(uint8_t *head, const struct pending *p, size_t ip4s, size_t ip6s)
{
    const struct dnsflow_record *r = p->record;
    memset(head, 0, WIRE_SET_HEADER);
    head[0] = r->ip_vers;
    head[1] = (uint8_t)r->names_count;
    head[2] = (uint8_t)ip4s;
    head[3] = (uint8_t)ip6s;
    store_be16(head + 4, (uint16_t)p->names_len);
    if (r->ip_vers == 4) {
        memcpy(head + 8, r->client, 4);
        memcpy(head + 24, r->resolver, 4);
    } else {
        memcpy(head + 8, r->client, 16);
        memcpy(head + 24, r->resolver, 16);
    }
}

static void put_set_trailer(struct dnsflow_encoder *e, const struct pending *p)
{
    const struct dnsflow_record *r = p->record;
    unsigned flags = r->set_flags | (p->sets > 0 ? DNSFLOW_SET_CONTINUES : 0u) | (p->is_cut ? DNSFLOW_SET_CUT : 0u);
    struct writer out = writer_over(e->set_trailers + e->sets * WIRE_SET_TRAILER, WIRE_SET_TRAILER);
    write_be32(&out, (uint32_t)(int32_t)(r->time_us - e->base_us));
    write_be32(&out, r->min_ttl);
    write_be16(&out, r->qtype);
    write_be16(&out, r->client_port);
    write_be16(&out, flags);
    write_be16(&out, (unsigned)r->transport << WIRE_RCODE_BITS | r->rcode);
}

/* Those that fit `room`, in order, but for what an address takes. Once: what finds no place in the first set is left
 * out. Returns the bytes taken. Apart, so that `struct pending` stays in registers. */
__attribute__((noinline)) static size_t put_answers(struct dnsflow_encoder *e, const struct dnsflow_record *r,
                                                    size_t room)
{
    const uint8_t *at = r->answers, *end = at + r->answers_len, *last = at;
    struct dnsflow_answer answer;
    size_t least = WIRE_ANSWERS_HEADER + (r->ip4s_count > 0 ? 4u : r->ip6s_count > 0 ? 16u : 0u);
    while (dnsflow_next_answer(&at, end, &answer) && least + (size_t)(at - r->answers) <= room)
        last = at;
    size_t len = (size_t)(last - r->answers);
    if (len == 0)
        return 0;
    uint8_t *out = e->answers + e->answers_used;
    out[0] = (uint8_t)e->sets;
    store_be16(out + 1, (uint16_t)len);
    memcpy(out + WIRE_ANSWERS_HEADER, r->answers, len);
    e->answers_used += WIRE_ANSWERS_HEADER + len;
    e->tail += WIRE_ANSWERS_HEADER + len;
    return WIRE_ANSWERS_HEADER + len;
}

static bool offset_fits(int64_t base_us, int64_t time_us)
{
    int64_t offset;
    return !__builtin_sub_overflow(time_us, base_us, &offset) && offset >= INT32_MIN && offset <= INT32_MAX;
}

/* Writes one set around the names that lie in place, with as many addresses as there is room for, IPv6 after the last
 * IPv4. Returns false when there is no room for a single one. */
static bool put_set(struct dnsflow_encoder *e, struct pending *p)
{
    size_t room = room_and_one(e, p);
    if (room-- == 0)
        return false;
    if (__builtin_expect(p->answers_size > 0, 0)) {
        size_t taken = put_answers(e, p->record, room);
        p->is_cut = taken < p->answers_size;
        p->answers_size = 0;
        room -= taken;
    }
    size_t ip4s = p->ip4s_count < room / 4 ? p->ip4s_count : room / 4;
    if (ip4s > WIRE_ADDRESSES_MAX)
        ip4s = WIRE_ADDRESSES_MAX;
    room -= 4 * ip4s;
    size_t ip6s = p->ip6s_count < room / 16 ? p->ip6s_count : room / 16;
    if (ip6s > WIRE_ADDRESSES_MAX)
        ip6s = WIRE_ADDRESSES_MAX;
    if (ip4s < p->ip4s_count)
        ip6s = 0;
    if (ip4s + ip6s == 0 && !p->is_bare)
        return false;

    if (e->sets == 0)
        e->base_us =
            e->has_base && offset_fits(e->next_base_us, p->record->time_us) ? e->next_base_us : p->record->time_us;
    uint8_t *at = e->buffer + e->used;
    put_set_header(at, p, ip4s, ip6s);
    at += WIRE_SET_HEADER + p->names_len;
    if (ip4s)
        memcpy(at, p->ip4s, 4 * ip4s);
    if (ip6s)
        memcpy(at + 4 * ip4s, p->ip6s, 16 * ip6s);
    if (e->options.extended)
        put_set_trailer(e, p);
    e->used += WIRE_SET_HEADER + p->names_len + 4 * ip4s + 16 * ip6s;
    e->last_time_us = p->record->time_us;
    e->tail += e->set_trailer;
    e->sets++;
    p->ip4s += 4 * ip4s;
    p->ip4s_count -= ip4s;
    p->ip6s += 16 * ip6s;
    p->ip6s_count -= ip6s;
    p->sets++;
    return true;
}

/* Pads the names to a multiple of 4; 0 = they are none, or too many for names_len. */
static size_t pad_names(struct writer *names)
{
    write_zeros(names, -writer_len(names) & 3);
    size_t len = writer_len(names);
    return names->failed || len > UINT16_MAX ? 0 : len;
}

static size_t left_of(const struct pending *p)
{
    return p->ip4s_count + p->ip6s_count;
}

/* The names go to the next set's place before the set that has them now may leave with its datagram. */
static void copy_names(struct dnsflow_encoder *e, size_t names_len)
{
    const uint8_t *names = e->names.start;
    (void)flow_encoder_names(e);
    memmove(e->names.start, names, names_len);
}

/* One set after the other until every address has its place, or there are `most` sets. */
static void put_sets(struct dnsflow_encoder *e, struct pending *p, int most, struct flow_left_out *left_out)
{
    left_out->no_room = left_out->over_most = 0;
    while (put_set(e, p)) {
        if (__builtin_expect(left_of(p) == 0, 1))
            return;
        if (p->sets >= most || p->sets >= DNSFLOW_RECORD_SETS_MAX) {
            left_out->over_most = left_of(p);
            return;
        }
        copy_names(e, p->names_len);
        if (!fits_whole(e, p))
            close_datagram(e, p->names_len);
    }
    left_out->no_room = left_of(p);
}

/* What a record has beside addresses, which takes the trailer. False: it has nothing without. */
static inline bool begin_extended(const struct dnsflow_encoder *e, struct pending *p)
{
    bool is_bare = left_of(p) == 0;
    if (e->options.extended && p->record->answers_len > 0)
        p->answers_size = WIRE_ANSWERS_HEADER + p->record->answers_len;
    p->is_bare = is_bare;
    return e->options.extended || !is_bare;
}

int flow_encoder_commit(struct dnsflow_encoder *encoder, const struct dnsflow_record *record, int most,
                        struct flow_left_out *left_out)
{
    struct pending p = {
        .record = record,
        .ip4s = record->ip4s,
        .ip6s = record->ip6s,
        .ip4s_count = record->ip4s_count,
        .ip6s_count = record->ip6s_count,
    };
    p.names_len = pad_names(&encoder->names);
    if (record->names_count < 1 || record->names_count > WIRE_NAMES_MAX || p.names_len == 0 ||
        (record->ip_vers != 4 && record->ip_vers != 6))
        return DNSFLOW_INVALID;
    if (__builtin_expect(record->answers_len > 0 || left_of(&p) == 0, 0) && !begin_extended(encoder, &p))
        return DNSFLOW_INVALID;
    if (encoder->sets > 0 &&
        (!fits_whole(encoder, &p) || (encoder->options.extended && !offset_fits(encoder->base_us, record->time_us))))
        close_datagram(encoder, p.names_len);
    put_sets(encoder, &p, most, left_out);
    left_out->answers = p.is_cut;
    if (encoder->sets == DNSFLOW_SETS_MAX)
        close_datagram(encoder, 0);
    return p.sets > 0 ? p.sets : DNSFLOW_OVERSIZE;
}

/* As a decoder gives them, records of versions below 4 lack a resolver, and those of version 0 have names in text. */
static bool is_whole(const struct dnsflow_record *r)
{
    return r->client && r->resolver && r->names && !r->names_text && (r->ip4s || r->ip4s_count == 0) &&
           (r->ip6s || r->ip6s_count == 0) && (r->answers || r->answers_len == 0);
}

int dnsflow_encoder_add(struct dnsflow_encoder *encoder, const struct dnsflow_record *record)
{
    struct flow_left_out left_out;
    size_t used;
    struct writer *names = flow_encoder_names(encoder);
    if (!is_whole(record) || !wire_names_valid(record->names, record->names_len, record->names_count, &used) ||
        used != record->names_len || record->rcode > DNSFLOW_RCODE_MAX || record->transport > DNSFLOW_OVER_MAX ||
        (record->answers_len > 0 && !wire_answers_valid(record->answers, record->answers_len)))
        return DNSFLOW_INVALID;
    write_bytes(names, record->names, record->names_len);
    return flow_encoder_commit(encoder, record, DNSFLOW_RECORD_SETS_MAX, &left_out);
}

int dnsflow_encoder_stats(struct dnsflow_encoder *encoder, const struct dnsflow_stats *stats, int64_t time_us,
                          const uint64_t *counters, size_t counters_count)
{
    size_t i;
    if (counters_count > WIRE_COUNTERS_MAX || (counters_count > 0 && !counters))
        return DNSFLOW_INVALID;
    dnsflow_encoder_flush(encoder);
    put_header(encoder, DNSFLOW_FLAG_STATS, 1);
    struct writer out = writer_over(encoder->buffer + WIRE_HEADER, BUFFER - WIRE_HEADER);
    write_be32(&out, stats->pkts_captured);
    write_be32(&out, stats->pkts_received);
    write_be32(&out, stats->pkts_dropped);
    write_be32(&out, stats->pkts_ifdropped);
    write_be32(&out, stats->sample_rate);
    if (encoder->options.extended) {
        put_trailer(encoder, &out, WIRE_TRAILER + 4 + 8 * counters_count, time_us);
        write_be16(&out, counters_count);
        write_be16(&out, 0);
        for (i = 0; i < counters_count; i++)
            write_be64(&out, counters[i]);
    }
    if (encoder->options.sign)
        write_zeros(&out, DNSFLOW_TAG_SIZE);
    emit(encoder, WIRE_HEADER + writer_len(&out), time_us);
    return DNSFLOW_OK;
}

void flow_encoder_set_limit(struct dnsflow_encoder *encoder, size_t limit)
{
    if (limit < DNSFLOW_LIMIT_MIN)
        limit = DNSFLOW_LIMIT_MIN;
    if (limit > DNSFLOW_LIMIT_IP4)
        limit = DNSFLOW_LIMIT_IP4;
    encoder->options.limit = limit;
    if (encoder->sets > 0 && closed_size(encoder) > limit)
        close_datagram(encoder, 0);
}

void flow_encoder_set_start(struct dnsflow_encoder *encoder, uint32_t start_time)
{
    encoder->options.start_time = start_time;
}

void flow_encoder_set_sample_rate(struct dnsflow_encoder *encoder, uint32_t sample_rate)
{
    dnsflow_encoder_flush(encoder);
    encoder->options.sample_rate = sample_rate;
}

void flow_encoder_set_base(struct dnsflow_encoder *encoder, int64_t time_us)
{
    encoder->has_base = true;
    encoder->next_base_us = time_us;
}

bool flow_encoder_is_open(const struct dnsflow_encoder *encoder)
{
    return encoder->sets > 0;
}

uint64_t flow_encoder_datagrams(const struct dnsflow_encoder *encoder)
{
    return encoder->datagrams;
}
