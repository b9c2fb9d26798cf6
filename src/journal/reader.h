/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading a journal, block by block: a single file, or a chain of them while it is written. What is damaged is passed
 * over to the next block that is whole, and counted. */
#ifndef DNSFLOW_JOURNAL_READER_H
#define DNSFLOW_JOURNAL_READER_H

#include <stdbool.h>

#include "journal/block.h"
#include "journal/chain.h"

/* Results of journal_read(). */
enum {
    JOURNAL_NOTHING = 0, /* not yet: the writer is at this place */
    JOURNAL_READ = 1,
    JOURNAL_FAILED = -1
};

/* What was passed over. */
struct journal_damage {
    uint64_t blocks; /* with a whole head, but damaged behind it */
    uint64_t bytes;  /* that belong to no block, heads damaged included */
    uint64_t tail;   /* of a single file: behind the last block, and not whole */
    uint64_t files;  /* that were no journal, or could not be opened */
    uint64_t gone;   /* files that were missing in the chain, before the one that was read next */
};

struct journal_reader;

/* A reader of the chain in the folder, from this position on; {0, 0} is the oldest file. The descriptor stays the
 * caller's. NULL: out of memory. */
struct journal_reader *journal_follow(int folder, struct journal_position from);

/* A reader of one open file, which it closes; at its end comes JOURNAL_NOTHING. NULL: out of memory. */
struct journal_reader *journal_read_file(int fd);

/* Whether these first bytes of a file are those of a journal. */
bool journal_is(const uint8_t *bytes, size_t len);

/* Reads the next block. *plain leads to its plain_len bytes of records; these and the block's streams are good until
 * the next call. JOURNAL_FAILED with the cause: the folder or a file cannot be read; it may be tried again. */
MUST_CHECK int journal_read(struct journal_reader *reader, struct journal_block *block, const uint8_t **plain,
                            struct error *err);

/* Reads on behind the next head without unpacking its block; *plain is NULL then. */
void journal_heads_only(struct journal_reader *reader, bool heads_only);

/* Behind the last block that was read. */
struct journal_position journal_position(const struct journal_reader *reader);

const struct journal_damage *journal_damage(const struct journal_reader *reader);

/* NULL is fine. */
void journal_reader_close(struct journal_reader *reader);

#endif
