/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnsflow.db: passive DNS, streams and their accounts, the catalogue of partitions, and how far the journal has been
 * taken in. All of these change in one transaction, so that nothing of the journal is in them twice or not at all. */
#ifndef DNSFLOW_STORE_DATABASE_H
#define DNSFLOW_STORE_DATABASE_H

#include "store/account.h"
#include "store/partition.h"
#include "store/sql.h"
#include "store/tally.h"

enum { DATABASE_VERSION = 4, DATABASE_DAMAGED = -2 };

/* Opens DIRECTORY/dnsflow.db to write, and makes or changes its tables to this version: one of a later version is
 * refused, and one of another program. Returns 0, or with the cause -1, or DATABASE_DAMAGED: it is none, or damaged. */
MUST_CHECK int database_open(const char *directory, sqlite3 **out, struct error *err);

/* Leaves WAL mode where nobody else has the database open, and closes it. */
void database_close(sqlite3 *db);

/* Cuts SQLite's log (dnsflow.db-wal) where it has become long, waiting so many ms for others to end; 0 = it stays.
 * Returns what it takes then, 0 when it is not long. Sets the busy timeout. */
uint64_t database_cut_wal(sqlite3 *db, const char *directory, int wait_ms);

/* Whether its file is not there any more, or another is in its place. It must not be closed then, as SQLite removes
 * what belongs to a file of that name: the process ends with _exit(2). */
bool database_has_moved(sqlite3 *db);

/* How far a store has come: behind which block, and where that is. */
struct database_position {
    bool is_known; /* the database has it: else it is new */
    struct journal_position at;
    uint64_t block;
};

/* Where the store in the directory has come, without changing anything; all zero if there is none, or it cannot be
 * read, but for the last block that partitions have. */
struct database_position database_look(const char *directory);

/* Whether it is of a version that this program works with; what cannot be read is. Returns 0, or -1 with one line. */
MUST_CHECK int database_check_version(const char *directory, struct error *err);

/* Where the store has come, all zero at first, with the account's streams and totals. */
MUST_CHECK int database_restore(sqlite3 *db, struct account *account, struct database_position *position,
                                struct error *err);

/* Brings in what was gathered up to the position, in a transaction that database_end() closes. Returns 0, or -1 with
 * the cause, and then there is none. */
MUST_CHECK int database_begin(sqlite3 *db, const struct folded *folded, const struct account *account,
                              const struct database_position *position, struct error *err);

/* Enters the partition with the lookups of what database_begin() has brought in, NULL: there are none, and closes the
 * transaction. Returns 0, or -1 with the cause, and then nothing has changed. */
MUST_CHECK int database_end(sqlite3 *db, const struct partition *partition, struct error *err);

/* Enters the position. Inside a transaction if there is one. */
MUST_CHECK int database_set_position(sqlite3 *db, const struct account *account,
                                     const struct database_position *position, struct error *err);

/* ---- the catalogue ---- */

/* The partitions in use, in order of their blocks, to be freed by the caller. Returns 0, or -1 with the cause. */
MUST_CHECK int database_partitions(sqlite3 *db, struct partition **out, size_t *count, struct error *err);

/* The greatest block of which a partition has the lookups, 0 = there is none. Returns 0, or -1 with the cause. */
MUST_CHECK int database_last_lookups(sqlite3 *db, uint64_t *block, struct error *err);

/* Enters a partition. Inside a transaction if there is one. */
MUST_CHECK int database_add_partition(sqlite3 *db, const struct partition *partition, struct error *err);

/* Publishes a partition that was merged, in place of those whose blocks are within its own, and which can be removed
 * later: while nobody else can look at the catalogue, so that its file is never there without its entry. */
MUST_CHECK int database_replace(sqlite3 *db, const char *folder, const struct partition *partition, int64_t now_s,
                                struct error *err);

/* Takes a partition out. */
MUST_CHECK int database_remove(sqlite3 *db, const char *file, struct error *err);

#endif
