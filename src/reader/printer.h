/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Output formats that print a row for each record. A format is one file and one row of the table in printer.c. */
#ifndef DNSFLOW_READER_PRINTER_H
#define DNSFLOW_READER_PRINTER_H

#include "dnsflow.h"
#include "reader/output.h"
#include "reader/when.h"

/* An accepted datagram and where it came from. */
struct received {
    uint8_t ip_vers;
    const uint8_t *address; /* of the sensor */
    uint16_t port;
    int64_t time_us; /* when it was captured or received */
    struct dnsflow_datagram datagram;
};

/* When the response came: as the trailer says, else when the datagram came. */
static inline int64_t received_record_time(const struct received *from, const struct dnsflow_record *record)
{
    return from->datagram.has_trailer ? record->time_us : from->time_us;
}

enum { LAYOUT_COLUMNS = 32 };

/* What a row has, and how it is shown. */
struct layout {
    size_t count;
    const struct column *columns[LAYOUT_COLUMNS];
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

/* Formats. The last one prints no rows: what it is given is gathered (reader/cof.h). */
extern const struct printer printer_text, printer_json, printer_csv, printer_tsv, printer_cof;

#endif
