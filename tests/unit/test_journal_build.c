/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks as they are filled: room, times, statistics, the table of streams. */
#include "journals.h"

static struct journal_build build;

static struct received of_length(uint8_t ip_vers, size_t len)
{
    static const uint8_t address[16] = {10, 2, 2, 2};
    static uint8_t bytes[65536];
    return (struct received){
        .ip_vers = ip_vers, .address = address, .port = 1, .time_us = journal_now, .bytes = bytes, .len = len};
}

/* Whatever fits a packet has room in an empty block; what is told to have room never goes over its end. */
static void room(void **state)
{
    enum { MOST = 16 + 40 + 8 }; /* headers in front of a datagram */
    (void)state;
    build_begin(&build, 0);
    assert_true(build_has_room(&build, 65527));
    assert_true(build_has_room(&build, JOURNAL_PLAIN_MAX - MOST));
    assert_false(build_has_room(&build, JOURNAL_PLAIN_MAX - MOST + 1));
    for (size_t len = 0; len <= 65527; len = 3 * len + 1) {
        struct received from = of_length(6, len);
        build_begin(&build, 0);
        uint32_t count = 0;
        for (; build_has_room(&build, len); count++)
            build_datagram(&build, &from);
        assert_int_equal(count, JOURNAL_PLAIN_MAX / (MOST + len));
        assert_int_equal(build.head.plain_len, count * (MOST + len));
        assert_int_equal(build.head.datagrams, count);
    }
    build_end(&build);
}

static void what_a_packet_holds(void **state)
{
    static const struct {
        uint8_t ip_vers;
        size_t len;
        bool is_held;
    } rows[] = {{4, 0, true},     {4, 65507, true}, {4, 65508, false},
                {6, 65507, true}, {6, 65527, true}, {6, 65528, false}};
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct received from = of_length(rows[i].ip_vers, rows[i].len);
        assert_int_equal(build_can_hold(&from), rows[i].is_held);
    }
}

/* Times are the least and the greatest; without a trailer a record came when its datagram did. */
static void times(void **state)
{
    static const int64_t received[] = {50, 20, 70, 60}, recorded[] = {-5, 40, 9, 8};
    (void)state;
    build_begin(&build, JOURNAL_FIRST);
    assert_true(build.head.first_us > build.head.last_us && build.head.record_first_us > build.head.record_last_us);
    for (size_t i = 0; i < LEN(received); i++) {
        struct received from = of_length(4, 8);
        struct dnsflow_record record = {.time_us = recorded[i]};
        from.time_us = received[i];
        from.datagram.sets_count = 3;
        from.datagram.flags = i == 1 ? DNSFLOW_FLAG_STATS : 0;
        from.datagram.has_trailer = i != 2;
        build_datagram(&build, &from);
        if (i != 1)
            build_record(&build, &from, &record);
    }
    assert_true(build.head.first_us == 20 && build.head.last_us == 70);
    assert_true(build.head.record_first_us == -5 && build.head.record_last_us == 70);
    assert_true(build.head.datagrams == 4 && build.head.records == 9 && build.head.totals[TOTAL_STATISTICS] == 1);
    assert_int_equal(build.head.flags, JOURNAL_FIRST);
    build_end(&build);
}

/* The streams from which something was accepted, in their order; the others would fill it for anybody. */
static void table(void **state)
{
    struct sources *all = sources_create(SOURCE_IS_STREAM, true);
    struct made_datagram m;
    uint8_t one[SOURCE_STATE];
    (void)state;
    build_begin(&build, JOURNAL_SIGNED);
    build_table(&build, all);
    assert_int_equal(build.head.flags, JOURNAL_SIGNED | JOURNAL_TABLE);
    assert_int_equal(build.head.streams_count, 0);
    build_end(&build);
    for (uint32_t n = 0; n < 9; n++) {
        make_datagram(&m, n, 1);
        assert_non_null(sources_find(all, &m.from, n % 3 ? SOURCE_ACCEPTED : SOURCE_UNPROVEN));
    }
    build_begin(&build, 0);
    build_table(&build, all);
    assert_int_equal(build.head.streams_count, 6);
    for (uint32_t n = 0, at = 0; n < 9; n++) {
        if (n % 3 == 0)
            continue;
        sources_save(all, n, one);
        assert_memory_equal(build.head.streams + at++ * SOURCE_STATE, one, SOURCE_STATE);
    }
    build_end(&build);
    sources_destroy(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room),
        cmocka_unit_test(what_a_packet_holds),
        cmocka_unit_test(times),
        cmocka_unit_test(table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
