/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/orphans.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/quarantine.h"

struct found {
    struct partition *list;
    size_t count, size;
};

static int add_found(struct found *found, const struct partition *p, struct error *err)
{
    if (found->count == found->size) {
        size_t size = found->size ? 2 * found->size : 64;
        struct partition *grown = realloc(found->list, size * sizeof(*grown));
        if (!grown)
            return error_set(err, "lookups: out of memory");
        found->list = grown;
        found->size = size;
    }
    found->list[found->count++] = *p;
    return 0;
}

/* Whether the catalogue has the file, in use or replaced. */
static int is_known(sqlite3_stmt *s, const char *file, struct error *err)
{
    sqlite3_bind_text(s, 1, file, -1, SQLITE_STATIC);
    int result = sql_step(s, err);
    (void)sqlite3_reset(s);
    return result;
}

/* Partitions in the folder that are not in the catalogue. */
static int find_unknown(sqlite3 *db, const char *folder, struct found *found, struct error *err)
{
    struct dirent *entry;
    struct partition p;
    sqlite3_stmt *s;
    int result = 0;
    if (sql_prepare(db, "SELECT 1 FROM partitions WHERE file = ?", &s, err) != 0)
        return -1;
    DIR *dir = opendir(folder);
    if (!dir) {
        sqlite3_finalize(s);
        return error_errno(err, "%s", folder);
    }
    while (result >= 0 && (entry = readdir(dir))) {
        struct error why;
        if (!partition_is_name(entry->d_name) || (result = is_known(s, entry->d_name, err)) != 0)
            continue;
        int is_ours = partition_describe(folder, entry->d_name, &p, &why);
        if (is_ours == 0)
            error_set(&why, "it is no partition");
        if (is_ours <= 0)
            log_line("warning: lookups/%s is left alone: %s", entry->d_name, why.text);
        if (is_ours == 1)
            result = add_found(found, &p, err);
    }
    closedir(dir);
    sqlite3_finalize(s);
    return result < 0 ? -1 : 0;
}

static int by_breadth(const void *a, const void *b)
{
    const struct partition *x = a, *y = b;
    if (x->first_block != y->first_block)
        return x->first_block < y->first_block ? -1 : 1;
    return x->last_block > y->last_block ? -1 : x->last_block < y->last_block;
}

/* Whether one in use has a block up to `first` and one from `last` on. 1, 0, or -1. */
static int has_blocks(sqlite3 *db, uint64_t first, uint64_t last, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, "SELECT 1 FROM partitions WHERE replaced IS NULL AND first_block <= ? AND last_block >= ?", &s,
                    err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, (int64_t)first);
    sqlite3_bind_int64(s, 2, (int64_t)last);
    int result = sql_step(s, err);
    sqlite3_finalize(s);
    return result;
}

static int settle(sqlite3 *db, const char *folder, struct partition *p, bool is_new,
                  const struct database_position *position, size_t *entered, struct error *err)
{
    char path[512];
    int is_back = quarantine_return(db, folder, p, err);
    if (is_back != 0)
        return is_back < 0 ? -1 : database_add_partition(db, p, err);
    int result = is_new ? 0 : has_blocks(db, p->first_block, p->last_block, err);
    if (result == 1) {
        log_line("warning: lookups/%s is left alone: another one is of all its time", p->file);
        return 0;
    }
    if (result == 0)
        result = !is_new && p->last_block > position->block ? 1 : has_blocks(db, p->last_block, p->first_block, err);
    if (result < 0)
        return -1;
    if (result > 0) {
        snprintf(path, sizeof(path), "%s/%s", folder, p->file);
        (void)remove(path);
        return 0;
    }
    ++*entered;
    return database_add_partition(db, p, err);
}

/* All of them, and the position of a new database. */
static int settle_all(sqlite3 *db, const char *folder, const struct account *account, const struct found *found,
                      struct database_position *position, size_t *entered, struct error *err)
{
    bool is_new = !position->is_known;
    size_t i;
    for (i = 0; i < found->count; i++)
        if (settle(db, folder, &found->list[i], is_new, position, entered, err) != 0)
            return -1;
    position->is_known = true;
    return is_new ? database_set_position(db, account, position, err) : 0;
}

int orphans_settle(sqlite3 *db, const char *folder, const struct account *account, struct database_position *position,
                   struct error *err)
{
    struct found found = {NULL, 0, 0};
    bool is_new = !position->is_known;
    size_t entered = 0;
    if (sql_run(db, "BEGIN IMMEDIATE", err) != 0) /* nobody publishes meanwhile */
        return -1;
    int result = find_unknown(db, folder, &found, err);
    if (found.count > 0)
        qsort(found.list, found.count, sizeof(*found.list), by_breadth);
    if (result == 0)
        result = quarantine_look(db, folder, err);
    if (result == 0)
        result = settle_all(db, folder, account, &found, position, &entered, err);
    if (result != 0 || sql_run(db, "COMMIT", err) != 0) {
        sql_roll_back(db);
        result = -1;
    }
    free(found.list);
    if (result == 0 && entered > 0)
        log_line("warning: %zu partitions were not in the catalogue, and are entered%s", entered,
                 is_new ? "; dnsflow.db is new: answers and accounts of what is not in the journal any more are lost"
                        : "");
    return result;
}

/* What is behind the position is about to be sealed. */
static int sweep_found(sqlite3 *db, const char *folder, const struct found *found, struct error *err)
{
    struct database_position position = {.is_known = true};
    int64_t block;
    size_t i, entered = 0;
    if (sql_number(db, "SELECT min(block) FROM position", 0, &block, err) != 0)
        return -1;
    position.block = (uint64_t)block;
    for (i = 0; i < found->count; i++)
        if (found->list[i].last_block <= position.block &&
            settle(db, folder, &found->list[i], false, &position, &entered, err) != 0)
            return -1;
    return 0;
}

int orphans_sweep(sqlite3 *db, const char *folder, struct error *err)
{
    struct found found = {NULL, 0, 0};
    if (sql_run(db, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    int result = find_unknown(db, folder, &found, err);
    if (found.count > 0)
        qsort(found.list, found.count, sizeof(*found.list), by_breadth);
    if (result == 0)
        result = sweep_found(db, folder, &found, err);
    if (result != 0 || sql_run(db, "COMMIT", err) != 0) {
        sql_roll_back(db);
        result = -1;
    }
    free(found.list);
    return result;
}
