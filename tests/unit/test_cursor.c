/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cursors as text and back; what is changed in any letter is none. */
#include "query/cursor.h"

#include "testing.h"

static struct cursor made(size_t key_len, size_t name_len)
{
    struct cursor c = {.is_behind = true, .since_s = INT64_MIN, .until_s = INT64_MAX, .number = -5};
    uint8_t key[2 * CURSOR_KEY];
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 7 + key_len);
    cursor_set_key(&c, key, key_len);
    memset(c.name, 'n', name_len);
    return c;
}

static void round_trip(void **state)
{
    static const size_t keys[] = {0, 1, 2, 3, 17, CURSOR_KEY - 1, CURSOR_KEY, CURSOR_KEY + 1, 2 * CURSOR_KEY};
    static const size_t names[] = {0, 1, 2, 255, NAME_TEXT - 1};
    (void)state;
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            struct cursor c = made(keys[k], names[n]), back;
            char text[CURSOR_TEXT];
            cursor_text(&c, "below", text);
            assert_true(strlen(text) < sizeof(text));
            assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                             strlen(text));
            assert_int_equal(cursor_parse(text, "below", &back, NULL), 0);
            assert_memory_equal(&c, &back, sizeof(c));
            assert_int_equal(cursor_parse(text, "name", &back, NULL), -1);
        }
}

static void keys_that_are_cut(void **state)
{
    struct cursor c = made(2 * CURSOR_KEY, 3);
    uint8_t key[2 * CURSOR_KEY];
    (void)state;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 7 + 2 * CURSOR_KEY);
    assert_true(cursor_is_key(&c, key, sizeof(key)));
    assert_false(cursor_is_key(&c, key, sizeof(key) - 1));
    assert_false(cursor_is_key(&c, key, CURSOR_KEY));
    key[sizeof(key) - 1] ^= 1;
    assert_false(cursor_is_key(&c, key, sizeof(key)));
    c = made(5, 0);
    assert_true(cursor_is_key(&c, c.key, 5));
    assert_false(cursor_is_key(&c, c.key, 4));
}

/* Every letter of a text, changed into each other one. */
static void changed(void **state)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct cursor c = made(20, 30), back;
    char text[CURSOR_TEXT];
    (void)state;
    cursor_text(&c, "who", text);
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        for (const char *other = letters; *other; other++) {
            text[i] = *other;
            assert_int_equal(cursor_parse(text, "who", &back, NULL), *other == was ? 0 : -1);
        }
        text[i] = was;
    }
    for (size_t len = strlen(text); len > 0; len--) {
        text[len - 1] = '\0';
        assert_int_equal(cursor_parse(text, "who", &back, NULL), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(keys_that_are_cut),
        cmocka_unit_test(changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
