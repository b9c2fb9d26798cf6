/* SPDX-License-Identifier: BSD-3-Clause
 *
 * RowBinary: what is written is read again, cut at every byte it fails, and memory that is short is told. */
#include "feed/rowbinary.h"
#include "testing.h"

static const uint64_t numbers[] = {0,          1,          0x7f,
                                   0x80,       0x3fff,     0x4000,
                                   0xffff,     0x1fffff,   0x200000,
                                   0xffffffff, 1ull << 35, (1ull << 56) - 1,
                                   1ull << 56, 1ull << 57, (1ull << 63) - 1,
                                   1ull << 63, UINT64_MAX};

static struct rowbinary_reader over(const uint8_t *bytes, size_t len)
{
    return (struct rowbinary_reader){bytes, bytes + len, false};
}

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(numbers); i++) {
        struct rowbinary r = {.len = 0};
        rowbinary_u8(&r, (uint8_t)numbers[i]);
        rowbinary_u16(&r, (uint16_t)numbers[i]);
        rowbinary_u32(&r, (uint32_t)numbers[i]);
        rowbinary_u64(&r, numbers[i]);
        assert_int_equal(r.len, 15);
        assert_false(r.is_short);
        for (size_t cut = 0; cut <= r.len; cut++) {
            uint8_t *copy = exact_copy(r.bytes, cut);
            struct rowbinary_reader reader = over(copy, cut);
            assert_int_equal(rowbinary_read(&reader, 1), cut >= 1 ? (uint8_t)numbers[i] : 0);
            assert_int_equal(rowbinary_read(&reader, 2), cut >= 3 ? (uint16_t)numbers[i] : 0);
            assert_int_equal(rowbinary_read(&reader, 4), cut >= 7 ? (uint32_t)numbers[i] : 0);
            assert_true(rowbinary_read(&reader, 8) == (cut >= 15 ? numbers[i] : 0));
            assert_int_equal(reader.failed, cut < 15);
            assert_int_equal(rowbinary_read(&reader, 1), 0);
            assert_true(reader.failed);
            free(copy);
        }
        free(r.bytes);
    }
}

static void test_order_of_bytes(void **state)
{
    (void)state;
    static const uint8_t expected[] = {2, 1, 6, 5, 4, 3, 0xac, 2, 3, 'a', 0, 'b', 0};
    struct rowbinary r = {.len = 0};
    rowbinary_u16(&r, 0x0102);
    rowbinary_u32(&r, 0x03040506);
    rowbinary_varint(&r, 300);
    rowbinary_string(&r, "a\0b", 3);
    rowbinary_string(&r, "", 0);
    assert_int_equal(r.len, sizeof(expected));
    assert_memory_equal(r.bytes, expected, sizeof(expected));
    free(r.bytes);
}

/* As ClickHouse has it: seven bits each, the lowest first. */
static size_t slow_varint(uint64_t n, uint8_t out[10])
{
    size_t len = 1;
    while (len < 10 && n >> 7 * len)
        len++;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)((n >> 7 * i & 0x7f) | (i + 1 < len ? 0x80 : 0));
    return len;
}

static void test_varints(void **state)
{
    (void)state;
    uint8_t expected[10];
    for (size_t i = 0; i < LEN(numbers); i++) {
        struct rowbinary r = {.len = 0};
        rowbinary_varint(&r, numbers[i]);
        size_t len = slow_varint(numbers[i], expected), text_len = 5;
        assert_int_equal(r.len, len);
        assert_memory_equal(r.bytes, expected, len);
        rowbinary_bytes(&r, "text", 4); /* more than that cannot be a length of it */
        uint8_t *copy = exact_copy(r.bytes, r.len);
        struct rowbinary_reader reader = over(copy, r.len);
        const uint8_t *text = rowbinary_read_string(&reader, &text_len);
        bool fits = numbers[i] <= 4;
        assert_true(reader.failed == !fits && (text != NULL) == fits);
        assert_int_equal(text_len, fits ? numbers[i] : 0);
        free(copy);
        free(r.bytes);
    }
}

/* Lengths that are beyond 64 bits, or do not end, are none of a few bytes. */
static void test_long_varints(void **state)
{
    (void)state;
    static const uint8_t beyond[][12] = {{0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 'a', 'b'},
                                         {0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02, 'a', 'b'},
                                         {0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 'a', 'b'},
                                         {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xff, 0xff, 0}};
    for (size_t i = 0; i < LEN(beyond); i++) {
        size_t len = 5;
        struct rowbinary_reader reader = over(beyond[i], sizeof(beyond[i]));
        assert_null(rowbinary_read_string(&reader, &len));
        assert_true(reader.failed && len == 0);
    }
}

static void test_strings_cut(void **state)
{
    (void)state;
    char text[300];
    struct rowbinary r = {.len = 0};
    memset(text, 'x', sizeof(text));
    rowbinary_string(&r, text, sizeof(text)); /* two bytes of length */
    rowbinary_string(&r, "", 0);
    rowbinary_string(&r, "ab", 2);
    for (size_t cut = 0; cut <= r.len; cut++) {
        size_t lens[3];
        const uint8_t *all[3];
        uint8_t *copy = exact_copy(r.bytes, cut);
        struct rowbinary_reader reader = over(copy, cut);
        for (size_t i = 0; i < 3; i++)
            all[i] = rowbinary_read_string(&reader, &lens[i]);
        assert_int_equal(reader.failed, cut < r.len);
        assert_int_equal(lens[0], cut >= 302 ? 300 : 0);
        assert_int_equal(lens[2], cut >= r.len ? 2 : 0);
        assert_true((all[1] != NULL) == (cut >= 303) && lens[1] == 0);
        if (cut == r.len)
            assert_true(memcmp(all[0], text, 300) == 0 && memcmp(all[2], "ab", 2) == 0);
        free(copy);
    }
    free(r.bytes);
}

static void test_addresses(void **state)
{
    (void)state;
    static const uint8_t ip4[4] = {192, 0, 2, 1}, ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}, none[16];
    struct rowbinary r = {.len = 0};
    rowbinary_ip(&r, ip4, 4);
    rowbinary_ip(&r, ip6, 16);
    rowbinary_ip(&r, NULL, 0);
    assert_int_equal(r.len, 48);
    assert_memory_equal(r.bytes, mapped, 16);
    assert_memory_equal(r.bytes + 16, ip6, 16);
    assert_memory_equal(r.bytes + 32, none, 16);
    free(r.bytes);
}

static void test_grows(void **state)
{
    (void)state;
    struct rowbinary r = {.len = 0};
    for (uint32_t i = 0; i < 100000; i++)
        rowbinary_u32(&r, i);
    assert_int_equal(r.len, 400000);
    assert_true(r.size >= r.len && !r.is_short);
    struct rowbinary_reader reader = over(r.bytes, r.len);
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(rowbinary_read(&reader, 4), i);
    assert_true(!reader.failed && reader.at == reader.end);
    rowbinary_clear(&r);
    assert_true(r.len == 0 && r.rows == 0 && r.bytes);
    free(r.bytes);
}

/* Nothing is taken any more, not even what there would be room for, until it is cleared. */
static void test_short_memory(void **state)
{
    (void)state;
    struct rowbinary r = {.len = 0};
    rowbinary_u8(&r, 1);
    size_t size = r.size;
    r.is_short = true; /* as after an allocation that failed */
    rowbinary_u8(&r, 2);
    rowbinary_string(&r, "abc", 3);
    rowbinary_ip(&r, NULL, 0);
    rowbinary_bytes(&r, NULL, 0);
    assert_null(rowbinary_reserve(&r, size));
    assert_true(r.len == 1 && r.is_short && r.size == size);
    rowbinary_clear(&r);
    rowbinary_u8(&r, 3);
    assert_true(r.len == 1 && !r.is_short && r.bytes[0] == 3);
    free(r.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_order_of_bytes), cmocka_unit_test(test_varints),
        cmocka_unit_test(test_long_varints), cmocka_unit_test(test_strings_cut),    cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_grows),        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
