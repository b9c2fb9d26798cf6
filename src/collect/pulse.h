/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether a role moves: it does its rounds, or uses the processor, as with a large merge. */
#ifndef DNSFLOW_COLLECT_PULSE_H
#define DNSFLOW_COLLECT_PULSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pulse {
    uint64_t beats;
    int64_t cpu_us;
    int64_t beaten_us, moved_us; /* monotonic: when it last did a round, and did anything */
};

/* Of a process that begins now. */
void pulse_begin(struct pulse *pulse, int64_t now_us);

/* Looks again; `beats` is how many rounds the role has done. Returns whether it moves: it stands when it has not moved
 * for `patience_us`, or has worked for half an hour without a round. */
bool pulse_moves(struct pulse *pulse, pid_t process, uint64_t beats, int64_t now_us, int64_t patience_us);

#endif
