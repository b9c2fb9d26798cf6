/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Time in microseconds. Capture times count from the Unix epoch and may jump either way; the monotonic clock is for
 * measuring and waiting only. */
#ifndef DNSFLOW_BASE_CLOCK_H
#define DNSFLOW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { SECOND_US = 1000000 };

/* What lies outside 1970 to 2106, which is what pcap files hold, becomes the nearest time inside. */
static inline int64_t clock_clamp(int64_t time_us)
{
    const int64_t last = (int64_t)UINT32_MAX * SECOND_US + SECOND_US - 1;
    return time_us < 0 ? 0 : time_us > last ? last : time_us;
}

/* A capture time as pcap files hold it, clamped. */
static inline void clock_split(int64_t time_us, uint32_t *seconds, uint32_t *microseconds)
{
    time_us = clock_clamp(time_us);
    *seconds = (uint32_t)(time_us / SECOND_US);
    *microseconds = (uint32_t)(time_us % SECOND_US);
}

static inline int64_t clock_us(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

/* To wait and measure: from a start of its own, never set. */
static inline int64_t clock_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

/* Since 1970; somebody may set it, back too. */
static inline int64_t clock_unix_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

#endif
