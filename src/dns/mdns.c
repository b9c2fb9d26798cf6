/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Multicast DNS (RFC 6762): answers without a question, each owner name a record of its own. The first pass finds the
 * owners and notes which answer belongs to which, so that a hostile message of thousands of answers costs each of them
 * one look. */
#include "dns/wire.h"

enum { NO_OWNER = 255 };

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* FNV-1a over the name in lower case. Length bytes are below 'A' and stay as they are. */
static uint32_t hash_name(const uint8_t *name, size_t len)
{
    uint32_t hash = 2166136261u;
    size_t i;
    for (i = 0; i < len; i++)
        hash = (hash ^ lower(name[i])) * 16777619u;
    return hash;
}

static bool same_name(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t i;
    if (a_len != b_len)
        return false;
    for (i = 0; i < a_len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

/* Index of the owner whose name is at msg[at], added if it is new; DNS_OWNERS_MAX when there is no place for it. */
static enum name_status owner_index(const uint8_t *msg, size_t len, size_t at, struct dns_owners *owners,
                                    unsigned *index_out)
{
    uint8_t name[DNS_NAME_MAX + DNS_NAME_SLACK], other[DNS_NAME_MAX + DNS_NAME_SLACK];
    struct writer out = writer_over(name, sizeof(name));
    size_t start = at;
    unsigned i;
    enum name_status status = dns_name_copy(msg, len, &at, &out);
    if (status != NAME_OK)
        return status;
    uint32_t hash = hash_name(name, writer_len(&out));
    for (i = 0; i < owners->count; i++) {
        struct writer seen = writer_over(other, sizeof(other));
        size_t seen_at = owners->name_at[i];
        if (owners->name_hash[i] != hash)
            continue;
        if (dns_name_copy(msg, len, &seen_at, &seen) == NAME_OK &&
            same_name(name, writer_len(&out), other, writer_len(&seen)))
            break;
    }
    if (i == owners->count && i < DNS_OWNERS_MAX) {
        owners->name_at[i] = (uint16_t)start;
        owners->name_hash[i] = hash;
        owners->count++;
    }
    *index_out = i;
    return NAME_OK;
}

static enum name_status skip_questions(const uint8_t *msg, size_t len, struct dns_owners *owners)
{
    unsigned i, count = load_be16(msg + 4);
    size_t at = DNS_HEADER;
    for (i = 0; i < count; i++) {
        enum name_status status = dns_name_skip(msg, len, &at);
        if (status != NAME_OK)
            return status;
        if (len - at < 4)
            return NAME_CUT;
        if (i == 0)
            owners->qtype = load_be16(msg + at);
        at += 4;
    }
    owners->answers_at = at;
    return NAME_OK;
}

static enum name_status note_owners(const uint8_t *msg, size_t len, struct dns_owners *owners)
{
    unsigned count = load_be16(msg + 6);
    size_t at = owners->answers_at;
    struct dns_rr rr;
    while (owners->answers_count < count) {
        size_t name_at = at;
        unsigned index = NO_OWNER;
        enum name_status status = dns_rr_read(msg, len, &at, &rr);
        if (status != NAME_OK)
            return status;
        bool is_address =
            (rr.type == DNS_TYPE_A && rr.rdata_len == 4) || (rr.type == DNS_TYPE_AAAA && rr.rdata_len == 16);
        if (!is_address && (rr.type == DNS_TYPE_A || rr.type == DNS_TYPE_AAAA))
            owners->bad_lengths++;
        if (is_address && owner_index(msg, len, name_at, owners, &index) != NAME_OK)
            return NAME_BROKEN;
        if (index == DNS_OWNERS_MAX) {
            owners->truncated = true;
            index = NO_OWNER;
        }
        owners->owner_of[owners->answers_count++] = (uint8_t)index;
    }
    return NAME_OK;
}

enum drop_reason dns_find_owners(const uint8_t *msg, size_t len, bool complete, struct dns_owners *owners)
{
    owners->count = 0;
    owners->truncated = false;
    owners->incomplete = false;
    owners->bad_lengths = 0;
    owners->qtype = 0;
    owners->answers_count = 0;
    if (len > DNS_MESSAGE_MAX) {
        len = DNS_MESSAGE_MAX;
        complete = false;
    }
    if (len < DNS_HEADER)
        return complete ? DROP_DNS_SHORT : DROP_DNS_CUT;
    uint16_t flags = load_be16(msg + 2);
    if (!(flags & DNS_FLAG_QR))
        return DROP_DNS_QUERY;
    if ((flags & DNS_RCODE_MASK) != 0)
        return (flags & DNS_RCODE_MASK) == DNS_RCODE_NXDOMAIN ? DROP_DNS_NXDOMAIN : DROP_DNS_RCODE;
    enum name_status status = skip_questions(msg, len, owners);
    if (status == NAME_OK)
        status = note_owners(msg, len, owners);
    if (status == NAME_BROKEN || (status == NAME_CUT && complete))
        return DROP_DNS_MALFORMED;
    owners->incomplete = status == NAME_CUT;
    if (owners->count == 0)
        return owners->incomplete ? DROP_DNS_CUT : DROP_DNS_NO_ADDRESS;
    return DROP_NONE;
}

void dns_owner_record(const uint8_t *msg, size_t len, const struct dns_owners *owners, unsigned index,
                      struct writer *names, struct dns_response *out)
{
    size_t at = owners->name_at[index], i;
    struct dns_rr rr;

    dns_response_reset(out);
    out->qtype = owners->qtype;
    out->incomplete = owners->incomplete;
    if (dns_name_copy(msg, len, &at, names) == NAME_OK)
        out->names_count = 1;
    at = owners->answers_at;
    for (i = 0; i < owners->answers_count && dns_rr_read(msg, len, &at, &rr) == NAME_OK; i++)
        if (owners->owner_of[i] == index)
            (void)dns_response_address(out, msg, &rr);
}
