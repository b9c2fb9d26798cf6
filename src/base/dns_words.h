/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What DNS types and RCODEs are called (https://www.iana.org/assignments/dns-parameters). */
#ifndef DNSFLOW_BASE_DNS_WORDS_H
#define DNSFLOW_BASE_DNS_WORDS_H

#include <stdint.h>

/* NULL: there is no name for it here; RFC 3597 calls it TYPE and its number. */
const char *dns_type_name(uint16_t type);

#endif
