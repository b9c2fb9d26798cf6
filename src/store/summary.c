/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/summary.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/domain.h"
#include "store/domain_walk.h"
#include "store/summary_tops.h"

enum { FIRST_SUMS = 1024, VARINT = 10, DEPTH = RNAME_TEXT };

/* Sums by number - 1. */
struct sums {
    struct summary_sum *list;
    uint32_t count, size;
};

struct kind {
    uint32_t resolver;
    uint16_t type, rcode;
};

/* A domain, one of whose names has been: the first `len` bytes of the text at hand, as long as names begin with it. */
struct open_domain {
    uint32_t number;
    size_t len;
};

struct summary {
    struct domains *domains; /* NULL: of these there are no tops */
    struct sums names, addresses, kinds;
    struct kind *kind_list; /* by number - 1; kinds.size of them */
    uint32_t *domain_of;    /* by number of the name - 1; names.size of them */
    char **domain_texts;    /* by number of the domain; domain_size of them */
    uint32_t domain_count, domain_size;
    struct domain_walk walk;
    char text[RNAME_TEXT]; /* the name that came last */
    struct open_domain open[DEPTH];
    size_t open_count;
};

struct summary *summary_create(bool has_domains)
{
    struct summary *s = calloc(1, sizeof(*s));
    if (s && has_domains && !(s->domains = domains_create())) {
        free(s);
        return NULL;
    }
    return s;
}

void summary_destroy(struct summary *summary)
{
    uint32_t i;
    if (!summary)
        return;
    for (i = 0; i < summary->domain_count; i++)
        free(summary->domain_texts[i]);
    free(summary->domain_texts);
    domains_destroy(summary->domains);
    free(summary->names.list);
    free(summary->addresses.list);
    free(summary->kinds.list);
    free(summary->kind_list);
    free(summary->domain_of);
    free(summary);
}

/* Room for `count` things of a size; 0, or -1: out of memory. */
static int make_room(void **list, uint32_t *size, uint32_t count, size_t each)
{
    uint32_t more = *size > 0 ? 2 * *size : FIRST_SUMS;
    if (count < *size)
        return 0;
    void *grown = realloc(*list, more * each);
    if (!grown)
        return -1;
    *list = grown;
    *size = more;
    return 0;
}

/* One more sum, of nothing yet. */
static int add_sum(struct sums *sums)
{
    if (make_room((void **)&sums->list, &sums->size, sums->count, sizeof(*sums->list)) != 0)
        return -1;
    sums->list[sums->count++] = (struct summary_sum){0, INT64_MAX, INT64_MIN};
    return 0;
}

static void add_to(struct summary_sum *to, const struct summary_sum *sum)
{
    to->count += sum->count;
    to->first = sum->first < to->first ? sum->first : to->first;
    to->last = sum->last > to->last ? sum->last : to->last;
}

/* ---- what comes ---- */

/* Names come in order, so that all that begin with a domain come one after the other. */
static int find_domain(struct summary *s, const char *rname, uint32_t *number)
{
    size_t len = domain_walk_len(&s->walk, s->domains, rname, NULL), i;
    while (s->open_count > 0 && strncmp(rname, s->text, s->open[s->open_count - 1].len) != 0)
        s->open_count--;
    snprintf(s->text, sizeof(s->text), "%s", rname);
    for (i = s->open_count; i > 0; i--)
        if (s->open[i - 1].len == len) {
            *number = s->open[i - 1].number;
            return 0;
        }
    if (make_room((void **)&s->domain_texts, &s->domain_size, s->domain_count, sizeof(*s->domain_texts)) != 0)
        return -1;
    char *text = strndup(rname, len);
    if (!text)
        return -1;
    *number = s->domain_count;
    s->domain_texts[s->domain_count++] = text;
    if (s->open_count == DEPTH)
        return 0;
    for (i = s->open_count++; i > 0 && s->open[i - 1].len > len; i--)
        s->open[i] = s->open[i - 1];
    s->open[i] = (struct open_domain){*number, len};
    return 0;
}

int summary_name(struct summary *summary, const char *rname)
{
    struct summary *s = summary;
    uint32_t size = s->names.size, number;
    if (add_sum(&s->names) != 0)
        return -1;
    if (!s->domains)
        return 0;
    if (find_domain(s, rname, &number) != 0)
        return -1;
    if (s->names.size != size) {
        uint32_t *grown = realloc(s->domain_of, s->names.size * sizeof(*grown));
        if (!grown)
            return -1;
        s->domain_of = grown;
    }
    s->domain_of[s->names.count - 1] = number;
    return 0;
}

int summary_address(struct summary *summary)
{
    return add_sum(&summary->addresses);
}

int summary_kind(struct summary *summary, uint32_t resolver, uint16_t type, uint16_t rcode)
{
    struct summary *s = summary;
    uint32_t size = s->kinds.size;
    if (add_sum(&s->kinds) != 0)
        return -1;
    if (s->kinds.size != size) {
        struct kind *grown = realloc(s->kind_list, s->kinds.size * sizeof(*grown));
        if (!grown)
            return -1;
        s->kind_list = grown;
    }
    s->kind_list[s->kinds.count - 1] = (struct kind){resolver, type, rcode};
    return 0;
}

void summary_row(struct summary *summary, uint32_t client, uint32_t name, uint32_t kind, const struct summary_sum *sum)
{
    if (name > 0 && name <= summary->names.count)
        add_to(&summary->names.list[name - 1], sum);
    if (client > 0 && client <= summary->addresses.count)
        add_to(&summary->addresses.list[client - 1], sum);
    if (kind > 0 && kind <= summary->kinds.count)
        add_to(&summary->kinds.list[kind - 1], sum);
}

uint32_t summary_names(const struct summary *summary)
{
    return summary->names.count;
}

const struct summary_sum *summary_name_sum(const struct summary *summary, uint32_t name)
{
    return &summary->names.list[name];
}

uint32_t summary_domain(const struct summary *summary, uint32_t name)
{
    return summary->domain_of[name];
}

const char *summary_domain_text(const struct summary *summary, uint32_t domain)
{
    return summary->domain_texts[domain];
}

/* ---- sums of names ---- */

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t used = 0;
    for (; value >= 0x80; value >>= 7)
        out[used++] = (uint8_t)(value | 0x80);
    out[used++] = (uint8_t)value;
    return used;
}

/* Returns what was taken; 0: it ends in between. */
static size_t take_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    size_t used = 0;
    *value = 0;
    while (at + used < end && used < VARINT) {
        *value |= (uint64_t)(at[used] & 0x7f) << (7 * used);
        if (!(at[used++] & 0x80))
            return used;
    }
    return 0;
}

size_t summary_read(const uint8_t *bytes, size_t len, struct summary_sum sums[SUMMARY_NAMES])
{
    const uint8_t *at = bytes, *end = bytes + len;
    size_t count = 0, i;
    while (count < SUMMARY_NAMES && at < end) {
        uint64_t values[3];
        for (i = 0; i < 3; i++) {
            size_t used = take_varint(at, end, &values[i]);
            if (used == 0)
                return count;
            at += used;
        }
        sums[count++] = (struct summary_sum){values[0], (int64_t)values[1], (int64_t)(values[1] + values[2])};
    }
    return count;
}

static int write_sums(const struct sums *names, sqlite3 *db, struct error *err)
{
    uint8_t bytes[SUMMARY_NAMES * 3 * VARINT];
    uint32_t i = 0;
    sqlite3_stmt *s;
    int done = sql_prepare(db, "INSERT INTO sums(names) VALUES(?)", &s, err);
    while (done == 0 && i < names->count) {
        size_t used = 0;
        do {
            const struct summary_sum *sum = &names->list[i];
            bool has_any = sum->count > 0;
            used += put_varint(bytes + used, sum->count);
            used += put_varint(bytes + used, has_any ? (uint64_t)sum->first : 0);
            used += put_varint(bytes + used, has_any ? (uint64_t)sum->last - (uint64_t)sum->first : 0);
        } while (++i < names->count && i % SUMMARY_NAMES != 0);
        sqlite3_bind_blob(s, 1, bytes, (int)used, SQLITE_STATIC);
        done = sql_do(s, err);
    }
    sqlite3_finalize(s);
    return done;
}

/* ---- tops ---- */

enum what { NAMES, DOMAINS, CLIENTS, RESOLVERS, TYPES, RCODES, WHATS };

static const char names_sql[] = "SELECT rname FROM names WHERE id = ?";
static const char addresses_sql[] = "SELECT address FROM addresses WHERE id = ?";

static const struct {
    const char *word;
    const char *sql; /* what stands for a number; NULL: itself, or the text of a domain */
} whats[WHATS] = {[NAMES] = {"names", names_sql},
                  [DOMAINS] = {"domains", NULL},
                  [CLIENTS] = {"clients", addresses_sql},
                  [RESOLVERS] = {"resolvers", addresses_sql},
                  [TYPES] = {"types", NULL},
                  [RCODES] = {"rcodes", NULL}};

/* The number under which entry i counts. */
static uint64_t number_of(const struct summary *s, enum what what, uint32_t i)
{
    switch (what) {
    case DOMAINS:
        return s->domain_of[i];
    case RESOLVERS:
        return s->kind_list[i].resolver;
    case TYPES:
        return s->kind_list[i].type;
    case RCODES:
        return s->kind_list[i].rcode;
    default:
        return i + (uint64_t)1;
    }
}

static int write_tops(const struct summary *s, sqlite3 *db, struct summary_top *room, struct error *err)
{
    enum what what;
    for (what = 0; what < WHATS; what++) {
        const struct sums *sums = what == NAMES || what == DOMAINS ? &s->names
                                  : what == CLIENTS                ? &s->addresses
                                                                   : &s->kinds;
        uint32_t i;
        if (what == DOMAINS && !s->domains)
            continue;
        for (i = 0; i < sums->count; i++)
            room[i] = (struct summary_top){number_of(s, what, i), sums->list[i]};
        const struct summary_keys keys = {whats[what].sql, what == DOMAINS ? s->domain_texts : NULL};
        if (summary_write_tops(db, whats[what].word, room, sums->count, &keys, err) != 0)
            return -1;
    }
    return 0;
}

int summary_write(const struct summary *summary, sqlite3 *db, uint64_t rows, struct error *err)
{
    const struct summary *s = summary;
    uint32_t most = s->names.count > s->addresses.count ? s->names.count : s->addresses.count;
    if (write_sums(&s->names, db, err) != 0)
        return -1;
    if (rows < SUMMARY_FROM)
        return 0;
    struct summary_top *room = calloc((most > s->kinds.count ? most : s->kinds.count) + (size_t)1, sizeof(*room));
    int done = room ? write_tops(s, db, room, err) : error_set(err, "lookups: out of memory");
    free(room);
    return done;
}
