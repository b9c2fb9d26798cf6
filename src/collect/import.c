/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `import`: brings captures of datagrams, or journals, into what is kept, as if they had been received then. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "capture/capture.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "collect/feed_state.h"
#include "journal/build.h"
#include "journal/capture_file.h"
#include "journal/restore.h"
#include "journal/writer.h"
#include "receive/intake.h"
#include "store/database.h"
#include "store/sqlite.h"

enum { FILES_MAX = 4096, TELL_US = 500000, FILE_BYTES = 64 << 20 };

static atomic_bool stop;

static void note_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

struct import_config {
    const char *directory, *user;
    const char *files[FILES_MAX];
    size_t files_count;
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct import_config *)config)->directory, err);
}

static int take_user(void *config, const char *value, struct error *err)
{
    ((struct import_config *)config)->user = value;
    return *value ? 0 : error_set(err, "expected a user's name");
}

static int take_file(void *config, const char *value, struct error *err)
{
    struct import_config *c = config;
    if (c->files_count == FILES_MAX)
        return error_set(err, "expected at most %d files", FILES_MAX);
    if (parse_path(value, &c->files[c->files_count], err) != 0)
        return -1;
    c->files_count++;
    return 0;
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept, ./dnsflow-data if it is left out", 0},
    {0, "user", "NAME", take_user, "started by root: become this user, by default the directory's owner", 0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct import_config, show_help)},
    {0, NULL, "FILE...", take_file,
     "dnsflow -r day.pcap.gz -x -w - | dnsflow_collect import -   a store out of yesterday\n"
     "dnsflow_collect import old/*.pcap.zst                       captures of datagrams, or a journal's files",
     0},
};

struct import {
    const struct import_config *config;
    struct directory directory;
    struct intake intake;
    struct journal_writer *writer;
    struct sqlite_store *store;
    struct journal_build build;
    uint64_t totals[TOTALS_COUNT]; /* of the chain, with what was written */
    uint64_t datagrams, records;   /* that were written */
    uint64_t oversize;             /* longer than an IP packet */
    bool is_kept;                  /* the last one is not */
    bool has_begun;
    int64_t began_us, told_us;
    bool is_terminal, has_failed;
};

/* ---- telling ---- */

/* How far it is, over the line before; on a terminal alone. */
static void tell_progress(struct import *im, const char *name, struct capture *capture, bool is_end)
{
    uint64_t done, total;
    int64_t now_us = clock_monotonic_us();
    if (!im->is_terminal || (!is_end && now_us - im->told_us < TELL_US))
        return;
    im->told_us = now_us;
    if (is_end) {
        fputs("\r\033[K", stderr);
        return;
    }
    bool has_total = capture_progress(capture, &done, &total) && done > 0;
    double seconds = (double)(now_us - im->began_us) / SECOND_US;
    fprintf(stderr, "\r\033[K%s: %" PRIu64 " datagrams", name, im->datagrams);
    if (has_total)
        fprintf(stderr, ", %.0f %%, %.0f s left", 100.0 * (double)done / (double)total,
                seconds * ((double)total / (double)done - 1));
}

/* ---- writing ---- */

static void begin_block(struct import *im)
{
    build_begin(&im->build, im->has_begun ? 0 : JOURNAL_FIRST);
    im->has_begun = true;
    if (journal_wants_table(im->writer))
        build_table(&im->build, im->intake.sources);
}

/* Writes the block, and lets the store take it in, so that the journal's limit does no harm. */
static int end_block(struct import *im, struct error *err)
{
    struct journal_block *head = &im->build.head;
    int result = head->flags & JOURNAL_TABLE ? sqlite_store_seal(im->store, err) : 0; /* files may go now */
    im->totals[TOTAL_DATAGRAMS] += head->datagrams;
    im->totals[TOTAL_RECORDS] += head->records;
    im->totals[TOTAL_STATISTICS] += head->totals[TOTAL_STATISTICS];
    memcpy(head->totals, im->totals, sizeof(head->totals));
    if (result == 0 && head->datagrams > 0)
        result = journal_write(im->writer, head, im->build.plain, clock_unix_us(), err);
    im->datagrams += head->datagrams;
    im->records += head->records;
    build_end(&im->build);
    while (result == 0 && (result = sqlite_store_step(im->store, err)) == 1)
        result = 0;
    return result;
}

static void keep_datagram(void *context, const struct received *from, const struct source *source)
{
    struct import *im = context;
    (void)source;
    im->is_kept = build_can_hold(from);
    im->oversize += !im->is_kept;
    if (im->is_kept)
        build_datagram(&im->build, from);
}

static void keep_time(void *context, const struct received *from, const struct dnsflow_record *record)
{
    struct import *im = context;
    if (im->is_kept)
        build_record(&im->build, from, record);
}

static void count_malformed(void *context, const struct source *source, int result)
{
    (void)context;
    (void)source;
    (void)result;
}

/* ---- reading ---- */

/* Fragments may come to more than the frame at hand. */
static int take_packet(struct import *im, struct packet *packet, struct error *err)
{
    enum { DATAGRAM_MAX = 65535 };
    size_t most = packet->captured_len < DATAGRAM_MAX ? DATAGRAM_MAX : packet->captured_len;
    packet->time_us = clock_clamp(packet->time_us);
    if (!build_has_room(&im->build, most)) {
        if (end_block(im, err) != 0)
            return -1;
        begin_block(im);
    }
    intake_packet(&im->intake, packet);
    return 0;
}

static int import_capture(struct import *im, const char *name, struct capture *capture, struct error *err)
{
    struct packet packets[CAPTURE_BATCH];
    int count = 0, i;
    im->began_us = clock_monotonic_us();
    while (!atomic_load(&stop) && (count = capture_borrow(capture, packets, CAPTURE_BATCH, err)) >= 0) {
        for (i = 0; i < count; i++)
            if (take_packet(im, &packets[i], err) != 0)
                return -1;
        tell_progress(im, name, capture, false);
    }
    tell_progress(im, name, capture, true);
    return !atomic_load(&stop) && count == CAPTURE_FAILED ? 1 : 0;
}

/* A file that is broken brings what stands before the damage; the next one is gone on with. -1: nothing can be kept. */
static int import_file(struct import *im, const char *path, struct error *err)
{
    struct capture *capture = NULL;
    struct error why;
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    bool is_journal = strcmp(path, "-") != 0 && journal_is_file(path);
    int opened =
        is_journal ? journal_open_capture(path, &capture, &why) : capture_open_file(path, &stop, &capture, &why);
    int result = opened == 0 ? import_capture(im, name, capture, &why) : 1;
    capture_close(capture);
    if (result == 1) {
        log_line("error: %s", why.text);
        im->has_failed = true;
    }
    if (result < 0)
        *err = why;
    return result < 0 ? -1 : 0;
}

/* ---- all of it ---- */

static int import_all(struct import *im, struct error *err)
{
    const struct import_config *c = im->config;
    size_t i;
    for (i = 0; i < c->files_count && !atomic_load(&stop); i++) {
        sources_resume(im->intake.sources); /* what another file has brought is there already */
        if (import_file(im, c->files[i], err) != 0)
            return -1;
    }
    if (end_block(im, err) != 0 || journal_sync(im->writer, 0, true, err) != 0)
        return -1;
    return sqlite_store_seal(im->store, err);
}

static int open_journal(struct import *im, struct error *err)
{
    uint64_t size, cut;
    int folder = im->directory.journal_fd;
    if (directory_max_size(&im->directory, 0, &size, err) != 0)
        return -1;
    struct database_position known = database_look(im->directory.path);
    feed_state_raise(im->directory.path, &known);
    const struct journal_limits limits = {.file_bytes = FILE_BYTES,
                                          .bytes = size / 4,
                                          .sync_us = SECOND_US,
                                          .least_file = known.at.file,
                                          .least_block = known.block};
    if (journal_writer_open(folder, &limits, &im->writer, &cut, err) != 0 ||
        journal_restore(folder, &im->intake, INT64_MAX, err) != 0)
        return -1;
    if (journal_last(im->writer))
        memcpy(im->totals, journal_last(im->writer)->totals, sizeof(im->totals));
    return 0;
}

/* What is in the journal already. Returns 0, or -1. */
static int catch_up(struct import *im, struct error *err)
{
    int result;
    while ((result = sqlite_store_step(im->store, err)) == 1)
        ;
    return result == 0 ? sqlite_store_seal(im->store, err) : -1;
}

static int import_open(struct import *im, struct error *err)
{
    const struct intake_options options = {.only_once = true,
                                           .in_order = true,
                                           .whose = SOURCE_IS_STREAM,
                                           .calls = {im, keep_datagram, keep_time, count_malformed}};
    const char *path = im->config->directory ? im->config->directory : DIRECTORY_DEFAULT;
    if (directory_open(path, im->config->user, &im->directory, err) != 0 ||
        directory_become_owner(&im->directory, err) != 0 || intake_open(&im->intake, &options, err) != 0 ||
        open_journal(im, err) != 0 || sqlite_store_open(path, im->directory.journal_fd, &im->store, err) != 0)
        return -1;
    begin_block(im);
    return catch_up(im, err);
}

static int run_import(const struct import_config *config, struct error *err)
{
    struct import *im = calloc(1, sizeof(*im));
    if (!im)
        return error_set(err, "out of memory");
    im->config = config;
    im->is_terminal = isatty(STDERR_FILENO) == 1;
    int result = import_open(im, err);
    if (result == 0)
        result = import_all(im, err);
    if (result == 0)
        log_line("%" PRIu64 " datagrams with %" PRIu64 " records imported; %" PRIu64 " came already, %" PRIu64
                 " were malformed",
                 im->datagrams, im->records, im->intake.doubled, im->intake.malformed + im->oversize);
    if (result == 0 && im->datagrams + im->intake.doubled + im->intake.older == 0 && !atomic_load(&stop)) {
        log_line("error: no DNSFlow datagrams came%s",
                 im->intake.responses > 0
                     ? ", but DNS: a capture of that goes through dnsflow -r FILE -x -w - | dnsflow_collect import -"
                     : "");
        im->has_failed = true;
    }
    if (result == 0 && im->intake.older > 0) {
        log_line("error: %" PRIu64 " datagrams are older than what is kept of their streams, and were not taken; files"
                 " are imported in order of their time",
                 im->intake.older);
        im->has_failed = true;
    }
    if (result == 0 && im->has_failed)
        result = 1;
    sqlite_store_close(im->store);
    build_end(&im->build);
    journal_writer_close(im->writer);
    intake_close(&im->intake);
    directory_close(&im->directory);
    free(im);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_import(int argc, char **argv, struct error *err)
{
    struct import_config *config = calloc(1, sizeof(*config));
    struct sigaction action;
    int status = 2;
    if (!config) {
        error_set(err, "out of memory");
        return EXIT_FAILURE;
    }
    memset(&action, 0, sizeof(action));
    action.sa_handler = note_signal;
    if (options_parse(rows, argc, argv, config, err) == 0) {
        if (config->show_help) {
            options_help(rows, "dnsflow_collect import", "Brings captures of datagrams into what is kept.", stdout);
            status = EXIT_SUCCESS;
        } else if (config->files_count == 0) {
            error_set(err, "no file: expected one or more, - = standard input");
        } else {
            sigaction(SIGTERM, &action, NULL);
            sigaction(SIGINT, &action, NULL);
            status = run_import(config, err);
        }
    }
    free(config);
    return status;
}
