/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

static const struct {
    size_t len;
    const char *wire, *also, *text; /* text NULL: refused */
} rows[] = {
    {1, "\0", NULL, "."},
    {5, "\3abc\0", NULL, "abc"},
    {7, "\3aBc\1D\0", NULL, "aBc.D"},
    {9, "\7a.\\\"();\0", NULL, "a\\.\\\\\\\"\\(\\)\\;"},
    {4, "\2@$\0", NULL, "\\@\\$"},
    {8, "\6\0\x01 \x7e\x7f\xff\0", NULL, "\\000\\001\\032~\\127\\255"},
    {5, "\3a,b\0", NULL, "a,b"},
    {5, "\3a,b\0", ",", "a\\044b"},
    {5, "\3a.b\0", ".", "a\\046b"},
    {5, "\3a\\b\0", "\\", "a\\092b"},
    {4, "\2'\x60\0", "'", "\\039\x60"},
    {3, "\1a\0", "", "a"},
    {3, "\1.\0", NULL, "\\."},
    /* 45 and 46 octets, as the length byte of which '-' and '.' can be taken, with dots of their own */
    {47, "-aaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0", NULL, "aaaaaaaaaa\\.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {48, ".aaaaaaaaaa-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0", NULL, "aaaaaaaaaa-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {0, "", NULL, NULL},
    {2, "\1a", NULL, NULL},
    {3, "\3ab", NULL, NULL},
    {1, "\5", NULL, NULL},
    {3,
     "\x40"
     "a\0",
     NULL, NULL},
    {2, "\xc0\0", NULL, NULL},
};

static void escapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        uint8_t *wire = exact_copy((const uint8_t *)rows[i].wire, rows[i].len);
        const uint8_t *at = wire, *end = wire + rows[i].len;
        char text[1024];
        int len = dnsflow_name_text(&at, end, rows[i].also, text, sizeof(text));
        if (!rows[i].text) {
            assert_int_equal(len, -1);
            assert_ptr_equal(at, wire);
        } else {
            assert_string_equal(text, rows[i].text);
            assert_int_equal(len, strlen(rows[i].text));
            assert_ptr_equal(at, end);
        }
        free(wire);
    }
}

/* Exactly the room that is needed, and one byte less. */
static void room(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        if (!rows[i].text)
            continue;
        size_t need = strlen(rows[i].text) + 1;
        for (size_t size = 0; size <= need; size++) {
            char *text = malloc(size);
            const uint8_t *at = (const uint8_t *)rows[i].wire, *end = at + rows[i].len;
            int len = dnsflow_name_text(&at, end, rows[i].also, text, size);
            assert_int_equal(len, size < need ? -1 : (int)need - 1);
            assert_ptr_equal(at, size < need ? (const uint8_t *)rows[i].wire : end);
            free(text);
        }
    }
}

static void one_name_after_the_other(void **state)
{
    (void)state;
    static const uint8_t names[] = "\1a\0\0\1b\0";
    const uint8_t *at = names, *end = names + sizeof(names) - 1;
    char text[8];
    assert_int_equal(dnsflow_name_text(&at, end, NULL, text, sizeof(text)), 1);
    assert_string_equal(text, "a");
    assert_int_equal(dnsflow_name_text(&at, end, NULL, text, sizeof(text)), 1);
    assert_string_equal(text, ".");
    assert_int_equal(dnsflow_name_text(&at, end, NULL, text, sizeof(text)), 1);
    assert_string_equal(text, "b");
    assert_int_equal(dnsflow_name_text(&at, end, NULL, text, sizeof(text)), -1);
}

/* The longest name, every byte of which takes four. */
static void the_longest_text_fits_1024(void **state)
{
    (void)state;
    uint8_t wire[255];
    const uint8_t *at = wire;
    char text[1024];
    memset(wire, 0xff, sizeof(wire));
    wire[0] = wire[64] = wire[128] = 63;
    wire[192] = 61;
    wire[254] = 0;
    assert_int_equal(dnsflow_name_text(&at, wire + sizeof(wire), NULL, text, sizeof(text)), 4 * 250 + 3);
    assert_ptr_equal(at, wire + sizeof(wire));
}

/* Undoing the escapes gives the labels again, for every byte. */
static void every_byte_can_be_read_back(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        uint8_t wire[4] = {2, (uint8_t)c, ',', 0};
        const uint8_t *at = wire;
        char text[16];
        unsigned back;
        assert_true(dnsflow_name_text(&at, wire + 4, "%,", text, sizeof(text)) > 0);
        if (text[0] != '\\')
            back = (uint8_t)text[0];
        else if (text[1] >= '0' && text[1] <= '9')
            back = (unsigned)(100 * (text[1] - '0') + 10 * (text[2] - '0') + text[3] - '0');
        else
            back = (uint8_t)text[1];
        assert_int_equal(back, c);
        assert_string_equal(text + strlen(text) - 4, "\\044");
        for (const char *p = text; *p; p++)
            assert_in_range((uint8_t)*p, 0x21, 0x7e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(room),
        cmocka_unit_test(one_name_after_the_other),
        cmocka_unit_test(the_longest_text_fits_1024),
        cmocka_unit_test(every_byte_can_be_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
