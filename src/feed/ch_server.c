/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/ch_server.h"

#include <inttypes.h>
#include <string.h>

#include "base/options.h"

enum { SQL = 1024, MAJOR = 22, MINOR = 8 };

static int ask(struct ch_client *client, const char *sql, struct rowbinary_reader *answer, struct error *err)
{
    return ch_client_ask(client, sql, answer, err) == CH_DONE ? 0 : -1;
}

static void read_text(struct rowbinary_reader *r, char *text, size_t size)
{
    size_t len;
    const uint8_t *at = rowbinary_read_string(r, &len);
    snprintf(text, size, "%.*s", at ? (int)len : 0, at ? (const char *)at : "");
}

/* ---- version ---- */

static int check_version(struct ch_client *client, struct error *err)
{
    struct rowbinary_reader answer;
    char text[40], numbers[40];
    uint64_t major = 0, minor = 0;
    if (ask(client, "SELECT version() FORMAT RowBinary", &answer, err) != 0)
        return -1;
    read_text(&answer, text, sizeof(text));
    memcpy(numbers, text, sizeof(numbers));
    char *next = numbers;
    const char *first = strsep(&next, "."), *second = next ? strsep(&next, ".") : "";
    if (parse_number(first, 0, 9999, &major, NULL) != 0 || parse_number(second, 0, 9999, &minor, NULL) != 0)
        return error_set(err, "clickhouse: is of a version that is not understood: %s", text);
    if (major < MAJOR || (major == MAJOR && minor < MINOR))
        return error_set(err, "clickhouse: is of version %s; expected %d.%d or later", text, MAJOR, MINOR);
    return 0;
}

/* ---- tables ---- */

static const char advice[] = "\"dnsflow_collect schema clickhouse\" has the tables that are expected";

/* Which of the table's columns that is; -1: none of them. */
static int find_column(const char *table, const char *column, size_t *index)
{
    const char *name;
    int at;
    for (at = 0; at < CH_TABLES && strcmp(ch_table_names[at], table) != 0; at++)
        ;
    for (*index = 0; at < CH_TABLES && (name = ch_schema_column((enum ch_table)at, *index)); ++*index)
        if (strcmp(name, column) == 0)
            return at;
    return -1;
}

static int check_columns(struct ch_client *client, const struct ch_options *o, struct error *err)
{
    const struct ch_dialect dialect = {.database = o->database, .is_old = o->is_old};
    bool has[CH_TABLES][64] = {{false}};
    struct rowbinary_reader answer;
    char sql[SQL], table[64], column[64], type[128], wanted[128];
    const char *name;
    size_t index, seen = 0;
    int at;
    snprintf(sql, sizeof(sql), "SELECT table, name, type FROM system.columns WHERE database = '%s' FORMAT RowBinary",
             o->database);
    if (ask(client, sql, &answer, err) != 0)
        return -1;
    while (answer.at < answer.end && !answer.failed) {
        read_text(&answer, table, sizeof(table));
        read_text(&answer, column, sizeof(column));
        read_text(&answer, type, sizeof(type));
        if ((at = find_column(table, column, &index)) < 0)
            continue;
        ch_schema_type(&dialect, (enum ch_table)at, index, wanted, sizeof(wanted));
        if (strcmp(type, wanted) != 0)
            return error_set(err, "clickhouse: column %s of %s.%s is %s, expected %s: it is of another version; %s",
                             column, o->database, table, type, wanted, advice);
        has[at][index] = true;
        seen++;
    }
    if (seen == 0)
        return error_set(err,
                         "clickhouse: the database %s has no tables of dnsflow; \"dnsflow_collect schema "
                         "clickhouse --apply\" makes them",
                         o->database);
    for (at = 0; at < CH_TABLES; at++)
        for (index = 0; (name = ch_schema_column((enum ch_table)at, index)); index++)
            if (!has[at][index])
                return error_set(err, "clickhouse: %s.%s has no column %s: it is of another version; %s", o->database,
                                 ch_table_names[at], name, advice);
    return 0;
}

/* Whether what comes twice is taken once. */
static int check_engines(struct ch_client *client, const struct ch_options *o, struct ch_server *out, struct error *err)
{
    struct rowbinary_reader answer;
    char sql[SQL], table[64], engine[64], full[2048];
    size_t index;
    out->has_replicas = true;
    snprintf(sql, sizeof(sql),
             "SELECT name, engine, engine_full FROM system.tables WHERE database = '%s' FORMAT RowBinary", o->database);
    if (ask(client, sql, &answer, err) != 0)
        return -1;
    while (answer.at < answer.end && !answer.failed) {
        read_text(&answer, table, sizeof(table));
        read_text(&answer, engine, sizeof(engine));
        read_text(&answer, full, sizeof(full));
        if (find_column(table, "feed", &index) < 0 && find_column(table, "rname", &index) < 0)
            continue;
        bool is_replicated = strncmp(engine, "Replicated", 10) == 0 || strncmp(engine, "Shared", 6) == 0;
        out->has_replicas &= is_replicated;
        if (!is_replicated && !o->is_old && !strstr(full, "non_replicated_deduplication_window"))
            return error_set(err,
                             "clickhouse: %s.%s takes twice what comes twice: ALTER TABLE %s.%s MODIFY SETTING "
                             "non_replicated_deduplication_window = 10000",
                             o->database, table, o->database, table);
    }
    return 0;
}

int ch_server_check(struct ch_client *client, const struct ch_options *options, struct ch_server *out,
                    struct error *err)
{
    if (!options->is_old && check_version(client, err) != 0)
        return -1;
    return check_columns(client, options, err) != 0 ? -1 : check_engines(client, options, out, err);
}

/* ---- where it stands ---- */

static void read_numbers(struct rowbinary_reader *r, uint64_t *out, size_t most)
{
    uint64_t i, count = rowbinary_read(r, 1);
    for (i = 0; i < count && !r->failed; i++) {
        uint64_t number = rowbinary_read(r, 8);
        if (i < most)
            out[i] = number;
    }
}

/* The last batch that is whole, with the totals of the chain. */
static int restore_batch(struct ch_client *client, const struct ch_options *o, struct ch_batch *batch,
                         struct ch_stand *out, struct error *err)
{
    struct rowbinary_reader answer;
    char sql[SQL];
    snprintf(sql, sizeof(sql),
             "SELECT toUInt32(min(if(datagrams > 0, toUInt32(since), %" PRIu32
             "))), max(position), argMax(totals, position),"
             " argMax(no_room, position) FROM `%s`.`batches` WHERE feed = '%s' GROUP BY feed FORMAT RowBinary",
             UINT32_MAX, o->database, batch->feed);
    if (ask(client, sql, &answer, err) != 0)
        return -1;
    if (answer.at == answer.end)
        return 0;
    uint64_t begun_s = rowbinary_read(&answer, 4);
    batch->account.begun_s = begun_s < UINT32_MAX ? (int64_t)begun_s : INT64_MAX;
    out->position = rowbinary_read(&answer, 8);
    read_numbers(&answer, batch->account.totals, TOTALS_COUNT);
    read_numbers(&answer, batch->account.no_room, HERE_COUNT);
    return answer.failed ? error_set(err, "clickhouse: table batches: an answer that is not understood") : 0;
}

static int restore_streams(struct ch_client *client, const struct ch_options *o, struct ch_batch *batch,
                           struct ch_stand *out, struct error *err)
{
    struct rowbinary_reader answer;
    char sql[SQL];
    snprintf(sql, sizeof(sql),
             "SELECT stream, max(position) AS latest, argMax(state, position), argMax(told, position) FROM"
             " `%s`.`streams` WHERE feed = '%s' GROUP BY stream ORDER BY latest DESC LIMIT %d FORMAT RowBinary",
             o->database, batch->feed, SOURCES_MAX);
    if (ask(client, sql, &answer, err) != 0)
        return -1;
    while (answer.at < answer.end && !answer.failed) {
        size_t state_len, told_len;
        uint64_t number = rowbinary_read(&answer, 8), latest = rowbinary_read(&answer, 8);
        const uint8_t *state = rowbinary_read_string(&answer, &state_len);
        const uint8_t *told = rowbinary_read_string(&answer, &told_len);
        out->streams = latest > out->streams ? latest : out->streams;
        struct source *source =
            state && state_len == SOURCE_STATE ? sources_restore(batch->account.sources, state, INT64_MAX) : NULL;
        if (!source)
            continue;
        source->number = number;
        account_restore_told(source, told, told_len);
    }
    return answer.failed ? error_set(err, "clickhouse: table streams: an answer that is not understood") : 0;
}

int ch_server_restore(struct ch_client *client, const struct ch_options *options, struct ch_batch *batch,
                      struct ch_stand *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    if (restore_batch(client, options, batch, out, err) != 0 || restore_streams(client, options, batch, out, err) != 0)
        return -1;
    return 0;
}

/* ---- inserting ---- */

static int insert(struct ch_client *client, struct ch_batch *batch, enum ch_table table, struct error *err)
{
    char columns[SQL], range[CH_TOKEN + 24];
    const struct rowbinary *rows = ch_batch_rows(batch, table);
    if (!rows)
        return error_set(err, "out of memory");
    if (rows->rows == 0)
        return 0;
    ch_schema_columns(table, columns, sizeof(columns));
    snprintf(range, sizeof(range), "%s-%" PRIu64, batch->token, batch->position);
    return ch_client_insert(client, ch_table_names[table], columns, rows, range, err) == CH_DONE ? 0 : -1;
}

int ch_server_insert(struct ch_client *client, struct ch_batch *batch, enum ch_table first, enum ch_table last,
                     const struct feed_owner *owner, struct error *err)
{
    int table = (int)first, result = 0;
    for (; result == 0 && table <= (int)last; table++) {
        owner->beat(owner->context);
        result = insert(client, batch, (enum ch_table)table, err);
    }
    return result;
}
