/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What became of the input, as lines for the operator. */
#ifndef DNSFLOW_SENSOR_SUMMARY_H
#define DNSFLOW_SENSOR_SUMMARY_H

#include "capture/capture.h"
#include "sensor/worker.h"

/* Sums over all workers. While these run their numbers are as of slightly different moments. */
struct totals {
    uint64_t frames_seen, frames_delivered, messages_parsed, messages_with_record, records;
    uint64_t drops[DROP_REASON_COUNT];
    uint16_t unsupported_link;
};

/* Adds up `count` workers. */
void summary_totals(struct worker *const *workers, unsigned count, struct totals *out);

/* Logs the sums over all workers: the four lines scripts know, both ledgers with their reasons, the output and the
 * notes. `kernel` is NULL for files. */
void summary_log(struct worker *const *workers, unsigned count, const struct capture_stats *kernel);

/* Whether both ledgers balance, as they must once the workers rest. If not, says so. */
bool summary_check(struct worker *const *workers, unsigned count);

#endif
