/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/journal_thread.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

enum { WAIT_MS = 250, LINE_US = 10 * SECOND_US };

/* One line when it begins, and every 10 s while it lasts. */
static void tell_failure(struct journal_thread *t, const struct error *why)
{
    int64_t now_us = clock_monotonic_us();
    if (!t->is_failing)
        t->lost_before = counter_read(&t->totals[TOTAL_JOURNAL]);
    if (!t->is_failing || now_us >= t->next_line_us) {
        log_line("error: %s; datagrams are lost until it can be written again, which is tried with each block",
                 why->text);
        t->next_line_us = now_us + LINE_US;
    }
    t->is_failing = true;
}

static void tell_success(struct journal_thread *t)
{
    if (t->is_failing)
        log_line("journal: can be written to again; %" PRIu64 " datagrams were lost",
                 counter_read(&t->totals[TOTAL_JOURNAL]) - t->lost_before);
    t->is_failing = false;
}

static void count_block(struct journal_thread *t, const struct journal_block *block, uint64_t statistics)
{
    struct journal_size size = journal_size(t->writer);
    counter_set(&t->bytes, size.bytes);
    counter_set(&t->files, size.files);
    counter_add(&t->totals[TOTAL_DATAGRAMS], block->datagrams);
    counter_add(&t->totals[TOTAL_RECORDS], block->records);
    counter_add(&t->totals[TOTAL_STATISTICS], statistics);
}

/* For those who want to know without reading the journal. */
static void publish(struct journal_thread *t, const struct journal_block *block)
{
    size_t i;
    for (i = 0; i < TOTALS_COUNT; i++) {
        uint64_t own = counter_read(&t->totals[i]);
        atomic_store(&t->board->totals[i], own > 0 ? own : block->totals[i]);
    }
}

/* The block tells of itself as written. */
static void write_block(struct journal_thread *t, struct filled_block *block)
{
    struct error why;
    struct journal_block *head = &block->build.head;
    uint64_t statistics = head->totals[TOTAL_STATISTICS]; /* its own, up to here */
    head->totals[TOTAL_DATAGRAMS] = counter_read(&t->totals[TOTAL_DATAGRAMS]) + head->datagrams;
    head->totals[TOTAL_RECORDS] = counter_read(&t->totals[TOTAL_RECORDS]) + head->records;
    head->totals[TOTAL_STATISTICS] = counter_read(&t->totals[TOTAL_STATISTICS]) + statistics;
    head->totals[TOTAL_JOURNAL] = counter_read(&t->totals[TOTAL_JOURNAL]);
    head->totals[TOTAL_JOURNAL_RECORDS] = counter_read(&t->totals[TOTAL_JOURNAL_RECORDS]);
    head->flags |= t->first;
    t->first = 0;
    if (journal_write(t->writer, head, block->build.plain, clock_unix_us(), &why) == 0) {
        count_block(t, head, statistics);
        tell_success(t);
    } else {
        tell_failure(t, &why);
        t->first = head->flags & JOURNAL_FIRST;
        counter_add(&t->totals[TOTAL_JOURNAL], head->datagrams);
        counter_add(&t->totals[TOTAL_JOURNAL_RECORDS], head->records);
    }
    publish(t, head);
}

static void sync(struct journal_thread *t, bool at_once)
{
    struct error why;
    if (journal_sync(t->writer, clock_monotonic_us(), at_once, &why) != 0)
        log_line("error: %s; what was written in the last second may not survive a loss of power", why.text);
}

void *journal_thread_run(void *thread)
{
    struct journal_thread *t = thread;
    bool has_ended = false;
    while (!has_ended) {
        struct filled_block *block = blocks_take(t->pool, WAIT_MS, &has_ended);
        if (block) {
            write_block(t, block);
            blocks_release(t->pool, block);
        }
        sync(t, has_ended);
    }
    return NULL;
}
