/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/moment.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"

#define DAY_US (INT64_C(86400) * SECOND_US)

/* The digits at *at as a number, at most `most` of them; false when there is none. */
static bool take_number(const char **at, int most, int64_t *out)
{
    const char *start = *at;
    for (*out = 0; isdigit((unsigned char)**at) && *at - start < most; (*at)++)
        *out = *out * 10 + (**at - '0');
    return *at > start && !isdigit((unsigned char)**at);
}

/* Decimals of a second, down to the microsecond. */
static bool take_decimals(const char **at, int64_t *us)
{
    int64_t scale = SECOND_US / 10;
    *us = 0;
    if (**at != '.')
        return true;
    for ((*at)++; isdigit((unsigned char)**at); (*at)++, scale /= 10)
        *us += (**at - '0') * scale;
    return isdigit((unsigned char)(*at)[-1]);
}

/* "Z", "+01:00", "-0530" or nothing. */
static bool take_zone(const char **at, int64_t *seconds)
{
    char digits[5];
    int sign = **at == '-' ? -1 : 1;
    *seconds = 0;
    if (!**at)
        return true;
    if (**at == 'Z' || **at == 'z') {
        (*at)++;
        return true;
    }
    if (**at != '+' && **at != '-')
        return false;
    size_t i, used = 0;
    for (i = 1; used < 4 && (isdigit((unsigned char)(*at)[i]) || (i == 3 && (*at)[i] == ':')); i++)
        if ((*at)[i] != ':')
            digits[used++] = (*at)[i];
    *at += i;
    if (used < 4)
        return false;
    if (digits[0] > '2' || digits[2] > '5' || (digits[0] == '2' && digits[1] > '3'))
        return false;
    *seconds = ((digits[0] - '0') * 10 + digits[1] - '0') * 3600 + ((digits[2] - '0') * 10 + digits[3] - '0') * 60;
    *seconds *= sign;
    return true;
}

/* Whether the text begins as the form does, in which 0 stands for any digit. */
static bool has_form(const char *text, const char *form)
{
    for (; *form; form++, text++)
        if (*form == '0' ? !isdigit((unsigned char)*text) : *text != *form)
            return false;
    return true;
}

/* The time of day behind a date: HH:MM, or with seconds, which may have decimals. */
static bool take_time_of_day(const char **at, struct tm *tm, int64_t *us)
{
    const char *form = has_form(*at, "00:00:00") ? "%H:%M:%S" : "%H:%M";
    if (!has_form(*at, "00:00"))
        return false;
    const char *rest = strptime(*at, form, tm);
    if (!rest || tm->tm_sec > 59)
        return false;
    *at = rest;
    return form[5] == '\0' || take_decimals(at, us);
}

/* Date, and the time of day if there is one. */
static bool take_calendar(const char *at, int64_t *out_us)
{
    struct tm tm = {0}, check;
    int64_t us = 0, zone = 0;
    const char *rest = has_form(at, "0000-00-00") ? strptime(at, "%Y-%m-%d", &tm) : NULL;
    if (!rest)
        return false;
    if (*rest == 'T' || *rest == 't' || *rest == ' ') {
        rest++;
        if (!take_time_of_day(&rest, &tm, &us) || !take_zone(&rest, &zone))
            return false;
    }
    if (*rest)
        return false;
    check = tm;
    time_t seconds = timegm(&check); /* February 30 becomes March 2 */
    if (check.tm_mday != tm.tm_mday)
        return false;
    *out_us = ((int64_t)seconds - zone) * SECOND_US + us;
    return true;
}

/* Microseconds since the day began, in UTC; times before 1970 too. */
static int64_t time_in_day(int64_t us)
{
    return ((us % DAY_US) + DAY_US) % DAY_US;
}

/* "today" and "yesterday", which are when that day began, or a clock, which is the last time that it showed that. */
static bool take_recent(const char *at, int64_t now_us, bool is_end, int64_t *out_us)
{
    struct tm tm = {0};
    int64_t us = 0, zone = 0;
    bool is_yesterday = strcasecmp(at, "yesterday") == 0;
    if (is_yesterday || strcasecmp(at, "today") == 0) {
        *out_us = now_us - time_in_day(now_us) - (is_yesterday ? DAY_US : 0);
        return true;
    }
    if (!take_time_of_day(&at, &tm, &us) || !take_zone(&at, &zone) || *at)
        return false;
    us += ((int64_t)tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec - zone) * SECOND_US;
    *out_us = is_end ? now_us - time_in_day(now_us) + us : now_us - time_in_day(now_us - us);
    return true;
}

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    default:
        return 0;
    }
}

static int parse(const char *text, int64_t now_us, bool is_end, int64_t *out_us, struct error *err)
{
    enum { DIGITS = 10, AGO_DIGITS = 7, EPOCH_DIGITS = 9 }; /* 20260131 is meant as a date, and refused */
    const char *at = text;
    int64_t number, us;
    if (take_calendar(text, out_us) || take_recent(text, now_us, is_end, out_us))
        return 0;
    if (take_number(&at, DIGITS, &number)) {
        int64_t unit = unit_seconds(*at), digits = at - text;
        if (unit > 0 && !at[1] && digits <= AGO_DIGITS) {
            *out_us = now_us - number * unit * SECOND_US;
            return 0;
        }
        if ((digits >= EPOCH_DIGITS || number == 0) && take_decimals(&at, &us) && !*at) {
            *out_us = number * SECOND_US + us;
            return 0;
        }
    }
    return error_set(err,
                     "expected a time such as 2026-01-31T23:59:59Z, 2026-01-31, today, yesterday, 10:00 (the last one, "
                     "UTC), 1769903999 (seconds since 1970) or 10m (ago; s, m, h or d)");
}

int moment_parse(const char *text, int64_t now_us, int64_t *out_us, struct error *err)
{
    return parse(text, now_us, false, out_us, err);
}

int moment_parse_end(const char *text, int64_t now_us, int64_t *out_us, struct error *err)
{
    return parse(text, now_us, true, out_us, err);
}

static bool is_clock(const char *text)
{
    return text && (strcspn(text, ":") == 1 || strcspn(text, ":") == 2) && strchr(text, ':');
}

void moment_end_after(const char *since, int64_t since_us, const char *until, int64_t *until_us)
{
    if (is_clock(since) && is_clock(until) && *until_us - DAY_US > since_us)
        *until_us -= DAY_US;
}
