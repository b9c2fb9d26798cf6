/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `replay`: brings the journal into a store, from where that has come to, or into one that is made anew beside it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "collect/swap.h"
#include "store/database.h"
#include "store/sqlite.h"
#include "store/take_over.h"

enum { TELL_US = 500000, FOLDER_MODE = 0750 };

/* Signals that end it are looked for between two blocks, so that what was begun can be removed. */
static void hold_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
}

static bool is_stopped(void)
{
    sigset_t waiting;
    return sigpending(&waiting) == 0 && (sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1);
}

struct replay_config {
    const char *directory, *user;
    unsigned store;
    bool is_rebuild, is_from_journal_only, show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct replay_config *)config)->directory, err);
}

static int take_user(void *config, const char *value, struct error *err)
{
    ((struct replay_config *)config)->user = value;
    return *value ? 0 : error_set(err, "expected a user's name");
}

static int take_store(void *config, const char *value, struct error *err)
{
    static const char *const names[] = {"sqlite"};
    unsigned which;
    if (parse_choice(value, names, 1, &which, err) != 0)
        return -1;
    ((struct replay_config *)config)->store = which;
    return 0;
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept, ./dnsflow-data if it is left out", 0},
    {0, "user", "NAME", take_user, "started by root: become this user, by default the directory's owner", 0},
    {0, "store", "NAME", take_store, "which store, sqlite by default;", 0},
    {0, "rebuild", NULL, NULL, "make it anew beside the present one, which goes when that is whole",
     offsetof(struct replay_config, is_rebuild)},
    {0, "from-journal-only", NULL, NULL,
     "take nothing over from the present store, which is lost where the journal has it not",
     offsetof(struct replay_config, is_from_journal_only)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct replay_config, show_help)},
    {0, NULL, NULL, NULL, "dnsflow_collect replay --directory /srv/dns --store sqlite --rebuild", 0},
};

/* What the journal has. */
struct extent {
    uint64_t blocks, datagrams;
    uint64_t first, last; /* numbers of blocks */
    uint64_t missing;     /* numbers between 1 and the last that are not there */
    uint64_t tail;        /* from this one on all are there */
};

struct replay {
    const struct replay_config *config;
    struct directory directory;
    char made[400]; /* where the new store is made */
    struct database_position known;
    bool has_store, keeps; /* keeps: the new store takes over what the journal has no longer */
    struct extent extent;
    struct sqlite_store *store;
    int64_t began_us, told_us;
    bool is_terminal;
};

/* ---- telling ---- */

/* How far it is, over the line before; on a terminal alone. */
static void tell_progress(struct replay *r, bool is_end)
{
    int64_t now_us = clock_monotonic_us();
    uint64_t done = sqlite_store_counts(r->store)->datagrams, total = r->extent.datagrams;
    if (!r->is_terminal || (!is_end && now_us - r->told_us < TELL_US))
        return;
    r->told_us = now_us;
    if (is_end) {
        fputs("\r\033[K", stderr);
        return;
    }
    double seconds = (double)(now_us - r->began_us) / SECOND_US;
    fprintf(stderr, "\r\033[Kreplay: %" PRIu64 " of %" PRIu64 " datagrams", done, total);
    if (done > 0 && done <= total)
        fprintf(stderr, ", %.0f %%, %.0f s left", 100.0 * (double)done / (double)total,
                seconds * ((double)total / (double)done - 1));
}

/* ---- what there is ---- */

/* From the heads of its blocks, behind the number `from`. */
static int measure(struct replay *r, uint64_t from, struct error *err)
{
    const struct journal_position start = {0, 0};
    struct extent *e = &r->extent;
    struct journal_reader *reader = journal_follow(r->directory.journal_fd, start);
    struct journal_block block;
    const uint8_t *plain;
    int result;
    if (!reader)
        return error_set(err, "out of memory");
    journal_heads_only(reader, true);
    while ((result = journal_read(reader, &block, &plain, err)) == JOURNAL_READ) {
        if (block.number <= e->last)
            continue; /* a copy */
        e->first = e->blocks == 0 ? block.number : e->first;
        e->tail = e->blocks == 0 || block.number > e->last + 1 ? block.number : e->tail;
        e->missing += block.number - e->last - 1;
        e->last = block.number;
        e->blocks++;
        e->datagrams += block.number > from ? block.datagrams : 0;
    }
    journal_reader_close(reader);
    return result < 0 ? -1 : 0;
}

/* What the journal has no longer is taken over from the store: its blocks up to the last gap. What is missing at the
 * end cannot be. */
static int check_journal(struct replay *r, struct error *err)
{
    const struct extent *e = &r->extent;
    if (!r->has_store || r->config->is_from_journal_only)
        return 0;
    if (r->known.block > e->last)
        return error_set(err,
                         "%s: the journal has not the last %" PRIu64 " blocks that the store has, which would be lost;"
                         " --from-journal-only does without them",
                         r->directory.path, r->known.block - e->last);
    r->keeps = e->missing > 0;
    return 0;
}

/* ---- taking in ---- */

/* All that the journal has, into the store that is open. Returns 0, or -1 with the cause. */
static int take_all(struct replay *r, struct error *err)
{
    int result = 1;
    r->began_us = clock_monotonic_us();
    while (result == 1 && !is_stopped()) {
        result = sqlite_store_step(r->store, err);
        tell_progress(r, false);
    }
    tell_progress(r, true);
    if (result < 0)
        return -1;
    if (sqlite_store_seal(r->store, err) != 0)
        return -1;
    return 0;
}

static void tell_end(const struct replay *r)
{
    const struct sqlite_store_counts *counts = sqlite_store_counts(r->store);
    log_line("%" PRIu64 " datagrams with %" PRIu64 " records brought in, of %" PRIu64 " blocks", counts->datagrams,
             counts->records, r->extent.blocks);
}

/* Goes on where the store has ended. */
static int catch_up(struct replay *r, struct error *err)
{
    if (r->known.is_known && r->known.block >= r->extent.last)
        return error_set(err,
                         "%s: the store has all %" PRIu64 " blocks of the journal; --rebuild makes it anew of these",
                         r->directory.path, r->extent.blocks);
    if (sqlite_store_open(r->directory.path, r->directory.journal_fd, &r->store, err) != 0 || take_all(r, err) != 0)
        return -1;
    tell_end(r);
    return 0;
}

/* The store that is there comes to the end of the journal, so that each of its sums is of all that there is. */
static int complete_present(struct replay *r, struct error *err)
{
    if (sqlite_store_open(r->directory.path, r->directory.journal_fd, &r->store, err) != 0 || take_all(r, err) != 0)
        return -1;
    sqlite_store_close(r->store);
    r->store = NULL;
    return take_over_lookups(r->directory.path, r->made, r->extent.tail, err);
}

/* The new store, in a folder of its own. */
static int make_store(struct replay *r, uint64_t size, struct error *err)
{
    if (mkdirat(r->directory.fd, SWAP_FOLDER, FOLDER_MODE) != 0)
        return error_errno(err, "%s", r->made);
    if (r->keeps && complete_present(r, err) != 0)
        return -1;
    if (sqlite_store_open(r->made, r->directory.journal_fd, &r->store, err) != 0)
        return -1;
    sqlite_store_limit(r->store, size);
    if (take_all(r, err) != 0)
        return -1;
    if (is_stopped())
        return error_set(err, "stopped; nothing has changed");
    uint64_t damaged = sqlite_store_damage(r->store)->blocks;
    if (damaged > 0 && r->has_store && !r->config->is_from_journal_only)
        return error_set(err,
                         "%s: %" PRIu64 " blocks of the journal are damaged, and nothing has changed;"
                         " --from-journal-only does without them",
                         r->directory.path, damaged);
    tell_end(r);
    sqlite_store_close(r->store);
    r->store = NULL;
    if (!r->keeps)
        return 0;
    log_line("taken over from the store, as the journal has them no longer: lookups, answers and accounts of blocks"
             " before %" PRIu64,
             r->extent.tail);
    return take_over_rest(r->directory.path, r->made, err);
}

static int rebuild(struct replay *r, struct error *err)
{
    struct error why;
    uint64_t size;
    if (snprintf(r->made, sizeof(r->made), "%s/%s", r->directory.path, SWAP_FOLDER) >= (int)sizeof(r->made))
        return error_set(err, "%s: the path is too long", r->directory.path);
    if (check_journal(r, err) != 0 || directory_max_size(&r->directory, 0, &size, err) != 0)
        return -1;
    if (make_store(r, size, err) == 0 && swap_declare(r->directory.fd, err) == 0)
        return swap_settle(r->directory.fd, err);
    sqlite_store_close(r->store);
    r->store = NULL;
    if (swap_settle(r->directory.fd, &why) != 0) /* which is not whole, and is removed */
        log_line("warning: %s", why.text);
    return -1;
}

/* ---- all of it ---- */

static int open_all(struct replay *r, struct error *err)
{
    const char *path = r->config->directory ? r->config->directory : DIRECTORY_DEFAULT;
    struct directory look;
    if (directory_look(path, &look, err) != 0) /* else one that is not there would be made */
        return -1;
    directory_close(&look);
    if (directory_open(path, r->config->user, &r->directory, err) != 0 ||
        directory_become_owner(&r->directory, err) != 0)
        return -1;
    r->known = database_look(path);
    r->has_store =
        faccessat(r->directory.fd, "dnsflow.db", F_OK, 0) == 0 || faccessat(r->directory.fd, "lookups", F_OK, 0) == 0;
    return measure(r, r->config->is_rebuild ? 0 : r->known.block, err);
}

static int run_replay(const struct replay_config *config, struct error *err)
{
    struct replay r = {.config = config, .is_terminal = isatty(STDERR_FILENO) == 1};
    int result = open_all(&r, err);
    if (result == 0)
        result = config->is_rebuild ? rebuild(&r, err) : catch_up(&r, err);
    sqlite_store_close(r.store);
    directory_close(&r.directory);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_replay(int argc, char **argv, struct error *err)
{
    struct replay_config config = {.directory = NULL};
    if (options_parse(rows, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(rows, "dnsflow_collect replay", "Brings the journal into a store again.", stdout);
        return EXIT_SUCCESS;
    }
    if (config.is_from_journal_only && !config.is_rebuild) {
        error_set(err, "option --from-journal-only: expected --rebuild with it");
        return 2;
    }
    hold_signals();
    return run_replay(&config, err);
}
