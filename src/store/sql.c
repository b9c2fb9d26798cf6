/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/sql.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WAIT_MS = 10000 };

/* The cause is often what the system has said. */
int sql_fail(sqlite3 *db, struct error *err)
{
    const char *path = sqlite3_db_filename(db, "main"), *name = path ? strrchr(path, '/') : NULL;
    int cause = sqlite3_system_errno(db);
    bool is_full = sqlite3_errcode(db) == SQLITE_FULL;
    bool has_cause = !is_full && cause != 0 && (sqlite3_errcode(db) & 0xff) != SQLITE_CONSTRAINT;
    return error_set(err, "%s: %s%s%s", name ? name + 1 : "database", sqlite3_errmsg(db), has_cause ? ": " : "",
                     has_cause ? strerror(cause) : "");
}

void sql_start(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

void sql_use_folder(const char *folder)
{
    (void)sqlite3_shutdown();
    (void)setenv("SQLITE_TMPDIR", folder, 1);
}

int sql_open(const char *path, enum sql_mode mode, sqlite3 **out, struct error *err)
{
    static const int flags[] = {[SQL_READ] = SQLITE_OPEN_READONLY,
                                [SQL_WRITE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                [SQL_SEALED] = SQLITE_OPEN_READONLY};
    sqlite3 *db = NULL;
    struct stat info;
    *out = NULL;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) /* a pipe would be waited for */
        return error_set(err, "%s: expected a file, as SQLite makes it", path);
    if (sqlite3_open_v2(path, &db, flags[mode] | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK) {
        int cause = db ? sqlite3_system_errno(db) : ENOMEM;
        error_set(err, "%s: %s%s%s", path, db ? sqlite3_errmsg(db) : "out of memory", cause ? ": " : "",
                  cause ? strerror(cause) : "");
        sqlite3_close(db);
        return -1;
    }
    sqlite3_busy_timeout(db, WAIT_MS);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (mode != SQL_WRITE)
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (mode != SQL_WRITE || strcmp(path, ":memory:") == 0) /* who only reads has no place for files of its own */
        (void)sqlite3_exec(db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
    *out = db;
    return 0;
}

int sql_run(sqlite3 *db, const char *text, struct error *err)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_fail(db, err);
}

bool sql_is_damaged(sqlite3 *db)
{
    int code = sqlite3_errcode(db) & 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

void sql_roll_back(sqlite3 *db)
{
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

int sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out, struct error *err)
{
    *out = NULL;
    return sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK ? 0 : sql_fail(db, err);
}

int sql_step(sqlite3_stmt *statement, struct error *err)
{
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return 1;
    return result == SQLITE_DONE ? 0 : sql_fail(sqlite3_db_handle(statement), err);
}

int sql_do(sqlite3_stmt *statement, struct error *err)
{
    int result = sql_step(statement, err);
    (void)sqlite3_reset(statement);
    return result < 0 ? -1 : 0;
}

int sql_number(sqlite3 *db, const char *text, int64_t none, int64_t *out, struct error *err)
{
    sqlite3_stmt *statement;
    *out = none;
    if (sql_prepare(db, text, &statement, err) != 0)
        return -1;
    int result = sql_step(statement, err);
    if (result == 1 && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return result < 0 ? -1 : 0;
}
