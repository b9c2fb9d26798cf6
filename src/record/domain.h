/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which domain a name belongs to: the one that somebody registered, a label below a public suffix (publicsuffix.org):
 * www.example.co.uk is of example.co.uk. Without libpsl it is the last two labels. */
#ifndef DNSFLOW_RECORD_DOMAIN_H
#define DNSFLOW_RECORD_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct domains;

/* NULL: out of memory. */
struct domains *domains_create(void);

/* NULL is fine. */
void domains_destroy(struct domains *domains);

/* Where in the key (record/name.h) its domain begins; 0 = the whole, as for public suffixes. */
size_t domain_start(const struct domains *domains, const uint8_t *wire);

/* Whether the key is of a domain at all: public suffixes are not. */
bool domain_has(const struct domains *domains, const uint8_t *wire);

/* What the list is, for --version. */
const char *domains_version(void);

#endif
