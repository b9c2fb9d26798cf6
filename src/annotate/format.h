/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How flows are written. A format is one file, and a row of the table in format.c. What is read is a piece: a line, or
 * an object; it is written again as it came, with what was found added. */
#ifndef DNSFLOW_ANNOTATE_FORMAT_H
#define DNSFLOW_ANNOTATE_FORMAT_H

#include <stdio.h>

#include "annotate/flow.h"
#include "annotate/flow_time.h"
#include "base/error.h"
#include "record/name.h"

/* What of a flow is read. */
enum flow_field { FIELD_CLIENT, FIELD_SERVER, FIELD_TIME, FIELD_PORT, FIELD_SOURCE_PORT, FIELD_NAME, FIELDS };

extern const char *const flow_field_names[FIELDS]; /* as --fields has them */

enum { FIELDS_NEEDED = FIELD_PORT /* those before it must be there */, FIELD_CHOICES = 2, COLUMN_MAX = 64 };

/* What the fields are called in the input: several names where any of them may be there. */
struct flow_fields {
    char name[FIELDS][FIELD_CHOICES][COLUMN_MAX]; /* "": none */
};

/* Takes "client=sa,server=da,...", which changes those that are named. Returns 0, or -1 with "expected ...". */
MUST_CHECK int flow_fields_parse(struct flow_fields *fields, const char *text, struct error *err);

enum { ADDED_COLUMNS = 6 };

extern const char *const flow_added[ADDED_COLUMNS]; /* name via method age candidates confidence */

/* What is added to a flow: presentation form, without what a format has to escape. "": nothing is known. */
struct flow_added_text {
    const char *text[ADDED_COLUMNS];
};

extern const bool flow_added_is_number[ADDED_COLUMNS];

enum piece {
    PIECE_FLOW,
    PIECE_BESIDE,     /* no flow, as a header or a sum: passed on */
    PIECE_UNREADABLE, /* passed on, and told; why is in the reader's `why` */
    PIECE_UNFIT       /* the input lacks columns, or has those that would be added; why is there */
};

enum { PIECE_MAX = 65536 };

struct flow_format;

/* A list of flows as it is read. */
struct flow_reader {
    const struct flow_format *format;
    struct flow_fields fields;
    char prefix[COLUMN_MAX]; /* before the names of what is added */
    bool wants_name;         /* FIELD_NAME must be there */
    struct flow_zone zone;
    const char *why;
    char room[512]; /* for it */
    char known[NAME_TEXT];
    bool has_begun; /* the header, or the first flow, was read */
    bool has_ended;
    size_t columns;                       /* csv */
    size_t column[FIELDS][FIELD_CHOICES]; /* csv: place + 1, 0 = it is not there */
};

struct flow_format {
    const char *name;
    const char *const fields[FIELDS][FIELD_CHOICES]; /* as they are called without --fields */
    bool is_local_time, is_either_way;
    bool are_objects; /* pieces are what stands between braces, over lines; else lines */
    /* Reads a piece, without its line's end. */
    enum piece (*take)(struct flow_reader *reader, const char *piece, size_t len, struct seen_flow *out);
    /* Writes it with what is added; `added` NULL: it is a header of csv. */
    void (*put)(const struct flow_reader *reader, const char *piece, size_t len, const struct flow_added_text *added,
                FILE *out);
};

extern const struct flow_format flow_format_csv, flow_format_json, flow_format_ndjson;

extern const char *const flow_format_names[];
extern const size_t flow_formats_count;

/* The row of that number in flow_format_names. */
const struct flow_format *flow_format_of(size_t number);

/* The format that begins with these bytes. */
const struct flow_format *flow_format_guess(const char *bytes, size_t len);

/* Before the first piece. `changed` may be NULL. */
void flow_reader_begin(struct flow_reader *reader, const struct flow_format *format, const struct flow_fields *changed);

/* ---- for formats ---- */

/* Of one field, as its text stands in the input. Returns false, with `why`, when it is not that. */
bool flow_take_field(struct flow_reader *reader, enum flow_field field, const char *text, size_t len,
                     struct seen_flow *out);

/* PIECE_UNREADABLE, or with is_unfit PIECE_UNFIT, with this. */
enum piece flow_refuse(struct flow_reader *reader, bool is_unfit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What of the needed fields is missing, as `has` tells; PIECE_FLOW: nothing. */
enum piece flow_check_fields(struct flow_reader *reader, const bool has[FIELDS], bool is_unfit);

#endif
