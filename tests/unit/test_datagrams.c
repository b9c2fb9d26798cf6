/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When a datagram leaves, how large it may be, and how many sets a record may have. */
#include "records.h"

#include "flow/encoder.h"

static struct made made[4];
static struct caught caught;

/* Bytes a set may take in a datagram of its own. */
static size_t set_room(bool extended, size_t limit)
{
    return limit - 8 - (extended ? 24 + 16 : 0);
}

/* A datagram stays open as long as another set might fit, to the last byte. */
static void sent_when_the_next_does_not_fit(void **state)
{
    (void)state;
    for (int extended = 0; extended <= 1; extended++) {
        size_t room = set_room(extended, DNSFLOW_LIMIT_IP4), set_trailer = extended ? 16 : 0;
        for (size_t second = 52; second <= 200; second += 4) {
            for (size_t first = room - set_trailer - second - 8; first <= room - set_trailer - second + 8; first += 4) {
                struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
                bool fits = first + second + set_trailer <= room;
                made_rest(&made[0], 4, 100, 0, 1);
                made_names(&made[0], first - SET_HEADER - 400, 1);
                made_rest(&made[1], 4, 1, 0, 2);
                made_names(&made[1], second - SET_HEADER - 4, 1);
                assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
                assert_int_equal(caught.count, 0);
                assert_int_equal(dnsflow_encoder_add(e, &made[1].record), 1);
                assert_int_equal(caught.count, fits ? 0 : 1);
                assert_int_equal(dnsflow_encoder_flush(e), 1);
                assert_int_equal(caught.bytes[0][1], fits ? 2 : 1);
                assert_true(caught.len[0] <= DNSFLOW_LIMIT_IP4);
                release_caught(&caught);
                dnsflow_encoder_destroy(e);
            }
        }
    }
}

/* However many datagrams a record would fill. */
static void a_record_has_few_sets(void **state)
{
    (void)state;
    for (int extended = 0; extended <= 1; extended++) {
        size_t each = (set_room(extended, DNSFLOW_LIMIT_IP4) - SET_HEADER - 1300) / 4;
        for (int most = 1; most <= DNSFLOW_RECORD_SETS_MAX; most++) {
            struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
            struct flow_left_out left_out;
            made_rest(&made[0], 4, 600, 20, 1);
            made_names(&made[0], 1300, 6);
            write_bytes(flow_encoder_names(e), made[0].names, made[0].record.names_len);
            assert_int_equal(flow_encoder_commit(e, &made[0].record, most, &left_out), most);
            dnsflow_encoder_flush(e);
            assert_int_equal(caught.count, most);
            assert_int_equal(left_out.over_most, 620 - each * (size_t)most);
            assert_int_equal(left_out.no_room, 0);
            release_caught(&caught);
            dnsflow_encoder_destroy(e);
        }
    }
}

static void limits(void **state)
{
    (void)state;
    static const struct {
        size_t asked, got;
    } rows[] = {{0, 1472},    {1, 1232},    {1231, 1232}, {1232, 1232},
                {1452, 1452}, {1472, 1472}, {9000, 1472}, {SIZE_MAX, 1472}};
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        struct dnsflow_encoder *e = encoder_into(&caught, false, i % 2 ? 0 : rows[i / 2].asked);
        size_t limit = rows[i / 2].got;
        if (i % 2) {
            flow_encoder_set_limit(e, rows[i / 2].asked);
            limit = rows[i / 2].asked ? limit : 1232;
        }
        struct sets sets = sets_over(&caught, false, limit);
        made_rest(&made[0], 4, 250, 80, 1);
        made_names(&made[0], 60, 1);
        int parts = dnsflow_encoder_add(e, &made[0].record);
        dnsflow_encoder_flush(e);
        expect_record(&sets, &made[0].record, (size_t)parts);
        size_t longest = 0;
        for (size_t n = 0; n < caught.count; n++)
            longest = caught.len[n] > longest ? caught.len[n] : longest;
        assert_in_range(longest, limit - 15, limit);
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

static void limit_lowered_between_records(void **state)
{
    (void)state;
    for (size_t names = 400; names < 1200; names += 4) {
        struct dnsflow_encoder *e = encoder_into(&caught, true, 0);
        struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
        for (uint32_t n = 0; n < 3; n++) {
            made_rest(&made[n], 4, 1, 1, n);
            made_names(&made[n], n == 1 ? names / 2 : names, n);
        }
        assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
        flow_encoder_set_limit(e, DNSFLOW_LIMIT_MIN);
        size_t before = caught.count;
        assert_true(dnsflow_encoder_add(e, &made[1].record) > 0);
        int last = dnsflow_encoder_add(e, &made[2].record);
        dnsflow_encoder_flush(e);
        for (size_t n = before; n < caught.count; n++)
            assert_true(caught.len[n] <= DNSFLOW_LIMIT_MIN);
        expect_record(&sets, &made[0].record, 1);
        expect_record(&sets, &made[1].record, 1);
        size_t room = set_room(true, DNSFLOW_LIMIT_MIN) - SET_HEADER - names;
        if (names <= set_room(true, DNSFLOW_LIMIT_MIN) - SET_HEADER - 16)
            expect_record(&sets, &made[2].record, room >= 20 ? 1 : 2);
        else
            assert_true(last == DNSFLOW_OVERSIZE || last == 1);
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sent_when_the_next_does_not_fit),
        cmocka_unit_test(a_record_has_few_sets),
        cmocka_unit_test(limits),
        cmocka_unit_test(limit_lowered_between_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
