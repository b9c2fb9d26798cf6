/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The role that keeps the store in order beside the one that writes it: merges, and lets go what is too much or too
 * old. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collect/confine.h"
#include "store/quarantine.h"
#include "store/tidy.h"

enum { WAIT_MS = 1000, LINE_US = 60 * SECOND_US };

static void tell(const struct tidy_counts *counts, const struct tidy_counts *before)
{
    if (counts->expired > before->expired)
        log_line("store: %" PRIu64 " partitions went for want of room or for their age",
                 counts->expired - before->expired);
}

/* Does what there is to do. Returns 0, or -1 with the cause. */
static int tidy_up(sqlite3 *db, const struct role_context *context, struct tidy_counts *counts, struct error *err)
{
    const struct tidy_limits limits = {.bytes = context->max_size - context->max_size / 4,
                                       .age_s = (int64_t)context->config->max_age_s};
    const struct tidy_counts before = *counts;
    struct pollfd control = {.fd = context->control_fd, .events = POLLIN};
    int result = 1;
    for (; result == 1 && poll(&control, 1, 0) == 0; role_beat(context))
        result = tidy_step(db, context->config->directory, &limits, clock_unix_us() / SECOND_US, counts, err);
    tell(counts, &before);
    return result < 0 ? -1 : 0;
}

/* Where a failure was as the database is damaged, that is set aside, and the store makes a new one. */
static void renew(sqlite3 *db, const char *directory, const struct error *why)
{
    struct error err;
    if (!sql_is_damaged(db) || database_has_moved(db))
        return;
    if (quarantine_database(directory, why->text, &err) == 0)
        _exit(EXIT_FAILURE);
    log_line("error: tidy: %s", err.text);
}

static int run(const struct role_context *context)
{
    static const struct confinement to = {.needs = SANDBOX_KEEPS, .writes = "", .reads = ""};
    struct pollfd control = {.fd = context->control_fd, .events = POLLIN};
    struct tidy_counts counts = {.merges = 0};
    struct error why;
    sqlite3 *db;
    int64_t next_line_us = 0;
    unsigned orders = 0;
    if (confine(context, &to, &why) != 0 || database_open(context->config->directory, &db, &why) != 0) {
        log_line("error: tidy: %s", why.text);
        return EXIT_FAILURE;
    }
    role_tell_ready(context);
    while (!(orders & ROLE_STOP) && !database_has_moved(db)) {
        (void)poll(&control, 1, WAIT_MS);
        role_beat(context);
        orders = control.revents ? role_orders(context) : 0;
        if (orders & ROLE_REPORT)
            log_line("store: %" PRIu64 " partitions merged into %" PRIu64 ", %" PRIu64 " let go", counts.merged,
                     counts.merges, counts.expired);
        if (tidy_up(db, context, &counts, &why) == 0)
            continue;
        renew(db, context->config->directory, &why);
        if (clock_monotonic_us() >= next_line_us) {
            log_line("error: tidy: %s; tried again each second", why.text);
            next_line_us = clock_monotonic_us() + LINE_US;
        }
    }
    if (database_has_moved(db))
        _exit(EXIT_FAILURE);
    database_close(db);
    return EXIT_SUCCESS;
}

const struct role role_tidy = {.name = "tidy", .run = run, .is_wanted = role_receives};
