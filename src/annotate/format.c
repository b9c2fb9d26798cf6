/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/format.h"

#include <stdarg.h>
#include <string.h>

#include "base/options.h"
#include "base/prefix.h"

static const struct flow_format *const formats[] = {&flow_format_csv, &flow_format_json, &flow_format_ndjson};

const char *const flow_format_names[] = {"csv", "json", "ndjson"};
const size_t flow_formats_count = sizeof(formats) / sizeof(formats[0]);
_Static_assert(sizeof(formats) / sizeof(formats[0]) == sizeof(flow_format_names) / sizeof(flow_format_names[0]),
               "each has a name");

const char *const flow_field_names[FIELDS] = {"client", "server", "time", "port", "source-port", "name"};
const char *const flow_added[ADDED_COLUMNS] = {"name", "via", "method", "age", "candidates", "confidence"};
const bool flow_added_is_number[ADDED_COLUMNS] = {false, false, false, true, true, true};

const struct flow_format *flow_format_of(size_t number)
{
    return formats[number];
}

const struct flow_format *flow_format_guess(const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && strchr(" \t\r\n", bytes[at]))
        at++;
    if (at == len || (bytes[at] != '[' && bytes[at] != '{'))
        return &flow_format_csv;
    const char *end = memchr(bytes + at, '\n', len - at);
    bool is_over_lines = end && !memchr(bytes + at, '}', (size_t)(end - bytes) - at); /* nfdump -q leaves '[' out */
    return bytes[at] == '[' || is_over_lines ? &flow_format_json : &flow_format_ndjson;
}

/* ---- fields ---- */

int flow_fields_parse(struct flow_fields *fields, const char *text, struct error *err)
{
    struct error why;
    unsigned field;
    char word[COLUMN_MAX];
    for (;;) {
        size_t len = strcspn(text, "=,");
        size_t value = text[len] == '=' ? strcspn(text + len + 1, ",") : 0;
        snprintf(word, sizeof(word), "%.*s", (int)(len < sizeof(word) ? len : 0), text);
        if (value == 0 || parse_choice(word, flow_field_names, FIELDS, &field, &why) != 0)
            return error_set(err, "expected client=COLUMN,server=COLUMN,time=COLUMN, of these and of port, source-port "
                                  "and name those that differ");
        if (value >= COLUMN_MAX)
            return error_set(err, "expected names of columns below %d characters", COLUMN_MAX);
        memset(fields->name[field], 0, sizeof(fields->name[field]));
        memcpy(fields->name[field][0], text + len + 1, value);
        text += len + 1 + value;
        if (*text == '\0')
            return 0;
        text++;
    }
}

void flow_reader_begin(struct flow_reader *reader, const struct flow_format *format, const struct flow_fields *changed)
{
    size_t i, j;
    struct flow_fields *fields = &reader->fields;
    memset(reader, 0, sizeof(*reader));
    reader->format = format;
    reader->zone.is_local = format->is_local_time;
    for (i = 0; i < FIELDS; i++) {
        bool is_changed = changed && changed->name[i][0][0];
        for (j = 0; j < FIELD_CHOICES; j++) {
            const char *name = is_changed ? changed->name[i][j] : format->fields[i][j];
            snprintf(fields->name[i][j], COLUMN_MAX, "%s", name ? name : "");
        }
    }
}

enum piece flow_refuse(struct flow_reader *reader, bool is_unfit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reader->room, sizeof(reader->room), format, args);
    va_end(args);
    reader->why = reader->room;
    return is_unfit ? PIECE_UNFIT : PIECE_UNREADABLE;
}

enum piece flow_check_fields(struct flow_reader *reader, const bool has[FIELDS], bool is_unfit)
{
    char all[sizeof(reader->room) - 100] = "";
    size_t i, used = 0;
    for (i = 0; i < FIELDS; i++) {
        const char *first = reader->fields.name[i][0], *other = reader->fields.name[i][1];
        bool is_needed = i < FIELDS_NEEDED || (i == FIELD_NAME && reader->wants_name);
        if (has[i] || !is_needed)
            continue;
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s (%s%s%s)", used ? ", " : "", flow_field_names[i],
                                 *first ? first : "not named", *other ? " or " : "", other);
        used = used < sizeof(all) ? used : sizeof(all) - 1;
    }
    if (used == 0)
        return PIECE_FLOW;
    return flow_refuse(reader, is_unfit, "there is no column for %s", all);
}

static bool take_address(const char *text, size_t len, uint8_t address[16], uint8_t *address_len)
{
    char word[64];
    if (len >= sizeof(word))
        return false;
    memcpy(word, text, len);
    word[len] = '\0';
    *address_len = strlen(word) == len ? (uint8_t)parse_address(word, address) : 0;
    return *address_len > 0;
}

/* A name that is known; one without text is none. */
static bool take_name(struct flow_reader *r, const char *text, size_t len, struct seen_flow *out)
{
    if (len >= sizeof(r->known))
        return false;
    memcpy(r->known, text, len);
    r->known[len] = '\0';
    out->known = len > 0 ? r->known : NULL;
    out->known_len = len;
    return true;
}

/* 0 where it is none: of ICMP other things stand there. */
static uint16_t read_port(const char *text, size_t len)
{
    char word[8];
    uint64_t number;
    if (len >= sizeof(word))
        return 0;
    memcpy(word, text, len);
    word[len] = '\0';
    return len > 0 && parse_number(word, 0, UINT16_MAX, &number, NULL) == 0 ? (uint16_t)number : 0;
}

bool flow_take_field(struct flow_reader *reader, enum flow_field field, const char *text, size_t len,
                     struct seen_flow *out)
{
    bool is_good = true;
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    switch (field) {
    case FIELD_CLIENT:
        is_good = take_address(text, len, out->client, &out->client_len);
        break;
    case FIELD_SERVER:
        is_good = take_address(text, len, out->server, &out->server_len);
        break;
    case FIELD_TIME:
        is_good = flow_time_parse(&reader->zone, text, len, &out->time_us);
        out->is_whole_second = reader->zone.is_whole_second;
        break;
    case FIELD_PORT:
        out->server_port = read_port(text, len);
        break;
    case FIELD_SOURCE_PORT:
        out->client_port = read_port(text, len);
        break;
    case FIELD_NAME:
        is_good = take_name(reader, text, len, out);
        break;
    case FIELDS:
        break;
    }
    if (!is_good)
        (void)flow_refuse(reader, false, "%s: expected %s", flow_field_names[field],
                          field == FIELD_TIME   ? "a time"
                          : field == FIELD_NAME ? "a name"
                                                : "an address");
    return is_good;
}
