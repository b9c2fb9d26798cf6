/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The index of three characters against a search of all names: no name is missed, whatever the blocks hold. */
#include "store/grams.h"

#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

enum { NAMES = 3 * GRAM_NAMES * 64 + 77, CHUNK = GRAM_NAMES * GRAM_BLOCKS };

static sqlite3 *built(char (*names)[24], size_t count)
{
    sqlite3 *db;
    struct grams *grams = grams_create();
    assert_int_equal(sql_open(":memory:", SQL_WRITE, &db, NULL), 0);
    assert_int_equal(sql_run(db, GRAM_SCHEMA "; BEGIN", NULL), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(grams_add(grams, db, (const uint8_t *)names[i], strlen(names[i]), NULL), 0);
    assert_int_equal(grams_end(grams, db, NULL), 0);
    grams_destroy(grams);
    return db;
}

/* Whether the block of name i is among those that have all grams of the text. */
static bool is_found(sqlite3 *db, size_t i, const char *text)
{
    uint8_t bits[GRAM_BITS];
    for (size_t k = 0; k + GRAM_LEN <= strlen(text); k++) {
        char query[120];
        sqlite3_stmt *s;
        size_t block = i % CHUNK / GRAM_NAMES;
        snprintf(query, sizeof(query), "SELECT blocks FROM grams WHERE chunk = %zu AND gram = %u", i / CHUNK,
                 gram_of((const uint8_t *)text + k));
        assert_int_equal(sql_prepare(db, query, &s, NULL), 0);
        bool has_row = sql_step(s, NULL) == 1;
        if (has_row)
            grams_bits(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0), bits);
        sqlite3_finalize(s);
        if (!has_row || !(bits[block / 8] >> block % 8 & 1))
            return false;
    }
    return true;
}

static void none_is_missed(void **state)
{
    char(*names)[24] = calloc(NAMES, sizeof(*names));
    (void)state;
    srand(3);
    for (size_t i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof(names[i]), "%c%c%d.%s%x.net", 'a' + rand() % 26, 'a' + rand() % 26, rand() % 1000,
                 rand() % 2 ? "ex-" : "x_", (unsigned)i / 900);
    sqlite3 *db = built(names, NAMES);
    size_t others = 0;
    for (size_t i = 0; i < NAMES; i += 37) {
        size_t len = strlen(names[i]);
        for (size_t at = 0; at + 3 <= len; at += 2) {
            char text[24];
            snprintf(text, sizeof(text), "%.*s", (int)(3 + (size_t)rand() % (len - at - 2)), names[i] + at);
            assert_true(is_found(db, i, text));
            others += !is_found(db, (i + NAMES / 2) % NAMES, text);
        }
    }
    assert_true(others > 1000); /* else it finds all and is no index */
    sqlite3_close(db);
    free(names);
}

/* One chunk and a little of the next: both are there. */
static void chunks(void **state)
{
    char(*names)[24] = calloc(CHUNK + 5, sizeof(*names));
    (void)state;
    for (size_t i = 0; i < CHUNK + 5; i++)
        snprintf(names[i], sizeof(names[i]), "n%zu", i);
    sqlite3 *db = built(names, CHUNK + 5);
    for (size_t i = CHUNK - 3; i < CHUNK + 5; i++)
        assert_true(is_found(db, i, names[i]));
    assert_false(is_found(db, CHUNK + 1, "n123"));
    sqlite3_close(db);
    db = built(names, GRAM_FROM - 1); /* too few: it is read through */
    int64_t rows;
    assert_int_equal(sql_number(db, "SELECT count(*) FROM grams", -1, &rows, NULL), 0);
    assert_int_equal(rows, 0);
    sqlite3_close(db);
    free(names);
}

/* Lists of every density and at every edge; what no list is has no bits beyond. */
static void lists(void **state)
{
    uint8_t bits[GRAM_BITS], bytes[300];
    (void)state;
    for (size_t len = 0; len < sizeof(bytes); len++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(len % 3 ? 255 - i : 1);
        uint8_t *copy = exact_copy(bytes, len);
        grams_bits(copy, len, bits);
        free(copy);
    }
    memset(bytes, 255, sizeof(bytes));
    grams_bits(bytes, GRAM_BITS, bits);
    for (size_t i = 0; i < GRAM_BITS; i++)
        assert_int_equal(bits[i], 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_missed),
        cmocka_unit_test(chunks),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
