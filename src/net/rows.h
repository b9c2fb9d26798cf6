/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of net/: tables of what waits for more. A key belongs to one row of ROW places, by a hash with a secret seed,
 * so that nobody can choose what has to give way. Places count from 1; lists through the table tell which have waited
 * longest. */
#ifndef DNSFLOW_NET_ROWS_H
#define DNSFLOW_NET_ROWS_H

#include <stdint.h>
#include <stdlib.h>

enum { ROW = 8 };

/* ---- lists by age: entry 0 of the array is the list's head ---- */

struct ages_link {
    uint32_t before, after;
};

static inline void ages_append(struct ages_link *links, uint32_t place)
{
    links[place].before = links[0].before;
    links[place].after = 0;
    links[links[0].before].after = place;
    links[0].before = place;
}

static inline void ages_remove(struct ages_link *links, uint32_t place)
{
    links[links[place].before].after = links[place].after;
    links[links[place].after].before = links[place].before;
}

/* 0: the list is empty. */
static inline uint32_t ages_oldest(const struct ages_link *links)
{
    return links[0].after;
}

/* How far two capture times are apart: captures go back in time too. */
static inline uint64_t ages_between(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* ---- the table ---- */

struct rows {
    uint64_t seed;
    uint32_t count;
    struct ages_link *ages; /* of all places in use */
    struct ages_link *held; /* of those that the owner also puts here */
};

/* Returns the places, of `size` bytes each and all zero, or NULL when memory is short; the caller's to free(). */
static inline void *rows_open(struct rows *rows, unsigned places, size_t size, uint64_t seed)
{
    rows->seed = seed;
    rows->count = places / ROW ? places / ROW : 1;
    rows->ages = calloc((size_t)rows->count * ROW + 1, sizeof(*rows->ages));
    rows->held = calloc((size_t)rows->count * ROW + 1, sizeof(*rows->held));
    return rows->ages && rows->held ? calloc((size_t)rows->count * ROW + 1, size) : NULL;
}

static inline void rows_close(struct rows *rows)
{
    free(rows->ages);
    free(rows->held);
}

/* The first place of the row to which the hash belongs. */
static inline uint32_t rows_first(const struct rows *rows, uint64_t hash)
{
    return 1 + (uint32_t)(hash % rows->count) * ROW;
}

#endif
