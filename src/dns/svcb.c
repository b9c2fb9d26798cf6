/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SVCB and HTTPS answers (RFC 9460 section 2.2):
 *   priority 2, 0 = AliasMode | target name | parameters: key 2 | length 2 | value, as often as there are */
#include "dns/wire.h"

enum { PRIORITY = 2, PARAMETER = 4, KEY_IPV4HINT = 4, KEY_IPV6HINT = 6 };

/* The value is addresses, one behind the other. */
static void take_hints(const uint8_t *msg, const struct dns_rr *rr, size_t at, size_t len, size_t size,
                       struct dns_response *out)
{
    struct dns_rr address = {
        .type = size == 4 ? DNS_TYPE_A : DNS_TYPE_AAAA, .rdata_len = (uint16_t)size, .ttl = rr->ttl, .rdata_at = at};
    if (len == 0 || len % size != 0) {
        out->bad_lengths++;
        return;
    }
    for (; address.rdata_at < at + len; address.rdata_at += size)
        (void)dns_response_address(out, msg, &address);
}

static enum name_status read_parameters(const uint8_t *msg, const struct dns_rr *rr, size_t at,
                                        struct dns_response *out)
{
    size_t end = rr->rdata_at + rr->rdata_len;
    while (at < end) {
        if (end - at < PARAMETER)
            return NAME_BROKEN;
        uint16_t key = load_be16(msg + at);
        size_t len = load_be16(msg + at + 2);
        at += PARAMETER;
        if (end - at < len)
            return NAME_BROKEN;
        if (key == KEY_IPV4HINT || key == KEY_IPV6HINT)
            take_hints(msg, rr, at, len, key == KEY_IPV4HINT ? 4 : 16, out);
        at += len;
    }
    return NAME_OK;
}

enum name_status dns_svcb_read(const uint8_t *msg, const struct dns_rr *rr, struct writer *names,
                               struct dns_response *out)
{
    size_t at = rr->rdata_at + PRIORITY, end = rr->rdata_at + rr->rdata_len;
    if (rr->rdata_len < PRIORITY + 1)
        return NAME_BROKEN;
    bool is_alias = load_be16(msg + rr->rdata_at) == 0 && msg[at] != 0;
    enum name_status status = is_alias ? dns_response_name(out, msg, end, &at, names) : dns_name_skip(msg, end, &at);
    if (status != NAME_OK)
        return NAME_BROKEN;
    dns_response_ttl(out, rr->ttl);
    return load_be16(msg + rr->rdata_at) == 0 ? NAME_OK : read_parameters(msg, rr, at, out);
}
