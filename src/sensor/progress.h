/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How far a long file has been read, on standard error if that is a terminal: percent, packets/s, time to go. */
#ifndef DNSFLOW_SENSOR_PROGRESS_H
#define DNSFLOW_SENSOR_PROGRESS_H

#include "capture/capture.h"

struct progress {
    bool enabled, shown;
    int64_t started_us, next_us; /* monotonic */
    uint64_t packets;
};

/* Begins with a file. Nothing is shown for the first 2 s. */
void progress_start(struct progress *progress);

/* `count` more packets have been read. */
void progress_add(struct progress *progress, int count, struct capture *capture);

/* Takes the line off the screen. */
void progress_end(struct progress *progress);

#endif
