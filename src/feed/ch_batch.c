/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/ch_batch.h"

#include <stdio.h>

#include "base/clock.h"
#include "record/name.h"
#include "record/rdata.h"
#include "store/rname.h"
#include "store/rnames.h"

enum { DAY_S = 86400, HOUR_S = 3600, TYPE_A = 1, TYPE_AAAA = 28, RDATA_ROOM = 4 * 65536 + 16, AHEAD = 8 };

enum { ROW_REST = 120 /* bytes of a row beside its texts */, ESCAPED = 4 /* of a byte, in these */ };

int ch_batch_open(struct ch_batch *batch, const char *feed, struct error *err)
{
    memset(batch, 0, sizeof(*batch));
    snprintf(batch->feed, sizeof(batch->feed), "%s", feed);
    batch->text = malloc(RDATA_ROOM);
    if (tally_open(&batch->tally) != 0 || account_open(&batch->account) != 0 || !batch->text)
        return error_set(err, "out of memory");
    ch_batch_clear(batch);
    return 0;
}

void ch_batch_close(struct ch_batch *batch)
{
    tally_close(&batch->tally);
    account_close(&batch->account);
    free(batch->lookups.bytes);
    free(batch->rows.bytes);
    free(batch->text);
    memset(batch, 0, sizeof(*batch));
}

void ch_batch_clear(struct ch_batch *batch)
{
    tally_clear(&batch->tally);
    account_clear(&batch->account);
    rowbinary_clear(&batch->lookups);
    rowbinary_clear(&batch->rows);
    batch->datagrams = batch->blocks = 0;
    memset(&batch->weighed, 0, sizeof(batch->weighed));
    batch->since_us = INT64_MAX;
    batch->until_us = INT64_MIN;
}

/* ---- taking ---- */

static uint32_t time_of(int64_t time_s)
{
    return time_s < 0 ? 0 : time_s > UINT32_MAX ? UINT32_MAX : (uint32_t)time_s;
}

static int64_t day_of(int64_t time_us)
{
    return time_us / SECOND_US / DAY_S;
}

bool ch_batch_is_of_day(const struct ch_batch *batch, int64_t time_us)
{
    return batch->datagrams == 0 || day_of(time_us) == batch->day;
}

/* Rows repeat names, and write what cannot be printed as \ddd: a few kilobytes received can be megabytes here. */
static void weigh(struct ch_batch *b)
{
    uint32_t name;
    const uint8_t *rdata;
    uint16_t type;
    size_t len, rdata_len;
    for (; b->weighed.hours < intern_size(b->tally.lookups); b->weighed.hours++) {
        (void)intern_key(b->tally.names, tally_lookup_at(&b->tally, b->weighed.hours).name, &len);
        b->weighed.bytes[0] += ROW_REST + ESCAPED * len;
    }
    for (; b->weighed.pdns < intern_size(b->tally.answers); b->weighed.pdns++) {
        tally_answer_at(&b->tally, b->weighed.pdns, &name, &type, &rdata, &rdata_len);
        (void)intern_key(b->tally.names, name, &len);
        b->weighed.bytes[1] += ROW_REST + ESCAPED * (len + rdata_len);
    }
}

bool ch_batch_is_full(const struct ch_batch *batch, uint64_t most_rows)
{
    return batch->lookups.rows >= most_rows || batch->lookups.len >= CH_BYTES || batch->weighed.bytes[0] >= CH_BYTES ||
           batch->weighed.bytes[1] >= CH_BYTES || tally_is_full(&batch->tally);
}

bool ch_batch_has_room(const struct ch_batch *batch, const struct journal_block *block, uint64_t most_rows)
{
    if (batch->blocks == 0)
        return true;
    return batch->lookups.rows + block->records <= most_rows && !ch_batch_is_full(batch, most_rows + 1) &&
           (block->datagrams == 0 || ch_batch_is_of_day(batch, block->first_us));
}

/* The first name, and an array of those that follow it. */
static void put_names(struct rowbinary *r, const struct dnsflow_record *record)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t wire[NAME_WIRE];
    char rname[RNAME_TEXT];
    size_t len = name_next(&walk, wire);
    rowbinary_string(r, rname, len > 0 ? rname_of(wire, len, rname) : 0);
    size_t count_at = r->len;
    uint8_t count = 0;
    rowbinary_u8(r, 0);
    while (count < 127 && (len = name_next(&walk, wire)) > 0) {
        rowbinary_string(r, rname, rname_of(wire, len, rname));
        count++;
    }
    if (!r->is_short)
        r->bytes[count_at] = count;
}

static void put_addresses(struct rowbinary *r, const struct dnsflow_record *record)
{
    size_t i;
    rowbinary_varint(r, record->ip4s_count + record->ip6s_count);
    for (i = 0; i < record->ip4s_count; i++)
        rowbinary_ip(r, record->ip4s + 4 * i, 4);
    for (i = 0; i < record->ip6s_count; i++)
        rowbinary_ip(r, record->ip6s + 16 * i, 16);
}

/* A row of `lookups`. A set that continues another is a row
 * of its own, which its flags tell. */
static void put_lookup(void *context, const struct received *from, const struct dnsflow_record *record, uint64_t rate)
{
    struct ch_batch *b = context;
    struct rowbinary *r = &b->lookups;
    const struct dnsflow_trailer *trailer = from->datagram.has_trailer ? &from->datagram.trailer : NULL;
    size_t len = record->ip_vers == 6 ? 16 : 4;
    if (record->names_count == 0)
        return;
    rowbinary_string(r, b->token, strlen(b->token));
    rowbinary_u16(r, (uint16_t)b->day);
    rowbinary_u64(r, (uint64_t)received_record_time(from, record));
    rowbinary_u32(r, trailer ? trailer->sensor_id : 0);
    rowbinary_u8(r, trailer ? trailer->worker : 0);
    rowbinary_ip(r, record->client, len);
    rowbinary_u16(r, record->client_port);
    rowbinary_ip(r, record->resolver, record->resolver ? len : 0);
    rowbinary_u16(r, record->qtype);
    rowbinary_u16(r, record->rcode);
    put_names(r, record);
    put_addresses(r, record);
    rowbinary_u32(r, record->min_ttl);
    rowbinary_u16(r, record->set_flags);
    rowbinary_u32(r, time_of((int64_t)rate));
    r->rows++;
}

int ch_batch_take(struct ch_batch *batch, const struct journal_block *block, const uint8_t *plain, uint64_t position,
                  struct error *err)
{
    if (batch->blocks++ == 0 || batch->datagrams == 0)
        batch->day = day_of(block->first_us);
    batch->datagrams += gather_block(&batch->tally, &batch->account, block, plain, put_lookup, batch);
    if (block->datagrams > 0) {
        batch->since_us = block->first_us < batch->since_us ? block->first_us : batch->since_us;
        batch->until_us = block->last_us > batch->until_us ? block->last_us : batch->until_us;
    }
    batch->position = position;
    weigh(batch);
    bool is_short = batch->tally.is_short_of_memory || batch->account.is_short_of_memory || batch->lookups.is_short;
    return is_short ? error_set(err, "out of memory") : 0;
}

bool ch_batch_take_datagram(struct ch_batch *batch, struct received *from)
{
    static const struct journal_block none;
    if (batch->datagrams == 0)
        batch->day = day_of(from->time_us);
    if (!gather_datagram(&batch->tally, &batch->account, &none, from, put_lookup, batch))
        return false;
    batch->blocks = 1;
    weigh(batch);
    batch->datagrams++;
    batch->since_us = from->time_us < batch->since_us ? from->time_us : batch->since_us;
    batch->until_us = from->time_us > batch->until_us ? from->time_us : batch->until_us;
    return true;
}

/* ---- sums ---- */

static void put_count(struct rowbinary *r, const struct intern_count *c)
{
    rowbinary_u64(r, c->count);
    rowbinary_u64(r, c->scaled);
    rowbinary_u32(r, time_of(c->first));
    rowbinary_u32(r, time_of(c->last));
    r->rows++;
}

/* Of a row AHEAD, as they are all over the memory. */
static void fetch_rname(const struct rnames *rnames, uint32_t name)
{
    __builtin_prefetch(rnames->list[name]);
}

static void put_hours(struct ch_batch *b, const struct rnames *rnames)
{
    struct rowbinary *r = &b->rows;
    uint32_t i, count = intern_size(b->tally.lookups);
    size_t len;
    for (i = 0; i < count; i++) {
        const struct tally_lookup lookup = tally_lookup_at(&b->tally, i);
        const struct intern_count *c = intern_counted(b->tally.lookups, i);
        const char *rname = rnames->list[lookup.name];
        const uint8_t *address;
        if (i + AHEAD < count)
            fetch_rname(rnames, tally_lookup_at(&b->tally, i + AHEAD).name);
        rowbinary_u16(r, (uint16_t)b->day);
        rowbinary_u32(r, time_of(c->first) / HOUR_S * HOUR_S);
        address = intern_key(b->tally.addresses, lookup.client, &len);
        rowbinary_ip(r, address, len);
        address = intern_key(b->tally.addresses, lookup.resolver, &len);
        rowbinary_ip(r, address, len);
        rowbinary_u16(r, lookup.type);
        rowbinary_u16(r, lookup.rcode);
        rowbinary_string(r, rname, strlen(rname));
        put_count(r, c);
    }
}

/* Addresses in a column of their own, too, where ranges of them can be found. */
static void put_rdata(struct ch_batch *b, uint16_t type, const uint8_t *rdata, size_t len)
{
    struct rowbinary *r = &b->rows;
    bool is_address = (type == TYPE_A && len == 4) || (type == TYPE_AAAA && len == 16);
    rowbinary_string(r, b->text, rdata_text(type, rdata, len, b->text, RDATA_ROOM));
    rowbinary_ip(r, rdata, is_address ? len : 0);
}

static void put_pdns(struct ch_batch *b, const struct rnames *rnames)
{
    uint32_t i, count = intern_size(b->tally.answers), name;
    const uint8_t *rdata;
    uint16_t type;
    size_t len;
    for (i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            tally_answer_at(&b->tally, i + AHEAD, &name, &type, &rdata, &len);
            fetch_rname(rnames, name);
        }
        tally_answer_at(&b->tally, i, &name, &type, &rdata, &len);
        rowbinary_string(&b->rows, rnames->list[name], strlen(rnames->list[name]));
        rowbinary_u16(&b->rows, type);
        put_rdata(b, type, rdata, len);
        put_count(&b->rows, intern_counted(b->tally.answers, i));
    }
}

/* ---- accounts ---- */

struct numbered {
    uint64_t number;
    uint32_t index; /* in the account's sources */
    bool is_put;
};

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const struct numbered *)a)->number, y = ((const struct numbered *)b)->number;
    return x < y ? -1 : x > y;
}

/* All streams by their numbers, to be freed. NULL: out of memory. */
static struct numbered *number_sources(const struct ch_batch *b)
{
    uint32_t i, count = sources_count(b->account.sources);
    struct numbered *list = calloc(count + (size_t)1, sizeof(*list));
    for (i = 0; list && i < count; i++)
        list[i] = (struct numbered){sources_at(b->account.sources, i)->number, i, false};
    if (list)
        qsort(list, count, sizeof(*list), by_number);
    return list;
}

/* NULL: there is none, as of what there was no room for. */
static struct numbered *find_source(const struct ch_batch *b, struct numbered *list, uint64_t number)
{
    const struct numbered key = {.number = number};
    return number > 0 ? bsearch(&key, list, sources_count(b->account.sources), sizeof(*list), by_number) : NULL;
}

/* NULL: of all that there was no room for. */
static void put_source(struct rowbinary *r, const struct source *s)
{
    static const struct source none;
    bool has_trailer = s && s->has_trailer;
    const struct source *from = s ? s : &none;
    rowbinary_u8(r, has_trailer);
    rowbinary_u32(r, has_trailer ? from->sensor_id : 0);
    rowbinary_u8(r, has_trailer ? from->worker : 0);
    rowbinary_u32(r, has_trailer ? from->start_time : 0);
    rowbinary_ip(r, from->address, !s ? 0 : from->ip_vers == 6 ? 16 : 4);
    rowbinary_u16(r, from->port);
    rowbinary_u8(r, from->is_verified);
    rowbinary_u8(r, from->has_ahead);
    rowbinary_u64(r, (uint64_t)from->ahead_s);
    rowbinary_u32(r, time_of(from->first_time_us / SECOND_US));
    rowbinary_u32(r, time_of(from->last_time_us / SECOND_US));
}

static void put_accounts(struct ch_batch *b, struct numbered *list)
{
    struct rowbinary *r = &b->rows;
    uint32_t i, count = account_minutes(&b->account);
    int k;
    for (i = 0; i < count; i++) {
        const struct account_minute *row = &b->account.minutes[i];
        rowbinary_string(r, b->feed, strlen(b->feed));
        rowbinary_u16(r, (uint16_t)b->day);
        rowbinary_u64(r, row->stream);
        rowbinary_u32(r, time_of(row->minute * 60));
        const struct numbered *found = find_source(b, list, row->stream);
        put_source(r, found ? sources_at(b->account.sources, found->index) : NULL);
        rowbinary_u8(r, row->has_told);
        for (k = 0; k < ACCOUNT_COUNT; k++)
            rowbinary_u64(r, (uint64_t)row->columns[k]);
        for (k = 0; k < TOLD_COUNT; k++)
            rowbinary_u64(r, (uint64_t)row->told[k]);
        r->rows++;
    }
}

/* Each stream of the minutes once, though it may have several. */
static void put_streams(struct ch_batch *b, struct numbered *list)
{
    struct rowbinary *r = &b->rows;
    uint32_t i, count = account_minutes(&b->account);
    uint8_t state[SOURCE_STATE], told[ACCOUNT_TOLD_BYTES];
    for (i = 0; i < count; i++) {
        struct numbered *found = find_source(b, list, b->account.minutes[i].stream);
        if (!found || found->is_put)
            continue;
        found->is_put = true;
        sources_save(b->account.sources, found->index, state);
        rowbinary_string(r, b->feed, strlen(b->feed));
        rowbinary_u64(r, found->number);
        rowbinary_u64(r, b->position);
        rowbinary_string(r, state, sizeof(state));
        rowbinary_string(r, told, account_save_told(sources_at(b->account.sources, found->index), told));
        r->rows++;
    }
}

static void put_batch(struct ch_batch *b)
{
    struct rowbinary *r = &b->rows;
    bool is_dated = b->since_us <= b->until_us;
    int i;
    rowbinary_string(r, b->feed, strlen(b->feed));
    rowbinary_string(r, b->token, strlen(b->token));
    rowbinary_u64(r, b->position);
    rowbinary_u32(r, is_dated ? time_of(b->since_us / SECOND_US) : 0);
    rowbinary_u32(r, is_dated ? time_of(b->until_us / SECOND_US) : 0);
    rowbinary_u64(r, b->datagrams);
    rowbinary_u64(r, b->tally.records);
    rowbinary_varint(r, TOTALS_COUNT);
    for (i = 0; i < TOTALS_COUNT; i++)
        rowbinary_u64(r, b->account.totals[i]);
    rowbinary_varint(r, HERE_COUNT);
    for (i = 0; i < HERE_COUNT; i++)
        rowbinary_u64(r, b->account.no_room[i]);
    r->rows++;
}

/* ---- tables ---- */

static void put_named(struct ch_batch *b, enum ch_table table)
{
    struct rnames rnames = {NULL, NULL};
    if (rnames_make(&rnames, &b->tally) != 0)
        b->rows.is_short = true;
    else if (table == CH_LOOKUPS_BY_NAME || table == CH_LOOKUPS_BY_CLIENT)
        put_hours(b, &rnames);
    else
        put_pdns(b, &rnames);
    rnames_free(&rnames);
}

static void put_numbered(struct ch_batch *b, enum ch_table table)
{
    struct numbered *list = number_sources(b);
    b->rows.is_short = !list;
    if (list && table == CH_ACCOUNTS)
        put_accounts(b, list);
    else if (list)
        put_streams(b, list);
    free(list);
}

const struct rowbinary *ch_batch_rows(struct ch_batch *batch, enum ch_table table)
{
    if (batch->tally.is_short_of_memory || batch->account.is_short_of_memory)
        return NULL;
    if (table == CH_LOOKUPS)
        return batch->lookups.is_short ? NULL : &batch->lookups;
    if (table == CH_LOOKUPS_BY_CLIENT || table == CH_PDNS_BY_RDATA) /* the same as of the table before */
        return batch->rows.is_short ? NULL : &batch->rows;
    rowbinary_clear(&batch->rows);
    if (table == CH_ACCOUNTS || table == CH_STREAMS)
        put_numbered(batch, table);
    else if (table == CH_BATCHES)
        put_batch(batch);
    else
        put_named(batch, table);
    return batch->rows.is_short ? NULL : &batch->rows;
}
