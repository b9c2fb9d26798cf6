/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of feed/: what is said of a Kafka cluster, as the library's configuration. */
#ifndef DNSFLOW_FEED_KAFKA_CONF_H
#define DNSFLOW_FEED_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>

#include "feed/feed.h"

enum { KAFKA_KEYS = 5 };

extern const struct feed_key kafka_keys[KAFKA_KEYS];

enum kafka_use { KAFKA_PRODUCES, KAFKA_CONSUMES };

/* NULL, with the cause. */
rd_kafka_conf_t *kafka_conf_make(const struct feed_spec *spec, enum kafka_use use, struct error *err);

const char *kafka_topic(const struct feed_spec *spec);
bool kafka_is_json(const struct feed_spec *spec);

/* Returns 0, or -1 with "expected ...". */
MUST_CHECK int kafka_check(const struct feed_spec *spec, struct error *err);

#endif
