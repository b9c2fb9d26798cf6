/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of ClickHouse's answers as rows of what a collector keeps; cut anywhere they are refused. */
#include "journals.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "base/prefix.h"
#include "feed/ch_fill.h"
#include "feed/rowbinary.h"

enum { ROWS_AT_MOST = 8 };

/* Rows one behind the other; row i ends at ends[i]. */
struct rows {
    struct rowbinary bytes;
    size_t ends[ROWS_AT_MOST], count;
};

typedef int take_rows(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err);

static struct error err;

static void put_ip(struct rowbinary *r, const char *text)
{
    uint8_t address[16];
    rowbinary_ip(r, address, parse_address(text, address));
}

static void put_text(struct rowbinary *r, const char *text)
{
    rowbinary_string(r, text, strlen(text));
}

static void put_counts(struct rowbinary *r, uint64_t count)
{
    rowbinary_u64(r, count);
    rowbinary_u64(r, 10 * count);
    rowbinary_u32(r, JOURNAL_START);
    rowbinary_u32(r, JOURNAL_START + 5);
}

static void end_row(struct rows *rows)
{
    rows->ends[rows->count++] = rows->bytes.len;
}

static void remove_filled(const char *path, int fd)
{
    char lookups[300];
    snprintf(lookups, sizeof(lookups), "%s/lookups", path);
    remove_folder(lookups, open(lookups, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    remove_folder(path, fd);
}

/* The statement's rows after these were taken, "a b c\n" each. */
static char *filled(take_rows *take, const struct rows *rows, bool with_news, const char *query)
{
    char path[256], *text = NULL;
    int fd = make_folder(path);
    struct rowbinary_reader reader = {rows->bytes.bytes, rows->bytes.bytes + rows->bytes.len, false};
    struct ch_fill fill;
    sqlite3_stmt *s;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    if (ch_fill_open(&fill, path, &err) != 0 || take(&fill, &reader, &err) != 0 ||
        (with_news && ch_fill_news(&fill, &err) != 0) || ch_fill_end(&fill, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(fill.rows, rows->count);
    char attach[400];
    struct partition *list;
    size_t count;
    assert_int_equal(database_partitions(fill.db, &list, &count, &err), 0);
    assert_true(count <= 1);
    if (count == 1) {
        snprintf(attach, sizeof(attach), "ATTACH '%s/lookups/%s' AS l", path, list[0].file);
        assert_int_equal(sql_run(fill.db, attach, &err), 0);
    }
    free(list);
    assert_int_equal(sql_prepare(fill.db, query, &s, &err), 0);
    while (sql_step(s, NULL) == 1)
        for (int i = 0; i < sqlite3_column_count(s); i++)
            fprintf(out, "%s%s", (const char *)sqlite3_column_text(s, i), i + 1 < sqlite3_column_count(s) ? " " : "\n");
    sqlite3_finalize(s);
    fclose(out);
    if (count == 1)
        assert_int_equal(sql_run(fill.db, "DETACH l", &err), 0);
    ch_fill_close(&fill);
    remove_filled(path, fd);
    return text;
}

static void cut_anywhere(take_rows *take, const struct rows *rows)
{
    char path[256];
    int fd = make_folder(path);
    struct ch_fill fill;
    assert_int_equal(ch_fill_open(&fill, path, &err), 0);
    for (size_t len = 0; len < rows->bytes.len; len++) {
        bool is_whole = len == 0;
        for (size_t i = 0; i < rows->count; i++)
            is_whole |= rows->ends[i] == len;
        uint8_t *copy = exact_copy(rows->bytes.bytes, len);
        struct rowbinary_reader reader = {copy, copy + len, false};
        assert_int_equal(sql_run(fill.db, "DELETE FROM minutes; DELETE FROM sensor_minutes", &err), 0);
        if (take(&fill, &reader, &err) != (is_whole ? 0 : -1))
            fail_msg("%zu bytes", len);
        if (!is_whole)
            assert_non_null(strstr(err.text, "not understood"));
        free(copy);
    }
    ch_fill_close(&fill);
    remove_filled(path, fd);
}

static void put_answer(struct rows *rows, const char *rname, uint16_t type, const char *rdata, const char *ip,
                       uint64_t count)
{
    put_text(&rows->bytes, rname);
    rowbinary_u16(&rows->bytes, type);
    put_text(&rows->bytes, rdata);
    put_ip(&rows->bytes, ip);
    put_counts(&rows->bytes, count);
    end_row(rows);
}

/* Addresses are kept as bytes where they are ones, everything else as text. */
static void answers(void **state)
{
    static const char query[] = "SELECT rname, type, typeof(rdata),"
                                " CASE typeof(rdata) WHEN 'blob' THEN hex(rdata) ELSE rdata END,"
                                " first - 1700000000, last - 1700000000, count, scaled FROM answers ORDER BY rname";
    struct rows rows = {.count = 0};
    (void)state;
    put_answer(&rows, "example.a", 1, "192.0.2.1", "192.0.2.1", 3);
    put_answer(&rows, "example.b", 1, "\\# 3 010203", "", 4);
    put_answer(&rows, "example.c", 28, "2001:db8::1", "2001:db8::1", 5);
    put_answer(&rows, "example.d", 28, "::", "", 6);
    put_answer(&rows, "example.e", 28, "\\# 1 01", "", 7);
    put_answer(&rows, "example.f", 28, "", "", 8);
    put_answer(&rows, "example.g", 16, "\"text\"", "", 9);
    put_answer(&rows, "example.h", 1, "2001:db8::1", "2001:db8::1", 1);
    char *text = filled(ch_fill_answers, &rows, false, query);
    assert_string_equal(text, "example.a 1 blob C0000201 0 5 3 30\n"
                              "example.b 1 text \\# 3 010203 0 5 4 40\n"
                              "example.c 28 blob 20010DB8000000000000000000000001 0 5 5 50\n"
                              "example.d 28 blob 00000000000000000000000000000000 0 5 6 60\n"
                              "example.e 28 text \\# 1 01 0 5 7 70\n"
                              "example.f 28 text  0 5 8 80\n"
                              "example.g 16 text \"text\" 0 5 9 90\n"
                              "example.h 1 text 2001:db8::1 0 5 1 10\n");
    free(text);
    cut_anywhere(ch_fill_answers, &rows);
    free(rows.bytes.bytes);
}

/* Of each name, and of each registered domain, the first time. */
static void news(void **state)
{
    struct rows rows = {.count = 0};
    (void)state;
    put_answer(&rows, "com.shop.a", 1, "192.0.2.1", "192.0.2.1", 3);
    put_answer(&rows, "com.shop.a", 16, "\"text\"", "", 3);
    put_answer(&rows, "com.shop.b", 1, "192.0.2.1", "192.0.2.1", 3);
    char *text =
        filled(ch_fill_answers, &rows, true, "SELECT what, first - 1700000000, rname FROM news ORDER BY what, rname");
    assert_string_equal(text, "0 0 com.shop.a\n0 0 com.shop.b\n1 0 com.shop\n");
    free(text);
    free(rows.bytes.bytes);
}

static void put_lookup(struct rows *rows, const char *client, const char *resolver, uint16_t type, uint16_t rcode,
                       const char *rname, uint64_t count)
{
    put_ip(&rows->bytes, client);
    put_ip(&rows->bytes, resolver);
    rowbinary_u16(&rows->bytes, type);
    rowbinary_u16(&rows->bytes, rcode);
    put_text(&rows->bytes, rname);
    put_counts(&rows->bytes, count);
    end_row(rows);
}

static void lookups(void **state)
{
    static const char query[] =
        "SELECT n.rname, hex(c.address), hex(r.address), k.type, k.rcode, s.count,"
        " s.first + (SELECT value FROM l.part WHERE key = 'base') - 1700000000 FROM l.rows s"
        " JOIN l.names n ON n.id = s.name JOIN l.addresses c ON c.id = s.client JOIN l.kinds k ON k.id = s.kind"
        " JOIN l.addresses r ON r.id = k.resolver ORDER BY n.rname, 2";
    struct rows rows = {.count = 0};
    (void)state;
    put_lookup(&rows, "10.0.0.1", "10.0.0.53", 1, 0, "example.a", 3);
    put_lookup(&rows, "2001:db8::1", "2001:db8::53", 28, 3, "example.a", 4);
    put_lookup(&rows, "10.0.0.2", "", 65, 0, "example.b", 5);
    put_lookup(&rows, "10.0.0.2", "", 65, 0, "no..name", 6); /* is passed over */
    char *text = filled(ch_fill_lookups, &rows, false, query);
    assert_string_equal(text, "example.a 0A000001 0A000035 1 0 3 0\n"
                              "example.a 20010DB8000000000000000000000001 20010DB8000000000000000000000053 28 3 4 0\n"
                              "example.b 0A000002  65 0 5 0\n");
    free(text);
    cut_anywhere(ch_fill_lookups, &rows);
    free(rows.bytes.bytes);
}

static void put_account(struct rows *rows, uint64_t stream, bool has_trailer, bool has_told, uint32_t minute,
                        uint32_t first, uint32_t last)
{
    struct rowbinary *r = &rows->bytes;
    rowbinary_u64(r, stream);
    rowbinary_u32(r, minute * 60);
    rowbinary_u8(r, has_trailer);
    rowbinary_u32(r, 7);
    rowbinary_u8(r, 2);
    rowbinary_u32(r, JOURNAL_START);
    put_ip(r, "192.0.2.9");
    rowbinary_u16(r, 4000);
    rowbinary_u8(r, 1);
    rowbinary_u8(r, has_trailer);
    rowbinary_u64(r, (uint64_t)-3);
    rowbinary_u32(r, first);
    rowbinary_u32(r, last);
    rowbinary_u8(r, has_told);
    for (uint64_t i = 0; i < ACCOUNT_COUNT; i++)
        rowbinary_u64(r, 100 + i);
    for (uint64_t i = 0; i < TOLD_COUNT; i++)
        rowbinary_u64(r, 200 + i);
    end_row(rows);
}

static void accounts(void **state)
{
    struct rows rows = {.count = 0};
    (void)state;
    put_account(&rows, 77, true, true, 1000, 500, 600);
    put_account(&rows, 77, true, false, 1001, 400, 700);
    put_account(&rows, 0, false, false, 1001, 1, 1); /* of streams without room: no stream */
    put_account(&rows, 5, false, true, 1002, 8, 9);
    char *text = filled(ch_fill_accounts, &rows, false,
                        "SELECT id, coalesce(sensor, '-'), coalesce(worker, '-'), coalesce(start, '-'), hex(address),"
                        " port, verified, first, last, coalesce(ahead, '-') FROM streams ORDER BY id");
    assert_string_equal(text, "5 - - - C0000209 4000 1 8 9 -\n77 7 2 1700000000 C0000209 4000 1 400 700 -3\n");
    free(text);
    text = filled(ch_fill_accounts, &rows, false, "SELECT * FROM minutes WHERE stream <> 77 ORDER BY minute");
    assert_string_equal(text, "1001 0 100 101 102 103 104 105 106 107 108 109 110 111 112 113\n"
                              "1002 5 100 101 102 103 104 105 106 107 108 109 110 111 112 113\n");
    free(text);
    text = filled(ch_fill_accounts, &rows, false, "SELECT * FROM sensor_minutes ORDER BY minute");
    assert_string_equal(text, "1000 77 200 201 202 203 204 205 206 207 208\n"
                              "1002 5 200 201 202 203 204 205 206 207 208\n");
    free(text);
    cut_anywhere(ch_fill_accounts, &rows);
    free(rows.bytes.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(news), cmocka_unit_test(lookups),
                                       cmocka_unit_test(accounts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
