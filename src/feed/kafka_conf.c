/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/kafka_conf.h"

#include <string.h>

enum { BROKERS = 1024, WHY = 300 };

static const char through[] = "kafka.";

const struct feed_key kafka_keys[KAFKA_KEYS] = {
    {"broker", "HOST:PORT", "a broker to begin with", true, false},
    {"topic", "NAME", "dnsflow by default", false, false},
    {"format", "raw|json", "raw, the default: datagrams as they came; json: records", false, false},
    {"group", "NAME", "for --from-kafka: the consumer group, dnsflow by default", false, false},
    {"kafka.", "VALUE", "a setting of librdkafka, such as kafka.security.protocol=ssl", true, true},
};

const char *kafka_topic(const struct feed_spec *spec)
{
    const char *topic = feed_option(spec, "topic", 0);
    return topic ? topic : "dnsflow";
}

bool kafka_is_json(const struct feed_spec *spec)
{
    const char *format = feed_option(spec, "format", 0);
    return format && strcmp(format, "json") == 0;
}

static int set(rd_kafka_conf_t *conf, const char *key, const char *value, struct error *err)
{
    char why[WHY];
    return rd_kafka_conf_set(conf, key, value, why, sizeof(why)) == RD_KAFKA_CONF_OK ? 0
                                                                                     : error_set(err, "kafka: %s", why);
}

static int set_brokers(rd_kafka_conf_t *conf, const struct feed_spec *spec, struct error *err)
{
    char all[BROKERS] = "";
    const char *broker;
    size_t i, used = 0;
    for (i = 0; used < sizeof(all) && (broker = feed_option(spec, "broker", i)); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? "," : "", broker);
    if (used == 0 || used >= sizeof(all))
        return error_set(err, "expected broker=HOST:PORT");
    return set(conf, "bootstrap.servers", all, err);
}

/* Nothing is given up: how far that is is ours to know, and what it waits for is in the journal. */
static const char *const produces[][2] = {{"enable.idempotence", "true"},
                                          {"message.timeout.ms", "0"},
                                          {"linger.ms", "50"},
                                          {"compression.codec", "zstd"},
                                          {"queue.buffering.max.messages", "100000"},
                                          {"queue.buffering.max.kbytes", "65536"}};

static const char *const consumes[][2] = {
    {"enable.auto.commit", "false"},       {"enable.auto.offset.store", "false"},
    {"socket.timeout.ms", "20000"},        {"auto.offset.reset", "earliest"},
    {"isolation.level", "read_committed"}, {"queued.max.messages.kbytes", "32768"},
    {"fetch.message.max.bytes", "1048576"}};

/* What promises rest upon. */
static const char *const ours[] = {"bootstrap.servers",        "enable.idempotence", "enable.auto.commit",
                                   "enable.auto.offset.store", "group.id",           "auto.offset.reset"};

static bool is_ours(const char *key)
{
    size_t i;
    for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(key, ours[i]) == 0)
            return true;
    return false;
}

static int set_all(rd_kafka_conf_t *conf, const struct feed_spec *spec, enum kafka_use use, struct error *err)
{
    const char *const(*list)[2] = use == KAFKA_PRODUCES ? produces : consumes;
    size_t count =
        use == KAFKA_PRODUCES ? sizeof(produces) / sizeof(produces[0]) : sizeof(consumes) / sizeof(consumes[0]);
    size_t i;
    if (set_brokers(conf, spec, err) != 0 || set(conf, "client.id", "dnsflow_collect", err) != 0)
        return -1;
    for (i = 0; i < count; i++)
        if (set(conf, list[i][0], list[i][1], err) != 0)
            return -1;
    for (i = 0; i < spec->count; i++)
        if (strncmp(spec->options[i].key, through, strlen(through)) == 0 &&
            is_ours(spec->options[i].key + strlen(through)))
            return error_set(err, "%s=: expected others, as this one is set already", spec->options[i].key);
        else if (strncmp(spec->options[i].key, through, strlen(through)) == 0 &&
                 set(conf, spec->options[i].key + strlen(through), spec->options[i].value, err) != 0)
            return -1;
    return 0;
}

/* What it has to say comes by its errors. */
static void be_quiet(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    (void)level;
    (void)facility;
    (void)text;
}

rd_kafka_conf_t *kafka_conf_make(const struct feed_spec *spec, enum kafka_use use, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!conf) {
        error_set(err, "out of memory");
        return NULL;
    }
    rd_kafka_conf_set_log_cb(conf, be_quiet);
    if (set_all(conf, spec, use, err) == 0)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

int kafka_check(const struct feed_spec *spec, struct error *err)
{
    const char *format = feed_option(spec, "format", 0);
    if (format && strcmp(format, "raw") != 0 && strcmp(format, "json") != 0)
        return error_set(err, "format=%.20s: expected raw or json", format);
    if (strlen(kafka_topic(spec)) > 249)
        return error_set(err, "topic=: expected at most 249 characters");
    rd_kafka_conf_t *conf = kafka_conf_make(spec, KAFKA_PRODUCES, err);
    if (!conf)
        return -1;
    rd_kafka_conf_destroy(conf);
    return 0;
}
