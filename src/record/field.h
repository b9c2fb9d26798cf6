/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What can be said of a record: one row of the table in field.c for each column that a reader shows, a filter looks at
 * or a store keeps. A getter gives the value as it is; how it is written is the business of who writes it. */
#ifndef DNSFLOW_RECORD_FIELD_H
#define DNSFLOW_RECORD_FIELD_H

#include <stdbool.h>

#include "receive/received.h"

/* A record and the datagram it came in. */
struct field_record {
    const struct received *from;
    const struct dnsflow_record *record;
};

/* These two are small enough to be returned in registers. */
struct field_addresses {
    const uint8_t *bytes; /* count times 4 or 16 */
    uint32_t count;
    uint8_t ip_vers;
};

/* Names one behind the other, in wire format, or text as version 0 has them. */
struct field_names {
    const uint8_t *bytes;
    uint32_t len;
    uint16_t count;
    bool is_text;
};

/* Answers one behind the other, for dnsflow_next_answer(). */
struct field_answers {
    const uint8_t *bytes;
    size_t len;
};

enum field_kind {
    FIELD_NUMBER,
    FIELD_WORD,      /* a number that has names */
    FIELD_ADDRESS,   /* one */
    FIELD_ADDRESSES, /* any number */
    FIELD_NAME,      /* one */
    FIELD_NAMES,     /* any number */
    FIELD_ANSWERS,   /* any number */
    FIELD_TIME,      /* microseconds since 1970 */
};

enum field_need {
    NEEDS_NOTHING,
    NEEDS_TRAILER, /* of sensors with --extended */
    NEEDS_RESULT,  /* of sensors with --records */
    NEEDS_RESOLVER
};

/* What it is about, so that it can be told apart by the eye. */
enum field_role { ROLE_PLAIN, ROLE_ORIGIN, ROLE_CLIENT, ROLE_RESOLVER, ROLE_QUESTION, ROLE_NAME, ROLE_ANSWER };

enum { FIELD_WORD_SIZE = 16 };

struct field {
    const char *name;
    enum field_kind kind;
    enum field_need need; /* of the datagram; without it there is no value */
    enum field_role role;
    union {
        uint64_t (*number)(const struct field_record *r); /* FIELD_NUMBER, FIELD_WORD */
        struct field_addresses (*addresses)(const struct field_record *r);
        struct field_names (*names)(const struct field_record *r);
        struct field_answers (*answers)(const struct field_record *r);
        int64_t (*time_us)(const struct field_record *r);
    } get;
    /* FIELD_WORD: what the number is called, in `room` if there is no word for it. */
    const char *(*word)(uint64_t number, char room[FIELD_WORD_SIZE]);
};

/* Words of fields, for who has a number alone. */
const char *field_rcode_word(uint64_t rcode, char room[FIELD_WORD_SIZE]);
const char *field_type_word(uint64_t type, char room[FIELD_WORD_SIZE]);
const char *field_transport_word(uint64_t transport, char room[FIELD_WORD_SIZE]);

/* Takes what field_transport_word() makes, in any case, or a number. Returns 0, or -1: it is neither. */
int field_transport_parse(const char *text, uint16_t *out);

/* NULL: there is no such field. */
const struct field *field_find(const char *name, size_t len);

/* "server, port, ..." into at most `size` bytes. */
void field_names_text(char *text, size_t size);

/* Whether the sensor tells the RCODE, and what comes with it. */
static inline bool field_has_result(const struct dnsflow_record *record)
{
    return record->transport != 0 || record->rcode != 0 || record->answers_len > 0;
}

/* Where the record's answers end; NULL when there are none. */
static inline const uint8_t *field_answers_end(const struct dnsflow_record *record)
{
    return record->answers ? record->answers + record->answers_len : NULL;
}

/* Whether the record's datagram tells it. */
static inline bool field_is_told(const struct field *field, const struct field_record *r)
{
    switch (field->need) {
    case NEEDS_TRAILER:
        return r->from->datagram.has_trailer;
    case NEEDS_RESULT:
        return field_has_result(r->record);
    case NEEDS_RESOLVER:
        return r->record->resolver != NULL;
    default:
        return true;
    }
}

enum { FIELDS_MAX = 32 };

#endif
