/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the reader's command line says. */
#ifndef DNSFLOW_READER_CONFIG_H
#define DNSFLOW_READER_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "base/address.h"
#include "base/error.h"
#include "guard/sandbox.h"
#include "receive/target.h"
#include "receive/verify.h"
#include "record/match.h"
#include "reader/formats.h"

enum { READER_FILES_MAX = 16384 };

struct reader_config {
    const char *since, *until; /* as they were told, NULL = not */
    bool show_help, show_version;
    size_t files_count; /* -r, and what stands behind the options */
    const char *files[READER_FILES_MAX];
    const char *interface; /* -i */
    bool is_listening;     /* -l */
    struct listener_options listener;
    struct address_name target; /* what listener points into */
    const char *filter;         /* -f or -F, NULL = none */
    bool is_whole_filter;       /* -F: datagrams to any port */
    struct match match;
    int64_t now_us; /* what times ago are from */
    uint64_t count; /* 0 = all */
    const struct printer *printer;
    struct layout layout;
    unsigned color; /* of --color: 0 auto, 1 always, 2 never */
    bool no_header;
    const char *user; /* to become as root, NULL = dnsflow or nobody */
    enum sandbox_mode seccomp;
    struct verify_keys keys; /* --auth-key; none = datagrams are taken unverified */
    bool stats_only;         /* -s */
    bool show_summaries;     /* -S */
    bool show_top, show_tables;
    uint64_t interval; /* seconds, 0 = not given */
    double speed;      /* of a file against its own time, 0 = as fast as it can be read */
};

/* Fills *config from the command line. Returns 0, or -1 with one line for the user. */
int reader_config_parse(struct reader_config *config, int argc, char **argv, struct error *err);

/* Prints what --help says. */
void reader_config_help(FILE *out);

#endif
