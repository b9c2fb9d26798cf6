/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: a tally whose names are bounded. Of a registered domain, and of a client, the FOLD_NAMES names that
 * occur most often stay, of equals those that come first, and a domain itself; the others become the rest of their
 * domain, "com.example.", or of all that there is, ".": reversed names with a dot at the end, which no name has. Sums
 * are the same as before.
 */
#ifndef DNSFLOW_STORE_FOLDED_H
#define DNSFLOW_STORE_FOLDED_H

#include "base/error.h"
#include "store/rnames.h"

enum { FOLD_NAMES = 20000 };

/* Numbers of names are those of the tally, and behind these those of rests. */
struct folded {
    const struct tally *tally;
    struct rnames rnames;
    uint32_t names_count;
    uint32_t *lookups; /* of each lookup's name; NULL: all are their own */
    uint32_t *owners;  /* of each name, as an answer has it; NULL: all are their own */
    char **rests;
    uint32_t rests_count;
};

/* Returns 0, or -1: out of memory; free it also then. */
MUST_CHECK int folded_make(struct folded *folded, const struct tally *tally, uint32_t most);
void folded_free(struct folded *folded);

static inline uint32_t folded_lookup(const struct folded *f, uint32_t lookup)
{
    return f->lookups ? f->lookups[lookup] : tally_lookup_at(f->tally, lookup).name;
}

static inline uint32_t folded_owner(const struct folded *f, uint32_t name)
{
    return f->owners ? f->owners[name] : name;
}

static inline bool folded_is_rest(const struct folded *f, uint32_t number)
{
    return number >= f->names_count;
}

/* The reversed name. */
static inline const char *folded_text(const struct folded *f, uint32_t number)
{
    return number < f->names_count ? f->rnames.list[number] : f->rests[number - f->names_count];
}

#endif
