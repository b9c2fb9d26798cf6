/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records are counted in tables: for --summary, and for --top, which draws them (reader/view.h). */
#include "reader/session.h"
#include "reader/tops.h"

static int open_tables(struct session *session)
{
    session->taken = tops_create(session->intake.sources);
    return session->taken ? 0 : -1;
}

static void close_tables(struct session *session)
{
    tops_destroy(session->taken);
}

static void take_record(struct session *session, const struct received *from, const struct dnsflow_record *record,
                        bool is_part)
{
    (void)from;
    tops_add(session->taken, record, is_part);
}

/* In place of empty tables. */
static void print_nothing(struct session *session, uint64_t dropped, struct output *out)
{
    if (!session->config->match.has_conditions)
        output_text(out, "records: 0\n");
    session_print_notes(session, dropped, out);
    if (session->intake.datagrams == 0)
        return;
    output_text(out, "times of the datagrams: ");
    output_iso_time(out, session->all.first_us);
    output_text(out, " to ");
    output_iso_time(out, session->all.last_us);
    output_char(out, '\n');
}

static void report(struct session *session, uint64_t dropped)
{
    bool is_nothing =
        session->matched == 0 && (session->config->match.has_conditions || session->intake.datagrams == 0);
    if (!session->config->show_tables) {
        session_print_summary(session, dropped);
        return;
    }
    if (is_nothing) {
        print_nothing(session, dropped, &session->out);
        return;
    }
    if (session_whole_seconds(session) > 0)
        sources_mark(session->intake.sources, session_whole_seconds(session));
    tops_print(session->taken, session_seconds(session), &session->out);
    session_print_notes(session, dropped, &session->out);
}

const struct taker taker_tables = {.open = open_tables, .close = close_tables, .record = take_record, .report = report};
