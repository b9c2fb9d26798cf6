/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/cof.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "reader/column.h"
#include "reader/name.h"

enum {
    ENTRIES = 1 << 18,
    SLOTS = 2 * ENTRIES,
    BYTES = 32 << 20, /* of keys */
    KEY = 1 + 2 * NAME_WIRE,
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_AAAA = 28,
};

/* key: rrtype 1 | rrname | rdata, names in wire format */
struct entry {
    uint64_t hash, count;
    int64_t first_us, last_us;
    uint32_t at; /* of the key in `bytes` */
    uint16_t name_len, len;
};

struct cof {
    struct output *out;
    uint64_t seed, early;
    uint32_t count, used;
    struct entry entries[ENTRIES];
    uint32_t slots[SLOTS]; /* open addressing: index of an entry + 1, 0 = free */
    uint8_t bytes[BYTES];
};

struct cof *cof_create(struct output *out)
{
    struct cof *cof = calloc(1, sizeof(*cof)); /* touched as it fills */
    if (!cof)
        return NULL;
    cof->out = out;
    cof->seed = hash_seed();
    return cof;
}

void cof_destroy(struct cof *cof)
{
    free(cof);
}

static void print_name(struct output *out, const uint8_t *wire, size_t len)
{
    const struct dnsflow_record one = {.names = wire, .names_len = len};
    print_names(out, &one, 1, &list_json);
}

static void print_seconds(struct output *out, int64_t time_us)
{
    uint32_t seconds, us;
    clock_split(time_us, &seconds, &us);
    output_number(out, seconds);
}

static void print_entry(struct cof *cof, const struct entry *entry)
{
    struct output *out = cof->out;
    const uint8_t *key = cof->bytes + entry->at, *rdata = key + 1 + entry->name_len;
    output_text(out, "{\"rrname\":");
    print_name(out, key + 1, entry->name_len);
    if (key[0] == TYPE_CNAME) {
        output_text(out, ",\"rrtype\":\"CNAME\",\"rdata\":");
        print_name(out, rdata, entry->len - 1u - entry->name_len);
    } else {
        output_text(out, key[0] == TYPE_A ? ",\"rrtype\":\"A\",\"rdata\":" : ",\"rrtype\":\"AAAA\",\"rdata\":");
        print_addresses(out, key[0] == TYPE_A ? 4 : 6, rdata, 1, &list_json);
    }
    output_text(out, ",\"time_first\":");
    print_seconds(out, entry->first_us);
    output_text(out, ",\"time_last\":");
    print_seconds(out, entry->last_us);
    output_labelled(out, ",\"count\":", entry->count);
    output_text(out, "}\n");
}

void cof_print(struct cof *cof)
{
    uint32_t i;
    for (i = 0; i < cof->count; i++)
        print_entry(cof, &cof->entries[i]);
    if (cof->count > 0)
        memset(cof->slots, 0, sizeof(cof->slots));
    cof->count = cof->used = 0;
}

uint64_t cof_early(const struct cof *cof)
{
    return cof->early;
}

static void count(struct entry *entry, int64_t time_us)
{
    entry->count++;
    if (time_us < entry->first_us)
        entry->first_us = time_us;
    if (time_us > entry->last_us)
        entry->last_us = time_us;
}

static void add_key(struct cof *cof, const uint8_t *key, size_t len, size_t name_len, int64_t time_us)
{
    uint64_t hash = hash_bytes(cof->seed, key, len);
    uint32_t slot = (uint32_t)hash % SLOTS;
    for (; cof->slots[slot]; slot = (slot + 1) % SLOTS) {
        struct entry *entry = &cof->entries[cof->slots[slot] - 1];
        if (entry->hash == hash && entry->len == len && entry->name_len == name_len &&
            memcmp(cof->bytes + entry->at, key, len) == 0) {
            count(entry, time_us);
            return;
        }
    }
    if (cof->count == ENTRIES || BYTES - cof->used < len) {
        cof_print(cof);
        cof->early++;
        slot = (uint32_t)hash % SLOTS;
    }
    cof->entries[cof->count] = (struct entry){.hash = hash,
                                              .count = 1,
                                              .first_us = time_us,
                                              .last_us = time_us,
                                              .at = cof->used,
                                              .name_len = (uint16_t)name_len,
                                              .len = (uint16_t)len};
    memcpy(cof->bytes + cof->used, key, len);
    cof->used += (uint32_t)len;
    cof->slots[slot] = ++cof->count;
}

static void add_addresses(struct cof *cof, uint8_t *key, size_t name_len, const uint8_t *addresses, size_t count,
                          size_t size, int64_t time_us)
{
    size_t i;
    for (i = 0; i < count; i++) {
        memcpy(key + 1 + name_len, addresses + i * size, size);
        add_key(cof, key, 1 + name_len + size, name_len, time_us);
    }
}

void cof_add(struct cof *cof, const struct dnsflow_record *record, bool is_part, int64_t time_us)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t key[KEY];
    size_t len = name_next(&walk, key + 1), next;
    if (len == 0)
        return;
    while ((next = name_next(&walk, key + 1 + len)) > 0 && !walk.has_skipped) {
        key[0] = TYPE_CNAME;
        if (!is_part)
            add_key(cof, key, 1 + len + next, len, time_us);
        memmove(key + 1, key + 1 + len, next);
        len = next;
    }
    if (walk.has_skipped) /* what led to what is not known */
        return;
    key[0] = TYPE_A;
    add_addresses(cof, key, len, record->ip4s, record->ip4s_count, 4, time_us);
    key[0] = TYPE_AAAA;
    add_addresses(cof, key, len, record->ip6s, record->ip6s_count, 16, time_us);
}
