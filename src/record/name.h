/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names as keys: in wire format and lower case, so that what DNS takes for the same name is the same bytes. */
#ifndef DNSFLOW_RECORD_NAME_H
#define DNSFLOW_RECORD_NAME_H

#include <stdbool.h>

#include "dnsflow.h"

enum { NAME_WIRE = 255, NAME_TEXT = 1024 };

/* Bytes of the wire-format name, which has been found valid. */
static inline size_t name_size(const uint8_t *wire)
{
    size_t len = 0;
    while (wire[len] != 0)
        len += wire[len] + 1u;
    return len + 1;
}

/* The same of one that may be none: 0 when no whole name stands at the start of wire[0..len). */
static inline size_t name_size_within(const uint8_t *wire, size_t len)
{
    size_t at = 0;
    while (at < len && wire[at] != 0)
        at += wire[at] < 64 ? wire[at] + 1u : len;
    return at < len ? at + 1 : 0;
}

/* Capital letters become small ones; length bytes are below 64 and so never letters. */
void name_lower(uint8_t *bytes, size_t len);

/* A walk over the names of a record. */
struct name_walk {
    const uint8_t *at;
    const uint8_t *end;
    size_t left;
    bool is_text; /* names of version 0 */
    bool has_skipped;
};

/* Before the first name of the record, which must outlive the walk. */
static inline struct name_walk name_walk_over(const struct dnsflow_record *record)
{
    return (struct name_walk){record->names, record->names + record->names_len, record->names_count, record->names_text,
                              false};
}

/* The next name, as a key. Returns its length, 0 when there are no more. A text name that is no DNS name is passed
 * over, which `has_skipped` tells. */
size_t name_next(struct name_walk *walk, uint8_t wire[NAME_WIRE]);

/* The next name as it is printed, in lower case. False: there are no more. */
bool name_next_text(struct name_walk *walk, char text[NAME_TEXT], size_t *len);

/* A name of version 0, which is text and ends with a zero byte, as it is printed: what is not printable, '"' and the
 * bytes of `also` (may be NULL) as \DDD. *at is moved behind it. At most `size` bytes, the NUL included; returns the
 * length. */
size_t name_escape_text(const uint8_t **at, const uint8_t *end, const char *also, char *text, size_t size);

/* One byte of a label in presentation form: itself, \DDD, or what stands behind a backslash. Returns how many
 * characters it takes, 0 = it is broken. */
size_t name_parse_byte(const char *text, uint8_t *out);

/* The key of a name in presentation form (RFC 1035 section 5.1), with or without the last dot. Returns its length, 0
 * when it is no name: a label empty or above 63 bytes, the whole above 255, a backslash with nothing behind it. */
size_t name_parse(const char *text, uint8_t wire[NAME_WIRE]);

/* Presentation form of a key, the NUL included at most NAME_TEXT bytes; comma and bar are escaped too. Returns its
 * length. */
size_t name_text(const uint8_t *wire, size_t len, char text[NAME_TEXT]);

#endif
