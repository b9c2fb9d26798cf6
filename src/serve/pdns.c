/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Passive DNS as other programs ask for it: CIRCL's /pdns/query/, whose answers are in the common output format
 * (draft-dulaunoy-dnsop-passive-dns-cof), and DNSDB's version 2, whose answers are lines of JSON with a condition
 * before and behind them (Farsight Streaming API Framing). */
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/dns_words.h"
#include "base/json.h"
#include "base/options.h"
#include "base/prefix.h"
#include "serve/call.h"

enum { ABOUT = 1100 };

/* ---- CIRCL ---- */

/* Without the database nothing is known of answers; that is not as if there were none. */
static void check_lost(struct call *call, const struct given *given)
{
    if (given->is_lost)
        call_fail(call, CALL_UNAVAILABLE, NULL, "%s", given->notes[given->notes_count - 1]);
}

static struct answer_output *open_cof(void *context, const struct question *question)
{
    return answer_open(context, ANSWER_COF, false, question->columns, question->columns_count);
}

/* A name, *.name, an address or a prefix. */
static const struct question *find_question(const char **about)
{
    struct prefixes prefixes = {.count = 0};
    uint8_t address[16];
    if (parse_address(*about, address) > 0 || (strchr(*about, '/') && prefixes_add(&prefixes, *about, NULL) == 0))
        return call_question("address");
    if ((*about)[0] != '*' || (*about)[1] != '.')
        return call_question("name");
    *about += 2;
    return call_question("below");
}

void call_circl(struct call *call)
{
    char about[ABOUT];
    const char *what = about;
    struct given given;
    const struct wanted wanted = {.since_us = INT64_MIN, .until_us = INT64_MAX, .limit = SERVE_LIMIT_MAX};
    const struct url *url = &call->url;
    const char *bits = url->segments_count == 3 ? url->segments[2] : "0"; /* of a prefix */
    bool has_bits = strlen(bits) <= 3 && bits[strspn(bits, "0123456789")] == '\0';
    if (url->segments_count < 2 || url->segments_count > 3 || !has_bits || strcmp(url->segments[0], "query") != 0) {
        call_fail(call, CALL_UNKNOWN, NULL, "expected /pdns/query/ and a name, address or prefix behind it");
        return;
    }
    snprintf(about, sizeof(about), url->segments_count == 3 ? "%s/%s" : "%s", url->segments[1],
             url->segments_count == 3 ? url->segments[2] : "");
    char *comma = strchr(about, ','); /* for the slash of a prefix, as dnsdbq has it */
    if (comma && comma[1 + strspn(comma + 1, "0123456789")] == '\0')
        *comma = '/';
    call->type = "application/x-ndjson";
    const struct question *question = find_question(&what);
    if (!call_ask(call, question, what, NULL, &wanted, open_cof, call->out, &given))
        return;
    check_lost(call, &given);
    call_tell(call, &given);
}

/* ---- DNSDB ---- */

struct saf {
    struct call *call;
    bool is_rrset;
    const char *type; /* NULL = any */
    uint64_t limit, offset, rows, seen;
    int64_t first_after, first_before, last_after, last_before; /* Unix seconds */
    bool is_cut;
};

/* Of passive DNS: name, type, rdata, count, first, last. */
enum { CELL_NAME, CELL_TYPE, CELL_RDATA, CELL_COUNT, CELL_FIRST, CELL_LAST };

/* Names end with a dot there. */
static void put_name(FILE *out, const char *name)
{
    char text[ABOUT];
    snprintf(text, sizeof(text), strcmp(name, ".") == 0 ? "%s" : "%s.", name);
    json_put(out, text);
}

static bool is_name_type(const char *type)
{
    static const char *const types[] = {"CNAME", "NS", "PTR", "DNAME"};
    size_t i;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

static void put_saf(void *context, const struct answer_cell *cells)
{
    struct saf *s = context;
    FILE *out = s->call->out;
    const char *type = cells[CELL_TYPE].text;
    if ((s->type && strcasecmp(type, s->type) != 0) || cells[CELL_FIRST].number <= s->first_after ||
        cells[CELL_FIRST].number >= s->first_before || cells[CELL_LAST].number <= s->last_after ||
        cells[CELL_LAST].number >= s->last_before || s->seen++ < s->offset)
        return;
    if (s->rows == s->limit) {
        s->is_cut = true;
        return;
    }
    s->rows++;
    fprintf(out, "{\"obj\":{\"count\":%" PRId64 ",\"time_first\":%" PRId64 ",\"time_last\":%" PRId64 ",\"rrname\":",
            cells[CELL_COUNT].number, cells[CELL_FIRST].number, cells[CELL_LAST].number);
    put_name(out, cells[CELL_NAME].text);
    fprintf(out, ",\"rrtype\":\"%s\",\"rdata\":%s", type, s->is_rrset ? "[" : "");
    if (is_name_type(type))
        put_name(out, cells[CELL_RDATA].text ? cells[CELL_RDATA].text : "");
    else
        json_put(out, cells[CELL_RDATA].text ? cells[CELL_RDATA].text : "");
    fprintf(out, "%s}}\n", s->is_rrset ? "]" : "");
}

static struct answer_output *open_saf(void *context, const struct question *question)
{
    return answer_open_taker(put_saf, context, question->columns, question->columns_count);
}

/* Unix seconds, or with a minus how long ago. */
static bool take_time(struct call *call, const char *name, int64_t *out)
{
    const char *value = url_parameter(&call->url, name);
    uint64_t number;
    if (!value)
        return true;
    if (parse_number(value + (*value == '-'), 0, INT64_MAX / 2, &number, NULL) != 0) {
        call_fail(call, CALL_BAD, name, "expected Unix seconds, or with a minus how many ago");
        return false;
    }
    *out = *value == '-' ? (int64_t)time(NULL) - (int64_t)number : (int64_t)number;
    return true;
}

static bool take_number(struct call *call, const char *name, uint64_t most, uint64_t *out)
{
    const char *value = url_parameter(&call->url, name);
    uint64_t number = *out;
    struct error why;
    if (value && parse_number(value, 0, UINT32_MAX, &number, &why) != 0) {
        call_fail(call, CALL_BAD, name, "%s", why.text);
        return false;
    }
    *out = number > most ? most : number;
    return true;
}

static bool take_parameters(struct call *call, struct saf *saf)
{
    static const char *const names[] = {"limit",
                                        "offset",
                                        "time_first_after",
                                        "time_first_before",
                                        "time_last_after",
                                        "time_last_before",
                                        "aggr",
                                        "swclient",
                                        "version",
                                        "id",
                                        "humantime",
                                        "max_count",
                                        NULL};
    const char *unknown = url_unknown(&call->url, names);
    if (unknown) {
        call_fail(call, CALL_BAD, unknown, "it is not known here, or there twice");
        return false;
    }
    return take_number(call, "limit", SERVE_LIMIT_MAX, &saf->limit) &&
           take_number(call, "offset", UINT32_MAX, &saf->offset) &&
           take_time(call, "time_first_after", &saf->first_after) &&
           take_time(call, "time_first_before", &saf->first_before) &&
           take_time(call, "time_last_after", &saf->last_after) &&
           take_time(call, "time_last_before", &saf->last_before);
}

/* rrset/name/NAME, rdata/name/NAME, rdata/ip/ADDRESS: the question, NULL: there is no such. */
static const struct question *find_lookup(struct url *url, const char **about)
{
    if (url->segments_count < 4 || url->segments_count > 5 || strcmp(url->segments[0], "lookup") != 0)
        return NULL;
    bool is_rrset = strcmp(url->segments[1], "rrset") == 0, is_rdata = strcmp(url->segments[1], "rdata") == 0;
    *about = url->segments[3];
    if (is_rdata && strcmp(url->segments[2], "ip") == 0) {
        char *comma = strchr(url->segments[3], ','); /* for the slash of a prefix */
        if (comma)
            *comma = '/';
        return call_question("address");
    }
    if ((!is_rrset && !is_rdata) || strcmp(url->segments[2], "name") != 0)
        return NULL;
    if (is_rdata)
        return call_question("rdata");
    if ((*about)[0] != '*' || (*about)[1] != '.')
        return call_question("name");
    *about += 2;
    return call_question("below");
}

static void lookup(struct call *call)
{
    struct url *url = &call->url;
    const char *about;
    uint16_t type;
    struct given given;
    struct saf saf = {.call = call,
                      .is_rrset = url->segments_count > 1 && strcmp(url->segments[1], "rrset") == 0,
                      .limit = SERVE_LIMIT_MAX,
                      .first_after = INT64_MIN,
                      .first_before = INT64_MAX,
                      .last_after = INT64_MIN,
                      .last_before = INT64_MAX};
    const struct wanted wanted = {.since_us = INT64_MIN, .until_us = INT64_MAX, .limit = SERVE_LIMIT_MAX};
    const struct question *question = find_lookup(url, &about);
    if (!question) {
        call_fail(
            call, CALL_UNKNOWN, NULL,
            "expected /dnsdb/v2/lookup/rrset/name/NAME, rdata/name/NAME or rdata/ip/ADDRESS, and a type behind it; no"
            " bailiwick is kept");
        return;
    }
    if (url->segments_count > 4 && strcasecmp(url->segments[4], "ANY") != 0)
        saf.type = url->segments[4];
    if (saf.type && dns_type_parse(saf.type, &type) != 0) {
        call_fail(call, CALL_BAD, "path", "expected a type, such as AAAA or TYPE65, or ANY");
        return;
    }
    size_t len = strlen(about);
    if (len > 1 && strcmp(about + len - 2, ".*") == 0) {
        call_fail(call, CALL_BAD, "path", "names can have *. in front only");
        return;
    }
    call->type = "application/x-ndjson";
    if (!take_parameters(call, &saf))
        return;
    saf.limit = saf.limit > 0 ? saf.limit : SERVE_LIMIT_MAX;
    fputs("{\"cond\":\"begin\"}\n", call->out);
    if (!call_ask(call, question, about, NULL, &wanted, open_saf, &saf, &given))
        return;
    check_lost(call, &given);
    if (saf.rows == 0 && saf.offset > 0) /* it leads no further */
        given.result.is_cut = false;
    bool is_cut = saf.is_cut || given.result.is_cut || given.result.has_next || given.result.is_partial;
    fputs(is_cut ? "{\"cond\":\"limited\",\"msg\":\"Result limit reached\"}\n" : "{\"cond\":\"succeeded\"}\n",
          call->out);
}

void call_dnsdb(struct call *call)
{
    const char *only = call->url.segments_count == 1 ? call->url.segments[0] : "";
    if (strcmp(only, "ping") == 0) {
        call->type = "application/json";
        fputs("{\"ping\":\"ok\"}\n", call->out);
    } else if (strcmp(only, "rate_limit") == 0) {
        call->type = "application/json";
        fputs("{\"rate\":{\"reset\":\"n/a\",\"limit\":\"unlimited\",\"remaining\":\"n/a\"}}\n", call->out);
    } else {
        lookup(call);
    }
}
