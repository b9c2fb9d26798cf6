/* SPDX-License-Identifier: BSD-3-Clause
 *
 * upserts FILE DATABASE: what the collector's lookups would cost without partitions: one SQLite table, keyed by client,
 * name, resolver, type and hour, with an index by name, into which the records of a file of datagrams go by an upsert
 * for each second of theirs. Prints the CPU seconds, user and system, records and rows. */
#include <pcap/pcap.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "dnsflow.h"
#include "record/name.h"
#include "store/intern.h"

enum { HEADERS = 4 + 20 + 8 };

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static const char schema[] =
    "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-262144;"
    "CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE lookups(client BLOB, name INT, hour INT, resolver BLOB, type INT, count INT, first INT, last INT,"
    " PRIMARY KEY(client, name, hour, resolver, type)) WITHOUT ROWID;"
    "CREATE INDEX by_name ON lookups(name);";

struct upserts {
    sqlite3 *db;
    sqlite3_stmt *name, *find, *lookup;
    struct intern *gathered; /* client 4, resolver 4, type 2, name: counted */
    uint64_t records;
    int64_t second;
};

static int64_t name_id(struct upserts *u, const char *text, int len)
{
    sqlite3_bind_text(u->name, 1, text, len, SQLITE_STATIC);
    sqlite3_step(u->name);
    sqlite3_reset(u->name);
    sqlite3_bind_text(u->find, 1, text, len, SQLITE_STATIC);
    sqlite3_step(u->find);
    int64_t id = sqlite3_column_int64(u->find, 0);
    sqlite3_reset(u->find);
    return id;
}

static void flush(struct upserts *u)
{
    uint32_t i, count = intern_size(u->gathered);
    size_t len;
    sqlite3_exec(u->db, "BEGIN", NULL, NULL, NULL);
    for (i = 0; i < count; i++) {
        const uint8_t *key = intern_key(u->gathered, i, &len);
        const struct intern_count *c = intern_counted(u->gathered, i);
        sqlite3_bind_blob(u->lookup, 1, key, 4, SQLITE_STATIC);
        sqlite3_bind_int64(u->lookup, 2, name_id(u, (const char *)key + 10, (int)len - 10));
        sqlite3_bind_int64(u->lookup, 3, c->first / 3600);
        sqlite3_bind_blob(u->lookup, 4, key + 4, 4, SQLITE_STATIC);
        sqlite3_bind_int(u->lookup, 5, key[8] << 8 | key[9]);
        sqlite3_bind_int64(u->lookup, 6, (int64_t)c->count);
        sqlite3_bind_int64(u->lookup, 7, c->first);
        sqlite3_bind_int64(u->lookup, 8, c->last);
        sqlite3_step(u->lookup);
        sqlite3_reset(u->lookup);
    }
    sqlite3_exec(u->db, "COMMIT", NULL, NULL, NULL);
    intern_clear(u->gathered);
}

static void take(struct upserts *u, const struct dnsflow_record *r)
{
    uint8_t key[10 + NAME_TEXT], wire[NAME_WIRE];
    struct name_walk walk = name_walk_over(r);
    size_t len = name_next(&walk, wire);
    if (r->time_us / SECOND_US != u->second)
        flush(u);
    u->second = r->time_us / SECOND_US;
    memcpy(key, r->client, 4);
    memcpy(key + 4, r->resolver, 4);
    key[8] = (uint8_t)(r->qtype >> 8);
    key[9] = (uint8_t)r->qtype;
    len = name_text(wire, len, (char *)key + 10);
    intern_count(u->gathered, intern_add(u->gathered, key, 10 + len), u->second, 1);
    u->records++;
}

int main(int argc, char **argv)
{
    char text[PCAP_ERRBUF_SIZE];
    struct upserts u = {.gathered = intern_create()};
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    struct dnsflow_datagram d;
    struct dnsflow_record record;
    sqlite3_stmt *rows;
    pcap_t *pcap = argc == 3 ? pcap_open_offline(argv[1], text) : NULL;
    if (!pcap || !u.gathered || sqlite3_open(argv[2], &u.db) != SQLITE_OK ||
        sqlite3_exec(u.db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return 1;
    sqlite3_prepare_v2(u.db, "INSERT OR IGNORE INTO names(name) VALUES(?)", -1, &u.name, NULL);
    sqlite3_prepare_v2(u.db, "SELECT id FROM names WHERE name = ?", -1, &u.find, NULL);
    sqlite3_prepare_v2(u.db,
                       "INSERT INTO lookups VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
                       " count = count + excluded.count, first = min(first, excluded.first),"
                       " last = max(last, excluded.last)",
                       -1, &u.lookup, NULL);
    double before = cpu_seconds();
    while (pcap_next_ex(pcap, &header, &bytes) == 1)
        if (dnsflow_decode(bytes + HEADERS, header->caplen - HEADERS, &d) == DNSFLOW_OK)
            while (dnsflow_next_record(&d, &record))
                take(&u, &record);
    flush(&u);
    sqlite3_prepare_v2(u.db, "SELECT count(*) FROM lookups", -1, &rows, NULL);
    sqlite3_step(rows);
    printf("%.3f %llu %lld\n", cpu_seconds() - before, (unsigned long long)u.records,
           (long long)sqlite3_column_int64(rows, 0));
    return 0;
}
