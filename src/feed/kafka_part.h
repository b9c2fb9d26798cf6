/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of feed/: a partition that this collector has of the group, and what its messages bring to a batch. */
#ifndef DNSFLOW_FEED_KAFKA_PART_H
#define DNSFLOW_FEED_KAFKA_PART_H

#include <librdkafka/rdkafka.h>

#include "feed/ch_server.h"

#define KAFKA_WANTED "wanted "

enum { KAFKA_PRODUCERS = 256, KAFKA_ASIDE_MAX = 1 << 20 /* bytes */ };

/* Who wrote messages, and how far: what is not behind that has come before. */
struct kafka_producer {
    uint64_t instance, block, index;
    uint64_t block_before, index_before; /* the batch at hand */
};

struct kafka_part {
    int32_t number;
    char feed[CH_FEED];
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *held; /* read, but not of the batch at hand; NULL: none */
    int64_t begin, end;       /* offsets: of the batch at hand, and behind what has been taken of it */
    int64_t wanted;           /* behind the batch that was written down; begin or less: none was */
    int64_t position;         /* behind what the server has for certain */
    int64_t streams;          /* up to where its streams are there */
    bool is_restored;
    struct account account;
    struct kafka_producer producers[KAFKA_PRODUCERS];
    size_t producers_count;
    int64_t next_us; /* monotonic: when a batch may be begun */
};

/* What cannot be decoded: a line of JSON each, up to KAFKA_ASIDE_MAX in all. */
struct kafka_aside {
    int fd; /* -1 = it cannot be written */
    uint64_t bytes;
};

void kafka_aside_open(struct kafka_aside *aside, const char *path);
void kafka_aside_close(struct kafka_aside *aside);

/* With the offset and the note that the group has. NULL: out of memory. */
struct kafka_part *kafka_part_open(rd_kafka_t *client, const char *cluster, const rd_kafka_topic_partition_t *at);
void kafka_part_close(struct kafka_part *part);

/* Brings the account to where the server has it. Returns 0, or -1. */
MUST_CHECK int kafka_part_restore(struct kafka_part *part, struct ch_client *client, const struct ch_options *options,
                                  struct error *err);

/* Before the first message of a batch. */
void kafka_part_begin(struct kafka_part *part);

enum kafka_taken { KAFKA_TAKEN, KAFKA_NONE /* has come yet */, KAFKA_FULL /* the batch is whole */ };

/* Takes the next message into the batch. */
enum kafka_taken kafka_part_take(struct kafka_part *part, struct ch_batch *batch, uint64_t most_rows,
                                 struct kafka_aside *aside, struct feed_counts *counts);

/* Who wrote, as of the batch. Returns 0, or -1. */
MUST_CHECK int kafka_part_insert_producers(const struct kafka_part *part, struct ch_client *client, const char *token,
                                           struct error *err);

#endif
