/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which records are wanted. Conditions of different kinds must all hold; of several of one kind, one is enough. */
#ifndef DNSFLOW_RECORD_MATCH_H
#define DNSFLOW_RECORD_MATCH_H

#include <stdbool.h>

#include "base/error.h"
#include "base/prefix.h"
#include "dnsflow.h"
#include "record/name.h"

enum { MATCH_MAX = 64 }; /* conditions of a kind */

/* Whose addresses are looked at. */
enum match_whose { MATCH_CLIENT, MATCH_RESOLVER, MATCH_ANSWER, MATCH_WHOSE };

struct match_name {
    bool is_below; /* names below it, else it */
    size_t len;
    uint8_t bytes[NAME_WIRE]; /* a key (record/name.h) */
};

struct match_text {
    size_t len;
    uint8_t bytes[NAME_TEXT]; /* as names are printed, in lower case */
};

/* Numbers that have names: RCODE, type asked for, what the response came by. */
enum match_number { MATCH_RCODE, MATCH_QTYPE, MATCH_TRANSPORT, MATCH_NUMBERS };

struct match_numbers {
    size_t count;    /* of `list`: one of them */
    size_t unwanted; /* of `not`: none of them */
    uint16_t list[MATCH_MAX], not [MATCH_MAX];
};

/* To be filled by the functions below, from all zero. */
struct match {
    bool has_conditions; /* there is a condition at all */
    struct prefixes lists[MATCH_WHOSE];
    struct match_numbers numbers[MATCH_NUMBERS];
    size_t keys_count, texts_count;
    struct match_name keys[MATCH_MAX];
    struct match_text texts[MATCH_MAX];
    bool only_ip4, only_ip6;    /* families of client and resolver; both = either */
    int64_t since_us, until_us; /* since <= time < until */
    bool has_since, has_until;
};

/* Takes an address with or without /BITS; bits behind the prefix are ignored. Returns 0, or -1 with "expected ...". */
int match_add_prefix(struct match *match, enum match_whose whose, const char *text, struct error *err);

/* Takes NAME, *.NAME (all names below it) or *TEXT* (names in which it occurs); in UTF-8 also the name that this is in
 * DNS (record/idn.h). Returns 0, or -1 with "expected ...", also for what cannot occur. */
int match_add_name(struct match *match, const char *text, struct error *err);

/* Takes names or numbers, separated by commas; with ! in front those that are not wanted. Returns 0, or -1 with
 * "expected ...". */
int match_add_numbers(struct match *match, enum match_number what, const char *text, struct error *err);

/* Clients and resolvers of this family, 4 or 6. */
void match_add_family(struct match *match, uint8_t ip_vers);

/* Records from then on, and before then. */
void match_set_since(struct match *match, int64_t time_us);
void match_set_until(struct match *match, int64_t time_us);

/* Whether the time lies between --since and --until. */
static inline bool match_time(const struct match *match, int64_t time_us)
{
    return (!match->has_since || time_us >= match->since_us) && (!match->has_until || time_us < match->until_us);
}

/* Whether the record, whose response came at time_us, is wanted. */
bool match_record(const struct match *match, const struct dnsflow_record *record, int64_t time_us);

#endif
