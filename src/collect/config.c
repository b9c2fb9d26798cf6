/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/config.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/options.h"
#include "collect/directory.h"
#include "collect/role.h"
#include "collect/source.h"
#include "dnsflow.h"
#ifdef HAVE_FROM_KAFKA
#include "feed/kafka_in.h"
#endif

#define HTTP_DEFAULT "127.0.0.1:8353"

enum { BUFFER = 64 << 20, DAY_S = 86400 };

static int take_listen(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    if (c->listeners_count == COLLECT_LISTENERS_MAX)
        return error_set(err, "expected at most %d of them", COLLECT_LISTENERS_MAX);
    size_t i = c->listeners_count;
    c->listeners[i] = (struct listener_options){.never_waits = true, .buffer = BUFFER};
    if (listener_parse(value ? value : "", &c->targets[i], &c->listeners[i], err) != 0)
        return -1;
    c->listeners_count++;
    return 0;
}

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct collect_config *)config)->directory, err);
}

static int take_allow(void *config, const char *value, struct error *err)
{
    return prefixes_add(&((struct collect_config *)config)->allow, value, err);
}

/* FILE, or FILE=SENSOR where what follows the last '=' is a number. */
static int take_auth_key(void *config, const char *value, struct error *err)
{
    struct verify_keys *keys = &((struct collect_config *)config)->keys;
    struct verify_key *key = &keys->list[keys->count];
    const char *equals = strrchr(value, '=');
    uint64_t sensor = 0;
    char path[4096];
    if (!secret_is_supported())
        return error_set(err, "this program was built without libcrypto");
    if (keys->count == VERIFY_KEYS_MAX)
        return error_set(err, "expected at most %d of them", VERIFY_KEYS_MAX);
    key->is_for_all = !equals || parse_number(equals + 1, 0, UINT32_MAX, &sensor, NULL) != 0;
    size_t len = key->is_for_all ? strlen(value) : (size_t)(equals - value);
    if (len == 0 || len >= sizeof(path))
        return error_set(err, "expected FILE, or FILE=SENSOR with the sensor's number");
    memcpy(path, value, len);
    path[len] = '\0';
    key->sensor_id = (uint32_t)sensor;
    if (secret_read_key(path, key->bytes, err) != 0)
        return -1;
    keys->count++;
    return 0;
}

static int take_size(void *config, const char *value, struct error *err)
{
    return parse_size(value, DIRECTORY_SIZE_MIN, &((struct collect_config *)config)->max_size, err) == 0
               ? 0
               : error_set(err, "expected a number of bytes, with K, M, G or T behind it, from 256M");
}

static int take_age(void *config, const char *value, struct error *err)
{
    uint64_t days;
    if (parse_number(value, 1, 36500, &days, err) != 0)
        return -1;
    ((struct collect_config *)config)->max_age_s = days * DAY_S;
    return 0;
}

static int take_sync(void *config, const char *value, struct error *err)
{
    static const char *const names[] = {"1s", "always", "never"};
    static const int64_t times[] = {SECOND_US, 0, -1};
    unsigned which;
    if (parse_choice(value, names, 3, &which, err) != 0)
        return -1;
    ((struct collect_config *)config)->sync_us = times[which];
    return 0;
}

static int take_backup(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    c->has_no_backup = strcmp(value, "off") == 0;
    return c->has_no_backup ? 0 : parse_path(value, &c->backup, err);
}

static int take_backup_every(void *config, const char *value, struct error *err)
{
    return parse_span(value, &((struct collect_config *)config)->backup_every_s, err);
}

static int take_user(void *config, const char *value, struct error *err)
{
    ((struct collect_config *)config)->user = value;
    return *value ? 0 : error_set(err, "expected a user's name");
}

static int take_pid_path(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct collect_config *)config)->pid_path, err);
}

static int take_config(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct collect_config *)config)->path, err);
}

static int take_log(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    return log_choose(value, c ? &c->log : NULL, err);
}

static int take_source(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    c->has_source = true;
    return source_parse(value, &c->source, err);
}

static int take_http(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    c->has_http = true;
    c->has_no_http = strcmp(value, "off") == 0;
    c->http_path = NULL;
    if (c->has_no_http)
        return 0;
    if (strncmp(value, "unix:", 5) == 0)
        return parse_path(value + 5, &c->http_path, err);
    size_t len = strlen(value);
    char any[sizeof(c->http.text)];
    bool is_any = len > 2 && len < sizeof(any) && strcmp(value + len - 2, ":0") == 0; /* a port that is free */
    if (is_any)
        snprintf(any, sizeof(any), "%.*s1", (int)len - 1, value);
    if (address_parse(is_any ? any : value, 0, &c->http, NULL) != 0)
        return error_set(err, "expected ADDRESS:PORT, unix:PATH or off");
    if (is_any) {
        memcpy(c->http.port, "0", 2);
        memcpy(c->http.text, value, len + 1);
    }
    return 0;
}

static int take_http_host(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    if (c->hosts_count == COLLECT_HOSTS_MAX)
        return error_set(err, "expected at most %d of them", COLLECT_HOSTS_MAX);
    if (*value == '\0' || strpbrk(value, "/: \t"))
        return error_set(err, "expected a name such as dns.example.com, without a port");
    c->hosts[c->hosts_count++] = value;
    return 0;
}

static int take_token_file(void *config, const char *value, struct error *err)
{
    const char *path;
    return parse_path(value, &path, err) != 0 ? -1 : tokens_read(path, &((struct collect_config *)config)->tokens, err);
}

static int take_watch(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct collect_config *)config)->watch_path, err);
}

static int take_watch_output(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct collect_config *)config)->watch_output, err);
}

static bool has_feed(const struct collect_config *c, const char *name)
{
    size_t i;
    for (i = 0; i < c->feeds_count; i++)
        if (strcmp(c->feeds[i].name, name) == 0)
            return true;
    return false;
}

static int take_store(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    size_t i;
    if (c->feeds_count == FEEDS_MAX)
        return error_set(err, "expected at most %d of them", FEEDS_MAX);
    struct feed_spec spec;
    int result = feed_parse(value, &spec, err);
    if (result == 0)
        result = spec.kind->check(&spec, err);
    for (i = 0; result == 0 && i < BOARD_ROLES; i++)
        if (strcmp(spec.name, roles[i]->name) == 0)
            result = error_set(err, "name=%s: is that of a role", spec.name);
    if (result == 0 && has_feed(c, spec.name))
        result = error_set(err, "expected another name=, as there is a store %s", spec.name);
    if (result == 0)
        c->feeds[c->feeds_count++] = spec;
    else
        feed_spec_free(&spec);
    return result;
}

#ifdef HAVE_FROM_KAFKA

static int take_from_kafka(void *config, const char *value, struct error *err)
{
    struct collect_config *c = config;
    char text[2048];
    if (snprintf(text, sizeof(text), "kafka,%s", value) >= (int)sizeof(text))
        return error_set(err, "is too long");
    c->has_from_kafka = true;
    return feed_parse(text, &c->from_kafka, err) == 0 ? kafka_in_check(&c->from_kafka, err) : -1;
}

#endif

static int take_seccomp(void *config, const char *value, struct error *err)
{
    unsigned which;
    if (parse_choice(value, sandbox_mode_names, SANDBOX_MODES, &which, err) != 0)
        return -1;
    ((struct collect_config *)config)->seccomp = (enum sandbox_mode)which;
    return 0;
}

static const struct option_row rows[] = {
    {0, "", NULL, NULL, "What comes in", 0},
    {'l', "listen", "[ADDR:PORT]", take_listen,
     "receive datagrams on this address and UDP port, [::]:5300 if it is left out; PORT alone does; repeatable",
     OPTION_REPEATS},
    {0, "allow", "CIDR", take_allow, "take datagrams from these addresses alone; repeatable", OPTION_REPEATS},
    {0, "auth-key", "FILE[=SENSOR]", take_auth_key,
     "take datagrams alone that are signed with the key in this file, each once; with a number it is that sensor's "
     "key; "
     "repeatable",
     OPTION_REPEATS},
    {0, "", NULL, NULL, "What is kept", 0},
    {0, "directory", "DIR", take_directory, "where everything is kept, ./dnsflow-data if it is left out", 0},
    {0, "max-size", "SIZE", take_size,
     "how much of the disk it may take, such as 500M or 2T; 20G, or half of what is free at the first start if that is "
     "less",
     0},
    {0, "max-age", "DAYS", take_age, "nothing older is kept", 0},
    {0, "sync", "WHEN", take_sync, "when the journal is brought to the disk, each second by default;", 0},
    {0, "backup", "DIR", take_backup,
     "where backups go, the folder backup of the directory if it is left out; \"off\": none is made", 0},
    {0, "backup-every", "TIME", take_backup_every, "how often, such as 12h or 7d; 1d if it is left out", 0},
    {0, "", NULL, NULL, "Where it goes, too", 0},
    {0, "store", "NAME[,KEY=VALUE...]", take_store,
     "a store beside the embedded one: clickhouse, kafka or file; their keys stand below; repeatable", OPTION_REPEATS},
#ifdef HAVE_FROM_KAFKA
    {0, "from-kafka", "KEY=VALUE[,...]", take_from_kafka,
     "take datagrams out of a topic of Kafka, as one of the group group=, dnsflow if it is left out, in place of "
     "receiving them: into --store clickhouse; keys are those of kafka",
     0},
#endif
    {0, "", NULL, NULL, "Who may ask", 0},
    {0, "http", "WHERE", take_http,
     "where the page, the API and /metrics are: ADDRESS:PORT or unix:PATH; 127.0.0.1:8353 by default, \"off\": nowhere",
     0},
    {0, "source", "clickhouse[,KEY=VALUE...]", take_source,
     "questions are answered out of the tables of this ClickHouse, with the keys of --store", 0},
    {0, "http-host", "NAME", take_http_host,
     "the name that browsers have for it, as behind a proxy; IP addresses and localhost need none; repeatable",
     OPTION_REPEATS},
    {0, "token-file", "FILE", take_token_file,
     "who asks needs a token of this file, lines of \"read TOKEN\" or \"read-no-clients TOKEN\"; addresses other than "
     "127.0.0.1 and ::1 are for who has one alone",
     0},
    {0, "", NULL, NULL, "What is looked out for", 0},
    {0, "watch", "FILE", take_watch,
     "what is asked for or answered and in this file, lines of NAME, *.NAME for all below it, an address or a prefix, "
     "has a line in the log",
     0},
    {0, "watch-output", "FILE", take_watch_output, "... and one of JSON in this file or named pipe", 0},
    {0, "", NULL, NULL, "As a service", 0},
    {0, "user", "NAME", take_user, "started by root: become this user, by default the directory's owner", 0},
    {0, "config", "FILE", take_config,
     "more options, one on each line: the long name, blanks, the value; is read again at SIGHUP", 0},
    {'D', "daemon", NULL, NULL, "go into the background once everything works",
     offsetof(struct collect_config, is_daemon)},
    {0, "seccomp", "MODE", take_seccomp,
     "whether each role is held to a list of system calls of its own, on by default; \"log\" allows others and "
     "notes them in the kernel's log;",
     0},
    {0, "log", "WHERE", take_log, "where lines go, stderr by default, syslog with -D;", 0},
    {'P', "pidfile", "FILE", take_pid_path, "write the process id to this file and lock it", 0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct collect_config, show_help)},
    {0, NULL, NULL, NULL,
     "dnsflow_collect run                                    what sensors send to port 5300 here\n"
     "dnsflow_collect run --directory /srv/dns --max-size 2T --allow 192.0.2.0/24",
     0},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= OPTION_ROWS_MAX, "options_parse() has room for every row");

void collect_config_help(FILE *out)
{
    options_help(rows, "dnsflow_collect run", "Receives the DNS records that dnsflow sensors send, and keeps them.",
                 out);
    feed_help(out);
}

static void begin(struct collect_config *config)
{
    memset(config, 0, sizeof(*config));
    config->sync_us = SECOND_US;
    config->backup_every_s = DAY_S;
}

static int check_from_kafka(const struct collect_config *config, struct error *err)
{
    if (!config->has_from_kafka)
        return 0;
    if (config->listeners_count > 0)
        return error_set(err, "option --from-kafka: expected no --listen with it, as nothing is received then");
    if (config->feeds_count != 1 || strcmp(config->feeds[0].kind->name, "clickhouse") != 0)
        return error_set(err, "option --from-kafka: expected --store clickhouse with it, and no other");
    return 0;
}

/* With a file the command line is read once more behind it. */
static int parse_both(struct collect_config *config, int argc, char **argv, struct error *err)
{
    begin(config);
    if (options_parse(rows, argc, argv, config, err) != 0)
        return -1;
    if (!config->path || config->show_help)
        return 0;
    const char *path = config->path;
    collect_config_free(config);
    begin(config);
    if (options_read(rows, path, config, &config->text, err) != 0)
        return -1;
    if (config->path || config->show_help)
        return error_set(err, "%s: %s is for the command line", path, config->path ? "config" : "help");
    return options_parse(rows, argc, argv, config, err);
}

/* What is answered is personal data. */
static int check_http(const struct collect_config *config, const struct tokens *tokens, struct error *err)
{
    struct address at;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    bool is_here = !config->has_http || config->has_no_http || config->http_path ||
                   strcasecmp(config->http.host, "localhost") == 0;
    bool is_all = strcmp(config->http.host, "*") == 0;
    if (!is_here && !is_all && address_read(&config->http, &at) == 0 && at.address.ss_family == AF_INET) {
        memcpy(&ip4, &at.address, sizeof(ip4));
        is_here = ntohl(ip4.sin_addr.s_addr) >> 24 == 127;
    } else if (!is_here && !is_all && at.len > 0) {
        memcpy(&ip6, &at.address, sizeof(ip6));
        is_here = IN6_IS_ADDR_LOOPBACK(&ip6.sin6_addr);
    }
    return is_here || tokens->count > 0
               ? 0
               : error_set(err, "option --http %s: expected --token-file with it, as others can reach that address",
                           config->http.text);
}

int collect_config_parse(struct collect_config *config, int argc, char **argv, struct error *err)
{
    struct error why;
    if (parse_both(config, argc, argv, err) != 0)
        return -1;
    if (config->show_help)
        return 0;
    if (check_from_kafka(config, err) != 0)
        return -1;
    if (!config->has_from_kafka && config->listeners_count == 0 && take_listen(config, "", err) != 0)
        return -1;
    if (!config->directory)
        config->directory = DIRECTORY_DEFAULT;
    if (check_http(config, &config->tokens, err) != 0)
        return -1;
    if (!config->has_http && address_parse(HTTP_DEFAULT, 0, &config->http, err) != 0)
        return -1;
    if (config->is_daemon && !config->log.is_given)
        config->log.where = LOG_TO_SYSLOG;
    if (config->watch_output && !config->watch_path)
        return error_set(err, "option --watch-output: expected --watch with it, for what is looked out for");
    if (config->watch_path && watch_list_read(config->watch_path, &config->watch, &why) != 0)
        return error_set(err, "option --watch: %s", why.text);
    if (config->user && !getpwnam(config->user))
        return error_set(err, "option --user %s: there is no such user", config->user);
    return 0;
}

void collect_config_free(struct collect_config *config)
{
    feed_spec_free(&config->from_kafka);
    feed_spec_free(&config->source);
    while (config->feeds_count > 0)
        feed_spec_free(&config->feeds[--config->feeds_count]);
    watch_list_free(config->watch);
    free(config->text);
    memset(config, 0, sizeof(*config));
}

static bool is_other(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

int collect_config_may_renew(const struct collect_config *config, const struct collect_config *now, struct error *err)
{
    return check_http(config, &now->tokens, err);
}

void collect_config_renew(struct collect_config *config, struct collect_config *now, char *text, size_t size)
{
    const struct collect_config *before = config;
    bool listens = before->listeners_count != now->listeners_count, has_hosts = before->hosts_count != now->hosts_count;
    size_t i, used = 0;
    for (i = 0; !has_hosts && i < now->hosts_count; i++)
        has_hosts = is_other(before->hosts[i], now->hosts[i]);
    for (i = 0; !listens && i < now->listeners_count; i++)
        listens = is_other(before->listeners[i].text, now->listeners[i].text);
    const struct {
        bool is_other;
        const char *name;
    } all[] = {
        {listens, "listen"},
        {is_other(before->directory, now->directory), "directory"},
        {is_other(before->backup, now->backup) || before->has_no_backup != now->has_no_backup, "backup"},
        {before->backup_every_s != now->backup_every_s, "backup-every"},
        {is_other(before->user, now->user), "user"},
        {before->has_no_http != now->has_no_http || is_other(before->http_path, now->http_path) ||
             is_other(before->http.text, now->http.text),
         "http"},
        {has_hosts, "http-host"},
        {before->has_source != now->has_source ||
             is_other(before->has_source ? before->source.given : "", now->has_source ? now->source.given : ""),
         "source"},
        {before->has_from_kafka != now->has_from_kafka || is_other(before->from_kafka.given, now->from_kafka.given),
         "from-kafka"},
        {is_other(before->watch_output, now->watch_output), "watch-output"},
        {before->seccomp != now->seccomp, "seccomp"},
        {is_other(before->pid_path, now->pid_path), "pidfile"},
        {before->is_daemon != now->is_daemon, "daemon"},
        {before->log.where != now->log.where, "log"}};
    text[0] = '\0';
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].is_other && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s--%s", used ? ", " : "", all[i].name);
    config->allow = now->allow;
    config->keys = now->keys;
    config->max_size = now->max_size;
    config->max_age_s = now->max_age_s;
    config->sync_us = now->sync_us;
    config->tokens = now->tokens;
    struct feed_spec feeds[FEEDS_MAX];
    size_t feeds_count = config->feeds_count;
    memcpy(feeds, config->feeds, sizeof(feeds));
    memcpy(config->feeds, now->feeds, sizeof(feeds));
    memcpy(now->feeds, feeds, sizeof(feeds));
    config->feeds_count = now->feeds_count;
    now->feeds_count = feeds_count;
    struct watch_list *watch = config->watch;
    config->watch = now->watch;
    now->watch = watch;
}
