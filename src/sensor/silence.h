/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Says why nothing comes out, when nothing has for a while: from the counters, or, when nothing passes the kernel's
 * filter, from a look at all that passes the interface, or how that stands; for dnstap, whether anybody is connected.
 */
#ifndef DNSFLOW_SENSOR_SILENCE_H
#define DNSFLOW_SENSOR_SILENCE_H

#include "sensor/summary.h"

struct sensor;

struct silence {
    int64_t since_us, pause_us; /* monotonic; the next line is due after a pause, each one twice as long */
    struct totals last;         /* when there was a record last */
    uint32_t known;             /* interfaces of which the state could be asked at the start: a bit each */
    struct looks *looks;        /* at what passes the interfaces, shortly before a line is due; else NULL */
};

/* Begins to count the time; now_us is monotonic, here and below. */
void silence_start(struct silence *silence, const struct sensor *sensor, int64_t now_us);

/* Ends a look that is going on. */
void silence_stop(struct silence *silence);

/* Looks whether a line is due and prints it. Live, about ten times a second. */
void silence_look(struct silence *silence, const struct sensor *sensor, int64_t now_us);

/* For files, at the end: why there was no record, if there was none. */
void silence_end(const struct sensor *sensor);

#endif
