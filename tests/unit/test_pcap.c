/* SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#define MICRO    0xa1b2c3d4u
#define NANO     0xa1b23c4du
#define MODIFIED 0xa1b2cd34u

static uint8_t space[1 << 20];
static struct maker m;
static struct reading r;

static void begin(bool big, uint32_t magic, uint16_t major, uint16_t minor, uint32_t link)
{
    m = (struct maker){writer_over(space, sizeof(space)), big};
    put32(&m, magic);
    put16(&m, major);
    put16(&m, minor);
    put32(&m, 0);
    put32(&m, 0);
    put32(&m, 65535);
    put32(&m, link);
}

static void record(uint32_t magic, uint32_t fraction, uint32_t first_len, uint32_t second_len, size_t bytes)
{
    put32(&m, 1000);
    put32(&m, fraction);
    put32(&m, first_len);
    put32(&m, second_len);
    if (magic == MODIFIED)
        write_bytes(&m.out, "\3\0\0\0\x08\0\0\0", 8);
    for (size_t i = 0; i < bytes; i++)
        write_u8(&m.out, i & 0xff);
}

static void magics_and_byte_orders(void **state)
{
    (void)state;
    static const uint32_t magics[] = {MICRO, NANO, MODIFIED};
    for (size_t i = 0; i < 2 * LEN(magics); i++) {
        uint32_t magic = magics[i / 2];
        begin(i % 2, magic, 2, 4, 113);
        record(magic, 123456, 10, 1500, 10);
        record(magic, 999999, 0, 0, 0);
        record(magic, 5, 40, 40, 40);
        read_made(&m, &r);
        assert_int_equal(r.result, CAPTURE_END);
        assert_int_equal(r.count, 3);
        assert_true(r.packets[0].time_us == 1000000000 + (magic == NANO ? 123 : 123456));
        assert_int_equal(r.packets[0].captured_len, 10);
        assert_int_equal(r.packets[0].wire_len, 1500);
        assert_int_equal(r.packets[0].link_type, 113);
        assert_memory_equal(r.bytes[0], "\0\1\2\3\4\5\6\7\x08\x09", 10);
        assert_int_equal(r.packets[1].captured_len, 0);
        assert_int_equal(r.packets[2].captured_len, 40);
    }
}

/* Before version 2.3 the lengths stood the other way round; in 2.3 either way, and the smaller one is the
 * captured. */
static void old_minor_versions(void **state)
{
    (void)state;
    for (uint16_t minor = 0; minor <= 5; minor++) {
        for (int swapped = 0; swapped <= 1; swapped++) {
            if ((minor < 3) != swapped && minor != 3)
                continue;
            begin(false, MICRO, 2, minor, 1);
            record(MICRO, 0, swapped ? 100 : 10, swapped ? 10 : 100, 10);
            record(MICRO, 0, 20, 20, 20);
            read_made(&m, &r);
            if (r.result != CAPTURE_END)
                fail_msg("version 2.%u: %s", minor, r.err.text);
            assert_int_equal(r.count, 2);
            assert_int_equal(r.packets[0].captured_len, 10);
            assert_int_equal(r.packets[0].wire_len, 100);
        }
    }
}

static void link_type_without_its_upper_bits(void **state)
{
    (void)state;
    begin(true, MICRO, 2, 4, 0x44000001); /* FCS length in the upper bits */
    record(MICRO, 0, 1, 1, 1);
    read_made(&m, &r);
    assert_int_equal(r.packets[0].link_type, 1);
}

static void not_a_capture(void **state)
{
    (void)state;
    static const uint32_t magics[] = {0, 0xffffffff, 0xa1b2c3d5, 0x0a0d0d0b, 0x4d3cb2a2};
    for (size_t i = 0; i < LEN(magics); i++) {
        begin(false, magics[i], 2, 4, 1);
        read_made(&m, &r);
        assert_int_equal(r.result, NOT_OPENED);
        assert_non_null(strstr(r.err.text, "not a capture"));
    }
    begin(false, MICRO, 3, 0, 1);
    read_made(&m, &r);
    assert_int_equal(r.result, NOT_OPENED);
    assert_non_null(strstr(r.err.text, "version 3.0"));
    read_bytes_as_file(NULL, 0, &r);
    assert_int_equal(r.result, NOT_OPENED);
    assert_non_null(strstr(r.err.text, "empty"));
    read_path("/nonexistent/file.pcap", &r);
    assert_int_equal(r.result, NOT_OPENED);
    assert_non_null(strstr(r.err.text, "/nonexistent/file.pcap: No such file"));
    read_path("/", &r);
    assert_int_equal(r.result, NOT_OPENED);
}

/* Whatever is whole is lent; the end inside a record is told with the record's offset. */
static void cut_at_every_byte(void **state)
{
    (void)state;
    static const uint32_t magics[] = {MICRO, MODIFIED};
    for (size_t i = 0; i < LEN(magics); i++) {
        size_t ends[4], whole = 0, n = 0;
        begin(false, magics[i], 2, 4, 1);
        ends[n++] = writer_len(&m.out);
        for (size_t size = 0; size < 9; size += 3) {
            record(magics[i], 0, (uint32_t)size, 100, size);
            ends[n++] = writer_len(&m.out);
        }
        whole = writer_len(&m.out);
        for (size_t len = 1; len <= whole; len++) {
            read_bytes_as_file(space, len, &r);
            if (len < 24) {
                assert_int_equal(r.result, NOT_OPENED);
                continue;
            }
            size_t records = 0;
            while (records < 3 && ends[records + 1] <= len)
                records++;
            assert_int_equal(r.count, records);
            assert_int_equal(r.result, len == ends[records] ? CAPTURE_END : CAPTURE_FAILED);
            if (r.result == CAPTURE_FAILED) {
                char where[64];
                snprintf(where, sizeof(where), "at byte %zu: ", ends[records]);
                assert_non_null(strstr(r.err.text, where));
                assert_non_null(strstr(r.err.text, "ends inside a record"));
            }
        }
    }
}

static void lengths_that_lie(void **state)
{
    (void)state;
    static const struct {
        uint32_t captured;
        const char *text;
    } rows[] = {{262145, "captured"}, {0xffffffff, "captured"}, {0x80000000, "captured"}, {262144, "ends inside"}};
    for (size_t i = 0; i < LEN(rows); i++) {
        begin(i % 2, MICRO, 2, 4, 1);
        record(MICRO, 0, 4, 4, 4);
        record(MICRO, 0, rows[i].captured, 60, 60);
        read_made(&m, &r);
        assert_int_equal(r.count, 1);
        assert_int_equal(r.result, CAPTURE_FAILED);
        assert_non_null(strstr(r.err.text, "at byte 44: "));
        assert_non_null(strstr(r.err.text, rows[i].text));
    }
    begin(false, MICRO, 2, 4, 1); /* captured more than was on the wire: taken as it is */
    record(MICRO, 0, 8, 4, 8);
    read_made(&m, &r);
    assert_int_equal(r.result, CAPTURE_END);
    assert_int_equal(r.packets[0].captured_len, 8);
}

/* The largest records, so that they cross the reader's buffer in every way. */
static void records_across_the_buffer(void **state)
{
    (void)state;
    static uint8_t big[3 << 20];
    for (uint32_t size = 262144; size > 262100; size -= 13) {
        begin(false, MICRO, 2, 4, 1);
        m.out = writer_over(big, sizeof(big));
        write_bytes(&m.out, space, 24);
        for (uint32_t n = 0; n < 11; n++)
            record(MICRO, n, size - n * 7, size, size - n * 7);
        read_made(&m, &r);
        assert_int_equal(r.result, CAPTURE_END);
        assert_int_equal(r.count, 11);
        for (uint32_t n = 0; n < 11; n++) {
            assert_int_equal(r.packets[n].captured_len, size - n * 7);
            assert_true(r.packets[n].time_us == 1000000000 + n);
            assert_memory_equal(r.bytes[n], "\0\1\2\3\4\5\6\7", 8);
        }
    }
}

static void progress_ends_at_the_size(void **state)
{
    (void)state;
    char path[256];
    static const atomic_bool never;
    struct capture *capture;
    struct packet batch[4];
    struct capture_stats stats;
    uint64_t done, total;
    begin(false, MICRO, 2, 4, 1);
    record(MICRO, 0, 100, 100, 100);
    temp_file(path, space, writer_len(&m.out));
    assert_int_equal(capture_open_file(path, &never, &capture, &r.err), 0);
    while (capture_borrow(capture, batch, 4, &r.err) > 0)
        ;
    assert_true(capture_progress(capture, &done, &total));
    assert_true(done == writer_len(&m.out) && total == done);
    capture_stats(capture, &stats);
    assert_true(stats.received == 0 && stats.dropped == 0 && stats.if_dropped == 0);
    assert_int_equal(capture_borrow(capture, batch, 4, &r.err), CAPTURE_END);
    capture_close(capture);
    capture_close(NULL);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(magics_and_byte_orders),
        cmocka_unit_test(old_minor_versions),
        cmocka_unit_test(link_type_without_its_upper_bits),
        cmocka_unit_test(not_a_capture),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(lengths_that_lie),
        cmocka_unit_test(records_across_the_buffer),
        cmocka_unit_test(progress_ends_at_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
