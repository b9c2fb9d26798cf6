/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names are looked for from the address on, each by the name to which its CNAME leads. */
#include "annotate/server_names.h"

#include <stdlib.h>
#include <string.h>

#include "store/rname.h"

enum { TYPE_CNAME = 5, TYPE_A = 1, TYPE_AAAA = 28, FIRST_ROOM = 256, TRIM_BYTES = 64 << 20 };

int server_names_open(struct server_names *names, struct kept *kept, struct error *err)
{
    memset(names, 0, sizeof(*names));
    names->kept = kept;
    names->rnames = intern_create();
    names->addresses = intern_create();
    if (!names->rnames || !names->addresses) {
        server_names_close(names);
        return error_set(err, "out of memory");
    }
    if (!kept->db) /* lookups alone are there */
        return 0;
    if (sql_prepare(kept->db,
                    "SELECT rname, first, last, count FROM answers INDEXED BY answers_rdata"
                    " WHERE rdata = ?1 AND type = ?2",
                    &names->owners, err) == 0 &&
        sql_prepare(kept->db,
                    "SELECT rname, first, last, count FROM answers INDEXED BY answers_rdata"
                    " WHERE rdata = ?1 AND type = ?2",
                    &names->aliases, err) == 0)
        return 0;
    server_names_close(names);
    return -1;
}

void server_names_close(struct server_names *names)
{
    sqlite3_finalize(names->owners);
    sqlite3_finalize(names->aliases);
    intern_destroy(names->rnames);
    intern_destroy(names->addresses);
    free(names->servers);
    free(names->seen_by);
    free(names->names);
    memset(names, 0, sizeof(*names));
}

void server_names_trim(struct server_names *names)
{
    if (intern_bytes(names->rnames) + intern_bytes(names->addresses) + names->names_count * sizeof(*names->names) <
        TRIM_BYTES)
        return;
    intern_clear(names->rnames);
    intern_clear(names->addresses);
    names->names_count = 0;
    if (names->seen_size > 0)
        memset(names->seen_by, 0, names->seen_size * sizeof(*names->seen_by));
}

/* ---- looking ---- */

static struct server_name *add(struct server_names *n)
{
    if (n->names_count == n->names_size) {
        size_t more = n->names_size ? 2 * n->names_size : FIRST_ROOM;
        struct server_name *longer = realloc(n->names, more * sizeof(*longer));
        if (!longer)
            return NULL;
        n->names = longer;
        n->names_size = more;
    }
    return &n->names[n->names_count++];
}

/* Marks that the server has the name. Returns 1, 0: it was marked, or -1: out of memory. */
static int mark(struct server_names *n, uint32_t server, uint32_t rname)
{
    if (rname >= n->seen_size) {
        size_t more = n->seen_size ? 2 * n->seen_size : FIRST_ROOM;
        uint32_t *longer = realloc(n->seen_by, more * sizeof(*longer));
        if (!longer)
            return -1;
        memset(longer + n->seen_size, 0, (more - n->seen_size) * sizeof(*longer));
        n->seen_by = longer;
        n->seen_size = more;
    }
    if (n->seen_by[rname] == server + 1)
        return 0;
    n->seen_by[rname] = server + 1;
    return 1;
}

/* A row of the statement: a name that leads to the name `target`, or, SIZE_MAX, has the address. */
static int take_row(struct server_names *n, uint32_t server, sqlite3_stmt *s, size_t target, struct error *err)
{
    const char *text = (const char *)sqlite3_column_text(s, 0);
    int64_t count = sqlite3_column_int64(s, 3);
    if (!text || count < 0)
        return 0;
    if (target != SIZE_MAX)
        n->names[target].own -= n->names[target].own < (uint64_t)count ? n->names[target].own : (uint64_t)count;
    uint32_t rname = intern_add(n->rnames, (const uint8_t *)text, strlen(text) + 1);
    int marked = rname == INTERN_NONE ? -1 : mark(n, server, rname);
    struct server_name *new = marked == 1 ? add(n) : NULL;
    if (marked == 0)
        return 0;
    if (!new)
        return error_set(err, "out of memory");
    const struct server_name *to = target == SIZE_MAX ? NULL : &n->names[target];
    *new = (struct server_name){.rname = rname,
                                .order = (uint32_t)(new - n->names),
                                .via = !to                      ? INTERN_NONE
                                       : to->via == INTERN_NONE ? to->rname
                                                                : to->via,
                                .first_s = sqlite3_column_int64(s, 1),
                                .last_s = sqlite3_column_int64(s, 2),
                                .count = (uint64_t)count,
                                .own = (uint64_t)count};
    return 0;
}

static int take_rows(struct server_names *n, uint32_t server, sqlite3_stmt *s, size_t from, size_t target,
                     struct error *err)
{
    int step = 0;
    while ((step = sql_step(s, err)) == 1) {
        if (n->names_count - from == SERVER_NAMES_MAX) {
            n->cut++;
            break;
        }
        if (take_row(n, server, s, target, err) != 0) {
            step = -1;
            break;
        }
    }
    (void)sqlite3_reset(s);
    return step < 0 ? -1 : 0;
}

static int find_aliases(struct server_names *n, uint32_t server, size_t from, size_t target, struct error *err)
{
    char text[NAME_TEXT];
    size_t len;
    (void)rname_to_text((const char *)intern_key(n->rnames, n->names[target].rname, &len), text);
    sqlite3_bind_text(n->aliases, 1, text, -1, SQLITE_STATIC);
    sqlite3_bind_int(n->aliases, 2, TYPE_CNAME);
    return take_rows(n, server, n->aliases, from, target, err);
}

static int by_first(const void *a, const void *b)
{
    const struct server_name *x = a, *y = b;
    return x->first_s != y->first_s ? x->first_s < y->first_s ? -1 : 1 : x->order < y->order ? -1 : 1;
}

/* Room for a server of that number. Returns 0, or -1. */
static int room_for(struct server_names *n, uint32_t number)
{
    size_t more = n->servers_size ? 2 * n->servers_size : FIRST_ROOM;
    if (number == INTERN_NONE || number < n->servers_size)
        return number == INTERN_NONE ? -1 : 0;
    struct server *longer = realloc(n->servers, more * sizeof(*longer));
    if (!longer)
        return -1;
    n->servers = longer;
    n->servers_size = more;
    return 0;
}

uint32_t server_names_find(struct server_names *names, const uint8_t *address, size_t len, struct error *err)
{
    struct server_names *n = names;
    uint32_t before = intern_size(n->addresses), number = intern_add(n->addresses, address, len);
    size_t from = n->names_count, at;
    if (number != before)
        return number;
    if (room_for(n, number) != 0) {
        error_set(err, "out of memory");
        return INTERN_NONE;
    }
    n->servers[number] = (struct server){from, 0};
    n->cut += n->names_count >= ALL_NAMES_MAX;
    if (!n->owners || n->names_count >= ALL_NAMES_MAX)
        return number;
    sqlite3_bind_blob(n->owners, 1, address, (int)len, SQLITE_STATIC);
    sqlite3_bind_int(n->owners, 2, len == 4 ? TYPE_A : TYPE_AAAA);
    if (take_rows(n, number, n->owners, from, SIZE_MAX, err) != 0)
        return INTERN_NONE;
    for (at = from; at < n->names_count; at++)
        if (find_aliases(n, number, from, at, err) != 0)
            return INTERN_NONE;
    if (n->names_count > from)
        qsort(n->names + from, n->names_count - from, sizeof(*n->names), by_first);
    n->servers[number].count = n->names_count - from;
    return number;
}
