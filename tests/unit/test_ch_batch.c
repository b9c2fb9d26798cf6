/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Batches for ClickHouse are bounded by what their rows take, too, which can be a multiple of what was received. */
#include "feed/ch_batch.h"
#include "testing.h"

enum { NAME = 4 * 51 + 1, SETS = 6000, LARGEST = 128 << 20 };

/* A name of bytes that cannot be printed, and for each of 255 addresses a row with it. */
static size_t put_datagram(uint8_t *bytes, uint32_t number, size_t addresses)
{
    struct writer out = writer_over(bytes, 2048);
    size_t i, label, padding = -(size_t)NAME & 3;
    write_u8(&out, 4);
    write_u8(&out, 1);
    write_be16(&out, 0);
    write_be32(&out, number);
    write_u8(&out, 4);
    write_u8(&out, 1);
    write_u8(&out, (uint8_t)addresses);
    write_u8(&out, 0);
    write_be16(&out, (uint16_t)(NAME + padding));
    write_be16(&out, 0);
    for (i = 0; i < 32; i++)
        write_u8(&out, 1);
    for (label = 0; label < 4; label++) {
        write_u8(&out, 50);
        for (i = 0; i < 50; i++)
            write_u8(&out, 1);
    }
    for (i = 0; i < 1 + padding; i++)
        write_u8(&out, 0);
    for (i = 0; i < addresses; i++)
        write_be32(&out, number << 8 | (uint32_t)i);
    assert_false(out.failed);
    return writer_len(&out);
}

/* Until it is full. Returns how many datagrams that were. */
static size_t fill(struct ch_batch *batch, size_t addresses)
{
    static const uint8_t sensor[4] = {10, 0, 0, 1};
    uint8_t bytes[2048];
    size_t count;
    for (count = 0; count < SETS && !ch_batch_is_full(batch, CH_ROWS_MAX); count++) {
        struct received from = {.ip_vers = 4, .address = sensor, .time_us = INT64_C(1700000000000000), .bytes = bytes};
        from.len = put_datagram(bytes, (uint32_t)count, addresses);
        assert_true(ch_batch_take_datagram(batch, &from));
    }
    return count;
}

static void check_rows(struct ch_batch *batch)
{
    int table;
    for (table = 0; table < CH_TABLES; table++) {
        const struct rowbinary *rows = ch_batch_rows(batch, (enum ch_table)table);
        assert_non_null(rows);
        assert_true(rows->rows > 0 && rows->len < LARGEST && rows->size <= LARGEST);
    }
}

static void test_many_answers_of_a_long_name(void **state)
{
    (void)state;
    struct ch_batch batch;
    struct error err;
    assert_int_equal(ch_batch_open(&batch, "feed", &err), 0);
    size_t count = fill(&batch, 255);
    assert_in_range(count, 300, SETS - 1);
    check_rows(&batch);
    ch_batch_clear(&batch);
    assert_false(ch_batch_is_full(&batch, CH_ROWS_MAX));
    assert_int_equal(fill(&batch, 255), count);
    ch_batch_close(&batch);
}

/* What is small is bounded by the number of its rows alone. */
static void test_few_answers(void **state)
{
    (void)state;
    struct ch_batch batch;
    struct error err;
    assert_int_equal(ch_batch_open(&batch, "feed", &err), 0);
    assert_int_equal(fill(&batch, 1), SETS);
    assert_true(ch_batch_is_full(&batch, SETS) && !ch_batch_is_full(&batch, SETS + 1));
    check_rows(&batch);
    ch_batch_close(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_answers_of_a_long_name),
        cmocka_unit_test(test_few_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
