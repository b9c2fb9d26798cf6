/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of annotate/: lookups as they came in, up to what there is room for; goes as a whole. */
#ifndef DNSFLOW_ANNOTATE_GENERATION_H
#define DNSFLOW_ANNOTATE_GENERATION_H

#include "annotate/lookups.h"
#include "record/domain.h"
#include "store/intern.h"

/* A lookup of a client that gave an address. Those of the same two are a chain, the newest first. */
struct entry {
    int64_t first_us, last_us, gap_us;
    uint32_t next;          /* index + 1 in `entries`, 0 = there is no more */
    uint32_t name, via;     /* numbers in `names`; via INTERN_NONE: none */
    uint32_t ttl, most_ttl; /* its own; the greatest from here to the end of the chain */
};

/* What was known of an address at the end of a second, by all lookups so far. Those of one address are a chain, the
 * newest first. */
struct mark {
    int64_t second, last_us; /* last_us: when the leading domain was looked up last */
    uint64_t total, leading; /* lookups, and those of the leading domain */
    uint32_t next, domain, domains, ttl;
};

struct generation {
    struct intern *names;   /* keys of record/name.h, domains too */
    struct intern *pairs;   /* address, then client */
    struct intern *servers; /* addresses */
    struct intern *shares;  /* server and domain, counted */
    struct entry *entries;
    struct mark *marks;
    uint32_t *chains;  /* by pair: its first entry + 1 */
    uint32_t *heads;   /* by server: its first mark + 1 */
    uint32_t *domains; /* by name: that of its domain; INTERN_NONE: not looked for yet */
    size_t entries_count, entries_size, marks_count, marks_size, chains_size, heads_size, domains_size;
};

/* Returns 0, or -1: out of memory. */
MUST_CHECK int generation_open(struct generation *g);
void generation_close(struct generation *g);
void generation_clear(struct generation *g);

/* Bytes that are in use. */
size_t generation_bytes(const struct generation *g);

/* Returns 0, or -1: out of memory. */
MUST_CHECK int generation_add(struct generation *g, const struct domains *domains, const struct lookup *lookup);

/* The first of the chain, or NULL. */
const struct entry *generation_chain(const struct generation *g, const uint8_t *client, size_t client_len,
                                     const uint8_t *server, size_t server_len);
const struct mark *generation_marks(const struct generation *g, const uint8_t *server, size_t len);

static inline const struct entry *entry_next(const struct generation *g, const struct entry *e)
{
    return e->next ? &g->entries[e->next - 1] : NULL;
}

static inline const struct mark *mark_next(const struct generation *g, const struct mark *m)
{
    return m->next ? &g->marks[m->next - 1] : NULL;
}

#endif
