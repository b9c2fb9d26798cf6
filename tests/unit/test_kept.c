/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opened beside a store that lets partitions go, begins and ends. */
#include "query/kept.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/database.h"
#include "store/schema.h"
#include "testing.h"

static char folder[256];

static void path_of(const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", folder, name);
}

static void make_file(const char *name)
{
    char path[512];
    path_of(name, path);
    FILE *out = fopen(path, "wbe");
    assert_non_null(out);
    assert_int_equal(fclose(out), 0);
}

/* Entries for the blocks 1, 2 and 3; the files are for the test to make. */
static sqlite3 *make_catalogue(void)
{
    char path[512];
    sqlite3 *db;
    const char *dir = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/dnsflow-test-XXXXXX", dir ? dir : "/tmp");
    assert_non_null(mkdtemp(folder));
    path_of("lookups", path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of("dnsflow.db", path);
    assert_int_equal(sql_open(path, SQL_WRITE, &db, NULL), 0);
    assert_int_equal(schema_bring(db, NULL), 0);
    for (uint64_t n = 1; n <= 3; n++) {
        struct partition p = {.first_block = n, .last_block = n, .end = {1, n}};
        snprintf(p.file, sizeof(p.file), "%u.db", (unsigned)n);
        assert_int_equal(database_add_partition(db, &p, NULL), 0);
    }
    return db;
}

static void remove_all(void)
{
    static const char *const names[] = {"lookups/2.db", "dnsflow.db-wal", "dnsflow.db-shm", "dnsflow.db"};
    char path[512];
    for (size_t i = 0; i < LEN(names); i++) {
        path_of(names[i], path);
        (void)unlink(path);
    }
    path_of("lookups", path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* It is not missing, as one whose file alone is gone is. */
static void let_go_meanwhile(void **state)
{
    (void)state;
    struct kept kept;
    struct error why;
    sqlite3 *db = make_catalogue();
    make_file("lookups/2.db"); /* damaged */
    assert_int_equal(kept_open(folder, &kept, &why), 0);
    assert_int_equal(kept.partitions_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(kept_check_partition(&kept, i, &why), -1);
        assert_false(kept_has_gone(&kept, i));
    }
    assert_int_equal(database_remove(db, "2.db", &why), 0);
    assert_int_equal(database_remove(db, "3.db", &why), 0);
    assert_false(kept_has_gone(&kept, 0)); /* has its entry */
    assert_false(kept_has_gone(&kept, 1)); /* has its file */
    assert_true(kept_has_gone(&kept, 2));
    kept_close(&kept);
    sqlite3_close(db);
    remove_all();
}

/* Without WAL, as where a store has not begun yet. */
static void of_a_moment(void **state)
{
    (void)state;
    struct kept kept;
    struct error why;
    sqlite3 *db = make_catalogue();
    sqlite3_busy_timeout(db, 0);
    assert_int_equal(kept_open(folder, &kept, &why), 0);
    assert_int_equal(database_remove(db, "1.db", &why), 0);
    kept_close(&kept);
    assert_int_equal(kept_open_moment(folder, &kept, &why), 0);
    assert_int_equal(kept.partitions_count, 2);
    assert_int_equal(database_remove(db, "2.db", &why), -1);
    assert_true(kept_look_again(&kept, &why) == 0 && kept.partitions_count == 2);
    kept_close(&kept);
    assert_int_equal(database_remove(db, "2.db", &why), 0);
    sqlite3_close(db);
    remove_all();
}

/* Where the log cannot be made, as by who may make no files. */
static void make_no_log(void)
{
    char path[512];
    sqlite3 *db = make_catalogue();
    assert_int_equal(sql_run(db, "PRAGMA journal_mode=WAL", NULL), 0);
    sqlite3_close(db);
    path_of("dnsflow.db-wal", path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void *begin_soon(void *context)
{
    char path[512];
    (void)context;
    (void)poll(NULL, 0, 120);
    path_of("dnsflow.db-wal", path);
    assert_int_equal(rmdir(path), 0);
    return NULL;
}

static void until_the_store_has_begun(void **state)
{
    (void)state;
    struct kept kept;
    struct error why;
    pthread_t thread;
    make_no_log();
    assert_int_equal(pthread_create(&thread, NULL, begin_soon, NULL), 0);
    assert_int_equal(kept_open(folder, &kept, &why), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(kept.partitions_count, 3);
    kept_close(&kept);
    remove_all();
}

static void not_for_ever(void **state)
{
    (void)state;
    struct kept kept;
    struct error why;
    make_no_log();
    assert_int_equal(kept_open_moment(folder, &kept, &why), -1);
    assert_non_null(strstr(why.text, "unable to open"));
    assert_false(kept.is_lost);
    (void)begin_soon(NULL);
    remove_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(let_go_meanwhile),
        cmocka_unit_test(of_a_moment),
        cmocka_unit_test(until_the_store_has_begun),
        cmocka_unit_test(not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
