/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/ch_schema.h"

#include <stdarg.h>
#include <string.h>

enum { COLUMNS_MAX = 48, STATEMENT = 8192, TYPE = 96 };

struct column {
    const char *name, *type;
    const char *codec; /* NULL: the server's */
};

enum engine { ENGINE_PLAIN, ENGINE_SUMS, ENGINE_LATEST };

struct table {
    const char *name;
    enum engine engine;
    const char *partition; /* NULL: none */
    const char *order;
    const char *ttl;     /* NULL: it stays */
    const char *indexes; /* NULL: none */
    struct column columns[COLUMNS_MAX];
};

#define NAME_TYPE  "String"
#define SUM(type)  "SimpleAggregateFunction(sum, " type ")"
#define LEAST      "SimpleAggregateFunction(min, DateTime('UTC'))"
#define MOST       "SimpleAggregateFunction(max, DateTime('UTC'))"
#define LAST(type) "SimpleAggregateFunction(anyLast, " type ")"

/* What sums are about. `day` is that of the receipt, so that a batch is in one partition, whatever a sensor's clock. */
#define HOURS                                                                                          \
    {                                                                                                  \
        {"day", "Date", NULL}, {"hour", "DateTime('UTC')", "Delta, ZSTD"}, {"client", "IPv6", "ZSTD"}, \
            {"resolver", "IPv6", "ZSTD"}, {"qtype", "UInt16", NULL}, {"rcode", "UInt16", NULL},        \
            {"rname", NAME_TYPE, "ZSTD"}, {"count", SUM("UInt64"), "T64, ZSTD"},                       \
            {"scaled", SUM("UInt64"), "T64, ZSTD"}, {"first", LEAST, "Delta, ZSTD"},                   \
        {                                                                                              \
            "last", MOST, "Delta, ZSTD"                                                                \
        }                                                                                              \
    }

/* `address` is that of A and AAAA, else ::. */
#define PDNS                                                                                   \
    {                                                                                          \
        {"rname", NAME_TYPE, "ZSTD"}, {"rrtype", "UInt16", NULL}, {"rdata", "String", "ZSTD"}, \
            {"address", "IPv6", "ZSTD"}, {"count", SUM("UInt64"), "T64, ZSTD"},                \
            {"scaled", SUM("UInt64"), "T64, ZSTD"}, {"first", LEAST, "Delta, ZSTD"},           \
        {                                                                                      \
            "last", MOST, "Delta, ZSTD"                                                        \
        }                                                                                      \
    }

static const struct table tables[CH_TABLES] = {
    [CH_LOOKUPS] = {"lookups",
                    ENGINE_PLAIN,
                    "day",
                    "(client, rname, time)",
                    "day + INTERVAL 14 DAY",
                    "INDEX name_index rname TYPE bloom_filter GRANULARITY 4,"
                    " INDEX time_index time TYPE minmax GRANULARITY 1",
                    {{"batch", "LowCardinality(String)", NULL},
                     {"day", "Date", NULL},
                     {"time", "DateTime64(6, 'UTC')", "Delta, ZSTD"},
                     {"sensor", "UInt32", NULL},
                     {"worker", "UInt8", NULL},
                     {"client", "IPv6", "ZSTD"},
                     {"client_port", "UInt16", NULL},
                     {"resolver", "IPv6", "ZSTD"},
                     {"qtype", "UInt16", NULL},
                     {"rcode", "UInt16", NULL},
                     {"rname", NAME_TYPE, "ZSTD"},
                     {"cnames", "Array(String)", "ZSTD"},
                     {"addresses", "Array(IPv6)", "ZSTD"},
                     {"min_ttl", "UInt32", NULL},
                     {"flags", "UInt16", NULL},
                     {"rate", "UInt32", NULL}}},
    [CH_LOOKUPS_BY_NAME] = {"lookups_by_name", ENGINE_SUMS, "day", "(rname, client, resolver, qtype, rcode, hour)",
                            "day + INTERVAL 400 DAY", NULL, HOURS},
    [CH_LOOKUPS_BY_CLIENT] = {"lookups_by_client", ENGINE_SUMS, "day", "(client, rname, resolver, qtype, rcode, hour)",
                              "day + INTERVAL 400 DAY", NULL, HOURS},
    [CH_PDNS] = {"pdns", ENGINE_SUMS, NULL, "(rname, rrtype, rdata, address)", NULL, NULL, PDNS},
    [CH_PDNS_BY_RDATA] = {"pdns_by_rdata", ENGINE_SUMS, NULL, "(address, rdata, rname, rrtype)", NULL, NULL, PDNS},
    [CH_ACCOUNTS] = {"accounts",
                     ENGINE_SUMS,
                     "day",
                     "(feed, stream, minute)",
                     "day + INTERVAL 400 DAY",
                     NULL,
                     {{"feed", "LowCardinality(String)", NULL},
                      {"day", "Date", NULL},
                      {"stream", "UInt64", NULL},
                      {"minute", "DateTime('UTC')", "Delta, ZSTD"},
                      {"has_trailer", LAST("UInt8"), NULL},
                      {"sensor", LAST("UInt32"), NULL},
                      {"worker", LAST("UInt8"), NULL},
                      {"start", LAST("UInt32"), NULL},
                      {"address", LAST("IPv6"), NULL},
                      {"port", LAST("UInt16"), NULL},
                      {"verified", LAST("UInt8"), NULL},
                      {"has_ahead", LAST("UInt8"), NULL},
                      {"ahead", LAST("Int64"), NULL},
                      {"first", LEAST, NULL},
                      {"last", MOST, NULL},
                      {"has_told", "SimpleAggregateFunction(max, UInt8)", NULL},
#define COLUMN(name) {name, SUM("Int64"), NULL},
                      COLUMN("datagrams") COLUMN("records") COLUMN("statistics") COLUMN("network") COLUMN("here")
                          COLUMN("down") COLUMN("ring") COLUMN("interface") COLUMN("send") COLUMN("made")
                              COLUMN("beside") COLUMN("memory") COLUMN("journal") COLUMN("expired")
                                  COLUMN("told_frames") COLUMN("told_delivered") COLUMN("told_refused")
                                      COLUMN("told_held") COLUMN("told_messages") COLUMN("told_answered")
                                          COLUMN("told_unfit") COLUMN("told_records") COLUMN("told_sets")
#undef COLUMN
                     }},
    [CH_STREAMS] = {"streams",
                    ENGINE_LATEST,
                    NULL,
                    "(feed, stream)",
                    NULL,
                    NULL,
                    {{"feed", "LowCardinality(String)", NULL},
                     {"stream", "UInt64", NULL},
                     {"position", "UInt64", NULL},
                     {"state", "String", "ZSTD"},
                     {"told", "String", NULL}}},
    [CH_BATCHES] = {"batches",
                    ENGINE_PLAIN,
                    NULL,
                    "(feed, position)",
                    NULL,
                    NULL,
                    {{"feed", "LowCardinality(String)", NULL},
                     {"batch", "String", NULL},
                     {"position", "UInt64", NULL},
                     {"since", "DateTime('UTC')", NULL},
                     {"until", "DateTime('UTC')", NULL},
                     {"datagrams", "UInt64", NULL},
                     {"records", "UInt64", NULL},
                     {"totals", "Array(UInt64)", NULL},
                     {"no_room", "Array(UInt64)", NULL}}},
};

const char *const ch_table_names[CH_TABLES] = {"lookups",       "lookups_by_name", "lookups_by_client", "pdns",
                                               "pdns_by_rdata", "accounts",        "streams",           "batches"};

const char *ch_schema_column(enum ch_table table, size_t index)
{
    return index < COLUMNS_MAX ? tables[table].columns[index].name : NULL;
}

void ch_schema_columns(enum ch_table table, char *text, size_t size)
{
    size_t i, used = 0;
    const char *name;
    for (i = 0; used < size && (name = ch_schema_column(table, i)); i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
}

/* ---- types ---- */

/* What stands behind `before` in a type, up to its last bracket; NULL: it is another. */
static bool cut(char *type, const char *before)
{
    size_t len = strlen(before), all = strlen(type);
    if (strncmp(type, before, len) != 0)
        return false;
    type[all - 1] = '\0';
    memmove(type, type + len, all - len);
    return true;
}

/* Types whose values are the same bytes. */
static void make_old(char *type, size_t size)
{
    static const char *const others[][2] = {
        {"DateTime64(6, 'UTC')", "Int64"}, {"IPv6", "FixedString(16)"}, {"Array(IPv6)", "Array(FixedString(16))"}};
    size_t i;
    if (cut(type, "SimpleAggregateFunction(")) {
        const char *of = strstr(type, ", ");
        memmove(type, of + 2, strlen(of + 2) + 1);
    }
    (void)cut(type, "LowCardinality(");
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(type, others[i][0]) == 0) {
            snprintf(type, size, "%s", others[i][1]);
            return;
        }
}

void ch_schema_type(const struct ch_dialect *dialect, enum ch_table table, size_t index, char *text, size_t size)
{
    snprintf(text, size, "%s", tables[table].columns[index].type);
    if (dialect->is_old)
        make_old(text, size);
}

/* ---- statements ---- */

struct statement {
    char text[STATEMENT];
    size_t len;
};

static void add(struct statement *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct statement *s, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (s->len < sizeof(s->text))
        s->len += (size_t)vsnprintf(s->text + s->len, sizeof(s->text) - s->len, format, list);
    va_end(list);
}

static void add_columns(struct statement *s, const struct ch_dialect *d, enum ch_table at)
{
    const struct table *t = &tables[at];
    char type[TYPE];
    size_t i;
    for (i = 0; i < COLUMNS_MAX && t->columns[i].name; i++) {
        ch_schema_type(d, at, i, type, sizeof(type));
        add(s, "%s\n  `%s` %s", i ? "," : "", t->columns[i].name, type);
        if (t->columns[i].codec && !d->is_old)
            add(s, " CODEC(%s)", t->columns[i].codec);
    }
    if (t->indexes && !d->is_old)
        add(s, ",\n  %s", t->indexes);
}

static void add_engine(struct statement *s, const struct ch_dialect *d, const struct table *t)
{
    static const char *const engines[] = {
        [ENGINE_PLAIN] = "MergeTree", [ENGINE_SUMS] = "AggregatingMergeTree", [ENGINE_LATEST] = "ReplacingMergeTree"};
    bool is_plain = d->is_old && t->engine == ENGINE_SUMS; /* who reads sums it up */
    bool is_replicated = d->cluster || d->has_replicas, is_latest = t->engine == ENGINE_LATEST;
    add(s, "\nENGINE = %s%s(", is_replicated ? "Replicated" : "", is_plain ? "MergeTree" : engines[t->engine]);
    if (is_replicated)
        add(s, "'/clickhouse/tables/{shard}/%s/%s', '{replica}'%s", d->database, t->name, is_latest ? ", " : "");
    add(s, "%s)", is_latest ? "position" : "");
    if (t->partition)
        add(s, "\nPARTITION BY %s", t->partition);
    add(s, "\nORDER BY %s", t->order);
    if (t->ttl && !d->is_old)
        add(s, "\nTTL %s", t->ttl);
    if (!d->is_old)
        add(s, "\nSETTINGS %s = 10000",
            is_replicated ? "replicated_deduplication_window_seconds = 604800, replicated_deduplication_window"
                          : "non_replicated_deduplication_window");
}

static int put_table(const struct ch_dialect *d, enum ch_table at, ch_put *put, void *context, struct error *err)
{
    struct statement s = {.len = 0};
    const struct table *t = &tables[at];
    add(&s, "CREATE TABLE IF NOT EXISTS `%s`.`%s`", d->database, t->name);
    if (d->cluster && !d->is_old)
        add(&s, " ON CLUSTER '%s'", d->cluster);
    add(&s, " (");
    add_columns(&s, d, at);
    add(&s, "\n)");
    add_engine(&s, d, t);
    return put(context, s.text, err);
}

/* What asks all shards. */
static int put_all(const struct ch_dialect *d, enum ch_table at, ch_put *put, void *context, struct error *err)
{
    struct statement s = {.len = 0};
    add(&s, "CREATE TABLE IF NOT EXISTS `%s`.`%s_all`%s%s%s AS `%s`.`%s`\nENGINE = Distributed('%s', '%s', '%s')",
        d->database, tables[at].name, d->is_old ? "" : " ON CLUSTER '", d->is_old ? "" : d->cluster,
        d->is_old ? "" : "'", d->database, tables[at].name, d->cluster, d->database, tables[at].name);
    return put(context, s.text, err);
}

int ch_schema_statements(const struct ch_dialect *dialect, ch_put *put, void *context, struct error *err)
{
    struct statement s = {.len = 0};
    int result, at;
    add(&s, "CREATE DATABASE IF NOT EXISTS `%s`", dialect->database);
    if (dialect->cluster && !dialect->is_old)
        add(&s, " ON CLUSTER '%s'", dialect->cluster);
    result = put(context, s.text, err);
    for (at = 0; result == 0 && at < CH_TABLES; at++)
        result = put_table(dialect, (enum ch_table)at, put, context, err);
    for (at = 0; result == 0 && dialect->cluster && at < CH_TABLES; at++)
        result = put_all(dialect, (enum ch_table)at, put, context, err);
    return result;
}
