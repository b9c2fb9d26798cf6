/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What `dnsflow_collect run` is told. */
#ifndef DNSFLOW_COLLECT_CONFIG_H
#define DNSFLOW_COLLECT_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "base/log_process.h"
#include "base/prefix.h"
#include "feed/feed.h"
#include "guard/sandbox.h"
#include "receive/target.h"
#include "receive/verify.h"
#include "serve/tokens.h"
#include "watch/list.h"

enum { COLLECT_LISTENERS_MAX = 16, COLLECT_HOSTS_MAX = 16 };

struct collect_config {
    const char *directory;
    size_t listeners_count;
    struct address_name targets[COLLECT_LISTENERS_MAX]; /* what `listeners` points into */
    struct listener_options listeners[COLLECT_LISTENERS_MAX];
    struct prefixes allow; /* none: everybody may send */
    struct verify_keys keys;
    uint64_t max_size;  /* bytes, 0 = not told */
    uint64_t max_age_s; /* 0 = no limit */
    int64_t sync_us;    /* of the journal */
    const char *backup; /* where backups go, NULL = below the directory */
    bool has_no_backup; /* none is made */
    uint64_t backup_every_s;
    bool has_http; /* told; else it is there if its port is free */
    bool has_no_http;
    const char *http_path; /* of a socket; else: */
    struct address_name http;
    size_t hosts_count;
    const char *hosts[COLLECT_HOSTS_MAX];
    struct tokens tokens;     /* of --token-file */
    const char *watch_path;   /* NULL = nothing is looked out for */
    struct watch_list *watch; /* out of it */
    const char *watch_output; /* NULL = hits are in the log alone */
    bool has_from_kafka;      /* in place of receiving */
    struct feed_spec from_kafka;
    bool has_source; /* questions over HTTP go there, not to the directory */
    struct feed_spec source;
    size_t feeds_count; /* stores beside the embedded one */
    struct feed_spec feeds[FEEDS_MAX];
    enum sandbox_mode seccomp;
    const char *user;     /* NULL = not told */
    const char *pid_path; /* NULL = none */
    const char *path;     /* of a file with more of these, NULL = none */
    char *text;           /* of it */
    struct log_choice log;
    bool is_daemon;
    bool show_help;
};

/* Reads the options of `run`, those of the file first: what may be told once is as the command line says, lists have
 * what both say. Returns 0, or -1 with one line for the user; either way collect_config_free() is due. */
MUST_CHECK int collect_config_parse(struct collect_config *config, int argc, char **argv, struct error *err);

/* A configuration of zeros is fine. */
void collect_config_free(struct collect_config *config);

/* Whether what stays of the one and what comes of the other go together: where --http is, and tokens. Returns 0, or -1
 * with the reason. */
MUST_CHECK int collect_config_may_renew(const struct collect_config *config, const struct collect_config *now,
                                        struct error *err);

/* Takes over from `now` what may change while the collector runs: who may send, keys, limits, --sync, tokens, what is
 * looked out for. `text` gets what differs and may not, as "--listen, --user", or "". */
void collect_config_renew(struct collect_config *config, struct collect_config *now, char *text, size_t size);

void collect_config_help(FILE *out);

#endif
