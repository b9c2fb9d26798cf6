/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

static const uint8_t numbers[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void reads_numbers_in_order(void **state)
{
    (void)state;
    uint8_t *bytes = exact_copy(numbers, sizeof(numbers));
    struct reader in = reader_over(bytes, sizeof(numbers));
    assert_int_equal(read_u8(&in), 0x01);
    assert_int_equal(read_be16(&in), 0x0203);
    assert_int_equal(read_be32(&in), 0x04050607);
    assert_true(read_be64(&in) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(reader_left(&in), 0);
    assert_false(in.failed);
    free(bytes);
}

/* Each read at one byte less than it needs: it fails, gives 0, and everything after it does too. */
static void a_short_read_is_sticky(void **state)
{
    (void)state;
    volatile size_t need; /* else gcc 14 takes each turn by itself, and warns of what is not run */
    for (need = 1; need <= 8; need *= 2) {
        uint8_t *bytes = exact_copy(numbers, need - 1);
        struct reader in = reader_over(bytes, need - 1);
        uint64_t got = need == 1   ? read_u8(&in)
                       : need == 2 ? read_be16(&in)
                       : need == 4 ? read_be32(&in)
                                   : read_be64(&in);
        assert_true(got == 0);
        assert_true(in.failed);
        assert_int_equal(reader_left(&in), 0);
        assert_null(read_bytes(&in, 0));
        assert_int_equal(read_u8(&in), 0);
        assert_true(in.failed);
        free(bytes);
    }
}

static void a_huge_skip_fails_without_wrapping(void **state)
{
    (void)state;
    struct reader in = reader_over(numbers, sizeof(numbers));
    read_skip(&in, SIZE_MAX);
    assert_true(in.failed);
    in = reader_over(numbers, sizeof(numbers));
    read_skip(&in, sizeof(numbers));
    assert_false(in.failed);
    assert_non_null(read_bytes(&in, 0));
    read_skip(&in, 1);
    assert_true(in.failed);
}

static void clamp_cuts_or_says_no(void **state)
{
    (void)state;
    static const struct {
        size_t left, len, expect_left;
        bool expect;
    } rows[] = {{4, 0, 0, true}, {4, 3, 3, true},  {4, 4, 4, true},        {4, 5, 4, false},
                {0, 0, 0, true}, {0, 1, 0, false}, {4, SIZE_MAX, 4, false}};
    for (size_t i = 0; i < LEN(rows); i++) {
        struct reader in = reader_over(numbers, rows[i].left);
        assert_int_equal(reader_clamp(&in, rows[i].len), rows[i].expect);
        assert_int_equal(reader_left(&in), rows[i].expect_left);
        assert_false(in.failed);
    }
}

static void writes_up_to_exactly_full(void **state)
{
    (void)state;
    uint8_t *bytes = exact_copy(numbers, 15);
    memset(bytes, 0, 15);
    struct writer out = writer_over(bytes, 15);
    write_u8(&out, 0x01);
    write_be16(&out, 0x0203);
    write_be32(&out, 0x04050607);
    write_be64(&out, UINT64_C(0x08090a0b0c0d0e0f));
    assert_false(out.failed);
    assert_int_equal(writer_room(&out), 0);
    assert_int_equal(writer_len(&out), 15);
    assert_memory_equal(bytes, numbers, 15);
    write_bytes(&out, numbers, 0);
    write_zeros(&out, 0);
    assert_false(out.failed);
    write_u8(&out, 1);
    assert_true(out.failed);
    assert_int_equal(writer_len(&out), 15);
    free(bytes);
}

static void write_of(struct writer *out, int kind)
{
    switch (kind) {
    case 0:
        write_u8(out, 1);
        break;
    case 1:
        write_be16(out, 1);
        break;
    case 2:
        write_be32(out, 1);
        break;
    case 3:
        write_be64(out, 1);
        break;
    case 4:
        write_bytes(out, numbers, 3);
        break;
    case 5:
        write_zeros(out, 5);
        break;
    default:
        assert_null(write_space(out, 7));
        break;
    }
}

/* Every writer with one byte of room too few writes nothing, and what comes after it does not either. */
static void a_write_that_does_not_fit_is_sticky(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 4, 8, 3, 5, 7};
    for (size_t kind = 0; kind < LEN(sizes); kind++) {
        size_t room = sizes[kind] - 1;
        uint8_t *bytes = malloc(room);
        memset(bytes, 0x55, room);
        struct writer out = writer_over(bytes, room);
        write_of(&out, (int)kind);
        assert_true(out.failed);
        assert_int_equal(writer_len(&out), 0);
        write_u8(&out, 1);
        assert_true(out.failed);
        for (size_t i = 0; i < room; i++)
            assert_int_equal(bytes[i], 0x55);
        free(bytes);
    }
}

static void numbers_that_do_not_fit_fail(void **state)
{
    (void)state;
    static const struct {
        int size;
        size_t value;
        bool fails;
    } rows[] = {{1, 255, false},  {1, 256, true},      {1, SIZE_MAX, true}, {2, 65535, false},
                {2, 65536, true}, {2, SIZE_MAX, true}, {1, 0, false},       {2, 0, false}};
    for (size_t i = 0; i < LEN(rows); i++) {
        uint8_t bytes[8];
        struct writer out = writer_over(bytes, sizeof(bytes));
        if (rows[i].size == 1)
            write_u8(&out, rows[i].value);
        else
            write_be16(&out, rows[i].value);
        assert_int_equal(out.failed, rows[i].fails);
        write_be32(&out, 1);
        assert_int_equal(out.failed, rows[i].fails);
    }
}

static void loads_and_stores_agree(void **state)
{
    (void)state;
    uint8_t bytes[8];
    store_be16(bytes, 0xfedc);
    assert_int_equal(load_be16(bytes), 0xfedc);
    assert_int_equal(load_le16(bytes), 0xdcfe);
    store_be32(bytes, 0xfedcba98);
    assert_true(load_be32(bytes) == 0xfedcba98);
    assert_true(load_le32(bytes) == 0x98badcfe);
    store_be64(bytes, UINT64_C(0xfedcba9876543210));
    assert_true(load_be64(bytes) == UINT64_C(0xfedcba9876543210));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers_in_order),
        cmocka_unit_test(a_short_read_is_sticky),
        cmocka_unit_test(a_huge_skip_fails_without_wrapping),
        cmocka_unit_test(clamp_cuts_or_says_no),
        cmocka_unit_test(writes_up_to_exactly_full),
        cmocka_unit_test(a_write_that_does_not_fit_is_sticky),
        cmocka_unit_test(numbers_that_do_not_fit_fail),
        cmocka_unit_test(loads_and_stores_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
