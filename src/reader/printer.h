/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Output formats that print a row for each record. A format is one file and one row of the table in printer.c. */
#ifndef DNSFLOW_READER_PRINTER_H
#define DNSFLOW_READER_PRINTER_H

#include "reader/output.h"
#include "reader/when.h"
#include "record/field.h"

/* What a row has, and how it is shown. */
struct layout {
    size_t count;
    const struct field *fields[FIELDS_MAX];
    bool is_usual;       /* those that scripts know: a format may have more to say then */
    bool has_time_style; /* false: time_style is that of the format */
    enum when_style time_style;
    bool color;
};

struct printer {
    const char *name;
    bool is_data_only;          /* statistics and summaries go to standard error */
    enum when_style time_style; /* of times, unless another one is asked for */
    void (*header)(struct output *out, const struct layout *layout);
    void (*record)(struct output *out, const struct layout *layout, const struct received *from,
                   const struct dnsflow_record *record);
    void (*stats)(struct output *out, const struct layout *layout, const struct received *from);
};

/* NULL when there is no such format. */
const struct printer *printer_find(const char *name);

/* "text, json, ..." in `text`, for messages. */
void printer_names(char *text, size_t size);

/* Formats. The last one prints no rows: what it is given is gathered (reader/take_cof.c). */
extern const struct printer printer_text, printer_json, printer_csv, printer_tsv, printer_cof;

#endif
