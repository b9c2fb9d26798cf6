/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A partition out of a tally: names, addresses and kinds are sorted and numbered, then the rows. */
#include <stdlib.h>
#include <string.h>

#include "store/builder.h"
#include "store/folded.h"

/* A key to be sorted, and the number that it had. */
struct sorted {
    const char *bytes;
    uint32_t len, number;
};

struct seal {
    const struct tally *tally;
    const struct folded *folded;
    struct builder builder;
    struct sorted *sorted;               /* of whatever is being numbered */
    uint32_t *names, *addresses, *kinds; /* number in the tally -> number in the file */
    uint32_t *kind_of;                   /* lookup -> number in `kinds_seen` */
    struct intern *kinds_seen;           /* struct kind */
    struct builder_row *rows;
};

struct kind {
    uint32_t resolver; /* in the file */
    uint16_t type, rcode;
};

static int by_bytes(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

static int by_row(const void *a, const void *b)
{
    const struct builder_row *x = a, *y = b;
    if (x->client != y->client)
        return x->client < y->client ? -1 : 1;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    return x->kind < y->kind ? -1 : x->kind > y->kind;
}

/* Sorts what is in s->sorted and gives numbers from 1 on. */
static void number(struct seal *s, uint32_t count, uint32_t *numbers)
{
    uint32_t i;
    qsort(s->sorted, count, sizeof(*s->sorted), by_bytes);
    for (i = 0; i < count; i++)
        numbers[s->sorted[i].number] = i + 1;
}

/* Only names that were asked for are in lookups. */
static int put_names(struct seal *s, struct error *err)
{
    const struct folded *f = s->folded;
    uint32_t i, count = 0, all = f->names_count + f->rests_count, lookups = intern_size(s->tally->lookups);
    memset(s->names, 0, all * sizeof(*s->names));
    for (i = 0; i < lookups; i++)
        s->names[folded_lookup(f, i)] = 1;
    for (i = 0; i < all; i++) {
        const char *text = folded_text(f, i);
        if (s->names[i] != 0)
            s->sorted[count++] = (struct sorted){text, (uint32_t)strlen(text), i};
    }
    number(s, count, s->names);
    for (i = 0; i < count; i++)
        if (builder_name(&s->builder, s->sorted[i].bytes, s->sorted[i].len, err) != 0)
            return -1;
    return 0;
}

static int put_addresses(struct seal *s, struct error *err)
{
    uint32_t i, count = intern_size(s->tally->addresses);
    size_t len;
    for (i = 0; i < count; i++) {
        const uint8_t *bytes = intern_key(s->tally->addresses, i, &len);
        s->sorted[i] = (struct sorted){(const char *)bytes, (uint32_t)len, i};
    }
    number(s, count, s->addresses);
    for (i = 0; i < count; i++)
        if (builder_address(&s->builder, (const uint8_t *)s->sorted[i].bytes, s->sorted[i].len, err) != 0)
            return -1;
    return 0;
}

static int by_kind(const void *a, const void *b)
{
    struct kind x, y;
    memcpy(&x, ((const struct sorted *)a)->bytes, sizeof(x));
    memcpy(&y, ((const struct sorted *)b)->bytes, sizeof(y));
    if (x.resolver != y.resolver)
        return x.resolver < y.resolver ? -1 : 1;
    return x.type != y.type ? (x.type < y.type ? -1 : 1) : x.rcode < y.rcode ? -1 : x.rcode > y.rcode;
}

/* There are few of them, whatever the lookups. */
static int put_kinds(struct seal *s, struct error *err)
{
    uint32_t i, lookups = intern_size(s->tally->lookups), count;
    size_t len;
    for (i = 0; i < lookups; i++) {
        struct tally_lookup lookup = tally_lookup_at(s->tally, i);
        const struct kind kind = {s->addresses[lookup.resolver], lookup.type, lookup.rcode};
        s->kind_of[i] = intern_add(s->kinds_seen, (const uint8_t *)&kind, sizeof(kind));
        if (s->kind_of[i] == INTERN_NONE)
            return error_set(err, "lookups: out of memory");
    }
    count = intern_size(s->kinds_seen);
    for (i = 0; i < count; i++)
        s->sorted[i] = (struct sorted){(const char *)intern_key(s->kinds_seen, i, &len), sizeof(struct kind), i};
    qsort(s->sorted, count, sizeof(*s->sorted), by_kind);
    for (i = 0; i < count; i++) {
        struct kind kind;
        memcpy(&kind, s->sorted[i].bytes, sizeof(kind));
        s->kinds[s->sorted[i].number] = i + 1;
        if (builder_kind(&s->builder, kind.resolver, kind.type, kind.rcode, err) != 0)
            return -1;
    }
    return 0;
}

/* Where names were folded several rows are of the same lookup. */
static uint32_t add_equals(struct builder_row *rows, uint32_t count)
{
    uint32_t kept = 0, i;
    for (i = 0; i < count; i++) {
        if (kept > 0 && by_row(&rows[i], &rows[kept - 1]) == 0)
            builder_row_add(&rows[kept - 1], &rows[i]);
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

static int put_rows(struct seal *s, struct error *err)
{
    uint32_t i, count = intern_size(s->tally->lookups);
    for (i = 0; i < count; i++) {
        struct tally_lookup lookup = tally_lookup_at(s->tally, i);
        const struct intern_count *c = intern_counted(s->tally->lookups, i);
        s->rows[i] = (struct builder_row){.client = s->addresses[lookup.client],
                                          .name = s->names[folded_lookup(s->folded, i)],
                                          .kind = s->kinds[s->kind_of[i]],
                                          .count = c->count,
                                          .scaled = c->scaled,
                                          .first = c->first,
                                          .last = c->last};
    }
    qsort(s->rows, count, sizeof(*s->rows), by_row);
    count = add_equals(s->rows, count);
    for (i = 0; i < count; i++)
        if (builder_row(&s->builder, &s->rows[i], err) != 0)
            return -1;
    return 0;
}

static int make_room(struct seal *s, struct error *err)
{
    size_t names = s->folded->names_count + s->folded->rests_count, addresses = intern_size(s->tally->addresses);
    size_t lookups = intern_size(s->tally->lookups), most = names > addresses ? names : addresses;
    most = most > lookups ? most : lookups;
    s->sorted = calloc(most + 1, sizeof(*s->sorted));
    s->names = calloc(names + 1, sizeof(*s->names));
    s->addresses = calloc(addresses + 1, sizeof(*s->addresses));
    s->kinds = calloc(lookups + 1, sizeof(*s->kinds));
    s->kind_of = calloc(lookups + 1, sizeof(*s->kind_of));
    s->rows = calloc(lookups + 1, sizeof(*s->rows));
    s->kinds_seen = intern_create();
    bool has_all = s->sorted && s->names && s->addresses && s->kinds && s->kind_of && s->rows;
    return has_all && s->kinds_seen ? 0 : error_set(err, "lookups: out of memory");
}

static int64_t least_time(const struct tally *tally)
{
    uint32_t i, count = intern_size(tally->lookups);
    int64_t least = count > 0 ? INT64_MAX : 0;
    for (i = 0; i < count; i++)
        if (intern_counted(tally->lookups, i)->first < least)
            least = intern_counted(tally->lookups, i)->first;
    return least;
}

int partition_seal(const char *folder, const struct folded *folded, struct partition *out, struct error *err)
{
    const struct tally *tally = folded->tally;
    struct seal s = {.tally = tally, .folded = folded};
    int result = -1;
    out->level = PARTITION_SEALED;
    if (make_room(&s, err) == 0 && builder_open(&s.builder, folder, out, least_time(tally), err) == 0) {
        if (put_names(&s, err) == 0 && put_addresses(&s, err) == 0 && put_kinds(&s, err) == 0 && put_rows(&s, err) == 0)
            result = builder_finish(&s.builder, err);
        builder_close(&s.builder);
        if (result == 0)
            result = partition_publish(folder, out, err);
    }
    intern_destroy(s.kinds_seen);
    free(s.sorted);
    free(s.names);
    free(s.addresses);
    free(s.kinds);
    free(s.kind_of);
    free(s.rows);
    return result;
}
