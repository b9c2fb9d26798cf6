/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/url.h"

#include <string.h>

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place. False: it cannot be decoded. */
static bool decode(char *text, bool is_parameter)
{
    char *to = text;
    for (; *text; text++, to++) {
        *to = is_parameter && *text == '+' ? ' ' : *text;
        if (*text != '%')
            continue;
        int high = digit(text[1]), low = high >= 0 ? digit(text[2]) : -1;
        if (low < 0 || high + low == 0)
            return false;
        *to = (char)(high << 4 | low);
        text += 2;
    }
    *to = '\0';
    return true;
}

/* Ends the text at the first `end`. Returns what is behind it, NULL: there is none. */
static char *cut(char *text, char end)
{
    char *at = strchr(text, end);
    if (at)
        *at++ = '\0';
    return at;
}

bool url_parse(char *path, char *query, struct url *out)
{
    char *next;
    out->segments_count = out->parameters_count = 0;
    for (; path && *path; path = next) {
        next = cut(path, '/');
        if (out->segments_count == URL_SEGMENTS || !decode(path, false))
            return false;
        out->segments[out->segments_count++] = path;
    }
    for (; query && *query; query = next) {
        next = cut(query, '&');
        if (*query == '\0')
            continue;
        char *value = cut(query, '=');
        if (out->parameters_count == URL_PARAMETERS || !decode(query, true) || (value && !decode(value, true)))
            return false;
        out->parameters[out->parameters_count++] = (struct url_parameter){query, value ? value : query + strlen(query)};
    }
    return true;
}

const char *url_parameter(const struct url *url, const char *name)
{
    size_t i;
    for (i = 0; i < url->parameters_count; i++)
        if (strcmp(url->parameters[i].name, name) == 0)
            return url->parameters[i].value;
    return NULL;
}

const char *url_unknown(const struct url *url, const char *const *names)
{
    size_t i, k;
    for (i = 0; i < url->parameters_count; i++) {
        const char *name = url->parameters[i].name;
        for (k = 0; names[k] && strcmp(names[k], name) != 0; k++)
            ;
        if (!names[k] || url_parameter(url, name) != url->parameters[i].value)
            return name;
    }
    return NULL;
}

void url_put(FILE *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:";
    for (; *text; text++)
        fprintf(out, strchr(plain, *text) ? "%c" : "%%%02X", (unsigned char)*text);
}
