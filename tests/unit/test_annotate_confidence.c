/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How sure a name is: which flows it is told from, by its age, and that a table comes back as it was written. */
#include "annotate/confidence.h"
#include "base/clock.h"
#include "testing.h"

enum { ENOUGH = 50 };

static struct error err;

/* The share of METHOD_CLIENT_LATEST at that age, as a number of 1000. */
static int share(const struct confidence *table, int64_t age_us)
{
    double told = confidence_of(table, METHOD_CLIENT_LATEST, age_us);
    return told < 0 ? -1 : (int)(told * 1000 + 0.5);
}

static void ages_and_their_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < AGES; i++) {
        struct confidence table = {.cell = {{{0, 0}}}};
        int64_t from = i > 0 ? confidence_ages[i - 1] : 0;
        confidence_count(&table, METHOD_CLIENT_LATEST, from, true);
        confidence_count(&table, METHOD_CLIENT_LATEST, confidence_ages[i] - 1, false);
        confidence_count(&table, METHODS_NAMED, from, true); /* finds no name */
        for (size_t k = 0; k < AGES; k++) {
            assert_int_equal(table.cell[METHOD_CLIENT_LATEST][k].flows, k == i ? 2 : 0);
            assert_int_equal(table.cell[METHOD_CLIENT_LATEST][k].right, k == i ? 1 : 0);
        }
    }
}

/* Its own age with enough flows, else the nearest younger, else the nearest older one, else all together. */
static void the_nearest_that_has_enough(void **state)
{
    (void)state;
    static const struct {
        uint64_t flows[AGES]; /* of which age i has 10 * i right */
        size_t age;
        int share;
    } cases[] = {
        {{0}, 3, -1},
        {{0, 0, 0, ENOUGH}, 3, 596},
        {{0, 0, 0, ENOUGH - 1}, 3, 608},
        {{0, ENOUGH}, 7, 212},
        {{0, ENOUGH, ENOUGH}, 7, 404},
        {{0, ENOUGH, 0, 0, ENOUGH}, 3, 212},
        {{0, 0, 0, 0, ENOUGH, ENOUGH}, 3, 788},
        {{0, 0, 0, 0, 0, 0, 0, 98}, 0, 710},
        {{ENOUGH, 0, ENOUGH, 98}, 0, 19},
        {{0, 40, 40, 40}, 1, 500},
        {{0, 10}, 0, 917},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct confidence table = {.cell = {{{0, 0}}}};
        for (size_t k = 0; k < AGES; k++)
            table.cell[METHOD_CLIENT_LATEST][k] =
                (struct confidence_cell){cases[i].flows[k], cases[i].flows[k] > 0 ? 10 * k : 0};
        int64_t age_us = cases[i].age > 0 ? confidence_ages[cases[i].age - 1] : 0;
        assert_int_equal(share(&table, age_us), cases[i].share);
        assert_true(confidence_of(&table, METHODS_NAMED, age_us) < 0);
    }
}

static void a_table_comes_back(void **state)
{
    (void)state;
    struct confidence table, read;
    char path[256];
    temp_file(path, "", 0);
    for (size_t m = 0; m < METHODS_NAMED; m++)
        for (size_t k = 0; k < AGES; k++)
            table.cell[m][k] = (struct confidence_cell){100 * m + k + (k == 7 ? 1 << 29 : 0), k};
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    confidence_write(&table, out);
    fputs("\n  \t\n", out);
    fclose(out);
    assert_int_equal(confidence_read(path, &read, &err), 0);
    assert_memory_equal(&read, &table, sizeof(read));
    unlink(path);
    assert_int_equal(confidence_read(path, &read, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));
}

static void lines_that_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "nothing 1 2 1",        "client-unique 2 2 1", "client-unique 1 2 3",   "client-unique 1 1073741825 1",
        "client-unique 1 -1 0", "client-unique 1 2",   "client-unique 1 2 1 0", "client-unique",
        "many-domains 1 2 1",
    };
    for (size_t i = 0; i < LEN(lines); i++) {
        struct confidence table = confidence_usual;
        char text[200], path[256];
        int len = snprintf(text, sizeof(text), "# of a network\nclient-unique more 1073741824 1\n%s\n", lines[i]);
        temp_file(path, text, (size_t)len);
        assert_int_equal(confidence_read(path, &table, &err), -1);
        assert_non_null(strstr(err.text, ", line 3: expected METHOD AGE FLOWS RIGHT"));
        assert_memory_equal(&table, &confidence_usual, sizeof(table));
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ages_and_their_edges),
                                       cmocka_unit_test(the_nearest_that_has_enough),
                                       cmocka_unit_test(a_table_comes_back), cmocka_unit_test(lines_that_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
