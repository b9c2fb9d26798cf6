/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The role that receives: datagrams out of sockets, checked and counted, into blocks for the journal. It waits for
 * nobody: what finds no block is dropped and counted. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "collect/confine.h"
#include "collect/journal_thread.h"
#include "collect/role.h"
#include "journal/restore.h"
#include "receive/intake.h"

enum {
    BLOCKS = 384,           /* 48 MiB */
    BLOCK_US = 250000,      /* a block is handed over so long after its first datagram, at the latest */
    WAIT_MS = 50,           /* at most, to look whether a block is due */
    BATCHES = 16,           /* from one socket before the next one's turn */
    GATHER_MS = 2,          /* until the next look where few came: a wake for each would cost more than they do */
    GATHER_LARGE_MS = 10,   /* where the socket has room for what comes meanwhile */
    LARGE_BUFFER = 4 << 20, /* bytes of such a socket */
    REPORT_US = 60 * SECOND_US,
    FILE_BYTES = 64 << 20,
    FILES_LEAST = 2 /* that the journal has room for */
};

struct receiver {
    const struct role_context *context;
    struct intake intake;
    struct block_pool *pool;
    struct journal_thread writer;
    pthread_t thread;
    struct filled_block *open; /* being filled, NULL = none */
    int64_t opened_us;
    int gather_ms;
    bool has_begun;                /* a block of this process has been begun */
    bool is_starved;               /* there was no block; told */
    uint64_t received;             /* datagrams out of sockets */
    uint64_t told;                 /* of these and those without room, what blocks that were closed tell of */
    uint64_t not_allowed, memory;  /* of these */
    uint64_t before[TOTALS_COUNT]; /* the chain's totals when this process began */
    int64_t next_report_us, next_line_us, next_refusal_us;
};

/* ---- blocks ---- */

static uint64_t count_no_room(const struct receiver *r)
{
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i < r->context->config->listeners_count; i++)
        sum += listener_dropped(r->context->listeners[i]);
    return sum;
}

/* The chain's totals of what has been dropped or refused by now. */
static void fill_totals(const struct receiver *r, uint64_t totals[TOTALS_COUNT])
{
    const struct intake *in = &r->intake;
    totals[TOTAL_SOCKET] = r->before[TOTAL_SOCKET] + count_no_room(r);
    totals[TOTAL_MEMORY] = r->before[TOTAL_MEMORY] + r->memory;
    totals[TOTAL_DOUBLED] = r->before[TOTAL_DOUBLED] + in->doubled;
    totals[TOTAL_NOT_ALLOWED] = r->before[TOTAL_NOT_ALLOWED] + r->not_allowed;
    totals[TOTAL_MALFORMED] = r->before[TOTAL_MALFORMED] + in->malformed;
    totals[TOTAL_UNSIGNED] = r->before[TOTAL_UNSIGNED] + in->refused[VERIFY_UNSIGNED];
    totals[TOTAL_FORGED] = r->before[TOTAL_FORGED] + in->refused[VERIFY_FORGED];
    totals[TOTAL_REPLAYED] = r->before[TOTAL_REPLAYED] + in->refused[VERIFY_REPLAYED];
    totals[TOTAL_STALE] = r->before[TOTAL_STALE] + in->refused[VERIFY_STALE];
    totals[TOTAL_CROWDED] = r->before[TOTAL_CROWDED] + in->refused[VERIFY_CROWDED];
}

static void close_block(struct receiver *r)
{
    if (!r->open)
        return;
    fill_totals(r, r->open->build.head.totals);
    r->told = r->received + count_no_room(r);
    blocks_put(r->pool, r->open);
    r->open = NULL;
}

static void open_block(struct receiver *r)
{
    r->open = blocks_get(r->pool);
    if (!r->open)
        return;
    build_begin(&r->open->build,
                (uint16_t)((r->has_begun ? 0 : JOURNAL_FIRST) | (r->intake.verifier ? JOURNAL_SIGNED : 0)));
    if (journal_wants_table(r->writer.writer))
        build_table(&r->open->build, r->intake.sources);
    r->has_begun = true;
    r->opened_us = clock_monotonic_us();
}

/* What was only refused or dropped is told by a block without datagrams. */
static void close_when_due(struct receiver *r, int64_t now_us)
{
    if (!r->open && now_us - r->opened_us >= BLOCK_US && r->told != r->received + count_no_room(r))
        open_block(r);
    if (r->open && (now_us - r->opened_us >= BLOCK_US || r->open->build.head.datagrams == 0))
        close_block(r);
}

/* A block with room for a datagram of this length, from whomever. */
static bool make_room(struct receiver *r, size_t len)
{
    if (r->open && !build_has_room(&r->open->build, len))
        close_block(r);
    if (!r->open)
        open_block(r);
    if (!r->open && !r->is_starved)
        log_line(
            "warning: the journal is written too slowly; datagrams are dropped for want of memory until it is not");
    r->is_starved = !r->open;
    return r->open != NULL;
}

/* ---- datagrams ---- */

static void keep_datagram(void *context, const struct received *from, const struct source *source)
{
    (void)source;
    build_datagram(&((struct receiver *)context)->open->build, from);
}

static void keep_time(void *context, const struct received *from, const struct dnsflow_record *record)
{
    build_record(&((struct receiver *)context)->open->build, from, record);
}

static void count_malformed(void *context, const struct source *source, int result)
{
    (void)context;
    (void)source;
    (void)result;
}

/* Who sends what is not taken: one of them once a minute, as there may be any number. */
static void tell_refused(struct receiver *r, const struct listener_datagram *d, const char *why)
{
    char address[INET6_ADDRSTRLEN] = "?";
    int64_t now_us = clock_monotonic_us();
    if (now_us < r->next_refusal_us)
        return;
    r->next_refusal_us = now_us + REPORT_US;
    (void)inet_ntop(d->ip_vers == 6 ? AF_INET6 : AF_INET, d->address, address, sizeof(address));
    log_line("warning: a datagram from %s port %u is refused (%s); the next one is told in a minute", address, d->port,
             why);
}

static void take_datagram(struct receiver *r, const struct listener_datagram *d)
{
    const struct prefixes *allow = &r->context->config->allow;
    r->received++;
    r->intake.why_refused = NULL;
    if (allow->count > 0 && !prefixes_have(allow, d->ip_vers, d->address, 1)) {
        r->intake.no_room += d->dropped;
        r->not_allowed++;
        r->intake.why_refused = "not_allowed";
    } else if (!make_room(r, d->len)) {
        r->intake.no_room += d->dropped + 1u;
        r->memory++;
    } else {
        intake_datagram(&r->intake, d);
    }
    if (r->intake.why_refused)
        tell_refused(r, d, r->intake.why_refused);
}

/* A socket that fails is tried again with each wait, which it must not turn into a spin. */
static void tell_broken(struct receiver *r, const struct error *why)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us >= r->next_line_us)
        log_line("error: %s", why->text);
    r->next_line_us = now_us >= r->next_line_us ? now_us + REPORT_US : r->next_line_us;
    (void)poll(NULL, 0, WAIT_MS);
}

/* Up to BATCHES batches of what waits in the socket. Returns how many datagrams that were. */
static int take_batches(struct receiver *r, struct listener *listener)
{
    const struct listener_datagram *datagrams;
    struct error why;
    int all = 0, count, batch, i;
    for (batch = 0; batch < BATCHES; batch++) {
        count = listener_receive(listener, &datagrams, &why);
        if (count < 0)
            tell_broken(r, &why);
        for (i = 0; i < count; i++)
            take_datagram(r, &datagrams[i]);
        all += count > 0 ? count : 0;
        if (count < LISTENER_BATCH)
            break;
    }
    return all;
}

/* ---- telling ---- */

static size_t add_reason(char *text, size_t size, size_t used, const char *word, uint64_t count)
{
    if (count == 0 || used >= size)
        return used;
    return used + (size_t)snprintf(text + used, size - used, "%s%s %" PRIu64, used ? ", " : " (", word, count);
}

/* Datagrams refused by this process, by reason. Returns their sum. */
static uint64_t list_refused(const struct receiver *r, char *text, size_t size)
{
    uint64_t totals[TOTALS_COUNT] = {0}, sum = 0;
    size_t used = 0;
    int i;
    fill_totals(r, totals);
    text[0] = '\0';
    for (i = TOTAL_DOUBLED; i < TOTALS_COUNT; i++) {
        used = add_reason(text, size, used, journal_totals[i].word, totals[i] - r->before[i]);
        sum += totals[i] - r->before[i];
    }
    if (used > 0 && used < size)
        snprintf(text + used, size - used, ")");
    return sum;
}

/* Of this process: what was received went into the journal, was refused or dropped, or waits. */
static bool report(struct receiver *r)
{
    char refused_text[400], dropped_text[200] = "";
    uint64_t no_room = count_no_room(r), received = r->received + no_room;
    uint64_t journalled = counter_read(&r->writer.totals[TOTAL_DATAGRAMS]) - r->before[TOTAL_DATAGRAMS];
    uint64_t journal = counter_read(&r->writer.totals[TOTAL_JOURNAL]) - r->before[TOTAL_JOURNAL];
    uint64_t refused = list_refused(r, refused_text, sizeof(refused_text));
    uint64_t dropped = no_room + r->memory + journal, waiting = received - journalled - refused - dropped;
    size_t used = add_reason(dropped_text, sizeof(dropped_text), 0, "socket", no_room);
    used = add_reason(dropped_text, sizeof(dropped_text), used, "memory", r->memory);
    used = add_reason(dropped_text, sizeof(dropped_text), used, "journal", journal);
    log_line("datagrams: %" PRIu64 " received = %" PRIu64 " journalled + %" PRIu64 " refused%s + %" PRIu64
             " dropped%s%s + %" PRIu64 " waiting",
             received, journalled, refused, refused_text, dropped, dropped_text, used ? ")" : "", waiting);
    log_line("journal: %" PRIu64 " records, %" PRIu64 " MiB in %" PRIu64 " files; %u streams",
             counter_read(&r->writer.totals[TOTAL_RECORDS]) - r->before[TOTAL_RECORDS],
             counter_read(&r->writer.bytes) >> 20, counter_read(&r->writer.files), sources_proven(r->intake.sources));
    return waiting == 0;
}

/* ---- running ---- */

/* Returns the orders with which it ended. */
static unsigned receive_until_stopped(struct receiver *r)
{
    const struct role_context *context = r->context;
    size_t count = context->config->listeners_count, i;
    struct pollfd waits[COLLECT_LISTENERS_MAX + 1];
    unsigned orders = 0;
    for (i = 0; i < count; i++)
        waits[i] = (struct pollfd){.fd = listener_fd(context->listeners[i]), .events = POLLIN};
    waits[count] = (struct pollfd){.fd = context->control_fd, .events = POLLIN};
    while (!(orders & ROLE_STOP)) {
        (void)poll(waits, count + 1, WAIT_MS);
        role_beat(context);
        int taken = 0;
        for (i = 0; i < count; i++)
            taken += waits[i].revents ? take_batches(r, context->listeners[i]) : 0;
        if (taken > 0 && taken < LISTENER_BATCH)
            (void)poll(&waits[count], 1, r->gather_ms);
        int64_t now_us = clock_monotonic_us();
        close_when_due(r, now_us);
        orders = waits[count].revents ? role_orders(context) : 0;
        if ((orders & ROLE_REPORT) || now_us >= r->next_report_us) {
            (void)report(r);
            r->next_report_us = now_us + REPORT_US;
        }
    }
    return orders;
}

/* What is in the sockets, unless they are passed on, then what is in blocks. */
static int finish(struct receiver *r, bool passes_on)
{
    size_t i;
    for (i = 0; !passes_on && i < r->context->config->listeners_count; i++) {
        listener_end(r->context->listeners[i]);
        while (take_batches(r, r->context->listeners[i]) > 0)
            ;
    }
    close_when_due(r, INT64_MAX);
    blocks_end(r->pool);
    (void)pthread_join(r->thread, NULL);
    if (report(r))
        return EXIT_SUCCESS;
    log_line("error: the accounts do not balance; this is a defect, please report it");
    return EXIT_FAILURE;
}

static int open_journal(struct receiver *r, struct error *err)
{
    const struct role_context *context = r->context;
    uint64_t room = context->max_size / 4;
    const struct journal_limits limits = {.file_bytes =
                                              room / FILES_LEAST < FILE_BYTES ? room / FILES_LEAST : FILE_BYTES,
                                          .bytes = room,
                                          .age_us = (int64_t)context->config->max_age_s * SECOND_US,
                                          .least_file = context->least_file,
                                          .least_block = context->least_block,
                                          .sync_us = context->config->sync_us};
    uint64_t cut;
    int i;
    if (journal_writer_open(context->directory->journal_fd, &limits, &r->writer.writer, &cut, err) != 0 ||
        journal_restore(context->directory->journal_fd, &r->intake, clock_unix_us(), err) != 0)
        return -1;
    if (cut > 0)
        log_line("journal: %" PRIu64 " bytes of a block that was not whole were cut off", cut);
    const struct journal_block *last = journal_last(r->writer.writer);
    r->writer.board = context->board;
    counter_set(&r->writer.bytes, journal_size(r->writer.writer).bytes);
    counter_set(&r->writer.files, journal_size(r->writer.writer).files);
    for (i = 0; last && i < TOTALS_COUNT; i++) {
        r->before[i] = last->totals[i];
        counter_set(&r->writer.totals[i], last->totals[i]);
        atomic_store(&context->board->totals[i], last->totals[i]);
    }
    return 0;
}

static int receiver_open(struct receiver *r, const struct role_context *context, struct error *err)
{
    const struct intake_options options = {.is_live = true,
                                           .only_once = true,
                                           .keys = context->config->keys,
                                           .whose = SOURCE_IS_STREAM,
                                           .calls = {r, keep_datagram, keep_time, count_malformed}};
    size_t i;
    r->context = context;
    r->has_begun = context->is_passed_on; /* nothing was missed between the two */
    r->next_report_us = clock_monotonic_us() + REPORT_US;
    if (intake_open(&r->intake, &options, err) != 0)
        return -1;
    r->pool = blocks_create(BLOCKS);
    if (!r->pool)
        return error_set(err, "out of memory");
    r->writer.pool = r->pool;
    if (open_journal(r, err) != 0)
        return -1;
    r->gather_ms = GATHER_LARGE_MS;
    for (i = 0; i < context->config->listeners_count; i++) {
        listener_resume(context->listeners[i]);
        if (listener_buffer(context->listeners[i]) < LARGE_BUFFER)
            r->gather_ms = GATHER_MS;
    }
    int cause = process_start_thread(&r->thread, journal_thread_run, &r->writer);
    return cause == 0 ? 0 : error_set(err, "cannot start a thread: %s", strerror(cause));
}

static int run(const struct role_context *context)
{
    static const struct confinement to = {
        .holds = HOLDS_LISTENERS | HOLDS_JOURNAL, .needs = SANDBOX_KEEPS, .writes = "journal"};
    struct receiver *r = calloc(1, sizeof(*r));
    struct error why;
    int status = EXIT_FAILURE;
    if (r && confine(context, &to, &why) == 0 && receiver_open(r, context, &why) == 0) {
        role_tell_ready(context);
        status = finish(r, (receive_until_stopped(r) & ROLE_PASS) != 0);
    } else {
        log_line("error: %s", r ? why.text : "out of memory");
    }
    if (r) {
        journal_writer_close(r->writer.writer);
        blocks_destroy(r->pool);
        intake_close(&r->intake);
    }
    free(r);
    return status;
}

const struct role role_receive = {.name = "receive", .run = run, .is_wanted = role_receives};
