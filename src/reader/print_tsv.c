/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tab-separated values: the columns of the text format and nothing else. */
#include "reader/printer.h"

static void header(struct output *out)
{
    output_text(out, "server\tresolver\tclient\ttime\tnames\tipv4\tipv6\n");
}

static void record(struct output *out, const struct received *from, const struct dnsflow_record *r)
{
    print_row(out, '\t', from, r);
}

const struct printer printer_tsv = {.name = "tsv", .is_data_only = true, .header = header, .record = record};
