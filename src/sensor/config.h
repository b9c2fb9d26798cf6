/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the command line says. Filled once at start, then read only. */
#ifndef DNSFLOW_SENSOR_CONFIG_H
#define DNSFLOW_SENSOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log_process.h"
#include "capture/capture.h"
#include "guard/sandbox.h"
#include "net/encapsulation.h"
#include "net/packet.h"
#include "sensor/anonymize.h"
#include "sink/sink.h"

enum {
    CONFIG_PORTS_MAX = 10,
    CONFIG_TUNNEL_PORTS_MAX = 40,
    CONFIG_FILES_MAX = 16384,
    CONFIG_INTERFACES_MAX = 16,
    CONFIG_DNSTAPS_MAX = 8,
    CONFIG_WORKERS_MAX = CAPTURE_GROUP_MAX, /* over all interfaces */
    CONFIG_RING_MIB = 64,
    DNS_PORT = 53,
    MDNS_PORT = 5353,
};

struct config {
    bool show_help, show_version;
    size_t interfaces_count; /* 0 in file mode */
    const char *interfaces[CONFIG_INTERFACES_MAX];
    unsigned dnstap_mode; /* of unix sockets */
    size_t dnstaps_count;
    struct capture_dnstap_options dnstaps[CONFIG_DNSTAPS_MAX]; /* sockets to listen at */
    struct address_name dnstap_addresses[CONFIG_DNSTAPS_MAX];  /* room for their names */
    bool dnstap_given;                                         /* sockets or files */
    size_t files_count;
    const char *files[CONFIG_FILES_MAX];
    const char *filter;
    size_t sinks_count;
    struct sink_plan sinks[SINKS_MAX];
    unsigned workers;  /* for each interface */
    size_t ring_bytes; /* of each worker, live */
    enum capture_fanout fanout;
    bool fanout_given;
    bool pin;               /* each worker to a CPU */
    uint32_t share, shares; /* -m I/N: share is I-1; shares 0 = all */
    bool balance_checksum;
    uint32_t sample;       /* keep 1 in this many; 0 = all */
    uint32_t adaptive_max; /* under loss, up to 1 in this many of these; 0 = never */
    bool promiscuous;
    const char *pid_path;
    bool has_metrics;
    struct address_name metrics; /* where they are served ... */
    const char *metrics_path;    /* ... or a unix socket, if not NULL ... */
    unsigned metrics_mode;       /* ... and its rights */
    bool background;
    struct log_choice log;
    const char *user; /* to run as, live; NULL = dnsflow or nobody */
    enum sandbox_mode seccomp;
    size_t ports_count;
    uint16_t ports[CONFIG_PORTS_MAX + 1]; /* that DNS comes from; the last one is that of mDNS, if it is wanted */
    bool mdns, svcb;
    bool records_given; /* records tell RCODE and transport ... */
    unsigned records;   /* ... and are made of these kinds too: DNS_WITH_ */
    bool defrag, tcp;
    bool defrag_given, tcp_given;
    uint32_t encapsulations; /* that are unwrapped: a bit for each enum encapsulation */
    uint32_t named;          /* the same of those that are only at the ports of -J, -X and --tunnel-port */
    bool decap_given;
    uint8_t tunnels[65536]; /* by UDP port, for struct net_options */
    size_t tunnel_ports_count;
    uint16_t tunnel_ports[CONFIG_TUNNEL_PORTS_MAX];        /* of -J, -X and --tunnel-port ... */
    uint8_t tunnel_encapsulation[CONFIG_TUNNEL_PORTS_MAX]; /* ... and of which */
    bool extended;
    uint32_t sensor_id;
    uint64_t rate; /* messages per second in file mode, 0 = as fast as possible */
    const char *dump_bad_path;
    const char *auth_path; /* key file, NULL = datagrams are not signed ... */
    uint8_t auth_key[SECRET_KEY];
    struct anonymize_options anonymize;
};

/* Fills *config from the command line. Returns 0, or -1 with one line for the user. */
MUST_CHECK int config_parse(struct config *config, int argc, char **argv, struct error *err);

/* Fills in what was not given and follows from the rest. config_parse() does. */
void config_complete(struct config *config);

/* Whether the options fit together. Returns 0, or -1 with one line for the user. */
MUST_CHECK int config_check(const struct config *config, struct error *err);

/* What --help and --version say. */
void config_print_help(FILE *out);
void config_print_version(FILE *out);

/* Whether all that is made goes into files. */
static inline bool config_has_only_files(const struct config *config)
{
    size_t i;
    for (i = 0; i < config->sinks_count; i++)
        if (!config->sinks[i].kind->is_file)
            return false;
    return true;
}

/* What net_decode() needs of it. Points into *config. */
static inline void config_net_options(const struct config *config, struct net_options *out)
{
    *out = (struct net_options){.dns_ports = config->ports,
                                .dns_ports_count = config->ports_count,
                                .encapsulations = config->encapsulations | config->named,
                                .tunnels = config->tunnels};
}

#endif
