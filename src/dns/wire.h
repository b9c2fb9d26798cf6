/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of dns/: the parts of a message that all parsers walk over.
 *
 *   header    id 2 | flags 2 | question, answer, authority, additional count 2 each
 *   question  name | type 2 | class 2
 *   answer    name | type 2 | class 2 | TTL 4 | rdata length 2 | rdata */
#ifndef DNSFLOW_DNS_WIRE_H
#define DNSFLOW_DNS_WIRE_H

#include "base/dns_words.h"
#include "dns/message.h"
#include "dns/name.h"

enum {
    DNS_HEADER = 12,
    DNS_FLAG_QR = 0x8000,
    DNS_FLAG_TC = 0x0200,
    DNS_FLAG_RD = 0x0100,
    DNS_FLAG_RA = 0x0080,
    DNS_OPCODE_MASK = 0x7800,
    DNS_OPCODE_MAX = 6 << 11, /* DSO, RFC 8490 */
    DNS_RCODE_MASK = 0x000f,
    DNS_TYPE_A = 1,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_RRSIG = 46,
    DNS_TYPE_NSEC = 47,
    DNS_TYPE_SVCB = 64,
    DNS_TYPE_HTTPS = 65,
    DNS_TYPE_ANY = 255,
};

struct dns_rr {
    uint16_t type;
    uint16_t rdata_len;
    uint32_t ttl;
    size_t rdata_at;
};

/* Reads the answer at msg[*at], whose rdata is inside the message when this returns NAME_OK, and moves *at behind it.
 * Most owner names are a pointer, which needs no look at where it leads. */
static inline enum name_status dns_rr_read(const uint8_t *msg, size_t len, size_t *at, struct dns_rr *rr)
{
    size_t pos = *at;
    if (__builtin_expect(len - pos >= 2 && msg[pos] >= DNS_POINTER, 1)) {
        pos += 2;
    } else {
        enum name_status status = dns_name_skip(msg, len, &pos);
        if (status != NAME_OK)
            return status;
    }
    if (len - pos < 10)
        return NAME_CUT;
    rr->type = load_be16(msg + pos);
    rr->ttl = load_be32(msg + pos + 4);
    rr->rdata_len = load_be16(msg + pos + 8);
    rr->rdata_at = pos + 10;
    if (len - rr->rdata_at < rr->rdata_len)
        return NAME_CUT;
    *at = rr->rdata_at + rr->rdata_len;
    return NAME_OK;
}

static inline void dns_response_reset(struct dns_response *out)
{
    out->qtype = 0;
    out->names_count = 0;
    out->names_truncated = false;
    out->incomplete = false;
    out->pointers_left = DNS_POINTERS_MAX;
    out->bad_lengths = 0;
    out->min_ttl = UINT32_MAX;
    out->ip4_count = 0;
    out->ip6_count = 0;
}

static inline void dns_response_ttl(struct dns_response *out, uint32_t ttl)
{
    if (ttl >> 31)
        ttl = 0;
    if (ttl < out->min_ttl)
        out->min_ttl = ttl;
}

/* Appends the address of an A or AAAA answer. False: the answer's length is wrong. */
static inline bool dns_response_address(struct dns_response *out, const uint8_t *msg, const struct dns_rr *rr)
{
    if (rr->type == DNS_TYPE_A && rr->rdata_len == 4 && out->ip4_count < DNS_IP4_MAX)
        memcpy(out->ip4 + 4 * out->ip4_count++, msg + rr->rdata_at, 4);
    else if (rr->type == DNS_TYPE_AAAA && rr->rdata_len == 16 && out->ip6_count < DNS_IP6_MAX)
        memcpy(out->ip6 + 16 * out->ip6_count++, msg + rr->rdata_at, 16);
    else
        return false;
    dns_response_ttl(out, rr->ttl);
    return true;
}

/* What makes a record, by the header alone. */
static inline enum drop_reason dns_check_header(const uint8_t *msg)
{
    uint16_t flags = load_be16(msg + 2);
    unsigned rcode = flags & DNS_RCODE_MASK;
    if (!(flags & DNS_FLAG_QR))
        return DROP_DNS_QUERY;
    if (!(flags & DNS_FLAG_RD))
        return DROP_DNS_NOT_RD;
    if (!(flags & DNS_FLAG_RA))
        return DROP_DNS_NOT_RA;
    if (rcode != 0)
        return rcode == DNS_RCODE_NXDOMAIN ? DROP_DNS_NXDOMAIN : DROP_DNS_RCODE;
    return load_be16(msg + 4) == 1 ? DROP_NONE : DROP_DNS_QDCOUNT;
}

static inline enum name_status dns_read_question(const uint8_t *msg, size_t len, size_t *at, struct writer *names,
                                                 struct dns_response *out)
{
    enum name_status status = dns_name_copy(msg, len, at, &out->pointers_left, names);
    if (status != NAME_OK)
        return status;
    if (len - *at < 4)
        return NAME_CUT;
    out->qtype = load_be16(msg + *at);
    out->names_count = 1;
    *at += 4;
    return NAME_OK;
}

static inline bool dns_is_svcb(uint16_t type)
{
    return type == DNS_TYPE_SVCB || type == DNS_TYPE_HTTPS;
}

/* Appends the name at msg[*at], which must end before msg[end], and counts it. One that finds no place is passed over;
 * that there are more than DNS_NAMES_MAX is noted. */
static inline enum name_status dns_response_name(struct dns_response *out, const uint8_t *msg, size_t end, size_t *at,
                                                 struct writer *names)
{
    if (__builtin_expect(out->names_count == DNS_NAMES_MAX || writer_len(names) > DNS_NAMES_BYTES, 0)) {
        out->names_truncated |= out->names_count == DNS_NAMES_MAX;
        return dns_name_skip(msg, end, at);
    }
    out->names_count++;
    return dns_name_copy(msg, end, at, &out->pointers_left, names);
}

/* Takes the target of a CNAME answer, which must end where the rdata does. */
static inline enum name_status dns_read_cname(const uint8_t *msg, const struct dns_rr *rr, struct writer *names,
                                              struct dns_response *out)
{
    size_t at = rr->rdata_at, end = rr->rdata_at + rr->rdata_len;
    enum name_status status = dns_response_name(out, msg, end, &at, names);
    dns_response_ttl(out, rr->ttl);
    return status == NAME_OK && at == end ? NAME_OK : NAME_BROKEN;
}

/* Adds an answer to those that are gathered; its owner's name is at msg[owner_at]. */
void dns_answer_add(struct dns_answers *answers, const uint8_t *msg, size_t owner_at, const struct dns_rr *rr);

/* Finds out whose they are, when all names are known. */
void dns_answers_own(struct dns_answers *answers, const uint8_t *msg, size_t len, const struct writer *names,
                     unsigned names_count);

/* Takes the hints and the alias of an SVCB or HTTPS answer. */
enum name_status dns_svcb_read(const uint8_t *msg, const struct dns_rr *rr, struct writer *names,
                               struct dns_response *out);

#endif
