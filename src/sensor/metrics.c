/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/metrics.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/version.h"

enum {
    TIMEOUT_S = 5,
    HEADERS_MAX = 8192, /* bytes of a request */
    BODY_MAX = 0,
    CONNECTIONS_MAX = 32,
    BACKLOG = 16,
    STUCK_US = 5 * SECOND_US, /* a worker that did no round for so long is not healthy */
};

struct metrics {
    struct evhttp *http;
    struct sensor *sensor;
    struct live_thread *threads;
    uint64_t beats[CONFIG_WORKERS_MAX]; /* heartbeats as of moved_us */
    int64_t moved_us[CONFIG_WORKERS_MAX];
};

/* ---- the socket ---- */

static int listen_unix(const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;
    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(err, "option --metrics unix:%s: the name is too long for a socket", path);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode))
        (void)unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0)
        return error_errno(err, "option --metrics unix:%s", path);
    return fd;
}

int metrics_listen(const struct config *config, struct error *err)
{
    struct sink_address address;
    int on = 1;
    if (config->metrics_path)
        return listen_unix(config->metrics_path, err);
    if (sink_resolve(&config->metrics, &address, err) != 0)
        return -1;
    int fd = socket(address.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address.address, address.len) != 0 || listen(fd, BACKLOG) != 0)
        return error_errno(err, "option --metrics %s", config->metrics.text);
    return fd;
}

/* ---- the text ---- */

struct page {
    struct evbuffer *out;
    bool is_open; /* OpenMetrics: a counter's family has no _total in its name */
};

static void begin_family(const struct page *p, const char *name, const char *kind, const char *help)
{
    const char *suffix = strcmp(kind, "counter") == 0 && !p->is_open ? "_total" : "";
    evbuffer_add_printf(p->out, "# HELP dnsflow_%s%s %s\n# TYPE dnsflow_%s%s %s\n", name, suffix, help, name, suffix,
                        kind);
}

static void write_build(const struct page *p)
{
    begin_family(p, "build_info", "gauge", "What is running.");
    evbuffer_add_printf(p->out, "dnsflow_build_info{version=\"%s\"} 1\n", DNSFLOW_PROGRAM_VERSION);
}

/* A counter of each worker, at an offset in its counters. */
static void write_worker_counter(const struct page *p, const struct metrics *m, const char *name, const char *help,
                                 size_t offset)
{
    unsigned i;
    begin_family(p, name, "counter", help);
    for (i = 0; i < m->sensor->workers_count; i++) {
        const char *counters = (const char *)worker_counters(m->sensor->workers[i]);
        evbuffer_add_printf(p->out, "dnsflow_%s_total{worker=\"%u\"} %" PRIu64 "\n", name, i,
                            counter_read((const counter *)(const void *)(counters + offset)));
    }
}

static void write_reasons(const struct page *p, const struct metrics *m, const char *name, const char *help,
                          enum drop_ledger ledger)
{
    unsigned i, reason;
    begin_family(p, name, "counter", help);
    for (i = 0; i < m->sensor->workers_count; i++)
        for (reason = 0; reason < DROP_REASON_COUNT; reason++)
            if (drop_table[reason].ledger == ledger)
                evbuffer_add_printf(p->out, "dnsflow_%s_total{worker=\"%u\",reason=\"%s\"} %" PRIu64 "\n", name, i,
                                    drop_table[reason].token,
                                    counter_read(&worker_counters(m->sensor->workers[i])->drops[reason]));
}

static void write_kernel(const struct page *p, const struct metrics *m, const char *name, const char *help,
                         size_t offset, const char *kind)
{
    unsigned i;
    begin_family(p, name, kind, help);
    for (i = 0; i < m->sensor->workers_count; i++)
        evbuffer_add_printf(p->out, "dnsflow_%s%s{worker=\"%u\"} %" PRIu64 "\n", name,
                            strcmp(kind, "counter") == 0 ? "_total" : "", i,
                            counter_read((const counter *)(const void *)((const char *)&m->threads[i] + offset)));
}

static void write_collectors(const struct page *p, const struct metrics *m, const char *name, const char *help,
                             bool is_lost)
{
    const struct config *c = m->sensor->config;
    struct sink_output output;
    unsigned i, k, r;
    begin_family(p, name, "counter", help);
    for (i = 0; i < m->sensor->workers_count; i++)
        for (k = 0; k < c->targets_count && worker_output(m->sensor->workers[i], k, &output); k++) {
            uint64_t lost = 0, sent = output.sent;
            for (r = 0; r < SINK_LOSSES; r++)
                lost += output.lost[r];
            evbuffer_add_printf(p->out, "dnsflow_%s_total{worker=\"%u\",collector=\"%s\"} %" PRIu64 "\n", name, i,
                                c->targets[k].text, is_lost ? lost : sent);
        }
}

static void write_all(const struct page *p, const struct metrics *m)
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
    write_collectors(p, m, "collector_sent", "Datagrams sent, by collector.", false);
    write_collectors(p, m, "collector_lost", "Datagrams that could not be sent, by collector.", true);
    if (p->is_open)
        evbuffer_add_printf(p->out, "# EOF\n");
}

/* ---- requests ---- */

static void add_header(struct evhttp_request *request, const char *name, const char *value)
{
    (void)evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static bool wants_openmetrics(struct evhttp_request *request)
{
    const char *accept = evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
    return accept && strstr(accept, "application/openmetrics-text") != NULL;
}

static void serve_metrics(struct evhttp_request *request, void *context)
{
    struct page page = {evbuffer_new(), wants_openmetrics(request)};
    if (!page.out) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    write_all(&page, context);
    add_header(request, "Content-Type",
               page.is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                            : "text/plain; version=0.0.4; charset=utf-8");
    add_header(request, "Connection", "close");
    evhttp_send_reply(request, HTTP_OK, "OK", page.out);
    evbuffer_free(page.out);
}

/* 200 as long as every worker does its rounds. */
static void serve_health(struct evhttp_request *request, void *context)
{
    struct metrics *m = context;
    struct evbuffer *out = evbuffer_new();
    int64_t now = clock_monotonic_us();
    unsigned i, stuck = 0;
    for (i = 0; i < m->sensor->workers_count; i++) {
        uint64_t beats = counter_read(&m->threads[i].heartbeat);
        if (beats != m->beats[i] || m->moved_us[i] == 0)
            m->moved_us[i] = now;
        m->beats[i] = beats;
        stuck += now - m->moved_us[i] > STUCK_US;
    }
    if (out)
        evbuffer_add_printf(out, stuck ? "%u of %u workers are stuck\n" : "ok\n", stuck, m->sensor->workers_count);
    add_header(request, "Content-Type", "text/plain; charset=utf-8");
    add_header(request, "Connection", "close");
    evhttp_send_reply(request, stuck ? HTTP_SERVUNAVAIL : HTTP_OK, stuck ? "stuck" : "OK", out);
    if (out)
        evbuffer_free(out);
}

static void refuse(struct evhttp_request *request, void *context)
{
    (void)context;
    add_header(request, "Connection", "close");
    evhttp_send_error(request, HTTP_NOTFOUND, NULL);
}

struct metrics *metrics_start(struct event_base *base, int listener, struct sensor *sensor, struct live_thread *threads)
{
    struct metrics *m = calloc(1, sizeof(*m));
    if (!m || !(m->http = evhttp_new(base))) {
        free(m);
        return NULL;
    }
    m->sensor = sensor;
    m->threads = threads;
    evhttp_set_timeout(m->http, TIMEOUT_S);
    evhttp_set_max_headers_size(m->http, HEADERS_MAX);
    evhttp_set_max_body_size(m->http, BODY_MAX);
    evhttp_set_allowed_methods(m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(m->http, refuse, NULL);
    if (evhttp_set_cb(m->http, "/metrics", serve_metrics, m) != 0 ||
        evhttp_set_cb(m->http, "/healthz", serve_health, m) != 0 || evhttp_accept_socket(m->http, listener) != 0) {
        metrics_stop(m);
        return NULL;
    }
    return m;
}

void metrics_stop(struct metrics *metrics)
{
    if (!metrics)
        return;
    evhttp_free(metrics->http);
    free(metrics);
}
