/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Into ClickHouse, in batches: a range of blocks that is written down before it is sent, and after any failure sent
 * again as it was, under the same name, by which the server takes it once. The row in `batches` is the last one. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "feed/ch_server.h"

enum { EVERY_S = 2 };

struct clickhouse {
    const struct feed_owner *owner;
    struct ch_options options;
    struct ch_client *client;
    struct ch_server server;
    struct ch_batch batch;
    struct ch_stand stand;
    uint64_t most_rows;
    int64_t every_us, begun_us; /* monotonic: when the first block of the batch was taken */
    struct feed_point end;
    bool is_cut; /* of the range that was wanted, some has gone from the journal: what is there is all of it */
};

/* ---- opening ---- */

static bool go_on_waiting(void *context)
{
    const struct feed_owner *owner = context;
    owner->beat(owner->context);
    return !owner->must_end(owner->context);
}

/* The server that has got some of a batch, perhaps; 0 if none has. */
static size_t noted_server(const struct clickhouse *c)
{
    uint64_t number;
    bool is_noted = parse_number(c->owner->place->note, 0, c->options.servers_count - 1, &number, NULL) == 0;
    return is_noted ? (size_t)number : 0;
}

/* The first that can be worked with, from the noted one on. */
static int find_server(struct clickhouse *c, struct error *err)
{
    size_t i, first = noted_server(c), count = c->options.servers_count;
    struct error why;
    int result = -1;
    for (i = 0; i < first; i++)
        ch_client_next(c->client);
    for (i = 0; i < count && result != 0; i++) {
        if (i > 0)
            ch_client_next(c->client);
        result = ch_server_check(c->client, &c->options, &c->server, i == 0 ? err : &why);
    }
    if (result == 0 && i > 1 && place_is_open(c->owner->place) && !c->server.has_replicas)
        return -1; /* the first one's reason */
    snprintf(c->owner->place->note, sizeof(c->owner->place->note), "%zu",
             result == 0 ? (first + i - 1) % count : first);
    return result;
}

/* What was about to be inserted when it ended is there, or is inserted again. */
static int settle(struct clickhouse *c, struct error *err)
{
    struct feed_place *place = c->owner->place;
    if (c->stand.position > 0 && c->stand.position < place->done.block)
        return error_set(err, "clickhouse: the server lacks batches that are done: a replica that is behind");
    if (c->stand.position > place->done.block && c->stand.position > place->wanted.block)
        log_line("warning: store %s: the server has blocks up to %" PRIu64 ", %s knows of %" PRIu64
                 ": it is an older copy; those between are passed over",
                 c->owner->spec->name, c->stand.position, place->path, place->wanted.block);
    if (!place_is_open(place) || c->stand.position < place->wanted.block)
        return 0;
    place->done = place->wanted;
    return place_save(place, err);
}

static void begin_batch(struct clickhouse *c)
{
    ch_batch_clear(&c->batch);
    snprintf(c->batch.token, sizeof(c->batch.token), "%s/%" PRIu64, c->batch.feed, c->owner->place->done.block + 1);
}

static void clickhouse_close(void *feed)
{
    struct clickhouse *c = feed;
    if (!c)
        return;
    ch_client_close(c->client);
    ch_batch_close(&c->batch);
    free(c);
}

static int parse(const struct feed_spec *spec, struct ch_options *options, uint64_t *rows, uint64_t *every_s,
                 struct error *err)
{
    return ch_options_parse(spec, true, options, err) != 0 ||
                   feed_number(spec, "rows", CH_ROWS, CH_ROWS_MAX, rows, err) != 0 ||
                   feed_span(spec, "every", EVERY_S, every_s, err) != 0
               ? -1
               : 0;
}

static int make_client(struct clickhouse *c, struct error *err)
{
    c->client = ch_client_open(&c->options, go_on_waiting, (void *)(uintptr_t)c->owner);
    return c->client ? 0 : error_set(err, "out of memory");
}

static void *clickhouse_open(const struct feed_owner *owner, struct error *err)
{
    struct clickhouse *c = calloc(1, sizeof(*c));
    char feed[CH_FEED];
    uint64_t every_s;
    if (!c) {
        error_set(err, "out of memory");
        return NULL;
    }
    c->owner = owner;
    snprintf(feed, sizeof(feed), "journal-%016" PRIx64, owner->place->instance);
    if (parse(owner->spec, &c->options, &c->most_rows, &every_s, err) == 0 &&
        ch_batch_open(&c->batch, feed, err) == 0 && make_client(c, err) == 0 && find_server(c, err) == 0 &&
        ch_server_restore(c->client, &c->options, &c->batch, &c->stand, err) == 0 && settle(c, err) == 0) {
        c->every_us = (int64_t)every_s * SECOND_US;
        c->end = owner->place->done;
        begin_batch(c);
        return c;
    }
    clickhouse_close(c);
    return NULL;
}

/* ---- a batch ---- */

static int clickhouse_take(void *feed, const struct journal_block *block, const uint8_t *plain,
                           const struct feed_point *behind, struct error *err)
{
    struct clickhouse *c = feed;
    const struct feed_place *place = c->owner->place;
    bool is_again = place_is_open(place);
    c->is_cut |= is_again && block->number > place->wanted.block;
    if (is_again ? block->number > place->wanted.block : !ch_batch_has_room(&c->batch, block, c->most_rows))
        return FEED_FULL;
    if (c->batch.blocks == 0)
        c->begun_us = clock_monotonic_us();
    if (block->number > c->stand.position && ch_batch_take(&c->batch, block, plain, block->number, err) != 0)
        return FEED_FAILED;
    c->end = *behind;
    return FEED_TAKEN;
}

/* All that comes before streams is there where these are. Where it cannot be told whether it was done, that server has
 * to be asked again, unless there are replicas, which know of each other. */
static int send_batch(struct clickhouse *c, struct error *err)
{
    struct feed_place *place = c->owner->place;
    enum ch_table first = place_is_open(place) && c->stand.streams >= place->wanted.block ? CH_BATCHES : CH_LOOKUPS;
    if (!place_is_open(place)) {
        place->wanted = c->end;
        if (place_save(place, err) != 0)
            return -1;
    }
    c->batch.position = place->wanted.block;
    if (c->batch.blocks > 0 && ch_server_insert(c->client, &c->batch, first, CH_BATCHES, c->owner, err) != 0) {
        if (c->server.has_replicas)
            snprintf(place->note, sizeof(place->note), "%zu", (noted_server(c) + 1) % c->options.servers_count);
        return -1;
    }
    c->end = place->wanted;
    place->done = c->end;
    c->is_cut = false;
    if (place_save(place, err) != 0)
        return -1;
    c->owner->counts->records += c->batch.tally.records;
    c->owner->counts->datagrams += c->batch.datagrams;
    c->owner->counts->batches += c->batch.blocks > 0;
    begin_batch(c);
    return 0;
}

static int clickhouse_work(void *feed, bool is_all, struct error *err)
{
    struct clickhouse *c = feed;
    const struct feed_place *place = c->owner->place;
    if (c->end.block == place->done.block && !c->is_cut)
        return 0;
    bool is_due = is_all || clock_monotonic_us() - c->begun_us >= c->every_us;
    bool is_whole = !place_is_open(place) || c->end.block >= place->wanted.block || c->is_cut;
    return is_due && is_whole ? send_batch(c, err) : 0;
}

static int clickhouse_check(const struct feed_spec *spec, struct error *err)
{
    struct ch_options options;
    uint64_t rows, every_s;
    return parse(spec, &options, &rows, &every_s, err);
}

static const struct feed_key keys[] = {
    {"url", "URL", "http://HOST:8123 or https://HOST:8443; more of them: replicas, tried in turn", true, false},
    {"database", "NAME", "dnsflow by default", false, false},
    {"user", "NAME", "the server's usual one by default", false, false},
    {"password-file", "FILE", "its password is the first line", false, false},
    {"rows", "N", "of a batch at most, 200000 by default; fewer where they take 96 MiB", false, false},
    {"every", "TIME", "a batch is sent then if there is less, 2s by default", false, false},
    {"timeout", "TIME", "for an answer, 30s by default", false, false},
    {"setting.", "VALUE", "a setting of ClickHouse for inserts, such as setting.insert_quorum=2", true, true},
    {"dialect", NULL, NULL, false, false},
};

const struct feed_kind feed_clickhouse = {.name = "clickhouse",
                                          .help = "tables of ClickHouse 22.8 or later",
                                          .keys = keys,
                                          .keys_count = sizeof(keys) / sizeof(keys[0]),
                                          .check = clickhouse_check,
                                          .open = clickhouse_open,
                                          .take = clickhouse_take,
                                          .work = clickhouse_work,
                                          .close = clickhouse_close,
                                          .has_network = true};
