/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/session.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "reader/column.h"

enum { SUMMARY_EVERY = 100000, LINK_NULL = 0, PROTO_UDP = 17, PORT_DNS = 53, FRAGMENTED_MAX = 256, NAMED_MAX = 64 };

/* Which of the three ways the records go. */
static bool open_takers(struct session *session)
{
    const struct reader_config *config = session->config;
    if (config->show_top || config->show_tables)
        return (session->tops = tops_create(session->sources)) != NULL;
    if (config->printer == &printer_cof)
        return (session->cof = cof_create(&session->out)) != NULL;
    bool has_lines = !config->show_summaries && (!config->stats_only || config->printer == &printer_text);
    if (!config->no_header && has_lines && config->printer->header)
        config->printer->header(&session->out, &config->layout);
    return true;
}

int session_open(struct session *session, const struct reader_config *config, const atomic_bool *stop,
                 struct error *err)
{
    memset(session, 0, offsetof(struct session, out));
    output_init(&session->out, STDOUT_FILENO, stop);
    output_init(&session->errors, STDERR_FILENO, stop);
    session->side = config->printer->is_data_only ? &session->errors : &session->out;
    session->config = config;
    session->has_rows_only = config->match.has_conditions || config->count > 0 || !config->layout.is_usual;
    session->sources = sources_create();
    session->reassembly =
        reassembly_create(FRAGMENTED_MAX, FRAGMENTED_MAX * 2, config->files_count > 0 ? 0 : hash_seed(), NULL, NULL);
    if (config->auth_path)
        session->verifier = verifier_create(config->auth_key);
    if (!session->sources || !session->reassembly || (config->auth_path && !session->verifier) || !open_takers(session))
        return error_set(err, "out of memory");
    if (config->filter && config->files_count > 0 && filter_create(config->filter, &session->filter, err) != 0)
        return -1;
    return 0;
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
    char name[SOURCE_NAME];
    session->malformed++;
    if (!source || source->malformed++ > 0 || session->named++ >= NAMED_MAX)
        return;
    source_name(source, name);
    log_line("malformed datagram from %s: %s; more of this source are only counted", name, dnsflow_result_text(result));
    if (session->named == NAMED_MAX)
        log_line("malformed datagrams of more sources are only counted");
}

/* With --auth-key. */
static enum verify_result verify(struct session *session, const struct received *from, const uint8_t *bytes, size_t len)
{
    if (!session->verifier)
        return VERIFY_OK;
    return verifier_check(session->verifier, bytes, len, &from->datagram,
                          session->config->files_count > 0 ? 0 : from->time_us);
}

static void take_stats(struct session *session, const struct received *from, const struct source *source)
{
    const struct printer *printer = session->config->printer;
    if (session->tops || session->cof || session->has_rows_only || session->config->show_summaries)
        return; /* the accounts have them */
    if (printer->stats)
        printer->stats(&session->out, &session->config->layout, from);
    else
        printer_text.stats(session->side, &session->config->layout, from);
    if (session->config->stats_only && source)
        source_print(source, session->side);
}

static bool has_limits(const struct session *session)
{
    return session->config->match.has_since || session->config->match.has_until;
}

static void count_window(struct session *session, int64_t time_us)
{
    if (!has_limits(session) || session->is_done || !match_time(&session->config->match, time_us))
        return;
    if (!session->has_window || time_us < session->window_first_us)
        session->window_first_us = time_us;
    if (!session->has_window || time_us > session->window_last_us)
        session->window_last_us = time_us;
    session->has_window = true;
}

/* The later parts of a split record repeat its names: these count once, unless --answer may have left out the part
 * before, which alone looks at what differs. */
static void take_record(struct session *session, const struct received *from, const struct dnsflow_record *record)
{
    const struct reader_config *config = session->config;
    int64_t time_us = received_record_time(from, record);
    bool is_part = (record->set_flags & DNSFLOW_SET_CONTINUES) && config->match.answers.count == 0;
    session->records++;
    count_window(session, time_us);
    if (session->is_done || !match_record(&config->match, record, time_us))
        return;
    session->matched++;
    session->is_done = session->matched == config->count;
    if (session->tops)
        tops_add(session->tops, record, is_part);
    else if (session->cof)
        cof_add(session->cof, record, is_part, time_us);
    else if (!config->show_summaries)
        config->printer->record(&session->out, &config->layout, from, record);
}

/* Once, if columns were asked for that stay empty as no sensor sends them. */
static void say_no_trailers(struct session *session)
{
    char names[256];
    if (session->has_trailers || session->has_told || session->matched == 0 ||
        layout_extended(&session->config->layout, names, sizeof(names)) == 0)
        return;
    session->has_told = true;
    log_line("%s: the sensors send none of these; start them with -x (--extended)", names);
}

static void take_datagram(struct session *session, struct received *from, const struct source *source)
{
    struct dnsflow_record record;
    session->has_trailers |= from->datagram.has_trailer;
    if (from->datagram.flags & DNSFLOW_FLAG_STATS)
        take_stats(session, from, source);
    else if (!session->config->stats_only)
        while (dnsflow_next_record(&from->datagram, &record))
            take_record(session, from, &record);
    if (session->config->files_count == 0)
        say_no_trailers(session); /* who looks at what comes in does not wait for the end */
}

static void count_time(struct session *session, int64_t time_us)
{
    if (session->datagrams == 0)
        session->first_us = session->last_us = session->gathered_us = time_us;
    if (time_us < session->first_us)
        session->first_us = time_us;
    if (time_us > session->last_us)
        session->last_us = time_us;
}

/* The source as far as it is known; what is refused makes one known only while there are few of that kind. */
static struct source *find_source(struct session *session, const struct received *from, bool is_accepted)
{
    return sources_find(session->sources, from->ip_vers, from->address, from->port, is_accepted);
}

/* The payload of a datagram, whichever way it came. What is refused touches no account but those of refusals. */
static void take_payload(struct session *session, struct received *from, const uint8_t *bytes, size_t len)
{
    int result = dnsflow_decode(bytes, len, &from->datagram);
    if (result != DNSFLOW_OK) {
        refuse(session, find_source(session, from, false), result);
        return;
    }
    enum verify_result verified = verify(session, from, bytes, len);
    struct source *source = find_source(session, from, verified == VERIFY_OK);
    if (verified != VERIFY_OK) {
        session->refused++;
        if (source)
            source->refused[verified]++;
        return;
    }
    if (source)
        source_count(source, &from->datagram, from->time_us, &session->no_room);
    else
        session->other_sources++;
    count_time(session, from->time_us);
    session_tick(session, from->time_us);
    take_datagram(session, from, source);
    if (++session->datagrams % SUMMARY_EVERY == 0 && session->config->show_summaries) {
        sources_print(session->sources, session->side);
        output_text(session->side, "----------------------------------------\n");
    }
}

/* The UDP datagram in the frame, or that which the frame completes; *whole is room for it. */
static bool find_datagram(struct session *session, const struct packet *packet, struct packet *whole,
                          struct net_payload *udp)
{
    if (is_bare_datagram(packet, udp))
        return true;
    enum drop_reason why = net_decode(packet, NULL, udp);
    const struct ip_fragment *part = &udp->part; /* in IPv6 the first one's protocol counts (RFC 8200) */
    if (udp->fragment && (part->protocol == PROTO_UDP || (part->ip_vers == 6 && part->offset > 0))) {
        if (reassembly_add(session->reassembly, part, packet->time_us, whole) != REASSEMBLY_COMPLETE)
            return false;
        why = net_decode(whole, NULL, udp);
    }
    if (why != DROP_NONE || udp->transport != NET_UDP)
        return false;
    session->responses += udp->src_port == PORT_DNS && udp->len > 2 && (udp->bytes[2] & 0x80);
    return session->config->is_whole_filter || udp->dst_port == DNSFLOW_PORT;
}

void session_packet(struct session *session, const struct packet *packet)
{
    struct net_payload udp;
    struct packet whole;
    if (session->filter && !filter_match(session->filter, packet)) {
        session->filtered++;
        return;
    }
    session->frames++;
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
    session->no_room += datagram->dropped;
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

void session_flush(struct session *session)
{
    output_flush(&session->out);
    output_flush(&session->errors);
}

int64_t session_last_us(const struct session *session)
{
    return has_limits(session) ? session->window_last_us : session->last_us;
}

double session_seconds(const struct session *session)
{
    if (has_limits(session))
        return (double)(session->window_last_us - session->window_first_us) / SECOND_US;
    return session_whole_seconds(session);
}

double session_whole_seconds(const struct session *session)
{
    return (double)(session->last_us - session->first_us) / SECOND_US;
}

/* What the sources' blocks do not say. */
static void print_notes(struct session *session, uint64_t dropped, struct output *out)
{
    if (session->config->match.has_conditions || session->config->count > 0)
        output_format(out, "records wanted: %" PRIu64 " of %" PRIu64 "\n", session->matched, session->records);
    if (session->cof && cof_early(session->cof) > 0)
        output_format(out, "printed before their time, for want of room: %" PRIu64 " times\n", cof_early(session->cof));
    if (session->malformed > 0)
        output_format(out, "malformed datagrams: %" PRIu64 "\n", session->malformed);
    if (session->refused > 0)
        output_format(out, "datagrams not signed as they must be: %" PRIu64 "\n", session->refused);
    if (session->other_sources > 0)
        output_format(out, "datagrams of more than %d sources: %" PRIu64 "\n", SOURCES_MAX, session->other_sources);
    if (dropped > 0)
        output_format(
            out, "datagrams this reader's socket had no room for: %" PRIu64 " (a larger net.core.rmem_max helps)\n",
            dropped);
}

static void say_nothing_came(const struct session *session)
{
    if (session->datagrams + session->malformed + session->refused > 0 || session->frames + session->filtered == 0)
        return;
    const char *file = session->config->files_count == 1 ? session->config->files[0] : NULL;
    if (file && session->responses > 0)
        log_line("%s: a capture of DNS responses: make datagrams of it with dnsflow -r %s -w OUT",
                 strcmp(file, "-") == 0 ? "standard input" : file, file);
    else if (session->frames == 0)
        log_line("the filter accepts none of %" PRIu64 " frames", session->filtered);
    else
        log_line("no datagram%s in %" PRIu64 " frames", session->config->is_whole_filter ? "" : " to UDP port 5300",
                 session->frames);
}

/* In place of empty tables. */
static void print_nothing(struct session *session, uint64_t dropped, struct output *out)
{
    if (!session->config->match.has_conditions)
        output_text(out, "records: 0\n");
    print_notes(session, dropped, out);
    if (session->datagrams == 0)
        return;
    output_text(out, "times of the datagrams: ");
    output_iso_time(out, session->first_us);
    output_text(out, " to ");
    output_iso_time(out, session->last_us);
    output_char(out, '\n');
}

void session_report(struct session *session, uint64_t dropped)
{
    struct output *out = session->side;
    bool is_nothing = session->matched == 0 && (session->config->match.has_conditions || session->datagrams == 0);
    if (session->cof)
        cof_print(session->cof);
    if (is_nothing && session->config->show_tables) {
        print_nothing(session, dropped, &session->out);
    } else if (session->config->show_tables) {
        if (session_whole_seconds(session) > 0)
            sources_mark(session->sources, session_whole_seconds(session));
        tops_print(session->tops, session_seconds(session), &session->out);
        print_notes(session, dropped, &session->out);
    } else {
        output_text(out, "\nSummary:\n");
        sources_print(session->sources, out);
        print_notes(session, dropped, out);
    }
}

int session_finish(struct session *session, uint64_t dropped, struct error *err)
{
    say_nothing_came(session);
    say_no_trailers(session);
    session_report(session, dropped);
    output_flush(&session->out);
    if (session->out.failed && session->out.cause == EINTR)
        output_text(&session->errors, "standard output: nobody took the rest\n");
    output_flush(&session->errors);
    if (session->out.failed && session->out.cause != EPIPE && session->out.cause != EINTR)
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
