/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/drops.h"
#include "flow/wire.h"

enum {
    FIRST_MINUTES = 256,
    YOUNG_S = 60,       /* a sensor that has just begun */
    START_MAX = 1 << 20 /* numbers that can be missing before the first that comes */
};

static const int64_t most_grown = INT64_C(1) << 40; /* more is not believed, as sums have to stay within 63 bits */

int account_open(struct account *account)
{
    memset(account, 0, sizeof(*account));
    account->sources = sources_create(SOURCE_IS_STREAM, true);
    account->keys = intern_create();
    account->minutes_size = FIRST_MINUTES;
    account->begun_s = INT64_MAX;
    account->minutes = malloc(account->minutes_size * sizeof(*account->minutes));
    return account->sources && account->keys && account->minutes ? 0 : -1;
}

void account_close(struct account *account)
{
    sources_destroy(account->sources);
    intern_destroy(account->keys);
    free(account->minutes);
    memset(account, 0, sizeof(*account));
}

void account_clear(struct account *account)
{
    intern_clear(account->keys);
    account->expired = 0;
    account->is_short_of_memory = false;
}

uint32_t account_minutes(const struct account *account)
{
    return intern_size(account->keys);
}

void account_block(struct account *account, const struct journal_block *block)
{
    static const struct {
        enum journal_total total;
        enum account_here here;
    } stages[] = {{TOTAL_SOCKET, HERE_SOCKET}, {TOTAL_MEMORY, HERE_MEMORY}, {TOTAL_JOURNAL, HERE_JOURNAL}};
    uint64_t known = account->totals[TOTAL_DATAGRAMS], before = block->totals[TOTAL_DATAGRAMS] - block->datagrams;
    bool is_first = known == 0;
    size_t i;
    if (!is_first && before > known) {
        account->expired += before - known;
        account->no_room[HERE_EXPIRED] += before - known;
    }
    for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        enum journal_total at = stages[i].total;
        if (!is_first && block->totals[at] > account->totals[at])
            account->no_room[stages[i].here] += block->totals[at] - account->totals[at];
    }
    if (block->flags & JOURNAL_FIRST) {
        sources_resume(account->sources);
        memset(account->no_room, 0, sizeof(account->no_room));
        account->first_s = block->datagrams > 0 ? block->first_us / SECOND_US : INT64_MIN;
    }
    if (block->datagrams > 0 && account->begun_s == INT64_MAX)
        account->begun_s = block->first_us / SECOND_US;
    memcpy(account->totals, block->totals, sizeof(account->totals));
}

/* The row of this stream and minute, a new one if need be; NULL: out of memory. */
static struct account_minute *find_minute(struct account *a, uint64_t stream, int64_t minute)
{
    const uint64_t key[] = {stream, (uint64_t)minute};
    uint32_t before = intern_size(a->keys), number;
    if (before >= a->minutes_size) {
        struct account_minute *grown = realloc(a->minutes, 2 * (size_t)a->minutes_size * sizeof(*grown));
        if (!grown)
            return NULL;
        a->minutes = grown;
        a->minutes_size *= 2;
    }
    number = intern_add(a->keys, (const uint8_t *)key, sizeof(key));
    if (number == INTERN_NONE)
        return NULL;
    if (number == before)
        a->minutes[number] = (struct account_minute){.stream = stream, .minute = minute};
    return &a->minutes[number];
}

/* ---- what the trailer tells ---- */

static enum account_told told_of(enum drop_ledger ledger)
{
    switch (ledger) {
    case LEDGER_FRAME:
        return TOLD_REFUSED;
    case LEDGER_ABSORBED:
        return TOLD_HELD;
    case LEDGER_MESSAGE:
        return TOLD_UNFIT;
    default:
        return TOLD_COUNT;
    }
}

enum { REASONS_AT = 5, SETS_AT = REASONS_AT + DROP_SETS - 1 };

/* What those five that come first are. */
static const enum account_told first_told[REASONS_AT] = {TOLD_FRAMES, TOLD_DELIVERED, TOLD_MESSAGES, TOLD_ANSWERED,
                                                         TOLD_MADE_RECORDS};

static void read_told(const struct source *source, uint64_t told[TOLD_COUNT])
{
    size_t i, count = source->counters ? source->counters_count : 0;
    memset(told, 0, TOLD_COUNT * sizeof(*told));
    for (i = 0; i < count && i < DROP_COUNTERS; i++) {
        enum account_told which = i < REASONS_AT ? first_told[i] : told_of(drop_table[i - REASONS_AT + 1].ledger);
        if (which < TOLD_COUNT)
            told[which] += source->counters[i];
    }
    told[TOLD_SETS] = count > SETS_AT ? source->counters[SETS_AT] : 0;
    if (count > DROP_COUNTERS) { /* of a later version: reasons that are not known here */
        told[TOLD_REFUSED] = told[TOLD_FRAMES] - told[TOLD_DELIVERED] - told[TOLD_HELD];
        told[TOLD_UNFIT] = told[TOLD_MESSAGES] - told[TOLD_ANSWERED];
    }
}

size_t account_save_told(const struct source *source, uint8_t bytes[ACCOUNT_TOLD_BYTES])
{
    uint64_t told[TOLD_COUNT];
    size_t i;
    if (!source->counters || source->counters_count == 0)
        return 0;
    read_told(source, told);
    for (i = 0; i < TOLD_COUNT; i++)
        store_be64(bytes + 8 * i, told[i]);
    return ACCOUNT_TOLD_BYTES;
}

/* Each sum as one of the counters that it is of: the next statistics bring them all. */
void account_restore_told(struct source *source, const uint8_t *bytes, size_t len)
{
    bool is_set[TOLD_COUNT] = {false};
    size_t i;
    if (len != ACCOUNT_TOLD_BYTES || source->counters)
        return;
    source->counters = calloc(WIRE_COUNTERS_MAX, sizeof(*source->counters));
    if (!source->counters)
        return;
    source->counters_count = DROP_COUNTERS;
    for (i = 0; i < DROP_COUNTERS; i++) {
        enum account_told which = i < REASONS_AT ? first_told[i] : told_of(drop_table[i - REASONS_AT + 1].ledger);
        if (which < TOLD_COUNT && !is_set[which])
            source->counters[i] = load_be64(bytes + 8 * (size_t)which);
        is_set[which < TOLD_COUNT ? which : TOLD_SETS] = true;
    }
    source->counters[SETS_AT] = load_be64(bytes + 8 * (size_t)TOLD_SETS);
}

/* Whether there is something that the next statistics can be compared with. */
static bool has_told(const struct source *source)
{
    return source->counters ? source->counters_count > 0 : source->is_whole && source->stats_datagrams == 0;
}

/* Counters that fall, or leap, or contradict each other, are of nothing that can be told. */
static void add_told(struct account_minute *row, const uint64_t before[TOLD_COUNT], const struct source *source)
{
    uint64_t now[TOLD_COUNT], grown[TOLD_COUNT];
    size_t i;
    read_told(source, now);
    for (i = 0; i < TOLD_COUNT; i++) {
        grown[i] = now[i] - before[i];
        if (now[i] < before[i] || grown[i] > (uint64_t)most_grown)
            return;
    }
    if (grown[TOLD_FRAMES] != grown[TOLD_REFUSED] + grown[TOLD_HELD] + grown[TOLD_DELIVERED] ||
        grown[TOLD_MESSAGES] != grown[TOLD_UNFIT] + grown[TOLD_ANSWERED])
        return;
    row->has_told = true;
    for (i = 0; i < TOLD_COUNT; i++)
        row->told[i] += (int64_t)grown[i];
}

/* ---- what a datagram brings ---- */

/* Of those that are missing here, at which stage: an estimate. */
static void share_out(struct account *account, struct account_minute *row, uint64_t taken)
{
    static const enum account_column columns[HERE_COUNT] = {
        [HERE_EXPIRED] = ACCOUNT_EXPIRED, [HERE_JOURNAL] = ACCOUNT_JOURNAL, [HERE_MEMORY] = ACCOUNT_MEMORY};
    int i;
    for (i = 0; taken > 0 && i < HERE_COUNT; i++) {
        uint64_t part = taken < account->no_room[i] ? taken : account->no_room[i];
        account->no_room[i] -= part;
        taken -= part;
        if (row && i != HERE_SOCKET)
            row->columns[columns[i]] += (int64_t)part;
    }
}

/* What a source's sums have grown by. */
static void add_grown(struct account_minute *row, const struct source *before, const struct source *now)
{
    uint64_t made = now->total - before->total, send = now->send_lost_grown - before->send_lost_grown;
    uint64_t missing = now->lost - before->lost + now->no_room - before->no_room + now->down - before->down;
    const uint64_t grown[ACCOUNT_COUNT] = {
        [ACCOUNT_DATAGRAMS] = 1,
        [ACCOUNT_RECORDS] = now->records - before->records,
        [ACCOUNT_STATISTICS] = now->stats_datagrams - before->stats_datagrams,
        [ACCOUNT_NETWORK] = now->lost - before->lost,
        [ACCOUNT_HERE] = now->no_room - before->no_room,
        [ACCOUNT_DOWN] = now->down - before->down,
        [ACCOUNT_RING] = now->grown[GROWN_DROPPED] - before->grown[GROWN_DROPPED],
        [ACCOUNT_INTERFACE] = now->grown[GROWN_IFDROPPED] - before->grown[GROWN_IFDROPPED],
        [ACCOUNT_SEND] = send <= (uint64_t)most_grown ? send : 0,
        [ACCOUNT_MADE] = made,
        [ACCOUNT_BESIDE] = made == 0 && missing == 0,
    };
    size_t i;
    for (i = 0; i < ACCOUNT_COUNT; i++)
        row->columns[i] += (int64_t)grown[i];
}

/* 63 bits of FNV-1a (RFC 9923) of what tells streams apart. */
static uint64_t make_number(const struct source *source)
{
    uint64_t number = UINT64_C(0xcbf29ce484222325);
    const uint8_t *key = source_key(source);
    size_t i;
    for (i = 0; i < SOURCE_KEY; i++)
        number = (number ^ key[i]) * UINT64_C(0x100000001b3);
    return number >> 1 | 1;
}

/* Beyond the streams that there is room for: all others have one account, which cannot tell what is missing. */
static void count_other(struct account *account, const struct received *from)
{
    bool is_statistics = from->datagram.flags & DNSFLOW_FLAG_STATS;
    struct account_minute *row = find_minute(account, 0, from->time_us / SECOND_US / 60);
    if (!row) {
        account->is_short_of_memory = true;
        return;
    }
    row->columns[ACCOUNT_DATAGRAMS]++;
    row->columns[ACCOUNT_MADE]++;
    row->columns[ACCOUNT_RECORDS] += is_statistics ? 0 : from->datagram.sets_count;
    row->columns[ACCOUNT_STATISTICS] += is_statistics;
}

/* A stream of which all is known though some of its first numbers have not come: it has only just begun, or did so
 * since the first datagram of all. Ages are by the sensor's clock, so that it need not be right. */
static void begin_whole(const struct account *account, struct source *source, const struct received *from)
{
    const struct dnsflow_trailer *t = &from->datagram.trailer;
    bool forgets = sources_gone(account->sources)->sources > 0 || sources_count(account->sources) == SOURCES_MAX;
    if (!from->datagram.has_trailer || t->start_time == 0 || from->datagram.sequence - 1 > START_MAX)
        return;
    int64_t age_s = (int64_t)(t->base_time_us / SECOND_US) - t->start_time;
    int64_t begun_s = from->time_us / SECOND_US - (age_s > 0 ? age_s : 0);
    if (age_s > YOUNG_S && (forgets || begun_s < account->begun_s))
        return;
    source->is_whole = true;
    source->is_resumed = begun_s + 1 < account->first_s;
    source->first_time_us = from->time_us;
    source->start_time = t->start_time;
    source->total = 1; /* as though number 0 had come: what there is from then on is missing */
}

const struct source *account_datagram(struct account *account, const struct journal_block *block,
                                      const struct received *from)
{
    bool is_verified = (block->flags & JOURNAL_SIGNED) && from->datagram.tag;
    struct source *source = sources_find(account->sources, from, is_verified ? SOURCE_VERIFIED : SOURCE_ACCEPTED);
    if (!source) {
        count_other(account, from);
        return NULL;
    }
    if (source->number == 0)
        source->number = make_number(source);
    if (from->datagram.has_trailer) {
        source->ahead_s = from->datagram.trailer.base_time_us / SECOND_US - from->time_us / SECOND_US;
        source->has_ahead = true;
    }
    if (source->total == 0)
        begin_whole(account, source, from);
    struct source before = *source;
    uint64_t told[TOLD_COUNT], no_room = 0, had;
    bool can_tell = from->datagram.counters_count > 0 && has_told(source);
    size_t i;
    if (can_tell)
        read_told(source, told);
    for (i = 0; i < HERE_COUNT; i++)
        no_room += account->no_room[i];
    had = no_room;
    (void)source_count(source, &from->datagram, from->time_us, &no_room);
    struct account_minute *row = find_minute(account, source->number, from->time_us / SECOND_US / 60);
    share_out(account, row, had - no_room);
    if (row)
        add_grown(row, &before, source);
    if (row && can_tell)
        add_told(row, told, source);
    account->is_short_of_memory |= !row;
    return source;
}
