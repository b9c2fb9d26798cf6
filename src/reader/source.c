/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/source.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/drops.h"
#include "base/hash.h"

enum {
    SLOTS = 2 * SOURCES_MAX,
    WINDOW = 64,
    RESTART_STEP = 1000,     /* a step back by more is a sensor that began anew, */
    RESTART_AHEAD = 1 << 28, /* and so is one ahead by more: days without a datagram, or back across the middle */
    COUNTERS_MAX = 128,
};

struct sources {
    uint64_t seed;
    uint32_t count, size;
    uint32_t unproven;
    struct source **list;  /* in order of appearance */
    uint32_t slots[SLOTS]; /* open addressing: index in the list + 1, 0 = free */
};

struct sources *sources_create(void)
{
    struct sources *sources = calloc(1, sizeof(struct sources));
    if (sources)
        sources->seed = hash_seed();
    return sources;
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

static struct source *find(struct sources *sources, uint8_t ip_vers, const uint8_t *address, uint16_t port,
                           uint32_t *slot)
{
    size_t len = ip_vers == 6 ? 16 : 4;
    *slot = (uint32_t)hash_bytes(sources->seed ^ port, address, len) % SLOTS;
    for (; sources->slots[*slot]; *slot = (*slot + 1) % SLOTS) {
        struct source *s = sources->list[sources->slots[*slot] - 1];
        if (s->ip_vers == ip_vers && s->port == port && memcmp(s->address, address, len) == 0)
            return s;
    }
    return NULL;
}

struct source *sources_find(struct sources *sources, uint8_t ip_vers, const uint8_t *address, uint16_t port,
                            bool is_accepted)
{
    uint32_t slot;
    struct source *s = find(sources, ip_vers, address, port, &slot);
    if (!s && (is_accepted || sources->unproven < SOURCES_UNPROVEN_MAX) && (s = add_source(sources, slot))) {
        s->ip_vers = ip_vers;
        s->port = port;
        memcpy(s->address, address, ip_vers == 6 ? 16 : 4);
        sources->unproven++;
    }
    if (s && is_accepted && !s->is_proven) {
        s->is_proven = true;
        sources->unproven--;
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

static void count_missing(struct source *s, uint32_t missing, uint64_t *no_room)
{
    uint64_t here = missing < *no_room ? missing : *no_room;
    s->no_room += here;
    s->lost += missing - here;
    *no_room -= here;
}

/* Whether the datagram is the newest. Without a trailer that tells the run, a jump is taken for a new one. */
static bool count_sequence(struct source *s, uint32_t sequence, bool is_same_run, uint64_t *no_room)
{
    int32_t step = (int32_t)(sequence - s->sequence); /* right across the wrap */
    if (s->total == 0 || (!is_same_run && (step < -RESTART_STEP || step > RESTART_AHEAD))) {
        s->may_have_restarted = true;
        begin_sequence(s, sequence);
    } else if (step > 0) {
        s->total += (uint32_t)step;
        count_missing(s, (uint32_t)step - 1, no_room);
        s->window = step < WINDOW ? s->window << step | 1 : 1;
        s->sequence = sequence;
    } else {
        s->out_of_order++;
        if (-(int64_t)step >= WINDOW)
            return false;
        uint64_t bit = UINT64_C(1) << -step;
        if (!(s->window & bit) && s->lost > 0)
            s->lost--; /* late, not lost; a duplicate has its bit set */
        else if (!(s->window & bit) && s->no_room > 0)
            s->no_room--;
        s->window |= bit;
        return false;
    }
    return true;
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

/* A new run's counters begin with 0. After a jump that may be one they must have fallen. */
static bool is_new_run(const struct source *s, const struct dnsflow_stats *now)
{
    const struct dnsflow_stats *last = &s->last_stats;
    bool have_fallen = now->pkts_captured < last->pkts_captured || now->pkts_received < last->pkts_received ||
                       now->pkts_dropped < last->pkts_dropped;
    return s->has_restarted || (s->may_have_restarted && have_fallen);
}

/* Counters are modulo 2^32, so that a difference is right across a wrap. */
static void count_stats(struct source *s, const struct dnsflow_stats *now)
{
    const struct dnsflow_stats zero = {0}, *before = is_new_run(s, now) ? &zero : &s->last_stats;
    if (s->has_stats) {
        s->grown[GROWN_CAPTURED] += now->pkts_captured - before->pkts_captured;
        s->grown[GROWN_RECEIVED] += now->pkts_received - before->pkts_received;
        s->grown[GROWN_DROPPED] += now->pkts_dropped - before->pkts_dropped;
        s->grown[GROWN_IFDROPPED] += now->pkts_ifdropped - before->pkts_ifdropped;
    }
    s->last_stats = *now;
    s->has_stats = true;
    s->has_restarted = s->may_have_restarted = false;
}

/* Whether the datagram is the newest of its sensor's present run. */
static bool count_run(struct source *s, const struct dnsflow_datagram *d, uint64_t *no_room)
{
    uint32_t start_time = d->has_trailer ? d->trailer.start_time : 0, known = s->start_time;
    if (start_time == 0 || known == 0 || start_time == known) {
        s->start_time = start_time ? start_time : known;
        return count_sequence(s, d->sequence, start_time != 0 && start_time == known, no_room);
    }
    if (start_time == s->former_start_time) {
        s->out_of_order++; /* still of the run before */
        return false;
    }
    s->former_start_time = known;
    s->start_time = start_time;
    s->has_restarted = true;
    begin_sequence(s, d->sequence);
    return true;
}

void source_count(struct source *source, const struct dnsflow_datagram *datagram, int64_t time_us, uint64_t *no_room)
{
    if (source->total == 0)
        source->first_time_us = time_us;
    source->last_time_us = time_us;
    bool is_newest = count_run(source, datagram, no_room);
    if (!(datagram->flags & DNSFLOW_FLAG_STATS)) {
        source->data_datagrams++;
        source->records += datagram->sets_count;
        return;
    }
    source->stats_datagrams++;
    if (is_newest || !source->has_stats) {
        count_stats(source, &datagram->stats);
        keep_counters(source, datagram);
    }
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

void source_name(const struct source *source, char name[SOURCE_NAME])
{
    char address[INET6_ADDRSTRLEN];
    (void)inet_ntop(source->ip_vers == 6 ? AF_INET6 : AF_INET, source->address, address, sizeof(address));
    snprintf(name, SOURCE_NAME, source->ip_vers == 6 ? "[%s]:%u" : "%s:%u", address, source->port);
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
    for (i = 0; i < sources->count; i++)
        source_print(sources->list[i], out);
}

uint32_t sources_count(const struct sources *sources)
{
    return sources->count;
}

uint32_t sources_proven(const struct sources *sources)
{
    return sources->count - sources->unproven;
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
