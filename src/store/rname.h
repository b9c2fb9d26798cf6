/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names as the store sorts them: labels in reverse order, in lower case, "com.example.www", so that all names below one
 * stand together. The root is "". Bytes outside 0x21 to 0x7e, dots inside labels and backslashes are \DDD. */
#ifndef DNSFLOW_STORE_RNAME_H
#define DNSFLOW_STORE_RNAME_H

#include "record/name.h"

enum { RNAME_TEXT = NAME_TEXT };

/* The reversed name of a key (record/name.h). Returns its length; the text ends with NUL. */
size_t rname_of(const uint8_t *wire, size_t len, char rname[RNAME_TEXT]);

/* The key of a reversed name. Returns its length, 0 when it is none. */
size_t rname_to_wire(const char *rname, uint8_t wire[NAME_WIRE]);

/* What names were folded into (folded.h) ends with a dot, as no name does: "com.example." is "*.example.com". The name
 * in presentation form, as dnsflow_name_text() writes it; what is no name stays as it is. Returns its length.
 */
size_t rname_to_text(const char *rname, char text[NAME_TEXT]);

#endif
