/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lookups in memory, by client and address that was answered, and by address alone. There is room for two generations:
 * when the younger is full, the older goes. */
#ifndef DNSFLOW_ANNOTATE_LOOKUPS_H
#define DNSFLOW_ANNOTATE_LOOKUPS_H

#include "annotate/flow.h"
#include "base/error.h"

enum {
    LOOKUPS_TTL_UNKNOWN = 0xffffffff,
    LOOKUPS_NEAR_US = 5000,   /* ... and so much later it may well be the flow's own: times are rounded */
    LOOKUPS_SKEW_US = 2000000 /* a lookup may be so much later than the flow: both clocks, and flows in seconds */
};

/* Of one client, or of some in a time of which no more than both ends is known. */
struct lookup {
    const uint8_t *client, *address; /* client NULL: of whomever, for the address alone */
    size_t client_len, address_len;
    const uint8_t *name, *via; /* keys; via NULL: the name has the address itself */
    int64_t first_us, last_us; /* the same for a single lookup */
    int64_t gap_us;            /* about how long after one comes the next */
    uint64_t count;            /* how many they are */
    uint32_t ttl;              /* seconds, or LOOKUPS_TTL_UNKNOWN */
};

struct lookups;

struct lookups_options {
    uint32_t slack_s; /* a name is good for so long behind its TTL */
    uint32_t ttl_s;   /* where none is told */
    size_t bytes;     /* of a generation; 0 = LOOKUPS_BYTES */
};

enum { LOOKUPS_BYTES = 192 << 20 };

/* NULL: out of memory. */
struct lookups *lookups_create(const struct lookups_options *options);

/* NULL is fine. */
void lookups_destroy(struct lookups *lookups);

/* Returns 0, or -1: out of memory. They should come about in the order of their time. */
MUST_CHECK int lookups_add(struct lookups *lookups, const struct lookup *lookup);

/* Finds the flow's name, good until the next lookups_add() or lookups_clear(). */
void lookups_match(const struct lookups *lookups, const struct seen_flow *flow, struct annotation *out);

/* Forgets all. */
void lookups_clear(struct lookups *lookups);

/* How many are there, and how many have gone for want of room. */
uint64_t lookups_count(const struct lookups *lookups);
uint64_t lookups_gone(const struct lookups *lookups);

/* By how much a name is good longest behind its lookup, given the greatest TTL that is usual (a day). */
int64_t lookups_horizon_us(const struct lookups *lookups);

#endif
