/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/answer.h"

#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/tcp_socket.h"
#include "base/unix_socket.h"
#include "collect/confine.h"
#include "collect/source.h"

enum {
    REFRESH_US = 5 * SECOND_US, /* between two that questions ask for */
    REFRESH_WAIT_US = 3 * SECOND_US,
    FINISH_US = 5 * SECOND_US, /* for answers that are being worked out */
    POLL_MS = 5,
    TRIM_S = 10,           /* what large answers took and threads keep goes back to the system */
    LATE_S = 90,           /* the same, to be up to date */
    STUCK_S = 180,         /* that a record waits to be brought in; a seal is made each minute */
    DISK_LEAST = 64 << 20, /* bytes that are free; on a small disk, a part of what is allowed */
    DISK_PART = 16
};

struct answerer {
    const struct role_context *context;
    struct event_base *base;
    struct event *order, *clock;
    struct serve *serve;
    unsigned seconds;      /* that it has run */
    int64_t ends_us;       /* it is to end, by then at the latest; 0 = it is not */
    pthread_mutex_t mutex; /* of refreshing */
    int64_t refreshed_us;
    char asking[SERVE_FOLDER]; /* where what a question needs of another store is brought to */
    bool was_refreshed;
};

/* ---- bringing in ---- */

/* Asks the store for a seal. Returns whether there was one. */
static bool wait_for_seal(struct board *board, int ask_fd)
{
    const uint64_t one = 1, wanted = atomic_fetch_add(&board->wanted, 1) + 1, failed = atomic_load(&board->failed);
    int64_t until_us = clock_monotonic_us() + REFRESH_WAIT_US;
    if (write(ask_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        return false;
    while (atomic_load(&board->done) < wanted) {
        if (atomic_load(&board->failed) != failed || clock_monotonic_us() > until_us)
            return false;
        (void)poll(NULL, 0, POLL_MS);
    }
    return true;
}

/* Those who ask meanwhile wait for the same. */
static bool refresh(void *context)
{
    struct answerer *a = context;
    pthread_mutex_lock(&a->mutex);
    if (a->refreshed_us == 0 || clock_monotonic_us() - a->refreshed_us >= REFRESH_US) {
        a->was_refreshed = wait_for_seal(a->context->board, a->context->ask_fd);
        a->refreshed_us = clock_monotonic_us();
    }
    bool result = a->was_refreshed;
    pthread_mutex_unlock(&a->mutex);
    return result;
}

/* ---- how everything is ---- */

/* health_free() is due either way. */
static int look(const struct answerer *a, bool is_fresh, int most_sensors, struct health *health, struct error *err)
{
    memset(health, 0, sizeof(*health));
    health->now_s = clock_unix_us() / SECOND_US;
    health->is_running = true;
    health->is_fresh = is_fresh;
    snprintf(health->process, sizeof(health->process), "%d", (int)getppid());
    return health_read(health, a->context->config->directory, most_sensors, err);
}

static int print_status(void *context, bool is_fresh, FILE *out, struct error *err)
{
    struct health health;
    bool was_refreshed = is_fresh && refresh(context);
    int result = look(context, was_refreshed, -1, &health, err);
    if (!is_fresh) /* as well as can be told without asking */
        health.is_fresh = health.behind_s <= LATE_S;
    if (result == 0)
        health_print_json(&health, out);
    health_free(&health);
    return result;
}

static int print_metrics(void *context, FILE *out, struct error *err)
{
    const struct answerer *a = context;
    struct serve_counts counts;
    struct health health;
    struct error why;
    bool is_there = look(a, true, -1, &health, &why) == 0;
    (void)err;
    serve_counts(a->serve, &counts);
    metrics_print(a->context->board, is_there ? &health : NULL, &counts, out);
    health_free(&health);
    return 0;
}

/* A file that is let go meanwhile is no reason. */
static int print_health(void *context, FILE *out)
{
    const struct answerer *a = context;
    struct health health;
    struct error why;
    int reasons = 0;
    if (look(a, true, 0, &health, &why) != 0) {
        reasons++;
        fprintf(out, "what is kept cannot be read: %s\n", why.text);
    } else {
        if (health.behind_s > STUCK_S && ++reasons)
            fprintf(out, "%" PRIu64 " records wait in the journal, the first of them for %" PRId64 " s: see the log\n",
                    health.behind, health.behind_s);
        if (health.free < DISK_LEAST && health.free < health.max_size / DISK_PART && ++reasons)
            fprintf(out, "the disk is nearly full: %" PRIu64 " KiB are free\n", health.free >> 10);
        if (health.damaged > 0 && ++reasons)
            fprintf(out, "%" PRIu64 " file%s of lookups cannot be used\n", health.damaged,
                    health.damaged == 1 ? "" : "s");
    }
    health_free(&health);
    return reasons;
}

/* ---- questions to another store ---- */

static int bring(void *context, const struct question *question, const struct ask *ask, char folder[SERVE_FOLDER],
                 struct kept *kept, bool *is_cut, struct error *err)
{
    const struct answerer *a = context;
    return source_open(&a->context->config->source, question, ask, SOURCE_ROWS_HTTP, SOURCE_S_HTTP, a->asking, folder,
                       kept, is_cut, err);
}

/* ---- the role ---- */

static bool is_loopback(const struct sockaddr_storage *at)
{
    struct in6_addr ip6;
    return address_to_ip6(at, &ip6) &&
           (IN6_IS_ADDR_LOOPBACK(&ip6) || (IN6_IS_ADDR_V4MAPPED(&ip6) && ip6.s6_addr[12] == 127));
}

int answer_listen(const struct collect_config *config, struct error *err)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    int fd;
    if (config->http_path) {
        fd = unix_socket_listen(config->http_path, 0660, HTTP_BACKLOG, err);
        if (fd >= 0)
            log_line("http: listening on unix:%s", config->http_path);
        return fd;
    }
    fd = tcp_socket_listen(config->http.host, config->http.port, HTTP_BACKLOG, err);
    if (fd < 0)
        return -1;
    bool is_known = getsockname(fd, (struct sockaddr *)&at, &len) == 0;
    if ((!is_known || !is_loopback(&at)) && config->tokens.count == 0) {
        close(fd);
        return error_set(err, "%s: expected --token-file with it, as others can reach that address", config->http.text);
    }
    if (is_known)
        (void)getnameinfo((const struct sockaddr *)&at, len, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    log_line(strchr(host, ':') ? "http: listening on [%s]:%s" : "http: listening on %s:%s", host, port);
    return fd;
}

static void watch(struct answerer *a)
{
    static const struct timeval second = {.tv_sec = 1}, moment = {.tv_usec = 10000};
    (void)event_add(a->clock, a->ends_us > 0 ? &moment : &second);
}

/* Once a second; and at the end, until all that were being answered have their answers. */
static void on_clock(evutil_socket_t fd, short what, void *context)
{
    struct answerer *a = context;
    (void)fd, (void)what;
    role_beat(a->context);
    http_take_libevent_line();
    if (++a->seconds % TRIM_S == 0)
        (void)malloc_trim(0);
    if (a->ends_us > 0 && (serve_is_idle(a->serve) || clock_monotonic_us() >= a->ends_us))
        (void)event_base_loopbreak(a->base);
    else
        watch(a);
}

static void on_order(evutil_socket_t fd, short what, void *context)
{
    struct answerer *a = context;
    struct serve_counts counts;
    unsigned orders = role_orders(a->context);
    (void)fd, (void)what;
    if (orders & ROLE_REPORT) {
        serve_counts(a->serve, &counts);
        log_line("http: %" PRIu64 " requests, %" PRIu64 " bad ones, %" PRIu64 " without a right token",
                 counts.http.requests, counts.http.bad, counts.unauthorized);
    }
    if (orders & ROLE_STOP) {
        a->ends_us = clock_monotonic_us() + FINISH_US;
        serve_finish(a->serve);
        (void)event_del(a->order);
        watch(a);
    }
}

static int answer_until_stopped(struct answerer *a, struct error *err)
{
    const struct collect_config *config = a->context->config;
    const struct serve_options options = {.directory = config->directory,
                                          .tokens = &config->tokens,
                                          .hosts = config->hosts,
                                          .hosts_count = config->hosts_count,
                                          .owner = {a, refresh, print_status, print_metrics, print_health,
                                                    config->has_source ? bring : NULL, source_close}};
    a->base = event_base_new();
    a->order = a->base ? event_new(a->base, a->context->control_fd, EV_READ | EV_PERSIST, on_order, a) : NULL;
    a->clock = a->base ? evtimer_new(a->base, on_clock, a) : NULL;
    if (!a->order || !a->clock || event_add(a->order, NULL) != 0)
        error_set(err, "out of memory or descriptors");
    else
        a->serve = serve_start(a->base, a->context->http_fd, &options, err);
    if (a->serve) {
        watch(a);
        role_tell_ready(a->context);
        (void)event_base_dispatch(a->base);
    }
    bool is_good = a->serve != NULL;
    serve_stop(a->serve);
    if (a->order)
        event_free(a->order);
    if (a->clock)
        event_free(a->clock);
    if (a->base)
        event_base_free(a->base);
    return is_good ? 0 : -1;
}

static int run(const struct role_context *context)
{
    struct answerer a = {.context = context};
    struct error why;
    pthread_mutex_init(&a.mutex, NULL);
    http_take_libevent_line();
    bool has_source = context->config->has_source;
    const struct confinement to = {.holds = HOLDS_QUESTIONS | HOLDS_WISHES,
                                   .needs = has_source ? SANDBOX_KEEPS | SANDBOX_CONNECTS : SANDBOX_ANSWERS,
                                   .reads = "",
                                   .writes = has_source ? ASKING_FOLDER : NULL,
                                   .connects = has_source};
    snprintf(a.asking, sizeof(a.asking), "%.200s/%s", context->config->directory, ASKING_FOLDER);
    int result = confine(context, &to, &why) != 0 ? -1 : answer_until_stopped(&a, &why);
    if (result != 0)
        log_line("error: query: %s", why.text);
    pthread_mutex_destroy(&a.mutex);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool may_be_asked(const struct role_context *context)
{
    return context->http_fd >= 0;
}

const struct role role_query = {.name = "query", .run = run, .only_reads = true, .is_wanted = may_be_asked};
