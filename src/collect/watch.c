/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The role that looks out for what is on a list. It follows the journal, beside the store, so that nothing waits for it
 * and nothing is missed: where it is stands in DIR/watch, written behind what was told. So hits are told once, and
 * after a crash those of a moment once more. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "collect/confine.h"
#include "journal/reader.h"
#include "watch/hit.h"
#include "watch/out.h"

enum {
    WAIT_MS = 200, /* between two looks whether the journal has grown */
    BLOCKS = 64,   /* between two looks at orders */
    LINES = 10,    /* in the log, in each second */
    LINE_US = 10 * SECOND_US,
    RETRY_US = SECOND_US,
    REPORT_US = 60 * SECOND_US,
    FINISH_US = 10 * SECOND_US, /* at the end, for what the journal still has */
    PLACE = 64                  /* bytes of DIR/watch */
};

struct watcher {
    const struct role_context *context;
    const struct watch_list *list;
    struct journal_reader *reader;
    uint64_t block; /* the last one that was looked at, 0 = none yet */
    int place_fd;
    struct watch_out out;
    bool has_out;
    char *line;
    size_t line_size;
    FILE *text; /* writes `line` */
    uint64_t records, hits, lost;
    int64_t second_us; /* that `lines` are of */
    unsigned lines;
    uint64_t unsaid; /* hits without a line in the log */
    bool is_failing; /* the output, and the log has a line of it */
    int64_t next_line_us, retry_us, next_report_us;
};

/* ---- telling ---- */

/* What the log has no line of is in the output, and counted. */
static void tell_unsaid(struct watcher *w, int64_t now_us)
{
    if (now_us - w->second_us < SECOND_US)
        return;
    if (w->unsaid > 0)
        log_line("watch: %" PRIu64 " more hits, which the log has no lines of", w->unsaid);
    w->second_us = now_us;
    w->lines = 0;
    w->unsaid = 0;
}

static void say(struct watcher *w, const struct watch_hit *hit, const struct dnsflow_record *record)
{
    char text[900];
    if (w->lines >= LINES) {
        w->unsaid++;
        return;
    }
    w->lines++;
    watch_describe(hit, record, text, sizeof(text));
    log_line("watch: %s", text);
}

static void note_output(struct watcher *w, int cause)
{
    int64_t now_us = clock_monotonic_us();
    w->lost += cause != 0;
    atomic_fetch_add(&w->context->board->watch_lost, cause != 0);
    if (cause == 0 && w->is_failing) {
        log_line("watch: %s: can be written to again", w->out.path);
        w->is_failing = false;
    }
    if (cause != 0 && now_us >= w->next_line_us) {
        log_line("error: watch: %s: %s; hits that find no room there are lost, but counted", w->out.path,
                 cause == EAGAIN ? "its reader does not keep up" : strerror(cause));
        w->next_line_us = now_us + LINE_US;
        w->is_failing = true;
    }
}

static void put_out(struct watcher *w, const struct watch_hit *hit, const struct received *from,
                    const struct dnsflow_record *record)
{
    rewind(w->text);
    watch_print(hit, from, record, w->text);
    if (fflush(w->text) != 0)
        note_output(w, ENOMEM);
    else
        note_output(w, watch_out_put(&w->out, w->line, (size_t)ftell(w->text)));
}

static void take_record(struct watcher *w, const struct received *from, const struct dnsflow_record *record)
{
    struct watch_hit hit;
    w->records++;
    if (!watch_look(w->list, record, &hit))
        return;
    w->hits++;
    atomic_fetch_add(&w->context->board->watch_hits, 1);
    say(w, &hit, record);
    if (w->has_out)
        put_out(w, &hit, from, record);
}

/* ---- following ---- */

static void take_block(struct watcher *w, const struct journal_block *block, const uint8_t *plain)
{
    const uint8_t *at = plain, *end = plain + block->plain_len;
    struct dnsflow_record record;
    struct received from;
    uint64_t before = w->records;
    while (journal_data_read(&at, end, &from))
        while (dnsflow_next_record(&from.datagram, &record))
            take_record(w, &from, &record);
    atomic_fetch_add(&w->context->board->watch_records, w->records - before);
}

/* Where the next process goes on. */
static void keep_place(const struct watcher *w)
{
    struct journal_position at = journal_position(w->reader);
    char text[PLACE + 1];
    (void)snprintf(text, sizeof(text), "%020" PRIu64 " %020" PRIu64 "\n", at.file, at.offset);
    (void)!pwrite(w->place_fd, text, strlen(text), 0);
}

/* Up to BLOCKS blocks. Returns whether there may be more. */
static bool take_blocks(struct watcher *w)
{
    struct journal_block block;
    const uint8_t *plain;
    struct error why;
    int result = 1, i;
    if (clock_monotonic_us() < w->retry_us)
        return false;
    for (i = 0; i < BLOCKS && result == 1; i++) {
        result = journal_read(w->reader, &block, &plain, &why);
        if (result != JOURNAL_READ || block.number <= w->block)
            continue;
        take_block(w, &block, plain);
        w->block = block.number;
    }
    if (i > 1 || result == 1)
        keep_place(w);
    if (result == JOURNAL_FAILED) {
        w->retry_us = clock_monotonic_us() + RETRY_US;
        if (clock_monotonic_us() >= w->next_line_us)
            log_line("error: watch: %s; tried again each second", why.text);
        w->next_line_us = clock_monotonic_us() + LINE_US;
    }
    return result == 1;
}

static void report(const struct watcher *w)
{
    log_line("watch: %zu lines in the list, %" PRIu64 " records looked at, %" PRIu64 " hits, %" PRIu64
             " of them not written",
             watch_list_count(w->list), w->records, w->hits, w->lost);
}

static unsigned watch_until_stopped(struct watcher *w)
{
    struct pollfd control = {.fd = w->context->control_fd, .events = POLLIN};
    unsigned orders = 0;
    bool has_more = true;
    while (!(orders & ROLE_STOP)) {
        (void)poll(&control, 1, has_more ? 0 : WAIT_MS);
        role_beat(w->context);
        has_more = take_blocks(w);
        int64_t now_us = clock_monotonic_us();
        tell_unsaid(w, now_us);
        orders = control.revents ? role_orders(w->context) : 0;
        if (orders & ROLE_REPORT || now_us >= w->next_report_us) {
            report(w);
            w->next_report_us = now_us + REPORT_US;
        }
    }
    return orders;
}

/* ---- opening ---- */

/* With nothing behind: who begins to look out begins with what comes then. */
static int skip_all(struct watcher *w, struct error *err)
{
    struct journal_block block;
    const uint8_t *plain;
    int result;
    journal_heads_only(w->reader, true);
    while ((result = journal_read(w->reader, &block, &plain, err)) == JOURNAL_READ) {
        w->block = block.number;
        role_beat(w->context);
    }
    journal_heads_only(w->reader, false);
    keep_place(w);
    return result == JOURNAL_FAILED ? -1 : 0;
}

/* Returns whether there is one. */
static bool read_place(const struct watcher *w, struct journal_position *at)
{
    uint64_t *const numbers[] = {&at->file, &at->offset};
    char text[PLACE + 1], *next = text;
    ssize_t n = pread(w->place_fd, text, PLACE, 0);
    size_t i;
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const char *number = strsep(&next, " ");
        if (!number || parse_number(number, 0, UINT64_MAX, numbers[i], NULL) != 0)
            return false;
    }
    return true;
}

/* Whether the journal has got as far; one that was begun anew has not. Returns -1 with the cause. */
static int has_got_to(const struct watcher *w, uint64_t file, struct error *err)
{
    struct journal_file next;
    return file <= w->context->least_file ? 1 : journal_find(w->context->directory->journal_fd, file, &next, err);
}

static int open_journal(struct watcher *w, struct error *err)
{
    struct journal_position from = {0, 0};
    bool is_known = read_place(w, &from);
    int result = is_known ? has_got_to(w, from.file, err) : 1;
    if (result < 0)
        return -1;
    if (result == 0) {
        log_line("warning: watch: %s/%s is of another journal; what comes from now on is looked at",
                 w->context->config->directory, WATCH_PLACE);
        is_known = false;
    }
    if (!is_known)
        from = (struct journal_position){0, 0};
    w->reader = journal_follow(w->context->directory->journal_fd, from);
    if (!w->reader)
        return error_set(err, "out of memory");
    return is_known ? 0 : skip_all(w, err);
}

static int open_files(struct watcher *w, struct error *err)
{
    char path[512];
    const char *out = w->context->config->watch_output;
    if (snprintf(path, sizeof(path), "%s/%s", w->context->config->directory, WATCH_PLACE) >= (int)sizeof(path))
        return error_set(err, "%s: the path is too long", w->context->config->directory);
    w->place_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (w->place_fd < 0)
        return error_errno(err, "%s", path);
    if (out && watch_out_open(&w->out, out, err) != 0)
        return -1;
    w->has_out = out != NULL;
    w->text = open_memstream(&w->line, &w->line_size);
    return w->text ? 0 : error_set(err, "out of memory");
}

static int watcher_open(struct watcher *w, struct error *err)
{
    static const struct confinement to = {
        .holds = HOLDS_JOURNAL | HOLDS_LOCK, .needs = SANDBOX_ANSWERS, .reads = "journal"};
    if (open_files(w, err) != 0 || confine(w->context, &to, err) != 0)
        return -1;
    return open_journal(w, err);
}

static void watcher_close(struct watcher *w)
{
    journal_reader_close(w->reader);
    watch_out_close(&w->out);
    if (w->text)
        fclose(w->text);
    free(w->line);
    if (w->place_fd >= 0)
        close(w->place_fd);
    free(w);
}

/* The receiver has ended: all that there is is looked at. */
static void finish(struct watcher *w)
{
    int64_t until_us = clock_monotonic_us() + FINISH_US;
    while (take_blocks(w) && clock_monotonic_us() < until_us)
        role_beat(w->context);
    tell_unsaid(w, INT64_MAX);
    report(w);
}

static int run(const struct role_context *context)
{
    struct watcher *w = calloc(1, sizeof(*w));
    struct error why;
    if (!w) {
        log_line("error: watch: out of memory");
        return EXIT_FAILURE;
    }
    *w = (struct watcher){.context = context, .list = context->config->watch, .place_fd = -1};
    w->out.fd = -1;
    w->next_report_us = clock_monotonic_us() + REPORT_US;
    bool is_good = watcher_open(w, &why) == 0;
    if (is_good) {
        atomic_store(&context->board->watch_lines, watch_list_count(w->list));
        role_tell_ready(context);
        if (watch_until_stopped(w) & ROLE_PASS)
            report(w);
        else
            finish(w);
    } else {
        log_line("error: watch: %s", why.text);
    }
    watcher_close(w);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_wanted(const struct role_context *context)
{
    return context->config->watch != NULL && role_receives(context);
}

const struct role role_watch = {.name = "watch", .run = run, .is_wanted = is_wanted};
