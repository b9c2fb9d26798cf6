/* SPDX-License-Identifier: BSD-3-Clause */
#include "print/when.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

static void print_local(struct output *out, int64_t time_us)
{
    time_t seconds = (time_t)(time_us / SECOND_US);
    struct tm tm;
    if (!localtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof(tm));
    output_time(out, ((int64_t)tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) * SECOND_US);
}

void when_print(struct output *out, enum when_style style, int64_t time_us)
{
    uint32_t seconds, us;
    switch (style) {
    case WHEN_UTC:
    case WHEN_STYLES:
        output_time(out, time_us);
        break;
    case WHEN_LOCAL:
        print_local(out, time_us);
        break;
    case WHEN_EPOCH:
        clock_split(time_us, &seconds, &us);
        output_number(out, seconds);
        output_char(out, '.');
        output_digits(out, 6, us);
        break;
    case WHEN_ISO:
        output_iso_time(out, time_us);
        break;
    }
}
