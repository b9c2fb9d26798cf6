/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/quarantine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { PATH = 512, NAMES_MAX = 100 };

bool quarantine_has(const struct partition *partition)
{
    return strstr(partition->file, ".db" QUARANTINE_SUFFIX) != NULL;
}

/* The first name of the kind that is free: NAME.corrupt, NAME.corrupt.2 and on. Returns 0, or -1. */
static int free_name(const char *folder, const char *file, char *name, size_t size, struct error *err)
{
    char path[PATH];
    struct stat info;
    unsigned i;
    for (i = 1; i < NAMES_MAX; i++) {
        int len = i == 1 ? snprintf(name, size, "%s" QUARANTINE_SUFFIX, file)
                         : snprintf(name, size, "%s" QUARANTINE_SUFFIX ".%u", file, i);
        if (len >= (int)size || snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
            return error_set(err, "%s/%s: the path is too long", folder, file);
        if (lstat(path, &info) != 0 && errno == ENOENT)
            return 0;
    }
    return error_set(err, "%s/%s" QUARANTINE_SUFFIX ".%d is there too; take the old ones away", folder, file, i - 1);
}

/* ---- partitions ---- */

int quarantine_check_pages(sqlite3 *db, const char *file, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, "PRAGMA integrity_check(1)", &s, err) != 0)
        return -1;
    int result = sql_step(s, err);
    const char *text = result == 1 ? (const char *)sqlite3_column_text(s, 0) : NULL;
    if (result >= 0)
        result = text && strcmp(text, "ok") == 0 ? 0 : error_set(err, "%s: damaged: %.200s", file, text ? text : "");
    sqlite3_finalize(s);
    return result;
}

/* Rows, and lookups that they stand for, as they are. */
static int count_rows(sqlite3 *db, int64_t *rows, int64_t *lookups, struct error *err)
{
    return sql_number(db, "SELECT count(*) FROM rows", 0, rows, err) != 0 ||
                   sql_number(db, "SELECT sum(count) FROM rows", 0, lookups, err) != 0
               ? -1
               : 0;
}

static int open_partition(const char *folder, const char *file, sqlite3 **db, struct error *err)
{
    char path[PATH];
    if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path))
        return error_set(err, "%s/%s: the path is too long", folder, file);
    if (access(path, F_OK) != 0)
        return error_set(err, "lookups/%s: is not there", file);
    return sql_open(path, SQL_SEALED, db, err);
}

int quarantine_check(const char *folder, const struct partition *partition, struct error *err)
{
    const struct partition *p = partition;
    int64_t rows = 0, lookups = 0;
    sqlite3 *db;
    if (open_partition(folder, p->file, &db, err) != 0)
        return -1;
    int result = partition_match(db, p, err) == 0 && quarantine_check_pages(db, p->file, err) == 0 &&
                         count_rows(db, &rows, &lookups, err) == 0
                     ? 0
                     : -1;
    sqlite3_close(db);
    if (result == 0 && ((uint64_t)rows != p->rows || (uint64_t)lookups != p->lookups))
        result = error_set(err, "lookups/%s: has not what the catalogue says", p->file);
    return result;
}

static int rename_entry(sqlite3 *db, const char *from, const char *to, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, "UPDATE OR REPLACE partitions SET file = ? WHERE file = ?", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, to, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, from, -1, SQLITE_STATIC);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result;
}

/* One that is not there gets no other name, but its entry does. */
static int set_aside(sqlite3 *db, const char *folder, const struct partition *p, const char *why, struct error *err)
{
    char name[PARTITION_NAME + 8], from[PATH], to[PATH];
    if (free_name(folder, p->file, name, PARTITION_NAME, err) != 0 || rename_entry(db, p->file, name, err) != 0)
        return -1;
    snprintf(from, sizeof(from), "%.440s/%.63s", folder, p->file);
    snprintf(to, sizeof(to), "%.440s/%.63s", folder, name);
    if (rename(from, to) != 0 && errno != ENOENT)
        return error_errno(err, "%s", to);
    log_line("error: store: lookups/%s cannot be used (%s); it is set aside as %s, and all others stay in use", p->file,
             why, name);
    return 0;
}

int quarantine_partition(sqlite3 *db, const char *folder, const struct partition *partition, const char *why,
                         struct error *err)
{
    if (sql_run(db, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    if (set_aside(db, folder, partition, why, err) == 0 && sql_run(db, "COMMIT", err) == 0)
        return 0;
    sql_roll_back(db);
    return -1;
}

/* What shows without reading all of it: another file, none of SQLite's, or one that was cut off. */
static int look_at(const char *folder, const struct partition *p, struct error *err)
{
    char path[PATH];
    struct stat info;
    sqlite3 *db;
    snprintf(path, sizeof(path), "%.440s/%.63s", folder, p->file);
    if (stat(path, &info) == 0 && (uint64_t)info.st_size < p->bytes)
        return error_set(err, "%s: has %" PRIu64 " bytes of %" PRIu64, p->file, (uint64_t)info.st_size, p->bytes);
    if (open_partition(folder, p->file, &db, err) != 0)
        return -1;
    int result = partition_match(db, p, err);
    sqlite3_close(db);
    return result;
}

int quarantine_look(sqlite3 *db, const char *folder, struct error *err)
{
    struct partition *list;
    size_t count, i, missing = 0;
    int result = 0;
    if (database_partitions(db, &list, &count, err) != 0)
        return -1;
    for (i = 0; result == 0 && i < count; i++) {
        char path[PATH];
        struct error why;
        snprintf(path, sizeof(path), "%.440s/%.63s", folder, list[i].file);
        if (quarantine_has(&list[i]))
            continue;
        if (access(path, F_OK) != 0)
            missing++;
        else if (look_at(folder, &list[i], &why) != 0)
            result = set_aside(db, folder, &list[i], why.text, err);
    }
    free(list);
    if (missing > 0)
        log_line("warning: store: %zu partitions of the catalogue are not in lookups", missing);
    return result;
}

int quarantine_return(sqlite3 *db, const char *folder, struct partition *partition, struct error *err)
{
    sqlite3_stmt *s;
    sqlite3 *file;
    int64_t rows, lookups;
    if (sql_prepare(db, "DELETE FROM partitions WHERE substr(file, 1, length(?1)) = ?1", &s, err) != 0)
        return -1;
    char name[PARTITION_NAME + sizeof(QUARANTINE_SUFFIX)];
    snprintf(name, sizeof(name), "%s" QUARANTINE_SUFFIX, partition->file);
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    if (result != 0 || sqlite3_changes(db) == 0)
        return result;
    if (open_partition(folder, partition->file, &file, err) != 0)
        return -1;
    if (count_rows(file, &rows, &lookups, NULL) == 0) {
        partition->rows = (uint64_t)rows;
        partition->lookups = (uint64_t)lookups;
    }
    sqlite3_close(file);
    log_line("store: lookups/%s is back, with %" PRIu64 " rows", partition->file, partition->rows);
    return 1;
}

/* ---- dnsflow.db ---- */

int quarantine_database(const char *directory, const char *why, struct error *err)
{
    static const char file[] = "dnsflow.db";
    char name[64], from[PATH], to[PATH];
    if (free_name(directory, file, name, sizeof(name), err) != 0)
        return -1;
    snprintf(from, sizeof(from), "%.440s/%s-wal", directory, file);
    snprintf(to, sizeof(to), "%.440s/%.40s-wal", directory, name);
    if (rename(from, to) != 0 && errno != ENOENT)
        return error_errno(err, "%s", to);
    snprintf(from, sizeof(from), "%.440s/%s-shm", directory, file);
    (void)remove(from);
    snprintf(from, sizeof(from), "%.440s/%s", directory, file);
    snprintf(to, sizeof(to), "%.440s/%.40s", directory, name);
    if (rename(from, to) != 0)
        return error_errno(err, "%s", to);
    log_line("error: store: %s; it is set aside as %s, and made anew of what is in lookups and journal", why, name);
    return 0;
}
