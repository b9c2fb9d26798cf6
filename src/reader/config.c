/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/config.h"

#include <string.h>

#include "base/options.h"
#include "capture/filter.h"

static int take_file(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    if (c->file)
        return error_set(err, "expected one file, there is %s already", c->file);
    return parse_path(value, &c->file, err);
}

static int take_interface(void *config, const char *value, struct error *err)
{
    (void)err;
    ((struct reader_config *)config)->interface = value;
    return 0;
}

static int set_filter(struct reader_config *c, const char *value, bool is_whole, struct error *err)
{
    struct filter *probe;
    if (c->filter)
        return error_set(err, "expected only one of -f and -F, once");
    if (filter_create(value, &probe, err) != 0)
        return -1;
    filter_destroy(probe);
    c->filter = value;
    c->is_whole_filter = is_whole;
    return 0;
}

static int take_filter(void *config, const char *value, struct error *err)
{
    return set_filter(config, value, false, err);
}

static int take_whole_filter(void *config, const char *value, struct error *err)
{
    return set_filter(config, value, true, err);
}

static int take_format(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    char names[64];
    printer_names(names, sizeof(names));
    c->printer = printer_find(value);
    return c->printer ? 0 : error_set(err, "expected one of: %s", names);
}

static int take_auth_key(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    if (!secret_is_supported())
        return error_set(err, "this program was built without libcrypto");
    return parse_path(value, &c->auth_path, err) == 0 ? secret_read_key(value, c->auth_key, err) : -1;
}

static const struct option_row rows[] = {
    {'r', "read", "FILE", take_file,
     "read datagrams from a capture file: pcap or pcapng, plain or\ncompressed, - = standard input", 0},
    {'i', "interface", "IF", take_interface, "capture datagrams to UDP port 5300 on this interface", 0},
    {'f', "filter", "EXPR", take_filter, "only what this pcap expression accepts too", 0},
    {'F', "whole-filter", "EXPR", take_whole_filter, "what this pcap expression accepts, instead of UDP to port 5300",
     0},
    {0, "format", "NAME", take_format, "text (the default), json, csv or tsv", 0},
    {0, "auth-key", "FILE", take_auth_key, "only datagrams signed with the key in this file, each once", 0},
    {0, "no-header", NULL, NULL, "do not print the line with the column names",
     offsetof(struct reader_config, no_header)},
    {'s', "stats", NULL, NULL, "only statistics: a line and the source's summary for each",
     offsetof(struct reader_config, stats_only)},
    {'S', "summaries", NULL, NULL, "the summary of every source after each 100000 datagrams",
     offsetof(struct reader_config, show_summaries)},
    {'V', "version", NULL, NULL, "print the version", offsetof(struct reader_config, show_version)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct reader_config, show_help)},
    {0, NULL, NULL, NULL, NULL, 0},
};

void reader_config_help(FILE *out)
{
    options_help(rows, "dnsflow_read", "Prints the DNS records that dnsflow sensors send.", out);
}

int reader_config_parse(struct reader_config *config, int argc, char **argv, struct error *err)
{
    memset(config, 0, sizeof(*config));
    config->printer = &printer_text;
    if (options_parse(rows, argc, argv, config, err) != 0)
        return -1;
    if (config->show_help || config->show_version)
        return 0;
    if (config->file && config->interface)
        return error_set(err, "options -r/--read and -i/--interface: expected only one of them");
    return config->file || config->interface ? 0
                                             : error_set(err, "no input: expected -r/--read FILE or -i/--interface IF");
}
