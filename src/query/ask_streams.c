/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Streams of datagrams and their accounts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "query/question.h"

/* "192.0.2.1:4000", "[2001:db8::1]:4000", or "others": more streams than have an account. */
static const char *source_text(sqlite3_stmt *s, char *text, size_t size)
{
    char address[ADDRESS_TEXT];
    const char *host = address_text(sqlite3_column_blob(s, 0), sqlite3_column_bytes(s, 0), address);
    if (!host)
        return "others";
    snprintf(text, size, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, sqlite3_column_int(s, 1));
    return text;
}

/* "SENSOR/WORKER"; NULL: the stream is of a sensor that does not tell. */
static const char *sensor_text(sqlite3_stmt *s, char *text, size_t size)
{
    snprintf(text, size, "%" PRId64 "/%d", (int64_t)sqlite3_column_int64(s, 2), sqlite3_column_int(s, 3));
    return sqlite3_column_type(s, 2) != SQLITE_NULL ? text : NULL;
}

/* ---- sensors ---- */

static const struct answer_column sensor_columns[] = {
    {"source", CELL_TEXT, NULL},      {"sensor", CELL_TEXT, NULL},          {"verified", CELL_TEXT, NULL},
    {"started", CELL_TIME, NULL},     {"clock_ahead_s", CELL_NUMBER, NULL}, {"records", CELL_NUMBER, NULL},
    {"datagrams", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL},           {"last", CELL_TIME, NULL}};

static void put_sensor_row(sqlite3_stmt *s, struct answer_output *output)
{
    char source[ADDRESS_TEXT + 16], sensor[48];
    size_t i;
    struct answer_cell cells[sizeof(sensor_columns) / sizeof(sensor_columns[0])] = {
        {source_text(s, source, sizeof(source)), 0},
        {sensor_text(s, sensor, sizeof(sensor)), 0},
        {sqlite3_column_int(s, 4) ? "yes" : "no", 0}};
    for (i = 3; i < sizeof(cells) / sizeof(cells[0]); i++)
        cells[i].number = sqlite3_column_int64(s, (int)i + 2);
    answer_row(output, cells);
}

/* Where the start is not told it is when the first datagram came. */
static int ask_sensors(struct kept *kept, const struct ask *ask, struct answer_output *output,
                       struct ask_result *result, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(kept->db,
                    "SELECT address, port, sensor, worker, verified, coalesce(start, first), ahead,"
                    " (SELECT sum(records) FROM minutes WHERE stream = id),"
                    " (SELECT sum(datagrams) FROM minutes WHERE stream = id), first, last FROM streams"
                    " WHERE last >= ? AND first < ? ORDER BY last DESC, sensor, worker, address, port LIMIT ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, ask->since_s);
    sqlite3_bind_int64(s, 2, ask->until_s);
    sqlite3_bind_int64(s, 3, ask_limit(ask));
    int done = put_rows(kept, s, ask, result, err, put_sensor_row, output);
    sqlite3_finalize(s);
    return done;
}

/* ---- streams: where what is missing was lost ---- */

static const struct answer_column stream_columns[] = {
    {"source", CELL_TEXT, NULL},         {"sensor", CELL_TEXT, NULL},
    {"datagrams", CELL_NUMBER, NULL},    {"records", CELL_NUMBER, NULL},
    {"network", CELL_NUMBER, NULL},      {"here", CELL_NUMBER, NULL},
    {"down", CELL_NUMBER, NULL},         {"send", CELL_NUMBER, NULL},
    {"ring_packets", CELL_NUMBER, NULL}, {"interface_packets", CELL_NUMBER, NULL},
    {"first", CELL_TIME, NULL},          {"last", CELL_TIME, NULL}};

static void put_stream_row(sqlite3_stmt *s, struct answer_output *output)
{
    char source[ADDRESS_TEXT + 16], sensor[48];
    size_t i;
    struct answer_cell cells[sizeof(stream_columns) / sizeof(stream_columns[0])] = {
        {source_text(s, source, sizeof(source)), 0}, {sensor_text(s, sensor, sizeof(sensor)), 0}};
    for (i = 2; i < sizeof(cells) / sizeof(cells[0]); i++)
        cells[i].number = sqlite3_column_int64(s, (int)i + 2);
    answer_row(output, cells);
}

static int ask_streams(struct kept *kept, const struct ask *ask, struct answer_output *output,
                       struct ask_result *result, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(kept->db,
                    "SELECT address, port, sensor, worker, sum(datagrams), sum(records), sum(network), sum(here),"
                    " sum(down), sum(send), sum(ring), sum(interface), min(minute) * 60, max(minute) * 60"
                    " FROM minutes LEFT JOIN streams ON id = stream WHERE minute * 60 + 59 >= ? AND minute * 60 < ?"
                    " GROUP BY stream ORDER BY sensor, worker, address, port",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, ask->since_s);
    sqlite3_bind_int64(s, 2, ask->until_s);
    int done = put_rows(kept, s, ask, result, err, put_stream_row, output);
    sqlite3_finalize(s);
    return done;
}

/* ---- series ---- */

static const struct answer_column series_columns[] = {
    {"time", CELL_TIME, NULL},   {"seconds", CELL_NUMBER, NULL},   {"packets", CELL_NUMBER, NULL},
    {"ring", CELL_NUMBER, NULL}, {"messages", CELL_NUMBER, NULL},  {"records", CELL_NUMBER, NULL},
    {"made", CELL_NUMBER, NULL}, {"datagrams", CELL_NUMBER, NULL}, {"network", CELL_NUMBER, NULL},
    {"here", CELL_NUMBER, NULL}, {"down", CELL_NUMBER, NULL},      {"send", CELL_NUMBER, NULL}};

enum { SERIES_ROWS = 200, HOUR = 60, DAY = 1440 /* minutes */ };

static void put_series_row(sqlite3_stmt *s, struct answer_output *output)
{
    struct answer_cell cells[sizeof(series_columns) / sizeof(series_columns[0])];
    size_t i;
    for (i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
        cells[i] = (struct answer_cell){
            NULL, sqlite3_column_type(s, (int)i) == SQLITE_NULL ? ANSWER_NONE : sqlite3_column_int64(s, (int)i)};
    answer_row(output, cells);
}

/* Minutes, hours or days, whichever gives at most SERIES_ROWS of them; days if none does. Returns -1 with the cause. */
static int64_t series_step(sqlite3 *db, int64_t since, int64_t until, struct error *err)
{
    int64_t minutes;
    sqlite3_stmt *s;
    if (sql_prepare(db,
                    "SELECT coalesce(max(minute) - min(minute) + 1, 0) FROM minutes WHERE minute >= ? AND minute < ?",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, since);
    sqlite3_bind_int64(s, 2, until);
    int result = sql_step(s, err);
    minutes = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    if (result < 0)
        return -1;
    return minutes <= SERIES_ROWS ? 1 : minutes <= (int64_t)SERIES_ROWS * HOUR ? HOUR : DAY;
}

static int ask_series(struct kept *kept, const struct ask *ask, struct answer_output *output, struct ask_result *result,
                      struct error *err)
{
    int64_t since = ask->since_s / 60, until = ask->until_s == INT64_MAX ? INT64_MAX : (ask->until_s + 59) / 60;
    int64_t step = series_step(kept->db, since, until, err);
    sqlite3_stmt *s;
    if (step < 0 ||
        sql_prepare(kept->db,
                    "SELECT m.minute / ?1 * ?1 * 60, ?1 * 60, sum(frames), sum(ring), sum(messages), sum(m.records),"
                    " sum(made), sum(datagrams), sum(network), sum(here), sum(down), sum(send) FROM minutes m"
                    " LEFT JOIN sensor_minutes t ON t.minute = m.minute AND t.stream = m.stream"
                    " WHERE m.minute >= ?2 AND m.minute < ?3 GROUP BY m.minute / ?1"
                    " ORDER BY 1 LIMIT ?4",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, step);
    sqlite3_bind_int64(s, 2, since);
    sqlite3_bind_int64(s, 3, until);
    sqlite3_bind_int64(s, 4, ask_limit(ask));
    int done = put_rows(kept, s, ask, result, err, put_series_row, output);
    sqlite3_finalize(s);
    return done;
}

const struct question question_series = {"series",   "what came, by minute, hour or day", ABOUT_NOTHING,
                                         PAGES_NONE, QUESTION_COLUMNS(series_columns),    ask_series};
const struct question question_sensors = {"sensors",
                                          "every stream of datagrams, seen last first",
                                          ABOUT_NOTHING,
                                          PAGES_NONE,
                                          QUESTION_COLUMNS(sensor_columns),
                                          ask_sensors};
const struct question question_streams = {"streams",
                                          "what came of each stream, and what is missing where",
                                          ABOUT_NOTHING,
                                          PAGES_NONE,
                                          QUESTION_COLUMNS(stream_columns),
                                          ask_streams};
