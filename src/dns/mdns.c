/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Multicast DNS (RFC 6762): answers without a question, each owner name a record of its own. One pass finds the owners
 * and notes the addresses of each. Most owners are pointers to where the name has been seen before, and are known by
 * that; others are spelled out and compared, for which the message has a budget. */
#include "dns/wire.h"

enum {
    NOBODY = DNS_OWNERS_MAX,
    /* What spelling out a name is charged, and what there is for each byte of a message: a name that is all there takes
     * 15 bytes with its answer, one that goes on behind a pointer 17 and mostly less than three times that in all. */
    CHARGE = 32,
    CHARGE_OCTET = 2,
    BUDGET = 5,
    BUDGET_BYTES = 9000, /* the longest mDNS message (RFC 6762 section 17) */
    POINTER_BYTES = 8,   /* a pointer may be followed for each so many; no name with one and its answer is so short */
};

_Static_assert(sizeof(((struct dns_owners *)0)->name[0]) >= DNS_NAME_MAX + DNS_NAME_SLACK,
               "a name can be copied there");

struct search {
    const uint8_t *msg;
    size_t len;
    struct dns_owners *owners;
    size_t budget;
    unsigned pointers;
};

/* The capital letters among eight octets made small. Lengths of labels are below 'A'. */
static uint64_t lower(uint64_t octets)
{
    const uint64_t each = 0x0101010101010101u;
    uint64_t low = octets & 0x7f * each;
    uint64_t from_a = low + (0x80 - 'A') * each, behind_z = low + (0x7f - 'Z') * each;
    uint64_t is_capital = (from_a ^ behind_z) & ~octets & 0x80 * each;
    return octets | is_capital >> 2;
}

/* The name in lower case into `out`, with up to 7 zeros behind it; returns a hash of it. */
static uint64_t lower_name(const uint8_t *name, size_t len, uint8_t *out)
{
    uint64_t hash = len, octets;
    size_t i;
    memcpy(out, name, len);
    memset(out + len, 0, sizeof(octets));
    for (i = 0; i < len; i += sizeof(octets)) {
        memcpy(&octets, out + i, sizeof(octets));
        octets = lower(octets);
        memcpy(out + i, &octets, sizeof(octets));
        hash = (hash ^ octets) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

/* The place of the owner in by_hash[], or the free one where it belongs; half of them are always free. */
static uint8_t *find_place(struct dns_owners *owners, uint64_t hash, const uint8_t *lower, size_t len)
{
    size_t slot = hash % sizeof(owners->by_hash);
    unsigned i;
    for (; (i = owners->by_hash[slot]) != 0; slot = (slot + 1) % sizeof(owners->by_hash))
        if (owners->name_hash[i - 1] == hash && owners->name_len[i - 1] == len &&
            memcmp(owners->lower[i - 1], lower, len) == 0)
            break;
    return &owners->by_hash[slot];
}

/* Index of the owner whose name is at msg[at], added if it is new; NOBODY when there is no place for it. */
static enum name_status owner_by_name(struct search *s, size_t at, unsigned *index_out)
{
    struct dns_owners *owners = s->owners;
    uint8_t spare[2][DNS_OWNER_ROOM];
    unsigned next = owners->count;
    uint8_t *name = next < DNS_OWNERS_MAX ? owners->name[next] : spare[0];
    uint8_t *lower = next < DNS_OWNERS_MAX ? owners->lower[next] : spare[1];
    struct writer out = writer_over(name, DNS_OWNER_ROOM);
    enum name_status status = dns_name_copy(s->msg, s->len, &at, &s->pointers, &out);
    size_t len = writer_len(&out), cost = CHARGE + CHARGE_OCTET * len;
    if (status != NAME_OK || cost > s->budget)
        return status == NAME_OK ? NAME_BROKEN : status;
    s->budget -= cost;
    uint64_t hash = lower_name(name, len, lower);
    uint8_t *place = find_place(owners, hash, lower, len);
    if (*place == 0 && next < DNS_OWNERS_MAX) {
        owners->name_len[next] = (uint16_t)len;
        owners->name_hash[next] = hash;
        owners->first[next] = owners->last[next] = 0;
        owners->count = *place = (uint8_t)(next + 1);
    }
    *index_out = *place != 0 ? *place - 1u : NOBODY;
    return NAME_OK;
}

/* The same, at once where a pointer leads to a place that is known. */
static enum name_status owner_at(struct search *s, size_t at, unsigned *index_out)
{
    struct dns_owners *owners = s->owners;
    size_t place = s->msg[at] >= DNS_POINTER ? load_be16(s->msg + at) & 0x3fffu : at;
    size_t slot = place & (DNS_OWNERS_SEEN - 1);
    if (owners->seen_at[slot] == place) {
        *index_out = owners->seen_owner[slot];
        return NAME_OK;
    }
    enum name_status status = owner_by_name(s, at, index_out);
    if (status == NAME_OK) {
        owners->seen_at[slot] = (uint16_t)place;
        owners->seen_owner[slot] = (uint8_t)*index_out;
    }
    return status;
}

static void note_address(struct dns_owners *owners, unsigned index, size_t rdata_at)
{
    unsigned entry = ++owners->addresses_count;
    owners->rdata_at[entry] = (uint16_t)rdata_at;
    owners->next[entry] = 0;
    if (owners->last[index] != 0)
        owners->next[owners->last[index]] = (uint16_t)entry;
    else
        owners->first[index] = (uint16_t)entry;
    owners->last[index] = (uint16_t)entry;
}

static enum name_status skip_questions(const uint8_t *msg, size_t len, size_t *answers_at, struct dns_owners *owners)
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
    *answers_at = at;
    return NAME_OK;
}

static enum name_status note_owners(struct search *s, size_t at)
{
    struct dns_owners *owners = s->owners;
    unsigned left = load_be16(s->msg + 6);
    struct dns_rr rr;
    for (; left > 0; left--) {
        size_t name_at = at;
        unsigned index;
        enum name_status status = dns_rr_read(s->msg, s->len, &at, &rr);
        if (status != NAME_OK)
            return status;
        if (rr.type != DNS_TYPE_A && rr.type != DNS_TYPE_AAAA)
            continue;
        if (rr.rdata_len != (rr.type == DNS_TYPE_A ? 4 : 16)) {
            owners->bad_lengths++;
            continue;
        }
        if (owner_at(s, name_at, &index) != NAME_OK)
            return NAME_BROKEN;
        if (index == NOBODY)
            owners->truncated = true;
        else
            note_address(owners, index, rr.rdata_at);
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
    owners->addresses_count = 0;
    memset(owners->by_hash, 0, sizeof(owners->by_hash));
    memset(owners->seen_at, 0xff, sizeof(owners->seen_at)); /* where no name is */
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
    size_t honest_len = len < BUDGET_BYTES ? len : BUDGET_BYTES;
    struct search search = {.msg = msg,
                            .len = len,
                            .owners = owners,
                            .budget = BUDGET * honest_len,
                            .pointers = (unsigned)honest_len / POINTER_BYTES};
    size_t answers_at = 0;
    enum name_status status = skip_questions(msg, len, &answers_at, owners);
    if (status == NAME_OK)
        status = note_owners(&search, answers_at);
    if (status == NAME_BROKEN || (status == NAME_CUT && complete))
        return DROP_DNS_MALFORMED;
    owners->incomplete = status == NAME_CUT;
    if (owners->count == 0)
        return owners->incomplete ? DROP_DNS_CUT : DROP_DNS_NO_ADDRESS;
    return DROP_NONE;
}

/* What stands before an address that has been noted is an answer: type 2, class 2, TTL 4, length 2. */
void dns_owner_record(const uint8_t *msg, const struct dns_owners *owners, unsigned index, struct writer *names,
                      struct dns_response *out)
{
    unsigned entry;

    dns_response_reset(out);
    out->qtype = owners->qtype;
    out->incomplete = owners->incomplete;
    out->names_count = 1;
    write_bytes(names, owners->name[index], owners->name_len[index]);
    for (entry = owners->first[index]; entry != 0; entry = owners->next[entry]) {
        const uint8_t *rdata = msg + owners->rdata_at[entry];
        struct dns_rr rr = {.type = load_be16(rdata - 10),
                            .ttl = load_be32(rdata - 6),
                            .rdata_len = load_be16(rdata - 2),
                            .rdata_at = owners->rdata_at[entry]};
        (void)dns_response_address(out, msg, &rr);
    }
}
