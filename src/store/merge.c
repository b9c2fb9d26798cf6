/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several partitions into one: all of them are read in order side by side, names, addresses and kinds first, which get
 * new numbers, then the rows, of which those of the same numbers become one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/folded.h"
#include "store/merge_plan.h"

enum { TABLES = 3, NAMES = 0, ADDRESSES = 1, KINDS = 2 };

/* A partition that is read: where it stands in the table at hand. */
struct input {
    sqlite3 *db;
    sqlite3_stmt *at; /* NULL: the table has ended */
    int64_t base;
    uint32_t *numbers[TABLES]; /* old number - 1 -> new number */
    uint32_t counts[TABLES];
    uint32_t next; /* number of the row at hand of a table, from 0 */
    struct builder_row row;
};

struct merge {
    struct input inputs[PARTITION_MERGE_MAX];
    size_t count;
    struct builder builder;
    struct merge_plan plan;
    enum { MERGE_ALL, MERGE_PLANS, MERGE_PLANNED } stage; /* without a plan; makes one; by it */
};

static const char *const table_names[TABLES] = {"names", "addresses", "kinds"};

/* ---- opening ---- */

static int open_input(struct input *in, const char *folder, const struct partition *p, struct error *err)
{
    char path[512], query[64];
    int64_t count;
    int i;
    if (snprintf(path, sizeof(path), "%s/%s", folder, p->file) >= (int)sizeof(path))
        return error_set(err, "%s: the path is too long", folder);
    if (sql_open(path, SQL_SEALED, &in->db, err) != 0 ||
        sql_number(in->db, "SELECT value FROM part WHERE key = 'base'", 0, &in->base, err) != 0)
        return -1;
    for (i = 0; i < TABLES; i++) {
        snprintf(query, sizeof(query), "SELECT max(id) FROM %s", table_names[i]);
        if (sql_number(in->db, query, 0, &count, err) != 0)
            return -1;
        if (count < 0 || count > UINT32_MAX / 8)
            return error_set(err, "%s: has too many %s", p->file, table_names[i]);
        in->counts[i] = (uint32_t)count;
        in->numbers[i] = calloc((size_t)count + 1, sizeof(*in->numbers[i]));
        if (!in->numbers[i])
            return error_set(err, "lookups: out of memory");
    }
    return 0;
}

static void close_merge(struct merge *m)
{
    size_t i;
    int k;
    for (i = 0; i < m->count; i++) {
        sqlite3_finalize(m->inputs[i].at);
        sqlite3_close(m->inputs[i].db);
        for (k = 0; k < TABLES; k++)
            free(m->inputs[i].numbers[k]);
    }
}

/* To the next row of the table at hand; behind the last one `at` is NULL. */
static int advance(struct input *in, struct error *err)
{
    int result = sql_step(in->at, err);
    if (result == 1)
        return 0;
    sqlite3_finalize(in->at);
    in->at = NULL;
    return result;
}

/* All inputs to the first row of what the query gives. */
static int begin(struct merge *m, const char *query, struct error *err)
{
    size_t i;
    for (i = 0; i < m->count; i++) {
        m->inputs[i].next = 0;
        if (sql_prepare(m->inputs[i].db, query, &m->inputs[i].at, err) != 0 || advance(&m->inputs[i], err) != 0)
            return -1;
    }
    return 0;
}

/* ---- names, addresses, kinds ---- */

static int compare_bytes(const struct input *a, const struct input *b)
{
    int a_len = sqlite3_column_bytes(a->at, 0), b_len = sqlite3_column_bytes(b->at, 0);
    int least = a_len < b_len ? a_len : b_len;
    int order = least > 0 ? memcmp(sqlite3_column_blob(a->at, 0), sqlite3_column_blob(b->at, 0), (size_t)least) : 0;
    return order != 0 ? order : a_len < b_len ? -1 : a_len > b_len;
}

/* A kind with the resolver's new number. */
static uint64_t kind_of(const struct input *in)
{
    uint64_t old = (uint64_t)sqlite3_column_int64(in->at, 0);
    uint64_t resolver = old >= 1 && old <= in->counts[ADDRESSES] ? in->numbers[ADDRESSES][old - 1] : 0;
    return resolver << 32 | (uint64_t)(sqlite3_column_int(in->at, 1) & 0xffff) << 16 |
           (uint64_t)(sqlite3_column_int(in->at, 2) & 0xffff);
}

static int compare_kinds(const struct input *a, const struct input *b)
{
    uint64_t x = kind_of(a), y = kind_of(b);
    return x < y ? -1 : x > y;
}

static int put_name(struct merge *m, uint32_t number, const char *rname, size_t len, struct error *err)
{
    char text[RNAME_TEXT];
    if (m->stage == MERGE_ALL)
        return builder_name(&m->builder, rname, len, err);
    snprintf(text, sizeof(text), "%.*s", (int)len, rname);
    return m->stage == MERGE_PLANS ? plan_name(&m->plan, text, err)
                                   : plan_write_name(&m->plan, number, text, &m->builder, err);
}

static int put(struct merge *m, int table, uint32_t number, const struct input *in, struct error *err)
{
    const void *bytes = table == KINDS ? NULL : sqlite3_column_blob(in->at, 0);
    size_t len = table == KINDS ? 0 : (size_t)sqlite3_column_bytes(in->at, 0);
    if (table == NAMES)
        return put_name(m, number, len > 0 ? bytes : "", len, err);
    if (m->stage == MERGE_PLANS)
        return 0;
    if (table == ADDRESSES)
        return builder_address(&m->builder, bytes, len, err);
    uint64_t kind = kind_of(in);
    return builder_kind(&m->builder, (uint32_t)(kind >> 32), (uint16_t)(kind >> 16), (uint16_t)kind, err);
}

/* The input that stands at the least; NULL: all have ended. */
static struct input *find_least(struct merge *m, int (*compare)(const struct input *, const struct input *))
{
    struct input *least = NULL;
    size_t i;
    for (i = 0; i < m->count; i++)
        if (m->inputs[i].at && (!least || compare(&m->inputs[i], least) < 0))
            least = &m->inputs[i];
    return least;
}

/* All that stand at the same as `least` get its new number and go on; `least` last, as it is compared with. */
static int take_equals(struct merge *m, int table, struct input *least, uint32_t number, struct error *err)
{
    int (*compare)(const struct input *, const struct input *) = table == KINDS ? compare_kinds : compare_bytes;
    size_t i;
    for (i = 0; i <= m->count; i++) {
        struct input *in = i < m->count ? &m->inputs[i] : least;
        if (!in->at || (i < m->count && (in == least || compare(in, least) != 0)))
            continue;
        if (in->next < in->counts[table])
            in->numbers[table][in->next++] = number;
        if (advance(in, err) != 0)
            return -1;
    }
    return 0;
}

static int merge_table(struct merge *m, int table, struct error *err)
{
    static const char *const queries[TABLES] = {"SELECT rname FROM names ORDER BY id",
                                                "SELECT address FROM addresses ORDER BY id",
                                                "SELECT resolver, type, rcode FROM kinds ORDER BY id"};
    struct input *least;
    uint32_t number = 0;
    if (begin(m, queries[table], err) != 0)
        return -1;
    while ((least = find_least(m, table == KINDS ? compare_kinds : compare_bytes)))
        if (put(m, table, ++number, least, err) != 0 || take_equals(m, table, least, number, err) != 0)
            return -1;
    return table == NAMES && m->stage == MERGE_PLANNED ? plan_end_names(&m->plan, &m->builder, err) : 0;
}

/* ---- rows ---- */

static uint32_t renumber(const struct input *in, int table, int column)
{
    int64_t old = sqlite3_column_int64(in->at, column);
    return old >= 1 && old <= in->counts[table] ? in->numbers[table][old - 1] : 0;
}

static void read_row(struct input *in)
{
    int64_t count = sqlite3_column_int64(in->at, 3), first = sqlite3_column_int64(in->at, 5) + in->base;
    in->row = (struct builder_row){.client = renumber(in, ADDRESSES, 0),
                                   .name = renumber(in, NAMES, 1),
                                   .kind = renumber(in, KINDS, 2),
                                   .count = (uint64_t)count,
                                   .scaled = sqlite3_column_type(in->at, 4) == SQLITE_NULL
                                                 ? (uint64_t)count
                                                 : (uint64_t)sqlite3_column_int64(in->at, 4),
                                   .first = first,
                                   .last = first + sqlite3_column_int64(in->at, 6)};
}

static int compare_rows(const struct input *a, const struct input *b)
{
    const struct builder_row *x = &a->row, *y = &b->row;
    if (x->client != y->client)
        return x->client < y->client ? -1 : 1;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    return x->kind < y->kind ? -1 : x->kind > y->kind;
}

static int next_row(struct input *in, struct error *err)
{
    if (advance(in, err) != 0)
        return -1;
    if (in->at)
        read_row(in);
    return 0;
}

static int put_row(struct merge *m, const struct builder_row *row, struct error *err)
{
    if (row->client == 0 || row->name == 0 || row->kind == 0) /* of a damaged file */
        return error_set(err, "lookups: a row is of a client, name or kind that is not there");
    if (m->stage == MERGE_ALL)
        return builder_row(&m->builder, row, err);
    return m->stage == MERGE_PLANS ? plan_row(&m->plan, row, err) : plan_write_row(&m->plan, row, &m->builder, err);
}

static int merge_rows(struct merge *m, struct error *err)
{
    struct input *least;
    size_t i;
    if (begin(m, "SELECT client, name, kind, count, scaled, first, span FROM rows ORDER BY client, name, kind", err) !=
        0)
        return -1;
    for (i = 0; i < m->count; i++)
        if (m->inputs[i].at)
            read_row(&m->inputs[i]);
    while ((least = find_least(m, compare_rows))) {
        struct input sum = {.row = least->row};
        if (next_row(least, err) != 0)
            return -1;
        for (i = 0; i < m->count; i++)
            while (m->inputs[i].at && compare_rows(&m->inputs[i], &sum) == 0) {
                builder_row_add(&sum.row, &m->inputs[i].row);
                if (next_row(&m->inputs[i], err) != 0)
                    return -1;
            }
        if (put_row(m, &sum.row, err) != 0)
            return -1;
    }
    return m->stage == MERGE_PLANNED ? plan_end_rows(&m->plan, &m->builder, err) : 0;
}

/* ---- all of it ---- */

static int merge_tables(struct merge *m, struct error *err)
{
    int table = 0;
    while (table < TABLES && merge_table(m, table, err) == 0)
        table++;
    return table == TABLES ? merge_rows(m, err) : -1;
}

/* Whether there may be too many names of a domain, or of a client: together no more than in each. Returns 1, 0, or -1.
 */
static int may_fold(const struct merge *m, struct error *err)
{
    static const char *const keys[] = {"names of a group", "names of a client"};
    char query[80];
    size_t i, k;
    for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        uint64_t all = 0;
        snprintf(query, sizeof(query), "SELECT value FROM part WHERE key = '%s'", keys[k]);
        for (i = 0; i < m->count; i++) {
            int64_t most;
            if (sql_number(m->inputs[i].db, query, m->inputs[i].counts[NAMES], &most, err) != 0)
                return -1;
            all += most > 0 ? (uint64_t)most : 0;
        }
        if (all > FOLD_NAMES)
            return 1;
    }
    return 0;
}

/* All of it is read first where names may have to be folded. */
static int make_plan(struct merge *m, struct error *err)
{
    int is_needed = may_fold(m, err);
    if (is_needed <= 0)
        return is_needed;
    m->stage = MERGE_PLANS;
    if (plan_open(&m->plan, FOLD_NAMES, err) != 0 || merge_tables(m, err) != 0 || plan_decide(&m->plan, err) != 0)
        return -1;
    m->stage = m->plan.rests_count > 0 ? MERGE_PLANNED : MERGE_ALL;
    return 0;
}

static int merge_opened(struct merge *m, const char *folder, struct partition *out, int64_t base, struct error *err)
{
    int result = make_plan(m, err);
    if (result == 0)
        result = builder_open(&m->builder, folder, out, base, err);
    if (result == 0) {
        result = merge_tables(m, err) == 0 ? builder_finish(&m->builder, err) : -1;
        builder_close(&m->builder);
    }
    plan_close(&m->plan);
    return result;
}

int partition_merge(const char *folder, const struct partition *inputs, size_t count, struct partition *out,
                    struct error *err)
{
    struct merge m = {.count = 0};
    int64_t base = INT64_MAX;
    size_t i;
    int result = -1;
    out->first_block = inputs[0].first_block;
    out->last_block = inputs[count - 1].last_block;
    out->end = inputs[count - 1].end;
    out->since = INT64_MAX;
    out->until = INT64_MIN;
    for (i = 0; i < count && i < PARTITION_MERGE_MAX; i++) {
        out->since = inputs[i].since < out->since ? inputs[i].since : out->since;
        out->until = inputs[i].until > out->until ? inputs[i].until : out->until;
        m.count++;
        if (open_input(&m.inputs[i], folder, &inputs[i], err) != 0)
            break;
        base = m.inputs[i].base < base ? m.inputs[i].base : base;
    }
    if (i == count)
        result = merge_opened(&m, folder, out, base, err);
    close_merge(&m);
    return result;
}
