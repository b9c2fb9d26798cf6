/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Output formats that print a row for each record. A format is one file, and
 * a row of the tables of who has it. */
#ifndef DNSFLOW_PRINT_PRINTER_H
#define DNSFLOW_PRINT_PRINTER_H

#include "print/output.h"
#include "print/when.h"
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

/* Formats. */
extern const struct printer printer_text, printer_json, printer_csv, printer_tsv;

#endif
