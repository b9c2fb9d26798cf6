/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/words.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

enum { DAY_S = 86400 };

void words_span(int64_t seconds, char text[WORDS])
{
    if (seconds < 120)
        snprintf(text, WORDS, "%" PRId64 " s", seconds < 0 ? 0 : seconds);
    else if (seconds < 7200)
        snprintf(text, WORDS, "%" PRId64 " min", seconds / 60);
    else if (seconds < 2 * DAY_S)
        snprintf(text, WORDS, "%" PRId64 " h", seconds / 3600);
    else
        snprintf(text, WORDS, "%" PRId64 " days", seconds / DAY_S);
}

void words_size(uint64_t bytes, char text[WORDS])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        size /= 1024;
    snprintf(text, WORDS, unit == 0 || size >= 100 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}
