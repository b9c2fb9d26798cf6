/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ended between any two of its system calls, whatever is written comes out once: sealing, merging, letting go. */
#include <sys/stat.h>

#include "journals.h"
#include "killed.h"

#include "store/database.h"
#include "store/sqlite.h"
#include "store/tidy.h"

enum { BLOCKS = 17, DATAGRAMS = 5 };

struct place {
    char path[256], journal_path[300], lookups_path[300];
    int fd, journal;
};

static void make_place(struct place *p)
{
    p->fd = make_folder(p->path);
    snprintf(p->journal_path, sizeof(p->journal_path), "%s/journal", p->path);
    snprintf(p->lookups_path, sizeof(p->lookups_path), "%s/lookups", p->path);
    assert_int_equal(mkdir(p->journal_path, 0700), 0);
    p->journal = open(p->journal_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct journal_writer *w = open_writer(p->journal, 1 << 20, 1 << 30, NULL);
    for (uint32_t i = 0; i < BLOCKS; i++)
        assert_int_equal(write_block_of(w, 0, i * DATAGRAMS + 1, (i + 1) * DATAGRAMS, NULL), 0);
    journal_writer_close(w);
}

static void remove_place(struct place *p)
{
    static const char *const files[] = {"dnsflow.db", "dnsflow.db-wal", "dnsflow.db-shm", "dnsflow.db-journal"};
    remove_folder(p->journal_path, p->journal);
    int lookups = open(p->lookups_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lookups >= 0)
        remove_folder(p->lookups_path, lookups);
    for (size_t i = 0; i < LEN(files); i++)
        (void)unlinkat(p->fd, files[i], 0);
    remove_folder(p->path, p->fd);
}

/* A partition for each block, all of one hour. */
static int fill(void *context)
{
    struct place *p = context;
    struct sqlite_store *store;
    struct error err;
    int result = sqlite_store_open(p->path, p->journal, &store, &err);
    if (result != 0)
        return -1;
    while ((result = sqlite_store_step(store, &err)) == 1 && (result = sqlite_store_seal(store, &err)) == 0)
        ;
    sqlite_store_close(store);
    return result;
}

/* Merges, and lets go of what was merged, as if 10 minutes had passed. */
static int tidy(void *context)
{
    struct place *p = context;
    const struct tidy_limits limits = {.bytes = 1 << 30};
    struct tidy_counts counts = {.merges = 0};
    struct error err;
    sqlite3 *db;
    int result = 1;
    if (database_open(p->path, &db, &err) != 0)
        return -1;
    for (int64_t now = 1000000; result == 1 || now == 1000000; now += 1000)
        result = tidy_step(db, p->path, &limits, now, &counts, &err);
    database_close(db);
    return result;
}

/* Every datagram's record is in one row, in one partition in use, whose files are all there; accounts agree. */
static void assert_whole(struct place *p)
{
    struct partition *list;
    size_t count;
    sqlite3 *db;
    int64_t answers, datagrams;
    uint64_t lookups = 0, next = 1;
    assert_int_equal(database_open(p->path, &db, NULL), 0);
    assert_int_equal(database_partitions(db, &list, &count, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        struct partition there;
        assert_int_equal(list[i].first_block, next);
        next = list[i].last_block + 1;
        lookups += list[i].lookups;
        assert_int_equal(partition_describe(p->lookups_path, list[i].file, &there, NULL), 1);
        assert_int_equal(there.lookups, list[i].lookups);
    }
    free(list);
    assert_int_equal(sql_number(db, "SELECT sum(count) FROM answers", 0, &answers, NULL), 0);
    assert_int_equal(sql_number(db, "SELECT sum(datagrams) FROM minutes", 0, &datagrams, NULL), 0);
    database_close(db);
    assert_true(next == BLOCKS + 1 && lookups == BLOCKS * DATAGRAMS);
    assert_true(answers == BLOCKS * DATAGRAMS && datagrams == BLOCKS * DATAGRAMS);
}

/* A process that is killed again and again, each time a bit later, until it comes to its end: with
 * DNSFLOW_KILL_EVERYWHERE at every call, else at more and more distant ones. */
static void killed_while(int (*run)(void *), bool is_filled)
{
    struct place p;
    bool has_ended = false;
    long at = 1;
    make_place(&p);
    if (is_filled)
        assert_int_equal(fill(&p), 0);
    const bool is_long = getenv("DNSFLOW_KILL_EVERYWHERE");
    for (; !has_ended; at += is_long ? 1 : 1 + at / 20) {
        has_ended = killed_at(run, &p, at);
        if (is_filled) {
            struct sqlite_store *store; /* as the next start would */
            assert_int_equal(sqlite_store_open(p.path, p.journal, &store, NULL), 0);
            sqlite_store_close(store);
            assert_whole(&p);
        }
    }
    assert_whole(&p);
    assert_in_range(at, 200, 100000);
    remove_place(&p);
}

static void while_sealing(void **state)
{
    (void)state;
    killed_while(fill, false);
}

static void while_merging(void **state)
{
    (void)state;
    killed_while(tidy, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(while_sealing), cmocka_unit_test(while_merging)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
