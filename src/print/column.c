/* SPDX-License-Identifier: BSD-3-Clause */
#include "print/column.h"

#include <stdio.h>
#include <string.h>

#include "record/name.h"
#include "record/rdata.h"

static const struct list_style list_plain = {.quote = "", .escape = "", .special = "", .also = ",|"};

/* A name without quotes goes straight into the output's buffer. */
static void print_plain_name(struct output *out, const uint8_t **at, const uint8_t *end, const char *also)
{
    int len = dnsflow_name_text(at, end, also, output_reserve(out, NAME_TEXT), NAME_TEXT);
    out->used += len > 0 ? (size_t)len : 0;
}

static void print_escaped(struct output *out, const char *text, size_t len, const struct list_style *style)
{
    size_t i;
    for (i = 0; i < len; i++) {
        if (style->also && strchr(style->also, text[i])) {
            output_format(out, "\\%03u", (unsigned char)text[i]);
            continue;
        }
        if (strchr(style->special, text[i]))
            output_text(out, style->escape);
        output_char(out, text[i]);
    }
}

/* A name, whose own form has escaped what is `also` special. */
static void print_part(struct output *out, const char *text, size_t len, const struct list_style *style)
{
    output_text(out, style->quote);
    if (style->first && len > 0 && strchr(style->first, *text)) {
        output_format(out, "\\%03u", (unsigned char)*text++);
        len--;
    }
    if (memchr(text, '\\', len))
        print_escaped(out, text, len, style);
    else /* nothing in it needed an escape, so that nothing is special */
        output_bytes(out, text, len);
    output_text(out, style->quote);
}

void print_rdata(struct output *out, const struct dnsflow_answer *answer, const struct list_style *style)
{
    char text[RDATA_TEXT];
    print_escaped(out, text, rdata_text(answer->type, answer->rdata, answer->rdata_len, text, sizeof(text)), style);
}

void print_names(struct output *out, struct field_names names, const struct list_style *style)
{
    const uint8_t *at = names.bytes, *end = at + names.len;
    char text[NAME_TEXT];
    bool is_plain = !names.is_text && !*style->quote && !*style->special;
    size_t i;
    for (i = 0; i < names.count; i++) {
        if (i > 0)
            output_char(out, ',');
        if (is_plain) {
            print_plain_name(out, &at, end, style->also);
            continue;
        }
        int len = names.is_text ? (int)name_escape_text(&at, end, style->also, text, sizeof(text))
                                : dnsflow_name_text(&at, end, style->also, text, sizeof(text));
        print_part(out, text, len > 0 ? (size_t)len : 0, style);
    }
}

void print_addresses(struct output *out, struct field_addresses addresses, const struct list_style *style)
{
    size_t i, size = addresses.ip_vers == 6 ? 16 : 4;
    for (i = 0; i < addresses.count; i++) {
        if (i > 0)
            output_char(out, ',');
        if (*style->quote)
            output_char(out, *style->quote);
        output_address(out, addresses.ip_vers, addresses.bytes + i * size);
        if (*style->quote)
            output_char(out, *style->quote);
    }
}

/* The type and the rdata of each. */
__attribute__((noinline)) static void print_answers(struct output *out, struct field_answers answers,
                                                    const struct list_style *style)
{
    const uint8_t *at = answers.bytes, *end = at + answers.len;
    struct dnsflow_answer answer;
    bool is_first = true;
    for (; dnsflow_next_answer(&at, end, &answer); is_first = false) {
        char type[FIELD_WORD_SIZE];
        output_text(out, is_first ? "" : ",");
        output_text(out, style->quote);
        output_text(out, field_type_word(answer.type, type));
        output_char(out, ' ');
        print_rdata(out, &answer, style);
        output_text(out, style->quote);
    }
}

/* Apart, for its room on the stack. */
__attribute__((noinline)) static void print_word(struct output *out, const struct field *field,
                                                 const struct field_record *r)
{
    char room[FIELD_WORD_SIZE];
    output_text(out, field->word(field->get.number(r), room));
}

/* Inline, as a row has many. */
static inline __attribute__((always_inline)) void put_value(struct output *out, const struct field *field,
                                                            const struct field_record *r,
                                                            const struct list_style *style, enum when_style time_style)
{
    struct field_addresses addresses;
    switch (field->kind) {
    case FIELD_NUMBER:
        output_number(out, field->get.number(r));
        break;
    case FIELD_WORD:
        print_word(out, field, r);
        break;
    case FIELD_ADDRESS:
        addresses = field->get.addresses(r);
        output_address(out, addresses.ip_vers, addresses.bytes);
        break;
    case FIELD_ADDRESSES:
        print_addresses(out, field->get.addresses(r), style);
        break;
    case FIELD_NAME:
    case FIELD_NAMES:
        print_names(out, field->get.names(r), style);
        break;
    case FIELD_ANSWERS:
        print_answers(out, field->get.answers(r), style);
        break;
    case FIELD_TIME:
        when_print(out, time_style, field->get.time_us(r));
        break;
    }
}

void print_value(struct output *out, const struct field *field, const struct field_record *r,
                 const struct list_style *style, enum when_style time_style)
{
    put_value(out, field, r, style, time_style);
}

/* ---- layouts ---- */

static bool has_field(const struct layout *layout, const struct field *field)
{
    size_t i;
    for (i = 0; i < layout->count; i++)
        if (layout->fields[i] == field)
            return true;
    return false;
}

int layout_parse(const char *text, struct layout *layout, struct error *err)
{
    const char *at = text;
    char all[320];
    size_t len;
    layout->count = 0;
    layout->is_usual = false;
    for (;; at += len + 1) {
        len = strcspn(at, ",");
        const struct field *field = field_find(at, len);
        if (!field || has_field(layout, field))
            break;
        layout->fields[layout->count++] = field;
        if (!at[len])
            return 0;
    }
    field_names_text(all, sizeof(all));
    return error_set(err, "expected each once, some of: %s", all);
}

size_t layout_needing(const struct layout *layout, enum field_need need, char *text, size_t size)
{
    size_t i, used = 0;
    *text = '\0';
    for (i = 0; i < layout->count && used < size; i++)
        if (layout->fields[i]->need == need)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", layout->fields[i]->name);
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
        output_text(out, layout->fields[i]->name);
    }
}

/* SGR parameters (ECMA-48), "" = none. */
static const char *const colors[] = {
    [ROLE_PLAIN] = "",      [ROLE_ORIGIN] = "2", [ROLE_CLIENT] = "32", [ROLE_RESOLVER] = "34",
    [ROLE_QUESTION] = "33", [ROLE_NAME] = "1",   [ROLE_ANSWER] = "36",
};

static bool is_quoted(const struct field *field)
{
    return field->kind == FIELD_NAMES || field->kind == FIELD_NAME || field->kind == FIELD_ADDRESSES ||
           field->kind == FIELD_ANSWERS;
}

/* In color, or in quotes. */
static void print_decorated(struct output *out, const struct layout *layout, const struct field *field,
                            const struct field_record *r, const char *quote, const struct list_style *style)
{
    const char *color = layout->color ? colors[field->role] : "";
    if (*color)
        output_format(out, "\033[%sm", color);
    if (is_quoted(field))
        output_text(out, quote);
    put_value(out, field, r, style, layout->time_style);
    if (is_quoted(field))
        output_text(out, quote);
    if (*color)
        output_text(out, "\033[0m");
}

void print_row(struct output *out, const struct layout *layout, char separator, const char *quote,
               const struct list_style *style, const struct received *from, const struct dnsflow_record *record)
{
    const struct field_record r = {from, record};
    bool is_plain = !layout->color && !*quote;
    size_t i;
    if (!style)
        style = &list_plain;
    for (i = 0; i < layout->count; i++) {
        const struct field *field = layout->fields[i];
        if (i > 0)
            output_char(out, separator);
        if ((field->need == NEEDS_TRAILER || field->need == NEEDS_RESULT) && !field_is_told(field, &r))
            continue;
        if (is_plain)
            put_value(out, field, &r, style, layout->time_style);
        else
            print_decorated(out, layout, field, &r, quote, style);
    }
    output_char(out, '\n');
}
