/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which name was behind an address at a moment: of those that were answered with it by then, the one seen last. */
#include <stdlib.h>
#include <string.h>

#include "query/behind.h"
#include "query/lookups.h"

static const struct answer_column columns[] = {
    {"address", CELL_TEXT, NULL}, {"name", CELL_TEXT, NULL},    {"via", CELL_TEXT, NULL},   {"method", CELL_TEXT, NULL},
    {"age_s", CELL_NUMBER, NULL}, {"count", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

struct candidate {
    char *rname, *via;
    int64_t age_s; /* how long before the moment it was seen last; 0 if it was seen before and after */
    int64_t count, first_s, last_s;
    bool is_of_client;
};

struct candidates {
    struct candidate *list; /* BEHIND_MAX */
    size_t count;
    int64_t at_s;
    struct error *err;
};

static int64_t age_of(int64_t at_s, int64_t last_s)
{
    int64_t age;
    return last_s >= at_s ? 0 : __builtin_sub_overflow(at_s, last_s, &age) ? INT64_MAX : age;
}

static int take(void *context, const struct behind_name *name)
{
    struct candidates *c = context;
    struct candidate *new = &c->list[c->count];
    *new = (struct candidate){.rname = strdup(name->rname),
                              .via = strdup(name->via),
                              .age_s = age_of(c->at_s, name->last_s),
                              .count = name->count,
                              .first_s = name->first_s,
                              .last_s = name->last_s};
    c->count++;
    return new->rname &&new->via ? 0 : error_set(c->err, "out of memory");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct candidate *)a)->rname, ((const struct candidate *)b)->rname);
}

/* The client's own first, then the one seen last, then the one seen most often. */
static int by_worth(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->is_of_client != y->is_of_client)
        return x->is_of_client ? -1 : 1;
    if (x->age_s != y->age_s)
        return x->age_s < y->age_s ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return by_name(a, b);
}

/* A lookup of the client, by then: its time and count are worth more than those of everybody's answers. */
static void take_lookup(struct candidates *c, sqlite3_stmt *s)
{
    struct candidate key = {.rname = (char *)(uintptr_t)sqlite3_column_text(s, 0)};
    struct candidate *found =
        key.rname && c->count > 0 ? bsearch(&key, c->list, c->count, sizeof(*c->list), by_name) : NULL;
    if (!found)
        return;
    found->is_of_client = true;
    found->count = sqlite3_column_int64(s, 1);
    found->first_s = sqlite3_column_int64(s, 2);
    found->last_s = sqlite3_column_int64(s, 3);
    found->age_s = age_of(c->at_s, found->last_s);
}

static int take_client(struct candidates *c, struct kept *kept, const struct ask *ask, struct ask_result *result,
                       struct error *err)
{
    static const struct lookup_query query = {
        BY_CLIENT,
        "SELECT n.rname, x'', 0, 0, rows.count, rows.first, rows.span FROM rows JOIN names n ON n.id = rows.name"
        " WHERE rows.client = ?1",
        NULL};
    const struct ask own = {.what = &ask->client, .what_count = 1, .since_s = ask->since_s, .until_s = ask->at_s + 1};
    sqlite3 *found;
    sqlite3_stmt *s;
    if (lookups_gather(kept, &own, &query, &found, result, err) != 0)
        return -1;
    int step = sql_prepare(found, "SELECT what, count, first, last FROM found", &s, err);
    while (step >= 0 && (step = sql_step(s, err)) == 1)
        take_lookup(c, s);
    sqlite3_finalize(s);
    sqlite3_close(found);
    return step;
}

static void put(const struct candidate *c, const char *address, struct answer_output *output)
{
    char name[NAME_TEXT], via[NAME_TEXT];
    bool is_direct = strcmp(c->rname, c->via) == 0;
    (void)rname_to_text(c->rname, name);
    (void)rname_to_text(c->via, via);
    const struct answer_cell cells[] = {
        {address, 0},     {name, 0},        {is_direct ? NULL : via, 0}, {c->is_of_client ? "client" : "anybody", 0},
        {NULL, c->age_s}, {NULL, c->count}, {NULL, c->first_s},          {NULL, c->last_s}};
    answer_row(output, cells);
}

static int ask_at(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                  struct error *err)
{
    struct candidates c = {.list = calloc(BEHIND_MAX, sizeof(*c.list)), .at_s = ask->at_s, .err = err};
    struct ask by_then = *ask;
    size_t i;
    by_then.until_s = ask->at_s < INT64_MAX ? ask->at_s + 1 : INT64_MAX;
    int done = c.list ? behind_address(kept, ask->what[0], &by_then, take, &c, &result->is_partial, err)
                      : error_set(err, "out of memory");
    if (done == 0 && c.count > 0)
        qsort(c.list, c.count, sizeof(*c.list), by_name);
    if (done == 0 && ask->client)
        done = take_client(&c, kept, ask, result, err);
    if (done == 0 && c.count > 0)
        qsort(c.list, c.count, sizeof(*c.list), by_worth);
    for (i = 0; i < c.count; i++) {
        if (done == 0 && (ask->limit == 0 || i < ask->limit)) {
            put(&c.list[i], ask->what[0], output);
            result->rows++;
        }
        free(c.list[i].rname);
        free(c.list[i].via);
    }
    result->is_cut |= ask->limit > 0 && c.count > ask->limit;
    free(c.list);
    return done;
}

const struct question question_at = {"at",
                                     "ADDRESS: the name behind it at a moment (--time), likeliest first",
                                     ABOUT_ADDRESS,
                                     PAGES_NONE,
                                     QUESTION_COLUMNS(columns),
                                     ask_at};
