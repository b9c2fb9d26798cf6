/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/build.h"

#include <stdlib.h>
#include <string.h>

void build_begin(struct journal_build *build, uint16_t flags)
{
    struct journal_block *head = &build->head;
    memset(head, 0, sizeof(*head));
    build->streams = NULL;
    head->flags = flags;
    head->first_us = head->record_first_us = INT64_MAX;
    head->last_us = head->record_last_us = INT64_MIN;
}

void build_end(struct journal_build *build)
{
    free(build->streams);
    build->streams = NULL;
}

void build_table(struct journal_build *build, const struct sources *sources)
{
    uint32_t i, count = 0, all = sources_count(sources);
    build->streams = malloc((size_t)all * SOURCE_STATE + 1);
    if (!build->streams)
        return;
    for (i = 0; i < all; i++)
        if (sources_at(sources, i)->is_proven)
            sources_save(sources, i, build->streams + (size_t)count++ * SOURCE_STATE);
    build->head.streams = build->streams;
    build->head.streams_count = count;
    build->head.flags |= JOURNAL_TABLE;
}

bool build_has_room(const struct journal_build *build, size_t len)
{
    const struct received most = {.ip_vers = 6, .len = len};
    return build->head.plain_len + journal_record_size(&most) <= JOURNAL_PLAIN_MAX;
}

static void widen(int64_t time_us, int64_t *first_us, int64_t *last_us)
{
    *first_us = time_us < *first_us ? time_us : *first_us;
    *last_us = time_us > *last_us ? time_us : *last_us;
}

bool build_can_hold(const struct received *from)
{
    enum { IP4_MAX = 65535 - 20 - 8, IP6_MAX = 65535 - 8 };
    return from->len <= (from->ip_vers == 6 ? IP6_MAX : IP4_MAX);
}

void build_datagram(struct journal_build *build, const struct received *from)
{
    struct journal_block *head = &build->head;
    bool is_statistics = from->datagram.flags & DNSFLOW_FLAG_STATS;
    journal_record_write(from, build->plain + head->plain_len);
    head->plain_len += (uint32_t)journal_record_size(from);
    head->datagrams++;
    head->records += is_statistics ? 0 : from->datagram.sets_count;
    head->totals[TOTAL_STATISTICS] += is_statistics;
    widen(from->time_us, &head->first_us, &head->last_us);
}

void build_record(struct journal_build *build, const struct received *from, const struct dnsflow_record *record)
{
    widen(received_record_time(from, record), &build->head.record_first_us, &build->head.record_last_us);
}
