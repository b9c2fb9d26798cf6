/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `forget`: takes names, or what clients asked for, out of all that is kept, also while a collector runs. It writes
 * itself, as a further writer beside the roles: store/erase.h says why nothing comes back. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "collect/forget_journal.h"
#include "query/kept.h"
#include "query/output.h"
#include "store/backups.h"
#include "store/erase.h"
#include "store/sql.h"
#include "store/sqlite.h"

enum { FILE_S = 3600 /* that a file of the journal is written to at most */ };

struct forget_config {
    const char *directory, *user;
    struct forgotten forgotten;
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct forget_config *)config)->directory, err);
}

static int take_user(void *config, const char *value, struct error *err)
{
    ((struct forget_config *)config)->user = value;
    return *value ? 0 : error_set(err, "expected a user's name");
}

static int take_word(void *config, const char *value, struct error *err)
{
    return forgotten_add(&((struct forget_config *)config)->forgotten, value, err);
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept, ./dnsflow-data if it is left out", 0},
    {0, "user", "NAME", take_user, "started by root: become this user, by default the directory's owner", 0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct forget_config, show_help)},
    {0, NULL, "NAME|CLIENT...", take_word,
     "dnsflow_collect forget www.example.com                  who asked for it, and what it was answered with\n"
     "dnsflow_collect forget example.com '*.example.com'      the same of it and all names below it\n"
     "dnsflow_collect forget 192.0.2.7 2001:db8::7            what these clients asked for",
     0},
};

struct forget {
    const struct forget_config *config;
    const char *path;
    struct directory directory;
    bool is_alone; /* no collector runs */
    sqlite3 *db;
    struct erase_counts counts;
    struct forget_journal journal;
    size_t backups; /* that were removed */
};

/* ---- who has it ---- */

/* All of the journal, as what is not in the store yet would come later. */
static int take_in(const struct forget *f, struct error *err)
{
    struct sqlite_store *store;
    int result;
    if (sqlite_store_open(f->path, f->directory.journal_fd, &store, err) != 0)
        return -1;
    while ((result = sqlite_store_step(store, err)) == 1)
        ;
    if (result == 0)
        result = sqlite_store_seal(store, err);
    sqlite_store_close(store);
    return result;
}

/* Beside a collector, which has brought in all that it has received; or with the directory for itself. */
static int begin(struct forget *f, struct error *err)
{
    char process[24];
    if (directory_look_as_owner(f->path, f->config->user, &f->directory, err) != 0)
        return -1;
    if (directory_is_in_use(&f->directory, process)) {
        if (directory_become_owner(&f->directory, err) != 0)
            return -1;
        return kept_refresh(f->path) ? 0
                                     : error_set(err,
                                                 "%s: process %s has it, and does not bring in what it has"
                                                 " received; try again, or when it has ended",
                                                 f->path, process);
    }
    directory_close(&f->directory);
    f->is_alone = true;
    if (directory_open(f->path, f->config->user, &f->directory, err) != 0 ||
        directory_become_owner(&f->directory, err) != 0)
        return -1;
    return take_in(f, err);
}

/* ---- what goes ---- */

static int forget_store(struct forget *f, struct error *err)
{
    const struct forgotten *forgotten = &f->config->forgotten;
    if (database_open(f->path, &f->db, err) != 0)
        return -1;
    int result = -1;
    if (erase_lookups(f->db, f->path, forgotten, &f->counts, err) == 0 &&
        erase_answers(f->db, forgotten, &f->counts, err) == 0)
        result = erase_traces(f->db, forgotten, err);
    database_close(f->db);
    return result;
}

static int forget_files(struct forget *f, struct error *err)
{
    sqlite3 *db;
    int64_t taken;
    if (database_open(f->path, &db, err) != 0)
        return -1;
    int result = sql_number(db, "SELECT min(block) FROM position", 0, &taken, err);
    database_close(db);
    return result == 0
               ? forget_journal(f->directory.journal_fd, &f->config->forgotten, (uint64_t)taken, &f->journal, err)
               : -1;
}

/* They cannot be looked into without making them anew, which the next one is. */
static int forget_backups(struct forget *f, struct error *err)
{
    struct backups all;
    int fd = openat(f->directory.fd, BACKUP_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
    if (fd < 0)
        return 0;
    backups_remove_unfinished(fd);
    for (backups_list(fd, &all); result == 0 && f->backups < all.count; f->backups++)
        result = backups_remove(fd, all.stamps[f->backups], err);
    close(fd);
    return result;
}

static int forget_all(struct forget *f, struct error *err)
{
    if (forget_store(f, err) != 0 || forget_files(f, err) != 0 || forget_backups(f, err) != 0)
        return -1;
    if (f->journal.left == 0 || !f->is_alone)
        return 0;
    if (forget_journal_close(f->directory.journal_fd, f->path, err) != 0 || take_in(f, err) != 0)
        return -1;
    return forget_files(f, err);
}

/* ---- telling ---- */

static void tell_journal(const struct forget *f)
{
    char until[ANSWER_TIME];
    printf("journal: %" PRIu64 " files emptied\n", f->journal.emptied);
    if (f->journal.damaged > 0)
        log_line("warning: journal: %" PRIu64 " damaged blocks could not be looked into", f->journal.damaged);
    if (f->journal.left == 0)
        return;
    answer_time(f->journal.last.time_us / SECOND_US + FILE_S, true, until);
    printf("journal: journal/%s is being written and has it until then: ask again after %s, or when it has 64 MiB\n",
           f->journal.last.name, until);
}

/* What somebody else has put there is theirs to remove. */
static void tell_backups(const struct forget *f)
{
    struct dirent *entry;
    if (f->backups > 0)
        printf("backup: %zu removed, which may have had it\n", f->backups);
    int fd = openat(f->directory.fd, BACKUP_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            printf("backup: %s/backup/%s is not looked into: it has what was kept when it was made\n", f->path,
                   entry->d_name);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

static void tell(const struct forget *f)
{
    const struct erase_counts *c = &f->counts;
    printf("lookups: %" PRIu64 " in %" PRIu64 " rows, out of %" PRIu64 " files; %" PRIu64
           " files that had been merged went\n",
           c->lookups, c->rows, c->files, c->replaced);
    printf("answers: %" PRIu64 " rows\n", c->answers);
    if (c->damaged > 0)
        log_line("error: %" PRIu64 " of the files of lookups cannot be read, and may have it still: %s; remove or mend"
                 " what \"check\" names, and ask again",
                 c->damaged, c->damage.text);
    tell_journal(f);
    tell_backups(f);
}

/* ---- all of it ---- */

static int run_forget(const struct forget_config *config, struct error *err)
{
    struct forget f = {.config = config, .path = config->directory ? config->directory : DIRECTORY_DEFAULT};
    int result = begin(&f, err);
    if (result == 0)
        sql_use_folder(f.path); /* where a database that is written anew has room */
    if (result == 0)
        result = forget_all(&f, err);
    if (result == 0)
        tell(&f);
    directory_close(&f.directory);
    return result == 0 && f.counts.damaged == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_forget(int argc, char **argv, struct error *err)
{
    struct forget_config *config = calloc(1, sizeof(*config));
    int status = 2;
    if (!config) {
        error_set(err, "out of memory");
        return EXIT_FAILURE;
    }
    if (options_parse(rows, argc, argv, config, err) == 0) {
        if (config->show_help) {
            options_help(rows, "dnsflow_collect forget", "Takes names and clients out of all that is kept.", stdout);
            status = EXIT_SUCCESS;
        } else if (config->forgotten.count == 0) {
            error_set(err, "nothing to forget: expected a name, *.NAME or a client's address");
        } else {
            status = run_forget(config, err);
        }
    }
    free(config);
    return status;
}
