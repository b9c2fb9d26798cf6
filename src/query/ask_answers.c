/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Passive DNS: what names were answered with. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/prefix.h"
#include "query/question.h"
#include "record/field.h"

static const struct answer_column columns[] = {{"name", CELL_TEXT, "rrname"},      {"type", CELL_TEXT, "rrtype"},
                                               {"rdata", CELL_TEXT, "rdata"},      {"count", CELL_NUMBER, "count"},
                                               {"first", CELL_TIME, "time_first"}, {"last", CELL_TIME, "time_last"}};

/* What every statement here gives. */
#define ANSWERS "SELECT rname, type, rdata, count, first, last FROM answers "

static void put_answer_row(sqlite3_stmt *s, struct answer_output *output)
{
    char name[NAME_TEXT], word[FIELD_WORD_SIZE], address[ADDRESS_TEXT];
    bool is_blob = sqlite3_column_type(s, 2) == SQLITE_BLOB;
    const char *rdata = is_blob ? address_text(sqlite3_column_blob(s, 2), sqlite3_column_bytes(s, 2), address)
                                : (const char *)sqlite3_column_text(s, 2);
    (void)rname_to_text((const char *)sqlite3_column_text(s, 0), name);
    const struct answer_cell cells[] = {{name, 0},
                                        {field_type_word((uint64_t)sqlite3_column_int64(s, 1), word), 0},
                                        {rdata, 0},
                                        {NULL, sqlite3_column_int64(s, 3)},
                                        {NULL, sqlite3_column_int64(s, 4)},
                                        {NULL, sqlite3_column_int64(s, 5)}};
    answer_row(output, cells);
}

/* ---- those seen last first ---- */

/* Binds the times and the limit, which every statement has last, and prints the rows; it is finalized. */
static int put_latest(struct kept *kept, sqlite3_stmt *s, int next, const struct ask *ask, struct answer_output *output,
                      struct ask_result *result, struct error *err)
{
    sqlite3_bind_int64(s, next, ask->since_s);
    sqlite3_bind_int64(s, next + 1, ask->until_s);
    sqlite3_bind_int64(s, next + 2, ask_limit(ask));
    int done = put_rows(kept, s, ask, result, err, put_answer_row, output);
    sqlite3_finalize(s);
    return done;
}

/* ---- page by page ---- */

/* Where the cursor is at: type and whether its rdata is an address; NULL in a row has no place. */
static void set_next(struct cursor *next, const struct ask *ask, sqlite3_stmt *s)
{
    bool is_blob = sqlite3_column_type(s, 2) == SQLITE_BLOB;
    memset(next, 0, sizeof(*next));
    next->is_behind = true;
    next->since_s = ask->since_s;
    next->until_s = ask->until_s;
    next->number = sqlite3_column_int64(s, 1) << 1 | is_blob;
    const char *rname = (const char *)sqlite3_column_text(s, 0);
    snprintf(next->name, sizeof(next->name), "%s", rname ? rname : "");
    cursor_set_key(next, sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
}

static void bind_key(sqlite3_stmt *s, int at, const struct cursor *from)
{
    if (from->number & 1)
        sqlite3_bind_blob(s, at, from->key, (int)from->key_len, SQLITE_STATIC);
    else
        sqlite3_bind_text(s, at, (const char *)from->key, (int)from->key_len, SQLITE_STATIC);
}

/* Rows of a statement in the order of its keys, up to the limit, which is that of the whole page. */
static int put_page(struct kept *kept, sqlite3_stmt *s, const struct ask *ask, struct answer_output *output,
                    struct ask_result *result, struct error *err)
{
    bool is_over = false, is_behind = !ask->from || ask->from->hash == 0; /* else that row is still to come */
    int step;
    while ((step = kept_step(kept, s, &is_over, err)) == 1) {
        const char *rname = (const char *)sqlite3_column_text(s, 0);
        if (ask->limit > 0 && result->rows == ask->limit) {
            result->is_cut = result->has_next = true;
            return 0;
        }
        if (!is_behind && strcmp(rname ? rname : "", ask->from->name) == 0 &&
            sqlite3_column_bytes(s, 2) >= CURSOR_KEY &&
            memcmp(sqlite3_column_blob(s, 2), ask->from->key, CURSOR_KEY) == 0) {
            is_behind = cursor_is_key(ask->from, sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
            continue;
        }
        is_behind = true;
        set_next(&result->next, ask, s);
        if (!ask_wants(ask, sqlite3_column_int64(s, 4), sqlite3_column_int64(s, 5)))
            continue;
        put_answer_row(s, output);
        result->rows++;
    }
    result->is_partial |= is_over;
    result->has_next |= is_over;
    return step;
}

/* Names from `least` on, and before `end`. */
static int put_names(struct kept *kept, const char *least, const char *end, const struct ask *ask,
                     struct answer_output *output, struct ask_result *result, struct error *err)
{
    const struct cursor *from = ask->from && ask->from->is_behind ? ask->from : NULL;
    sqlite3_stmt *s;
    if (from && strcmp(from->name, end) >= 0)
        return 0;
    if (sql_prepare(kept->db,
                    ANSWERS "WHERE (rname, type, rdata) > (?, ?, ?) AND rname < ? ORDER BY rname, type, rdata", &s,
                    err) != 0)
        return -1;
    if (from && strcmp(from->name, least) >= 0) {
        sqlite3_bind_text(s, 1, from->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, from->number >> 1);
        bind_key(s, 3, from);
    } else {
        sqlite3_bind_text(s, 1, least, -1, SQLITE_STATIC);
        sqlite3_bind_int(s, 2, -1);
        sqlite3_bind_null(s, 3);
    }
    sqlite3_bind_text(s, 4, end, -1, SQLITE_STATIC);
    int done = put_page(kept, s, ask, output, result, err);
    sqlite3_finalize(s);
    return done;
}

/* ---- name, below ---- */

static int run_name(struct kept *kept, const char *what, const struct ask *ask, struct answer_output *output,
                    struct ask_result *result, struct error *err)
{
    char rname[RNAME_TEXT], end[RNAME_TEXT + 1];
    sqlite3_stmt *s;
    if (parse_rname(what, rname) != 0)
        return -1;
    snprintf(end, sizeof(end), "%s ", rname); /* there are no blanks in names */
    if (ask->from)
        return put_names(kept, rname, end, ask, output, result, err);
    if (sql_prepare(kept->db,
                    ANSWERS "WHERE rname = ? AND last >= ? AND first < ? ORDER BY last DESC, type, rdata LIMIT ?", &s,
                    err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, rname, -1, SQLITE_STATIC);
    return put_latest(kept, s, 2, ask, output, result, err);
}

/* The name, and then those that begin with it and a dot, behind which comes a slash: between these stand others. */
static int run_below(struct kept *kept, const char *what, const struct ask *ask, struct answer_output *output,
                     struct ask_result *result, struct error *err)
{
    char rname[RNAME_TEXT], least[RNAME_TEXT + 1], end[RNAME_TEXT + 1];
    struct ask one = *ask;
    if (parse_rname(what, rname) != 0)
        return -1;
    if (ask->is_list) /* the limit is of each */
        one.limit = ask->limit > 0 ? ask->limit + result->rows : 0;
    if (rname[0] == '\0')
        return put_names(kept, "", "\x7f", &one, output, result, err);
    snprintf(least, sizeof(least), "%s.", rname);
    snprintf(end, sizeof(end), "%s ", rname);
    if (put_names(kept, rname, end, &one, output, result, err) != 0)
        return -1;
    snprintf(end, sizeof(end), "%s/", rname);
    return result->has_next ? 0 : put_names(kept, least, end, &one, output, result, err);
}

/* ---- address ---- */

static int run_address(struct kept *kept, const char *what, const struct ask *ask, struct answer_output *output,
                       struct ask_result *result, struct error *err)
{
    struct prefixes prefixes = {.count = 0};
    uint8_t least[16], most[16];
    bool is_behind = ask->from && ask->from->is_behind;
    sqlite3_stmt *s;
    size_t len = parse_address(what, least); /* also one of IPv4 that is written as one of IPv6 */
    memcpy(most, least, sizeof(most));
    if (len == 0) {
        if (prefixes_add(&prefixes, what, err) != 0)
            return -1;
        len = prefix_range(&prefixes.list[0], least, most);
    }
    if (sql_prepare(kept->db,
                    ask->from ? ANSWERS "INDEXED BY answers_rdata WHERE (rdata, type, rname) > (?, ?, ?) AND"
                                        " rdata <= ? AND type = ? ORDER BY rdata, type, rname"
                              : ANSWERS "INDEXED BY answers_rdata WHERE (rdata, type, rname) > (?, ?, ?) AND"
                                        " rdata <= ? AND type = ? AND last >= ? AND first < ?"
                                        " ORDER BY last DESC, rname, rdata LIMIT ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_blob(s, 1, is_behind ? ask->from->key : least, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, is_behind ? ask->from->number >> 1 : -1);
    sqlite3_bind_text(s, 3, is_behind ? ask->from->name : "", -1, SQLITE_STATIC);
    sqlite3_bind_blob(s, 4, most, (int)len, SQLITE_STATIC);
    sqlite3_bind_int(s, 5, len == 4 ? 1 : 28);
    if (!ask->from)
        return put_latest(kept, s, 6, ask, output, result, err);
    int done = put_page(kept, s, ask, output, result, err);
    sqlite3_finalize(s);
    return done;
}

/* ---- rdata ---- */

/* The name as rdata has it: as it is printed. */
static int run_rdata(struct kept *kept, const char *what, const struct ask *ask, struct answer_output *output,
                     struct ask_result *result, struct error *err)
{
    char rname[RNAME_TEXT], name[NAME_TEXT];
    sqlite3_stmt *s;
    if (parse_rname(what, rname) != 0)
        return -1;
    (void)rname_to_text(rname, name);
    if (sql_prepare(kept->db,
                    ANSWERS "INDEXED BY answers_rdata WHERE rdata = ? AND last >= ? AND first < ?"
                            " ORDER BY last DESC, rname, type LIMIT ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    return put_latest(kept, s, 2, ask, output, result, err);
}

/* ---- all of them ---- */

typedef int run_one(struct kept *kept, const char *what, const struct ask *ask, struct answer_output *output,
                    struct ask_result *result, struct error *err);

/* In a list each line tells by its form what it is. */
static run_one *find_kind(const char *what, run_one *usual)
{
    uint8_t address[16];
    struct prefixes prefixes = {.count = 0};
    if (parse_address(what, address) > 0 || (strchr(what, '/') && prefixes_add(&prefixes, what, NULL) == 0))
        return run_address;
    return usual == run_address ? run_name : usual;
}

static int run_all(struct kept *kept, const struct ask *ask, run_one *usual, struct answer_output *output,
                   struct ask_result *result, struct error *err)
{
    size_t i;
    for (i = 0; i < ask->what_count; i++) {
        const char *what = ask->what[i];
        run_one *run = ask->is_list ? find_kind(what, usual) : usual;
        if (ask->is_list && run != run_address && what[0] == '*' && what[1] == '.') {
            run = run_below;
            what += 2;
        }
        if (i > 0 && !kept_may_go_on(kept)) {
            result->is_partial = true;
            break;
        }
        result->has_next = false; /* of another */
        if (run(kept, what, ask, output, result, err) != 0)
            return -1;
    }
    result->has_next &= ask->what_count == 1;
    return 0;
}

static int ask_name(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                    struct error *err)
{
    return run_all(kept, ask, run_name, output, result, err);
}

static int ask_below(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                     struct error *err)
{
    return run_all(kept, ask, run_below, output, result, err);
}

static int ask_address(struct kept *kept, const struct ask *ask, struct answer_output *output,
                       struct ask_result *result, struct error *err)
{
    return run_all(kept, ask, run_address, output, result, err);
}

static int ask_rdata(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                     struct error *err)
{
    return run_all(kept, ask, run_rdata, output, result, err);
}

const struct question question_rdata = {
    "rdata",  "NAME: what leads to it, as by CNAME, NS or PTR", ABOUT_NAME, PAGES_NONE, QUESTION_COLUMNS(columns),
    ask_rdata};
const struct question question_name = {"name",       "NAME: what it was answered with", ABOUT_NAME,
                                       PAGES_WANTED, QUESTION_COLUMNS(columns),         ask_name};
const struct question question_below = {"below",
                                        "NAME: it and all names below it, and what they were answered with",
                                        ABOUT_NAME,
                                        PAGES_ALWAYS,
                                        QUESTION_COLUMNS(columns),
                                        ask_below};
const struct question question_address = {"address",
                                          "ADDRESS: the names behind an address or prefix",
                                          ABOUT_ADDRESSES,
                                          PAGES_WANTED,
                                          QUESTION_COLUMNS(columns),
                                          ask_address};
