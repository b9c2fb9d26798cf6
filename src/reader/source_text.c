/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/source_text.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/drops.h"

static void print_counts(struct output *out, const char *const *keys, const uint64_t *values, int count, double seconds)
{
    int i;
    output_text(out, " ");
    for (i = 0; i < count; i++)
        output_format(out, " %s=%" PRIu64, keys[i], values[i]);
    output_char(out, '\n');
    if (seconds <= 0)
        return;
    output_text(out, " ");
    for (i = 0; i < count; i++)
        output_format(out, " %s/s=%.2f", keys[i], (double)values[i] / seconds);
    output_char(out, '\n');
}

/* What the sensor counted since its start, where it says so. */
static void print_counters(const struct source *s, struct output *out)
{
    size_t i;
    bool has_some = false;
    for (i = 0; i < s->counters_count; i++) {
        const char *name = drop_counter_name(i);
        if (!name || s->counters[i] == 0)
            continue;
        output_format(out, "%s %s=%" PRIu64, has_some ? "" : "  sensor:", name, s->counters[i]);
        has_some = true;
    }
    if (has_some)
        output_char(out, '\n');
}

void source_print(const struct source *source, struct output *out)
{
    static const char *const data_keys[] = {"n_data_pkts", "n_records", "n_stats_pkts"};
    static const char *const stats_keys[] = {"pkts_captured", "pkts_received", "pkts_dropped", "pkts_ifdropped"};
    enum verify_result i;
    double seconds = (double)(source->last_time_us - source->first_time_us) / SECOND_US;
    uint64_t data[] = {source->data_datagrams, source->records, source->stats_datagrams};
    char name[SOURCE_NAME];
    source_name(source, name);
    output_format(out, "%s\n", name);
    print_counts(out, data_keys, data, 3, seconds);
    if (source->stats_datagrams > 1) /* growth is from one to another */
        print_counts(out, stats_keys, source->grown, SOURCE_COUNTERS, seconds);
    output_format(out, "  seq_last=%" PRIu32 " seq_total=%" PRIu64 " seq_lost=%" PRIu64 " seq_ooo=%" PRIu64 "\n",
                  source->sequence, source->total, source->lost, source->out_of_order);
    if (source->no_room > 0)
        output_format(out, "  n_no_room=%" PRIu64 "\n", source->no_room);
    print_counters(source, out);
    if (source->malformed > 0)
        output_format(out, "  n_malformed=%" PRIu64 "\n", source->malformed);
    for (i = VERIFY_OK + 1; i < VERIFY_RESULTS; i++)
        if (source->refused[i] > 0)
            output_format(out, "  n_%s=%" PRIu64 "\n", verify_text(i), source->refused[i]);
}

void sources_print(const struct sources *sources, struct output *out)
{
    uint32_t i;
    for (i = 0; i < sources_count(sources); i++)
        source_print(sources_at(sources, i), out);
}
