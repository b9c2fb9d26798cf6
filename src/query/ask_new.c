/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names, and registered domains, that were answered for the first time. */
#include <stdio.h>
#include <string.h>

#include "query/question.h"
#include "record/domain.h"
#include "store/intern.h"

static const struct answer_column columns[] = {
    {"what", CELL_TEXT, NULL}, {"value", CELL_TEXT, NULL}, {"first", CELL_TIME, NULL}};

static const char *const words[] = {"names", "domains"};

int new_check(const char *what, struct error *err)
{
    return strcmp(what, words[0]) == 0 || strcmp(what, words[1]) == 0
               ? 0
               : error_set(err, "expected one of: %s, %s", words[0], words[1]);
}

/* Rows of answers in the order of when they were seen first; the one at hand is new if none of the same name, or
 * domain, comes before it in that order. So a page does not depend on those before it. */
struct news {
    struct kept *kept;
    const struct ask *ask;
    struct domains *domains; /* NULL: names */
    bool has_domain;         /* the name at hand: else only it counts itself */
    struct intern *seen;     /* of this page, reversed, with their NUL: so that most need not be looked for */
    sqlite3_stmt *before;    /* whether another comes before it */
    bool is_over;
};

/* The domain of the reversed name, reversed. False: it has none, and stays as it is. */
static bool cut_to_domain(const struct news *news, char rname[RNAME_TEXT])
{
    uint8_t wire[NAME_WIRE];
    size_t len = rname_to_wire(rname, wire), start = len > 0 ? domain_start(news->domains, wire) : 0;
    bool has_domain = len > 0 && (start > 0 || domain_has(news->domains, wire));
    if (start > 0)
        (void)rname_of(wire + start, len - start, rname);
    return has_domain;
}

/* Of a name, or domain, at the row (first_s, at). 1: nothing comes before it, 0: something does, or -1. */
static int is_new(struct news *news, const char *rname, int64_t first_s, const char *at, struct error *err)
{
    char least[RNAME_TEXT + 1], end[RNAME_TEXT + 1];
    sqlite3_stmt *s = news->before;
    snprintf(least, sizeof(least), "%s.", rname);
    snprintf(end, sizeof(end), "%s%c", rname, news->has_domain ? '/' : '.');
    sqlite3_bind_text(s, 1, rname, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, first_s);
    if (news->domains) {
        sqlite3_bind_text(s, 3, at, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 4, least, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 5, end, -1, SQLITE_STATIC);
    }
    int step = kept_step(news->kept, s, &news->is_over, err);
    (void)sqlite3_reset(s);
    return step < 0 ? -1 : step == 0;
}

static void set_next(struct cursor *next, const struct ask *ask, const char *rname, int64_t first_s)
{
    memset(next, 0, sizeof(*next));
    next->is_behind = true;
    next->since_s = ask->since_s;
    next->until_s = ask->until_s;
    next->number = first_s;
    snprintf(next->name, sizeof(next->name), "%s", rname);
}

static void put(const struct news *news, const char *rname, int64_t first_s, struct answer_output *output)
{
    char text[NAME_TEXT];
    (void)rname_to_text(rname, text);
    const struct answer_cell cells[] = {{words[news->domains != NULL], 0}, {text, 0}, {NULL, first_s}};
    answer_row(output, cells);
}

/* A row: whether its name or domain, which *rname becomes, is to be shown. 1, 0, or -1. */
static int look(struct news *news, const char *at, int64_t first_s, char rname[RNAME_TEXT], struct error *err)
{
    snprintf(rname, RNAME_TEXT, "%s", at);
    news->has_domain = news->domains && cut_to_domain(news, rname);
    uint32_t before = intern_size(news->seen);
    uint32_t number = intern_add(news->seen, (const uint8_t *)rname, strlen(rname) + 1);
    if (number == INTERN_NONE)
        return error_set(err, "out of memory");
    news->is_over |= news->kept->budget.bytes > 0 && intern_bytes(news->seen) > news->kept->budget.bytes;
    return number == before ? is_new(news, rname, first_s, at, err) : 0;
}

static int put_news(struct news *news, sqlite3_stmt *s, struct answer_output *output, struct ask_result *result,
                    struct error *err)
{
    char rname[RNAME_TEXT];
    int step;
    while ((step = kept_step(news->kept, s, &news->is_over, err)) == 1) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        int64_t first_s = sqlite3_column_int64(s, 1);
        int wanted = look(news, text ? text : "", first_s, rname, err);
        if (wanted < 0)
            return -1;
        if (news->is_over) /* whether it is new has not been found out */
            break;
        if (wanted == 1 && news->ask->limit > 0 && result->rows == news->ask->limit) {
            result->is_cut = result->has_next = true;
            return 0;
        }
        set_next(&result->next, news->ask, text ? text : "", first_s);
        if (wanted == 1) {
            put(news, rname, first_s, output);
            result->rows++;
        }
    }
    result->is_partial |= news->is_over;
    result->has_next |= news->is_over;
    return step < 0 ? -1 : 0;
}

static int run(struct news *news, struct answer_output *output, struct ask_result *result, struct error *err)
{
    const struct cursor *from = news->ask->from && news->ask->from->is_behind ? news->ask->from : NULL;
    int64_t since_s = news->ask->since_s;
    sqlite3_stmt *s;
    if (sql_prepare(news->kept->db,
                    news->domains ? "SELECT 1 FROM answers WHERE (first, rname) < (?2, ?3) AND"
                                    " (rname = ?1 OR (rname >= ?4 AND rname < ?5)) LIMIT 1"
                                  : "SELECT 1 FROM answers WHERE rname = ?1 AND first < ?2 LIMIT 1",
                    &news->before, err) != 0 ||
        sql_prepare(news->kept->db,
                    "SELECT rname, first FROM answers INDEXED BY answers_first WHERE (first, rname) > (?, ?)"
                    " AND first < ? ORDER BY first, rname",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, from ? from->number : since_s - (since_s > INT64_MIN));
    sqlite3_bind_text(s, 2, from ? from->name : "\x7f", -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, news->ask->until_s);
    if (from)
        result->next = *from;
    int done = put_news(news, s, output, result, err);
    sqlite3_finalize(s);
    return done;
}

static int ask_new(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                   struct error *err)
{
    bool is_domains = strcmp(ask->what[0], words[1]) == 0;
    struct news news = {.kept = kept, .ask = ask, .seen = intern_create()};
    int done = -1;
    if (is_domains)
        news.domains = domains_create();
    if (news.seen && (news.domains || !is_domains))
        done = run(&news, output, result, err);
    else
        error_set(err, "out of memory");
    sqlite3_finalize(news.before);
    domains_destroy(news.domains);
    intern_destroy(news.seen);
    return done;
}

const struct question question_new = {"new",
                                      "WHAT: names or domains that were answered for the first time, oldest first",
                                      ABOUT_NEW,
                                      PAGES_ALWAYS,
                                      QUESTION_COLUMNS(columns),
                                      ask_new};
