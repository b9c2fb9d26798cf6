/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { FIRST_MINUTES = 256 };

int account_open(struct account *account)
{
    memset(account, 0, sizeof(*account));
    account->sources = sources_create(SOURCE_IS_STREAM, true);
    account->keys = intern_create();
    account->minutes_size = FIRST_MINUTES;
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
    static const enum journal_total here[] = {TOTAL_SOCKET, TOTAL_MEMORY, TOTAL_JOURNAL};
    uint64_t known = account->totals[TOTAL_DATAGRAMS], before = block->totals[TOTAL_DATAGRAMS] - block->datagrams;
    bool is_first = known == 0;
    size_t i;
    if (!is_first && before > known) {
        account->expired += before - known;
        account->no_room += before - known;
    }
    for (i = 0; i < sizeof(here) / sizeof(here[0]); i++)
        if (!is_first && block->totals[here[i]] > account->totals[here[i]])
            account->no_room += block->totals[here[i]] - account->totals[here[i]];
    if (block->flags & JOURNAL_FIRST) {
        sources_resume(account->sources);
        account->no_room = 0;
    }
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

/* What a source's sums have grown by. */
static void add_grown(struct account_minute *row, const struct source *before, const struct source *now)
{
    const uint64_t grown[ACCOUNT_COUNT] = {
        [ACCOUNT_DATAGRAMS] = 1,
        [ACCOUNT_RECORDS] = now->records - before->records,
        [ACCOUNT_STATISTICS] = now->stats_datagrams - before->stats_datagrams,
        [ACCOUNT_NETWORK] = now->lost - before->lost,
        [ACCOUNT_HERE] = now->no_room - before->no_room,
        [ACCOUNT_DOWN] = now->down - before->down,
        [ACCOUNT_RING] = now->grown[GROWN_DROPPED] - before->grown[GROWN_DROPPED],
        [ACCOUNT_INTERFACE] = now->grown[GROWN_IFDROPPED] - before->grown[GROWN_IFDROPPED],
        [ACCOUNT_SEND] = now->send_lost_grown - before->send_lost_grown,
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
    row->columns[ACCOUNT_RECORDS] += is_statistics ? 0 : from->datagram.sets_count;
    row->columns[ACCOUNT_STATISTICS] += is_statistics;
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
    struct source before = *source;
    (void)source_count(source, &from->datagram, from->time_us, &account->no_room);
    struct account_minute *row = find_minute(account, source->number, from->time_us / SECOND_US / 60);
    if (row)
        add_grown(row, &before, source);
    else
        account->is_short_of_memory = true;
    return source;
}
