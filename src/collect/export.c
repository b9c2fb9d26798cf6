/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `export` and `check`: a walk over the journal, beside who writes it. The first writes its datagrams as one pcap file
 * without damage, or the store's rows, the second says what it has found. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "collect/asking.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "journal/reader.h"
#include "query/dump.h"
#include "record/moment.h"

enum export_format { EXPORT_PCAP, EXPORT_CSV, EXPORT_NDJSON, EXPORT_FORMATS };

static const char *const export_formats[EXPORT_FORMATS] = {"pcap", "csv", "ndjson"};

struct walk_config {
    const char *directory, *write_path;
    unsigned format, what;
    bool has_what;
    int64_t now_us, since_us, until_us;
    const char *since, *until;
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct walk_config *)config)->directory, err);
}

static int take_write(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct walk_config *)config)->write_path, err);
}

static int take_format(void *config, const char *value, struct error *err)
{
    unsigned which;
    if (parse_choice(value, export_formats, EXPORT_FORMATS, &which, err) != 0)
        return -1;
    ((struct walk_config *)config)->format = which;
    return 0;
}

static int take_what(void *config, const char *value, struct error *err)
{
    struct walk_config *c = config;
    unsigned which;
    if (parse_choice(value, dump_names, DUMP_WHATS, &which, err) != 0)
        return -1;
    c->what = which;
    c->has_what = true;
    return 0;
}

static int take_since(void *config, const char *value, struct error *err)
{
    struct walk_config *c = config;
    int result = moment_parse(value, c->now_us, &c->since_us, err);
    c->since = value;
    moment_end_after(value, c->since_us, c->until, &c->until_us);
    return result;
}

static int take_until(void *config, const char *value, struct error *err)
{
    struct walk_config *c = config;
    int result = moment_parse_end(value, c->now_us, &c->until_us, err);
    c->until = value;
    moment_end_after(c->since, c->since_us, value, &c->until_us);
    return result;
}

static const struct option_row export_rows_table[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept; else ./dnsflow-data, or what the service keeps",
     0},
    {'w', "write", "FILE", take_write, "the file, - = standard output (the default)", 0},
    {0, "format", "NAME", take_format,
     "pcap, the default, is the datagrams of the journal; others are rows of the store, what was seen;", 0},
    {0, "what", "NAME", take_what, "which rows, lookups by default;", 0},
    {0, "since", "TIME", take_since, "what was received or seen from then on, such as today, 10:00 or 2h", 0},
    {0, "until", "TIME", take_until, "what was received or seen before then", 0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct walk_config, show_help)},
    {0, NULL, NULL, NULL,
     "dnsflow_collect export --since 1h | dnsflow_read -r -\n"
     "dnsflow_collect export -w /tmp/all.pcap\n"
     "dnsflow_collect export --format csv --since yesterday --until today -w lookups.csv\n"
     "dnsflow_collect export --format ndjson --what answers | gzip > answers.ndjson.gz",
     0},
};

static const struct option_row check_rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept; else ./dnsflow-data, or what the service keeps",
     0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct walk_config, show_help)},
    {0, NULL, NULL, NULL, "dnsflow_collect check --directory /srv/dns", 0},
};

/* What a walk has met. */
struct walk {
    const struct walk_config *config;
    FILE *out; /* NULL: nothing is written */
    uint64_t blocks, datagrams, records;
    int64_t first_us, last_us;
};

/* The datagrams of a block that are wanted. Returns 0, or -1: they could not be written. */
static int take_block(struct walk *w, const struct journal_block *block, const uint8_t *plain)
{
    const uint8_t *at = plain, *start = plain, *end = plain + block->plain_len;
    struct received from;
    w->blocks++;
    while (journal_record_read(&at, end, &from) == 1) {
        size_t len = (size_t)(at - start);
        bool is_wanted = from.time_us >= w->config->since_us && from.time_us < w->config->until_us;
        w->datagrams += is_wanted;
        w->first_us = from.time_us < w->first_us ? from.time_us : w->first_us;
        w->last_us = from.time_us > w->last_us ? from.time_us : w->last_us;
        if (is_wanted && w->out && fwrite(start, 1, len, w->out) != len)
            return -1;
        start = at;
    }
    w->records += block->records;
    return 0;
}

/* Returns 0; -1 with the cause, empty where a pipe has been closed. */
static int walk_journal(struct walk *w, struct journal_reader *reader, struct error *err)
{
    struct journal_block block;
    const uint8_t *plain;
    uint8_t header[JOURNAL_FILE_HEADER];
    int result;
    journal_file_header(header);
    bool is_good = !w->out || fwrite(header, 1, sizeof(header), w->out) == sizeof(header);
    while (is_good && (result = journal_read(reader, &block, &plain, err)) != JOURNAL_NOTHING) {
        if (result == JOURNAL_FAILED)
            return -1;
        if (block.last_us >= w->config->since_us && block.first_us < w->config->until_us)
            is_good = take_block(w, &block, plain) == 0;
    }
    if (is_good && (!w->out || fflush(w->out) == 0))
        return 0;
    if (errno != EPIPE)
        return error_errno(err, "%s", w->config->write_path ? w->config->write_path : "standard output");
    clearerr(w->out); /* who reads it has enough */
    err->text[0] = '\0';
    return -1;
}

/* One line for each kind of damage. Returns whether there was any. */
static bool tell_damage(const struct journal_damage *damage)
{
    if (damage->blocks > 0)
        log_line("journal: %" PRIu64 " damaged blocks", damage->blocks);
    if (damage->bytes > 0)
        log_line("journal: %" PRIu64 " bytes that belong to no block", damage->bytes);
    if (damage->files > 0)
        log_line("journal: %" PRIu64 " files that are empty or no journal", damage->files);
    if (damage->gone > 0)
        log_line("journal: %" PRIu64 " files are missing in the chain", damage->gone);
    return damage->blocks + damage->bytes + damage->files + damage->gone > 0;
}

/* Returns the exit status: damage is 1. */
static int walk_directory(struct walk *w, struct error *err)
{
    struct directory directory;
    const struct journal_position start = {0, 0};
    const char *path = directory_to_ask(w->config->directory);
    if (directory_look(path, &directory, err) != 0)
        return EXIT_FAILURE;
    struct journal_reader *reader = journal_follow(directory.journal_fd, start);
    int status = EXIT_FAILURE;
    if (!reader) {
        error_set(err, "out of memory");
    } else {
        int result = walk_journal(w, reader, err);
        bool is_damaged = tell_damage(journal_damage(reader));
        bool is_closed = result != 0 && err->text[0] == '\0'; /* who read it has enough */
        status = (result == 0 || is_closed) && !is_damaged ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    journal_reader_close(reader);
    directory_close(&directory);
    return status;
}

static struct walk_config usual(void)
{
    return (struct walk_config){.now_us = clock_unix_us(), .since_us = INT64_MIN, .until_us = INT64_MAX};
}

/* ---- rows ---- */

/* What is kept, with what a collector that runs has received last. Returns the exit status: what went meanwhile, as a
 * partition that was let go, is missing, and 1. */
static int export_rows(const struct walk_config *c, FILE *out, struct error *err)
{
    const char *path = directory_to_ask(c->directory);
    struct kept kept;
    uint64_t rows;
    char unread[ASKING_LINE];
    if (!asking_refresh(path, unread))
        log_line("warning: %s", unread);
    if (kept_open(path, &kept, err) != 0)
        return EXIT_FAILURE;
    int64_t since_s = c->since_us == INT64_MIN ? INT64_MIN : c->since_us / SECOND_US;
    int64_t until_s = c->until_us == INT64_MAX ? INT64_MAX : (c->until_us + SECOND_US - 1) / SECOND_US;
    enum answer_format format = c->format == EXPORT_CSV ? ANSWER_CSV : ANSWER_NDJSON;
    int result = dump(&kept, (enum dump_what)c->what, since_s, until_s, out, format, &rows, err);
    uint64_t missing = kept.missing + kept.damaged;
    kept_close(&kept);
    if (result == 0 && (fflush(out) != 0 || ferror(out)) && errno != EPIPE)
        result = error_errno(err, "%s", c->write_path ? c->write_path : "standard output");
    if (result != 0)
        return EXIT_FAILURE;
    clearerr(out); /* who reads it has enough */
    log_line("%" PRIu64 " rows exported", rows);
    if (missing > 0)
        log_line("error: %" PRIu64 " files of lookups went meanwhile, and are missing", missing);
    return missing > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int export_datagrams(const struct walk_config *config, FILE *out, struct error *err)
{
    struct walk w = {.config = config, .out = out, .first_us = INT64_MAX, .last_us = INT64_MIN};
    int status = walk_directory(&w, err);
    if (err->text[0] == '\0')
        log_line("%" PRIu64 " datagrams exported", w.datagrams);
    return status;
}

/* Returns 0, or -1 with what is wrong. */
static int check_export(const struct walk_config *c, bool is_file, struct error *err)
{
    if (c->since_us >= c->until_us)
        return error_set(err, "options --since and --until: expected the first to be before the second");
    if (c->has_what && c->format == EXPORT_PCAP)
        return error_set(err, "option --what: expected --format csv or ndjson with it, as a capture has no rows");
    if (!is_file && c->format == EXPORT_PCAP && isatty(STDOUT_FILENO))
        return error_set(err, "a capture is not for a terminal: expected -w FILE, or a pipe");
    return 0;
}

int command_export(int argc, char **argv, struct error *err)
{
    struct walk_config config = usual();
    FILE *out = stdout;
    if (options_parse(export_rows_table, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(export_rows_table, "dnsflow_collect export",
                     "Writes what was received as a capture file, or what is kept as rows.", stdout);
        return EXIT_SUCCESS;
    }
    bool is_file = config.write_path && strcmp(config.write_path, "-") != 0;
    if (check_export(&config, is_file, err) != 0)
        return 2;
    if (is_file && !(out = fopen(config.write_path, "wbe"))) {
        error_errno(err, "%s", config.write_path);
        return EXIT_FAILURE;
    }
    int status = config.format == EXPORT_PCAP ? export_datagrams(&config, out, err) : export_rows(&config, out, err);
    if (is_file && fclose(out) != 0) {
        error_errno(err, "%s", config.write_path);
        status = EXIT_FAILURE;
    }
    return status;
}

/* ---- check ---- */

/* The database and every partition that it has. Returns 0, or -1, and has said why. */
static int check_store(const char *directory)
{
    struct kept kept;
    struct error why;
    uint64_t lookups = 0;
    char path[512];
    size_t i, gone = 0;
    snprintf(path, sizeof(path), "%s/dnsflow.db", directory);
    bool is_new = access(path, F_OK) != 0;
    if (is_new && kept_open_lookups(directory, &kept) == 0) {
        kept_close(&kept);
        log_line("error: %s: is not there, but lookups are; the next start of \"run\" makes it anew", path);
        return -1;
    }
    if (is_new) {
        printf("store: none yet\n");
        return 0;
    }
    if (kept_open(directory, &kept, &why) != 0) {
        log_line("error: %s", why.text);
        return -1;
    }
    int result = kept_check_database(&kept, &why);
    if (result != 0)
        log_line("error: %s", why.text);
    for (i = 0; i < kept.partitions_count; i++) {
        if (kept_check_partition(&kept, i, &why) == 0) {
            lookups += kept.partitions[i].lookups;
        } else if (kept_has_gone(&kept, i)) {
            gone++;
        } else {
            log_line("error: %s", why.text);
            result = -1;
        }
    }
    printf("store: %zu files of lookups, %" PRIu64 " lookups%s\n", kept.partitions_count - gone, lookups,
           result == 0 ? ", all whole" : "");
    if (gone > 0)
        printf("       %zu more were let go, merged or written anew meanwhile\n", gone);
    kept_close(&kept);
    return result;
}

int command_check(int argc, char **argv, struct error *err)
{
    struct walk_config config = usual();
    struct walk w = {.config = &config, .first_us = INT64_MAX, .last_us = INT64_MIN};
    if (options_parse(check_rows, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(check_rows, "dnsflow_collect check", "Says whether what is kept is whole.", stdout);
        return EXIT_SUCCESS;
    }
    int status = walk_directory(&w, err);
    if (err->text[0] == '\0' && check_store(directory_to_ask(config.directory)) != 0)
        status = EXIT_FAILURE;
    if (err->text[0] == '\0')
        printf("journal: %" PRIu64 " blocks, %" PRIu64 " datagrams, %" PRIu64 " records%s\n", w.blocks, w.datagrams,
               w.records, status == EXIT_SUCCESS ? ", all whole" : "");
    return status;
}
