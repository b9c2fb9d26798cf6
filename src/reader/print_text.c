/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The format that scripts know: columns separated by '|', statistics and summaries among them. */
#include <inttypes.h>

#include "reader/printer.h"

static void header(struct output *out)
{
    output_text(out, "dnsflow server|resolver ip|client ip|time|names|ipv4|ipv6\n");
}

static void record(struct output *out, const struct received *from, const struct dnsflow_record *r)
{
    print_row(out, '|', from, r);
}

static void stats(struct output *out, const struct received *from)
{
    const struct dnsflow_stats *s = &from->datagram.stats;
    output_format(out,
                  "STATS|pkts_captured:%" PRIu32 "|pkts_received:%" PRIu32 "|pkts_dropped:%" PRIu32
                  "|pkts_ifdropped:%" PRIu32 "|sample_rate:%" PRIu32 "\n",
                  s->pkts_captured, s->pkts_received, s->pkts_dropped, s->pkts_ifdropped, s->sample_rate);
}

const struct printer printer_text = {.name = "text", .header = header, .record = record, .stats = stats};
