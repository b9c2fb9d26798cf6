/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/backups.h"
#include "store/lookups_lock.h"
#include "store/quarantine.h"

enum {
    HOUR_S = 3600,
    DAY_S = 86400,
    PART_OF = 16,   /* sealed partitions make one of an hour that is not over */
    KEPT_S = 600,   /* what was merged stays so long, for who reads it */
    WAL_MS = 10000, /* that SQLite's log can be cut is waited for */
    WAL_AGAIN_S = 60,
    WRITER_MS = 60000, /* that somebody writes: a seal of much takes its time */
    UNUSED_BYTES = 64 << 20,
    AGE_EVERY_S = 300,
    CHECK_AGAIN_S = 60,
    ACCOUNTS_KEPT_S = 31 * 86400
};

/* ---- backups beside the store ---- */

uint64_t tidy_backup_bytes(uint64_t bytes)
{
    return bytes / 4;
}

/* -1: there are none. */
static int open_backups(const char *directory, char path[512])
{
    snprintf(path, 512, "%s/" BACKUP_FOLDER, directory);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static uint64_t measure_backups(int target, const char *directory, const struct backups *backups)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/lookups", directory);
    int lookups = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t bytes = backups_bytes(target, backups, lookups);
    if (lookups >= 0)
        close(lookups);
    return bytes;
}

/* The oldest goes before anything else does when all is too much, the last one alone when it has more than its share.
 * Returns 1: one went, 0: none did, and *bytes is what they take; or -1. */
static int drop_backup_for_size(const char *directory, uint64_t limit, uint64_t others, uint64_t *bytes,
                                struct error *err)
{
    char path[512];
    struct backups all;
    int target = open_backups(directory, path), result = 0;
    *bytes = 0;
    if (target < 0)
        return 0;
    backups_list(target, &all);
    *bytes = measure_backups(target, directory, &all);
    bool is_too_much = *bytes + others > limit && (all.count > 1 || *bytes > tidy_backup_bytes(limit));
    if (is_too_much && all.count > 0)
        result = backups_remove(target, all.stamps[0], err) == 0 ? 1 : -1;
    close(target);
    return result;
}

static int drop_backup_for_age(const char *directory, int64_t before_s, struct error *err)
{
    char path[512];
    struct backups all;
    int target = open_backups(directory, path), result = 0;
    if (target < 0)
        return 0;
    backups_list(target, &all);
    if (all.count > 0 && backup_stamp_time(all.stamps[0]) < before_s)
        result = backups_remove(target, all.stamps[0], err) == 0 ? 1 : -1;
    close(target);
    return result;
}

/* ---- removing ---- */

/* The file first: a file without an entry would count as lost to the catalogue. One that was set aside stays. */
static int remove_partition(sqlite3 *db, const char *directory, const char *file, uint64_t *removed, struct error *err)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/lookups/%s", directory, file);
    if (strstr(file, ".db" QUARANTINE_SUFFIX))
        log_line("warning: store: lookups/%s is too old, or too much, to be kept; it stays until somebody removes it",
                 file);
    else if (remove(path) != 0 && errno != ENOENT)
        return error_errno(err, "%s", path);
    if (database_remove(db, file, err) != 0)
        return -1;
    ++*removed;
    return 1;
}

/* The same, for good: also from the backups, where its place on the disk would else be kept. What was merged is only
 * another form of what stays. */
static int expire_partition(sqlite3 *db, const char *directory, const char *file, uint64_t *removed, struct error *err)
{
    char path[512];
    struct backups backups;
    sqlite3_stmt *s;
    if (sql_prepare(db, "SELECT last_block FROM partitions WHERE file = ? AND replaced IS NULL", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, file, -1, SQLITE_STATIC);
    int found = sql_step(s, err);
    uint64_t last_block = found == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    int target = found == 1 ? open_backups(directory, path) : -1;
    if (target >= 0) {
        backups_list(target, &backups);
        backups_let_go(path, target, &backups, last_block);
        close(target);
    }
    return found < 0 ? -1 : remove_partition(db, directory, file, removed, err);
}

/* The first partition that the query gives. Returns 1, 0 = none, or -1. */
static int find_file(sqlite3 *db, const char *query, int64_t limit, char file[PARTITION_NAME], struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, query, &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, limit);
    int result = sql_step(s, err);
    if (result == 1)
        snprintf(file, PARTITION_NAME, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return result;
}

/* Bytes of the database that are in use; others are given back in slices. */
static int database_bytes(sqlite3 *db, uint64_t *used, uint64_t *unused, struct error *err)
{
    int64_t pages, free_pages, size;
    if (sql_number(db, "PRAGMA page_count", 0, &pages, err) != 0 ||
        sql_number(db, "PRAGMA freelist_count", 0, &free_pages, err) != 0 ||
        sql_number(db, "PRAGMA page_size", 0, &size, err) != 0)
        return -1;
    *used = (uint64_t)((pages - free_pages) * size);
    *unused = (uint64_t)(free_pages * size);
    return 0;
}

/* The statement, whose one number is given. 1: it has taken rows away, 0: there were none, or -1. */
static int drop_rows(sqlite3 *db, const char *statement, int64_t number, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, statement, &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, number);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result < 0 ? -1 : sqlite3_changes(db) > 0;
}

/* What was new by then: most of it has gone with its answers. */
static int drop_news(sqlite3 *db, int64_t until_s, struct error *err)
{
    return drop_rows(db,
                     "DELETE FROM news WHERE (what, first, rname) IN"
                     " (SELECT what, first, rname FROM news WHERE first <= ? LIMIT 100000)",
                     until_s, err);
}

/* The eighth of the answers that was seen longest ago, and the next. To find the time up to which these are reads all
 * that there is, but not each time, and it keeps nobody from writing. */
static int drop_answers(sqlite3 *db, int64_t *cut_s, struct error *err)
{
    int result = drop_rows(db,
                           "DELETE FROM answers WHERE (rname, type, rdata) IN"
                           " (SELECT rname, type, rdata FROM answers WHERE last <= ? LIMIT 1000000)",
                           *cut_s, err);
    if (result == 0)
        result = drop_news(db, *cut_s, err);
    if (result != 0)
        return result;
    result = sql_number(db, "SELECT last FROM answers ORDER BY last LIMIT 1 OFFSET (SELECT count(*) / 8 FROM answers)",
                        0, cut_s, err);
    return result != 0 ? -1 : *cut_s != 0;
}

/* What SQLite's log takes. Where somebody reads for long it is not cut again for a while, as nobody can write while
 * that is waited for. */
static uint64_t cut_wal(sqlite3 *db, const char *directory, struct tidy_counts *counts)
{
    int64_t now_s = clock_monotonic_us() / SECOND_US;
    bool may_cut = now_s >= counts->next_wal_s;
    uint64_t bytes = database_cut_wal(db, directory, may_cut ? WAL_MS : 0);
    if (may_cut && bytes > 0)
        counts->next_wal_s = now_s + WAL_AGAIN_S;
    sqlite3_busy_timeout(db, WRITER_MS);
    return bytes;
}

static int drop_for_size(sqlite3 *db, const char *directory, const struct tidy_limits *limits,
                         struct tidy_counts *counts, struct error *err)
{
    char file[PARTITION_NAME];
    int64_t bytes;
    uint64_t used, unused, copies, wal = cut_wal(db, directory, counts);
    if (sql_number(db, "SELECT sum(bytes) FROM partitions", 0, &bytes, err) != 0 ||
        database_bytes(db, &used, &unused, err) != 0)
        return -1;
    if (unused > UNUSED_BYTES)
        return sql_run(db, "PRAGMA incremental_vacuum(1000)", err) == 0 ? 1 : -1;
    int dropped = drop_backup_for_size(directory, limits->bytes, (uint64_t)bytes + used + wal, &copies, err);
    if (dropped != 0)
        return dropped;
    if ((uint64_t)bytes + used + wal + copies <= limits->bytes) {
        counts->cut_s = 0;
        return 0;
    }
    bool has_many_files = (uint64_t)bytes > limits->bytes / 2; /* which are quickly taken away */
    int result = has_many_files || used <= limits->bytes / 2 ? 0 : drop_answers(db, &counts->cut_s, err);
    if (result != 0)
        return result;
    result = find_file(db,
                       "SELECT file FROM partitions WHERE last_block < (SELECT max(last_block) FROM partitions) + ?"
                       " ORDER BY replaced IS NULL, until LIMIT 1",
                       0, file, err);
    if (result != 1)
        return result;
    return expire_partition(db, directory, file, &counts->expired, err);
}

static int drop_for_age(sqlite3 *db, const char *directory, int64_t before_s, uint64_t *removed, struct error *err)
{
    char file[PARTITION_NAME];
    int result =
        find_file(db, "SELECT file FROM partitions WHERE until < ? ORDER BY until LIMIT 1", before_s, file, err);
    if (result == 1)
        result = expire_partition(db, directory, file, removed, err);
    if (result == 0)
        result = drop_backup_for_age(directory, before_s, err);
    if (result == 0)
        result = drop_rows(db,
                           "DELETE FROM answers WHERE (rname, type, rdata) IN"
                           " (SELECT rname, type, rdata FROM answers WHERE last < ? LIMIT 10000)",
                           before_s, err);
    return result == 0 ? drop_news(db, before_s - 1, err) : result;
}

static int drop_replaced(sqlite3 *db, const char *directory, int64_t now_s, uint64_t *removed, struct error *err)
{
    char file[PARTITION_NAME];
    int result = find_file(db, "SELECT file FROM partitions WHERE replaced < ? LIMIT 1", now_s - KEPT_S, file, err);
    if (result != 1)
        return result;
    return remove_partition(db, directory, file, removed, err);
}

/* ---- merging ---- */

/* A run of neighbours that are to become one: [first, first + count). */
struct group {
    size_t first, count;
    unsigned level;
};

/* Neighbours of one time, of a level below `level`, from `at` on. */
static size_t run_length(const struct partition *list, size_t count, size_t at, int64_t span, unsigned level)
{
    size_t n = 0;
    while (at + n < count && n < PARTITION_MERGE_MAX && list[at + n].level < level && !quarantine_has(&list[at + n]) &&
           list[at + n].since / span == list[at].since / span)
        n++;
    return n;
}

/* Hours and days that are over, and many small ones of an hour that is not. The time that is not over is that of the
 * last partition: the clock of who receives may be wrong. */
static bool find_group(const struct partition *list, size_t count, struct group *out)
{
    static const struct {
        int64_t span;
        unsigned level;
    } spans[] = {{HOUR_S, PARTITION_HOUR}, {DAY_S, PARTITION_DAY}};
    size_t at, k;
    for (k = 0; k < sizeof(spans) / sizeof(spans[0]); k++) {
        int64_t now = count > 0 ? list[count - 1].since / spans[k].span : 0;
        for (at = 0; at < count; at++) {
            size_t n = run_length(list, count, at, spans[k].span, spans[k].level);
            bool is_over = list[at].since / spans[k].span < now;
            if (n >= 2 && is_over) {
                *out = (struct group){at, n, spans[k].level};
                return true;
            }
        }
    }
    for (at = 0; at < count; at++)
        if (run_length(list, count, at, HOUR_S, PARTITION_PART) >= PART_OF) {
            *out = (struct group){at, PART_OF, PARTITION_PART};
            return true;
        }
    return false;
}

/* A merge that has failed: inputs that are damaged are set aside, and then there is something to be gone on with. All
 * of each has to be read for that. Returns 1, or -1 with the cause. */
static int sort_out(sqlite3 *db, const char *folder, const struct partition *list, size_t count,
                    struct tidy_counts *counts, struct error *err)
{
    int64_t now_s = clock_monotonic_us() / SECOND_US;
    int result = -1;
    size_t i;
    if (now_s < counts->next_check_s)
        return -1;
    for (i = 0; i < count; i++) {
        struct error why;
        if (quarantine_check(folder, &list[i], &why) == 0)
            continue;
        if (quarantine_partition(db, folder, &list[i], why.text, err) != 0)
            return -1;
        result = 1;
    }
    if (result != 1)
        counts->next_check_s = now_s + CHECK_AGAIN_S;
    return result;
}

/* What is merged has all lookups of what it was made of. */
static int merge_whole(const char *folder, const struct partition *list, size_t count, struct partition *merged,
                       struct error *err)
{
    uint64_t lookups = 0;
    size_t i;
    for (i = 0; i < count; i++)
        lookups += list[i].lookups;
    if (partition_merge(folder, list, count, merged, err) != 0)
        return -1;
    return merged->lookups == lookups ? 0 : error_set(err, "lookups/%s: has not what its parts have", merged->file);
}

static int merge_group(sqlite3 *db, const char *directory, const struct partition *list, const struct group *group,
                       int64_t now_s, struct tidy_counts *counts, struct error *err)
{
    char folder[448], path[512];
    struct partition merged = {.level = group->level};
    snprintf(folder, sizeof(folder), "%s/lookups", directory);
    if (merge_whole(folder, list + group->first, group->count, &merged, err) != 0)
        return sort_out(db, folder, list + group->first, group->count, counts, err);
    if (database_replace(db, folder, &merged, now_s, err) == 0) {
        counts->merges++;
        counts->merged += group->count;
        return 1;
    }
    snprintf(path, sizeof(path), "%s/%s", folder, merged.file);
    (void)remove(path);
    return -1;
}

static int merge_some(sqlite3 *db, const char *directory, int64_t now_s, struct tidy_counts *counts, struct error *err)
{
    struct partition *list;
    struct group group;
    size_t count;
    int result = 0;
    if (database_partitions(db, &list, &count, err) != 0)
        return -1;
    if (find_group(list, count, &group))
        result = merge_group(db, directory, list, &group, now_s, counts, err);
    free(list);
    return result;
}

/* Accounts, which are small, by their age; the one who asks knows which statement that is. */
static int drop_accounts(sqlite3 *db, int64_t before_s, struct error *err)
{
    static const char minutes[] = "DELETE FROM minutes WHERE (minute, stream) IN"
                                  " (SELECT minute, stream FROM minutes WHERE minute < ? / 60 LIMIT 10000)";
    static const char told[] = "DELETE FROM sensor_minutes WHERE (minute, stream) IN"
                               " (SELECT minute, stream FROM sensor_minutes WHERE minute < ? / 60 LIMIT 10000)";
    static const char *const statements[] = {minutes, told, "DELETE FROM totals WHERE minute < ? / 60",
                                             "DELETE FROM streams WHERE last < ?"};
    size_t i;
    int result = 0;
    for (i = 0; result == 0 && i < sizeof(statements) / sizeof(statements[0]); i++)
        result = drop_rows(db, statements[i], before_s, err);
    return result;
}

static int step(sqlite3 *db, const char *directory, const struct tidy_limits *limits, int64_t now_s,
                struct tidy_counts *counts, struct error *err)
{
    int64_t accounts_s = limits->age_s > 0 && limits->age_s < ACCOUNTS_KEPT_S ? limits->age_s : ACCOUNTS_KEPT_S;
    uint64_t replaced = 0;
    bool looks_at_age = now_s >= counts->next_age_s || now_s < counts->next_age_s - AGE_EVERY_S;
    int result = drop_replaced(db, directory, now_s, &replaced, err);
    if (result == 0)
        result = drop_for_size(db, directory, limits, counts, err);
    if (result == 0 && looks_at_age) {
        result = limits->age_s > 0 ? drop_for_age(db, directory, now_s - limits->age_s, &counts->expired, err) : 0;
        if (result == 0)
            result = drop_accounts(db, now_s - accounts_s, err);
        if (result == 0) /* it reads all that there is */
            counts->next_age_s = now_s + AGE_EVERY_S;
    }
    return result == 0 ? merge_some(db, directory, now_s, counts, err) : result;
}

int tidy_step(sqlite3 *db, const char *directory, const struct tidy_limits *limits, int64_t now_s,
              struct tidy_counts *counts, struct error *err)
{
    char folder[448];
    snprintf(folder, sizeof(folder), "%s/lookups", directory);
    int lock = lookups_lock(folder, false, err);
    if (lock < 0)
        return lock == LOOKUPS_BUSY ? 0 : -1;
    int result = step(db, directory, limits, now_s, counts, err);
    close(lock);
    return result;
}
