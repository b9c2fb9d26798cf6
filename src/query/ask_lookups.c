/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who asked for what: rows of partitions. */
#include <stdio.h>
#include <string.h>

#include "query/lookups.h"
#include "record/field.h"

/* ---- a row ---- */

/* An address, or the text of a reversed name, which need not end with NUL. */
static const char *key_text(const uint8_t *key, size_t len, bool is_name, char text[NAME_TEXT])
{
    char rname[RNAME_TEXT];
    if (!is_name)
        return address_text(key, (int)len, text);
    snprintf(rname, sizeof(rname), "%.*s", (int)len, len > 0 ? (const char *)key : "");
    (void)rname_to_text(rname, text);
    return text;
}

void put_lookup(const struct lookup_row *row, struct answer_output *output)
{
    char type[FIELD_WORD_SIZE], rcode[FIELD_WORD_SIZE], about[NAME_TEXT], what[NAME_TEXT], resolver[ADDRESS_TEXT];
    const struct answer_cell cells[] = {{key_text(row->about, row->about_len, row->is_about_name, about), 0},
                                        {key_text(row->what, row->what_len, !row->is_about_name, what), 0},
                                        {row->type ? field_type_word((uint64_t)row->type, type) : NULL, 0},
                                        {field_rcode_word((uint64_t)row->rcode, rcode), 0},
                                        {address_text(row->resolver, (int)row->resolver_len, resolver), 0},
                                        {NULL, row->count},
                                        {NULL, row->first},
                                        {NULL, row->last}};
    answer_row(output, cells);
}

static void put_found(sqlite3_stmt *s, struct answer_output *output)
{
    const struct lookup_row row = {.about = sqlite3_column_blob(s, FOUND_ABOUT),
                                   .about_len = (size_t)sqlite3_column_bytes(s, FOUND_ABOUT),
                                   .is_about_name = sqlite3_column_type(s, FOUND_ABOUT) == SQLITE_TEXT,
                                   .what = sqlite3_column_blob(s, FOUND_WHAT),
                                   .what_len = (size_t)sqlite3_column_bytes(s, FOUND_WHAT),
                                   .resolver = sqlite3_column_blob(s, FOUND_RESOLVER),
                                   .resolver_len = (size_t)sqlite3_column_bytes(s, FOUND_RESOLVER),
                                   .type = sqlite3_column_int64(s, FOUND_TYPE),
                                   .rcode = sqlite3_column_int64(s, FOUND_RCODE),
                                   .count = sqlite3_column_int64(s, FOUND_COUNT),
                                   .first = sqlite3_column_int64(s, FOUND_FIRST),
                                   .last = sqlite3_column_int64(s, FOUND_LAST)};
    put_lookup(&row, output);
}

/* ---- all of them ---- */

/* The limit is that of each that is asked about. */
static int put_all(sqlite3_stmt *s, const struct ask *ask, put_row *put, struct answer_output *output,
                   struct ask_result *result, struct error *err)
{
    uint8_t about[NAME_TEXT];
    size_t about_len = 0;
    uint64_t rows = 0;
    int step;
    while ((step = sql_step(s, err)) == 1) {
        size_t len = (size_t)sqlite3_column_bytes(s, FOUND_ABOUT);
        const void *bytes = sqlite3_column_blob(s, FOUND_ABOUT);
        if (len <= sizeof(about) && (len != about_len || (len > 0 && memcmp(bytes, about, len) != 0))) {
            if (len > 0)
                memcpy(about, bytes, len);
            about_len = len;
            rows = 0;
        }
        if (ask->limit > 0 && rows == ask->limit) {
            result->is_cut = true;
            continue;
        }
        put(s, output);
        result->rows++;
        rows++;
    }
    return step;
}

int ask_lookups(struct kept *kept, const struct ask *ask, const struct lookup_query *query, const char *order,
                put_row *put, struct answer_output *output, struct ask_result *result, struct error *err)
{
    sqlite3 *found;
    sqlite3_stmt *out = NULL;
    int done = -1;
    if (ask->from && query->pages)
        return ask_page(kept, ask, query, output, result, err);
    if (lookups_gather(kept, ask, query, &found, result, err) != 0)
        return -1;
    if (sql_prepare(found, order, &out, err) == 0)
        done = put_all(out, ask, put, output, result, err);
    sqlite3_finalize(out);
    sqlite3_close(found);
    return done;
}

/* ---- who, client ---- */

static const char latest_first[] = "SELECT * FROM found ORDER BY about, last DESC, count DESC, what, type, rcode";

static const struct answer_column who_columns[] = {
    {"name", CELL_TEXT, NULL},     {"client", CELL_TEXT, NULL},  {"type", CELL_TEXT, NULL},  {"rcode", CELL_TEXT, NULL},
    {"resolver", CELL_TEXT, NULL}, {"count", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

#define WHO_ROWS                                                                                               \
    "SELECT c.address, coalesce(r.address, x''), k.type, k.rcode, rows.count, rows.first, rows.span FROM rows" \
    " JOIN addresses c ON c.id = rows.client JOIN kinds k ON k.id = rows.kind"                                 \
    " LEFT JOIN addresses r ON r.id = k.resolver WHERE rows.name = ?1"

static int ask_who(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                   struct error *err)
{
    static const struct lookup_query query = {BY_NAME, WHO_ROWS,
                                              WHO_ROWS " AND rows.client >= ?2 ORDER BY rows.client, rows.kind"};
    return ask_lookups(kept, ask, &query, latest_first, put_found, output, result, err);
}

static const struct answer_column client_columns[] = {
    {"client", CELL_TEXT, NULL},   {"name", CELL_TEXT, NULL},    {"type", CELL_TEXT, NULL},  {"rcode", CELL_TEXT, NULL},
    {"resolver", CELL_TEXT, NULL}, {"count", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

static int ask_client(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                      struct error *err)
{
    static const struct lookup_query query = {BY_CLIENT, CLIENT_ROWS,
                                              CLIENT_ROWS " AND rows.name >= ?2 ORDER BY rows.name, rows.kind"};
    return ask_lookups(kept, ask, &query, latest_first, put_found, output, result, err);
}

/* ---- rcode ---- */

static const struct answer_column rcode_columns[] = {{"rcode", CELL_TEXT, NULL},
                                                     {"client", CELL_TEXT, NULL},
                                                     {"count", CELL_NUMBER, NULL},
                                                     {"first", CELL_TIME, NULL},
                                                     {"last", CELL_TIME, NULL}};

static void put_rcode_row(sqlite3_stmt *s, struct answer_output *output)
{
    char rcode[FIELD_WORD_SIZE], client[ADDRESS_TEXT];
    const struct answer_cell cells[] = {
        {field_rcode_word((uint64_t)sqlite3_column_int64(s, FOUND_RCODE), rcode), 0},
        {address_text(sqlite3_column_blob(s, FOUND_WHAT), sqlite3_column_bytes(s, FOUND_WHAT), client), 0},
        {NULL, sqlite3_column_int64(s, FOUND_COUNT)},
        {NULL, sqlite3_column_int64(s, FOUND_FIRST)},
        {NULL, sqlite3_column_int64(s, FOUND_LAST)}};
    answer_row(output, cells);
}

/* A partition gives one row for each client. */
static int ask_rcode(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                     struct error *err)
{
    static const struct lookup_query query = {
        BY_RCODE,
        "SELECT c.address, x'', 0, k.rcode, sum(rows.count), min(rows.first),"
        " max(rows.first + rows.span) - min(rows.first) FROM rows JOIN kinds k ON k.id = rows.kind"
        " JOIN addresses c ON c.id = rows.client WHERE k.rcode = ?1 AND rows.first + rows.span >= ?2"
        " AND rows.first < ?3 GROUP BY rows.client",
        NULL};
    return ask_lookups(kept, ask, &query, "SELECT * FROM found ORDER BY count DESC, last DESC, what", put_rcode_row,
                       output, result, err);
}

const struct question question_who = {"who",        "NAME: who asked for it",      ABOUT_NAME,
                                      PAGES_WANTED, QUESTION_COLUMNS(who_columns), ask_who};
const struct question question_client = {"client",     "ADDRESS: what this client asked for", ABOUT_CLIENT,
                                         PAGES_WANTED, QUESTION_COLUMNS(client_columns),      ask_client};
const struct question question_rcode = {"rcode",
                                        "RCODE: who was answered with it, most often first",
                                        ABOUT_RCODE,
                                        PAGES_NONE,
                                        QUESTION_COLUMNS(rcode_columns),
                                        ask_rcode};
