/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who may ask what, and which thread answers: files and refusals the loop itself, all else the pool. */
#include "serve/serve.h"

#include <errno.h>
#include <event2/buffer.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/assets.h"
#include "serve/call.h"
#include "serve/pool.h"

enum {
    WAITING_MAX = 32,  /* jobs; the last of them is answered in time if each takes all it may */
    REFUSED_MS = 1000, /* what a wrong token costs */
    ROUTES_MAX = 16
};

const double serve_times[SERVE_TIMES] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};

static const char content_policy[] = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';"
                                     " connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
                                     " frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n";

/* What a path begins with, and what answers it. */
struct kind {
    const char *path;
    bool takes_below, is_open; /* is_open: nobody needs a token */
    void (*answer)(struct call *call);
};

struct job {
    struct pool_job pooled;
    uint64_t ticket;
    const struct kind *kind;
    struct call call;
    char path[HTTP_HEADER_MAX], query[HTTP_HEADER_MAX];
    char *body, *lines;
    size_t body_len, lines_len;
    int64_t since_us;
};

/* A route's handler is given one. */
struct place {
    struct serve *serve;
    const struct kind *kind;
    const struct asset *asset;
};

struct serve {
    struct serve_options options;
    struct http_server *server;
    struct pool *pool;
    struct http_route routes[ROUTES_MAX];
    struct place places[ROUTES_MAX];
    size_t routes_count;
    pthread_mutex_t mutex; /* of the counts */
    struct serve_counts counts;
};

/* ---- what is not a question ---- */

static void take_printed(struct call *call, int (*print)(void *context, FILE *out, struct error *err))
{
    struct error why;
    if (print(call->options->owner.context, call->out, &why) != 0)
        call_fail(call, CALL_UNAVAILABLE, NULL, "%s", why.text);
}

static void call_metrics(struct call *call)
{
    call->type = "text/plain; version=0.0.4; charset=utf-8";
    take_printed(call, call->options->owner.metrics);
}

static void call_health(struct call *call)
{
    call->type = "text/plain; charset=utf-8";
    take_printed(call, call->options->owner.health);
    if (call_has_failed(call))
        return;
    if (ftell(call->out) > 0)
        call->status = CALL_UNAVAILABLE;
    else
        fputs("ok\n", call->out);
}

static const struct kind kinds[] = {{"/api/v1/", true, false, call_api},
                                    {"/pdns/", true, false, call_circl},
                                    {"/dnsdb/v2/", true, false, call_dnsdb},
                                    {"/metrics", false, false, call_metrics},
                                    {"/healthz", false, true, call_health}};

/* ---- errors ---- */

static const char *code_of(int status)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = {
        {CALL_BAD, "bad_parameter"}, {401, "unauthorized"}, {CALL_FORBIDDEN, "forbidden"}, {CALL_UNKNOWN, "not_found"}};
    size_t i;
    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return "failed";
}

static void put_error(FILE *out, const char *code, const char *message, const char *parameter)
{
    fprintf(out, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    json_put(out, message);
    fputs(",\"parameter\":", out);
    if (parameter[0])
        json_put(out, parameter);
    else
        fputs("null", out);
    fputs("}}\n", out);
}

/* At once, from the loop. */
static void refuse(struct http_reply *reply, int status, const char *code, const char *message)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    reply->status = status;
    reply->content_type = "application/json";
    if (out) {
        put_error(out, code, message, "");
        fclose(out);
        (void)evbuffer_add(reply->body, text, len);
    }
    free(text);
}

/* ---- jobs ---- */

static void count(struct serve *s, const struct job *job)
{
    double took = (double)(clock_monotonic_us() - job->since_us) / SECOND_US;
    size_t i;
    for (i = 0; i < SERVE_TIMES && took > serve_times[i]; i++)
        ;
    pthread_mutex_lock(&s->mutex);
    s->counts.forbidden += job->call.status == CALL_FORBIDDEN;
    if (job->call.is_question) {
        s->counts.took[i]++;
        s->counts.took_all += took;
        s->counts.partial += job->call.is_partial;
    }
    pthread_mutex_unlock(&s->mutex);
}

/* The error instead of what has been printed. */
static void print_failure(struct job *job)
{
    struct call *call = &job->call;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    call->type = "application/json";
    if (out) {
        put_error(out, code_of(call->status), call->message, call->parameter);
        fclose(out);
    }
    free(job->body);
    job->body = text;
    job->body_len = len;
}

static void work(void *context, struct pool_job *pooled)
{
    struct serve *s = context;
    struct job *job = (struct job *)pooled;
    struct call *call = &job->call;
    call->out = open_memstream(&job->body, &job->body_len);
    call->lines = open_memstream(&job->lines, &job->lines_len);
    if (!call->out || !call->lines)
        call_fail(call, CALL_FAILED, NULL, "out of memory");
    else if (!url_parse(job->path, job->query, &call->url))
        call_fail(call, CALL_BAD, NULL,
                  "expected a path and parameters in %%HH where they are not plain, without %%00");
    else
        job->kind->answer(call);
    bool is_bad = call->out && fflush(call->out) != 0; /* for want of memory */
    if (call->out)
        fclose(call->out);
    if (call->lines)
        fclose(call->lines);
    if (is_bad)
        call_fail(call, CALL_FAILED, NULL, "out of memory");
    if (call_has_failed(call))
        print_failure(job);
    count(s, job);
}

static void free_job(struct pool_job *pooled)
{
    struct job *job = (struct job *)pooled;
    free(job->body);
    free(job->lines);
    free(job);
}

static void give_body(const void *bytes, size_t len, void *job)
{
    (void)bytes, (void)len;
    free_job(job);
}

static void done(void *context, struct pool_job *pooled)
{
    struct serve *s = context;
    struct job *job = (struct job *)pooled;
    struct http_reply reply = {
        .status = job->call.status, .content_type = job->call.type, .body = evbuffer_new(), .lines = evbuffer_new()};
    bool is_given = false;
    if (reply.body && reply.lines && evbuffer_add(reply.lines, job->lines, job->lines_len) == 0) {
        is_given =
            job->body_len > 0 && evbuffer_add_reference(reply.body, job->body, job->body_len, give_body, job) == 0;
        http_answer(s->server, job->ticket, &reply);
    }
    if (reply.body)
        evbuffer_free(reply.body);
    if (reply.lines)
        evbuffer_free(reply.lines);
    if (!is_given)
        free_job(pooled);
}

static struct job *make_job(struct serve *s, const struct kind *kind, const struct http_request *request)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        return NULL;
    job->ticket = request->ticket;
    job->kind = kind;
    job->since_us = clock_monotonic_us();
    job->call = (struct call){.options = &s->options, .status = 200, .type = "text/plain; charset=utf-8"};
    snprintf(job->path, sizeof(job->path), "%s", request->path + (kind->takes_below ? strlen(kind->path) : 0));
    snprintf(job->query, sizeof(job->query), "%s", request->query);
    return job;
}

/* ---- requests ---- */

static enum token_role find_role(const struct serve *s, const struct http_request *request)
{
    const char *field = http_request_field(request, "Authorization"), *key = http_request_field(request, "X-API-Key");
    if (s->options.tokens->count == 0)
        return TOKEN_READ;
    if (field)
        return tokens_check_field(s->options.tokens, field);
    return key ? tokens_check(s->options.tokens, key, strlen(key)) : TOKEN_NONE;
}

/* A wrong one takes its time, in a place that others may take over. */
static void refuse_token(struct serve *s, const struct http_request *request, struct http_reply *reply)
{
    bool has_one = http_request_field(request, "Authorization") || http_request_field(request, "X-API-Key");
    refuse(reply, 401, "unauthorized",
           has_one ? "this token is not known" : "a token is needed: Authorization: Bearer TOKEN, or X-API-Key: TOKEN");
    (void)evbuffer_add_printf(reply->lines, "WWW-Authenticate: Bearer realm=\"dnsflow\"\r\n");
    reply->delay_ms = has_one ? REFUSED_MS : 0;
    pthread_mutex_lock(&s->mutex);
    s->counts.unauthorized++;
    pthread_mutex_unlock(&s->mutex);
}

static void refuse_busy(struct serve *s, struct http_reply *reply)
{
    refuse(reply, CALL_UNAVAILABLE, "busy", "too many questions at once; ask again in a moment");
    (void)evbuffer_add_printf(reply->lines, "Retry-After: 1\r\n");
    pthread_mutex_lock(&s->mutex);
    s->counts.busy++;
    pthread_mutex_unlock(&s->mutex);
}

static void take_call(const struct http_request *request, struct http_reply *reply, void *context)
{
    const struct place *place = context;
    struct serve *s = place->serve;
    enum token_role role = place->kind->is_open ? TOKEN_NO_CLIENTS : find_role(s, request);
    if (role == TOKEN_NONE) {
        refuse_token(s, request, reply);
        return;
    }
    struct job *job = pool_waiting(s->pool) < WAITING_MAX ? make_job(s, place->kind, request) : NULL;
    if (!job) {
        refuse_busy(s, reply);
        return;
    }
    pthread_mutex_lock(&s->mutex);
    http_stats(s->server, &s->counts.http);
    pthread_mutex_unlock(&s->mutex);
    job->call.hides_clients = role == TOKEN_NO_CLIENTS;
    reply->is_later = true;
    pool_put(s->pool, &job->pooled);
}

static void take_asset(const struct http_request *request, struct http_reply *reply, void *context)
{
    const struct asset *asset = ((const struct place *)context)->asset;
    (void)request;
    reply->content_type = asset->type;
    (void)evbuffer_add_reference(reply->body, asset->bytes, asset->len, NULL, NULL);
    (void)evbuffer_add_reference(reply->lines, content_policy, sizeof(content_policy) - 1, NULL, NULL);
}

/* ---- all of it ---- */

static void add_route(struct serve *s, const char *path, bool takes_below, const struct kind *kind,
                      const struct asset *asset)
{
    struct place *place = &s->places[s->routes_count];
    *place = (struct place){s, kind, asset};
    s->routes[s->routes_count++] = (struct http_route){path, takes_below, kind ? take_call : take_asset, place};
}

struct serve *serve_start(struct event_base *base, int listener, const struct serve_options *options, struct error *err)
{
    struct serve *s = calloc(1, sizeof(*s));
    size_t i;
    if (!s) {
        error_set(err, "out of memory");
        return NULL;
    }
    const struct pool_owner owner = {s, work, done};
    s->options = *options;
    pthread_mutex_init(&s->mutex, NULL);
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        add_route(s, kinds[i].path, kinds[i].takes_below, &kinds[i], NULL);
    for (i = 0; i < assets_count; i++)
        add_route(s, assets[i].path, false, NULL, &assets[i]);
    const struct http_options http = {.name = "http",
                                      .routes = s->routes,
                                      .routes_count = s->routes_count,
                                      .hosts = options->hosts,
                                      .hosts_count = options->hosts_count,
                                      .connections = SERVE_CONNECTIONS,
                                      .of_a_peer = SERVE_OF_A_PEER,
                                      .total_ms = SERVE_TOTAL_MS};
    s->pool = pool_start(base, SERVE_THREADS, &owner, err);
    if (s->pool && !(s->server = http_start(base, listener, &http)))
        error_set(err, "out of memory or descriptors");
    if (s->server)
        return s;
    serve_stop(s);
    return NULL;
}

void serve_stop(struct serve *serve)
{
    if (!serve)
        return;
    pool_stop(serve->pool, free_job);
    http_stop(serve->server);
    pthread_mutex_destroy(&serve->mutex);
    free(serve);
}

void serve_counts(struct serve *serve, struct serve_counts *out)
{
    pthread_mutex_lock(&serve->mutex);
    *out = serve->counts;
    pthread_mutex_unlock(&serve->mutex);
}
