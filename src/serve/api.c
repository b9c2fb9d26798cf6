/* SPDX-License-Identifier: BSD-3-Clause
 *
 * /api/v1/: each question at a path of its own. docs/openapi.json describes it. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "serve/call.h"

/* What may be said of a question beside format, fresh, since, until and limit. */
enum { TAKES_CURSOR = 1, TAKES_MOMENT = 2, TELLS_CLIENTS = 4, ABOUT_PARAMETER = 8, NEEDS_CLIENT = 16 };

struct endpoint {
    const char *path; /* "*" is what the question is about, also where that is a parameter */
    const char *question;
    unsigned flags;
    const char *about; /* where nothing of the path says it: a constant, or a parameter's name */
};

static const struct endpoint endpoints[] = {
    {"names/*", "name", TAKES_CURSOR, NULL},
    {"names/*/clients", "who", TAKES_CURSOR | TELLS_CLIENTS, NULL},
    {"names/*/leading", "rdata", 0, NULL},
    {"names", "below", TAKES_CURSOR | ABOUT_PARAMETER, "below"},
    {"names", "contains", TAKES_CURSOR | ABOUT_PARAMETER, "contains"},
    {"addresses/*", "address", TAKES_CURSOR, NULL},
    {"addresses/*/at", "at", TAKES_MOMENT, NULL},
    {"addresses/*/clients", "who", TELLS_CLIENTS, NULL},
    {"clients/*/lookups", "client", TAKES_CURSOR | TELLS_CLIENTS, NULL},
    {"clients/*/summary", "summary", TELLS_CLIENTS, NULL},
    {"rcodes/*/clients", "rcode", TELLS_CLIENTS, NULL},
    {"top/clients", "top", TELLS_CLIENTS, "clients"},
    {"top/*", "top", 0, NULL},
    {"new/*", "new", TAKES_CURSOR, NULL},
    {"annotate", "annotate", TAKES_MOMENT | NEEDS_CLIENT | TELLS_CLIENTS | ABOUT_PARAMETER, "server"},
    {"series", "series", 0, ""},
    {"loss", "loss", 0, ""},
    {"sensors", "sensors", 0, ""},
    {"streams", "streams", 0, ""},
};

/* Whether the path is that one; *about is the segment where the star is, NULL if there is none. */
static bool matches(const struct url *url, const char *path, const char **about)
{
    size_t i;
    *about = NULL;
    for (i = 0; *path; i++) {
        size_t len = strcspn(path, "/");
        if (i == url->segments_count)
            return false;
        if (len == 1 && *path == '*')
            *about = url->segments[i];
        else if (strlen(url->segments[i]) != len || memcmp(url->segments[i], path, len) != 0)
            return false;
        path += len + (path[len] == '/');
    }
    return i == url->segments_count;
}

/* A prefix may stand there as it is: its length is no segment of its own. */
static void join_prefix(struct url *url)
{
    size_t i;
    if (url->segments_count < 3 || strcmp(url->segments[0], "addresses") != 0)
        return;
    char *address = url->segments[1], *bits = url->segments[2];
    if (strchr(address, '/') || !*bits || bits[strspn(bits, "0123456789")] || strlen(bits) > 3)
        return;
    size_t len = strlen(address);
    address[len] = '/';
    memmove(address + len + 1, bits, strlen(bits) + 1); /* decoding has only made room */
    for (i = 2; i + 1 < url->segments_count; i++)
        url->segments[i] = url->segments[i + 1];
    url->segments_count--;
}

static const struct endpoint *find(struct call *call, const char **about)
{
    size_t i;
    for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        const struct endpoint *e = &endpoints[i];
        if (!matches(&call->url, e->path, about))
            continue;
        if (e->flags & ABOUT_PARAMETER)
            *about = url_parameter(&call->url, e->about);
        else if (e->about)
            *about = e->about;
        if (*about)
            return e;
    }
    if (call->url.segments_count == 1 && strcmp(call->url.segments[0], "names") == 0)
        call_fail(call, CALL_BAD, "below", "expected \"below\" or \"contains\"");
    else if (call->url.segments_count == 1 && strcmp(call->url.segments[0], "annotate") == 0)
        call_fail(call, CALL_BAD, "server", "expected the address of the server");
    else
        call_fail(call, CALL_UNKNOWN, NULL, "there is no such path; /api/v1/openapi.json describes those there are");
    return NULL;
}

/* ---- rows ---- */

struct rows {
    FILE *out;
    enum answer_format format;
};

static struct answer_output *open_rows(void *context, const struct question *question)
{
    const struct rows *rows = context;
    return answer_open(rows->out, rows->format, false, question->columns, question->columns_count);
}

static void put_end(struct call *call, const struct given *given, const char *cursor)
{
    const struct ask_result *r = &given->result;
    size_t i;
    fprintf(call->out, ",\"count\":%" PRIu64 ",\"more\":%s,\"partial\":%s,\"notes\":[", r->rows,
            r->is_cut || r->has_next ? "true" : "false", r->is_partial ? "true" : "false");
    for (i = 0; i < given->notes_count; i++) {
        fputs(i > 0 ? "," : "", call->out);
        json_put(call->out, given->notes[i]);
    }
    fputs("],\"next\":", call->out);
    if (cursor[0])
        json_put(call->out, cursor);
    else
        fputs("null", call->out);
    fputs("}\n", call->out);
}

static void answer(struct call *call, const struct endpoint *e, const char *about, const struct wanted *wanted)
{
    const struct question *question = call_question(e->question);
    struct given given;
    char cursor[CURSOR_TEXT] = "";
    struct rows rows = {call->out, wanted->format};
    bool is_json = wanted->format == ANSWER_JSON;
    call->type = is_json                           ? "application/json"
                 : wanted->format == ANSWER_NDJSON ? "application/x-ndjson"
                                                   : "text/csv; charset=utf-8; header=present";
    if (is_json) {
        fprintf(call->out, "{\"question\":\"%s\",\"about\":", question->name);
        json_put(call->out, about);
        fputs(",\"rows\":", call->out);
    }
    if (!call_ask(call, question, about, e->flags & ABOUT_PARAMETER ? e->about : NULL, wanted, open_rows, &rows,
                  &given))
        return;
    if (given.result.has_next)
        cursor_text(&given.result.next, given.about, cursor);
    if (is_json) {
        put_end(call, &given, cursor);
        return;
    }
    call_tell(call, &given);
    if (cursor[0])
        fprintf(call->lines, "X-Dnsflow-Next: %s\r\n", cursor);
}

/* ---- all of them ---- */

static bool check_parameters(struct call *call, const struct endpoint *e, struct wanted *wanted)
{
    const char *moment[8] = {"format", "fresh", "limit", "time", "client"};
    const char *names[8] = {"format", "fresh", "limit", "since", "until"};
    size_t used = 5;
    if (e->flags & TAKES_CURSOR)
        names[used++] = "cursor";
    if (e->flags & ABOUT_PARAMETER)
        names[used++] = moment[5] = e->about;
    if (!call_wants(call, e->flags & TAKES_MOMENT ? moment : names, wanted))
        return false;
    if (call->hides_clients && ((e->flags & TELLS_CLIENTS) || wanted->client))
        call_fail(call, CALL_FORBIDDEN, wanted->client ? "client" : NULL,
                  "this token is not good for who asked: its role is read-no-clients");
    if ((e->flags & NEEDS_CLIENT) && !wanted->client)
        call_fail(call, CALL_BAD, "client", "expected the address of the client");
    return !call_has_failed(call);
}

static void put_status(struct call *call)
{
    static const char *const names[] = {"fresh", NULL};
    struct error why;
    struct wanted wanted;
    call->type = "application/json";
    if (call_wants(call, names, &wanted) &&
        call->options->owner.status(call->options->owner.context, !wanted.is_old, call->out, &why) != 0)
        call_fail(call, CALL_UNAVAILABLE, NULL, "%s", why.text);
}

void call_api(struct call *call)
{
    const char *about, *only = call->url.segments_count == 1 ? call->url.segments[0] : "";
    struct wanted wanted;
    join_prefix(&call->url);
    if (strcmp(only, "status") == 0) {
        put_status(call);
    } else if (strcmp(only, "search") == 0) {
        call_search(call);
    } else {
        const struct endpoint *e = find(call, &about);
        if (e && check_parameters(call, e, &wanted))
            answer(call, e, about, &wanted);
    }
}
