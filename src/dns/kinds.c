/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Responses of every kind, addresses or not (--records). */
#include "dns/wire.h"

enum { TAIL_MAX = 512 /* records behind the answers that are walked over for an OPT */ };

static const unsigned wanted_by[DNS_KINDS] = {[DNS_NODATA] = DNS_WITH_NODATA,
                                              [DNS_NXDOMAIN] = DNS_WITH_NXDOMAIN,
                                              [DNS_ERROR] = DNS_WITH_ERROR,
                                              [DNS_OTHER] = DNS_WITH_OTHER};

static bool asks_for_address(const struct dns_response *r)
{
    return r->qtype == DNS_TYPE_A || r->qtype == DNS_TYPE_AAAA || r->qtype == DNS_TYPE_ANY;
}

/* Whether dns_parse_response() takes addresses from the answers to such a question. */
static bool may_have_address(const struct dns_response *r, unsigned options)
{
    return asks_for_address(r) || ((options & DNS_WITH_SVCB) && dns_is_svcb(r->qtype));
}

/* Whether an answer is gathered, by question and its own type. */
static bool is_wanted(const uint8_t *msg, const struct dns_response *r, const struct dns_rr *rr)
{
    enum { CLASS_BEFORE_RDATA = 8, CLASS_IN = 1 };
    if (r->qtype == DNS_TYPE_A || r->qtype == DNS_TYPE_AAAA ||
        load_be16(msg + rr->rdata_at - CLASS_BEFORE_RDATA) != CLASS_IN)
        return false;
    return (rr->type != DNS_TYPE_RRSIG && rr->type != DNS_TYPE_NSEC) || rr->type == r->qtype;
}

static enum name_status take_rr(const uint8_t *msg, size_t owner_at, const struct dns_rr *rr, unsigned options,
                                struct writer *names, struct dns_response *out, struct dns_answers *answers)
{
    if (rr->type == DNS_TYPE_A || rr->type == DNS_TYPE_AAAA) {
        out->bad_lengths += !dns_response_address(out, msg, rr);
        return NAME_OK;
    }
    if (rr->type == DNS_TYPE_CNAME)
        return dns_read_cname(msg, rr, names, out);
    if (is_wanted(msg, out, rr))
        dns_answer_add(answers, msg, owner_at, rr);
    if ((options & DNS_WITH_SVCB) && dns_is_svcb(out->qtype) && dns_is_svcb(rr->type))
        return dns_svcb_read(msg, rr, names, out);
    return NAME_OK;
}

static enum name_status read_answers(const uint8_t *msg, size_t len, size_t *at, unsigned options, struct writer *names,
                                     struct dns_response *out, struct dns_answers *answers)
{
    unsigned left = load_be16(msg + 6);
    struct dns_rr rr;
    for (; left > 0; left--) {
        size_t owner_at = *at;
        enum name_status status = dns_rr_read(msg, len, at, &rr);
        if (status != NAME_OK)
            return status;
        if (take_rr(msg, owner_at, &rr, options, names, out, answers) != NAME_OK)
            return NAME_BROKEN;
    }
    return NAME_OK;
}

/* The upper bits of the RCODE, of the OPT in the additional section, whose owner is the root (RFC 6891 section 6.1). */
static uint16_t upper_rcode(const uint8_t *msg, size_t len, size_t at)
{
    unsigned authority = load_be16(msg + 8), all = authority + load_be16(msg + 10), i;
    struct dns_rr rr;
    for (i = 0; i < all && i < TAIL_MAX; i++) {
        size_t owner_at = at;
        if (dns_rr_read(msg, len, &at, &rr) != NAME_OK)
            return 0;
        if (i >= authority && rr.type == DNS_TYPE_OPT && msg[owner_at] == 0)
            return (uint16_t)(rr.ttl >> 24 << 4);
    }
    return 0;
}

static enum dns_kind kind_of(const struct dns_response *r, uint16_t rcode, unsigned options)
{
    if ((rcode & DNS_RCODE_MASK) == 0 && may_have_address(r, options) && r->ip4_count + r->ip6_count > 0)
        return DNS_ADDRESS;
    if (rcode != 0)
        return rcode == DNS_RCODE_NXDOMAIN ? DNS_NXDOMAIN : DNS_ERROR;
    return asks_for_address(r) ? DNS_NODATA : DNS_OTHER;
}

/* What dns_parse_response() calls one without an address. */
static enum drop_reason drop_of(const uint8_t *msg, const struct dns_response *r, unsigned options)
{
    enum drop_reason why = dns_check_header(msg);
    if (why != DROP_NONE)
        return why;
    if (!may_have_address(r, options))
        return DROP_DNS_QTYPE;
    return r->incomplete ? DROP_DNS_CUT : DROP_DNS_NO_ADDRESS;
}

/* By the header alone: DROP_NONE, or why it cannot be what is wanted. Errors come without RA too. */
static enum drop_reason look_at_header(const uint8_t *msg, unsigned options)
{
    enum drop_reason why = dns_check_header(msg);
    uint16_t flags = load_be16(msg + 2);
    unsigned rcode = flags & DNS_RCODE_MASK;
    if (why != DROP_DNS_NXDOMAIN && why != DROP_DNS_RCODE && (why != DROP_DNS_NOT_RA || rcode == 0))
        return why;
    bool is_wanted = options & (rcode == DNS_RCODE_NXDOMAIN ? DNS_WITH_NXDOMAIN | DNS_WITH_ERROR : DNS_WITH_ERROR);
    return is_wanted && (flags & DNS_OPCODE_MASK) == 0 && load_be16(msg + 4) == 1 ? DROP_NONE : why;
}

static void reset(struct dns_answers *answers, const struct writer *names)
{
    answers->kind = DNS_ADDRESS;
    answers->rcode = 0;
    answers->cut = false;
    answers->bad = answers->count = answers->names_known = 0;
    answers->bytes = answers->rewritten_len = 0;
    answers->pointers_left = DNS_POINTERS_MAX;
    answers->work_left = DNS_ANSWERS_WORK;
    answers->names_at = names->at;
}

static bool is_kind_wanted(const uint8_t *msg, enum dns_kind kind, bool is_incomplete, unsigned options)
{
    return (options & wanted_by[kind]) && (load_be16(msg + 2) & DNS_OPCODE_MASK) == 0 &&
           !(kind == DNS_NODATA && is_incomplete);
}

/* The answers have been read: what it is, and whether that is wanted. */
static enum drop_reason judge(const uint8_t *msg, enum name_status status, unsigned options, struct dns_response *out,
                              struct dns_answers *answers)
{
    enum dns_kind kind = answers->kind = kind_of(out, answers->rcode, options);
    if (kind == DNS_ADDRESS && status != NAME_BROKEN)
        return DROP_NONE;
    if (!is_kind_wanted(msg, kind, out->incomplete, options)) {
        enum drop_reason why = drop_of(msg, out, options);
        return status == NAME_BROKEN && why == DROP_DNS_NO_ADDRESS ? DROP_DNS_MALFORMED : why;
    }
    if (status == NAME_BROKEN)
        return DROP_DNS_MALFORMED;
    if ((load_be16(msg + 2) & DNS_FLAG_TC) && out->ip4_count + out->ip6_count == 0)
        return DROP_DNS_TRUNCATED;
    if (out->min_ttl == UINT32_MAX)
        out->min_ttl = 0;
    return DROP_NONE;
}

enum drop_reason dns_parse_any(const uint8_t *msg, size_t len, bool complete, unsigned options, struct writer *names,
                               struct dns_response *out, struct dns_answers *answers)
{
    size_t at = DNS_HEADER;
    enum drop_reason why;
    dns_response_reset(out);
    reset(answers, names);
    if (len > DNS_MESSAGE_MAX) {
        len = DNS_MESSAGE_MAX;
        complete = false;
    }
    if (len < DNS_HEADER)
        return complete ? DROP_DNS_SHORT : DROP_DNS_CUT;
    if ((why = look_at_header(msg, options)) != DROP_NONE)
        return why;
    answers->rcode = load_be16(msg + 2) & DNS_RCODE_MASK;
    enum name_status status = dns_read_question(msg, len, &at, names, out);
    if (status != NAME_OK)
        return status == NAME_CUT && !complete ? DROP_DNS_CUT : DROP_DNS_MALFORMED;
    if (answers->rcode == 0 && !may_have_address(out, options) && !(options & (DNS_WITH_OTHER | DNS_WITH_ERROR)))
        return DROP_DNS_QTYPE;
    status = read_answers(msg, len, &at, options, names, out, answers);
    if (status == NAME_CUT && complete)
        status = NAME_BROKEN;
    out->incomplete = status == NAME_CUT;
    if (status == NAME_OK)
        answers->rcode |= upper_rcode(msg, len, at);
    why = judge(msg, status, options, out, answers);
    if (why == DROP_NONE)
        dns_answers_own(answers, msg, len, names, out->names_count);
    return why;
}
