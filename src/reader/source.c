/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/drops.h"

enum {
    SLOTS = 2 * SOURCES_MAX,
    WINDOW = 64,
    RESTART_STEP = 1000, /* a step back by more is a sensor that began anew */
    COUNTERS_MAX = 128,
};

struct sources {
    uint32_t count, size;
    struct source **list;  /* in order of appearance */
    uint32_t slots[SLOTS]; /* open addressing: index in the list + 1, 0 = free */
};

struct sources *sources_create(void)
{
    return calloc(1, sizeof(struct sources));
}

void sources_destroy(struct sources *sources)
{
    uint32_t i;
    if (!sources)
        return;
    for (i = 0; i < sources->count; i++) {
        free(sources->list[i]->counters);
        free(sources->list[i]);
    }
    free(sources->list);
    free(sources);
}

static uint32_t hash_source(uint8_t ip_vers, const uint8_t *address, uint16_t port)
{
    uint32_t hash = 2166136261u ^ port;
    size_t i;
    for (i = 0; i < (ip_vers == 6 ? 16u : 4u); i++)
        hash = (hash ^ address[i]) * 16777619u;
    return (hash ^ hash >> 15) % SLOTS;
}

static struct source *add_source(struct sources *all, uint32_t slot)
{
    if (all->count == SOURCES_MAX)
        return NULL;
    if (all->count == all->size) {
        uint32_t size = all->size ? 2 * all->size : 16;
        struct source **grown = realloc(all->list, size * sizeof(*grown));
        if (!grown)
            return NULL;
        all->list = grown;
        all->size = size;
    }
    struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    all->list[all->count++] = s;
    all->slots[slot] = all->count;
    return s;
}

struct source *sources_find(struct sources *sources, uint8_t ip_vers, const uint8_t *address, uint16_t port)
{
    size_t len = ip_vers == 6 ? 16 : 4;
    uint32_t slot = hash_source(ip_vers, address, port);
    for (; sources->slots[slot]; slot = (slot + 1) % SLOTS) {
        struct source *s = sources->list[sources->slots[slot] - 1];
        if (s->ip_vers == ip_vers && s->port == port && memcmp(s->address, address, len) == 0)
            return s;
    }
    struct source *s = add_source(sources, slot);
    if (s) {
        s->ip_vers = ip_vers;
        s->port = port;
        memcpy(s->address, address, len);
    }
    return s;
}

/* A new sequence space: what came before stays in the sums. */
static void begin_sequence(struct source *s, uint32_t sequence)
{
    s->sequence = sequence;
    s->window = 1;
    s->total++;
}

static void count_sequence(struct source *s, uint32_t sequence)
{
    int32_t step = (int32_t)(sequence - s->sequence); /* right across the wrap */
    if (s->total == 0 || step < -RESTART_STEP) {
        begin_sequence(s, sequence);
    } else if (step > 0) {
        s->total += (uint32_t)step;
        s->lost += (uint32_t)step - 1;
        s->window = step < WINDOW ? s->window << step | 1 : 1;
        s->sequence = sequence;
    } else {
        s->out_of_order++;
        if (-step >= WINDOW)
            return;
        uint64_t bit = UINT64_C(1) << -step;
        if (!(s->window & bit) && s->lost > 0)
            s->lost--; /* late, not lost; a duplicate has its bit set */
        s->window |= bit;
    }
}

/* A source has room for counters once it has sent some; without memory they are not shown. */
static void keep_counters(struct source *s, const struct dnsflow_datagram *datagram)
{
    size_t i;
    if (datagram->counters_count == 0)
        return;
    if (!s->counters)
        s->counters = calloc(COUNTERS_MAX, sizeof(*s->counters));
    if (!s->counters)
        return;
    s->counters_count = datagram->counters_count < COUNTERS_MAX ? datagram->counters_count : COUNTERS_MAX;
    for (i = 0; i < s->counters_count; i++)
        s->counters[i] = load_be64(datagram->counters + 8 * i);
}

void source_count(struct source *source, const struct dnsflow_datagram *datagram, int64_t time_us)
{
    if (source->total == 0)
        source->first_time_us = time_us;
    source->last_time_us = time_us;
    if (datagram->has_trailer && datagram->trailer.start_time != source->start_time) {
        if (source->start_time != 0)
            begin_sequence(source, datagram->sequence);
        else
            count_sequence(source, datagram->sequence);
        source->start_time = datagram->trailer.start_time;
    } else {
        count_sequence(source, datagram->sequence);
    }
    if (!(datagram->flags & DNSFLOW_FLAG_STATS)) {
        source->data_datagrams++;
        source->records += datagram->sets_count;
        return;
    }
    if (source->stats_datagrams++ == 0)
        source->first_stats = datagram->stats;
    source->last_stats = datagram->stats;
    keep_counters(source, datagram);
}

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
    if (s->counters_count == 0)
        return;
    output_text(out, "  sensor:");
    for (i = 0; i < s->counters_count; i++) {
        const char *name = drop_counter_name(i);
        if (name && s->counters[i] > 0)
            output_format(out, " %s=%" PRIu64, name, s->counters[i]);
    }
    output_char(out, '\n');
}

void source_print_name(const struct source *source, struct output *out)
{
    if (source->ip_vers == 6)
        output_char(out, '[');
    output_address(out, source->ip_vers, source->address);
    if (source->ip_vers == 6)
        output_char(out, ']');
    output_format(out, ":%u", source->port);
}

void source_print(const struct source *source, struct output *out)
{
    static const char *const data_keys[] = {"n_data_pkts", "n_records", "n_stats_pkts"};
    static const char *const stats_keys[] = {"pkts_captured", "pkts_received", "pkts_dropped", "pkts_ifdropped"};
    enum verify_result i;
    const struct dnsflow_stats *first = &source->first_stats, *last = &source->last_stats;
    double seconds = (double)(source->last_time_us - source->first_time_us) / SECOND_US;
    uint64_t data[] = {source->data_datagrams, source->records, source->stats_datagrams};
    /* Differences of counters modulo 2^32 are right across a wrap. */
    uint64_t stats[] = {
        (uint32_t)(last->pkts_captured - first->pkts_captured), (uint32_t)(last->pkts_received - first->pkts_received),
        (uint32_t)(last->pkts_dropped - first->pkts_dropped), (uint32_t)(last->pkts_ifdropped - first->pkts_ifdropped)};
    source_print_name(source, out);
    output_char(out, '\n');
    print_counts(out, data_keys, data, 3, seconds);
    if (source->stats_datagrams > 0)
        print_counts(out, stats_keys, stats, 4, seconds);
    output_format(out, "  seq_last=%" PRIu32 " seq_total=%" PRIu64 " seq_lost=%" PRIu64 " seq_ooo=%" PRIu64 "\n",
                  source->sequence, source->total, source->lost, source->out_of_order);
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
    for (i = 0; i < sources->count; i++)
        source_print(sources->list[i], out);
}

uint32_t sources_count(const struct sources *sources)
{
    return sources->count;
}

const struct source *sources_at(const struct sources *sources, uint32_t index)
{
    return sources->list[index];
}

void sources_mark(struct sources *sources, double seconds)
{
    uint32_t i;
    for (i = 0; i < sources->count; i++) {
        struct source *s = sources->list[i];
        s->rate = (double)(s->records - s->before) / seconds;
        s->before = s->records;
    }
}
