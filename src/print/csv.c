/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Comma-separated values (RFC 4180): the columns of the text format, with whole times, and nothing else. Names and
 * lists stand in quotes; a comma inside a name is \044, so that a list can be taken apart at its commas, and a name
 * that begins like a formula begins with \DDD, so that no spreadsheet evaluates it. */
#include "print/column.h"

static void header(struct output *out, const struct layout *layout)
{
    print_header(out, layout, ',');
    output_char(out, '\n');
}

static void record(struct output *out, const struct layout *layout, const struct received *from,
                   const struct dnsflow_record *r)
{
    static const struct list_style style = {
        .quote = "", .escape = "\"", .special = "\"", .also = ",|", .first = "=+-@"};
    print_row(out, layout, ',', "\"", &style, from, r);
}

const struct printer printer_csv = {
    .name = "csv", .is_data_only = true, .time_style = WHEN_ISO, .header = header, .record = record};
