/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What follows from the options, and whether they fit together. */
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/config.h"

static bool is_input(const char *path, const char *input)
{
    struct stat a, b;
    if (strcmp(path, "-") == 0 || stat(path, &a) != 0)
        return false;
    int found = strcmp(input, "-") == 0 ? fstat(STDIN_FILENO, &b) : stat(input, &b);
    return found == 0 && S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The path without links and detours, also when there is no such file yet. */
static void plain_path(const char *path, char *out)
{
    char folder[PATH_MAX], target[PATH_MAX];
    ssize_t len = readlink(path, target, sizeof(target) - 1);
    const char *slash = strrchr(path, '/');
    if (realpath(path, out))
        return;
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (!realpath(folder, out))
        snprintf(out, PATH_MAX, "%s", folder);
    target[len > 0 ? len : 0] = '\0';
    size_t used = target[0] == '/' ? 0 : strlen(out);
    snprintf(out + used, PATH_MAX - used, "%s%s", used ? "/" : "", len > 0 ? target : slash ? slash + 1 : path);
}

static bool is_same_output(const char *a, const char *b)
{
    char a_plain[PATH_MAX], b_plain[PATH_MAX];
    plain_path(a, a_plain);
    plain_path(b, b_plain);
    return strcmp(a_plain, b_plain) == 0;
}

struct output_path {
    const char *option, *path;
};

/* Those of the outputs that are files. */
static size_t list_paths(const struct config *config, struct output_path *out)
{
    const struct output_path others[] = {{"--dump-bad", config->dump_bad_path}, {"-P/--pidfile", config->pid_path}};
    size_t i, count = 0;
    for (i = 0; i < config->sinks_count; i++)
        if (config->sinks[i].kind->is_file)
            out[count++] = (struct output_path){config->sinks[i].option, config->sinks[i].value};
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (others[i].path)
            out[count++] = others[i];
    return count;
}

/* No output may destroy an input or another output. */
static int check_paths(const struct config *config, struct error *err)
{
    struct output_path outputs[SINKS_MAX + 2];
    size_t count = list_paths(config, outputs), i, k;
    for (k = 0; k < count; k++) {
        for (i = 0; i < config->files_count; i++)
            if (is_input(outputs[k].path, config->files[i]))
                return error_set(err, "option %s %s: expected a file other than the one that is read",
                                 outputs[k].option, outputs[k].path);
        for (i = 0; i < k; i++)
            if (is_same_output(outputs[i].path, outputs[k].path))
                return error_set(err, "option %s %s: expected a file other than that of %s", outputs[k].option,
                                 outputs[k].path, outputs[i].option);
    }
    return 0;
}

static int check_sink(const struct config *config, const struct sink_plan *sink, size_t workers, struct error *err)
{
    if (!sink->kind->is_file)
        return 0;
    if (strcmp(sink->value, "-") == 0 && isatty(STDOUT_FILENO))
        return error_set(err,
                         "option %s -: expected a file or pipe as standard output; a capture is no text for a terminal",
                         sink->option);
    if (config->workers > 1)
        return error_set(err, "option %s %s: expected one worker (-M 1), as the file has one sequence", sink->option,
                         sink->value);
    if (config->files_count == 0 && workers > 1)
        return error_set(err, "option %s %s: expected one interface or dnstap socket, as the file has one sequence",
                         sink->option, sink->value);
    return 0;
}

static int check_sinks(const struct config *config, size_t workers, struct error *err)
{
#define SINK_WORDS(letter, name, label, arg, kind, help, flags) ", " label " " arg
    static const char list[] = SINK_KINDS(SINK_WORDS);
#undef SINK_WORDS
    size_t i;
    if (config->sinks_count == 0)
        return error_set(err, "no output: expected one or more of: %s", list + 2);
    for (i = 0; i < config->sinks_count; i++)
        if (check_sink(config, &config->sinks[i], workers, err) != 0)
            return -1;
    return 0;
}

int config_check(const struct config *config, struct error *err)
{
    size_t interfaces = config->interfaces_count || config->dnstaps_count ? config->interfaces_count : 1;
    size_t workers = interfaces * config->workers + config->dnstaps_count;
    if (config->files_count > 0 && config->interfaces_count > 0)
        return error_set(err, "options -i/--interface and -r/--read: expected only one of them; arguments without an "
                              "option are files");
    if (config->files_count > 0 && config->dnstaps_count > 0)
        return error_set(err, "option -t/--dnstap: expected either sockets or files");
    if (config->filter && config->dnstap_given)
        return error_set(err,
                         "options -f/--filter and -t/--dnstap: expected only one of them; dnstap has no packets that "
                         "an expression could be applied to");
    if (check_sinks(config, workers, err) != 0)
        return -1;
    if (config->has_metrics && config->files_count > 0)
        return error_set(err, "option --metrics: expected -i/--interface or -t/--dnstap with it");
    if (config->adaptive_max && config->files_count > 0)
        return error_set(err, "option --adaptive-sample: expected -i/--interface; a file is never lost");
    if (config->adaptive_max && config->sample > UINT32_MAX / config->adaptive_max)
        return error_set(err, "option --adaptive-sample %u: expected at most %u with this --sample",
                         config->adaptive_max, UINT32_MAX / config->sample);
    if (config->rate && config->files_count == 0)
        return error_set(err, "option --rate: expected -r/--read with it; live traffic cannot be slowed down");
    if (workers > CONFIG_WORKERS_MAX)
        return error_set(err, "option -M/--workers %u: expected at most %d over all interfaces", config->workers,
                         CONFIG_WORKERS_MAX);
    if (config->user && !getpwnam(config->user))
        return error_set(err, "option --user %s: there is no such user", config->user);
    return check_paths(config, err);
}

/* What was not given follows from the rest: files, and what a filter expression lets through, are looked into as far
 * as can be; live the kernel's filter costs more for each. */
void config_complete(struct config *config)
{
    bool looks_at_all = config->files_count > 0 || config->filter;
    size_t i;
    for (i = 0; i < config->dnstaps_count; i++)
        config->dnstaps[i].mode = config->dnstap_mode;
    if (config->balance_checksum && !config->fanout_given)
        config->fanout = CAPTURE_FANOUT_CHECKSUM;
    if (config->background && !config->log.is_given)
        config->log.where = LOG_TO_SYSLOG;
    if (config->ports_count == 0)
        config->ports[config->ports_count++] = DNS_PORT;
    if (config->mdns)
        config->ports[config->ports_count++] = MDNS_PORT;
    if (!config->defrag_given)
        config->defrag = true;
    if (!config->tcp_given)
        config->tcp = looks_at_all;
    if (!config->decap_given)
        config->encapsulations = looks_at_all ? ENCAP_ALL : 0;
    net_tunnels_fill(config->tunnels, config->encapsulations);
    for (i = 0; i < config->tunnel_ports_count; i++) {
        config->named |= 1u << config->tunnel_encapsulation[i];
        net_tunnels_add(config->tunnels, config->tunnel_encapsulation[i], config->tunnel_ports[i]);
    }
}
