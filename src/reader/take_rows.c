/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A row for each record, in the format that was asked for; statistics among them or beside them. */
#include "reader/session.h"
#include "reader/source_text.h"

static int open_rows(struct session *session)
{
    const struct reader_config *config = session->config;
    bool has_lines = !config->show_summaries && (!config->stats_only || config->printer == &printer_text);
    if (!config->no_header && has_lines && config->printer->header)
        config->printer->header(&session->out, &config->layout);
    return 0;
}

static void close_rows(struct session *session)
{
    (void)session;
}

static void take_record(struct session *session, const struct received *from, const struct dnsflow_record *record,
                        bool is_part)
{
    (void)is_part;
    if (!session->config->show_summaries)
        session->config->printer->record(&session->out, &session->config->layout, from, record);
}

/* Not where certain records are asked for. */
static void take_stats(struct session *session, const struct received *from, const struct source *source)
{
    const struct reader_config *config = session->config;
    if (session->is_choosy || !config->layout.is_usual || config->show_summaries)
        return;
    if (config->printer->stats)
        config->printer->stats(&session->out, &config->layout, from);
    else
        printer_text.stats(session->side, &config->layout, from);
    if (config->stats_only && source)
        source_print(source, session->side);
}

const struct taker taker_rows = {.open = open_rows,
                                 .close = close_rows,
                                 .record = take_record,
                                 .stats = take_stats,
                                 .report = session_print_summary};
