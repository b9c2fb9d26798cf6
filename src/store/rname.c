/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/rname.h"

#include <stdio.h>
#include <string.h>

enum { LABELS_MAX = 128, DIGITS = 4 /* of \DDD */ };

static size_t put_byte(char *text, uint8_t c)
{
    if (c > 0x20 && c < 0x7f && c != '.' && c != '\\') {
        text[0] = (char)c;
        return 1;
    }
    text[0] = '\\';
    text[1] = (char)('0' + c / 100);
    text[2] = (char)('0' + c / 10 % 10);
    text[3] = (char)('0' + c % 10);
    return DIGITS;
}

size_t rname_of(const uint8_t *wire, size_t len, char rname[RNAME_TEXT])
{
    uint8_t starts[LABELS_MAX];
    size_t count = 0, used = 0, at = 0, i;
    for (; at < len && wire[at] != 0 && count < LABELS_MAX; at += wire[at] + 1u)
        starts[count++] = (uint8_t)at;
    while (count > 0) {
        const uint8_t *label = wire + starts[--count];
        for (i = 1; i <= label[0]; i++)
            used += put_byte(rname + used, label[i]);
        if (count > 0)
            rname[used++] = '.';
    }
    rname[used] = '\0';
    return used;
}

size_t rname_to_wire(const char *rname, uint8_t wire[NAME_WIRE])
{
    size_t at = NAME_WIRE - 1, len;
    wire[at] = 0;
    while (*rname) { /* each label goes in front of those before it */
        uint8_t label[64];
        for (len = 0; *rname && *rname != '.'; len++) {
            size_t taken = len < 63 ? name_parse_byte(rname, &label[1 + len]) : 0;
            if (taken == 0)
                return 0;
            rname += taken;
        }
        if (len == 0 || at < len + 1)
            return 0;
        label[0] = (uint8_t)len;
        at -= len + 1;
        memcpy(wire + at, label, len + 1);
        rname += *rname == '.';
        if (!*rname && rname[-1] == '.')
            return 0;
    }
    memmove(wire, wire + at, NAME_WIRE - at);
    return NAME_WIRE - at;
}

/* A name's text in so much room; what is no name stays as it is. */
static size_t name_to_text(const char *rname, char *text, size_t size)
{
    uint8_t wire[NAME_WIRE];
    const uint8_t *at = wire;
    size_t len = rname_to_wire(rname, wire);
    int used = len > 0 ? dnsflow_name_text(&at, wire + len, NULL, text, size) : -1;
    if (used < 0)
        used = snprintf(text, size, "%s", rname);
    return (size_t)used < size ? (size_t)used : size - 1;
}

/* The rest of a domain, or of all: "*.example.com", or "*". */
static size_t rest_to_text(const char *rname, size_t len, char text[NAME_TEXT])
{
    char domain[RNAME_TEXT];
    snprintf(domain, sizeof(domain), "%.*s", (int)(len - 1), rname);
    text[0] = '*';
    text[1] = len > 1 ? '.' : '\0';
    size_t used = len > 1 ? 2 + name_to_text(domain, text + 2, NAME_TEXT - 2) : 1;
    return used;
}

size_t rname_to_text(const char *rname, char text[NAME_TEXT])
{
    size_t len = strlen(rname);
    return len > 0 && rname[len - 1] == '.' ? rest_to_text(rname, len, text) : name_to_text(rname, text, NAME_TEXT);
}
