/* SPDX-License-Identifier: BSD-3-Clause
 *
 * This file reads bytes without the cursor of base/bytes.h: every label of every response passes here, and each
 * length is tested once, right before its use. tests/prop holds it against a slow obvious twin. */
#include "dns/name.h"

enum { LABEL_MAX = 63, POINTER = 0xc0 };

/* A label with its length byte. Most are shorter than 16 bytes and have 16 bytes of message behind them, so that one
 * fixed-size move does; what it writes too much is overwritten by the next label or lies in the slack. */
static inline void copy_label(uint8_t *to, const uint8_t *from, size_t size, size_t available)
{
    if (__builtin_expect(size <= DNS_NAME_SLACK && available >= DNS_NAME_SLACK, 1))
        memcpy(to, from, DNS_NAME_SLACK);
    else
        memcpy(to, from, size);
}

enum name_status dns_name_copy(const uint8_t *msg, size_t len, size_t *at, struct writer *out)
{
    size_t pos = *at, limit = pos, end = 0, used = 0;
    uint8_t *to = out->at;

    if (out->failed || writer_room(out) < DNS_NAME_MAX + DNS_NAME_SLACK)
        return NAME_BROKEN;
    for (;;) {
        if (pos >= len)
            return NAME_CUT;
        size_t n = msg[pos];
        if (n - 1 < LABEL_MAX) {
            size_t size = n + 1;
            if (size > len - pos)
                return NAME_CUT;
            if (used + size >= DNS_NAME_MAX)
                return NAME_BROKEN;
            copy_label(to + used, msg + pos, size, len - pos);
            used += size;
            pos += size;
        } else if (n == 0) {
            break;
        } else if (n >= POINTER) {
            if (len - pos < 2)
                return NAME_CUT;
            size_t target = (n & ~(size_t)POINTER) << 8 | msg[pos + 1];
            if (target >= limit)
                return NAME_BROKEN;
            if (end == 0)
                end = pos + 2;
            limit = pos = target;
        } else {
            return NAME_BROKEN;
        }
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
        if (n >= POINTER) {
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
