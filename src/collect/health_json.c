/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `status --format json`. Its keys stay as they are: the manual page has them. */
#include <inttypes.h>

#include "base/json.h"
#include "collect/health.h"
#include "query/output.h"

static const char *boolean(bool is_true)
{
    return is_true ? "true" : "false";
}

/* A number or a time, null where there is none. */
static void put_number(FILE *out, const char *key, bool is_known, int64_t number)
{
    fprintf(out, " \"%s\":", key);
    if (is_known)
        fprintf(out, "%" PRId64 ",\n", number);
    else
        fputs("null,\n", out);
}

static void put_time(FILE *out, const char *key, bool is_known, int64_t time_s)
{
    char text[ANSWER_TIME];
    answer_time(time_s, true, text);
    fprintf(out, is_known ? " \"%s\":\"%s\",\n" : " \"%s\":null,\n", key, text);
}

/* Every reason, those of which nothing came too. */
static void put_totals(FILE *out, const char *key, const struct health *h, bool (*is_one)(int))
{
    bool is_first = true;
    int i;
    fprintf(out, " \"%s\":{", key);
    for (i = 0; i < HEALTH_TOTALS; i++)
        if (is_one(i)) {
            fprintf(out, "%s\"%s\":%" PRIu64, is_first ? "" : ",",
                    i == HEALTH_EXPIRED ? "expired" : journal_totals[i].word, h->totals_24h[i]);
            is_first = false;
        }
    fputs("},\n", out);
}

static void put_pair(FILE *out, const char *key, bool is_known, int64_t number)
{
    if (is_known)
        fprintf(out, ",\"%s\":%" PRId64, key, number);
    else
        fprintf(out, ",\"%s\":null", key);
}

static void put_sensor(FILE *out, const struct health_sensor *s)
{
    char heard[ANSWER_TIME];
    answer_time(s->heard_s, true, heard);
    fprintf(out, "  {\"address\":\"%s\"", s->address);
    put_pair(out, "port", !s->has_sensor, s->port);
    put_pair(out, "sensor", s->has_sensor, s->sensor);
    put_pair(out, "worker", s->has_sensor, s->worker);
    fprintf(out, ",\"alive\":%s,\"heard\":\"%s\"", boolean(s->silent_s <= HEALTH_ALIVE_S), heard);
    const struct {
        const char *key;
        int64_t number;
    } numbers[] = {{"silent_seconds", s->silent_s},      {"starts_24h", s->starts},
                   {"datagrams_24h", s->datagrams},      {"records_24h", s->records},
                   {"records_10min", s->recent},         {"network_lost_datagrams_24h", s->network},
                   {"here_lost_datagrams_24h", s->here}, {"down_lost_datagrams_24h", s->down},
                   {"send_lost_datagrams_24h", s->send}, {"ring_lost_packets_24h", s->ring}};
    size_t i;
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        put_pair(out, numbers[i].key, true, numbers[i].number);
    put_pair(out, "clock_ahead_seconds", s->has_ahead, s->ahead_s);
    fputc('}', out);
}

static void put_disk(FILE *out, const struct health *h)
{
    const struct {
        const char *key;
        uint64_t number;
    } numbers[] = {{"used_bytes", h->journal + h->lookups + h->database + h->backups},
                   {"max_bytes", h->max_size},
                   {"free_bytes", h->free},
                   {"journal_bytes", h->journal},
                   {"lookups_bytes", h->lookups},
                   {"database_bytes", h->database},
                   {"backups_bytes", h->backups},
                   {"lookups_files", h->files},
                   {"lookups_files_damaged", h->damaged},
                   {"lookups_files_missing", h->missing},
                   {"backups", h->backups_count}};
    size_t i;
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        fprintf(out, " \"%s\":%" PRIu64 ",\n", numbers[i].key, numbers[i].number);
    put_time(out, "lookups_since", h->files > 0, h->oldest_s);
    put_time(out, "lookups_until", h->files > 0, h->newest_s);
    put_number(out, "lasts_seconds", h->has_rate, h->room_s);
    put_number(out, "full_in_seconds", h->has_rate, h->full_s);
}

static void put_feed(FILE *out, const struct health_feed *f)
{
    const struct feed_state *s = &f->told.state;
    const struct {
        const char *key;
        uint64_t number;
    } numbers[] = {{"behind_records", f->behind},     {"behind_seconds", (uint64_t)f->behind_s},
                   {"records", s->counts.records},    {"datagrams", s->counts.datagrams},
                   {"batches", s->counts.batches},    {"refused_datagrams", s->counts.refused},
                   {"expired_datagrams", s->expired}, {"failures", s->failures}};
    size_t i;
    fprintf(out, "  {\"name\":\"%s\",\"kind\":\"%s\",\"failing\":%s,\"cause\":", f->told.name, f->told.kind,
            boolean(s->is_failing));
    if (s->is_failing)
        json_put(out, s->cause);
    else
        fputs("null", out);
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        put_pair(out, numbers[i].key, true, (int64_t)numbers[i].number);
    fputc('}', out);
}

void health_print_json(const struct health *health, FILE *out)
{
    const struct health *h = health;
    bool has_process = h->is_running && h->process[0] != '?';
    size_t i;
    fputs("{\n", out);
    put_time(out, "time", true, h->now_s);
    fprintf(out, " \"running\":%s,\n \"process\":%s,\n \"up_to_date\":%s,\n", boolean(h->is_running),
            has_process ? h->process : "null", boolean(h->is_fresh || !h->is_running));
    put_number(out, "behind_records", true, (int64_t)h->behind);
    put_disk(out, h);
    put_totals(out, "dropped_datagrams_24h", h, health_is_drop);
    put_totals(out, "not_taken_datagrams_24h", h, health_is_refusal);
    fputs(" \"stores\":[", out);
    for (i = 0; i < h->feeds_count; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        put_feed(out, &h->feeds[i]);
    }
    fputs("],\n \"sensors\":[", out);
    for (i = 0; i < h->listed; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        put_sensor(out, &h->sensors[i]);
    }
    fputs("]\n}\n", out);
}
