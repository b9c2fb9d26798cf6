/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SQLite, with one line for what goes wrong. */
#ifndef DNSFLOW_STORE_SQL_H
#define DNSFLOW_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* How a database is opened. */
enum sql_mode {
    SQL_READ,  /* a database that others may write; its schema is not trusted */
    SQL_WRITE, /* made if need be */
    SQL_SEALED /* a file that is never written again */
};

/* Before SQLite is used: it does not count what memory it takes, as its threads would wait for each other there. */
void sql_start(void);

/* What finds no room in memory, as when rows are sorted, goes to files in this folder from now on. SQLite looks only as
 * it begins, which it does anew: no database is open in this process. */
void sql_use_folder(const char *folder);

/* Opens it; another's lock is waited for, up to 10 s. Returns 0, or -1 with "PATH: cause", and *out NULL. */
MUST_CHECK int sql_open(const char *path, enum sql_mode mode, sqlite3 **out, struct error *err);

/* Runs statements that give no rows. Returns 0, or -1 with the cause. */
MUST_CHECK int sql_run(sqlite3 *db, const char *text, struct error *err);

/* Makes a statement; sqlite3_finalize() frees it. Returns 0, or -1 with the cause. */
MUST_CHECK int sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out, struct error *err);

/* 1: a row is there, 0: there is no more, -1: the cause. */
int sql_step(sqlite3_stmt *statement, struct error *err);

/* Runs a statement that gives no rows, and makes it ready for other values. Returns 0, or -1 with the cause. */
MUST_CHECK int sql_do(sqlite3_stmt *statement, struct error *err);

/* The first number of the first row; `none` where there is no row. Returns 0, or -1 with the cause. */
MUST_CHECK int sql_number(sqlite3 *db, const char *text, int64_t none, int64_t *out, struct error *err);

/* Whether what has failed last did so as the file is damaged, or none of SQLite's. */
bool sql_is_damaged(sqlite3 *db);

/* Ends a transaction without effect. */
void sql_roll_back(sqlite3 *db);

/* "NAME: what SQLite says of its last failure". Returns -1. */
int sql_fail(sqlite3 *db, struct error *err);

#endif
