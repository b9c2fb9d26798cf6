/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { FIRST_SLOTS = 1024, FIRST_BYTES = 16384 };

struct entry {
    struct intern_count count;
    size_t at;
    uint32_t len;
    uint32_t hash;
};

/* The hash beside the number, so that entries of other keys are seldom looked at. */
struct slot {
    uint32_t number; /* + 1; 0 = free */
    uint32_t hash;
};

struct intern {
    uint64_t seed;
    struct entry *entries; /* slots / 2 of them */
    struct slot *slots;    /* open addressing */
    uint32_t count, slots_count;
    uint8_t *bytes;
    size_t used, size;
};

struct intern *intern_create(void)
{
    struct intern *in = calloc(1, sizeof(*in));
    if (!in)
        return NULL;
    in->seed = hash_seed();
    in->slots_count = FIRST_SLOTS;
    in->size = FIRST_BYTES;
    in->slots = calloc(in->slots_count, sizeof(*in->slots));
    in->entries = malloc(in->slots_count / 2 * sizeof(*in->entries));
    in->bytes = malloc(in->size);
    if (in->slots && in->entries && in->bytes)
        return in;
    intern_destroy(in);
    return NULL;
}

void intern_destroy(struct intern *intern)
{
    if (!intern)
        return;
    free(intern->slots);
    free(intern->entries);
    free(intern->bytes);
    free(intern);
}

/* Twice the room for keys. */
static int grow_slots(struct intern *in)
{
    uint32_t count = 2 * in->slots_count, i;
    struct entry *entries = realloc(in->entries, count / 2 * sizeof(*entries));
    if (!entries)
        return -1;
    in->entries = entries;
    struct slot *slots = calloc(count, sizeof(*slots));
    if (!slots)
        return -1;
    for (i = 0; i < in->count; i++) {
        uint32_t slot = entries[i].hash & (count - 1);
        while (slots[slot].number)
            slot = (slot + 1) & (count - 1);
        slots[slot] = (struct slot){i + 1, entries[i].hash};
    }
    free(in->slots);
    in->slots = slots;
    in->slots_count = count;
    return 0;
}

static int grow_bytes(struct intern *in, size_t len)
{
    size_t size = in->size;
    while (size - in->used < len)
        size *= 2;
    if (size == in->size)
        return 0;
    uint8_t *bytes = realloc(in->bytes, size);
    if (!bytes)
        return -1;
    in->bytes = bytes;
    in->size = size;
    return 0;
}

/* The slot of the key, or the free one where it would be. */
static uint32_t find_slot(const struct intern *in, const uint8_t *key, size_t len, uint32_t hash)
{
    uint32_t mask = in->slots_count - 1, slot = hash & mask;
    for (; in->slots[slot].number; slot = (slot + 1) & mask) {
        if (in->slots[slot].hash != hash)
            continue;
        const struct entry *e = &in->entries[in->slots[slot].number - 1];
        if (e->len == len && memcmp(in->bytes + e->at, key, len) == 0)
            break;
    }
    return slot;
}

uint32_t intern_find(const struct intern *intern, const uint8_t *key, size_t len)
{
    uint32_t hash = (uint32_t)hash_bytes(intern->seed, key, len);
    return intern->slots[find_slot(intern, key, len, hash)].number - 1;
}

uint32_t intern_add(struct intern *intern, const uint8_t *key, size_t len)
{
    uint32_t hash = (uint32_t)hash_bytes(intern->seed, key, len), mask = intern->slots_count - 1;
    uint32_t slot = find_slot(intern, key, len, hash);
    if (intern->slots[slot].number)
        return intern->slots[slot].number - 1;
    if (intern->count == intern->slots_count / 2) {
        if (grow_slots(intern) != 0)
            return INTERN_NONE;
        mask = intern->slots_count - 1;
        for (slot = hash & mask; intern->slots[slot].number;)
            slot = (slot + 1) & mask;
    }
    if (grow_bytes(intern, len) != 0)
        return INTERN_NONE;
    intern->entries[intern->count] = (struct entry){.hash = hash, .at = intern->used, .len = (uint32_t)len};
    if (len > 0)
        memcpy(intern->bytes + intern->used, key, len);
    intern->used += len;
    intern->slots[slot] = (struct slot){intern->count + 1, hash};
    return intern->count++;
}

void intern_count(struct intern *intern, uint32_t number, int64_t time_s, uint64_t rate)
{
    struct intern_count *c = &intern->entries[number].count;
    if (c->count == 0 || time_s < c->first)
        c->first = time_s;
    if (c->count == 0 || time_s > c->last)
        c->last = time_s;
    c->count++;
    c->scaled += rate;
}

void intern_add_count(struct intern *intern, uint32_t number, const struct intern_count *more)
{
    struct intern_count *c = &intern->entries[number].count;
    c->first = c->count == 0 || more->first < c->first ? more->first : c->first;
    c->last = c->count == 0 || more->last > c->last ? more->last : c->last;
    c->count += more->count;
    c->scaled += more->scaled;
}

uint32_t intern_size(const struct intern *intern)
{
    return intern->count;
}

const uint8_t *intern_key(const struct intern *intern, uint32_t number, size_t *len)
{
    *len = intern->entries[number].len;
    return intern->bytes + intern->entries[number].at;
}

const struct intern_count *intern_counted(const struct intern *intern, uint32_t number)
{
    return &intern->entries[number].count;
}

size_t intern_bytes(const struct intern *intern)
{
    return intern->used + intern->count * sizeof(struct entry) + intern->slots_count * sizeof(*intern->slots);
}

void intern_clear(struct intern *intern)
{
    memset(intern->slots, 0, intern->slots_count * sizeof(*intern->slots));
    intern->count = 0;
    intern->used = 0;
}
