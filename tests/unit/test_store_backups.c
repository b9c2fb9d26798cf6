/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Backups beside the store: what they take counts once, they go before the store does, and what goes there goes in
 * them. Partitions are plain files here, as nobody looks into them. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "journals.h"

#include "store/backup.h"
#include "store/tidy.h"

enum { PART = 100000, NOON = 1700049600 };

struct place {
    char path[256], target[300];
    int fd;
    sqlite3 *db;
    uint64_t blocks;
    struct tidy_counts counts;
};

static void run_sql(sqlite3 *db, const char *text)
{
    struct error err = {""};
    if (sql_run(db, text, &err) != 0)
        fail_msg("%s", err.text);
}

static void make_place(struct place *p)
{
    char lookups[300];
    struct error err = {""};
    *p = (struct place){.blocks = 0};
    p->fd = make_folder(p->path);
    snprintf(p->target, sizeof(p->target), "%s/backup", p->path);
    snprintf(lookups, sizeof(lookups), "%s/lookups", p->path);
    assert_int_equal(mkdir(lookups, 0700), 0);
    if (database_open(p->path, &p->db, &err) != 0)
        fail_msg("%s", err.text);
}

static int open_target(const struct place *p)
{
    int fd = open(p->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void list(const struct place *p, struct backups *out)
{
    int fd = open_target(p);
    backups_list(fd, out);
    close(fd);
}

static void remove_place(struct place *p)
{
    char lookups[300];
    struct backups all;
    int target = open_target(p);
    backups_list(target, &all);
    for (size_t i = 0; i < all.count; i++)
        assert_int_equal(backups_remove(target, all.stamps[i], NULL), 0);
    close(target);
    assert_int_equal(rmdir(p->target), 0);
    database_close(p->db);
    snprintf(lookups, sizeof(lookups), "%s/lookups", p->path);
    remove_folder(lookups, open(lookups, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    remove_folder(p->path, p->fd);
}

static void add_partition(struct place *p)
{
    static const char bytes[PART];
    char text[512], path[400], file[64];
    const uint64_t first = p->blocks + 1, last = p->blocks + 2;
    p->blocks += 2;
    snprintf(file, sizeof(file), "0-%010" PRIu64 "-%010" PRIu64 ".db", first, last);
    snprintf(path, sizeof(path), "%s/lookups/%s", p->path, file);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, PART), PART);
    close(fd);
    snprintf(text, sizeof(text),
             "INSERT INTO partitions VALUES('0-%010" PRIu64 "-%010" PRIu64 ".db', 0, %" PRIu64 ", %" PRIu64
             ", 1, 1, %" PRIu64 ", %" PRIu64 ", 1, 2, 3, 4, %d, NULL)",
             first, last, first, last, NOON + first, NOON + last, PART);
    run_sql(p->db, text);
}

static struct backup *begin(const struct place *p)
{
    struct backup *backup;
    struct error err = {""};
    if (backup_open(p->path, p->target, &backup, &err) != 0)
        fail_msg("%s", err.text);
    return backup;
}

static void end(struct backup *backup)
{
    struct error err = {""};
    int result = 1;
    while (result == 1)
        result = backup_step(backup, &err);
    if (result != 0)
        fail_msg("%s", err.text);
    backup_close(backup);
}

static void back_up(const struct place *p)
{
    end(begin(p));
}

/* Until there is nothing left to do. */
static void tidy(struct place *p, uint64_t bytes)
{
    const struct tidy_limits limits = {.bytes = bytes};
    struct error err = {""};
    int result = 1, steps = 0;
    while (result == 1 && ++steps < 1000)
        result = tidy_step(p->db, p->path, &limits, NOON + 100, &p->counts, &err);
    if (result != 0)
        fail_msg("%d %s", result, err.text);
}

static int64_t number_of(sqlite3 *db, const char *query)
{
    int64_t number;
    assert_int_equal(sql_number(db, query, 0, &number, NULL), 0);
    return number;
}

static int64_t database_bytes(const struct place *p)
{
    return number_of(p->db, "PRAGMA page_count") * number_of(p->db, "PRAGMA page_size");
}

static uint64_t backup_bytes(const struct place *p)
{
    char path[300];
    struct backups all;
    snprintf(path, sizeof(path), "%s/lookups", p->path);
    int target = open_target(p), lookups = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    backups_list(target, &all);
    uint64_t bytes = backups_bytes(target, &all, lookups);
    close(lookups);
    close(target);
    return bytes;
}

/* Partitions that the backup names, each of which is there. */
static int64_t partitions_in(const struct place *p, const char *stamp)
{
    char path[512];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/%s/dnsflow.db", p->target, stamp);
    assert_int_equal(sql_open(path, SQL_READ, &db, NULL), 0);
    int64_t count = number_of(db, "SELECT count(*) FROM partitions"),
            first = number_of(db, "SELECT min(first_block) FROM partitions");
    sqlite3_close(db);
    for (int64_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s/lookups/0-%010" PRId64 "-%010" PRId64 ".db", p->target, stamp,
                 first + 2 * i, first + 2 * i + 1);
        assert_int_equal(access(path, F_OK), 0);
    }
    return count;
}

static void links_count_once(void **state)
{
    struct place p;
    (void)state;
    make_place(&p);
    for (int i = 0; i < 5; i++)
        add_partition(&p);
    back_up(&p);
    uint64_t one = backup_bytes(&p);
    assert_true(one > 0 && one < PART);
    back_up(&p);
    assert_true(backup_bytes(&p) <= 2 * one && backup_bytes(&p) > one);
    /* one that went in the store alone is what both backups have, once */
    uint64_t two = backup_bytes(&p);
    char path[400];
    snprintf(path, sizeof(path), "%s/lookups/0-0000000001-0000000002.db", p.path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(backup_bytes(&p), two + PART);
    remove_place(&p);
}

/* What is written meanwhile is of the next one. */
static void of_one_moment(void **state)
{
    struct place p;
    struct backups all;
    (void)state;
    make_place(&p);
    add_partition(&p);
    add_partition(&p);
    struct backup *backup = begin(&p);
    assert_int_equal(backup_step(backup, NULL), 1);
    add_partition(&p);
    end(backup);
    list(&p, &all);
    assert_int_equal(all.count, 1);
    assert_int_equal(partitions_in(&p, all.stamps[0]), 2);
    remove_place(&p);
}

/* As when a partition is merged before its turn comes. */
static void begins_again(void **state)
{
    struct place p;
    struct backups all;
    char path[400];
    (void)state;
    make_place(&p);
    for (int i = 0; i < 3; i++)
        add_partition(&p);
    struct backup *backup = begin(&p);
    assert_int_equal(backup_step(backup, NULL), 1);
    run_sql(p.db, "DELETE FROM partitions WHERE first_block < 5");
    for (int i = 1; i < 5; i += 2) {
        snprintf(path, sizeof(path), "%s/lookups/0-%010d-%010d.db", p.path, i, i + 1);
        assert_int_equal(unlink(path), 0);
    }
    end(backup);
    list(&p, &all);
    assert_int_equal(partitions_in(&p, all.stamps[0]), 1);
    assert_int_equal(backup_bytes(&p),
                     (uint64_t)database_bytes(&p) + sizeof("a backup by dnsflow_collect of \n") - 1 + strlen(p.path));
    remove_place(&p);
}

static void the_oldest_backup_goes_first(void **state)
{
    struct place p;
    struct backups before, after;
    (void)state;
    make_place(&p);
    for (int i = 0; i < 8; i++)
        add_partition(&p);
    back_up(&p);
    back_up(&p);
    list(&p, &before);
    assert_int_equal(before.count, 2);
    tidy(&p, (uint64_t)database_bytes(&p) + 8 * PART + backup_bytes(&p) / 2 + 8192);
    list(&p, &after);
    assert_int_equal(after.count, 1);
    assert_string_equal(after.stamps[0], before.stamps[1]);
    assert_int_equal(number_of(p.db, "SELECT count(*) FROM partitions"), 8);
    assert_int_equal(partitions_in(&p, after.stamps[0]), 8);
    remove_place(&p);
}

/* Each partition that goes gives its room back. */
static void what_goes_goes_in_backups_too(void **state)
{
    struct place p;
    struct backups all;
    (void)state;
    make_place(&p);
    for (int i = 0; i < 8; i++)
        add_partition(&p);
    back_up(&p);
    tidy(&p, (uint64_t)database_bytes(&p) + 5 * PART + backup_bytes(&p) + 8192);
    list(&p, &all);
    assert_int_equal(all.count, 1);
    assert_int_equal(number_of(p.db, "SELECT count(*) FROM partitions"), 5);
    assert_int_equal(partitions_in(&p, all.stamps[0]), 5);
    remove_place(&p);
}

/* It may have a quarter. */
static void a_large_backup_goes(void **state)
{
    struct place p;
    struct backups all;
    (void)state;
    make_place(&p);
    for (int i = 0; i < 4; i++)
        add_partition(&p);
    back_up(&p);
    run_sql(p.db, "UPDATE partitions SET replaced = 1 WHERE first_block < 4"); /* the backup alone has them then */
    tidy(&p, (uint64_t)database_bytes(&p) + 3 * PART);
    list(&p, &all);
    assert_int_equal(all.count, 0);
    assert_int_equal(number_of(p.db, "SELECT count(*) FROM partitions"), 2);
    remove_place(&p);
}

/* As what it was made of. */
static void what_is_old_goes(void **state)
{
    struct place p;
    struct backups all;
    const struct tidy_limits limits = {.bytes = 1 << 30, .age_s = 86400};
    int result = 1;
    (void)state;
    make_place(&p);
    add_partition(&p);
    back_up(&p);
    back_up(&p);
    list(&p, &all);
    int target = open_target(&p);
    assert_int_equal(renameat(target, all.stamps[0], target, "20231113-000000"), 0);
    close(target);
    while (result == 1)
        result = tidy_step(p.db, p.path, &limits, NOON + 100, &p.counts, NULL);
    assert_int_equal(result, 0);
    struct backups after;
    list(&p, &after);
    assert_int_equal(after.count, 1);
    assert_string_equal(after.stamps[0], all.stamps[1]);
    remove_place(&p);
}

static void names(void **state)
{
    static const char *const wrong[] = {"",
                                        "20261127",
                                        "20261127-10000",
                                        "20261327-100000",
                                        "20261127-100060",
                                        "20261127-100000.new",
                                        "2026 127-100000",
                                        "20260231-100000"};
    char stamp[BACKUP_STAMP];
    (void)state;
    backup_stamp(1795773600, stamp);
    assert_string_equal(stamp, "20261127-100000");
    assert_int_equal(backup_stamp_time(stamp), 1795773600);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(backup_stamp_time(wrong[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_count_once),
        cmocka_unit_test(of_one_moment),
        cmocka_unit_test(begins_again),
        cmocka_unit_test(the_oldest_backup_goes_first),
        cmocka_unit_test(what_goes_goes_in_backups_too),
        cmocka_unit_test(a_large_backup_goes),
        cmocka_unit_test(what_is_old_goes),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
