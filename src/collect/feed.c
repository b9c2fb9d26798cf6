/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The role of a store beside the embedded one (feed/feed.h): it follows the journal and hands over what is there. After
 * a failure it begins again from what has been handed over for certain, later each time, and says why once. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collect/confine.h"
#include "collect/feed_state.h"
#include "journal/reader.h"

enum {
    WAIT_MS = 200, /* between two looks whether the journal has grown */
    BLOCKS = 64,   /* between two looks at orders */
    RETRY_US = SECOND_US,
    RETRY_MAX_US = 60 * SECOND_US,
    LINE_US = 60 * SECOND_US, /* between two lines about the same failure */
    STATE_US = SECOND_US,
    REPORT_US = 60 * SECOND_US,
    FINISH_US = 30 * SECOND_US /* at the end, for what the journal still has */
};

struct feeder {
    const struct role_context *context;
    const struct feed_spec *spec;
    struct feed_owner owner;
    char folder[FEED_PATH]; /* where the store makes files */
    bool has_folder;        /* it was there; once it is not, it can be made by another process alone */
    char path[512];         /* of the place */
    struct feed_place place;
    struct feed_counts counts;
    struct feed_state state;
    struct journal_reader *reader;
    void *feed;            /* NULL: it could not be opened, or has failed */
    struct feed_point end; /* behind the last block that was read */
    struct journal_block block;
    const uint8_t *plain; /* its records, if it has not been taken; NULL: there is none */
    unsigned orders;
    int64_t ends_us; /* monotonic: no more is waited for then; INT64_MAX: not yet */
    int64_t retry_us, pause_us, next_line_us, next_state_us, next_report_us;
};

/* ---- for the store ---- */

static void beat(void *context)
{
    role_beat(((struct feeder *)context)->context);
}

static bool must_end(void *context)
{
    struct feeder *f = context;
    f->orders |= role_orders(f->context);
    return (f->orders & ROLE_PASS) || clock_monotonic_us() >= f->ends_us ||
           ((f->orders & ROLE_STOP) && f->ends_us == INT64_MAX);
}

/* ---- failing and healing ---- */

static void let_go(struct feeder *f)
{
    if (f->feed)
        f->spec->kind->close(f->feed);
    f->feed = NULL;
    journal_reader_close(f->reader);
    f->reader = NULL;
    f->plain = NULL;
}

/* Some come back all at once: each waits a little longer or shorter than the others. */
static int64_t jitter(int64_t pause_us)
{
    return pause_us / 2 + (int64_t)((uint64_t)clock_monotonic_us() * 2654435761u % (uint64_t)pause_us);
}

static void fail(struct feeder *f, const struct error *why)
{
    int64_t now_us = clock_monotonic_us();
    bool is_new = !f->state.is_failing || strcmp(f->state.cause, why->text) != 0;
    let_go(f);
    if ((f->orders & ROLE_STOP) && f->ends_us == INT64_MAX) /* given up for that; finish() tries it again */
        return;
    f->pause_us = f->pause_us == 0 ? RETRY_US : f->pause_us * 2 < RETRY_MAX_US ? f->pause_us * 2 : RETRY_MAX_US;
    f->retry_us = now_us + jitter(f->pause_us);
    f->state.failures++;
    f->state.is_failing = true;
    snprintf(f->state.cause, sizeof(f->state.cause), "%s", why->text);
    if (is_new || now_us >= f->next_line_us) {
        log_line("error: store %s: %s; tried again, the journal keeps what comes meanwhile", f->spec->name, why->text);
        f->next_line_us = now_us + LINE_US;
    }
    f->next_state_us = 0;
}

/* What the store goes on trying by itself. Returns whether there is something. */
static bool tell_trouble(struct feeder *f)
{
    int64_t now_us = clock_monotonic_us();
    const char *trouble = f->counts.trouble;
    if (!trouble[0])
        return false;
    if (!f->state.is_failing || now_us >= f->next_line_us) {
        log_line("error: store %s: %s; tried again, the journal keeps what comes meanwhile", f->spec->name, trouble);
        f->next_line_us = now_us + LINE_US;
    }
    f->next_state_us = f->state.is_failing ? f->next_state_us : 0;
    f->state.is_failing = true;
    snprintf(f->state.cause, sizeof(f->state.cause), "%s", trouble);
    return true;
}

static void succeed(struct feeder *f)
{
    if (f->state.is_failing)
        log_line("store %s: goes on", f->spec->name);
    f->next_state_us = f->state.is_failing ? 0 : f->next_state_us;
    f->state.is_failing = false;
    f->pause_us = 0;
}

/* ---- the journal ---- */

/* Behind the block. What is missing before it went from the journal unread: the totals of its chain only grow. */
static struct feed_point point_behind(const struct feeder *f, const struct journal_block *block)
{
    uint64_t before = block->totals[TOTAL_DATAGRAMS] - block->datagrams, known = f->end.datagrams;
    return (struct feed_point){.at = journal_position(f->reader),
                               .block = block->number,
                               .datagrams = block->totals[TOTAL_DATAGRAMS],
                               .gone = f->end.gone + (f->end.block > 0 && before > known ? before - known : 0)};
}

/* After a failure the same is missing once more, and maybe more than that. */
static void count_gone(struct feeder *f)
{
    if (f->end.gone <= f->state.expired)
        return;
    log_line("warning: store %s: %" PRIu64 " datagrams went from the journal before they were handed over",
             f->spec->name, f->end.gone - f->state.expired);
    f->state.expired = f->end.gone;
}

/* Begins where the place says, anew if that is of another journal. Returns 0, or -1. */
static int open_all(struct feeder *f, struct error *err)
{
    struct journal_file next;
    if (f->place.path[0] == '\0' && place_open(&f->place, f->path, err) != 0) {
        f->place.path[0] = '\0';
        return -1;
    }
    int found = f->place.done.at.file <= f->context->least_file
                    ? 1
                    : journal_find(f->context->directory->journal_fd, f->place.done.at.file, &next, err);
    if (found < 0)
        return -1;
    if (found == 0) {
        log_line("warning: store %s: %s is of another journal; it begins with the oldest of this one", f->spec->name,
                 f->place.path);
        if (place_begin(&f->place, err) != 0)
            return -1;
    }
    f->feed = f->spec->kind->open(&f->owner, err);
    if (!f->feed)
        return -1;
    f->end = f->place.done;
    f->reader = journal_follow(f->context->directory->journal_fd, f->end.at);
    return f->reader ? 0 : error_set(err, "out of memory");
}

/* One block. Returns 1: there was one, 2: there is one, but what was taken went first, 0: there is none yet, -1. */
static int take_block(struct feeder *f, struct error *err)
{
    if (!f->plain) {
        int result = journal_read(f->reader, &f->block, &f->plain, err);
        if (result != JOURNAL_READ) {
            f->plain = NULL;
            return result;
        }
    }
    const struct feed_point behind = point_behind(f, &f->block);
    if (f->block.number > f->end.block) { /* else a copy of what was taken */
        int taken = f->spec->kind->take(f->feed, &f->block, f->plain, &behind, err);
        if (taken == FEED_FAILED)
            return -1;
        if (taken == FEED_FULL)
            return f->spec->kind->work(f->feed, true, err) == 0 ? 2 : -1;
        f->end = behind;
        count_gone(f);
        f->state.read_us = f->block.last_us;
    }
    f->plain = NULL;
    return 1;
}

/* ---- working ---- */

static void tell_state(struct feeder *f)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us < f->next_state_us)
        return;
    f->next_state_us = now_us + STATE_US;
    f->state.counts = f->counts;
    f->state.done = f->place.done;
    feed_state_publish(&f->context->board->feeds[f->context->nth], &f->state);
    feed_state_write(f->context->config->directory, f->spec->name, f->spec->kind->name, &f->state);
}

/* Up to BLOCKS blocks, and what is due of them. Returns whether there may be more. */
static bool step(struct feeder *f, bool is_all)
{
    struct error why;
    int result = 1, i;
    if (!f->feed && clock_monotonic_us() < f->retry_us)
        return false;
    if (!f->feed && open_all(f, &why) != 0) {
        fail(f, &why);
        return false;
    }
    uint64_t done = f->place.done.block;
    for (i = 0; i < BLOCKS && result == 1; i++)
        result = take_block(f, &why);
    if (result < 0 || f->spec->kind->work(f->feed, is_all && result == 0, &why) != 0) {
        fail(f, &why);
        return false;
    }
    if (!tell_trouble(f) && (f->place.done.block != done || f->end.block == f->place.done.block))
        succeed(f);
    return result > 0;
}

static void report(const struct feeder *f)
{
    const struct feed_counts *c = &f->counts;
    log_line("store %s: %" PRIu64 " datagrams with %" PRIu64 " records handed over, in %" PRIu64 " batches; %" PRIu64
             " failures",
             f->spec->name, c->datagrams, c->records, c->batches, f->state.failures);
}

static bool has_lost_folder(const struct feeder *f)
{
    return f->state.is_failing && f->has_folder && access(f->folder, F_OK) != 0 && errno == ENOENT;
}

static void feed_until_stopped(struct feeder *f)
{
    struct pollfd control = {.fd = f->context->control_fd, .events = POLLIN};
    bool has_more = true;
    while (!(f->orders & ROLE_STOP) && !has_lost_folder(f)) {
        (void)poll(&control, 1, has_more ? 0 : WAIT_MS);
        beat(f);
        has_more = step(f, false);
        tell_state(f);
        f->orders |= control.revents ? role_orders(f->context) : 0;
        int64_t now_us = clock_monotonic_us();
        if (f->orders & ROLE_REPORT || now_us >= f->next_report_us) {
            report(f);
            f->next_report_us = now_us + REPORT_US;
        }
        f->orders &= ~(unsigned)ROLE_REPORT;
    }
}

/* The receiver has ended: all that there is is handed over. What cannot be, the next start does. */
static void finish(struct feeder *f)
{
    bool has_more = true;
    f->ends_us = clock_monotonic_us() + FINISH_US;
    f->retry_us = 0;
    while (has_more && !(f->orders & ROLE_PASS) && clock_monotonic_us() < f->ends_us) {
        beat(f);
        has_more = step(f, true);
    }
    f->next_state_us = 0;
    tell_state(f);
    report(f);
    if (f->end.block != f->place.done.block || f->state.is_failing)
        log_line("store %s: ends before all of the journal is handed over; the next start goes on there",
                 f->spec->name);
}

/* ---- the role ---- */

/* As far as that goes: what is wrong shows when a file is to be made. */
static void make_folder(const char *path)
{
    char part[FEED_PATH + 1];
    char *slash = part;
    snprintf(part, sizeof(part), "%s/", path);
    while ((slash = strchr(slash + 1, '/'))) {
        *slash = '\0';
        (void)mkdir(part, 0750);
        *slash = '/';
    }
}

static int open_feeder(struct feeder *f, const struct role_context *context, struct error *err)
{
    const struct feed_kind *kind = f->spec->kind;
    const struct confinement to = {.holds = HOLDS_JOURNAL,
                                   .needs = SANDBOX_KEEPS | (kind->has_network ? SANDBOX_CONNECTS : 0u),
                                   .writes = FEEDS_FOLDER,
                                   .reads = "journal",
                                   .writes_there = kind->folder ? f->folder : NULL,
                                   .only_there = true,
                                   .connects = kind->has_network};
    if (kind->folder) {
        kind->folder(f->spec, f->folder);
        make_folder(f->folder);
        f->has_folder = access(f->folder, F_OK) == 0;
    }
    if (snprintf(f->path, sizeof(f->path), "%s/" FEEDS_FOLDER "/%s", context->config->directory, f->spec->name) >=
        (int)sizeof(f->path))
        return error_set(err, "%s: the path is too long", context->config->directory);
    return confine(context, &to, err);
}

static int run(const struct role_context *context)
{
    struct feeder *f = calloc(1, sizeof(*f));
    struct error why = {"out of memory"};
    if (!f) {
        log_line("error: %s", why.text);
        return EXIT_FAILURE;
    }
    *f = (struct feeder){.context = context, .spec = &context->config->feeds[context->nth], .ends_us = INT64_MAX};
    f->owner = (struct feed_owner){f->spec, &f->place, &f->counts, beat, must_end, f};
    f->next_report_us = clock_monotonic_us() + REPORT_US;
    bool is_good = open_feeder(f, context, &why) == 0;
    if (is_good) {
        role_tell_ready(context);
        feed_until_stopped(f);
        is_good = (f->orders & ROLE_STOP) || !has_lost_folder(f);
        if (is_good)
            finish(f);
    } else {
        log_line("error: store %s: %s", f->spec->name, why.text);
    }
    let_go(f);
    free(f);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_wanted(const struct role_context *context)
{
    return context->nth < context->config->feeds_count && role_receives(context);
}

static const char *name(const struct role_context *context)
{
    return context->nth < context->config->feeds_count ? context->config->feeds[context->nth].name : "feed";
}

const struct role role_feed = {.name = "feed", .run = run, .is_wanted = is_wanted, .name_of = name};
