/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Paths and parameters, tokens, and text as JSON. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "serve/tokens.h"
#include "serve/url.h"
#include "testing.h"

static bool parse(const char *path, const char *query, struct url *out)
{
    static char paths[9000], queries[9000];
    snprintf(paths, sizeof(paths), "%s", path);
    snprintf(queries, sizeof(queries), "%s", query);
    return url_parse(paths, queries, out);
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t count;
        const char *segments[4];
    } rows[] = {{"", 0, {NULL}},
                {"/", 1, {""}},
                {"a", 1, {"a"}},
                {"/a", 2, {"", "a"}},
                {"a/", 1, {"a"}},
                {"a//b", 3, {"a", "", "b"}},
                {"192.0.2.0%2F24/at", 2, {"192.0.2.0/24", "at"}},
                {"x%2e%2E/%5c032", 2, {"x..", "\\032"}},
                {"a+b", 1, {"a+b"}},
                {"%c3%bc", 1, {"\xc3\xbc"}},
                {"1/2/3/4", 4, {"1", "2", "3", "4"}}};
    struct url url;
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_true(parse(rows[i].path, "", &url));
        assert_int_equal(url.segments_count, rows[i].count);
        for (size_t k = 0; k < rows[i].count; k++)
            assert_string_equal(url.segments[k], rows[i].segments[k]);
    }
    static const char *const bad[] = {"%", "%4", "%g0", "%0g", "a%00b", "%00", "x/%zz", "1/2/3/4/5/6/7/8/9"};
    for (size_t i = 0; i < LEN(bad); i++)
        assert_false(parse(bad[i], "", &url));
    assert_true(parse("1/2/3/4/5/6/7/8", "", &url));
}

static void parameters(void **state)
{
    (void)state;
    static const char *const known[] = {"a", "b", NULL};
    struct url url;
    assert_true(parse("", "a=1&b=x+y%20z&", &url));
    assert_string_equal(url_parameter(&url, "a"), "1");
    assert_string_equal(url_parameter(&url, "b"), "x y z");
    assert_null(url_parameter(&url, "c"));
    assert_null(url_unknown(&url, known));
    assert_true(parse("", "a&b=%3d=", &url));
    assert_string_equal(url_parameter(&url, "a"), "");
    assert_string_equal(url_parameter(&url, "b"), "==");
    assert_true(parse("", "a=1&c=2", &url));
    assert_string_equal(url_unknown(&url, known), "c");
    assert_true(parse("", "a=1&a=1", &url));
    assert_string_equal(url_unknown(&url, known), "a");
    assert_false(parse("", "a=%", &url));
    assert_false(parse("", "%00=1", &url));
    assert_true(parse("", "1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16", &url));
    assert_false(parse("", "1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17", &url));
}

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json, *segment;
    } rows[] = {{"", "\"\"", ""},
                {"a.b-c_d~", "\"a.b-c_d~\"", "a.b-c_d~"},
                {"\"\\/", "\"\\\"\\\\/\"", "%22%5C%2F"},
                {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"", "%01%1F%7F"},
                {"\xc3\xbc", "\"\xc3\xbc\"", "%C3%BC"},
                {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"", "%F0%9F%98%80"},
                {"\xff\xc3", "\"\\u00ff\\u00c3\"", "%FF%C3"},
                {"\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"", "%ED%A0%80"},
                {"\xe0\x80\x80x", "\"\\u00e0\\u0080\\u0080x\"", "%E0%80%80x"},
                {"\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\"", "%F4%90%80%80"},
                {"a b&c?", "\"a b&c?\"", "a%20b%26c%3F"}};
    for (size_t i = 0; i < LEN(rows); i++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        json_put(out, rows[i].text);
        fputc('|', out);
        url_put(out, rows[i].text);
        fclose(out);
        char wanted[200];
        snprintf(wanted, sizeof(wanted), "%s|%s", rows[i].json, rows[i].segment);
        assert_string_equal(text, wanted);
        free(text);
    }
}

/* ---- tokens ---- */

static int read_tokens(const char *text, unsigned mode, struct tokens *out, struct error *err)
{
    FILE *file = fopen("tokens", "w");
    fputs(text, file);
    fclose(file);
    chmod("tokens", mode);
    int result = tokens_read("tokens", out, err);
    remove("tokens");
    return result;
}

#define LONG "0123456789abcdef"

static void token_files(void **state)
{
    (void)state;
    struct tokens tokens;
    struct error why;
    assert_int_equal(read_tokens("# all\n\n read  " LONG "\r\nread-no-clients\t" LONG LONG "", 0600, &tokens, &why), 0);
    assert_int_equal(tokens.count, 2);
    static const struct {
        const char *text;
        unsigned mode;
        const char *why;
    } bad[] = {{"", 0600, "at least one"},
               {"# x\n", 0600, "at least one"},
               {"read\n", 0600, "line 1: expected a token"},
               {"read short\n", 0600, "line 1: expected a token"},
               {"\nwrite " LONG "\n", 0600, "line 2: expected \"read TOKEN\""},
               {"read " LONG " more\n", 0600, "line 1: expected a token"},
               {"read " LONG "\xc3\xbc\n", 0600, "line 1: expected a token"},
               {"read " LONG "\n", 0640, "chmod 600"},
               {"read " LONG "\n", 0604, "chmod 600"}};
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_int_equal(read_tokens(bad[i].text, bad[i].mode, &tokens, &why), -1);
        if (!strstr(why.text, bad[i].why))
            fail_msg("%zu: %s", i, why.text);
    }
    assert_int_equal(tokens_read("no-such-file", &tokens, &why), -1);
    assert_int_equal(tokens_read("/", &tokens, &why), -1);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    alarm(20); /* nobody writes to it */
    assert_int_equal(tokens_read("pipe", &tokens, &why), -1);
    alarm(0);
    remove("pipe");
    char line[700];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    memcpy(line, "read ", 5);
    assert_int_equal(read_tokens(line, 0600, &tokens, &why), -1);
    line[5 + TOKEN_MAX] = '\0';
    assert_int_equal(read_tokens(line, 0600, &tokens, &why), 0);
    assert_int_equal(tokens_check(&tokens, line + 5, TOKEN_MAX), TOKEN_READ);
    assert_int_equal(tokens_check(&tokens, line + 5, TOKEN_MAX - 1), TOKEN_NONE);
}

/* The shortest that is taken, and the most. */
static void tokens_at_their_limits(void **state)
{
    (void)state;
    static char text[100 * (TOKENS_MAX + 1)];
    struct tokens tokens;
    struct error why;
    assert_int_equal(read_tokens("read 0123456789abcde\n", 0600, &tokens, &why), -1);
    for (size_t count = TOKENS_MAX; count <= TOKENS_MAX + 1; count++) {
        size_t used = 0;
        for (size_t i = 0; i < count; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "read %s%02zu\n", LONG, i);
        assert_int_equal(read_tokens(text, 0600, &tokens, &why), count == TOKENS_MAX ? 0 : -1);
        assert_int_equal(tokens_check(&tokens, LONG "63", 18), TOKEN_READ);
        assert_int_equal(tokens_check(&tokens, LONG "64", 18), TOKEN_NONE);
    }
    assert_non_null(strstr(why.text, "line 65: expected at most 64 tokens"));
}

static void token_checks(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        enum token_role role;
    } rows[] = {{"Bearer " LONG, TOKEN_READ},
                {"bearer   " LONG, TOKEN_READ},
                {"Bearer " LONG LONG, TOKEN_NO_CLIENTS},
                {"Bearer " LONG "x", TOKEN_NONE},
                {"Bearer ", TOKEN_NONE},
                {"Bearer", TOKEN_NONE},
                {"", TOKEN_NONE},
                {"Digest " LONG, TOKEN_NONE},
                {"Basic dTowMTIzNDU2Nzg5YWJjZGVm", TOKEN_READ},                               /* u:... */
                {"basic OjAxMjM0NTY3ODlhYmNkZWY=", TOKEN_READ},                               /* :... */
                {"Basic eHg6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", TOKEN_NO_CLIENTS}, /* xx:... */
                {"Basic MDEyMzQ1Njc4OWFiY2RlZg==", TOKEN_NONE},                               /* no colon */
                {"Basic ====", TOKEN_NONE},
                {"Basic dTow MTIz", TOKEN_NONE},
                {"Basic ICAgOjAxMjM0NTY3ODlhYmNkZWY=", TOKEN_READ}, /* three blanks:... */
                {"Basic IC!gOjAxMjM0NTY3ODlhYmNkZWY=", TOKEN_NONE},
                {"Basic ICAgOjAxMjM0NTY3ODlhYmNkZWY=x", TOKEN_NONE},
                {"Basic", TOKEN_NONE}};
    struct tokens tokens;
    struct error why;
    assert_int_equal(read_tokens("read " LONG "\nread-no-clients " LONG LONG "\n", 0600, &tokens, &why), 0);
    for (size_t i = 0; i < LEN(rows); i++)
        if (tokens_check_field(&tokens, rows[i].field) != rows[i].role)
            fail_msg("%s", rows[i].field);
    assert_int_equal(tokens_check(&tokens, "", 0), TOKEN_NONE);
    char huge[5000];
    memset(huge, 'A', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    memcpy(huge, "Basic ", 6);
    assert_int_equal(tokens_check_field(&tokens, huge), TOKEN_NONE);
    memcpy(huge, "Bearer ", 7);
    assert_int_equal(tokens_check_field(&tokens, huge), TOKEN_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths),
                                       cmocka_unit_test(parameters),
                                       cmocka_unit_test(texts),
                                       cmocka_unit_test(token_files),
                                       cmocka_unit_test(tokens_at_their_limits),
                                       cmocka_unit_test(token_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
