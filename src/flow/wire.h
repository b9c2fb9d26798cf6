/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sizes of the wire format, shared by encoder and decoder. Drawn in docs/WIRE.md. */
#ifndef DNSFLOW_FLOW_WIRE_H
#define DNSFLOW_FLOW_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_HEADER = 8,
    WIRE_SET_HEADER = 40,
    WIRE_STATS = 20,
    WIRE_STATS_V1 = 16, /* versions 0 and 1: no sample rate */
    WIRE_TRAILER = 24,
    WIRE_SET_TRAILER = 16,
    WIRE_COUNTERS_MAX = 128,
    WIRE_EXT_VERSION = 1,
    WIRE_NAMES_MAX = 255,
    WIRE_ADDRESSES_MAX = 255, /* of each family in a set */
    WIRE_ANSWERS_HEADER = 3,  /* set 1 | bytes 2 */
    WIRE_ANSWER = 9,          /* owner 1 | type 2 | TTL 4 | rdata length 2 */
    WIRE_RCODE_BITS = 12,     /* of the result; above them is the transport */
};

/* Whether `count` uncompressed names of at most 255 octets lie at the start of names[0..len). *used gets the bytes
 * they take. */
bool wire_names_valid(const uint8_t *names, size_t len, size_t count, size_t *used);

/* Whether answers fill answers[0..len) one behind the other. */
bool wire_answers_valid(const uint8_t *answers, size_t len);

#endif
