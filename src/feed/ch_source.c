/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/ch_source.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/dns_words.h"
#include "base/prefix.h"
#include "feed/ch_fill.h"
#include "feed/ch_schema.h"
#include "query/question.h"
#include "record/pattern.h"

enum { CHUNK = 500 /* names or addresses in a statement */, LEVELS = 64 /* of CNAMEs */, IP = 16, IP_TEXT = 80 };

struct load {
    const struct question *question;
    const struct ask *ask;
    struct ch_options options;
    struct ch_client *client;
    struct ch_fill fill;
    const char *all; /* behind the names of tables: those of all shards */
    uint64_t most_rows;
    bool is_cut;
    char *text; /* of the statement */
    size_t text_len;
    FILE *sql;
};

/* Takes the rows of an answer. */
typedef int take_rows(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err);

/* ---- statements ---- */

/* As ClickHouse quotes it. */
static void put_text(FILE *sql, const char *text)
{
    fputc('\'', sql);
    for (; *text; text++)
        fprintf(sql, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    fputc('\'', sql);
}

/* An address of the length, which IPv4 has as ::ffff:a.b.c.d; none is ::. */
static void put_ip(const struct load *l, const uint8_t *address, size_t len)
{
    static const uint8_t before[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t ip[IP] = {0};
    char text[INET6_ADDRSTRLEN];
    size_t i;
    if (len == 4)
        memcpy(ip, before, sizeof(before));
    memcpy(ip + (len == 4 ? 12 : 0), address, len);
    if (!l->options.is_old) {
        (void)inet_ntop(AF_INET6, ip, text, sizeof(text));
        fprintf(l->sql, "toIPv6('%s')", text);
        return;
    }
    fputs("toFixedString(unhex('", l->sql);
    for (i = 0; i < IP; i++)
        fprintf(l->sql, "%02x", ip[i]);
    fputs("'), 16)", l->sql);
}

static void put_no_ip(const struct load *l)
{
    put_ip(l, NULL, 0);
}

/* Begins another one. */
static void begin(struct load *l, const char *text)
{
    rewind(l->sql);
    fputs(text, l->sql);
}

static void put_table(const struct load *l, const char *table)
{
    fprintf(l->sql, " FROM `%s`.`%s%s`", l->options.database, table, l->all);
}

/* Times of rows that overlap what is asked for; columns are unsigned, and seconds. */
static void put_times(const struct load *l, const char *before)
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
static int run(struct load *l, uint64_t limit, take_rows *take, struct error *err)
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

static uint64_t limit_of(const struct load *l)
{
    return l->ask->limit > 0 ? l->ask->limit + 1 : 0;
}

/* ---- answers ---- */

static void begin_answers(struct load *l, const char *table)
{
    begin(l,
          "SELECT rname, rrtype, rdata, address, sum(count) AS c, sum(scaled) AS s, min(first) AS f, max(last) AS t");
    put_table(l, table);
    fputs(" WHERE ", l->sql);
}

static int run_answers(struct load *l, const char *order, uint64_t limit, struct error *err)
{
    const struct ask *ask = l->ask;
    fputs(" GROUP BY rname, rrtype, rdata, address", l->sql);
    if (ask->since_s > 0)
        fprintf(l->sql, " HAVING toUInt32(t) >= %" PRId64, ask->since_s < UINT32_MAX ? ask->since_s : UINT32_MAX);
    if (ask->until_s < UINT32_MAX)
        fprintf(l->sql, " %s toUInt32(f) < %" PRId64, ask->since_s > 0 ? "AND" : "HAVING",
                ask->until_s > 0 ? ask->until_s : 0);
    fprintf(l->sql, " ORDER BY %s", order);
    return run(l, limit, ch_fill_answers, err);
}

/* From the cursor's row on, that row included, where names are in order. */
static void put_from(struct load *l)
{
    const struct cursor *from = l->ask->from;
    int64_t type = from->number >> 1;
    char key[CURSOR_KEY + 1];
    fputs(" AND (rname > ", l->sql);
    put_text(l->sql, from->name);
    fputs(" OR (rname = ", l->sql);
    put_text(l->sql, from->name);
    fprintf(l->sql, " AND (rrtype > %" PRId64 " OR (rrtype = %" PRId64 " AND ", type, type);
    if (from->number & 1) {
        fputs("address >= ", l->sql);
        put_ip(l, from->key, from->key_len);
    } else {
        snprintf(key, sizeof(key), "%.*s", (int)from->key_len, (const char *)from->key);
        fputs("rdata >= ", l->sql);
        put_text(l->sql, key);
    }
    fputs("))))", l->sql);
}

static bool is_page(const struct load *l)
{
    return l->ask->from && l->ask->from->is_behind;
}

/* A page's last row comes again at the beginning of the next. */
static int load_name(struct load *l, const char *what, bool is_below, struct error *err)
{
    char rname[RNAME_TEXT], least[RNAME_TEXT + 1], end[RNAME_TEXT + 1];
    bool in_order = is_below || l->ask->from;
    if (parse_rname(what, rname) != 0)
        return error_set(err, "%s: no name", what);
    snprintf(least, sizeof(least), "%s.", rname);
    snprintf(end, sizeof(end), "%s/", rname);
    begin_answers(l, "pdns");
    fputs(is_below && !rname[0] ? "(1 OR rname = " : "(rname = ", l->sql);
    put_text(l->sql, rname);
    if (is_below && rname[0]) {
        fputs(" OR (rname >= ", l->sql);
        put_text(l->sql, least);
        fputs(" AND rname < ", l->sql);
        put_text(l->sql, end);
        fputs(")", l->sql);
    }
    fputs(")", l->sql);
    if (is_page(l))
        put_from(l);
    return run_answers(l, in_order ? "rname, rrtype, address, rdata" : "t DESC, rrtype, address, rdata",
                       limit_of(l) > 0 ? limit_of(l) + 1 : 0, err);
}

/* The least and the greatest. Returns their length, 0 = it is none. */
static size_t parse_range(const char *what, uint8_t least[IP], uint8_t most[IP])
{
    struct prefixes prefixes = {.count = 0};
    size_t len = parse_address(what, least);
    memcpy(most, least, IP);
    if (len > 0)
        return len;
    return prefixes_add(&prefixes, what, NULL) == 0 ? prefix_range(&prefixes.list[0], least, most) : 0;
}

static int begin_address(struct load *l, const char *what, struct error *err)
{
    uint8_t least[IP], most[IP];
    size_t len = parse_range(what, least, most);
    if (len == 0)
        return error_set(err, "%s: no address", what);
    begin_answers(l, "pdns_by_rdata");
    fprintf(l->sql, "rrtype = %d AND address >= ", len == 4 ? 1 : 28);
    put_ip(l, least, len);
    fputs(" AND address <= ", l->sql);
    put_ip(l, most, len);
    return 0;
}

static int load_address(struct load *l, const char *what, struct error *err)
{
    const struct cursor *from = l->ask->from;
    if (begin_address(l, what, err) != 0)
        return -1;
    if (is_page(l)) {
        fputs(" AND (address > ", l->sql);
        put_ip(l, from->key, from->key_len);
        fputs(" OR (address = ", l->sql);
        put_ip(l, from->key, from->key_len);
        fputs(" AND rname >= ", l->sql);
        put_text(l->sql, from->name);
        fputs("))", l->sql);
    }
    return run_answers(l, from ? "address, rrtype, rname" : "t DESC, rname, address",
                       limit_of(l) > 0 ? limit_of(l) + 1 : 0, err);
}

static int load_rdata(struct load *l, const char *what, struct error *err)
{
    char rname[RNAME_TEXT], name[NAME_TEXT];
    if (parse_rname(what, rname) != 0)
        return error_set(err, "%s: no name", what);
    (void)rname_to_text(rname, name);
    begin_answers(l, "pdns_by_rdata");
    fputs("address = ", l->sql);
    put_no_ip(l);
    fputs(" AND rdata = ", l->sql);
    put_text(l->sql, name);
    return run_answers(l, "t DESC, rname, rrtype", limit_of(l), err);
}

/* ---- names behind addresses ---- */

/* CNAMEs that lead to names which are there, those from `done` on. Returns how many names there are then, 0 = -1. */
static int load_aliases(struct load *l, sqlite3_stmt *names, struct error *err)
{
    char name[NAME_TEXT];
    int step = 1, count;
    while (step == 1) {
        begin_answers(l, "pdns_by_rdata");
        fputs("rrtype = 5 AND address = ", l->sql);
        put_no_ip(l);
        fputs(" AND rdata IN (", l->sql);
        for (count = 0; count < CHUNK && (step = sql_step(names, err)) == 1; count++) {
            const char *rname = (const char *)sqlite3_column_text(names, 0);
            (void)rname_to_text(rname ? rname : "", name);
            fputs(count ? ", " : "", l->sql);
            put_text(l->sql, name);
        }
        if (step < 0)
            return -1;
        fputs(")", l->sql);
        if (count > 0 && run_answers(l, "rname", 0, err) != 0)
            return -1;
    }
    return 0;
}

/* Level by level, until no name leads on. */
static int load_behind(struct load *l, const char *what, struct error *err)
{
    int64_t before = -1, now = 0;
    int level, result;
    if (begin_address(l, what, err) != 0 || run_answers(l, "t DESC, rname, address", 0, err) != 0)
        return -1;
    for (level = 0; level < LEVELS && now != before; level++) {
        sqlite3_stmt *names;
        before = now;
        if (sql_run(l->fill.db,
                    "CREATE TEMP TABLE IF NOT EXISTS names(rname TEXT PRIMARY KEY) WITHOUT ROWID;"
                    "DELETE FROM names; INSERT INTO names SELECT DISTINCT rname FROM answers",
                    err) != 0 ||
            sql_prepare(l->fill.db, "SELECT rname FROM names", &names, err) != 0)
            return -1;
        result = load_aliases(l, names, err);
        sqlite3_finalize(names);
        if (result != 0 || sql_number(l->fill.db, "SELECT count(*) FROM answers", 0, &now, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- lookups ---- */

#define SUMS ", sum(count) AS c, sum(scaled) AS s, min(first) AS f, max(last) AS t"

static void begin_lookups(struct load *l, const char *table)
{
    begin(l, "SELECT client, resolver, qtype, rcode, rname" SUMS);
    put_table(l, table);
}

static int run_lookups(struct load *l, struct error *err)
{
    fputs(" GROUP BY client, resolver, qtype, rcode, rname", l->sql);
    return run(l, 0, ch_fill_lookups, err);
}

static int load_client(struct load *l, const char *what, struct error *err)
{
    uint8_t address[IP];
    size_t len = parse_address(what, address);
    if (len == 0)
        return error_set(err, "%s: no address", what);
    begin_lookups(l, "lookups_by_client");
    fputs(" WHERE client = ", l->sql);
    put_ip(l, address, len);
    put_times(l, "AND");
    return run_lookups(l, err);
}

static int load_names_of(struct load *l, sqlite3_stmt *names, struct error *err)
{
    int step = 1, count;
    while (step == 1) {
        begin_lookups(l, "lookups_by_name");
        fputs(" WHERE rname IN (", l->sql);
        for (count = 0; count < CHUNK && (step = sql_step(names, err)) == 1; count++) {
            const char *rname = (const char *)sqlite3_column_text(names, 0);
            fputs(count ? ", " : "", l->sql);
            put_text(l->sql, rname ? rname : "");
        }
        if (step < 0)
            return -1;
        fputs(")", l->sql);
        put_times(l, "AND");
        if (count > 0 && run_lookups(l, err) != 0)
            return -1;
    }
    return 0;
}

/* An address stands for the names that led to it. */
static int add_asked(struct load *l, const char *what, sqlite3_stmt *put, struct error *err)
{
    uint8_t least[IP], most[IP];
    char rname[RNAME_TEXT];
    bool is_address = parse_address(what, least) > 0 || (strchr(what, '/') && parse_range(what, least, most) > 0);
    if (is_address)
        return load_behind(l, what, err) == 0
                   ? sql_run(l->fill.db, "INSERT OR IGNORE INTO asked SELECT rname FROM answers", err)
                   : -1;
    if (parse_rname(what, rname) != 0)
        return error_set(err, "%s: no name", what);
    sqlite3_bind_text(put, 1, rname, -1, SQLITE_STATIC);
    return sql_do(put, err);
}

static int load_who(struct load *l, struct error *err)
{
    sqlite3_stmt *put = NULL, *names = NULL;
    size_t i;
    int result = sql_run(l->fill.db, "CREATE TEMP TABLE asked(rname TEXT PRIMARY KEY) WITHOUT ROWID", err);
    if (result == 0)
        result = sql_prepare(l->fill.db, "INSERT OR IGNORE INTO asked VALUES(?)", &put, err);
    for (i = 0; result == 0 && i < l->ask->what_count; i++)
        result = add_asked(l, l->ask->what[i], put, err);
    if (result == 0)
        result = sql_prepare(l->fill.db, "SELECT rname FROM asked", &names, err);
    if (result == 0)
        result = load_names_of(l, names, err);
    sqlite3_finalize(put);
    sqlite3_finalize(names);
    return result;
}

static int load_rcode(struct load *l, const char *what, struct error *err)
{
    uint16_t rcode;
    if (dns_rcode_parse(what, &rcode) != 0)
        return error_set(err, "%s: no RCODE", what);
    begin(l, "SELECT client, ");
    put_no_ip(l);
    fprintf(l->sql, ", toUInt16(0), toUInt16(%u), ''" SUMS, rcode);
    put_table(l, "lookups_by_client");
    fprintf(l->sql, " WHERE rcode = %u", rcode);
    put_times(l, "AND");
    fputs(" GROUP BY client ORDER BY c DESC, t DESC, client", l->sql);
    return run(l, limit_of(l), ch_fill_lookups, err);
}

/* One column of a lookup, the others being what they are of none. */
static int load_top(struct load *l, const char *what, struct error *err)
{
    static const struct {
        const char *what, *column;
        int at; /* of client, resolver, qtype, rcode, rname */
    } tops[] = {{"names", "rname", 4},        {"domains", "rname", 4}, {"clients", "client", 0},
                {"resolvers", "resolver", 1}, {"types", "qtype", 2},   {"rcodes", "rcode", 3}};
    size_t i;
    int k;
    for (i = 0; i + 1 < sizeof(tops) / sizeof(tops[0]) && strcmp(tops[i].what, what) != 0; i++)
        ;
    begin(l, "SELECT ");
    for (k = 0; k < 5; k++) {
        fputs(k ? ", " : "", l->sql);
        if (k == tops[i].at)
            fputs(tops[i].column, l->sql);
        else if (k < 2)
            put_no_ip(l);
        else
            fputs(k < 4 ? "toUInt16(0)" : "''", l->sql);
    }
    fputs(SUMS, l->sql);
    put_table(l, "lookups_by_name");
    put_times(l, "WHERE");
    fprintf(l->sql, " GROUP BY %s ORDER BY c DESC, t DESC, %s", tops[i].column, tops[i].column);
    return run(l, strcmp(what, "domains") == 0 ? 0 : limit_of(l), ch_fill_lookups, err); /* names become domains here */
}

/* Names that may have the text: letters are those of rname, what is escaped is looked at here alone. */
static int load_contains(struct load *l, const char *what, struct error *err)
{
    uint8_t text[NAME_TEXT];
    size_t len = pattern_text(what, text);
    char plain[NAME_TEXT];
    snprintf(plain, sizeof(plain), "%.*s", (int)len, (const char *)text);
    bool is_plain = strspn(plain, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
    begin(l, "SELECT ");
    put_no_ip(l);
    fputs(", ", l->sql);
    put_no_ip(l);
    fputs(", toUInt16(0), toUInt16(0), rname" SUMS, l->sql);
    put_table(l, "lookups_by_name");
    fputs(" WHERE 1", l->sql);
    if (is_plain) {
        fputs(" AND position(arrayStringConcat(arrayReverse(splitByChar('.', rname)), '.'), ", l->sql);
        put_text(l->sql, plain);
        fputs(") > 0", l->sql);
    }
    if (is_page(l)) {
        fputs(" AND rname > ", l->sql);
        put_text(l->sql, l->ask->from->name);
    }
    put_times(l, "AND");
    fputs(" GROUP BY rname ORDER BY rname", l->sql);
    return run(l, is_plain ? limit_of(l) : 0, ch_fill_lookups, err);
}

/* ---- accounts ---- */

/* By stream, or by minute. */
static int load_accounts(struct load *l, bool by_minute, struct error *err)
{
    static const char *const latest[] = {"has_trailer", "sensor",   "worker",    "start", "address",
                                         "port",        "verified", "has_ahead", "ahead"};
    const char *name;
    size_t i;
    begin(l, by_minute ? "SELECT toUInt64(0), minute" : "SELECT stream, min(minute)");
    for (i = 0; i < sizeof(latest) / sizeof(latest[0]); i++)
        fprintf(l->sql, ", argMax(%s, last)", latest[i]);
    fputs(", min(first) AS f, max(last) AS t, max(has_told)", l->sql);
    for (i = 16; (name = ch_schema_column(CH_ACCOUNTS, i)); i++)
        fprintf(l->sql, ", sum(%s)", name);
    put_table(l, "accounts");
    if (strcmp(l->question->name, "sensors") != 0 && l->ask->since_s > 0)
        fprintf(l->sql, " WHERE toUInt32(minute) >= %" PRId64, l->ask->since_s / 60 * 60);
    else
        fputs(" WHERE 1", l->sql);
    if (strcmp(l->question->name, "sensors") != 0 && l->ask->until_s < UINT32_MAX)
        fprintf(l->sql, " AND toUInt32(minute) < %" PRId64, l->ask->until_s > 0 ? l->ask->until_s : 0);
    fputs(by_minute ? " GROUP BY minute" : " GROUP BY stream", l->sql);
    return run(l, 0, ch_fill_accounts, err);
}

/* ---- all of them ---- */

static int load_new(struct load *l, struct error *err)
{
    struct ask all = *l->ask;
    const struct ask *ask = l->ask;
    all.since_s = INT64_MIN;
    all.until_s = INT64_MAX;
    l->ask = &all;
    begin(l, "SELECT rname, toUInt16(0), '', ");
    put_no_ip(l);
    fputs(SUMS, l->sql);
    put_table(l, "pdns");
    fputs(" GROUP BY rname", l->sql);
    int result = run(l, 0, ch_fill_answers, err);
    l->ask = ask;
    return result == 0 ? ch_fill_news(&l->fill, err) : -1;
}

/* What a word of the question asks for, by its form where it is a line of a list. */
static int load_answers(struct load *l, const char *what, struct error *err)
{
    const char *name = l->question->name;
    uint8_t least[IP], most[IP];
    bool is_list = l->ask->is_list, is_below = strcmp(name, "below") == 0;
    bool is_address = parse_address(what, least) > 0 || (strchr(what, '/') && parse_range(what, least, most) > 0);
    if (is_list ? is_address : strcmp(name, "address") == 0)
        return load_address(l, what, err);
    if (strcmp(name, "rdata") == 0)
        return load_rdata(l, what, err);
    bool has_star = is_list && what[0] == '*' && what[1] == '.';
    return load_name(l, has_star ? what + 2 : what, is_below || has_star, err);
}

static int load_at(struct load *l, const char *what, struct error *err)
{
    if (load_behind(l, what, err) != 0)
        return -1;
    return l->ask->client ? load_client(l, l->ask->client, err) : 0;
}

static int load_one(struct load *l, const char *what, struct error *err)
{
    const char *name = l->question->name;
    if (strcmp(name, "client") == 0 || strcmp(name, "summary") == 0)
        return load_client(l, what, err);
    if (strcmp(name, "rcode") == 0)
        return load_rcode(l, what, err);
    if (strcmp(name, "top") == 0)
        return load_top(l, what, err);
    if (strcmp(name, "contains") == 0)
        return load_contains(l, what, err);
    if (strcmp(name, "at") == 0)
        return load_at(l, what, err);
    return load_answers(l, what, err);
}

static int load_all(struct load *l, struct error *err)
{
    const char *name = l->question->name;
    size_t i;
    int result = 0;
    if (strcmp(name, "sensors") == 0 || strcmp(name, "streams") == 0 || strcmp(name, "loss") == 0)
        return load_accounts(l, false, err);
    if (strcmp(name, "series") == 0)
        return load_accounts(l, true, err);
    if (strcmp(name, "new") == 0)
        return load_new(l, err);
    if (strcmp(name, "who") == 0)
        return load_who(l, err);
    for (i = 0; result == 0 && i < l->ask->what_count; i++)
        result = load_one(l, l->ask->what[i], err);
    return result;
}

/* Whether there are tables of all shards. */
static int find_shards(struct load *l, struct error *err)
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

static bool wait_on(void *context)
{
    (void)context;
    return true;
}

int ch_source_check(const struct feed_spec *spec, struct error *err)
{
    struct ch_options options;
    if (strcmp(spec->kind->name, "clickhouse") != 0)
        return error_set(err, "expected clickhouse[,KEY=VALUE...]");
    return ch_options_parse(spec, true, &options, err);
}

int ch_source_load(const struct feed_spec *spec, const struct question *question, const struct ask *ask,
                   uint64_t most_rows, const char *folder, bool *is_cut, struct error *err)
{
    struct load l = {.question = question, .ask = ask, .most_rows = most_rows};
    int result = -1;
    err->text[0] = '\0';
    if (ch_options_parse(spec, true, &l.options, err) == 0) {
        l.client = ch_client_open(&l.options, wait_on, NULL);
        l.sql = open_memstream(&l.text, &l.text_len);
        if (!l.client || !l.sql)
            error_set(err, "out of memory");
        else if (ch_fill_open(&l.fill, folder, err) == 0 && find_shards(&l, err) == 0 && load_all(&l, err) == 0)
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
