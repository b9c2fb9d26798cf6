/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What became of the input, as lines for the operator. */
#ifndef DNSFLOW_SENSOR_SUMMARY_H
#define DNSFLOW_SENSOR_SUMMARY_H

#include "capture/capture.h"
#include "sensor/worker.h"

/* Logs the sums over all workers: the four lines scripts know, both ledgers with their reasons, the output and the
 * notes. `kernel` is NULL for files. While workers run their numbers are as of slightly different moments. */
void summary_log(struct worker *const *workers, unsigned count, const struct capture_stats *kernel);

/* Whether both ledgers balance, as they must once the workers rest. If not, says so. */
bool summary_check(struct worker *const *workers, unsigned count);

#endif
