/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All of a backup comes out of one read transaction, whose catalogue is that of the copy: what others write meanwhile
 * is not in it, and they do not wait. */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/database.h"
#include "store/quarantine.h"
#include "store/schema.h"

enum {
    FOLDER_MODE = 0750,
    FILE_MODE = 0640,
    PAGES = 1024,    /* of the database, in a step */
    CHUNK = 1 << 20, /* of a partition that is copied, in a step */
    TRIES = 3,       /* after a partition that has gone meanwhile */
    AHEAD_S = 60,
    SNAPSHOT_MS = 30000 /* that somebody opens or closes the database */
};

struct backup {
    char directory[400], target_path[400];
    char stamp[BACKUP_STAMP], name[BACKUP_NAME]; /* name: ".new" behind it, until it is whole; empty: there is none */
    int target, folder, lookups;                 /* where it goes */
    int source, before;                          /* lookups of the store, and of the backup before, -1 = none */
    sqlite3 *from, *to;
    sqlite3_backup *pages;
    struct partition *list;
    size_t count, next;
    int in, out; /* of the partition that is copied, -1 = none is */
    unsigned tries;
    char *chunk;
    struct backup_result result;
};

/* ---- the moment ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_moment(struct backup *b)
{
    close_fd(&b->in);
    close_fd(&b->out);
    if (b->pages)
        (void)sqlite3_backup_finish(b->pages);
    b->pages = NULL;
    sqlite3_close(b->to);
    sqlite3_close(b->from);
    b->to = b->from = NULL;
    free(b->list);
    b->list = NULL;
}

/* From here on the connection sees nothing of what others write. */
static int open_moment(struct backup *b, struct error *err)
{
    static const char until[] = "SELECT max(coalesce((SELECT max(last) FROM streams), 0),"
                                " coalesce((SELECT max(until) FROM partitions), 0))";
    char path[512];
    int version;
    snprintf(path, sizeof(path), "%s/dnsflow.db", b->directory);
    b->next = 0;
    b->result = (struct backup_result){.partitions = 0};
    if (access(path, F_OK) != 0)
        return error_errno(err, "%s", path);
    if (sql_open(path, SQL_READ, &b->from, err) != 0)
        return -1;
    sqlite3_busy_timeout(b->from, SNAPSHOT_MS);
    if (sql_run(b->from, "BEGIN", err) != 0 || schema_look(b->from, &version, err) != 0 ||
        sql_number(b->from, until, 0, &b->result.until_s, err) != 0)
        return -1;
    return database_partitions(b->from, &b->list, &b->count, err);
}

/* ---- partitions ---- */

/* Whether the backup before has the same file: partitions are written once. */
static bool has_same_before(const struct backup *b, const char *file, const struct stat *info)
{
    struct stat other;
    return b->before >= 0 && fstatat(b->before, file, &other, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(other.st_mode) &&
           other.st_size == info->st_size && other.st_mtim.tv_sec == info->st_mtim.tv_sec &&
           other.st_mtim.tv_nsec == info->st_mtim.tv_nsec;
}

/* What was set aside, or is not there whenever it is looked for, keeps the rest from nothing. */
static int leave_out(struct backup *b)
{
    b->result.left_out++;
    b->next++;
    return 1;
}

/* One that is gone was merged or let go since the moment. Returns 1, 0 = it is gone, or -1. */
static int begin_partition(struct backup *b, const char *file, struct error *err)
{
    struct stat info;
    if (quarantine_has(&b->list[b->next]))
        return leave_out(b);
    if (!partition_is_name(file)) /* of a catalogue that is damaged: nothing outside of the folder is touched */
        return error_set(err, "dnsflow.db: damaged: its catalogue has %s; \"check\" says more", file);
    if (fstatat(b->source, file, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT ? error_errno(err, "lookups/%s", file) : b->tries >= TRIES ? leave_out(b) : 0;
    if (linkat(b->source, file, b->lookups, file, 0) == 0 ||
        (has_same_before(b, file, &info) && linkat(b->before, file, b->lookups, file, 0) == 0)) {
        b->result.bytes += (uint64_t)info.st_size;
        b->next++;
        return 1;
    }
    b->in = openat(b->source, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (b->in < 0)
        return errno == ENOENT ? 0 : error_errno(err, "lookups/%s", file);
    b->out = openat(b->lookups, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    return b->out < 0 ? error_errno(err, "%s/%s/lookups/%s", b->target_path, b->name, file) : 1;
}

/* A piece; behind the last one the copy gets the time of the file, and goes to the disk. */
static int copy_partition(struct backup *b, const char *file, struct error *err)
{
    struct stat info;
    ssize_t len = read(b->in, b->chunk, CHUNK), done = 0, n = 0;
    if (len < 0)
        return error_errno(err, "lookups/%s", file);
    while (done < len && (n = write(b->out, b->chunk + done, (size_t)(len - done))) > 0)
        done += n;
    if (n < 0)
        return error_errno(err, "%s/%s/lookups/%s", b->target_path, b->name, file);
    if (len > 0)
        return 0;
    if (fstat(b->in, &info) != 0)
        return error_errno(err, "lookups/%s", file);
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    if (futimens(b->out, times) != 0 || fsync(b->out) != 0)
        return error_errno(err, "%s/%s/lookups/%s", b->target_path, b->name, file);
    b->result.bytes += (uint64_t)info.st_size;
    b->result.new_bytes += (uint64_t)info.st_size;
    b->next++;
    close_fd(&b->in);
    close_fd(&b->out);
    return 0;
}

static int make_folders(struct backup *b, struct error *err);

/* At another moment, with nothing of this one. */
static int begin_again(struct backup *b, struct error *err)
{
    b->tries++;
    b->result.left_out = 0;
    close_fd(&b->lookups);
    close_moment(b);
    backups_empty(b->folder);
    return make_folders(b, err) == 0 ? open_moment(b, err) : -1;
}

static int take_partition(struct backup *b, struct error *err)
{
    char file[PARTITION_NAME];
    memcpy(file, b->list[b->next].file, sizeof(file));
    if (b->in >= 0)
        return copy_partition(b, file, err);
    int result = begin_partition(b, file, err);
    return result == 0 ? begin_again(b, err) : result < 0 ? -1 : 0;
}

/* ---- the database ---- */

/* What SQLite says of the copy. */
static int fail_copy(const struct backup *b, struct error *err)
{
    struct error why;
    sql_fail(b->to, &why);
    return error_set(err, "%.200s/%s/%.250s", b->target_path, b->name, why.text);
}

static int begin_pages(struct backup *b, struct error *err)
{
    char path[512];
    if (snprintf(path, sizeof(path), "%s/%s/dnsflow.db", b->target_path, b->name) >= (int)sizeof(path))
        return error_set(err, "%s: the path is too long", b->target_path);
    if (sql_open(path, SQL_WRITE, &b->to, err) != 0)
        return -1;
    if (sql_run(b->to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL) != 0)
        return fail_copy(b, err);
    b->pages = sqlite3_backup_init(b->to, "main", b->from, "main");
    return b->pages ? 0 : fail_copy(b, err);
}

/* 1: there are more, 0: that was all, or -1. */
static int take_pages(struct backup *b, struct error *err)
{
    int result = sqlite3_backup_step(b->pages, PAGES);
    if (result == SQLITE_OK)
        return 1;
    if (result == SQLITE_DONE)
        return 0;
    (void)sqlite3_backup_finish(b->pages); /* which tells the copy why */
    b->pages = NULL;
    return fail_copy(b, err);
}

/* ---- its end ---- */

static int sync_folder(const struct backup *b, int folder, const char *name, struct error *err)
{
    return fsync(folder) == 0 ? 0 : error_errno(err, "%s%s%s", b->target_path, name[0] ? "/" : "", name);
}

/* The copy is a single file, which names nothing but what is there. */
static int close_database(struct backup *b, struct error *err)
{
    struct stat info;
    (void)sqlite3_backup_finish(b->pages);
    b->pages = NULL;
    if (sql_run(b->to, "PRAGMA journal_mode=DELETE; DELETE FROM partitions WHERE replaced IS NOT NULL", NULL) != 0)
        return fail_copy(b, err);
    b->result.partitions = b->count;
    close_moment(b);
    int fd = openat(b->folder, "dnsflow.db", O_RDONLY | O_CLOEXEC);
    bool is_good = fd >= 0 && fsync(fd) == 0 && fstat(fd, &info) == 0;
    if (!is_good)
        error_errno(err, "%s/%s/dnsflow.db", b->target_path, b->name);
    if (fd >= 0)
        close(fd);
    if (!is_good)
        return -1;
    b->result.bytes += (uint64_t)info.st_size;
    b->result.new_bytes += (uint64_t)info.st_size;
    return 0;
}

static int remove_old(const struct backup *b, struct error *err)
{
    struct backups all;
    size_t i, others = 0;
    backups_list(b->target, &all);
    for (i = all.count; i > 0; i--)
        if (strcmp(all.stamps[i - 1], b->stamp) != 0 && ++others >= BACKUPS_KEPT &&
            backups_remove(b->target, all.stamps[i - 1], err) != 0)
            return -1;
    return 0;
}

static int finish(struct backup *b, struct error *err)
{
    if (close_database(b, err) != 0 || sync_folder(b, b->lookups, b->name, err) != 0 ||
        sync_folder(b, b->folder, b->name, err) != 0)
        return -1;
    if (renameat(b->target, b->name, b->target, b->stamp) != 0)
        return error_errno(err, "%s/%s", b->target_path, b->stamp);
    b->name[0] = '\0';
    snprintf(b->result.path, sizeof(b->result.path), "%s/%s", b->target_path, b->stamp);
    return sync_folder(b, b->target, "", err) == 0 ? remove_old(b, err) : -1;
}

int backup_step(struct backup *backup, struct error *err)
{
    struct backup *b = backup;
    if (b->next < b->count)
        return take_partition(b, err) == 0 ? 1 : -1;
    if (!b->pages)
        return begin_pages(b, err) == 0 ? 1 : -1;
    int result = take_pages(b, err);
    return result == 0 ? finish(b, err) : result;
}

/* ---- opening ---- */

/* The mark first: with it what is left of it can be told to be ours. */
static int make_folders(struct backup *b, struct error *err)
{
    int fd = openat(b->folder, BACKUP_MARK, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0 || dprintf(fd, "a backup by dnsflow_collect of %s\n", b->directory) < 0 ||
        mkdirat(b->folder, "journal", FOLDER_MODE) != 0 || mkdirat(b->folder, "lookups", FOLDER_MODE) != 0 ||
        (b->lookups = openat(b->folder, "lookups", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        error_errno(err, "%s/%s", b->target_path, b->name);
        close_fd(&fd);
        return -1;
    }
    close_fd(&fd);
    return 0;
}

static int open_target(struct backup *b, struct error *err)
{
    struct stat target, directory;
    if (mkdir(b->target_path, FOLDER_MODE) != 0 && errno != EEXIST)
        return error_errno(err, "%s: cannot be made", b->target_path);
    b->target = open(b->target_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->target < 0 || fstat(b->target, &target) != 0)
        return error_errno(err, "%s", b->target_path);
    if (stat(b->directory, &directory) == 0 && directory.st_ino == target.st_ino && directory.st_dev == target.st_dev)
        return error_set(err, "%s: is what is to be copied; expected another directory", b->target_path);
    if (flock(b->target, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? error_set(err, "%s: another backup is being made there", b->target_path)
                                    : error_errno(err, "%s", b->target_path);
    return 0;
}

/* Names are in order: one that is made in the same second as the one before is of the next. One far ahead is of a clock
 * that has been set back. */
static void choose_name(struct backup *b, const struct backups *others)
{
    int64_t now_s = clock_unix_us() / SECOND_US;
    int64_t last_s = others->count > 0 ? backup_stamp_time(others->stamps[others->count - 1]) : -1;
    int64_t first_s = last_s >= now_s && last_s < now_s + AHEAD_S ? last_s + 1 : now_s;
    int i = 0;
    do
        backup_stamp(first_s + i, b->stamp);
    while (faccessat(b->target, b->stamp, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && ++i < AHEAD_S);
    snprintf(b->name, sizeof(b->name), "%s.new", b->stamp);
}

static void open_before(struct backup *b, const struct backups *others)
{
    char name[BACKUP_STAMP + 8];
    if (others->count == 0)
        return;
    snprintf(name, sizeof(name), "%s/lookups", others->stamps[others->count - 1]);
    b->before = openat(b->target, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_all(struct backup *b, struct error *err)
{
    char path[512];
    struct backups others;
    b->chunk = malloc(CHUNK);
    if (!b->chunk)
        return error_set(err, "out of memory");
    if (open_moment(b, err) != 0 || open_target(b, err) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s/lookups", b->directory);
    b->source = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->source < 0)
        return error_errno(err, "%s", path);
    backups_remove_unfinished(b->target);
    backups_list(b->target, &others);
    open_before(b, &others);
    choose_name(b, &others);
    if (mkdirat(b->target, b->name, FOLDER_MODE) != 0) {
        error_errno(err, "%s/%s: cannot be made", b->target_path, b->name);
        b->name[0] = '\0';
        return -1;
    }
    b->folder = openat(b->target, b->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return b->folder < 0 ? error_errno(err, "%s/%s", b->target_path, b->name) : make_folders(b, err);
}

int backup_open(const char *directory, const char *target, struct backup **out, struct error *err)
{
    struct backup *b = calloc(1, sizeof(*b));
    if (!b)
        return error_set(err, "out of memory");
    b->target = b->folder = b->lookups = b->source = b->before = b->in = b->out = -1;
    int result = 0;
    if (snprintf(b->directory, sizeof(b->directory), "%s", directory) >= (int)sizeof(b->directory))
        result = error_set(err, "%s: the path is too long", directory);
    else if (snprintf(b->target_path, sizeof(b->target_path), "%s", target) >= (int)sizeof(b->target_path))
        result = error_set(err, "%s: the path is too long", target);
    if (result != 0 || open_all(b, err) != 0) {
        backup_close(b);
        return -1;
    }
    *out = b;
    return 0;
}

const struct backup_result *backup_result(const struct backup *backup)
{
    return &backup->result;
}

void backup_close(struct backup *backup)
{
    struct backup *b = backup;
    size_t i;
    if (!b)
        return;
    int *const fds[] = {&b->lookups, &b->folder, &b->source, &b->before, &b->target};
    close_moment(b);
    if (b->name[0] && b->folder >= 0)
        backups_empty(b->folder);
    if (b->name[0])
        (void)unlinkat(b->target, b->name, AT_REMOVEDIR);
    for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        close_fd(fds[i]);
    free(b->chunk);
    free(b);
}

int64_t backup_due_s(const char *directory, const char *target, int64_t every_s)
{
    struct backups all = {.count = 0};
    char path[512];
    sqlite3 *db;
    int64_t last_s = -1;
    int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        backups_list(fd, &all);
        close(fd);
    }
    if (all.count > 0)
        return backup_stamp_time(all.stamps[all.count - 1]) + every_s;
    snprintf(path, sizeof(path), "%s/dnsflow.db", directory);
    if (sql_open(path, SQL_READ, &db, NULL) != 0)
        return -1;
    if (sql_number(db, "SELECT min(since) FROM partitions", -1, &last_s, NULL) != 0)
        last_s = -1;
    sqlite3_close(db);
    return last_s < 0 ? -1 : last_s + every_s;
}
