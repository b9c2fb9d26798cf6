/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { FIRST_SLOTS = 1024, FIRST_WORDS = 4096, WORD = sizeof(uint64_t) };

/* A key with what is counted of it, so that a processor fetches them at once. */
struct entry {
    struct intern_count count;
    uint32_t len;
    uint8_t key[];
};

/* The hash beside the place, so that entries of other keys are seldom looked at; and the number, so that a processor
 * goes on with it while it waits for the entry. */
struct slot {
    uint32_t place; /* of the entry, in words, + 1; 0 = free */
    uint32_t hash, number;
};

struct intern {
    uint64_t seed;
    struct slot *slots; /* open addressing */
    uint32_t *places;   /* of the entries by number; slots / 2 of them */
    uint32_t count, slots_count;
    uint64_t *words; /* the entries */
    size_t used, size;
};

struct intern *intern_create(void)
{
    struct intern *in = calloc(1, sizeof(*in));
    if (!in)
        return NULL;
    in->seed = hash_seed();
    in->slots_count = FIRST_SLOTS;
    in->size = FIRST_WORDS;
    in->slots = calloc(in->slots_count, sizeof(*in->slots));
    in->places = malloc(in->slots_count / 2 * sizeof(*in->places));
    in->words = malloc(in->size * WORD);
    if (in->slots && in->places && in->words)
        return in;
    intern_destroy(in);
    return NULL;
}

void intern_destroy(struct intern *intern)
{
    if (!intern)
        return;
    free(intern->slots);
    free(intern->places);
    free(intern->words);
    free(intern);
}

static struct entry *entry_at(const struct intern *in, uint32_t number)
{
    return (struct entry *)(in->words + in->places[number]);
}

/* Twice the room for keys. */
static int grow_slots(struct intern *in)
{
    uint32_t count = 2 * in->slots_count, i;
    uint32_t *places = realloc(in->places, count / 2 * sizeof(*places));
    if (!places)
        return -1;
    in->places = places;
    struct slot *slots = calloc(count, sizeof(*slots));
    if (!slots)
        return -1;
    for (i = 0; i < in->slots_count; i++) {
        uint32_t slot = in->slots[i].hash & (count - 1);
        if (in->slots[i].place == 0)
            continue;
        while (slots[slot].place)
            slot = (slot + 1) & (count - 1);
        slots[slot] = in->slots[i];
    }
    free(in->slots);
    in->slots = slots;
    in->slots_count = count;
    return 0;
}

static int grow_words(struct intern *in, size_t count)
{
    size_t size = in->size;
    while (size - in->used < count)
        size *= 2;
    if (size == in->size)
        return 0;
    uint64_t *words = size < UINT32_MAX ? realloc(in->words, size * WORD) : NULL;
    if (!words)
        return -1;
    in->words = words;
    in->size = size;
    return 0;
}

/* Of a slot's place. */
static struct entry *entry_of(const struct intern *in, uint32_t place)
{
    return (struct entry *)(in->words + place - 1);
}

/* The slot of the key, or the free one where it would be. */
static uint32_t find_slot(const struct intern *in, const uint8_t *key, size_t len, uint32_t hash)
{
    uint32_t mask = in->slots_count - 1, slot = hash & mask;
    for (; in->slots[slot].place; slot = (slot + 1) & mask) {
        const struct entry *e = entry_of(in, in->slots[slot].place);
        if (in->slots[slot].hash == hash && e->len == len && memcmp(e->key, key, len) == 0)
            break;
    }
    return slot;
}

uint32_t intern_hash(const struct intern *intern, const uint8_t *key, size_t len)
{
    return (uint32_t)hash_bytes(intern->seed, key, len);
}

void intern_fetch_slot(const struct intern *intern, uint32_t hash)
{
    __builtin_prefetch(&intern->slots[hash & (intern->slots_count - 1)]);
}

void intern_fetch_entry(const struct intern *intern, uint32_t hash)
{
    uint32_t mask = intern->slots_count - 1, slot = hash & mask;
    while (intern->slots[slot].place && intern->slots[slot].hash != hash)
        slot = (slot + 1) & mask;
    if (intern->slots[slot].place) { /* it may begin at the end of a line of the cache */
        const struct entry *e = entry_of(intern, intern->slots[slot].place);
        __builtin_prefetch(e, 1);
        __builtin_prefetch(e->key + 2 * WORD, 1);
    }
}

uint32_t intern_find(const struct intern *intern, const uint8_t *key, size_t len)
{
    const struct slot *slot = &intern->slots[find_slot(intern, key, len, intern_hash(intern, key, len))];
    return slot->place ? slot->number : INTERN_NONE;
}

/* The key's slot, a new one if need be; NULL: out of memory. */
static const struct slot *add(struct intern *intern, const uint8_t *key, size_t len, uint32_t hash)
{
    uint32_t at = find_slot(intern, key, len, hash);
    if (intern->slots[at].place)
        return &intern->slots[at];
    if (intern->count == intern->slots_count / 2) {
        if (grow_slots(intern) != 0)
            return NULL;
        at = find_slot(intern, key, len, hash);
    }
    size_t words = (sizeof(struct entry) + len + WORD - 1) / WORD;
    if (grow_words(intern, words) != 0)
        return NULL;
    struct entry *e = (struct entry *)(intern->words + intern->used);
    *e = (struct entry){.len = (uint32_t)len};
    if (len > 0)
        memcpy(e->key, key, len);
    intern->slots[at] = (struct slot){(uint32_t)intern->used + 1, hash, intern->count};
    intern->places[intern->count++] = (uint32_t)intern->used;
    intern->used += words;
    return &intern->slots[at];
}

uint32_t intern_add_hashed(struct intern *intern, const uint8_t *key, size_t len, uint32_t hash)
{
    const struct slot *slot = add(intern, key, len, hash);
    return slot ? slot->number : INTERN_NONE;
}

uint32_t intern_add(struct intern *intern, const uint8_t *key, size_t len)
{
    return intern_add_hashed(intern, key, len, intern_hash(intern, key, len));
}

static void count_more(struct intern_count *c, const struct intern_count *more)
{
    c->first = c->count == 0 || more->first < c->first ? more->first : c->first;
    c->last = c->count == 0 || more->last > c->last ? more->last : c->last;
    c->count += more->count;
    c->scaled += more->scaled;
}

void intern_add_count(struct intern *intern, uint32_t number, const struct intern_count *more)
{
    count_more(&entry_at(intern, number)->count, more);
}

void intern_count(struct intern *intern, uint32_t number, int64_t time_s, uint64_t rate)
{
    intern_add_count(intern, number, &(struct intern_count){1, rate, time_s, time_s});
}

int intern_see(struct intern *intern, const uint8_t *key, size_t len, uint32_t hash, int64_t time_s, uint64_t rate)
{
    const struct slot *slot = add(intern, key, len, hash);
    if (!slot)
        return -1;
    count_more(&entry_of(intern, slot->place)->count, &(struct intern_count){1, rate, time_s, time_s});
    return 0;
}

uint32_t intern_size(const struct intern *intern)
{
    return intern->count;
}

const uint8_t *intern_key(const struct intern *intern, uint32_t number, size_t *len)
{
    const struct entry *e = entry_at(intern, number);
    *len = e->len;
    return e->key;
}

const struct intern_count *intern_counted(const struct intern *intern, uint32_t number)
{
    return &entry_at(intern, number)->count;
}

size_t intern_bytes(const struct intern *intern)
{
    return intern->used * WORD + intern->count * sizeof(*intern->places) + intern->slots_count * sizeof(*intern->slots);
}

void intern_clear(struct intern *intern)
{
    memset(intern->slots, 0, intern->slots_count * sizeof(*intern->slots));
    intern->count = 0;
    intern->used = 0;
}
