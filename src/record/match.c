/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/match.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/dns_words.h"
#include "record/field.h"
#include "record/idn.h"
#include "record/pattern.h"

static const char expected_name[] = "expected NAME, *.NAME for all below it, or *TEXT* for names with TEXT in them";

int match_add_prefix(struct match *match, enum match_whose whose, const char *text, struct error *err)
{
    if (prefixes_add(&match->lists[whose], text, err) != 0)
        return -1;
    match->has_conditions = true;
    return 0;
}

/* Names beyond ASCII take two places. */
static int check_room(size_t count, struct error *err)
{
    if (count < MATCH_MAX)
        return 0;
    return error_set(err, "expected at most %d of them; one beyond ASCII counts twice", MATCH_MAX);
}

/* Of *TEXT*. */
static int add_text(struct match *match, const char *text, struct error *err)
{
    struct match_text *t = &match->texts[match->texts_count];
    if (pattern_check(text, true, err) != 0 || check_room(match->texts_count, err) != 0)
        return -1;
    t->len = pattern_text(text, t->bytes);
    match->texts_count++;
    match->has_conditions = true;
    return 0;
}

static int add_key(struct match *match, const char *text, bool is_below, struct error *err)
{
    struct match_name *n = &match->keys[match->keys_count];
    if (pattern_check(text, false, err) != 0 || check_room(match->keys_count, err) != 0)
        return -1;
    n->is_below = is_below;
    n->len = name_parse(text, n->bytes);
    if (n->len == 0)
        return error_set(err, "%s", expected_name);
    match->keys_count++;
    match->has_conditions = true;
    return 0;
}

/* *TEXT*, or NAME when it is no part. */
static int add_form(struct match *match, const char *text, bool is_part, bool is_below, struct error *err)
{
    return is_part ? add_text(match, text, err) : add_key(match, text, is_below, err);
}

/* A name beyond ASCII is looked for as DNS has it, and as the bytes it is, as multicast DNS has it (RFC 6762). The
 * latter may be too long for a name then. */
static int add_wide(struct match *match, const char *text, bool is_part, bool is_below, struct error *err)
{
    char dns[NAME_TEXT], bytes[4 * NAME_TEXT];
    size_t used = 0;
    int changed = idn_to_dns(text, dns, err);
    if (changed < 0 || (changed > 0 && add_form(match, dns, is_part, is_below, err) != 0))
        return -1;
    for (; *text && used + 5 <= sizeof(bytes); text++) {
        if (*text == '\\' && (unsigned char)text[1] > 0x7f)
            continue; /* it means no more than the byte */
        used += (size_t)snprintf(bytes + used, sizeof(bytes) - used, (unsigned char)*text > 0x7f ? "\\%03u" : "%c",
                                 (unsigned char)*text);
    }
    if (changed > 0 && pattern_check(bytes, is_part, NULL) != 0)
        return 0;
    return add_form(match, bytes, is_part, is_below, err);
}

int match_add_name(struct match *match, const char *text, struct error *err)
{
    char bare[4 * NAME_TEXT];
    size_t len = strlen(text);
    bool is_part = len > 2 && text[0] == '*' && text[len - 1] == '*', is_below = strncmp(text, "*.", 2) == 0;
    size_t skip = is_part ? 1 : is_below ? 2 : 0;
    len -= skip + is_part;
    if (len == 0 || memchr(text + skip, '*', len)) /* a star would be looked for as it stands */
        return error_set(err, "%s", expected_name);
    if (len >= sizeof(bare))
        return error_set(err, "expected at most 253 bytes, as no name has more");
    memcpy(bare, text + skip, len);
    bare[len] = '\0';
    if (idn_is_needed(bare))
        return add_wide(match, bare, is_part, is_below, err);
    return add_form(match, bare, is_part, is_below, err);
}

int match_add_numbers(struct match *match, enum match_number what, const char *text, struct error *err)
{
    static const struct {
        int (*parse)(const char *text, uint16_t *out);
        const char *expected;
    } kinds[MATCH_NUMBERS] = {
        [MATCH_RCODE] = {dns_rcode_parse, "RCODEs such as NXDOMAIN or 3"},
        [MATCH_QTYPE] = {dns_type_parse, "types such as TXT, TYPE65534 or 16"},
        [MATCH_TRANSPORT] = {field_transport_parse, "udp, tcp, tls, https, dnscrypt-udp, dnscrypt-tcp, quic, unknown"}};
    struct match_numbers *n = &match->numbers[what];
    bool is_not = *text == '!';
    size_t *count = is_not ? &n->unwanted : &n->count, len;
    uint16_t *list = is_not ? n->not : n->list;
    char word[32];
    match->has_conditions = true;
    for (;; text += len + 1) {
        text += is_not && *text == '!';
        len = strcspn(text, ",");
        snprintf(word, sizeof(word), "%.*s", (int)len, text);
        if (*count == MATCH_MAX)
            return error_set(err, "expected at most %d of them", MATCH_MAX);
        if (len >= sizeof(word) || kinds[what].parse(word, &list[*count]) != 0)
            return error_set(err, "expected %s, separated by commas, with ! in front: those that are not wanted",
                             kinds[what].expected);
        ++*count;
        if (!text[len])
            return 0;
    }
}

void match_add_family(struct match *match, uint8_t ip_vers)
{
    *(ip_vers == 6 ? &match->only_ip6 : &match->only_ip4) = true;
    match->has_conditions = true;
}

void match_set_since(struct match *match, int64_t time_us)
{
    match->since_us = time_us;
    match->has_since = match->has_conditions = true;
}

void match_set_until(struct match *match, int64_t time_us)
{
    match->until_us = time_us;
    match->has_until = match->has_conditions = true;
}

/* Whether the key lies below the one of the pattern: it ends with it, at the border of a label. */
static bool is_below(const uint8_t *wire, size_t len, const struct match_name *pattern)
{
    size_t at = 0;
    while (len - at > pattern->len)
        at += wire[at] + 1u;
    return at > 0 && len - at == pattern->len && memcmp(wire + at, pattern->bytes, pattern->len) == 0;
}

/* Whether one of the names is, or is below, one of the patterns that are names. */
static bool has_key(const struct match *match, const struct dnsflow_record *record)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t wire[NAME_WIRE];
    size_t i, len;
    while ((len = name_next(&walk, wire)) > 0)
        for (i = 0; i < match->keys_count; i++) {
            const struct match_name *n = &match->keys[i];
            if (n->is_below ? is_below(wire, len, n) : len == n->len && memcmp(wire, n->bytes, len) == 0)
                return true;
        }
    return false;
}

/* Whether one of the names has one of the texts in it. */
static bool has_text(const struct match *match, const struct dnsflow_record *record)
{
    struct name_walk walk = name_walk_over(record);
    char text[NAME_TEXT];
    size_t i, len;
    while (name_next_text(&walk, text, &len))
        for (i = 0; i < match->texts_count; i++)
            if (memmem(text, len, match->texts[i].bytes, match->texts[i].len))
                return true;
    return false;
}

static bool has_name(const struct match *match, const struct dnsflow_record *record)
{
    return (match->keys_count > 0 && has_key(match, record)) || (match->texts_count > 0 && has_text(match, record));
}

static bool has_answer(const struct match *match, const struct dnsflow_record *record)
{
    return prefixes_have(&match->lists[MATCH_ANSWER], 4, record->ip4s, record->ip4s_count) ||
           prefixes_have(&match->lists[MATCH_ANSWER], 6, record->ip6s, record->ip6s_count);
}

static bool has_number(const uint16_t *list, size_t count, uint16_t number)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (list[i] == number)
            return true;
    return false;
}

static bool has_numbers(const struct match *match, const struct dnsflow_record *record)
{
    const uint16_t values[MATCH_NUMBERS] = {
        [MATCH_RCODE] = record->rcode, [MATCH_QTYPE] = record->qtype, [MATCH_TRANSPORT] = record->transport};
    size_t i;
    for (i = 0; i < MATCH_NUMBERS; i++) {
        const struct match_numbers *n = &match->numbers[i];
        if ((n->count > 0 && !has_number(n->list, n->count, values[i])) || has_number(n->not, n->unwanted, values[i]))
            return false;
    }
    return true;
}

bool match_record(const struct match *match, const struct dnsflow_record *record, int64_t time_us)
{
    if (!match->has_conditions)
        return true;
    if ((match->only_ip4 != match->only_ip6 && record->ip_vers != (match->only_ip4 ? 4 : 6)) ||
        !match_time(match, time_us))
        return false;
    if (!has_numbers(match, record))
        return false;
    if (match->lists[MATCH_CLIENT].count > 0 &&
        !prefixes_have(&match->lists[MATCH_CLIENT], record->ip_vers, record->client, 1))
        return false;
    if (match->lists[MATCH_RESOLVER].count > 0 &&
        !(record->resolver && prefixes_have(&match->lists[MATCH_RESOLVER], record->ip_vers, record->resolver, 1)))
        return false;
    if (match->lists[MATCH_ANSWER].count > 0 && !has_answer(match, record))
        return false;
    return match->keys_count + match->texts_count == 0 || has_name(match, record);
}
