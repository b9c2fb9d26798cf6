/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeping order in the store: what is merged stays the same to the lookup, and what goes is what shall go. */
#include <inttypes.h>
#include <sys/stat.h>

#include "journals.h"

#include "store/folded.h"
#include "store/tidy.h"

enum { HOUR = 3600, DAY = 86400, MIDNIGHT = 1700006400, EACH = 40, KEPT = 600, LISTED = 256 };

/* A store, and beside it a plain table of every lookup that went in. */
struct place {
    char path[256], lookups[300];
    int fd;
    sqlite3 *db, *model;
    uint64_t blocks;
    uint32_t made;
    struct tidy_limits limits;
    struct tidy_counts counts;
};

static void make_place(struct place *p)
{
    struct error err = {""};
    *p = (struct place){.limits = {.bytes = 1 << 30}};
    p->fd = make_folder(p->path);
    snprintf(p->lookups, sizeof(p->lookups), "%s/lookups", p->path);
    assert_int_equal(mkdir(p->lookups, 0700), 0);
    if (database_open(p->path, &p->db, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(sql_open(":memory:", SQL_WRITE, &p->model, NULL), 0);
    assert_int_equal(sql_run(p->model,
                             "CREATE TABLE want(client, name, resolver, type, rcode, count, scaled, first, last);"
                             "CREATE TABLE have(client, name, resolver, type, rcode, count, scaled, first, last)",
                             NULL),
                     0);
}

static void remove_place(struct place *p)
{
    int lookups = openat(p->fd, "lookups", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    database_close(p->db);
    sqlite3_close(p->model);
    remove_folder(p->lookups, lookups);
    remove_folder(p->path, p->fd);
}

/* Runs a statement made of text and numbers. */
__attribute__((format(printf, 2, 3))) static void run_sql(sqlite3 *db, const char *format, ...)
{
    char text[2048];
    struct error err = {""};
    va_list args;
    va_start(args, format);
    assert_true(vsnprintf(text, sizeof(text), format, args) < (int)sizeof(text));
    va_end(args);
    if (sql_run(db, text, &err) != 0)
        fail_msg("%s", err.text);
}

static int64_t number_of(sqlite3 *db, const char *query)
{
    int64_t number;
    assert_int_equal(sql_number(db, query, 0, &number, NULL), 0);
    return number;
}

/* The next lookup, in the tally and in the table. */
static void take_lookup(struct place *p, struct tally *tally, int64_t time_s)
{
    static struct made made;
    struct dnsflow_record *r = &made.record;
    const uint32_t i = p->made++;
    char text[64];
    made_rest(&made, 4, 1, 0, 0);
    store_be32(made.client, i % 7);
    store_be32(made.resolver, i % 3);
    snprintf(text, sizeof(text), "n%u.d%u.example", i % 11, i % 2);
    struct writer out = writer_over(made.names, sizeof(made.names));
    put_name(&out, text);
    r->names = made.names;
    r->names_len = writer_len(&out);
    r->names_count = 1;
    r->qtype = i % 2 ? 1 : 28;
    r->rcode = i % 13 ? 0 : 3;
    struct received at = {.time_us = time_s * SECOND_US};
    tally_records(tally, &at, r, 1, i % 4 ? 1 : 10);
    run_sql(p->model,
            "INSERT INTO want VALUES('%08X', 'example.d%u.n%u', '%08X', %u, %u, 1, %d, %" PRId64 ", %" PRId64 ")",
            i % 7, i % 2, i % 11, i % 3, r->qtype, r->rcode, i % 4 ? 1 : 10, time_s, time_s);
}

/* A partition with lookups from one time to another, entered as the store does. */
static struct partition add_partition(struct place *p, int64_t since, int64_t until)
{
    struct tally tally;
    struct folded folded;
    struct partition made = {.first_block = p->blocks + 1,
                             .last_block = p->blocks + 2,
                             .end = {1, p->blocks + 2},
                             .since = since,
                             .until = until};
    struct error err = {""};
    assert_int_equal(tally_open(&tally), 0);
    for (int i = 0; i < EACH; i++)
        take_lookup(p, &tally, since + (until - since) * i / (EACH - 1));
    assert_int_equal(folded_make(&folded, &tally, FOLD_NAMES), 0);
    if (partition_seal(p->lookups, &folded, &made, &err) != 0 || database_add_partition(p->db, &made, &err) != 0)
        fail_msg("%s", err.text);
    folded_free(&folded);
    tally_close(&tally);
    p->blocks += 2;
    return made;
}

/* The table's sums by what was looked up, as text. */
static char *sums_of(struct place *p, const char *table)
{
    char query[512], *text = calloc(1, 1 << 20);
    sqlite3_stmt *s;
    size_t used = 0;
    assert_non_null(text);
    snprintf(query, sizeof(query),
             "SELECT client, name, resolver, type, rcode, sum(count), sum(scaled), min(first), max(last) FROM %s"
             " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
             table);
    assert_int_equal(sql_prepare(p->model, query, &s, NULL), 0);
    while (sql_step(s, NULL) == 1) {
        for (int i = 0; i < 9; i++)
            used += (size_t)snprintf(text + used, (1 << 20) - used, "%s ", (const char *)sqlite3_column_text(s, i));
        assert_true(used < (1 << 20) - 1);
    }
    sqlite3_finalize(s);
    return text;
}

/* The partitions in use; their blocks go on without a gap, and their files are there and say the same. */
static size_t list_of(struct place *p, struct partition list[LISTED])
{
    struct partition *found, there;
    size_t count;
    assert_int_equal(database_partitions(p->db, &found, &count, NULL), 0);
    assert_true(count <= LISTED);
    for (size_t i = 0; i < count; i++) {
        list[i] = found[i];
        assert_true(i == 0 || list[i].first_block == list[i - 1].last_block + 1);
        assert_int_equal(partition_describe(p->lookups, list[i].file, &there, NULL), 1);
        assert_true(there.level == list[i].level && there.since == list[i].since && there.until == list[i].until);
        assert_true(there.rows == list[i].rows && there.lookups == list[i].lookups);
    }
    free(found);
    return count;
}

/* What is in the partitions in use is what went in, or of that what is from `since` on. */
static void assert_kept(struct place *p, int64_t since)
{
    struct partition list[LISTED];
    const size_t count = list_of(p, list);
    run_sql(p->model, "DELETE FROM have; DELETE FROM want WHERE last < %" PRId64, since);
    for (size_t i = 0; i < count; i++) {
        run_sql(p->model, "ATTACH 'file:%s/%s?immutable=1' AS p", p->lookups, list[i].file);
        run_sql(p->model,
                "INSERT INTO have SELECT hex(c.address), n.rname, hex(r.address), k.type, k.rcode, rows.count,"
                " coalesce(rows.scaled, rows.count), rows.first + b.value, rows.first + b.value + rows.span"
                " FROM p.rows JOIN p.addresses c ON c.id = client JOIN p.names n ON n.id = rows.name"
                " JOIN p.kinds k ON k.id = kind JOIN p.addresses r ON r.id = k.resolver"
                " JOIN p.part b ON b.key = 'base'");
        run_sql(p->model, "DETACH p");
    }
    char *want = sums_of(p, "want"), *have = sums_of(p, "have");
    assert_string_equal(have, want);
    free(want);
    free(have);
}

/* One thing. 1: it was done. */
static int step_at(struct place *p, int64_t now)
{
    struct error err = {""};
    int result = tidy_step(p->db, p->path, &p->limits, now, &p->counts, &err);
    if (result < 0)
        fail_msg("%s", err.text);
    return result;
}

/* All that there is to do at this time; returns how much it was. A step after the last does nothing either. */
static int tidy_at(struct place *p, int64_t now)
{
    int steps = 0;
    while (step_at(p, now) == 1)
        assert_true(++steps < 10000);
    assert_int_equal(step_at(p, now), 0);
    return steps;
}

static int64_t count_files(const struct place *p)
{
    DIR *dir = opendir(p->lookups);
    struct dirent *entry;
    int64_t count = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count += partition_is_name(entry->d_name);
    closedir(dir);
    return count;
}

static void assert_levels(struct place *p, const unsigned *levels, size_t count)
{
    struct partition list[LISTED];
    assert_int_equal(list_of(p, list), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(list[i].level, levels[i]);
}

/* ---- merging ---- */

static void nothing_to_do(void **state)
{
    struct place p;
    (void)state;
    make_place(&p);
    assert_int_equal(step_at(&p, MIDNIGHT), 0);
    add_partition(&p, MIDNIGHT, MIDNIGHT + 59);
    p.limits.age_s = DAY;
    assert_int_equal(step_at(&p, MIDNIGHT + 60), 0);
    assert_int_equal(step_at(&p, MIDNIGHT + 1000), 0);
    assert_true(p.counts.merges == 0 && p.counts.expired == 0);
    assert_kept(&p, 0);
    remove_place(&p);
}

/* From 22 h to 2 h of the day after the next: two days that are over, two hours, and one that is not over. */
static void hours_and_days(void **state)
{
    static const unsigned levels[] = {PARTITION_DAY,    PARTITION_DAY,    PARTITION_HOUR,  PARTITION_HOUR,
                                      PARTITION_SEALED, PARTITION_SEALED, PARTITION_SEALED};
    const int64_t now = MIDNIGHT + DAY + 3 * HOUR;
    struct place p;
    (void)state;
    make_place(&p);
    for (int64_t hour = -2; hour <= 26; hour++)
        for (int64_t i = 0; i < 3; i++)
            add_partition(&p, MIDNIGHT + hour * HOUR + i * 1200, MIDNIGHT + hour * HOUR + i * 1200 + 1199);
    while (step_at(&p, now) == 1)
        assert_kept(&p, 0);
    assert_levels(&p, levels, LEN(levels));
    assert_int_equal(p.counts.merges, 28 + 2);
    assert_int_equal(p.counts.merged, 28 * 3 + 2 + 24);
    assert_int_equal(count_files(&p), 29 * 3 + 28 + 2);
    assert_int_equal(tidy_at(&p, now + KEPT), 0);
    assert_int_equal(count_files(&p), 29 * 3 + 28 + 2);
    assert_int_equal(tidy_at(&p, now + KEPT + 1), 28 * 3 + 2 + 24);
    assert_int_equal(count_files(&p), LEN(levels));
    assert_levels(&p, levels, LEN(levels));
    assert_int_equal(p.counts.expired, 0);
    assert_kept(&p, 0);
    remove_place(&p);
}

/* Of an hour that is not over 16 small ones become one, and no fewer; when it is over, all. */
static void parts_of_an_hour(void **state)
{
    static const unsigned levels[] = {PARTITION_PART, PARTITION_SEALED, PARTITION_SEALED, PARTITION_SEALED};
    static const unsigned over[] = {PARTITION_HOUR, PARTITION_SEALED};
    struct place p;
    (void)state;
    make_place(&p);
    for (int64_t i = 0; i < 15; i++) {
        add_partition(&p, MIDNIGHT + i * 60, MIDNIGHT + i * 60 + 59);
        assert_int_equal(step_at(&p, MIDNIGHT + 10 * HOUR), 0);
    }
    for (int64_t i = 15; i < 19; i++)
        add_partition(&p, MIDNIGHT + i * 60, MIDNIGHT + i * 60 + 59);
    assert_int_equal(tidy_at(&p, MIDNIGHT + 10 * HOUR), 1);
    assert_levels(&p, levels, LEN(levels));
    assert_kept(&p, 0);
    add_partition(&p, MIDNIGHT + HOUR, MIDNIGHT + HOUR + 59);
    assert_int_equal(tidy_at(&p, MIDNIGHT + 10 * HOUR), 1);
    assert_levels(&p, over, LEN(over));
    assert_kept(&p, 0);
    remove_place(&p);
}

/* ---- letting go ---- */

static void add_answers(struct place *p, const char *prefix, int count, int64_t last)
{
    run_sql(p->db,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO answers SELECT"
            " printf('example.%s%%06d', i), 1, x'0a000001', 0, %" PRId64 ", 1, 1 FROM n",
            count, prefix, last);
}

static void add_account(struct place *p, int id, int64_t last)
{
    run_sql(p->db,
            "INSERT INTO streams(id, identity, sensor, worker, start, address, port, verified, first, last, state) "
            "VALUES(%d, 'id%d', 1, 1, 1, x'0a000001', 1, 0, 0, %" PRId64 ", x'00');"
            "INSERT INTO minutes VALUES(%" PRId64 ", %d, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0);"
            "INSERT INTO sensor_minutes VALUES(%" PRId64 ", %d, 1, 1, 0, 0, 1, 1, 0, 1, 1);"
            "INSERT INTO totals VALUES(%" PRId64 ", 'socket', 1)",
            id, id, last, last / 60, id, last / 60, id, last / 60);
}

/* On both sides of the limit: what is older goes, and nothing else, whatever there is of it. */
static void what_is_old(void **state)
{
    const int64_t now = MIDNIGHT + 5 * DAY, before = now - DAY;
    struct place p;
    (void)state;
    make_place(&p);
    add_partition(&p, before - 2 * HOUR, before - HOUR);
    add_partition(&p, before - HOUR, before - 1);
    run_sql(p.model, "DELETE FROM want");
    add_partition(&p, before, before + 1);
    add_partition(&p, now - 60, now);
    add_answers(&p, "o", 25000, before - 1);
    add_answers(&p, "n", 25000, before);
    add_account(&p, 1, before - 60);
    add_account(&p, 2, before);
    p.limits.age_s = DAY;
    assert_true(tidy_at(&p, now) >= 2 + 3 + 4);
    assert_int_equal(p.counts.expired, 2);
    assert_int_equal(count_files(&p), 2);
    assert_kept(&p, 0);
    assert_int_equal(number_of(p.db, "SELECT count(*) FROM answers"), 25000);
    assert_int_equal(number_of(p.db, "SELECT min(last) FROM answers"), before);
    assert_int_equal(number_of(p.db, "SELECT sum(id) FROM streams"), 2);
    assert_int_equal(number_of(p.db, "SELECT sum(stream) FROM minutes"), 2);
    assert_int_equal(number_of(p.db, "SELECT sum(stream) FROM sensor_minutes"), 2);
    assert_int_equal(number_of(p.db, "SELECT sum(minute) FROM totals"), before / 60);
    assert_int_equal(tidy_at(&p, now + 1), 0);
    remove_place(&p);
}

/* Without a limit accounts stay 31 days, and all else for good. */
static void without_a_limit(void **state)
{
    const int64_t now = MIDNIGHT + 100 * (int64_t)DAY, before = now - 31 * (int64_t)DAY;
    struct place p;
    (void)state;
    make_place(&p);
    add_partition(&p, MIDNIGHT, MIDNIGHT + 60);
    add_answers(&p, "o", 10, MIDNIGHT);
    add_account(&p, 1, before - 60);
    add_account(&p, 2, before);
    assert_int_equal(tidy_at(&p, now), 4);
    assert_kept(&p, 0);
    assert_int_equal(number_of(p.db, "SELECT count(*) FROM answers"), 10);
    assert_int_equal(number_of(p.db, "SELECT sum(stream) FROM minutes"), 2);
    assert_int_equal(number_of(p.db, "SELECT sum(stream) FROM sensor_minutes"), 2);
    remove_place(&p);
}

static int64_t used_of(struct place *p)
{
    return (number_of(p->db, "PRAGMA page_count") - number_of(p->db, "PRAGMA freelist_count")) *
           number_of(p->db, "PRAGMA page_size");
}

/* The oldest partitions, one by one, until there is room; answers only where they are more than half. */
static void what_is_too_much(void **state)
{
    struct partition list[LISTED];
    struct place p;
    int64_t used, bytes = 0;
    (void)state;
    make_place(&p);
    for (int64_t i = 0; i < 12; i++)
        bytes += (int64_t)add_partition(&p, MIDNIGHT + i * 60, MIDNIGHT + i * 60 + 59).bytes;
    add_answers(&p, "a", 10, MIDNIGHT);
    used = used_of(&p);
    assert_true(used < bytes);
    p.limits.bytes = (uint64_t)(used + bytes);
    assert_int_equal(tidy_at(&p, MIDNIGHT + HOUR), 0);
    for (size_t gone = 1; gone < 12 && bytes > used; gone++) {
        p.limits.bytes = (uint64_t)(used_of(&p) + bytes - 1);
        assert_int_equal(tidy_at(&p, MIDNIGHT + HOUR), 1);
        assert_int_equal(list_of(&p, list), 12 - gone);
        assert_kept(&p, MIDNIGHT + (int64_t)gone * 60);
        bytes = number_of(p.db, "SELECT sum(bytes) FROM partitions");
        assert_true((uint64_t)(used_of(&p) + bytes) <= p.limits.bytes);
        assert_int_equal(number_of(p.db, "SELECT count(*) FROM answers"), 10);
        assert_int_equal(p.counts.expired, gone);
    }
    p.limits.bytes = 1;
    (void)tidy_at(&p, MIDNIGHT + HOUR);
    assert_int_equal(list_of(&p, list), 1); /* never the last */
    assert_int_equal(list[0].since, MIDNIGHT + 11 * 60);
    remove_place(&p);
}

/* A database that is larger than half: of its answers those that were seen longest ago, and no partition. */
static void too_many_answers(void **state)
{
    struct place p;
    int64_t bytes;
    (void)state;
    make_place(&p);
    for (int64_t i = 0; i < 3; i++)
        add_partition(&p, MIDNIGHT + i * 60, MIDNIGHT + i * 60 + 59);
    for (int64_t i = 0; i < 8; i++) {
        char prefix[2] = {(char)('h' - i), 0}; /* in another order than that of the key */
        add_answers(&p, prefix, 10000, MIDNIGHT + i * 60);
    }
    bytes = number_of(p.db, "SELECT sum(bytes) FROM partitions");
    assert_true(used_of(&p) > 10 * bytes);
    p.limits.bytes = (uint64_t)(used_of(&p) * 3 / 4);
    assert_true(tidy_at(&p, MIDNIGHT + HOUR) >= 2);
    assert_true((uint64_t)(used_of(&p) + bytes) <= p.limits.bytes);
    int64_t left = number_of(p.db, "SELECT count(*) FROM answers") / 10000;
    assert_in_range(left, 4, 6);
    assert_int_equal(number_of(p.db, "SELECT min(last) FROM answers"), MIDNIGHT + (8 - left) * 60);
    assert_int_equal(p.counts.expired, 0);
    assert_kept(&p, 0);
    remove_place(&p);
}

/* What was merged already goes before what is in use. */
static void replaced_go_first(void **state)
{
    struct place p;
    (void)state;
    make_place(&p);
    for (int64_t i = 0; i < 4; i++)
        add_partition(&p, MIDNIGHT + i * 60, MIDNIGHT + i * 60 + 59);
    add_partition(&p, MIDNIGHT + HOUR, MIDNIGHT + HOUR + 59);
    assert_int_equal(tidy_at(&p, MIDNIGHT + HOUR), 1);
    assert_int_equal(count_files(&p), 6);
    p.limits.bytes = (uint64_t)(used_of(&p) + number_of(p.db, "SELECT sum(bytes) FROM partitions") -
                                number_of(p.db, "SELECT sum(bytes) FROM partitions WHERE replaced IS NOT NULL"));
    assert_int_equal(tidy_at(&p, MIDNIGHT + HOUR), 4);
    assert_int_equal(count_files(&p), 2);
    assert_kept(&p, 0);
    remove_place(&p);
}

/* ---- wrong clocks ---- */

/* The clock of who tidies up, and of who received, goes back an hour and forward a day: nothing is lost. */
static void clocks_jump(void **state)
{
    static const int64_t jumps[] = {0, -HOUR, 0, DAY, 0, DAY + HOUR, -HOUR, 0};
    struct place p;
    int64_t now = MIDNIGHT + 10 * HOUR;
    (void)state;
    make_place(&p);
    for (size_t k = 0; k < LEN(jumps); k++)
        for (int64_t i = 0; i < 10; i++, now += 240) {
            add_partition(&p, now + jumps[k], now + jumps[k] + 239);
            (void)tidy_at(&p, now + jumps[k] + 240);
            assert_kept(&p, 0);
        }
    add_partition(&p, now + 3 * DAY, now + 3 * DAY + 1);
    (void)tidy_at(&p, now + 3 * DAY);
    assert_kept(&p, 0);
    (void)tidy_at(&p, now + 3 * DAY + KEPT + 1);
    assert_int_equal(number_of(p.db, "SELECT count(*) FROM partitions WHERE replaced IS NOT NULL"), 0);
    assert_kept(&p, 0);
    assert_int_equal(p.counts.expired, 0);
    remove_place(&p);
}

/* After a clock that was a day ahead, ages are looked at again at once. */
static void ages_after_a_jump(void **state)
{
    const int64_t now = MIDNIGHT + DAY;
    struct place p;
    (void)state;
    make_place(&p);
    p.limits.age_s = 3 * DAY;
    add_partition(&p, now - 2 * DAY, now - 2 * DAY + 60);
    assert_int_equal(tidy_at(&p, now + DAY / 2), 0);
    add_answers(&p, "o", 10, now - 4 * (int64_t)DAY);
    assert_int_equal(tidy_at(&p, now), 1);
    assert_int_equal(number_of(p.db, "SELECT count(*) FROM answers"), 0);
    assert_int_equal(tidy_at(&p, now - HOUR), 0);
    assert_kept(&p, 0);
    remove_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do),     cmocka_unit_test(hours_and_days),    cmocka_unit_test(parts_of_an_hour),
        cmocka_unit_test(what_is_old),       cmocka_unit_test(without_a_limit),   cmocka_unit_test(what_is_too_much),
        cmocka_unit_test(too_many_answers),  cmocka_unit_test(replaced_go_first), cmocka_unit_test(clocks_jump),
        cmocka_unit_test(ages_after_a_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
