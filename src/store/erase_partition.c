/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The rows are read twice: first to know which names, addresses and kinds stay, which get new numbers in the same
 * order, then to be written with these. */
#include "store/erase_partition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/builder.h"

enum { TABLES = 3, NAMES = 0, ADDRESSES = 1, KINDS = 2 };

/* Numbers from `from` on and before `to`. */
struct range {
    int64_t from, to;
};

struct eraser {
    sqlite3 *db;
    int64_t base, counts[TABLES];
    struct range names[FORGOTTEN_MAX], clients[FORGOTTEN_MAX];
    size_t names_count, clients_count;
    uint32_t *numbers[TABLES]; /* old number - 1 -> 0: goes, else the new number, which is 1 until it is known */
    struct builder builder;
};

static const char *const table_names[TABLES] = {"names", "addresses", "kinds"};

/* ---- what is there ---- */

static int open_eraser(struct eraser *e, const char *folder, const char *file, struct error *err)
{
    char path[512], query[64];
    int i;
    memset(e, 0, sizeof(*e));
    if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path))
        return error_set(err, "%s: the path is too long", folder);
    if (sql_open(path, SQL_SEALED, &e->db, err) != 0)
        return -1;
    for (i = 0; i < TABLES; i++) {
        snprintf(query, sizeof(query), "SELECT max(id) FROM %s", table_names[i]);
        if (sql_number(e->db, query, 0, &e->counts[i], err) != 0)
            return -1;
        if (e->counts[i] < 0 || e->counts[i] > UINT32_MAX / 8)
            return error_set(err, "%s: has too many %s", file, table_names[i]);
    }
    return sql_number(e->db, "SELECT value FROM part WHERE key = 'base'", 0, &e->base, err);
}

static void close_eraser(struct eraser *e)
{
    int i;
    sqlite3_close(e->db);
    for (i = 0; i < TABLES; i++)
        free(e->numbers[i]);
}

/* Whether what the statement's row has is before the key. */
static bool is_before(sqlite3_stmt *s, const void *key, size_t len)
{
    size_t have = (size_t)sqlite3_column_bytes(s, 0), least = have < len ? have : len;
    int order = least > 0 ? memcmp(sqlite3_column_blob(s, 0), key, least) : 0;
    return order != 0 ? order < 0 : have < len;
}

/* The first number of what does not come before the key: numbers are in the order of what they stand for. */
static int find_first(struct eraser *e, int table, const void *key, size_t len, int64_t *out, struct error *err)
{
    static const char *const queries[] = {"SELECT rname FROM names WHERE id = ?",
                                          "SELECT address FROM addresses WHERE id = ?"};
    int64_t low = 1, high = e->counts[table] + 1;
    sqlite3_stmt *s;
    int result = 1;
    if (sql_prepare(e->db, queries[table], &s, err) != 0)
        return -1;
    while (low < high && result == 1) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_bind_int64(s, 1, middle);
        result = sql_step(s, err);
        if (result == 1 && is_before(s, key, len))
            low = middle + 1;
        else
            high = middle;
        (void)sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    *out = low;
    return result < 0 ? -1 : result == 0 ? error_set(err, "lookups: a number is missing") : 0;
}

/* The numbers of what an entry is about: behind the key a zero byte, or of all names below it the dot and what follows
 * that, are the ends. */
static int find_range(struct eraser *e, const struct forgotten_entry *entry, struct range *out, struct error *err)
{
    bool is_name = entry->address_len == 0;
    int table = is_name ? NAMES : ADDRESSES;
    size_t len = is_name ? entry->rname_len : entry->address_len;
    char first[RNAME_TEXT + 1], behind[RNAME_TEXT + 1];
    memcpy(first, is_name ? (const void *)entry->rname : entry->address, len);
    memcpy(behind, first, len);
    first[len] = '.';
    behind[len] = entry->is_below ? '/' : '\0';
    if (find_first(e, table, first, len + (entry->is_below ? 1 : 0), &out->from, err) != 0)
        return -1;
    return find_first(e, table, behind, len + 1, &out->to, err);
}

static int find_ranges(struct eraser *e, const struct forgotten *forgotten, struct error *err)
{
    struct range range;
    size_t i;
    for (i = 0; i < forgotten->count; i++) {
        if (find_range(e, &forgotten->list[i], &range, err) != 0)
            return -1;
        if (range.from >= range.to)
            continue;
        if (forgotten->list[i].address_len > 0)
            e->clients[e->clients_count++] = range;
        else
            e->names[e->names_count++] = range;
    }
    return 0;
}

/* 1, 0, or -1: the query with this number gives a row. */
static int has_row(sqlite3 *db, const char *query, int64_t number, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, query, &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, number);
    int result = sql_step(s, err);
    sqlite3_finalize(s);
    return result;
}

/* An address stays where it is a resolver's alone. */
static int is_client(struct eraser *e, int64_t number, struct error *err)
{
    int result = has_row(e->db, "SELECT 1 FROM rows WHERE client = ? LIMIT 1", number, err);
    if (result != 0)
        return result;
    result = has_row(e->db, "SELECT 1 FROM kinds WHERE resolver = ? LIMIT 1", number, err);
    return result < 0 ? -1 : result == 0;
}

int partition_has_forgotten(const char *folder, const char *file, const struct forgotten *forgotten, struct error *err)
{
    struct eraser e;
    size_t i;
    int result = open_eraser(&e, folder, file, err) == 0 && find_ranges(&e, forgotten, err) == 0 ? 0 : -1;
    if (result == 0 && e.names_count > 0)
        result = 1;
    for (i = 0; result == 0 && i < e.clients_count; i++)
        result = is_client(&e, e.clients[i].from, err);
    close_eraser(&e);
    return result;
}

/* ---- which stay ---- */

static bool is_in(const struct range *ranges, size_t count, int64_t number)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (number >= ranges[i].from && number < ranges[i].to)
            return true;
    return false;
}

/* Of a row whose first columns are client, name and kind. */
static bool stays(const struct eraser *e, sqlite3_stmt *s)
{
    return !is_in(e->clients, e->clients_count, sqlite3_column_int64(s, 0)) &&
           !is_in(e->names, e->names_count, sqlite3_column_int64(s, 1));
}

static void mark(struct eraser *e, int table, int64_t number)
{
    if (number >= 1 && number <= e->counts[table])
        e->numbers[table][number - 1] = 1;
}

static uint32_t number_of(const struct eraser *e, int table, int64_t old)
{
    return old >= 1 && old <= e->counts[table] ? e->numbers[table][old - 1] : 0;
}

/* All that rows which stay have, and the resolvers of their kinds. */
static int mark_all(struct eraser *e, struct error *err)
{
    sqlite3_stmt *s;
    int result, i;
    for (i = 0; i < TABLES; i++)
        if (!(e->numbers[i] = calloc((size_t)e->counts[i] + 1, sizeof(*e->numbers[i]))))
            return error_set(err, "lookups: out of memory");
    if (sql_prepare(e->db, "SELECT client, name, kind FROM rows", &s, err) != 0)
        return -1;
    while ((result = sql_step(s, err)) == 1) {
        if (!stays(e, s))
            continue;
        mark(e, ADDRESSES, sqlite3_column_int64(s, 0));
        mark(e, NAMES, sqlite3_column_int64(s, 1));
        mark(e, KINDS, sqlite3_column_int64(s, 2));
    }
    sqlite3_finalize(s);
    if (result < 0 || sql_prepare(e->db, "SELECT id, resolver FROM kinds", &s, err) != 0)
        return -1;
    while ((result = sql_step(s, err)) == 1)
        if (number_of(e, KINDS, sqlite3_column_int64(s, 0)) != 0)
            mark(e, ADDRESSES, sqlite3_column_int64(s, 1));
    sqlite3_finalize(s);
    return result;
}

/* ---- writing ---- */

/* What the row, whose first column is its number, has. */
static int put(struct eraser *e, int table, sqlite3_stmt *s, struct error *err)
{
    if (table == KINDS)
        return builder_kind(&e->builder, number_of(e, ADDRESSES, sqlite3_column_int64(s, 1)),
                            (uint16_t)sqlite3_column_int(s, 2), (uint16_t)sqlite3_column_int(s, 3), err);
    const void *bytes = sqlite3_column_blob(s, 1);
    size_t len = (size_t)sqlite3_column_bytes(s, 1);
    return table == NAMES ? builder_name(&e->builder, len > 0 ? bytes : "", len, err)
                          : builder_address(&e->builder, bytes, len, err);
}

static int write_table(struct eraser *e, int table, struct error *err)
{
    static const char *const queries[TABLES] = {"SELECT id, rname FROM names ORDER BY id",
                                                "SELECT id, address FROM addresses ORDER BY id",
                                                "SELECT id, resolver, type, rcode FROM kinds ORDER BY id"};
    uint32_t number = 0;
    sqlite3_stmt *s;
    int result;
    if (sql_prepare(e->db, queries[table], &s, err) != 0)
        return -1;
    while ((result = sql_step(s, err)) == 1) {
        int64_t old = sqlite3_column_int64(s, 0);
        if (number_of(e, table, old) == 0)
            continue;
        e->numbers[table][old - 1] = ++number;
        if (put(e, table, s, err) != 0) {
            result = -1;
            break;
        }
    }
    sqlite3_finalize(s);
    return result;
}

static int write_rows(struct eraser *e, struct error *err)
{
    sqlite3_stmt *s;
    int result;
    if (sql_prepare(e->db,
                    "SELECT client, name, kind, count, coalesce(scaled, count), first, span FROM rows"
                    " ORDER BY client, name, kind",
                    &s, err) != 0)
        return -1;
    while ((result = sql_step(s, err)) == 1) {
        int64_t first = sqlite3_column_int64(s, 5) + e->base;
        const struct builder_row row = {.client = number_of(e, ADDRESSES, sqlite3_column_int64(s, 0)),
                                        .name = number_of(e, NAMES, sqlite3_column_int64(s, 1)),
                                        .kind = number_of(e, KINDS, sqlite3_column_int64(s, 2)),
                                        .count = (uint64_t)sqlite3_column_int64(s, 3),
                                        .scaled = (uint64_t)sqlite3_column_int64(s, 4),
                                        .first = first,
                                        .last = first + sqlite3_column_int64(s, 6)};
        if (stays(e, s) && builder_row(&e->builder, &row, err) != 0) {
            result = -1;
            break;
        }
    }
    sqlite3_finalize(s);
    return result;
}

static int write_all(struct eraser *e, const char *scratch, const struct partition *old, struct partition *out,
                     struct error *err)
{
    int result = -1, table = 0;
    *out = *old;
    if (builder_open(&e->builder, scratch, out, e->base, err) != 0)
        return -1;
    while (table < TABLES && write_table(e, table, err) == 0)
        table++;
    if (table == TABLES && write_rows(e, err) == 0) {
        if (out->rows == 0) /* it is of that time all the same */
            out->record_first = out->record_last = old->record_first;
        result = builder_finish(&e->builder, err);
    }
    builder_close(&e->builder);
    return result;
}

/* Of the names that a partition can have, with the level's number as it is and with a zero before it, the one that the
 * old file has not: so both can be there, and which of them counts is the catalogue's alone. */
static void take_other_name(const struct partition *old, struct partition *out)
{
    char plain[PARTITION_NAME];
    memcpy(plain, out->file, sizeof(plain));
    if (strcmp(old->file, plain) == 0)
        snprintf(out->file, sizeof(out->file), "0%.*s", PARTITION_NAME - 2, plain);
}

int partition_erase(const char *folder, const char *scratch, const struct partition *old,
                    const struct forgotten *forgotten, struct partition *out, struct error *err)
{
    struct eraser e;
    int result = -1;
    if (open_eraser(&e, folder, old->file, err) == 0 && find_ranges(&e, forgotten, err) == 0 && mark_all(&e, err) == 0)
        result = write_all(&e, scratch, old, out, err);
    if (result == 0)
        take_other_name(old, out);
    close_eraser(&e);
    return result;
}
