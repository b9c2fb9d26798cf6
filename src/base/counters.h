/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread's counters. Only their owner adds; others may read at any time and see each number whole. */
#ifndef DNSFLOW_BASE_COUNTERS_H
#define DNSFLOW_BASE_COUNTERS_H

#include <stdatomic.h>

#include "base/drops.h"

typedef _Atomic uint64_t counter;

struct counters {
    counter frames_seen;      /* frames given to the decoder, filtered ones included */
    counter frames_delivered; /* frames that gave a DNS message */
    counter messages_parsed;
    counter messages_with_record;
    counter records; /* an mDNS message can give several */
    counter drops[DROP_REASON_COUNT];
    counter unsupported_link; /* link type of the last frame that was DROP_LINK_UNSUPPORTED */
};

/* By the one thread that writes the counter; any may read it. */
static inline void counter_add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

/* By that thread too. */
static inline void counter_set(counter *c, uint64_t n)
{
    atomic_store_explicit(c, n, memory_order_relaxed);
}

/* From any thread, at any time. */
static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit((counter *)(uintptr_t)c, memory_order_relaxed);
}

#endif
