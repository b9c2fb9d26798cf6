/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a response holds, for comparing two readers of it, and names read in a slow obvious way. */
#ifndef DNSFLOW_FOUND_H
#define DNSFLOW_FOUND_H

#include "../unit/testing.h"

#include "dns/message.h"

/* ---- what is found in a message ---- */

struct found {
    bool accepted;
    size_t names_count, names_len, ip4_len, ip6_len;
    uint8_t names[DNS_NAMES_MAX * 255 + 64];
    uint8_t ip4[DNS_IP4_MAX * 4], ip6[DNS_IP6_MAX * 16];
};

static inline void found_reset(struct found *f)
{
    f->accepted = false;
    f->names_count = f->names_len = f->ip4_len = f->ip6_len = 0;
}

static inline void found_name(struct found *f, const uint8_t *name, size_t len)
{
    if (f->names_count == DNS_NAMES_MAX)
        return;
    memcpy(f->names + f->names_len, name, len);
    f->names_len += len;
    f->names_count++;
}

static inline void found_address(struct found *f, uint16_t type, const uint8_t *bytes, size_t len)
{
    if (type == TYPE_A && len == 4) {
        memcpy(f->ip4 + f->ip4_len, bytes, 4);
        f->ip4_len += 4;
    } else if (type == TYPE_AAAA && len == 16) {
        memcpy(f->ip6 + f->ip6_len, bytes, 16);
        f->ip6_len += 16;
    }
}

static inline bool same(const struct found *a, const struct found *b)
{
    if (!a->accepted || !b->accepted)
        return a->accepted == b->accepted;
    return a->names_count == b->names_count && a->names_len == b->names_len && a->ip4_len == b->ip4_len &&
           a->ip6_len == b->ip6_len && memcmp(a->names, b->names, a->names_len) == 0 &&
           memcmp(a->ip4, b->ip4, a->ip4_len) == 0 && memcmp(a->ip6, b->ip6, a->ip6_len) == 0;
}

/* ---- names ---- */

struct traced {
    bool whole;
    bool ahead;    /* a pointer leads to where its part began, or behind that */
    bool to_start; /* a pointer leads to offset 0 */
    size_t end;    /* behind the name where it stands */
    size_t len;
    uint8_t bytes[256];
};

/* Follows pointers wherever they lead. */
static inline struct traced trace_name(const uint8_t *msg, size_t len, size_t at)
{
    struct traced t = {0};
    size_t part = at, pointers = 0;
    while (at < len && pointers <= len) {
        size_t n = msg[at];
        if (n == 0) {
            t.bytes[t.len++] = 0;
            t.end = t.end ? t.end : at + 1;
            t.whole = true;
            break;
        }
        if (n >= 0xc0) {
            if (at + 2 > len)
                break;
            t.end = t.end ? t.end : at + 2;
            at = (n - 0xc0) << 8 | msg[at + 1];
            t.ahead = t.ahead || at >= part;
            t.to_start = t.to_start || at == 0;
            part = at;
            pointers++;
            continue;
        }
        if (n > 63 || at + 1 + n > len || t.len + 1 + n > 254)
            break;
        memcpy(t.bytes + t.len, msg + at, n + 1);
        t.len += n + 1;
        at += n + 1;
    }
    return t;
}

/* Behind the name at `at`, 0 if there is none. */
static inline size_t skip_name(const uint8_t *msg, size_t len, size_t at)
{
    for (size_t used = 0; at < len;) {
        size_t n = msg[at];
        if (n >= 0xc0)
            return at + 2 <= len ? at + 2 : 0;
        if (n > 63 || used + n + 1 > 255)
            return 0;
        used += n + 1;
        at += n + 1;
        if (n == 0)
            return at;
    }
    return 0;
}

#endif
