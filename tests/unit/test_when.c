/* SPDX-License-Identifier: BSD-3-Clause */
#include "print/when.h"
#include "record/moment.h"

#include "base/clock.h"
#include "testing.h"

#define NOW INT64_C(1700000000)

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"100000000", INT64_C(100000000) * SECOND_US},
        {"1769903999", INT64_C(1769903999) * SECOND_US},
        {"1769903999.25", INT64_C(1769903999) * SECOND_US + 250000},
        {"100000000.0000019", INT64_C(100000000) * SECOND_US + 1},
        {"2026-01-31T23:59", INT64_C(1769903940) * SECOND_US},
        {"2026-01-31T23:59+00:00", INT64_C(1769903940) * SECOND_US},
        {"1970-01-02", INT64_C(86400) * SECOND_US},
        {"2026-01-31T23:59:59", INT64_C(1769903999) * SECOND_US},
        {"2026-01-31T23:59:59Z", INT64_C(1769903999) * SECOND_US},
        {"2026-01-31 23:59:59", INT64_C(1769903999) * SECOND_US},
        {"2026-01-31T23:59:59.5Z", INT64_C(1769903999) * SECOND_US + 500000},
        {"2026-02-01T00:59:59+01:00", INT64_C(1769903999) * SECOND_US},
        {"2026-01-31T18:29:59-0530", INT64_C(1769903999) * SECOND_US},
        {"2024-02-29", INT64_C(1709164800) * SECOND_US},
        /* NOW is 2023-11-14, 22:13:20 */
        {"today", INT64_C(1699920000) * SECOND_US},
        {"yesterday", INT64_C(1699833600) * SECOND_US},
        {"Today", INT64_C(1699920000) * SECOND_US},
        {"10:00", INT64_C(1699956000) * SECOND_US},
        {"10:00:30", INT64_C(1699956030) * SECOND_US},
        {"10:00:30.25", INT64_C(1699956030) * SECOND_US + 250000},
        {"00:00", INT64_C(1699920000) * SECOND_US},
        {"22:13", (NOW - 20) * SECOND_US},
        {"22:13:20", NOW * SECOND_US},
        {"22:13:20.000001", (NOW - 86400) * SECOND_US + 1},
        {"22:13:21", (NOW - 86399) * SECOND_US},
        {"23:59:59", INT64_C(1699919999) * SECOND_US},
        {"10:00Z", INT64_C(1699956000) * SECOND_US},
        {"10:00+01:00", INT64_C(1699952400) * SECOND_US},
        {"23:00+01:00", INT64_C(1699999200) * SECOND_US},
        {"23:30+01:00", INT64_C(1699914600) * SECOND_US},
        {"17:00-0530", INT64_C(1699914600) * SECOND_US},
        {"90s", (NOW - 90) * SECOND_US},
        {"10m", (NOW - 600) * SECOND_US},
        {"2h", (NOW - 7200) * SECOND_US},
        {"7d", (NOW - 7 * 86400) * SECOND_US},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        int64_t us = -1;
        if (moment_parse(rows[i].text, (NOW)*SECOND_US, &us, NULL) != 0 || us != rows[i].us)
            fail_msg("%s: %lld", rows[i].text, (long long)us);
    }
}

static void wrong_times(void **state)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "-1",
                                        "1.",
                                        "1x",
                                        "10mm",
                                        "2026-13-01",
                                        "2026-1-5",
                                        " 2026-01-31",
                                        "2026-01-31T23:59.5",
                                        "2026-01-31T2:59",
                                        "2026-02-30",
                                        "2023-02-29",
                                        "2026-01-31T",
                                        "12:00:60",
                                        "24:00",
                                        "10:60",
                                        "1:00",
                                        "10:0",
                                        "10:00:",
                                        "10:00 ",
                                        "10:00:00.",
                                        "10:00x",
                                        "10:00+1",
                                        "todays",
                                        "tomorrow",
                                        "today 10:00",
                                        "20260131",
                                        "2026",
                                        "1",
                                        "99999999d",
                                        "2026-01-31T23:59:59+24:00",
                                        "2026-01-31T23:59:59+01:60",
                                        "2026-01-31T24:00:00",
                                        "2026-01-31T23:59:59+1",
                                        "2026-01-31T23:59:59+01:0",
                                        "2026-01-31T23:59:59 UTC",
                                        "2026-01-31T23:59:59.Z",
                                        "99999999999",
                                        " 1",
                                        "1 ",
                                        "m",
                                        "2026-01-31T23:60:00"};
    struct error why;
    (void)state;
    for (size_t i = 0; i < LEN(texts); i++) {
        int64_t us;
        if (moment_parse(texts[i], 0, &us, &why) != -1 || !strstr(why.text, "expected"))
            fail_msg("%s was taken", texts[i]);
    }
}

static void styles(void **state)
{
    static const struct {
        enum when_style style;
        int64_t us;
        const char *text;
    } rows[] = {
        {WHEN_UTC, INT64_C(1769903999) * SECOND_US, "23:59:59"},
        {WHEN_EPOCH, INT64_C(1769903999) * SECOND_US + 7, "1769903999.000007"},
        {WHEN_EPOCH, -5, "0.000000"},
        {WHEN_ISO, INT64_C(1769903999) * SECOND_US + 123456, "2026-01-31T23:59:59.123456Z"},
        {WHEN_LOCAL, INT64_C(1769903999) * SECOND_US, "05:29:59"},
    };
    static struct output out;
    (void)state;
    setenv("TZ", "IST-5:30", 1);
    tzset();
    output_init(&out, STDOUT_FILENO, NULL);
    for (size_t i = 0; i < LEN(rows); i++) {
        out.used = 0;
        when_print(&out, rows[i].style, rows[i].us);
        assert_int_equal(out.used, strlen(rows[i].text));
        assert_memory_equal(out.buffer, rows[i].text, out.used);
    }
}

/* The end of a time is of today, past or to come. */
static void ends(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"10:00", INT64_C(1699956000) * SECOND_US}, {"22:13:20", NOW * SECOND_US},
        {"22:13:21", (NOW + 1) * SECOND_US},        {"23:59:59", INT64_C(1700006399) * SECOND_US},
        {"00:00", INT64_C(1699920000) * SECOND_US}, {"yesterday", INT64_C(1699833600) * SECOND_US},
        {"10m", (NOW - 600) * SECOND_US},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        int64_t us = -1;
        if (moment_parse_end(rows[i].text, (NOW)*SECOND_US, &us, NULL) != 0 || us != rows[i].us)
            fail_msg("%s: %lld", rows[i].text, (long long)us);
    }
}

/* Between two clocks is less than a day; what begins otherwise ends today. */
static void ends_behind_beginnings(void **state)
{
    static const struct {
        const char *since, *until;
        int64_t us;
    } rows[] = {
        {"23:00", "23:30", INT64_C(1699918200) * SECOND_US}, /* both yesterday */
        {"23:00", "22:00", INT64_C(1699999200) * SECOND_US},
        {"10:00", "11:00", INT64_C(1699959600) * SECOND_US},
        {"10:00", "23:30", INT64_C(1700004600) * SECOND_US},
        {"7d", "11:00", INT64_C(1699959600) * SECOND_US},
        {"yesterday", "11:00", INT64_C(1699959600) * SECOND_US},
        {"2023-11-13T10:00:00Z", "11:00", INT64_C(1699959600) * SECOND_US},
        {"23:00", "10m", (NOW - 600) * SECOND_US},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        int64_t since_us = 0, until_us = 0;
        assert_int_equal(moment_parse(rows[i].since, (NOW)*SECOND_US, &since_us, NULL), 0);
        assert_int_equal(moment_parse_end(rows[i].until, (NOW)*SECOND_US, &until_us, NULL), 0);
        moment_end_after(rows[i].since, since_us, rows[i].until, &until_us);
        if (until_us != rows[i].us)
            fail_msg("%s %s: %lld", rows[i].since, rows[i].until, (long long)until_us);
    }
    int64_t us = 5;
    moment_end_after(NULL, INT64_MIN, "10:00", &us);
    moment_end_after("10:00", 0, NULL, &us);
    assert_int_equal(us, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(times), cmocka_unit_test(ends),
                                       cmocka_unit_test(ends_behind_beginnings), cmocka_unit_test(wrong_times),
                                       cmocka_unit_test(styles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
