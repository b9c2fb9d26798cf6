/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { FIRST_US = 2 * SECOND_US, EVERY_US = SECOND_US / 2 };

void progress_start(struct progress *progress)
{
    memset(progress, 0, sizeof(*progress));
    progress->enabled = isatty(STDERR_FILENO);
    progress->started_us = clock_monotonic_us();
    progress->next_us = progress->started_us + FIRST_US;
}

void progress_add(struct progress *progress, int count, struct capture *capture)
{
    uint64_t done, total;
    progress->packets += (uint64_t)count;
    if (!progress->enabled)
        return;
    int64_t now = clock_monotonic_us();
    if (now < progress->next_us)
        return;
    progress->next_us = now + EVERY_US;
    progress->shown = true;
    double seconds = (double)(now - progress->started_us) / SECOND_US;
    double rate = (double)progress->packets / seconds;
    if (capture_progress(capture, &done, &total) && done > 0)
        fprintf(stderr, "\r%3.0f %%, %.0f packets/s, %.0f s to go\033[K", 100.0 * (double)done / (double)total, rate,
                seconds * ((double)total / (double)done - 1));
    else
        fprintf(stderr, "\r%llu packets, %.0f packets/s\033[K", (unsigned long long)progress->packets, rate);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
}
