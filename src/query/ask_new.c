/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names, and registered domains, that were answered for the first time. */
#include <stdio.h>
#include <string.h>

#include "query/question.h"

static const struct answer_column columns[] = {
    {"what", CELL_TEXT, NULL}, {"value", CELL_TEXT, NULL}, {"first", CELL_TIME, NULL}};

/* By their numbers in the table. */
static const char *const words[] = {"names", "domains"};

int new_check(const char *what, struct error *err)
{
    return strcmp(what, words[0]) == 0 || strcmp(what, words[1]) == 0
               ? 0
               : error_set(err, "expected one of: %s, %s", words[0], words[1]);
}

static void put(const char *what, const char *rname, int64_t first_s, struct answer_output *output)
{
    char text[NAME_TEXT];
    (void)rname_to_text(rname, text);
    const struct answer_cell cells[] = {{what, 0}, {text, 0}, {NULL, first_s}};
    answer_row(output, cells);
}

static int put_news(struct kept *kept, sqlite3_stmt *s, const struct ask *ask, struct answer_output *output,
                    struct ask_result *result, struct error *err)
{
    bool is_over = false;
    int step;
    while ((step = kept_step(kept, s, &is_over, err)) == 1) {
        const char *rname = (const char *)sqlite3_column_text(s, 1);
        int64_t first_s = sqlite3_column_int64(s, 0);
        if (ask->limit > 0 && result->rows == ask->limit) {
            result->is_cut = result->has_next = true;
            return 0;
        }
        result->next =
            (struct cursor){.is_behind = true, .since_s = ask->since_s, .until_s = ask->until_s, .number = first_s};
        snprintf(result->next.name, sizeof(result->next.name), "%s", rname ? rname : "");
        put(ask->what[0], result->next.name, first_s, output);
        result->rows++;
    }
    result->is_partial |= is_over;
    result->has_next |= is_over;
    return step;
}

static int ask_new(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                   struct error *err)
{
    bool is_behind = ask->from && ask->from->is_behind;
    int64_t since_s = ask->since_s;
    sqlite3_stmt *s;
    if (sql_prepare(kept->db,
                    "SELECT first, rname FROM news WHERE what = ? AND (first, rname) > (?, ?) AND first < ?"
                    " ORDER BY first, rname",
                    &s, err) != 0)
        return -1;
    if (is_behind)
        result->next = *ask->from;
    sqlite3_bind_int(s, 1, strcmp(ask->what[0], words[1]) == 0);
    sqlite3_bind_int64(s, 2, is_behind ? ask->from->number : since_s - (since_s > INT64_MIN));
    sqlite3_bind_text(s, 3, is_behind ? ask->from->name : "\x7f", -1, SQLITE_STATIC); /* behind all names */
    sqlite3_bind_int64(s, 4, ask->until_s);
    int done = put_news(kept, s, ask, output, result, err);
    sqlite3_finalize(s);
    return done;
}

const struct question question_new = {"new",
                                      "WHAT: names or domains that were answered for the first time, oldest first",
                                      ABOUT_NEW,
                                      PAGES_ALWAYS,
                                      QUESTION_COLUMNS(columns),
                                      ask_new};
