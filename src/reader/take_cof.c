/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Passive DNS Common Output Format (draft-dulaunoy-dnsop-passive-dns-cof): a line of JSON for each different
 * (rrname, rrtype, rdata), with the times it was seen first and last and how often. Of a record, each name leads to
 * the next by a CNAME, and the last to the addresses; other answers stand with their owner. Names are in lower case.
 * What is gathered is printed when there is no more room for it; the same may then be printed again, and its counts
 * add up. */
#include "reader/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "print/column.h"
#include "record/field.h"
#include "record/name.h"
#include "record/rdata.h"

enum {
    ENTRIES = 1 << 18,
    SLOTS = 2 * ENTRIES,
    BYTES = 32 << 20, /* of keys */
    RDATA_MAX = 1472, /* of a datagram */
    KEY = 2 + NAME_WIRE + RDATA_MAX,
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_AAAA = 28,
};

_Static_assert((int)RDATA_MAX >= (int)DNSFLOW_LIMIT_IP4, "whatever a datagram has room for is gathered");

/* key: rrtype 2 | rrname | rdata, names in wire format */
struct entry {
    uint64_t hash, count;
    int64_t first_us, last_us;
    uint32_t at; /* of the key in `bytes` */
    uint16_t name_len, len;
};

struct cof {
    struct output *out;
    int64_t printed_us; /* when what was gathered was printed last, INT64_MIN = not yet */
    uint64_t seed;
    uint64_t early; /* how often that was done for want of room */
    uint32_t count, used;
    struct entry entries[ENTRIES];
    uint32_t slots[SLOTS]; /* open addressing: index of an entry + 1, 0 = free */
    uint8_t bytes[BYTES];
};

static int open_cof(struct session *session)
{
    struct cof *cof = calloc(1, sizeof(*cof)); /* touched as it fills */
    session->taken = cof;
    if (!cof)
        return -1;
    cof->out = &session->out;
    cof->printed_us = INT64_MIN;
    cof->seed = hash_seed();
    return 0;
}

static void close_cof(struct session *session)
{
    free(session->taken);
}

static void print_name(struct output *out, const uint8_t *wire, size_t len)
{
    const struct field_names one = {.bytes = wire, .len = (uint32_t)len, .count = 1};
    print_names(out, one, &list_json);
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
    const uint8_t *key = cof->bytes + entry->at, *rdata = key + 2 + entry->name_len;
    const struct dnsflow_answer answer = {
        .type = load_be16(key), .rdata = rdata, .rdata_len = (uint16_t)(entry->len - 2u - entry->name_len)};
    char room[FIELD_WORD_SIZE];
    output_text(out, "{\"rrname\":");
    print_name(out, key + 2, entry->name_len);
    output_format(out, ",\"rrtype\":\"%s\",\"rdata\":", field_type_word(answer.type, room));
    if (answer.type == TYPE_CNAME) {
        print_name(out, rdata, answer.rdata_len);
    } else if (answer.type == TYPE_A || answer.type == TYPE_AAAA) {
        print_addresses(out, (struct field_addresses){rdata, 1, answer.type == TYPE_A ? 4 : 6}, &list_json);
    } else {
        output_char(out, '"');
        print_rdata(out, &answer, &list_json);
        output_char(out, '"');
    }
    output_text(out, ",\"time_first\":");
    print_seconds(out, entry->first_us);
    output_text(out, ",\"time_last\":");
    print_seconds(out, entry->last_us);
    output_labelled(out, ",\"count\":", entry->count);
    output_text(out, "}\n");
}

/* In the order in which it came; then it is forgotten. */
static void print_all(struct cof *cof)
{
    uint32_t i;
    for (i = 0; i < cof->count; i++)
        print_entry(cof, &cof->entries[i]);
    if (cof->count > 0)
        memset(cof->slots, 0, sizeof(cof->slots));
    cof->count = cof->used = 0;
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
        print_all(cof);
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

static void add_addresses(struct cof *cof, uint8_t *key, size_t name_len, uint16_t type, const uint8_t *addresses,
                          size_t count, int64_t time_us)
{
    size_t i, size = type == TYPE_A ? 4 : 16;
    store_be16(key, type);
    for (i = 0; i < count; i++) {
        memcpy(key + 2 + name_len, addresses + i * size, size);
        add_key(cof, key, 2 + name_len + size, name_len, time_us);
    }
}

/* Name number `owner` of the record as a key, its length; 0: it is none of them. */
static size_t owner_key(const struct dnsflow_record *record, unsigned owner, uint8_t *wire)
{
    struct name_walk walk = name_walk_over(record);
    size_t len = 0;
    unsigned i;
    for (i = 0; i <= owner && (len = name_next(&walk, wire)) > 0; i++)
        ;
    return walk.has_skipped ? 0 : len;
}

/* Of an owner that is none of the names it is not known who was asked for what. */
static void add_answers(struct cof *cof, uint8_t *key, const struct dnsflow_record *record, int64_t time_us)
{
    const uint8_t *at = record->answers, *end = field_answers_end(record);
    struct dnsflow_answer answer;
    while (dnsflow_next_answer(&at, end, &answer)) {
        size_t len = owner_key(record, answer.owner, key + 2);
        if (len == 0 || answer.owner == DNSFLOW_OWNER_OTHER || answer.rdata_len > RDATA_MAX)
            continue;
        store_be16(key, answer.type);
        memcpy(key + 2 + len, answer.rdata, answer.rdata_len);
        rdata_lower_names(answer.type, key + 2 + len, answer.rdata_len);
        add_key(cof, key, 2 + len + answer.rdata_len, len, time_us);
    }
}

/* Of a later part of a split record the CNAMEs do not count. */
static void take_record(struct session *session, const struct received *from, const struct dnsflow_record *record,
                        bool is_part)
{
    struct cof *cof = session->taken;
    int64_t time_us = received_record_time(from, record);
    struct name_walk walk = name_walk_over(record);
    uint8_t key[KEY];
    if (record->answers_len > 0)
        add_answers(cof, key, record, time_us);
    size_t len = name_next(&walk, key + 2), next;
    if (len == 0)
        return;
    while ((next = name_next(&walk, key + 2 + len)) > 0 && !walk.has_skipped) {
        store_be16(key, TYPE_CNAME);
        if (!is_part)
            add_key(cof, key, 2 + len + next, len, time_us);
        memmove(key + 2, key + 2 + len, next);
        len = next;
    }
    if (walk.has_skipped) /* what led to what is not known */
        return;
    add_addresses(cof, key, len, TYPE_A, record->ip4s, record->ip4s_count, time_us);
    add_addresses(cof, key, len, TYPE_AAAA, record->ip6s, record->ip6s_count, time_us);
}

/* The time of captures may jump back. */
static void tick(struct session *session, int64_t now_us)
{
    struct cof *cof = session->taken;
    int64_t interval_us = (int64_t)session->config->interval * SECOND_US;
    if (cof->printed_us == INT64_MIN || now_us < cof->printed_us)
        cof->printed_us = now_us;
    if (interval_us == 0 || now_us - cof->printed_us < interval_us)
        return;
    print_all(cof);
    cof->printed_us = now_us;
}

static void report(struct session *session, uint64_t dropped)
{
    struct cof *cof = session->taken;
    print_all(cof);
    session_print_summary(session, dropped);
    if (cof->early > 0)
        output_format(session->side, "printed before their time, for want of room: %" PRIu64 " times\n", cof->early);
}

const struct taker taker_cof = {
    .open = open_cof, .close = close_cof, .record = take_record, .tick = tick, .report = report};
