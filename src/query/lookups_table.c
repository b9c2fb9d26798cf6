/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All partitions as one table for SQL, which is read from the newest on, one partition after the other: so there may be
 * any number of them. A name or a client that is given is looked for by its number; of a time that is given, partitions
 * that cannot have any of it are passed over. */
#include "query/lookups_table.h"

#include <string.h>

#include "query/question.h"
#include "record/field.h"

enum column { CLIENT, NAME, RESOLVER, TYPE, RCODE, COUNT, SCALED, FIRST, LAST };

static const char columns[] = "CREATE TABLE lookups(client TEXT, name TEXT COLLATE NOCASE, resolver TEXT, type TEXT,"
                              " rcode TEXT, count INT, scaled INT, first TEXT, last TEXT)";

/* What a statement may give, as bits, in the order of the arguments. */
enum given { BY_NAME, BY_CLIENT, FROM, TO, GIVEN };

struct table {
    sqlite3_vtab base;
    struct sql_session *session;
};

struct reading {
    sqlite3_vtab_cursor base;
    struct sql_session *session;
    size_t left;   /* partitions that are still to be read */
    sqlite3 *part; /* the one that is read; NULL: none is left */
    sqlite3_stmt *rows;
    int64_t part_base, number;
    bool has[GIVEN], is_none; /* is_none: nothing is like what is given */
    char rname[RNAME_TEXT], from[ANSWER_TIME + 1], to[ANSWER_TIME + 1];
    uint8_t client[16];
    size_t client_len;
};

/* ---- the table ---- */

static int connect_table(sqlite3 *db, void *session, int argc, const char *const *argv, sqlite3_vtab **out, char **why)
{
    (void)argc;
    (void)argv;
    (void)why;
    struct table *t = sqlite3_malloc(sizeof(*t));
    if (!t)
        return SQLITE_NOMEM;
    memset(t, 0, sizeof(*t));
    t->session = session;
    *out = &t->base;
    (void)sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    return sqlite3_declare_vtab(db, columns);
}

static int disconnect_table(sqlite3_vtab *base)
{
    sqlite3_free(base);
    return SQLITE_OK;
}

/* GIVEN: it is of no use. */
static enum given given_of(int column, int op)
{
    bool is_time = column == FIRST || column == LAST;
    if (op == SQLITE_INDEX_CONSTRAINT_EQ)
        return column == NAME ? BY_NAME : column == CLIENT ? BY_CLIENT : GIVEN;
    if (is_time && (op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT))
        return FROM;
    return is_time && (op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT) ? TO : GIVEN;
}

/* SQLite looks at each row again, so that what comes may be more than what is asked for. */
static int plan(sqlite3_vtab *base, sqlite3_index_info *info)
{
    int at[GIVEN] = {-1, -1, -1, -1}, i, argument = 0;
    (void)base;
    for (i = 0; i < info->nConstraint; i++) {
        enum given given = given_of(info->aConstraint[i].iColumn, info->aConstraint[i].op);
        if (info->aConstraint[i].usable && given != GIVEN)
            at[given] = i;
    }
    for (i = 0; i < GIVEN; i++)
        if (at[i] >= 0) {
            info->aConstraintUsage[at[i]].argvIndex = ++argument;
            info->idxNum |= 1 << i;
        }
    double rows = at[BY_NAME] >= 0 ? 1000 : at[BY_CLIENT] >= 0 ? 10000 : 10000000;
    info->estimatedCost = at[FROM] >= 0 || at[TO] >= 0 ? rows / 2 : rows;
    info->estimatedRows = (sqlite3_int64)info->estimatedCost;
    return SQLITE_OK;
}

/* ---- reading ---- */

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    struct reading *c = sqlite3_malloc(sizeof(*c));
    if (!c)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof(*c));
    c->session = ((struct table *)base)->session;
    *out = &c->base;
    return SQLITE_OK;
}

static void close_part(struct reading *c)
{
    sqlite3_finalize(c->rows);
    sqlite3_close(c->part);
    c->rows = NULL;
    c->part = NULL;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    close_part((struct reading *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

static int fail(struct reading *c, const struct error *why)
{
    bool is_interrupted = c->part && sqlite3_errcode(c->part) == SQLITE_INTERRUPT;
    close_part(c);
    sqlite3_free(c->base.pVtab->zErrMsg);
    c->base.pVtab->zErrMsg = sqlite3_mprintf("%s", why->text);
    return is_interrupted ? SQLITE_INTERRUPT : SQLITE_ERROR;
}

/* Times as text are in the order of time. */
static bool may_have_any(const struct reading *c, const struct partition *p)
{
    char first[ANSWER_TIME], last[ANSWER_TIME];
    answer_time(p->record_first, false, first);
    answer_time(p->record_last, false, last);
    return (!c->has[FROM] || strncmp(last, c->from, ANSWER_TIME) >= 0) &&
           (!c->has[TO] || strncmp(first, c->to, ANSWER_TIME) <= 0);
}

/* Numbers of the name and the client, 0 = not given. Returns 1, 0 = the partition has none of it, or -1. */
static int find_numbers(const struct reading *c, int64_t *name, int64_t *client, struct error *err)
{
    struct kept_place at_name = {0, true}, at_client = {0, true};
    if (c->has[BY_NAME] && kept_find_name(c->part, c->rname, &at_name, err) != 0)
        return -1;
    if (c->has[BY_CLIENT] && kept_find_address(c->part, c->client, c->client_len, &at_client, err) != 0)
        return -1;
    *name = at_name.number;
    *client = at_client.number;
    return at_name.is_it && at_client.is_it;
}

#define ROWS(where)                                                                                            \
    "SELECT c.address, n.rname, r.address, k.type, k.rcode, rows.count, coalesce(rows.scaled, rows.count),"    \
    " rows.first, rows.span FROM rows JOIN addresses c ON c.id = rows.client JOIN names n ON n.id = rows.name" \
    " JOIN kinds k ON k.id = rows.kind LEFT JOIN addresses r ON r.id = k.resolver WHERE " where

/* Returns 1, 0 = there is nothing in it, or -1. */
static int begin_part(struct reading *c, struct error *err)
{
    static const char *const queries[] = {ROWS("?1 = ?2"), ROWS("rows.name = ?1 AND ?2 = 0"),
                                          ROWS("rows.client = ?2 AND ?1 = 0"),
                                          ROWS("rows.client = ?2 AND rows.name = ?1")};
    int64_t name, client;
    sql_session_watch(c->session, c->part);
    int result = find_numbers(c, &name, &client, err);
    if (result != 1)
        return result;
    if (sql_number(c->part, "SELECT value FROM part WHERE key = 'base'", 0, &c->part_base, err) != 0 ||
        sql_prepare(c->part, queries[(name > 0 ? 1 : 0) + (client > 0 ? 2 : 0)], &c->rows, err) != 0)
        return -1;
    sqlite3_bind_int64(c->rows, 1, name);
    sqlite3_bind_int64(c->rows, 2, client);
    return 1;
}

/* Opens the next partition that may have something. Returns 1, 0 = there is none, or -1. */
static int next_part(struct reading *c, struct error *err)
{
    int result = 0;
    close_part(c);
    while (result == 0 && c->left > 0) {
        size_t index = --c->left;
        if (!may_have_any(c, &c->session->kept.partitions[index]))
            continue;
        result = kept_partition(&c->session->kept, index, &c->part);
        if (result == 1)
            result = begin_part(c, err);
        if (result == 0)
            close_part(c);
    }
    return result;
}

static int next_row(sqlite3_vtab_cursor *base)
{
    struct reading *c = (struct reading *)base;
    struct error why = {""};
    int result = c->rows ? sql_step(c->rows, &why) : 0;
    while (result == 0 && (result = next_part(c, &why)) == 1)
        result = sql_step(c->rows, &why);
    c->number++;
    return result < 0 ? fail(c, &why) : SQLITE_OK;
}

/* What the statement gives; NULL, and text that no name or address can be, is in no row. */
static void take_given(struct reading *c, enum given given, sqlite3_value *value)
{
    const char *text = sqlite3_value_type(value) == SQLITE_TEXT ? (const char *)sqlite3_value_text(value) : NULL;
    c->has[given] = text != NULL;
    if (!text)
        c->is_none |= sqlite3_value_type(value) == SQLITE_NULL;
    else if (given == BY_NAME)
        c->is_none |= parse_rname(text, c->rname) != 0;
    else if (given == BY_CLIENT)
        c->is_none |= (c->client_len = parse_address(text, c->client)) == 0;
    else
        snprintf(given == FROM ? c->from : c->to, sizeof(c->from), "%s", text);
}

static int filter(sqlite3_vtab_cursor *base, int given, const char *unused, int argc, sqlite3_value **argv)
{
    struct reading *c = (struct reading *)base;
    int i, argument = 0;
    (void)unused;
    close_part(c);
    memset(c->has, 0, sizeof(c->has));
    c->is_none = false;
    c->number = 0;
    for (i = 0; i < GIVEN; i++)
        if ((given & 1 << i) != 0 && argument < argc)
            take_given(c, (enum given)i, argv[argument++]);
    c->left = c->is_none ? 0 : c->session->kept.partitions_count;
    return next_row(base);
}

static int is_at_end(sqlite3_vtab_cursor *base)
{
    return ((struct reading *)base)->rows == NULL;
}

static void return_time(sqlite3_context *context, int64_t base, int64_t first, int64_t span)
{
    char text[ANSWER_TIME];
    int64_t time_s;
    if (__builtin_add_overflow(base, first, &time_s) || __builtin_add_overflow(time_s, span, &time_s))
        time_s = 0; /* of a file that is damaged */
    answer_time(time_s, false, text);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void return_text(sqlite3_context *context, const char *text)
{
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT); /* NULL is none */
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int which)
{
    const struct reading *c = (struct reading *)base;
    char name[NAME_TEXT], address[ADDRESS_TEXT], word[FIELD_WORD_SIZE];
    const char *text = which == NAME ? (const char *)sqlite3_column_text(c->rows, NAME) : NULL;
    int64_t number = sqlite3_column_int64(c->rows, which < LAST ? which : FIRST);
    switch (which) {
    case NAME:
        if (text)
            (void)rname_to_text(text, name);
        return_text(context, text ? name : NULL);
        break;
    case CLIENT:
    case RESOLVER:
        return_text(context,
                    address_text(sqlite3_column_blob(c->rows, which), sqlite3_column_bytes(c->rows, which), address));
        break;
    case TYPE:
        return_text(context, number ? field_type_word((uint64_t)number, word) : NULL);
        break;
    case RCODE:
        return_text(context, field_rcode_word((uint64_t)number, word));
        break;
    case FIRST:
    case LAST:
        return_time(context, c->part_base, number, which == LAST ? sqlite3_column_int64(c->rows, LAST) : 0);
        break;
    default:
        sqlite3_result_int64(context, number);
    }
    return SQLITE_OK;
}

static int row_number(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = ((struct reading *)base)->number;
    return SQLITE_OK;
}

/* Without xCreate it is there by its name alone. */
static const sqlite3_module module = {.xConnect = connect_table,
                                      .xBestIndex = plan,
                                      .xDisconnect = disconnect_table,
                                      .xOpen = open_cursor,
                                      .xClose = close_cursor,
                                      .xFilter = filter,
                                      .xNext = next_row,
                                      .xEof = is_at_end,
                                      .xColumn = column,
                                      .xRowid = row_number};

int lookups_table_add(struct sql_session *session, struct error *err)
{
    return sqlite3_create_module_v2(session->kept.db, "lookups", &module, session, NULL) == SQLITE_OK
               ? 0
               : sql_fail(session->kept.db, err);
}
