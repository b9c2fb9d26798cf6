/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Internationalized names (IDNA2008, RFC 5891): what people write in UTF-8 is in DNS a label that begins with xn--. */
#ifndef DNSFLOW_RECORD_IDN_H
#define DNSFLOW_RECORD_IDN_H

#include <stdbool.h>

#include "base/error.h"
#include "record/name.h"

/* Whether there are bytes beyond ASCII. */
bool idn_is_needed(const char *text);

/* The name with the labels that have such bytes in their DNS form. A label that has none, as it has characters that are
 * not allowed or a backslash, stays as it is. Returns how many were changed, or -1 with "expected ...": this program
 * was built without libidn2, or it is no UTF-8. */
int idn_to_dns(const char *text, char out[NAME_TEXT], struct error *err);

/* What does it, for --version. */
const char *idn_version(void);

#endif
