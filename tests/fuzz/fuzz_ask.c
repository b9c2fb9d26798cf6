/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a question can be about, and cursors: the first byte is the question, then its argument, NUL, and a cursor. */
#include <stdlib.h>
#include <string.h>

#include "query/ask.h"
#include "store/schema.h"
#include "tests/fuzz/fuzz.h"

static void ask_it(const struct question *question, const char *what, const struct cursor *from)
{
    static struct kept kept;
    static const struct kept_budget budget = {.time_us = 1000000, .rows = 1000, .bytes = 1 << 20};
    struct answer_output *output;
    struct ask_result result = {.rows = 0};
    const struct ask ask = {
        .what = &what, .what_count = 1, .since_s = INT64_MIN, .until_s = INT64_MAX, .limit = 10, .from = from};
    struct error why = {""};
    FILE *null = fopen("/dev/null", "we");
    if (!kept.db)
        require(sql_open(":memory:", SQL_WRITE, &kept.db, &why) == 0 && schema_bring(kept.db, &why) == 0);
    kept_begin(&kept, &budget);
    output = answer_open(null, ANSWER_NDJSON, false, question->columns, question->columns_count);
    require(output && question_ask(question, &kept, &ask, output, &result, &why) == 0);
    require(answer_close(output) == result.rows);
    require(!result.has_next || result.next.is_behind); /* else it would lead past everything */
    fclose(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error why = {""};
    struct cursor cursor, back;
    char text[CURSOR_TEXT];
    if (size < 1 || size > 4000)
        return 0;
    const struct question *question = questions[data[0] % questions_count];
    char *what = strndup((const char *)data + 1, size - 1);
    size_t len = strlen(what);
    char *rest = size > len + 2 ? strndup((const char *)data + len + 2, size - len - 2) : strdup("");
    bool has_cursor = cursor_parse(rest, question->name, &cursor, &why) == 0;
    if (has_cursor) { /* there is one text of it */
        cursor_text(&cursor, question->name, text);
        require(strcmp(text, rest) == 0 && cursor_parse(text, question->name, &back, &why) == 0);
    } else {
        require(strncmp(why.text, "expected ", 9) == 0);
    }
    if (question_check(question, what, &why) == 0)
        ask_it(question, what, has_cursor && question->pages != PAGES_NONE ? &cursor : NULL);
    else
        require(strncmp(why.text, "expected ", 9) == 0);
    if (question_check_line(question, what, &why) != 0)
        require(why.text[0] != '\0');
    free(what);
    free(rest);
    return 0;
}
