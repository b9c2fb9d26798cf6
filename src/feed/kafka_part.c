/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/kafka_part.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/options.h"

enum { WAIT_MS = 20, HEADER = 64, ASIDE_BYTES = 1500 /* shown of a message */, PRODUCER_STATE = 32 };

/* ---- what cannot be decoded ---- */

void kafka_aside_open(struct kafka_aside *aside, const char *path)
{
    aside->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    off_t len = aside->fd >= 0 ? lseek(aside->fd, 0, SEEK_END) : 0;
    aside->bytes = len > 0 ? (uint64_t)len : 0;
}

void kafka_aside_close(struct kafka_aside *aside)
{
    if (aside->fd >= 0)
        close(aside->fd);
    aside->fd = -1;
}

static void put_aside(struct kafka_aside *aside, const struct kafka_part *part, const rd_kafka_message_t *m)
{
    char line[2 * ASIDE_BYTES + 200];
    const uint8_t *bytes = m->payload;
    size_t i, used, len = m->len < ASIDE_BYTES ? m->len : ASIDE_BYTES;
    used = (size_t)snprintf(line, sizeof(line),
                            "{\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"bytes\":%zu,\"hex\":\"", part->number,
                            m->offset, m->len);
    for (i = 0; i < len; i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%02x", bytes[i]);
    used += (size_t)snprintf(line + used, sizeof(line) - used, "\"}\n");
    if (aside->fd >= 0 && aside->bytes + used <= KAFKA_ASIDE_MAX && write(aside->fd, line, used) == (ssize_t)used)
        aside->bytes += used;
}

/* ---- opening ---- */

static void read_note(struct kafka_part *part, const rd_kafka_topic_partition_t *at)
{
    uint64_t wanted;
    char note[64];
    if (!at->metadata || at->metadata_size == 0)
        return;
    /* The library ends it with a zero byte, before its size or not at all. */
    snprintf(note, sizeof(note), "%.*s", (int)(at->metadata_size < sizeof(note) ? at->metadata_size : sizeof(note) - 1),
             (const char *)at->metadata);
    if (strncmp(note, KAFKA_WANTED, strlen(KAFKA_WANTED)) == 0 &&
        parse_number(note + strlen(KAFKA_WANTED), 0, INT64_MAX, &wanted, NULL) == 0)
        part->wanted = (int64_t)wanted;
}

struct kafka_part *kafka_part_open(rd_kafka_t *client, const char *cluster, const rd_kafka_topic_partition_t *at)
{
    struct kafka_part *part = calloc(1, sizeof(*part));
    if (!part)
        return NULL;
    part->number = at->partition;
    part->begin = part->end = at->offset > 0 ? at->offset : 0;
    snprintf(part->feed, sizeof(part->feed), "kafka-%s-%.200s-%" PRId32, cluster, at->topic, at->partition);
    read_note(part, at);
    part->queue = rd_kafka_queue_get_partition(client, at->topic, at->partition);
    if (part->queue && account_open(&part->account) == 0) {
        rd_kafka_queue_forward(part->queue, NULL); /* its messages come here alone */
        return part;
    }
    kafka_part_close(part);
    return NULL;
}

void kafka_part_close(struct kafka_part *part)
{
    if (part->held)
        rd_kafka_message_destroy(part->held);
    if (part->queue)
        rd_kafka_queue_destroy(part->queue);
    account_close(&part->account);
    free(part);
}

/* ---- at the server ---- */

static void producers_feed(const struct kafka_part *part, char feed[CH_FEED + 16])
{
    snprintf(feed, CH_FEED + 16, "%s/producers", part->feed);
}

/* As of the last batch that is whole: of one whose last row is missing, its messages are to be counted once more. */
static void read_producer(struct kafka_producer *one, const uint8_t *state, bool is_whole)
{
    one->block = load_be64(state + (is_whole ? 0 : 16));
    one->index = load_be64(state + (is_whole ? 8 : 24));
}

static int restore_producers(struct kafka_part *part, struct ch_client *client, const struct ch_options *o,
                             struct error *err)
{
    struct rowbinary_reader answer;
    char sql[1024], feed[CH_FEED + 16];
    producers_feed(part, feed);
    snprintf(sql, sizeof(sql),
             "SELECT stream, max(position) AS latest, argMax(state, position) FROM `%s`.`streams` WHERE feed = '%s'"
             " GROUP BY stream ORDER BY latest DESC LIMIT %d FORMAT RowBinary",
             o->database, feed, KAFKA_PRODUCERS);
    if (ch_client_ask(client, sql, &answer, err) != CH_DONE)
        return -1;
    while (answer.at < answer.end && !answer.failed && part->producers_count < KAFKA_PRODUCERS) {
        size_t len;
        struct kafka_producer one = {.instance = rowbinary_read(&answer, 8)};
        int64_t latest = (int64_t)rowbinary_read(&answer, 8);
        const uint8_t *state = rowbinary_read_string(&answer, &len);
        if (!state || len != PRODUCER_STATE)
            continue;
        read_producer(&one, state, latest <= part->position);
        part->producers[part->producers_count++] = one;
    }
    return 0;
}

int kafka_part_restore(struct kafka_part *part, struct ch_client *client, const struct ch_options *options,
                       struct error *err)
{
    struct ch_batch batch = {.account = part->account};
    struct ch_stand stand;
    snprintf(batch.feed, sizeof(batch.feed), "%s", part->feed);
    int result = ch_server_restore(client, options, &batch, &stand, err);
    part->account = batch.account;
    if (result != 0)
        return -1;
    part->position = (int64_t)stand.position;
    part->streams = (int64_t)stand.streams;
    if (stand.position > 0 && part->position < part->begin)
        return error_set(err, "clickhouse: the server lacks batches that are done: a replica that is behind");
    part->producers_count = 0;
    if (restore_producers(part, client, options, err) != 0)
        return -1;
    part->is_restored = true;
    return 0;
}

int kafka_part_insert_producers(const struct kafka_part *part, struct ch_client *client, const char *token,
                                struct error *err)
{
    struct rowbinary rows = {.len = 0};
    char columns[256], feed[CH_FEED + 16], own[CH_TOKEN + 48];
    uint8_t state[PRODUCER_STATE];
    size_t i;
    producers_feed(part, feed);
    for (i = 0; i < part->producers_count; i++) {
        store_be64(state, part->producers[i].block);
        store_be64(state + 8, part->producers[i].index);
        store_be64(state + 16, part->producers[i].block_before);
        store_be64(state + 24, part->producers[i].index_before);
        rowbinary_string(&rows, feed, strlen(feed));
        rowbinary_u64(&rows, part->producers[i].instance);
        rowbinary_u64(&rows, (uint64_t)part->end);
        rowbinary_string(&rows, state, sizeof(state));
        rowbinary_string(&rows, "", 0);
        rows.rows++;
    }
    snprintf(own, sizeof(own), "%s-%" PRId64 "/producers", token, part->end);
    ch_schema_columns(CH_STREAMS, columns, sizeof(columns));
    int result = rows.is_short    ? error_set(err, "out of memory")
                 : rows.rows == 0 ? 0
                 : ch_client_insert(client, ch_table_names[CH_STREAMS], columns, &rows, own, err) == CH_DONE ? 0
                                                                                                             : -1;
    free(rows.bytes);
    return result;
}

/* ---- messages ---- */

/* A header as text; false: there is none. */
static bool read_header(const rd_kafka_headers_t *headers, const char *name, char text[HEADER])
{
    const void *value;
    size_t size;
    if (!headers || rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR || !value ||
        size >= HEADER)
        return false;
    memcpy(text, value, size);
    text[size] = '\0';
    return true;
}

/* "INSTANCE-BLOCK-INDEX", the first in hexadecimal. */
static bool parse_id(char *text, struct kafka_producer *out)
{
    char *next = text, *end;
    const char *instance = strsep(&next, "-"), *block = next ? strsep(&next, "-") : NULL;
    if (!block || !next || strlen(instance) != 16)
        return false;
    out->instance = strtoull(instance, &end, 16);
    return *end == '\0' && parse_number(block, 0, UINT64_MAX, &out->block, NULL) == 0 &&
           parse_number(next, 0, UINT64_MAX, &out->index, NULL) == 0;
}

/* Whether the message has come before: whoever wrote it wrote it again, as what it knew was from before that. The one
 * that has been silent longest gives its place away. */
static bool has_come(struct kafka_part *part, const struct kafka_producer *id)
{
    struct kafka_producer known = *id;
    size_t i;
    for (i = 0; i < part->producers_count && part->producers[i].instance != id->instance; i++)
        ;
    if (i < part->producers_count) {
        const struct kafka_producer *last = &part->producers[i];
        if (id->block < last->block || (id->block == last->block && id->index <= last->index))
            return true;
        known.block_before = last->block_before;
        known.index_before = last->index_before;
    } else if (part->producers_count < KAFKA_PRODUCERS) {
        part->producers_count++;
    } else {
        i = KAFKA_PRODUCERS - 1;
    }
    memmove(part->producers + 1, part->producers, i * sizeof(*part->producers));
    part->producers[0] = known;
    return false;
}

void kafka_part_begin(struct kafka_part *part)
{
    size_t i;
    for (i = 0; i < part->producers_count; i++) {
        part->producers[i].block_before = part->producers[i].block;
        part->producers[i].index_before = part->producers[i].index;
    }
}

/* Who sent the datagram, and when it was received; without headers: nobody, when it was written. */
static void read_origin(const rd_kafka_message_t *m, const rd_kafka_headers_t *headers, uint8_t address[16],
                        struct received *from)
{
    rd_kafka_timestamp_type_t kind;
    char text[HEADER];
    uint64_t number;
    int64_t written_ms = rd_kafka_message_timestamp(m, &kind);
    memset(address, 0, 16);
    *from = (struct received){.ip_vers = 4, .address = address, .bytes = m->payload, .len = m->len};
    if (read_header(headers, "source", text)) {
        if (inet_pton(AF_INET6, text, address) == 1)
            from->ip_vers = 6;
        else if (inet_pton(AF_INET, text, address) != 1)
            memset(address, 0, 16);
    }
    if (read_header(headers, "port", text) && parse_number(text, 0, UINT16_MAX, &number, NULL) == 0)
        from->port = (uint16_t)number;
    from->time_us =
        written_ms > 0 ? clock_clamp(written_ms < INT64_MAX / 1000 ? written_ms * 1000 : INT64_MAX) : clock_unix_us();
    if (read_header(headers, "received", text) && parse_number(text, 0, INT64_MAX, &number, NULL) == 0)
        from->time_us = clock_clamp((int64_t)number);
}

/* False: the batch is whole before it. */
static bool take_message(struct kafka_part *part, struct ch_batch *batch, const rd_kafka_message_t *m,
                         struct kafka_aside *aside, struct feed_counts *counts)
{
    struct kafka_producer id = {.instance = 0};
    rd_kafka_headers_t *headers = NULL;
    uint8_t address[16];
    struct received from;
    char text[HEADER];
    (void)rd_kafka_message_headers(m, &headers);
    read_origin(m, headers, address, &from);
    if (!ch_batch_is_of_day(batch, from.time_us))
        return false;
    if (read_header(headers, "id", text) && parse_id(text, &id) && has_come(part, &id)) {
        counts->doubled++;
    } else if (!ch_batch_take_datagram(batch, &from)) {
        counts->refused++;
        put_aside(aside, part, m);
    }
    return true;
}

enum kafka_taken kafka_part_take(struct kafka_part *part, struct ch_batch *batch, uint64_t most_rows,
                                 struct kafka_aside *aside, struct feed_counts *counts)
{
    bool has_wanted = part->wanted > part->begin;
    rd_kafka_message_t *m = part->held ? part->held : rd_kafka_consume_queue(part->queue, WAIT_MS);
    part->held = NULL;
    if (!m)
        return KAFKA_NONE;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR || m->offset < part->end) { /* of before, or no message */
        rd_kafka_message_destroy(m);
        return KAFKA_TAKEN;
    }
    bool is_behind = has_wanted ? m->offset >= part->wanted : ch_batch_is_full(batch, most_rows);
    if (is_behind || !take_message(part, batch, m, aside, counts)) {
        part->end = has_wanted ? part->wanted : part->end;
        part->held = m;
        return KAFKA_FULL;
    }
    part->end = m->offset + 1;
    rd_kafka_message_destroy(m);
    return KAFKA_TAKEN;
}
