/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/ask.h"

#include <string.h>

#include "base/dns_words.h"
#include "base/prefix.h"
#include "query/question.h"
#include "record/pattern.h"

/* ---- what questions share ---- */

const char *address_text(const void *bytes, int len, char text[ADDRESS_TEXT])
{
    if (!bytes || (len != 4 && len != 16))
        return NULL;
    return inet_ntop(len == 16 ? AF_INET6 : AF_INET, bytes, text, ADDRESS_TEXT);
}

size_t parse_address(const char *text, uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_ip6 = strchr(text, ':') != NULL;
    if (inet_pton(is_ip6 ? AF_INET6 : AF_INET, text, address) != 1)
        return 0;
    if (!is_ip6 || memcmp(address, mapped, sizeof(mapped)) != 0)
        return is_ip6 ? 16 : 4;
    memmove(address, address + sizeof(mapped), 4);
    return 4;
}

int parse_rname(const char *text, char rname[RNAME_TEXT])
{
    uint8_t wire[NAME_WIRE];
    size_t len = strcmp(text, ".") == 0 ? 1 : name_parse(text, wire);
    if (len == 1)
        wire[0] = 0;
    if (len == 0)
        return -1;
    (void)rname_of(wire, len, rname);
    return 0;
}

int put_rows(sqlite3_stmt *s, const struct ask *ask, struct ask_result *result, struct error *err, put_row *put,
             const char *name, struct answer_output *output)
{
    int step;
    while ((step = sql_step(s, err)) == 1) {
        if (ask->limit > 0 && result->rows == ask->limit) {
            result->is_cut = true;
            return 0;
        }
        put(s, name, output);
        result->rows++;
    }
    return step;
}

int64_t ask_limit(const struct ask *ask)
{
    return ask->limit == 0 || ask->limit >= INT64_MAX ? -1 : (int64_t)ask->limit + 1;
}

/* ---- all of them ---- */

const struct question *const questions[] = {&question_name,    &question_below,   &question_address, &question_who,
                                            &question_client,  &question_rcode,   &question_top,     &question_series,
                                            &question_sensors, &question_streams, &question_loss};

const size_t questions_count = sizeof(questions) / sizeof(questions[0]);

/* What is no whole name may be what another question is about. */
static int check_name(const struct question *question, const char *what, struct error *err)
{
    uint8_t address[16];
    if (parse_address(what, address) > 0)
        return error_set(err, "expected a name, not an address; did you mean \"address %s\"?", what);
    if (what[0] == '*' && what[1] == '.' && what[2] != '\0')
        return question == &question_below
                   ? error_set(err, "expected a whole name, without the star")
                   : error_set(err, "expected a whole name; did you mean \"below %.100s\"?", what + 2);
    if (what[0] == '\0' || what[0] == '*')
        return error_set(err, "expected a whole name, such as www.example.com; \\* is a star");
    return strcmp(what, ".") == 0 ? 0 : pattern_check(what, false, err);
}

int question_check(const struct question *question, const char *what, struct error *err)
{
    struct prefixes prefixes = {.count = 0};
    uint8_t address[16];
    uint16_t rcode;
    switch (question->about) {
    case ABOUT_NOTHING:
        return 0;
    case ABOUT_NAME:
        return check_name(question, what, err);
    case ABOUT_CLIENT:
        if (parse_address(what, address) > 0)
            return 0;
        return strpbrk(what, "/:") || pattern_check(what, false, NULL) != 0
                   ? error_set(err, "expected an IPv4 or IPv6 address")
                   : error_set(err, "expected an IPv4 or IPv6 address; did you mean \"who %.100s\"?", what);
    case ABOUT_ADDRESSES:
        return prefixes_add(&prefixes, what, err);
    case ABOUT_RCODE:
        return dns_rcode_parse(what, &rcode) == 0 ? 0 : error_set(err, "expected an RCODE, such as NXDOMAIN or 3");
    case ABOUT_TOP:
        return top_check(what, err);
    }
    return 0;
}
