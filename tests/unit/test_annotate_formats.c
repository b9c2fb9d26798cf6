/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Flows as they are written: times, values of JSON, columns; each cut at every length in an allocation of its own. */
#include <sys/mman.h>

#include "annotate/format.h"
#include "annotate/input.h"
#include "annotate/json_walk.h"
#include "testing.h"

/* ---- times ---- */

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t time_us; /* -1: it is none */
    } cases[] = {
        {"0", 0},
        {"1790000000", 1790000000000000},
        {"1790000000.5", 1790000000500000},
        {"1790000000.1234567", 1790000000123456},
        {"99999999999", 99999999999000000},
        {"179000000012", 179000000012000},
        {"1790000000123", 1790000000123000},
        {"1790000000123456", 1790000000123456},
        {"17900000001234567", -1},
        {"1970-01-01 00:00:00", 0},
        {"1972-02-29T23:59:60", INT64_C(68256000) * 1000000},
        {"2000-02-29 12:00:00", INT64_C(951825600) * 1000000},
        {"2026-09-21 14:13:20.468", 1790000000468000},
        {"2026-09-21T14:13:20Z", 1790000000000000},
        {"2026-09-21T16:13:20+02:00", 1790000000000000},
        {"2026-09-21T08:43:20-0530", 1790000000000000},
        {"2026-09-21T14:13:20,5", 1790000000500000},
        {"", -1},
        {"-1", -1},
        {"1.", -1},
        {"1790000000x", -1},
        {"1969-12-31 23:59:59", -1},
        {"2026-00-21 14:13:20", -1},
        {"2026-13-21 14:13:20", -1},
        {"2026-09-00 14:13:20", -1},
        {"2026-09-31 14:13:20", -1},
        {"2026-09-21 24:13:20", -1},
        {"2026-09-21 14:60:20", -1},
        {"2026-09-21 14:13:61", -1},
        {"2026-09-21 14:13", -1},
        {"2026-09-21T14:13:20+15:00", -1},
        {"2026-09-21T14:13:20Zx", -1},
        {"2026-09-21x14:13:20", -1},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct flow_zone zone = {.is_local = false};
        size_t len = strlen(cases[i].text);
        int64_t time_us = -2;
        char *copy = (char *)exact_copy((const uint8_t *)cases[i].text, len);
        assert_int_equal(flow_time_parse(&zone, copy, len, &time_us), cases[i].time_us >= 0);
        if (cases[i].time_us >= 0)
            assert_int_equal(time_us, cases[i].time_us);
        free(copy);
        for (size_t cut = 0; cut < len; cut++) { /* nothing behind the end is read */
            copy = (char *)exact_copy((const uint8_t *)cases[i].text, cut);
            (void)flow_time_parse(&zone, copy, cut, &time_us);
            free(copy);
        }
    }
}

/* The last day of each month is one, the day behind it is none. */
static void days_of_months(void **state)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct flow_zone zone = {.is_local = false};
    int64_t time_us, next_us;
    char text[32];
    (void)state;
    for (int month = 1; month <= 12; month++) {
        snprintf(text, sizeof(text), "2024-%02d-%02d 23:59:59", month, days[month - 1]);
        assert_true(flow_time_parse(&zone, text, strlen(text), &time_us));
        snprintf(text, sizeof(text), "%d-%02d-01 00:00:00", 2024 + month / 12, month % 12 + 1);
        assert_true(flow_time_parse(&zone, text, strlen(text), &next_us));
        assert_int_equal(next_us - time_us, 1000000);
        snprintf(text, sizeof(text), "2024-%02d-%02d 23:59:59", month, days[month - 1] + 1);
        assert_false(flow_time_parse(&zone, text, strlen(text), &time_us));
    }
}

static void times_of_a_zone(void **state)
{
    struct flow_zone zone = {.is_local = true};
    int64_t time_us;
    (void)state;
    setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1);
    assert_true(flow_time_parse(&zone, "2026-09-21 10:13:20", 19, &time_us));
    assert_int_equal(time_us, 1790000000000000);
    assert_true(flow_time_parse(&zone, "2026-12-21 09:13:20", 19, &time_us));
    assert_int_equal(time_us, 1797862400000000);
    assert_true(flow_time_parse(&zone, "2026-09-21 14:13:20Z", 20, &time_us));
    assert_int_equal(time_us, 1790000000000000);
    setenv("TZ", "UTC", 1);
}

/* ---- JSON ---- */

/* "path=value path=value", or "broken". */
static void walked(const char *text, size_t len, char *out, size_t size)
{
    struct json_walk walk = json_walk_over(text, len);
    const char *value;
    size_t value_len, used = 0;
    bool is_text;
    out[0] = '\0';
    while (json_next(&walk, &value, &value_len, &is_text))
        used += (size_t)snprintf(out + used, size - used, "%s%s=%s%.*s", used ? " " : "", walk.path, is_text ? "'" : "",
                                 (int)value_len, value);
    if (walk.is_broken)
        snprintf(out, size, "broken");
}

static void json_values(void **state)
{
    static const struct {
        const char *text, *values;
    } cases[] = {
        {"{}", ""},
        {" { } \n", ""},
        {"{\"a\":1}", "a=1"},
        {"{\"a\" : \"b\\\"c\" , \"d\":null}", "a='b\\\"c d=null"},
        {"{\"a\":{\"b\":{\"c\":-1.5e3}},\"d\":true}", "a.b.c=-1.5e3 d=true"},
        {"{\"a\":[1,{\"b\":2},[]],\"c\":3}", "a.=1 a..b=2 c=3"},
        {"{\"a\":{},\"b\":[]}", ""},
        {"{\"a.b\":1}", "a.b=1"},
        {"", "broken"},
        {"[]", "broken"},
        {"{\"a\":1}}", "broken"},
        {"{\"a\":1,}", "broken"},
        {"{,\"a\":1}", "broken"},
        {"{\"a\":}", "broken"},
        {"{\"a\" 1}", "broken"},
        {"{a:1}", "broken"},
        {"{\"a\":1 \"b\":2}", "broken"},
        {"{\"a\":[1}", "broken"},
        {"{\"a\":\"b\n\"}", "broken"},
    };
    char out[500];
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        size_t len = strlen(cases[i].text);
        walked(cases[i].text, len, out, sizeof(out));
        assert_string_equal(out, cases[i].values);
        bool ends = len > 0 && strchr("} \n", cases[i].text[len - 1]);
        for (size_t cut = 0; cut < len; cut++) {
            char *copy = (char *)exact_copy((const uint8_t *)cases[i].text, cut);
            walked(copy, cut, out, sizeof(out));
            if (ends && cases[i].text[len - 1] == '}' && strcmp(cases[i].values, "broken") != 0)
                assert_string_equal(out, "broken");
            free(copy);
        }
    }
}

static void json_depth(void **state)
{
    char text[4 * JSON_DEPTH + JSON_PATH * 2], out[2000];
    (void)state;
    for (unsigned depth = JSON_DEPTH - 1; depth <= JSON_DEPTH + 1; depth++) { /* arrays within the object */
        size_t used = (size_t)snprintf(text, sizeof(text), "{\"a\":");
        for (unsigned i = 1; i < depth; i++)
            text[used++] = '[';
        text[used++] = '1';
        for (unsigned i = 1; i < depth; i++)
            text[used++] = ']';
        text[used++] = '}';
        walked(text, used, out, sizeof(out));
        assert_int_equal(strcmp(out, "broken") == 0, depth > JSON_DEPTH);
    }
    for (size_t len = JSON_PATH - 2; len <= JSON_PATH + 1; len++) { /* keys at the edge of a path */
        size_t used = (size_t)snprintf(text, sizeof(text), "{\"%*s\":{\"b\":1},\"c\":2}", (int)len, "a");
        walked(text, used, out, sizeof(out));
        assert_true(strcmp(out + strlen(out) - 3, "c=2") == 0);
        assert_int_equal(strlen(out), (len + 2 < JSON_PATH ? len + 2 : 0) + strlen("=1 c=2")); /* else no path at all */
    }
}

static void json_escapes(void **state)
{
    static const struct {
        const char *text, *plain;
    } cases[] = {{"", ""},           {"abc", "abc"},        {"\\u0041\\u00e9", "A?"}, {"\\\\\\\"\\/", "\\\"/"},
                 {"\\u004", "?"},    {"\\", "?"},           {"\\u00", "?"},           {"\x80\xff", "??"},
                 {"\\u00ZZx", "?x"}, {"\\u001b[2J", "?[2J"}};
    char out[64];
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        size_t len = json_plain(cases[i].text, strlen(cases[i].text), out, sizeof(out));
        out[len] = '\0';
        if (strcmp(cases[i].text, "\\") != 0)
            assert_string_equal(out, cases[i].plain);
        assert_true(json_plain(cases[i].text, strlen(cases[i].text), out, 1) <= 1);
    }
}

/* ---- formats ---- */

static const char *const header = "ts,sa,da,dp,sp";

static enum piece read_line(struct flow_reader *reader, const char *line, size_t len, struct seen_flow *flow)
{
    char *copy = (char *)exact_copy((const uint8_t *)line, len);
    memset(flow, 0, sizeof(*flow));
    enum piece piece = reader->format->take(reader, copy, len, flow);
    free(copy);
    return piece;
}

static void csv_lines(void **state)
{
    static const struct {
        const char *line;
        enum piece piece;
    } cases[] = {
        {"2026-09-21 14:13:20,10.0.0.1,192.0.2.1,443,50000", PIECE_FLOW},
        {"1790000000,2001:db8::1, 2001:db8::2,443,50000", PIECE_FLOW},
        {"\"1790000000\",\"10.0.0.1\",\"192.0.2.1\",\"443\",\"5\"", PIECE_FLOW},
        {"1790000000,10.0.0.1,192.0.2.1,8.0,", PIECE_FLOW}, /* ICMP */
        {"", PIECE_BESIDE},
        {"1790000000,10.0.0.1,192.0.2.1,443", PIECE_UNREADABLE},
        {"1790000000,10.0.0.1,192.0.2.1,443,1,", PIECE_UNREADABLE},
        {"1790000000,10.0.0.1,192.0.2.1,\"443,1", PIECE_UNREADABLE},
        {"1790000000,10.0.0.1,,443,1", PIECE_UNREADABLE},
        {"1790000000,10.0.0.1/8,192.0.2.1,443,1", PIECE_UNREADABLE},
        {",10.0.0.1,192.0.2.1,443,1", PIECE_UNREADABLE},
    };
    struct flow_reader reader;
    struct seen_flow flow;
    (void)state;
    flow_reader_begin(&reader, &flow_format_csv, NULL);
    assert_int_equal(read_line(&reader, header, strlen(header), &flow), PIECE_BESIDE);
    for (size_t i = 0; i < LEN(cases); i++) {
        size_t len = strlen(cases[i].line);
        assert_int_equal(read_line(&reader, cases[i].line, len, &flow), cases[i].piece);
        for (size_t cut = 1; cut < len; cut++) {
            struct seen_flow part;
            enum piece piece = read_line(&reader, cases[i].line, cut, &part);
            assert_true(piece == PIECE_FLOW || piece == PIECE_UNREADABLE);
        }
    }
    assert_int_equal(read_line(&reader, "Summary", 7, &flow), PIECE_BESIDE);
    assert_int_equal(read_line(&reader, cases[0].line, strlen(cases[0].line), &flow), PIECE_BESIDE);
}

static void fields(void **state)
{
    static const char *const good[] = {"client=a", "client=a,server=b,time=c,port=d,source-port=e,name=f.g"};
    static const char *const bad[] = {"", "client", "client=", "who=a", "client=a,", ",client=a", "=a"};
    struct flow_fields f;
    struct error why;
    char long_one[100];
    (void)state;
    for (size_t i = 0; i < LEN(good); i++)
        assert_int_equal(flow_fields_parse(&f, good[i], &why), 0);
    assert_string_equal(f.name[FIELD_NAME][0], "f.g");
    for (size_t i = 0; i < LEN(bad); i++)
        assert_int_equal(flow_fields_parse(&f, bad[i], &why), -1);
    for (int len = COLUMN_MAX - 1; len <= COLUMN_MAX; len++) {
        snprintf(long_one, sizeof(long_one), "time=%0*d", len, 1);
        assert_int_equal(flow_fields_parse(&f, long_one, &why), len < COLUMN_MAX ? 0 : -1);
    }
}

static void guesses(void **state)
{
    (void)state;
    assert_ptr_equal(flow_format_guess("ts,sa", 5), &flow_format_csv);
    assert_ptr_equal(flow_format_guess("", 0), &flow_format_csv);
    assert_ptr_equal(flow_format_guess("\n [", 3), &flow_format_json);
    assert_ptr_equal(flow_format_guess("{", 1), &flow_format_ndjson);
    assert_ptr_equal(flow_format_guess("{\"a\":1}\n", 8), &flow_format_ndjson);
    assert_ptr_equal(flow_format_guess("{\n\"a\":1}\n", 9), &flow_format_json);
}

/* ---- pieces ---- */

/* Lines at the edge of what a piece may be: what is cut comes together again, and one piece alone is told. */
static void long_lines(void **state)
{
    (void)state;
    for (size_t len = PIECE_MAX - 1; len <= PIECE_MAX + 1; len++)
        for (int objects = 0; objects < 2; objects++) {
            int fd = memfd_create("lines", MFD_CLOEXEC);
            char *text = malloc(len + 4);
            struct flow_input *in = flow_input_create(fd);
            struct flow_piece piece;
            struct error why;
            size_t sum = 0, too_long = 0, whole = 0;
            memset(text, objects ? ' ' : 'x', len);
            text[0] = objects ? '{' : 'x';
            text[len - 1] = objects ? '}' : 'x';
            memcpy(text + len, objects ? "{}\n" : "\r\ny", 3);
            assert_true(fd >= 0 && in && write(fd, text, len + 3) == (ssize_t)len + 3 && lseek(fd, 0, SEEK_SET) == 0);
            while (flow_input_fill(in, &why) == 1)
                while (flow_input_next(in, objects, &piece)) {
                    assert_memory_equal(piece.text, text + sum, piece.len + piece.end_len);
                    sum += piece.len + piece.end_len;
                    too_long += piece.is_too_long;
                    whole += !piece.is_too_long && !piece.is_rest && !piece.is_beside;
                }
            assert_int_equal(sum, len + 3);
            assert_int_equal(too_long, len > PIECE_MAX);
            assert_int_equal(whole, len > PIECE_MAX ? 1 : 2);
            flow_input_destroy(in);
            free(text);
            close(fd);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(times),           cmocka_unit_test(days_of_months),
                                       cmocka_unit_test(times_of_a_zone), cmocka_unit_test(json_values),
                                       cmocka_unit_test(json_depth),      cmocka_unit_test(json_escapes),
                                       cmocka_unit_test(csv_lines),       cmocka_unit_test(fields),
                                       cmocka_unit_test(guesses),         cmocka_unit_test(long_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
