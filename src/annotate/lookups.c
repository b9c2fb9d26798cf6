/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/lookups.h"

#include <stdlib.h>
#include <string.h>

#include "annotate/generation.h"
#include "base/clock.h"

enum {
    SHARE_PERCENT = 90,
    SHARE_LEAST = 10 /* lookups that a share is of */,
    LOOK_MAX = 4096 /* lookups of a client and address that are looked at */,
    DAY_S = 86400
};

const char *const method_names[METHODS] = {[METHOD_CLIENT_UNIQUE] = "client-unique",
                                           [METHOD_CLIENT_LATEST] = "client-latest",
                                           [METHOD_OTHERS_DOMAIN] = "others-domain",
                                           [METHOD_ENCRYPTED] = "encrypted-resolver",
                                           [METHOD_EXPIRED] = "expired",
                                           [METHOD_MANY_DOMAINS] = "many-domains",
                                           [METHOD_FEW_LOOKUPS] = "few-lookups",
                                           [METHOD_NO_LOOKUP] = "no-lookup"};

struct lookups {
    struct lookups_options options;
    struct domains *domains;
    struct generation young, old;
    uint64_t gone;
};

struct lookups *lookups_create(const struct lookups_options *options)
{
    struct lookups *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->options = *options;
    if (l->options.bytes == 0)
        l->options.bytes = LOOKUPS_BYTES;
    l->domains = domains_create();
    int young = generation_open(&l->young), old = generation_open(&l->old);
    if (l->domains && young == 0 && old == 0)
        return l;
    lookups_destroy(l);
    return NULL;
}

void lookups_destroy(struct lookups *lookups)
{
    if (!lookups)
        return;
    generation_close(&lookups->young);
    generation_close(&lookups->old);
    domains_destroy(lookups->domains);
    free(lookups);
}

void lookups_clear(struct lookups *lookups)
{
    generation_clear(&lookups->young);
    generation_clear(&lookups->old);
}

int lookups_add(struct lookups *lookups, const struct lookup *lookup)
{
    struct lookup known = *lookup;
    if (known.ttl == LOOKUPS_TTL_UNKNOWN)
        known.ttl = lookups->options.ttl_s;
    if (generation_bytes(&lookups->young) >= lookups->options.bytes) {
        struct generation full = lookups->young;
        lookups->gone += lookups->old.entries_count;
        lookups->young = lookups->old;
        lookups->old = full;
        generation_clear(&lookups->young);
    }
    return generation_add(&lookups->young, lookups->domains, &known);
}

uint64_t lookups_count(const struct lookups *lookups)
{
    return lookups->young.entries_count + lookups->old.entries_count;
}

uint64_t lookups_gone(const struct lookups *lookups)
{
    return lookups->gone;
}

int64_t lookups_horizon_us(const struct lookups *lookups)
{
    return ((int64_t)lookups->options.slack_s + DAY_S) * SECOND_US;
}

/* ---- of the client ---- */

/* What was found of one client and server. */
struct found {
    int64_t at_us, end_us; /* the flow began between these */
    const struct generation *seen_in[CANDIDATES_MAX];
    uint32_t seen[CANDIDATES_MAX]; /* names, each once */
    uint32_t count;
    int64_t age_us, rank_us; /* of the best; rank: how long before the end; negative, it is later */
    const struct generation *best_in;
    const struct entry *best;
    bool is_expired; /* there was a lookup */
    unsigned looked;
};

static int64_t minus(int64_t a, int64_t b)
{
    int64_t difference;
    return !__builtin_sub_overflow(a, b, &difference) ? difference : a < b ? INT64_MIN : INT64_MAX;
}

/* How long before the moment it was, or may have been, looked up. */
static int64_t age_of(const struct entry *e, int64_t at_us)
{
    int64_t since = minus(at_us, e->first_us), age = minus(at_us, e->last_us);
    if (age < 0) /* between both ends, or within the skew */
        age = since < e->gap_us ? since : e->gap_us;
    return age < 0 ? 0 : age;
}

/* How long before the end of when the flow may have begun; below 0: it is later. */
static int64_t rank_of(const struct entry *e, int64_t end_us)
{
    return e->first_us > end_us ? minus(end_us, e->first_us) : age_of(e, end_us);
}

/* The newest that is not later, as what is looked up next is another connection's; else, as clocks differ, the one that
 * is the least later. */
static bool is_better(int64_t rank, int64_t than)
{
    return rank >= 0 ? than < 0 || rank < than : than < 0 && rank > than;
}

static bool is_seen(const struct found *f, const struct generation *g, uint32_t name)
{
    uint32_t i;
    size_t len, other_len;
    const uint8_t *key = intern_key(g->names, name, &len), *other;
    for (i = 0; i < f->count; i++) {
        if (f->seen_in[i] == g ? f->seen[i] == name
                               : (other = intern_key(f->seen_in[i]->names, f->seen[i], &other_len),
                                  len == other_len && memcmp(key, other, len) == 0))
            return true;
    }
    return false;
}

static void look(struct found *f, const struct generation *g, const struct entry *e, int64_t slack_us)
{
    for (; e && f->looked < LOOK_MAX; e = entry_next(g, e), f->looked++) {
        if (minus(e->first_us, f->at_us) > LOOKUPS_SKEW_US)
            continue;
        int64_t age = age_of(e, f->at_us);
        if (age > (int64_t)e->ttl * SECOND_US + slack_us) {
            f->is_expired = true;
            if (age > (int64_t)e->most_ttl * SECOND_US + slack_us && e->last_us <= f->at_us)
                return;
            continue;
        }
        int64_t rank = rank_of(e, f->end_us);
        if (!f->best || is_better(rank, f->rank_us)) {
            f->best = e;
            f->best_in = g;
            f->age_us = age;
            f->rank_us = rank;
        }
        if (f->count < CANDIDATES_MAX && !is_seen(f, g, e->name)) {
            f->seen_in[f->count] = g;
            f->seen[f->count++] = e->name;
        }
    }
}

static bool match_client(const struct lookups *l, const uint8_t *client, size_t client_len, const uint8_t *server,
                         size_t server_len, const struct seen_flow *flow, struct annotation *out)
{
    struct found f;
    int64_t slack_us = (int64_t)l->options.slack_s * SECOND_US;
    size_t len;
    f.at_us = clock_clamp(flow->time_us);
    f.end_us = f.at_us + (flow->is_whole_second ? SECOND_US - 1 : LOOKUPS_NEAR_US);
    f.count = f.looked = 0;
    f.best = NULL;
    f.is_expired = false;
    f.age_us = f.rank_us = 0;
    look(&f, &l->young, generation_chain(&l->young, client, client_len, server, server_len), slack_us);
    if (l->old.entries_count > 0)
        look(&f, &l->old, generation_chain(&l->old, client, client_len, server, server_len), slack_us);
    if (f.is_expired)
        out->method = METHOD_EXPIRED;
    if (!f.best)
        return false;
    *out =
        (struct annotation){.method = f.count == 1 ? METHOD_CLIENT_UNIQUE : METHOD_CLIENT_LATEST,
                            .name = intern_key(f.best_in->names, f.best->name, &len),
                            .via = f.best->via == INTERN_NONE ? NULL : intern_key(f.best_in->names, f.best->via, &len),
                            .age_us = f.age_us,
                            .candidates = f.count};
    return true;
}

/* ---- of others ---- */

/* What was known of the address then. */
static const struct mark *mark_at(const struct generation *g, const uint8_t *server, size_t len, int64_t at_us)
{
    const struct mark *m = generation_marks(g, server, len);
    int64_t second = (at_us + LOOKUPS_SKEW_US) / SECOND_US;
    while (m && m->second > second)
        m = mark_next(g, m);
    return m;
}

static bool match_others(const struct lookups *l, const uint8_t *server, size_t server_len, int64_t at_us,
                         struct annotation *out)
{
    const struct generation *g = &l->young;
    const struct mark *m = mark_at(g, server, server_len, at_us);
    size_t len;
    if (!m) {
        g = &l->old;
        m = mark_at(g, server, server_len, at_us);
    }
    if (!m)
        return false;
    int64_t age = minus(at_us, m->last_us);
    if (age > ((int64_t)m->ttl + l->options.slack_s) * SECOND_US)
        return false;
    if (m->total < SHARE_LEAST || m->leading * 100 < m->total * SHARE_PERCENT) {
        if (out->method == METHOD_NO_LOOKUP)
            out->method = m->total < SHARE_LEAST ? METHOD_FEW_LOOKUPS : METHOD_MANY_DOMAINS;
        return false;
    }
    *out = (struct annotation){.method = METHOD_OTHERS_DOMAIN,
                               .name = intern_key(g->names, m->domain, &len),
                               .age_us = age < 0 ? 0 : age,
                               .candidates = m->domains};
    return true;
}

void lookups_match(const struct lookups *lookups, const struct seen_flow *flow, struct annotation *out)
{
    const struct lookups *l = lookups;
    const struct seen_flow *f = flow;
    *out = (struct annotation){.method = METHOD_NO_LOOKUP};
    if (match_client(l, f->client, f->client_len, f->server, f->server_len, f, out) ||
        (f->is_either_way && match_client(l, f->server, f->server_len, f->client, f->client_len, f, out)))
        return;
    if (match_others(l, f->server, f->server_len, clock_clamp(f->time_us), out))
        return;
    if (f->is_either_way)
        (void)match_others(l, f->client, f->client_len, clock_clamp(f->time_us), out);
}
