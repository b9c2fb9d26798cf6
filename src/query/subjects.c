/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a question is about, as partitions have it: in order, each once. */
#include <stdlib.h>
#include <string.h>

#include "base/prefix.h"
#include "query/behind.h"
#include "query/lookups.h"

void subjects_free(struct subjects *subjects)
{
    size_t i;
    for (i = 0; i < subjects->count; i++)
        free(subjects->list[i].key);
    free(subjects->list);
    memset(subjects, 0, sizeof(*subjects));
}

/* Room comes in powers of two. */
static int add(struct subjects *subjects, const void *key, size_t len, struct error *err)
{
    size_t count = subjects->count;
    if ((count & (count - 1)) == 0) {
        struct subject *list = realloc(subjects->list, (count > 0 ? 2 * count : 1) * sizeof(*list));
        if (!list)
            return error_set(err, "out of memory");
        subjects->list = list;
    }
    uint8_t *copy = calloc(1, len + 1);
    if (!copy)
        return error_set(err, "out of memory");
    memcpy(copy, key, len);
    subjects->list[subjects->count++] = (struct subject){copy, len, NULL};
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct subject *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

static void make_unique(struct subjects *subjects)
{
    size_t i, kept = 0;
    if (subjects->count == 0)
        return;
    qsort(subjects->list, subjects->count, sizeof(*subjects->list), by_key);
    for (i = 0; i < subjects->count; i++) {
        if (kept > 0 && by_key(&subjects->list[i], &subjects->list[kept - 1]) == 0)
            free(subjects->list[i].key);
        else
            subjects->list[kept++] = subjects->list[i];
    }
    subjects->count = kept;
}

/* The names that led to an address, as subjects. */
struct behind {
    struct subjects *subjects;
    struct error *err;
};

static int add_behind(void *context, const struct behind_name *name)
{
    struct behind *b = context;
    return add(b->subjects, name->rname, strlen(name->rname), b->err);
}

static int add_name(struct subjects *subjects, struct kept *kept, const struct ask *ask, const char *what,
                    struct ask_result *result, struct error *err)
{
    struct behind behind = {subjects, err};
    struct prefixes prefixes = {.count = 0};
    uint8_t address[16];
    char rname[RNAME_TEXT];
    if (parse_address(what, address) > 0 || (strchr(what, '/') && prefixes_add(&prefixes, what, NULL) == 0))
        return behind_address(kept, what, ask, add_behind, &behind, &result->is_partial, err);
    if (parse_rname(what, rname) != 0)
        return error_set(err, "%s: no name", what);
    return add(subjects, rname, strlen(rname), err);
}

int subjects_make(struct subjects *subjects, struct kept *kept, const struct ask *ask, const struct lookup_query *query,
                  struct ask_result *result, struct error *err)
{
    size_t i;
    int done = 0;
    memset(subjects, 0, sizeof(*subjects));
    subjects->are_names = query->by == BY_NAME;
    if (query->by == BY_RCODE) {
        subjects->list = calloc(1, sizeof(*subjects->list));
        if (!subjects->list)
            return error_set(err, "out of memory");
        subjects->list[0].text = ask->what[0];
        subjects->count = 1;
        return 0;
    }
    for (i = 0; done == 0 && i < ask->what_count; i++) {
        uint8_t address[16];
        size_t len = query->by == BY_CLIENT ? parse_address(ask->what[i], address) : 0;
        done = query->by == BY_NAME ? add_name(subjects, kept, ask, ask->what[i], result, err)
               : len > 0            ? add(subjects, address, len, err)
                                    : error_set(err, "%s: no address", ask->what[i]);
    }
    make_unique(subjects);
    return done;
}
