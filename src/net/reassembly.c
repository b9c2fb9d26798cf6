/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A datagram's payload is kept in blocks of 2 KiB, taken from a common pool as it comes in, with a bit for each unit of
 * 8 bytes that has come. The table has rows of a few places; a datagram's hash says which row it is in. */
#include "net/reassembly.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"

enum {
    UNIT = 8,
    BLOCK = 2048,
    PAYLOAD_MAX = 65535,
    BLOCKS_EACH = (PAYLOAD_MAX + BLOCK) / BLOCK,
    UNITS = BLOCKS_EACH * BLOCK / UNIT,
    ROW = 8, /* places in a row of the table */
    IP4_HEADER = 20,
    IP6_HEADER = 40,
    LINK_RAW = 101,
};

struct place {
    uint8_t ip_vers; /* 0: free */
    uint8_t protocol;
    uint8_t addresses[32]; /* source, destination */
    uint32_t id;
    int64_t started_us;
    size_t total;                 /* bytes of the payload, 0 = the last fragment has not come */
    size_t units;                 /* how many have come */
    size_t highest;               /* end of the payload seen so far, in bytes */
    uint32_t blocks[BLOCKS_EACH]; /* index in the pool + 1, 0 = none */
    uint64_t have[UNITS / 64];
};

struct reassembly {
    struct reassembly_counts counts;
    unsigned rows;
    struct place *places;
    unsigned blocks_count, free_count, unused; /* blocks from `unused` on have never been taken */
    uint32_t *free_blocks;
    uint8_t *pool;
    uint8_t whole[IP6_HEADER + PAYLOAD_MAX];
};

struct reassembly *reassembly_create(unsigned datagrams, unsigned blocks)
{
    struct reassembly *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->rows = datagrams / ROW ? datagrams / ROW : 1;
    r->blocks_count = blocks;
    r->places = calloc((size_t)r->rows * ROW, sizeof(*r->places));
    r->free_blocks = calloc(blocks, sizeof(*r->free_blocks));
    r->pool = malloc((size_t)blocks * BLOCK);
    if (!r->places || !r->free_blocks || !r->pool) {
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
    free(reassembly->free_blocks);
    free(reassembly->pool);
    free(reassembly);
}

const struct reassembly_counts *reassembly_counts(const struct reassembly *reassembly)
{
    return &reassembly->counts;
}

static void release(struct reassembly *r, struct place *p)
{
    size_t i;
    for (i = 0; i < BLOCKS_EACH; i++)
        if (p->blocks[i])
            r->free_blocks[r->free_count++] = p->blocks[i];
    memset(p, 0, sizeof(*p));
}

static bool is_expired(const struct place *p, int64_t now_us)
{
    uint64_t age = now_us > p->started_us ? (uint64_t)now_us - (uint64_t)p->started_us
                                          : (uint64_t)p->started_us - (uint64_t)now_us;
    return age > (uint64_t)REASSEMBLY_SECONDS * SECOND_US;
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
    for (i = 0; i < 32; i++)
        hash = (hash ^ addresses[i]) * 16777619u;
    return &r->places[(size_t)((hash ^ hash >> 15) % r->rows) * ROW];
}

/* The datagram's place, or one for it: a free one, or that of the oldest in the row. */
static struct place *find_place(struct reassembly *r, const struct ip_fragment *f, int64_t now_us)
{
    uint8_t addresses[32];
    set_addresses(f, addresses);
    struct place *row = row_of(r, f, addresses), *best = NULL, *p;
    for (p = row; p < row + ROW; p++) {
        if (p->ip_vers && is_expired(p, now_us)) {
            r->counts.expired++;
            release(r, p);
        }
        if (p->ip_vers == f->ip_vers && p->protocol == f->protocol && p->id == f->id &&
            memcmp(p->addresses, addresses, sizeof(addresses)) == 0)
            return p;
        if (!best || (best->ip_vers && (!p->ip_vers || p->started_us < best->started_us)))
            best = p;
    }
    if (best->ip_vers) {
        r->counts.evicted++;
        release(r, best);
    }
    best->ip_vers = f->ip_vers;
    best->protocol = f->protocol;
    best->id = f->id;
    best->started_us = now_us;
    memcpy(best->addresses, addresses, sizeof(addresses));
    return best;
}

/* Frees the blocks of the oldest datagram other than `keep`. False: there is none. */
static bool evict_oldest(struct reassembly *r, const struct place *keep)
{
    struct place *oldest = NULL, *p;
    for (p = r->places; p < r->places + (size_t)r->rows * ROW; p++)
        if (p->ip_vers && p != keep && (!oldest || p->started_us < oldest->started_us))
            oldest = p;
    if (!oldest)
        return false;
    r->counts.evicted++;
    release(r, oldest);
    return true;
}

/* The block that holds byte `at` of the datagram's payload; NULL when the pool is too small for one datagram. */
static uint8_t *block_at(struct reassembly *r, struct place *p, size_t at)
{
    uint32_t *index = &p->blocks[at / BLOCK];
    while (*index == 0) {
        if (r->free_count > 0)
            *index = r->free_blocks[--r->free_count];
        else if (r->unused < r->blocks_count)
            *index = ++r->unused;
        else if (!evict_oldest(r, p))
            return NULL;
    }
    return r->pool + (size_t)(*index - 1) * BLOCK;
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
    size_t end = f->offset + f->len;
    if (!f->whole || f->len == 0 || end > PAYLOAD_MAX || (f->more && f->len % UNIT != 0))
        return false;
    if (p->total > 0 && (end > p->total || (!f->more && end != p->total)))
        return false;
    return f->more || end >= p->highest;
}

static bool store(struct reassembly *r, struct place *p, const struct ip_fragment *f)
{
    size_t done, first = f->offset / UNIT, last = (f->offset + f->len - 1) / UNIT, i;
    for (done = 0; done < f->len;) {
        size_t at = f->offset + done, room = BLOCK - at % BLOCK;
        size_t n = f->len - done < room ? f->len - done : room;
        uint8_t *block = block_at(r, p, at);
        if (!block)
            return false;
        memcpy(block + at % BLOCK, f->bytes + done, n);
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

/* A header without options or extension headers, as the walk needs it; its checksum is not filled in. */
static size_t put_header(const struct place *p, uint8_t *out)
{
    if (p->ip_vers == 4) {
        memset(out, 0, IP4_HEADER);
        out[0] = 0x45;
        store_be16(out + 2, (uint16_t)(IP4_HEADER + p->total));
        out[8] = 64;
        out[9] = p->protocol;
        memcpy(out + 12, p->addresses, 4);
        memcpy(out + 16, p->addresses + 16, 4);
        return IP4_HEADER;
    }
    memset(out, 0, IP6_HEADER);
    out[0] = 0x60;
    store_be16(out + 4, (uint16_t)p->total);
    out[6] = p->protocol;
    out[7] = 64;
    memcpy(out + 8, p->addresses, 32);
    return IP6_HEADER;
}

static void complete(struct reassembly *r, struct place *p, int64_t time_us, struct packet *out)
{
    size_t header_len = put_header(p, r->whole), at;
    for (at = 0; at < p->total; at += BLOCK) {
        size_t n = p->total - at < BLOCK ? p->total - at : BLOCK;
        memcpy(r->whole + header_len + at, r->pool + (size_t)(p->blocks[at / BLOCK] - 1) * BLOCK, n);
    }
    out->bytes = r->whole;
    out->captured_len = out->wire_len = (uint32_t)(header_len + p->total);
    out->time_us = time_us;
    out->link_type = LINK_RAW;
    r->counts.completed++;
    release(r, p);
}

bool reassembly_add(struct reassembly *reassembly, const struct ip_fragment *fragment, int64_t time_us,
                    struct packet *out)
{
    struct place *p = find_place(reassembly, fragment, time_us);
    size_t most = PAYLOAD_MAX - (fragment->ip_vers == 4 ? IP4_HEADER : 0);
    bool fits = is_consistent(p, fragment) && fragment->offset + fragment->len <= most;
    size_t first = fragment->offset / UNIT, last = fits ? (fragment->offset + fragment->len - 1) / UNIT : first;
    size_t known = fits ? count_units(p, first, last) : 0;

    if (!fits || (known > 0 && known < last - first + 1)) {
        reassembly->counts.refused++;
        release(reassembly, p);
        return false;
    }
    reassembly->counts.held++;
    if (known > 0)
        return false; /* a duplicate */
    if (!store(reassembly, p, fragment)) {
        reassembly->counts.evicted++;
        release(reassembly, p);
        return false;
    }
    if (p->total == 0 || p->units != (p->total + UNIT - 1) / UNIT)
        return false;
    complete(reassembly, p, time_us, out);
    return true;
}
