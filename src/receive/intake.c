/* SPDX-License-Identifier: BSD-3-Clause */
#include "receive/intake.h"

#include <string.h>

#include "base/hash.h"
#include "net/numbers.h"

enum { PORT_DNS = 53, FRAGMENTED_MAX = 256 };

int intake_open(struct intake *intake, const struct intake_options *options, struct error *err)
{
    memset(intake, 0, sizeof(*intake));
    intake->options = *options;
    intake->sources = sources_create(options->whose, options->is_live);
    intake->reassembly =
        reassembly_create(FRAGMENTED_MAX, FRAGMENTED_MAX * 2, options->is_live ? hash_seed() : 0, NULL, NULL);
    if (options->keys.count > 0)
        intake->verifier = verifier_create(&options->keys);
    if (!intake->sources || !intake->reassembly || (options->keys.count > 0 && !intake->verifier))
        return error_set(err, "out of memory");
    return 0;
}

void intake_close(struct intake *intake)
{
    sources_destroy(intake->sources);
    reassembly_destroy(intake->reassembly);
    verifier_destroy(intake->verifier);
}

uint64_t intake_refused(const struct intake *intake)
{
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i < VERIFY_RESULTS; i++)
        sum += intake->refused[i];
    return sum;
}

static enum verify_result verify(struct intake *in, const struct received *from)
{
    if (!in->verifier)
        return VERIFY_OK;
    return verifier_check(in->verifier, from->bytes, from->len, &from->datagram,
                          in->options.is_live ? from->time_us : 0);
}

static void refuse_malformed(struct intake *in, const struct received *from, int result)
{
    struct source *source = sources_find(in->sources, from, SOURCE_UNPROVEN);
    in->malformed++;
    in->why_refused = "malformed";
    if (source)
        source->malformed++;
    in->options.calls.malformed(in->options.calls.context, source, result);
}

/* Whether it is the first of its number, as far as that can be told. */
static bool account(struct intake *in, struct source *source, const struct received *from)
{
    const struct intake_options *o = &in->options;
    enum source_age age = source && o->in_order ? source_age(source, &from->datagram) : SOURCE_NEW;
    in->older += age == SOURCE_OLDER;
    in->doubled += age == SOURCE_KNOWN;
    if (age != SOURCE_NEW)
        return false;
    bool is_first = !source || source_count(source, &from->datagram, from->time_us, &in->no_room);
    bool is_taken = is_first || !o->only_once || (o->in_order && !from->datagram.has_trailer);
    in->other_sources += !source;
    in->doubled += !is_taken;
    return is_taken;
}

static void take_received(struct intake *in, struct received *from)
{
    const struct intake_calls *calls = &in->options.calls;
    struct dnsflow_record record;
    int result = dnsflow_decode(from->bytes, from->len, &from->datagram);
    if (result != DNSFLOW_OK) {
        refuse_malformed(in, from, result);
        return;
    }
    enum verify_result verified = verify(in, from);
    struct source *source = sources_find(in->sources, from,
                                         verified != VERIFY_OK ? SOURCE_UNPROVEN
                                         : in->verifier        ? SOURCE_VERIFIED
                                                               : SOURCE_ACCEPTED);
    if (verified != VERIFY_OK) {
        in->refused[verified]++;
        in->why_refused = verify_text(verified);
        if (source)
            source->refused[verified]++;
        return;
    }
    if (!account(in, source, from))
        return;
    in->datagrams++;
    calls->datagram(calls->context, from, source);
    if (calls->record && !(from->datagram.flags & DNSFLOW_FLAG_STATS))
        while (dnsflow_next_record(&from->datagram, &record))
            calls->record(calls->context, from, &record);
}

/* A DLT_NULL frame with family 0 is a bare datagram: old sensors write files of these. */
static bool is_bare_datagram(const struct packet *packet, struct net_payload *udp)
{
    static const uint8_t family[4], nobody[4];
    if (packet->link_type != LINKTYPE_NULL || packet->captured_len < sizeof(family) ||
        memcmp(packet->bytes, family, sizeof(family)) != 0)
        return false;
    memset(udp, 0, sizeof(*udp));
    udp->ip_vers = 4;
    udp->src = nobody;
    udp->bytes = packet->bytes + sizeof(family);
    udp->len = packet->captured_len - sizeof(family);
    return true;
}

/* The UDP datagram in the frame, or that which the frame completes; *whole is room for it. */
static bool find_datagram(struct intake *in, const struct packet *packet, struct packet *whole, struct net_payload *udp)
{
    if (is_bare_datagram(packet, udp))
        return true;
    enum drop_reason why = net_decode(packet, NULL, udp);
    const struct ip_fragment *part = &udp->part; /* in IPv6 the first one's protocol counts (RFC 8200) */
    if (udp->fragment && (part->protocol == PROTO_UDP || (part->ip_vers == 6 && part->offset > 0))) {
        if (reassembly_add(in->reassembly, part, packet->time_us, whole) != REASSEMBLY_COMPLETE)
            return false;
        why = net_decode(whole, NULL, udp);
    }
    if (why != DROP_NONE || udp->transport != NET_UDP)
        return false;
    in->responses += udp->src_port == PORT_DNS && udp->len > 2 && (udp->bytes[2] & 0x80);
    return in->options.any_port || udp->dst_port == DNSFLOW_PORT;
}

void intake_packet(struct intake *intake, const struct packet *packet)
{
    struct net_payload udp;
    struct packet whole;
    if (!find_datagram(intake, packet, &whole, &udp))
        return;
    struct received from = {.ip_vers = udp.ip_vers,
                            .address = udp.src,
                            .port = udp.src_port,
                            .time_us = packet->time_us,
                            .bytes = udp.bytes,
                            .len = udp.len};
    take_received(intake, &from);
}

void intake_datagram(struct intake *intake, const struct listener_datagram *datagram)
{
    struct received from = {.ip_vers = datagram->ip_vers,
                            .address = datagram->address,
                            .port = datagram->port,
                            .time_us = datagram->time_us,
                            .bytes = datagram->bytes,
                            .len = datagram->len};
    intake->no_room += datagram->dropped;
    take_received(intake, &from);
}
