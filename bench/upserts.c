/* SPDX-License-Identifier: BSD-3-Clause
 *
 * upserts FILE DATABASE: what it would cost to keep what the collector keeps without partitions: lookups and answers in
 * SQLite tables, indexed as the collector's are, into which a file of datagrams goes by an upsert for each second of
 * theirs. Prints the CPU seconds, user and system, records, and rows of lookups. */
#include <pcap/pcap.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "store/rname.h"
#include "store/tally.h"

enum { HEADERS = 4 + 20 + 8, SOURCE_AT = 4 + 12 };

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static const char schema[] =
    "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-262144;"
    "CREATE TABLE names(id INTEGER PRIMARY KEY, rname TEXT NOT NULL UNIQUE);"
    "CREATE TABLE lookups(client BLOB, name INT, hour INT, resolver BLOB, type INT, rcode INT, count INT, first INT,"
    " last INT, PRIMARY KEY(client, name, hour, resolver, type, rcode)) WITHOUT ROWID;"
    "CREATE INDEX by_name ON lookups(name);"
    "CREATE TABLE answers(name INT, type INT, rdata, count INT, first INT, last INT, PRIMARY KEY(name, type, rdata))"
    " WITHOUT ROWID;"
    "CREATE INDEX by_rdata ON answers(rdata, type);";

struct upserts {
    sqlite3 *db;
    sqlite3_stmt *name, *find, *lookup, *answer;
    struct tally tally;
    uint64_t records;
    int64_t second;
};

static int64_t name_id(struct upserts *u, uint32_t number)
{
    char rname[RNAME_TEXT];
    size_t len;
    const uint8_t *wire = intern_key(u->tally.names, number, &len);
    len = rname_of(wire, len, rname);
    sqlite3_bind_text(u->name, 1, rname, (int)len, SQLITE_STATIC);
    sqlite3_step(u->name);
    sqlite3_reset(u->name);
    sqlite3_bind_text(u->find, 1, rname, (int)len, SQLITE_STATIC);
    sqlite3_step(u->find);
    int64_t id = sqlite3_column_int64(u->find, 0);
    sqlite3_reset(u->find);
    return id;
}

static void bind_address(struct upserts *u, int column, uint32_t number)
{
    size_t len;
    const uint8_t *bytes = intern_key(u->tally.addresses, number, &len);
    sqlite3_bind_blob(u->lookup, column, bytes, (int)len, SQLITE_STATIC);
}

/* Count, first and last from this column on, and the upsert. */
static void put(sqlite3_stmt *s, int column, const struct intern_count *c)
{
    sqlite3_bind_int64(s, column, (int64_t)c->count);
    sqlite3_bind_int64(s, column + 1, c->first);
    sqlite3_bind_int64(s, column + 2, c->last);
    sqlite3_step(s);
    sqlite3_reset(s);
}

static void flush(struct upserts *u)
{
    const struct tally *t = &u->tally;
    uint32_t i, name;
    uint16_t type;
    const uint8_t *rdata;
    size_t len;
    sqlite3_exec(u->db, "BEGIN", NULL, NULL, NULL);
    for (i = 0; i < intern_size(t->lookups); i++) {
        struct tally_lookup lookup = tally_lookup_at(t, i);
        bind_address(u, 1, lookup.client);
        sqlite3_bind_int64(u->lookup, 2, name_id(u, lookup.name));
        sqlite3_bind_int64(u->lookup, 3, intern_counted(t->lookups, i)->first / 3600);
        bind_address(u, 4, lookup.resolver);
        sqlite3_bind_int(u->lookup, 5, lookup.type);
        sqlite3_bind_int(u->lookup, 6, lookup.rcode);
        put(u->lookup, 7, intern_counted(t->lookups, i));
    }
    for (i = 0; i < intern_size(t->answers); i++) {
        tally_answer_at(t, i, &name, &type, &rdata, &len);
        sqlite3_bind_int64(u->answer, 1, name_id(u, name));
        sqlite3_bind_int(u->answer, 2, type);
        sqlite3_bind_blob(u->answer, 3, rdata, (int)len, SQLITE_STATIC);
        put(u->answer, 4, intern_counted(t->answers, i));
    }
    sqlite3_exec(u->db, "COMMIT", NULL, NULL, NULL);
    u->records += t->records;
    tally_clear(&u->tally);
}

static void take(struct upserts *u, const struct received *from)
{
    struct received one = *from;
    struct dnsflow_record record;
    if (dnsflow_decode(from->bytes, from->len, &one.datagram) != DNSFLOW_OK ||
        (one.datagram.flags & DNSFLOW_FLAG_STATS))
        return;
    while (dnsflow_next_record(&one.datagram, &record)) {
        int64_t second = received_record_time(&one, &record) / SECOND_US;
        if (second != u->second)
            flush(u);
        u->second = second;
        tally_records(&u->tally, &one, &record, 1, 1);
    }
}

static int open_all(struct upserts *u, const char *path)
{
#define UPSERT                                                                                       \
    " ON CONFLICT DO UPDATE SET count = count + excluded.count, first = min(first, excluded.first)," \
    " last = max(last, excluded.last)"
    return tally_open(&u->tally) == 0 && sqlite3_open(path, &u->db) == SQLITE_OK &&
                   sqlite3_exec(u->db, schema, NULL, NULL, NULL) == SQLITE_OK &&
                   sqlite3_prepare_v2(u->db, "INSERT OR IGNORE INTO names(rname) VALUES(?)", -1, &u->name, NULL) == 0 &&
                   sqlite3_prepare_v2(u->db, "SELECT id FROM names WHERE rname = ?", -1, &u->find, NULL) == 0 &&
                   sqlite3_prepare_v2(u->db, "INSERT INTO lookups VALUES(?,?,?,?,?,?,?,?,?)" UPSERT, -1, &u->lookup,
                                      NULL) == 0 &&
                   sqlite3_prepare_v2(u->db, "INSERT INTO answers VALUES(?,?,?,?,?,?)" UPSERT, -1, &u->answer, NULL) ==
                       0
               ? 0
               : -1;
#undef UPSERT
}

int main(int argc, char **argv)
{
    char text[PCAP_ERRBUF_SIZE];
    struct upserts u = {.second = 0};
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    sqlite3_stmt *rows;
    pcap_t *pcap = argc == 3 ? pcap_open_offline(argv[1], text) : NULL;
    if (!pcap || open_all(&u, argv[2]) != 0)
        return 1;
    double before = cpu_seconds();
    while (pcap_next_ex(pcap, &header, &bytes) == 1) {
        const struct received from = {.ip_vers = 4,
                                      .address = bytes + SOURCE_AT,
                                      .bytes = bytes + HEADERS,
                                      .len = header->caplen > HEADERS ? header->caplen - HEADERS : 0,
                                      .time_us = header->ts.tv_sec * SECOND_US};
        take(&u, &from);
    }
    flush(&u);
    sqlite3_prepare_v2(u.db, "SELECT count(*) FROM lookups", -1, &rows, NULL);
    sqlite3_step(rows);
    printf("%.3f %llu %lld\n", cpu_seconds() - before, (unsigned long long)u.records,
           (long long)sqlite3_column_int64(rows, 0));
    return 0;
}
