/* SPDX-License-Identifier: BSD-3-Clause */
#include "receive/source.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/drops.h"
#include "base/hash.h"
#include "flow/wire.h"

enum {
    SLOTS = 2 * SOURCES_MAX,
    WINDOW = 64,
    RESTART_STEP = 1000,     /* a step back by more is a sensor that began anew, */
    RESTART_AHEAD = 1 << 28, /* and so is one ahead by more: days without a datagram, or back across the middle */
};

/* What makes a source, in bytes: address 16, port 2, IP version 1, worker 1, sensor 4, start 4. */
enum { KEY = SOURCE_KEY, KEY_PORT = 16, KEY_VERSION = 18, KEY_WORKER = 19, KEY_SENSOR = 20, KEY_START = 24 };

/* Of the trailer's counters, behind the five of the ledgers. */
enum { SEND_LOST_AT = 5 + DROP_SEND_LOST - 1, STATE_VERSION = 1 /* of what sources_save() writes */ };

_Static_assert((int)DROP_COUNTERS <= (int)WIRE_COUNTERS_MAX, "a datagram carries every counter, and all are kept");

struct known_source {
    uint8_t key[KEY];
    uint32_t known_last, known_total; /* at sources_resume(): the highest number, how many up to it */
    uint64_t known_window;
    int64_t seen_us; /* when something came last */
    struct source source;
};

struct sources {
    enum source_identity identity;
    bool is_live;
    uint64_t seed;
    uint32_t count, size;
    uint32_t unproven;
    int64_t next_clearing_us;
    struct source_gone gone;
    struct known_source **list; /* in order of appearance */
    uint32_t slots[SLOTS];      /* open addressing: index in the list + 1, 0 = free */
};

struct sources *sources_create(enum source_identity identity, bool is_live)
{
    struct sources *sources = calloc(1, sizeof(struct sources));
    if (!sources)
        return NULL;
    sources->identity = identity;
    sources->is_live = is_live;
    sources->seed = hash_seed();
    return sources;
}

static void free_known(struct known_source *known)
{
    free(known->source.counters);
    free(known);
}

void sources_destroy(struct sources *sources)
{
    uint32_t i;
    if (!sources)
        return;
    for (i = 0; i < sources->count; i++)
        free_known(sources->list[i]);
    free(sources->list);
    free(sources);
}

/* ---- finding ---- */

static void make_key(enum source_identity identity, const struct received *from, enum source_proof proof,
                     uint8_t key[KEY])
{
    const struct dnsflow_trailer *t = &from->datagram.trailer;
    bool has_stream = identity == SOURCE_IS_STREAM && proof != SOURCE_UNPROVEN && from->datagram.has_trailer;
    memset(key, 0, KEY);
    if (has_stream) {
        key[KEY_WORKER] = t->worker;
        store_be32(key + KEY_SENSOR, t->sensor_id);
        store_be32(key + KEY_START, t->start_time);
    }
    if (has_stream && proof == SOURCE_VERIFIED)
        return;
    memcpy(key, from->address, from->ip_vers == 6 ? 16 : 4);
    store_be16(key + KEY_PORT, from->port);
    key[KEY_VERSION] = from->ip_vers;
}

static uint32_t find_slot(const struct sources *all, const uint8_t key[KEY])
{
    uint32_t slot = (uint32_t)hash_bytes(all->seed, key, KEY) % SLOTS;
    while (all->slots[slot] && memcmp(all->list[all->slots[slot] - 1]->key, key, KEY) != 0)
        slot = (slot + 1) % SLOTS;
    return slot;
}

/* Those that have been silent for long are forgotten; at most once a minute, as all are looked at. A clock that went
 * back holds up neither. */
static void make_room(struct sources *all, int64_t now_us)
{
    const int64_t pause_us = 60 * SECOND_US;
    uint32_t i, left = 0;
    if (!all->is_live || (now_us < all->next_clearing_us && now_us >= all->next_clearing_us - pause_us))
        return;
    all->next_clearing_us = now_us + pause_us;
    for (i = 0; i < all->count; i++) {
        struct known_source *p = all->list[i];
        if (p->seen_us > now_us)
            p->seen_us = now_us;
        if (p->seen_us + (int64_t)SOURCES_IDLE_S * SECOND_US >= now_us) {
            all->list[left++] = p;
            continue;
        }
        all->gone.sources++;
        all->gone.datagrams += p->source.data_datagrams + p->source.stats_datagrams;
        all->gone.lost += p->source.lost;
        all->unproven -= !p->source.is_proven;
        free_known(p);
    }
    all->count = left;
    memset(all->slots, 0, sizeof(all->slots));
    for (i = 0; i < left; i++)
        all->slots[find_slot(all, all->list[i]->key)] = i + 1;
}

static bool has_room(const struct sources *all, bool is_accepted)
{
    return all->count < SOURCES_MAX && (is_accepted || all->unproven < SOURCES_UNPROVEN_MAX);
}

static struct known_source *add_known(struct sources *all, const uint8_t key[KEY])
{
    if (all->count == all->size) {
        uint32_t size = all->size ? 2 * all->size : 16;
        struct known_source **grown = realloc(all->list, size * sizeof(struct known_source *));
        if (!grown)
            return NULL;
        all->list = grown;
        all->size = size;
    }
    struct known_source *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    uint32_t slot = find_slot(all, key);
    memcpy(p->key, key, KEY);
    all->list[all->count++] = p;
    all->slots[slot] = all->count;
    all->unproven++;
    return p;
}

struct source *sources_find(struct sources *sources, const struct received *from, enum source_proof proof)
{
    uint8_t key[KEY];
    make_key(sources->identity, from, proof, key);
    uint32_t slot = find_slot(sources, key);
    struct known_source *p = sources->slots[slot] ? sources->list[sources->slots[slot] - 1] : NULL;
    bool is_accepted = proof != SOURCE_UNPROVEN;
    if (!p && !has_room(sources, is_accepted))
        make_room(sources, from->time_us);
    if (!p && has_room(sources, is_accepted))
        p = add_known(sources, key);
    if (!p)
        return NULL;
    struct source *s = &p->source;
    s->ip_vers = from->ip_vers;
    s->port = from->port;
    memcpy(s->address, from->address, from->ip_vers == 6 ? 16 : 4);
    p->seen_us = from->time_us;
    if (is_accepted && !s->is_proven)
        sources->unproven--;
    s->is_proven |= is_accepted;
    if (is_accepted && from->datagram.has_trailer) {
        s->has_trailer = true;
        s->worker = from->datagram.trailer.worker;
        s->sensor_id = from->datagram.trailer.sensor_id;
        s->is_verified = proof == SOURCE_VERIFIED;
    }
    return s;
}

const struct source_gone *sources_gone(const struct sources *sources)
{
    return &sources->gone;
}

/* ---- counting ---- */

/* A new sequence space: what came before stays in the sums. */
static void begin_sequence(struct source *s, uint32_t sequence)
{
    s->sequence = sequence;
    s->window = 1;
    s->missing = 0;
    s->total++;
}

static void count_missing(struct source *s, uint32_t missing, uint64_t *no_room)
{
    if (s->is_resumed) {
        s->down += missing;
        return;
    }
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
        s->missing = step < WINDOW ? s->missing << step | ((UINT64_C(1) << step) - 2) : ~UINT64_C(1);
        s->sequence = sequence;
    } else {
        s->out_of_order++;
        if (-(int64_t)step >= WINDOW)
            return false;
        uint64_t bit = UINT64_C(1) << -step;
        s->duplicates += (s->window & bit) != 0;
        uint64_t *sum = s->lost > 0 ? &s->lost : s->no_room > 0 ? &s->no_room : &s->down;
        *sum -= (s->missing & bit) != 0; /* late, not lost */
        s->window |= bit;
        s->missing &= ~bit;
        return false;
    }
    return true;
}

/* A new run's counter begins with 0, and what the first statistics tell was before they were watched. */
static void count_send_lost(struct source *s, uint64_t now)
{
    if ((s->stats_datagrams > 1 || s->is_whole) && now >= s->send_lost)
        s->send_lost_grown += now - s->send_lost;
    s->send_lost = now;
}

/* A source has room for counters once it has sent some; without memory they are not shown. */
static void keep_counters(struct source *s, const struct dnsflow_datagram *datagram)
{
    size_t i;
    if (datagram->counters_count == 0)
        return;
    if (!s->counters)
        s->counters = calloc(WIRE_COUNTERS_MAX, sizeof(*s->counters));
    if (!s->counters)
        return;
    if (datagram->counters_count > SEND_LOST_AT)
        count_send_lost(s, load_be64(datagram->counters + 8 * (size_t)SEND_LOST_AT));
    s->counters_count =
        (uint16_t)(datagram->counters_count < WIRE_COUNTERS_MAX ? datagram->counters_count : WIRE_COUNTERS_MAX);
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
    if (s->has_stats || s->is_whole) {
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

bool source_count(struct source *source, const struct dnsflow_datagram *datagram, int64_t time_us, uint64_t *no_room)
{
    if (source->total == 0)
        source->first_time_us = time_us;
    source->last_time_us = time_us;
    uint64_t duplicates = source->duplicates;
    bool is_newest = count_run(source, datagram, no_room), is_new = source->duplicates == duplicates;
    source->is_resumed &= !is_newest;
    if (!(datagram->flags & DNSFLOW_FLAG_STATS)) {
        source->data_datagrams++;
        source->records += datagram->sets_count;
        return is_new;
    }
    source->stats_datagrams++;
    if (is_newest || !source->has_stats) {
        count_stats(source, &datagram->stats);
        keep_counters(source, datagram);
    }
    return is_new;
}

static const struct known_source *known_of(const struct source *source)
{
    return (const struct known_source *)((const uint8_t *)source - offsetof(struct known_source, source));
}

const uint8_t *source_key(const struct source *source)
{
    return known_of(source)->key;
}

enum source_age source_age(const struct source *source, const struct dnsflow_datagram *datagram)
{
    const struct known_source *p = known_of(source);
    uint32_t back = p->known_last - datagram->sequence;
    if (p->known_total == 0 || !datagram->has_trailer || datagram->trailer.start_time != source->start_time ||
        back > INT32_MAX)
        return SOURCE_NEW;
    if (back < WINDOW)
        return p->known_window >> back & 1 ? SOURCE_KNOWN : back < p->known_total ? SOURCE_NEW : SOURCE_OLDER;
    return back < p->known_total ? SOURCE_KNOWN : SOURCE_OLDER;
}

void source_name(const struct source *source, char name[SOURCE_NAME])
{
    char address[INET6_ADDRSTRLEN];
    (void)inet_ntop(source->ip_vers == 6 ? AF_INET6 : AF_INET, source->address, address, sizeof(address));
    snprintf(name, SOURCE_NAME, source->ip_vers == 6 ? "[%s]:%u" : "%s:%u", address, source->port);
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
    return &sources->list[index]->source;
}

void sources_mark(struct sources *sources, double seconds)
{
    uint32_t i;
    for (i = 0; i < sources->count; i++) {
        struct source *s = &sources->list[i]->source;
        s->rate = (double)(s->records - s->before) / seconds;
        s->before = s->records;
    }
}

/* ---- from one process to the next ---- */

void sources_resume(struct sources *sources)
{
    uint32_t i;
    for (i = 0; i < sources->count; i++) {
        struct known_source *p = sources->list[i];
        p->source.is_resumed = true;
        p->known_last = p->source.sequence;
        p->known_window = p->source.window;
        p->known_total = p->source.total < UINT32_MAX ? (uint32_t)p->source.total : UINT32_MAX;
    }
}

void sources_save(const struct sources *sources, uint32_t index, uint8_t state[SOURCE_STATE])
{
    const struct known_source *p = sources->list[index];
    const struct source *s = &p->source;
    const struct dnsflow_stats *stats = &s->last_stats;
    const uint32_t words[] = {s->start_time,        s->former_start_time, s->sequence,           stats->pkts_captured,
                              stats->pkts_received, stats->pkts_dropped,  stats->pkts_ifdropped, stats->sample_rate};
    const uint64_t numbers[] = {(uint64_t)s->first_time_us,
                                (uint64_t)s->last_time_us,
                                (uint64_t)p->seen_us,
                                s->window,
                                s->missing,
                                s->total,
                                s->lost,
                                s->out_of_order,
                                s->duplicates,
                                s->no_room,
                                s->down,
                                s->data_datagrams,
                                s->records,
                                s->stats_datagrams,
                                s->send_lost};
    struct writer out = writer_over(state, SOURCE_STATE);
    size_t i;
    write_u8(&out, STATE_VERSION);
    write_u8(&out, s->ip_vers);
    write_be16(&out, s->port);
    write_bytes(&out, s->address, sizeof(s->address));
    write_bytes(&out, p->key, KEY);
    write_u8(&out, (uint8_t)(s->has_stats | s->is_whole << 1));
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        write_be32(&out, words[i]);
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        write_be64(&out, numbers[i]);
    write_zeros(&out, writer_room(&out));
}

/* The numbers, in the order in which they were written. */
static void read_numbers(struct reader *in, struct known_source *p)
{
    struct source *s = &p->source;
    struct dnsflow_stats *stats = &s->last_stats;
    uint8_t flags = read_u8(in);
    s->has_stats = flags & 1, s->is_whole = flags >> 1;
    s->start_time = read_be32(in);
    s->former_start_time = read_be32(in);
    s->sequence = read_be32(in);
    stats->pkts_captured = read_be32(in);
    stats->pkts_received = read_be32(in);
    stats->pkts_dropped = read_be32(in);
    stats->pkts_ifdropped = read_be32(in);
    stats->sample_rate = read_be32(in);
    s->first_time_us = (int64_t)read_be64(in);
    s->last_time_us = (int64_t)read_be64(in);
    p->seen_us = (int64_t)read_be64(in);
    s->window = read_be64(in);
    s->missing = read_be64(in);
    s->total = read_be64(in);
    s->lost = read_be64(in);
    s->out_of_order = read_be64(in);
    s->duplicates = read_be64(in);
    s->no_room = read_be64(in);
    s->down = read_be64(in);
    s->data_datagrams = read_be64(in);
    s->records = read_be64(in);
    s->stats_datagrams = read_be64(in);
    s->send_lost = read_be64(in);
}

struct source *sources_restore(struct sources *sources, const uint8_t state[SOURCE_STATE], int64_t now_us)
{
    struct reader in = reader_over(state, SOURCE_STATE);
    uint8_t version = read_u8(&in), ip_vers = read_u8(&in);
    uint16_t port = read_be16(&in);
    const uint8_t *address = read_bytes(&in, 16), *key = read_bytes(&in, KEY);
    if (version != STATE_VERSION || (ip_vers != 4 && ip_vers != 6) || !has_room(sources, true) ||
        sources->slots[find_slot(sources, key)] != 0)
        return NULL;
    struct known_source *p = add_known(sources, key);
    if (!p)
        return NULL;
    read_numbers(&in, p);
    p->source.has_trailer = p->source.start_time != 0;
    p->source.worker = key[KEY_WORKER];
    p->source.sensor_id = load_be32(key + KEY_SENSOR);
    p->source.is_verified = key[KEY_VERSION] == 0;
    p->source.ip_vers = ip_vers;
    p->source.port = port;
    memcpy(p->source.address, address, sizeof(p->source.address));
    p->source.is_proven = true;
    sources->unproven--;
    if (p->seen_us > now_us)
        p->seen_us = now_us;
    return &p->source;
}
