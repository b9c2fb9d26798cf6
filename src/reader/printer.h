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

/* "text, json, ..." in `text`, for messages. */
void printer_names(char *text, size_t size);

/* Formats. */
extern const struct printer printer_text, printer_json, printer_csv, printer_tsv;

/* How the names of a list are written. */
struct list_style {
    const char *quote;  /* put before and after each name, "" = none */
    const char *escape; /* put before the bytes of `special` inside a name */
    const char *special;
    const char *also; /* punctuation written as \DDD, as it would end a name or a column */
};

extern const struct list_style list_plain;

/* For formats: the names, or addresses of one family, separated by commas. */
void print_names(struct output *out, const struct dnsflow_record *record, const struct list_style *style);
void print_addresses(struct output *out, uint8_t ip_vers, const uint8_t *addresses, size_t count, const char *quote);

/* The resolver, 0.0.0.0 if the datagram's version has none. */
void print_resolver(struct output *out, const struct dnsflow_record *record);

/* server, resolver, client, time, each with `separator` behind it */
void print_first_columns(struct output *out, char separator, const struct received *from,
                         const struct dnsflow_record *record);

/* A whole row of lists without quotes. */
void print_row(struct output *out, char separator, const struct received *from, const struct dnsflow_record *record);

#endif
