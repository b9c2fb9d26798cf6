/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an answer may take: rows that are looked at, and time; and pages, when that is over. */
#include "journals.h"

#include <sys/stat.h>

#include "query/ask.h"
#include "query/kept.h"

enum { NAMES = 50, LONG = 5 };

struct place {
    char path[256];
    int fd;
    struct kept kept;
};

static struct error err;

/* NAMES names that were new, one each second, and as many answers; those of the last name are longer than a cursor has
 * room for, and differ behind that alone. */
static void make_place(struct place *p)
{
    sqlite3 *db;
    char query[800], text[CURSOR_KEY + 1];
    memset(text, 'x', CURSOR_KEY);
    text[CURSOR_KEY] = '\0';
    p->fd = make_folder(p->path);
    assert_int_equal(database_open(p->path, &db, &err), 0);
    for (int i = 0; i < NAMES; i++) {
        snprintf(query, sizeof(query), "INSERT INTO news VALUES(0, %d, 'example.n%02d')", JOURNAL_START + i, i);
        assert_int_equal(sql_run(db, query, &err), 0);
        bool is_long = i >= NAMES - LONG;
        char rdata[CURSOR_KEY + 8];
        if (is_long)
            snprintf(rdata, sizeof(rdata), "'%s%02d'", text, i);
        else
            snprintf(rdata, sizeof(rdata), "x'c00002%02d'", i);
        snprintf(query, sizeof(query),
                 "INSERT INTO answers(rname, type, rdata, first, last, count, scaled) "
                 "VALUES('example.n%02d', %d, %s, %d, %d, 1, 1)",
                 is_long ? NAMES - LONG : i, is_long ? 16 : 1, rdata, JOURNAL_START + i, JOURNAL_START + i);
        assert_int_equal(sql_run(db, query, &err), 0);
    }
    database_close(db);
    if (kept_open(p->path, &p->kept, &err) != 0)
        fail_msg("%s", err.text);
}

static void remove_place(struct place *p)
{
    static const char *const files[] = {"dnsflow.db-wal", "dnsflow.db-shm"};
    kept_close(&p->kept);
    for (size_t i = 0; i < LEN(files); i++)
        (void)unlinkat(p->fd, files[i], 0);
    remove_folder(p->path, p->fd);
}

static void time_that_is_over(void **state)
{
    struct place p;
    (void)state;
    make_place(&p);
    kept_begin(&p.kept, &(struct kept_budget){.time_us = 0});
    assert_true(kept_may_go_on(&p.kept));
    kept_begin(&p.kept, &(struct kept_budget){.time_us = 60 * SECOND_US});
    assert_true(kept_may_go_on(&p.kept));
    p.kept.ends_us = clock_monotonic_us() - 1;
    assert_false(kept_may_go_on(&p.kept));
    kept_begin(&p.kept, &(struct kept_budget){.rows = 2});
    assert_true(kept_may_go_on(&p.kept));
    p.kept.rows = 1;
    assert_true(kept_may_go_on(&p.kept));
    p.kept.rows = 2;
    assert_false(kept_may_go_on(&p.kept));
    remove_place(&p);
}

struct taken {
    char last[NAME_TEXT];
    int count;
};

static void take(void *context, const struct answer_cell *cells)
{
    struct taken *t = context;
    snprintf(t->last, sizeof(t->last), "%s", cells[1].text);
    t->count++;
}

static const struct question *find(const char *name)
{
    for (size_t i = 0; i < questions_count; i++)
        if (strcmp(questions[i]->name, name) == 0)
            return questions[i];
    fail_msg("%s", name);
    return NULL;
}

/* All of it, page by page, whatever ends a page: its limit, or what it may take. */
static void check_pages(const char *question, const char *about)
{
    static const struct {
        uint64_t limit, rows;
        int each;
        bool is_partial;
    } cases[] = {{0, 0, NAMES, false}, {7, 0, 7, false}, {NAMES, 0, NAMES, false}, {0, 9, 9, true}, {4, 9, 4, false}};
    const struct question *q = find(question);
    const char *const what[] = {about};
    struct place p;
    make_place(&p);
    for (size_t i = 0; i < LEN(cases); i++) {
        struct cursor from = {.is_behind = false};
        struct taken taken = {.count = 0};
        bool goes_on = true;
        for (int pages = 1; goes_on; pages++) {
            struct ask_result result = {.rows = 0};
            int before = taken.count;
            struct ask ask = {.what = what,
                              .what_count = 1,
                              .since_s = INT64_MIN,
                              .until_s = INT64_MAX,
                              .limit = cases[i].limit,
                              .from = &from};
            struct answer_output *output = answer_open_taker(take, &taken, q->columns, q->columns_count);
            assert_non_null(output);
            kept_begin(&p.kept, &(struct kept_budget){.rows = cases[i].rows});
            if (question_ask(q, &p.kept, &ask, output, &result, &err) != 0)
                fail_msg("%s", err.text);
            (void)answer_close(output);
            goes_on = result.has_next;
            from = result.next;
            assert_true(taken.count - before <= cases[i].each);
            if (goes_on != (taken.count < NAMES))
                fail_msg("%s, row %zu: %d of them", question, i, taken.count);
            assert_int_equal(result.is_partial, goes_on && cases[i].is_partial);
            assert_true(pages <= NAMES);
        }
        assert_int_equal(taken.count, NAMES);
    }
    remove_place(&p);
}

static void pages(void **state)
{
    (void)state;
    check_pages("new", "names");
    check_pages("below", "example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(time_that_is_over), cmocka_unit_test(pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
