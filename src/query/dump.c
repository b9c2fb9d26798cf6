/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/dump.h"

#include <stdbool.h>

#include "query/question.h"
#include "record/field.h"

const char *const dump_names[DUMP_WHATS] = {[DUMP_LOOKUPS] = "lookups", [DUMP_ANSWERS] = "answers"};

static const struct answer_column lookup_columns[] = {
    {"client", CELL_TEXT, NULL},   {"name", CELL_TEXT, NULL},    {"type", CELL_TEXT, NULL},  {"rcode", CELL_TEXT, NULL},
    {"resolver", CELL_TEXT, NULL}, {"count", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

static const struct answer_column answer_columns[] = {{"name", CELL_TEXT, NULL},  {"type", CELL_TEXT, NULL},
                                                      {"rdata", CELL_TEXT, NULL}, {"count", CELL_NUMBER, NULL},
                                                      {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

enum {
    LOOKUP_COLUMNS = sizeof(lookup_columns) / sizeof(lookup_columns[0]),
    ANSWER_COLUMNS = sizeof(answer_columns) / sizeof(answer_columns[0])
};

struct dumping {
    int64_t since_s, until_s;
    FILE *out;
    struct answer_output *output;
};

/* client, rname, type, rcode, resolver, count, first, last */
static void put_lookup(sqlite3_stmt *s, struct answer_output *output)
{
    char client[ADDRESS_TEXT], name[NAME_TEXT], type[FIELD_WORD_SIZE], rcode[FIELD_WORD_SIZE], resolver[ADDRESS_TEXT];
    uint64_t qtype = (uint64_t)sqlite3_column_int64(s, 2);
    (void)rname_to_text((const char *)sqlite3_column_text(s, 1), name);
    const struct answer_cell cells[] = {
        {address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), client), 0},
        {name, 0},
        {qtype ? field_type_word(qtype, type) : NULL, 0},
        {field_rcode_word((uint64_t)sqlite3_column_int64(s, 3), rcode), 0},
        {address_text(sqlite3_column_blob(s, 4), sqlite3_column_bytes(s, 4), resolver), 0},
        {NULL, sqlite3_column_int64(s, 5)},
        {NULL, sqlite3_column_int64(s, 6)},
        {NULL, sqlite3_column_int64(s, 7)}};
    answer_row(output, cells);
}

/* rname, type, rdata, count, first, last */
static void put_answer(sqlite3_stmt *s, struct answer_output *output)
{
    char name[NAME_TEXT], type[FIELD_WORD_SIZE], address[ADDRESS_TEXT];
    const char *rdata = sqlite3_column_type(s, 2) == SQLITE_BLOB
                            ? address_text(sqlite3_column_blob(s, 2), sqlite3_column_bytes(s, 2), address)
                            : (const char *)sqlite3_column_text(s, 2);
    (void)rname_to_text((const char *)sqlite3_column_text(s, 0), name);
    const struct answer_cell cells[] = {{name, 0},
                                        {field_type_word((uint64_t)sqlite3_column_int64(s, 1), type), 0},
                                        {rdata, 0},
                                        {NULL, sqlite3_column_int64(s, 3)},
                                        {NULL, sqlite3_column_int64(s, 4)},
                                        {NULL, sqlite3_column_int64(s, 5)}};
    answer_row(output, cells);
}

/* Rows of a statement whose parameters are since and until. */
static int put_all(const struct dumping *d, sqlite3 *db, const char *query,
                   void (*put)(sqlite3_stmt *, struct answer_output *), struct error *err)
{
    sqlite3_stmt *s;
    int result;
    if (sql_prepare(db, query, &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, d->since_s);
    sqlite3_bind_int64(s, 2, d->until_s);
    while ((result = sql_step(s, err)) == 1 && !ferror(d->out))
        put(s, d->output);
    sqlite3_finalize(s);
    return result < 0 ? -1 : 0;
}

/* In the order of the file, so that nothing is sorted: the joins are by number. */
static int dump_lookups(const struct dumping *d, struct kept *kept, struct error *err)
{
    static const char query[] =
        "SELECT c.address, n.rname, k.type, k.rcode, r.address, rows.count, rows.first + p.value AS first,"
        " rows.first + rows.span + p.value AS last FROM part p CROSS JOIN rows"
        " CROSS JOIN addresses c ON c.id = rows.client CROSS JOIN names n ON n.id = rows.name"
        " CROSS JOIN kinds k ON k.id = rows.kind LEFT JOIN addresses r ON r.id = k.resolver"
        " WHERE p.key = 'base' AND last >= ?1 AND rows.first + p.value < ?2";
    size_t i;
    for (i = 0; i < kept->partitions_count && !ferror(d->out); i++) {
        const struct partition *p = &kept->partitions[i];
        sqlite3 *db;
        if (p->record_last < d->since_s || p->record_first >= d->until_s)
            continue;
        if (kept_partition(kept, i, &db) == 0)
            continue;
        int result = put_all(d, db, query, put_lookup, err);
        bool is_damaged = result != 0 && kept_is_damaged(kept, i, db, err);
        sqlite3_close(db);
        if (result != 0 && !is_damaged)
            return -1;
    }
    return 0;
}

int dump(struct kept *kept, enum dump_what what, int64_t since_s, int64_t until_s, FILE *out, enum answer_format format,
         uint64_t *rows, struct error *err)
{
    struct dumping d = {since_s, until_s, out, NULL};
    d.output = what == DUMP_LOOKUPS ? answer_open(out, format, false, lookup_columns, LOOKUP_COLUMNS)
                                    : answer_open(out, format, false, answer_columns, ANSWER_COLUMNS);
    if (!d.output)
        return error_set(err, "out of memory");
    int result = what == DUMP_LOOKUPS ? dump_lookups(&d, kept, err)
                                      : put_all(&d, kept->db,
                                                "SELECT rname, type, rdata, count, first, last FROM answers"
                                                " WHERE last >= ?1 AND first < ?2 ORDER BY rname, type, rdata",
                                                put_answer, err);
    *rows = answer_close(d.output);
    return result;
}
