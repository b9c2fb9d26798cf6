/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of prefixes: every length, several addresses at once, how many there may be. */
#include "base/prefix.h"

#include "testing.h"

static struct prefixes list_of(const char *text)
{
    struct prefixes list = {0};
    assert_int_equal(prefixes_add(&list, text, NULL), 0);
    return list;
}

/* A prefix of so many bits sees a change of those and of no other. */
static void every_length(void **state)
{
    static const char *const texts[] = {"165.90.195.60", "a55a:c33c:9669:f00f:1234:5678:9abc:def0"};
    static const uint8_t addresses[2][16] = {
        {165, 90, 195, 60},
        {0xa5, 0x5a, 0xc3, 0x3c, 0x96, 0x69, 0xf0, 0x0f, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0}};
    (void)state;
    for (size_t family = 0; family < 2; family++) {
        size_t most = family ? 128 : 32;
        for (size_t bits = 0; bits <= most + 1; bits++) {
            char text[64];
            snprintf(text, sizeof(text), bits > most ? "%s" : "%s/%zu", texts[family], bits);
            struct prefixes list = list_of(text);
            for (size_t bit = 0; bit < most; bit++) {
                uint8_t *address = exact_copy(addresses[family], most / 8);
                assert_true(prefixes_have(&list, family ? 6 : 4, address, 1));
                address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
                if (prefixes_have(&list, family ? 6 : 4, address, 1) != (bit >= bits))
                    fail_msg("%s, bit %zu", text, bit);
                free(address);
            }
        }
    }
}

/* One of several addresses is enough, wherever it stands; of the other family none is. */
static void several(void **state)
{
    uint8_t addresses[5 * 16];
    (void)state;
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        struct prefixes list = list_of(ip_vers == 6 ? "fd00::/8" : "10.0.0.0/8");
        size_t size = ip_vers == 6 ? 16 : 4;
        for (size_t at = 0; at <= 5; at++) {
            memset(addresses, 0xfe, sizeof(addresses));
            if (at < 5)
                addresses[at * size] = ip_vers == 6 ? 0xfd : 10;
            for (size_t count = 0; count <= 5; count++) {
                uint8_t *copy = exact_copy(addresses, count * size);
                assert_int_equal(prefixes_have(&list, ip_vers, copy, count), at < count);
                free(copy);
            }
        }
        assert_false(prefixes_have(&list, ip_vers == 6 ? 4 : 6, addresses, 1));
    }
}

static void too_many(void **state)
{
    struct prefixes list = {0};
    struct error why = {""};
    char text[32];
    (void)state;
    for (unsigned n = 0; n < PREFIXES_MAX; n++) {
        const uint8_t address[4] = {10, 0, (uint8_t)n, 1};
        snprintf(text, sizeof(text), "10.0.%u.0/24", n);
        assert_false(prefixes_have(&list, 4, address, 1));
        assert_int_equal(prefixes_add(&list, text, &why), 0);
        assert_true(prefixes_have(&list, 4, address, 1));
    }
    assert_int_equal(prefixes_add(&list, "10.1.0.0/24", &why), -1);
    assert_non_null(strstr(why.text, "at most 64"));
    assert_int_equal(list.count, PREFIXES_MAX);
}

/* However long the text is. */
static void long_texts(void **state)
{
    static const char text[] = "1111:2222:3333:4444:5555:6666:255.255.255.255";
    struct prefixes list = {0};
    char longer[200];
    (void)state;
    assert_int_equal(prefixes_add(&list, text, NULL), 0);
    for (size_t len = 1; len < sizeof(longer); len++) {
        memset(longer, '1', len);
        longer[len] = '\0';
        assert_int_equal(prefixes_add(&list, longer, NULL), -1);
    }
    assert_int_equal(list.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(several),
        cmocka_unit_test(too_many),
        cmocka_unit_test(long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
