/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What somebody has typed, and which questions it may mean. */
#include <string.h>

#include "base/json.h"
#include "base/prefix.h"
#include "record/name.h"
#include "serve/call.h"

enum { TEXT = 1100 };

enum kind { NOTHING, NAME, BELOW, PART, ADDRESS, PREFIX };

static const char *const kinds[] = {"nothing", "name", "below", "text", "address", "prefix"};

/* Without what a page, a mail or a report puts around it: a scheme, a path, [.] for a dot. */
static void clean(const char *from, char out[TEXT])
{
    const char *scheme = strstr(from, "://");
    size_t used = 0;
    bool is_url = scheme && scheme != from;
    for (from = is_url ? scheme + 3 : from; *from && used + 1 < TEXT; from++) {
        if (is_url && strchr("/?#", *from))
            break;
        if (strncmp(from, "[.]", 3) == 0) {
            from += 2;
            out[used++] = '.';
        } else if (*from != ' ' && *from != '\t') {
            out[used++] = *from;
        }
    }
    out[used] = '\0';
    char *port = strrchr(out, ':'), *end = strchr(out, ']');
    if (out[0] == '[' && end) {
        *end = '\0';
        memmove(out, out + 1, strlen(out));
    } else if (port && port[1] && port[1 + strspn(port + 1, "0123456789")] == '\0' && strchr(out, ':') == port) {
        *port = '\0';
    }
}

/* Moves the text to what it is about. */
static enum kind understand(char text[TEXT], struct error *why)
{
    struct prefixes prefixes = {.count = 0};
    uint8_t address[16];
    size_t len = strlen(text);
    error_set(why, "expected a name, *.name, a part of a name, an address or a prefix");
    if (len == 0)
        return NOTHING;
    if (parse_address(text, address) > 0)
        return ADDRESS;
    if (strchr(text, '/') && prefixes_add(&prefixes, text, NULL) == 0)
        return PREFIX;
    if (strcmp(text, ".") == 0) /* as a path it would be none */
        return BELOW;
    if (text[0] == '*' && text[1] == '.' && !strchr(text + 1, '*')) {
        memmove(text, text + 2, len - 1);
        return question_check(call_question("below"), text, why) == 0 ? BELOW : NOTHING;
    }
    bool has_dot = strchr(text, '.') != NULL, has_star = text[0] == '*' || (len > 1 && text[len - 1] == '*');
    if (has_star && text[len - 1] == '*')
        text[--len] = '\0';
    if (has_star && text[0] == '*')
        memmove(text, text + 1, len--);
    if (has_dot && !has_star)
        return question_check(call_question("name"), text, why) == 0 ? NAME : NOTHING;
    if (question_check(call_question("contains"), text, why) == 0)
        return PART;
    return !has_star && question_check(call_question("name"), text, why) == 0 ? NAME : NOTHING;
}

/* A path: the text stands between the two. */
struct suggestion {
    const char *question, *before, *behind;
};

static void put_suggestions(struct call *call, const struct suggestion *list, size_t count, const char *text)
{
    size_t i;
    for (i = 0; i < count; i++) {
        fprintf(call->out, "%s{\"question\":\"%s\",\"path\":\"/api/v1/%s", i > 0 ? "," : "", list[i].question,
                list[i].before);
        url_put(call->out, text);
        fprintf(call->out, "%s\"}", list[i].behind);
    }
}

static void put_questions(struct call *call, enum kind kind, const char *text)
{
    static const struct suggestion name[] = {{"name", "names/", ""},
                                             {"who", "names/", "/clients"},
                                             {"below", "names?below=", ""},
                                             {"rdata", "names/", "/leading"}};
    static const struct suggestion below[] = {{"below", "names?below=", ""}, {"name", "names/", ""}};
    static const struct suggestion part[] = {
        {"contains", "names?contains=", ""}, {"below", "names?below=", ""}, {"name", "names/", ""}};
    static const struct suggestion address[] = {{"address", "addresses/", ""},
                                                {"at", "addresses/", "/at"},
                                                {"client", "clients/", "/lookups"},
                                                {"summary", "clients/", "/summary"},
                                                {"who", "addresses/", "/clients"}};
    if (kind == NAME)
        put_suggestions(call, name, 4, text);
    else if (kind == BELOW)
        put_suggestions(call, below, strcmp(text, ".") == 0 ? 1 : 2, text);
    else if (kind == PART)
        put_suggestions(call, part, question_check(call_question("name"), text, NULL) == 0 ? 3 : 1, text);
    else if (kind == ADDRESS || kind == PREFIX)
        put_suggestions(call, address, kind == ADDRESS ? 5 : 1, text);
}

void call_search(struct call *call)
{
    static const char *const names[] = {"q", NULL};
    static const char *const before[] = {
        "", "the name ", "all names below ", "names with the text ", "the address ", "the prefix "};
    char text[TEXT], understood[TEXT + 64];
    struct wanted wanted;
    struct error why;
    call->type = "application/json";
    if (!call_wants(call, names, &wanted))
        return;
    const char *q = url_parameter(&call->url, "q");
    if (!q || strlen(q) >= TEXT) {
        call_fail(call, CALL_BAD, "q", "expected what is searched for, of less than %d bytes", TEXT);
        return;
    }
    clean(q, text);
    enum kind kind = understand(text, &why);
    snprintf(understood, sizeof(understood), "%s%s", before[kind], kind == NOTHING ? why.text : text);
    fputs("{\"query\":", call->out);
    json_put(call->out, q);
    fprintf(call->out, ",\"kind\":\"%s\",\"understood\":", kinds[kind]);
    json_put(call->out, understood);
    fputs(",\"questions\":[", call->out);
    put_questions(call, kind, text);
    fputs("]}\n", call->out);
}
