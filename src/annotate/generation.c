/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/generation.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "record/name.h"

enum { FIRST_ROOM = 1024, PAIR_MAX = 32 };

int generation_open(struct generation *g)
{
    memset(g, 0, sizeof(*g));
    g->names = intern_create();
    g->pairs = intern_create();
    g->servers = intern_create();
    g->shares = intern_create();
    return g->names && g->pairs && g->servers && g->shares ? 0 : -1;
}

void generation_close(struct generation *g)
{
    intern_destroy(g->names);
    intern_destroy(g->pairs);
    intern_destroy(g->servers);
    intern_destroy(g->shares);
    free(g->entries);
    free(g->marks);
    free(g->chains);
    free(g->heads);
    free(g->domains);
    memset(g, 0, sizeof(*g));
}

void generation_clear(struct generation *g)
{
    intern_clear(g->names);
    intern_clear(g->pairs);
    intern_clear(g->servers);
    intern_clear(g->shares);
    g->entries_count = g->marks_count = 0;
}

size_t generation_bytes(const struct generation *g)
{
    return intern_bytes(g->names) + intern_bytes(g->pairs) + intern_bytes(g->servers) + intern_bytes(g->shares) +
           g->entries_count * sizeof(*g->entries) + g->marks_count * sizeof(*g->marks) +
           (intern_size(g->names) + intern_size(g->pairs) + intern_size(g->servers)) * sizeof(uint32_t);
}

/* ---- room ---- */

/* The list with room for one more than `count`; NULL: out of memory, and it is as it was. */
static void *roomy(void *list, size_t *size, size_t count, size_t each)
{
    size_t more = *size ? 2 * *size : FIRST_ROOM;
    if (count < *size)
        return list;
    void *longer = realloc(list, more * each);
    if (longer)
        *size = more;
    return longer;
}

/* The key's number; a new one has `start` in the list. INTERN_NONE: out of memory. */
static uint32_t number_of(struct intern *intern, const uint8_t *key, size_t len, uint32_t **list, size_t *size,
                          uint32_t start)
{
    uint32_t before = intern_size(intern), number = intern_add(intern, key, len);
    if (number != before || number == INTERN_NONE)
        return number;
    uint32_t *longer = roomy(*list, size, number, sizeof(*longer));
    if (!longer)
        return INTERN_NONE;
    *list = longer;
    longer[number] = start;
    return number;
}

static size_t pair_key(uint8_t key[PAIR_MAX], const uint8_t *client, size_t client_len, const uint8_t *server,
                       size_t server_len)
{
    memcpy(key, server, server_len);
    memcpy(key + server_len, client, client_len);
    return server_len + client_len;
}

static uint32_t add_name(struct generation *g, const uint8_t *wire)
{
    return number_of(g->names, wire, name_size(wire), &g->domains, &g->domains_size, INTERN_NONE);
}

/* ---- lookups of a client ---- */

/* Into its place in the chain, nearly always the first: behind those that are later. */
static void link_entry(struct generation *g, uint32_t pair, struct entry *new)
{
    uint32_t *at = &g->chains[pair];
    while (*at && g->entries[*at - 1].last_us > new->last_us) {
        struct entry *later = &g->entries[*at - 1];
        later->most_ttl = new->ttl > later->most_ttl ? new->ttl : later->most_ttl;
        at = &later->next;
    }
    new->next = *at;
    new->most_ttl = new->ttl;
    if (new->next && g->entries[new->next - 1].most_ttl > new->ttl)
        new->most_ttl = g->entries[new->next - 1].most_ttl;
    *at = (uint32_t)(new - g->entries) + 1;
}

static int add_entry(struct generation *g, const struct lookup *l, uint32_t name, uint32_t via)
{
    uint8_t key[PAIR_MAX];
    size_t len = pair_key(key, l->client, l->client_len, l->address, l->address_len);
    uint32_t pair = number_of(g->pairs, key, len, &g->chains, &g->chains_size, 0);
    struct entry *longer = roomy(g->entries, &g->entries_size, g->entries_count, sizeof(*longer));
    if (longer)
        g->entries = longer;
    if (pair == INTERN_NONE || !longer)
        return -1;
    struct entry *new = &g->entries[g->entries_count++];
    *new = (struct entry){
        .first_us = l->first_us, .last_us = l->last_us, .gap_us = l->gap_us, .name = name, .via = via, .ttl = l->ttl};
    link_entry(g, pair, new);
    return 0;
}

/* ---- lookups of whomever ---- */

/* The number of the name's domain; of a name that has none it is the name itself. */
static uint32_t domain_of(struct generation *g, const struct domains *domains, uint32_t name, const uint8_t *wire)
{
    if (g->domains[name] != INTERN_NONE)
        return g->domains[name];
    uint32_t domain = add_name(g, wire + domain_start(domains, wire));
    if (domain != INTERN_NONE)
        g->domains[name] = domain;
    return domain;
}

/* Another lookup of the domain in what is known. */
static void count_share(struct generation *g, struct mark *m, uint32_t share, uint32_t domain, const struct lookup *l)
{
    bool is_new = intern_counted(g->shares, share)->count == 0;
    intern_count(g->shares, share, l->last_us / SECOND_US, l->count);
    uint64_t count = intern_counted(g->shares, share)->scaled;
    m->total += l->count;
    m->domains += is_new;
    if (domain != m->domain && count <= m->leading)
        return;
    m->last_us = domain != m->domain || l->last_us > m->last_us ? l->last_us : m->last_us;
    m->ttl = l->ttl;
    m->domain = domain;
    m->leading = count;
}

static int add_mark(struct generation *g, const struct lookup *l, uint32_t domain)
{
    uint32_t server = number_of(g->servers, l->address, l->address_len, &g->heads, &g->heads_size, 0);
    uint8_t key[8];
    int64_t second = l->first_us / SECOND_US;
    struct mark *longer = roomy(g->marks, &g->marks_size, g->marks_count, sizeof(*longer));
    if (longer)
        g->marks = longer;
    if (server == INTERN_NONE || !longer)
        return -1;
    memcpy(key, &server, 4);
    memcpy(key + 4, &domain, 4);
    uint32_t share = intern_add(g->shares, key, sizeof(key)), head = g->heads[server];
    if (share == INTERN_NONE)
        return -1;
    if (head == 0 || g->marks[head - 1].second < second) {
        struct mark *new = &g->marks[g->marks_count++];
        *new = head ? g->marks[head - 1] : (struct mark){.domain = INTERN_NONE};
        new->second = second;
        new->next = head;
        g->heads[server] = head = (uint32_t)g->marks_count;
    }
    count_share(g, &g->marks[head - 1], share, domain, l);
    return 0;
}

int generation_add(struct generation *g, const struct domains *domains, const struct lookup *lookup)
{
    uint32_t name = add_name(g, lookup->name), via = INTERN_NONE;
    if (name == INTERN_NONE || (lookup->via && (via = add_name(g, lookup->via)) == INTERN_NONE))
        return -1;
    if (lookup->client && add_entry(g, lookup, name, via) != 0)
        return -1;
    if (lookup->count == 0)
        return 0;
    uint32_t domain = domain_of(g, domains, name, lookup->name);
    return domain == INTERN_NONE ? -1 : add_mark(g, lookup, domain);
}

/* ---- looking ---- */

const struct entry *generation_chain(const struct generation *g, const uint8_t *client, size_t client_len,
                                     const uint8_t *server, size_t server_len)
{
    uint8_t key[PAIR_MAX];
    uint32_t pair = intern_find(g->pairs, key, pair_key(key, client, client_len, server, server_len));
    return pair != INTERN_NONE && g->chains[pair] ? &g->entries[g->chains[pair] - 1] : NULL;
}

const struct mark *generation_marks(const struct generation *g, const uint8_t *server, size_t len)
{
    uint32_t number = intern_find(g->servers, server, len);
    return number != INTERN_NONE && g->heads[number] ? &g->marks[g->heads[number] - 1] : NULL;
}
