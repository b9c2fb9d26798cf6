/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Out of passive DNS. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/prefix.h"
#include "feed/ch_load.h"

enum { LEVELS = 64 /* of CNAMEs */ };

/* ---- answers ---- */

static void begin_answers(struct ch_load *l, const char *table)
{
    ch_load_begin(
        l, "SELECT rname, rrtype, rdata, address, sum(count) AS c, sum(scaled) AS s, min(first) AS f, max(last) AS t");
    ch_load_table(l, table);
    fputs(" WHERE ", l->sql);
}

static int run_answers(struct ch_load *l, const char *order, uint64_t limit, struct error *err)
{
    const struct ask *ask = l->ask;
    fputs(" GROUP BY rname, rrtype, rdata, address", l->sql);
    if (ask->since_s > 0)
        fprintf(l->sql, " HAVING toUInt32(t) >= %" PRId64, ask->since_s < UINT32_MAX ? ask->since_s : UINT32_MAX);
    if (ask->until_s < UINT32_MAX)
        fprintf(l->sql, " %s toUInt32(f) < %" PRId64, ask->since_s > 0 ? "AND" : "HAVING",
                ask->until_s > 0 ? ask->until_s : 0);
    fprintf(l->sql, " ORDER BY %s", order);
    return ch_load_run(l, limit, ch_fill_answers, err);
}

/* Addresses are behind the texts of their type, as in the embedded store. :: is one, though it has no other address
 * than texts have. */
#define IS_UNSPECIFIED "(rrtype = 28 AND rdata = '::')"
#define BY_RDATA       "address, " IS_UNSPECIFIED ", rdata"

static void put_is_address(struct ch_load *l)
{
    fputs("(" IS_UNSPECIFIED " OR address > ", l->sql);
    ch_load_ip(l, NULL, 0);
    fputs(")", l->sql);
}

/* From the cursor's row on, that row included, where names are in order. */
static void put_from(struct ch_load *l)
{
    const struct cursor *from = l->ask->from;
    int64_t type = from->number >> 1;
    char key[CURSOR_KEY + 1];
    fputs(" AND (rname > ", l->sql);
    ch_load_text(l->sql, from->name);
    fputs(" OR (rname = ", l->sql);
    ch_load_text(l->sql, from->name);
    fprintf(l->sql, " AND (rrtype > %" PRId64 " OR (rrtype = %" PRId64 " AND ", type, type);
    if (from->number & 1) {
        fputs("address >= ", l->sql);
        ch_load_ip(l, from->key, from->key_len);
        fputs(" AND ", l->sql);
        put_is_address(l);
    } else {
        snprintf(key, sizeof(key), "%.*s", (int)from->key_len, (const char *)from->key);
        fputs("(", l->sql);
        put_is_address(l);
        fputs(" OR rdata >= ", l->sql);
        ch_load_text(l->sql, key);
        fputs(")", l->sql);
    }
    fputs("))))", l->sql);
}

/* A page's last row comes again at the beginning of the next. */
static int load_name(struct ch_load *l, const char *what, bool is_below, struct error *err)
{
    char rname[RNAME_TEXT], least[RNAME_TEXT + 1], end[RNAME_TEXT + 1];
    bool in_order = is_below || l->ask->from;
    if (parse_rname(what, rname) != 0)
        return error_set(err, "%s: no name", what);
    snprintf(least, sizeof(least), "%s.", rname);
    snprintf(end, sizeof(end), "%s/", rname);
    begin_answers(l, "pdns");
    fputs(is_below && !rname[0] ? "(1 OR rname = " : "(rname = ", l->sql);
    ch_load_text(l->sql, rname);
    if (is_below && rname[0]) {
        fputs(" OR (rname >= ", l->sql);
        ch_load_text(l->sql, least);
        fputs(" AND rname < ", l->sql);
        ch_load_text(l->sql, end);
        fputs(")", l->sql);
    }
    fputs(")", l->sql);
    if (ch_load_is_page(l))
        put_from(l);
    return run_answers(l, in_order ? "rname, rrtype, " BY_RDATA : "t DESC, rrtype, " BY_RDATA,
                       ch_load_limit(l) > 0 ? ch_load_limit(l) + 1 : 0, err);
}

/* The least and the greatest. Returns their length, 0 = it is none. */
size_t ch_load_range(const char *what, uint8_t least[CH_IP], uint8_t most[CH_IP])
{
    struct prefixes prefixes = {.count = 0};
    size_t len = parse_address(what, least);
    memcpy(most, least, CH_IP);
    if (len > 0)
        return len;
    return prefixes_add(&prefixes, what, NULL) == 0 ? prefix_range(&prefixes.list[0], least, most) : 0;
}

static int begin_address(struct ch_load *l, const char *what, struct error *err)
{
    uint8_t least[CH_IP], most[CH_IP];
    size_t len = ch_load_range(what, least, most);
    if (len == 0)
        return error_set(err, "%s: no address", what);
    begin_answers(l, "pdns_by_rdata");
    fprintf(l->sql, "rrtype = %d AND address >= ", len == 4 ? 1 : 28);
    ch_load_ip(l, least, len);
    fputs(" AND address <= ", l->sql);
    ch_load_ip(l, most, len);
    fputs(" AND ", l->sql);
    put_is_address(l);
    return 0;
}

static int load_address(struct ch_load *l, const char *what, struct error *err)
{
    const struct cursor *from = l->ask->from;
    if (begin_address(l, what, err) != 0)
        return -1;
    if (ch_load_is_page(l)) {
        fputs(" AND (address > ", l->sql);
        ch_load_ip(l, from->key, from->key_len);
        fputs(" OR (address = ", l->sql);
        ch_load_ip(l, from->key, from->key_len);
        fputs(" AND rname >= ", l->sql);
        ch_load_text(l->sql, from->name);
        fputs("))", l->sql);
    }
    return run_answers(l, from ? "address, rrtype, rname" : "t DESC, rname, address",
                       ch_load_limit(l) > 0 ? ch_load_limit(l) + 1 : 0, err);
}

static int load_rdata(struct ch_load *l, const char *what, struct error *err)
{
    char rname[RNAME_TEXT], name[NAME_TEXT];
    if (parse_rname(what, rname) != 0)
        return error_set(err, "%s: no name", what);
    (void)rname_to_text(rname, name);
    begin_answers(l, "pdns_by_rdata");
    fputs("address = ", l->sql);
    ch_load_ip(l, NULL, 0);
    fputs(" AND rdata = ", l->sql);
    ch_load_text(l->sql, name);
    return run_answers(l, "t DESC, rname, rrtype", ch_load_limit(l), err);
}

/* ---- names behind addresses ---- */

/* CNAMEs that lead to names which are there, those from `done` on. Returns how many names there are then, 0 = -1. */
static int load_aliases(struct ch_load *l, sqlite3_stmt *names, struct error *err)
{
    char name[NAME_TEXT];
    int step = 1, count;
    while (step == 1) {
        begin_answers(l, "pdns_by_rdata");
        fputs("rrtype = 5 AND address = ", l->sql);
        ch_load_ip(l, NULL, 0);
        fputs(" AND rdata IN (", l->sql);
        for (count = 0; count < CH_CHUNK && (step = sql_step(names, err)) == 1; count++) {
            const char *rname = (const char *)sqlite3_column_text(names, 0);
            (void)rname_to_text(rname ? rname : "", name);
            fputs(count ? ", " : "", l->sql);
            ch_load_text(l->sql, name);
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
int ch_load_behind(struct ch_load *l, const char *what, struct error *err)
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

/* What a word of the question asks for, by its form where it is a line of a list. */
int ch_load_answers(struct ch_load *l, const char *what, struct error *err)
{
    const char *name = l->question->name;
    uint8_t least[CH_IP], most[CH_IP];
    bool is_list = l->ask->is_list, is_below = strcmp(name, "below") == 0;
    bool is_address = parse_address(what, least) > 0 || (strchr(what, '/') && ch_load_range(what, least, most) > 0);
    if (is_list ? is_address : strcmp(name, "address") == 0)
        return load_address(l, what, err);
    if (strcmp(name, "rdata") == 0)
        return load_rdata(l, what, err);
    bool has_star = is_list && what[0] == '*' && what[1] == '.';
    return load_name(l, has_star ? what + 2 : what, is_below || has_star, err);
}

int ch_load_new(struct ch_load *l, struct error *err)
{
    struct ask all = *l->ask;
    const struct ask *ask = l->ask;
    all.since_s = INT64_MIN;
    all.until_s = INT64_MAX;
    l->ask = &all;
    ch_load_begin(l, "SELECT rname, toUInt16(0), '', ");
    ch_load_ip(l, NULL, 0);
    fputs(CH_SUMS, l->sql);
    ch_load_table(l, "pdns");
    fputs(" GROUP BY rname", l->sql);
    int result = ch_load_run(l, 0, ch_fill_answers, err);
    l->ask = ask;
    return result == 0 ? ch_fill_news(&l->fill, err) : -1;
}
