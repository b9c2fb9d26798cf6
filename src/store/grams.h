/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which names of a partition have three characters in a row, as they are printed: for blocks of names, in the order of
 * their numbers, so that names that are alike share their bits. Whoever looks for a text takes the blocks that have all
 * of its three characters, and looks there. */
#ifndef DNSFLOW_STORE_GRAMS_H
#define DNSFLOW_STORE_GRAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/sql.h"

enum {
    GRAM_LEN = 3,
    GRAM_NAMES = 128,  /* of a block: those of block 0 have the numbers 1 to 128 */
    GRAM_BLOCKS = 512, /* of a chunk, for each of which rows are written */
    GRAM_BITS = GRAM_BLOCKS / 8,
    GRAM_FROM = 4096 /* names: a partition that has less is read through */
};

/* Rows: chunk, gram, blocks: a bit for each, the first being the lowest of the first byte; if they are few, how far
 * each is behind the one before, in bytes of which 255 says that there is more. */
#define GRAM_SCHEMA \
    "CREATE TABLE grams(chunk INT, gram INT, blocks BLOB NOT NULL, PRIMARY KEY(chunk, gram)) WITHOUT ROWID"

/* The number of three characters; some share one. */
uint32_t gram_of(const uint8_t characters[GRAM_LEN]);

struct grams;

/* NULL: out of memory. */
struct grams *grams_create(void);
void grams_destroy(struct grams *grams);

/* The next name, as it is printed. Writes a chunk that is over. Returns 0, or -1 with the cause. */
MUST_CHECK int grams_add(struct grams *grams, sqlite3 *db, const uint8_t *text, size_t len, struct error *err);

/* Writes what is left, if there are GRAM_FROM names at all. Returns 0, or -1 with the cause. */
MUST_CHECK int grams_end(struct grams *grams, sqlite3 *db, struct error *err);

/* The bits of a row's blocks; what is no such thing has none. */
void grams_bits(const uint8_t *blocks, size_t len, uint8_t bits[GRAM_BITS]);

#endif
