/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which names, clients and the like had most lookups: of what each partition keeps of its own tops, where all of it is
 * of the time that is asked for; else of its rows. */
#include <stdio.h>
#include <string.h>

#include "query/lookups.h"
#include "record/field.h"
#include "store/domain_walk.h"
#include "store/summary.h"

static const struct answer_column columns[] = {{"what", CELL_TEXT, NULL},    {"value", CELL_TEXT, NULL},
                                               {"count", CELL_NUMBER, NULL}, {"error", CELL_NUMBER, NULL},
                                               {"first", CELL_TIME, NULL},   {"last", CELL_TIME, NULL}};

#define TOP_ROWS(value, join, group)                                                                          \
    "SELECT " value ", sum(rows.count), min(rows.first), max(rows.first + rows.span) - min(rows.first) FROM " \
    "rows " join " WHERE rows.first + rows.span >= ?1 AND rows.first < ?2 GROUP BY " group

static const struct top {
    const char *what;
    const char *rows;                                                 /* value, count, first, span */
    const char *(*word)(uint64_t number, char room[FIELD_WORD_SIZE]); /* of numbers */
} tops[] = {
    {"names", TOP_ROWS("n.rname", "JOIN names n ON n.id = rows.name", "rows.name"), NULL},
    {"domains", TOP_ROWS("n.rname", "JOIN names n ON n.id = rows.name", "rows.name"), NULL},
    {"clients", TOP_ROWS("c.address", "JOIN addresses c ON c.id = rows.client", "rows.client"), NULL},
    {"resolvers",
     TOP_ROWS("r.address", "JOIN kinds k ON k.id = rows.kind JOIN addresses r ON r.id = k.resolver", "k.resolver"),
     NULL},
    {"types", TOP_ROWS("k.type", "JOIN kinds k ON k.id = rows.kind", "k.type"), field_type_word},
    {"rcodes", TOP_ROWS("k.rcode", "JOIN kinds k ON k.id = rows.kind", "k.rcode"), field_rcode_word},
};

enum { TOPS = sizeof(tops) / sizeof(tops[0]), DOMAINS = 1 };

static const struct top *find_top(const char *what)
{
    size_t i;
    for (i = 0; i < TOPS; i++)
        if (strcmp(what, tops[i].what) == 0)
            return &tops[i];
    return NULL;
}

int top_check(const char *what, struct error *err)
{
    char all[100] = "";
    size_t i, used = 0;
    if (find_top(what))
        return 0;
    for (i = 0; i < TOPS && used < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", tops[i].what);
    return error_set(err, "expected one of: %s", all);
}

/* ---- gathering ---- */

/* `least`: how many lookups of it a partition may have that does not keep it among its tops; of those partitions that
 * do, which are to be taken off the sum of all. */
static const char schema[] = "CREATE TABLE found(value PRIMARY KEY, count INT, first INT, last INT, least INT)"
                             " WITHOUT ROWID; BEGIN";

struct gather {
    struct kept *kept;
    const struct ask *ask;
    const struct top *top;
    struct domains *domains; /* where names become these */
    struct domain_walk walk;
    sqlite3 *found;
    sqlite3_stmt *into;
    int64_t least; /* of all partitions */
    bool is_over;
};

/* A thing, whose value has been bound; times are Unix seconds. Outside the time it is none. */
static int add(struct gather *g, int64_t count, int64_t first, int64_t last, int64_t least, struct error *err)
{
    if (!ask_wants(g->ask, first, last))
        return 0;
    sqlite3_bind_int64(g->into, 2, count);
    sqlite3_bind_int64(g->into, 3, first);
    sqlite3_bind_int64(g->into, 4, last);
    sqlite3_bind_int64(g->into, 5, least);
    int done = sql_do(g->into, err);
    g->is_over |= lookups_are_too_many(g->kept, g->found);
    return done;
}

/* A name, or its domain. */
static void bind_name(struct gather *g, const char *rname)
{
    size_t len = g->domains ? domain_walk_len(&g->walk, g->domains, rname, NULL) : strlen(rname);
    sqlite3_bind_text(g->into, 1, rname, (int)len, SQLITE_TRANSIENT);
}

static int gather_rows(struct gather *g, sqlite3_stmt *s, bool has_names, int64_t base, int64_t least,
                       struct error *err)
{
    int step = 0;
    while (!g->is_over && (step = kept_step(g->kept, s, &g->is_over, err)) == 1) {
        int64_t first = time_later(sqlite3_column_int64(s, 2), base);
        int64_t last = time_later(first, sqlite3_column_int64(s, 3));
        const char *rname = has_names ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (has_names)
            bind_name(g, rname ? rname : "");
        else
            sqlite3_bind_value(g->into, 1, sqlite3_column_value(s, 0));
        if (add(g, sqlite3_column_int64(s, 1), first, last, least, err) != 0)
            return -1;
    }
    return g->is_over ? 0 : step;
}

/* The names of a block of sums. */
static int gather_block(struct gather *g, sqlite3_stmt *names, const struct summary_sum *sums, size_t count,
                        int64_t base, struct error *err)
{
    size_t i;
    int step = 0;
    for (i = 0; i < count && (step = kept_step(g->kept, names, &g->is_over, err)) == 1; i++) {
        const char *rname = (const char *)sqlite3_column_text(names, 0);
        if (sums[i].count == 0)
            continue;
        bind_name(g, rname ? rname : "");
        if (add(g, (int64_t)sums[i].count, time_later(sums[i].first, base), time_later(sums[i].last, base), 0, err) !=
            0)
            return -1;
    }
    return step < 0 ? -1 : 0;
}

/* All names with their sums, in place of all rows. */
static int gather_sums(struct gather *g, sqlite3 *partition, int64_t base, struct error *err)
{
    struct summary_sum sums[SUMMARY_NAMES];
    sqlite3_stmt *blocks = NULL, *names = NULL;
    int step = 0;
    if (sql_prepare(partition, "SELECT names FROM sums ORDER BY block", &blocks, err) != 0 ||
        sql_prepare(partition, "SELECT rname FROM names ORDER BY id", &names, err) != 0)
        step = -1;
    while (step == 0 && !g->is_over && (step = sql_step(blocks, err)) == 1) {
        size_t count = summary_read(sqlite3_column_blob(blocks, 0), (size_t)sqlite3_column_bytes(blocks, 0), sums);
        step = gather_block(g, names, sums, count, base, err);
    }
    sqlite3_finalize(blocks);
    sqlite3_finalize(names);
    return step < 0 ? -1 : 0;
}

/* What the partition keeps of its tops. 1: they are *s, 0: it keeps none, or -1. */
static int prepare_tops(struct gather *g, sqlite3 *partition, sqlite3_stmt **s, int64_t *least, struct error *err)
{
    char query[80];
    int64_t left;
    snprintf(query, sizeof(query), "SELECT value FROM part WHERE key = 'left %s'", g->top->what);
    if (sql_number(partition, query, -1, &left, err) != 0)
        return -1;
    if (left < 0)
        return 0;
    *least = left;
    if (sql_prepare(partition, "SELECT key, count, first, span FROM tops WHERE what = ?", s, err) != 0)
        return -1;
    sqlite3_bind_text(*s, 1, g->top->what, -1, SQLITE_STATIC);
    return 1;
}

static int gather_partition(struct gather *g, const struct partition *p, sqlite3 *partition, struct error *err)
{
    bool is_whole = p->record_first >= g->ask->since_s && p->record_last < g->ask->until_s;
    bool wants_all = g->ask->limit == 0 || g->ask->limit > SUMMARY_TOPS, has_names = g->top <= &tops[DOMAINS];
    int64_t base, least = 0, has_sums = 0;
    sqlite3_stmt *s = NULL;
    if (partition_base(partition, &base, err) != 0)
        return -1;
    int has_tops = is_whole && !wants_all ? prepare_tops(g, partition, &s, &least, err) : 0;
    if (has_tops == 0 && has_names && is_whole &&
        sql_number(partition, "SELECT count(*) FROM sqlite_schema WHERE name = 'sums'", 0, &has_sums, err) != 0)
        return -1;
    if (has_sums > 0)
        return gather_sums(g, partition, base, err);
    if (has_tops == 0 && sql_prepare(partition, g->top->rows, &s, err) == 0) {
        sqlite3_bind_int64(s, 1, time_before(g->ask->since_s, base));
        sqlite3_bind_int64(s, 2, time_before(g->ask->until_s, base));
    }
    int done = s ? gather_rows(g, s, has_names && has_tops == 0, base, least, err) : -1;
    g->least += least;
    sqlite3_finalize(s);
    return done;
}

static int forget_found(struct gather *g, struct error *err)
{
    err->text[0] = '\0';
    g->least = 0;
    return sql_run(g->found, "DELETE FROM found", err);
}

static int gather_all(struct gather *g, struct error *err)
{
    size_t i;
    for (i = g->kept->partitions_count; i > 0 && !g->is_over; i--) {
        const struct partition *p = &g->kept->partitions[i - 1];
        sqlite3 *db;
        if (!ask_wants(g->ask, p->record_first, p->record_last))
            continue;
        if (kept_partition(g->kept, i - 1, &db) == 0)
            continue;
        int done = gather_partition(g, p, db, err);
        bool is_damaged = done != 0 && kept_is_damaged(g->kept, i - 1, db, err);
        sqlite3_close(db);
        if (done != 0 && !is_damaged && kept_may_go_on(g->kept))
            return -1;
        g->is_over |= done != 0 && !is_damaged;
        if (is_damaged && forget_found(g, err) != 0) /* what it has given is taken back, with all that is there */
            return -1;
        i = is_damaged ? g->kept->partitions_count + 1 : i;
    }
    return 0;
}

/* ---- the answer ---- */

static void put_top(const struct gather *g, sqlite3_stmt *s, struct answer_output *output)
{
    char word[FIELD_WORD_SIZE], text[NAME_TEXT];
    const char *value = text;
    if (g->top->word) {
        value = g->top->word((uint64_t)sqlite3_column_int64(s, 0), word);
    } else if (sqlite3_column_type(s, 0) == SQLITE_BLOB) {
        value = address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), text);
    } else {
        const char *rname = (const char *)sqlite3_column_text(s, 0);
        (void)rname_to_text(rname ? rname : "", text);
    }
    const struct answer_cell cells[] = {{g->top->what, 0},
                                        {value, 0},
                                        {NULL, sqlite3_column_int64(s, 1)},
                                        {NULL, g->least - sqlite3_column_int64(s, 4)},
                                        {NULL, sqlite3_column_int64(s, 2)},
                                        {NULL, sqlite3_column_int64(s, 3)}};
    answer_row(output, cells);
}

static int put_tops(const struct gather *g, struct answer_output *output, struct ask_result *result, struct error *err)
{
    sqlite3_stmt *s;
    int step = sql_prepare(g->found, "SELECT * FROM found ORDER BY count DESC, last DESC, value", &s, err);
    if (step == 0)
        step = 1;
    while (step == 1 && (step = sql_step(s, err)) == 1) {
        if (g->ask->limit > 0 && result->rows == g->ask->limit) {
            result->is_cut = true;
            break;
        }
        put_top(g, s, output);
        result->rows++;
    }
    sqlite3_finalize(s);
    return step < 0 ? -1 : 0;
}

static int ask_top(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                   struct error *err)
{
    struct gather g = {.kept = kept, .ask = ask, .top = find_top(ask->what[0])};
    int done = -1;
    if (g.top == &tops[DOMAINS] && !(g.domains = domains_create()))
        return error_set(err, "out of memory");
    if (sql_open(":memory:", SQL_WRITE, &g.found, err) == 0 && sql_run(g.found, schema, err) == 0 &&
        sql_prepare(g.found,
                    "INSERT INTO found VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count,"
                    " first = min(first, excluded.first), last = max(last, excluded.last),"
                    " least = least + excluded.least",
                    &g.into, err) == 0 &&
        gather_all(&g, err) == 0)
        done = put_tops(&g, output, result, err);
    result->is_partial |= g.is_over;
    sqlite3_finalize(g.into);
    sqlite3_close(g.found);
    domains_destroy(g.domains);
    return done;
}

const struct question question_top = {"top",
                                      "WHAT: names, domains, clients, resolvers, types or rcodes, most lookups first",
                                      ABOUT_TOP,
                                      PAGES_NONE,
                                      QUESTION_COLUMNS(columns),
                                      ask_top};
