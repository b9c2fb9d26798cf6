/* SPDX-License-Identifier: BSD-3-Clause
 *
 * /metrics: of all roles, in the text format of Prometheus. No name, client or address is told. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "collect/answer.h"

static void family(FILE *out, const char *name, const char *kind, const char *help)
{
    fprintf(out, "# HELP dnsflow_collect_%s %s\n# TYPE dnsflow_collect_%s %s\n", name, help, name, kind);
}

static void single(FILE *out, const char *name, const char *kind, uint64_t number, const char *help)
{
    family(out, name, kind, help);
    fprintf(out, "dnsflow_collect_%s %" PRIu64 "\n", name, number);
}

static void labelled(FILE *out, const char *name, const char *label, const char *value, uint64_t number)
{
    fprintf(out, "dnsflow_collect_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, number);
}

/* ---- roles ---- */

/* A store that there is not is not told, nor is one who reads from Kafka where that is not wanted. */
static void put_roles(FILE *out, const struct board *board)
{
    size_t i, feed = 0;
    family(out, "role_starts_total", "counter", "Processes started, by role.");
    for (i = 0; i < BOARD_ROLES; i++) {
        uint64_t starts = atomic_load(&board->starts[i]);
        const char *name = roles[i] == &role_feed ? board->feeds[feed++].name : roles[i]->name;
        if (name[0] && (starts > 0 || roles[i] != &role_consume))
            labelled(out, "role_starts_total", "role", name, starts);
    }
}

/* ---- stores beside the embedded one ---- */

static void put_feeds(FILE *out, const struct board *board)
{
    static const struct {
        const char *name, *type, *help;
        size_t at;
    } all[] = {
        {"feed_records_total", "counter", "Records handed over, by store.", offsetof(struct feed_board, records)},
        {"feed_datagrams_total", "counter", "Datagrams handed over, by store.", offsetof(struct feed_board, datagrams)},
        {"feed_batches_total", "counter", "Files, inserts or messages that these were, by store.",
         offsetof(struct feed_board, batches)},
        {"feed_refused_total", "counter", "Datagrams that could not be handed over, by store.",
         offsetof(struct feed_board, refused)},
        {"feed_expired_total", "counter", "Datagrams gone from the journal before they were handed over, by store.",
         offsetof(struct feed_board, expired)},
        {"feed_failures_total", "counter", "Times that it failed, and began again, by store.",
         offsetof(struct feed_board, failures)},
        {"feed_failing", "gauge", "1: it fails, and is tried again, by store.", offsetof(struct feed_board, failing)}};
    size_t i, k;
    if (!board->feeds[0].name[0])
        return;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        family(out, all[i].name, all[i].type, all[i].help);
        for (k = 0; k < FEEDS_MAX && board->feeds[k].name[0]; k++) {
            const struct feed_board *feed = &board->feeds[k];
            const void *at = (const uint8_t *)feed + all[i].at;
            labelled(out, all[i].name, "store", feed->name, atomic_load((const _Atomic uint64_t *)at));
        }
    }
    family(out, "feed_read_seconds", "gauge", "When the last block that it has read was received, by store.");
    for (k = 0; k < FEEDS_MAX && board->feeds[k].name[0]; k++)
        labelled(out, "feed_read_seconds", "store", board->feeds[k].name,
                 (uint64_t)atomic_load(&board->feeds[k].read_s));
}

static void put_totals(FILE *out, const struct board *board, const char *name, bool (*is_one)(int), const char *help)
{
    int i;
    family(out, name, "counter", help);
    for (i = 0; i < TOTALS_COUNT; i++)
        if (is_one(i))
            labelled(out, name, "reason", journal_totals[i].word, atomic_load(&board->totals[i]));
}

static void put_receive(FILE *out, const struct board *board)
{
    single(out, "datagrams_total", "counter", atomic_load(&board->totals[TOTAL_DATAGRAMS]),
           "Datagrams written to the journal since it began.");
    single(out, "records_total", "counter", atomic_load(&board->totals[TOTAL_RECORDS]), "Records in these.");
    put_totals(out, board, "dropped_datagrams_total", health_is_drop, "Datagrams dropped, by reason.");
    put_totals(out, board, "refused_datagrams_total", health_is_refusal, "Datagrams not taken, by reason.");
}

static void put_store(FILE *out, const struct board *board)
{
    single(out, "store_rows_total", "counter", atomic_load(&board->rows), "Rows written by the store.");
    single(out, "store_seals_total", "counter", atomic_load(&board->seals),
           "Times that the store has taken in what came.");
    single(out, "store_failures_total", "counter", atomic_load(&board->failures), "Times that it could not.");
    single(out, "store_sealed_timestamp_seconds", "gauge", (uint64_t)atomic_load(&board->sealed_s),
           "When it last did, 0 if not yet.");
}

static void put_watch(FILE *out, const struct board *board)
{
    single(out, "watch_lines", "gauge", atomic_load(&board->watch_lines), "Lines of the list that is looked out for.");
    single(out, "watch_records_total", "counter", atomic_load(&board->watch_records), "Records looked at for these.");
    single(out, "watch_hits_total", "counter", atomic_load(&board->watch_hits), "Of these, that have one.");
    single(out, "watch_lost_total", "counter", atomic_load(&board->watch_lost),
           "Of these, that could not be written to --watch-output.");
}

/* ---- what is kept ---- */

static void put_disk(FILE *out, const struct health *h)
{
    single(out, "store_behind_records", "gauge", h->behind, "Records of the journal that it has still to take in.");
    single(out, "journal_bytes", "gauge", h->journal, "Size of the journal.");
    single(out, "lookups_bytes", "gauge", h->lookups, "Size of lookups.");
    single(out, "database_bytes", "gauge", h->database, "Size of answers and accounts.");
    single(out, "backups_bytes", "gauge", h->backups, "Size of backups, beside what they share.");
    single(out, "max_bytes", "gauge", h->max_size, "How much all of it may take.");
    single(out, "disk_free_bytes", "gauge", h->free, "Free on its disk.");
    single(out, "lookups_files", "gauge", h->files, "Files of lookups.");
    single(out, "lookups_files_damaged", "gauge", h->damaged, "Of these, that cannot be used.");
    single(out, "lookups_files_missing", "gauge", h->missing, "Of these, that are not there.");
    single(out, "lookups_oldest_timestamp_seconds", "gauge", h->files > 0 ? (uint64_t)h->oldest_s : 0,
           "Since when lookups are kept, 0 if there are none.");
}

/* ---- sensors ---- */

static int by_number(const void *a, const void *b)
{
    const struct health_sensor *x = a, *y = b;
    if (x->has_sensor != y->has_sensor)
        return x->has_sensor ? -1 : 1;
    return x->has_sensor ? (x->sensor > y->sensor) - (x->sensor < y->sensor) : 0;
}

/* Streams of one number together, and those of none. Returns how many are left. */
static size_t bring_together(struct health_sensor *list, size_t count)
{
    size_t i, kept = 0;
    if (count > 0)
        qsort(list, count, sizeof(*list), by_number);
    for (i = 0; i < count; i++) {
        struct health_sensor *into = kept > 0 ? &list[kept - 1] : NULL;
        if (!into || by_number(into, &list[i]) != 0) {
            list[kept++] = list[i];
            continue;
        }
        into->heard_s = list[i].heard_s > into->heard_s ? list[i].heard_s : into->heard_s;
        into->records += list[i].records;
        into->ring += list[i].ring;
        into->send += list[i].send;
        into->network += list[i].network;
        into->here += list[i].here;
        into->down += list[i].down;
    }
    return kept;
}

static const char *sensor_of(const struct health_sensor *s, char text[24])
{
    if (s->has_sensor)
        snprintf(text, 24, "%" PRId64, s->sensor);
    else
        memcpy(text, "none", 5);
    return text;
}

static void put_lost(FILE *out, const struct health_sensor *s, const char *sensor)
{
    const struct {
        const char *stage;
        int64_t lost;
    } stages[] = {{"ring", s->ring}, {"send", s->send}, {"network", s->network}, {"here", s->here}, {"down", s->down}};
    size_t i;
    for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        fprintf(out, "dnsflow_collect_sensor_lost_day{sensor=\"%s\",stage=\"%s\"} %" PRId64 "\n", sensor,
                stages[i].stage, stages[i].lost);
}

static void put_sensors(FILE *out, const struct health *h)
{
    char text[24];
    size_t i, count = bring_together(h->sensors, h->listed);
    family(out, "sensor_heard_timestamp_seconds", "gauge", "When a sensor was last heard; none: all without a number.");
    for (i = 0; i < count; i++)
        labelled(out, "sensor_heard_timestamp_seconds", "sensor", sensor_of(&h->sensors[i], text),
                 (uint64_t)h->sensors[i].heard_s);
    family(out, "sensor_records_day", "gauge", "Records in the last 24 hours.");
    for (i = 0; i < count; i++)
        labelled(out, "sensor_records_day", "sensor", sensor_of(&h->sensors[i], text), (uint64_t)h->sensors[i].records);
    family(out, "sensor_lost_day", "gauge",
           "Lost in the last 24 hours, by stage: packets in the sensor's ring, else datagrams.");
    for (i = 0; i < count; i++)
        put_lost(out, &h->sensors[i], sensor_of(&h->sensors[i], text));
}

/* ---- questions ---- */

static void put_times(FILE *out, const struct serve_counts *c)
{
    uint64_t sum = 0;
    size_t i;
    family(out, "query_seconds", "histogram", "How long questions took, waiting for their turn with it.");
    for (i = 0; i <= SERVE_TIMES; i++) {
        sum += c->took[i];
        if (i < SERVE_TIMES)
            fprintf(out, "dnsflow_collect_query_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", serve_times[i], sum);
    }
    fprintf(out,
            "dnsflow_collect_query_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\ndnsflow_collect_query_seconds_sum %f\n"
            "dnsflow_collect_query_seconds_count %" PRIu64 "\n",
            sum, c->took_all, sum);
}

static void put_http(FILE *out, const struct serve_counts *c)
{
    const struct http_stats *h = &c->http;
    const struct {
        const char *reason;
        uint64_t count;
    } refused[] = {{"full", h->full}, {"peer_full", h->peer_full}, {"no_file", h->no_file}, {"slow", h->slow},
                   {"late", h->late}, {"slow_read", h->slow_read}, {"crowded", h->crowded}};
    size_t i;
    single(out, "http_connections", "gauge", h->open, "Connections.");
    single(out, "http_requests_total", "counter", h->requests, "Requests that were answered.");
    single(out, "http_bad_total", "counter", h->bad, "Requests that are none, or for what is not there.");
    single(out, "http_unauthorized_total", "counter", c->unauthorized, "Requests without a right token.");
    single(out, "http_forbidden_total", "counter", c->forbidden, "Requests that their token is not good for.");
    family(out, "http_refused_total", "counter", "Connections refused or cut off, by reason.");
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        labelled(out, "http_refused_total", "reason", refused[i].reason, refused[i].count);
    put_times(out, c);
    single(out, "query_partial_total", "counter", c->partial, "Answers that were partial.");
    single(out, "query_failed_total", "counter", c->failed, "Questions that could not be answered.");
    single(out, "query_busy_total", "counter", c->busy, "Questions refused, as there were too many at once.");
}

void metrics_print(const struct board *board, const struct health *health, const struct serve_counts *counts, FILE *out)
{
    family(out, "build_info", "gauge", "What is running.");
    fprintf(out, "dnsflow_collect_build_info{version=\"%s\"} 1\n", DNSFLOW_PROGRAM_VERSION);
    single(out, "start_time_seconds", "gauge", (uint64_t)board->started_s, "When the collector was started.");
    put_roles(out, board);
    put_receive(out, board);
    put_store(out, board);
    put_watch(out, board);
    put_feeds(out, board);
    if (health) {
        put_disk(out, health);
        put_sensors(out, health);
    }
    put_http(out, counts);
}
