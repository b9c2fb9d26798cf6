/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "base/bytes.h"
#include "dnsflow.h"

/* Letters, digits, '-' and '_' are nearly all there is: they never need a second look. */
static const uint8_t plain[256] = {
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['-'] = 1, ['_'] = 1,
};

/* Appends one other byte of a label. */
static void write_escaped(struct writer *out, uint8_t c, const char *also)
{
    char digits[4] = {'\\', (char)('0' + c / 100), (char)('0' + c / 10 % 10), (char)('0' + c % 10)};
    if (plain[c]) {
        write_u8(out, c);
        return;
    }
    if (c < 0x21 || c > 0x7e || (also && strchr(also, c))) {
        write_bytes(out, digits, sizeof(digits));
        return;
    }
    if (strchr(".\\\"();@$", c))
        write_u8(out, '\\');
    write_u8(out, c);
}

static void write_label(struct writer *out, const uint8_t *label, size_t len, const char *also)
{
    size_t i = 0;
    uint8_t *to = out->at;
    if (writer_room(out) >= len)
        while (i < len && plain[label[i]])
            *to++ = label[i++];
    out->at = to;
    for (; i < len; i++)
        write_escaped(out, label[i], also);
}

int dnsflow_name_text(const uint8_t **at, const uint8_t *end, const char *also, char *text, size_t size)
{
    struct reader in = reader_over(*at, (size_t)(end - *at));
    struct writer out = writer_over((uint8_t *)text, size ? size - 1 : 0);
    uint8_t len;

    if (size == 0)
        return -1;
    while ((len = read_u8(&in)) != 0) {
        const uint8_t *label = read_bytes(&in, len);
        if (!label || len > 63)
            return -1;
        if (writer_len(&out) > 0)
            write_u8(&out, '.');
        write_label(&out, label, len, also);
    }
    if (writer_len(&out) == 0)
        write_u8(&out, '.');
    if (in.failed || out.failed)
        return -1;
    *at = in.at;
    text[writer_len(&out)] = '\0';
    return (int)writer_len(&out);
}
