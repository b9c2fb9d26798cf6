/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The most frequent keys of an endless stream, in constant memory: Space-Saving (Metwally, Agrawal, El Abbadi,
 * "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005). Counts are exact as long as there are
 * no more different keys than places. Then a new key takes over the place and the count of the rarest: a count is too
 * high by at most its `over`, never too low, and every key with more than total / places occurrences is there.
 * How many different keys there were is told exactly at first too, then by HyperLogLog (Flajolet and others, 2007) with
 * a standard error of 0.8 %. */
#ifndef DNSFLOW_RECORD_SKETCH_H
#define DNSFLOW_RECORD_SKETCH_H

#include <stddef.h>
#include <stdint.h>

struct sketch_entry {
    uint64_t count;
    uint64_t over;   /* of the count, how much may belong to keys that were here before */
    uint64_t before; /* count when sketch_mark() was called last, or when the key came */
    double rate;     /* what was counted in a second between the last two marks */
    uint32_t heap_at, next;
    uint64_t hash;
    uint16_t len;
    uint8_t note; /* the caller's, 0 for a new key */
    uint8_t key[];
};

struct sketch;

/* `places` keys of at most `key_size` bytes. NULL: out of memory. */
struct sketch *sketch_create(uint32_t places, size_t key_size);

/* NULL is fine. */
void sketch_destroy(struct sketch *sketch);

/* Counts the key; the entry stays this key's until the next call. */
struct sketch_entry *sketch_add(struct sketch *sketch, const uint8_t *key, size_t len);

/* Of all keys added. */
uint64_t sketch_total(const struct sketch *sketch);

/* The largest `over` there can be; 0 = all is exact. */
uint64_t sketch_error(struct sketch *sketch);

/* How many different keys there were. */
uint64_t sketch_distinct(const struct sketch *sketch);

/* Entries in use, and each of them, in no order. */
uint32_t sketch_size(const struct sketch *sketch);
struct sketch_entry *sketch_at(struct sketch *sketch, uint32_t index);

/* Sets every rate, `seconds` (above 0) having passed since the last mark. */
void sketch_mark(struct sketch *sketch, double seconds);

/* Forgets everything. */
void sketch_clear(struct sketch *sketch);

#endif
