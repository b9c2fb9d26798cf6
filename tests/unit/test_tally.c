/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records that are taken together come out as if each had been taken alone. */
#include "store/tally.h"

#include "records.h"

enum { ROUNDS = 120 };

/* Few names and clients, so that most come again; some with more answers than wait at once, or longer ones. */
static void make(struct made *m, unsigned i)
{
    made_short_names(m, i % 4);
    made_rest(m, i % 5 ? 4 : 6, i % 23 ? i % 3 : TALLY_WAITING + i % 7, i % 2, i % 37);
    m->record.set_flags = i % 11 ? 0 : DNSFLOW_SET_CONTINUES;
    if (i % 3 == 0)
        made_answer(m, 0, (uint16_t)(16 + i % 2), i % 29 ? 40 : TALLY_KEYS + i % 3);
    if (i % 29 == 0)
        made_answer(m, 0, 16, TALLY_KEYS - 6);
}

static void assert_same(const struct intern *a, const struct intern *b)
{
    assert_int_equal(intern_size(a), intern_size(b));
    for (uint32_t i = 0; i < intern_size(a); i++) {
        const struct intern_count *x = intern_counted(a, i), *y = intern_counted(b, i);
        size_t a_len, b_len;
        const uint8_t *a_key = intern_key(a, i, &a_len), *b_key = intern_key(b, i, &b_len);
        assert_int_equal(a_len, b_len);
        assert_true(a_len == 0 || memcmp(a_key, b_key, a_len) == 0);
        assert_true(x->count == y->count && x->scaled == y->scaled && x->first == y->first && x->last == y->last);
    }
}

static void together_as_alone(void **state)
{
    static struct made made[TALLY_TOGETHER];
    struct dnsflow_record records[TALLY_TOGETHER];
    struct received from = {.time_us = 1};
    struct tally alone, together;
    unsigned number = 0;
    (void)state;
    from.datagram.has_trailer = 1; /* so that each record has a time of its own */
    assert_int_equal(tally_open(&alone), 0);
    assert_int_equal(tally_open(&together), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t count = round % (TALLY_TOGETHER + 1), i;
        for (i = 0; i < count; i++) {
            make(&made[i], number++);
            records[i] = made[i].record;
            records[i].time_us = (int64_t)(number * 7919 % 1000) * 1000000;
            tally_records(&alone, &from, &records[i], 1, 1 + round % 3);
        }
        tally_records(&together, &from, records, count, 1 + round % 3);
        assert_same(alone.names, together.names);
        assert_same(alone.addresses, together.addresses);
        assert_same(alone.lookups, together.lookups);
        assert_same(alone.answers, together.answers);
    }
    assert_true(intern_size(alone.answers) > 100 && intern_size(alone.lookups) > 30 && intern_size(alone.names) == 3);
    assert_true(alone.records == together.records && alone.records > ROUNDS);
    assert_false(alone.is_short_of_memory || together.is_short_of_memory);
    tally_close(&alone);
    tally_close(&together);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(together_as_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
