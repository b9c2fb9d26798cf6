/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "base/bytes.h"
#include "dnsflow.h"

static const uint64_t EACH = UINT64_C(0x0101010101010101);

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

/* A byte below 128 lies in a range when adding to it reaches 128 from its first on, and does not yet behind its last.
 */
static uint64_t in_range(uint64_t low, uint8_t first, uint8_t last)
{
    return (low + (0x80u - first) * EACH) & ~(low + (0x7fu - last) * EACH);
}

/* How many of the bytes are not plain; eight at a time, the top bit of each telling. */
static size_t count_others(const uint8_t *bytes, size_t len)
{
    uint64_t word;
    size_t i, count = 0;
    for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        uint64_t low = word & 0x7f * EACH;
        uint64_t is_plain = (in_range(low | 0x20 * EACH, 'a', 'z') | in_range(low, '0', '9') | in_range(low, '-', '-') |
                             in_range(low, '_', '_')) &
                            ~word;
        count += ((~is_plain & 0x80 * EACH) >> 7) * EACH >> 56;
    }
    for (; i < len; i++)
        count += !plain[bytes[i]];
    return count;
}

/* Nearly every name is plain: copied at once, with dots for the length bytes of its labels. These are below all plain
 * bytes, so that there is nothing else to escape when there are no more others than labels. Returns the length of the
 * text, 0 when it is for the slow way to say. */
static size_t copy_plain(const uint8_t *at, const uint8_t *end, char *text, size_t size)
{
    enum { LABEL = '-' - 1, LONGEST = 254 };
    size_t len = 0, i, labels = 0, left = (size_t)(end - at);
    for (; len < left && at[len] != 0; labels++) {
        if (at[len] > LABEL)
            return 0;
        len += at[len] + 1u;
    }
    if (len == 0 || len >= left || len > LONGEST || size < len || count_others(at, len) != labels)
        return 0;
    memcpy(text, at + 1, len - 1);
    for (i = at[0] + 1u; i < len; i += at[i] + 1u)
        text[i - 1] = '.';
    text[len - 1] = '\0';
    return len - 1;
}

int dnsflow_name_text(const uint8_t **at, const uint8_t *end, const char *also, char *text, size_t size)
{
    struct reader in = reader_over(*at, (size_t)(end - *at));
    struct writer out = writer_over((uint8_t *)text, size ? size - 1 : 0);
    uint8_t len;

    if (size == 0)
        return -1;
    size_t plain_len = copy_plain(*at, end, text, size);
    if (plain_len > 0) {
        *at += plain_len + 2;
        return (int)plain_len;
    }
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
