/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a client is like: how much it asked for, in all and by type, RCODE and resolver. */
#include "query/lookups.h"
#include "record/field.h"

static const struct answer_column columns[] = {{"client", CELL_TEXT, NULL},  {"what", CELL_TEXT, NULL},
                                               {"value", CELL_TEXT, NULL},   {"lookups", CELL_NUMBER, NULL},
                                               {"names", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL},
                                               {"last", CELL_TIME, NULL}};

enum { PART_TOTAL, PART_TYPE, PART_RCODE, PART_RESOLVER };

static const char *const parts[] = {"total", "type", "rcode", "resolver"};

/* Columns: about, part, value, lookups, names, first, last. */
static void put(sqlite3_stmt *s, struct answer_output *output)
{
    char client[ADDRESS_TEXT], resolver[ADDRESS_TEXT], word[FIELD_WORD_SIZE];
    int part = sqlite3_column_int(s, 1);
    uint64_t number = (uint64_t)sqlite3_column_int64(s, 2);
    const char *value = NULL;
    if (part == PART_TYPE && number > 0)
        value = field_type_word(number, word);
    else if (part == PART_RCODE)
        value = field_rcode_word(number, word);
    else if (part == PART_RESOLVER)
        value = address_text(sqlite3_column_blob(s, 2), sqlite3_column_bytes(s, 2), resolver);
    const struct answer_cell cells[] = {
        {address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), client), 0},
        {parts[part], 0},
        {value, 0},
        {NULL, sqlite3_column_int64(s, 3)},
        {NULL, sqlite3_column_int64(s, 4)},
        {NULL, sqlite3_column_int64(s, 5)},
        {NULL, sqlite3_column_int64(s, 6)}};
    answer_row(output, cells);
}

#define SUMS ", sum(count) AS lookups, count(DISTINCT what), min(first), max(last) FROM found GROUP BY about"

static int ask_summary(struct kept *kept, const struct ask *ask, struct answer_output *output,
                       struct ask_result *result, struct error *err)
{
    static const struct lookup_query query = {BY_CLIENT, CLIENT_ROWS, NULL};
    return ask_lookups(kept, ask, &query,
                       "SELECT about, 0 AS part, NULL AS value" SUMS " UNION ALL SELECT about, 1, type" SUMS ", type"
                       " UNION ALL SELECT about, 2, rcode" SUMS ", rcode UNION ALL SELECT about, 3, resolver" SUMS
                       ", resolver ORDER BY about, part, lookups DESC, value",
                       put, output, result, err);
}

const struct question question_summary = {"summary",
                                          "ADDRESS: how much this client asked for, by type, RCODE and resolver",
                                          ABOUT_CLIENT,
                                          PAGES_NONE,
                                          QUESTION_COLUMNS(columns),
                                          ask_summary};
