/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/printer.h"

#include <string.h>

static const struct printer *const printers[] = {&printer_text, &printer_tsv};

const struct printer *printer_find(const char *name)
{
    size_t i;
    for (i = 0; i < sizeof(printers) / sizeof(printers[0]); i++)
        if (strcmp(printers[i]->name, name) == 0)
            return printers[i];
    return NULL;
}

const char *printer_names(void)
{
    return "text, tsv";
}

/* Version 0 carries names as text; what could break a column is escaped the same way. */
static const uint8_t *print_text_name(struct output *out, const uint8_t *at, const uint8_t *end)
{
    for (; at < end && *at; at++) {
        if (*at < 0x21 || *at > 0x7e || *at == ',' || *at == '|' || *at == '"')
            output_format(out, "\\%03u", *at);
        else
            output_char(out, (char)*at);
    }
    return at + 1;
}

void print_names(struct output *out, const struct dnsflow_record *record)
{
    const uint8_t *at = record->names, *end = at + record->names_len;
    char text[1024];
    size_t i;
    for (i = 0; i < record->names_count; i++) {
        if (i > 0)
            output_char(out, ',');
        if (record->names_text) {
            at = print_text_name(out, at, end);
            continue;
        }
        int len = dnsflow_name_text(&at, end, ",|", text, sizeof(text));
        if (len > 0)
            output_bytes(out, text, (size_t)len);
    }
}

void print_addresses(struct output *out, uint8_t ip_vers, const uint8_t *addresses, size_t count)
{
    size_t i, size = ip_vers == 6 ? 16 : 4;
    for (i = 0; i < count; i++) {
        if (i > 0)
            output_char(out, ',');
        output_address(out, ip_vers, addresses + i * size);
    }
}

void print_row(struct output *out, char separator, const struct received *from, const struct dnsflow_record *record)
{
    static const uint8_t no_resolver[4];
    output_address(out, from->ip_vers, from->address);
    output_char(out, separator);
    output_address(out, record->resolver ? record->ip_vers : 4, record->resolver ? record->resolver : no_resolver);
    output_char(out, separator);
    output_address(out, record->ip_vers, record->client);
    output_char(out, separator);
    output_time(out, from->time_us);
    output_char(out, separator);
    print_names(out, record);
    output_char(out, separator);
    print_addresses(out, 4, record->ip4s, record->ip4s_count);
    output_char(out, separator);
    print_addresses(out, 6, record->ip6s, record->ip6s_count);
    output_char(out, '\n');
}
