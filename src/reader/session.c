/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "print/column.h"
#include "reader/source_text.h"

enum { SUMMARY_EVERY = 100000, NAMED_MAX = 64 };

static bool has_limits(const struct session *session)
{
    return session->config->match.has_since || session->config->match.has_until;
}

static void extend(struct session_span *span, int64_t time_us)
{
    if (!span->is_set || time_us < span->first_us)
        span->first_us = time_us;
    if (!span->is_set || time_us > span->last_us)
        span->last_us = time_us;
    span->is_set = true;
}

/* Filters that look at what no sensor sends, " --rcode --qtype". */
static void add_filters(const struct match *match, enum field_need need, char *text, size_t size)
{
    static const struct {
        const char *option;
        enum field_need need;
    } filters[MATCH_NUMBERS] = {[MATCH_RCODE] = {"--rcode", NEEDS_RESULT},
                                [MATCH_QTYPE] = {"--qtype", NEEDS_TRAILER},
                                [MATCH_TRANSPORT] = {"--transport", NEEDS_RESULT}};
    size_t i, used = strlen(text);
    for (i = 0; i < MATCH_NUMBERS && used < size; i++)
        if (filters[i].need == need && match->numbers[i].count + match->numbers[i].unwanted > 0)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", filters[i].option);
}

static void say_missing(struct session *session, enum field_need need, const char *option)
{
    char names[256] = "";
    if (session->matched > 0)
        (void)layout_needing(&session->config->layout, need, names, sizeof(names));
    add_filters(&session->config->match, need, names, sizeof(names));
    if (!*names)
        return;
    session->has_told = true;
    log_line("%s: the sensors send none of these; start them with %s", names, option);
}

/* Once, if columns or filters were asked for that come to nothing as no sensor sends what they show. */
static void say_what_is_missing(struct session *session)
{
    if (session->has_told || session->records == 0)
        return;
    if (!session->has_trailers)
        say_missing(session, NEEDS_TRAILER, "-x (--extended)");
    if (!session->has_results)
        say_missing(session, NEEDS_RESULT, "--records");
}

/* ---- what the intake gives ---- */

static void take_datagram(void *context, const struct received *from, const struct source *source)
{
    struct session *session = context;
    extend(&session->all, from->time_us);
    session_tick(session, from->time_us);
    session->has_trailers |= from->datagram.has_trailer;
    if ((from->datagram.flags & DNSFLOW_FLAG_STATS) && session->taker->stats)
        session->taker->stats(session, from, source);
}

static bool is_wanted(struct session *session, const struct received *from, const struct dnsflow_record *record)
{
    const struct match *match = &session->config->match;
    int64_t time_us = received_record_time(from, record);
    if (session->is_done)
        return false;
    if (has_limits(session) && match_time(match, time_us))
        extend(&session->window, time_us);
    if (!match_record(match, record, time_us))
        return false;
    session->is_done = session->matched + 1 == session->config->count;
    return true;
}

/* The later parts of a split record repeat its names: these count once, unless --answer may have left out the part
 * before, which alone looks at what differs. */
static void take_record(void *context, const struct received *from, const struct dnsflow_record *record)
{
    struct session *session = context;
    session->records++;
    session->has_results |= record->transport != 0;
    if (session->is_choosy && !is_wanted(session, from, record))
        return;
    session->matched++;
    session->taker->record(session, from, record,
                           (record->set_flags & DNSFLOW_SET_CONTINUES) &&
                               session->config->match.lists[MATCH_ANSWER].count == 0);
}

static void take_malformed(void *context, const struct source *source, int result)
{
    struct session *session = context;
    char name[SOURCE_NAME];
    if (!source || source->malformed > 1 || session->named++ >= NAMED_MAX)
        return;
    source_name(source, name);
    log_line("malformed datagram from %s: %s; more of this source are only counted", name, dnsflow_result_text(result));
    if (session->named == NAMED_MAX)
        log_line("malformed datagrams of more sources are only counted");
}

/* ---- opening ---- */

static const struct taker *choose_taker(const struct reader_config *config)
{
    if (config->show_top || config->show_tables)
        return &taker_tables;
    return config->printer == &printer_cof ? &taker_cof : &taker_rows;
}

int session_open(struct session *session, const struct reader_config *config, const atomic_bool *stop,
                 struct error *err)
{
    const struct intake_options options = {
        .is_live = config->files_count == 0,
        .any_port = config->is_whole_filter,
        .keys = config->keys,
        .calls = {session, take_datagram, config->stats_only ? NULL : take_record, take_malformed}};
    memset(session, 0, offsetof(struct session, out));
    output_init(&session->out, STDOUT_FILENO, stop);
    output_init(&session->errors, STDERR_FILENO, stop);
    session->side = config->printer->is_data_only ? &session->errors : &session->out;
    session->config = config;
    session->is_choosy = config->match.has_conditions || config->count > 0;
    session->taker = choose_taker(config);
    if (intake_open(&session->intake, &options, err) != 0)
        return -1;
    if (session->taker->open(session) != 0)
        return error_set(err, "out of memory");
    if (config->filter && config->files_count > 0 && filter_create(config->filter, &session->filter, err) != 0)
        return -1;
    return 0;
}

void session_close(struct session *session)
{
    intake_close(&session->intake);
    filter_destroy(session->filter);
    session->taker->close(session);
}

/* ---- input ---- */

/* What is due once a datagram has been taken, or none was in it. */
static void end_datagram(struct session *session, uint64_t before)
{
    const struct reader_config *config = session->config;
    uint64_t count = session->intake.datagrams;
    if (count == before)
        return;
    if (config->files_count == 0)
        say_what_is_missing(session); /* who looks at what comes in does not wait for the end */
    if (config->show_summaries && count % SUMMARY_EVERY == 0) {
        sources_print(session->intake.sources, session->side);
        output_text(session->side, "----------------------------------------\n");
    }
}

void session_packet(struct session *session, const struct packet *packet)
{
    uint64_t before = session->intake.datagrams;
    if (session->filter && !filter_match(session->filter, packet)) {
        session->filtered++;
        return;
    }
    session->frames++;
    intake_packet(&session->intake, packet);
    end_datagram(session, before);
}

void session_datagram(struct session *session, const struct listener_datagram *datagram)
{
    uint64_t before = session->intake.datagrams;
    intake_datagram(&session->intake, datagram);
    end_datagram(session, before);
}

void session_tick(struct session *session, int64_t now_us)
{
    if (session->taker->tick)
        session->taker->tick(session, now_us);
}

void session_flush(struct session *session)
{
    output_flush(&session->out);
    output_flush(&session->errors);
}

/* ---- times ---- */

static double span_seconds(const struct session_span *span)
{
    return (double)(span->last_us - span->first_us) / SECOND_US;
}

int64_t session_last_us(const struct session *session)
{
    return has_limits(session) ? session->window.last_us : session->all.last_us;
}

double session_seconds(const struct session *session)
{
    return span_seconds(has_limits(session) ? &session->window : &session->all);
}

double session_whole_seconds(const struct session *session)
{
    return span_seconds(&session->all);
}

/* ---- the end ---- */

void session_print_notes(struct session *session, uint64_t dropped, struct output *out)
{
    const struct intake *in = &session->intake;
    const struct source_gone *gone = sources_gone(in->sources);
    if (session->is_choosy)
        output_format(out, "records wanted: %" PRIu64 " of %" PRIu64 "\n", session->matched, session->records);
    if (in->malformed > 0)
        output_format(out, "malformed datagrams: %" PRIu64 "\n", in->malformed);
    if (intake_refused(in) > 0)
        output_format(out, "datagrams not signed as they must be: %" PRIu64 "\n", intake_refused(in));
    if (in->other_sources > 0)
        output_format(out, "datagrams of more than %d sources: %" PRIu64 "\n", SOURCES_MAX, in->other_sources);
    if (gone->sources > 0)
        output_format(out,
                      "sources silent for an hour that made room for others: %" PRIu64 " (%" PRIu64
                      " datagrams, %" PRIu64 " lost)\n",
                      gone->sources, gone->datagrams, gone->lost);
    if (dropped > 0)
        output_format(
            out, "datagrams this reader's socket had no room for: %" PRIu64 " (a larger net.core.rmem_max helps)\n",
            dropped);
}

void session_print_summary(struct session *session, uint64_t dropped)
{
    output_text(session->side, "\nSummary:\n");
    sources_print(session->intake.sources, session->side);
    session_print_notes(session, dropped, session->side);
}

static void say_nothing_came(const struct session *session)
{
    const struct intake *in = &session->intake;
    if (in->datagrams + in->malformed + intake_refused(in) > 0 || session->frames + session->filtered == 0)
        return;
    const char *file = session->config->files_count == 1 ? session->config->files[0] : NULL;
    if (file && in->responses > 0)
        log_line("%s: a capture of DNS responses: make datagrams of it with dnsflow -r %s -w OUT",
                 strcmp(file, "-") == 0 ? "standard input" : file, file);
    else if (session->frames == 0)
        log_line("the filter accepts none of %" PRIu64 " frames", session->filtered);
    else
        log_line("no datagram%s in %" PRIu64 " frames", session->config->is_whole_filter ? "" : " to UDP port 5300",
                 session->frames);
}

void session_report(struct session *session, uint64_t dropped)
{
    session->taker->report(session, dropped);
}

int session_finish(struct session *session, uint64_t dropped, struct error *err)
{
    say_nothing_came(session);
    say_what_is_missing(session);
    session_report(session, dropped);
    output_flush(&session->out);
    if (session->out.failed && session->out.cause == EINTR)
        output_text(&session->errors, "standard output: nobody took the rest\n");
    output_flush(&session->errors);
    if (session->out.failed && session->out.cause != EPIPE && session->out.cause != EINTR)
        return error_set(err, "standard output: %s", strerror(session->out.cause));
    return 0;
}
