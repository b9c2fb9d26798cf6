/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is kept as bytes or numbers, as text, in SQL. */

#include "query/lookups_table.h"
#include "query/question.h"
#include "record/field.h"

static void return_text(sqlite3_context *context, const char *text)
{
    if (text)
        sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_null(context);
}

static void to_rname(sqlite3_context *context, int count, sqlite3_value **values)
{
    char rname[RNAME_TEXT];
    const char *text = (const char *)sqlite3_value_text(values[0]);
    (void)count;
    return_text(context, text && parse_rname(text, rname) == 0 ? rname : NULL);
}

static void to_name(sqlite3_context *context, int count, sqlite3_value **values)
{
    char name[NAME_TEXT];
    const char *text = (const char *)sqlite3_value_text(values[0]);
    (void)count;
    if (text)
        (void)rname_to_text(text, name);
    return_text(context, text ? name : NULL);
}

/* What is no address in bytes is what it is. */
static void to_address(sqlite3_context *context, int count, sqlite3_value **values)
{
    char text[ADDRESS_TEXT];
    const char *address = NULL;
    (void)count;
    if (sqlite3_value_type(values[0]) == SQLITE_BLOB)
        address = address_text(sqlite3_value_blob(values[0]), sqlite3_value_bytes(values[0]), text);
    if (address)
        return_text(context, address);
    else
        sqlite3_result_value(context, values[0]);
}

static void to_type(sqlite3_context *context, int count, sqlite3_value **values)
{
    char word[FIELD_WORD_SIZE];
    (void)count;
    return_text(context, sqlite3_value_type(values[0]) == SQLITE_INTEGER
                             ? field_type_word((uint64_t)sqlite3_value_int64(values[0]), word)
                             : NULL);
}

static void to_rcode(sqlite3_context *context, int count, sqlite3_value **values)
{
    char word[FIELD_WORD_SIZE];
    (void)count;
    return_text(context, sqlite3_value_type(values[0]) == SQLITE_INTEGER
                             ? field_rcode_word((uint64_t)sqlite3_value_int64(values[0]), word)
                             : NULL);
}

int sql_functions_add(sqlite3 *db, struct error *err)
{
    static const struct {
        const char *name;
        void (*run)(sqlite3_context *, int, sqlite3_value **);
    } all[] = {{"rname", to_rname},
               {"name_text", to_name},
               {"address_text", to_address},
               {"type_text", to_type},
               {"rcode_text", to_rcode}};
    size_t i;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (sqlite3_create_function_v2(db, all[i].name, 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                       all[i].run, NULL, NULL, NULL) != SQLITE_OK)
            return sql_fail(db, err);
    return 0;
}
