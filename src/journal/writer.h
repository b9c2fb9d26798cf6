/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing a journal. Belongs to one thread. */
#ifndef DNSFLOW_JOURNAL_WRITER_H
#define DNSFLOW_JOURNAL_WRITER_H

#include <stdbool.h>

#include "journal/block.h"
#include "journal/chain.h"

struct journal_limits {
    uint64_t file_bytes;              /* a file is full then */
    uint64_t bytes;                   /* of all files: then the oldest go, but never the one that is written */
    int64_t age_us;                   /* files whose last datagram is older go; 0 = they stay */
    uint64_t least_file, least_block; /* numbers that were given out, whatever has become of their files */
    int64_t sync_us;                  /* between two fdatasync(); below 0 = never */
};

struct journal_writer;

/* Goes on behind the chain in the folder, whose descriptor stays the caller's: what was torn at its end is cut off, and
 * the next block begins a file. *cut is how many bytes that were. Returns 0, or -1 with the cause. */
MUST_CHECK int journal_writer_open(int folder, const struct journal_limits *limits, struct journal_writer **out,
                                   uint64_t *cut, struct error *err);

/* The last block there was; NULL: the chain is empty. Good until the next call. */
const struct journal_block *journal_last(const struct journal_writer *writer);

/* Whether it is time for a file: the next block shall have JOURNAL_TABLE. True once for each file. From any thread. */
bool journal_wants_table(struct journal_writer *writer);

/* Compresses the block's plain_len bytes and writes them; the block gets its number and packed_len. One with
 * JOURNAL_TABLE begins a file, and so does what finds none open. A failure leaves the file as it was, or begins
 * another; the block is lost. Returns 0, or -1 with the cause. */
MUST_CHECK int journal_write(struct journal_writer *writer, struct journal_block *block, const uint8_t *plain,
                             int64_t now_us, struct error *err);

/* Brings to the disk what has been written, when it is time, or `at_once`. Returns 0, or -1 with the cause. */
MUST_CHECK int journal_sync(struct journal_writer *writer, int64_t now_us, bool at_once, struct error *err);

/* Bytes and files of the chain, and how many files went for want of room or for their age. */
struct journal_size {
    uint64_t bytes, files, expired;
};

struct journal_size journal_size(const struct journal_writer *writer);

/* Closes the file. NULL is fine. */
void journal_writer_close(struct journal_writer *writer);

#endif
