/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of all partitions side by side, in the order of what they are about, so that a page needs no more than its own
 * rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
#include "query/lookups.h"

/* A partition, and the row where it stands. */
struct side {
    sqlite3 *db;
    size_t index;     /* in kept->partitions */
    sqlite3_stmt *at; /* NULL: there is no more */
    int64_t base;
};

struct sides {
    struct kept *kept;
    const struct ask *ask;
    const struct lookup_query *query;
    struct subject about;
    struct side *list;
    size_t count;
    bool is_over;
};

/* ---- rows ---- */

static void read_row(const struct sides *sides, const struct side *side, struct lookup_row *row)
{
    sqlite3_stmt *s = side->at;
    row->about = sides->about.key;
    row->about_len = sides->about.len;
    row->is_about_name = sides->query->by == BY_NAME;
    row->what = sqlite3_column_blob(s, 0);
    row->what_len = (size_t)sqlite3_column_bytes(s, 0);
    row->resolver = sqlite3_column_blob(s, 1);
    row->resolver_len = (size_t)sqlite3_column_bytes(s, 1);
    row->type = sqlite3_column_int64(s, 2);
    row->rcode = sqlite3_column_int64(s, 3);
    row->count = sqlite3_column_int64(s, 4);
    row->first = time_later(sqlite3_column_int64(s, 5), side->base);
    row->last = time_later(row->first, sqlite3_column_int64(s, 6));
}

static int compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t least = a_len < b_len ? a_len : b_len;
    int order = least > 0 ? memcmp(a, b, least) : 0;
    return order != 0 ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* That of the numbers in a partition. */
static int compare_rows(const struct lookup_row *a, const struct lookup_row *b)
{
    int order = compare_bytes(a->what, a->what_len, b->what, b->what_len);
    if (order == 0)
        order = compare_bytes(a->resolver, a->resolver_len, b->resolver, b->resolver_len);
    if (order == 0)
        order = compare_numbers(a->type, b->type);
    return order != 0 ? order : compare_numbers(a->rcode, b->rcode);
}

/* ---- the cursor: what, by its kind, in name or at the end of key, in front of which is the resolver ---- */

static void set_next(const struct sides *sides, const struct lookup_row *row, struct cursor *next)
{
    uint8_t key[1 + 16 + 16];
    size_t len = row->resolver_len <= 16 ? row->resolver_len : 16;
    memset(next, 0, sizeof(*next));
    next->is_behind = true;
    next->since_s = sides->ask->since_s;
    next->until_s = sides->ask->until_s;
    next->number = row->type << 16 | (row->rcode & 0xffff);
    key[0] = (uint8_t)len;
    if (len > 0)
        memcpy(key + 1, row->resolver, len);
    if (sides->query->by == BY_CLIENT) {
        snprintf(next->name, sizeof(next->name), "%.*s", (int)row->what_len, row->what ? (const char *)row->what : "");
    } else if (row->what_len > 0 && row->what_len <= 16) {
        memcpy(key + 1 + len, row->what, row->what_len);
        len += row->what_len;
    }
    cursor_set_key(next, key, 1 + len);
}

/* The row that the cursor is at. */
static void read_cursor(const struct sides *sides, const struct cursor *from, struct lookup_row *row)
{
    size_t len = from->key_len > 0 && from->key[0] < from->key_len ? from->key[0] : 0;
    memset(row, 0, sizeof(*row));
    row->resolver = from->key + 1;
    row->resolver_len = len;
    row->type = from->number >> 16;
    row->rcode = from->number & 0xffff;
    row->what = sides->query->by == BY_CLIENT ? (const uint8_t *)from->name : from->key + 1 + len;
    row->what_len = sides->query->by == BY_CLIENT ? strlen(from->name)
                    : from->key_len > len         ? from->key_len - 1 - len
                                                  : 0;
}

/* ---- partitions ---- */

/* To the next row of the time that is asked for, behind the cursor. */
static int advance(struct sides *sides, struct side *side, const struct lookup_row *from, struct error *err)
{
    struct lookup_row row;
    int step;
    while ((step = kept_step(sides->kept, side->at, &sides->is_over, err)) == 1) {
        read_row(sides, side, &row);
        if (ask_wants(sides->ask, row.first, row.last) && (!from || compare_rows(&row, from) > 0))
            return 0;
    }
    bool is_damaged = step < 0 && kept_is_damaged(sides->kept, side->index, side->db, err);
    if (is_damaged)
        err->text[0] = '\0';
    sqlite3_finalize(side->at);
    side->at = NULL;
    return is_damaged ? 0 : step;
}

/* Number of what is asked for, and the least of what the cursor is at. Returns 1, 0: it is not there, or -1. */
static int find_places(const struct sides *sides, sqlite3 *db, const struct lookup_row *from, int64_t *number,
                       int64_t *least, struct error *err)
{
    struct kept_place about, what = {.number = 0};
    bool is_by_name = sides->query->by == BY_NAME;
    int done = is_by_name ? kept_find_name(db, (const char *)sides->about.key, &about, err)
                          : kept_find_address(db, sides->about.key, sides->about.len, &about, err);
    if (done == 0 && from)
        done = is_by_name ? kept_find_address(db, from->what, from->what_len, &what, err)
                          : kept_find_name(db, (const char *)from->what, &what, err);
    *number = about.number;
    *least = what.number;
    return done != 0 ? -1 : about.is_it;
}

static int open_side(struct sides *sides, struct side *side, const struct lookup_row *from, struct error *err)
{
    int64_t number, least;
    int found = find_places(sides, side->db, from, &number, &least, err);
    if (found <= 0)
        return found;
    if (sql_run(side->db, "PRAGMA cache_size=-256", err) != 0 || partition_base(side->db, &side->base, err) != 0 ||
        sql_prepare(side->db, sides->query->pages, &side->at, err) != 0)
        return -1;
    sqlite3_bind_int64(side->at, 1, number);
    sqlite3_bind_int64(side->at, 2, least);
    return advance(sides, side, from, err);
}

static int open_sides(struct sides *sides, const struct lookup_row *from, struct error *err)
{
    size_t i;
    int done = 0;
    for (i = sides->kept->partitions_count; done == 0 && i > 0; i--) {
        const struct partition *p = &sides->kept->partitions[i - 1];
        struct side *side = &sides->list[sides->count];
        if (!ask_wants(sides->ask, p->record_first, p->record_last))
            continue;
        if (kept_partition(sides->kept, i - 1, &side->db) == 0)
            continue;
        side->index = i - 1;
        sides->count++;
        done = open_side(sides, side, from, err);
        if (done != 0 && kept_is_damaged(sides->kept, side->index, side->db, err)) {
            sqlite3_finalize(side->at);
            side->at = NULL;
            err->text[0] = '\0';
            done = 0;
        }
    }
    return done;
}

static void close_sides(struct sides *sides)
{
    size_t i;
    for (i = 0; i < sides->count; i++) {
        sqlite3_finalize(sides->list[i].at);
        sqlite3_close(sides->list[i].db);
    }
    free(sides->list);
}

/* ---- the page ---- */

/* The least row, and those of the other partitions that are the same lookup; all of them go on. 1: it is there, 0:
 * there is no more, -1: the cause. */
static int next_row(struct sides *sides, struct lookup_row *row, uint8_t what[RNAME_TEXT], uint8_t resolver[16],
                    struct error *err)
{
    struct lookup_row at;
    bool has_any = false;
    size_t i;
    for (i = 0; i < sides->count; i++) {
        if (!sides->list[i].at)
            continue;
        read_row(sides, &sides->list[i], &at);
        if (at.what_len >= RNAME_TEXT || at.resolver_len > 16)
            return error_set(err, "lookups: a file has what is no name or address");
        if (!has_any || compare_rows(&at, row) < 0)
            *row = at;
        has_any = true;
    }
    if (!has_any)
        return 0;
    if (row->what_len > 0)
        memcpy(what, row->what, row->what_len);
    if (row->resolver_len > 0)
        memcpy(resolver, row->resolver, row->resolver_len);
    row->what = what;
    row->resolver = resolver;
    row->count = 0;
    for (i = 0; i < sides->count; i++) {
        struct side *side = &sides->list[i];
        if (!side->at)
            continue;
        read_row(sides, side, &at);
        if (compare_rows(&at, row) != 0)
            continue;
        row->count += at.count;
        row->first = at.first < row->first ? at.first : row->first;
        row->last = at.last > row->last ? at.last : row->last;
        if (advance(sides, side, NULL, err) != 0)
            return -1;
    }
    return 1;
}

static int put_page(struct sides *sides, struct answer_output *output, struct ask_result *result, struct error *err)
{
    uint8_t what[RNAME_TEXT], resolver[16];
    struct lookup_row row;
    int step = 0;
    while (!sides->is_over && (step = next_row(sides, &row, what, resolver, err)) == 1) {
        if (sides->ask->limit > 0 && result->rows == sides->ask->limit) {
            result->is_cut = result->has_next = true;
            return 0;
        }
        put_lookup(&row, output);
        set_next(sides, &row, &result->next);
        result->rows++;
    }
    result->is_partial |= sides->is_over;
    result->has_next |= sides->is_over;
    return step < 0 ? -1 : 0;
}

int ask_page(struct kept *kept, const struct ask *ask, const struct lookup_query *query, struct answer_output *output,
             struct ask_result *result, struct error *err)
{
    struct sides sides = {.kept = kept, .ask = ask, .query = query};
    struct subjects subjects;
    struct lookup_row from;
    int done = -1;
    if (ask->from->is_behind)
        read_cursor(&sides, ask->from, &from);
    sides.list = calloc(kept->partitions_count + 1, sizeof(*sides.list));
    if (!sides.list)
        return error_set(err, "out of memory");
    result->next = *ask->from;
    process_raise_files();
    bool is_made = subjects_make(&subjects, kept, ask, query, result, err) == 0;
    if (is_made && subjects.count == 0) {
        result->has_next = false;
        done = 0;
    } else if (is_made && subjects.count > 1) {
        error_set(err, "%s: several names are behind it, which have no pages; ask for one of them", ask->what[0]);
    } else if (is_made) {
        sides.about = subjects.list[0];
        done = open_sides(&sides, ask->from->is_behind ? &from : NULL, err);
        if (done == 0)
            done = put_page(&sides, output, result, err);
        else if (!kept_may_go_on(kept))
            done = 0, result->is_partial = result->has_next = true;
    }
    close_sides(&sides);
    subjects_free(&subjects);
    return done;
}
