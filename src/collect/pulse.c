/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/pulse.h"

#include <time.h>

#include "base/clock.h"

enum { WORK_S = 1800 };

void pulse_begin(struct pulse *pulse, int64_t now_us)
{
    *pulse = (struct pulse){.beaten_us = now_us, .moved_us = now_us};
}

/* 0 where the system does not tell. */
static int64_t processor_us(pid_t process)
{
    struct timespec used;
    clockid_t clock;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return used.tv_sec * SECOND_US + used.tv_nsec / 1000;
}

bool pulse_moves(struct pulse *pulse, pid_t process, uint64_t beats, int64_t now_us, int64_t patience_us)
{
    int64_t cpu_us = processor_us(process);
    if (beats != pulse->beats)
        pulse->beaten_us = now_us;
    if (beats != pulse->beats || cpu_us != pulse->cpu_us)
        pulse->moved_us = now_us;
    pulse->beats = beats;
    pulse->cpu_us = cpu_us;
    return now_us - pulse->moved_us < patience_us && now_us - pulse->beaten_us < WORK_S * SECOND_US;
}
