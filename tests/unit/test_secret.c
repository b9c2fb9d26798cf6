/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files with a key: what they hold, and who else may read them. */
#include "testing.h"

#include <sys/stat.h>

#include "base/secret.h"

#define DIGITS  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"
#define CAPITAL "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1EFF"

static struct error err;

static int read_key(const char *text, size_t len, mode_t mode, uint8_t key[SECRET_KEY])
{
    char path[256];
    temp_file(path, text, len);
    assert_int_equal(chmod(path, mode), 0);
    memset(key, 0xee, SECRET_KEY);
    int result = secret_read_key(path, key, &err);
    if (result != 0)
        assert_non_null(strstr(err.text, path));
    unlink(path);
    return result;
}

static void what_a_file_holds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        {DIGITS, true},
        {CAPITAL, true},
        {DIGITS "\n", true},
        {DIGITS "\r\n", true},
        {DIGITS "\n\n", true},
        {DIGITS " ", false},
        {"\n" DIGITS, false},
        {DIGITS "0", false},
        {DIGITS "00", false},
        {&DIGITS[1], false},
        {&DIGITS[2], false},
        {"", false},
        {"\n", false},
        {DIGITS "\n0", false},
        {DIGITS DIGITS, false},
        {"g"
         "00102030405060708090a0b0c0d0e0f10"
         "1112131415161718191a1b1c1d1eff",
         false},
        {"0"
         "/0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff",
         false},
        {":"
         "00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff",
         false},
        {"`"
         "00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff",
         false},
    };
    uint8_t key[SECRET_KEY];
    for (size_t i = 0; i < LEN(rows); i++) {
        if ((read_key(rows[i].text, strlen(rows[i].text), 0600, key) == 0) != rows[i].is_good)
            fail_msg("row %zu: \"%s\"", i, rows[i].text);
        for (uint8_t k = 0; rows[i].is_good && k < SECRET_KEY; k++)
            assert_int_equal(key[k], k == SECRET_KEY - 1 ? 0xff : k);
    }
}

/* 32 bytes are the key itself, whatever they are; 31 and 33 are nothing. */
static void bare_bytes(void **state)
{
    (void)state;
    static const char bytes[] = "\n\r0123456789abcdefghijklmnopqrs\n\nx";
    uint8_t key[SECRET_KEY];
    assert_int_equal(read_key(bytes, SECRET_KEY, 0600, key), 0);
    assert_memory_equal(key, bytes, SECRET_KEY);
    assert_int_equal(read_key(bytes, SECRET_KEY - 1, 0600, key), -1);
    assert_int_equal(read_key(bytes, SECRET_KEY + 1, 0600, key), -1);
}

static void who_may_read_it(void **state)
{
    (void)state;
    uint8_t key[SECRET_KEY];
    char path[256];
    for (unsigned bit = 1; bit < 0100; bit <<= 1)
        if (read_key(DIGITS, 64, 0600 | bit, key) == 0 || !strstr(err.text, "chmod 600"))
            fail_msg("%o", 0600 | bit);
    assert_int_equal(read_key(DIGITS, 64, 0700, key), 0);
    temp_file(path, "", 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20); /* nobody writes to it */
    assert_int_equal(secret_read_key(path, key, &err), -1);
    alarm(0);
    assert_non_null(strstr(err.text, "expected a file that only its owner can read"));
    unlink(path);
    assert_int_equal(secret_read_key("/dev/null", key, &err), -1);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(secret_read_key("/nosuch/key", key, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_file_holds),
        cmocka_unit_test(bare_bytes),
        cmocka_unit_test(who_may_read_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
