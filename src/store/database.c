/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/database.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "store/answers.h"
#include "store/schema.h"

enum { WAL_BYTES = 16 << 20, BUSY_TRIES = 200, BUSY_MS = 50 };

static const char store_name[] = "sqlite";

/* Whoever was the last to have it open may still be about to leave WAL mode, which SQLite does not wait for. One of a
 * later version is refused before anything is written to it. */
static int set_up(sqlite3 *db, struct error *err)
{
    static const char pragmas[] = "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA cache_size=-65536; PRAGMA journal_mode=WAL;"
                                  " PRAGMA synchronous=FULL; PRAGMA journal_size_limit=16777216;"
                                  " PRAGMA secure_delete=ON;";
    int version, tries = 0;
    while (schema_look(db, &version, err) != 0 || sql_run(db, pragmas, err) != 0) {
        if ((sqlite3_errcode(db) & 0xff) != SQLITE_BUSY || ++tries == BUSY_TRIES)
            return -1;
        (void)sqlite3_sleep(BUSY_MS);
    }
    return 0;
}

int database_open(const char *directory, sqlite3 **out, struct error *err)
{
    char path[512];
    if (snprintf(path, sizeof(path), "%s/dnsflow.db", directory) >= (int)sizeof(path))
        return error_set(err, "%s: the path is too long", directory);
    if (sql_open(path, SQL_WRITE, out, err) != 0)
        return -1;
    if (set_up(*out, err) == 0 && schema_bring(*out, err) == 0)
        return 0;
    int result = sql_is_damaged(*out) ? DATABASE_DAMAGED : -1;
    sqlite3_close(*out);
    *out = NULL;
    return result;
}

void database_close(sqlite3 *db)
{
    if (!db)
        return;
    sqlite3_busy_timeout(db, 0);
    (void)sqlite3_exec(db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL); /* not while somebody reads */
    sqlite3_close(db);
}

uint64_t database_cut_wal(sqlite3 *db, const char *directory, int wait_ms)
{
    char path[512];
    struct stat info;
    snprintf(path, sizeof(path), "%s/dnsflow.db-wal", directory);
    if (stat(path, &info) != 0 || info.st_size <= WAL_BYTES)
        return 0;
    sqlite3_busy_timeout(db, wait_ms);
    if (wait_ms > 0)
        (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return stat(path, &info) == 0 && info.st_size > WAL_BYTES ? (uint64_t)info.st_size : 0;
}

bool database_has_moved(sqlite3 *db)
{
    int has_moved = 0;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) == SQLITE_OK && has_moved;
}

/* ---- what was there ---- */

static int restore_totals(sqlite3 *db, struct account *account, struct database_position *position, struct error *err)
{
    sqlite3_stmt *s;
    int i;
    if (sql_prepare(db, "SELECT file, offset, block, totals FROM position WHERE store = ?", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, store_name, -1, SQLITE_STATIC);
    int result = sql_step(s, err);
    position->is_known = result == 1;
    if (result == 1) {
        position->at.file = (uint64_t)sqlite3_column_int64(s, 0);
        position->at.offset = (uint64_t)sqlite3_column_int64(s, 1);
        position->block = (uint64_t)sqlite3_column_int64(s, 2);
        const uint8_t *totals = sqlite3_column_blob(s, 3);
        for (i = 0; i < TOTALS_COUNT && 8 * (i + 1) <= sqlite3_column_bytes(s, 3); i++)
            account->totals[i] = load_be64(totals + (size_t)i * 8);
    }
    sqlite3_finalize(s);
    return result < 0 ? -1 : 0;
}

/* What is missing here and not shared out yet. */
static int restore_no_room(sqlite3 *db, struct account *account, struct error *err)
{
    sqlite3_stmt *s;
    int i;
    if (sql_prepare(db, "SELECT no_room FROM position WHERE store = ?", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, store_name, -1, SQLITE_STATIC);
    int result = sql_step(s, err);
    const uint8_t *no_room = result == 1 ? sqlite3_column_blob(s, 0) : NULL;
    for (i = 0; no_room && i < HERE_COUNT && 8 * (i + 1) <= sqlite3_column_bytes(s, 0); i++)
        account->no_room[i] = load_be64(no_room + (size_t)i * 8);
    sqlite3_finalize(s);
    return result < 0 ? -1 : 0;
}

static int restore_streams(sqlite3 *db, struct account *account, struct error *err)
{
    sqlite3_stmt *s;
    int result;
    if (sql_prepare(db, "SELECT id, state, told FROM streams ORDER BY last DESC LIMIT ?", &s, err) != 0)
        return -1;
    sqlite3_bind_int(s, 1, SOURCES_MAX);
    while ((result = sql_step(s, err)) == 1) {
        const uint8_t *state = sqlite3_column_blob(s, 1);
        struct source *source =
            sqlite3_column_bytes(s, 1) == SOURCE_STATE ? sources_restore(account->sources, state, INT64_MAX) : NULL;
        if (!source)
            continue;
        source->number = (uint64_t)sqlite3_column_int64(s, 0);
        const uint8_t *told = sqlite3_column_blob(s, 2);
        account_restore_told(source, told, (size_t)sqlite3_column_bytes(s, 2));
    }
    sqlite3_finalize(s);
    return result;
}

struct database_position database_look(const char *directory)
{
    struct account account = {.totals = {0}};
    struct database_position position = {.block = 0};
    char path[512];
    uint64_t block = 0;
    sqlite3 *db = NULL;
    if (snprintf(path, sizeof(path), "%s/dnsflow.db", directory) < (int)sizeof(path) &&
        sql_open(path, SQL_READ, &db, NULL) == 0 && restore_totals(db, &account, &position, NULL) != 0)
        position = (struct database_position){.block = 0};
    /* while the journal is read again for what was lost the position is before that */
    if (position.is_known && database_last_lookups(db, &block, NULL) != 0)
        block = 0;
    if (!position.is_known && snprintf(path, sizeof(path), "%s/lookups", directory) < (int)sizeof(path))
        block = partition_last_block(path);
    position.block = block > position.block ? block : position.block;
    sqlite3_close(db);
    return position;
}

int database_check_version(const char *directory, struct error *err)
{
    char path[512];
    sqlite3 *db = NULL;
    int version, result = 0;
    if (snprintf(path, sizeof(path), "%s/dnsflow.db", directory) < (int)sizeof(path) &&
        sql_open(path, SQL_READ, &db, NULL) == 0 && schema_look(db, &version, err) != 0 &&
        sqlite3_errcode(db) == SQLITE_OK)
        result = -1;
    sqlite3_close(db);
    return result;
}

int database_restore(sqlite3 *db, struct account *account, struct database_position *position, struct error *err)
{
    int64_t minute;
    memset(position, 0, sizeof(*position));
    if (sql_number(db, "SELECT min(minute) FROM minutes", -1, &minute, err) != 0)
        return -1;
    if (minute >= 0 && minute <= INT64_MAX / 60)
        account->begun_s = minute * 60;
    return restore_totals(db, account, position, err) != 0 || restore_no_room(db, account, err) != 0
               ? -1
               : restore_streams(db, account, err);
}

/* ---- accounts ---- */

static int put_stream(sqlite3_stmt *s, const struct sources *sources, uint32_t index, struct error *err)
{
    const struct source *source = sources_at(sources, index);
    uint8_t state[SOURCE_STATE], told[ACCOUNT_TOLD_BYTES];
    sources_save(sources, index, state);
    sqlite3_bind_int64(s, 1, (int64_t)source->number);
    sqlite3_bind_blob(s, 2, state + SOURCE_KEY_AT, SOURCE_KEY, SQLITE_STATIC);
    if (source->has_trailer) {
        sqlite3_bind_int64(s, 3, source->sensor_id);
        sqlite3_bind_int(s, 4, source->worker);
        sqlite3_bind_int64(s, 5, source->start_time);
    }
    sqlite3_bind_blob(s, 6, source->address, source->ip_vers == 6 ? 16 : 4, SQLITE_STATIC);
    sqlite3_bind_int(s, 7, source->port);
    sqlite3_bind_int(s, 8, source->is_verified);
    sqlite3_bind_int64(s, 9, source->first_time_us / SECOND_US);
    sqlite3_bind_int64(s, 10, source->last_time_us / SECOND_US);
    sqlite3_bind_blob(s, 11, state, SOURCE_STATE, SQLITE_STATIC);
    if (source->has_ahead)
        sqlite3_bind_int64(s, 12, source->ahead_s);
    size_t told_len = account_save_told(source, told);
    if (told_len > 0)
        sqlite3_bind_blob(s, 13, told, (int)told_len, SQLITE_STATIC);
    int result = sql_do(s, err);
    (void)sqlite3_clear_bindings(s);
    return result;
}

/* Those of which something came since the last time: in the least minute or later. */
static int put_streams(sqlite3 *db, const struct account *account, struct error *err)
{
    sqlite3_stmt *s;
    uint32_t i, minutes = account_minutes(account);
    int64_t least_us = INT64_MAX;
    if (sql_prepare(db,
                    "INSERT INTO streams VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT(id) DO UPDATE SET address = excluded.address, port = excluded.port,"
                    " last = excluded.last, state = excluded.state, ahead = coalesce(excluded.ahead, ahead),"
                    " told = coalesce(excluded.told, told)",
                    &s, err) != 0)
        return -1;
    for (i = 0; i < minutes; i++)
        if (account->minutes[i].minute * 60 * SECOND_US < least_us)
            least_us = account->minutes[i].minute * 60 * SECOND_US;
    int result = 0;
    for (i = 0; result == 0 && i < sources_count(account->sources); i++) {
        const struct source *source = sources_at(account->sources, i);
        if (source->number > 0 && source->last_time_us >= least_us)
            result = put_stream(s, account->sources, i, err);
    }
    sqlite3_finalize(s);
    return result;
}

static int put_minutes(sqlite3 *db, const struct account *account, struct error *err)
{
    sqlite3_stmt *s;
    uint32_t i, count = account_minutes(account);
    int result = 0, k;
    if (sql_prepare(
            db,
            "INSERT INTO minutes VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " datagrams = datagrams + excluded.datagrams, records = records + excluded.records,"
            " statistics = statistics + excluded.statistics, network = network + excluded.network,"
            " here = here + excluded.here, down = down + excluded.down, ring = ring + excluded.ring,"
            " interface = interface + excluded.interface, send = send + excluded.send, made = made + excluded.made,"
            " beside = beside + excluded.beside, memory = memory + excluded.memory,"
            " journal = journal + excluded.journal, expired = expired + excluded.expired",
            &s, err) != 0)
        return -1;
    for (i = 0; result == 0 && i < count; i++) {
        const struct account_minute *row = &account->minutes[i];
        sqlite3_bind_int64(s, 1, row->minute);
        sqlite3_bind_int64(s, 2, (int64_t)row->stream);
        for (k = 0; k < ACCOUNT_COUNT; k++)
            sqlite3_bind_int64(s, 3 + k, row->columns[k]);
        result = sql_do(s, err);
    }
    sqlite3_finalize(s);
    return result;
}

static int put_told(sqlite3 *db, const struct account *account, struct error *err)
{
    sqlite3_stmt *s;
    uint32_t i, count = account_minutes(account);
    int result = 0, k;
    if (sql_prepare(db,
                    "INSERT INTO sensor_minutes VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " frames = frames + excluded.frames, delivered = delivered + excluded.delivered,"
                    " refused = refused + excluded.refused, held = held + excluded.held,"
                    " messages = messages + excluded.messages, answered = answered + excluded.answered,"
                    " unfit = unfit + excluded.unfit, records = records + excluded.records,"
                    " sets = sets + excluded.sets",
                    &s, err) != 0)
        return -1;
    for (i = 0; result == 0 && i < count; i++) {
        const struct account_minute *row = &account->minutes[i];
        if (!row->has_told)
            continue;
        sqlite3_bind_int64(s, 1, row->minute);
        sqlite3_bind_int64(s, 2, (int64_t)row->stream);
        for (k = 0; k < TOLD_COUNT; k++)
            sqlite3_bind_int64(s, 3 + k, row->told[k]);
        result = sql_do(s, err);
    }
    sqlite3_finalize(s);
    return result;
}

/* ---- position ---- */

/* The totals' growth since the position that is there now, in the minute of the last datagram; then the position. */
static int put_totals(sqlite3 *db, const struct account *account, const struct account *before, int64_t minute,
                      struct error *err)
{
    sqlite3_stmt *s;
    int i, result = 0;
    if (sql_prepare(db, "INSERT INTO totals VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
                    &s, err) != 0)
        return -1;
    for (i = 0; result == 0 && i <= TOTALS_COUNT; i++) {
        int64_t grown = (int64_t)(i < TOTALS_COUNT ? account->totals[i] - before->totals[i] : account->expired);
        if (grown <= 0)
            continue;
        sqlite3_bind_int64(s, 1, minute);
        sqlite3_bind_text(s, 2, i < TOTALS_COUNT ? journal_totals[i].word : "expired", -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 3, grown);
        result = sql_do(s, err);
    }
    sqlite3_finalize(s);
    return result;
}

int database_set_position(sqlite3 *db, const struct account *account, const struct database_position *position,
                          struct error *err)
{
    uint8_t totals[8 * TOTALS_COUNT], no_room[8 * HERE_COUNT];
    sqlite3_stmt *s;
    int i;
    for (i = 0; i < TOTALS_COUNT; i++)
        store_be64(totals + (size_t)i * 8, account->totals[i]);
    for (i = 0; i < HERE_COUNT; i++)
        store_be64(no_room + (size_t)i * 8, account->no_room[i]);
    if (sql_prepare(db, "INSERT OR REPLACE INTO position VALUES(?, ?, ?, ?, ?, ?)", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, store_name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, (int64_t)position->at.file);
    sqlite3_bind_int64(s, 3, (int64_t)position->at.offset);
    sqlite3_bind_int64(s, 4, (int64_t)position->block);
    sqlite3_bind_blob(s, 5, totals, sizeof(totals), SQLITE_STATIC);
    sqlite3_bind_blob(s, 6, no_room, sizeof(no_room), SQLITE_STATIC);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result;
}

static int64_t last_minute(const struct account *account)
{
    uint32_t i, count = account_minutes(account);
    int64_t last = clock_unix_us() / SECOND_US / 60;
    for (i = 0; i < count; i++)
        last = i == 0 || account->minutes[i].minute > last ? account->minutes[i].minute : last;
    return last;
}

static int put_all(sqlite3 *db, const struct folded *folded, const struct account *account,
                   const struct database_position *position, struct error *err)
{
    struct account before = {.totals = {0}};
    struct database_position old = {.block = 0};
    if (restore_totals(db, &before, &old, err) != 0 || answers_put(db, folded, err) != 0 ||
        put_streams(db, account, err) != 0 || put_minutes(db, account, err) != 0 || put_told(db, account, err) != 0 ||
        put_totals(db, account, &before, last_minute(account), err) != 0)
        return -1;
    return database_set_position(db, account, position, err);
}

int database_begin(sqlite3 *db, const struct folded *folded, const struct account *account,
                   const struct database_position *position, struct error *err)
{
    if (sql_run(db, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    if (put_all(db, folded, account, position, err) == 0)
        return 0;
    sql_roll_back(db);
    return -1;
}

int database_end(sqlite3 *db, const struct partition *partition, struct error *err)
{
    if ((!partition || database_add_partition(db, partition, err) == 0) && sql_run(db, "COMMIT", err) == 0)
        return 0;
    sql_roll_back(db);
    return -1;
}
