/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"

enum { SUMMARY_EVERY = 100000, LINK_NULL = 0, PROTO_UDP = 17, FRAGMENTED_MAX = 256 };

int session_open(struct session *session, const struct reader_config *config, struct error *err)
{
    memset(session, 0, offsetof(struct session, out));
    session->config = config;
    session->datagrams = session->malformed = session->other_sources = 0;
    session->sources = sources_create();
    session->reassembly = reassembly_create(FRAGMENTED_MAX, FRAGMENTED_MAX * 2, NULL, NULL);
    if (config->auth_path)
        session->verifier = verifier_create(config->auth_key);
    if (!session->sources || !session->reassembly || (config->auth_path && !session->verifier))
        return error_set(err, "out of memory");
    if (config->filter && config->file && filter_create(config->filter, &session->filter, err) != 0)
        return -1;
    output_init(&session->out, stdout);
    output_init(&session->side, config->printer->is_data_only ? stderr : stdout);
    if (!config->no_header && !config->stats_only && config->printer->header)
        config->printer->header(&session->out);
    return 0;
}

/* Statistics and summaries share standard output with the rows, or have the other stream for themselves. */
static struct output *side(struct session *session)
{
    return session->config->printer->is_data_only ? &session->side : &session->out;
}

/* A DLT_NULL frame with family 0 is a bare datagram: old sensors write files of these. */
static bool is_bare_datagram(const struct packet *packet, struct net_payload *udp)
{
    static const uint8_t family[4], nobody[4];
    if (packet->link_type != LINK_NULL || packet->captured_len < sizeof(family) ||
        memcmp(packet->bytes, family, sizeof(family)) != 0)
        return false;
    memset(udp, 0, sizeof(*udp));
    udp->ip_vers = 4;
    udp->src = nobody;
    udp->bytes = packet->bytes + sizeof(family);
    udp->len = packet->captured_len - sizeof(family);
    return true;
}

static void refuse(struct session *session, struct source *source, int result)
{
    char name[INET6_ADDRSTRLEN];
    session->malformed++;
    if (!source || source->malformed++ > 0)
        return;
    (void)inet_ntop(source->ip_vers == 6 ? AF_INET6 : AF_INET, source->address, name, sizeof(name));
    log_line("malformed datagram from %s port %u: %s; more of this source are only counted", name, source->port,
             dnsflow_result_text(result));
}

/* With --auth-key: what is refused does not touch the accounts of its source but these. */
static bool is_genuine(struct session *session, struct source *source, const struct net_payload *udp,
                       const struct dnsflow_datagram *datagram, int64_t time_us)
{
    if (!session->verifier)
        return true;
    enum verify_result result =
        verifier_check(session->verifier, udp->bytes, udp->len, datagram, session->config->interface ? time_us : 0);
    if (result != VERIFY_OK && source)
        source->refused[result]++;
    return result == VERIFY_OK;
}

static void print_datagram(struct session *session, struct received *from, struct source *source)
{
    const struct printer *printer = session->config->printer;
    struct dnsflow_record record;
    if (from->datagram.flags & DNSFLOW_FLAG_STATS) {
        if (printer->stats)
            printer->stats(&session->out, from);
        else
            printer_text.stats(side(session), from);
        if (session->config->stats_only && source)
            source_print(source, side(session));
        return;
    }
    if (session->config->stats_only)
        return;
    while (dnsflow_next_record(&from->datagram, &record))
        printer->record(&session->out, from, &record);
}

/* The UDP datagram in the frame, or that which the frame completes; *whole is room for it. */
static bool find_datagram(struct session *session, const struct packet *packet, struct packet *whole,
                          struct net_payload *udp)
{
    if (is_bare_datagram(packet, udp))
        return true;
    enum drop_reason why = net_decode(packet, NULL, udp);
    if (udp->fragment && udp->part.protocol == PROTO_UDP) {
        if (reassembly_add(session->reassembly, &udp->part, packet->time_us, whole) != REASSEMBLY_COMPLETE)
            return false;
        why = net_decode(whole, NULL, udp);
    }
    return why == DROP_NONE && udp->transport == NET_UDP &&
           (session->config->is_whole_filter || udp->dst_port == DNSFLOW_PORT);
}

void session_packet(struct session *session, const struct packet *packet)
{
    struct net_payload udp;
    struct packet whole;
    if (session->filter && !filter_match(session->filter, packet))
        return;
    if (!find_datagram(session, packet, &whole, &udp))
        return;
    struct received from = {
        .ip_vers = udp.ip_vers, .address = udp.src, .port = udp.src_port, .time_us = packet->time_us};
    struct source *source = sources_find(session->sources, udp.ip_vers, udp.src, udp.src_port);
    session->other_sources += source == NULL;
    int result = dnsflow_decode(udp.bytes, udp.len, &from.datagram);
    if (result != DNSFLOW_OK) {
        refuse(session, source, result);
        return;
    }
    if (!is_genuine(session, source, &udp, &from.datagram, packet->time_us))
        return;
    if (source)
        source_count(source, &from.datagram, packet->time_us);
    print_datagram(session, &from, source);
    if (++session->datagrams % SUMMARY_EVERY == 0 && session->config->show_summaries) {
        sources_print(session->sources, side(session));
        output_text(side(session), "----------------------------------------\n");
    }
}

int session_close(struct session *session, struct error *err)
{
    struct output *out = side(session);
    int result = 0;
    output_text(out, "\nSummary:\n");
    sources_print(session->sources, out);
    if (session->malformed > 0)
        output_format(out, "malformed datagrams: %" PRIu64 "\n", session->malformed);
    if (session->other_sources > 0)
        output_format(out, "datagrams of more than %d sources: %" PRIu64 "\n", SOURCES_MAX, session->other_sources);
    output_flush(&session->out);
    output_flush(&session->side);
    if (session->out.failed && session->out.cause != EPIPE)
        result = error_set(err, "standard output: %s", strerror(session->out.cause));
    sources_destroy(session->sources);
    reassembly_destroy(session->reassembly);
    verifier_destroy(session->verifier);
    filter_destroy(session->filter);
    return result;
}
