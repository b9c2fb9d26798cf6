/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/ask.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dns_words.h"
#include "record/field.h"
#include "record/pattern.h"
#include "store/rname.h"

/* ---- text ---- */

enum { ADDRESS_TEXT = INET6_ADDRSTRLEN };

/* NULL: it is none. */
static const char *address_text(const void *bytes, int len, char text[ADDRESS_TEXT])
{
    if (!bytes || (len != 4 && len != 16))
        return NULL;
    return inet_ntop(len == 16 ? AF_INET6 : AF_INET, bytes, text, ADDRESS_TEXT);
}

/* Returns the length, 0: it is no address. IPv4 in the form of IPv6 is IPv4. */
static size_t parse_address(const char *text, uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_ip6 = strchr(text, ':') != NULL;
    if (inet_pton(is_ip6 ? AF_INET6 : AF_INET, text, address) != 1)
        return 0;
    if (!is_ip6 || memcmp(address, mapped, sizeof(mapped)) != 0)
        return is_ip6 ? 16 : 4;
    memmove(address, address + sizeof(mapped), 4);
    return 4;
}

/* The reversed name. Returns 0, or -1: it is none. */
static int parse_rname(const char *text, char rname[RNAME_TEXT])
{
    uint8_t wire[NAME_WIRE];
    size_t len = strcmp(text, ".") == 0 ? 1 : name_parse(text, wire);
    if (len == 1)
        wire[0] = 0;
    if (len == 0)
        return -1;
    (void)rname_of(wire, len, rname);
    return 0;
}

/* ---- name: what it was answered with ---- */

static const struct answer_column name_columns[] = {{"name", CELL_TEXT},    {"type", CELL_TEXT},  {"rdata", CELL_TEXT},
                                                    {"count", CELL_NUMBER}, {"first", CELL_TIME}, {"last", CELL_TIME}};

static void put_answer_row(sqlite3_stmt *s, const char *name, struct answer_output *output)
{
    char word[FIELD_WORD_SIZE], address[ADDRESS_TEXT];
    bool is_blob = sqlite3_column_type(s, 1) == SQLITE_BLOB;
    const char *rdata = is_blob ? address_text(sqlite3_column_blob(s, 1), sqlite3_column_bytes(s, 1), address)
                                : (const char *)sqlite3_column_text(s, 1);
    const struct answer_cell cells[] = {{name, 0},
                                        {field_type_word((uint64_t)sqlite3_column_int64(s, 0), word), 0},
                                        {rdata, 0},
                                        {NULL, sqlite3_column_int64(s, 2)},
                                        {NULL, sqlite3_column_int64(s, 3)},
                                        {NULL, sqlite3_column_int64(s, 4)}};
    answer_row(output, cells);
}

/* Rows of the statement up to the limit. Returns 0, or -1. */
static int put_rows(sqlite3_stmt *s, const struct ask *ask, struct ask_result *result, struct error *err,
                    void (*put)(sqlite3_stmt *s, const char *name, struct answer_output *output), const char *name,
                    struct answer_output *output)
{
    int step;
    while ((step = sql_step(s, err)) == 1) {
        if (ask->limit > 0 && result->rows == ask->limit) {
            result->is_cut = true;
            return 0;
        }
        put(s, name, output);
        result->rows++;
    }
    return step;
}

static int ask_name(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                    struct error *err)
{
    char rname[RNAME_TEXT], name[NAME_TEXT];
    sqlite3_stmt *s;
    if (parse_rname(ask->what, rname) != 0 ||
        sql_prepare(kept->db,
                    "SELECT type, rdata, count, first, last FROM answers WHERE rname = ? AND last >= ? AND first < ?"
                    " ORDER BY last DESC, type, rdata",
                    &s, err) != 0)
        return -1;
    (void)rname_to_text(rname, name);
    sqlite3_bind_text(s, 1, rname, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, ask->since_s);
    sqlite3_bind_int64(s, 3, ask->until_s);
    int done = put_rows(s, ask, result, err, put_answer_row, name, output);
    sqlite3_finalize(s);
    return done;
}

/* ---- lookups: rows of partitions, brought together ---- */

static const char gather_schema[] =
    "CREATE TABLE found(what, resolver BLOB, type INT, rcode INT, count INT, first INT, last INT,"
    " PRIMARY KEY(what, resolver, type, rcode)) WITHOUT ROWID; BEGIN";

/* Rows of one partition for a number of it. */
static int gather_rows(sqlite3 *partition, const char *query, int64_t number, sqlite3_stmt *into, const struct ask *ask,
                       uint64_t *left, struct error *err)
{
    sqlite3_stmt *s;
    int64_t base;
    int step = -1, i;
    if (sql_number(partition, "SELECT value FROM part WHERE key = 'base'", 0, &base, err) != 0 ||
        sql_prepare(partition, query, &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, number);
    while (*left > 0 && (step = sql_step(s, err)) == 1) {
        int64_t first = sqlite3_column_int64(s, 5) + base, last = first + sqlite3_column_int64(s, 6);
        --*left;
        if (last < ask->since_s || first >= ask->until_s)
            continue;
        for (i = 0; i < 5; i++)
            sqlite3_bind_value(into, 1 + i, sqlite3_column_value(s, i));
        sqlite3_bind_int64(into, 6, first);
        sqlite3_bind_int64(into, 7, last);
        if (sql_do(into, err) != 0) {
            step = -1;
            break;
        }
    }
    sqlite3_finalize(s);
    return *left == 0 ? 0 : step;
}

static int gather(struct kept *kept, const struct ask *ask, bool is_client, const char *query, sqlite3_stmt *into,
                  struct ask_result *result, struct error *err)
{
    char rname[RNAME_TEXT];
    uint8_t address[16];
    size_t len = is_client ? parse_address(ask->what, address) : 0, i;
    uint64_t left = ASK_ROWS_MAX;
    if (!is_client && parse_rname(ask->what, rname) != 0)
        return -1;
    for (i = kept->partitions_count; i > 0; i--) {
        const struct partition *p = &kept->partitions[i - 1];
        sqlite3 *db;
        if (p->record_last < ask->since_s || p->record_first >= ask->until_s)
            continue;
        int opened = kept_partition(kept, i - 1, &db, err);
        if (opened < 0)
            return -1;
        if (opened == 0)
            continue;
        int64_t number = is_client ? kept_find_address(db, address, len, err) : kept_find_name(db, rname, err);
        int done = number > 0 ? gather_rows(db, query, number, into, ask, &left, err) : (int)number;
        sqlite3_close(db);
        if (done != 0)
            return -1;
        result->is_partial = left == 0;
    }
    return 0;
}

static void put_lookup_row(sqlite3_stmt *s, const char *name, struct answer_output *output)
{
    char type[FIELD_WORD_SIZE], rcode[FIELD_WORD_SIZE], what[NAME_TEXT], resolver[ADDRESS_TEXT];
    const char *shown = what;
    if (sqlite3_column_type(s, 0) == SQLITE_BLOB)
        shown = address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), what);
    else
        (void)rname_to_text((const char *)sqlite3_column_text(s, 0), what);
    uint64_t qtype = (uint64_t)sqlite3_column_int64(s, 2);
    const struct answer_cell cells[] = {
        {name, 0},
        {shown, 0},
        {qtype ? field_type_word(qtype, type) : NULL, 0},
        {field_rcode_word((uint64_t)sqlite3_column_int64(s, 3), rcode), 0},
        {address_text(sqlite3_column_blob(s, 1), sqlite3_column_bytes(s, 1), resolver), 0},
        {NULL, sqlite3_column_int64(s, 4)},
        {NULL, sqlite3_column_int64(s, 5)},
        {NULL, sqlite3_column_int64(s, 6)}};
    answer_row(output, cells);
}

static int ask_lookups(struct kept *kept, const struct ask *ask, bool is_client, const char *query,
                       struct answer_output *output, struct ask_result *result, struct error *err)
{
    sqlite3 *found;
    sqlite3_stmt *into = NULL, *out = NULL;
    char about[NAME_TEXT], rname[RNAME_TEXT];
    int done = -1;
    if (is_client || parse_rname(ask->what, rname) != 0)
        snprintf(about, sizeof(about), "%s", ask->what);
    else
        (void)rname_to_text(rname, about);
    if (sql_open(":memory:", SQL_WRITE, &found, err) != 0)
        return -1;
    if (sql_run(found, gather_schema, err) == 0 &&
        sql_prepare(found,
                    "INSERT INTO found VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " count = count + excluded.count, first = min(first, excluded.first),"
                    " last = max(last, excluded.last)",
                    &into, err) == 0 &&
        gather(kept, ask, is_client, query, into, result, err) == 0 &&
        sql_prepare(found, "SELECT * FROM found ORDER BY last DESC, count DESC, what, type, rcode", &out, err) == 0)
        done = put_rows(out, ask, result, err, put_lookup_row, about, output);
    sqlite3_finalize(into);
    sqlite3_finalize(out);
    sqlite3_close(found);
    return done;
}

static const struct answer_column who_columns[] = {
    {"name", CELL_TEXT},     {"client", CELL_TEXT},  {"type", CELL_TEXT},  {"rcode", CELL_TEXT},
    {"resolver", CELL_TEXT}, {"count", CELL_NUMBER}, {"first", CELL_TIME}, {"last", CELL_TIME}};

static int ask_who(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                   struct error *err)
{
    return ask_lookups(kept, ask, false,
                       "SELECT c.address, r.address, k.type, k.rcode, rows.count, rows.first, rows.span FROM rows"
                       " JOIN addresses c ON c.id = rows.client JOIN kinds k ON k.id = rows.kind"
                       " LEFT JOIN addresses r ON r.id = k.resolver WHERE rows.name = ?",
                       output, result, err);
}

static const struct answer_column client_columns[] = {
    {"client", CELL_TEXT},   {"name", CELL_TEXT},    {"type", CELL_TEXT},  {"rcode", CELL_TEXT},
    {"resolver", CELL_TEXT}, {"count", CELL_NUMBER}, {"first", CELL_TIME}, {"last", CELL_TIME}};

static int ask_client(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                      struct error *err)
{
    return ask_lookups(kept, ask, true,
                       "SELECT n.rname, r.address, k.type, k.rcode, rows.count, rows.first, rows.span FROM rows"
                       " JOIN names n ON n.id = rows.name JOIN kinds k ON k.id = rows.kind"
                       " LEFT JOIN addresses r ON r.id = k.resolver WHERE rows.client = ?",
                       output, result, err);
}

/* ---- loss: where what is missing was lost ---- */

static const struct answer_column loss_columns[] = {{"source", CELL_TEXT},         {"sensor", CELL_TEXT},
                                                    {"datagrams", CELL_NUMBER},    {"records", CELL_NUMBER},
                                                    {"network", CELL_NUMBER},      {"here", CELL_NUMBER},
                                                    {"down", CELL_NUMBER},         {"send", CELL_NUMBER},
                                                    {"ring_packets", CELL_NUMBER}, {"interface_packets", CELL_NUMBER},
                                                    {"first", CELL_TIME},          {"last", CELL_TIME}};

static void put_loss_row(sqlite3_stmt *s, const char *name, struct answer_output *output)
{
    char address[ADDRESS_TEXT], source[ADDRESS_TEXT + 16], sensor[48];
    const char *text = address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), address);
    bool has_sensor = sqlite3_column_type(s, 2) != SQLITE_NULL;
    size_t i;
    (void)name;
    if (text)
        snprintf(source, sizeof(source), strchr(text, ':') ? "[%s]:%d" : "%s:%d", text, sqlite3_column_int(s, 1));
    else
        snprintf(source, sizeof(source), "others"); /* more streams than have an account */
    snprintf(sensor, sizeof(sensor), "%" PRId64 "/%d", (int64_t)sqlite3_column_int64(s, 2), sqlite3_column_int(s, 3));
    struct answer_cell cells[sizeof(loss_columns) / sizeof(loss_columns[0])] = {{source, 0},
                                                                                {has_sensor ? sensor : NULL, 0}};
    for (i = 2; i < sizeof(cells) / sizeof(cells[0]); i++)
        cells[i].number = sqlite3_column_int64(s, (int)i + 2);
    answer_row(output, cells);
}

static int ask_loss(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                    struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(kept->db,
                    "SELECT address, port, sensor, worker, sum(datagrams), sum(records), sum(network), sum(here),"
                    " sum(down), sum(send), sum(ring), sum(interface), min(minute) * 60, max(minute) * 60"
                    " FROM minutes LEFT JOIN streams ON id = stream WHERE minute * 60 + 59 >= ? AND minute * 60 < ?"
                    " GROUP BY stream ORDER BY sensor, worker, address, port",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, ask->since_s);
    sqlite3_bind_int64(s, 2, ask->until_s);
    int done = put_rows(s, ask, result, err, put_loss_row, NULL, output);
    sqlite3_finalize(s);
    return done;
}

/* ---- all of them ---- */

#define COLUMNS(list) list, sizeof(list) / sizeof((list)[0])

const struct question questions[] = {
    {"name", "NAME: what it was answered with", true, COLUMNS(name_columns), ask_name},
    {"who", "NAME: who asked for it", true, COLUMNS(who_columns), ask_who},
    {"client", "ADDRESS: what this client asked for", true, COLUMNS(client_columns), ask_client},
    {"loss", "what came of each sensor, and what is missing where", false, COLUMNS(loss_columns), ask_loss},
};

const size_t questions_count = sizeof(questions) / sizeof(questions[0]);

int question_check(const struct question *question, const char *what, struct error *err)
{
    uint8_t address[16];
    if (question->columns == client_columns)
        return parse_address(what, address) > 0 ? 0 : error_set(err, "expected an IPv4 or IPv6 address");
    if (parse_address(what, address) > 0)
        return error_set(err, "expected a name, not an address");
    if (what[0] == '\0' || what[0] == '*')
        return error_set(err, "expected a whole name, such as www.example.com; \\* is a star");
    if (strcmp(what, ".") == 0)
        return 0;
    return pattern_check(what, false, err);
}
