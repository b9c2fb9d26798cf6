/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Comma-separated values (RFC 4180): the columns of the text format and nothing else. Columns that are lists stand in
 * quotes; a comma inside a name is \044, so that a list can be taken apart at its commas. */
#include "reader/printer.h"

static void header(struct output *out)
{
    output_text(out, "server,resolver,client,time,names,ipv4,ipv6\n");
}

static void record(struct output *out, const struct received *from, const struct dnsflow_record *r)
{
    static const struct list_style style = {.quote = "", .escape = "\"", .special = "\"", .also = ",|"};
    print_first_columns(out, ',', from, r);
    output_char(out, '"');
    print_names(out, r, &style);
    output_text(out, "\",\"");
    print_addresses(out, 4, r->ip4s, r->ip4s_count, "");
    output_text(out, "\",\"");
    print_addresses(out, 6, r->ip6s, r->ip6s_count, "");
    output_text(out, "\"\n");
}

const struct printer printer_csv = {.name = "csv", .is_data_only = true, .header = header, .record = record};
