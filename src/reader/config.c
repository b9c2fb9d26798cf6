/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/config.h"

#include <string.h>

#include "base/options.h"

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

static int take_format(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    c->printer = printer_find(value);
    return c->printer ? 0 : error_set(err, "expected one of: %s", printer_names());
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
    {0, "format", "NAME", take_format, "text (the default) or tsv"},
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
    return config->file || config->interface
               ? 0
               : error_set(err, "no input: expected -r/--read FILE or -i/--interface IF");
}
