/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/name.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* Eight bytes at a time: the top bit of each of `is_upper` tells of a capital letter, and a quarter of it is the
 * distance between the cases. */
void name_lower(uint8_t *bytes, size_t len)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    size_t i = 0;
    uint64_t word;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        uint64_t low = word & 0x7f * each;
        uint64_t is_upper = ~word & ((low + (0x80 - 'A') * each) ^ (low + (0x7f - 'Z') * each)) & 0x80 * each;
        word |= is_upper >> 2;
        memcpy(bytes + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        bytes[i] = lower(bytes[i]);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t name_parse_byte(const char *text, uint8_t *out)
{
    *out = (uint8_t)text[0];
    if (text[0] != '\\')
        return 1;
    *out = (uint8_t)text[1];
    if (!is_digit(text[1]))
        return text[1] ? 2 : 0;
    if (!is_digit(text[2]) || !is_digit(text[3]))
        return 0;
    int value = (text[1] - '0') * 100 + (text[2] - '0') * 10 + text[3] - '0';
    *out = (uint8_t)value;
    return value <= 255 ? 4 : 0;
}

/* Length bytes are below 64 and so never letters. */
size_t name_parse(const char *text, uint8_t wire[NAME_WIRE])
{
    size_t used = 1, start = 0;
    if (strcmp(text, ".") == 0)
        text++;
    else if (!*text)
        return 0;
    while (*text) {
        uint8_t c;
        size_t taken = name_parse_byte(text, &c);
        bool is_end = *text == '.';
        if (taken == 0 || used >= NAME_WIRE || used - start > 64 || (is_end && used - start == 1))
            return 0;
        text += taken;
        if (is_end) {
            wire[start] = (uint8_t)(used - start - 1);
            start = used++;
        } else {
            wire[used++] = lower(c);
        }
    }
    if (used - start > 64)
        return 0;
    wire[start] = (uint8_t)(used - start - 1);
    if (used - start == 1)
        return used; /* the root, or a dot at the end */
    if (used >= NAME_WIRE)
        return 0;
    wire[used++] = 0;
    return used;
}

/* Moves behind the text name. */
static size_t next_text(struct name_walk *walk, uint8_t wire[NAME_WIRE])
{
    const char *text = (const char *)walk->at;
    walk->at += strnlen(text, (size_t)(walk->end - walk->at));
    if (walk->at >= walk->end)
        return 0; /* not terminated: the decoder has refused such */
    walk->at++;
    return name_parse(text, wire);
}

size_t name_next(struct name_walk *walk, uint8_t wire[NAME_WIRE])
{
    size_t len = 0;
    while (walk->left > 0 && walk->is_text) {
        walk->left--;
        if ((len = next_text(walk, wire)) > 0)
            return len;
        walk->has_skipped = true;
    }
    if (walk->left == 0 || walk->at >= walk->end)
        return 0;
    walk->left--;
    /* The decoder has found every name valid. */
    while (walk->at[len] != 0)
        len += walk->at[len] + 1u;
    len++;
    memcpy(wire, walk->at, len);
    name_lower(wire, len);
    walk->at += len;
    return len;
}

size_t name_escape_text(const uint8_t **at, const uint8_t *end, const char *also, char *text, size_t size)
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
    text[used] = '\0';
    return used;
}

bool name_next_text(struct name_walk *walk, char text[NAME_TEXT], size_t *len)
{
    static const char also[] = ",|";
    if (walk->left == 0)
        return false;
    walk->left--;
    if (walk->is_text) {
        *len = name_escape_text(&walk->at, walk->end, also, text, NAME_TEXT);
    } else {
        int used = dnsflow_name_text(&walk->at, walk->end, also, text, NAME_TEXT);
        *len = used > 0 ? (size_t)used : 0;
    }
    name_lower((uint8_t *)text, *len);
    return true;
}

size_t name_text(const uint8_t *wire, size_t len, char text[NAME_TEXT])
{
    int used = dnsflow_name_text(&wire, wire + len, ",|", text, NAME_TEXT);
    return used > 0 ? (size_t)used : 0;
}
