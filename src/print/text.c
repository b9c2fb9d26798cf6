/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The format that scripts know: columns separated by '|', statistics and summaries among them. */
#include <inttypes.h>

#include "print/column.h"

/* The usual columns have their names of old. */
static void header(struct output *out, const struct layout *layout)
{
    if (layout->color)
        output_text(out, "\033[1m");
    if (layout->is_usual)
        output_text(out, "dnsflow server|resolver ip|client ip|time|names|ipv4|ipv6");
    else
        print_header(out, layout, '|');
    output_text(out, layout->color ? "\033[0m\n" : "\n");
}

static void record(struct output *out, const struct layout *layout, const struct received *from,
                   const struct dnsflow_record *r)
{
    print_row(out, layout, '|', "", NULL, from, r);
}

static void stats(struct output *out, const struct layout *layout, const struct received *from)
{
    const struct dnsflow_stats *s = &from->datagram.stats;
    output_format(out,
                  "%sSTATS|pkts_captured:%" PRIu32 "|pkts_received:%" PRIu32 "|pkts_dropped:%" PRIu32
                  "|pkts_ifdropped:%" PRIu32 "|sample_rate:%" PRIu32 "%s\n",
                  layout->color ? "\033[35m" : "", s->pkts_captured, s->pkts_received, s->pkts_dropped,
                  s->pkts_ifdropped, s->sample_rate, layout->color ? "\033[0m" : "");
}

const struct printer printer_text = {.name = "text", .header = header, .record = record, .stats = stats};
