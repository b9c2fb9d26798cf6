/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lookups out of what a store keeps: a client asked for a name (partitions), and that name was answered with the
 * address (passive DNS). Of some flows at a time, for each client and server that they are of. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "annotate/origin.h"
#include "annotate/server_names.h"
#include "base/clock.h"
#include "base/log.h"
#include "query/kept.h"
#include "query/lookups.h"
#include "store/rname.h"

enum {
    TYPE_A = 1,
    TYPE_AAAA = 28,
    PROBES = 64,         /* names of a server, from which on all rows of the client are looked through */
    OTHERS_NAMES = 1000, /* names of a server that count as those of others */
    WORTH_ALL = 40       /* one of so many names is worth going through all */
};

/* A client and a server of the flows. */
struct pair {
    uint32_t server; /* number in server_names */
    uint32_t client; /* number in `clients` */
    int64_t number;  /* of the client in the partition at hand, 0 = not there */
};

struct store_origin {
    struct kept *kept;
    struct server_names names;
    struct lookups *lookups;        /* those that are filled */
    struct intern *clients, *known; /* known: pairs */
    struct pair *pairs;
    size_t pairs_count, pairs_size;
    int64_t since_s, until_s;
    /* of the partition at hand */
    int64_t base;
    int64_t *client_numbers; /* by number in `clients`; 0 = not there */
    int64_t *name_numbers;   /* by number in names.rnames */
    sqlite3_stmt *probe, *all;
    struct numbered *order; /* of one server, by number */
    size_t order_count;
    uint32_t order_server;
};

struct numbered {
    int64_t number;
    size_t name;
};

/* ---- what the flows are of ---- */

static int add_pair(struct store_origin *o, const uint8_t *client, size_t client_len, const uint8_t *server,
                    size_t server_len, struct error *err)
{
    struct pair pair = {.server = server_names_find(&o->names, server, server_len, err)};
    if (pair.server == INTERN_NONE)
        return -1;
    if (o->names.servers[pair.server].count == 0)
        return 0;
    pair.client = intern_add(o->clients, client, client_len);
    const uint32_t key[2] = {pair.server, pair.client};
    uint32_t before = intern_size(o->known), number = intern_add(o->known, (const uint8_t *)key, sizeof(key));
    if (pair.client == INTERN_NONE || number == INTERN_NONE)
        return error_set(err, "out of memory");
    if (number != before)
        return 0;
    if (o->pairs_count == o->pairs_size) {
        size_t more = o->pairs_size ? 2 * o->pairs_size : PROBES;
        struct pair *longer = realloc(o->pairs, more * sizeof(*longer));
        if (!longer)
            return error_set(err, "out of memory");
        o->pairs = longer;
        o->pairs_size = more;
    }
    o->pairs[o->pairs_count++] = pair;
    return 0;
}

static int by_server(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return x->server != y->server ? x->server < y->server ? -1 : 1 : x->client < y->client ? -1 : x->client > y->client;
}

/* What is asked for by them, and of which time. */
static int gather_pairs(struct store_origin *o, const struct seen_flow *flows, size_t count, struct error *err)
{
    size_t i;
    int64_t least = INT64_MAX, most = INT64_MIN;
    server_names_trim(&o->names);
    intern_clear(o->clients);
    intern_clear(o->known);
    o->pairs_count = 0;
    for (i = 0; i < count; i++) {
        const struct seen_flow *f = &flows[i];
        least = f->time_us < least ? f->time_us : least;
        most = f->time_us > most ? f->time_us : most;
        if (add_pair(o, f->client, f->client_len, f->server, f->server_len, err) != 0 ||
            (f->is_either_way && add_pair(o, f->server, f->server_len, f->client, f->client_len, err) != 0))
            return -1;
    }
    o->since_s = time_later(least / SECOND_US, -lookups_horizon_us(o->lookups) / SECOND_US);
    o->until_s = time_later(most / SECOND_US, LOOKUPS_SKEW_US / SECOND_US + 1);
    if (o->pairs_count > 0)
        qsort(o->pairs, o->pairs_count, sizeof(*o->pairs), by_server);
    return 0;
}

/* ---- lookups of others ---- */

static int64_t to_us(int64_t seconds)
{
    return clock_clamp(seconds > UINT32_MAX ? INT64_MAX : seconds < 0 ? 0 : seconds * SECOND_US);
}

/* Fills the names of the lookup. False: it is what names were folded into, or none. */
static bool set_names(const struct store_origin *o, const struct server_name *name, uint8_t wire[NAME_WIRE],
                      uint8_t via[NAME_WIRE], struct lookup *out)
{
    size_t len;
    if (rname_to_wire((const char *)intern_key(o->names.rnames, name->rname, &len), wire) == 0)
        return false;
    bool has_via =
        name->via != INTERN_NONE && rname_to_wire((const char *)intern_key(o->names.rnames, name->via, &len), via) > 0;
    out->name = wire;
    out->via = has_via ? via : NULL;
    return true;
}

static int add_others(struct store_origin *o, uint32_t server, struct error *err)
{
    const struct server *s = &o->names.servers[server];
    uint8_t wire[NAME_WIRE], via[NAME_WIRE];
    struct lookup lookup = {.ttl = LOOKUPS_TTL_UNKNOWN};
    size_t i;
    lookup.address = intern_key(o->names.addresses, server, &lookup.address_len);
    for (i = 0; i < s->count && i < OTHERS_NAMES; i++) {
        const struct server_name *name = &o->names.names[s->from + i];
        if (name->own == 0 || !set_names(o, name, wire, via, &lookup))
            continue;
        lookup.first_us = to_us(name->first_s);
        lookup.last_us = to_us(name->last_s);
        lookup.count = name->own;
        if (lookups_add(o->lookups, &lookup) != 0)
            return error_set(err, "out of memory");
    }
    return 0;
}

static int add_all_others(struct store_origin *o, struct error *err)
{
    size_t i;
    for (i = 0; i < o->pairs_count; i++)
        if ((i == 0 || o->pairs[i].server != o->pairs[i - 1].server) && add_others(o, o->pairs[i].server, err) != 0)
            return -1;
    return 0;
}

/* ---- lookups of clients ---- */

/* A row: count, first and span of a name that the pair's client looked up. */
static int add_row(struct store_origin *o, const struct pair *pair, const struct server_name *name, sqlite3_stmt *s,
                   int column, struct error *err)
{
    uint8_t wire[NAME_WIRE], via[NAME_WIRE];
    int64_t count = sqlite3_column_int64(s, column);
    int64_t first = time_later(sqlite3_column_int64(s, column + 1), o->base);
    int64_t last = time_later(first, sqlite3_column_int64(s, column + 2));
    if (first > o->until_s || last < o->since_s || last < first || !name)
        return 0;
    struct lookup lookup = {.first_us = to_us(first), .last_us = to_us(last), .ttl = LOOKUPS_TTL_UNKNOWN};
    lookup.gap_us = count > 1 ? (lookup.last_us - lookup.first_us) / (count - 1) : lookup.last_us - lookup.first_us;
    lookup.client = intern_key(o->clients, pair->client, &lookup.client_len);
    lookup.address = intern_key(o->names.addresses, pair->server, &lookup.address_len);
    if (!set_names(o, name, wire, via, &lookup))
        return 0;
    return lookups_add(o->lookups, &lookup) == 0 ? 0 : error_set(err, "out of memory");
}

/* Numbers in the partition, of keys in `wanted`: of few each is looked for, else all that the partition has are gone
 * through. */
static int find_numbers(sqlite3 *db, bool are_names, const struct intern *wanted, int64_t *numbers, struct error *err)
{
    const char *all = are_names ? "SELECT id, rname FROM names" : "SELECT id, address FROM addresses";
    uint32_t count = intern_size(wanted), i;
    struct kept_place place;
    sqlite3_stmt *s;
    int64_t most;
    size_t len;
    int step = 0;
    memset(numbers, 0, count * sizeof(*numbers));
    if (sql_number(db, are_names ? "SELECT max(id) FROM names" : "SELECT max(id) FROM addresses", 0, &most, err) != 0)
        return -1;
    for (i = 0; count < most / WORTH_ALL && i < count; i++) {
        const uint8_t *key = intern_key(wanted, i, &len);
        if ((are_names ? kept_find_name(db, (const char *)key, &place, err)
                       : kept_find_address(db, key, len, &place, err)) != 0)
            return -1;
        numbers[i] = place.is_it ? place.number : 0;
    }
    if (count < most / WORTH_ALL)
        return 0;
    if (sql_prepare(db, all, &s, err) != 0)
        return -1;
    while ((step = sql_step(s, err)) == 1) { /* a name with its NUL */
        const uint8_t *key = are_names ? sqlite3_column_text(s, 1) : sqlite3_column_blob(s, 1);
        len = (size_t)sqlite3_column_bytes(s, 1) + are_names;
        uint32_t number = key ? intern_find(wanted, key, len) : INTERN_NONE;
        if (number != INTERN_NONE)
            numbers[number] = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    return step;
}

static int probe_names(struct store_origin *o, const struct pair *pair, struct error *err)
{
    const struct server *server = &o->names.servers[pair->server];
    size_t i;
    int step = 0;
    for (i = 0; i < server->count && step >= 0; i++) {
        const struct server_name *name = &o->names.names[server->from + i];
        int64_t number = o->name_numbers[name->rname];
        if (name->first_s > o->until_s)
            break;
        if (number == 0)
            continue;
        sqlite3_bind_int64(o->probe, 1, pair->number);
        sqlite3_bind_int64(o->probe, 2, number);
        while ((step = sql_step(o->probe, err)) == 1)
            if (add_row(o, pair, name, o->probe, 1, err) != 0)
                step = -1;
        (void)sqlite3_reset(o->probe);
    }
    return step < 0 ? -1 : 0;
}

static int by_number(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The server's names that are in the partition, by number. */
static void put_in_order(struct store_origin *o, uint32_t server)
{
    const struct server *s = &o->names.servers[server];
    size_t i;
    if (o->order_server == server)
        return;
    o->order_count = 0;
    for (i = 0; i < s->count; i++) {
        struct numbered *at = &o->order[o->order_count];
        at->name = s->from + i;
        at->number = o->name_numbers[o->names.names[at->name].rname];
        o->order_count += at->number != 0;
    }
    if (o->order_count > 0)
        qsort(o->order, o->order_count, sizeof(*o->order), by_number);
    o->order_server = server;
}

static int look_through(struct store_origin *o, const struct pair *pair, struct error *err)
{
    int step = 0;
    put_in_order(o, pair->server);
    sqlite3_bind_int64(o->all, 1, pair->number);
    while (o->order_count > 0 && step >= 0 && (step = sql_step(o->all, err)) == 1) {
        const struct numbered key = {sqlite3_column_int64(o->all, 0), 0};
        const struct numbered *at = bsearch(&key, o->order, o->order_count, sizeof(key), by_number);
        if (at && add_row(o, pair, &o->names.names[at->name], o->all, 1, err) != 0)
            step = -1;
    }
    (void)sqlite3_reset(o->all);
    return step < 0 ? -1 : 0;
}

/* In the order of the rows. */
static int by_place(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return x->number != y->number ? x->number < y->number ? -1 : 1 : by_server(a, b);
}

/* ---- partitions ---- */

#define ROWS(where)                                                                                  \
    "SELECT rows.name, rows.count, rows.first, rows.span FROM rows JOIN kinds k ON k.id = rows.kind" \
    " WHERE rows.client = ?1" where " AND k.rcode = 0 AND k.type IN (0, 1, 28, 255)"

/* Those of servers with few names in the order of the rows, then the others by server. */
static int look_for_pairs(struct store_origin *o, struct error *err)
{
    size_t i;
    int done = 0;
    qsort(o->pairs, o->pairs_count, sizeof(*o->pairs), by_place);
    for (i = 0; done == 0 && i < o->pairs_count; i++)
        if (o->pairs[i].number != 0 && o->names.servers[o->pairs[i].server].count <= PROBES)
            done = probe_names(o, &o->pairs[i], err);
    qsort(o->pairs, o->pairs_count, sizeof(*o->pairs), by_server);
    for (i = 0; done == 0 && i < o->pairs_count; i++)
        if (o->pairs[i].number != 0 && o->names.servers[o->pairs[i].server].count > PROBES)
            done = look_through(o, &o->pairs[i], err);
    return done;
}

static int look_in(struct store_origin *o, sqlite3 *db, struct error *err)
{
    size_t i;
    if (sql_run(db, "PRAGMA cache_size=-65536; BEGIN", err) != 0) /* else each statement locks the file anew */
        return -1;
    if (find_numbers(db, false, o->clients, o->client_numbers, err) != 0 ||
        find_numbers(db, true, o->names.rnames, o->name_numbers, err) != 0)
        return -1;
    for (i = 0; i < o->pairs_count; i++)
        o->pairs[i].number = o->client_numbers[o->pairs[i].client];
    o->order_server = INTERN_NONE;
    if (partition_base(db, &o->base, err) != 0 || sql_prepare(db, ROWS(" AND rows.name = ?2"), &o->probe, err) != 0 ||
        sql_prepare(db, ROWS(""), &o->all, err) != 0)
        return -1;
    return look_for_pairs(o, err);
}

/* Damage is passed over, and counted there. */
static int look_in_all(struct store_origin *o, struct error *err)
{
    size_t i;
    int done = 0;
    for (i = 0; done == 0 && i < o->kept->partitions_count; i++) {
        const struct partition *p = &o->kept->partitions[i];
        sqlite3 *db;
        if (p->record_first > o->until_s || p->record_last < o->since_s || kept_partition(o->kept, i, &db) == 0)
            continue;
        done = look_in(o, db, err);
        if (done != 0 && kept_is_damaged(o->kept, i, db, err))
            done = 0;
        sqlite3_finalize(o->probe);
        sqlite3_finalize(o->all);
        o->probe = o->all = NULL;
        sqlite3_close(db);
    }
    return done;
}

/* What the flows need, out of one state of the database. */
static int look_for_all(struct store_origin *o, const struct seen_flow *flows, size_t count, struct error *err)
{
    if (gather_pairs(o, flows, count, err) != 0)
        return -1;
    if (o->pairs_count == 0)
        return 0;
    o->client_numbers = malloc(intern_size(o->clients) * sizeof(*o->client_numbers));
    o->name_numbers = malloc(intern_size(o->names.rnames) * sizeof(*o->name_numbers));
    int done = o->client_numbers && o->name_numbers ? 0 : error_set(err, "out of memory");
    if (done == 0)
        done = add_all_others(o, err);
    if (done == 0)
        done = look_in_all(o, err);
    free(o->client_numbers);
    free(o->name_numbers);
    o->client_numbers = o->name_numbers = NULL;
    return done;
}

static int prepare(void *self, struct lookups *lookups, const struct seen_flow *flows, size_t count, struct error *err)
{
    struct store_origin *o = self;
    o->lookups = lookups;
    lookups_clear(lookups);
    bool is_own = o->kept->db && sqlite3_get_autocommit(o->kept->db); /* else it is of one moment already */
    if (is_own && sql_run(o->kept->db, "BEGIN", err) != 0)
        return -1;
    int done = look_for_all(o, flows, count, err);
    if (is_own)
        sql_roll_back(o->kept->db);
    return done;
}

static void close_store(void *self)
{
    struct store_origin *o = self;
    if (o->names.cut > 0)
        log_line("%" PRIu64 " addresses have too many names: not all of them were looked for", o->names.cut);
    server_names_close(&o->names);
    intern_destroy(o->clients);
    intern_destroy(o->known);
    free(o->pairs);
    free(o->order);
    free(o);
}

int origin_open_store(struct kept *kept, struct origin *out, struct error *err)
{
    struct store_origin *o = calloc(1, sizeof(*o));
    if (!o)
        return error_set(err, "out of memory");
    o->kept = kept;
    o->clients = intern_create();
    o->known = intern_create();
    o->order = calloc(SERVER_NAMES_MAX + 1, sizeof(*o->order));
    int done = o->clients && o->known && o->order ? 0 : error_set(err, "out of memory");
    if (done == 0)
        done = server_names_open(&o->names, kept, err);
    if (done == 0 && kept->db)
        done = sql_run(kept->db, "PRAGMA cache_size=-65536", err);
    if (done != 0) {
        close_store(o);
        return -1;
    }
    *out = (struct origin){o, prepare, close_store};
    return 0;
}
