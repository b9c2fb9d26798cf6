/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/metrics.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/tcp_socket.h"
#include "base/unix_socket.h"
#include "base/version.h"
#include "http/server.h"

enum {
    STUCK_US = 5 * SECOND_US, /* a worker that did no round for so long is not healthy */
    LABEL_MAX = 5 * 280,      /* bytes of a label's value, each of them escaped */
};

struct metrics {
    struct http_server *server;
    struct sensor *sensor;
    struct live_thread *threads;
    const char *host; /* of the option */
    struct http_route routes[3];
    uint64_t beats[CONFIG_WORKERS_MAX]; /* heartbeats as of moved_us */
    int64_t moved_us[CONFIG_WORKERS_MAX];
};

int metrics_listen(const struct config *config, struct error *err)
{
    struct error why;
    int fd = config->metrics_path ? unix_socket_listen(config->metrics_path, config->metrics_mode, HTTP_BACKLOG, &why)
                                  : tcp_socket_listen(config->metrics.host, config->metrics.port, HTTP_BACKLOG, &why);
    return fd >= 0 ? fd : error_set(err, "option --metrics: %s", why.text);
}

/* ---- labels ---- */

/* Length of the UTF-8 character that a text begins with, 0 if it is none. */
static size_t character_len(const unsigned char *t)
{
    size_t i, len = *t < 0x80 ? 1 : *t < 0xc2 ? 0 : *t < 0xe0 ? 2 : *t < 0xf0 ? 3 : *t < 0xf5 ? 4 : 0;
    for (i = 1; i < len; i++)
        if ((t[i] & 0xc0) != 0x80)
            return 0;
    if ((*t == 0xe0 && t[1] < 0xa0) || (*t == 0xf0 && t[1] < 0x90))
        return 0; /* longer than needed */
    if ((*t == 0xed && t[1] > 0x9f) || (*t == 0xf4 && t[1] > 0x8f))
        return 0; /* surrogates, and what lies behind the last character */
    return len;
}

/* The value of a label as the formats want it: backslash, quote and newline escaped, in UTF-8. Other bytes, as a path
 * can hold, are shown as \xHH. What does not fit is left out. */
static const char *escape(const char *text, char out[LABEL_MAX + 1])
{
    size_t used = 0, len;
    for (; *text && used + 5 <= LABEL_MAX; text += len ? len : 1) {
        len = character_len((const unsigned char *)text);
        if (len == 0)
            used += (size_t)snprintf(out + used, 6, "\\\\x%02x", (unsigned char)*text);
        else if (*text == '\\' || *text == '"' || *text == '\n')
            out[used++] = '\\';
        memcpy(out + used, *text == '\n' ? "n" : text, len);
        used += len;
    }
    out[used] = '\0';
    return out;
}

/* What worker number `i` reads: workers are in the order of the interfaces, those of dnstap behind them. */
static const char *source_of(const struct sensor *s, unsigned i, char out[LABEL_MAX + 1])
{
    const struct config *c = s->config;
    unsigned interfaces = (unsigned)c->interfaces_count + (s->default_interface[0] != '\0');
    char text[sizeof(c->dnstap_addresses[0].text) + 8];
    if (i < interfaces * c->workers)
        return escape(s->default_interface[0] ? s->default_interface : c->interfaces[i / c->workers], out);
    i -= interfaces * c->workers;
    snprintf(text, sizeof(text), "%s:%s", c->dnstaps[i].path ? "unix" : "tcp",
             c->dnstaps[i].path ? c->dnstaps[i].path : c->dnstap_addresses[i].text);
    return escape(text, out);
}

/* ---- the text ---- */

struct page {
    struct evbuffer *out;
    bool is_open; /* OpenMetrics: a counter's family has no _total in its name */
    bool failed;  /* out of memory */
};

static void print(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print(struct page *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    p->failed |= evbuffer_add_vprintf(p->out, format, args) < 0;
    va_end(args);
}

static void begin_family(struct page *p, const char *name, const char *kind, const char *help)
{
    const char *suffix = strcmp(kind, "counter") == 0 && !p->is_open ? "_total" : "";
    print(p, "# HELP dnsflow_%s%s %s\n# TYPE dnsflow_%s%s %s\n", name, suffix, help, name, suffix, kind);
}

static void write_build(struct page *p)
{
    begin_family(p, "build_info", "gauge", "What is running.");
    print(p, "dnsflow_build_info{version=\"%s\"} 1\n", DNSFLOW_PROGRAM_VERSION);
}

/* A line of a worker: `labels` are names and values of more labels, NULL behind the last; or NULL. */
static void write_series(struct page *p, const struct metrics *m, const char *name, unsigned worker,
                         const char *const *labels, uint64_t n)
{
    char text[LABEL_MAX + 1];
    print(p, "dnsflow_%s{worker=\"%u\",interface=\"%s\"", name, worker, source_of(m->sensor, worker, text));
    for (; labels && *labels; labels += 2)
        print(p, ",%s=\"%s\"", labels[0], escape(labels[1], text));
    print(p, "} %" PRIu64 "\n", n);
}

/* A counter of each worker, at an offset in its counters. */
static void write_worker_counter(struct page *p, const struct metrics *m, const char *name, const char *help,
                                 size_t offset)
{
    char total[64];
    unsigned i;
    begin_family(p, name, "counter", help);
    snprintf(total, sizeof(total), "%s_total", name);
    for (i = 0; i < m->sensor->workers_count; i++) {
        const char *counters = (const char *)worker_counters(m->sensor->workers[i]);
        write_series(p, m, total, i, NULL, counter_read((const counter *)(const void *)(counters + offset)));
    }
}

static void write_reasons(struct page *p, const struct metrics *m, const char *name, const char *help,
                          enum drop_ledger ledger)
{
    char total[64];
    unsigned i, reason;
    begin_family(p, name, "counter", help);
    snprintf(total, sizeof(total), "%s_total", name);
    for (i = 0; i < m->sensor->workers_count; i++)
        for (reason = 0; reason < DROP_REASON_COUNT; reason++)
            if (drop_table[reason].ledger == ledger)
                write_series(p, m, total, i, (const char *const[]){"reason", drop_table[reason].token, NULL},
                             counter_read(&worker_counters(m->sensor->workers[i])->drops[reason]));
}

static void write_kernel(struct page *p, const struct metrics *m, const char *name, const char *help, size_t offset,
                         const char *kind)
{
    char series[64];
    unsigned i;
    begin_family(p, name, kind, help);
    snprintf(series, sizeof(series), "%s%s", name, strcmp(kind, "counter") == 0 ? "_total" : "");
    for (i = 0; i < m->sensor->workers_count; i++)
        write_series(p, m, series, i, NULL,
                     counter_read((const counter *)(const void *)((const char *)&m->threads[i] + offset)));
}

/* Of a collector that was named more than once, the first one speaks for all. */
static bool sum_collector(const struct metrics *m, unsigned worker, unsigned k, struct sink_output *out)
{
    const struct config *c = m->sensor->config;
    struct sink_output more;
    unsigned i, r;
    *out = (struct sink_output){0};
    for (i = 0; i < c->sinks_count; i++) {
        if (c->sinks[i].kind->is_file || strcmp(c->sinks[i].target.text, c->sinks[k].target.text) != 0)
            continue;
        if (i < k || !worker_output(m->sensor->workers[worker], i, &more))
            return false;
        out->name = more.name;
        out->sent += more.sent;
        for (r = 0; r < SINK_LOSSES; r++)
            out->lost[r] += more.lost[r];
        out->cause = out->cause ? out->cause : more.cause;
    }
    return true;
}

enum collector_family { COLLECTOR_SENT, COLLECTOR_LOST, COLLECTOR_UP };

static void write_collector(struct page *p, const struct metrics *m, enum collector_family family, unsigned worker,
                            const struct sink_output *o)
{
    const char *labels[] = {"collector", o->name, NULL, NULL, NULL};
    unsigned r;
    if (family == COLLECTOR_SENT)
        write_series(p, m, "collector_sent_total", worker, labels, o->sent);
    if (family == COLLECTOR_UP)
        write_series(p, m, "collector_up", worker, labels, o->cause == 0);
    labels[2] = "reason";
    for (r = 0; r < SINK_LOSSES && family == COLLECTOR_LOST; r++) {
        labels[3] = sink_loss_names[r];
        write_series(p, m, "collector_lost_total", worker, labels, o->lost[r]);
    }
}

static void write_collectors(struct page *p, const struct metrics *m, const char *name, const char *kind,
                             const char *help, enum collector_family family)
{
    struct sink_output output;
    unsigned i, k;
    begin_family(p, name, kind, help);
    for (i = 0; i < m->sensor->workers_count; i++)
        for (k = 0; k < m->sensor->config->sinks_count; k++)
            if (!m->sensor->config->sinks[k].kind->is_file && sum_collector(m, i, k, &output))
                write_collector(p, m, family, i, &output);
}

/* Of this page's own server. */
static void write_http(struct page *p, const struct metrics *m)
{
    struct http_stats s;
    size_t i;
    http_stats(m->server, &s);
    const struct {
        const char *reason;
        uint64_t n;
    } rows[] = {
        {"bad_request", s.bad},       {"left", s.left}, {"slow", s.slow},           {"crowded", s.crowded},
        {"slow_reader", s.slow_read}, {"full", s.full}, {"peer_full", s.peer_full}, {"no_descriptor", s.no_file}};
    begin_family(p, "http_requests", "counter", "HTTP requests answered.");
    print(p, "dnsflow_http_requests_total %" PRIu64 "\n", s.requests);
    begin_family(p, "http_refused", "counter", "HTTP connections that were refused, cut off or given up, by reason.");
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        print(p, "dnsflow_http_refused_total{reason=\"%s\"} %" PRIu64 "\n", rows[i].reason, rows[i].n);
}

static void write_all(struct page *p, const struct metrics *m)
{
    write_build(p);
    write_worker_counter(p, m, "frames", "Frames given to the decoder.", offsetof(struct counters, frames_seen));
    write_worker_counter(p, m, "frames_delivered", "Frames in which a DNS message ended.",
                         offsetof(struct counters, frames_delivered));
    write_worker_counter(p, m, "messages", "DNS messages parsed.", offsetof(struct counters, messages_parsed));
    write_worker_counter(p, m, "messages_with_record", "DNS messages that made a record.",
                         offsetof(struct counters, messages_with_record));
    write_worker_counter(p, m, "records", "Records made.", offsetof(struct counters, records));
    write_reasons(p, m, "frames_dropped", "Frames without a DNS message, by reason.", LEDGER_FRAME);
    write_reasons(p, m, "frames_absorbed", "Frames held for others.", LEDGER_ABSORBED);
    write_reasons(p, m, "messages_dropped", "DNS messages without a record, by reason.", LEDGER_MESSAGE);
    write_reasons(p, m, "notes", "What else is counted, by name.", LEDGER_NOTE);
    write_kernel(p, m, "kernel_received", "Packets behind the kernel's filter, dropped ones included.",
                 offsetof(struct live_thread, received), "counter");
    write_kernel(p, m, "kernel_dropped", "Packets dropped for want of room in the ring.",
                 offsetof(struct live_thread, dropped), "counter");
    write_kernel(p, m, "interface_dropped", "Packets dropped by the interface.",
                 offsetof(struct live_thread, if_dropped), "counter");
    write_kernel(p, m, "ring_fill_percent", "Part of the ring that waits to be read.",
                 offsetof(struct live_thread, ring_fill), "gauge");
    write_kernel(p, m, "sample_rate", "One message in this many is kept, 0 = all.",
                 offsetof(struct live_thread, sample_rate), "gauge");
    write_collectors(p, m, "collector_sent", "counter", "Datagrams sent, by collector.", COLLECTOR_SENT);
    write_collectors(p, m, "collector_lost", "counter", "Datagrams that could not be sent, by collector and reason.",
                     COLLECTOR_LOST);
    write_collectors(p, m, "collector_up", "gauge", "Whether there is a way to the collector.", COLLECTOR_UP);
    begin_family(p, "helper_deaths", "counter", "Processes of the helper that died.");
    print(p, "dnsflow_helper_deaths_total %" PRIu64 "\n", counter_read(&m->sensor->helper_deaths));
    write_http(p, m);
    if (p->is_open)
        print(p, "# EOF\n");
}

/* ---- requests ---- */

static void serve_metrics(const struct http_request *request, struct http_reply *reply, void *context)
{
    const char *accept = http_request_field(request, "Accept");
    struct page page = {.out = reply->body};
    page.is_open = accept && strstr(accept, "application/openmetrics-text") != NULL;
    write_all(&page, context);
    reply->status = page.failed ? 500 : 200;
    reply->content_type = page.is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                       : "text/plain; version=0.0.4; charset=utf-8";
}

static unsigned count_stuck(struct metrics *m)
{
    int64_t now = clock_monotonic_us();
    unsigned i, stuck = 0;
    for (i = 0; i < m->sensor->workers_count; i++) {
        uint64_t beats = counter_read(&m->threads[i].heartbeat);
        if (beats != m->beats[i] || m->moved_us[i] == 0)
            m->moved_us[i] = now;
        m->beats[i] = beats;
        stuck += now - m->moved_us[i] > STUCK_US;
    }
    return stuck;
}

/* A line for each output that cannot be sent or written to, of the first worker that says so. */
static void list_outputs(const struct metrics *m, struct evbuffer *body)
{
    const struct sensor *s = m->sensor;
    struct sink_output output;
    unsigned i, k;
    bool has_more = true;
    for (k = 0; has_more && s->workers_count > 0; k++)
        for (i = 0; i < s->workers_count && (has_more = worker_output(s->workers[i], k, &output)); i++)
            if (output.cause != 0) {
                evbuffer_add_printf(body, "%s: %s\n", output.name, sink_cause_text(output.cause));
                break;
            }
}

/* 200 and "ok" as long as all is well, else 503 and a line about each thing that is not. */
static void serve_health(const struct http_request *request, struct http_reply *reply, void *context)
{
    struct metrics *m = context;
    unsigned stuck = count_stuck(m);
    (void)request;
    if (stuck > 0)
        evbuffer_add_printf(reply->body, "%u of %u workers are stuck\n", stuck, m->sensor->workers_count);
    list_outputs(m, reply->body);
    if (counter_read(&m->sensor->helper_is_gone))
        evbuffer_add_printf(reply->body, "the helper processes are gone\n");
    reply->status = evbuffer_get_length(reply->body) > 0 ? 503 : 200;
    if (reply->status == 200)
        evbuffer_add_printf(reply->body, "ok\n");
}

static void serve_names(const struct http_request *request, struct http_reply *reply, void *context)
{
    (void)request, (void)context;
    evbuffer_add_printf(reply->body, "dnsflow: /metrics has the counters, /healthz says whether all is well\n");
}

struct metrics *metrics_start(struct event_base *base, int listener, struct sensor *sensor, struct live_thread *threads)
{
    struct metrics *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->sensor = sensor;
    m->threads = threads;
    m->host = sensor->config->metrics.host;
    m->routes[0] = (struct http_route){.path = "/metrics", .handler = serve_metrics, .context = m};
    m->routes[1] = (struct http_route){.path = "/healthz", .handler = serve_health, .context = m};
    m->routes[2] = (struct http_route){.path = "/", .handler = serve_names};
    const struct http_options options = {
        .name = "metrics", .routes = m->routes, .routes_count = 3, .hosts = &m->host, .hosts_count = 1};
    m->server = http_start(base, listener, &options);
    if (!m->server) {
        free(m);
        return NULL;
    }
    return m;
}

void metrics_stop(struct metrics *metrics)
{
    if (!metrics)
        return;
    http_stop(metrics->server);
    free(metrics);
}
