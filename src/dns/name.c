/* SPDX-License-Identifier: BSD-3-Clause
 *
 * This file reads bytes without the cursor of base/bytes.h: every label of every response passes here, and each
 * length is tested once, right before its use. tests/prop holds it against a slow obvious twin. */
#include "dns/name.h"

enum { LABEL_MAX = 63, POINTER_TARGET = 0x3fff };

/* Labels that lie one behind the other, in moves of 16 bytes where the message has that many left; what they write too
 * much is overwritten by what follows or lies in the slack. */
static inline void copy_run(uint8_t *to, const uint8_t *from, size_t size, size_t available)
{
    size_t i;
    if (__builtin_expect(available < size + DNS_NAME_SLACK, 0)) {
        memcpy(to, from, size);
        return;
    }
    for (i = 0; i < size; i += DNS_NAME_SLACK)
        memcpy(to + i, from + i, DNS_NAME_SLACK);
}

enum name_status dns_name_copy(const uint8_t *msg, size_t len, size_t *at, unsigned *pointers, struct writer *out)
{
    size_t pos = *at, limit = pos, end = 0, used = 0;
    uint8_t *to = out->at;

    if (out->failed || writer_room(out) < DNS_NAME_MAX + DNS_NAME_SLACK)
        return NAME_BROKEN;
    for (;;) {
        size_t start = pos, too_long = start + DNS_NAME_MAX - used, stop = len < too_long ? len : too_long;
        while (pos < stop && (size_t)msg[pos] - 1 < LABEL_MAX)
            pos += (size_t)msg[pos] + 1;
        if (pos >= stop)
            return pos >= too_long && pos <= len ? NAME_BROKEN : NAME_CUT;
        copy_run(to + used, msg + start, pos - start, len - start);
        used += pos - start;
        if (msg[pos] == 0)
            break;
        if (msg[pos] < DNS_POINTER)
            return NAME_BROKEN;
        if (len - pos < 2)
            return NAME_CUT;
        size_t target = load_be16(msg + pos) & POINTER_TARGET;
        if (target >= limit || *pointers == 0)
            return NAME_BROKEN;
        --*pointers;
        if (end == 0)
            end = pos + 2;
        limit = pos = target;
    }
    to[used] = 0;
    out->at = to + used + 1;
    *at = end ? end : pos + 1;
    return NAME_OK;
}

enum name_status dns_name_skip(const uint8_t *msg, size_t len, size_t *at)
{
    size_t pos = *at;
    for (;;) {
        if (pos >= len)
            return NAME_CUT;
        size_t n = msg[pos];
        if (n >= DNS_POINTER) {
            if (len - pos < 2)
                return NAME_CUT;
            *at = pos + 2;
            return NAME_OK;
        }
        if (n > LABEL_MAX || pos + n - *at >= DNS_NAME_MAX)
            return NAME_BROKEN;
        pos += n + 1;
        if (n == 0) {
            *at = pos;
            return NAME_OK;
        }
    }
}
