/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Out of a topic of Kafka, in which datagrams are as they came, into ClickHouse: as one of a group, so that collectors
 * come and go. A batch is a range of one partition. It is written down at the group's coordinator before it is
 * inserted, so that whoever has the partition then inserts exactly that, under the same name, by which the server takes
 * it once. */
#ifndef DNSFLOW_FEED_KAFKA_IN_H
#define DNSFLOW_FEED_KAFKA_IN_H

#include "feed/feed.h"

struct kafka_in;

/* `owner` has the spec of the topic; `into` that of ClickHouse; what cannot be decoded goes to a file at `aside`. NULL,
 * with the cause. */
struct kafka_in *kafka_in_open(const struct feed_owner *owner, const struct feed_spec *into, const char *aside,
                               struct error *err);

/* Does something for some 100 ms at the most, or for as long as the server takes. Returns 0, or -1 with the cause: what
 * is at hand stays, and is tried again at the next call. */
MUST_CHECK int kafka_in_step(struct kafka_in *in, struct error *err);

/* Leaves the group. NULL is fine. */
void kafka_in_close(struct kafka_in *in);

/* Of --from-kafka. Returns 0, or -1 with "expected ...". */
MUST_CHECK int kafka_in_check(const struct feed_spec *spec, struct error *err);

#endif
