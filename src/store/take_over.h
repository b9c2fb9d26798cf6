/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a store that is made anew takes over of the one before, as the journal has it no longer. */
#ifndef DNSFLOW_STORE_TAKE_OVER_H
#define DNSFLOW_STORE_TAKE_OVER_H

#include "store/database.h"

/* Links the partitions of the store in `from` that begin before the block into TO/lookups, which is made, and enters
 * them in a new database there. A store that is opened there begins behind them. Returns 0, or -1 with the cause. */
MUST_CHECK int take_over_lookups(const char *from, const char *to, uint64_t before, struct error *err);

/* Brings in what the database in `from`, which knows all of the journal, has of answers and accounts. Each of its sums
 * is of all that there ever was, so of two the larger one counts. Returns 0, or -1 with the cause. */
MUST_CHECK int take_over_rest(const char *from, const char *to, struct error *err);

#endif
