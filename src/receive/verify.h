/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether a datagram comes from a sensor that has the key, and comes for the first time. A stream is a sensor's worker
 * since its start; within it, a number counts that is newer than all or has not been seen among the last 64. */
#ifndef DNSFLOW_RECEIVE_VERIFY_H
#define DNSFLOW_RECEIVE_VERIFY_H

#include "base/secret.h"
#include "dnsflow.h"

enum { VERIFY_KEYS_MAX = 64 };

/* A key, and whose it is. */
struct verify_key {
    uint8_t bytes[SECRET_KEY];
    uint32_t sensor_id;
    bool is_for_all; /* else for that sensor alone */
};

/* What a receiver expects of who sends. */
struct verify_keys {
    size_t count; /* 0: datagrams are taken unverified */
    struct verify_key list[VERIFY_KEYS_MAX];
};

enum { VERIFY_STREAMS_MAX = 4096, VERIFY_WINDOW = 64, VERIFY_LATE_S = 300 };

enum verify_result {
    VERIFY_OK,
    VERIFY_UNSIGNED,
    VERIFY_FORGED,   /* the tag is not that of a key that the sensor may have */
    VERIFY_REPLAYED, /* its number has come before, or is too old to tell */
    VERIFY_STALE,    /* live: made more than VERIFY_LATE_S ago, or ahead */
    VERIFY_CROWDED,  /* of more streams than VERIFY_STREAMS_MAX; live, of those in the last VERIFY_LATE_S */
    VERIFY_RESULTS
};

struct verifier;

/* NULL: out of memory. */
struct verifier *verifier_create(const struct verify_keys *keys);

/* NULL is fine. */
void verifier_destroy(struct verifier *verifier);

/* now_us is 0 when the datagrams are not live. */
enum verify_result verifier_check(struct verifier *verifier, const uint8_t *bytes, size_t len,
                                  const struct dnsflow_datagram *datagram, int64_t now_us);

/* As if `sequence` had been accepted as the stream's highest, and those before it in `window`: bit i is sequence - i.
 */
void verifier_resume(struct verifier *verifier, const struct dnsflow_trailer *stream, uint32_t sequence,
                     uint64_t window);

/* "unsigned" and the like. */
const char *verify_text(enum verify_result result);

#endif
