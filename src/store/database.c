/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "record/rdata.h"
#include "store/news.h"
#include "store/rnames.h"
#include "store/schema.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, RDATA_TEXT = 4 * 65536 + 16, WAL_BYTES = 16 << 20, BUSY_TRIES = 200, BUSY_MS = 50 };

static const char store_name[] = "sqlite";

/* Whoever was the last to have it open may still be about to leave WAL mode, which SQLite does not wait for. */
static int set_up(sqlite3 *db, struct error *err)
{
    static const char pragmas[] = "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA cache_size=-65536; PRAGMA journal_mode=WAL;"
                                  " PRAGMA synchronous=FULL; PRAGMA journal_size_limit=16777216;"
                                  " PRAGMA secure_delete=ON;";
    int tries = 0;
    while (sql_run(db, pragmas, err) != 0) {
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

/* ---- passive DNS ---- */

/* An answer in the order of the table. */
struct answer_order {
    const char *rname;
    uint32_t number;
};

static int by_rname(const void *a, const void *b)
{
    const struct answer_order *x = a, *y = b;
    int order = strcmp(x->rname, y->rname);
    return order != 0 ? order : x->number < y->number ? -1 : x->number > y->number;
}

/* An answer that is known, and one that is not: the first is tried first. */
struct answer_puts {
    sqlite3_stmt *update, *insert;
};

static const char update_sql[] = "UPDATE answers SET first = min(first, ?4), last = max(last, ?5), count = count + ?6,"
                                 " scaled = scaled + ?7 WHERE rname = ?1 AND type = ?2 AND rdata = ?3";
static const char insert_sql[] = "INSERT INTO answers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";

static void bind_answer(sqlite3_stmt *s, const char *rname, uint16_t type, const uint8_t *rdata, size_t len,
                        bool is_address, const struct intern_count *c)
{
    sqlite3_bind_text(s, 1, rname, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 2, type);
    if (is_address)
        sqlite3_bind_blob(s, 3, rdata, (int)len, SQLITE_STATIC);
    else
        sqlite3_bind_text(s, 3, (const char *)rdata, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, c->first);
    sqlite3_bind_int64(s, 5, c->last);
    sqlite3_bind_int64(s, 6, (int64_t)c->count);
    sqlite3_bind_int64(s, 7, (int64_t)c->scaled);
}

/* *is_new: there was none of this name, type and rdata. */
static int put_answer(const struct answer_puts *puts, const struct tally *tally, const struct answer_order *at,
                      char *text, bool *is_new, struct error *err)
{
    const struct intern_count *c = intern_counted(tally->answers, at->number);
    const uint8_t *rdata;
    uint32_t name;
    uint16_t type;
    size_t len;
    tally_answer_at(tally, at->number, &name, &type, &rdata, &len);
    bool is_address = (type == TYPE_A && len == 4) || (type == TYPE_AAAA && len == 16);
    if (!is_address) {
        len = rdata_text(type, rdata, len, text, RDATA_TEXT);
        rdata = (const uint8_t *)text;
    }
    bind_answer(puts->update, at->rname, type, rdata, len, is_address, c);
    if (sql_do(puts->update, err) != 0)
        return -1;
    *is_new = sqlite3_changes(sqlite3_db_handle(puts->update)) == 0;
    if (!*is_new)
        return 0;
    bind_answer(puts->insert, at->rname, type, rdata, len, is_address, c);
    return sql_do(puts->insert, err);
}

/* In the order of names, so that neighbours in the table come one after the other. */
static void sort_answers(const struct tally *tally, const struct rnames *rnames, struct answer_order *order)
{
    uint32_t i, count = intern_size(tally->answers), name;
    const uint8_t *rdata;
    uint16_t type;
    size_t len;
    for (i = 0; i < count; i++) {
        tally_answer_at(tally, i, &name, &type, &rdata, &len);
        order[i] = (struct answer_order){rnames->list[name], i};
    }
    qsort(order, count, sizeof(*order), by_rname);
}

/* All answers of one name, from `at` on. Returns how many there are, 0 = it failed, with the cause. */
static uint32_t put_name(const struct answer_puts *puts, struct news *news, const struct tally *tally,
                         const struct answer_order *order, uint32_t count, char *text, struct error *err)
{
    int64_t first_s = INT64_MAX;
    uint32_t i, new_count = 0;
    for (i = 0; i < count && strcmp(order[i].rname, order[0].rname) == 0; i++) {
        int64_t seen_s = intern_counted(tally->answers, order[i].number)->first;
        bool is_new;
        if (put_answer(puts, tally, &order[i], text, &is_new, err) != 0)
            return 0;
        first_s = seen_s < first_s ? seen_s : first_s;
        new_count += is_new;
    }
    return new_count > 0 && news_name(news, order[0].rname, new_count, first_s, err) != 0 ? 0 : i;
}

static int put_ordered(sqlite3 *db, const struct tally *tally, const struct answer_order *order, char *text,
                       struct error *err)
{
    uint32_t i = 0, count = intern_size(tally->answers), taken = 1;
    struct answer_puts puts = {NULL, NULL};
    struct news news;
    int result = news_open(&news, db, err);
    if (result == 0 &&
        (sql_prepare(db, update_sql, &puts.update, err) != 0 || sql_prepare(db, insert_sql, &puts.insert, err) != 0))
        result = -1;
    for (; result == 0 && i < count && taken > 0; i += taken)
        taken = put_name(&puts, &news, tally, order + i, count - i, text, err);
    if (result == 0)
        result = taken > 0 ? news_end(&news, err) : -1;
    news_close(&news);
    sqlite3_finalize(puts.update);
    sqlite3_finalize(puts.insert);
    return result;
}

static int put_answers(sqlite3 *db, const struct tally *tally, struct error *err)
{
    struct answer_order *order = calloc(intern_size(tally->answers) + (size_t)1, sizeof(*order));
    char *text = malloc(RDATA_TEXT);
    struct rnames rnames;
    int result = rnames_make(&rnames, tally) == 0 && order && text ? 0 : error_set(err, "dnsflow.db: out of memory");
    if (result == 0) {
        sort_answers(tally, &rnames, order);
        result = put_ordered(db, tally, order, text, err);
    }
    rnames_free(&rnames);
    free(text);
    free(order);
    return result;
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

static int put_all(sqlite3 *db, const struct tally *tally, const struct account *account,
                   const struct database_position *position, struct error *err)
{
    struct account before = {.totals = {0}};
    struct database_position old = {.block = 0};
    if (restore_totals(db, &before, &old, err) != 0 || put_answers(db, tally, err) != 0 ||
        put_streams(db, account, err) != 0 || put_minutes(db, account, err) != 0 || put_told(db, account, err) != 0 ||
        put_totals(db, account, &before, last_minute(account), err) != 0)
        return -1;
    return database_set_position(db, account, position, err);
}

int database_begin(sqlite3 *db, const struct tally *tally, const struct account *account,
                   const struct database_position *position, struct error *err)
{
    if (sql_run(db, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    if (put_all(db, tally, account, position, err) == 0)
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
