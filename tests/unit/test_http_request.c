/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is a request: its first line, its fields, whom it is for. */
#include "testing.h"

#include "http/request.h"
#include "requests.h"

static char text[HTTP_HEADER_MAX + 1];
static struct http_request request;

/* Status of a header; -1: it does not end. */
static int status_of(const char *bytes, size_t len)
{
    int end = http_find_end(bytes, len, 0);
    if (end <= 0)
        return end == HEAD_OPEN ? -1 : 400;
    memcpy(text, bytes, (size_t)end);
    return http_parse(text, (size_t)end, &request);
}

static void what_is_a_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(headers); i++) {
        int got = status_of(headers[i].bytes, headers[i].len);
        if (got != headers[i].status)
            fail_msg("row %zu: %d: %s", i, got, headers[i].bytes);
    }
}

static void its_parts(void **state)
{
    (void)state;
    static const char bytes[] = "HEAD /a/b?c=d?e HTTP/1.1\r\nA: 1\r\nHost:h:80\r\na: \t 2 \t\r\nB:\r\n\r\nrest";
    assert_int_equal(status_of(bytes, sizeof(bytes) - 1), 0);
    assert_string_equal(request.method, "HEAD");
    assert_string_equal(request.path, "/a/b");
    assert_string_equal(request.query, "c=d?e");
    assert_int_equal(request.fields_count, 4);
    assert_string_equal(http_request_field(&request, "hOsT"), "h:80");
    assert_string_equal(http_request_field(&request, "a"), "1");
    assert_string_equal(request.fields[2].value, "2");
    assert_string_equal(http_request_field(&request, "b"), "");
    assert_null(http_request_field(&request, "c"));
    assert_int_equal(status_of("GET /a HTTP/1.0\r\n\r\n", 19), 0);
    assert_string_equal(request.query, "");
}

/* Every length of every header, in an allocation of its size and the byte for the zero; and in two pieces. */
static void cut_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(headers); i++)
        for (size_t len = 0; len <= headers[i].len; len++) {
            char *copy = (char *)exact_copy((const uint8_t *)headers[i].bytes, len + (len < headers[i].len));
            int whole = http_find_end(copy, len, 0);
            assert_true(whole <= (int)len);
            if (len < headers[i].len && headers[i].status == 0)
                assert_int_equal(whole, HEAD_OPEN);
            for (size_t seen = 0; seen < len; seen++)
                if (http_find_end(copy, seen, 0) == HEAD_OPEN)
                    assert_int_equal(http_find_end(copy, len, seen), whole);
            if (len < headers[i].len)
                (void)http_parse(copy, len, &request);
            free(copy);
        }
}

static void fields_at_most(void **state)
{
    (void)state;
    for (size_t count = HTTP_FIELDS_MAX - 1; count <= HTTP_FIELDS_MAX + 1; count++) {
        char bytes[HTTP_HEADER_MAX];
        size_t len = (size_t)snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 1; i < count; i++)
            len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "A: b\r\n");
        len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "\r\n");
        assert_int_equal(status_of(bytes, len), count <= HTTP_FIELDS_MAX ? 0 : 431);
    }
}

static void hosts(void **state)
{
    (void)state;
    static const char *const names[] = {"sensor.example", "x"};
    static const struct {
        const char *value;
        bool is_known;
    } rows[] = {
        {"127.0.0.1", true},
        {"192.0.2.1:9553", true},
        {"[::1]", true},
        {"[2001:db8::1]:9553", true},
        {"[::ffff:192.0.2.1]", true},
        {"localhost", true},
        {"LocalHost:80", true},
        {"localhost.", true},
        {"localhost:", true},
        {"sensor.example", true},
        {"SENSOR.example.:9", true},
        {"x", true},
        {"", false},
        {":80", false},
        {".", false},
        {"localhost..", false},
        {"localhost:80:80", false},
        {"localhost:8o", false},
        {"localhost.evil.example", false},
        {"evil.example", false},
        {"127.0.0.1.evil.example", false},
        {"127.0.0.1x", false},
        {"127.1", false},
        {"0x7f.0.0.1", false},
        {"2130706433", false},
        {"::1", false},
        {"[::1", false},
        {"[]", false},
        {"[::1]x", false},
        {"[::1]80", false},
        {"[localhost]", false},
        {"[127.0.0.1]", false},
        {"[::1%eth0]", false},
        {"xx", false},
        {"sensor.exampl", false},
    };
    char longest[300];
    for (size_t i = 0; i < LEN(rows); i++)
        if (http_host_is_known(rows[i].value, names, LEN(names)) != rows[i].is_known)
            fail_msg("%s", rows[i].value);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_false(http_host_is_known(longest, names, LEN(names)));
    assert_false(http_host_is_known("x", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_request), cmocka_unit_test(its_parts), cmocka_unit_test(cut_headers),
        cmocka_unit_test(fields_at_most),    cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
