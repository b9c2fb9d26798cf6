/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/extract.h"

enum { MESSAGE_SETS_MAX = 64 };

_Static_assert(MESSAGE_SETS_MAX >= DNSFLOW_RECORD_SETS_MAX, "a message of one record needs no limit of its own");

static void note(struct counters *counters, enum drop_reason reason, uint64_t n)
{
    if (__builtin_expect(n > 0, 0))
        counter_add(&counters->drops[reason], n);
}

/* Adds the record whose names have been written to the encoder. The client is who the response went to. */
static enum drop_reason add_record(struct extract *scratch, const struct net_payload *udp, int64_t time_us,
                                   unsigned set_flags, struct dnsflow_encoder *encoder, struct counters *counters)
{
    const struct dns_response *response = &scratch->response;
    struct dnsflow_record *record = &scratch->record;
    struct flow_left_out left_out;
    record->ip_vers = udp->ip_vers;
    record->set_flags = (uint16_t)(set_flags | (response->incomplete ? DNSFLOW_SET_INCOMPLETE : 0));
    record->client = udp->dst;
    record->resolver = udp->src;
    record->names_count = response->names_count;
    record->ip4s = response->ip4;
    record->ip4s_count = response->ip4_count;
    record->ip6s = response->ip6;
    record->ip6s_count = response->ip6_count;
    record->time_us = time_us;
    record->min_ttl = response->min_ttl;
    record->qtype = response->qtype;
    record->client_port = udp->dst_port;
    int sets = flow_encoder_commit(encoder, record, MESSAGE_SETS_MAX - scratch->sets_before, &left_out);
    if (sets < 0)
        return DROP_OVERSIZE;
    counter_add(&counters->records, 1);
    counter_add(&counters->drops[DROP_SETS], (uint64_t)sets);
    if (__builtin_expect((left_out.no_room | left_out.over_most | response->incomplete) != 0, 0)) {
        note(counters, DROP_ADDRESSES_LOST, left_out.no_room);
        note(counters, DROP_SETS_CUT, left_out.over_most);
        note(counters, DROP_CUT_RECORDS, response->incomplete);
    }
    return DROP_NONE;
}

static enum drop_reason extract_mdns(struct extract *scratch, const struct net_payload *udp, int64_t time_us,
                                     struct dnsflow_encoder *encoder, struct counters *counters)
{
    struct dns_owners *owners = &scratch->owners;
    enum drop_reason why = dns_find_owners(udp->bytes, udp->len, udp->complete, owners);
    enum drop_reason result = DROP_OVERSIZE;
    uint64_t sets = counter_read(&counters->drops[DROP_SETS]);
    unsigned i;
    note(counters, DROP_ADDRESS_LENGTH, owners->bad_lengths);
    if (why != DROP_NONE)
        return why;
    note(counters, DROP_NAMES_TRUNCATED, owners->truncated);
    for (i = 0; i < owners->count; i++) {
        struct writer *names = flow_encoder_names(encoder);
        dns_owner_record(udp->bytes, owners, i, names, &scratch->response);
        scratch->sets_before = (int)(counter_read(&counters->drops[DROP_SETS]) - sets);
        if (scratch->sets_before == MESSAGE_SETS_MAX)
            note(counters, DROP_SETS_CUT, scratch->response.ip4_count + scratch->response.ip6_count);
        else if (add_record(scratch, udp, time_us, DNSFLOW_SET_MDNS, encoder, counters) == DROP_NONE)
            result = DROP_NONE;
    }
    scratch->sets_before = 0;
    return result;
}

enum drop_reason extract_message(struct extract *scratch, const struct net_payload *udp, int64_t time_us,
                                 enum extract_kind kind, struct dnsflow_encoder *encoder, struct counters *counters)
{
    static const unsigned set_flags[] = {[NET_UDP] = 0,
                                         [NET_TCP] = DNSFLOW_SET_TCP,
                                         [NET_DNSTAP] = DNSFLOW_SET_DNSTAP,
                                         [NET_DNSTAP_TCP] = DNSFLOW_SET_DNSTAP | DNSFLOW_SET_TCP};
    struct dns_response *response = &scratch->response;
    if (kind == EXTRACT_MDNS)
        return extract_mdns(scratch, udp, time_us, encoder, counters);
    struct writer *names = flow_encoder_names(encoder);
    enum drop_reason why = dns_parse_response(udp->bytes, udp->len, udp->complete,
                                              kind == EXTRACT_WITH_SVCB ? DNS_WITH_SVCB : 0, names, response);
    note(counters, DROP_ADDRESS_LENGTH, response->bad_lengths);
    if (why != DROP_NONE)
        return why;
    note(counters, DROP_NAMES_TRUNCATED, response->names_truncated);
    return add_record(scratch, udp, time_us, set_flags[udp->transport], encoder, counters);
}
