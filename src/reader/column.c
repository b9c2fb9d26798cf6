/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/column.h"

#include <stdio.h>
#include <string.h>

#include "reader/name.h"

static const struct list_style list_plain = {.quote = "", .escape = "", .special = "", .also = ",|"};

/* A name without quotes goes straight into the output's buffer. */
static void print_plain_name(struct output *out, const uint8_t **at, const uint8_t *end, const char *also)
{
    int len = dnsflow_name_text(at, end, also, output_reserve(out, NAME_TEXT), NAME_TEXT);
    out->used += len > 0 ? (size_t)len : 0;
}

static void print_part(struct output *out, const char *text, size_t len, const struct list_style *style)
{
    size_t i;
    output_text(out, style->quote);
    if (style->first && len > 0 && strchr(style->first, *text)) {
        output_format(out, "\\%03u", (unsigned char)*text++);
        len--;
    }
    if (!memchr(text, '\\', len)) { /* nothing in it needed an escape, so that nothing is special */
        output_bytes(out, text, len);
        len = 0;
    }
    for (i = 0; i < len; i++) {
        if (strchr(style->special, text[i]))
            output_text(out, style->escape);
        output_char(out, text[i]);
    }
    output_text(out, style->quote);
}

void print_names(struct output *out, const struct dnsflow_record *record, size_t count, const struct list_style *style)
{
    const uint8_t *at = record->names, *end = at + record->names_len;
    char text[NAME_TEXT];
    bool is_plain = !record->names_text && !*style->quote && !*style->special;
    size_t i;
    for (i = 0; i < count; i++) {
        if (i > 0)
            output_char(out, ',');
        if (is_plain) {
            print_plain_name(out, &at, end, style->also);
            continue;
        }
        int len = record->names_text ? (int)name_escape_text(&at, end, style->also, text, sizeof(text))
                                     : dnsflow_name_text(&at, end, style->also, text, sizeof(text));
        print_part(out, text, len > 0 ? (size_t)len : 0, style);
    }
}

void print_addresses(struct output *out, uint8_t ip_vers, const uint8_t *addresses, size_t count,
                     const struct list_style *style)
{
    size_t i, size = ip_vers == 6 ? 16 : 4;
    for (i = 0; i < count; i++) {
        if (i > 0)
            output_char(out, ',');
        if (*style->quote)
            output_char(out, *style->quote);
        output_address(out, ip_vers, addresses + i * size);
        if (*style->quote)
            output_char(out, *style->quote);
    }
}

void print_resolver(struct output *out, const struct dnsflow_record *record)
{
    static const uint8_t nobody[4];
    output_address(out, record->resolver ? record->ip_vers : 4, record->resolver ? record->resolver : nobody);
}

/* ---- columns ---- */

static void server(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_address(out, row->from->ip_vers, row->from->address);
}

static void port(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->from->port);
}

static void seq(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->from->datagram.sequence);
}

static void resolver(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    print_resolver(out, row->record);
}

static void client(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_address(out, row->record->ip_vers, row->record->client);
}

static void datagram_time(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    when_print(out, row->time_style, row->from->time_us);
}

static void qname(struct output *out, const struct row *row, const struct list_style *style)
{
    print_names(out, row->record, 1, style);
}

static void names(struct output *out, const struct row *row, const struct list_style *style)
{
    print_names(out, row->record, row->record->names_count, style);
}

static void ipv4(struct output *out, const struct row *row, const struct list_style *style)
{
    print_addresses(out, 4, row->record->ip4s, row->record->ip4s_count, style);
}

static void ipv6(struct output *out, const struct row *row, const struct list_style *style)
{
    print_addresses(out, 6, row->record->ip6s, row->record->ip6s_count, style);
}

static void response_time(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    when_print(out, row->time_style, row->record->time_us);
}

static void min_ttl(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->record->min_ttl);
}

static void qtype(struct output *out, const struct row *row, const struct list_style *style)
{
    static const struct {
        uint16_t number;
        const char *name;
    } types[] = {{1, "A"}, {28, "AAAA"}, {64, "SVCB"}, {65, "HTTPS"}, {255, "ANY"}};
    size_t i;
    (void)style;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].number == row->record->qtype) {
            output_text(out, types[i].name);
            return;
        }
    output_format(out, "TYPE%u", row->record->qtype); /* RFC 3597; 0 = there was no question */
}

static void client_port(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->record->client_port);
}

static void set_flags(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->record->set_flags);
}

static void sensor_id(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->from->datagram.trailer.sensor_id);
}

static void worker(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->from->datagram.trailer.worker);
}

static void sample_rate(struct output *out, const struct row *row, const struct list_style *style)
{
    (void)style;
    output_number(out, row->from->datagram.trailer.sample_rate);
}

static const struct column columns[] = {
    {"server", COLUMN_TEXT, NEEDS_NOTHING, "2", server},
    {"port", COLUMN_NUMBER, NEEDS_NOTHING, "2", port},
    {"seq", COLUMN_NUMBER, NEEDS_NOTHING, "2", seq},
    {"resolver", COLUMN_TEXT, NEEDS_RESOLVER, "34", resolver},
    {"client", COLUMN_TEXT, NEEDS_NOTHING, "32", client},
    {"time", COLUMN_TIME, NEEDS_NOTHING, "2", datagram_time},
    {"qname", COLUMN_NAME, NEEDS_NOTHING, "1", qname},
    {"names", COLUMN_LIST, NEEDS_NOTHING, "1", names},
    {"ipv4", COLUMN_LIST, NEEDS_NOTHING, "36", ipv4},
    {"ipv6", COLUMN_LIST, NEEDS_NOTHING, "36", ipv6},
    {"response_time", COLUMN_TIME, NEEDS_TRAILER, "2", response_time},
    {"min_ttl", COLUMN_NUMBER, NEEDS_TRAILER, "", min_ttl},
    {"qtype", COLUMN_TEXT, NEEDS_TRAILER, "33", qtype},
    {"client_port", COLUMN_NUMBER, NEEDS_TRAILER, "32", client_port},
    {"set_flags", COLUMN_NUMBER, NEEDS_TRAILER, "", set_flags},
    {"sensor_id", COLUMN_NUMBER, NEEDS_TRAILER, "2", sensor_id},
    {"worker", COLUMN_NUMBER, NEEDS_TRAILER, "2", worker},
    {"sample_rate", COLUMN_NUMBER, NEEDS_TRAILER, "", sample_rate},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };
_Static_assert((int)COLUMNS <= (int)LAYOUT_COLUMNS, "a layout has room for every column");

static const struct column *find_column(const char *name, size_t len)
{
    size_t i;
    for (i = 0; i < COLUMNS; i++)
        if (strlen(columns[i].name) == len && memcmp(columns[i].name, name, len) == 0)
            return &columns[i];
    return NULL;
}

static bool has_column(const struct layout *layout, const struct column *column)
{
    size_t i;
    for (i = 0; i < layout->count; i++)
        if (layout->columns[i] == column)
            return true;
    return false;
}

int layout_parse(const char *text, struct layout *layout, struct error *err)
{
    const char *at = text;
    char all[256];
    size_t i, used = 0, len;
    layout->count = 0;
    layout->is_usual = false;
    for (;; at += len + 1) {
        len = strcspn(at, ",");
        const struct column *column = find_column(at, len);
        if (!column || has_column(layout, column))
            break;
        layout->columns[layout->count++] = column;
        if (!at[len])
            return 0;
    }
    for (i = 0; i < COLUMNS && used < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? "," : "", columns[i].name);
    return error_set(err, "expected some of %s, each once", all);
}

size_t layout_extended(const struct layout *layout, char *text, size_t size)
{
    size_t i, used = 0;
    *text = '\0';
    for (i = 0; i < layout->count && used < size; i++)
        if (layout->columns[i]->need == NEEDS_TRAILER)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", layout->columns[i]->name);
    return used;
}

void layout_default(struct layout *layout)
{
    (void)layout_parse("server,resolver,client,time,names,ipv4,ipv6", layout, NULL);
    layout->is_usual = true;
}

void print_header(struct output *out, const struct layout *layout, char separator)
{
    size_t i;
    for (i = 0; i < layout->count; i++) {
        if (i > 0)
            output_char(out, separator);
        output_text(out, layout->columns[i]->name);
    }
}

static void print_column(struct output *out, const struct column *column, const struct row *row, const char *quote,
                         const struct list_style *style)
{
    if (column->need == NEEDS_TRAILER && !row->from->datagram.has_trailer)
        return;
    bool is_quoted = *quote && (column->kind == COLUMN_LIST || column->kind == COLUMN_NAME);
    if (is_quoted)
        output_text(out, quote);
    column->print(out, row, style ? style : &list_plain);
    if (is_quoted)
        output_text(out, quote);
}

void print_row(struct output *out, const struct layout *layout, char separator, const char *quote,
               const struct list_style *style, const struct received *from, const struct dnsflow_record *record)
{
    const struct row row = {from, record, layout->time_style};
    size_t i;
    for (i = 0; i < layout->count; i++) {
        const struct column *column = layout->columns[i];
        bool is_colored = layout->color && *column->color;
        if (i > 0)
            output_char(out, separator);
        if (is_colored) {
            output_text(out, "\033[");
            output_text(out, column->color);
            output_char(out, 'm');
        }
        print_column(out, column, &row, quote, style);
        if (is_colored)
            output_text(out, "\033[0m");
    }
    output_char(out, '\n');
}
