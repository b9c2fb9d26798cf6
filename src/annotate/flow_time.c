/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/flow_time.h"

#include <time.h>

#include "base/clock.h"

enum { DIGITS_MAX = 16, HOUR_S = 3600, DAY_S = 86400 };

/* The text that is left. */
struct rest {
    const char *at, *end;
};

static bool is_digit(const struct rest *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool take_char(struct rest *r, char c)
{
    bool is_it = r->at < r->end && *r->at == c;
    r->at += is_it;
    return is_it;
}

/* Exactly so many digits. */
static bool take_digits(struct rest *r, unsigned count, int64_t *out)
{
    int64_t sum = 0;
    for (; count > 0 && is_digit(r); count--)
        sum = 10 * sum + (*r->at++ - '0');
    *out = sum;
    return count == 0;
}

/* Decimals behind a dot, as microseconds; those behind the sixth are passed over. */
static bool take_decimals(struct rest *r, int64_t *out_us)
{
    int64_t worth = SECOND_US / 10;
    *out_us = 0;
    if (!take_char(r, '.') && !take_char(r, ','))
        return true;
    if (!is_digit(r))
        return false;
    for (; is_digit(r); worth /= 10)
        *out_us += (*r->at++ - '0') * worth;
    return true;
}

static bool take_number(struct rest *r, bool *is_whole, int64_t *out_us)
{
    int64_t sum = 0, decimals;
    unsigned digits = 0;
    for (; is_digit(r) && digits <= DIGITS_MAX; digits++)
        sum = 10 * sum + (*r->at++ - '0');
    *is_whole = digits < 12 && r->at == r->end;
    if (digits == 0 || digits > DIGITS_MAX || !take_decimals(r, &decimals) || r->at != r->end)
        return false;
    if (digits >= 15)
        *out_us = sum;
    else if (digits >= 12)
        *out_us = sum * 1000 + decimals / 1000;
    else
        *out_us = sum * SECOND_US + decimals;
    return true;
}

/* Days since 1970, by the Gregorian calendar (months counted from March). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* By how much this machine's clock is ahead of UTC then. Changes come at full hours or, in a few places, at half ones;
 * there the second half of that hour alone may be told wrong. */
static int64_t ahead_of(struct flow_zone *zone, int64_t seconds)
{
    int64_t hour = seconds / HOUR_S;
    if (zone->is_known && zone->hour == hour)
        return zone->ahead_s;
    time_t from = (time_t)(hour * HOUR_S);
    struct tm as_written;
    if (!gmtime_r(&from, &as_written))
        return 0;
    as_written.tm_isdst = -1;
    zone->ahead_s = hour * HOUR_S - (int64_t)mktime(&as_written);
    zone->hour = hour;
    zone->is_known = true;
    return zone->ahead_s;
}

/* Z, +01:00, +0100, or nothing. */
static bool take_zone(struct rest *r, struct flow_zone *zone, int64_t seconds, int64_t *ahead_s)
{
    int64_t hours, minutes, sign;
    *ahead_s = 0;
    if (r->at == r->end) {
        *ahead_s = zone->is_local ? ahead_of(zone, seconds) : 0;
        return true;
    }
    if (take_char(r, 'Z') || take_char(r, 'z'))
        return r->at == r->end;
    sign = take_char(r, '-') ? -1 : take_char(r, '+') ? 1 : 0;
    if (sign == 0 || !take_digits(r, 2, &hours))
        return false;
    (void)take_char(r, ':');
    if (!take_digits(r, 2, &minutes) || hours > 14 || minutes > 59)
        return false;
    *ahead_s = sign * (hours * HOUR_S + minutes * 60);
    return r->at == r->end;
}

bool flow_time_parse(struct flow_zone *zone, const char *text, size_t len, int64_t *out_us)
{
    static const int64_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct rest r = {text, text + len};
    int64_t year, month, day, hour, minute, second, decimals, ahead;
    if (len < 5 || text[4] != '-')
        return take_number(&r, &zone->is_whole_second, out_us);
    if (!take_digits(&r, 4, &year) || !take_char(&r, '-') || !take_digits(&r, 2, &month) || !take_char(&r, '-') ||
        !take_digits(&r, 2, &day) || (!take_char(&r, ' ') && !take_char(&r, 'T')) || !take_digits(&r, 2, &hour) ||
        !take_char(&r, ':') || !take_digits(&r, 2, &minute) || !take_char(&r, ':') || !take_digits(&r, 2, &second))
        return false;
    const char *behind = r.at;
    if (!take_decimals(&r, &decimals))
        return false;
    zone->is_whole_second = r.at == behind;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days[month - 1] || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    int64_t seconds = days_of(year, month, day) * DAY_S + hour * HOUR_S + minute * 60 + second;
    if (!take_zone(&r, zone, seconds, &ahead))
        return false;
    *out_us = (seconds - ahead) * SECOND_US + decimals;
    return true;
}
