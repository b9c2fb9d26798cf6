/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/config.h"

#include <archive.h>
#include <event2/event.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/version.h"
#include "capture/filter.h"
#include "dns/message.h"
#include "sensor/config_tunnels.h"

static int take_interface(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    size_t i;
    if (c->interfaces_count == CONFIG_INTERFACES_MAX)
        return error_set(err, "expected at most %d interfaces", CONFIG_INTERFACES_MAX);
    if (!*value)
        return error_set(err, "expected the name of an interface");
    for (i = 0; i < c->interfaces_count; i++)
        if (strcmp(c->interfaces[i], value) == 0)
            return error_set(err, "expected each interface once");
    c->interfaces[c->interfaces_count++] = value;
    return 0;
}

static int take_file(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    if (c->files_count == CONFIG_FILES_MAX)
        return error_set(err, "expected at most %d files", CONFIG_FILES_MAX);
    if (parse_path(value, &c->files[c->files_count], err) != 0)
        return -1;
    c->files_count++;
    return 0;
}

/* unix:PATH, tcp:HOST:PORT or a file. */
static int take_dnstap(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    struct capture_dnstap_options *d = &c->dnstaps[c->dnstaps_count];
    struct address_name *address = &c->dnstap_addresses[c->dnstaps_count];
    bool is_unix = strncmp(value, "unix:", 5) == 0, is_tcp = strncmp(value, "tcp:", 4) == 0;
    c->dnstap_given = true;
    if (!is_unix && !is_tcp)
        return take_file(config, value, err);
    if (c->dnstaps_count == CONFIG_DNSTAPS_MAX)
        return error_set(err, "expected at most %d sockets", CONFIG_DNSTAPS_MAX);
    if (is_unix && parse_path(value + 5, &d->path, err) != 0)
        return -1;
    if (is_tcp && address_parse(value + 4, 0, address, NULL) != 0)
        return error_set(err, "expected tcp:HOST:PORT, an IPv6 address in brackets");
    d->host = address->host;
    d->port = address->port;
    c->dnstaps_count++;
    return 0;
}

static int parse_mode(const char *value, unsigned *out, struct error *err)
{
    char *end;
    unsigned long mode = strtoul(value, &end, 8);
    if (*value < '0' || *value > '7' || *end || mode > 0777)
        return error_set(err, "expected an octal number of at most 0777");
    *out = (unsigned)mode;
    return 0;
}

static int take_dnstap_mode(void *config, const char *value, struct error *err)
{
    return parse_mode(value, &((struct config *)config)->dnstap_mode, err);
}

static int take_filter(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    struct filter *probe;
    if (filter_create(value, &probe, err) != 0)
        return -1;
    filter_destroy(probe);
    c->filter = value;
    return 0;
}

static int add_sink(struct config *c, const struct sink_kind *kind, const char *option, const char *value,
                    struct error *err)
{
    struct sink_plan *plan = &c->sinks[c->sinks_count];
    unsigned i, before = 0;
    for (i = 0; i < c->sinks_count; i++)
        before += c->sinks[i].kind == kind;
    if (before == kind->most)
        return error_set(err, "expected at most %u %s", before, kind->many);
    if (c->sinks_count == SINKS_MAX)
        return error_set(err, "expected at most %d outputs", SINKS_MAX);
    *plan = (struct sink_plan){.kind = kind, .option = option, .value = value};
    if (kind->parse(plan, err) != 0)
        return -1;
    c->sinks_count++;
    return 0;
}

#define TAKE_SINK(letter, name, label, arg, kind, help, flags)                 \
    static int take_##kind(void *config, const char *value, struct error *err) \
    {                                                                          \
        return add_sink(config, &kind, label, value, err);                     \
    }
SINK_KINDS(TAKE_SINK)

static int take_workers(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    uint64_t n;
    if (parse_number(value, 0, CONFIG_WORKERS_MAX, &n, err) != 0)
        return -1;
    if (n == 0) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        n = cpus >= 2 ? (uint64_t)cpus / 2 : 1;
    }
    c->workers = n < CONFIG_WORKERS_MAX ? (unsigned)n : CONFIG_WORKERS_MAX;
    return 0;
}

static int take_ring_size(void *config, const char *value, struct error *err)
{
    uint64_t mib;
    if (parse_number(value, 1, 4096, &mib, err) != 0)
        return -1;
    ((struct config *)config)->ring_bytes = (size_t)mib << 20;
    return 0;
}

static int take_fanout(void *config, const char *value, struct error *err)
{
    static const char *const names[] = {[CAPTURE_FANOUT_CLIENT] = "client",
                                        [CAPTURE_FANOUT_CHECKSUM] = "checksum",
                                        [CAPTURE_FANOUT_QUEUE] = "queue",
                                        [CAPTURE_FANOUT_CPU] = "cpu"};
    struct config *c = config;
    unsigned choice;
    if (parse_choice(value, names, sizeof(names) / sizeof(names[0]), &choice, err) != 0)
        return -1;
    c->fanout = (enum capture_fanout)choice;
    c->fanout_given = true;
    return 0;
}

static int take_share(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    const char *slash = strchr(value, '/');
    char index[16];
    uint64_t i, n;
    if (slash && (size_t)(slash - value) < sizeof(index)) {
        memcpy(index, value, (size_t)(slash - value));
        index[slash - value] = '\0';
        if (parse_number(slash + 1, 1, 65535, &n, NULL) == 0 && parse_number(index, 1, n, &i, NULL) == 0) {
            c->share = (uint32_t)i - 1;
            c->shares = (uint32_t)n;
            return 0;
        }
    }
    return error_set(err, "expected I/N with I from 1 to N, such as 2/4");
}

static int take_sample(void *config, const char *value, struct error *err)
{
    uint64_t n;
    if (parse_number(value, 0, UINT32_MAX, &n, err) != 0)
        return -1;
    ((struct config *)config)->sample = n > 1 ? (uint32_t)n : 0;
    return 0;
}

static int take_adaptive(void *config, const char *value, struct error *err)
{
    uint64_t n;
    if (parse_number(value, 2, 65536, &n, err) != 0)
        return -1;
    ((struct config *)config)->adaptive_max = (uint32_t)n;
    return 0;
}

static int take_no_promiscuous(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct config *)config)->promiscuous = false;
    return 0;
}

static int take_pid_file(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct config *)config)->pid_path, err);
}

static int take_metrics(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    char local[32];
    uint64_t port;
    c->has_metrics = true;
    if (strncmp(value, "unix:", 5) == 0)
        return parse_path(value + 5, &c->metrics_path, err);
    if (parse_number(value, 1, 65535, &port, NULL) == 0) {
        snprintf(local, sizeof(local), "127.0.0.1:%u", (unsigned)port);
        value = local;
    }
    if (address_parse(value, 0, &c->metrics, NULL) != 0)
        return error_set(err, "expected PORT, ADDRESS:PORT or unix:PATH");
    return 0;
}

static int take_metrics_mode(void *config, const char *value, struct error *err)
{
    return parse_mode(value, &((struct config *)config)->metrics_mode, err);
}

static int take_log(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    return log_choose(value, c ? &c->log : NULL, err);
}

static int take_user(void *config, const char *value, struct error *err)
{
    if (!*value)
        return error_set(err, "expected the name of a user");
    ((struct config *)config)->user = value;
    return 0;
}

static int take_seccomp(void *config, const char *value, struct error *err)
{
    unsigned choice;
    if (parse_choice(value, sandbox_mode_names, SANDBOX_MODES, &choice, err) != 0)
        return -1;
    ((struct config *)config)->seccomp = (enum sandbox_mode)choice;
    return 0;
}

static int take_port(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    uint64_t port;
    if (c->ports_count == CONFIG_PORTS_MAX)
        return error_set(err, "expected at most %d ports", CONFIG_PORTS_MAX);
    if (parse_number(value, 1, 65535, &port, err) != 0)
        return -1;
    c->ports[c->ports_count++] = (uint16_t)port;
    return 0;
}

static int take_tcp(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct config *)config)->tcp = ((struct config *)config)->tcp_given = true;
    return 0;
}

static int take_no_tcp(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct config *)config)->tcp = false;
    ((struct config *)config)->tcp_given = true;
    return 0;
}

static int take_defrag(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct config *)config)->defrag = ((struct config *)config)->defrag_given = true;
    return 0;
}

static int take_no_defrag(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct config *)config)->defrag = false;
    ((struct config *)config)->defrag_given = true;
    return 0;
}

/* Words of --records. */
static const struct records_word {
    const char *word;
    unsigned kinds;
} records_words[] = {{"address", 0},
                     {"nodata", DNS_WITH_NODATA},
                     {"nxdomain", DNS_WITH_NXDOMAIN},
                     {"error", DNS_WITH_ERROR},
                     {"other", DNS_WITH_OTHER},
                     {"all", DNS_WITH_NODATA | DNS_WITH_NXDOMAIN | DNS_WITH_ERROR | DNS_WITH_OTHER}};

static int expect_records(struct error *err)
{
    char words[128];
    size_t i, used = 0;
    for (i = 0; i < sizeof(records_words) / sizeof(records_words[0]) && used < sizeof(words); i++)
        used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s", i ? ", " : "", records_words[i].word);
    return error_set(err, "expected some of: %s; separated by commas", words);
}

static int take_records(void *config, const char *value, struct error *err)
{
    enum { WORDS = sizeof(records_words) / sizeof(records_words[0]) };
    struct config *c = config;
    unsigned kinds = 0;
    size_t i, len;
    for (;; value += len + 1) {
        len = strcspn(value, ",");
        for (i = 0; i < WORDS; i++)
            if (strlen(records_words[i].word) == len && memcmp(records_words[i].word, value, len) == 0)
                break;
        if (i == WORDS)
            return expect_records(err);
        kinds |= records_words[i].kinds;
        if (!value[len])
            break;
    }
    c->records_given = c->extended = true;
    c->records |= kinds;
    return 0;
}

static int take_sensor_id(void *config, const char *value, struct error *err)
{
    uint64_t id;
    if (parse_number(value, 0, UINT32_MAX, &id, err) != 0)
        return -1;
    ((struct config *)config)->sensor_id = (uint32_t)id;
    return 0;
}

static int take_rate(void *config, const char *value, struct error *err)
{
    return parse_number(value, 1, UINT32_MAX, &((struct config *)config)->rate, err);
}

static int take_dump_bad(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct config *)config)->dump_bad_path, err);
}

static int take_auth_key(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    if (!secret_is_supported())
        return error_set(err, "this program was built without libcrypto");
    c->extended = true;
    return parse_path(value, &c->auth_path, err) == 0 ? secret_read_key(value, c->auth_key, err) : -1;
}

/* truncate:V4/V6 or cryptopan:KEYFILE */
static int take_anonymize(void *config, const char *value, struct error *err)
{
    struct anonymize_options *a = &((struct config *)config)->anonymize;
    uint64_t ip4, ip6;
    char text[8] = "";
    if (strncmp(value, "cryptopan:", 10) == 0 && value[10]) {
        if (!secret_is_supported())
            return error_set(err, "this program was built without libcrypto");
        a->kind = ANONYMIZE_CRYPTOPAN;
        return secret_read_key(value + 10, a->key, err);
    }
    const char *slash = strchr(value, '/');
    if (strncmp(value, "truncate:", 9) == 0 && slash && (size_t)(slash - value - 9) < sizeof(text)) {
        memcpy(text, value + 9, (size_t)(slash - value - 9));
        if (parse_number(text, 0, 32, &ip4, NULL) == 0 && parse_number(slash + 1, 0, 128, &ip6, NULL) == 0) {
            *a = (struct anonymize_options){
                .kind = ANONYMIZE_TRUNCATE, .keep_ip4 = (unsigned)ip4, .keep_ip6 = (unsigned)ip6};
            return 0;
        }
    }
    return error_set(err, "expected truncate:V4/V6 with the bits to keep, or cryptopan:KEYFILE");
}

#define SINK_ROW(letter, name, label, arg, kind, help, flags) {letter, name, arg, take_##kind, help, flags},

static const struct option_row rows[] = {
    {0, "", NULL, NULL, "Input", 0},
    {'i', "interface", "IF", take_interface,
     "capture live on this interface, repeatable; without -i and -r: the first one that is up and not loopback",
     OPTION_REPEATS},
    {'r', "read", "FILE", take_file,
     "read a capture file: pcap or pcapng, plain or compressed (gzip, bzip2, xz, zstd, lz4), - = standard input; "
     "repeatable",
     OPTION_REPEATS},
    {'t', "dnstap", "WHERE", take_dnstap,
     "take dnstap from name servers: unix:PATH or tcp:HOST:PORT to listen at, or a file; repeatable", OPTION_REPEATS},
    {0, "dnstap-mode", "MODE", take_dnstap_mode, "rights of the unix socket of --dnstap, 0660 by default", 0},
    {'f', "filter", "EXPR", take_filter, "pcap expression instead of the built-in filter; ports are not checked then",
     0},
    {'p', "no-promiscuous", NULL, take_no_promiscuous, "do not put the interface into promiscuous mode", 0},
    {0, "rate", "N", take_rate, "with -r: at most N DNS messages a second", 0},
    {0, "", NULL, NULL, "Output", 0},
    SINK_KINDS(SINK_ROW){0, "", NULL, NULL, "Workers and sampling", 0},
    {'M', "workers", "N", take_workers, "N workers for each interface, 1 by default; 0 = half the CPUs", 0},
    {0, "fanout", "MODE", take_fanout, "how live workers share packets, client by default, checksum with -c;", 0},
    {0, "ring-size", "MIB", take_ring_size, "memory of each live worker's ring, 64 by default", 0},
    {0, "pin", NULL, NULL, "keep each live worker on a CPU of its own", offsetof(struct config, pin)},
    {'m', "share", "I/N", take_share, "only share I of N of the traffic: IPv4 by client address, IPv6 by UDP checksum",
     0},
    {'c', "balance-checksum", NULL, NULL, "share IPv4 by UDP checksum too", offsetof(struct config, balance_checksum)},
    {'s', "sample", "N", take_sample, "keep 1 DNS message in N at random", 0},
    {0, "adaptive-sample", "MAX", take_adaptive,
     "live: while packets are lost keep 1 DNS message in 2, in 4, up to 1 in MAX", 0},
    {0, "", NULL, NULL, "Running as a service", 0},
    {'P', "pidfile", "FILE", take_pid_file, "write the process id to this file and keep it locked", 0},
    {0, "metrics", "WHERE", take_metrics,
     "live: serve counters over HTTP, for Prometheus: PORT (of 127.0.0.1), ADDRESS:PORT or unix:PATH", 0},
    {0, "metrics-mode", "MODE", take_metrics_mode, "rights of the unix socket of --metrics, 0660 by default", 0},
    {'D', "daemon", NULL, NULL, "go into the background once everything is open", offsetof(struct config, background)},
    {0, "log", "WHERE", take_log, "where lines go, stderr by default, syslog with -D;", 0},
    {0, "user", "NAME", take_user,
     "live: user to become once all is open; default: dnsflow if there is one, else nobody", 0},
    {0, "seccomp", "MODE", take_seccomp,
     "live: system calls that are not needed: on = end (the default), log = only log;", 0},
    {0, "", NULL, NULL, "What is looked into", 0},
    {'d', "dns-port", "PORT", take_port, "UDP source port of DNS responses instead of 53; up to 10", OPTION_REPEATS},
    {'J', "jmirror", "PORT", config_take_jmirror, "unwrap jmirror packets to this UDP port; repeatable",
     OPTION_REPEATS},
    {'X', "pcap-record", "PORT", config_take_pcap_record, "unwrap pcap records to this UDP port; repeatable",
     OPTION_REPEATS},
    {0, "decap", "LIST", config_take_decap,
     "tunnels to look into, separated by commas; with -r or -f all by default, else none;", 0},
    {0, "tunnel-port", "KIND:PORT", config_take_tunnel_port, "unwrap tunnels at this UDP port too, repeatable;",
     OPTION_REPEATS},
    {0, "tcp", NULL, take_tcp, "DNS over TCP too, as with -r or -f", 0},
    {0, "no-tcp", NULL, take_no_tcp, "leave TCP alone", 0},
    {0, "defrag", NULL, take_defrag, "put IP fragments together, the default", 0},
    {0, "no-defrag", NULL, take_no_defrag, "take from fragments what the first one holds", 0},
    {'Y', "mdns", NULL, NULL, "multicast DNS too, from port 5353", offsetof(struct config, mdns)},
    {0, "records", "LIST", take_records,
     "records of responses without addresses too, and RCODE and transport with all of them; implies -x;",
     OPTION_REPEATS},
    {0, "svcb", NULL, NULL, "questions of type HTTPS and SVCB too: their address hints count as answers",
     offsetof(struct config, svcb)},
    {0, "", NULL, NULL, "What is sent", 0},
    {'x', "extended", NULL, NULL,
     "add a trailer with time, TTL, type, port and loss counters; readers of plain version 4 ignore it",
     offsetof(struct config, extended)},
    {0, "sensor-id", "N", take_sensor_id, "number of this sensor in the trailer, 0 by default", 0},
    {0, "auth-key", "FILE", take_auth_key, "sign datagrams with the key in this file; implies -x", 0},
    {0, "anonymize-client", "HOW", take_anonymize,
     "another address for the client's: truncate:V4/V6 keeps so many bits, cryptopan:KEYFILE keeps common prefixes", 0},
    {0, "", NULL, NULL, "Finding out", 0},
    {0, "dump-bad", "FILE", take_dump_bad, "write the first frames of every drop reason to a pcap file", 0},
    {'V', "version", NULL, NULL, "print the version and what it is built with", offsetof(struct config, show_version)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct config, show_help)},
    {0, NULL, "[FILE...]", take_file,
     "dnsflow -i eth0 -u collector.example      watch eth0, send to port 5300 there\n"
     "dnsflow -r capture.pcap.gz -w out.pcap    a file in, datagrams out\n"
     "dnsflow -t unix:/run/dnstap.sock -x -u '[2001:db8::9]:5300'",
     0},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= OPTION_ROWS_MAX, "options_parse() has room for every row");

void config_print_help(FILE *out)
{
    options_help(rows, "dnsflow", "Watches DNS responses and sends who asked, what, and the answers to collectors.",
                 out);
}

void config_print_version(FILE *out)
{
    fprintf(out, "dnsflow %s\n%s\n%s\nlibevent %s\n%s\n", DNSFLOW_PROGRAM_VERSION, pcap_lib_version(),
            archive_version_details(), event_get_version(),
            secret_is_supported() ? "with libcrypto" : "without libcrypto: no --auth-key, no cryptopan");
}

int config_parse(struct config *config, int argc, char **argv, struct error *err)
{
    memset(config, 0, sizeof(*config));
    config->workers = 1;
    config->dnstap_mode = 0660;
    config->metrics_mode = 0660;
    config->ring_bytes = (size_t)CONFIG_RING_MIB << 20;
    config->promiscuous = true;
    if (options_parse(rows, argc, argv, config, err) != 0)
        return -1;
    if (config->show_help || config->show_version)
        return 0;
    config_complete(config);
    return config_check(config, err);
}
