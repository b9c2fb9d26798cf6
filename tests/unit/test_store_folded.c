/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names that are too many, of a domain and of a client, against the same in SQL: as a partition is sealed, and as
 * partitions are merged. Sums stay as they were, and all of it is the same each time. */
#include "store/folded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journals.h"
#include "record/name.h"
#include "store/builder.h"
#include "testing.h"

enum { LOOKUPS = 90000, START = 1700000000, MOST = FOLD_NAMES, PARTS = 3 };

/* What is put in, as rows of a table: client, reversed name, domain, count. */
static sqlite3 *open_raw(void)
{
    sqlite3 *db;
    assert_int_equal(sql_open(":memory:", SQL_WRITE, &db, NULL), 0);
    assert_int_equal(sql_run(db,
                             "CREATE TABLE raw(part INT, client INT, rname TEXT, domain TEXT, count INT,"
                             " PRIMARY KEY(part, client, rname)); BEGIN",
                             NULL),
                     0);
    return db;
}

static uint32_t add_name(struct tally *tally, const char *text)
{
    uint8_t wire[NAME_WIRE];
    size_t len = name_parse(text, wire);
    assert_true(len > 0);
    return intern_add(tally->names, wire, len);
}

/* One lookup of: a name of the domain that has too many, the client that asks for too many, or one of few. */
static void add_lookup(struct tally *tally, sqlite3_stmt *into, int part)
{
    char name[64], rname[64], domain[32];
    int which = rand() % 10, n = rand() % 45000, client = 1 + rand() % 60;
    if (which < 5) {
        snprintf(name, sizeof(name), "n%d.big.example", n);
        snprintf(rname, sizeof(rname), "example.big.n%d", n);
        snprintf(domain, sizeof(domain), "example.big");
    } else if (which < 9) {
        client = 99;
        snprintf(name, sizeof(name), "w.d%d.example", n);
        snprintf(rname, sizeof(rname), "example.d%d.w", n);
        snprintf(domain, sizeof(domain), "example.d%d", n);
    } else {
        snprintf(name, sizeof(name), "big.example");
        snprintf(rname, sizeof(rname), "example.big");
        snprintf(domain, sizeof(domain), "example.big");
    }
    uint8_t address[4] = {10, 0, 0, (uint8_t)client};
    struct tally_lookup lookup = {.client = intern_add(tally->addresses, address, 4),
                                  .name = add_name(tally, name),
                                  .resolver = intern_add(tally->addresses, (const uint8_t *)"\1\2\3\4", 4),
                                  .type = 1};
    intern_count(tally->lookups, intern_add(tally->lookups, (const uint8_t *)&lookup, sizeof(lookup)),
                 START + part * 100 + n % 50, 1);
    sqlite3_bind_int(into, 1, part);
    sqlite3_bind_int(into, 2, client);
    sqlite3_bind_text(into, 3, rname, -1, SQLITE_STATIC);
    sqlite3_bind_text(into, 4, domain, -1, SQLITE_STATIC);
    assert_int_equal(sql_do(into, NULL), 0);
}

static struct partition seal_part(const char *folder, sqlite3 *raw, int part)
{
    struct partition p = {.first_block = (uint64_t)part * 10 + 1,
                          .last_block = (uint64_t)part * 10 + 10,
                          .end = {1, (uint64_t)part},
                          .since = START + part * 100,
                          .until = START + part * 100 + 99};
    struct tally tally;
    struct folded folded;
    struct error err = {""};
    sqlite3_stmt *into;
    assert_int_equal(tally_open(&tally), 0);
    assert_int_equal(sql_prepare(raw,
                                 "INSERT INTO raw VALUES(?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                                 &into, NULL),
                     0);
    for (int i = 0; i < LOOKUPS; i++)
        add_lookup(&tally, into, part);
    sqlite3_finalize(into);
    assert_int_equal(folded_make(&folded, &tally, MOST), 0);
    if (partition_seal(folder, &folded, &p, &err) != 0)
        fail_msg("%s", err.text);
    folded_free(&folded);
    tally_close(&tally);
    return p;
}

/* Rows of a partition, by client, name and count. */
#define ROWS                                                                                                     \
    "SELECT CAST(substr(hex(c.address), 7, 2) AS TEXT) AS client, n.rname, sum(r.count) AS count FROM %s.rows r" \
    " JOIN %s.addresses c ON c.id = r.client JOIN %s.names n ON n.id = r.name GROUP BY 1, 2"

/* What a domain has too much becomes its rest, then what a client has too much becomes the rest of all. */
static const char sealed_twin[] =
    "CREATE TABLE totals AS SELECT rname, domain, sum(count) AS count FROM raw WHERE part = %d GROUP BY 1;"
    "CREATE TABLE ranks(rname TEXT PRIMARY KEY, domain TEXT, rank INT);"
    "INSERT INTO ranks SELECT rname, domain, row_number() OVER (PARTITION BY domain ORDER BY count DESC, rname)"
    " FROM totals;"
    "CREATE TABLE own AS SELECT raw.client, CASE WHEN rank > %d AND raw.rname <> raw.domain THEN raw.domain || '.'"
    " ELSE raw.rname END AS rname, sum(raw.count) AS count FROM raw CROSS JOIN ranks ON ranks.rname = raw.rname"
    " WHERE part = %d GROUP BY 1, 2;"
    "CREATE TABLE want AS SELECT printf('%%02X', client) AS client, CASE WHEN rank > %d THEN '.' ELSE rname END AS "
    "rname,"
    " sum(count) AS count FROM (SELECT *, row_number() OVER (PARTITION BY client ORDER BY count DESC, rname) AS rank"
    " FROM own) GROUP BY 1, 2;";

/* Each by itself, and the client's has the last word. */
static const char merged_twin[] =
    "CREATE TABLE own AS SELECT client, rname, sum(count) AS count FROM inputs GROUP BY 1, 2;"
    "CREATE TABLE totals AS SELECT rname, CASE WHEN rname LIKE 'example.big%%' THEN 'example.big' ELSE rname END AS "
    "domain,"
    " sum(count) AS count FROM own GROUP BY 1;"
    "CREATE TABLE ranks(rname TEXT PRIMARY KEY, domain TEXT, rank INT);"
    "INSERT INTO ranks SELECT rname, domain, row_number() OVER (PARTITION BY domain ORDER BY count DESC, rname)"
    " FROM totals;"
    "CREATE TABLE want AS SELECT client, CASE WHEN mine > %d THEN '.' WHEN ranks.rank > %d AND ranked.rname <> domain"
    " THEN domain || '.' ELSE ranked.rname END AS rname, sum(count) AS count FROM (SELECT *, row_number() OVER"
    " (PARTITION BY client ORDER BY count DESC, rname) AS mine FROM own) ranked CROSS JOIN ranks"
    " ON ranks.rname = ranked.rname GROUP BY 1, 2;";

/* Both are the same rows, and as many as there should be. */
static void same(sqlite3 *db, const char *have, const char *want)
{
    char query[4000];
    struct error err = {""};
    int64_t rows, differ;
    snprintf(query, sizeof(query), "%sCREATE TABLE have AS %s", want, have);
    if (sql_run(db, query, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(sql_number(db, "SELECT count(*) FROM want", -1, &rows, NULL), 0);
    assert_true(rows > MOST);
    assert_int_equal(
        sql_number(db, "SELECT count(DISTINCT rname) FROM have WHERE rname IN ('.', 'example.big.')", -1, &rows, NULL),
        0);
    assert_int_equal(rows, 2); /* there was too much */
    assert_int_equal(sql_number(db,
                                "SELECT count(*) FROM (SELECT * FROM (SELECT * FROM have EXCEPT SELECT * FROM want)"
                                " UNION ALL SELECT * FROM (SELECT * FROM want EXCEPT SELECT * FROM have))",
                                -1, &differ, NULL),
                     0);
    assert_int_equal(differ, 0);
    assert_int_equal(sql_run(db,
                             "DROP TABLE have; DROP TABLE want; DROP TABLE IF EXISTS own; DROP TABLE IF EXISTS totals;"
                             " DROP TABLE IF EXISTS ranks",
                             NULL),
                     0);
}

static void attach(sqlite3 *db, const char *folder, const struct partition *p, const char *as)
{
    char query[1024];
    snprintf(query, sizeof(query), "ATTACH '%s/%s' AS %s", folder, p->file, as);
    assert_int_equal(sql_run(db, query, NULL), 0);
}

static void one_and_many(void **state)
{
    char folder[256];
    int fd = make_folder(folder);
    struct partition parts[PARTS], merged = {.level = PARTITION_PART}, again = {.level = PARTITION_HOUR};
    char have[1000], want[3000], name[16], query[4000];
    struct error err = {""};
    sqlite3 *raw = open_raw();
    (void)state;
    srand(17);
    for (int i = 0; i < PARTS; i++) {
        parts[i] = seal_part(folder, raw, i);
        assert_int_equal(parts[i].lookups, LOOKUPS);
    }
    assert_int_equal(sql_run(raw, "COMMIT; CREATE TABLE inputs(client TEXT, rname TEXT, count INT)", NULL), 0);
    for (int i = 0; i < PARTS; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        attach(raw, folder, &parts[i], name);
        snprintf(have, sizeof(have), ROWS, name, name, name);
        snprintf(want, sizeof(want), sealed_twin, i, MOST, i, MOST);
        same(raw, have, want);
        snprintf(query, sizeof(query), "INSERT INTO inputs %s", have);
        assert_int_equal(sql_run(raw, query, NULL), 0);
    }
    if (partition_merge(folder, parts, PARTS, &merged, &err) != 0 || partition_publish(folder, &merged, &err) != 0 ||
        partition_merge(folder, parts, PARTS, &again, &err) != 0 || partition_publish(folder, &again, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(merged.lookups, PARTS * LOOKUPS);
    attach(raw, folder, &merged, "m");
    attach(raw, folder, &again, "again");
    snprintf(have, sizeof(have), ROWS, "m", "m", "m");
    snprintf(want, sizeof(want), merged_twin, MOST, MOST);
    same(raw, have, want);
    size_t used = (size_t)snprintf(want, sizeof(want), "CREATE TABLE want AS ");
    used += (size_t)snprintf(want + used, sizeof(want) - used, ROWS, "again", "again", "again");
    snprintf(want + used, sizeof(want) - used, ";");
    same(raw, have, want);
    sqlite3_close(raw);
    remove_folder(folder, fd);
}

/* So many names of a domain, or of a client, each looked up once. */
static struct partition seal_names(const char *folder, int part, int from, int count, bool are_of_client)
{
    struct partition p = {.first_block = (uint64_t)part + 1,
                          .last_block = (uint64_t)part + 1,
                          .end = {1, (uint64_t)part},
                          .since = START,
                          .until = START};
    struct tally tally;
    struct folded folded;
    struct error err = {""};
    assert_int_equal(tally_open(&tally), 0);
    for (int n = from; n < from + count; n++) {
        uint8_t address[4] = {10, 0, 0, (uint8_t)(are_of_client ? 1 : n % 60)};
        char name[64];
        snprintf(name, sizeof(name), are_of_client ? "w.d%d.example" : "n%d.big.example", n);
        struct tally_lookup lookup = {.client = intern_add(tally.addresses, address, 4),
                                      .name = add_name(&tally, name),
                                      .resolver = intern_add(tally.addresses, (const uint8_t *)"\1\2\3\4", 4),
                                      .type = 1};
        intern_count(tally.lookups, intern_add(tally.lookups, (const uint8_t *)&lookup, sizeof(lookup)), START, 1);
    }
    assert_int_equal(folded_make(&folded, &tally, MOST), 0);
    if (partition_seal(folder, &folded, &p, &err) != 0)
        fail_msg("%s", err.text);
    folded_free(&folded);
    tally_close(&tally);
    return p;
}

/* Partitions of which none has too many, but all together. */
static void too_many_together(void **state)
{
    static const struct {
        int first, second, names; /* of the second, 100 are names that the first has, too */
        bool are_of_client;
    } cases[] = {
        {100, MOST, MOST, false},
        {MOST, 100, MOST, false},
        {MOST / 2, MOST / 2 + 100, MOST, false},
        {MOST / 2, MOST / 2 + 101, MOST + 1, false},
        {200, MOST, MOST + 1, false},
        {MOST, 200, MOST + 1, false},
        {MOST / 2, MOST / 2 + 100, MOST, true},
        {200, MOST, MOST + 1, true},
        {MOST, 200, MOST + 1, true},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        char folder[256], path[512];
        int fd = make_folder(folder);
        struct partition merged = {.level = PARTITION_PART};
        struct error err = {""};
        int64_t names;
        sqlite3 *db;
        struct partition parts[2] = {
            seal_names(folder, 0, 0, cases[i].first, cases[i].are_of_client),
            seal_names(folder, 1, cases[i].first - 100, cases[i].second, cases[i].are_of_client)};
        if (partition_merge(folder, parts, 2, &merged, &err) != 0 || partition_publish(folder, &merged, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(merged.lookups, cases[i].first + cases[i].second);
        snprintf(path, sizeof(path), "%s/%s", folder, merged.file);
        assert_int_equal(sql_open(path, SQL_SEALED, &db, NULL), 0);
        assert_int_equal(sql_number(db, "SELECT count(DISTINCT name) FROM rows", 0, &names, NULL), 0);
        if (names != cases[i].names)
            fail_msg("row %zu: %" PRId64, i, names);
        sqlite3_close(db);
        remove_folder(folder, fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_and_many),
        cmocka_unit_test(too_many_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
