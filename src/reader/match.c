/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/match.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"

int match_add_prefix(struct match_prefixes *prefixes, const char *text, struct error *err)
{
    static const char expected[] =
        "expected an IPv4 or IPv6 address, or a prefix such as 192.0.2.0/24 or 2001:db8::/32";
    char address[INET6_ADDRSTRLEN];
    struct match_prefix p = {.ip_vers = strchr(text, ':') ? 6 : 4};
    uint64_t most = p.ip_vers == 6 ? 128 : 32, bits = most;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (prefixes->count == MATCH_MAX)
        return error_set(err, "expected at most %d of them", MATCH_MAX);
    if (len >= sizeof(address))
        return error_set(err, "%s", expected);
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(p.ip_vers == 6 ? AF_INET6 : AF_INET, address, p.address) != 1 ||
        (slash && parse_number(slash + 1, 0, most, &bits, NULL) != 0))
        return error_set(err, "%s", expected);
    p.bits = (uint8_t)bits;
    prefixes->list[prefixes->count++] = p;
    return 0;
}

int match_add_name(struct match *match, const char *text, struct error *err)
{
    static const char expected[] = "expected NAME, *.NAME for all below it, or *TEXT* for names with TEXT in them";
    struct match_name n = {.form = MATCH_NAME};
    size_t len = strlen(text), i;
    if (match->names_count == MATCH_MAX)
        return error_set(err, "expected at most %d of them", MATCH_MAX);
    if (len > 2 && len < NAME_TEXT && text[0] == '*' && text[len - 1] == '*') {
        n.form = MATCH_TEXT;
        n.len = len - 2;
        for (i = 0; i < n.len; i++)
            n.bytes[i] = (uint8_t)tolower((unsigned char)text[i + 1]);
    } else {
        if (strncmp(text, "*.", 2) == 0) {
            n.form = MATCH_BELOW;
            text += 2;
        }
        n.len = name_parse(text, n.bytes);
    }
    /* A star within a name would be looked for as it stands. */
    if (n.len == 0 || (n.form == MATCH_TEXT ? memchr(n.bytes, '*', n.len) != NULL : strchr(text, '*') != NULL))
        return error_set(err, "%s", expected);
    match->names[match->names_count++] = n;
    return 0;
}

static bool has_prefix(const struct match_prefix *p, const uint8_t *address)
{
    size_t bytes = p->bits / 8, bits = p->bits % 8;
    if (memcmp(p->address, address, bytes) != 0)
        return false;
    return bits == 0 || ((p->address[bytes] ^ address[bytes]) >> (8 - bits)) == 0;
}

/* Whether one of `count` addresses lies in one of the prefixes. */
static bool in_prefixes(const struct match_prefixes *prefixes, uint8_t ip_vers, const uint8_t *addresses, size_t count)
{
    size_t i, j, size = ip_vers == 6 ? 16 : 4;
    for (i = 0; i < prefixes->count; i++)
        for (j = 0; j < count && prefixes->list[i].ip_vers == ip_vers; j++)
            if (has_prefix(&prefixes->list[i], addresses + j * size))
                return true;
    return false;
}

/* Whether the key lies below the one of the pattern: it ends with it, at the border of a label. */
static bool is_below(const uint8_t *wire, size_t len, const struct match_name *pattern)
{
    size_t at = 0;
    while (len - at > pattern->len)
        at += wire[at] + 1u;
    return at > 0 && len - at == pattern->len && memcmp(wire + at, pattern->bytes, pattern->len) == 0;
}

static bool is_name(const uint8_t *wire, size_t len, const struct match_name *pattern, const char *text,
                    size_t text_len)
{
    switch (pattern->form) {
    case MATCH_NAME:
        return len == pattern->len && memcmp(wire, pattern->bytes, len) == 0;
    case MATCH_BELOW:
        return is_below(wire, len, pattern);
    case MATCH_TEXT:
        return memmem(text, text_len, pattern->bytes, pattern->len) != NULL;
    }
    return false;
}

static bool has_name(const struct match *match, const struct dnsflow_record *record)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t wire[NAME_WIRE];
    char text[NAME_TEXT];
    size_t i, len, text_len;
    while ((len = name_next(&walk, wire)) > 0) {
        for (i = 0, text_len = 0; i < match->names_count; i++) {
            if (match->names[i].form == MATCH_TEXT && text_len == 0)
                text_len = name_text(wire, len, text);
            if (is_name(wire, len, &match->names[i], text, text_len))
                return true;
        }
    }
    return false;
}

static bool has_answer(const struct match *match, const struct dnsflow_record *record)
{
    return in_prefixes(&match->answers, 4, record->ip4s, record->ip4s_count) ||
           in_prefixes(&match->answers, 6, record->ip6s, record->ip6s_count);
}

bool match_record(const struct match *match, const struct dnsflow_record *record, int64_t time_us)
{
    if (!match->is_wanted)
        return true;
    if ((match->family && record->ip_vers != match->family) || (match->has_since && time_us < match->since_us) ||
        (match->has_until && time_us >= match->until_us))
        return false;
    if (match->clients.count > 0 && !in_prefixes(&match->clients, record->ip_vers, record->client, 1))
        return false;
    if (match->resolvers.count > 0 &&
        !(record->resolver && in_prefixes(&match->resolvers, record->ip_vers, record->resolver, 1)))
        return false;
    if (match->answers.count > 0 && !has_answer(match, record))
        return false;
    return match->names_count == 0 || has_name(match, record);
}
