/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The files of a journal: NNNNNNNNNN-YYYYMMDDTHHMMSSZ.pcap.zst, numbered without a gap, in one folder. What else lies
 * there is never touched. */
#ifndef DNSFLOW_JOURNAL_CHAIN_H
#define DNSFLOW_JOURNAL_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { JOURNAL_NAME = 48 };

/* A place in the chain: at a block's head. */
struct journal_position {
    uint64_t file; /* number, 0 = before the first */
    uint64_t offset;
};

struct journal_file {
    uint64_t number;
    int64_t time_us; /* when it was begun */
    uint64_t bytes;
    char name[JOURNAL_NAME];
};

/* The files of the folder in order of their numbers, to be freed by the caller; NULL with *count 0 if there are none.
 * *foreign is how many others are there. Returns 0, or -1 with the cause. */
MUST_CHECK int journal_list(int folder, struct journal_file **files, size_t *count, size_t *foreign, struct error *err);

/* The file of the least number from `number` on. Returns 1, 0 = there is none, or -1. */
int journal_find(int folder, uint64_t number, struct journal_file *out, struct error *err);

/* The name of a file begun at this time. */
void journal_name(uint64_t number, int64_t time_us, char name[JOURNAL_NAME]);

#endif
