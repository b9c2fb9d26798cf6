/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Of a record, each name leads to the next by a CNAME, and the last to the addresses; other answers stand with their
 * owner. dnsflow_read --format cof counts the same way. */
#include "store/tally.h"

#include <string.h>

#include "base/clock.h"
#include "record/field.h"
#include "record/name.h"
#include "record/rdata.h"

enum {
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_AAAA = 28,
    RDATA_MAX = 65535,
    ANSWER_HEAD = 6,
    FULL_ENTRIES = 1000000, /* below the next power of two, at which tables double */
    FULL_BYTES = 240 << 20,
};

int tally_open(struct tally *tally)
{
    memset(tally, 0, sizeof(*tally));
    tally->names = intern_create();
    tally->addresses = intern_create();
    tally->lookups = intern_create();
    tally->answers = intern_create();
    return tally->names && tally->addresses && tally->lookups && tally->answers ? 0 : -1;
}

void tally_close(struct tally *tally)
{
    intern_destroy(tally->names);
    intern_destroy(tally->addresses);
    intern_destroy(tally->lookups);
    intern_destroy(tally->answers);
    memset(tally, 0, sizeof(*tally));
}

void tally_clear(struct tally *tally)
{
    intern_clear(tally->names);
    intern_clear(tally->addresses);
    intern_clear(tally->lookups);
    intern_clear(tally->answers);
    tally->records = 0;
    tally->is_short_of_memory = false;
}

bool tally_is_full(const struct tally *tally)
{
    return tally->is_short_of_memory || intern_size(tally->lookups) >= FULL_ENTRIES ||
           intern_size(tally->answers) >= FULL_ENTRIES ||
           intern_bytes(tally->names) + intern_bytes(tally->answers) + intern_bytes(tally->lookups) >= FULL_BYTES;
}

struct tally_lookup tally_lookup_at(const struct tally *tally, uint32_t number)
{
    struct tally_lookup lookup;
    size_t len;
    memcpy(&lookup, intern_key(tally->lookups, number, &len), sizeof(lookup));
    return lookup;
}

void tally_answer_at(const struct tally *tally, uint32_t number, uint32_t *name, uint16_t *type, const uint8_t **rdata,
                     size_t *len)
{
    const uint8_t *key = intern_key(tally->answers, number, len);
    memcpy(name, key, 4);
    memcpy(type, key + 4, 2);
    *rdata = key + ANSWER_HEAD;
    *len -= ANSWER_HEAD;
}

/* A record on its way in, with the last of its names that was read. */
struct taken {
    struct tally *tally;
    const struct dnsflow_record *record;
    int64_t time_s;
    uint64_t rate;
    struct name_walk walk;
    uint32_t name_hash /* of the first */, client_hash;
    size_t len;
    uint8_t wire[NAME_WIRE];
};

static void count_waiting(struct tally *tally)
{
    struct tally_waiting *w = &tally->waiting;
    size_t i;
    for (i = 0; i < w->count; i++)
        intern_fetch_entry(w->list[i].intern, w->list[i].hash);
    for (i = 0; i < w->count; i++)
        if (intern_see(w->list[i].intern, w->keys + w->list[i].at, w->list[i].len, w->list[i].hash, w->list[i].time_s,
                       w->list[i].rate) != 0)
            tally->is_short_of_memory = true;
    w->count = w->used = 0;
}

static void count(const struct taken *t, struct intern *intern, const uint8_t *key, size_t len)
{
    struct tally_waiting *w = &t->tally->waiting;
    uint32_t hash = intern_hash(intern, key, len);
    intern_fetch_slot(intern, hash);
    if (w->count == TALLY_WAITING || w->used + len > TALLY_KEYS)
        count_waiting(t->tally);
    if (len > TALLY_KEYS) {
        t->tally->is_short_of_memory |= intern_see(intern, key, len, hash, t->time_s, t->rate) != 0;
        return;
    }
    w->list[w->count].intern = intern;
    w->list[w->count].time_s = t->time_s;
    w->list[w->count].rate = t->rate;
    w->list[w->count].hash = hash;
    w->list[w->count].at = (uint32_t)w->used;
    w->list[w->count++].len = (uint32_t)len;
    memcpy(w->keys + w->used, key, len);
    w->used += len;
}

static void add_answer_key(const struct taken *t, uint8_t *key, uint32_t name, uint16_t type, const uint8_t *rdata,
                           size_t len)
{
    memcpy(key, &name, 4);
    memcpy(key + 4, &type, 2);
    if (len > 0)
        memcpy(key + ANSWER_HEAD, rdata, len);
    if (type != TYPE_A && type != TYPE_AAAA && type != TYPE_CNAME)
        rdata_lower_names(type, key + ANSWER_HEAD, len);
    count(t, t->tally->answers, key, ANSWER_HEAD + len);
}

/* Apart, as most have no need of so much room. */
static void add_long_answer(const struct taken *t, uint32_t name, uint16_t type, const uint8_t *rdata, size_t len)
{
    uint8_t key[ANSWER_HEAD + RDATA_MAX];
    if (len <= RDATA_MAX)
        add_answer_key(t, key, name, type, rdata, len);
}

static void add_answer(const struct taken *t, uint32_t name, uint16_t type, const uint8_t *rdata, size_t len)
{
    uint8_t key[ANSWER_HEAD + NAME_WIRE];
    if (name == INTERN_NONE)
        t->tally->is_short_of_memory = true;
    else if (len > NAME_WIRE)
        add_long_answer(t, name, type, rdata, len);
    else
        add_answer_key(t, key, name, type, rdata, len);
}

static void add_addresses(const struct taken *t, uint32_t name)
{
    const struct dnsflow_record *record = t->record;
    size_t i;
    for (i = 0; i < record->ip4s_count; i++)
        add_answer(t, name, TYPE_A, record->ip4s + 4 * i, 4);
    for (i = 0; i < record->ip6s_count; i++)
        add_answer(t, name, TYPE_AAAA, record->ip6s + 16 * i, 16);
}

static void add_lookup(const struct taken *t, uint32_t name)
{
    static const uint8_t none[1];
    const struct dnsflow_record *record = t->record;
    struct tally *tally = t->tally;
    size_t len = record->ip_vers == 6 ? 16 : 4;
    const struct tally_lookup lookup = {
        .client = intern_add_hashed(tally->addresses, record->client, len, t->client_hash),
        .name = name,
        .resolver =
            intern_add(tally->addresses, record->resolver ? record->resolver : none, record->resolver ? len : 0),
        .type = record->qtype,
        .rcode = record->rcode};
    _Static_assert(sizeof(lookup) == 16, "no padding, as it is a key");
    if (lookup.client == INTERN_NONE || lookup.resolver == INTERN_NONE || name == INTERN_NONE)
        tally->is_short_of_memory = true;
    else
        count(t, tally->lookups, (const uint8_t *)&lookup, sizeof(lookup));
}

void tally_add_lookup(struct tally *tally, const uint8_t *wire, size_t wire_len, const uint8_t *client,
                      size_t client_len, const uint8_t *resolver, size_t resolver_len, const struct tally_lookup *like,
                      const struct intern_count *count)
{
    const struct tally_lookup lookup = {.client = intern_add(tally->addresses, client, client_len),
                                        .name = intern_add(tally->names, wire, wire_len),
                                        .resolver = intern_add(tally->addresses, resolver, resolver_len),
                                        .type = like->type,
                                        .rcode = like->rcode};
    uint32_t number = lookup.client == INTERN_NONE || lookup.name == INTERN_NONE || lookup.resolver == INTERN_NONE
                          ? INTERN_NONE
                          : intern_add(tally->lookups, (const uint8_t *)&lookup, sizeof(lookup));
    if (number == INTERN_NONE)
        tally->is_short_of_memory = true;
    else
        intern_add_count(tally->lookups, number, count);
}

/* Name number `owner` of the record; INTERN_NONE: it is none of them. */
static uint32_t find_owner(struct tally *tally, const struct dnsflow_record *record, unsigned owner)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t wire[NAME_WIRE];
    size_t len = 0;
    unsigned i;
    if (owner >= record->names_count)
        return INTERN_NONE;
    for (i = 0; i <= owner && (len = name_next(&walk, wire)) > 0; i++)
        ;
    return len == 0 || walk.has_skipped ? INTERN_NONE : intern_add(tally->names, wire, len);
}

static void add_others(const struct taken *t)
{
    const uint8_t *at = t->record->answers, *end = field_answers_end(t->record);
    struct dnsflow_answer answer;
    while (dnsflow_next_answer(&at, end, &answer)) {
        uint32_t name = find_owner(t->tally, t->record, answer.owner);
        if (name != INTERN_NONE)
            add_answer(t, name, answer.type, answer.rdata, answer.rdata_len);
    }
}

static void take(struct taken *t)
{
    struct tally *tally = t->tally;
    bool is_part = t->record->set_flags & DNSFLOW_SET_CONTINUES;
    if (t->record->answers_len > 0)
        add_others(t);
    if (t->len == 0)
        return;
    uint32_t name = intern_add_hashed(tally->names, t->wire, t->len, t->name_hash), next;
    if (!is_part && !tally->has_no_lookups)
        add_lookup(t, name);
    tally->records += !is_part;
    while ((t->len = name_next(&t->walk, t->wire)) > 0 && !t->walk.has_skipped) {
        next = intern_add(tally->names, t->wire, t->len);
        if (!is_part)
            add_answer(t, name, TYPE_CNAME, t->wire, t->len);
        name = next;
    }
    if (!t->walk.has_skipped) /* else what led to the addresses is not known */
        add_addresses(t, name);
}

void tally_records(struct tally *tally, const struct received *from, const struct dnsflow_record *records, size_t count,
                   uint64_t rate)
{
    struct taken taken[TALLY_TOGETHER];
    size_t i;
    for (i = 0; i < count; i++) {
        const struct dnsflow_record *record = &records[i];
        struct taken *t = &taken[i];
        t->tally = tally;
        t->record = record;
        t->time_s = received_record_time(from, record) / SECOND_US;
        t->rate = rate;
        t->walk = name_walk_over(record);
        t->len = name_next(&t->walk, t->wire);
        t->name_hash = intern_hash(tally->names, t->wire, t->len);
        t->client_hash = intern_hash(tally->addresses, record->client, record->ip_vers == 6 ? 16 : 4);
        intern_fetch_slot(tally->names, t->name_hash);
        intern_fetch_slot(tally->addresses, t->client_hash);
    }
    for (i = 0; i < count; i++) {
        intern_fetch_entry(tally->names, taken[i].name_hash);
        intern_fetch_entry(tally->addresses, taken[i].client_hash);
    }
    for (i = 0; i < count; i++)
        take(&taken[i]);
    count_waiting(tally);
}
