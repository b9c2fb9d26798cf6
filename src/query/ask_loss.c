/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way of everything from the tap to the store, stage by stage: what goes in at one end comes out at the other, or
 * is lost at a stage in between. */
#include <inttypes.h>
#include <stdio.h>

#include "query/question.h"

/* What is summed up of a sensor, in the order of the statement; from FRAMES on it is the trailer that tells. What it
 * could not send is among what did not arrive: with several collectors only some of it was for this one. */
/* clang-format off */
#define SUMS(X) \
    X(DATAGRAMS, "sum(datagrams)") X(RECORDS, "sum(m.records)") X(STATISTICS, "sum(statistics)") \
    X(MADE, "sum(made)") X(BESIDE, "sum(beside)") X(SEND, "max(0, min(sum(send), sum(network)))") \
    X(NETWORK, "sum(network)") X(HERE, "sum(here)") X(DOWN, "sum(down)") X(MEMORY, "sum(memory)") \
    X(JOURNAL, "sum(journal)") X(EXPIRED, "sum(expired)") X(RING, "sum(ring)") X(INTERFACE, "sum(interface)") \
    X(FRAMES, "sum(frames)") X(DELIVERED, "sum(delivered)") X(REFUSED, "sum(refused)") X(HELD, "sum(held)") \
    X(MESSAGES, "sum(messages)") X(ANSWERED, "sum(answered)") X(UNFIT, "sum(unfit)") X(SETS, "sum(sets)")
/* clang-format on */

enum sum {
#define SUM(name, column) SUM_##name,
    SUMS(SUM)
#undef SUM
        SUM_COUNT
};

enum unit { PACKETS, MESSAGES, RECORDS, DATAGRAMS, UNITS };

static const char *const unit_names[UNITS] = {"packets", "messages", "records", "datagrams"};

/* Behind address and sensor. */
enum { SUMS_AT = 2, STAGES_MAX = 24, STATEMENT = 2400 };

struct stage {
    const char *name;
    enum unit unit;
    int sign; /* of the balance: 1 = goes in, -1 = goes out, 0 = stands beside it */
    int64_t count;
    bool is_estimated;
};

struct stages {
    struct stage list[STAGES_MAX];
    size_t count;
};

static const struct answer_column loss_columns[] = {{"source", CELL_TEXT, NULL},  {"sensor", CELL_TEXT, NULL},
                                                    {"stage", CELL_TEXT, NULL},   {"unit", CELL_TEXT, NULL},
                                                    {"count", CELL_NUMBER, NULL}, {"estimated", CELL_TEXT, NULL}};

static void add(struct stages *s, const char *name, enum unit unit, int sign, int64_t count, bool is_estimated)
{
    if (s->count < STAGES_MAX)
        s->list[s->count++] = (struct stage){name, unit, sign, count, is_estimated};
}

/* Without a trailer a sensor tells of its kernel alone, and that only in statistics. */
static void add_sensor(struct stages *s, const int64_t *sums, bool has_told)
{
    bool has_kernel = has_told || sums[SUM_STATISTICS] > 0;
    int64_t ring = sums[SUM_RING], interface = sums[SUM_INTERFACE];
    const struct {
        const char *name;
        enum unit unit;
        int sign;
        int64_t count;
    } told[] = {{"refused", PACKETS, -1, sums[SUM_REFUSED]},     {"held", PACKETS, -1, sums[SUM_HELD]},
                {"delivered", PACKETS, -1, sums[SUM_DELIVERED]}, {"messages", MESSAGES, 1, sums[SUM_MESSAGES]},
                {"unfit", MESSAGES, -1, sums[SUM_UNFIT]},        {"answered", MESSAGES, -1, sums[SUM_ANSWERED]},
                {"records", RECORDS, 0, sums[SUM_SETS]}};
    size_t i;
    add(s, "tap", PACKETS, 1, has_told ? sums[SUM_FRAMES] + ring + interface : ANSWER_NONE, false);
    add(s, "interface", PACKETS, has_told ? -1 : 0, has_kernel ? interface : ANSWER_NONE, false);
    add(s, "ring", PACKETS, has_told ? -1 : 0, has_kernel ? ring : ANSWER_NONE, false);
    for (i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        add(s, told[i].name, told[i].unit, told[i].sign, has_told ? told[i].count : ANSWER_NONE, false);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What is missing here is of the socket if it is of none of the other stages; what has come late may have been counted
 * at one of these. */
static void add_datagrams(struct stages *s, const int64_t *sums, bool has_told)
{
    int64_t send = sums[SUM_SEND], here = sums[SUM_HERE];
    int64_t left = here > 0 ? here : 0;
    int64_t expired = least(sums[SUM_EXPIRED], left), journal = least(sums[SUM_JOURNAL], left - expired);
    int64_t memory = least(sums[SUM_MEMORY], left - expired - journal);
    bool is_shared = here != 0;
    add(s, "made", DATAGRAMS, 1, sums[SUM_MADE], false);
    add(s, "beside", DATAGRAMS, 1, sums[SUM_BESIDE], false);
    add(s, "send", DATAGRAMS, -1, has_told || send > 0 ? send : ANSWER_NONE, send > 0);
    add(s, "network", DATAGRAMS, -1, sums[SUM_NETWORK] - send, is_shared || send > 0);
    add(s, "socket", DATAGRAMS, -1, here - expired - journal - memory, is_shared);
    add(s, "memory", DATAGRAMS, -1, memory, is_shared);
    add(s, "down", DATAGRAMS, -1, sums[SUM_DOWN], false);
    add(s, "journal", DATAGRAMS, -1, journal, is_shared);
    add(s, "expired", DATAGRAMS, -1, expired, is_shared);
    add(s, "stored", DATAGRAMS, -1, sums[SUM_DATAGRAMS], false);
    add(s, "stored", RECORDS, 0, sums[SUM_RECORDS], false);
}

/* By how much the sums of each unit differ, all together; what is not told is in none. */
static int64_t difference(const struct stages *s)
{
    int64_t sums[UNITS] = {0}, all = 0;
    size_t i, unit;
    for (i = 0; i < s->count; i++)
        if (s->list[i].count != ANSWER_NONE)
            sums[s->list[i].unit] += s->list[i].sign * s->list[i].count;
    for (unit = 0; unit < UNITS; unit++)
        all += sums[unit] < 0 ? -sums[unit] : sums[unit];
    return all;
}

/* A sensor's rows, up to the limit. */
static void put_stages(const struct stages *s, const char *source, const char *sensor, const struct ask *ask,
                       struct answer_output *output, struct ask_result *result)
{
    size_t i;
    for (i = 0; i <= s->count; i++) {
        const struct stage last = {"difference", UNITS, 0, difference(s), false};
        const struct stage *one = i < s->count ? &s->list[i] : &last;
        bool is_told = one->count != ANSWER_NONE;
        const struct answer_cell cells[] = {
            {source, 0},        {sensor, 0},
            {one->name, 0},     {one->unit < UNITS ? unit_names[one->unit] : NULL, 0},
            {NULL, one->count}, {!is_told ? NULL : one->is_estimated ? "yes" : "no", 0}};
        if (ask->limit > 0 && result->rows == ask->limit) {
            result->is_cut = true;
            return;
        }
        answer_row(output, cells);
        result->rows++;
    }
}

/* Of the statement's row; a file may hold any number, and sums of sums must stay within what there is. */
static void put_way(sqlite3_stmt *s, const char *source, const struct ask *ask, struct answer_output *output,
                    struct ask_result *result)
{
    const int64_t most = INT64_C(1) << 58;
    int64_t sums[SUM_COUNT];
    char address[ADDRESS_TEXT], sensor[24];
    struct stages stages = {.count = 0};
    bool has_told = sqlite3_column_type(s, SUMS_AT + SUM_FRAMES) != SQLITE_NULL;
    bool is_sensor = !source && sqlite3_column_type(s, 1) != SQLITE_NULL;
    size_t i;
    for (i = 0; i < SUM_COUNT; i++) {
        sums[i] = sqlite3_column_int64(s, SUMS_AT + (int)i);
        sums[i] = sums[i] > most ? most : sums[i] < -most ? -most : sums[i];
    }
    if (!source)
        source = address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), address);
    snprintf(sensor, sizeof(sensor), "%" PRId64, (int64_t)sqlite3_column_int64(s, 1));
    add_sensor(&stages, sums, has_told);
    add_datagrams(&stages, sums, has_told);
    put_stages(&stages, source ? source : "others", is_sensor ? sensor : NULL, ask, output, result);
}

/* Rows of all sensors together, or of each. Returns 0, or -1. */
static int put_ways(sqlite3 *db, const char *source, const struct ask *ask, struct answer_output *output,
                    struct ask_result *result, struct error *err)
{
#define SUM_OF(name, sum) ", " sum " AS s" #name
#define EACH(name, sum)   ", s" #name
#define ALL(name, sum)    ", sum(s" #name ")"
    static const char sensors[] = " FROM (SELECT max(address) AS source, sensor" SUMS(
        SUM_OF) " FROM minutes m"
                " LEFT JOIN streams ON id = m.stream"
                " LEFT JOIN sensor_minutes t ON t.minute = m.minute AND t.stream = m.stream"
                " WHERE m.minute >= ? AND m.minute < ?"
                " GROUP BY CASE WHEN verified THEN x'' ELSE address END, sensor)";
    static const char each[] = "SELECT source, sensor" SUMS(EACH), all[] = "SELECT NULL, NULL" SUMS(ALL);
#undef SUM_OF
#undef EACH
#undef ALL
    char text[STATEMENT];
    sqlite3_stmt *s;
    int step = 0;
    if (snprintf(text, sizeof(text), "%s%s%s", source ? all : each, sensors,
                 source ? " GROUP BY NULL" : " ORDER BY source IS NULL, source, sensor") >= (int)sizeof(text) ||
        sql_prepare(db, text, &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, ask->since_s / 60);
    sqlite3_bind_int64(s, 2, ask->until_s == INT64_MAX ? INT64_MAX : (ask->until_s + 59) / 60);
    while (!result->is_cut && (step = sql_step(s, err)) == 1)
        put_way(s, source, ask, output, result);
    sqlite3_finalize(s);
    return step < 0 ? -1 : 0;
}

/* All together stand first, if there is more than one. */
static int ask_loss(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                    struct error *err)
{
    int64_t sensors;
    if (sql_number(kept->db,
                   "SELECT count(*) FROM (SELECT DISTINCT CASE WHEN verified THEN x'' ELSE address END, sensor"
                   " FROM streams LIMIT 2)",
                   0, &sensors, err) != 0)
        return -1;
    if (sensors > 1 && put_ways(kept->db, "all", ask, output, result, err) != 0)
        return -1;
    return put_ways(kept->db, NULL, ask, output, result, err);
}

const struct question question_loss = {"loss",
                                       "the way of each sensor's packets, and what was lost at which stage",
                                       ABOUT_NOTHING,
                                       PAGES_NONE,
                                       QUESTION_COLUMNS(loss_columns),
                                       ask_loss};
