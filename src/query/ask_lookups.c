/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who asked for what: rows of partitions. */
#include <stdio.h>
#include <string.h>

#include "base/dns_words.h"
#include "query/question.h"
#include "record/field.h"

static const char gather_schema[] =
    "CREATE TABLE found(what, resolver BLOB, type INT, rcode INT, count INT, first INT, last INT,"
    " PRIMARY KEY(what, resolver, type, rcode)) WITHOUT ROWID; BEGIN";

/* How a question finds its rows. */
struct lookup_query {
    enum { BY_NAME, BY_CLIENT, BY_RCODE, BY_ALL } by; /* the last two make sums */
    const char *rows; /* of a partition: what, resolver, type, rcode, count, first, span; ?1 = number of the name or
                         client, or the rcode; ?2, ?3 = since and until, of sums */
};

/* Sum and difference of times, which stay within what there is: a file may have any number. */
static int64_t later(int64_t time_s, int64_t by_s)
{
    int64_t sum;
    return !__builtin_add_overflow(time_s, by_s, &sum) ? sum : by_s < 0 ? INT64_MIN : INT64_MAX;
}

/* A time as the partition has it; all of time stays that. */
static int64_t relative(int64_t time_s, int64_t base)
{
    int64_t difference;
    if (time_s == INT64_MIN || time_s == INT64_MAX)
        return time_s;
    return !__builtin_sub_overflow(time_s, base, &difference) ? difference : base < 0 ? INT64_MAX : INT64_MIN;
}

/* Rows of one partition for a number. */
static int gather_rows(sqlite3 *partition, const struct lookup_query *query, int64_t number, sqlite3_stmt *into,
                       const struct ask *ask, uint64_t *left, struct error *err)
{
    sqlite3_stmt *s;
    int64_t base;
    int step = -1, i;
    if (sql_number(partition, "SELECT value FROM part WHERE key = 'base'", 0, &base, err) != 0 ||
        sql_prepare(partition, query->rows, &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, number);
    if (query->by >= BY_RCODE) {
        sqlite3_bind_int64(s, 2, relative(ask->since_s, base));
        sqlite3_bind_int64(s, 3, relative(ask->until_s, base));
    }
    while (*left > 0 && (step = sql_step(s, err)) == 1) {
        int64_t first = later(sqlite3_column_int64(s, 5), base), last = later(first, sqlite3_column_int64(s, 6));
        --*left;
        if (last < ask->since_s || first >= ask->until_s)
            continue;
        for (i = 0; i < 5; i++)
            sqlite3_bind_value(into, 1 + i, sqlite3_column_value(s, i));
        sqlite3_bind_int64(into, 6, first);
        sqlite3_bind_int64(into, 7, last);
        if (sql_do(into, err) != 0) {
            step = -1;
            break;
        }
    }
    sqlite3_finalize(s);
    return *left == 0 ? 0 : step;
}

/* The number to look for in the partition; 0 = there is nothing in it, -1 = it cannot be read. */
static int64_t find_number(const struct lookup_query *query, sqlite3 *partition, const char *what, struct error *err)
{
    char rname[RNAME_TEXT];
    uint8_t address[16];
    uint16_t rcode = 0;
    if (query->by == BY_NAME)
        return parse_rname(what, rname) == 0 ? kept_find_name(partition, rname, err) : -1;
    if (query->by == BY_CLIENT)
        return kept_find_address(partition, address, parse_address(what, address), err);
    return query->by == BY_ALL ? 0 : dns_rcode_parse(what, &rcode) == 0 ? rcode : -1;
}

/* Returns 0, 1 = one was damaged, and it must be done again without it, or -1. */
static int gather(struct kept *kept, const struct ask *ask, const struct lookup_query *query, sqlite3_stmt *into,
                  struct ask_result *result, struct error *err)
{
    uint64_t left = ASK_ROWS_MAX;
    size_t i;
    for (i = kept->partitions_count; i > 0; i--) {
        const struct partition *p = &kept->partitions[i - 1];
        sqlite3 *db;
        if (p->record_last < ask->since_s || p->record_first >= ask->until_s)
            continue;
        if (kept_partition(kept, i - 1, &db) == 0)
            continue;
        int64_t number = find_number(query, db, ask->what, err);
        bool has_any = number > 0 || (query->by >= BY_RCODE && number == 0);
        int done = has_any ? gather_rows(db, query, number, into, ask, &left, err) : (int)number;
        bool is_damaged = done != 0 && kept_is_damaged(kept, i - 1, db, err);
        sqlite3_close(db);
        if (done != 0)
            return is_damaged ? 1 : -1;
        result->is_partial = left == 0;
    }
    return 0;
}

/* Rows of a damaged one are taken back. */
static int gather_whole(struct kept *kept, const struct ask *ask, const struct lookup_query *query, sqlite3 *found,
                        sqlite3_stmt *into, struct ask_result *result, struct error *err)
{
    int done = gather(kept, ask, query, into, result, err);
    while (done == 1) {
        err->text[0] = '\0';
        done = sql_run(found, "DELETE FROM found", err) == 0 ? gather(kept, ask, query, into, result, err) : -1;
    }
    return done;
}

static void put_lookup_row(sqlite3_stmt *s, const char *name, struct answer_output *output)
{
    char type[FIELD_WORD_SIZE], rcode[FIELD_WORD_SIZE], what[NAME_TEXT], resolver[ADDRESS_TEXT];
    const char *shown = what;
    if (sqlite3_column_type(s, 0) == SQLITE_BLOB)
        shown = address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), what);
    else
        (void)rname_to_text((const char *)sqlite3_column_text(s, 0), what);
    uint64_t qtype = (uint64_t)sqlite3_column_int64(s, 2);
    const struct answer_cell cells[] = {
        {name, 0},
        {shown, 0},
        {qtype ? field_type_word(qtype, type) : NULL, 0},
        {field_rcode_word((uint64_t)sqlite3_column_int64(s, 3), rcode), 0},
        {address_text(sqlite3_column_blob(s, 1), sqlite3_column_bytes(s, 1), resolver), 0},
        {NULL, sqlite3_column_int64(s, 4)},
        {NULL, sqlite3_column_int64(s, 5)},
        {NULL, sqlite3_column_int64(s, 6)}};
    answer_row(output, cells);
}

/* Rows of all partitions, brought together, in the order that is given. */
static int ask_lookups(struct kept *kept, const struct ask *ask, const struct lookup_query *query, const char *order,
                       put_row *put, struct answer_output *output, struct ask_result *result, struct error *err)
{
    sqlite3 *found;
    sqlite3_stmt *into = NULL, *out = NULL;
    char about[NAME_TEXT], rname[RNAME_TEXT];
    int done = -1;
    if (query->by != BY_NAME || parse_rname(ask->what, rname) != 0)
        snprintf(about, sizeof(about), "%s", ask->what);
    else
        (void)rname_to_text(rname, about);
    if (sql_open(":memory:", SQL_WRITE, &found, err) != 0)
        return -1;
    if (sql_run(found, gather_schema, err) == 0 &&
        sql_prepare(found,
                    "INSERT INTO found VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " count = count + excluded.count, first = min(first, excluded.first),"
                    " last = max(last, excluded.last)",
                    &into, err) == 0 &&
        gather_whole(kept, ask, query, found, into, result, err) == 0 && sql_prepare(found, order, &out, err) == 0)
        done = put_rows(out, ask, result, err, put, about, output);
    sqlite3_finalize(into);
    sqlite3_finalize(out);
    sqlite3_close(found);
    return done;
}

static const char latest_first[] = "SELECT * FROM found ORDER BY last DESC, count DESC, what, type, rcode";

static const struct answer_column who_columns[] = {
    {"name", CELL_TEXT, NULL},     {"client", CELL_TEXT, NULL},  {"type", CELL_TEXT, NULL},  {"rcode", CELL_TEXT, NULL},
    {"resolver", CELL_TEXT, NULL}, {"count", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

static int ask_who(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                   struct error *err)
{
    static const struct lookup_query query = {
        BY_NAME, "SELECT c.address, r.address, k.type, k.rcode, rows.count, rows.first, rows.span FROM rows"
                 " JOIN addresses c ON c.id = rows.client JOIN kinds k ON k.id = rows.kind"
                 " LEFT JOIN addresses r ON r.id = k.resolver WHERE rows.name = ?"};
    return ask_lookups(kept, ask, &query, latest_first, put_lookup_row, output, result, err);
}

static const struct answer_column client_columns[] = {
    {"client", CELL_TEXT, NULL},   {"name", CELL_TEXT, NULL},    {"type", CELL_TEXT, NULL},  {"rcode", CELL_TEXT, NULL},
    {"resolver", CELL_TEXT, NULL}, {"count", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

static int ask_client(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                      struct error *err)
{
    static const struct lookup_query query = {
        BY_CLIENT, "SELECT n.rname, r.address, k.type, k.rcode, rows.count, rows.first, rows.span FROM rows"
                   " JOIN names n ON n.id = rows.name JOIN kinds k ON k.id = rows.kind"
                   " LEFT JOIN addresses r ON r.id = k.resolver WHERE rows.client = ?"};
    return ask_lookups(kept, ask, &query, latest_first, put_lookup_row, output, result, err);
}

static const struct answer_column rcode_columns[] = {{"rcode", CELL_TEXT, NULL},
                                                     {"client", CELL_TEXT, NULL},
                                                     {"count", CELL_NUMBER, NULL},
                                                     {"first", CELL_TIME, NULL},
                                                     {"last", CELL_TIME, NULL}};

static void put_rcode_row(sqlite3_stmt *s, const char *unused, struct answer_output *output)
{
    char rcode[FIELD_WORD_SIZE], client[ADDRESS_TEXT];
    (void)unused;
    const struct answer_cell cells[] = {
        {field_rcode_word((uint64_t)sqlite3_column_int64(s, 3), rcode), 0},
        {address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), client), 0},
        {NULL, sqlite3_column_int64(s, 4)},
        {NULL, sqlite3_column_int64(s, 5)},
        {NULL, sqlite3_column_int64(s, 6)}};
    answer_row(output, cells);
}

/* A partition gives one row for each client. */
static int ask_rcode(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                     struct error *err)
{
    static const struct lookup_query query = {
        BY_RCODE, "SELECT c.address, x'', 0, k.rcode, sum(rows.count), min(rows.first),"
                  " max(rows.first + rows.span) - min(rows.first) FROM rows JOIN kinds k ON k.id = rows.kind"
                  " JOIN addresses c ON c.id = rows.client WHERE k.rcode = ?1 AND rows.first + rows.span >= ?2"
                  " AND rows.first < ?3 GROUP BY rows.client"};
    return ask_lookups(kept, ask, &query, "SELECT * FROM found ORDER BY count DESC, last DESC, what", put_rcode_row,
                       output, result, err);
}

/* ---- top ---- */

static const struct answer_column top_columns[] = {{"what", CELL_TEXT, NULL},
                                                   {"value", CELL_TEXT, NULL},
                                                   {"count", CELL_NUMBER, NULL},
                                                   {"first", CELL_TIME, NULL},
                                                   {"last", CELL_TIME, NULL}};

#define TOP_ROWS(value, join, group)                                                                       \
    "SELECT " value ", x'', 0, 0, sum(rows.count), min(rows.first),"                                       \
    " max(rows.first + rows.span) - min(rows.first) FROM rows " join " WHERE rows.first + rows.span >= ?2" \
    " AND rows.first < ?3 GROUP BY " group

static const struct top {
    const char *what;
    struct lookup_query query;
    const char *(*word)(uint64_t number, char room[FIELD_WORD_SIZE]); /* of numbers */
} tops[] = {
    {"names", {BY_ALL, TOP_ROWS("n.rname", "JOIN names n ON n.id = rows.name", "rows.name")}, NULL},
    {"clients", {BY_ALL, TOP_ROWS("c.address", "JOIN addresses c ON c.id = rows.client", "rows.client")}, NULL},
    {"resolvers",
     {BY_ALL,
      TOP_ROWS("r.address", "JOIN kinds k ON k.id = rows.kind JOIN addresses r ON r.id = k.resolver", "k.resolver")},
     NULL},
    {"types", {BY_ALL, TOP_ROWS("k.type", "JOIN kinds k ON k.id = rows.kind", "k.type")}, field_type_word},
    {"rcodes", {BY_ALL, TOP_ROWS("k.rcode", "JOIN kinds k ON k.id = rows.kind", "k.rcode")}, field_rcode_word},
};

enum { TOPS = sizeof(tops) / sizeof(tops[0]) };

static const struct top *find_top(const char *what)
{
    size_t i;
    for (i = 0; i < TOPS; i++)
        if (strcmp(what, tops[i].what) == 0)
            return &tops[i];
    return NULL;
}

int top_check(const char *what, struct error *err)
{
    char all[100] = "";
    size_t i, used = 0;
    if (find_top(what))
        return 0;
    for (i = 0; i < TOPS; i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", tops[i].what);
    return error_set(err, "expected one of: %s", all);
}

static void put_top_row(sqlite3_stmt *s, const char *what, struct answer_output *output)
{
    char word[FIELD_WORD_SIZE], text[NAME_TEXT];
    const struct top *top = find_top(what);
    const char *value = text;
    if (top->word)
        value = top->word((uint64_t)sqlite3_column_int64(s, 0), word);
    else if (sqlite3_column_type(s, 0) == SQLITE_BLOB)
        value = address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), text);
    else
        (void)rname_to_text((const char *)sqlite3_column_text(s, 0), text);
    const struct answer_cell cells[] = {{what, 0},
                                        {value, 0},
                                        {NULL, sqlite3_column_int64(s, 4)},
                                        {NULL, sqlite3_column_int64(s, 5)},
                                        {NULL, sqlite3_column_int64(s, 6)}};
    answer_row(output, cells);
}

static int ask_top(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                   struct error *err)
{
    return ask_lookups(kept, ask, &find_top(ask->what)->query,
                       "SELECT * FROM found ORDER BY count DESC, last DESC, what", put_top_row, output, result, err);
}

const struct question question_who = {"who", "NAME: who asked for it", ABOUT_NAME, QUESTION_COLUMNS(who_columns),
                                      ask_who};
const struct question question_client = {"client", "ADDRESS: what this client asked for", ABOUT_CLIENT,
                                         QUESTION_COLUMNS(client_columns), ask_client};
const struct question question_rcode = {"rcode", "RCODE: who was answered with it, most often first", ABOUT_RCODE,
                                        QUESTION_COLUMNS(rcode_columns), ask_rcode};
const struct question question_top = {"top", "WHAT: names, clients, resolvers, types or rcodes, most lookups first",
                                      ABOUT_TOP, QUESTION_COLUMNS(top_columns), ask_top};
