/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of `forget`: files of the journal that have what is to be forgotten. */
#ifndef DNSFLOW_COLLECT_FORGET_JOURNAL_H
#define DNSFLOW_COLLECT_FORGET_JOURNAL_H

#include "journal/chain.h"
#include "store/forgotten.h"

struct forget_journal {
    uint64_t emptied;         /* files */
    uint64_t left;            /* files that have it and could not be emptied: written to, or not taken in by a store */
    struct journal_file last; /* the last of these */
    uint64_t damaged;         /* blocks that could not be looked into */
};

/* Empties the closed files up to the block, which every store has. The last file, and what a receiver begins with,
 * stay. Returns 0, or -1 with the cause; it may be done again. */
MUST_CHECK int forget_journal(int folder, const struct forgotten *forgotten, uint64_t taken, struct forget_journal *out,
                              struct error *err);

/* Begins a file behind the last one, with all that a receiver begins with, so that the others are closed. For who has
 * the directory alone. Returns 0, or -1 with the cause. */
MUST_CHECK int forget_journal_close(int folder, const char *directory, struct error *err);

#endif
