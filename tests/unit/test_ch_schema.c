/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tables of the ClickHouse store: statements are whole, inserts have the columns of the tables, and servers of 2018
 * are given types and clauses that they have. */
#include "feed/ch_schema.h"
#include "testing.h"

enum { STATEMENTS = 40, TEXT = 9000 };

struct statements {
    size_t count, most; /* most: refused behind so many */
    char *all[STATEMENTS];
};

static int take(void *context, const char *statement, struct error *err)
{
    struct statements *s = context;
    if (s->count == s->most)
        return error_set(err, "enough");
    assert_true(s->count < STATEMENTS);
    s->all[s->count++] = strdup(statement);
    return 0;
}

static struct statements made(const struct ch_dialect *dialect)
{
    struct statements s = {.most = STATEMENTS};
    struct error err;
    assert_int_equal(ch_schema_statements(dialect, take, &s, &err), 0);
    return s;
}

static void free_all(struct statements *s)
{
    while (s->count > 0)
        free(s->all[--s->count]);
}

static const struct ch_dialect dialects[] = {{.database = "d"},
                                             {.database = "d", .cluster = "c"},
                                             {.database = "d", .is_old = true},
                                             {.database = "d", .is_old = true, .cluster = "c"},
                                             {.database = "d", .is_old = true, .has_replicas = true}};

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    while ((text = strstr(text, what))) {
        count++;
        text += strlen(what);
    }
    return count;
}

/* Brackets and quotes are closed: nothing was cut off. */
static void assert_whole(const char *text)
{
    int depth = 0;
    bool is_quoted = false;
    for (const char *c = text; *c; c++) {
        is_quoted ^= *c == '\'';
        depth += is_quoted ? 0 : *c == '(' ? 1 : *c == ')' ? -1 : 0;
        assert_true(depth >= 0);
    }
    assert_true(depth == 0 && !is_quoted);
    assert_int_equal(count_of(text, "`") % 2, 0);
    assert_null(strstr(text, "(null)"));
    assert_null(strchr(text, ';'));
    assert_true(strlen(text) < 8000); /* far from the room that there is */
}

static void test_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(dialects); i++) {
        struct statements s = made(&dialects[i]);
        assert_int_equal(s.count, 1 + CH_TABLES + (dialects[i].cluster ? CH_TABLES : 0));
        assert_int_equal(strncmp(s.all[0], "CREATE DATABASE IF NOT EXISTS `d`", 33), 0);
        for (size_t k = 0; k < s.count; k++)
            assert_whole(s.all[k]);
        for (size_t k = 0; k < CH_TABLES; k++) {
            char begin[100];
            snprintf(begin, sizeof(begin), "CREATE TABLE IF NOT EXISTS `d`.`%s`", ch_table_names[k]);
            assert_int_equal(strncmp(s.all[1 + k], begin, strlen(begin)), 0);
            assert_int_equal(count_of(s.all[1 + k], "\nENGINE = "), 1);
            assert_int_equal(count_of(s.all[1 + k], "\nORDER BY ("), 1);
            snprintf(begin, sizeof(begin), "CREATE TABLE IF NOT EXISTS `d`.`%s_all`", ch_table_names[k]);
            if (dialects[i].cluster)
                assert_int_equal(strncmp(s.all[1 + CH_TABLES + k], begin, strlen(begin)), 0);
        }
        free_all(&s);
    }
}

/* What an insert names is what the table has, in that order. */
static void test_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(dialects); i++) {
        struct statements s = made(&dialects[i]);
        for (size_t k = 0; k < CH_TABLES; k++) {
            char columns[TEXT], text[TEXT] = "", type[200], line[400];
            const char *at = s.all[1 + k], *name;
            size_t used = 0, column;
            for (column = 0; (name = ch_schema_column((enum ch_table)k, column)); column++) {
                ch_schema_type(&dialects[i], (enum ch_table)k, column, type, sizeof(type));
                assert_true(strlen(type) > 0);
                snprintf(line, sizeof(line), "\n  `%s` %s", name, type);
                at = strstr(at, line); /* behind the one before */
                if (!at)
                    fail_msg("%s: no %s", ch_table_names[k], line);
                at += strlen(line);
                assert_true(*at == ',' || *at == '\n' || strncmp(at, " CODEC(", 7) == 0);
                used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", column ? ", " : "", name);
            }
            ch_schema_columns((enum ch_table)k, columns, sizeof(columns));
            assert_string_equal(columns, text);
            assert_int_equal(count_of(s.all[1 + k], "\n  `"), column);
            assert_true(column > 4);
        }
        free_all(&s);
    }
}

/* What tables are ordered and cut by are columns of theirs. */
static void test_keys_are_columns(void **state)
{
    (void)state;
    struct statements s = made(&dialects[0]);
    for (size_t k = 0; k < CH_TABLES; k++) {
        char key[200];
        const char *at = strstr(s.all[1 + k], "\nORDER BY (") + 11;
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(at, ")"), at);
        for (char *next = key, *one; (one = strsep(&next, ","));) {
            char column[100];
            snprintf(column, sizeof(column), "\n  `%s` ", one + strspn(one, " "));
            if (!strstr(s.all[1 + k], column))
                fail_msg("%s is ordered by %s", ch_table_names[k], one);
        }
        if (strstr(s.all[1 + k], "\nPARTITION BY "))
            assert_non_null(strstr(s.all[1 + k], "\nPARTITION BY day\n"));
        if (strstr(s.all[1 + k], " day") || strstr(s.all[1 + k], "PARTITION"))
            assert_non_null(strstr(s.all[1 + k], "\n  `day` Date"));
    }
    free_all(&s);
}

static void test_old_dialect(void **state)
{
    (void)state;
    static const char *const newer[] = {
        "LowCardinality", "SimpleAggregateFunction", "DateTime64", "IPv6", "CODEC", "INDEX", "TTL", "SETTINGS",
        "ON CLUSTER"};
    static const struct {
        enum ch_table table;
        const char *column, *type, *old;
    } all[] = {{CH_LOOKUPS, "batch", "LowCardinality(String)", "String"},
               {CH_LOOKUPS, "time", "DateTime64(6, 'UTC')", "Int64"},
               {CH_LOOKUPS, "client", "IPv6", "FixedString(16)"},
               {CH_LOOKUPS, "addresses", "Array(IPv6)", "Array(FixedString(16))"},
               {CH_LOOKUPS, "cnames", "Array(String)", "Array(String)"},
               {CH_LOOKUPS, "day", "Date", "Date"},
               {CH_PDNS, "count", "SimpleAggregateFunction(sum, UInt64)", "UInt64"},
               {CH_PDNS, "first", "SimpleAggregateFunction(min, DateTime('UTC'))", "DateTime('UTC')"},
               {CH_ACCOUNTS, "has_trailer", "SimpleAggregateFunction(anyLast, UInt8)", "UInt8"},
               {CH_ACCOUNTS, "address", "SimpleAggregateFunction(anyLast, IPv6)", "FixedString(16)"},
               {CH_BATCHES, "totals", "Array(UInt64)", "Array(UInt64)"}};
    for (size_t i = 0; i < LEN(dialects); i++) {
        struct statements s = made(&dialects[i]);
        for (size_t k = 0; dialects[i].is_old && k < s.count; k++)
            for (size_t w = 0; w < LEN(newer); w++)
                if (strstr(s.all[k], newer[w]))
                    fail_msg("%s in %s", newer[w], s.all[k]);
        free_all(&s);
        for (size_t k = 0; k < LEN(all); k++) {
            char type[200] = "";
            const char *name;
            for (size_t c = 0; (name = ch_schema_column(all[k].table, c)); c++)
                if (strcmp(name, all[k].column) == 0)
                    ch_schema_type(&dialects[i], all[k].table, c, type, sizeof(type));
            assert_string_equal(type, dialects[i].is_old ? all[k].old : all[k].type);
        }
    }
}

static void test_engines(void **state)
{
    (void)state;
    struct statements one = made(&dialects[0]), cluster = made(&dialects[1]), replicas = made(&dialects[4]);
    assert_non_null(strstr(one.all[1 + CH_LOOKUPS], "\nENGINE = MergeTree()"));
    assert_non_null(strstr(one.all[1 + CH_PDNS], "\nENGINE = AggregatingMergeTree()"));
    assert_non_null(strstr(one.all[1 + CH_STREAMS], "\nENGINE = ReplacingMergeTree(position)"));
    assert_non_null(strstr(one.all[1 + CH_LOOKUPS], "\nSETTINGS non_replicated_deduplication_window = 10000"));
    assert_non_null(strstr(one.all[1 + CH_LOOKUPS], "\nTTL day + INTERVAL 14 DAY"));
    for (size_t k = 0; k < CH_TABLES; k++) {
        char path[100];
        snprintf(path, sizeof(path), "MergeTree('/clickhouse/tables/{shard}/d/%s', '{replica}'", ch_table_names[k]);
        assert_non_null(strstr(cluster.all[1 + k], " ON CLUSTER 'c' ("));
        assert_non_null(strstr(cluster.all[1 + k], path));
        assert_non_null(strstr(replicas.all[1 + k], path));
        assert_null(strstr(one.all[1 + k], "Replicated"));
        snprintf(path, sizeof(path), "\nENGINE = Distributed('c', 'd', '%s')", ch_table_names[k]);
        assert_non_null(strstr(cluster.all[1 + CH_TABLES + k], path));
    }
    assert_non_null(strstr(replicas.all[1 + CH_PDNS], "\nENGINE = ReplicatedMergeTree(")); /* who reads sums it up */
    free_all(&one);
    free_all(&cluster);
    free_all(&replicas);
}

/* What who takes the statements returns ends it, at each of them. */
static void test_ends(void **state)
{
    (void)state;
    for (size_t most = 0; most < 1 + 2 * CH_TABLES; most++) {
        struct statements s = {.most = most};
        struct error err = {""};
        assert_int_equal(ch_schema_statements(&dialects[1], take, &s, &err), -1);
        assert_string_equal(err.text, "enough");
        assert_int_equal(s.count, most);
        free_all(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),       cmocka_unit_test(test_columns), cmocka_unit_test(test_keys_are_columns),
        cmocka_unit_test(test_old_dialect), cmocka_unit_test(test_engines), cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
