/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcapng.h"

static void blocks_in_both_byte_orders(void **state)
{
    (void)state;
    for (int big = 0; big <= 1; big++) {
        begin(big);
        interface(1, 0, -1, NULL);
        interface(113, 0, 9, NULL);
        packet(0, 1700000000000000, 10, 1500, 10);
        begin_block(NAMES);
        put32(&m, 0);
        end_block();
        packet(1, UINT64_C(1700000000123456789), 3, 3, 3);
        begin_block(OLD_PACKET);
        put16(&m, 1);
        put16(&m, 7);
        put32(&m, (uint32_t)(UINT64_C(1700000000000001000) >> 32));
        put32(&m, (uint32_t)UINT64_C(1700000000000001000));
        put32(&m, 2);
        put32(&m, 60);
        write_bytes(&m.out, "ab", 2);
        end_block();
        read_made(&m, &r);
        if (r.result != CAPTURE_END)
            fail_msg("%s", r.err.text);
        assert_int_equal(r.count, 3);
        assert_true(r.packets[0].time_us == 1700000000000000);
        assert_int_equal(r.packets[0].link_type, 1);
        assert_int_equal(r.packets[0].wire_len, 1500);
        assert_memory_equal(r.bytes[0], "\0\1\2\3\4\5\6\7\x08\x09", 10);
        assert_true(r.packets[1].time_us == 1700000000123456);
        assert_int_equal(r.packets[1].link_type, 113);
        assert_true(r.packets[2].time_us == 1700000000000001);
        assert_int_equal(r.packets[2].link_type, 113);
        assert_memory_equal(r.bytes[2], "ab", 2);
    }
}

/* A new section may be in the other byte order; its interfaces are its own. */
static void sections(void **state)
{
    (void)state;
    begin(false);
    interface(1, 0, -1, NULL);
    packet(0, 1, 1, 1, 1);
    section(true);
    interface(101, 0, -1, NULL);
    packet(0, 2, 2, 2, 2);
    section(false);
    packet(0, 3, 3, 3, 3);
    read_made(&m, &r);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.packets[1].link_type, 101);
    assert_true(r.packets[1].time_us == 2);
    assert_int_equal(r.result, CAPTURE_FAILED); /* no interface in the third */
    assert_non_null(strstr(r.err.text, "interface"));
}

static void resolutions(void **state)
{
    (void)state;
    for (int n = 0; n <= 20; n++) {
        uint64_t units = 1, expected = 1000000;
        for (int i = 0; i < n && i < 19; i++)
            units *= 10;
        if (n == 20)
            expected /= 10; /* 10^20 does not fit */
        begin(n % 2);
        interface(1, 0, n, NULL);
        packet(0, units, 1, 1, 1);
        packet(0, 3 * (units / 2), 1, 1, 1);
        read_made(&m, &r);
        assert_int_equal(r.count, 2);
        assert_true(r.packets[0].time_us == (int64_t)expected);
        assert_true(r.packets[1].time_us == (int64_t)(n == 0               ? 0
                                                      : n == 19 || n == 20 ? r.packets[1].time_us
                                                                           : 1500000));
    }
    for (int n = 0; n <= 63; n++) {
        begin(n % 2);
        interface(1, 0, 0x80 | n, NULL);
        packet(0, UINT64_C(1) << n, 1, 1, 1);
        packet(0, n ? UINT64_C(1) << (n - 1) : 0, 1, 1, 1);
        read_made(&m, &r);
        assert_int_equal(r.count, 2);
        assert_true(r.packets[0].time_us == 1000000);
        assert_true(r.packets[1].time_us == (n ? 500000 : 0));
    }
    begin(false); /* 2^-20, a date of today */
    interface(1, 0, 0x80 | 20, NULL);
    packet(0, (UINT64_C(1700000000) << 20) + 1048575, 1, 1, 1);
    read_made(&m, &r);
    assert_true(r.packets[0].time_us == 1700000000999999);
}

/* Every resolution with the times that overflow: something comes out, without undefined behaviour. */
static void resolutions_and_times_that_overflow(void **state)
{
    (void)state;
    static const uint64_t times[] = {UINT64_MAX, INT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 62};
    static const int64_t offsets[] = {0, INT64_MAX, INT64_MIN, -1};
    for (int resolution = 0; resolution <= 255; resolution++) {
        begin(resolution % 2);
        for (uint32_t i = 0; i < LEN(offsets); i++) {
            interface(1, 0, resolution, &offsets[i]);
            for (size_t k = 0; k < LEN(times); k++)
                packet(i, times[k], 1, 1, 1);
        }
        read_made(&m, &r);
        assert_int_equal(r.result, CAPTURE_END);
        assert_int_equal(r.count, 16);
    }
}

static void time_offset(void **state)
{
    (void)state;
    static const int64_t offsets[] = {0, 1, -1, 1700000000, -1700000000};
    for (size_t i = 0; i < 2 * LEN(offsets); i++) {
        begin(i % 2);
        interface(1, 0, -1, &offsets[i / 2]);
        packet(0, 5000000, 1, 1, 1);
        read_made(&m, &r);
        assert_true(r.packets[0].time_us == 5000000 + offsets[i / 2] * 1000000);
    }
}

/* No time, no captured length of their own: the last time, the first interface and its snap length. */
static void simple_packets(void **state)
{
    (void)state;
    static const struct {
        uint32_t snap_len, wire, bytes;
        int captured; /* -1: refused */
    } rows[] = {{0, 10, 10, 10}, {4, 10, 4, 4}, {20, 10, 10, 10},      {0, 10, 4, -1},
                {4, 10, 8, 4},   {0, 0, 0, 0},  {0, 0xffffffff, 4, -1}};
    for (size_t i = 0; i < LEN(rows); i++) {
        begin(i % 2);
        interface(113, rows[i].snap_len, -1, NULL);
        interface(1, 1, -1, NULL);
        packet(1, 77, 1, 1, 1);
        begin_block(SIMPLE);
        put32(&m, rows[i].wire);
        write_zeros(&m.out, rows[i].bytes);
        end_block();
        read_made(&m, &r);
        if (rows[i].captured < 0) {
            assert_int_equal(r.result, CAPTURE_FAILED);
            continue;
        }
        assert_int_equal(r.result, CAPTURE_END);
        assert_int_equal(r.count, 2);
        assert_int_equal(r.packets[1].captured_len, rows[i].captured);
        assert_int_equal(r.packets[1].wire_len, rows[i].wire);
        assert_int_equal(r.packets[1].link_type, 113);
        assert_true(r.packets[1].time_us == 77);
    }
}

static void many_interfaces(void **state)
{
    (void)state;
    static const uint32_t counts[] = {7, 8, 9, 1000, 65536};
    for (size_t i = 0; i < LEN(counts); i++) {
        begin(false);
        for (uint32_t n = 0; n < counts[i]; n++)
            interface((uint16_t)(n + 1), 0, -1, NULL);
        packet(counts[i] - 1, 5, 1, 1, 1);
        packet(0, 5, 1, 1, 1);
        packet(counts[i], 5, 1, 1, 1);
        read_made(&m, &r);
        assert_int_equal(r.count, 2);
        assert_int_equal(r.packets[0].link_type, (uint16_t)counts[i]);
        assert_int_equal(r.result, CAPTURE_FAILED);
    }
    begin(false);
    for (uint32_t n = 0; n < 65537; n++)
        interface(1, 0, -1, NULL);
    read_made(&m, &r);
    assert_int_equal(r.result, CAPTURE_FAILED);
    assert_non_null(strstr(r.err.text, "interfaces"));
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    size_t ends[4];
    for (int big = 0; big <= 1; big++) {
        begin(big);
        ends[0] = writer_len(&m.out);
        interface(1, 0, 9, NULL);
        ends[1] = writer_len(&m.out);
        packet(0, 1, 5, 5, 5);
        ends[2] = writer_len(&m.out);
        packet(0, 2, 0, 5, 0);
        ends[3] = writer_len(&m.out);
        for (size_t len = 1; len <= ends[3]; len++) {
            read_bytes_as_file(space, len, &r);
            assert_int_equal(r.count, len >= ends[3] ? 2 : len >= ends[2]);
            bool at_end = len == ends[0] || len == ends[1] || len == ends[2] || len == ends[3];
            assert_int_equal(r.result, len < 4 ? NOT_OPENED : at_end ? CAPTURE_END : CAPTURE_FAILED);
        }
    }
}

static void random_damage(void **state)
{
    (void)state;
    struct chance c = {13};
    for (int round = 0; round < 4000; round++) {
        begin(round % 2);
        interface(1, 0, 9, NULL);
        interface(113, 60, -1, NULL);
        for (uint32_t n = 0; n < 4; n++)
            packet(n % 2, n, 8 + n, 100, 8 + n);
        for (size_t n = 1 + chance_below(&c, 3); n > 0; n--)
            space[chance_below(&c, writer_len(&m.out))] = (uint8_t)chance_next(&c);
        m.out.at -= chance_below(&c, 3) ? 0 : chance_below(&c, writer_len(&m.out));
        read_made(&m, &r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_in_both_byte_orders),
        cmocka_unit_test(sections),
        cmocka_unit_test(resolutions),
        cmocka_unit_test(resolutions_and_times_that_overflow),
        cmocka_unit_test(time_offset),
        cmocka_unit_test(simple_packets),
        cmocka_unit_test(many_interfaces),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
