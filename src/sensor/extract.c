/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/extract.h"

#include "flow/wire.h"

enum { MESSAGE_SETS_MAX = 64 };

_Static_assert(MESSAGE_SETS_MAX >= DNSFLOW_RECORD_SETS_MAX, "a message of one record needs no limit of its own");

_Static_assert((int)DNS_NAMES_BYTES >= (int)DNSFLOW_LIMIT_IP4, "names that a datagram has room for are read");
_Static_assert((int)DNS_ANSWERS_BYTES >= (int)DNSFLOW_LIMIT_IP4, "answers that a datagram has room for are gathered");
_Static_assert((int)DNS_ANSWER_HEAD == (int)WIRE_ANSWER, "what is gathered is counted as it is written");
_Static_assert((int)DNS_NAMES_MAX == (int)WIRE_NAMES_MAX, "a record has as many names as the parser gives");
_Static_assert((int)DNS_OWNER_NONE == (int)DNSFLOW_OWNER_OTHER, "an owner is the same number in both");

static void note(struct counters *counters, enum drop_reason reason, uint64_t n)
{
    if (__builtin_expect(n > 0, 0))
        counter_add(&counters->drops[reason], n);
}

/* Adds the record whose names have been written to the encoder. The client is who the response went to. Inline, as
 * plain responses are many. */
static inline __attribute__((always_inline)) enum drop_reason
add_plain(struct extract *scratch, const struct net_payload *udp, int64_t time_us, unsigned set_flags,
          struct dnsflow_encoder *encoder, struct counters *counters)
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
    if (__builtin_expect((left_out.no_room | left_out.over_most | left_out.answers | response->incomplete) != 0, 0)) {
        note(counters, DROP_ADDRESSES_LOST, left_out.no_room);
        note(counters, DROP_SETS_CUT, left_out.over_most);
        note(counters, DROP_CUT_RECORDS, response->incomplete);
        note(counters, DROP_ANSWERS_CUT, left_out.answers && !(record->set_flags & DNSFLOW_SET_CUT));
    }
    return DROP_NONE;
}

__attribute__((noinline)) static enum drop_reason add_record(struct extract *scratch, const struct net_payload *udp,
                                                             int64_t time_us, unsigned set_flags,
                                                             struct dnsflow_encoder *encoder, struct counters *counters)
{
    return add_plain(scratch, udp, time_us, set_flags, encoder, counters);
}

__attribute__((noinline)) static enum drop_reason extract_mdns(struct extract *scratch, const struct net_payload *udp,
                                                               int64_t time_us, struct dnsflow_encoder *encoder,
                                                               struct counters *counters)
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

/* What the response came by, in the numbers of dnstap's SocketProtocol. */
static uint8_t transport_of(const struct net_payload *udp)
{
    if (udp->transport == NET_UDP || udp->transport == NET_TCP)
        return udp->transport == NET_UDP ? DNSFLOW_OVER_UDP : DNSFLOW_OVER_TCP;
    return udp->over;
}

/* The answers as a record has them. */
static void put_answers(struct extract *scratch)
{
    const struct dns_answers *answers = &scratch->answers;
    size_t used = 0;
    unsigned i;
    for (i = 0; i < answers->count; i++) {
        const struct dns_answer *a = &answers->list[i];
        const struct dnsflow_answer answer = {a->owner, a->type, a->ttl, a->rdata, a->rdata_len};
        used = dnsflow_put_answer(scratch->answer_bytes, used, sizeof(scratch->answer_bytes), &answer);
    }
    scratch->record.answers = scratch->answer_bytes;
    scratch->record.answers_len = used;
}

__attribute__((noinline)) static enum drop_reason extract_any(struct extract *scratch, const struct net_payload *udp,
                                                              int64_t time_us, unsigned set_flags,
                                                              struct dnsflow_encoder *encoder,
                                                              struct counters *counters)
{
    static const enum drop_reason kinds[DNS_KINDS] = {[DNS_NODATA] = DROP_NODATA_RECORDS,
                                                      [DNS_NXDOMAIN] = DROP_NXDOMAIN_RECORDS,
                                                      [DNS_ERROR] = DROP_ERROR_RECORDS,
                                                      [DNS_OTHER] = DROP_OTHER_RECORDS};
    struct dns_response *response = &scratch->response;
    struct dns_answers *answers = &scratch->answers;
    struct writer *names = flow_encoder_names(encoder);
    enum drop_reason why =
        dns_parse_any(udp->bytes, udp->len, udp->complete, scratch->options, names, response, answers);
    note(counters, DROP_ADDRESS_LENGTH, response->bad_lengths);
    if (why != DROP_NONE)
        return why;
    note(counters, DROP_NAMES_TRUNCATED, response->names_truncated);
    note(counters, DROP_ANSWERS_MALFORMED, answers->bad);
    note(counters, DROP_ANSWERS_CUT, answers->cut);
    scratch->record.rcode = answers->rcode;
    scratch->record.transport = transport_of(udp);
    put_answers(scratch);
    why = add_record(scratch, udp, time_us, set_flags | (answers->cut ? DNSFLOW_SET_CUT : 0u), encoder, counters);
    if (why == DROP_NONE && answers->kind != DNS_ADDRESS)
        counter_add(&counters->drops[kinds[answers->kind]], 1);
    scratch->record.answers_len = 0;
    scratch->record.rcode = scratch->record.transport = 0; /* mDNS has neither */
    return why;
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
    if (kind == EXTRACT_ANY)
        return extract_any(scratch, udp, time_us, set_flags[udp->transport], encoder, counters);
    struct writer *names = flow_encoder_names(encoder);
    enum drop_reason why = dns_parse_response(udp->bytes, udp->len, udp->complete,
                                              kind == EXTRACT_WITH_SVCB ? DNS_WITH_SVCB : 0, names, response);
    note(counters, DROP_ADDRESS_LENGTH, response->bad_lengths);
    if (why != DROP_NONE)
        return why;
    note(counters, DROP_NAMES_TRUNCATED, response->names_truncated);
    return add_plain(scratch, udp, time_us, set_flags[udp->transport], encoder, counters);
}
