/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names as a command line has them: in presentation form (RFC 1035 section 5.1), whole or a part of one. */
#ifndef DNSFLOW_RECORD_PATTERN_H
#define DNSFLOW_RECORD_PATTERN_H

#include <stdbool.h>

#include "base/error.h"
#include "record/name.h"

/* Whether it can occur. Of a part, which is looked for in names as they are printed, both ends may be inside a label.
 * Returns 0, or -1 with "expected ...". */
int pattern_check(const char *text, bool is_part, struct error *err);

/* A part that has been checked as it is printed, in lower case: what is escaped is escaped as there, \DDD with three
 * digits, and so are bytes beyond ASCII. Returns its length. */
size_t pattern_text(const char *text, uint8_t out[NAME_TEXT]);

#endif
