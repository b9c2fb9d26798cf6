/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The role that follows the journal into the embedded store. What it has gathered is sealed every minute, when there is
 * much of it, and when somebody who has a question asks for that at DIR/control. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collect/backup.h"
#include "collect/confine.h"
#include "store/sqlite.h"

enum {
    WAIT_MS = 250,            /* between two looks whether the journal has grown */
    BLOCKS = 64,              /* between two looks at orders */
    SEAL_US = 60 * SECOND_US, /* what is gathered is sealed after that */
    ASKED_US = SECOND_US,     /* between two seals that were asked for, or ASKED_TIMES what the last one took */
    ASKED_TIMES = 10,
    RETRY_US = SECOND_US,     /* after a failure */
    LINE_US = 10 * SECOND_US, /* between two lines about it */
    REPORT_US = 60 * SECOND_US,
    FINISH_US = 30 * SECOND_US, /* at the end, for what the journal still has */
    ASKING_MAX = 64,            /* who wait for an answer; others wait to be let in */
    BLOCK_US = 300000           /* a block that was open when they asked is in the journal then */
};

struct keeper {
    const struct role_context *context;
    struct sqlite_store *store;
    int asking[ASKING_MAX]; /* sockets of who wait for a seal */
    size_t asking_count;
    uint64_t wanted; /* of the board, as it was when they asked; 0 = nobody there does */
    int64_t next_look_us, asked_us, sealed_us, seal_took_us, retry_us, next_line_us, next_report_us;
    bool has_moved, is_renewed, is_failing, has_all; /* has_all: the journal's end was reached */
    uint64_t told_damage, seals;
    struct daily daily;
};

/* ---- who ask ---- */

static void answer_all(struct keeper *k, const char *text)
{
    size_t i;
    for (i = 0; i < k->asking_count; i++) {
        (void)send(k->asking[i], text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        close(k->asking[i]);
    }
    k->asking_count = 0;
    if (k->wanted > 0)
        atomic_store(text[0] == 'o' ? &k->context->board->done : &k->context->board->failed, k->wanted);
    k->wanted = 0;
}

static bool is_asked(const struct keeper *k)
{
    return k->asking_count > 0 || k->wanted > 0;
}

/* Whoever connects asks for a seal. */
static void take_asking(struct keeper *k)
{
    int fd;
    while (k->asking_count < ASKING_MAX &&
           (fd = accept4(k->context->seal_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (!is_asked(k))
            k->asked_us = clock_monotonic_us();
        k->asking[k->asking_count++] = fd;
    }
}

/* The role that answers questions asks by the board. Whoever asks while others wait is for the next seal. */
static void take_wanted(struct keeper *k)
{
    uint64_t count;
    if (k->wanted > 0 || read(k->context->ask_fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return;
    if (!is_asked(k))
        k->asked_us = clock_monotonic_us();
    k->wanted = atomic_load(&k->context->board->wanted);
}

/* ---- failing and healing ---- */

static void fail(struct keeper *k, const struct error *why)
{
    int64_t now_us = clock_monotonic_us();
    k->is_renewed |= sqlite_store_renew(k->store, why->text);
    if (k->is_renewed)
        return;
    if (!k->is_failing || now_us >= k->next_line_us) {
        log_line("error: store: %s; tried again each second, the journal keeps what comes meanwhile", why->text);
        k->next_line_us = now_us + LINE_US;
    }
    k->is_failing = true;
    atomic_fetch_add(&k->context->board->failures, 1);
    k->retry_us = now_us + RETRY_US;
    answer_all(k, "no\n");
}

/* Once something has been sealed again. */
static void succeed(struct keeper *k, uint64_t seals)
{
    if (k->is_failing && seals == k->seals)
        return;
    if (k->is_failing)
        log_line("store: can be written to again");
    k->is_failing = false;
    k->seals = seals;
}

static void tell_damage(struct keeper *k)
{
    const struct journal_damage *d = sqlite_store_damage(k->store);
    uint64_t all = d->blocks + d->bytes + d->files + d->gone;
    if (all == k->told_damage)
        return;
    k->told_damage = all;
    log_line("warning: store: of the journal, %" PRIu64 " blocks and %" PRIu64 " bytes were damaged, %" PRIu64
             " files missing",
             d->blocks, d->bytes, d->gone + d->files);
}

static void report(const struct keeper *k)
{
    const struct sqlite_store_counts *c = sqlite_store_counts(k->store);
    log_line("store: %" PRIu64 " datagrams with %" PRIu64 " records taken in, %" PRIu64 " rows written in %" PRIu64
             " seals",
             c->datagrams, c->records, c->rows, c->seals);
}

/* ---- working ---- */

/* Up to BLOCKS blocks. Returns whether there may be more. */
static bool take_blocks(struct keeper *k)
{
    struct error why;
    int result = 1, i;
    if (k->is_failing && clock_monotonic_us() < k->retry_us)
        return false;
    for (i = 0; i < BLOCKS && result == 1; i++)
        result = sqlite_store_step(k->store, &why);
    if (result < 0)
        fail(k, &why);
    k->has_all = result == 0;
    return result == 1;
}

/* Who asks is answered when all of the journal up to then is sealed. */
static bool is_due(const struct keeper *k, int64_t now_us, bool is_last)
{
    if (k->is_failing && now_us < k->retry_us)
        return false;
    if (is_last || sqlite_store_age_us(k->store) >= SEAL_US || (k->is_failing && sqlite_store_age_us(k->store) > 0))
        return true;
    if (!is_asked(k) || !k->has_all || now_us - k->asked_us < BLOCK_US)
        return false;
    int64_t pause_us = k->seal_took_us * ASKED_TIMES > ASKED_US ? k->seal_took_us * ASKED_TIMES : ASKED_US;
    return sqlite_store_age_us(k->store) == 0 || k->sealed_us == 0 || now_us - k->sealed_us >= pause_us;
}

static void publish(const struct keeper *k)
{
    const struct sqlite_store_counts *c = sqlite_store_counts(k->store);
    atomic_store(&k->context->board->rows, c->rows);
    atomic_store(&k->context->board->seals, c->seals);
    atomic_store(&k->context->board->sealed_s, clock_unix_us() / SECOND_US);
}

/* Returns 0, or -1: it failed. */
static int seal_when_due(struct keeper *k, bool is_last)
{
    struct error why;
    int64_t now_us = clock_monotonic_us();
    if (!is_due(k, now_us, is_last))
        return 0;
    if (sqlite_store_seal(k->store, &why) != 0) {
        fail(k, &why);
        return -1;
    }
    succeed(k, sqlite_store_counts(k->store)->seals);
    tell_damage(k);
    k->sealed_us = clock_monotonic_us();
    k->seal_took_us = k->sealed_us - now_us;
    publish(k);
    answer_all(k, "ok\n");
    return 0;
}

/* Looks each second. */
static bool has_moved(struct keeper *k)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us < k->next_look_us)
        return false;
    k->next_look_us = now_us + SECOND_US;
    k->has_moved = sqlite_store_has_moved(k->store);
    return k->has_moved;
}

static void keep_until_stopped(struct keeper *k)
{
    struct pollfd waits[] = {{.fd = k->context->control_fd, .events = POLLIN},
                             {.fd = k->context->seal_fd, .events = POLLIN},
                             {.fd = k->context->ask_fd, .events = POLLIN}};
    unsigned orders = 0;
    bool has_more = true;
    while (!(orders & ROLE_STOP) && !k->is_renewed && !has_moved(k)) {
        (void)poll(waits, 3, has_more ? 0 : WAIT_MS);
        role_beat(k->context);
        if (waits[1].revents)
            take_asking(k);
        if (waits[2].revents)
            take_wanted(k);
        waits[2].fd = k->wanted > 0 ? -1 : k->context->ask_fd;
        waits[1].fd = k->asking_count < ASKING_MAX ? k->context->seal_fd : -1;
        has_more = take_blocks(k);
        (void)seal_when_due(k, false);
        has_more |= daily_step(&k->daily);
        orders = waits[0].revents ? role_orders(k->context) : 0;
        int64_t now_us = clock_monotonic_us();
        if ((orders & ROLE_REPORT) || now_us >= k->next_report_us) {
            report(k);
            k->next_report_us = now_us + REPORT_US;
        }
    }
}

/* The receiver has ended: all that there is goes into the store. Where that fails, or takes long after a time without a
 * store, the next start goes on. */
static int finish(struct keeper *k)
{
    int64_t until_us = clock_monotonic_us() + FINISH_US;
    bool has_more = true;
    k->retry_us = 0;
    while (has_more && clock_monotonic_us() < until_us)
        has_more = take_blocks(k);
    k->retry_us = 0;
    int result = k->has_all || has_more ? seal_when_due(k, true) : -1;
    if (has_more && result == 0)
        log_line("store: it ends before it has come to the end of the journal; the next start goes on there");
    report(k);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(const struct role_context *context)
{
    const struct confinement to = {.holds = HOLDS_SEALS | HOLDS_JOURNAL | HOLDS_WISHES,
                                   .needs = SANDBOX_KEEPS,
                                   .writes = "",
                                   .reads = "",
                                   .writes_there = context->config->backup};
    struct keeper k = {.context = context, .next_report_us = clock_monotonic_us() + REPORT_US};
    struct error why;
    if (confine(context, &to, &why) != 0 ||
        sqlite_store_open(context->config->directory, context->directory->journal_fd, &k.store, &why) != 0) {
        log_line("error: store: %s", why.text);
        return EXIT_FAILURE;
    }
    sqlite_store_limit(k.store, context->max_size);
    daily_begin(&k.daily, context);
    role_tell_ready(context);
    keep_until_stopped(&k);
    daily_end(&k.daily);
    if (k.has_moved) {
        log_line("error: store: dnsflow.db has been removed or replaced, and is opened anew; what was in it is lost");
        _exit(EXIT_FAILURE);
    }
    int status = k.is_renewed ? EXIT_FAILURE : finish(&k);
    if (k.is_renewed)
        _exit(status);
    answer_all(&k, "no\n");
    sqlite_store_close(k.store);
    return status;
}

const struct role role_store = {.name = "store", .run = run, .is_wanted = role_receives};
