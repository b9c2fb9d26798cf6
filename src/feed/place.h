/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How far a store has come in the journal: a small file, replaced as a whole and brought to the disk. What is about to
 * be handed over is written down before, so that whoever goes on after a crash hands over exactly that again. */
#ifndef DNSFLOW_FEED_PLACE_H
#define DNSFLOW_FEED_PLACE_H

#include <stdbool.h>

#include "base/error.h"
#include "journal/chain.h"

enum { PLACE_NOTE = 512 };

/* Behind a block. */
struct feed_point {
    struct journal_position at;
    uint64_t block;     /* its number, 0 = none yet */
    uint64_t datagrams; /* of the chain, with those of the block */
    uint64_t gone;      /* datagrams that went from the journal before it, unread, since the process began; not kept */
};

struct feed_place {
    char path[512];
    uint64_t instance;              /* random, made with the file: who wrote what */
    struct feed_point done, wanted; /* handed over; about to be, the same as done: nothing is */
    char note[PLACE_NOTE];          /* the store's, with `wanted`: one line */
};

/* Reads it, or makes it, at path. Returns 0, or -1 with the cause: it cannot be read, or is none. */
MUST_CHECK int place_open(struct feed_place *place, const char *path, struct error *err);

/* Reads the numbers of one that is there. Returns whether it is one. */
bool place_look(const char *path, struct feed_place *out);

/* Forgets where it was, and who it was: for another journal. Returns 0, or -1 with the cause. */
MUST_CHECK int place_begin(struct feed_place *place, struct error *err);

/* Writes it. Returns 0, or -1 with the cause, and the one before is still there. */
MUST_CHECK int place_save(const struct feed_place *place, struct error *err);

/* Whether something was about to be handed over, and it is not known whether it was. */
static inline bool place_is_open(const struct feed_place *place)
{
    return place->wanted.block != place->done.block;
}

#endif
