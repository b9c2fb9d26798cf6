/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/printer.h"

#include <string.h>

static const struct printer *const printers[] = {&printer_text, &printer_json, &printer_csv, &printer_tsv};

enum { PRINTERS = sizeof(printers) / sizeof(printers[0]), NAME_TEXT = 1024 };

const struct list_style list_plain = {.quote = "", .escape = "", .special = "", .also = ",|"};

const struct printer *printer_find(const char *name)
{
    size_t i;
    for (i = 0; i < PRINTERS; i++)
        if (strcmp(printers[i]->name, name) == 0)
            return printers[i];
    return NULL;
}

void printer_names(char *text, size_t size)
{
    size_t i, used = 0;
    for (i = 0; i < PRINTERS && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", printers[i]->name);
}

/* Version 0 carries names as text; what is not printable or could break a column is escaped the same way. */
static size_t escape_text_name(const uint8_t **at, const uint8_t *end, const char *also, char *text, size_t size)
{
    size_t used = 0;
    for (; *at < end && **at && used + 5 <= size; (*at)++) {
        uint8_t c = **at;
        if (c < 0x21 || c > 0x7e || c == '"' || (also && strchr(also, c)))
            used += (size_t)snprintf(text + used, size - used, "\\%03u", c);
        else
            text[used++] = (char)c;
    }
    while (*at < end && **at)
        (*at)++;
    *at += *at < end;
    return used;
}

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
    for (i = 0; i < len; i++) {
        if (strchr(style->special, text[i]))
            output_text(out, style->escape);
        output_char(out, text[i]);
    }
    output_text(out, style->quote);
}

void print_names(struct output *out, const struct dnsflow_record *record, const struct list_style *style)
{
    const uint8_t *at = record->names, *end = at + record->names_len;
    char text[NAME_TEXT];
    bool is_plain = !record->names_text && !*style->quote && !*style->special;
    size_t i;
    for (i = 0; i < record->names_count; i++) {
        if (i > 0)
            output_char(out, ',');
        if (is_plain) {
            print_plain_name(out, &at, end, style->also);
            continue;
        }
        int len = record->names_text ? (int)escape_text_name(&at, end, style->also, text, sizeof(text))
                                     : dnsflow_name_text(&at, end, style->also, text, sizeof(text));
        print_part(out, text, len > 0 ? (size_t)len : 0, style);
    }
}

void print_addresses(struct output *out, uint8_t ip_vers, const uint8_t *addresses, size_t count, const char *quote)
{
    size_t i, size = ip_vers == 6 ? 16 : 4;
    for (i = 0; i < count; i++) {
        if (i > 0)
            output_char(out, ',');
        if (*quote)
            output_char(out, *quote);
        output_address(out, ip_vers, addresses + i * size);
        if (*quote)
            output_char(out, *quote);
    }
}

void print_resolver(struct output *out, const struct dnsflow_record *record)
{
    static const uint8_t nobody[4];
    output_address(out, record->resolver ? record->ip_vers : 4, record->resolver ? record->resolver : nobody);
}

void print_first_columns(struct output *out, char separator, const struct received *from,
                         const struct dnsflow_record *record)
{
    output_address(out, from->ip_vers, from->address);
    output_char(out, separator);
    print_resolver(out, record);
    output_char(out, separator);
    output_address(out, record->ip_vers, record->client);
    output_char(out, separator);
    output_time(out, from->time_us);
    output_char(out, separator);
}

void print_row(struct output *out, char separator, const struct received *from, const struct dnsflow_record *record)
{
    print_first_columns(out, separator, from, record);
    print_names(out, record, &list_plain);
    output_char(out, separator);
    print_addresses(out, 4, record->ip4s, record->ip4s_count, "");
    output_char(out, separator);
    print_addresses(out, 6, record->ip6s, record->ip6s_count, "");
    output_char(out, '\n');
}
