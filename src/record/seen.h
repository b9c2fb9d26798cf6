/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether a key has been there before, in constant memory: a Bloom filter (1970) of 4 MiB. Up to a million different
 * keys at most one in 2000 new ones is taken for an old one; then all are forgotten, so that the share stays as it is.
 */
#ifndef DNSFLOW_RECORD_SEEN_H
#define DNSFLOW_RECORD_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen;

/* NULL: out of memory. */
struct seen *seen_create(void);

/* NULL is fine. */
void seen_destroy(struct seen *seen);

/* Notes a key by its hash, which must be one that others cannot foresee (base/hash.h). Returns whether it is new. */
bool seen_add(struct seen *seen, uint64_t hash);

void seen_clear(struct seen *seen);

#endif
