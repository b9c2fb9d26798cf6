/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/ask_annotate.h"
#include "serve/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "record/moment.h"

void call_fail(struct call *call, int status, const char *parameter, const char *format, ...)
{
    va_list args;
    call->status = status;
    va_start(args, format);
    vsnprintf(call->message, sizeof(call->message), format, args);
    va_end(args);
    snprintf(call->parameter, sizeof(call->parameter), "%s", parameter ? parameter : "");
}

bool call_has_failed(const struct call *call)
{
    return call->message[0] != '\0';
}

const struct question *call_question(const char *name)
{
    size_t i;
    for (i = 0; i < questions_count; i++)
        if (strcmp(questions[i]->name, name) == 0)
            return questions[i];
    return strcmp(question_annotate.name, name) == 0 ? &question_annotate : NULL;
}

/* ---- parameters ---- */

static int take_format(const char *value, enum answer_format *out, struct error *err)
{
    static const char *const names[] = {"json", "ndjson", "csv"};
    static const enum answer_format formats[] = {ANSWER_JSON, ANSWER_NDJSON, ANSWER_CSV};
    unsigned which;
    if (parse_choice(value, names, 3, &which, err) != 0)
        return -1;
    *out = formats[which];
    return 0;
}

static int take_fresh(const char *value, bool *is_old, struct error *err)
{
    static const char *const names[] = {"1", "0"};
    unsigned which;
    if (parse_choice(value, names, 2, &which, err) != 0)
        return -1;
    *is_old = which == 1;
    return 0;
}

/* A plus sign in a URL is a blank: in a time with a T, where there is no other, it is that of the zone. */
static const char *zone_back(const char *value, char text[40])
{
    char *blank;
    if (!strchr(value, 'T') || snprintf(text, 40, "%s", value) >= 40 || !(blank = strrchr(text, ' ')))
        return value;
    *blank = '+';
    return text;
}

/* Others are the endpoint's. */
static int take(const struct url_parameter *p, int64_t now_us, struct wanted *out, struct error *err)
{
    char text[40];
    if (strcmp(p->name, "since") == 0)
        return moment_parse(zone_back(p->value, text), now_us, &out->since_us, err);
    if (strcmp(p->name, "until") == 0)
        return moment_parse_end(zone_back(p->value, text), now_us, &out->until_us, err);
    if (strcmp(p->name, "time") == 0)
        return moment_parse(zone_back(p->value, text), now_us, &out->at_us, err);
    if (strcmp(p->name, "limit") == 0)
        return parse_number(p->value, 1, SERVE_LIMIT_MAX, &out->limit, err);
    if (strcmp(p->name, "format") == 0)
        return take_format(p->value, &out->format, err);
    if (strcmp(p->name, "fresh") == 0)
        return take_fresh(p->value, &out->is_old, err);
    if (strcmp(p->name, "cursor") == 0)
        out->cursor = p->value;
    if (strcmp(p->name, "client") == 0) {
        out->client = p->value;
        return question_check(&question_client, p->value, err);
    }
    return 0;
}

bool call_wants(struct call *call, const char *const *names, struct wanted *out)
{
    int64_t now_us = clock_unix_us();
    struct error why;
    size_t i;
    const char *unknown = url_unknown(&call->url, names);
    *out = (struct wanted){
        .since_us = INT64_MIN, .until_us = INT64_MAX, .at_us = now_us, .limit = SERVE_LIMIT, .format = ANSWER_JSON};
    if (unknown)
        call_fail(call, CALL_BAD, unknown, "it is not known here, or there twice");
    for (i = 0; i < call->url.parameters_count && !call_has_failed(call); i++)
        if (take(&call->url.parameters[i], now_us, out, &why) != 0)
            call_fail(call, CALL_BAD, call->url.parameters[i].name, "%s", why.text);
    moment_end_after(url_parameter(&call->url, "since"), out->since_us, url_parameter(&call->url, "until"),
                     &out->until_us);
    if (!call_has_failed(call) && out->since_us >= out->until_us)
        call_fail(call, CALL_BAD, "since", "expected a time before \"until\"");
    return !call_has_failed(call);
}

/* ---- asking ---- */

static void note(struct given *given, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct given *given, const char *format, ...)
{
    va_list args;
    if (given->notes_count == sizeof(given->notes) / sizeof(given->notes[0]))
        return;
    va_start(args, format);
    vsnprintf(given->notes[given->notes_count++], sizeof(given->notes[0]), format, args);
    va_end(args);
}

static int64_t to_seconds(int64_t time_us, bool is_end)
{
    return time_us == INT64_MIN || time_us == INT64_MAX ? time_us
                                                        : (time_us + (is_end ? SECOND_US - 1 : 0)) / SECOND_US;
}

/* From where the page begins, NULL in *from: no pages are wanted. False: the call has failed. */
static bool read_cursor(struct call *call, const struct question *question, const struct wanted *wanted,
                        const struct given *given, struct cursor *room, const struct cursor **from)
{
    struct error why;
    *from = wanted->cursor ? room : NULL;
    memset(room, 0, sizeof(*room));
    if (!wanted->cursor)
        return true;
    if (question->pages == PAGES_NONE)
        call_fail(call, CALL_BAD, "cursor", "this answer has no pages");
    else if (strcmp(wanted->cursor, "start") != 0 && cursor_parse(wanted->cursor, given->about, room, &why) != 0)
        call_fail(call, CALL_BAD, "cursor", "%s", why.text);
    return !call_has_failed(call);
}

/* Of what nothing was found. */
static void tell_empty(struct given *given, const struct kept *kept, const struct question *question)
{
    char since[ANSWER_TIME], until[ANSWER_TIME];
    int64_t first, last;
    if (kept->is_part) {
        note(given, "nothing was found");
        return;
    }
    if (sql_number(kept->db, "SELECT min(record_first) FROM partitions", INT64_MIN, &first, NULL) != 0 ||
        sql_number(kept->db, "SELECT max(record_last) FROM partitions", INT64_MIN, &last, NULL) != 0)
        return;
    if (first == INT64_MIN) {
        note(given, "nothing is kept yet");
        return;
    }
    answer_time(first, false, since);
    answer_time(last, false, until);
    note(given, "nothing was found; what is kept was seen from %s to %s UTC", since, until);
    if (strcmp(question->name, "below") == 0 || strcmp(question->name, "name") == 0)
        note(given, "names that had no answer are found by \"contains\" and \"who\"");
}

/* What the rows do not show. */
static void tell(struct given *given, const struct kept *kept, const struct question *question, bool has_rest,
                 const char *lost)
{
    if (given->result.is_partial)
        note(given,
             "it takes more than %d s, %d rows, %d MiB, or names of an address: a shorter time or a narrower question"
             " gives all of it",
             SERVE_BUDGET_MS / 1000, KEPT_ROWS, KEPT_BYTES >> 20);
    if (has_rest)
        note(given, "a name that begins with * is the rest of a domain, or of what a client asked for, with too many"
                    " names");
    if (kept->missing > 0)
        note(given, "%" PRIu64 " file%s missing, of lookups", kept->missing, kept->missing == 1 ? " is" : "s are");
    if (kept->damaged > 0)
        note(given, "%" PRIu64 " file%s of lookups cannot be used: %.200s", kept->damaged,
             kept->damaged == 1 ? "" : "s", kept->damage.text);
    if (lost[0])
        note(given, "the answer is of lookups alone: %.250s", lost);
    if (given->result.rows == 0 && !lost[0])
        tell_empty(given, kept, question);
    given->is_lost = lost[0] != '\0';
    given->result.is_partial |= kept->missing + kept->damaged > 0 || lost[0];
}

/* As it is now; without the database, what there is of lookups. */
static bool open_kept(struct call *call, const struct question *question, const struct ask *ask, char *folder,
                      struct kept *kept, bool *is_cut, char *lost, size_t size)
{
    const struct serve_owner *owner = &call->options->owner;
    struct error why;
    lost[0] = folder[0] = '\0';
    memset(kept, 0, sizeof(*kept));
    if (owner->bring) {
        if (owner->bring(owner->context, question, ask, folder, kept, is_cut, &why) == 0)
            return true;
        owner->let_go(folder, kept);
        call_fail(call, CALL_UNAVAILABLE, NULL, "%s", why.text);
        return false;
    }
    if (kept_open_moment(call->options->directory, kept, &why) == 0)
        return true;
    snprintf(lost, size, "%.250s", why.text);
    if (kept->is_lost && kept_open_lookups(call->options->directory, kept) == 0)
        return true;
    call_fail(call, CALL_UNAVAILABLE, NULL, "%s", why.text);
    return false;
}

static void run(struct call *call, const struct question *question, const struct ask *ask, struct kept *kept,
                struct answer_output *output, struct given *given)
{
    static const struct kept_budget budget = {
        .time_us = SERVE_BUDGET_MS * 1000, .rows = KEPT_ROWS, .bytes = KEPT_BYTES};
    struct error why = {""};
    kept_begin(kept, &budget);
    if (question_ask(question, kept, ask, output, &given->result, &why) != 0)
        call_fail(call, CALL_FAILED, NULL, "%s", why.text);
    call->is_question = true;
}

bool call_ask(struct call *call, const struct question *question, const char *about, const char *parameter,
              const struct wanted *wanted, open_output *open, void *context, struct given *given)
{
    const struct serve_owner *owner = &call->options->owner;
    struct error why;
    struct kept kept;
    struct cursor room;
    const struct cursor *from;
    char lost[300], folder[SERVE_FOLDER];
    memset(given, 0, sizeof(*given));
    snprintf(given->about, sizeof(given->about), "%s %s", question->name, about);
    if (question_check(question, about, &why) != 0) {
        call_fail(call, CALL_BAD, parameter ? parameter : "path", "%s", why.text);
        return false;
    }
    if (!read_cursor(call, question, wanted, given, &room, &from))
        return false;
    if (!wanted->is_old && !owner->refresh(owner->context))
        note(given, "what was received last may be missing: the store has not brought it in");
    const struct ask ask = {.what = &about,
                            .what_count = 1,
                            .since_s = from && from->is_behind ? from->since_s : to_seconds(wanted->since_us, false),
                            .until_s = from && from->is_behind ? from->until_s : to_seconds(wanted->until_us, true),
                            .limit = wanted->limit,
                            .from = from,
                            .at_s = to_seconds(wanted->at_us, false),
                            .client = wanted->client};
    if (!open_kept(call, question, &ask, folder, &kept, &given->result.is_partial, lost, sizeof(lost)))
        return false;
    struct answer_output *output = open(context, question);
    if (output)
        run(call, question, &ask, &kept, output, given);
    else
        call_fail(call, CALL_FAILED, NULL, "out of memory");
    bool has_rest = output && answer_has_rest(output);
    if (output)
        (void)answer_close(output);
    tell(given, &kept, question, has_rest, lost);
    call->is_partial |= given->result.is_partial;
    if (owner->bring)
        owner->let_go(folder, &kept);
    else
        kept_close(&kept);
    return !call_has_failed(call);
}

void call_tell(struct call *call, const struct given *given)
{
    fprintf(call->lines, "X-Dnsflow-More: %s\r\nX-Dnsflow-Partial: %s\r\n",
            given->result.is_cut || given->result.has_next ? "true" : "false",
            given->result.is_partial ? "true" : "false");
}
