/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/summary_tops.h"

#include <stdio.h>
#include <stdlib.h>

static int by_number(const void *a, const void *b)
{
    const struct summary_top *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Most lookups first; of those that have the same, those that come first. */
static int by_count(const void *a, const void *b)
{
    const struct summary_top *x = a, *y = b;
    if (x->sum.count != y->sum.count)
        return x->sum.count > y->sum.count ? -1 : 1;
    return by_number(a, b);
}

static size_t add_equals(struct summary_top *list, size_t count)
{
    size_t kept = 0, i;
    qsort(list, count, sizeof(*list), by_number);
    for (i = 0; i < count; i++) {
        struct summary_sum *to = kept > 0 ? &list[kept - 1].sum : NULL;
        const struct summary_sum *sum = &list[i].sum;
        if (sum->count == 0)
            continue;
        if (!to || list[kept - 1].number != list[i].number) {
            list[kept++] = list[i];
            continue;
        }
        to->count += sum->count;
        to->first = sum->first < to->first ? sum->first : to->first;
        to->last = sum->last > to->last ? sum->last : to->last;
    }
    return kept;
}

static int put_left(sqlite3 *db, const char *what, uint64_t count, struct error *err)
{
    char key[32];
    sqlite3_stmt *s;
    if (sql_prepare(db, "INSERT INTO part VALUES(?, ?)", &s, err) != 0)
        return -1;
    snprintf(key, sizeof(key), "left %s", what);
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, (int64_t)count);
    int done = sql_do(s, err);
    sqlite3_finalize(s);
    return done;
}

int summary_write_tops(sqlite3 *db, const char *what, struct summary_top *list, size_t count, summary_key *key,
                       const void *context, struct error *err)
{
    sqlite3_stmt *s;
    size_t i;
    count = add_equals(list, count);
    qsort(list, count, sizeof(*list), by_count);
    if (put_left(db, what, count > SUMMARY_TOPS ? list[SUMMARY_TOPS].sum.count : 0, err) != 0 ||
        sql_prepare(db, "INSERT INTO tops VALUES(?, ?, ?, ?, ?)", &s, err) != 0)
        return -1;
    int done = 0;
    for (i = 0; done == 0 && i < count && i < SUMMARY_TOPS; i++) {
        sqlite3_bind_text(s, 1, what, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, (int64_t)list[i].sum.count);
        sqlite3_bind_int64(s, 4, list[i].sum.first);
        sqlite3_bind_int64(s, 5, list[i].sum.last - list[i].sum.first);
        done = key(context, s, 3, list[i].number, err) == 0 ? sql_do(s, err) : -1;
    }
    sqlite3_finalize(s);
    return done;
}
