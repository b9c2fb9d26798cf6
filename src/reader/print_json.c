/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One JSON object a line (RFC 8259), "type" telling records from statistics. Names are in presentation form. */
#include <inttypes.h>

#include "base/bytes.h"
#include "reader/printer.h"

/* "type" to "time": when the datagram was captured or received. */
static void begin(struct output *out, const char *type, const struct received *from)
{
    output_text(out, "{\"type\":\"");
    output_text(out, type);
    output_text(out, "\",\"server\":\"");
    output_address(out, from->ip_vers, from->address);
    output_text(out, "\",\"port\":");
    output_number(out, from->port);
    output_text(out, ",\"seq\":");
    output_number(out, from->datagram.sequence);
    output_text(out, ",\"time\":\"");
    output_iso_time(out, from->time_us);
    output_char(out, '"');
}

/* The part of "ext" that all datagrams of a stream share. */
static void begin_ext(struct output *out, const struct dnsflow_trailer *t)
{
    output_text(out, ",\"ext\":{\"sensor_id\":");
    output_number(out, t->sensor_id);
    output_text(out, ",\"worker\":");
    output_number(out, t->worker);
    output_text(out, ",\"start_time\":");
    output_number(out, t->start_time);
    output_text(out, ",\"sample_rate\":");
    output_number(out, t->sample_rate);
}

static void record(struct output *out, const struct received *from, const struct dnsflow_record *r)
{
    static const struct list_style style = {.quote = "\"", .escape = "\\", .special = "\\\"", .also = NULL};
    begin(out, "record", from);
    output_text(out, ",\"resolver\":");
    if (r->resolver) {
        output_char(out, '"');
        print_resolver(out, r);
        output_char(out, '"');
    } else {
        output_text(out, "null");
    }
    output_text(out, ",\"client\":\"");
    output_address(out, r->ip_vers, r->client);
    output_text(out, "\",\"names\":[");
    print_names(out, r, &style);
    output_text(out, "],\"ipv4\":[");
    print_addresses(out, 4, r->ip4s, r->ip4s_count, "\"");
    output_text(out, "],\"ipv6\":[");
    print_addresses(out, 6, r->ip6s, r->ip6s_count, "\"");
    output_char(out, ']');
    if (from->datagram.has_trailer) {
        begin_ext(out, &from->datagram.trailer);
        output_text(out, ",\"time\":\"");
        output_iso_time(out, r->time_us);
        output_format(out, "\",\"min_ttl\":%" PRIu32 ",\"qtype\":%u,\"client_port\":%u,\"set_flags\":%u}", r->min_ttl,
                      r->qtype, r->client_port, r->set_flags);
    }
    output_text(out, "}\n");
}

static void stats(struct output *out, const struct received *from)
{
    const struct dnsflow_stats *s = &from->datagram.stats;
    size_t i;
    begin(out, "stats", from);
    output_format(out,
                  ",\"pkts_captured\":%" PRIu32 ",\"pkts_received\":%" PRIu32 ",\"pkts_dropped\":%" PRIu32
                  ",\"pkts_ifdropped\":%" PRIu32 ",\"sample_rate\":%" PRIu32,
                  s->pkts_captured, s->pkts_received, s->pkts_dropped, s->pkts_ifdropped, s->sample_rate);
    if (from->datagram.has_trailer) {
        begin_ext(out, &from->datagram.trailer);
        output_text(out, ",\"counters\":[");
        for (i = 0; i < from->datagram.counters_count; i++) {
            if (i > 0)
                output_char(out, ',');
            output_number(out, load_be64(from->datagram.counters + 8 * i));
        }
        output_text(out, "]}");
    }
    output_text(out, "}\n");
}

const struct printer printer_json = {.name = "json", .is_data_only = true, .record = record, .stats = stats};
