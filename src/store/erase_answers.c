/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Passive DNS without what is to be forgotten: in slices, so that others can write in between. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/erase.h"

enum {
    KEY = 3,            /* columns of the key: rname, type, rdata */
    SLICE = 20000,      /* rows */
    READERS_MS = 30000, /* that others read is waited for: SQLite's log is theirs until then */
    CHUNK = 1 << 20
};

/* ---- rows ---- */

static void is_forgotten(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct forgotten *forgotten = sqlite3_user_data(context);
    const char *rname = (const char *)sqlite3_value_text(values[0]);
    (void)count;
    bool is = rname && forgotten_has_name(forgotten, rname, (size_t)sqlite3_value_bytes(values[0]));
    if (!is && sqlite3_value_type(values[1]) == SQLITE_TEXT) {
        const char *rdata = (const char *)sqlite3_value_text(values[1]);
        is = rdata && forgotten_has_word(forgotten, rdata, (size_t)sqlite3_value_bytes(values[1]));
    }
    sqlite3_result_int(context, is);
}

/* The statements of a slice: where it ends, and what goes of it, or of all that there is when it is the last; and the
 * key behind which it begins. */
struct slices {
    sqlite3_stmt *end, *middle, *last;
    sqlite3_value *from[KEY];
};

static int prepare(sqlite3 *db, struct slices *s, struct error *err)
{
    static const char end[] = "SELECT rname, type, rdata FROM answers WHERE (rname, type, rdata) > (?1, ?2, ?3)"
                              " ORDER BY rname, type, rdata LIMIT 1 OFFSET ?4";
    static const char middle[] = "DELETE FROM answers WHERE (rname, type, rdata) > (?1, ?2, ?3)"
                                 " AND (rname, type, rdata) <= (?4, ?5, ?6) AND is_forgotten(rname, rdata)";
    static const char last[] = "DELETE FROM answers WHERE (rname, type, rdata) > (?1, ?2, ?3)"
                               " AND is_forgotten(rname, rdata)";
    if (sql_prepare(db, end, &s->end, err) != 0 || sql_prepare(db, middle, &s->middle, err) != 0 ||
        sql_prepare(db, last, &s->last, err) != 0)
        return -1;
    sqlite3_bind_int(s->end, KEY + 1, SLICE - 1);
    return 0;
}

/* Before all keys: types are not below 0. */
static void bind_from(const struct slices *s, sqlite3_stmt *statement)
{
    int i;
    sqlite3_bind_text(statement, 1, "", 0, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, -1);
    sqlite3_bind_null(statement, 3);
    for (i = 0; i < KEY && s->from[i]; i++)
        sqlite3_bind_value(statement, 1 + i, s->from[i]);
}

/* 1: there are more, 0: it was the last, -1: the cause. */
static int erase_slice(struct slices *s, uint64_t *erased, struct error *err)
{
    sqlite3_value *to[KEY] = {NULL};
    int i, result;
    bind_from(s, s->end);
    int has_more = sql_step(s->end, err);
    sqlite3_stmt *erase = has_more == 1 ? s->middle : s->last;
    bind_from(s, erase);
    for (i = 0; has_more == 1 && i < KEY; i++) {
        to[i] = sqlite3_value_dup(sqlite3_column_value(s->end, i));
        sqlite3_bind_value(erase, KEY + 1 + i, to[i]);
        has_more = to[i] ? 1 : error_set(err, "dnsflow.db: out of memory");
    }
    (void)sqlite3_reset(s->end);
    result = has_more < 0 ? -1 : sql_do(erase, err);
    if (result == 0)
        *erased += (uint64_t)sqlite3_changes64(sqlite3_db_handle(erase));
    for (i = 0; i < KEY; i++) {
        sqlite3_value_free(s->from[i]);
        s->from[i] = to[i];
    }
    return result != 0 ? -1 : has_more;
}

int erase_answers(sqlite3 *db, const struct forgotten *forgotten, struct erase_counts *counts, struct error *err)
{
    struct forgotten *known = malloc(sizeof(*known)); /* as SQLite wants one that can be written */
    struct slices s = {.end = NULL};
    int result = -1, i;
    if (!known)
        return error_set(err, "dnsflow.db: out of memory");
    *known = *forgotten;
    if (sqlite3_create_function_v2(db, "is_forgotten", 2, SQLITE_UTF8, known, is_forgotten, NULL, NULL, free) !=
        SQLITE_OK) /* which frees it then too */
        return sql_fail(db, err);
    if (prepare(db, &s, err) == 0)
        while ((result = erase_slice(&s, &counts->answers, err)) == 1)
            ;
    if (result == 0) /* and domains of which no name is left */
        result = sql_run(db,
                         "DELETE FROM news WHERE is_forgotten(rname, NULL) OR (what = 1"
                         " AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.rname = news.rname)"
                         " AND NOT EXISTS (SELECT 1 FROM answers a"
                         " WHERE a.rname >= news.rname || '.' AND a.rname < news.rname || '/'))",
                         err);
    sqlite3_finalize(s.end);
    sqlite3_finalize(s.middle);
    sqlite3_finalize(s.last);
    for (i = 0; i < KEY; i++)
        sqlite3_value_free(s.from[i]);
    return result;
}

/* ---- what is left of rows in the file ---- */

/* What to look for: the name as it stands in the file, and reversed. */
struct word {
    char text[RNAME_TEXT + 1];
    size_t len;
};

static size_t list_words(const struct forgotten *forgotten, struct word *words)
{
    size_t i, count = 0;
    for (i = 0; i < forgotten->count; i++) {
        const struct forgotten_entry *entry = &forgotten->list[i];
        char name[NAME_TEXT];
        if (entry->address_len > 0)
            continue;
        (void)rname_to_text(entry->rname, name);
        struct word *w = &words[count++], *reversed = &words[count++];
        w->len = (size_t)snprintf(w->text, sizeof(w->text), "%s%s", entry->is_below ? "." : "", name);
        reversed->len =
            (size_t)snprintf(reversed->text, sizeof(reversed->text), "%s%s", entry->rname, entry->is_below ? "." : "");
    }
    return count;
}

/* Whether any of the words is in the file. 1, 0, or -1. */
static int look_into(sqlite3_file *file, const struct word *words, size_t count, char *room, struct error *err)
{
    sqlite3_int64 size = 0, at = 0;
    size_t held = 0, i;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK)
        return error_set(err, "dnsflow.db: its size cannot be read");
    while (at < size) {
        int len = size - at < CHUNK ? (int)(size - at) : CHUNK;
        if (file->pMethods->xRead(file, room + held, len, at) != SQLITE_OK)
            return error_set(err, "dnsflow.db: cannot be read");
        at += len;
        size_t have = held + (size_t)len;
        for (i = 0; i < count; i++)
            if (memmem(room, have, words[i].text, words[i].len))
                return 1;
        held = have < RNAME_TEXT ? have : RNAME_TEXT; /* a word may be cut there */
        memmove(room, room + have - held, held);
    }
    return 0;
}

/* By the descriptor that SQLite has: to close another one would take its locks (fcntl(2)). */
static int is_in_file(sqlite3 *db, const struct word *words, size_t count, struct error *err)
{
    sqlite3_file *file = NULL;
    char *room = malloc(CHUNK + RNAME_TEXT);
    int result = -1;
    if (!room)
        error_set(err, "dnsflow.db: out of memory");
    else if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file->pMethods)
        (void)sql_fail(db, err);
    else
        result = look_into(file, words, count, room, err);
    free(room);
    return result;
}

/* SQLite's log has pages as they were. */
static int cut_log(sqlite3 *db, struct error *err)
{
    sqlite3_busy_timeout(db, READERS_MS);
    int result = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (result == SQLITE_OK)
        return 0;
    return (result & 0xff) == SQLITE_BUSY
               ? error_set(err, "dnsflow.db: others read it, and its log has what was to be forgotten until they end;"
                                " ask again")
               : sql_fail(db, err);
}

int erase_traces(sqlite3 *db, const struct forgotten *forgotten, struct error *err)
{
    struct word *words = calloc(2 * FORGOTTEN_MAX, sizeof(*words));
    if (!words)
        return error_set(err, "dnsflow.db: out of memory");
    size_t count = list_words(forgotten, words);
    int result = cut_log(db, err);
    if (result == 0 && count > 0)
        result = is_in_file(db, words, count, err);
    free(words);
    if (result == 1) /* also of names that are longer and stay, which cannot be told apart */
        result = sql_run(db, "VACUUM", err) == 0 ? cut_log(db, err) : -1;
    return result;
}
