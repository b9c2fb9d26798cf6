/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the sketch promises, held against exact counts. */
#include "record/sketch.h"

#include "testing.h"

enum { PLACES = 64, KEYS = 4096, ADDS = 200000 };

static size_t key_of(uint32_t number, uint8_t key[16])
{
    size_t len = 4 + number % 13; /* of different lengths */
    memset(key, 0, 16);
    store_be32(key, number * 2654435761u);
    return len;
}

/* Few keys often, many seldom. */
static uint32_t choose(struct chance *chance)
{
    size_t most = 1 + chance_below(chance, KEYS);
    return (uint32_t)chance_below(chance, 1 + chance_below(chance, most));
}

static struct sketch_entry *find(struct sketch *sketch, const uint8_t *key, size_t len)
{
    for (uint32_t i = 0; i < sketch_size(sketch); i++) {
        struct sketch_entry *entry = sketch_at(sketch, i);
        if (entry->len == len && memcmp(entry->key, key, len) == 0)
            return entry;
    }
    return NULL;
}

/* Of all keys: what is there is never too low and too high by at most `over`; what is frequent is there. */
static void hold(struct sketch *sketch, const uint64_t *exact, uint64_t total)
{
    uint64_t sum = 0;
    uint32_t found = 0;
    assert_int_equal(sketch_total(sketch), total);
    assert_true(sketch_error(sketch) <= total / PLACES);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t key[16];
        size_t len = key_of(i, key);
        struct sketch_entry *entry = find(sketch, key, len);
        if (!entry) {
            assert_true(exact[i] <= sketch_error(sketch));
            continue;
        }
        found++;
        sum += entry->count;
        assert_true(entry->count >= exact[i] && entry->count - entry->over <= exact[i]);
        assert_true(entry->over <= sketch_error(sketch));
    }
    assert_int_equal(found, sketch_size(sketch));
    assert_int_equal(sum, total);
}

static void bounds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct chance chance = {seed};
        static uint64_t exact[KEYS];
        struct sketch *sketch = sketch_create(PLACES, 16);
        memset(exact, 0, sizeof(exact));
        for (uint64_t n = 1; n <= ADDS; n++) {
            uint8_t key[16];
            uint32_t number = choose(&chance);
            size_t len = key_of(number, key);
            exact[number]++;
            struct sketch_entry *entry = sketch_add(sketch, key, len);
            assert_true(entry->len == len && memcmp(entry->key, key, len) == 0);
            if (n == 10 || n == 1000 || n == ADDS)
                hold(sketch, exact, n);
        }
        sketch_destroy(sketch);
    }
}

/* As many keys as places, then one more. */
static void exact_until_full(void **state)
{
    (void)state;
    struct sketch *sketch = sketch_create(PLACES, 4);
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < PLACES; i++) {
            uint8_t key[4];
            store_be32(key, i);
            struct sketch_entry *entry = sketch_add(sketch, key, 4);
            assert_int_equal(entry->count, round + 1);
            assert_int_equal(entry->over, 0);
        }
    assert_int_equal(sketch_error(sketch), 0);
    assert_int_equal(sketch_distinct(sketch), PLACES);
    struct sketch_entry *entry = sketch_add(sketch, (const uint8_t *)"new", 3);
    assert_int_equal(entry->count, 4);
    assert_int_equal(entry->over, 3);
    assert_int_equal(entry->note, 0);
    assert_int_equal(sketch_error(sketch), 3);
    sketch_destroy(sketch);
}

/* The standard error is 0.8 %: four times that is met by all but one of 16 000 tries. */
static void distinct(void **state)
{
    static const uint32_t counts[] = {100, 1000, 10000, 50000, 200000, 1000000};
    (void)state;
    for (size_t c = 0; c < LEN(counts); c++) {
        struct sketch *sketch = sketch_create(PLACES, 8);
        for (uint32_t i = 0; i < counts[c]; i++) {
            uint8_t key[8];
            store_be64(key, i);
            sketch_add(sketch, key, sizeof(key));
            sketch_add(sketch, key, sizeof(key));
        }
        double away = (double)sketch_distinct(sketch) / counts[c] - 1;
        assert_true(away > -0.033 && away < 0.033);
        sketch_destroy(sketch);
    }
}

static void rates(void **state)
{
    (void)state;
    struct sketch *sketch = sketch_create(2, 1);
    struct sketch_entry *a = NULL;
    for (int i = 0; i < 10; i++)
        a = sketch_add(sketch, (const uint8_t *)"a", 1);
    sketch_mark(sketch, 2);
    assert_true(a->rate == 5);
    a = sketch_add(sketch, (const uint8_t *)"a", 1);
    sketch_add(sketch, (const uint8_t *)"b", 1);
    sketch_mark(sketch, 1);
    assert_true(a->rate == 1);
    /* What takes over begins with the count it takes, so that its rate is its own. */
    struct sketch_entry *c = sketch_add(sketch, (const uint8_t *)"c", 1);
    assert_int_equal(c->count, 2);
    sketch_mark(sketch, 1);
    assert_true(c->rate == 1);
    sketch_destroy(sketch);
}

static void clear(void **state)
{
    (void)state;
    struct sketch *sketch = sketch_create(4, 4);
    for (uint32_t i = 0; i < 100; i++) {
        uint8_t key[4];
        store_be32(key, i);
        sketch_add(sketch, key, 4)->note = 7;
    }
    sketch_clear(sketch);
    assert_int_equal(sketch_total(sketch), 0);
    assert_int_equal(sketch_distinct(sketch), 0);
    assert_int_equal(sketch_size(sketch), 0);
    struct sketch_entry *entry = sketch_add(sketch, (const uint8_t *)"x", 1);
    assert_true(entry->count == 1 && entry->over == 0 && entry->note == 0 && entry->rate == 0);
    assert_int_equal(sketch_error(sketch), 0);
    sketch_destroy(sketch);
}

/* A key that is too long counts by what fits. */
static void long_keys(void **state)
{
    (void)state;
    struct sketch *sketch = sketch_create(4, 3);
    uint8_t *key = exact_copy((const uint8_t *)"abcdef", 6);
    assert_int_equal(sketch_add(sketch, key, 6)->len, 3);
    assert_int_equal(sketch_add(sketch, key, 3)->count, 2);
    free(key);
    sketch_destroy(sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),   cmocka_unit_test(exact_until_full),
        cmocka_unit_test(distinct), cmocka_unit_test(rates),
        cmocka_unit_test(clear),    cmocka_unit_test(long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
