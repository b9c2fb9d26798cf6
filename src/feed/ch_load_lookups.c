/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Out of lookups, summed up by hour. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/dns_words.h"
#include "base/prefix.h"
#include "feed/ch_load.h"
#include "record/pattern.h"

/* ---- lookups ---- */

static void begin_lookups(struct ch_load *l, const char *table)
{
    ch_load_begin(l, "SELECT client, resolver, qtype, rcode, rname" CH_SUMS);
    ch_load_table(l, table);
}

static int run_lookups(struct ch_load *l, struct error *err)
{
    fputs(" GROUP BY client, resolver, qtype, rcode, rname", l->sql);
    return ch_load_run(l, 0, ch_fill_lookups, err);
}

int ch_load_client(struct ch_load *l, const char *what, struct error *err)
{
    uint8_t address[CH_IP];
    size_t len = parse_address(what, address);
    if (len == 0)
        return error_set(err, "%s: no address", what);
    begin_lookups(l, "lookups_by_client");
    fputs(" WHERE client = ", l->sql);
    ch_load_ip(l, address, len);
    ch_load_times(l, "AND");
    return run_lookups(l, err);
}

static int load_names_of(struct ch_load *l, sqlite3_stmt *names, struct error *err)
{
    int step = 1, count;
    while (step == 1) {
        begin_lookups(l, "lookups_by_name");
        fputs(" WHERE rname IN (", l->sql);
        for (count = 0; count < CH_CHUNK && (step = sql_step(names, err)) == 1; count++) {
            const char *rname = (const char *)sqlite3_column_text(names, 0);
            fputs(count ? ", " : "", l->sql);
            ch_load_text(l->sql, rname ? rname : "");
        }
        if (step < 0)
            return -1;
        fputs(")", l->sql);
        ch_load_times(l, "AND");
        if (count > 0 && run_lookups(l, err) != 0)
            return -1;
    }
    return 0;
}

/* An address stands for the names that led to it. */
static int add_asked(struct ch_load *l, const char *what, sqlite3_stmt *put, struct error *err)
{
    uint8_t least[CH_IP], most[CH_IP];
    char rname[RNAME_TEXT];
    bool is_address = parse_address(what, least) > 0 || (strchr(what, '/') && ch_load_range(what, least, most) > 0);
    if (is_address)
        return ch_load_behind(l, what, err) == 0
                   ? sql_run(l->fill.db, "INSERT OR IGNORE INTO asked SELECT rname FROM answers", err)
                   : -1;
    if (parse_rname(what, rname) != 0)
        return error_set(err, "%s: no name", what);
    sqlite3_bind_text(put, 1, rname, -1, SQLITE_STATIC);
    return sql_do(put, err);
}

int ch_load_who(struct ch_load *l, struct error *err)
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

int ch_load_rcode(struct ch_load *l, const char *what, struct error *err)
{
    uint16_t rcode;
    if (dns_rcode_parse(what, &rcode) != 0)
        return error_set(err, "%s: no RCODE", what);
    ch_load_begin(l, "SELECT client, ");
    ch_load_ip(l, NULL, 0);
    fprintf(l->sql, ", toUInt16(0), toUInt16(%u), ''" CH_SUMS, rcode);
    ch_load_table(l, "lookups_by_client");
    fprintf(l->sql, " WHERE rcode = %u", rcode);
    ch_load_times(l, "AND");
    fputs(" GROUP BY client ORDER BY c DESC, t DESC, client", l->sql);
    return ch_load_run(l, ch_load_limit(l), ch_fill_lookups, err);
}

/* One column of a lookup, the others being what they are of none. */
int ch_load_top(struct ch_load *l, const char *what, struct error *err)
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
    ch_load_begin(l, "SELECT ");
    for (k = 0; k < 5; k++) {
        fputs(k ? ", " : "", l->sql);
        if (k == tops[i].at)
            fputs(tops[i].column, l->sql);
        else if (k < 2)
            ch_load_ip(l, NULL, 0);
        else
            fputs(k < 4 ? "toUInt16(0)" : "''", l->sql);
    }
    fputs(CH_SUMS, l->sql);
    ch_load_table(l, "lookups_by_name");
    ch_load_times(l, "WHERE");
    fprintf(l->sql, " GROUP BY %s ORDER BY c DESC, t DESC, %s", tops[i].column, tops[i].column);
    return ch_load_run(l, strcmp(what, "domains") == 0 ? 0 : ch_load_limit(l), ch_fill_lookups,
                       err); /* names become domains here */
}

/* Names that may have the text: letters are those of rname, what is escaped is looked at here alone. */
int ch_load_contains(struct ch_load *l, const char *what, struct error *err)
{
    uint8_t text[NAME_TEXT];
    size_t len = pattern_text(what, text);
    char plain[NAME_TEXT];
    snprintf(plain, sizeof(plain), "%.*s", (int)len, (const char *)text);
    bool is_plain = strspn(plain, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
    ch_load_begin(l, "SELECT ");
    ch_load_ip(l, NULL, 0);
    fputs(", ", l->sql);
    ch_load_ip(l, NULL, 0);
    fputs(", toUInt16(0), toUInt16(0), rname" CH_SUMS, l->sql);
    ch_load_table(l, "lookups_by_name");
    fputs(" WHERE 1", l->sql);
    if (is_plain) {
        fputs(" AND position(arrayStringConcat(arrayReverse(splitByChar('.', rname)), '.'), ", l->sql);
        ch_load_text(l->sql, plain);
        fputs(") > 0", l->sql);
    }
    if (ch_load_is_page(l)) {
        fputs(" AND rname > ", l->sql);
        ch_load_text(l->sql, l->ask->from->name);
    }
    ch_load_times(l, "AND");
    fputs(" GROUP BY rname ORDER BY rname", l->sql);
    return ch_load_run(l, is_plain ? ch_load_limit(l) : 0, ch_fill_lookups, err);
}
