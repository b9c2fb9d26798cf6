/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Entries stand in a hash table, with chains, and in a heap with the rarest on top. A count only grows, so that an
 * entry only sinks. */
#include "record/sketch.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { REGISTER_BITS = 14, REGISTERS = 1 << REGISTER_BITS };

struct sketch {
    uint32_t places, used;
    uint32_t slots;    /* a power of two */
    bool is_replacing; /* a key had to go */
    uint64_t seed, total;
    size_t entry_size, key_size;
    uint8_t *entries;
    uint32_t *heap;  /* indices of entries */
    uint32_t *chain; /* by slot: index of an entry + 1, 0 = none */
    uint8_t registers[REGISTERS];
};

struct sketch *sketch_create(uint32_t places, size_t key_size)
{
    struct sketch *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->places = places;
    s->seed = hash_seed();
    s->key_size = key_size;
    s->entry_size = (sizeof(struct sketch_entry) + key_size + 7) & ~(size_t)7;
    for (s->slots = 1; s->slots < places; s->slots *= 2)
        ;
    s->entries = calloc(places, s->entry_size);
    s->heap = calloc(places, sizeof(*s->heap));
    s->chain = calloc(s->slots, sizeof(*s->chain));
    if (s->entries && s->heap && s->chain)
        return s;
    sketch_destroy(s);
    return NULL;
}

void sketch_destroy(struct sketch *sketch)
{
    if (!sketch)
        return;
    free(sketch->entries);
    free(sketch->heap);
    free(sketch->chain);
    free(sketch);
}

struct sketch_entry *sketch_at(struct sketch *sketch, uint32_t index)
{
    return (struct sketch_entry *)(void *)(sketch->entries + index * sketch->entry_size);
}

static void put_at(struct sketch *s, uint32_t at, uint32_t index)
{
    s->heap[at] = index;
    sketch_at(s, index)->heap_at = at;
}

/* Moves the entry down to where none below it is rarer. */
static void sink(struct sketch *s, struct sketch_entry *entry)
{
    uint32_t at = entry->heap_at, index = s->heap[at], child;
    for (; (child = 2 * at + 1) < s->used; at = child) {
        if (child + 1 < s->used && sketch_at(s, s->heap[child + 1])->count < sketch_at(s, s->heap[child])->count)
            child++;
        if (sketch_at(s, s->heap[child])->count >= entry->count)
            break;
        put_at(s, at, s->heap[child]);
    }
    put_at(s, at, index);
}

/* A new entry will have the smallest count there is, 1, and moves up to where that belongs. */
static struct sketch_entry *take_free(struct sketch *s)
{
    uint32_t index = s->used, at = s->used++;
    for (; at > 0 && sketch_at(s, s->heap[(at - 1) / 2])->count > 1; at = (at - 1) / 2)
        put_at(s, at, s->heap[(at - 1) / 2]);
    put_at(s, at, index);
    struct sketch_entry *entry = sketch_at(s, index);
    entry->count = entry->over = entry->before = 0;
    entry->rate = 0;
    return entry;
}

static struct sketch_entry *take_rarest(struct sketch *s)
{
    struct sketch_entry *entry = sketch_at(s, s->heap[0]);
    uint32_t *link = &s->chain[entry->hash & (s->slots - 1)];
    while (*link != s->heap[0] + 1)
        link = &sketch_at(s, *link - 1)->next;
    *link = entry->next;
    entry->over = entry->before = entry->count;
    entry->rate = 0;
    s->is_replacing = true;
    return entry;
}

/* HyperLogLog: the longest run of zeros of all hashes that share their first bits. */
static void count_distinct(struct sketch *s, uint64_t hash)
{
    uint64_t rest = hash << REGISTER_BITS | UINT64_C(1) << (REGISTER_BITS - 1);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1), *at = &s->registers[hash >> (64 - REGISTER_BITS)];
    if (*at < rank)
        *at = rank;
}

struct sketch_entry *sketch_add(struct sketch *sketch, const uint8_t *key, size_t len)
{
    if (len > sketch->key_size)
        len = sketch->key_size;
    uint64_t hash = hash_bytes(sketch->seed, key, len);
    uint32_t *slot = &sketch->chain[hash & (sketch->slots - 1)], i;
    struct sketch_entry *entry = NULL;
    sketch->total++;
    for (i = *slot; i > 0; i = entry->next) {
        entry = sketch_at(sketch, i - 1);
        if (entry->hash == hash && entry->len == len && memcmp(entry->key, key, len) == 0) {
            entry->count++;
            sink(sketch, entry);
            return entry;
        }
    }
    entry = sketch->used < sketch->places ? take_free(sketch) : take_rarest(sketch);
    entry->hash = hash;
    entry->len = (uint16_t)len;
    entry->note = 0;
    memcpy(entry->key, key, len);
    entry->next = *slot;
    *slot = sketch->heap[entry->heap_at] + 1;
    count_distinct(sketch, hash);
    entry->count++;
    sink(sketch, entry);
    return entry;
}

uint64_t sketch_total(const struct sketch *sketch)
{
    return sketch->total;
}

uint64_t sketch_error(struct sketch *sketch)
{
    return sketch->is_replacing ? sketch_at(sketch, sketch->heap[0])->count : 0;
}

uint64_t sketch_distinct(const struct sketch *sketch)
{
    double sum = 0, m = REGISTERS, estimate;
    uint32_t i, zeros = 0;
    if (!sketch->is_replacing)
        return sketch->used;
    for (i = 0; i < REGISTERS; i++) {
        sum += ldexp(1, -sketch->registers[i]);
        zeros += sketch->registers[i] == 0;
    }
    estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (estimate <= 2.5 * m && zeros > 0)
        estimate = m * log(m / zeros); /* linear counting, better while few keys have come */
    return (uint64_t)(estimate + 0.5);
}

uint32_t sketch_size(const struct sketch *sketch)
{
    return sketch->used;
}

void sketch_mark(struct sketch *sketch, double seconds)
{
    uint32_t i;
    for (i = 0; i < sketch->used; i++) {
        struct sketch_entry *entry = sketch_at(sketch, i);
        entry->rate = (double)(entry->count - entry->before) / seconds;
        entry->before = entry->count;
    }
}

void sketch_clear(struct sketch *sketch)
{
    sketch->used = 0;
    sketch->total = 0;
    sketch->is_replacing = false;
    memset(sketch->chain, 0, sketch->slots * sizeof(*sketch->chain));
    memset(sketch->registers, 0, sizeof(sketch->registers));
}
