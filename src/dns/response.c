/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Responses of recursive resolvers: the hot path. */
#include "dns/wire.h"

bool dns_looks_like_response(const uint8_t *msg, size_t len)
{
    if (len < DNS_HEADER)
        return false;
    uint16_t flags = load_be16(msg + 2);
    return (flags & DNS_FLAG_QR) && (flags & DNS_OPCODE_MASK) <= DNS_OPCODE_MAX && load_be16(msg + 4) <= 1;
}

static enum name_status read_answers(const uint8_t *msg, size_t len, size_t at, struct writer *names,
                                     struct dns_response *out)
{
    unsigned left = load_be16(msg + 6);
    struct dns_rr rr;
    for (; left > 0; left--) {
        enum name_status status = dns_rr_read(msg, len, &at, &rr);
        if (status != NAME_OK)
            return status;
        if (rr.type == DNS_TYPE_A || rr.type == DNS_TYPE_AAAA) {
            if (!dns_response_address(out, msg, &rr))
                out->bad_lengths++;
        } else if (rr.type == DNS_TYPE_CNAME) {
            if (dns_read_cname(msg, &rr, names, out) != NAME_OK)
                return NAME_BROKEN;
        } else if (dns_is_svcb(out->qtype) && dns_is_svcb(rr.type)) {
            if (dns_svcb_read(msg, &rr, names, out) != NAME_OK)
                return NAME_BROKEN;
        }
    }
    return NAME_OK;
}

enum drop_reason dns_parse_response(const uint8_t *msg, size_t len, bool complete, unsigned options,
                                    struct writer *names, struct dns_response *out)
{
    size_t at = DNS_HEADER;
    enum drop_reason why;
    enum name_status status;

    dns_response_reset(out);
    if (len > DNS_MESSAGE_MAX) {
        len = DNS_MESSAGE_MAX;
        complete = false;
    }
    if (len < DNS_HEADER)
        return complete ? DROP_DNS_SHORT : DROP_DNS_CUT;
    if ((why = dns_check_header(msg)) != DROP_NONE)
        return why;
    status = dns_read_question(msg, len, &at, names, out);
    if (status != NAME_OK)
        return status == NAME_CUT && !complete ? DROP_DNS_CUT : DROP_DNS_MALFORMED;
    if (out->qtype != DNS_TYPE_A && out->qtype != DNS_TYPE_AAAA && out->qtype != DNS_TYPE_ANY &&
        !((options & DNS_WITH_SVCB) && dns_is_svcb(out->qtype)))
        return DROP_DNS_QTYPE;
    status = read_answers(msg, len, at, names, out);
    if (status == NAME_BROKEN || (status == NAME_CUT && complete))
        return DROP_DNS_MALFORMED;
    out->incomplete = status == NAME_CUT;
    if (out->ip4_count + out->ip6_count == 0)
        return out->incomplete ? DROP_DNS_CUT : DROP_DNS_NO_ADDRESS;
    return DROP_NONE;
}
