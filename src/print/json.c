/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One JSON object a line (RFC 8259), "type" telling records from statistics. Names are in presentation form. */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/drops.h"
#include "print/column.h"
#include "record/name.h"

const struct list_style list_json = {.quote = "\"", .escape = "\\", .special = "\\\"", .also = NULL};

/* All but seconds since 1970, which are a number, in quotes. */
static void print_time(struct output *out, const struct layout *layout, int64_t time_us)
{
    enum when_style style = layout->time_style;
    if (style != WHEN_EPOCH)
        output_char(out, '"');
    when_print(out, style, time_us);
    if (style != WHEN_EPOCH)
        output_char(out, '"');
}

/* "type" to "time": when the datagram was captured or received. */
static void begin(struct output *out, const struct layout *layout, const char *type, const struct received *from)
{
    output_text(out, "{\"type\":\"");
    output_text(out, type);
    output_text(out, "\",\"server\":\"");
    output_address(out, from->ip_vers, from->address);
    output_labelled(out, "\",\"port\":", from->port);
    output_labelled(out, ",\"seq\":", from->datagram.sequence);
    output_text(out, ",\"time\":");
    print_time(out, layout, from->time_us);
}

/* The part of "ext" that all datagrams of a stream share. */
static void begin_ext(struct output *out, const struct dnsflow_trailer *t)
{
    output_labelled(out, ",\"ext\":{\"sensor_id\":", t->sensor_id);
    output_labelled(out, ",\"worker\":", t->worker);
    output_labelled(out, ",\"start_time\":", t->start_time);
    output_labelled(out, ",\"sample_rate\":", t->sample_rate);
}

/* The name number `owner` of the record, null if it is none of these. */
static void print_owner(struct output *out, const struct dnsflow_record *r, unsigned owner)
{
    const uint8_t *at = r->names, *end = at + r->names_len;
    if (owner >= r->names_count) {
        output_text(out, "null");
        return;
    }
    for (; owner > 0; owner--)
        at += name_size(at);
    print_names(out, (struct field_names){at, (uint32_t)(end - at), 1, false}, &list_json);
}

/* What sensors with --records tell. */
static void print_result(struct output *out, const struct dnsflow_record *r)
{
    const uint8_t *at = r->answers, *end = field_answers_end(r);
    char room[FIELD_WORD_SIZE];
    struct dnsflow_answer answer;
    bool is_first = true;
    output_format(out, ",\"rcode\":\"%s\"", field_rcode_word(r->rcode, room));
    output_format(out, ",\"transport\":\"%s\",\"answers\":[", field_transport_word(r->transport, room));
    for (; dnsflow_next_answer(&at, end, &answer); is_first = false) {
        output_text(out, is_first ? "{\"name\":" : ",{\"name\":");
        print_owner(out, r, answer.owner);
        output_format(out, ",\"type\":\"%s\",\"ttl\":%" PRIu32 ",\"rdata\":\"", field_type_word(answer.type, room),
                      answer.ttl);
        print_rdata(out, &answer, &list_json);
        output_text(out, "\"}");
    }
    output_char(out, ']');
}

static void record_whole(struct output *out, const struct layout *layout, const struct received *from,
                         const struct dnsflow_record *r)
{
    begin(out, layout, "record", from);
    const struct field_names names = {r->names, (uint32_t)r->names_len, (uint16_t)r->names_count, r->names_text};
    const struct field_addresses ip4s = {r->ip4s, (uint32_t)r->ip4s_count, 4},
                                 ip6s = {r->ip6s, (uint32_t)r->ip6s_count, 6};
    output_text(out, ",\"resolver\":");
    if (r->resolver) {
        output_char(out, '"');
        output_address(out, r->ip_vers, r->resolver);
        output_char(out, '"');
    } else {
        output_text(out, "null");
    }
    output_text(out, ",\"client\":\"");
    output_address(out, r->ip_vers, r->client);
    output_text(out, "\",\"names\":[");
    print_names(out, names, &list_json);
    output_text(out, "],\"ipv4\":[");
    print_addresses(out, ip4s, &list_json);
    output_text(out, "],\"ipv6\":[");
    print_addresses(out, ip6s, &list_json);
    output_char(out, ']');
    if (from->datagram.has_trailer) {
        begin_ext(out, &from->datagram.trailer);
        output_text(out, ",\"time\":");
        print_time(out, layout, r->time_us);
        output_labelled(out, ",\"min_ttl\":", r->min_ttl);
        output_labelled(out, ",\"qtype\":", r->qtype);
        output_labelled(out, ",\"client_port\":", r->client_port);
        output_labelled(out, ",\"set_flags\":", r->set_flags);
        if (field_has_result(r))
            print_result(out, r);
        output_char(out, '}');
    }
    output_text(out, "}\n");
}

/* One member, null when the datagram does not tell it. Names are quoted where they are printed. */
static void print_member(struct output *out, const struct field *field, const struct field_record *r,
                         enum when_style style)
{
    static const char before[][2] = {[FIELD_WORD] = "\"", [FIELD_ADDRESS] = "\"",  [FIELD_TIME] = "\"",
                                     [FIELD_NAMES] = "[", [FIELD_ADDRESSES] = "[", [FIELD_ANSWERS] = "["};
    static const char behind[][2] = {[FIELD_WORD] = "\"", [FIELD_ADDRESS] = "\"",  [FIELD_TIME] = "\"",
                                     [FIELD_NAMES] = "]", [FIELD_ADDRESSES] = "]", [FIELD_ANSWERS] = "]"};
    bool is_bare =
        field->kind == FIELD_NUMBER || field->kind == FIELD_NAME || (field->kind == FIELD_TIME && style == WHEN_EPOCH);
    output_char(out, '"');
    output_text(out, field->name);
    output_text(out, "\":");
    if (!field_is_told(field, r)) {
        output_text(out, "null");
        return;
    }
    output_text(out, is_bare ? "" : before[field->kind]);
    print_value(out, field, r, &list_json, style);
    output_text(out, is_bare ? "" : behind[field->kind]);
}

static void record(struct output *out, const struct layout *layout, const struct received *from,
                   const struct dnsflow_record *r)
{
    const struct field_record both = {from, r};
    size_t i;
    if (layout->is_usual) {
        record_whole(out, layout, from, r);
        return;
    }
    for (i = 0; i < layout->count; i++) {
        output_char(out, i ? ',' : '{');
        print_member(out, layout->fields[i], &both, layout->time_style);
    }
    output_text(out, "}\n");
}

static void print_counters(struct output *out, const struct dnsflow_datagram *datagram)
{
    size_t i;
    output_text(out, ",\"counters\":{");
    for (i = 0; i < datagram->counters_count; i++) {
        const char *name = drop_counter_name(i);
        if (i > 0)
            output_char(out, ',');
        if (name)
            output_format(out, "\"%s\":", name);
        else
            output_format(out, "\"counter_%zu\":", i); /* of a later sensor */
        output_number(out, load_be64(datagram->counters + 8 * i));
    }
    output_char(out, '}');
}

static void stats(struct output *out, const struct layout *layout, const struct received *from)
{
    const struct dnsflow_stats *s = &from->datagram.stats;
    begin(out, layout, "stats", from);
    output_format(out,
                  ",\"pkts_captured\":%" PRIu32 ",\"pkts_received\":%" PRIu32 ",\"pkts_dropped\":%" PRIu32
                  ",\"pkts_ifdropped\":%" PRIu32 ",\"sample_rate\":%" PRIu32,
                  s->pkts_captured, s->pkts_received, s->pkts_dropped, s->pkts_ifdropped, s->sample_rate);
    if (from->datagram.has_trailer) {
        begin_ext(out, &from->datagram.trailer);
        print_counters(out, &from->datagram);
        output_char(out, '}');
    }
    output_text(out, "}\n");
}

const struct printer printer_json = {
    .name = "json", .is_data_only = true, .time_style = WHEN_ISO, .record = record, .stats = stats};
