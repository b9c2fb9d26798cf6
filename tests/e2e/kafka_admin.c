/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What kcat cannot be asked of a Kafka cluster.
 * kafka_admin BROKERS create TOPIC PARTITIONS REPLICAS [KEY=VALUE...]  makes a topic
 * kafka_admin BROKERS delete TOPIC PARTITION OFFSET                    deletes what is before the offset
 * kafka_admin BROKERS committed GROUP TOPIC PARTITIONS                 prints "PARTITION OFFSET METADATA" of each
 * partition the group has committed, metadata in hex or "-" */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

enum { TIMEOUT_MS = 30000, MAX_PARTITIONS = 10000 };

static bool parse(const char *text, long long to, long long *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return !errno && end != text && !*end && *number >= 0 && *number <= to;
}

static int complain(const char *why)
{
    fprintf(stderr, "kafka_admin: %s\n", why);
    return 1;
}

/* group is NULL for a producer */
static rd_kafka_t *create_client(const char *brokers, const char *group)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client = NULL;
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why) == RD_KAFKA_CONF_OK &&
        rd_kafka_conf_set(conf, "log_level", "3", why, sizeof why) == RD_KAFKA_CONF_OK &&
        (!group || rd_kafka_conf_set(conf, "group.id", group, why, sizeof why) == RD_KAFKA_CONF_OK))
        client = rd_kafka_new(group ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!client) {
        complain(why);
        rd_kafka_conf_destroy(conf);
    }
    return client;
}

/* The answer to what was asked of the queue, or NULL and why it failed on standard error. */
static rd_kafka_event_t *wait_answer(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, TIMEOUT_MS);
    if (!answer)
        complain("no answer");
    if (!answer || !rd_kafka_event_error(answer))
        return answer;
    complain(rd_kafka_event_error_string(answer));
    rd_kafka_event_destroy(answer);
    return NULL;
}

static bool add_settings(rd_kafka_NewTopic_t *topic, int count, char **settings)
{
    for (int i = 0; i < count; i++) {
        char *equals = strchr(settings[i], '=');
        if (!equals)
            return false;
        *equals = 0;
        if (rd_kafka_NewTopic_set_config(topic, settings[i], equals + 1))
            return false;
    }
    return true;
}

static int ask_create(rd_kafka_t *client, rd_kafka_NewTopic_t *topic)
{
    char why[512];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(options, TIMEOUT_MS / 2, why, sizeof why);
    rd_kafka_CreateTopics(client, &topic, 1, options, queue);
    rd_kafka_event_t *answer = wait_answer(queue);
    int status = 1;
    if (answer) {
        size_t count;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
        status = error ? complain(rd_kafka_err2str(error)) : 0;
        rd_kafka_event_destroy(answer);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return status;
}

static int create_topic(const char *brokers, int count, char **words)
{
    char why[512];
    long long partitions, replicas;
    if (count < 3 || !parse(words[1], MAX_PARTITIONS, &partitions) || !parse(words[2], 100, &replicas))
        return complain("create TOPIC PARTITIONS REPLICAS [KEY=VALUE...]");
    rd_kafka_t *client = create_client(brokers, NULL);
    if (!client)
        return 1;
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(words[0], (int)partitions, (int)replicas, why, sizeof why);
    int status;
    if (!topic)
        status = complain(why);
    else if (!add_settings(topic, count - 3, words + 3))
        status = complain("a setting is KEY=VALUE");
    else
        status = ask_create(client, topic);
    if (topic)
        rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(client);
    return status;
}

static int ask_delete(rd_kafka_t *client, rd_kafka_DeleteRecords_t *before)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteRecords(client, &before, 1, NULL, queue);
    rd_kafka_event_t *answer = wait_answer(queue);
    int status = 1;
    if (answer) {
        const rd_kafka_topic_partition_list_t *results =
            rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer));
        rd_kafka_resp_err_t error = results->elems[0].err;
        status = error ? complain(rd_kafka_err2str(error)) : 0;
        rd_kafka_event_destroy(answer);
    }
    rd_kafka_queue_destroy(queue);
    return status;
}

static int delete_records(const char *brokers, int count, char **words)
{
    long long partition, offset;
    if (count != 3 || !parse(words[1], MAX_PARTITIONS, &partition) || !parse(words[2], INT64_MAX, &offset))
        return complain("delete TOPIC PARTITION OFFSET");
    rd_kafka_t *client = create_client(brokers, NULL);
    if (!client)
        return 1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, words[0], (int32_t)partition)->offset = offset;
    rd_kafka_DeleteRecords_t *before = rd_kafka_DeleteRecords_new(list);
    int status = ask_delete(client, before);
    rd_kafka_DeleteRecords_destroy(before);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return status;
}

static void print_committed(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (p->offset < 0)
            continue;
        printf("%d %lld ", p->partition, (long long)p->offset);
        /* What is copied ends at a zero byte, whatever the size says. */
        size_t size = p->metadata ? strnlen(p->metadata, p->metadata_size) : 0;
        for (size_t k = 0; k < size; k++)
            printf("%02x", ((const unsigned char *)p->metadata)[k]);
        printf("%s\n", size ? "" : "-");
    }
}

static int show_committed(const char *brokers, int count, char **words)
{
    long long partitions;
    if (count != 3 || !parse(words[2], MAX_PARTITIONS, &partitions))
        return complain("committed GROUP TOPIC PARTITIONS");
    rd_kafka_t *client = create_client(brokers, words[0]);
    if (!client)
        return 1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)partitions);
    rd_kafka_topic_partition_list_add_range(list, words[1], 0, (int32_t)partitions - 1);
    rd_kafka_resp_err_t error = rd_kafka_committed(client, list, TIMEOUT_MS);
    for (int i = 0; !error && i < list->cnt; i++)
        error = list->elems[i].err;
    if (error)
        complain(rd_kafka_err2str(error));
    else
        print_committed(list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return error ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[2], "create") == 0)
        return create_topic(argv[1], argc - 3, argv + 3);
    if (argc > 3 && strcmp(argv[2], "delete") == 0)
        return delete_records(argv[1], argc - 3, argv + 3);
    if (argc > 3 && strcmp(argv[2], "committed") == 0)
        return show_committed(argv[1], argc - 3, argv + 3);
    return complain("create, delete or committed");
}
