/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The thread that writes blocks to the journal. */
#ifndef DNSFLOW_COLLECT_JOURNAL_THREAD_H
#define DNSFLOW_COLLECT_JOURNAL_THREAD_H

#include "base/counters.h"
#include "collect/blocks.h"
#include "collect/board.h"
#include "journal/writer.h"

struct journal_thread {
    struct journal_writer *writer;
    struct block_pool *pool;
    struct board *board;
    counter totals[TOTALS_COUNT]; /* of the chain; those that are counted when a block is written or lost */
    counter bytes, files;         /* of the chain */
    /* The thread's own. */
    uint16_t first; /* JOURNAL_FIRST of a block that was lost, for the next one */
    bool is_failing;
    int64_t next_line_us;
    uint64_t lost_before; /* when it began to fail */
};

/* Writes blocks until the pool has ended and is empty; `thread` is a struct journal_thread. */
void *journal_thread_run(void *thread);

#endif
