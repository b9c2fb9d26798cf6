/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/forgotten.h"

#include <string.h>

#include "base/prefix.h"
#include "record/idn.h"
#include "record/pattern.h"

static int read_name(struct forgotten_entry *entry, const char *text, struct error *err)
{
    struct prefixes prefixes = {.count = 0};
    char dns[NAME_TEXT];
    uint8_t wire[NAME_WIRE];
    if (text[0] == '\0' || text[0] == '*' || strcmp(text, ".") == 0)
        return error_set(err, "expected a name, *.NAME for all names below it, or a client's address");
    if (text[0] == '@')
        return error_set(err, "expected a name or address; of a file each line is to be told here, as by xargs");
    if (strchr(text, '/') && prefixes_add(&prefixes, text, NULL) == 0)
        return error_set(err, "expected one address, not a prefix, or a name");
    if (idn_is_needed(text)) {
        if (idn_to_dns(text, dns, err) < 0)
            return -1;
        text = dns;
    }
    if (pattern_check(text, false, err) != 0)
        return -1;
    size_t len = name_parse(text, wire);
    if (len == 0)
        return error_set(err, "expected a name, such as www.example.com");
    entry->rname_len = rname_of(wire, len, entry->rname);
    return 0;
}

int forgotten_add(struct forgotten *forgotten, const char *text, struct error *err)
{
    struct forgotten_entry entry = {.text = text};
    if (forgotten->count == FORGOTTEN_MAX)
        return error_set(err, "expected at most %d at a time", FORGOTTEN_MAX);
    entry.address_len = parse_address(text, entry.address);
    entry.is_below = entry.address_len == 0 && text[0] == '*' && text[1] == '.';
    if (entry.address_len == 0 && read_name(&entry, entry.is_below ? text + 2 : text, err) != 0)
        return -1;
    forgotten->list[forgotten->count++] = entry;
    return 0;
}

static bool is_named(const struct forgotten_entry *entry, const char *rname, size_t len)
{
    size_t own = entry->rname_len;
    if (entry->address_len > 0 || len < own || memcmp(rname, entry->rname, own) != 0)
        return false;
    return entry->is_below ? len > own && rname[own] == '.' : len == own;
}

bool forgotten_has_name(const struct forgotten *forgotten, const char *rname, size_t len)
{
    size_t i;
    for (i = 0; i < forgotten->count; i++)
        if (is_named(&forgotten->list[i], rname, len))
            return true;
    return false;
}

bool forgotten_has_address(const struct forgotten *forgotten, const uint8_t *address, size_t len)
{
    size_t i;
    for (i = 0; i < forgotten->count; i++) {
        const struct forgotten_entry *entry = &forgotten->list[i];
        if (entry->address_len > 0 && entry->address_len == len && memcmp(entry->address, address, len) == 0)
            return true;
    }
    return false;
}

/* Quotes around it, as of texts, are not part of it. */
static bool is_word(const struct forgotten *forgotten, const char *word, size_t len)
{
    char text[NAME_TEXT], rname[RNAME_TEXT];
    uint8_t wire[NAME_WIRE];
    if (len >= 2 && word[0] == '"' && word[len - 1] == '"') {
        word++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(text))
        return false;
    memcpy(text, word, len);
    text[len] = '\0';
    size_t wire_len = name_parse(text, wire);
    return wire_len > 0 && forgotten_has_name(forgotten, rname, rname_of(wire, wire_len, rname));
}

bool forgotten_has_word(const struct forgotten *forgotten, const char *text, size_t len)
{
    size_t at = 0, end;
    for (; at < len; at = end + 1) {
        const char *blank = memchr(text + at, ' ', len - at);
        end = blank ? (size_t)(blank - text) : len;
        if (is_word(forgotten, text + at, end - at))
            return true;
    }
    return false;
}
