/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/behind.h"

#include <stdlib.h>
#include <string.h>

#include "base/prefix.h"
#include "store/intern.h"

enum { TYPE_CNAME = 5 };

/* Names in the order in which they were found; each leads on in turn, once. */
struct search {
    struct kept *kept;
    const struct ask *ask;
    take_behind *take;
    void *context;
    struct intern *names; /* reversed, with their NUL */
    uint32_t *vias;       /* by number: that of the name with the address */
    bool *is_over;
};

/* Rows rname, count, first, last of a statement, which is finalized; `via`: INTERN_NONE = the name itself. */
static int take_rows(struct search *search, sqlite3_stmt *s, uint32_t via, struct error *err)
{
    int step;
    size_t len;
    while ((step = kept_step(search->kept, s, search->is_over, err)) == 1) {
        const char *rname = (const char *)sqlite3_column_text(s, 0);
        struct behind_name name = {rname, rname, sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2),
                                   sqlite3_column_int64(s, 3)};
        uint32_t before = intern_size(search->names), number;
        if (!rname || !ask_wants(search->ask, name.first_s, name.last_s))
            continue;
        if (before == BEHIND_MAX) {
            *search->is_over = true;
            break;
        }
        number = intern_add(search->names, (const uint8_t *)rname, strlen(rname) + 1);
        if (number == INTERN_NONE) {
            step = error_set(err, "out of memory");
            break;
        }
        if (number != before)
            continue;
        search->vias[number] = via == INTERN_NONE ? number : via;
        if (via != INTERN_NONE)
            name.via = (const char *)intern_key(search->names, via, &len);
        if (search->take(search->context, &name) != 0) {
            step = -1;
            break;
        }
    }
    sqlite3_finalize(s);
    return step < 0 ? -1 : 0;
}

static int find_owners(struct search *search, const char *what, struct error *err)
{
    struct prefixes prefixes = {.count = 0};
    uint8_t least[16], most[16];
    sqlite3_stmt *s;
    size_t len = parse_address(what, least);
    memcpy(most, least, sizeof(most));
    if (len == 0) {
        if (prefixes_add(&prefixes, what, err) != 0)
            return -1;
        len = prefix_range(&prefixes.list[0], least, most);
    }
    if (sql_prepare(search->kept->db,
                    "SELECT rname, count, first, last FROM answers INDEXED BY answers_rdata"
                    " WHERE rdata >= ? AND rdata <= ? AND type = ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_blob(s, 1, least, (int)len, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, most, (int)len, SQLITE_STATIC);
    sqlite3_bind_int(s, 3, len == 4 ? 1 : 28);
    return take_rows(search, s, INTERN_NONE, err);
}

static int find_aliases(struct search *search, uint32_t number, struct error *err)
{
    char name[NAME_TEXT];
    sqlite3_stmt *s;
    size_t len;
    (void)rname_to_text((const char *)intern_key(search->names, number, &len), name);
    if (sql_prepare(search->kept->db,
                    "SELECT rname, count, first, last FROM answers INDEXED BY answers_rdata"
                    " WHERE rdata = ? AND type = ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 2, TYPE_CNAME);
    return take_rows(search, s, search->vias[number], err);
}

int behind_address(struct kept *kept, const char *what, const struct ask *ask, take_behind *take, void *context,
                   bool *is_over, struct error *err)
{
    struct search search = {kept, ask, take, context, intern_create(), calloc(BEHIND_MAX, sizeof(uint32_t)), is_over};
    uint32_t i;
    int done = search.names && search.vias ? find_owners(&search, what, err) : error_set(err, "out of memory");
    for (i = 0; done == 0 && i < intern_size(search.names) && !*is_over; i++)
        done = find_aliases(&search, i, err);
    intern_destroy(search.names);
    free(search.vias);
    return done;
}
