/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/folded.h"

#include <stdlib.h>
#include <string.h>

#include "store/domain_walk.h"

enum { REST_OF_ALL = 0 /* the first of the rests */ };

/* A name of a group, be that a domain or a client, with how often it occurs there. */
struct member {
    uint32_t group, name;
    uint64_t count;
    const char *text;
};

struct folding {
    struct folded *out;
    uint32_t most;
    uint64_t *counts; /* of each name, in lookups and answers */
    struct member *members;
};

static int by_worth(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->text, y->text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->text, ((const struct member *)b)->text);
}

/* A new rest; "" is of all. Its number, INTERN_NONE: out of memory. */
static uint32_t add_rest(struct folded *f, const char *domain, size_t len)
{
    char **rests = realloc(f->rests, (f->rests_count + (size_t)1) * sizeof(*rests));
    if (!rests)
        return INTERN_NONE;
    f->rests = rests;
    char *text = calloc(1, len + 2);
    if (!text)
        return INTERN_NONE;
    memcpy(text, domain, len);
    text[len] = '.';
    f->rests[f->rests_count] = text;
    return f->names_count + f->rests_count++;
}

/* All names are their own at first. */
static int begin_lists(struct folded *f)
{
    uint32_t i, lookups = intern_size(f->tally->lookups);
    if (f->lookups)
        return 0;
    f->lookups = malloc((lookups + (size_t)1) * sizeof(*f->lookups));
    f->owners = malloc((f->names_count + (size_t)1) * sizeof(*f->owners));
    if (!f->lookups || !f->owners || add_rest(f, "", 0) == INTERN_NONE)
        return -1;
    for (i = 0; i < lookups; i++)
        f->lookups[i] = tally_lookup_at(f->tally, i).name;
    for (i = 0; i < f->names_count; i++)
        f->owners[i] = i;
    return 0;
}

/* ---- domains ---- */

static void count_names(struct folding *g)
{
    const struct tally *tally = g->out->tally;
    uint32_t i, name;
    const uint8_t *rdata;
    uint16_t type;
    size_t len;
    for (i = 0; i < intern_size(tally->lookups); i++)
        g->counts[tally_lookup_at(tally, i).name] += intern_counted(tally->lookups, i)->count;
    for (i = 0; i < intern_size(tally->answers); i++) {
        tally_answer_at(tally, i, &name, &type, &rdata, &len);
        g->counts[name] += intern_counted(tally->answers, i)->count;
    }
}

/* The first two labels of a reversed name: a domain has no fewer, or is one label. */
static size_t two_labels(const char *rname)
{
    size_t len = strcspn(rname, ".");
    return rname[len] ? len + 1 + strcspn(rname + len + 1, ".") : len;
}

/* The members of each group that is too large, in g->members; how many there are, or -1: out of memory. */
static int64_t find_large(struct folding *g)
{
    const struct folded *f = g->out;
    struct intern *groups = intern_create();
    uint32_t *group_of = malloc((f->names_count + (size_t)1) * sizeof(*group_of)), i;
    int64_t count = groups && group_of ? 0 : -1;
    for (i = 0; count == 0 && i < f->names_count; i++) {
        const char *text = f->rnames.list[i];
        group_of[i] = intern_add(groups, (const uint8_t *)text, two_labels(text));
        if (group_of[i] == INTERN_NONE)
            count = -1;
        else
            intern_count(groups, group_of[i], 0, 1);
    }
    for (i = 0; count >= 0 && i < f->names_count; i++)
        if (intern_counted(groups, group_of[i])->count > g->most)
            g->members[count++] = (struct member){0, i, g->counts[i], f->rnames.list[i]};
    intern_destroy(groups);
    free(group_of);
    return count;
}

/* Gives each member the number of its domain. */
static int find_domains(struct folding *g, size_t count, struct intern *seen)
{
    struct domains *domains = domains_create();
    struct domain_walk *walk = calloc(1, sizeof(*walk));
    int result = domains && walk ? 0 : -1;
    size_t i;
    if (count > 0)
        qsort(g->members, count, sizeof(*g->members), by_text);
    for (i = 0; result == 0 && i < count; i++) {
        size_t len = domain_walk_len(walk, domains, g->members[i].text, NULL);
        g->members[i].group = intern_add(seen, (const uint8_t *)g->members[i].text, len);
        result = g->members[i].group == INTERN_NONE ? -1 : 0;
    }
    domains_destroy(domains);
    free(walk);
    return result;
}

/* Those behind the first of their domain become its rest. */
static int fold_members(struct folding *g, size_t count, const struct intern *seen)
{
    struct folded *f = g->out;
    uint32_t rest = INTERN_NONE;
    size_t i, begin = 0, len;
    for (i = 0; i < count; i++) {
        if (g->members[i].group != g->members[begin].group)
            begin = i;
        if (i - begin < g->most)
            continue;
        if (i - begin == g->most) {
            const uint8_t *domain = intern_key(seen, g->members[i].group, &len);
            rest = begin_lists(f) == 0 ? add_rest(f, (const char *)domain, len) : INTERN_NONE;
            if (rest == INTERN_NONE)
                return -1;
        }
        (void)intern_key(seen, g->members[i].group, &len);
        if (strlen(g->members[i].text) > len)
            f->owners[g->members[i].name] = rest;
    }
    return 0;
}

static int fold_domains(struct folding *g)
{
    struct folded *f = g->out;
    struct intern *seen = intern_create();
    int64_t count = seen ? find_large(g) : -1;
    int result = count < 0 ? -1 : 0;
    uint32_t i;
    if (count > 0 && find_domains(g, (size_t)count, seen) == 0) {
        qsort(g->members, (size_t)count, sizeof(*g->members), by_worth);
        result = fold_members(g, (size_t)count, seen);
    } else if (count > 0) {
        result = -1;
    }
    for (i = 0; result == 0 && f->lookups && i < intern_size(f->tally->lookups); i++)
        f->lookups[i] = f->owners[f->lookups[i]];
    intern_destroy(seen);
    return result;
}

/* ---- clients ---- */

static int by_client_and_name(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

/* Lookups of clients that have many, as members: one for each client and name. */
static size_t gather_clients(struct folding *g, const uint32_t *lookups_of)
{
    const struct folded *f = g->out;
    uint32_t i, count = intern_size(f->tally->lookups);
    size_t used = 0, kept = 0, k;
    for (i = 0; i < count; i++) {
        uint32_t client = tally_lookup_at(f->tally, i).client, name = folded_lookup(f, i);
        if (lookups_of[client] > g->most)
            g->members[used++] =
                (struct member){client, name, intern_counted(f->tally->lookups, i)->count, folded_text(f, name)};
    }
    if (used > 0)
        qsort(g->members, used, sizeof(*g->members), by_client_and_name);
    for (k = 0; k < used; k++) {
        if (kept > 0 && by_client_and_name(&g->members[k], &g->members[kept - 1]) == 0)
            g->members[kept - 1].count += g->members[k].count;
        else
            g->members[kept++] = g->members[k];
    }
    return kept;
}

/* Client and name, as a key. */
struct pair {
    uint32_t client, name;
};

/* Those behind the first of their client, into a set. Returns 0, or -1: out of memory. */
static int find_rest(struct folding *g, size_t count, struct intern *rest)
{
    size_t i, begin = 0;
    if (count > 0)
        qsort(g->members, count, sizeof(*g->members), by_worth);
    for (i = 0; i < count; i++) {
        const struct pair pair = {g->members[i].group, g->members[i].name};
        if (g->members[i].group != g->members[begin].group)
            begin = i;
        if (i - begin >= g->most && intern_add(rest, (const uint8_t *)&pair, sizeof(pair)) == INTERN_NONE)
            return -1;
    }
    return 0;
}

static int fold_lookups(struct folding *g, struct intern *rest)
{
    struct folded *f = g->out;
    uint32_t i, count = intern_size(f->tally->lookups), before = intern_size(rest);
    if (before == 0)
        return 0;
    if (begin_lists(f) != 0)
        return -1;
    for (i = 0; i < count; i++) {
        const struct pair pair = {tally_lookup_at(f->tally, i).client, f->lookups[i]};
        uint32_t number = intern_add(rest, (const uint8_t *)&pair, sizeof(pair));
        if (number == INTERN_NONE)
            return -1;
        if (number < before)
            f->lookups[i] = f->names_count + REST_OF_ALL;
    }
    return 0;
}

static int fold_clients(struct folding *g)
{
    const struct tally *tally = g->out->tally;
    uint32_t *lookups_of = calloc(intern_size(tally->addresses) + (size_t)1, sizeof(*lookups_of)), i;
    struct intern *rest = intern_create();
    int result = lookups_of && rest ? 0 : -1;
    for (i = 0; result == 0 && i < intern_size(tally->lookups); i++)
        lookups_of[tally_lookup_at(tally, i).client]++;
    if (result == 0)
        result = find_rest(g, gather_clients(g, lookups_of), rest);
    if (result == 0)
        result = fold_lookups(g, rest);
    intern_destroy(rest);
    free(lookups_of);
    return result;
}

/* Names that were looked up, and of which no lookup has its own name any more, are not answers' own either. */
static int fold_owners(struct folding *g)
{
    struct folded *f = g->out;
    uint32_t i, name, count = intern_size(f->tally->lookups);
    uint8_t *state = f->lookups ? calloc(f->names_count + (size_t)1, 1) : NULL;
    enum { ASKED = 1, STAYS = 2 };
    if (!f->lookups)
        return 0;
    if (!state)
        return -1;
    for (i = 0; i < count; i++) {
        name = tally_lookup_at(f->tally, i).name;
        state[name] |= f->lookups[i] == name ? ASKED | STAYS : ASKED;
    }
    for (i = 0; i < f->names_count; i++)
        if (f->owners[i] == i && state[i] == ASKED)
            f->owners[i] = f->names_count + REST_OF_ALL;
    free(state);
    return 0;
}

/* ---- all of it ---- */

int folded_make(struct folded *folded, const struct tally *tally, uint32_t most)
{
    struct folding g = {.out = folded, .most = most};
    memset(folded, 0, sizeof(*folded));
    folded->tally = tally;
    folded->names_count = intern_size(tally->names);
    size_t lookups = intern_size(tally->lookups), room = lookups > folded->names_count ? lookups : folded->names_count;
    int result = rnames_make(&folded->rnames, tally);
    if (result != 0 || room <= most) /* it cannot be too much */
        return result;
    g.counts = calloc(folded->names_count + (size_t)1, sizeof(*g.counts));
    g.members = malloc((room + 1) * sizeof(*g.members));
    result = g.counts && g.members ? 0 : -1;
    if (result == 0)
        count_names(&g);
    if (result == 0)
        result = fold_domains(&g);
    if (result == 0)
        result = fold_clients(&g);
    if (result == 0)
        result = fold_owners(&g);
    free(g.counts);
    free(g.members);
    return result;
}

void folded_free(struct folded *folded)
{
    uint32_t i;
    rnames_free(&folded->rnames);
    for (i = 0; i < folded->rests_count; i++)
        free(folded->rests[i]);
    free(folded->rests);
    free(folded->lookups);
    free(folded->owners);
    memset(folded, 0, sizeof(*folded));
}
