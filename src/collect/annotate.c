/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `annotate`: adds to flows the names that their clients had looked up. */
#include "annotate/annotate.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "collect/asking.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "query/kept.h"

enum { FROM_MAX = 4096, SECONDS_USUAL = 300, SECONDS_MAX = 7 * 86400, MIB_USUAL = 768, MIB_MAX = 1 << 20 };

struct annotate_config {
    const char *directory, *input, *prefix, *calibrate;
    const char *from[FROM_MAX];
    size_t from_count;
    const struct flow_format *format;
    struct flow_fields fields;
    struct confidence table;
    uint64_t slack_s, ttl_s, memory_mib;
    bool is_old; /* --no-refresh */
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct annotate_config *)config)->directory, err);
}

static int take_from(void *config, const char *value, struct error *err)
{
    struct annotate_config *c = config;
    if (c->from_count == FROM_MAX)
        return error_set(err, "expected at most %d files", FROM_MAX);
    return parse_path(value, &c->from[c->from_count++], err);
}

static int take_format(void *config, const char *value, struct error *err)
{
    unsigned which;
    if (parse_choice(value, flow_format_names, flow_formats_count, &which, err) != 0)
        return -1;
    ((struct annotate_config *)config)->format = flow_format_of(which);
    return 0;
}

static int take_fields(void *config, const char *value, struct error *err)
{
    return flow_fields_parse(&((struct annotate_config *)config)->fields, value, err);
}

static int take_prefix(void *config, const char *value, struct error *err)
{
    if (strlen(value) >= COLUMN_MAX - 16 || strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                          "0123456789_-.") != strlen(value))
        return error_set(err, "expected letters, digits, or any of \"_-.\"");
    ((struct annotate_config *)config)->prefix = value;
    return 0;
}

static int take_slack(void *config, const char *value, struct error *err)
{
    return parse_number(value, 0, SECONDS_MAX, &((struct annotate_config *)config)->slack_s, err);
}

static int take_ttl(void *config, const char *value, struct error *err)
{
    return parse_number(value, 0, SECONDS_MAX, &((struct annotate_config *)config)->ttl_s, err);
}

static int take_memory(void *config, const char *value, struct error *err)
{
    return parse_number(value, 4, MIB_MAX, &((struct annotate_config *)config)->memory_mib, err);
}

static int take_confidence(void *config, const char *value, struct error *err)
{
    return confidence_read(value, &((struct annotate_config *)config)->table, err);
}

static int take_calibrate(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct annotate_config *)config)->calibrate, err);
}

static int take_input(void *config, const char *value, struct error *err)
{
    struct annotate_config *c = config;
    if (c->input)
        return error_set(err, "expected one list of flows");
    return parse_path(value, &c->input, err);
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory,
     "names out of what a collector keeps there; else ./dnsflow-data, or what the service keeps", 0},
    {0, "from", "FILE", take_from,
     "names out of this capture of datagrams or file of a journal instead, or a folder of those; - is standard input",
     OPTION_REPEATS},
    {0, "format", "NAME", take_format, "what the flows are, by their first character if it is left out;", 0},
    {0, "fields", "FIELD=COLUMN,...", take_fields,
     "what columns are called: client, server, time, port (of the server), source-port and name (the true one, if it is"
     " known)",
     0},
    {0, "prefix", "TEXT", take_prefix, "begins the names of the columns that are added", 0},
    {0, "slack", "SECONDS", take_slack, "how long a name is good behind the TTL of its lookup, 300 by default", 0},
    {0, "ttl", "SECONDS", take_ttl, "of lookups whose TTL is not known, as of what is kept, 300 by default", 0},
    {0, "memory", "MIB", take_memory, "for lookups; when it is full the older half goes, 768 by default", 0},
    {0, "confidence", "FILE", take_confidence, "how sure names are, as --calibrate found it, instead of what is usual",
     0},
    {0, "calibrate", "FILE", take_calibrate,
     "finds out how sure names are, of flows that have a column \"name\", and writes that there; - prints it, and no "
     "flows",
     0},
    {0, "no-refresh", NULL, NULL, "do not ask the collector to bring in what it has received in the last minute",
     offsetof(struct annotate_config, is_old)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct annotate_config, show_help)},
    {0, NULL, "FLOWS", take_input,
     "nfdump -R /var/nfdump -o csv | dnsflow_collect annotate --directory /srv/dns -\n"
     "dnsflow_collect annotate --from day.pcap.zst flows.ndjson\n"
     "dnsflow_collect annotate --from day.pcap.zst --fields client=id.orig_h,server=id.resp_h,time=ts conn.log",
     0},
};

static int check(const struct annotate_config *c, struct error *err)
{
    if (c->directory && c->from_count > 0)
        return error_set(err, "options --directory and --from: expected one of them");
    if (!c->input)
        return error_set(err, "expected a list of flows, - = standard input");
    return 0;
}

/* What is to be asked, or read. Returns 0, or -1. */
static int open_origin(const struct annotate_config *c, struct kept *kept, struct origin *out, struct error *err)
{
    static const struct kept_budget all = {0, 0, 0};
    const char *directory = directory_to_ask(c->directory);
    if (c->from_count > 0)
        return origin_open_files(c->from, c->from_count, out, err);
    if (!c->is_old)
        asking_refresh_or_tell(directory);
    if (kept_open(directory, kept, err) != 0)
        return -1;
    kept_begin(kept, &all);
    return origin_open_store(kept, out, err);
}

/* What was found out of how sure names are. Returns 0, or -1. */
static int put_table(const struct annotate_config *c, const struct confidence *table, struct error *err)
{
    bool is_file = strcmp(c->calibrate, "-") != 0;
    FILE *out = is_file ? fopen(c->calibrate, "we") : stdout;
    if (!out)
        return error_errno(err, "%s", c->calibrate);
    confidence_write(table, out);
    if (is_file && fclose(out) != 0)
        return error_errno(err, "%s", c->calibrate);
    return 0;
}

/* What was missing, so that names may be too. Returns the exit status. */
static int tell_end(const struct annotate_config *c, const struct annotate_counts *counts, const struct kept *kept,
                    const struct origin *origin, const struct lookups *lookups)
{
    annotate_tell(counts);
    if (lookups_gone(lookups) > 0)
        log_line("%" PRIu64
                 " lookups had to go for want of memory (--memory); flows in the order of their time need fewer",
                 lookups_gone(lookups));
    if (c->from_count > 0 && origin_datagrams(origin) == 0 && counts->lines > counts->unreadable + counts->beside) {
        log_line("error: no DNSFlow datagrams came; a capture of DNS goes through dnsflow -r FILE -x -w - first");
        return EXIT_FAILURE;
    }
    if (kept->missing + kept->damaged > 0)
        log_line("error: %" PRIu64 " files of lookups are missing or damaged", kept->missing + kept->damaged);
    bool is_broken = c->from_count > 0 && origin_is_broken(origin);
    return is_broken || kept->missing + kept->damaged > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(const struct annotate_config *c, int fd, struct kept *kept, struct origin *origin,
               struct lookups *lookups, struct error *err)
{
    struct confidence found = {.cell = {{{0, 0}}}};
    struct annotate_counts counts;
    const char *name = strcmp(c->input, "-") == 0 ? "standard input" : c->input;
    const struct annotate_options options = {.format = c->format,
                                             .fields = &c->fields,
                                             .prefix = c->prefix,
                                             .table = &c->table,
                                             .calibrate = c->calibrate ? &found : NULL,
                                             .name = name};
    bool is_quiet = c->calibrate && strcmp(c->calibrate, "-") == 0;
    int result = annotate(fd, lookups, origin, &options, is_quiet ? NULL : stdout, &counts, err);
    if (result == ANNOTATE_UNFIT)
        return 2;
    if (result != ANNOTATE_DONE)
        return err->text[0] ? EXIT_FAILURE : EXIT_SUCCESS;
    if (c->calibrate && counts.known == 0) {
        error_set(err, "%s: no flow has a name that is known; --fields name=COLUMN says where it is", name);
        return EXIT_FAILURE;
    }
    if (c->calibrate && put_table(c, &found, err) != 0)
        return EXIT_FAILURE;
    return tell_end(c, &counts, kept, origin, lookups);
}

static int run_all(const struct annotate_config *c, struct error *err)
{
    const struct lookups_options options = {
        .slack_s = (uint32_t)c->slack_s, .ttl_s = (uint32_t)c->ttl_s, .bytes = ((size_t)c->memory_mib << 20) / 2};
    struct kept kept = {.db = NULL};
    struct origin origin = {NULL, NULL, NULL};
    bool is_file = strcmp(c->input, "-") != 0;
    int status = EXIT_FAILURE, fd = is_file ? open(c->input, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (fd < 0) {
        error_errno(err, "%s", c->input);
        return EXIT_FAILURE;
    }
    struct lookups *lookups = lookups_create(&options);
    if (!lookups)
        error_set(err, "out of memory");
    else if (open_origin(c, &kept, &origin, err) == 0)
        status = run(c, fd, &kept, &origin, lookups, err);
    origin_close(&origin);
    kept_close(&kept);
    lookups_destroy(lookups);
    if (is_file)
        close(fd);
    return status;
}

int command_annotate(int argc, char **argv, struct error *err)
{
    struct annotate_config *c = calloc(1, sizeof(*c));
    int status = 2;
    if (!c) {
        error_set(err, "out of memory");
        return EXIT_FAILURE;
    }
    c->slack_s = c->ttl_s = SECONDS_USUAL;
    c->memory_mib = MIB_USUAL;
    c->table = confidence_usual;
    if (options_parse(rows, argc, argv, c, err) == 0) {
        if (c->show_help) {
            options_help(
                rows, "dnsflow_collect annotate",
                "Adds to each flow the name that its client had looked up: name, via, method, age, candidates, "
                "confidence.",
                stdout);
            status = EXIT_SUCCESS;
        } else if (check(c, err) == 0) {
            status = run_all(c, err);
        }
    }
    free(c);
    return status;
}
