/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who may ask what, and which thread answers: files and refusals the loop itself, all else the pool. */
#include "serve/serve.h"

#include <event2/buffer.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/assets.h"
#include "serve/call.h"
#include "serve/pool.h"
#include "serve/text.h"

enum {
    WAITING_MAX = 32,  /* questions; where each takes all it may, the last of them is answered after some 25 s */
    WATCHING_MAX = 8,  /* of the others */
    REFUSED_MS = 1000, /* what a wrong token costs */
    KINDS = 5
};

const double serve_times[SERVE_TIMES] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};

static const char content_policy[] = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';"
                                     " connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
                                     " frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n";

/* What a path begins with, and what answers it. */
struct kind {
    const char *path;
    bool takes_below, is_open; /* is_open: nobody needs a token */
    bool is_watch;             /* about the program itself: does not stand in line with questions */
    void (*answer)(struct call *call);
};

struct job {
    struct pool_job pooled;
    uint64_t ticket;
    const struct kind *kind;
    struct call call;
    char path[HTTP_HEADER_MAX], query[HTTP_HEADER_MAX];
    struct evbuffer *body, *lines; /* what call.out and call.lines have printed */
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
    struct pool *questions, *watch; /* the second of one thread */
    struct http_route routes[KINDS + ASSETS];
    struct place places[KINDS + ASSETS];
    size_t routes_count;
    pthread_mutex_t mutex; /* of the counts */
    struct serve_counts counts;
};

/* ---- what is not a question ---- */

static void call_metrics(struct call *call)
{
    struct error why;
    call->type = "text/plain; version=0.0.4; charset=utf-8";
    if (call->options->owner.metrics(call->options->owner.context, call->out, &why) != 0)
        call_fail(call, CALL_UNAVAILABLE, NULL, "%s", why.text);
}

static void call_health(struct call *call)
{
    if (call->options->owner.health(call->options->owner.context, call->out) > 0)
        call->status = CALL_UNAVAILABLE;
    else
        fputs("ok\n", call->out);
}

static const struct kind kinds[KINDS] = {{"/api/v1/", true, false, false, call_api},
                                         {"/pdns/", true, false, false, call_circl},
                                         {"/dnsdb/v2/", true, false, false, call_dnsdb},
                                         {"/metrics", false, false, true, call_metrics},
                                         {"/healthz", false, true, true, call_health}};

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
    FILE *out = text_open(reply->body);
    reply->status = status;
    reply->content_type = "application/json";
    if (out) {
        put_error(out, code, message, "");
        fclose(out);
    }
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
    s->counts.failed += job->call.status >= CALL_FAILED && !job->kind->is_watch;
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
    (void)evbuffer_drain(job->body, evbuffer_get_length(job->body));
    FILE *out = text_open(job->body);
    call->type = "application/json";
    if (out) {
        put_error(out, code_of(call->status), call->message, call->parameter);
        fclose(out);
    }
}

static void answer(struct job *job)
{
    struct call *call = &job->call;
    if (url_parse(job->path, job->query, &call->url))
        job->kind->answer(call);
    else
        call_fail(call, CALL_BAD, NULL,
                  "expected a path and parameters in %%HH where they are not plain, without %%00");
}

/* Half an answer is none. */
static void work(void *context, struct pool_job *pooled)
{
    struct job *job = (struct job *)pooled;
    struct call *call = &job->call;
    call->out = text_open(job->body);
    call->lines = text_open(job->lines);
    bool is_good = call->out && call->lines;
    if (is_good)
        answer(job);
    is_good &= !call->out || (fflush(call->out) == 0 && !ferror(call->out));
    if (call->out)
        (void)fclose(call->out);
    if (call->lines && fclose(call->lines) != 0)
        is_good = false;
    if (!is_good && evbuffer_get_length(job->body) > TEXT_MAX / 2)
        call_fail(call, CALL_BAD, "limit", "the answer has more than %d MiB: expected a smaller limit", TEXT_MAX >> 20);
    else if (!is_good)
        call_fail(call, CALL_FAILED, NULL, "out of memory");
    if (call_has_failed(call))
        print_failure(job);
    count(context, job);
}

static void free_job(struct pool_job *pooled)
{
    struct job *job = (struct job *)pooled;
    if (job->body)
        evbuffer_free(job->body);
    if (job->lines)
        evbuffer_free(job->lines);
    free(job);
}

static void done(void *context, struct pool_job *pooled)
{
    struct serve *s = context;
    struct job *job = (struct job *)pooled;
    const struct http_reply reply = {
        .status = job->call.status, .content_type = job->call.type, .body = job->body, .lines = job->lines};
    http_answer(s->server, job->ticket, &reply);
    free_job(pooled);
}

static struct job *make_job(struct serve *s, const struct kind *kind, const struct http_request *request)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        return NULL;
    job->body = evbuffer_new();
    job->lines = evbuffer_new();
    if (!job->body || !job->lines) {
        free_job(&job->pooled);
        return NULL;
    }
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
    struct pool *pool = place->kind->is_watch ? s->watch : s->questions;
    size_t most = place->kind->is_watch ? WATCHING_MAX : WAITING_MAX;
    struct job *job = pool_waiting(pool) < most ? make_job(s, place->kind, request) : NULL;
    if (!job) {
        refuse_busy(s, reply);
        return;
    }
    pthread_mutex_lock(&s->mutex);
    http_stats(s->server, &s->counts.http);
    pthread_mutex_unlock(&s->mutex);
    job->call.hides_clients = role == TOKEN_NO_CLIENTS;
    reply->is_later = true;
    pool_put(pool, &job->pooled);
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
    for (i = 0; i < KINDS; i++)
        add_route(s, kinds[i].path, kinds[i].takes_below, &kinds[i], NULL);
    for (i = 0; i < ASSETS; i++)
        add_route(s, assets[i].path, false, NULL, &assets[i]);
    const struct http_options http = {.name = "http",
                                      .routes = s->routes,
                                      .routes_count = s->routes_count,
                                      .hosts = options->hosts,
                                      .hosts_count = options->hosts_count,
                                      .connections = SERVE_CONNECTIONS,
                                      .of_a_peer = SERVE_OF_A_PEER,
                                      .total_ms = SERVE_TOTAL_MS};
    s->questions = pool_start(base, SERVE_THREADS, &owner, err);
    s->watch = s->questions ? pool_start(base, 1, &owner, err) : NULL;
    if (s->watch && !(s->server = http_start(base, listener, &http)))
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
    pool_stop(serve->questions, free_job);
    pool_stop(serve->watch, free_job);
    http_stop(serve->server);
    pthread_mutex_destroy(&serve->mutex);
    free(serve);
}

void serve_finish(struct serve *serve)
{
    http_finish(serve->server);
}

bool serve_is_idle(const struct serve *serve)
{
    return http_is_idle(serve->server);
}

void serve_counts(struct serve *serve, struct serve_counts *out)
{
    pthread_mutex_lock(&serve->mutex);
    *out = serve->counts;
    pthread_mutex_unlock(&serve->mutex);
}
