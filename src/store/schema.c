/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tables of dnsflow.db. Each version has the statements that lead to it from the one before. */
#include "store/schema.h"

#include <stdio.h>

#include "store/database.h"

static const char version_1[] =
    /* how far each store has come in the journal */
    "CREATE TABLE position(store TEXT PRIMARY KEY, file INT NOT NULL, offset INT NOT NULL, block INT NOT NULL,"
    " totals BLOB NOT NULL) WITHOUT ROWID;"
    /* passive DNS: rdata is the address of types 1 and 28, else text */
    "CREATE TABLE answers(rname TEXT, type INT, rdata, first INT NOT NULL, last INT NOT NULL, count INT NOT NULL,"
    " scaled INT NOT NULL, PRIMARY KEY(rname, type, rdata)) WITHOUT ROWID;"
    "CREATE INDEX answers_rdata ON answers(rdata, type);"
    /* sensor NULL: without trailer; identity: what tells streams apart */
    "CREATE TABLE streams(id INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, sensor INT, worker INT, start INT,"
    " address BLOB NOT NULL, port INT NOT NULL, verified INT NOT NULL, first INT NOT NULL, last INT NOT NULL,"
    " state BLOB NOT NULL);"
    "CREATE INDEX streams_last ON streams(last);"
    "CREATE TABLE minutes(minute INT, stream INT, datagrams INT NOT NULL, records INT NOT NULL,"
    " statistics INT NOT NULL, network INT NOT NULL, here INT NOT NULL, down INT NOT NULL, ring INT NOT NULL,"
    " interface INT NOT NULL, send INT NOT NULL, PRIMARY KEY(minute, stream)) WITHOUT ROWID;"
    /* what the receiver dropped or refused */
    "CREATE TABLE totals(minute INT, what TEXT, count INT NOT NULL, PRIMARY KEY(minute, what)) WITHOUT ROWID;"
    /* replaced: when it was merged into another */
    "CREATE TABLE partitions(file TEXT PRIMARY KEY, level INT NOT NULL, first_block INT NOT NULL,"
    " last_block INT NOT NULL, end_file INT NOT NULL, end_offset INT NOT NULL, since INT NOT NULL, until INT NOT NULL,"
    " record_first INT NOT NULL, record_last INT NOT NULL, rows INT NOT NULL, lookups INT NOT NULL, bytes INT NOT NULL,"
    " replaced INT) WITHOUT ROWID;"
    /* for who opens the file by hand */
    "CREATE VIEW answers_text AS SELECT (WITH RECURSIVE turn(rest, name) AS (SELECT rname || '.', '' UNION ALL"
    " SELECT substr(rest, instr(rest, '.') + 1),"
    " substr(rest, 1, instr(rest, '.') - 1) || CASE name WHEN '' THEN '' ELSE '.' || name END"
    " FROM turn WHERE rest <> '') SELECT CASE name WHEN '' THEN '.' ELSE name END FROM turn WHERE rest = '') AS name,"
    " type, CASE WHEN type = 1 AND length(rdata) = 4 THEN"
    " (instr('123456789ABCDEF', substr(hex(rdata), 1, 1)) * 16 + instr('123456789ABCDEF', substr(hex(rdata), 2, 1)))"
    " || '.' || (instr('123456789ABCDEF', substr(hex(rdata), 3, 1)) * 16 +"
    " instr('123456789ABCDEF', substr(hex(rdata), 4, 1)))"
    " || '.' || (instr('123456789ABCDEF', substr(hex(rdata), 5, 1)) * 16 +"
    " instr('123456789ABCDEF', substr(hex(rdata), 6, 1)))"
    " || '.' || (instr('123456789ABCDEF', substr(hex(rdata), 7, 1)) * 16 +"
    " instr('123456789ABCDEF', substr(hex(rdata), 8, 1)))"
    " WHEN type = 28 AND length(rdata) = 16 THEN lower(substr(hex(rdata), 1, 4) || ':' || substr(hex(rdata), 5, 4)"
    " || ':' || substr(hex(rdata), 9, 4) || ':' || substr(hex(rdata), 13, 4) || ':' || substr(hex(rdata), 17, 4)"
    " || ':' || substr(hex(rdata), 21, 4) || ':' || substr(hex(rdata), 25, 4) || ':' || substr(hex(rdata), 29, 4))"
    " ELSE rdata END AS rdata, datetime(first, 'unixepoch') AS first, datetime(last, 'unixepoch') AS last, count,"
    " scaled FROM answers;";

/* ahead: by how many seconds the sensor's clock is before the collector's; NULL: it does not tell */
static const char version_2[] = "ALTER TABLE streams ADD COLUMN ahead INT";

/* When a name was answered for the first time; what: 0 = the name, 1 = its registered domain, reversed. Domains of
 * before are known by their names. */
static const char version_3[] = "CREATE TABLE news(what INT, first INT, rname TEXT, PRIMARY KEY(what, first, rname))"
                                " WITHOUT ROWID;"
                                "INSERT INTO news SELECT 0, min(first), rname FROM answers GROUP BY rname";
/* What becomes of every number that a sensor gives: made + beside = datagrams + network + here + down. Of an earlier
 * version nobody knows which came beside. told: what its trailer said last; sensor_minutes: how that has grown.
 * no_room: what is missing here and not shared out yet. */
static const char version_4[] =
    "ALTER TABLE position ADD COLUMN no_room BLOB;"
    "ALTER TABLE streams ADD COLUMN told BLOB;"
    "ALTER TABLE minutes ADD COLUMN made INT NOT NULL DEFAULT 0;"
    "ALTER TABLE minutes ADD COLUMN beside INT NOT NULL DEFAULT 0;"
    "ALTER TABLE minutes ADD COLUMN memory INT NOT NULL DEFAULT 0;"
    "ALTER TABLE minutes ADD COLUMN journal INT NOT NULL DEFAULT 0;"
    "ALTER TABLE minutes ADD COLUMN expired INT NOT NULL DEFAULT 0;"
    "UPDATE minutes SET made = datagrams + network + here + down;"
    "CREATE TABLE sensor_minutes(minute INT, stream INT, frames INT NOT NULL, delivered INT NOT NULL,"
    " refused INT NOT NULL, held INT NOT NULL, messages INT NOT NULL, answered INT NOT NULL, unfit INT NOT NULL,"
    " records INT NOT NULL, sets INT NOT NULL, PRIMARY KEY(minute, stream)) WITHOUT ROWID";

/* From version i to i + 1. */
static const char *const steps[DATABASE_VERSION] = {version_1, version_2, version_3, version_4};

int schema_look(sqlite3 *db, int *version, struct error *err)
{
    int64_t number;
    if (sql_number(db, "PRAGMA user_version", 0, &number, err) != 0)
        return -1;
    *version = (int)number;
    return number >= 0 && number <= DATABASE_VERSION
               ? 0
               : error_set(err,
                           "dnsflow.db: is of version %d, this program knows versions up to %d; take the program that "
                           "wrote it, or a later one",
                           *version, DATABASE_VERSION);
}

/* One step, inside of a transaction. 1: it is at this program's version, 0: not yet, or -1. */
static int step(sqlite3 *db, struct error *err)
{
    char pragma[64];
    int64_t tables = 0;
    int version;
    if (schema_look(db, &version, err) != 0)
        return -1;
    if (version == DATABASE_VERSION)
        return 1;
    if (version == 0 && sql_number(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, err) != 0)
        return -1;
    if (version == 0 && tables > 0)
        return error_set(err, "dnsflow.db: is of another program; move it away, or name another directory");
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version + 1);
    return sql_run(db, steps[version], err) == 0 && sql_run(db, pragma, err) == 0 ? 0 : -1;
}

int schema_bring(sqlite3 *db, struct error *err)
{
    int result = 0;
    while (result == 0) {
        if (sql_run(db, "BEGIN IMMEDIATE", err) != 0)
            return -1;
        result = step(db, err);
        if (result >= 0 && sql_run(db, "COMMIT", err) != 0)
            result = -1;
        if (result < 0)
            sql_roll_back(db);
    }
    return result < 0 ? -1 : 0;
}
