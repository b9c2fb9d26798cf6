/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names as keys: in wire format and lower case, so that what DNS takes for the same name is the same bytes. */
#ifndef DNSFLOW_READER_NAME_H
#define DNSFLOW_READER_NAME_H

#include "dnsflow.h"

enum { NAME_WIRE = 255, NAME_TEXT = 1024 };

/* A walk over the names of a record. */
struct name_walk {
    const uint8_t *at;
    const uint8_t *end;
    size_t left;
    uint8_t is_text; /* names of version 0 */
};

static inline struct name_walk name_walk_over(const struct dnsflow_record *record)
{
    return (struct name_walk){record->names, record->names + record->names_len, record->names_count,
                              record->names_text};
}

/* The next name, as a key. Returns its length, 0 when there are no more; a text name that is no DNS name is passed
 * over. */
size_t name_next(struct name_walk *walk, uint8_t wire[NAME_WIRE]);

/* The next name as text in lower case, the form in which it is printed. Returns as name_next() does. */
size_t name_next_text(struct name_walk *walk, char text[NAME_TEXT]);

/* The key of a name in presentation form (RFC 1035 section 5.1), with or without the last dot. Returns its length, 0
 * when it is no name: a label empty or above 63 bytes, the whole above 255, a backslash with nothing behind it. */
size_t name_parse(const char *text, uint8_t wire[NAME_WIRE]);

/* Presentation form of a key, the NUL included at most NAME_TEXT bytes; comma and bar are escaped too. Returns its
 * length. */
size_t name_text(const uint8_t *wire, size_t len, char text[NAME_TEXT]);

#endif
