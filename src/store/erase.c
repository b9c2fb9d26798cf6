/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/erase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/erase_partition.h"
#include "store/lookups_lock.h"
#include "store/orphans.h"
#include "store/quarantine.h"

enum { WRITER_MS = 60000 /* that somebody writes */, FOLDER_MODE = 0750 };

/* A pass over the partitions. */
struct pass {
    sqlite3 *db;
    char folder[448], scratch[480];
    const struct forgotten *forgotten;
    struct erase_counts *counts;
};

static int sync_folder(const char *folder, struct error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 ? fsync(fd) : -1;
    if (result != 0)
        error_errno(err, "%s", folder);
    if (fd >= 0)
        close(fd);
    return result;
}

static int remove_file(const struct pass *pass, const char *file, struct error *err)
{
    char path[560];
    snprintf(path, sizeof(path), "%s/%s", pass->folder, file);
    if (remove(path) != 0 && errno != ENOENT)
        return error_errno(err, "%s", path);
    return sync_folder(pass->folder, err);
}

static bool is_gone(const struct pass *pass, const char *file)
{
    char path[560];
    snprintf(path, sizeof(path), "%s/%s", pass->folder, file);
    return access(path, F_OK) != 0 && errno == ENOENT;
}

/* ---- one partition ---- */

/* The new one has its name, and is in the catalogue in place of the old one. */
static int exchange(const struct pass *pass, const struct partition *old, const struct partition *new_one,
                    struct error *err)
{
    char from[560], to[560];
    snprintf(from, sizeof(from), "%s/new-%u.db", pass->scratch, old->level);
    snprintf(to, sizeof(to), "%s/%s", pass->folder, new_one->file);
    if (rename(from, to) != 0)
        return error_errno(err, "%s", to);
    if (sync_folder(pass->folder, err) != 0 || database_remove(pass->db, old->file, err) != 0)
        return -1;
    return database_add_partition(pass->db, new_one, err);
}

static int publish(const struct pass *pass, const struct partition *old, const struct partition *new_one,
                   struct error *err)
{
    if (sql_run(pass->db, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    if (exchange(pass, old, new_one, err) == 0 && sql_run(pass->db, "COMMIT", err) == 0)
        return remove_file(pass, old->file, err);
    sql_roll_back(pass->db);
    (void)remove_file(pass, new_one->file, NULL);
    return -1;
}

static int erase_one(const struct pass *pass, const struct partition *old, struct error *err)
{
    struct partition new_one;
    if (is_gone(pass, old->file)) /* somebody has removed it */
        return 0;
    int has = partition_has_forgotten(pass->folder, old->file, pass->forgotten, err);
    if (has != 1)
        return has;
    if (partition_erase(pass->folder, pass->scratch, old, pass->forgotten, &new_one, err) != 0 ||
        publish(pass, old, &new_one, err) != 0)
        return -1;
    pass->counts->files++;
    pass->counts->rows += old->rows - new_one.rows;
    pass->counts->lookups += old->lookups - new_one.lookups;
    return 0;
}

/* ---- all of them ---- */

/* What is damaged keeps the rest from nothing. */
static int count_damaged(const struct pass *pass, const struct partition *p, struct error *err)
{
    bool is_damaged = quarantine_has(p) || strstr(err->text, "malformed") || strstr(err->text, "not a database");
    if (!is_damaged)
        return -1;
    if (pass->counts->damaged++ == 0)
        error_set(&pass->counts->damage, "lookups/%s", p->file);
    err->text[0] = '\0';
    return 0;
}

/* The next partition behind the block, which is the last of those that are done; under the lock. 1, 0 = there is none,
 * or -1. What a merge makes of those that are done is done too, of others it comes behind them. */
static int erase_next(const struct pass *pass, uint64_t *done, struct error *err)
{
    struct partition *list;
    size_t count, i;
    if (database_partitions(pass->db, &list, &count, err) != 0)
        return -1;
    for (i = 0; i < count && list[i].last_block <= *done; i++)
        ;
    int result = i < count;
    if (i < count && (quarantine_has(&list[i]) || erase_one(pass, &list[i], err) != 0) &&
        count_damaged(pass, &list[i], err) != 0)
        result = -1;
    if (result == 1)
        *done = list[i].last_block;
    free(list);
    return result;
}

/* A partition that was merged into another, and has what is to be forgotten. 1, 0 = there is none, or -1. */
static int find_replaced(const struct pass *pass, char file[PARTITION_NAME], struct error *err)
{
    sqlite3_stmt *s;
    int result, has = 0;
    if (sql_prepare(pass->db, "SELECT file FROM partitions WHERE replaced IS NOT NULL", &s, err) != 0)
        return -1;
    while (has == 0 && (result = sql_step(s, err)) == 1) {
        snprintf(file, PARTITION_NAME, "%s", (const char *)sqlite3_column_text(s, 0));
        if (!is_gone(pass, file))
            has = partition_has_forgotten(pass->folder, file, pass->forgotten, err);
    }
    sqlite3_finalize(s);
    return has != 0 ? has : result;
}

/* The file goes first, as in tidy.c. */
static int drop_replaced(const struct pass *pass, struct error *err)
{
    char file[PARTITION_NAME];
    int result;
    while ((result = find_replaced(pass, file, err)) == 1) {
        if (remove_file(pass, file, err) != 0 || database_remove(pass->db, file, err) != 0)
            return -1;
        pass->counts->replaced++;
    }
    return result;
}

/* What a process that was killed has left. */
static int sweep(const struct pass *pass, struct error *err)
{
    char path[512];
    unsigned level;
    for (level = 0; level < PARTITION_LEVELS; level++) {
        snprintf(path, sizeof(path), "%s/new-%u.db", pass->scratch, level);
        (void)remove(path);
    }
    return orphans_sweep(pass->db, pass->folder, err);
}

/* One step under the lock. */
static int locked(const struct pass *pass, int (*step)(const struct pass *, uint64_t *, struct error *), uint64_t *done,
                  struct error *err)
{
    int lock = lookups_lock(pass->folder, true, err);
    if (lock < 0)
        return -1;
    int result = step(pass, done, err);
    close(lock);
    return result;
}

static int begin(const struct pass *pass, uint64_t *done, struct error *err)
{
    (void)done;
    return sweep(pass, err);
}

/* Nothing but what was merged has it by now. */
static int end(const struct pass *pass, uint64_t *done, struct error *err)
{
    (void)done;
    if (drop_replaced(pass, err) != 0)
        return -1;
    (void)rmdir(pass->scratch);
    return 0;
}

int erase_lookups(sqlite3 *db, const char *directory, const struct forgotten *forgotten, struct erase_counts *counts,
                  struct error *err)
{
    struct pass pass = {.db = db, .forgotten = forgotten, .counts = counts};
    uint64_t done = 0;
    int result;
    if (snprintf(pass.folder, sizeof(pass.folder), "%s/lookups", directory) >= (int)sizeof(pass.folder))
        return error_set(err, "%s: the path is too long", directory);
    snprintf(pass.scratch, sizeof(pass.scratch), "%s/forget", pass.folder);
    sqlite3_busy_timeout(db, WRITER_MS);
    if (mkdir(pass.scratch, FOLDER_MODE) != 0 && errno != EEXIST)
        return errno == ENOENT ? 0 : error_errno(err, "%s", pass.scratch); /* there are no lookups yet */
    if (locked(&pass, begin, &done, err) != 0)
        return -1;
    while ((result = locked(&pass, erase_next, &done, err)) == 1)
        ;
    return result < 0 ? -1 : locked(&pass, end, &done, err);
}
