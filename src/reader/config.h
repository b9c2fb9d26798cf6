/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the reader's command line says. */
#ifndef DNSFLOW_READER_CONFIG_H
#define DNSFLOW_READER_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/secret.h"
#include "reader/printer.h"

struct reader_config {
    bool show_help, show_version;
    const char *file;      /* -r */
    const char *interface; /* -i */
    const char *filter;    /* -f or -F, NULL = none */
    bool is_whole_filter;  /* -F: datagrams to any port */
    const struct printer *printer;
    bool no_header;
    const char *auth_path; /* --auth-key, NULL = datagrams are taken unverified */
    uint8_t auth_key[SECRET_KEY];
    bool stats_only;     /* -s */
    bool show_summaries; /* -S */
};

/* Fills *config from the command line. Returns 0, or -1 with one line for the user. */
int reader_config_parse(struct reader_config *config, int argc, char **argv, struct error *err);

void reader_config_help(FILE *out);

#endif
