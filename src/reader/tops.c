/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/tops.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/dns_words.h"
#include "record/domain.h"
#include "record/field.h"
#include "record/seen.h"
#include "record/sketch.h"

enum { KEY_RCODE = 4 /* RCODE 2 | type 2 */ };

/* A row to be: an entry of a sketch, or a source. */
struct item {
    const struct sketch_entry *entry;
    const struct source *source;
};

struct tops {
    struct sources *sources;
    struct domains *domains;
    uint64_t records;
    struct seen *names_seen;
    struct sketch *sketches[TOP_TABLES]; /* of all but the sources */
    struct item items[SOURCES_MAX];      /* scratch of tops_rows() */
};

struct tops *tops_create(struct sources *sources)
{
    static const size_t key_sizes[TOP_TABLES] = {
        [TOP_NAMES] = NAME_WIRE, [TOP_DOMAINS] = NAME_WIRE, [TOP_CLIENTS] = 16,
        [TOP_RESOLVERS] = 16,    [TOP_ANSWERS] = 16,        [TOP_SUBDOMAINS] = NAME_WIRE,
        [TOP_NXDOMAIN] = 16,     [TOP_SERVFAIL] = 16,       [TOP_RCODES] = KEY_RCODE};
    struct tops *t = calloc(1, sizeof(*t));
    bool has_all = true;
    size_t i;
    if (!t)
        return NULL;
    t->sources = sources;
    t->domains = domains_create();
    t->names_seen = seen_create();
    for (i = 0; i < TOP_TABLES; i++)
        has_all &= i == TOP_SOURCES || (t->sketches[i] = sketch_create(TOP_PLACES, key_sizes[i]));
    if (t->domains && t->names_seen && has_all)
        return t;
    tops_destroy(t);
    return NULL;
}

void tops_destroy(struct tops *tops)
{
    size_t i;
    if (!tops)
        return;
    for (i = 0; i < TOP_TABLES; i++)
        sketch_destroy(tops->sketches[i]);
    domains_destroy(tops->domains);
    seen_destroy(tops->names_seen);
    free(tops);
}

/* The domain of a name is looked up once and noted with the name: 1 + where it begins. */
static void add_name(struct tops *tops, const struct dnsflow_record *record)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t wire[NAME_WIRE];
    size_t len = name_next(&walk, wire);
    if (len == 0 || walk.has_skipped) /* the question is no name */
        return;
    struct sketch_entry *entry = sketch_add(tops->sketches[TOP_NAMES], wire, len);
    if (entry->note == 0)
        entry->note = (uint8_t)(1 + domain_start(tops->domains, wire));
    size_t start = entry->note - 1u;
    uint64_t hash = entry->hash;
    sketch_add(tops->sketches[TOP_DOMAINS], wire + start, len - start);
    if (start > 0 && seen_add(tops->names_seen, hash))
        sketch_add(tops->sketches[TOP_SUBDOMAINS], wire + start, len - start);
}

/* Where the sensor tells it (--records): then it also tells what the response came by. */
static void add_rcode(struct tops *tops, const struct dnsflow_record *record)
{
    uint8_t key[KEY_RCODE];
    size_t size = record->ip_vers == 6 ? 16 : 4;
    if (record->rcode == 0 && record->transport == 0)
        return;
    store_be16(key, record->rcode);
    store_be16(key + 2, record->qtype);
    sketch_add(tops->sketches[TOP_RCODES], key, sizeof(key));
    if (record->rcode == DNS_RCODE_NXDOMAIN)
        sketch_add(tops->sketches[TOP_NXDOMAIN], record->client, size);
    else if (record->rcode == DNS_RCODE_SERVFAIL)
        sketch_add(tops->sketches[TOP_SERVFAIL], record->client, size);
}

void tops_add(struct tops *tops, const struct dnsflow_record *record, bool is_part)
{
    size_t i, size = record->ip_vers == 6 ? 16 : 4;
    for (i = 0; i < record->ip4s_count; i++)
        sketch_add(tops->sketches[TOP_ANSWERS], record->ip4s + 4 * i, 4);
    for (i = 0; i < record->ip6s_count; i++)
        sketch_add(tops->sketches[TOP_ANSWERS], record->ip6s + 16 * i, 16);
    if (is_part)
        return;
    tops->records++;
    add_name(tops, record);
    add_rcode(tops, record);
    sketch_add(tops->sketches[TOP_CLIENTS], record->client, size);
    if (record->resolver)
        sketch_add(tops->sketches[TOP_RESOLVERS], record->resolver, size);
}

uint64_t tops_records(const struct tops *tops)
{
    return tops->records;
}

void tops_mark(struct tops *tops, double seconds)
{
    size_t i;
    for (i = 0; i < TOP_TABLES; i++)
        if (i != TOP_SOURCES)
            sketch_mark(tops->sketches[i], seconds);
}

void tops_clear(struct tops *tops)
{
    size_t i;
    tops->records = 0;
    for (i = 0; i < TOP_TABLES; i++)
        if (i != TOP_SOURCES)
            sketch_clear(tops->sketches[i]);
    seen_clear(tops->names_seen);
}

static void sum_up(struct tops *tops, enum top_table table, struct top_sum *out)
{
    uint32_t i;
    memset(out, 0, sizeof(*out));
    if (table != TOP_SOURCES) {
        out->total = sketch_total(tops->sketches[table]);
        out->distinct = sketch_distinct(tops->sketches[table]);
        out->error = sketch_error(tops->sketches[table]);
        return;
    }
    out->distinct = sources_proven(tops->sources);
    for (i = 0; i < sources_count(tops->sources); i++)
        out->total += sources_at(tops->sources, i)->records;
}

/* ---- rows ---- */

static bool has_names(enum top_table table)
{
    return table == TOP_NAMES || table == TOP_DOMAINS || table == TOP_SUBDOMAINS;
}

static void rcode_text(const uint8_t key[KEY_RCODE], char text[NAME_TEXT])
{
    char rcode[FIELD_WORD_SIZE], type[FIELD_WORD_SIZE];
    snprintf(text, NAME_TEXT, "%s %s", field_rcode_word(load_be16(key), rcode),
             field_type_word(load_be16(key + 2), type));
}

static void item_text(enum top_table table, const struct item *item, char text[NAME_TEXT])
{
    const struct sketch_entry *e = item->entry;
    if (item->source)
        source_name(item->source, text);
    else if (has_names(table))
        (void)name_text(e->key, e->len, text);
    else if (table == TOP_RCODES)
        rcode_text(e->key, text);
    else
        (void)inet_ntop(e->len == 16 ? AF_INET6 : AF_INET, e->key, text, NAME_TEXT);
}

static uint64_t item_count(const struct item *item)
{
    return item->source ? item->source->records : item->entry->count;
}

static double item_rate(const struct item *item)
{
    return item->source ? item->source->rate : item->entry->rate;
}

/* What the comparison goes by. Equal ones stand in the order of their keys, so that rows do not jump. */
struct order {
    enum top_table table;
    enum top_order by;
};

static int compare_sources(const struct source *a, const struct source *b)
{
    if (a->ip_vers != b->ip_vers)
        return a->ip_vers - b->ip_vers;
    int result = memcmp(a->address, b->address, sizeof(a->address));
    return result ? result : a->port - b->port;
}

/* Addresses by their numbers, shorter ones first; names as they read. */
static int compare_keys(enum top_table table, const struct item *a, const struct item *b)
{
    char text_a[NAME_TEXT], text_b[NAME_TEXT];
    if (a->source)
        return compare_sources(a->source, b->source);
    if (has_names(table) || table == TOP_RCODES) {
        item_text(table, a, text_a);
        item_text(table, b, text_b);
        return strcmp(text_a, text_b);
    }
    if (a->entry->len != b->entry->len)
        return (int)a->entry->len - (int)b->entry->len;
    return memcmp(a->entry->key, b->entry->key, a->entry->len);
}

static int compare(const void *left, const void *right, void *context)
{
    const struct order *order = context;
    const struct item *a = left, *b = right;
    if (order->by == TOP_BY_RATE && item_rate(a) != item_rate(b))
        return item_rate(a) > item_rate(b) ? -1 : 1;
    if (order->by != TOP_BY_NAME && item_count(a) != item_count(b))
        return item_count(a) > item_count(b) ? -1 : 1;
    return compare_keys(order->table, a, b);
}

/* *most gets the largest count. */
static size_t collect(struct tops *tops, enum top_table table, const char *filter, uint64_t *most)
{
    size_t count = 0;
    *most = 0;
    uint32_t i, size = table == TOP_SOURCES ? sources_count(tops->sources) : sketch_size(tops->sketches[table]);
    char text[NAME_TEXT];
    for (i = 0; i < size; i++) {
        struct item *item = &tops->items[count];
        item->source = table == TOP_SOURCES ? sources_at(tops->sources, i) : NULL;
        item->entry = table == TOP_SOURCES ? NULL : sketch_at(tops->sketches[table], i);
        if (item->source && !item->source->is_proven)
            continue;
        if (*filter)
            item_text(table, item, text);
        if (*filter && !strstr(text, filter))
            continue;
        if (item_count(item) > *most)
            *most = item_count(item);
        count++;
    }
    return count;
}

static void fill_row(enum top_table table, const struct item *item, struct top_row *row)
{
    const struct source *s = item->source;
    item_text(table, item, row->text);
    row->count = item_count(item);
    row->over = s ? 0 : item->entry->over;
    row->rate = item_rate(item);
    if (!s)
        return;
    row->datagrams = s->data_datagrams + s->stats_datagrams;
    row->lost = s->lost;
    row->lost_percent = s->total > 0 ? 100.0 * (double)s->lost / (double)s->total : 0;
    row->dropped = s->grown[GROWN_DROPPED];
}

size_t tops_rows(struct tops *tops, enum top_table table, enum top_order order, const char *filter, size_t skip,
                 struct top_row *rows, size_t max, struct top_sum *sum)
{
    struct order by = {table, order};
    size_t i;
    sum_up(tops, table, sum);
    sum->rows = collect(tops, table, filter, &sum->most);
    qsort_r(tops->items, sum->rows, sizeof(tops->items[0]), compare, &by);
    for (i = 0; i < max && skip + i < sum->rows; i++) {
        const struct item *item = &tops->items[skip + i];
        fill_row(table, item, &rows[i]);
    }
    return i;
}
