/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keys that get numbers from 0 on, in the order in which they come, each with a count: what the store gathers before it
 * is written. */
#ifndef DNSFLOW_STORE_INTERN_H
#define DNSFLOW_STORE_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { INTERN_NONE = 0xffffffff };

/* How often, and when first and last. Times are Unix seconds. */
struct intern_count {
    uint64_t count;
    uint64_t scaled; /* by what the sensor keeps of its messages */
    int64_t first, last;
};

struct intern;

/* NULL: out of memory. */
struct intern *intern_create(void);

/* NULL is fine. */
void intern_destroy(struct intern *intern);

/* The key's number, a new one if need be; INTERN_NONE: out of memory. */
uint32_t intern_add(struct intern *intern, const uint8_t *key, size_t len);

/* The same of a key that is there already, which INTERN_NONE says it is not. */
uint32_t intern_find(const struct intern *intern, const uint8_t *key, size_t len);

/* A table that no cache holds is waited for at each key, unless the processor is told of several before: of their
 * slots, and then of what these lead to. */
uint32_t intern_hash(const struct intern *intern, const uint8_t *key, size_t len);
void intern_fetch_slot(const struct intern *intern, uint32_t hash);
void intern_fetch_entry(const struct intern *intern, uint32_t hash);

/* intern_add() of a key whose intern_hash() is known. */
uint32_t intern_add_hashed(struct intern *intern, const uint8_t *key, size_t len, uint32_t hash);

/* Adds a sighting of the key, which may be new. Returns 0, or -1: out of memory. */
MUST_CHECK int intern_see(struct intern *intern, const uint8_t *key, size_t len, uint32_t hash, int64_t time_s,
                          uint64_t rate);

/* Adds a sighting. */
void intern_count(struct intern *intern, uint32_t number, int64_t time_s, uint64_t rate);

/* Adds what somebody else has counted. */
void intern_add_count(struct intern *intern, uint32_t number, const struct intern_count *more);

uint32_t intern_size(const struct intern *intern);

/* Good until the next intern_add(). */
const uint8_t *intern_key(const struct intern *intern, uint32_t number, size_t *len);
const struct intern_count *intern_counted(const struct intern *intern, uint32_t number);

/* Bytes that it holds. */
size_t intern_bytes(const struct intern *intern);

/* Forgets all, and keeps the room. */
void intern_clear(struct intern *intern);

#endif
