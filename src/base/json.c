/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* Length of the UTF-8 character there, 0: it is none (RFC 3629). */
static size_t character(const unsigned char *t)
{
    size_t i, len = *t < 0x80 ? 1 : *t < 0xc2 ? 0 : *t < 0xe0 ? 2 : *t < 0xf0 ? 3 : *t < 0xf5 ? 4 : 0;
    for (i = 1; i < len; i++)
        if ((t[i] & 0xc0) != 0x80)
            return 0;
    bool is_bad = (*t == 0xe0 && t[1] < 0xa0) || (*t == 0xed && t[1] > 0x9f) || (*t == 0xf0 && t[1] < 0x90) ||
                  (*t == 0xf4 && t[1] > 0x8f);
    return is_bad ? 0 : len;
}

/* How many bytes stand there that are written as they are. */
static size_t plain(const unsigned char *t)
{
    size_t all = 0, len;
    while (t[all] >= 0x20 && t[all] != '"' && t[all] != '\\' && t[all] != 0x7f && (len = character(t + all)) > 0)
        all += len;
    return all;
}

void json_put(FILE *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', out);
    for (;;) {
        size_t len = plain(at);
        fwrite(at, 1, len, out);
        at += len;
        if (!*at)
            break;
        fprintf(out, *at == '"' || *at == '\\' ? "\\%c" : "\\u%04x", *at);
        at++;
    }
    fputc('"', out);
}
