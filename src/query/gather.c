/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of all partitions into one table, in which those of the same lookup become one. */
#include <stdlib.h>
#include <string.h>

#include "base/dns_words.h"
#include "query/lookups.h"

enum { MANY = 500 /* names in a list, from which on a partition is read through */, LOOK_EACH = 1024 /* rows */ };

static const char schema[] =
    "CREATE TABLE found(about, what, resolver BLOB, type INT, rcode INT, count INT, first INT, last INT,"
    " PRIMARY KEY(about, what, resolver, type, rcode)) WITHOUT ROWID; BEGIN";

/* Rows on their way. */
struct gather {
    struct kept *kept;
    const struct ask *ask;
    const struct lookup_query *query;
    struct subjects subjects;
    int64_t *numbers; /* of the subjects in the partition at hand, 0 = not there */
    sqlite3 *found;
    sqlite3_stmt *into;
    bool is_over;
};

int64_t time_later(int64_t time_s, int64_t by_s)
{
    int64_t sum;
    return !__builtin_add_overflow(time_s, by_s, &sum) ? sum : by_s < 0 ? INT64_MIN : INT64_MAX;
}

int64_t time_before(int64_t time_s, int64_t base)
{
    int64_t difference;
    if (time_s == INT64_MIN || time_s == INT64_MAX)
        return time_s;
    return !__builtin_sub_overflow(time_s, base, &difference) ? difference : base < 0 ? INT64_MAX : INT64_MIN;
}

int partition_base(sqlite3 *partition, int64_t *base, struct error *err)
{
    return sql_number(partition, "SELECT value FROM part WHERE key = 'base'", 0, base, err);
}

/* ---- numbers ---- */

static int find_each(struct gather *g, sqlite3 *partition, struct error *err)
{
    size_t i;
    for (i = 0; i < g->subjects.count; i++) {
        const struct subject *s = &g->subjects.list[i];
        struct kept_place place;
        int found = g->subjects.are_names ? kept_find_name(partition, (const char *)s->key, &place, err)
                                          : kept_find_address(partition, s->key, s->len, &place, err);
        if (found != 0)
            return -1;
        g->numbers[i] = place.is_it ? place.number : 0;
    }
    return 0;
}

/* Both are in order: side by side. */
static int find_all(struct gather *g, sqlite3 *partition, struct error *err)
{
    sqlite3_stmt *s;
    uint64_t looked_at = g->kept->rows;
    size_t i = 0;
    int step = 0;
    memset(g->numbers, 0, g->subjects.count * sizeof(*g->numbers));
    if (sql_prepare(partition,
                    g->subjects.are_names ? "SELECT id, rname FROM names ORDER BY id"
                                          : "SELECT id, address FROM addresses ORDER BY id",
                    &s, err) != 0)
        return -1;
    while (i < g->subjects.count && (step = kept_step(g->kept, s, &g->is_over, err)) == 1) {
        size_t have = (size_t)sqlite3_column_bytes(s, 1);
        const void *bytes = sqlite3_column_blob(s, 1);
        for (; i < g->subjects.count; i++) {
            const struct subject *at = &g->subjects.list[i];
            size_t least = have < at->len ? have : at->len;
            int order = least > 0 ? memcmp(at->key, bytes, least) : 0;
            if (order > 0 || (order == 0 && at->len > have))
                break;
            if (order == 0 && at->len == have)
                g->numbers[i] = sqlite3_column_int64(s, 0);
        }
    }
    sqlite3_finalize(s);
    g->kept->rows = looked_at; /* what is found counts */
    return i < g->subjects.count && step < 0 ? -1 : 0;
}

static int find_numbers(struct gather *g, sqlite3 *partition, struct error *err)
{
    uint16_t rcode = 0;
    if (g->query->by == BY_NAME || g->query->by == BY_CLIENT)
        return g->subjects.count > MANY ? find_all(g, partition, err) : find_each(g, partition, err);
    g->numbers[0] = dns_rcode_parse(g->subjects.list[0].text, &rcode) == 0 ? rcode : -1;
    return 0;
}

/* ---- rows ---- */

bool lookups_are_too_many(const struct kept *kept, sqlite3 *found)
{
    int used = 0, most;
    if (kept->budget.bytes == 0 || kept->rows % LOOK_EACH != 0)
        return false;
    (void)sqlite3_db_status(found, SQLITE_DBSTATUS_CACHE_USED, &used, &most, 0);
    return (uint64_t)used > kept->budget.bytes;
}

static int put_found(struct gather *g, sqlite3_stmt *s, const struct subject *about, int64_t first, int64_t last,
                     struct error *err)
{
    int i;
    if (!about->key)
        sqlite3_bind_text(g->into, 1, about->text, -1, SQLITE_STATIC);
    else if (g->subjects.are_names)
        sqlite3_bind_text(g->into, 1, (const char *)about->key, (int)about->len, SQLITE_STATIC);
    else
        sqlite3_bind_blob(g->into, 1, about->key, (int)about->len, SQLITE_STATIC);
    for (i = 0; i < 5; i++)
        sqlite3_bind_value(g->into, 2 + i, sqlite3_column_value(s, i));
    sqlite3_bind_int64(g->into, 7, first);
    sqlite3_bind_int64(g->into, 8, last);
    return sql_do(g->into, err);
}

/* Rows of one partition for one number. */
static int gather_rows(struct gather *g, sqlite3_stmt *s, int64_t base, size_t subject, struct error *err)
{
    int step = 0;
    sqlite3_bind_int64(s, 1, g->numbers[subject]);
    if (g->query->by == BY_RCODE) {
        sqlite3_bind_int64(s, 2, time_before(g->ask->since_s, base));
        sqlite3_bind_int64(s, 3, time_before(g->ask->until_s, base));
    }
    while (!g->is_over && (step = kept_step(g->kept, s, &g->is_over, err)) == 1) {
        int64_t first = time_later(sqlite3_column_int64(s, 5), base);
        int64_t last = time_later(first, sqlite3_column_int64(s, 6));
        g->is_over |= lookups_are_too_many(g->kept, g->found);
        if (!ask_wants(g->ask, first, last))
            continue;
        if (put_found(g, s, &g->subjects.list[subject], first, last, err) != 0)
            return -1;
    }
    (void)sqlite3_reset(s);
    return step < 0 ? -1 : 0;
}

static int gather_partition(struct gather *g, sqlite3 *partition, struct error *err)
{
    sqlite3_stmt *s;
    int64_t base;
    size_t i;
    int done = 0;
    if (partition_base(partition, &base, err) != 0 || find_numbers(g, partition, err) != 0 ||
        sql_prepare(partition, g->query->rows, &s, err) != 0)
        return -1;
    for (i = 0; done == 0 && !g->is_over && i < g->subjects.count; i++)
        if (g->numbers[i] > 0 || g->query->by == BY_RCODE)
            done = g->numbers[i] >= 0 ? gather_rows(g, s, base, i, err) : -1;
    sqlite3_finalize(s);
    return done;
}

static int forget_found(struct gather *g, struct error *err)
{
    err->text[0] = '\0';
    return sql_run(g->found, "DELETE FROM found", err);
}

/* The latest first, as the rest may have to be left out. */
static int gather_all(struct gather *g, struct error *err)
{
    size_t i;
    for (i = g->kept->partitions_count; i > 0 && !g->is_over; i--) {
        const struct partition *p = &g->kept->partitions[i - 1];
        sqlite3 *db;
        if (!ask_wants(g->ask, p->record_first, p->record_last))
            continue;
        if (kept_partition(g->kept, i - 1, &db) == 0)
            continue;
        int done = gather_partition(g, db, err);
        bool is_damaged = done != 0 && kept_is_damaged(g->kept, i - 1, db, err);
        sqlite3_close(db);
        if (done != 0 && !is_damaged && kept_may_go_on(g->kept))
            return -1;
        g->is_over |= done != 0 && !is_damaged;
        if (is_damaged && forget_found(g, err) != 0) /* what it has given is taken back, with all that is there */
            return -1;
        i = is_damaged ? g->kept->partitions_count + 1 : i;
    }
    return 0;
}

int lookups_gather(struct kept *kept, const struct ask *ask, const struct lookup_query *query, sqlite3 **out,
                   struct ask_result *result, struct error *err)
{
    struct gather g = {.kept = kept, .ask = ask, .query = query};
    int done = -1;
    *out = NULL;
    if (subjects_make(&g.subjects, kept, ask, query, result, err) == 0 &&
        sql_open(":memory:", SQL_WRITE, &g.found, err) == 0 && sql_run(g.found, schema, err) == 0 &&
        sql_prepare(g.found,
                    "INSERT INTO found VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " count = count + excluded.count, first = min(first, excluded.first),"
                    " last = max(last, excluded.last)",
                    &g.into, err) == 0) {
        g.numbers = calloc(g.subjects.count + 1, sizeof(*g.numbers));
        done = g.numbers ? gather_all(&g, err) : error_set(err, "out of memory");
    }
    result->is_partial |= g.is_over;
    sqlite3_finalize(g.into);
    subjects_free(&g.subjects);
    free(g.numbers);
    if (done == 0)
        *out = g.found;
    else
        sqlite3_close(g.found);
    return done;
}
