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

static int take_no_header(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct reader_config *)config)->no_header = true;
    return 0;
}

static int take_stats_only(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct reader_config *)config)->stats_only = true;
    return 0;
}

static int take_summaries(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct reader_config *)config)->show_summaries = true;
    return 0;
}

static int take_version(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct reader_config *)config)->show_version = true;
    return 0;
}

static int take_help(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct reader_config *)config)->show_help = true;
    return 0;
}

static const struct option_row rows[] = {
    {'r', "read", "FILE", take_file,
     "read datagrams from a capture file: pcap or pcapng, plain or\ncompressed, - = standard input"},
    {'i', "interface", "IF", take_interface, "capture datagrams to UDP port 5300 on this interface"},
    {'f', "filter", "EXPR", take_filter, "only what this pcap expression accepts too"},
    {'F', "whole-filter", "EXPR", take_whole_filter, "what this pcap expression accepts, instead of UDP to port 5300"},
    {0, "format", "NAME", take_format, "text (the default), json, csv or tsv"},
    {0, "no-header", NULL, take_no_header, "do not print the line with the column names"},
    {'s', "stats", NULL, take_stats_only, "only statistics: a line and the source's summary for each"},
    {'S', "summaries", NULL, take_summaries, "the summary of every source after each 100000 datagrams"},
    {'V', "version", NULL, take_version, "print the version"},
    {'h', "help", NULL, take_help, "print this help"},
    {0, NULL, NULL, NULL, NULL},
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
