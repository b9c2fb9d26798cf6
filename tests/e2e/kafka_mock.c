/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A Kafka cluster of librdkafka's, without storage, whose faults are ordered: kafka_mock BROKERS. Prints the addresses
 * of its brokers, which have the numbers 1 to BROKERS, takes commands on standard input, one a line, and answers each
 * with a line, "ok" or "error: " and why. It ends with its input. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { MAX_WORDS = 64, MAX_BROKERS = 100 };

struct words {
    int count;
    const char *at[MAX_WORDS];
};

static const struct {
    const char *name;
    int16_t key;
} requests[] = {
    {"Produce", 0},      {"Fetch", 1},           {"ListOffsets", 2}, {"OffsetCommit", 8}, {"OffsetFetch", 9},
    {"JoinGroup", 11},   {"Heartbeat", 12},      {"LeaveGroup", 13}, {"SyncGroup", 14},   {"FindCoordinator", 10},
    {"ApiVersions", 18}, {"InitProducerId", 22},
};

static bool parse(const char *text, int from, int to, int *number)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < from || value > to)
        return false;
    *number = (int)value;
    return true;
}

static bool parse_request(const char *text, int16_t *key)
{
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (strcmp(text, requests[i].name) == 0) {
            *key = requests[i].key;
            return true;
        }
    }
    return false;
}

/* By its name without RD_KAFKA_RESP_ERR_, as in rdkafka.h: NOT_LEADER_FOR_PARTITION, _TRANSPORT. */
static bool parse_error(const char *text, rd_kafka_resp_err_t *error)
{
    const struct rd_kafka_err_desc *known;
    size_t count;
    rd_kafka_get_err_descs(&known, &count);
    for (size_t i = 0; i < count; i++) {
        if (known[i].name && strcmp(text, known[i].name) == 0) {
            *error = known[i].code;
            return true;
        }
    }
    return false;
}

static const char *outcome(rd_kafka_resp_err_t error)
{
    return error ? rd_kafka_err2str(error) : NULL;
}

/* ---- commands: each returns NULL, or why it was not done ---- */

/* topic NAME PARTITIONS REPLICAS */
static const char *create_topic(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    int partitions, replicas;
    if (w->count != 4 || !parse(w->at[2], 1, 10000, &partitions) || !parse(w->at[3], 1, MAX_BROKERS, &replicas))
        return "topic NAME PARTITIONS REPLICAS";
    return outcome(rd_kafka_mock_topic_create(cluster, w->at[1], partitions, replicas));
}

/* down BROKER, up BROKER; -1 is all of them */
static const char *set_down(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    int broker;
    if (w->count != 2 || !parse(w->at[1], -1, MAX_BROKERS, &broker))
        return "down BROKER";
    return outcome(rd_kafka_mock_broker_set_down(cluster, broker));
}

static const char *set_up(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    int broker;
    if (w->count != 2 || !parse(w->at[1], -1, MAX_BROKERS, &broker))
        return "up BROKER";
    return outcome(rd_kafka_mock_broker_set_up(cluster, broker));
}

/* rtt BROKER MILLISECONDS: answers come so late */
static const char *set_rtt(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    int broker, rtt_ms;
    if (w->count != 3 || !parse(w->at[1], -1, MAX_BROKERS, &broker) || !parse(w->at[2], 0, 3600000, &rtt_ms))
        return "rtt BROKER MILLISECONDS";
    return outcome(rd_kafka_mock_broker_set_rtt(cluster, broker, rtt_ms));
}

/* fail REQUEST ERROR...: the next requests of this kind, one for each; _TRANSPORT cuts the connection */
static const char *push_errors(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    rd_kafka_resp_err_t errors[MAX_WORDS];
    int16_t key;
    if (w->count < 3 || !parse_request(w->at[1], &key))
        return "fail REQUEST ERROR...";
    for (int i = 2; i < w->count; i++)
        if (!parse_error(w->at[i], &errors[i - 2]))
            return "no such error";
    rd_kafka_mock_push_request_errors_array(cluster, key, (size_t)(w->count - 2), errors);
    return NULL;
}

/* fail-late BROKER REQUEST ERROR MILLISECONDS: the next request of this kind to this broker, after such a time */
static const char *push_late(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    rd_kafka_resp_err_t error;
    int16_t key;
    int broker, rtt_ms;
    if (w->count != 5 || !parse(w->at[1], 1, MAX_BROKERS, &broker) || !parse_request(w->at[2], &key) ||
        !parse_error(w->at[3], &error) || !parse(w->at[4], 0, 3600000, &rtt_ms))
        return "fail-late BROKER REQUEST ERROR MILLISECONDS";
    return outcome(rd_kafka_mock_broker_push_request_error_rtts(cluster, broker, key, 1, error, rtt_ms));
}

/* clear REQUEST: what was pushed by fail and has not come yet */
static const char *clear_errors(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    int16_t key;
    if (w->count != 2 || !parse_request(w->at[1], &key))
        return "clear REQUEST";
    rd_kafka_mock_clear_request_errors(cluster, key);
    return NULL;
}

/* topic-error NAME ERROR: what metadata says of the topic. What is pushed for Metadata would never come. */
static const char *set_topic_error(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    rd_kafka_resp_err_t error;
    if (w->count != 3 || !parse_error(w->at[2], &error))
        return "topic-error NAME ERROR";
    rd_kafka_mock_topic_set_error(cluster, w->at[1], error);
    return NULL;
}

/* leader TOPIC PARTITION BROKER; -1 is none */
static const char *set_leader(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    int partition, broker;
    if (w->count != 4 || !parse(w->at[2], 0, 10000, &partition) || !parse(w->at[3], -1, MAX_BROKERS, &broker))
        return "leader TOPIC PARTITION BROKER";
    return outcome(rd_kafka_mock_partition_set_leader(cluster, w->at[1], partition, broker));
}

/* coordinator GROUP BROKER */
static const char *set_coordinator(rd_kafka_mock_cluster_t *cluster, const struct words *w)
{
    int broker;
    if (w->count != 3 || !parse(w->at[2], 1, MAX_BROKERS, &broker))
        return "coordinator GROUP BROKER";
    return outcome(rd_kafka_mock_coordinator_set(cluster, "group", w->at[1], broker));
}

static const struct {
    const char *name;
    const char *(*run)(rd_kafka_mock_cluster_t *cluster, const struct words *w);
} commands[] = {
    {"topic", create_topic}, {"down", set_down},
    {"up", set_up},          {"rtt", set_rtt},
    {"fail", push_errors},   {"fail-late", push_late},
    {"clear", clear_errors}, {"topic-error", set_topic_error},
    {"leader", set_leader},  {"coordinator", set_coordinator},
};

static const char *run_line(rd_kafka_mock_cluster_t *cluster, char *line)
{
    struct words w = {0};
    char *rest;
    for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        if (w.count == MAX_WORDS)
            return "too many words";
        w.at[w.count++] = word;
    }
    for (size_t i = 0; w.count > 0 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(w.at[0], commands[i].name) == 0)
            return commands[i].run(cluster, &w);
    return "no such command";
}

/* The client that the cluster is kept in, which connects to nothing. */
static rd_kafka_t *create_keeper(void)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *keeper = NULL;
    if (rd_kafka_conf_set(conf, "log_level", "3", why, sizeof why) == RD_KAFKA_CONF_OK)
        keeper = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!keeper) {
        fprintf(stderr, "kafka_mock: %s\n", why);
        rd_kafka_conf_destroy(conf);
    }
    return keeper;
}

int main(int argc, char **argv)
{
    int brokers;
    if (argc != 2 || !parse(argv[1], 1, MAX_BROKERS, &brokers)) {
        fprintf(stderr, "usage: kafka_mock BROKERS\n");
        return 2;
    }
    rd_kafka_t *keeper = create_keeper();
    if (!keeper)
        return 1;
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(keeper, brokers);
    if (!cluster) {
        fprintf(stderr, "kafka_mock: no cluster was made\n");
        rd_kafka_destroy(keeper);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        const char *why = run_line(cluster, line);
        printf("%s%s\n", why ? "error: " : "ok", why ? why : "");
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(keeper);
    return 0;
}
