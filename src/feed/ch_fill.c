/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/ch_fill.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/domain_walk.h"
#include "store/folded.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, IP = 16 };

int ch_fill_open(struct ch_fill *fill, const char *folder, struct error *err)
{
    char lookups[448];
    memset(fill, 0, sizeof(*fill));
    if (snprintf(fill->folder, sizeof(fill->folder), "%s", folder) >= (int)sizeof(fill->folder))
        return error_set(err, "%s: the path is too long", folder);
    snprintf(lookups, sizeof(lookups), "%s/lookups", folder);
    if (mkdir(lookups, 0700) != 0)
        return error_errno(err, "%s", lookups);
    if (tally_open(&fill->tally) != 0)
        return error_set(err, "out of memory");
    return database_open(folder, &fill->db, err) == 0 &&
                   sql_run(fill->db, "PRAGMA synchronous = OFF; BEGIN", err) == 0 &&
                   sql_prepare(fill->db, "INSERT OR REPLACE INTO answers VALUES(?, ?, ?, ?, ?, ?, ?)", &fill->answer,
                               err) == 0
               ? 0
               : -1;
}

void ch_fill_close(struct ch_fill *fill)
{
    sqlite3_finalize(fill->answer);
    database_close(fill->db);
    tally_close(&fill->tally);
    memset(fill, 0, sizeof(*fill));
}

/* IPv4 is mapped, and :: is none. */
static const uint8_t *unmap(const uint8_t *ip, size_t *len)
{
    static const uint8_t before[12] = {[10] = 0xff, [11] = 0xff}, none[IP];
    bool is_4 = ip && memcmp(ip, before, sizeof(before)) == 0;
    *len = is_4 ? 4 : ip && memcmp(ip, none, IP) != 0 ? IP : 0;
    return is_4 ? ip + 12 : ip;
}

static int refuse(struct error *err)
{
    return error_set(err, "clickhouse: an answer that is not understood");
}

/* ---- answers ---- */

static void read_count(struct rowbinary_reader *r, struct intern_count *c)
{
    c->count = rowbinary_read(r, 8);
    c->scaled = rowbinary_read(r, 8);
    c->first = (int64_t)rowbinary_read(r, 4);
    c->last = (int64_t)rowbinary_read(r, 4);
}

int ch_fill_answers(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err)
{
    while (rows->at < rows->end) {
        size_t rname_len, rdata_len, ip_len;
        struct intern_count count;
        const uint8_t *rname = rowbinary_read_string(rows, &rname_len);
        uint16_t type = (uint16_t)rowbinary_read(rows, 2);
        const uint8_t *rdata = rowbinary_read_string(rows, &rdata_len), *ip = rowbinary_take(rows, IP);
        read_count(rows, &count);
        if (rows->failed)
            return refuse(err);
        const uint8_t *address = unmap(ip, &ip_len);
        bool is_address = (type == TYPE_A && ip_len == 4) || (type == TYPE_AAAA && rdata_len > 0 && rdata[0] != '\\');
        sqlite3_bind_text(fill->answer, 1, (const char *)rname, (int)rname_len, SQLITE_STATIC);
        sqlite3_bind_int(fill->answer, 2, type);
        if (is_address)
            sqlite3_bind_blob(fill->answer, 3, type == TYPE_A ? address : ip, type == TYPE_A ? 4 : IP, SQLITE_STATIC);
        else
            sqlite3_bind_text(fill->answer, 3, (const char *)rdata, (int)rdata_len, SQLITE_STATIC);
        sqlite3_bind_int64(fill->answer, 4, count.first);
        sqlite3_bind_int64(fill->answer, 5, count.last);
        sqlite3_bind_int64(fill->answer, 6, (int64_t)count.count);
        sqlite3_bind_int64(fill->answer, 7, (int64_t)count.scaled);
        fill->rows++;
        if (sql_do(fill->answer, err) != 0)
            return -1;
    }
    return 0;
}

/* A domain is as new as the first of its names. */
static int put_domains(struct domains *domains, sqlite3_stmt *names, sqlite3_stmt *put, struct error *err)
{
    struct domain_walk walk = {.count = 0};
    char domain[RNAME_TEXT];
    int step;
    while ((step = sql_step(names, err)) == 1) {
        const char *rname = (const char *)sqlite3_column_text(names, 0);
        size_t len = domain_walk_len(&walk, domains, rname ? rname : "", NULL);
        snprintf(domain, sizeof(domain), "%.*s", (int)len, rname ? rname : "");
        sqlite3_bind_int64(put, 1, sqlite3_column_int64(names, 1));
        sqlite3_bind_text(put, 2, domain, -1, SQLITE_STATIC);
        if (sql_do(put, err) != 0)
            return -1;
    }
    return step;
}

int ch_fill_news(struct ch_fill *fill, struct error *err)
{
    struct domains *domains = domains_create();
    sqlite3_stmt *names = NULL, *put = NULL;
    int result = domains ? 0 : error_set(err, "out of memory");
    if (result == 0 &&
        (sql_run(fill->db,
                 "CREATE TEMP TABLE domains(rname TEXT PRIMARY KEY, first INT) WITHOUT ROWID;"
                 "INSERT OR IGNORE INTO news SELECT 0, min(first), rname FROM answers GROUP BY rname",
                 err) != 0 ||
         sql_prepare(fill->db, "SELECT rname, min(first) FROM answers GROUP BY rname ORDER BY rname", &names, err) !=
             0 ||
         sql_prepare(fill->db,
                     "INSERT INTO domains VALUES(?2, ?1) ON CONFLICT DO UPDATE SET first = min(first, excluded.first)",
                     &put, err) != 0 ||
         put_domains(domains, names, put, err) != 0 ||
         sql_run(fill->db, "INSERT OR IGNORE INTO news SELECT 1, first, rname FROM domains", err) != 0))
        result = -1;
    sqlite3_finalize(names);
    sqlite3_finalize(put);
    domains_destroy(domains);
    return result;
}

/* ---- lookups ---- */

int ch_fill_lookups(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err)
{
    while (rows->at < rows->end) {
        size_t client_len, resolver_len, rname_len;
        char rname[RNAME_TEXT];
        uint8_t wire[NAME_WIRE];
        struct intern_count count;
        struct tally_lookup like = {.client = 0};
        const uint8_t *client = unmap(rowbinary_take(rows, IP), &client_len);
        const uint8_t *resolver = unmap(rowbinary_take(rows, IP), &resolver_len);
        like.type = (uint16_t)rowbinary_read(rows, 2);
        like.rcode = (uint16_t)rowbinary_read(rows, 2);
        const uint8_t *text = rowbinary_read_string(rows, &rname_len);
        read_count(rows, &count);
        if (rows->failed)
            return refuse(err);
        snprintf(rname, sizeof(rname), "%.*s", (int)rname_len, (const char *)text);
        size_t wire_len = rname_to_wire(rname, wire);
        fill->rows++;
        if (wire_len > 0)
            tally_add_lookup(&fill->tally, wire, wire_len, client, client_len, resolver, resolver_len, &like, &count);
    }
    return fill->tally.is_short_of_memory ? error_set(err, "out of memory") : 0;
}

/* ---- accounts ---- */

static void bind_source(sqlite3_stmt *s, struct rowbinary_reader *r, uint64_t stream)
{
    size_t len;
    bool has_trailer = rowbinary_read(r, 1) != 0;
    uint64_t sensor = rowbinary_read(r, 4), worker = rowbinary_read(r, 1), start = rowbinary_read(r, 4);
    const uint8_t *address = unmap(rowbinary_take(r, IP), &len);
    uint64_t port = rowbinary_read(r, 2), verified = rowbinary_read(r, 1);
    bool has_ahead = rowbinary_read(r, 1) != 0;
    int64_t ahead = (int64_t)rowbinary_read(r, 8);
    (void)sqlite3_clear_bindings(s);
    sqlite3_bind_int64(s, 1, (int64_t)stream);
    if (has_trailer) {
        sqlite3_bind_int64(s, 2, (int64_t)sensor);
        sqlite3_bind_int64(s, 3, (int64_t)worker);
        sqlite3_bind_int64(s, 4, (int64_t)start);
    }
    sqlite3_bind_blob(s, 5, address, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(s, 6, (int64_t)port);
    sqlite3_bind_int64(s, 7, (int64_t)verified);
    sqlite3_bind_int64(s, 8, (int64_t)rowbinary_read(r, 4));
    sqlite3_bind_int64(s, 9, (int64_t)rowbinary_read(r, 4));
    if (has_ahead)
        sqlite3_bind_int64(s, 10, ahead);
}

static void bind_numbers(sqlite3_stmt *s, struct rowbinary_reader *r, int count)
{
    int i;
    for (i = 0; i < count; i++)
        sqlite3_bind_int64(s, 3 + i, (int64_t)rowbinary_read(r, 8));
}

static int put_account(sqlite3_stmt *const puts[3], struct rowbinary_reader *r, struct error *err)
{
    uint64_t stream = rowbinary_read(r, 8);
    int64_t minute = (int64_t)rowbinary_read(r, 4) / 60;
    int i;
    bind_source(puts[0], r, stream);
    bool has_told = rowbinary_read(r, 1) != 0;
    for (i = 1; i < 3; i++) {
        sqlite3_bind_int64(puts[i], 1, minute);
        sqlite3_bind_int64(puts[i], 2, (int64_t)stream);
        bind_numbers(puts[i], r, i == 1 ? ACCOUNT_COUNT : TOLD_COUNT);
    }
    if (r->failed)
        return refuse(err);
    if (stream > 0 && sql_do(puts[0], err) != 0)
        return -1;
    return sql_do(puts[1], err) == 0 && (!has_told || sql_do(puts[2], err) == 0) ? 0 : -1;
}

int ch_fill_accounts(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err)
{
    static const char *const texts[] = {
        "INSERT INTO streams(id, identity, sensor, worker, start, address, port, verified, first, last, state, ahead)"
        " VALUES(?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, x'', ?10) ON CONFLICT DO UPDATE SET"
        " first = min(first, excluded.first), last = max(last, excluded.last)",
        "INSERT INTO minutes(minute, stream, datagrams, records, statistics, network, here, down, ring, interface, "
        "send,"
        " made, beside, memory, journal, expired) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "INSERT INTO sensor_minutes VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
    sqlite3_stmt *puts[3] = {NULL, NULL, NULL};
    int result = 0, i;
    for (i = 0; result == 0 && i < 3; i++)
        result = sql_prepare(fill->db, texts[i], &puts[i], err);
    while (result == 0 && rows->at < rows->end) {
        fill->rows++;
        result = put_account(puts, rows, err);
    }
    for (i = 0; i < 3; i++)
        sqlite3_finalize(puts[i]);
    return result;
}

/* ---- the end ---- */

int ch_fill_end(struct ch_fill *fill, struct error *err)
{
    struct folded folded;
    struct partition partition = {.first_block = 1, .last_block = 1, .until = 1};
    char lookups[448];
    int result = 0;
    snprintf(lookups, sizeof(lookups), "%s/lookups", fill->folder);
    if (intern_size(fill->tally.lookups) > 0) {
        result = folded_make(&folded, &fill->tally, UINT32_MAX) == 0 ? partition_seal(lookups, &folded, &partition, err)
                                                                     : error_set(err, "out of memory");
        folded_free(&folded);
        if (result == 0)
            result = database_add_partition(fill->db, &partition, err);
    }
    return result == 0 ? sql_run(fill->db, "COMMIT", err) : -1;
}
