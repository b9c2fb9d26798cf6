/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/take_over.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_MODE = 0750, PATH = 560 };

/* Streams and totals are as the old database has them: the new one begins in the middle of these. */
static const char statements[] =
    "INSERT INTO answers SELECT * FROM old.answers WHERE true ON CONFLICT DO UPDATE SET"
    " first = min(first, excluded.first), last = max(last, excluded.last), count = max(count, excluded.count),"
    " scaled = max(scaled, excluded.scaled);"
    "DELETE FROM news; INSERT INTO news SELECT * FROM old.news;"
    "INSERT INTO streams SELECT * FROM old.streams WHERE true ON CONFLICT(id) DO UPDATE SET"
    " first = excluded.first, last = excluded.last, state = excluded.state, ahead = excluded.ahead,"
    " told = excluded.told;"
    "INSERT INTO minutes SELECT * FROM old.minutes WHERE true ON CONFLICT DO UPDATE SET"
    " datagrams = excluded.datagrams, records = excluded.records, statistics = excluded.statistics,"
    " network = excluded.network, here = excluded.here, down = excluded.down, ring = excluded.ring,"
    " interface = excluded.interface, send = excluded.send, made = excluded.made, beside = excluded.beside,"
    " memory = excluded.memory, journal = excluded.journal, expired = excluded.expired"
    " WHERE excluded.datagrams >= datagrams AND excluded.records >= records;"
    "INSERT OR REPLACE INTO sensor_minutes SELECT * FROM old.sensor_minutes;"
    "DELETE FROM totals;"
    "INSERT INTO totals SELECT * FROM old.totals;";

static int link_all(const char *from, const char *to, sqlite3 *new_db, const struct partition *list, size_t count,
                    uint64_t before, struct error *err)
{
    const struct account none = {.totals = {0}};
    char old_path[PATH], new_path[PATH];
    size_t i;
    for (i = 0; i < count && list[i].first_block < before; i++) {
        snprintf(old_path, sizeof(old_path), "%s/lookups/%s", from, list[i].file);
        snprintf(new_path, sizeof(new_path), "%s/lookups/%s", to, list[i].file);
        if (link(old_path, new_path) != 0)
            return error_errno(err, "%s", old_path);
        if (database_add_partition(new_db, &list[i], err) != 0)
            return -1;
    }
    if (i == 0)
        return 0;
    const struct database_position behind = {.is_known = true, .at = list[i - 1].end, .block = list[i - 1].last_block};
    return database_set_position(new_db, &none, &behind, err);
}

static int sync_folder(const char *folder, struct error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 && fsync(fd) == 0 ? 0 : error_errno(err, "%s", folder);
    if (fd >= 0)
        close(fd);
    return result;
}

int take_over_lookups(const char *from, const char *to, uint64_t before, struct error *err)
{
    struct partition *list = NULL;
    char folder[PATH];
    size_t count;
    sqlite3 *db, *new_db = NULL;
    snprintf(folder, sizeof(folder), "%s/lookups", to);
    if (mkdir(folder, FOLDER_MODE) != 0 && errno != EEXIST)
        return error_errno(err, "%s", folder);
    if (database_open(from, &db, err) != 0)
        return -1;
    int result = database_partitions(db, &list, &count, err);
    if (result == 0)
        result = database_open(to, &new_db, err);
    if (result == 0)
        result = link_all(from, to, new_db, list, count, before, err);
    if (result == 0)
        result = sync_folder(folder, err);
    free(list);
    database_close(new_db);
    database_close(db);
    return result;
}

static int attach(sqlite3 *db, const char *from, struct error *err)
{
    char path[PATH];
    sqlite3_stmt *s;
    snprintf(path, sizeof(path), "%s/dnsflow.db", from);
    if (sql_prepare(db, "ATTACH ? AS old", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result;
}

int take_over_rest(const char *from, const char *to, struct error *err)
{
    sqlite3 *db;
    if (database_open(to, &db, err) != 0)
        return -1;
    int result = attach(db, from, err);
    if (result == 0 && sql_run(db, "BEGIN IMMEDIATE", err) == 0) {
        result = sql_run(db, statements, err) == 0 ? sql_run(db, "COMMIT", err) : -1;
        if (result != 0)
            sql_roll_back(db);
        (void)sqlite3_exec(db, "DETACH old", NULL, NULL, NULL);
    } else {
        result = -1;
    }
    database_close(db);
    return result;
}
