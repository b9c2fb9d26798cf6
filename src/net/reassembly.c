/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A datagram's payload is kept in blocks of a common pool, taken as it comes in, with a bit for each unit of 8 bytes
 * that has come. The table has rows of a few places; a datagram's hash says which row it is in. A datagram that is
 * complete keeps its bytes as long as there is room, to know by them what repeats it. */
#include "net/reassembly.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "net/rows.h"
#include "net/numbers.h"
#include "net/pool.h"

enum {
    UNIT = 8,
    PAYLOAD_MAX = 65535,
    BLOCKS_EACH = (PAYLOAD_MAX + POOL_BLOCK) / POOL_BLOCK,
    UNITS = BLOCKS_EACH * POOL_BLOCK / UNIT,
    IP4_HEADER = 20,
    IP6_HEADER = 40,
};

enum state {
    OPEN,
    DONE,    /* complete: what repeats it is refused */
    REFUSED, /* what comes of it is not wanted */
};

_Static_assert(UNITS % 64 == 0 && POOL_BLOCK % UNIT == 0, "words of `have` and blocks hold whole units");

struct place {
    uint8_t ip_vers;  /* 0: free */
    uint8_t protocol; /* IPv6: as the first fragment says, once it has come */
    uint8_t state;
    bool is_kept;          /* done, and its bytes are still there */
    uint8_t addresses[32]; /* source, destination */
    uint32_t id;
    int64_t started_us;
    int64_t last_us;              /* capture time of the last fragment, of the one that settled it when not open */
    size_t total;                 /* bytes of the payload, 0 = not known */
    size_t units;                 /* how many have come */
    size_t highest;               /* end of the payload seen so far, in bytes */
    uint32_t blocks[BLOCKS_EACH]; /* of the pool, 0 = none */
    uint64_t have[UNITS / 64];
};

struct reassembly {
    struct reassembly_counts counts;
    reassembly_give_up *give_up;
    void *context;
    struct rows rows; /* by the time of the first fragment; held are those that are kept */
    struct place *places;
    struct pool pool;
    uint8_t whole[IP6_HEADER + PAYLOAD_MAX];
    uint8_t beginning[IP6_HEADER + PAYLOAD_MAX]; /* apart: the fragment at hand may lie in `whole` */
};

struct reassembly *reassembly_create(unsigned datagrams, unsigned blocks, uint64_t seed, reassembly_give_up *give_up,
                                     void *context)
{
    struct reassembly *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->give_up = give_up;
    r->context = context;
    r->places = rows_open(&r->rows, datagrams, sizeof(*r->places), seed);
    if (pool_open(&r->pool, blocks) != 0 || !r->places) {
        reassembly_destroy(r);
        return NULL;
    }
    return r;
}

void reassembly_destroy(struct reassembly *reassembly)
{
    if (!reassembly)
        return;
    free(reassembly->places);
    rows_close(&reassembly->rows);
    pool_close(&reassembly->pool);
    free(reassembly);
}

const struct reassembly_counts *reassembly_counts(const struct reassembly *reassembly)
{
    return &reassembly->counts;
}

/* ---- places ---- */

static uint32_t number_of(const struct reassembly *r, const struct place *p)
{
    return (uint32_t)(p - r->places);
}

static bool is_late(const struct place *p, int64_t now_us)
{
    return ages_between(p->last_us, now_us) >= (uint64_t)REASSEMBLY_REPEAT_SECONDS * SECOND_US;
}

static void drop_bytes(struct reassembly *r, struct place *p)
{
    size_t i;
    for (i = 0; i < BLOCKS_EACH; i++)
        if (p->blocks[i] != 0)
            pool_give(&r->pool, p->blocks[i]);
    memset(p->blocks, 0, sizeof(p->blocks));
    p->total = 0;
    if (p->is_kept)
        ages_remove(r->rows.held, number_of(r, p));
    p->is_kept = false;
}

static void clear(struct reassembly *r, struct place *p)
{
    drop_bytes(r, p);
    p->units = p->highest = 0;
    memset(p->have, 0, sizeof(p->have));
}

/* Keeps the place only to know the rest of the datagram by. */
static void refuse(struct reassembly *r, struct place *p, int64_t now_us)
{
    clear(r, p);
    p->state = REFUSED;
    p->last_us = now_us;
}

static void finish(struct reassembly *r, struct place *p, int64_t now_us)
{
    p->state = DONE;
    p->last_us = now_us;
    p->is_kept = true;
    ages_append(r->rows.held, number_of(r, p));
}

/* Another datagram of the same number. */
static void begin_place(struct reassembly *r, struct place *p, int64_t now_us)
{
    clear(r, p);
    p->state = OPEN;
    p->started_us = p->last_us = now_us;
    ages_remove(r->rows.ages, number_of(r, p));
    ages_append(r->rows.ages, number_of(r, p));
}

static void release(struct reassembly *r, struct place *p)
{
    drop_bytes(r, p);
    ages_remove(r->rows.ages, number_of(r, p));
    memset(p, 0, sizeof(*p));
}

/* ---- making packets ---- */

/* A header without options or extension headers, as the walk needs it; its checksum is not filled in. */
static size_t put_header(const struct place *p, size_t total, uint8_t *out)
{
    if (p->ip_vers == 4) {
        memset(out, 0, IP4_HEADER);
        out[0] = 0x45;
        store_be16(out + 2, (uint16_t)(IP4_HEADER + total));
        out[8] = 64;
        out[9] = p->protocol;
        memcpy(out + 12, p->addresses, 4);
        memcpy(out + 16, p->addresses + 16, 4);
        return IP4_HEADER;
    }
    memset(out, 0, IP6_HEADER);
    out[0] = 0x60;
    store_be16(out + 4, (uint16_t)total);
    out[6] = p->protocol;
    out[7] = 64;
    memcpy(out + 8, p->addresses, 32);
    return IP6_HEADER;
}

/* Makes a packet of the first `len` bytes of payload, of which there are `total` in all. */
static void put_together(const struct reassembly *r, const struct place *p, size_t len, size_t total, uint8_t *bytes,
                         struct packet *out)
{
    size_t header_len = put_header(p, total, bytes), at;
    for (at = 0; at < len; at += POOL_BLOCK) {
        size_t n = len - at < POOL_BLOCK ? len - at : POOL_BLOCK;
        memcpy(bytes + header_len + at, pool_bytes(&r->pool, p->blocks[at / POOL_BLOCK]), n);
    }
    out->bytes = bytes;
    out->captured_len = (uint32_t)(header_len + len);
    out->wire_len = (uint32_t)(header_len + total);
    out->time_us = p->last_us;
    out->link_type = LINKTYPE_RAW;
}

/* Bytes of the payload up to the first hole. */
static size_t beginning_len(const struct place *p)
{
    size_t unit = 0;
    while (unit < UNITS && (p->have[unit / 64] >> (unit % 64) & 1))
        unit++;
    return unit * UNIT < p->highest ? unit * UNIT : p->highest;
}

/* A datagram of which not all has come: its beginning is worth something. */
static void hand_back(struct reassembly *r, const struct place *p)
{
    struct packet beginning;
    size_t len = p->state == OPEN ? beginning_len(p) : 0;
    size_t most = PAYLOAD_MAX - (p->ip_vers == 4 ? IP4_HEADER : 0);
    size_t total = p->total ? p->total : p->highest + UNIT;
    if (len == 0 || !r->give_up)
        return;
    put_together(r, p, len, total < most ? total : most, r->beginning, &beginning);
    r->give_up(r->context, &beginning);
}

/* ---- making room ---- */

void reassembly_expire(struct reassembly *reassembly, int64_t now_us)
{
    struct reassembly *r = reassembly;
    uint32_t oldest;
    while ((oldest = ages_oldest(r->rows.held)) != 0 && is_late(&r->places[oldest], now_us))
        drop_bytes(r, &r->places[oldest]);
    while ((oldest = ages_oldest(r->rows.ages)) != 0) {
        struct place *p = &r->places[oldest];
        if (now_us != INT64_MAX && ages_between(p->started_us, now_us) <= (uint64_t)REASSEMBLY_SECONDS * SECOND_US)
            return;
        r->counts.expired += p->state == OPEN;
        hand_back(r, p);
        release(r, p);
    }
}

static void evict(struct reassembly *r, struct place *p)
{
    r->counts.evicted += p->state == OPEN;
    hand_back(r, p);
    release(r, p);
}

/* At the cost of what is only kept, then of the oldest datagram. False: there is nothing but `keep`. */
static bool make_room(struct reassembly *r, const struct place *keep)
{
    uint32_t oldest = ages_oldest(r->rows.held);
    if (oldest != 0) {
        drop_bytes(r, &r->places[oldest]);
        return true;
    }
    oldest = ages_oldest(r->rows.ages);
    if (oldest == number_of(r, keep))
        oldest = r->rows.ages[oldest].after;
    if (oldest == 0)
        return false;
    evict(r, &r->places[oldest]);
    return true;
}

/* ---- the table ---- */

static void set_addresses(const struct ip_fragment *f, uint8_t out[32])
{
    size_t len = f->ip_vers == 4 ? 4 : 16;
    memset(out, 0, 32);
    memcpy(out, f->src, len);
    memcpy(out + 16, f->dst, len);
}

/* The number is one of a protocol in IPv4 (RFC 791), of the two hosts in IPv6. */
static uint8_t key_protocol(const struct ip_fragment *f)
{
    return f->ip_vers == 4 ? f->protocol : 0;
}

static struct place *row_of(const struct reassembly *r, const struct ip_fragment *f, const uint8_t addresses[32])
{
    uint64_t number = (uint64_t)key_protocol(f) << 32 | f->id;
    return &r->places[rows_first(&r->rows, hash_bytes(r->rows.seed ^ number, addresses, 32))];
}

static bool is_of(const struct place *p, const struct ip_fragment *f, const uint8_t addresses[32])
{
    return p->ip_vers == f->ip_vers && p->id == f->id && (f->ip_vers == 6 || p->protocol == f->protocol) &&
           memcmp(p->addresses, addresses, 32) == 0;
}

/* Of two places that another datagram could have: a free one, one that is settled, the older one. */
static bool is_better_place(const struct place *a, const struct place *b)
{
    if (!a->ip_vers || !b->ip_vers)
        return b->ip_vers;
    return (a->state == OPEN) != (b->state == OPEN) ? a->state != OPEN : a->started_us < b->started_us;
}

/* The datagram's place, or one for it. */
static struct place *find_place(struct reassembly *r, const struct ip_fragment *f, int64_t now_us)
{
    uint8_t addresses[32];
    set_addresses(f, addresses);
    struct place *row = row_of(r, f, addresses), *best = NULL, *p;
    for (p = row; p < row + ROW; p++) {
        if (is_of(p, f, addresses))
            return p;
        if (!best || is_better_place(p, best))
            best = p;
    }
    if (best->ip_vers)
        evict(r, best);
    best->ip_vers = f->ip_vers;
    best->protocol = f->protocol;
    best->id = f->id;
    best->started_us = best->last_us = now_us;
    memcpy(best->addresses, addresses, sizeof(addresses));
    ages_append(r->rows.ages, number_of(r, best));
    return best;
}

/* ---- taking fragments ---- */

/* The block that holds byte `at` of the datagram's payload; NULL when the pool is too small for one datagram. */
static uint8_t *block_at(struct reassembly *r, struct place *p, size_t at)
{
    uint32_t *block = &p->blocks[at / POOL_BLOCK];
    while (*block == 0 && (*block = pool_take(&r->pool)) == 0)
        if (!make_room(r, p))
            return NULL;
    return pool_bytes(&r->pool, *block);
}

/* How many of the units first..last have come. */
static size_t count_units(const struct place *p, size_t first, size_t last)
{
    size_t n = 0, i;
    for (i = first; i <= last; i++)
        n += p->have[i / 64] >> (i % 64) & 1;
    return n;
}

/* Whether the fragment agrees with what is known of its datagram. */
static bool is_consistent(const struct place *p, const struct ip_fragment *f)
{
    size_t end = f->offset + f->len, most = PAYLOAD_MAX - (f->ip_vers == 4 ? IP4_HEADER : 0);
    if (!f->whole || f->len == 0 || end > most || (f->more && f->len % UNIT != 0))
        return false;
    if (p->total > 0 && (end > p->total || (!f->more && end != p->total)))
        return false;
    return f->more || end >= p->highest;
}

/* Whether the bytes in the fragment's place, which have all come, are the same. */
static bool holds_same(const struct reassembly *r, const struct place *p, const struct ip_fragment *f)
{
    size_t done = 0, n;
    for (; done < f->len; done += n) {
        size_t at = f->offset + done, room = POOL_BLOCK - at % POOL_BLOCK;
        n = f->len - done < room ? f->len - done : room;
        if (memcmp(pool_bytes(&r->pool, p->blocks[at / POOL_BLOCK]) + at % POOL_BLOCK, f->bytes + done, n) != 0)
            return false;
    }
    return true;
}

/* Whether the fragment has been part of a datagram that is complete. Where the bytes are gone, it is thought so. */
static bool repeats_done(const struct reassembly *r, const struct place *p, const struct ip_fragment *f)
{
    size_t end = f->offset + f->len;
    if (!p->is_kept || !f->whole)
        return true;
    return end <= p->total && f->more == (end < p->total) && holds_same(r, p, f);
}

enum agreement { ADDS, REPEATS, REPLACES, CONTRADICTS };

static enum agreement compare(const struct reassembly *r, const struct place *p, const struct ip_fragment *f)
{
    if (!is_consistent(p, f))
        return CONTRADICTS;
    size_t first = f->offset / UNIT, last = (f->offset + f->len - 1) / UNIT, known = count_units(p, first, last);
    if (known == 0)
        return ADDS;
    if (known < last - first + 1)
        return CONTRADICTS;
    return holds_same(r, p, f) ? REPEATS : REPLACES;
}

static bool store(struct reassembly *r, struct place *p, const struct ip_fragment *f, int64_t now_us)
{
    size_t done, first = f->offset / UNIT, last = (f->offset + f->len - 1) / UNIT, i;
    for (done = 0; done < f->len;) {
        size_t at = f->offset + done, room = POOL_BLOCK - at % POOL_BLOCK;
        size_t n = f->len - done < room ? f->len - done : room;
        uint8_t *block = block_at(r, p, at);
        if (!block)
            return false;
        memcpy(block + at % POOL_BLOCK, f->bytes + done, n);
        done += n;
    }
    for (i = first; i <= last; i++)
        p->have[i / 64] |= UINT64_C(1) << (i % 64);
    p->units += last - first + 1;
    if (f->offset + f->len > p->highest)
        p->highest = f->offset + f->len;
    if (!f->more)
        p->total = f->offset + f->len;
    if (f->offset == 0)
        p->protocol = f->protocol;
    if (now_us > p->last_us)
        p->last_us = now_us;
    return true;
}

/* Whether the fragment, which is none of the open datagram, can be of another one of the same number: it comes late, or
 * other bytes stand in the place of known ones. With IPv6, whose numbers come again after days, that is an attack. */
static bool is_of_another(const struct place *p, enum agreement how, int64_t now_us)
{
    return is_late(p, now_us) || (how == REPLACES && p->ip_vers == 4);
}

/* Whether a fragment adds to its datagram, which is begun anew where the number has been used again. */
static bool agrees(struct reassembly *r, struct place *p, const struct ip_fragment *f, int64_t now_us)
{
    enum agreement how = compare(r, p, f);
    if (how == REPEATS)
        return false;
    if (how != ADDS && is_of_another(p, how, now_us)) {
        r->counts.evicted++;
        hand_back(r, p);
        begin_place(r, p, now_us);
        how = compare(r, p, f);
    }
    if (how != ADDS)
        refuse(r, p, now_us);
    return how == ADDS;
}

enum reassembly_result reassembly_add(struct reassembly *reassembly, const struct ip_fragment *fragment,
                                      int64_t time_us, struct packet *out)
{
    struct reassembly *r = reassembly;
    reassembly_expire(r, time_us);
    struct place *p = find_place(r, fragment, time_us);
    if (p->state == DONE && !is_late(p, time_us) && repeats_done(r, p, fragment))
        return REASSEMBLY_REFUSED;
    if (p->state == REFUSED && !is_late(p, time_us) && fragment->offset > 0)
        return REASSEMBLY_UNWANTED;
    if (p->state != OPEN)
        begin_place(r, p, time_us);
    if (!agrees(r, p, fragment, time_us))
        return REASSEMBLY_REFUSED;
    if (!store(r, p, fragment, time_us)) {
        evict(r, p);
        return REASSEMBLY_REFUSED;
    }
    if (p->total == 0 || p->units != (p->total + UNIT - 1) / UNIT)
        return REASSEMBLY_HELD;
    put_together(r, p, p->total, p->total, r->whole, out);
    out->time_us = time_us;
    r->counts.completed++;
    finish(r, p, time_us);
    return REASSEMBLY_COMPLETE;
}

void reassembly_refuse(struct reassembly *reassembly, const struct ip_fragment *fragment, int64_t time_us)
{
    struct reassembly *r = reassembly;
    struct place *p = find_place(r, fragment, time_us);
    bool has_first = p->state == OPEN && (p->have[0] & 1);
    size_t len = fragment->len < UNIT ? fragment->len : UNIT;
    if (has_first && memcmp(pool_bytes(&r->pool, p->blocks[0]), fragment->bytes, len) != 0) {
        r->counts.evicted++; /* what is held is of another datagram */
        hand_back(r, p);
    }
    refuse(r, p, time_us);
}
