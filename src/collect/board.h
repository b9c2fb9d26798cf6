/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the roles tell each other: memory that all of them have, each number written by one of them. */
#ifndef DNSFLOW_COLLECT_BOARD_H
#define DNSFLOW_COLLECT_BOARD_H

#include <stdatomic.h>

#include "base/error.h"
#include "collect/feed_state.h"
#include "journal/block.h"

enum { BOARD_ROLES = 6 + FEEDS_MAX /* role_feed is one for each store */ };

struct board {
    int64_t started_s;                      /* of the collector, Unix time */
    _Atomic uint64_t totals[TOTALS_COUNT];  /* receive: of the journal's chain, as of its last block */
    _Atomic uint64_t rows, seals, failures; /* store: of its process */
    _Atomic int64_t sealed_s;               /* store: when the last seal worked, 0 = none has */
    _Atomic uint64_t starts[BOARD_ROLES];   /* the supervisor, in its order of roles */
    _Atomic uint64_t beats[BOARD_ROLES];    /* each role: rounds of its loop */
    _Atomic uint64_t watch_lines;           /* watch: of the list that it has */
    _Atomic uint64_t watch_records, watch_hits, watch_lost;
    struct feed_board feeds[FEEDS_MAX]; /* each store beside the embedded one */
    _Atomic uint64_t wanted;            /* query: seals that were asked for ... */
    _Atomic uint64_t done, failed;      /* store: ... up to which it has sealed, or could not */
};

/* All zero, shared with the processes that are started from now on. NULL: the cause. */
struct board *board_make(struct error *err);

#endif
