/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Output formats. A format is one file and one row of the table in printer.c. */
#ifndef DNSFLOW_READER_PRINTER_H
#define DNSFLOW_READER_PRINTER_H

#include "dnsflow.h"
#include "reader/output.h"

/* An accepted datagram and where it came from. */
struct received {
    uint8_t ip_vers;
    const uint8_t *address; /* of the sensor */
    uint16_t port;
    int64_t time_us; /* when it was captured or received */
    struct dnsflow_datagram datagram;
};

struct printer {
    const char *name;
    bool is_data_only; /* statistics and summaries go to standard error */
    void (*header)(struct output *out);
    void (*record)(struct output *out, const struct received *from, const struct dnsflow_record *record);
    void (*stats)(struct output *out, const struct received *from);
};

/* NULL when there is no such format. */
const struct printer *printer_find(const char *name);

/* "text, tsv" for messages. */
const char *printer_names(void);

/* Formats. */
extern const struct printer printer_text, printer_tsv;

/* For formats: names, or addresses of one family, separated by commas. In names, ',' and '|' are escaped, so that no
 * name can forge a column. */
void print_names(struct output *out, const struct dnsflow_record *record);
void print_addresses(struct output *out, uint8_t ip_vers, const uint8_t *addresses, size_t count);
void print_row(struct output *out, char separator, const struct received *from, const struct dnsflow_record *record);

#endif
