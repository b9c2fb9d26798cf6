/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "collect/backup.h"
#include "store/tidy.h"

enum { LOOK_S = 60, RETRY_S = 3600 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t every_s(const struct daily *d)
{
    return (int64_t)d->context->config->backup_every_s;
}

static void wait_s(struct daily *d, int64_t seconds)
{
    d->next_us = clock_monotonic_us() + seconds * SECOND_US;
}

void daily_begin(struct daily *daily, const struct role_context *context)
{
    const struct collect_config *config = context->config;
    *daily = (struct daily){.context = context};
    if (config->backup)
        snprintf(daily->target, sizeof(daily->target), "%s", config->backup);
    else
        snprintf(daily->target, sizeof(daily->target), "%s/%s", config->directory, BACKUP_FOLDER);
}

static void fail(struct daily *d, const struct error *why)
{
    int64_t seconds = least(RETRY_S, every_s(d));
    log_line("error: backup: %s; tried again in %" PRId64 " s", why->text, seconds);
    wait_s(d, seconds);
}

/* Beside the store it may take no more than its share, and would be let go at once. */
static bool has_room(const struct daily *d)
{
    char path[512];
    struct stat info;
    uint64_t most = tidy_backup_bytes(d->context->max_size - d->context->max_size / 4);
    snprintf(path, sizeof(path), "%s/dnsflow.db", d->context->config->directory);
    if (d->context->config->backup || stat(path, &info) != 0 || (uint64_t)info.st_size <= most)
        return true;
    log_line("warning: backup: there is none, as dnsflow.db has %" PRIu64 " MiB, and a backup in %s may take %" PRIu64
             "; --backup names another place, --max-size makes room",
             (uint64_t)info.st_size >> 20, d->target, most >> 20);
    return false;
}

/* A clock that was set back makes it wait no longer than usual. */
static void begin_when_due(struct daily *d)
{
    struct error why;
    int64_t now_s = clock_unix_us() / SECOND_US;
    int64_t due_s = backup_due_s(d->context->config->directory, d->target, every_s(d));
    if (due_s < 0 || (due_s > now_s && due_s <= now_s + every_s(d))) {
        wait_s(d, due_s < 0 ? least(LOOK_S, every_s(d)) : least(LOOK_S, due_s - now_s));
        return;
    }
    if (!has_room(d))
        wait_s(d, every_s(d));
    else if (backup_open(d->context->config->directory, d->target, &d->running, &why) != 0)
        fail(d, &why);
}

bool daily_step(struct daily *daily)
{
    struct daily *d = daily;
    char text[BACKUP_TEXT];
    struct error why;
    if (d->context->config->has_no_backup || (!d->running && clock_monotonic_us() < d->next_us))
        return false;
    if (!d->running) {
        begin_when_due(d);
        return d->running != NULL;
    }
    int result = backup_step(d->running, &why);
    if (result == 1)
        return true;
    if (result < 0) {
        fail(d, &why);
    } else {
        backup_text(backup_result(d->running), text);
        log_line("backup: %s", text);
        wait_s(d, every_s(d)); /* also where it has been let go since */
    }
    daily_end(d);
    return false;
}

void daily_end(struct daily *daily)
{
    backup_close(daily->running);
    daily->running = NULL;
}
