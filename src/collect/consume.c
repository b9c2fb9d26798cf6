/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The role of a collector that takes datagrams out of Kafka, with --from-kafka, in place of receiving them: it has no
 * journal and no embedded store, as Kafka keeps what comes and ClickHouse what has come. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "collect/confine.h"
#include "feed/kafka_in.h"

enum { RETRY_MAX_US = 60 * SECOND_US, LINE_US = 60 * SECOND_US, STATE_US = SECOND_US, REPORT_US = 60 * SECOND_US };

#ifdef HAVE_FROM_KAFKA

struct consumer {
    const struct role_context *context;
    struct feed_owner owner;
    struct feed_place place; /* unused: the group's coordinator has it */
    struct feed_counts counts;
    struct feed_state state;
    struct kafka_in *in;
    char aside[512];
    unsigned orders;
    int64_t retry_us, pause_us, next_line_us, next_state_us, next_report_us;
};

static void beat(void *context)
{
    role_beat(((struct consumer *)context)->context);
}

static bool must_end(void *context)
{
    struct consumer *c = context;
    c->orders |= role_orders(c->context);
    return c->orders & ROLE_STOP;
}

static void fail(struct consumer *c, const char *why)
{
    int64_t now_us = clock_monotonic_us();
    if (!c->state.is_failing || strcmp(c->state.cause, why) != 0 || now_us >= c->next_line_us) {
        log_line("error: from-kafka: %s; tried again, Kafka keeps what comes meanwhile", why);
        c->next_line_us = now_us + LINE_US;
    }
    c->state.is_failing = true;
    snprintf(c->state.cause, sizeof(c->state.cause), "%s", why);
    c->pause_us = c->pause_us == 0 ? SECOND_US / 2 : c->pause_us * 2 < RETRY_MAX_US ? c->pause_us * 2 : RETRY_MAX_US;
    c->retry_us = now_us + c->pause_us;
    c->state.failures++;
}

static void succeed(struct consumer *c)
{
    if (c->counts.trouble[0] || !c->state.is_failing)
        return;
    log_line("from-kafka: goes on");
    c->state.is_failing = false;
    c->pause_us = 0;
}

static void step(struct consumer *c)
{
    struct error why;
    uint64_t batches = c->counts.batches;
    if (!c->in)
        c->in = kafka_in_open(&c->owner, &c->context->config->feeds[0], c->aside, &why);
    if (!c->in || kafka_in_step(c->in, &why) != 0)
        fail(c, why.text);
    else if (c->counts.batches > batches)
        succeed(c);
    else if (c->counts.trouble[0] && !c->state.is_failing)
        fail(c, c->counts.trouble);
}

static void report(const struct consumer *c)
{
    log_line("from-kafka: %" PRIu64 " datagrams with %" PRIu64 " records inserted in %" PRIu64 " batches; %" PRIu64
             " had come before, %" PRIu64 " cannot be decoded; %" PRIu64 " failures",
             c->counts.datagrams, c->counts.records, c->counts.batches, c->counts.doubled, c->counts.refused,
             c->state.failures);
}

static void tell(struct consumer *c)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us >= c->next_state_us) {
        c->next_state_us = now_us + STATE_US;
        c->state.counts = c->counts;
        feed_state_publish(&c->context->board->feeds[0], &c->state);
        feed_state_write(c->context->config->directory, c->context->config->feeds[0].name, "clickhouse", &c->state);
    }
    if ((c->orders & ROLE_REPORT) || now_us >= c->next_report_us) {
        c->next_report_us = now_us + REPORT_US;
        report(c);
    }
    c->orders &= ~(unsigned)ROLE_REPORT;
}

static int open_consumer(struct consumer *c, struct error *err)
{
    static const struct confinement to = {
        .needs = SANDBOX_KEEPS | SANDBOX_CONNECTS, .writes = FEEDS_FOLDER, .reads = FEEDS_FOLDER, .connects = true};
    if (snprintf(c->aside, sizeof(c->aside), "%s/" FEEDS_REFUSED, c->context->config->directory) >=
        (int)sizeof(c->aside))
        return error_set(err, "%s: the path is too long", c->context->config->directory);
    return confine(c->context, &to, err);
}

static int run(const struct role_context *context)
{
    struct consumer *c = calloc(1, sizeof(*c));
    struct pollfd control = {.fd = context->control_fd, .events = POLLIN};
    struct error why = {"out of memory"};
    if (!c) {
        log_line("error: %s", why.text);
        return EXIT_FAILURE;
    }
    c->context = context;
    c->owner = (struct feed_owner){&context->config->from_kafka, &c->place, &c->counts, beat, must_end, c};
    c->next_report_us = clock_monotonic_us() + REPORT_US;
    bool is_good = open_consumer(c, &why) == 0;
    if (is_good)
        role_tell_ready(context);
    else
        log_line("error: from-kafka: %s", why.text);
    while (is_good && !(c->orders & ROLE_STOP)) {
        bool waits = clock_monotonic_us() < c->retry_us;
        (void)poll(&control, 1, waits ? 100 : 0);
        beat(c);
        c->orders |= role_orders(context);
        if (!waits)
            step(c);
        tell(c);
    }
    if (is_good)
        report(c);
    kafka_in_close(c->in);
    free(c);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_wanted(const struct role_context *context)
{
    return context->config->has_from_kafka;
}

#else

static int run(const struct role_context *context)
{
    (void)context;
    return EXIT_FAILURE;
}

static bool is_wanted(const struct role_context *context)
{
    (void)context;
    return false;
}

#endif

const struct role role_consume = {.name = "consume", .run = run, .is_wanted = is_wanted};
