/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Questions to ClickHouse: what a question needs is brought into a folder, which is then asked like any other
 * (query/kept.h). Sums, orders and limits are made there, so that little has to be brought. */
#ifndef DNSFLOW_FEED_CH_SOURCE_H
#define DNSFLOW_FEED_CH_SOURCE_H

#include "feed/feed.h"
#include "query/ask.h"

/* --source clickhouse[,KEY=VALUE...]. Returns 0, or -1 with "expected ...". */
MUST_CHECK int ch_source_check(const struct feed_spec *spec, struct error *err);

/* Into the folder, which is there and empty. *is_cut: there is more than `most_rows` (0: as much as there is).
 * It takes `most_s` seconds at the most (0: as long as it takes). Returns
 * 0, or -1 with the cause. */
MUST_CHECK int ch_source_load(const struct feed_spec *spec, const struct question *question, const struct ask *ask,
                              uint64_t most_rows, uint64_t most_s, const char *folder, bool *is_cut, struct error *err);

#endif
