/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/ask_annotate.h"

#include <stdio.h>

#include "annotate/confidence.h"
#include "annotate/lookups.h"
#include "annotate/origin.h"
#include "base/clock.h"
#include "base/prefix.h"
#include "query/question.h"
#include "record/name.h"

enum { SECONDS_USUAL = 300, LOOKUPS_ROOM = 32 << 20, NUMBER = 32 };

static const struct answer_column columns[] = {
    {"client", CELL_TEXT, NULL},       {"server", CELL_TEXT, NULL},      {"name", CELL_TEXT, NULL},
    {"via", CELL_TEXT, NULL},          {"method", CELL_TEXT, NULL},      {"age_s", CELL_NUMBER, NULL},
    {"candidates", CELL_NUMBER, NULL}, {"confidence", CELL_VALUE, NULL},
};

static void put(const struct annotation *found, const struct ask *ask, struct answer_output *output)
{
    char name[NAME_TEXT], via[NAME_TEXT], confidence[NUMBER];
    double share = found->name ? confidence_of(&confidence_usual, found->method, found->age_us) : -1;
    if (found->name)
        (void)name_text(found->name, name_size(found->name), name);
    if (found->via)
        (void)name_text(found->via, name_size(found->via), via);
    snprintf(confidence, sizeof(confidence), "%.3f", share);
    const struct answer_cell cells[] = {{ask->client, 0},
                                        {ask->what[0], 0},
                                        {found->name ? name : NULL, 0},
                                        {found->via ? via : NULL, 0},
                                        {method_names[found->method], 0},
                                        {NULL, found->name ? found->age_us / SECOND_US : ANSWER_NONE},
                                        {NULL, found->name ? found->candidates : ANSWER_NONE},
                                        {share >= 0 ? confidence : NULL, 1}};
    answer_row(output, cells);
}

static int ask_annotate(struct kept *kept, const struct ask *ask, struct answer_output *output,
                        struct ask_result *result, struct error *err)
{
    static const struct lookups_options options = {
        .slack_s = SECONDS_USUAL, .ttl_s = SECONDS_USUAL, .bytes = LOOKUPS_ROOM};
    struct seen_flow flow = {.is_whole_second = true, .time_us = clock_clamp(ask->at_s * SECOND_US)};
    struct annotation found;
    struct origin origin = {NULL, NULL, NULL};
    flow.client_len = (uint8_t)parse_address(ask->client, flow.client);
    flow.server_len = (uint8_t)parse_address(ask->what[0], flow.server);
    if (flow.client_len == 0 || flow.server_len == 0)
        return error_set(err, "expected an address");
    struct lookups *lookups = lookups_create(&options);
    int done = lookups ? origin_open_store(kept, &origin, err) : error_set(err, "out of memory");
    if (done == 0)
        done = origin.prepare(origin.self, lookups, &flow, 1, err);
    if (done != 0 && !kept_may_go_on(kept)) { /* it was the time that ended it */
        result->is_partial = true;
        done = 0;
    } else if (done == 0) {
        lookups_match(lookups, &flow, &found);
        put(&found, ask, output);
        result->rows = 1;
    }
    origin_close(&origin);
    lookups_destroy(lookups);
    return done;
}

const struct question question_annotate = {"annotate",
                                           "SERVER: the name that a client (--client) had looked up for it",
                                           ABOUT_CLIENT,
                                           PAGES_NONE,
                                           QUESTION_COLUMNS(columns),
                                           ask_annotate};
