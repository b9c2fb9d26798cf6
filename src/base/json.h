/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DNSFLOW_BASE_JSON_H
#define DNSFLOW_BASE_JSON_H

#include <stdio.h>

/* Text as a JSON string (RFC 8259); what is not UTF-8 as if it were Latin-1. */
void json_put(FILE *out, const char *text);

#endif
