/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A datagram's payload is kept in blocks of a common pool, taken as it comes in, with a bit for each unit of 8 bytes
 * that has come. The table has rows of a few places; a datagram's hash says which row it is in. */
#include "net/reassembly.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "net/ages.h"
#include "net/pool.h"

enum {
    UNIT = 8,
    PAYLOAD_MAX = 65535,
    BLOCKS_EACH = (PAYLOAD_MAX + POOL_BLOCK) / POOL_BLOCK,
    UNITS = BLOCKS_EACH * POOL_BLOCK / UNIT,
    ROW = 8, /* places in a row of the table */
    IP4_HEADER = 20,
    IP6_HEADER = 40,
    LINK_RAW = 101,
    DUPLICATES_US = 2 * SECOND_US, /* a number is not used again so soon */
};

struct place {
    uint8_t ip_vers; /* 0: free */
    uint8_t protocol;
    bool is_unwanted;      /* what comes of it is refused ... */
    bool is_done;          /* ... as it is complete; then what comes has come before */
    uint8_t addresses[32]; /* source, destination */
    uint32_t id;
    int64_t started_us, done_us;
    size_t total;                 /* bytes of the payload, 0 = the last fragment has not come */
    size_t units;                 /* how many have come */
    size_t highest;               /* end of the payload seen so far, in bytes */
    uint32_t blocks[BLOCKS_EACH]; /* of the pool, 0 = none */
    uint64_t have[UNITS / 64];
};

struct reassembly {
    struct reassembly_counts counts;
    reassembly_give_up *give_up;
    void *context;
    unsigned rows;
    struct place *places;   /* counted from 1 */
    struct ages_link *ages; /* by the time of the first fragment */
    struct pool pool;
    uint8_t whole[IP6_HEADER + PAYLOAD_MAX];
};

struct reassembly *reassembly_create(unsigned datagrams, unsigned blocks, reassembly_give_up *give_up, void *context)
{
    struct reassembly *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->give_up = give_up;
    r->context = context;
    r->rows = datagrams / ROW ? datagrams / ROW : 1;
    r->places = calloc((size_t)r->rows * ROW + 1, sizeof(*r->places));
    r->ages = calloc((size_t)r->rows * ROW + 1, sizeof(*r->ages));
    if (pool_open(&r->pool, blocks) != 0 || !r->places || !r->ages) {
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
    free(reassembly->ages);
    pool_close(&reassembly->pool);
    free(reassembly);
}

const struct reassembly_counts *reassembly_counts(const struct reassembly *reassembly)
{
    return &reassembly->counts;
}

static void release_blocks(struct reassembly *r, struct place *p)
{
    size_t i;
    for (i = 0; i < BLOCKS_EACH; i++)
        pool_give(&r->pool, p->blocks[i]);
    memset(p->blocks, 0, sizeof(p->blocks));
}

/* Keeps the place only to know the rest of the datagram by. */
static void forget(struct reassembly *r, struct place *p)
{
    release_blocks(r, p);
    p->total = p->units = p->highest = 0;
    memset(p->have, 0, sizeof(p->have));
    p->is_unwanted = true;
}

static void release(struct reassembly *r, struct place *p)
{
    release_blocks(r, p);
    ages_remove(r->ages, (uint32_t)(p - r->places));
    memset(p, 0, sizeof(*p));
}

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
static void put_together(struct reassembly *r, const struct place *p, size_t len, size_t total, int64_t time_us,
                         struct packet *out)
{
    size_t header_len = put_header(p, total, r->whole), at;
    for (at = 0; at < len; at += POOL_BLOCK) {
        size_t n = len - at < POOL_BLOCK ? len - at : POOL_BLOCK;
        memcpy(r->whole + header_len + at, pool_bytes(&r->pool, p->blocks[at / POOL_BLOCK]), n);
    }
    out->bytes = r->whole;
    out->captured_len = (uint32_t)(header_len + len);
    out->wire_len = (uint32_t)(header_len + total);
    out->time_us = time_us;
    out->link_type = LINK_RAW;
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
static void give_up(struct reassembly *r, struct place *p, int64_t now_us)
{
    struct packet beginning;
    size_t len = p->is_unwanted ? 0 : beginning_len(p);
    size_t most = PAYLOAD_MAX - (p->ip_vers == 4 ? IP4_HEADER : 0);
    size_t total = p->total ? p->total : p->highest + UNIT;
    if (len > 0 && r->give_up) {
        put_together(r, p, len, total < most ? total : most, now_us, &beginning);
        r->give_up(r->context, &beginning);
    }
    release(r, p);
}

/* Also when the clock has gone back that far. */
static bool is_expired(const struct place *p, int64_t now_us)
{
    uint64_t age = now_us > p->started_us ? (uint64_t)now_us - (uint64_t)p->started_us
                                          : (uint64_t)p->started_us - (uint64_t)now_us;
    return age > (uint64_t)REASSEMBLY_SECONDS * SECOND_US;
}

void reassembly_expire(struct reassembly *reassembly, int64_t now_us)
{
    uint32_t oldest;
    while ((oldest = ages_oldest(reassembly->ages)) != 0) {
        struct place *p = &reassembly->places[oldest];
        if (now_us != INT64_MAX && !is_expired(p, now_us))
            return;
        reassembly->counts.expired += !p->is_unwanted;
        give_up(reassembly, p, now_us == INT64_MAX ? p->started_us : now_us);
    }
}

static void evict(struct reassembly *r, struct place *p, int64_t now_us)
{
    r->counts.evicted += !p->is_unwanted;
    give_up(r, p, now_us);
}

static void set_addresses(const struct ip_fragment *f, uint8_t out[32])
{
    size_t len = f->ip_vers == 4 ? 4 : 16;
    memset(out, 0, 32);
    memcpy(out, f->src, len);
    memcpy(out + 16, f->dst, len);
}

static struct place *row_of(const struct reassembly *r, const struct ip_fragment *f, const uint8_t addresses[32])
{
    uint32_t hash = 2166136261u ^ f->id ^ f->protocol;
    size_t i;
    for (i = 0; i < 32; i += 4)
        hash = (hash ^ load_be32(addresses + i)) * 2654435761u ^ hash >> 15;
    return &r->places[1 + (size_t)(hash % r->rows) * ROW];
}

/* Of two places that another datagram could have: a free one, one that holds nothing, the older one. */
static bool is_better_place(const struct place *a, const struct place *b)
{
    if (!a->ip_vers || !b->ip_vers)
        return b->ip_vers;
    return a->is_unwanted != b->is_unwanted ? a->is_unwanted : a->started_us < b->started_us;
}

/* The datagram's place, or one for it. */
static struct place *find_place(struct reassembly *r, const struct ip_fragment *f, int64_t now_us)
{
    uint8_t addresses[32];
    set_addresses(f, addresses);
    struct place *row = row_of(r, f, addresses), *best = NULL, *p;
    for (p = row; p < row + ROW; p++) {
        if (p->ip_vers == f->ip_vers && p->protocol == f->protocol && p->id == f->id &&
            memcmp(p->addresses, addresses, sizeof(addresses)) == 0)
            return p;
        if (!best || is_better_place(p, best))
            best = p;
    }
    if (best->ip_vers)
        evict(r, best, now_us);
    best->ip_vers = f->ip_vers;
    best->protocol = f->protocol;
    best->id = f->id;
    best->started_us = now_us;
    memcpy(best->addresses, addresses, sizeof(addresses));
    ages_append(r->ages, (uint32_t)(best - r->places));
    return best;
}

/* The block that holds byte `at` of the datagram's payload; NULL when the pool is too small for one datagram. */
static uint8_t *block_at(struct reassembly *r, struct place *p, size_t at, int64_t now_us)
{
    uint32_t *block = &p->blocks[at / POOL_BLOCK];
    while (*block == 0 && (*block = pool_take(&r->pool)) == 0) {
        struct place *oldest = &r->places[ages_oldest(r->ages)];
        if (oldest == p)
            oldest = &r->places[r->ages[oldest - r->places].after];
        if (oldest == r->places)
            return NULL;
        evict(r, oldest, now_us);
    }
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

static bool store(struct reassembly *r, struct place *p, const struct ip_fragment *f, int64_t now_us)
{
    size_t done, first = f->offset / UNIT, last = (f->offset + f->len - 1) / UNIT, i;
    for (done = 0; done < f->len;) {
        size_t at = f->offset + done, room = POOL_BLOCK - at % POOL_BLOCK;
        size_t n = f->len - done < room ? f->len - done : room;
        uint8_t *block = block_at(r, p, at, now_us);
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
    return true;
}

enum reassembly_result reassembly_add(struct reassembly *reassembly, const struct ip_fragment *fragment,
                                      int64_t time_us, struct packet *out)
{
    struct reassembly *r = reassembly;
    reassembly_expire(r, time_us);
    struct place *p = find_place(r, fragment, time_us);
    if (p->is_done && (uint64_t)time_us - (uint64_t)p->done_us < DUPLICATES_US)
        return REASSEMBLY_REFUSED;
    if (p->is_unwanted && !p->is_done && fragment->offset > 0)
        return REASSEMBLY_UNWANTED;
    p->is_unwanted = p->is_done = false; /* another datagram of the same number begins */
    bool fits = is_consistent(p, fragment);
    size_t first = fragment->offset / UNIT, last = fits ? (fragment->offset + fragment->len - 1) / UNIT : first;
    size_t known = fits ? count_units(p, first, last) : 0;

    if (!fits || (known > 0 && known < last - first + 1)) {
        forget(r, p);
        return REASSEMBLY_REFUSED;
    }
    if (known > 0)
        return REASSEMBLY_REFUSED; /* a duplicate */
    if (!store(r, p, fragment, time_us)) {
        evict(r, p, time_us);
        return REASSEMBLY_REFUSED;
    }
    if (p->total == 0 || p->units != (p->total + UNIT - 1) / UNIT)
        return REASSEMBLY_HELD;
    put_together(r, p, p->total, p->total, time_us, out);
    r->counts.completed++;
    forget(r, p);
    p->is_done = true;
    p->done_us = time_us;
    return REASSEMBLY_COMPLETE;
}

void reassembly_refuse(struct reassembly *reassembly, const struct ip_fragment *fragment, int64_t time_us)
{
    forget(reassembly, find_place(reassembly, fragment, time_us));
}
