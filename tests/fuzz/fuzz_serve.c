/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Paths and parameters of the API and of the two interfaces of passive DNS, as the HTTP server lets them through: every
 * answer is whole JSON by its brackets, or says what is wrong. The first byte is what is asked, then path, NUL, query.
 */
#include <stdlib.h>
#include <string.h>

#include "serve/call.h"
#include "tests/fuzz/fuzz.h"

static bool refresh(void *context)
{
    (void)context;
    return true;
}

static int print_status(void *context, bool is_fresh, FILE *out, struct error *err)
{
    (void)context, (void)is_fresh, (void)err;
    fputs("{}\n", out);
    return 0;
}

/* Strings are closed, and brackets are in pairs. */
static bool is_whole(const char *text)
{
    int depth = 0;
    bool is_text = false;
    for (; *text; text++) {
        if (is_text) {
            if (*text == '\\' && text[1])
                text++;
            else
                is_text = *text != '"';
            continue;
        }
        is_text = *text == '"';
        depth += *text == '{' || *text == '[';
        depth -= *text == '}' || *text == ']';
        if (depth < 0)
            return false;
    }
    return depth == 0 && !is_text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const answers[])(struct call * call) = {call_api, call_circl, call_dnsdb};
    static const struct tokens none = {.count = 0};
    static const struct serve_options options = {
        .directory = "/nonexistent", .tokens = &none, .owner = {NULL, refresh, print_status, NULL, NULL}};
    struct call call = {.options = &options, .status = 200, .type = "text/plain"};
    char *body = NULL, *lines = NULL, *path, *query;
    size_t body_len, lines_len;
    if (size < 1 || size > HTTP_HEADER_MAX)
        return 0;
    path = strndup((const char *)data + 1, size - 1);
    size_t len = strlen(path);
    query = size > len + 2 ? strndup((const char *)data + len + 2, size - len - 2) : strdup("");
    call.hides_clients = data[0] & 0x80;
    call.out = open_memstream(&body, &body_len);
    call.lines = open_memstream(&lines, &lines_len);
    if (url_parse(path, query, &call.url))
        answers[(data[0] & 0x7f) % 3](&call);
    fclose(call.out);
    fclose(call.lines);
    require(call_has_failed(&call) ? call.status >= 400 : call.status == 200 && is_whole(body));
    require(!strstr(lines, "\n\n") && strlen(lines) == lines_len);
    free(body);
    free(lines);
    free(path);
    free(query);
    return 0;
}
