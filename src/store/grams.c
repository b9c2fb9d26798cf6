/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/grams.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES = 40, GRAMS = CLASSES * CLASSES * CLASSES, MORE = 255 };

struct grams {
    uint8_t (*bits)[GRAM_BITS]; /* by gram */
    uint64_t names;             /* that were added */
};

/* Letters, digits, and what else stands in names; all others are one. */
static uint32_t class_of(uint8_t c)
{
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a');
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= '0' && c <= '9')
        return (uint32_t)(26 + c - '0');
    return c == '.' ? 36 : c == '-' ? 37 : c == '_' ? 38 : 39;
}

uint32_t gram_of(const uint8_t characters[GRAM_LEN])
{
    return (class_of(characters[0]) * CLASSES + class_of(characters[1])) * CLASSES + class_of(characters[2]);
}

struct grams *grams_create(void)
{
    struct grams *g = calloc(1, sizeof(*g));
    if (g && !(g->bits = calloc(GRAMS, sizeof(*g->bits)))) {
        free(g);
        return NULL;
    }
    return g;
}

void grams_destroy(struct grams *grams)
{
    if (grams)
        free(grams->bits);
    free(grams);
}

/* ---- a row ---- */

/* Returns the length of the list, GRAM_BITS where the bits are no longer than it. */
static size_t write_list(const uint8_t bits[GRAM_BITS], uint8_t list[GRAM_BITS])
{
    size_t used = 0, block, last = 0;
    for (block = 0; block < GRAM_BLOCKS; block++) {
        if (!(bits[block / 8] >> block % 8 & 1))
            continue;
        size_t distance = block - last;
        for (; distance >= MORE && used < GRAM_BITS; distance -= MORE)
            list[used++] = MORE;
        if (used >= GRAM_BITS - 1)
            return GRAM_BITS;
        list[used++] = (uint8_t)distance;
        last = block;
    }
    return used;
}

void grams_bits(const uint8_t *blocks, size_t len, uint8_t bits[GRAM_BITS])
{
    size_t block = 0, i;
    if (len == GRAM_BITS) {
        memcpy(bits, blocks, GRAM_BITS);
        return;
    }
    memset(bits, 0, GRAM_BITS);
    for (i = 0; i < len; i++) {
        block += blocks[i];
        if (blocks[i] != MORE && block < GRAM_BLOCKS)
            bits[block / 8] |= (uint8_t)(1 << block % 8);
    }
}

static int put_row(sqlite3_stmt *s, uint64_t chunk, uint32_t gram, const uint8_t bits[GRAM_BITS], struct error *err)
{
    uint8_t list[GRAM_BITS];
    size_t len = write_list(bits, list);
    if (len == 0)
        return 0;
    sqlite3_bind_int64(s, 1, (int64_t)chunk);
    sqlite3_bind_int64(s, 2, gram);
    sqlite3_bind_blob(s, 3, len == GRAM_BITS ? bits : list, (int)len, SQLITE_STATIC);
    return sql_do(s, err);
}

/* ---- chunks ---- */

static int write_chunk(struct grams *g, sqlite3 *db, uint64_t chunk, struct error *err)
{
    sqlite3_stmt *s;
    uint32_t gram;
    int done = sql_prepare(db, "INSERT INTO grams VALUES(?, ?, ?)", &s, err);
    for (gram = 0; done == 0 && gram < GRAMS; gram++)
        done = put_row(s, chunk, gram, g->bits[gram], err);
    sqlite3_finalize(s);
    memset(g->bits, 0, GRAMS * sizeof(*g->bits));
    return done;
}

int grams_add(struct grams *grams, sqlite3 *db, const uint8_t *text, size_t len, struct error *err)
{
    enum { CHUNK = GRAM_NAMES * GRAM_BLOCKS };
    size_t block = grams->names % CHUNK / GRAM_NAMES, i;
    for (i = 0; i + GRAM_LEN <= len; i++)
        grams->bits[gram_of(text + i)][block / 8] |= (uint8_t)(1 << block % 8);
    grams->names++;
    return grams->names % CHUNK == 0 ? write_chunk(grams, db, grams->names / CHUNK - 1, err) : 0;
}

int grams_end(struct grams *grams, sqlite3 *db, struct error *err)
{
    enum { CHUNK = GRAM_NAMES * GRAM_BLOCKS };
    if (grams->names < GRAM_FROM || grams->names % CHUNK == 0)
        return 0;
    return write_chunk(grams, db, grams->names / CHUNK, err);
}
