/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --anonymize-client: another address in place of the client's. Belongs to one thread. */
#ifndef DNSFLOW_SENSOR_ANONYMIZE_H
#define DNSFLOW_SENSOR_ANONYMIZE_H

#include <stdint.h>

#include "base/error.h"
#include "base/secret.h"

enum anonymize_kind { ANONYMIZE_NONE, ANONYMIZE_TRUNCATE, ANONYMIZE_CRYPTOPAN };

struct anonymize_options {
    enum anonymize_kind kind;
    unsigned keep_ip4, keep_ip6; /* ANONYMIZE_TRUNCATE: bits that are kept */
    uint8_t key[SECRET_KEY];     /* ANONYMIZE_CRYPTOPAN */
};

struct anonymizer;

/* Copies the options. Returns 0, or -1 with the cause. */
MUST_CHECK int anonymizer_create(const struct anonymize_options *options, struct anonymizer **out, struct error *err);

/* NULL is fine. */
void anonymizer_destroy(struct anonymizer *anonymizer);

/* The address to give in place of this one: 4 or 16 bytes, good until the next call. */
const uint8_t *anonymizer_address(struct anonymizer *anonymizer, uint8_t ip_vers, const uint8_t *address);

#endif
