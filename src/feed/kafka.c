/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Into a topic of Kafka: datagrams as they came, or records as JSON. A block is done when all that it gave is at its
 * brokers for good, and the blocks before it are; what was on its way when that ended comes again, under the same id.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "feed/feed.h"
#include "feed/kafka_conf.h"
#include "feed/rowbinary.h"
#include "print/column.h"

enum {
    BLOCKS = 4096, /* on their way at once; a power of two */
    POLL_MS = 100,
    ROOM_US = 10 * SECOND_US, /* that is waited for room */
    KEEP_US = SECOND_US,      /* between two times that the place is written */
    ID = 80,
    TOPIC = 250
};

/* A block on its way. */
struct sent_block {
    struct feed_point behind;
    uint64_t left; /* messages that are not at the brokers yet */
    uint64_t records, datagrams;
    bool is_complete; /* all of its messages were handed to the library */
};

struct kafka {
    const struct feed_owner *owner;
    rd_kafka_t *client;
    char topic[TOPIC];
    bool is_json;
    struct sent_block blocks[BLOCKS]; /* a ring */
    uint64_t first, next;             /* numbers of the first of these and the one behind the last */
    uint64_t block;                   /* that is being taken, 0 = none */
    uint64_t taken, at;               /* messages of it that were handed over; the one that is looked at */
    struct output text;
    struct rowbinary line;
    struct layout layout;
    bool has_failed;
    struct error cause; /* of the failure */
    int64_t kept_us;
};

/* ---- what the library tells ---- */

static void note_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka *k = opaque;
    struct sent_block *block = &k->blocks[(uintptr_t)message->_private % BLOCKS];
    (void)client;
    if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) { /* for the topic: it would be so for ever */
        k->owner->counts->refused++;
        block->left--;
        return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_PERSISTED) {
        k->has_failed = true;
        error_set(&k->cause, "kafka: topic %s: %s", k->topic, rd_kafka_err2str(message->err));
        return;
    }
    block->left--;
    k->owner->counts->trouble[0] = '\0';
}

/* What it goes on trying by itself. */
static void note_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    struct kafka *k = opaque;
    (void)client;
    if (code == RD_KAFKA_RESP_ERR__FATAL || k->first == k->next)
        return;
    snprintf(k->owner->counts->trouble, sizeof(k->owner->counts->trouble), "kafka: %.300s", reason);
}

/* ---- opening ---- */

static void kafka_close(void *feed)
{
    struct kafka *k = feed;
    if (!k)
        return;
    if (k->client) {
        rd_kafka_purge(k->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(k->client);
    }
    free(k->line.bytes);
    free(k);
}

static bool put_text(void *context, const char *bytes, size_t len)
{
    struct kafka *k = context;
    rowbinary_bytes(&k->line, bytes, len);
    return true;
}

static int make_client(struct kafka *k, struct error *err)
{
    char why[300];
    rd_kafka_conf_t *conf = kafka_conf_make(k->owner->spec, KAFKA_PRODUCES, err);
    if (!conf)
        return -1;
    rd_kafka_conf_set_opaque(conf, k);
    rd_kafka_conf_set_dr_msg_cb(conf, note_delivery);
    rd_kafka_conf_set_error_cb(conf, note_error);
    k->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (k->client)
        return 0;
    rd_kafka_conf_destroy(conf);
    return error_set(err, "kafka: %s", why);
}

static void *kafka_open(const struct feed_owner *owner, struct error *err)
{
    struct kafka *k = calloc(1, sizeof(*k));
    if (!k) {
        error_set(err, "out of memory");
        return NULL;
    }
    k->owner = owner;
    owner->counts->trouble[0] = '\0';
    snprintf(k->topic, sizeof(k->topic), "%s", kafka_topic(owner->spec));
    k->is_json = kafka_is_json(owner->spec);
    layout_default(&k->layout);
    k->layout.time_style = printer_json.time_style;
    output_init_put(&k->text, put_text, k);
    if (make_client(k, err) == 0)
        return k;
    kafka_close(k);
    return NULL;
}

/* ---- messages ---- */

struct message {
    const char *key;
    const void *bytes;
    size_t len;
    char id[ID];
    int64_t time_us;
    const struct received *from;
};

static int add_headers(rd_kafka_headers_t *headers, const struct message *m)
{
    char source[INET6_ADDRSTRLEN] = "", port[8], received[24];
    (void)inet_ntop(m->from->ip_vers == 6 ? AF_INET6 : AF_INET, m->from->address, source, sizeof(source));
    snprintf(port, sizeof(port), "%u", m->from->port);
    snprintf(received, sizeof(received), "%" PRId64, m->from->time_us);
    const char *const all[][2] = {{"source", source}, {"port", port}, {"received", received}, {"id", m->id}};
    size_t i;
    int result = 0;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        result |= rd_kafka_header_add(headers, all[i][0], -1, all[i][1], -1);
    return result;
}

/* 1: it is on its way, or cannot be for its size, 0: there is no room, -1. */
static int produce(struct kafka *k, const struct message *m, struct error *err)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__FAIL;
    if (headers && add_headers(headers, m) == 0)
        code = rd_kafka_producev(k->client, RD_KAFKA_V_TOPIC(k->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_KEY((void *)(uintptr_t)m->key, strlen(m->key)),
                                 RD_KAFKA_V_VALUE((void *)(uintptr_t)m->bytes, m->len),
                                 RD_KAFKA_V_TIMESTAMP(m->time_us / 1000), RD_KAFKA_V_HEADERS(headers),
                                 RD_KAFKA_V_OPAQUE((void *)(uintptr_t)(k->next - 1)), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 1;
    if (headers)
        rd_kafka_headers_destroy(headers);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return 0;
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        k->owner->counts->refused++;
        k->blocks[(k->next - 1) % BLOCKS].left--; /* which put() adds */
        return 1;
    }
    return error_set(err, "kafka: topic %s: %s", k->topic, rd_kafka_err2str(code));
}

/* One message of the block, unless it was handed over before. Returns 1, 0 = there is no room, or -1. */
static int put(struct kafka *k, struct message *m, struct error *err)
{
    if (k->at++ < k->taken)
        return 1;
    snprintf(m->id, sizeof(m->id), "%016" PRIx64 "-%" PRIu64 "-%" PRIu64, k->owner->place->instance, k->block,
             k->taken);
    int result = produce(k, m, err);
    if (result == 1) {
        k->taken++;
        k->blocks[(k->next - 1) % BLOCKS].left++;
        k->owner->counts->batches++;
    }
    return result;
}

/* Its sensor, else where it comes from. */
static int put_datagram(struct kafka *k, const struct received *from, struct error *err)
{
    char key[INET6_ADDRSTRLEN] = "";
    if (from->datagram.has_trailer)
        snprintf(key, sizeof(key), "%" PRIu32, from->datagram.trailer.sensor_id);
    else
        (void)inet_ntop(from->ip_vers == 6 ? AF_INET6 : AF_INET, from->address, key, sizeof(key));
    struct message m = {.key = key, .bytes = from->bytes, .len = from->len, .time_us = from->time_us, .from = from};
    return put(k, &m, err);
}

static int put_records(struct kafka *k, struct received *from, struct error *err)
{
    struct dnsflow_record record;
    char key[INET6_ADDRSTRLEN];
    int result = 1;
    if (from->datagram.flags & DNSFLOW_FLAG_STATS)
        return 1;
    while (result == 1 && dnsflow_next_record(&from->datagram, &record)) {
        (void)inet_ntop(record.ip_vers == 6 ? AF_INET6 : AF_INET, record.client, key, sizeof(key));
        rowbinary_clear(&k->line);
        printer_json.record(&k->text, &k->layout, from, &record);
        output_flush(&k->text);
        if (k->line.is_short || k->line.len == 0)
            return error_set(err, "out of memory");
        struct message m = {.key = key,
                            .bytes = k->line.bytes,
                            .len = k->line.len - 1, /* without the end of the line */
                            .time_us = received_record_time(from, &record),
                            .from = from};
        result = put(k, &m, err);
    }
    return result;
}

/* What of the block has room. Returns 1: all of it, 0, or -1. */
static int put_block(struct kafka *k, const struct journal_block *block, const uint8_t *plain, struct error *err)
{
    const uint8_t *at = plain, *end = plain + block->plain_len;
    struct received from;
    int result = 1;
    k->at = 0;
    while (result == 1 && journal_record_read(&at, end, &from) == 1)
        if (dnsflow_decode(from.bytes, from.len, &from.datagram) == DNSFLOW_OK)
            result = k->is_json ? put_records(k, &from, err) : put_datagram(k, &from, err);
    return result;
}

/* ---- taking ---- */

/* The library's calls come from here alone. Returns 0, or -1: it has given up. */
static int look(struct kafka *k, int wait_ms, struct error *err)
{
    char why[300];
    rd_kafka_poll(k->client, wait_ms);
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(k->client, why, sizeof(why));
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(err, "kafka: %s", why);
    if (!k->has_failed)
        return 0;
    *err = k->cause;
    return -1;
}

/* Blocks that are all at the brokers, in their order. */
static void take_done(struct kafka *k)
{
    for (; k->first < k->next; k->first++) {
        const struct sent_block *block = &k->blocks[k->first % BLOCKS];
        if (!block->is_complete || block->left > 0)
            return;
        k->owner->place->done = k->owner->place->wanted = block->behind;
        k->owner->counts->records += block->records;
        k->owner->counts->datagrams += block->datagrams;
    }
}

static int kafka_take(void *feed, const struct journal_block *block, const uint8_t *plain,
                      const struct feed_point *behind, struct error *err)
{
    struct kafka *k = feed;
    int64_t until_us = clock_monotonic_us() + ROOM_US;
    int result;
    if (k->block != block->number) {
        if (k->next - k->first == BLOCKS)
            return look(k, POLL_MS, err) == 0 ? FEED_FULL : FEED_FAILED;
        k->block = block->number;
        k->taken = 0;
        k->blocks[k->next++ % BLOCKS] = (struct sent_block){.behind = *behind};
    }
    while ((result = put_block(k, block, plain, err)) == 0) { /* there is no room */
        if (look(k, POLL_MS, err) != 0)
            return FEED_FAILED;
        k->owner->beat(k->owner->context);
        if (clock_monotonic_us() > until_us || k->owner->must_end(k->owner->context))
            return FEED_FULL;
    }
    if (result < 0)
        return FEED_FAILED;
    struct sent_block *sent = &k->blocks[(k->next - 1) % BLOCKS];
    sent->is_complete = true;
    sent->records = block->records;
    sent->datagrams = block->datagrams;
    return FEED_TAKEN;
}

/* All of it is waited for, but not when there is no end to that. */
static int kafka_work(void *feed, bool is_all, struct error *err)
{
    struct kafka *k = feed;
    const struct feed_place *place = k->owner->place;
    uint64_t done = place->done.block;
    int64_t until_us = clock_monotonic_us() + ROOM_US;
    do {
        if (look(k, is_all && k->first < k->next ? POLL_MS : 0, err) != 0)
            return -1;
        take_done(k);
        k->owner->beat(k->owner->context);
    } while (is_all && k->first < k->next && clock_monotonic_us() < until_us && !k->owner->must_end(k->owner->context));
    bool is_due = is_all || clock_monotonic_us() - k->kept_us >= KEEP_US;
    if (!is_due || (done == place->done.block && k->kept_us > 0))
        return 0;
    k->kept_us = clock_monotonic_us();
    return place_save(place, err);
}

const struct feed_kind feed_kafka = {.name = "kafka",
                                     .help = "a topic of Kafka",
                                     .keys = kafka_keys,
                                     .keys_count = KAFKA_KEYS,
                                     .check = kafka_check,
                                     .open = kafka_open,
                                     .take = kafka_take,
                                     .work = kafka_work,
                                     .close = kafka_close,
                                     .has_network = true};
