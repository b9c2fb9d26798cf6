/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/ch_source.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "feed/ch_load.h"
#include "feed/ch_schema.h"
#include "feed/ch_server.h"

/* ---- statements ---- */

/* As ClickHouse quotes it. */
void ch_load_text(FILE *sql, const char *text)
{
    fputc('\'', sql);
    for (; *text; text++)
        fprintf(sql, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    fputc('\'', sql);
}

/* An address of the length, which IPv4 has as ::ffff:a.b.c.d; none is ::. */
void ch_load_ip(const struct ch_load *l, const uint8_t *address, size_t len)
{
    static const uint8_t before[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t ip[CH_IP] = {0};
    char text[INET6_ADDRSTRLEN];
    size_t i;
    if (len == 4)
        memcpy(ip, before, sizeof(before));
    if (len > 0)
        memcpy(ip + (len == 4 ? 12 : 0), address, len);
    if (!l->options.is_old) {
        (void)inet_ntop(AF_INET6, ip, text, sizeof(text));
        fprintf(l->sql, "toIPv6('%s')", text);
        return;
    }
    fputs("toFixedString(unhex('", l->sql);
    for (i = 0; i < CH_IP; i++)
        fprintf(l->sql, "%02x", ip[i]);
    fputs("'), 16)", l->sql);
}

/* Begins another one. */
void ch_load_begin(struct ch_load *l, const char *text)
{
    rewind(l->sql);
    fputs(text, l->sql);
}

void ch_load_table(const struct ch_load *l, const char *table)
{
    fprintf(l->sql, " FROM `%s`.`%s%s`", l->options.database, table, l->all);
}

/* Times of rows that overlap what is asked for; columns are unsigned, and seconds. */
void ch_load_times(const struct ch_load *l, const char *before)
{
    const struct ask *ask = l->ask;
    if (ask->since_s > 0)
        fprintf(l->sql, " %s toUInt32(last) >= %" PRId64, before,
                ask->since_s < UINT32_MAX ? ask->since_s : UINT32_MAX);
    if (ask->until_s < UINT32_MAX)
        fprintf(l->sql, " %s toUInt32(first) < %" PRId64, ask->since_s > 0 ? "AND" : before,
                ask->until_s > 0 ? ask->until_s : 0);
}

/* Runs what has been written, with at most so many rows, 0 = as many as may be. */
int ch_load_run(struct ch_load *l, uint64_t limit, ch_take_rows *take, struct error *err)
{
    struct rowbinary_reader rows;
    uint64_t most = limit > 0 && (l->most_rows == 0 || limit < l->most_rows) ? limit : l->most_rows;
    if (most > 0)
        fprintf(l->sql, " LIMIT %" PRIu64, most);
    fputs(" FORMAT RowBinary", l->sql);
    fputc('\0', l->sql);
    if (fflush(l->sql) != 0)
        return error_set(err, "out of memory");
    uint64_t before = l->fill.rows;
    if (ch_client_ask(l->client, l->text, &rows, err) != CH_DONE || take(&l->fill, &rows, err) != 0)
        return -1;
    l->is_cut |= l->most_rows > 0 && l->fill.rows - before >= l->most_rows;
    return 0;
}

uint64_t ch_load_limit(const struct ch_load *l)
{
    return l->ask->limit > 0 ? l->ask->limit + 1 : 0;
}

bool ch_load_is_page(const struct ch_load *l)
{
    return l->ask->from && l->ask->from->is_behind;
}

/* ---- accounts ---- */

/* By stream, or by minute. */
static int load_accounts(struct ch_load *l, bool by_minute, struct error *err)
{
    static const char *const latest[] = {"has_trailer", "sensor",   "worker",    "start", "address",
                                         "port",        "verified", "has_ahead", "ahead"};
    const char *name;
    size_t i;
    ch_load_begin(l, by_minute ? "SELECT toUInt64(0), minute" : "SELECT stream, min(minute)");
    for (i = 0; i < sizeof(latest) / sizeof(latest[0]); i++)
        fprintf(l->sql, ", argMax(%s, last)", latest[i]);
    fputs(", min(first) AS f, max(last) AS t, max(has_told)", l->sql);
    for (i = 16; (name = ch_schema_column(CH_ACCOUNTS, i)); i++)
        fprintf(l->sql, ", sum(%s)", name);
    ch_load_table(l, "accounts");
    if (strcmp(l->question->name, "sensors") != 0 && l->ask->since_s > 0)
        fprintf(l->sql, " WHERE toUInt32(minute) >= %" PRId64, l->ask->since_s / 60 * 60);
    else
        fputs(" WHERE 1", l->sql);
    if (strcmp(l->question->name, "sensors") != 0 && l->ask->until_s < UINT32_MAX)
        fprintf(l->sql, " AND toUInt32(minute) < %" PRId64, l->ask->until_s > 0 ? l->ask->until_s : 0);
    fputs(by_minute ? " GROUP BY minute" : " GROUP BY stream", l->sql);
    return ch_load_run(l, 0, ch_fill_accounts, err);
}

/* ---- all of them ---- */

static int load_minutes(struct ch_load *l, struct error *err)
{
    return load_accounts(l, true, err);
}

static int load_streams(struct ch_load *l, struct error *err)
{
    return load_accounts(l, false, err);
}

static int load_at(struct ch_load *l, const char *what, struct error *err)
{
    if (ch_load_behind(l, what, err) != 0)
        return -1;
    return l->ask->client ? ch_load_client(l, l->ask->client, err) : 0;
}

/* What a question needs: for each thing that it is about, or for all of them at once. */
static const struct {
    const char *question;
    int (*one)(struct ch_load *l, const char *what, struct error *err);
    int (*all)(struct ch_load *l, struct error *err);
} loads[] = {
    {"name", ch_load_answers, NULL},  {"below", ch_load_answers, NULL},     {"address", ch_load_answers, NULL},
    {"rdata", ch_load_answers, NULL}, {"contains", ch_load_contains, NULL}, {"at", load_at, NULL},
    {"annotate", load_at, NULL},      {"client", ch_load_client, NULL},     {"summary", ch_load_client, NULL},
    {"rcode", ch_load_rcode, NULL},   {"top", ch_load_top, NULL},           {"who", NULL, ch_load_who},
    {"new", NULL, ch_load_new},       {"series", NULL, load_minutes},       {"sensors", NULL, load_streams},
    {"streams", NULL, load_streams},  {"loss", NULL, load_streams},
};

static int load_all(struct ch_load *l, struct error *err)
{
    size_t row, i;
    int result = 0;
    for (row = 0; strcmp(loads[row].question, l->question->name) != 0; row++)
        if (row + 1 == sizeof(loads) / sizeof(loads[0]))
            return error_set(err, "%s: cannot be asked of ClickHouse", l->question->name);
    if (loads[row].all)
        return loads[row].all(l, err);
    for (i = 0; result == 0 && i < l->ask->what_count; i++)
        result = loads[row].one(l, l->ask->what[i], err);
    return result;
}

/* Whether there are tables of all shards. */
static int look_for_shards(struct ch_load *l, struct error *err)
{
    struct rowbinary_reader answer;
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT count() FROM system.tables WHERE database = '%s' AND name = 'pdns_all' FORMAT RowBinary",
             l->options.database);
    if (ch_client_ask(l->client, sql, &answer, err) != CH_DONE)
        return -1;
    l->all = rowbinary_read(&answer, 8) > 0 ? "_all" : "";
    return 0;
}

static int look_at_server(struct ch_load *l, struct error *err)
{
    struct ch_server server;
    return ch_server_check(l->client, &l->options, &server, err) != 0 ? -1 : look_for_shards(l, err);
}

/* The first that can be worked with. */
static int find_server(struct ch_load *l, struct error *err)
{
    struct error why;
    size_t i;
    int result = look_at_server(l, err);
    for (i = 1; i < l->options.servers_count && result != 0; i++) {
        ch_client_next(l->client);
        result = look_at_server(l, &why);
    }
    return result;
}

static bool has_time(void *context)
{
    return clock_monotonic_us() < ((const struct ch_load *)context)->ends_us;
}

int ch_source_check(const struct feed_spec *spec, struct error *err)
{
    struct ch_options options;
    if (strcmp(spec->kind->name, "clickhouse") != 0)
        return error_set(err, "expected clickhouse[,KEY=VALUE...]");
    return ch_options_parse(spec, true, &options, err);
}

int ch_source_load(const struct feed_spec *spec, const struct question *question, const struct ask *ask,
                   uint64_t most_rows, uint64_t most_s, const char *folder, bool *is_cut, struct error *err)
{
    struct ch_load l = {.question = question,
                        .ask = ask,
                        .most_rows = most_rows,
                        .ends_us = most_s > 0 ? clock_monotonic_us() + (int64_t)most_s * SECOND_US : INT64_MAX};
    int result = -1;
    err->text[0] = '\0';
    if (ch_options_parse(spec, true, &l.options, err) == 0) {
        l.client = ch_client_open(&l.options, has_time, &l);
        l.sql = open_memstream(&l.text, &l.text_len);
        if (!l.client || !l.sql)
            error_set(err, "out of memory");
        else if (ch_fill_open(&l.fill, folder, err) == 0 && find_server(&l, err) == 0 && load_all(&l, err) == 0)
            result = ch_fill_end(&l.fill, err);
        ch_fill_close(&l.fill);
        ch_client_close(l.client);
    }
    *is_cut = l.is_cut;
    if (l.sql)
        fclose(l.sql);
    free(l.text);
    return result;
}
