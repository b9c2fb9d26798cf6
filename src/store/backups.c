/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/backups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/partition.h"
#include "store/sql.h"

static const char unfinished[] = ".new";

/* What a backup holds. */
static const char *const own_files[] = {BACKUP_MARK, "dnsflow.db", "dnsflow.db-journal"};
static const char *const own_folders[] = {"lookups", "journal"};

enum { FILES = sizeof(own_files) / sizeof(own_files[0]), FOLDERS = sizeof(own_folders) / sizeof(own_folders[0]) };

/* ---- names ---- */

void backup_stamp(int64_t time_s, char stamp[BACKUP_STAMP])
{
    time_t seconds = (time_t)time_s;
    struct tm at;
    if (!gmtime_r(&seconds, &at) || strftime(stamp, BACKUP_STAMP, "%Y%m%d-%H%M%S", &at) == 0)
        snprintf(stamp, BACKUP_STAMP, "00000000-000000");
}

int64_t backup_stamp_time(const char *stamp)
{
    struct tm at = {.tm_isdst = 0};
    char again[BACKUP_STAMP];
    const char *end = strptime(stamp, "%Y%m%d-%H%M%S", &at);
    if (!end || *end != '\0')
        return -1;
    int64_t time_s = (int64_t)timegm(&at);
    backup_stamp(time_s, again);
    return strcmp(stamp, again) == 0 ? time_s : -1;
}

/* "STAMP.new" */
static bool is_unfinished_name(const char *name)
{
    char stamp[BACKUP_STAMP];
    size_t len = strlen(name);
    if (len != BACKUP_STAMP - 1 + sizeof(unfinished) - 1 || strcmp(name + BACKUP_STAMP - 1, unfinished) != 0)
        return false;
    memcpy(stamp, name, BACKUP_STAMP - 1);
    stamp[BACKUP_STAMP - 1] = '\0';
    return backup_stamp_time(stamp) >= 0;
}

/* ---- looking ---- */

static int open_folder(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* To read a folder from its start; the descriptor stays. NULL: it cannot be read. */
static DIR *open_list(int folder)
{
    int fd = open_folder(folder, ".");
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_among(const char *name, const char *const *list, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* Whether the folder has nothing but partitions. */
static bool has_partitions_only(int folder)
{
    DIR *dir = open_list(folder);
    struct dirent *entry;
    bool is_good = dir != NULL;
    while (is_good && (entry = readdir(dir)))
        is_good = is_dots(entry->d_name) || partition_is_name(entry->d_name);
    if (dir)
        closedir(dir);
    return is_good;
}

static bool is_ours(int target, const char *name)
{
    int folder = open_folder(target, name), lookups = folder >= 0 ? open_folder(folder, "lookups") : -1;
    DIR *dir = folder >= 0 ? open_list(folder) : NULL;
    struct dirent *entry;
    bool is_good = dir && faccessat(folder, BACKUP_MARK, F_OK, 0) == 0 && (lookups < 0 || has_partitions_only(lookups));
    while (is_good && (entry = readdir(dir)))
        is_good = is_dots(entry->d_name) || is_among(entry->d_name, own_files, FILES) ||
                  is_among(entry->d_name, own_folders, FOLDERS);
    if (dir)
        closedir(dir);
    if (lookups >= 0)
        close(lookups);
    if (folder >= 0)
        close(folder);
    return is_good;
}

static int by_stamp(const void *a, const void *b)
{
    return strcmp(a, b);
}

void backups_list(int target, struct backups *out)
{
    DIR *dir = open_list(target);
    struct dirent *entry;
    out->count = 0;
    while (dir && out->count < BACKUPS_MAX && (entry = readdir(dir)))
        if (strlen(entry->d_name) == BACKUP_STAMP - 1 && backup_stamp_time(entry->d_name) >= 0 &&
            is_ours(target, entry->d_name))
            memcpy(out->stamps[out->count++], entry->d_name, BACKUP_STAMP);
    if (dir)
        closedir(dir);
    qsort(out->stamps, out->count, sizeof(out->stamps[0]), by_stamp);
}

/* ---- taking away ---- */

void backups_empty(int folder)
{
    int lookups = open_folder(folder, "lookups");
    DIR *dir = lookups >= 0 ? open_list(lookups) : NULL;
    struct dirent *entry;
    size_t i;
    while (dir && (entry = readdir(dir)))
        if (partition_is_name(entry->d_name))
            (void)unlinkat(lookups, entry->d_name, 0);
    if (dir)
        closedir(dir);
    if (lookups >= 0)
        close(lookups);
    for (i = 0; i < FOLDERS; i++)
        (void)unlinkat(folder, own_folders[i], AT_REMOVEDIR);
    for (i = FILES; i > 0; i--) /* the mark last: it says that the rest may go */
        (void)unlinkat(folder, own_files[i - 1], 0);
}

static void remove_folder(int target, const char *name)
{
    int folder = open_folder(target, name);
    if (folder < 0)
        return;
    backups_empty(folder);
    close(folder);
    (void)unlinkat(target, name, AT_REMOVEDIR);
}

/* Nobody takes it for whole once it has lost its name. */
int backups_remove(int target, const char *stamp, struct error *err)
{
    char name[BACKUP_NAME];
    snprintf(name, sizeof(name), "%s%s", stamp, unfinished);
    if (renameat(target, stamp, target, name) != 0)
        return errno == ENOENT ? 0 : error_errno(err, "backup %s: cannot be removed", stamp);
    remove_folder(target, name);
    return 0;
}

void backups_remove_unfinished(int target)
{
    DIR *dir = open_list(target);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (is_unfinished_name(entry->d_name) && is_ours(target, entry->d_name))
            remove_folder(target, entry->d_name);
    if (dir)
        closedir(dir);
}

/* ---- what they take ---- */

/* A file that several backups have, each under its name, is shared out among them. */
static uint64_t own_bytes(int folder, const char *name, int lookups)
{
    struct stat info, other;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
        return 0;
    bool is_shared = lookups >= 0 && fstatat(lookups, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
                     other.st_ino == info.st_ino && other.st_dev == info.st_dev;
    return is_shared ? 0 : (uint64_t)info.st_size / (info.st_nlink > 0 ? (uint64_t)info.st_nlink : 1);
}

static uint64_t folder_bytes(int folder, int lookups)
{
    DIR *dir = open_list(folder);
    struct dirent *entry;
    uint64_t bytes = 0;
    while (dir && (entry = readdir(dir)))
        bytes += own_bytes(folder, entry->d_name, lookups);
    if (dir)
        closedir(dir);
    return bytes;
}

uint64_t backups_bytes(int target, const struct backups *backups, int lookups)
{
    uint64_t bytes = 0;
    size_t i;
    for (i = 0; i < backups->count; i++) {
        int folder = open_folder(target, backups->stamps[i]), inner = folder >= 0 ? open_folder(folder, "lookups") : -1;
        if (folder >= 0)
            bytes += folder_bytes(folder, -1);
        if (inner >= 0)
            bytes += folder_bytes(inner, lookups);
        if (inner >= 0)
            close(inner);
        if (folder >= 0)
            close(folder);
    }
    return bytes;
}

/* ---- letting go ---- */

/* The number behind the last dash: "LEVEL-FIRST-LAST.db" */
static uint64_t last_block_of(const char *file)
{
    const char *dash = strrchr(file, '-');
    return dash ? strtoull(dash + 1, NULL, 10) : UINT64_MAX;
}

static void forget_entries(const char *path, uint64_t last_block)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    if (sql_open(path, SQL_WRITE, &db, NULL) != 0)
        return;
    sqlite3_busy_timeout(db, 0); /* who reads a backup does not hold up what has to go */
    if (sql_prepare(db, "DELETE FROM partitions WHERE last_block <= ?", &s, NULL) == 0) {
        sqlite3_bind_int64(s, 1, (int64_t)last_block);
        if (sql_do(s, NULL) != 0)
            sql_roll_back(db);
        sqlite3_finalize(s);
    }
    sqlite3_close(db);
}

static bool let_go_files(int lookups, uint64_t last_block)
{
    DIR *dir = open_list(lookups);
    struct dirent *entry;
    bool has_any = false;
    while (dir && (entry = readdir(dir)))
        if (partition_is_name(entry->d_name) && last_block_of(entry->d_name) <= last_block)
            has_any |= unlinkat(lookups, entry->d_name, 0) == 0;
    if (dir)
        closedir(dir);
    return has_any;
}

void backups_let_go(const char *target_path, int target, const struct backups *backups, uint64_t last_block)
{
    char path[600], name[BACKUP_STAMP + 8];
    size_t i;
    for (i = 0; i < backups->count; i++) {
        snprintf(name, sizeof(name), "%s/lookups", backups->stamps[i]);
        snprintf(path, sizeof(path), "%s/%s/dnsflow.db", target_path, backups->stamps[i]);
        int lookups = open_folder(target, name);
        if (lookups < 0)
            continue;
        if (let_go_files(lookups, last_block) && access(path, F_OK) == 0)
            forget_entries(path, last_block);
        close(lookups);
    }
}
