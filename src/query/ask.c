/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/ask.h"

#include <stdio.h>
#include <string.h>

#include "base/dns_words.h"
#include "base/prefix.h"
#include "query/question.h"
#include "record/idn.h"
#include "record/pattern.h"

/* ---- what questions share ---- */

const char *address_text(const void *bytes, int len, char text[ADDRESS_TEXT])
{
    if (!bytes || (len != 4 && len != 16))
        return NULL;
    return inet_ntop(len == 16 ? AF_INET6 : AF_INET, bytes, text, ADDRESS_TEXT);
}

int parse_rname(const char *text, char rname[RNAME_TEXT])
{
    uint8_t wire[NAME_WIRE];
    char dns[NAME_TEXT];
    if (idn_is_needed(text)) {
        if (idn_to_dns(text, dns, NULL) < 0)
            return -1;
        text = dns;
    }
    size_t len = strcmp(text, ".") == 0 ? 1 : name_parse(text, wire);
    if (len == 1)
        wire[0] = 0;
    if (len == 0)
        return -1;
    (void)rname_of(wire, len, rname);
    return 0;
}

int put_rows(struct kept *kept, sqlite3_stmt *s, const struct ask *ask, struct ask_result *result, struct error *err,
             put_row *put, struct answer_output *output)
{
    uint64_t rows = 0;
    bool is_over = false;
    int step;
    while ((step = kept_step(kept, s, &is_over, err)) == 1) {
        if (ask->limit > 0 && rows == ask->limit) {
            result->is_cut = true;
            return 0;
        }
        put(s, output);
        result->rows++;
        rows++;
    }
    result->is_partial |= is_over;
    return step;
}

int64_t ask_limit(const struct ask *ask)
{
    return ask->limit == 0 || ask->limit >= INT64_MAX ? -1 : (int64_t)ask->limit + 1;
}

bool ask_wants(const struct ask *ask, int64_t first_s, int64_t last_s)
{
    return last_s >= ask->since_s && first_s < ask->until_s;
}

/* ---- all of them ---- */

const struct question *const questions[] = {
#define X(name) &question_##name,
    QUESTIONS(X)
#undef X
};

const size_t questions_count = sizeof(questions) / sizeof(questions[0]);

static bool is_same(const struct cursor *a, const struct cursor *b)
{
    return a->is_behind == b->is_behind && a->number == b->number && strcmp(a->name, b->name) == 0 &&
           a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0 && a->hash == b->hash;
}

int question_ask(const struct question *question, struct kept *kept, const struct ask *ask,
                 struct answer_output *output, struct ask_result *result, struct error *err)
{
    err->text[0] = '\0';
    if (question->run(kept, ask, output, result, err) != 0)
        return err->text[0] ? -1 : error_set(err, "%s: it cannot be asked about", ask->what[0]);
    if (result->has_next && (!result->next.is_behind || (ask->from && is_same(&result->next, ask->from)))) {
        result->has_next = false;
        result->is_partial = true;
    }
    return 0;
}

/* As a prefix with too many bits, or four numbers of which one is too large. */
static bool looks_like_address(const char *text)
{
    char head[ADDRESS_TEXT];
    uint8_t address[16];
    size_t dots = 0, i, len = strcspn(text, "/");
    if (text[len] && len < sizeof(head) && text[len + 1 + strspn(text + len + 1, "0123456789")] == '\0') {
        snprintf(head, sizeof(head), "%.*s", (int)len, text);
        return parse_address(head, address) > 0;
    }
    for (i = 0; text[i]; i++)
        dots += text[i] == '.';
    return dots == 3 && text[strspn(text, "0123456789.")] == '\0';
}

/* What is no whole name may be what another question is about. */
static int check_name(const struct question *question, const char *what, struct error *err)
{
    uint8_t address[16];
    char dns[NAME_TEXT];
    if (parse_address(what, address) > 0)
        return question == &question_who
                   ? 0
                   : error_set(err, "expected a name, not an address; did you mean \"address %s\"?", what);
    if (looks_like_address(what))
        return error_set(err, "expected a name, or an address or prefix that is one");
    if (strstr(what, "://"))
        return error_set(err, "expected a name alone, without what stands around it in a URL");
    if (strpbrk(what, " \t") || strstr(what, "[.]"))
        return error_set(err, "expected a name alone, with plain dots; a blank that is part of one is \\032");
    if (what[0] == '*' && what[1] == '.' && what[2] != '\0')
        return question == &question_below
                   ? error_set(err, "expected a whole name, without the star")
                   : error_set(err, "expected a whole name; did you mean \"below %.100s\"?", what + 2);
    if (idn_is_needed(what)) {
        if (idn_to_dns(what, dns, err) < 0)
            return -1;
        what = dns;
    }
    if (what[0] == '\0' || what[0] == '*') /* also of characters that DNS leaves out */
        return error_set(err, "expected a whole name, such as www.example.com; \\* is a star");
    return strcmp(what, ".") == 0 ? 0 : pattern_check(what, false, err);
}

static int check_part(const char *what, struct error *err)
{
    uint8_t text[NAME_TEXT];
    if (pattern_check(what, true, err) != 0)
        return -1;
    return pattern_text(what, text) >= CONTAINS_LEAST
               ? 0
               : error_set(err, "expected at least %d characters of a name", CONTAINS_LEAST);
}

/* Rather than a slip of an address. */
static bool looks_like_name(const char *what)
{
    return !strpbrk(what, "/:") && !looks_like_address(what) && pattern_check(what, false, NULL) == 0;
}

static int check_client(const char *what, struct error *err)
{
    uint8_t address[16];
    if (parse_address(what, address) > 0)
        return 0;
    if (looks_like_address(what) && strchr(what, '/'))
        return error_set(err, "expected an IPv4 or IPv6 address, not a prefix");
    return looks_like_name(what)
               ? error_set(err, "expected an IPv4 or IPv6 address; did you mean \"who %.100s\"?", what)
               : error_set(err, "expected an IPv4 or IPv6 address");
}

static int check_addresses(const char *what, bool is_one, struct error *err)
{
    struct prefixes prefixes = {.count = 0};
    uint8_t address[16];
    if (parse_address(what, address) > 0)
        return 0;
    if (is_one)
        return strchr(what, '/') ? error_set(err, "expected one address; did you mean \"address %.100s\"?", what)
                                 : error_set(err, "expected an IPv4 or IPv6 address");
    if (looks_like_name(what))
        return error_set(err, "expected an IPv4 or IPv6 address, or a prefix; did you mean \"name %.100s\"?", what);
    return prefixes_add(&prefixes, what, err);
}

int question_check(const struct question *question, const char *what, struct error *err)
{
    uint16_t rcode;
    switch (question->about) {
    case ABOUT_NOTHING:
        return 0;
    case ABOUT_NAME:
        return check_name(question, what, err);
    case ABOUT_PART:
        return check_part(what, err);
    case ABOUT_CLIENT:
        return check_client(what, err);
    case ABOUT_ADDRESS:
    case ABOUT_ADDRESSES:
        return check_addresses(what, question->about == ABOUT_ADDRESS, err);
    case ABOUT_RCODE:
        return dns_rcode_parse(what, &rcode) == 0 ? 0 : error_set(err, "expected an RCODE, such as NXDOMAIN or 3");
    case ABOUT_TOP:
        return top_check(what, err);
    case ABOUT_NEW:
        return new_check(what, err);
    }
    return 0;
}

/* What a mixed line is, its form tells. */
int question_check_line(const struct question *question, const char *what, struct error *err)
{
    bool is_answers = question == &question_name || question == &question_below || question == &question_address;
    uint8_t address[16];
    if (!is_answers && question != &question_who)
        return question_check(question, what, err);
    if (parse_address(what, address) > 0 || (strchr(what, '/') && check_addresses(what, false, NULL) == 0))
        return 0;
    if (is_answers && what[0] == '*' && what[1] == '.' && what[2] != '\0')
        what += 2;
    return check_name(question == &question_address ? &question_name : question, what, err);
}
