/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of address prefixes, as command lines name them. */
#ifndef DNSFLOW_BASE_PREFIX_H
#define DNSFLOW_BASE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { PREFIXES_MAX = 64 };

struct prefix {
    uint8_t ip_vers;
    uint64_t address[2], mask[2]; /* in host order; IPv4 is the upper half of the first */
};

/* All zero: none. */
struct prefixes {
    size_t count;
    struct prefix list[PREFIXES_MAX];
};

/* Takes an address with or without /BITS; bits behind the prefix are ignored. Returns 0, or -1 with "expected ...". */
int prefixes_add(struct prefixes *prefixes, const char *text, struct error *err);

/* Whether one of `count` addresses of this family, 4 or 6, one behind the other, lies in one of the prefixes. */
bool prefixes_have(const struct prefixes *prefixes, uint8_t ip_vers, const uint8_t *addresses, size_t count);

/* The least and the greatest address of the prefix. Returns their length. */
size_t prefix_range(const struct prefix *prefix, uint8_t least[16], uint8_t most[16]);

/* An address alone. Returns its length, 0: it is none. IPv4 in the form of IPv6 is IPv4, as in records. */
size_t parse_address(const char *text, uint8_t address[16]);

#endif
