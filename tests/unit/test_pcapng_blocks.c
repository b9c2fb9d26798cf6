/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks of other kinds, of any size, and with lengths that lie. */
#include "pcapng.h"

/* Blocks of other types are passed over, whatever their size. */
static void unknown_blocks(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 4, MIB - 12, MIB, 2 * MIB, 3 * MIB + 4};
    for (size_t i = 0; i < LEN(sizes); i++) {
        begin(false);
        interface(1, 0, -1, NULL);
        packet(0, 1, 1, 1, 1);
        begin_block(0x80001234);
        write_zeros(&m.out, sizes[i]);
        end_block();
        packet(0, 2, 2, 2, 2);
        read_made(&m, &r);
        assert_int_equal(r.result, CAPTURE_END);
        assert_int_equal(r.count, 2);
        assert_int_equal(r.packets[1].captured_len, 2);
    }
    begin_block(0x80001234); /* cut */
    write_zeros(&m.out, 2 * MIB);
    read_made(&m, &r);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.result, CAPTURE_FAILED);
}

/* Options of more than `bytes`: comments, each as long as an option can be. */
static void comments(size_t bytes)
{
    for (size_t done = 0; done < bytes; done += 65532) {
        put16(&m, 1);
        put16(&m, 65528);
        write_zeros(&m.out, 65528);
    }
}

/* A section header, an interface whose resolution stands last, names and a packet, each larger than what is at hand at
 * a time, and a packet behind them. Ends[0..4) are where they do. */
static void make_huge(bool big, size_t bytes, size_t ends[4])
{
    m.big = big;
    m.out = writer_over(space, sizeof(space));
    begin_block(SECTION);
    put32(&m, MAGIC);
    put16(&m, 1);
    put16(&m, 0);
    put32(&m, 0xffffffff);
    put32(&m, 0xffffffff);
    comments(bytes);
    end_block();
    ends[0] = writer_len(&m.out);
    begin_block(INTERFACE);
    put16(&m, 113);
    put16(&m, 0);
    put32(&m, 0);
    comments(bytes);
    put16(&m, 9);
    put16(&m, 1);
    write_bytes(&m.out, "\x09\0\0\0", 4);
    end_block();
    ends[1] = writer_len(&m.out);
    begin_block(NAMES);
    comments(bytes);
    end_block();
    ends[2] = writer_len(&m.out);
    begin_block(ENHANCED);
    put32(&m, 0);
    put32(&m, 0);
    put32(&m, 3000);
    put32(&m, 5);
    put32(&m, 60);
    write_bytes(&m.out, "hello\0\0\0", 8);
    comments(bytes);
    end_block();
    ends[3] = writer_len(&m.out);
    packet(0, 7000, 2, 2, 2);
}

static void huge_blocks(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, MIB - 70000, MIB, MIB + 70000, 3 * MIB / 2};
    for (size_t i = 0; i < 2 * LEN(sizes); i++) {
        size_t ends[4];
        make_huge(i % 2, sizes[i / 2], ends);
        read_made(&m, &r);
        if (r.result != CAPTURE_END)
            fail_msg("%s", r.err.text);
        assert_int_equal(r.count, 2);
        assert_int_equal(r.packets[0].link_type, 113);
        assert_int_equal(r.packets[0].captured_len, 5);
        assert_int_equal(r.packets[0].wire_len, 60);
        assert_memory_equal(r.bytes[0], "hello", 5);
        assert_true(r.packets[0].time_us == 3 && r.packets[1].time_us == 7);
    }
}

static void huge_blocks_cut_or_damaged(void **state)
{
    (void)state;
    size_t ends[4];
    for (int big = 0; big <= 1; big++) {
        make_huge(big, 5 * MIB / 4, ends);
        for (size_t i = 0; i < LEN(ends); i++) {
            static const size_t before[] = {1, 3, 4, 5, 8, 12, 70000, MIB};
            for (size_t k = 0; k < LEN(before); k++) {
                read_bytes_as_file(space, ends[i] - before[k], &r);
                assert_int_equal(r.result, CAPTURE_FAILED);
                assert_int_equal(r.count, i == 3 && before[k] < MIB);
                char at[64];
                snprintf(at, sizeof(at), "at byte %zu:", ends[i] - before[k]);
                if (before[k] == 70000 && !strstr(r.err.text, at))
                    fail_msg("%s, not %s", r.err.text, at);
            }
            read_bytes_as_file(space, ends[i], &r);
            assert_int_equal(r.result, CAPTURE_END);
            if (i == 2)
                continue; /* names are passed over */
            space[ends[i] - (big ? 1 : 4)] ^= 0x40;
            read_made(&m, &r);
            assert_int_equal(r.result, CAPTURE_FAILED);
            assert_int_equal(r.count, i == 3);
            assert_non_null(strstr(r.err.text, "lengths"));
            space[ends[i] - (big ? 1 : 4)] ^= 0x40;
        }
    }
}

/* Options of an interface cut short, of lengths that lie, and in any order. */
static void options_of_interfaces(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        const char *bytes;
        int64_t time_us;
    } rows[] = {
        {0, "", 5000000},
        {4, "\0\0\0\0", 5000000},
        {2, "\x09\0", 5000000},
        {8, "\x09\0\1\0\x09\0\0\0", 5000},
        {12, "\x09\0\1\0\x09\0\0\0\0\0\0\0", 5000},
        {12, "\0\0\0\0\x09\0\1\0\x09\0\0\0", 5000000},
        {8, "\x09\0\x40\0\x09\0\0\0", 5000000},
        {4, "\x09\0\0\0", 5000000},
        {8, "\x0e\0\4\0\1\0\0\0", 5000000},
        {12, "\x0e\0\x08\0\1\0\0\0\0\0\0\0", 6000000},
        {20, "\x09\0\1\0\x09\0\0\0\x0e\0\x08\0\1\0\0\0\0\0\0\0", 1005000},
        {20, "\x0e\0\x08\0\1\0\0\0\0\0\0\0\x09\0\1\0\x09\0\0\0", 1005000},
        {6, "\x63\0\1\0xx", 5000000},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        begin(false);
        begin_block(INTERFACE);
        put16(&m, 1);
        put16(&m, 0);
        put32(&m, 0);
        write_bytes(&m.out, rows[i].bytes, rows[i].len);
        end_block();
        packet(0, 5000000, 1, 1, 1);
        read_made(&m, &r);
        assert_int_equal(r.result, CAPTURE_END);
        assert_int_equal(r.count, 1);
        if (r.packets[0].time_us != rows[i].time_us)
            fail_msg("row %zu: %lld", i, (long long)r.packets[0].time_us);
    }
}

static void lengths_that_lie(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0,  1,  4,  8,          11,         12,         16,         20,         24,
                                       28, 36, 44, 0x7fffffff, 0x80000000, 0xfffffffc, 0xfffffffd, 0xffffffff, MIB + 4};
    static const uint32_t types[] = {SECTION, INTERFACE, OLD_PACKET, SIMPLE, ENHANCED, 99};
    for (size_t i = 0; i < LEN(types); i++) {
        for (size_t k = 0; k < LEN(lengths); k++) {
            begin(k % 2);
            interface(1, 0, -1, NULL);
            packet(0, 1, 1, 1, 1);
            put32(&m, types[i]);
            put32(&m, lengths[k]);
            put32(&m, types[i] == SECTION ? MAGIC : 0);
            for (uint32_t n = 0; n < 12; n++)
                put32(&m, lengths[k] == 4 * n + 16 ? lengths[k] : 0);
            read_made(&m, &r);
            assert_in_range(r.count, 1, 2);
        }
    }
    static const uint32_t captured[] = {9, 12, 13, 0x7fffffff, 0xffffffff, 0xfffffff0};
    for (size_t i = 0; i < LEN(captured); i++) {
        begin(false);
        interface(1, 0, -1, NULL);
        packet(0, 1, captured[i], 1, 8);
        read_made(&m, &r);
        assert_int_equal(r.result, CAPTURE_FAILED);
        assert_int_equal(r.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_blocks),
        cmocka_unit_test(huge_blocks),
        cmocka_unit_test(huge_blocks_cut_or_damaged),
        cmocka_unit_test(options_of_interfaces),
        cmocka_unit_test(lengths_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
