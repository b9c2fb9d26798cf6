/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Passive DNS: what names were answered with. */
#include <string.h>

#include "base/bytes.h"
#include "base/prefix.h"
#include "query/question.h"
#include "record/field.h"

static const struct answer_column columns[] = {{"name", CELL_TEXT, "rrname"},      {"type", CELL_TEXT, "rrtype"},
                                               {"rdata", CELL_TEXT, "rdata"},      {"count", CELL_NUMBER, "count"},
                                               {"first", CELL_TIME, "time_first"}, {"last", CELL_TIME, "time_last"}};

/* rname, type, rdata, count, first, last */
static void put_answer_row(sqlite3_stmt *s, const char *unused, struct answer_output *output)
{
    char name[NAME_TEXT], word[FIELD_WORD_SIZE], address[ADDRESS_TEXT];
    bool is_blob = sqlite3_column_type(s, 2) == SQLITE_BLOB;
    const char *rdata = is_blob ? address_text(sqlite3_column_blob(s, 2), sqlite3_column_bytes(s, 2), address)
                                : (const char *)sqlite3_column_text(s, 2);
    (void)unused;
    (void)rname_to_text((const char *)sqlite3_column_text(s, 0), name);
    const struct answer_cell cells[] = {{name, 0},
                                        {field_type_word((uint64_t)sqlite3_column_int64(s, 1), word), 0},
                                        {rdata, 0},
                                        {NULL, sqlite3_column_int64(s, 3)},
                                        {NULL, sqlite3_column_int64(s, 4)},
                                        {NULL, sqlite3_column_int64(s, 5)}};
    answer_row(output, cells);
}

/* Binds the times and the limit, which every statement has last, and prints the rows; it is finalized. */
static int put_answers(sqlite3_stmt *s, int next, const struct ask *ask, struct answer_output *output,
                       struct ask_result *result, struct error *err)
{
    sqlite3_bind_int64(s, next, ask->since_s);
    sqlite3_bind_int64(s, next + 1, ask->until_s);
    sqlite3_bind_int64(s, next + 2, ask_limit(ask));
    int done = put_rows(s, ask, result, err, put_answer_row, NULL, output);
    sqlite3_finalize(s);
    return done;
}

static int ask_name(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                    struct error *err)
{
    char rname[RNAME_TEXT];
    sqlite3_stmt *s;
    if (parse_rname(ask->what, rname) != 0 ||
        sql_prepare(kept->db,
                    "SELECT rname, type, rdata, count, first, last FROM answers WHERE rname = ? AND last >= ?"
                    " AND first < ? ORDER BY last DESC, type, rdata LIMIT ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, rname, -1, SQLITE_STATIC);
    return put_answers(s, 2, ask, output, result, err);
}

/* In the order of names, which is that of the table, so that the first page is there at once. '/' follows '.', and
 * other bytes that come before it may stand in labels. */
static int ask_below(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                     struct error *err)
{
    char rname[RNAME_TEXT];
    sqlite3_stmt *s;
    if (parse_rname(ask->what, rname) != 0 ||
        sql_prepare(kept->db,
                    "SELECT rname, type, rdata, count, first, last FROM answers WHERE rname >= ?1"
                    " AND (?1 = '' OR rname < ?1 || '/')"
                    " AND (?1 = '' OR rname = ?1 OR substr(rname, length(?1) + 1, 1) = '.')"
                    " AND last >= ?2 AND first < ?3 ORDER BY rname, type, rdata LIMIT ?4",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, rname, -1, SQLITE_STATIC);
    return put_answers(s, 2, ask, output, result, err);
}

static int ask_address(struct kept *kept, const struct ask *ask, struct answer_output *output,
                       struct ask_result *result, struct error *err)
{
    struct prefixes prefixes = {.count = 0};
    uint8_t least[16], most[16];
    sqlite3_stmt *s;
    size_t len = parse_address(ask->what, least); /* also one of IPv4 that is written as one of IPv6 */
    memcpy(most, least, sizeof(most));
    if (len == 0) {
        if (prefixes_add(&prefixes, ask->what, err) != 0)
            return -1;
        len = prefix_range(&prefixes.list[0], least, most);
    }
    if (sql_prepare(kept->db,
                    "SELECT rname, type, rdata, count, first, last FROM answers INDEXED BY answers_rdata"
                    " WHERE rdata >= ? AND rdata <= ? AND type = ? AND last >= ? AND first < ?"
                    " ORDER BY last DESC, rname, rdata LIMIT ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_blob(s, 1, least, (int)len, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, most, (int)len, SQLITE_STATIC);
    sqlite3_bind_int(s, 3, len == 4 ? 1 : 28);
    return put_answers(s, 4, ask, output, result, err);
}

const struct question question_name = {"name", "NAME: what it was answered with", ABOUT_NAME, QUESTION_COLUMNS(columns),
                                       ask_name};
const struct question question_below = {"below", "NAME: it and all names below it, and what they were answered with",
                                        ABOUT_NAME, QUESTION_COLUMNS(columns), ask_below};
const struct question question_address = {"address", "ADDRESS: the names behind an address or prefix", ABOUT_ADDRESSES,
                                          QUESTION_COLUMNS(columns), ask_address};
