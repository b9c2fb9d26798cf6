/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/seen.h"

#include <stdlib.h>
#include <string.h>

enum { BITS = 1 << 25, HASHES = 4, KEYS_MAX = 1000000 };

struct seen {
    uint32_t keys;
    uint64_t bits[BITS / 64];
};

struct seen *seen_create(void)
{
    return calloc(1, sizeof(struct seen)); /* touched as it fills */
}

void seen_destroy(struct seen *seen)
{
    free(seen);
}

/* Two hashes make as many as are needed (Kirsch and Mitzenmacher, 2006). */
bool seen_add(struct seen *seen, uint64_t hash)
{
    uint64_t at = hash, step = hash >> 32 | 1;
    bool is_new = false;
    int i;
    for (i = 0; i < HASHES; i++, at += step) {
        uint64_t *word = &seen->bits[at % BITS / 64], bit = UINT64_C(1) << at % 64;
        is_new |= !(*word & bit);
        *word |= bit;
    }
    if (is_new && ++seen->keys > KEYS_MAX)
        seen_clear(seen);
    return is_new;
}

void seen_clear(struct seen *seen)
{
    memset(seen->bits, 0, sizeof(seen->bits));
    seen->keys = 0;
}
