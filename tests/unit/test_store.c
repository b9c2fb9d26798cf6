/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the store is made of: reversed names, numbers for keys, tallies, partitions and their merging. */
#include "journals.h"

#include "store/database.h"
#include "store/folded.h"
#include "store/partition.h"
#include "store/rname.h"
#include "store/tally.h"

/* ---- names ---- */

static void names_are_turned(void **state)
{
    static const struct {
        const char *text, *rname;
    } rows[] = {{"www.example.com", "com.example.www"},
                {"com", "com"},
                {".", ""},
                {"a\\.b.c", "c.a\\046b"},
                {"a\\\\b.c", "c.a\\092b"},
                {"WWW.Example", "example.www"},
                {"\\000\\255.x", "x.\\000\\255"},
                {"a\\032b.x", "x.a\\032b"},
                {"\\\"q\\;.x", "x.\"q;"}};
    uint8_t wire[NAME_WIRE], back[NAME_WIRE];
    char rname[RNAME_TEXT], text[NAME_TEXT], want[NAME_TEXT];
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        size_t len = strcmp(rows[i].text, ".") == 0 ? 1 : name_parse(rows[i].text, wire);
        if (len == 1)
            wire[0] = 0;
        assert_true(len > 0);
        assert_int_equal(rname_of(wire, len, rname), strlen(rows[i].rname));
        assert_string_equal(rname, rows[i].rname);
        assert_int_equal(rname_to_wire(rname, back), len);
        assert_memory_equal(back, wire, len);
        const uint8_t *at = wire;
        assert_true(dnsflow_name_text(&at, wire + len, NULL, want, sizeof(want)) > 0);
        (void)rname_to_text(rname, text);
        assert_string_equal(text, want);
    }
    assert_int_equal(rname_to_wire("a..b", back), 0);
    assert_int_equal(rname_to_wire("a.", back), 0);
    assert_int_equal(rname_to_wire("a\\9", back), 0);
}

/* Any name, of any bytes, the longest too. */
static void any_name_is_turned(void **state)
{
    struct chance c = {3};
    uint8_t wire[NAME_WIRE], back[NAME_WIRE];
    char rname[RNAME_TEXT];
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t at = 0, label;
        while (at < 254 && (label = chance_below(&c, round % 2 ? 64 : 4)) > 0 && at + label + 1 < 255) {
            wire[at++] = (uint8_t)label;
            while (label-- > 0)
                wire[at++] = (uint8_t)chance_next(&c);
        }
        wire[at++] = 0;
        name_lower(wire, at);
        size_t len = rname_of(wire, at, rname);
        assert_true(len < RNAME_TEXT && strlen(rname) == len);
        assert_int_equal(rname_to_wire(rname, back), at);
        assert_memory_equal(back, wire, at);
    }
}

/* ---- keys ---- */

static void keys_get_numbers(void **state)
{
    struct intern *in = intern_create();
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 100000; i++) {
            uint32_t key[3] = {i, i * 7, 1};
            assert_int_equal(intern_add(in, (const uint8_t *)key, i % 3 ? 12 : 8), i);
        }
        assert_int_equal(intern_size(in), 100000);
    }
    assert_int_equal(intern_add(in, (const uint8_t *)"", 0), 100000);
    intern_count(in, 5, 100, 2);
    intern_count(in, 5, 50, 3);
    intern_count(in, 5, -7, 3);
    const struct intern_count *n = intern_counted(in, 5);
    assert_true(n->count == 3 && n->scaled == 8 && n->first == -7 && n->last == 100);
    intern_clear(in);
    assert_int_equal(intern_size(in), 0);
    assert_int_equal(intern_add(in, (const uint8_t *)"new", 3), 0);
    assert_int_equal(intern_counted(in, 0)->count, 0);
    intern_destroy(in);
}

/* ---- partitions ---- */

enum { LOOKUPS = 4000, PIECES = 9 };

/* Lookup number i, the same in every tally. */
static void take_lookup(struct tally *tally, uint32_t i)
{
    static struct made made;
    static const struct received from = {.time_us = 0};
    struct dnsflow_record *r = &made.record;
    char text[64];
    made_rest(&made, i % 5 ? 4 : 6, 1, 0, 0);
    store_be32(made.client, i % 37);
    store_be32(made.resolver, i % 3);
    snprintf(text, sizeof(text), "n%u.d%u.example", i % 211, i % 13);
    struct writer out = writer_over(made.names, sizeof(made.names));
    put_name(&out, text);
    r->names = made.names;
    r->names_len = writer_len(&out);
    r->names_count = 1;
    r->qtype = i % 2 ? 1 : 28;
    r->rcode = i % 11 ? 0 : 3;
    struct received at = from;
    at.time_us = journal_now + (int64_t)i * SECOND_US;
    tally_records(tally, &at, r, 1, i % 4 ? 1 : 10);
}

static struct partition seal_piece(const char *folder, uint32_t first, uint32_t last)
{
    struct tally tally;
    struct folded folded;
    struct partition p = {.first_block = first + 1,
                          .last_block = last + 1,
                          .end = {1, last},
                          .since = JOURNAL_START + first,
                          .until = JOURNAL_START + last};
    struct error err = {""};
    assert_int_equal(tally_open(&tally), 0);
    for (; first <= last; first++)
        take_lookup(&tally, first);
    assert_int_equal(folded_make(&folded, &tally, FOLD_NAMES), 0);
    if (partition_seal(folder, &folded, &p, &err) != 0)
        fail_msg("%s", err.text);
    folded_free(&folded);
    tally_close(&tally);
    return p;
}

/* All rows as text, in order, with names and addresses in place of numbers. */
static char *dump(const char *folder, const struct partition *p)
{
    char path[512], *text = calloc(1, 1 << 20);
    sqlite3 *db;
    sqlite3_stmt *s;
    size_t used = 0;
    assert_non_null(text);
    snprintf(path, sizeof(path), "%s/%s", folder, p->file);
    assert_int_equal(sql_open(path, SQL_SEALED, &db, NULL), 0);
    assert_int_equal(sql_prepare(db,
                                 "SELECT hex(c.address), n.rname, hex(r.address), k.type, k.rcode, rows.count,"
                                 " coalesce(rows.scaled, rows.count), rows.first + b.value, rows.span FROM rows"
                                 " JOIN addresses c ON c.id = client JOIN names n ON n.id = name"
                                 " JOIN kinds k ON k.id = kind JOIN addresses r ON r.id = k.resolver"
                                 " JOIN part b ON b.key = 'base' ORDER BY 1, 2, 3, 4, 5",
                                 &s, NULL),
                     0);
    while (sql_step(s, NULL) == 1) {
        for (int i = 0; i < 9; i++)
            used += (size_t)snprintf(text + used, (1 << 20) - used, "%s ", (const char *)sqlite3_column_text(s, i));
        assert_true(used < (1 << 20) - 1);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return text;
}

static void assert_described(const char *folder, const struct partition *p)
{
    struct partition back;
    assert_int_equal(partition_describe(folder, p->file, &back, NULL), 1);
    assert_memory_equal(&back, p, sizeof(*p));
    assert_true(partition_is_name(p->file));
}

/* However lookups are cut into partitions, and these merged, in whatever steps, the rows are the same. */
static void any_cut_any_merge(void **state)
{
    char folder[256];
    int fd = make_folder(folder);
    struct chance c = {7};
    struct partition whole = seal_piece(folder, 0, LOOKUPS - 1);
    char *want = dump(folder, &whole);
    (void)state;
    assert_int_equal(whole.lookups, LOOKUPS);
    assert_described(folder, &whole);
    assert_int_equal(unlinkat(fd, whole.file, 0), 0);
    for (int round = 0; round < 6; round++) {
        struct partition list[PIECES];
        uint32_t at = 0, i;
        size_t count = PIECES;
        for (i = 0; i < PIECES; i++) {
            uint32_t last = i + 1 == PIECES ? LOOKUPS - 1 : at + (uint32_t)chance_below(&c, LOOKUPS / PIECES);
            list[i] = seal_piece(folder, at, last);
            assert_described(folder, &list[i]);
            at = last + 1;
        }
        for (unsigned level = 1; count > 1; level = level % 3 + 1) {
            size_t first = chance_below(&c, count - 1), n = 2 + chance_below(&c, count - first - 1);
            struct partition merged = {.level = level};
            struct error err = {""};
            if (partition_merge(folder, list + first, n, &merged, &err) != 0 ||
                partition_publish(folder, &merged, &err) != 0)
                fail_msg("%s", err.text);
            for (i = 0; i < n; i++)
                if (strcmp(list[first + i].file, merged.file) != 0)
                    assert_int_equal(unlinkat(fd, list[first + i].file, 0), 0);
            memmove(list + first + 1, list + first + n, (count - first - n) * sizeof(*list));
            list[first] = merged;
            count -= n - 1;
            assert_described(folder, &merged);
        }
        char *have = dump(folder, &list[0]);
        assert_string_equal(have, want);
        assert_true(list[0].lookups == LOOKUPS && list[0].rows == whole.rows && list[0].since == JOURNAL_START);
        assert_true(list[0].record_first == whole.record_first && list[0].record_last == whole.record_last);
        free(have);
        assert_int_equal(unlinkat(fd, list[0].file, 0), 0);
    }
    free(want);
    remove_folder(folder, fd);
}

static void foreign_files(void **state)
{
    static const char *const names[] = {"a.db", "0-1-2.dbx", "0-1.db", "-1-2.db", "0--2.db", "0-1-2", "0-1-2.db-wal"};
    char folder[256];
    int fd = make_folder(folder);
    struct partition p;
    struct error err;
    (void)state;
    for (size_t i = 0; i < LEN(names); i++)
        assert_false(partition_is_name(names[i]));
    assert_true(partition_is_name("3-0000000001-18446744073709551615.db"));
    int file = openat(fd, "0-0000000001-0000000002.db", O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(file, "not a database at all, but long enough to be looked at as one: ................", 80),
                     80);
    close(file);
    assert_int_equal(partition_describe(folder, "0-0000000001-0000000002.db", &p, &err), -1);
    assert_int_equal(partition_describe(folder, "0-0000000001-0000000003.db", &p, &err), -1);
    remove_folder(folder, fd);
}

/* A partition whose table about itself says what no partition of this version says. */
static void other_versions(void **state)
{
    static const struct {
        const char *change;
        int result;
    } cases[] = {
        {"UPDATE part SET value = value", 1},
        {"UPDATE part SET value = 0 WHERE key = 'level'", 1},
        {"UPDATE part SET value = -1 WHERE key = 'level'", 0},
        {"UPDATE part SET value = 4 WHERE key = 'level'", 0},
        {"UPDATE part SET value = value + 1 WHERE key = 'version'", 0},
        {"UPDATE part SET value = value - 1 WHERE key = 'version'", 0},
        {"DELETE FROM part WHERE key = 'version'", 0},
        {"DELETE FROM part WHERE key = 'lookups'", 0},
        {"DROP TABLE part", 0},
    };
    char folder[256], path[512];
    int fd = make_folder(folder);
    struct error err = {""};
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct partition p = seal_piece(folder, 0, 10), back;
        sqlite3 *db;
        snprintf(path, sizeof(path), "%s/%s", folder, p.file);
        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sql_run(db, cases[i].change, NULL), 0);
        sqlite3_close(db);
        assert_int_equal(partition_describe(folder, p.file, &back, &err), cases[i].result);
        assert_int_equal(unlinkat(fd, p.file, 0), 0);
    }
    remove_folder(folder, fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_turned),  cmocka_unit_test(any_name_is_turned), cmocka_unit_test(keys_get_numbers),
        cmocka_unit_test(any_cut_any_merge), cmocka_unit_test(foreign_files),      cmocka_unit_test(other_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
