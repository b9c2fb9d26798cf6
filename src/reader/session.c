/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { SUMMARY_EVERY = 100000, LINK_NULL = 0, PROTO_UDP = 17, FRAGMENTED_MAX = 256 };

/* Which of the three ways the records go. */
static bool open_takers(struct session *session)
{
    const struct reader_config *config = session->config;
    if (config->show_top || config->show_tables)
        return (session->tops = tops_create(session->sources)) != NULL;
    if (config->printer == &printer_cof)
        return (session->cof = cof_create(&session->out)) != NULL;
    if (!config->no_header && !config->stats_only && config->printer->header)
        config->printer->header(&session->out, &config->layout);
    return true;
}

int session_open(struct session *session, const struct reader_config *config, struct error *err)
{
    memset(session, 0, offsetof(struct session, out));
    output_init(&session->out, stdout);
    output_init(&session->side, config->printer->is_data_only ? stderr : stdout);
    session->config = config;
    session->has_rows_only = config->match.is_wanted || config->count > 0 || !config->layout.is_usual;
    session->sources = sources_create();
    session->reassembly = reassembly_create(FRAGMENTED_MAX, FRAGMENTED_MAX * 2, NULL, NULL);
    if (config->auth_path)
        session->verifier = verifier_create(config->auth_key);
    if (!session->sources || !session->reassembly || (config->auth_path && !session->verifier) || !open_takers(session))
        return error_set(err, "out of memory");
    if (config->filter && config->file && filter_create(config->filter, &session->filter, err) != 0)
        return -1;
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
    if (!source || source->malformed++ > 0 || session->config->show_top)
        return;
    (void)inet_ntop(source->ip_vers == 6 ? AF_INET6 : AF_INET, source->address, name, sizeof(name));
    log_line("malformed datagram from %s port %u: %s; more of this source are only counted", name, source->port,
             dnsflow_result_text(result));
}

/* With --auth-key: what is refused does not touch the accounts of its source but these. */
static bool is_genuine(struct session *session, struct source *source, const struct received *from,
                       const uint8_t *bytes, size_t len)
{
    if (!session->verifier)
        return true;
    enum verify_result result =
        verifier_check(session->verifier, bytes, len, &from->datagram, session->config->file ? 0 : from->time_us);
    if (result != VERIFY_OK && source)
        source->refused[result]++;
    return result == VERIFY_OK;
}

static void take_stats(struct session *session, const struct received *from, const struct source *source)
{
    const struct printer *printer = session->config->printer;
    if (session->tops || session->cof || session->has_rows_only)
        return; /* the accounts have them */
    if (printer->stats)
        printer->stats(&session->out, &session->config->layout, from);
    else
        printer_text.stats(side(session), &session->config->layout, from);
    if (session->config->stats_only && source)
        source_print(source, side(session));
}

static void take_record(struct session *session, const struct received *from, const struct dnsflow_record *record)
{
    const struct reader_config *config = session->config;
    int64_t time_us = received_record_time(from, record);
    session->records++;
    if (session->is_done || !match_record(&config->match, record, time_us))
        return;
    session->matched++;
    session->is_done = session->matched == config->count;
    if (session->tops)
        tops_add(session->tops, from, record);
    else if (session->cof)
        cof_add(session->cof, record, time_us);
    else
        config->printer->record(&session->out, &config->layout, from, record);
}

static void take_datagram(struct session *session, struct received *from, const struct source *source)
{
    struct dnsflow_record record;
    if (from->datagram.flags & DNSFLOW_FLAG_STATS)
        take_stats(session, from, source);
    else if (!session->config->stats_only)
        while (dnsflow_next_record(&from->datagram, &record))
            take_record(session, from, &record);
}

/* The payload of a datagram, whichever way it came. */
static void take_payload(struct session *session, struct received *from, const uint8_t *bytes, size_t len)
{
    struct source *source = sources_find(session->sources, from->ip_vers, from->address, from->port);
    session->other_sources += source == NULL;
    int result = dnsflow_decode(bytes, len, &from->datagram);
    if (result != DNSFLOW_OK) {
        refuse(session, source, result);
        return;
    }
    if (!is_genuine(session, source, from, bytes, len))
        return;
    if (source)
        source_count(source, &from->datagram, from->time_us);
    if (session->first_us == 0)
        session->first_us = session->gathered_us = from->time_us;
    session->last_us = from->time_us;
    session_tick(session, from->time_us);
    take_datagram(session, from, source);
    if (++session->datagrams % SUMMARY_EVERY == 0 && session->config->show_summaries) {
        sources_print(session->sources, side(session));
        output_text(side(session), "----------------------------------------\n");
    }
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
    take_payload(session, &from, udp.bytes, udp.len);
}

void session_datagram(struct session *session, const struct listener_datagram *datagram)
{
    struct received from = {.ip_vers = datagram->ip_vers,
                            .address = datagram->address,
                            .port = datagram->port,
                            .time_us = datagram->time_us};
    take_payload(session, &from, datagram->bytes, datagram->len);
}

void session_tick(struct session *session, int64_t now_us)
{
    int64_t interval_us = (int64_t)session->config->interval * SECOND_US;
    if (now_us < session->gathered_us)
        session->gathered_us = now_us; /* the time of captures may jump back */
    if (!session->cof || interval_us == 0 || now_us - session->gathered_us < interval_us)
        return;
    cof_print(session->cof);
    session->gathered_us = now_us;
}

double session_seconds(const struct session *session)
{
    return (double)(session->last_us - session->first_us) / SECOND_US;
}

/* What the sources' blocks do not say. */
static void print_notes(struct session *session, uint64_t dropped, struct output *out)
{
    if (session->config->match.is_wanted || session->config->count > 0)
        output_format(out, "records wanted: %" PRIu64 " of %" PRIu64 "\n", session->matched, session->records);
    if (session->cof && cof_early(session->cof) > 0)
        output_format(out, "printed before their time, for want of room: %" PRIu64 " times\n", cof_early(session->cof));
    if (session->malformed > 0)
        output_format(out, "malformed datagrams: %" PRIu64 "\n", session->malformed);
    if (session->other_sources > 0)
        output_format(out, "datagrams of more than %d sources: %" PRIu64 "\n", SOURCES_MAX, session->other_sources);
    if (dropped > 0)
        output_format(out,
                      "datagrams this reader's socket had no room for: %" PRIu64
                      " (seq_lost counts them too; a larger net.core.rmem_max helps)\n",
                      dropped);
}

int session_finish(struct session *session, uint64_t dropped, struct error *err)
{
    struct output *out = side(session);
    if (session->cof)
        cof_print(session->cof);
    if (session->config->show_tables) {
        tops_print(session->tops, session_seconds(session), &session->out);
        print_notes(session, dropped, &session->out);
    } else {
        output_text(out, "\nSummary:\n");
        sources_print(session->sources, out);
        print_notes(session, dropped, out);
    }
    output_flush(&session->out);
    output_flush(&session->side);
    if (session->out.failed && session->out.cause != EPIPE)
        return error_set(err, "standard output: %s", strerror(session->out.cause));
    return 0;
}

void session_close(struct session *session)
{
    sources_destroy(session->sources);
    reassembly_destroy(session->reassembly);
    verifier_destroy(session->verifier);
    filter_destroy(session->filter);
    tops_destroy(session->tops);
    cof_destroy(session->cof);
}
