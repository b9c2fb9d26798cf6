/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A block that is being filled with what an intake accepts. */
#ifndef DNSFLOW_JOURNAL_BUILD_H
#define DNSFLOW_JOURNAL_BUILD_H

#include "journal/block.h"

struct journal_build {
    struct journal_block head;
    uint8_t *streams; /* what head.streams leads to; owned */
    uint8_t plain[JOURNAL_PLAIN_MAX];
};

/* Begins with nothing in it. */
void build_begin(struct journal_build *build, uint16_t flags);

/* Adds the streams as they stand, for the first block of a file; without memory it does without. */
void build_table(struct journal_build *build, const struct sources *sources);

/* Whether a datagram of this length, from whomever, has room. In a block that is empty all have. */
bool build_has_room(const struct journal_build *build, size_t len);

/* Whether an IP packet can carry it: a bare one in a capture may be longer. */
bool build_can_hold(const struct received *from);

/* Adds an accepted datagram, which has room; then the time of each of its records. */
void build_datagram(struct journal_build *build, const struct received *from);
void build_record(struct journal_build *build, const struct received *from, const struct dnsflow_record *record);

/* Frees the streams. */
void build_end(struct journal_build *build);

#endif
