/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "capture/filter.h"
#include "print/column.h"
#include "record/moment.h"

static int take_file(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    if (c->files_count == READER_FILES_MAX)
        return error_set(err, "expected at most %d files", READER_FILES_MAX);
    if (parse_path(value, &c->files[c->files_count], err) != 0)
        return -1;
    c->files_count++;
    return 0;
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
    const struct printer *printer = printer_find(value);
    char names[64];
    if (!printer) {
        printer_names(names, sizeof(names));
        return error_set(err, "expected one of: %s", names);
    }
    ((struct reader_config *)config)->printer = printer;
    return 0;
}

static int take_listen(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    c->is_listening = true;
    c->listener.advice = "-i captures beside who listens, --reuse-port shares the port";
    return listener_parse(value ? value : "", &c->target, &c->listener, err);
}

static int take_client(void *config, const char *value, struct error *err)
{
    return match_add_prefix(&((struct reader_config *)config)->match, MATCH_CLIENT, value, err);
}

static int take_resolver(void *config, const char *value, struct error *err)
{
    return match_add_prefix(&((struct reader_config *)config)->match, MATCH_RESOLVER, value, err);
}

static int take_answer(void *config, const char *value, struct error *err)
{
    return match_add_prefix(&((struct reader_config *)config)->match, MATCH_ANSWER, value, err);
}

static int take_name(void *config, const char *value, struct error *err)
{
    return match_add_name(&((struct reader_config *)config)->match, value, err);
}

static int take_rcode(void *config, const char *value, struct error *err)
{
    return match_add_numbers(&((struct reader_config *)config)->match, MATCH_RCODE, value, err);
}

static int take_qtype(void *config, const char *value, struct error *err)
{
    return match_add_numbers(&((struct reader_config *)config)->match, MATCH_QTYPE, value, err);
}

static int take_transport(void *config, const char *value, struct error *err)
{
    return match_add_numbers(&((struct reader_config *)config)->match, MATCH_TRANSPORT, value, err);
}

static int take_family(void *config, const char *value, struct error *err)
{
    static const char *const names[] = {"4", "6"};
    unsigned which;
    if (parse_choice(value, names, 2, &which, err) != 0)
        return -1;
    match_add_family(&((struct reader_config *)config)->match, which ? 6 : 4);
    return 0;
}

static int take_since(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    int64_t time_us = 0;
    int result = moment_parse(value, c->now_us, &time_us, err);
    match_set_since(&c->match, time_us);
    c->since = value;
    if (c->match.has_until)
        moment_end_after(value, time_us, c->until, &c->match.until_us);
    return result;
}

static int take_until(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    int64_t time_us = 0;
    int result = moment_parse_end(value, c->now_us, &time_us, err);
    c->until = value;
    if (c->match.has_since)
        moment_end_after(c->since, c->match.since_us, value, &time_us);
    match_set_until(&c->match, time_us);
    return result;
}

static int take_count(void *config, const char *value, struct error *err)
{
    return parse_number(value, 1, UINT64_MAX, &((struct reader_config *)config)->count, err);
}

static int take_fields(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    struct layout none;
    return layout_parse(value, c ? &c->layout : &none, err);
}

static int take_time(void *config, const char *value, struct error *err)
{
    static const char *const names[WHEN_STYLES] = {
        [WHEN_UTC] = "utc", [WHEN_LOCAL] = "local", [WHEN_EPOCH] = "epoch", [WHEN_ISO] = "iso"};
    struct reader_config *c = config;
    unsigned which;
    if (parse_choice(value, names, WHEN_STYLES, &which, err) != 0)
        return -1;
    c->layout.time_style = (enum when_style)which;
    c->layout.has_time_style = true;
    return 0;
}

enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

static int take_color(void *config, const char *value, struct error *err)
{
    static const char *const names[] = {[COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"};
    unsigned which;
    if (parse_choice(value, names, 3, &which, err) != 0)
        return -1;
    ((struct reader_config *)config)->color = which;
    return 0;
}

static int take_interval(void *config, const char *value, struct error *err)
{
    return parse_number(value, 1, 86400, &((struct reader_config *)config)->interval, err);
}

static int take_speed(void *config, const char *value, struct error *err)
{
    double *speed = &((struct reader_config *)config)->speed;
    char *end;
    *speed = strtod(value, &end);
    if (strspn(value, "0123456789.") != strlen(value) || *end || !(*speed >= 0.001 && *speed <= 1e6))
        return error_set(err, "expected a number from 0.001 to 1000000; 1 = as it was captured");
    return 0;
}

static int take_auth_key(void *config, const char *value, struct error *err)
{
    struct reader_config *c = config;
    if (!secret_is_supported())
        return error_set(err, "this program was built without libcrypto");
    const char *path;
    c->keys.list[0].is_for_all = true;
    c->keys.count = 1;
    return parse_path(value, &path, err) == 0 ? secret_read_key(value, c->keys.list[0].bytes, err) : -1;
}

static int take_user(void *config, const char *value, struct error *err)
{
    ((struct reader_config *)config)->user = value;
    return *value ? 0 : error_set(err, "expected a user's name");
}

static int take_seccomp(void *config, const char *value, struct error *err)
{
    unsigned choice;
    if (parse_choice(value, sandbox_mode_names, SANDBOX_MODES, &choice, err) != 0)
        return -1;
    ((struct reader_config *)config)->seccomp = (enum sandbox_mode)choice;
    return 0;
}

static const struct option_row rows[] = {
    {0, "", NULL, NULL, "Input, one of the first three", 0},
    {'l', "listen", "[ADDR:PORT]", take_listen,
     "receive datagrams on this address and UDP port, [::]:5300 if it is left out; :PORT, PORT and ADDR alone do", 0},
    {'r', "read", "FILE", take_file,
     "read datagrams from a capture file: pcap or pcapng, plain or compressed, - = standard input; repeatable",
     OPTION_REPEATS},
    {'i', "interface", "IF", take_interface, "capture datagrams to UDP port 5300 on this interface", 0},
    {0, "reuse-port", NULL, NULL, "-l: share the port with other readers; each gets some sources",
     offsetof(struct reader_config, listener.reuse_port)},
    {'f', "filter", "EXPR", take_filter, "-r, -i: only what this pcap expression accepts too", 0},
    {'F', "whole-filter", "EXPR", take_whole_filter,
     "-r, -i: what this pcap expression accepts, instead of UDP to port 5300", 0},
    {0, "auth-key", "FILE", take_auth_key, "only datagrams signed with the key in this file, each once", 0},
    {0, "speed", "N", take_speed, "-r: N times as fast as it was captured", 0},
    {0, "", NULL, NULL, "Filters: all must hold, of one given several times any", 0},
    {0, "client", "CIDR", take_client, "only records of these clients", OPTION_REPEATS},
    {0, "resolver", "CIDR", take_resolver, "only records from these resolvers", OPTION_REPEATS},
    {0, "name", "PATTERN", take_name,
     "only records with such a name: NAME, *.NAME (below it) or *TEXT* (somewhere in it); UTF-8 finds xn-- too",
     OPTION_REPEATS},
    {0, "answer", "CIDR", take_answer, "only records with such an address among their answers", OPTION_REPEATS},
    {0, "rcode", "LIST", take_rcode, "only these RCODEs, such as NXDOMAIN,SERVFAIL; with ! in front: not these",
     OPTION_REPEATS},
    {0, "qtype", "LIST", take_qtype, "only questions of these types, such as TXT,MX; with ! in front: not of these",
     OPTION_REPEATS},
    {0, "transport", "LIST", take_transport,
     "only what came by these: udp, tcp, tls, https, quic, dnscrypt-udp, dnscrypt-tcp, unknown; with ! in front: not "
     "by these",
     OPTION_REPEATS},
    {0, "family", "4|6", take_family, "only records of IPv4, or of IPv6, clients", OPTION_REPEATS},
    {0, "since", "TIME", take_since,
     "only records from then on: 2026-01-31T23:59:59Z, 2026-01-31, today, yesterday, 10:00 (the last one; UTC), "
     "seconds "
     "since 1970, or 10m (ago; s, m, h or d)",
     0},
    {0, "until", "TIME", take_until, "only records before then", 0},
    {0, "count", "N", take_count, "end after N records", 0},
    {0, "", NULL, NULL, "Rows", 0},
    {0, "format", "NAME", take_format, "how records are printed, text by default, cof for passive DNS;", 0},
    {0, "fields", "LIST", take_fields, "these columns, separated by commas, those from response_time on of -x sensors;",
     0},
    {0, "time", "STYLE", take_time,
     "how times are printed: utc and local as HH:MM:SS, epoch in seconds since 1970, iso as "
     "2026-01-31T23:59:59.123456Z; utc in text by default, else iso;",
     0},
    {0, "color", "WHEN", take_color, "colors; by default on a terminal;", 0},
    {0, "no-header", NULL, NULL, "do not print the line with the column names",
     offsetof(struct reader_config, no_header)},
    {0, "", NULL, NULL, "Counts", 0},
    {0, "top", NULL, NULL, "what occurs most, on the terminal; h shows the keys",
     offsetof(struct reader_config, show_top)},
    {0, "summary", NULL, NULL, "what occurs most, in tables at the end, instead of rows",
     offsetof(struct reader_config, show_tables)},
    {0, "interval", "SECONDS", take_interval,
     "cof: print what was gathered this often, not only at the end; --top: draw this often (1)", 0},
    {'s', "stats", NULL, NULL, "only statistics: a line and the source's summary for each",
     offsetof(struct reader_config, stats_only)},
    {'S', "summaries", NULL, NULL, "only summaries: that of every source after each 100000 datagrams",
     offsetof(struct reader_config, show_summaries)},
    {0, "", NULL, NULL, "Rights", 0},
    {0, "user", "NAME", take_user,
     "started by root: become this user once the input is open (default: dnsflow, else nobody; for files stay root, "
     "only "
     "to read them)",
     0},
    {0, "seccomp", "MODE", take_seccomp, "system calls that are not needed: on = end (the default), log = only log;",
     0},
    {0, "", NULL, NULL, "Finding out", 0},
    {'V', "version", NULL, NULL, "print the version", offsetof(struct reader_config, show_version)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct reader_config, show_help)},
    {0, NULL, "[FILE...]", take_file,
     "dnsflow_read -l --format json             what sensors send to port 5300 here\n"
     "dnsflow_read -l --top                     what is asked for most, live\n"
     "dnsflow_read -r out.pcap --name '*.example.com' --fields client,names,ipv4",
     0},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= OPTION_ROWS_MAX, "options_parse() has room for every row");

void reader_config_help(FILE *out)
{
    options_help(rows, "dnsflow_read", "Receives, or reads from captures, the DNS records that dnsflow sensors send.",
                 out);
}

/* NO_COLOR: https://no-color.org */
static bool wants_color(unsigned color)
{
    const char *no = getenv("NO_COLOR"), *type = getenv("TERM");
    if (color != COLOR_AUTO)
        return color == COLOR_ALWAYS;
    return isatty(STDOUT_FILENO) && !(no && *no) && type && strcmp(type, "dumb") != 0;
}

/* Which options make no sense together. */
static int check(const struct reader_config *c, struct error *err)
{
    bool is_rows =
        !c->show_top && !c->show_tables && !c->stats_only && !c->show_summaries && c->printer != &printer_cof;
    if ((c->files_count > 0) + (c->interface != NULL) + c->is_listening > 1)
        return error_set(err, "options -l/--listen, -r/--read and -i/--interface: expected only one of them");
    if (c->is_listening && c->filter)
        return error_set(err, "options -f/--filter and -F/--whole-filter: expected with -r or -i");
    if (c->listener.reuse_port && !c->is_listening)
        return error_set(err, "option --reuse-port: expected with -l/--listen");
    if (c->speed > 0 && c->files_count == 0)
        return error_set(err, "option --speed: expected with -r/--read");
    if ((c->show_top || c->show_tables) && c->show_summaries)
        return error_set(err, "option -S/--summaries: expected without --top and --summary");
    if (c->show_summaries && c->printer == &printer_cof)
        return error_set(err, "option -S/--summaries: expected without --format cof");
    if (c->show_top + c->show_tables + c->stats_only + (c->printer == &printer_cof) > 1)
        return error_set(err, "options --top, --summary, -s/--stats and --format cof: expected only one of them");
    if ((c->show_top || c->show_tables) && c->printer != &printer_text)
        return error_set(err, "option --format: expected without --top and --summary");
    if (c->stats_only && (c->match.has_conditions || c->count > 0))
        return error_set(err, "option -s/--stats: expected without conditions on records");
    if (c->layout.has_time_style && !is_rows)
        return error_set(err, "option --time: expected with rows, of text, json, csv or tsv");
    if (!c->layout.is_usual && !is_rows)
        return error_set(err, "option --fields: expected with rows, of text, json, csv or tsv");
    if (c->interval > 0 && c->printer != &printer_cof && !c->show_top)
        return error_set(err, "option --interval: expected with --format cof or --top");
    if (c->match.has_since && c->match.has_until && c->match.since_us >= c->match.until_us)
        return error_set(err,
                         "options --since and --until: expected the first to be before the second; a clock is the last "
                         "one in --since and that of today in --until");
    return 0;
}

int reader_config_parse(struct reader_config *config, int argc, char **argv, struct error *err)
{
    memset(config, 0, sizeof(*config));
    config->now_us = clock_unix_us();
    config->printer = &printer_text;
    layout_default(&config->layout);
    if (options_parse(rows, argc, argv, config, err) != 0)
        return -1;
    if (config->show_help || config->show_version)
        return 0;
    if (config->user && !getpwnam(config->user))
        return error_set(err, "option --user %s: there is no such user", config->user);
    if (config->files_count == 0 && !config->interface && !config->is_listening)
        return error_set(err, "no input: expected -l/--listen, -r/--read FILE or -i/--interface IF");
    if (!config->layout.has_time_style)
        config->layout.time_style = config->printer->time_style;
    config->layout.color = config->printer == &printer_text && wants_color(config->color);
    return check(config, err);
}
