/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/sql_session.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "query/lookups_table.h"

enum { WATCH_STEPS = 10000, VALUE_BYTES = 16 << 20, SHOWN_BYTES = 4096, BYTES_TEXT = 2 * SHOWN_BYTES + 8 };

static const char only_reading[] = "only what reads is allowed here: SELECT, WITH, VALUES, EXPLAIN, PRAGMA table_info";

/* How rows are shown. */
struct printing {
    FILE *out;
    enum answer_format format;
    bool color;
};

/* ---- what may be done ---- */

static bool is_among(const char *word, const char *const *list, size_t count)
{
    size_t i;
    for (i = 0; word && i < count; i++)
        if (sqlite3_stricmp(word, list[i]) == 0)
            return true;
    return false;
}

/* Pragmas that tell of tables, and change nothing whatever is given to them. */
static const char *const pragmas[] = {"table_info",      "table_xinfo", "table_list",      "database_list",
                                      "index_list",      "index_info",  "index_xinfo",     "function_list",
                                      "pragma_list",     "module_list", "compile_options", "collation_list",
                                      "foreign_key_list"};

/* Reading alone. */
static int authorize(void *context, int action, const char *what, const char *more, const char *unused,
                     const char *inside)
{
    struct sql_session *b = context;
    static const char *const functions[] = {"load_extension", "fts3_tokenizer", "edit", "writefile", "readfile"};
    (void)unused;
    (void)inside;
    if (action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE)
        return SQLITE_OK;
    if (action == SQLITE_FUNCTION && !is_among(more, functions, sizeof(functions) / sizeof(functions[0])))
        return SQLITE_OK;
    if (action == SQLITE_PRAGMA && is_among(what, pragmas, sizeof(pragmas) / sizeof(pragmas[0])))
        return SQLITE_OK;
    b->is_refused = true;
    return SQLITE_DENY;
}

static int is_late(void *context)
{
    const struct sql_session *b = context;
    return b->until_us != 0 && clock_monotonic_us() >= b->until_us;
}

void sql_session_watch(struct sql_session *session, sqlite3 *db)
{
    sqlite3_progress_handler(db, WATCH_STEPS, is_late, session);
}

static int set_up(struct sql_session *b, struct error *err)
{
    static const char views[] =
        "CREATE TEMP VIEW answers_text AS SELECT name_text(rname) AS name,"
        " type_text(type) AS type, address_text(rdata) AS rdata, count, scaled,"
        " datetime(first, 'unixepoch') AS first, datetime(last, 'unixepoch') AS last FROM answers";
    sqlite3 *db = b->kept.db;
    int64_t unused;
    if (sql_functions_add(db, err) != 0 || lookups_table_add(b, err) != 0 || sql_run(db, views, err) != 0 ||
        sql_number(db, "SELECT 1 FROM lookups LIMIT 0", 0, &unused, err) != 0 || /* it is connected now */
        sql_run(db, "PRAGMA query_only = ON", err) != 0)
        return -1;
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_BYTES);
    sql_session_watch(b, db);
    return sqlite3_set_authorizer(db, authorize, b) == SQLITE_OK ? 0 : sql_fail(db, err);
}

int sql_session_open(struct sql_session *session, const char *directory, int64_t timeout_us, struct error *err)
{
    *session = (struct sql_session){.timeout_us = timeout_us};
    if (kept_open(directory, &session->kept, err) != 0)
        return -1;
    if (set_up(session, err) == 0)
        return 0;
    sql_session_close(session);
    return -1;
}

void sql_session_close(struct sql_session *session)
{
    kept_close(&session->kept);
}

bool sql_session_is_complete(const char *text)
{
    return sqlite3_complete(text) != 0;
}

/* ---- statements ---- */

/* Without "dnsflow.db: ", as it is the statement that is wrong. */
static int fail(struct sql_session *b, struct error *err)
{
    sqlite3 *db = b->kept.db;
    if (b->is_refused)
        return error_set(err, "%s", only_reading);
    if (sqlite3_errcode(db) == SQLITE_INTERRUPT)
        return error_set(err, "the statement took longer than %" PRId64 " s; --timeout says how long it may take",
                         b->timeout_us / SECOND_US);
    return error_set(err, "%.400s", sqlite3_errmsg(db));
}

/* Bytes as x'0a', up to a length that can be read. */
static const char *bytes_text(const uint8_t *bytes, int len, char *room)
{
    int i, used = snprintf(room, BYTES_TEXT, "x'");
    for (i = 0; i < len && i < SHOWN_BYTES; i++)
        used += snprintf(room + used, 3, "%02x", bytes[i]);
    snprintf(room + used, 5, len > SHOWN_BYTES ? "..." : "'");
    return room;
}

static void put_row(sqlite3_stmt *s, struct answer_output *output, char *rooms)
{
    struct answer_cell cells[ANSWER_COLUMNS_MAX];
    int i, count = sqlite3_column_count(s);
    for (i = 0; i < count; i++) {
        int type = sqlite3_column_type(s, i);
        bool is_number = type == SQLITE_INTEGER || (type == SQLITE_FLOAT && isfinite(sqlite3_column_double(s, i)));
        cells[i] = (struct answer_cell){NULL, is_number};
        if (type == SQLITE_BLOB)
            cells[i].text = bytes_text(sqlite3_column_blob(s, i), sqlite3_column_bytes(s, i), rooms + i * BYTES_TEXT);
        else if (type != SQLITE_NULL)
            cells[i].text = (const char *)sqlite3_column_text(s, i);
    }
    answer_row(output, cells);
}

/* From the first row on, which is there or not. Returns 0, or -1. */
static int put_rows(struct sql_session *b, sqlite3_stmt *s, int step, const struct printing *to, struct error *err)
{
    struct answer_column columns[ANSWER_COLUMNS_MAX];
    int i, count = sqlite3_column_count(s);
    char *rooms = malloc((size_t)count * BYTES_TEXT);
    for (i = 0; i < count; i++)
        columns[i] = (struct answer_column){sqlite3_column_name(s, i), CELL_VALUE, NULL};
    struct answer_output *output = rooms ? answer_open(to->out, to->format, to->color, columns, (size_t)count) : NULL;
    while (output && step == SQLITE_ROW && !ferror(to->out)) {
        put_row(s, output, rooms);
        step = sqlite3_step(s);
    }
    free(rooms);
    if (!output)
        return error_set(err, "out of memory");
    (void)answer_close(output);
    return step == SQLITE_DONE || step == SQLITE_ROW ? 0 : fail(b, err);
}

static int run_one(struct sql_session *b, sqlite3_stmt *s, const struct printing *to, struct error *err)
{
    int count = sqlite3_column_count(s);
    if (!sqlite3_stmt_readonly(s) || count == 0)
        return error_set(err, "%s", only_reading);
    if (count > ANSWER_COLUMNS_MAX)
        return error_set(err, "%d columns: expected at most %d", count, ANSWER_COLUMNS_MAX);
    if (kept_look_again(&b->kept, err) != 0)
        return -1;
    b->until_us = b->timeout_us > 0 ? clock_monotonic_us() + b->timeout_us : 0;
    int step = sqlite3_step(s); /* names of columns are as they are from here on */
    return step == SQLITE_ROW || step == SQLITE_DONE ? put_rows(b, s, step, to, err) : fail(b, err);
}

int sql_session_run(struct sql_session *session, const char *text, FILE *out, enum answer_format format, bool color,
                    struct error *err)
{
    const struct printing to = {out, format, color};
    int result = 0;
    while (result == 0 && *text && !ferror(out)) {
        sqlite3_stmt *s;
        session->is_refused = false;
        session->until_us = 0;
        if (sqlite3_prepare_v2(session->kept.db, text, -1, &s, &text) != SQLITE_OK)
            return fail(session, err);
        if (s) /* else a comment, or blanks */
            result = run_one(session, s, &to, err);
        sqlite3_finalize(s);
    }
    return result;
}
