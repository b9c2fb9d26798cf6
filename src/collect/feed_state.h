/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a store beside the embedded one is: on the board for /metrics, and in DIR/feeds/NAME.state for `status`. */
#ifndef DNSFLOW_COLLECT_FEED_STATE_H
#define DNSFLOW_COLLECT_FEED_STATE_H

#include <stdatomic.h>

#include "feed/feed.h"
#include "store/database.h"

#define FEEDS_FOLDER  "feeds"
#define FEEDS_REFUSED FEEDS_FOLDER "/refused" /* of --from-kafka: what cannot be decoded */

enum { FEED_CAUSE = 512 };

struct feed_state {
    struct feed_counts counts;
    struct feed_point done;
    int64_t read_us;   /* when the last block that it has read was received */
    uint64_t failures; /* since its process began */
    uint64_t expired;  /* datagrams that went from the journal before */
    bool is_failing;
    char cause[FEED_CAUSE]; /* of the last failure */
};

/* On the board. */
struct feed_board {
    char name[FEED_NAME]; /* by who starts it, before anybody else looks */
    _Atomic uint64_t records, datagrams, batches, refused, failures, expired, failing;
    _Atomic int64_t read_s;
};

void feed_state_publish(struct feed_board *board, const struct feed_state *state);

/* Writes the file; a failure is nobody's harm. */
void feed_state_write(const char *directory, const char *name, const char *kind, const struct feed_state *state);

/* Removes the files of stores that are not among these, so that `status` tells of those that there are. */
void feed_state_keep(const char *directory, const struct feed_spec *feeds, size_t count);

/* What the file of a store says. */
struct feed_told {
    char name[FEED_NAME], kind[FEED_NAME];
    struct feed_state state;
};

/* All of these, to be freed by the caller. Returns how many, 0 = none. */
size_t feed_state_read(const char *directory, struct feed_told **out);

/* Raises what is known of the journal to what stores have been given of it: after a loss of power that may be more than
 * the journal has, and a number that it gave out again would be taken for what they have. */
void feed_state_raise(const char *directory, struct database_position *known);

#endif
