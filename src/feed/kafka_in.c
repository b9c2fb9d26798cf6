/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/kafka_in.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/kafka_conf.h"
#include "feed/kafka_part.h"

enum { PARTITIONS_MAX = 1024, POLL_MS = 20, ASK_MS = 10000, MESSAGES = 20000, EVERY_US = 2 * SECOND_US };

struct kafka_in {
    const struct feed_owner *owner;
    struct ch_options options;
    struct ch_client *client;
    struct ch_server server;
    bool is_checked; /* the server can be worked with */
    bool is_lost;    /* where the group has got to could not be found out: `why` */
    struct error why;
    rd_kafka_t *kafka;
    char topic[256], cluster[64];
    struct ch_batch batch; /* of `at`; its account is the part's while it is at hand */
    struct kafka_part *parts[PARTITIONS_MAX];
    size_t count, next;
    struct kafka_part *at; /* whose batch is at hand, NULL = none */
    uint64_t most_rows;
    struct kafka_aside aside;
};

/* ---- the group ---- */

static void drop_batch(struct kafka_in *in)
{
    if (!in->at)
        return;
    in->at->account = in->batch.account;
    memset(&in->batch.account, 0, sizeof(in->batch.account));
    in->at = NULL;
}

static void let_parts_go(struct kafka_in *in)
{
    drop_batch(in);
    while (in->count > 0)
        kafka_part_close(in->parts[--in->count]);
    in->next = 0;
}

/* Where the group has got to, with the range that somebody was about to insert. Returns 0, or -1. */
static int ask_where(struct kafka_in *in, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = rd_kafka_committed(in->kafka, list, ASK_MS);
    int i;
    for (i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        code = list->elems[i].err;
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : error_set(&in->why, "kafka: topic %s: where the group is cannot be read: %s", in->topic,
                           rd_kafka_err2str(code));
}

/* Elsewhere than where the group is nothing may begin: others have inserted from there. */
static void take_parts(struct kafka_in *in, rd_kafka_topic_partition_list_t *list)
{
    int i;
    in->is_lost = ask_where(in, list) != 0;
    for (i = 0; !in->is_lost && i < list->cnt && in->count < PARTITIONS_MAX; i++) {
        rd_kafka_topic_partition_t *one = &list->elems[i];
        struct kafka_part *part = kafka_part_open(in->kafka, in->cluster, one);
        if (part)
            in->parts[in->count++] = part;
        if (one->offset < 0)
            one->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    log_line("kafka: topic %s: has %zu partitions", in->topic, in->count);
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                         void *opaque)
{
    struct kafka_in *in = opaque;
    let_parts_go(in);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        take_parts(in, list);
        rd_kafka_assign(client, in->is_lost ? NULL : list);
    } else {
        rd_kafka_assign(client, NULL);
    }
}

static void note_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    struct kafka_in *in = opaque;
    (void)client;
    (void)code;
    snprintf(in->owner->counts->trouble, sizeof(in->owner->counts->trouble), "kafka: %.300s", reason);
}

/* ---- opening ---- */

static bool go_on_waiting(void *context)
{
    const struct feed_owner *owner = context;
    owner->beat(owner->context);
    return !owner->must_end(owner->context);
}

static int subscribe(struct kafka_in *in, struct error *err)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, in->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(in->kafka, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : error_set(err, "kafka: %s", rd_kafka_err2str(code));
}

static int join(struct kafka_in *in, struct error *err)
{
    char why[300];
    const char *group = feed_option(in->owner->spec, "group", 0);
    rd_kafka_conf_t *conf = kafka_conf_make(in->owner->spec, KAFKA_CONSUMES, err);
    if (!conf)
        return -1;
    (void)rd_kafka_conf_set(conf, "group.id", group ? group : "dnsflow", NULL, 0);
    rd_kafka_conf_set_opaque(conf, in);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, note_error);
    in->kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!in->kafka) {
        rd_kafka_conf_destroy(conf);
        return error_set(err, "kafka: %s", why);
    }
    (void)rd_kafka_poll_set_consumer(in->kafka);
    char *cluster = rd_kafka_clusterid(in->kafka, ASK_MS);
    if (!cluster)
        return error_set(err, "kafka: no broker answers");
    snprintf(in->cluster, sizeof(in->cluster), "%s", cluster);
    rd_kafka_mem_free(in->kafka, cluster);
    return subscribe(in, err);
}

void kafka_in_close(struct kafka_in *in)
{
    if (!in)
        return;
    if (in->kafka) {
        (void)rd_kafka_consumer_close(in->kafka);
        let_parts_go(in);
        rd_kafka_destroy(in->kafka);
    }
    ch_client_close(in->client);
    ch_batch_close(&in->batch);
    kafka_aside_close(&in->aside);
    free(in);
}

struct kafka_in *kafka_in_open(const struct feed_owner *owner, const struct feed_spec *into, const char *aside,
                               struct error *err)
{
    struct kafka_in *in = calloc(1, sizeof(*in));
    if (!in) {
        error_set(err, "out of memory");
        return NULL;
    }
    in->owner = owner;
    owner->counts->trouble[0] = '\0';
    kafka_aside_open(&in->aside, aside);
    snprintf(in->topic, sizeof(in->topic), "%s", kafka_topic(owner->spec));
    if (ch_options_parse(into, true, &in->options, err) == 0 &&
        feed_number(into, "rows", CH_ROWS, CH_ROWS_MAX, &in->most_rows, err) == 0 &&
        ch_batch_open(&in->batch, "", err) == 0) {
        account_close(&in->batch.account); /* parts have their own */
        in->client = ch_client_open(&in->options, go_on_waiting, (void *)(uintptr_t)owner);
        if (!in->client)
            error_set(err, "out of memory");
        else if (join(in, err) == 0)
            return in;
    }
    kafka_in_close(in);
    return NULL;
}

/* ---- a batch ---- */

/* Writes down at the group's coordinator how far a part is, and what is about to be inserted. Returns 0, or -1: it is
 * not ours any more, or nobody answers. */
static int commit(struct kafka_in *in, const struct kafka_part *part, int64_t offset, int64_t wanted, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, in->topic, part->number);
    char note[40];
    one->offset = offset;
    if (wanted > offset) {
        snprintf(note, sizeof(note), KAFKA_WANTED "%" PRId64, wanted);
        one->metadata = strdup(note);
        one->metadata_size = one->metadata ? strlen(note) : 0;
    }
    rd_kafka_resp_err_t code = rd_kafka_commit(in->kafka, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : error_set(err, "kafka: topic %s: where it is cannot be kept: %s", in->topic, rd_kafka_err2str(code));
}

/* Brings the part's account to where the server has it, the first time. Returns 0, or -1. */
static int restore(struct kafka_in *in, struct kafka_part *part, struct error *err)
{
    if (!in->is_checked && ch_server_check(in->client, &in->options, &in->server, err) != 0)
        return -1;
    in->is_checked = true;
    return part->is_restored ? 0 : kafka_part_restore(part, in->client, &in->options, err);
}

/* After a failure: of several, another server, unless only this one knows what was inserted. */
static void try_next_server(struct kafka_in *in)
{
    if (in->options.servers_count == 1 || (in->is_checked && !in->server.has_replicas))
        return;
    ch_client_next(in->client);
    in->is_checked = false;
}

/* Inserts what is at hand, and writes down that it is. */
static int send_batch(struct kafka_in *in, struct error *err)
{
    struct kafka_part *part = in->at;
    struct feed_counts *counts = in->owner->counts;
    bool is_there = part->position >= part->end;
    if (part->wanted != part->end && commit(in, part, part->begin, part->end, err) != 0)
        return -1;
    part->wanted = part->end;
    in->batch.position = (uint64_t)part->end;
    if (!is_there && /* also one of which nothing was taken, as it is known by its last row that it is done */
        ((part->streams < part->end &&
          ch_server_insert(in->client, &in->batch, CH_LOOKUPS, CH_STREAMS, in->owner, err) != 0) ||
         kafka_part_insert_producers(part, in->client, in->batch.token, err) != 0 ||
         ch_server_insert(in->client, &in->batch, CH_BATCHES, CH_BATCHES, in->owner, err) != 0)) {
        try_next_server(in);
        return -1;
    }
    part->position = part->streams = part->end;
    if (commit(in, part, part->end, part->end, err) != 0)
        return -1;
    part->begin = part->end;
    counts->records += in->batch.tally.records;
    counts->datagrams += in->batch.datagrams;
    counts->batches++;
    counts->trouble[0] = '\0';
    part->next_us = part->held ? 0 : part->next_us; /* more has come: of another day, or too much for one batch */
    drop_batch(in);
    return 0;
}

static void begin_batch(struct kafka_in *in, struct kafka_part *part)
{
    in->at = part;
    in->batch.account = part->account;
    snprintf(in->batch.feed, sizeof(in->batch.feed), "%s", part->feed);
    ch_batch_clear(&in->batch);
    kafka_part_begin(part);
    snprintf(in->batch.token, sizeof(in->batch.token), "%s/%" PRId64, part->feed, part->begin);
    part->end = part->begin;
}

/* What the part has of the batch. */
static void gather(struct kafka_in *in, struct kafka_part *part)
{
    int i;
    for (i = 0; i < MESSAGES && (part->wanted <= part->begin || part->end < part->wanted); i++)
        if (kafka_part_take(part, &in->batch, in->most_rows, &in->aside, in->owner->counts) != KAFKA_TAKEN)
            return;
}

/* Round by round, each part no sooner than EVERY_US after its last batch, if that had all that there was. */
static struct kafka_part *next_part(struct kafka_in *in)
{
    int64_t now_us = clock_monotonic_us();
    size_t i;
    for (i = 0; i < in->count; i++) {
        struct kafka_part *part = in->parts[in->next++ % in->count];
        if (now_us >= part->next_us)
            return part;
    }
    return NULL;
}

static int begin_next(struct kafka_in *in, struct error *err)
{
    struct kafka_part *part = next_part(in);
    if (!part)
        return 0;
    if (restore(in, part, err) != 0) {
        try_next_server(in);
        part->next_us = clock_monotonic_us() + SECOND_US;
        return -1;
    }
    part->next_us = clock_monotonic_us() + EVERY_US;
    begin_batch(in, part);
    if (part->position > part->begin) { /* inserted, but not written down: passed over */
        part->wanted = part->end = part->position;
        return 0;
    }
    return 0;
}

int kafka_in_step(struct kafka_in *in, struct error *err)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(in->kafka, POLL_MS);
    if (message) { /* an error: messages come by the queues of the parts */
        snprintf(in->owner->counts->trouble, sizeof(in->owner->counts->trouble), "kafka: %.300s",
                 rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
    if (in->is_lost) { /* joins anew */
        *err = in->why;
        in->is_lost = false;
        (void)subscribe(in, &in->why);
        return -1;
    }
    if (!in->at && begin_next(in, err) != 0)
        return -1;
    if (!in->at)
        return 0;
    struct kafka_part *part = in->at;
    if (part->wanted != part->end || part->end == part->begin) /* else it is tried again */
        gather(in, part);
    if (part->wanted > part->begin ? part->end >= part->wanted : part->end > part->begin)
        return send_batch(in, err);
    if (part->wanted <= part->begin)
        drop_batch(in); /* nothing has come */
    return 0;
}

int kafka_in_check(const struct feed_spec *spec, struct error *err)
{
    return kafka_is_json(spec) ? error_set(err, "format=json: expected raw, as datagrams are read")
                               : kafka_check(spec, err);
}
