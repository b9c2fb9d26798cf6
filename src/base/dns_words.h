/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What DNS types and RCODEs are called (https://www.iana.org/assignments/dns-parameters). */
#ifndef DNSFLOW_BASE_DNS_WORDS_H
#define DNSFLOW_BASE_DNS_WORDS_H

#include <stdint.h>

/* NULL: there is no name for it here; RFC 3597 calls it TYPE and its number. */
const char *dns_type_name(uint16_t type);

/* Takes a name in any case, TYPE and a number, or a number. Returns 0, or -1: it is none of these. */
int dns_type_parse(const char *text, uint16_t *out);

enum { DNS_RCODE_SERVFAIL = 2, DNS_RCODE_NXDOMAIN = 3, DNS_RCODE_MAX = 4095 }; /* with the upper bits of EDNS */

/* NULL: there is no name for it here; it is written RCODE and its number. */
const char *dns_rcode_name(uint16_t rcode);

/* Takes a name in any case, RCODE and a number, or a number, up to DNS_RCODE_MAX. Returns 0, or -1: it is none of
 * these. */
int dns_rcode_parse(const char *text, uint16_t *out);

#endif
