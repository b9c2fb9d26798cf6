/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A stream's state as a table in the journal holds it: there and back, of garbage, of too many. */
#include "journals.h"

/* Counts the datagram; returns its source. */
static void there_and_back(void **state)
{
    struct sources *a = sources_create(SOURCE_IS_STREAM, true), *b = sources_create(SOURCE_IS_STREAM, true);
    uint8_t bytes[SOURCE_STATE], again[SOURCE_STATE];
    (void)state;
    for (uint32_t n = 1; n < 200; n += n % 7 + 1)
        come(a, n % 3, n);
    for (uint32_t i = 0; i < sources_count(a); i++) {
        sources_save(a, i, bytes);
        assert_non_null(sources_restore(b, bytes, INT64_MAX));
        assert_null(sources_restore(b, bytes, INT64_MAX)); /* is there already */
        assert_same(sources_at(a, i), sources_at(b, i));
        assert_memory_equal(source_key(sources_at(a, i)), bytes + SOURCE_KEY_AT, SOURCE_KEY);
        assert_true(sources_at(b, i)->sensor_id == sources_at(a, i)->sensor_id && sources_at(b, i)->has_trailer);
        sources_save(b, i, again);
        assert_memory_equal(bytes, again, SOURCE_STATE);
    }
    struct sources *c = sources_create(SOURCE_IS_STREAM, true);
    for (int bit = 0; bit < 16; bit++) { /* version and IP version */
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool is_known = bytes[0] == 1 && (bytes[1] == 4 || bytes[1] == 6);
        const struct source *s = sources_restore(c, bytes, INT64_MAX);
        assert_int_equal(s != NULL, is_known);
        assert_true(!s || s->ip_vers == bytes[1]);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(sources_count(c), 1);
    sources_destroy(a);
    sources_destroy(b);
    sources_destroy(c);
}

/* Any bytes at all are one, or none; the same comes out of it again. */
static void garbage(void **state)
{
    struct sources *all = sources_create(SOURCE_IS_STREAM, true);
    struct chance c = {7};
    uint8_t bytes[SOURCE_STATE], once[SOURCE_STATE], twice[SOURCE_STATE];
    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)chance_next(&c);
        bytes[0] = round % 4 ? 1 : bytes[0];
        bytes[1] = round % 2 ? 4 : bytes[1];
        uint8_t *copy = exact_copy(bytes, sizeof(bytes));
        uint32_t count = sources_count(all);
        bool is_good = bytes[0] == 1 && (bytes[1] == 4 || bytes[1] == 6);
        struct source *s = sources_restore(all, copy, journal_now);
        free(copy);
        assert_int_equal(s != NULL, is_good);
        assert_int_equal(sources_count(all), count + is_good);
        if (!s)
            continue;
        sources_save(all, count, once);
        struct sources *other = sources_create(SOURCE_IS_STREAM, true);
        assert_non_null(sources_restore(other, once, journal_now));
        sources_save(other, 0, twice);
        assert_memory_equal(once, twice, SOURCE_STATE);
        sources_destroy(other);
    }
    sources_destroy(all);
}

/* Room for SOURCES_MAX, and for the refused ones still; none is found twice. */
static void too_many(void **state)
{
    struct sources *all = sources_create(SOURCE_IS_STREAM, true);
    uint8_t bytes[SOURCE_STATE];
    struct sources *one = sources_create(SOURCE_IS_STREAM, true);
    (void)state;
    come(one, 1, 1);
    sources_save(one, 0, bytes);
    for (uint32_t n = 0; n <= SOURCES_MAX; n++) {
        store_be32(bytes + SOURCE_KEY_AT, n);
        assert_int_equal(sources_restore(all, bytes, INT64_MAX) != NULL, n < SOURCES_MAX);
    }
    assert_int_equal(sources_count(all), SOURCES_MAX);
    assert_int_equal(sources_proven(all), SOURCES_MAX);
    sources_destroy(all);
    sources_destroy(one);
}

/* One that a clock ahead of this one has seen gives its place away as if it had been seen now. */
static void from_ahead(void **state)
{
    const int64_t idle_us = (int64_t)SOURCES_IDLE_S * SECOND_US;
    static const uint8_t address[16] = {10, 9, 9, 9};
    struct sources *one = sources_create(SOURCE_IS_STREAM, true);
    uint8_t bytes[SOURCE_STATE];
    (void)state;
    come(one, 1, 1); /* a microsecond after journal_now */
    sources_save(one, 0, bytes);
    for (int64_t ahead = 0; ahead <= 1; ahead++) {
        struct sources *all = sources_create(SOURCE_IS_STREAM, true);
        assert_non_null(sources_restore(all, bytes, journal_now + 1 - ahead));
        for (uint32_t n = 0; n <= SOURCES_UNPROVEN_MAX; n++) {
            struct received from = {.ip_vers = 4, .address = address, .port = (uint16_t)n};
            from.time_us = journal_now + (n < SOURCES_UNPROVEN_MAX ? 1 : idle_us + 1);
            assert_int_equal(sources_find(all, &from, SOURCE_UNPROVEN) != NULL, n < SOURCES_UNPROVEN_MAX);
        }
        assert_int_equal(sources_gone(all)->sources, ahead);
        sources_destroy(all);
    }
    sources_destroy(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(garbage),
        cmocka_unit_test(too_many),
        cmocka_unit_test(from_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
