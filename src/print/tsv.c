/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tab-separated values: the columns of the text format, with whole times, and nothing else. */
#include "print/column.h"

static void header(struct output *out, const struct layout *layout)
{
    print_header(out, layout, '\t');
    output_char(out, '\n');
}

static void record(struct output *out, const struct layout *layout, const struct received *from,
                   const struct dnsflow_record *r)
{
    print_row(out, layout, '\t', "", NULL, from, r);
}

const struct printer printer_tsv = {
    .name = "tsv", .is_data_only = true, .time_style = WHEN_ISO, .header = header, .record = record};
