/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Times and sizes in words, rounded. */
#ifndef DNSFLOW_COLLECT_WORDS_H
#define DNSFLOW_COLLECT_WORDS_H

#include <stdint.h>

enum { WORDS = 48 };

/* "3 s", "5 min", "2 h", "4 days" */
void words_span(int64_t seconds, char text[WORDS]);

/* "12 bytes", "1.5 MiB" */
void words_size(uint64_t bytes, char text[WORDS]);

#endif
