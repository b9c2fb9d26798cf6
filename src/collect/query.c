/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `query`: asks what is kept, from the command line. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "collect/asked.h"
#include "collect/asking.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "collect/source.h"
#include "query/ask.h"
#include "record/moment.h"

enum { ABOUT_MAX = 64, LIMIT_USUAL = 1000, LINE = 2048, TIME_USUAL_S = 30, TIME_MAX_S = 86400 };

struct query_config {
    const char *directory;
    enum answer_format format;
    unsigned color;
    int64_t now_us, since_us, until_us, at_us;
    uint64_t limit, most_s; /* 0 = none */
    const char *cursor, *client, *since, *until;
    bool has_source;
    struct feed_spec source; /* in place of a directory */
    bool is_old;             /* --no-refresh */
    bool has_time;
    const struct question *question;
    const char *about[ABOUT_MAX];
    size_t about_count;
    bool show_help;
};

/* ---- options ---- */

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct query_config *)config)->directory, err);
}

static int take_source(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    c->has_source = true;
    return source_parse(value, &c->source, err);
}

static int take_format(void *config, const char *value, struct error *err)
{
    unsigned which;
    if (parse_choice(value, answer_format_names, ANSWER_FORMATS, &which, err) != 0)
        return -1;
    ((struct query_config *)config)->format = (enum answer_format)which;
    return 0;
}

static int take_color(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    return asking_parse_color(value, c ? &c->color : NULL, err);
}

static int take_since(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    int result = moment_parse(value, c->now_us, &c->since_us, err);
    c->since = value;
    moment_end_after(value, c->since_us, c->until, &c->until_us);
    return result;
}

static int take_until(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    c->until = value;
    int result = moment_parse_end(value, c->now_us, &c->until_us, err);
    moment_end_after(c->since, c->since_us, value, &c->until_us);
    return result;
}

static int take_time(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    c->has_time = true;
    return moment_parse(value, c->now_us, &c->at_us, err);
}

static int take_client(void *config, const char *value, struct error *err)
{
    ((struct query_config *)config)->client = value;
    return question_check(&question_client, value, err);
}

static int take_cursor(void *config, const char *value, struct error *err)
{
    (void)err; /* whether it is one, the question knows */
    ((struct query_config *)config)->cursor = value;
    return 0;
}

static int take_max_time(void *config, const char *value, struct error *err)
{
    return parse_number(value, 0, TIME_MAX_S, &((struct query_config *)config)->most_s, err);
}

static int take_limit(void *config, const char *value, struct error *err)
{
    return parse_number(value, 0, INT64_MAX, &((struct query_config *)config)->limit, err);
}

/* "name, below, ... or loss" */
static int refuse_question(struct error *err, const char *before, const char *after)
{
    char all[300] = "";
    size_t i, used = 0;
    for (i = 0; i < questions_count && used < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
                                 i == 0                    ? ""
                                 : i + 1 < questions_count ? ", "
                                                           : " or ",
                                 questions[i]->name);
    return error_set(err, "%sexpected %s%s", before, all, after);
}

static int take_question(struct query_config *c, const char *value, struct error *err)
{
    size_t i;
    for (i = 0; i < questions_count; i++)
        if (strcmp(value, questions[i]->name) == 0) {
            c->question = questions[i];
            return 0;
        }
    return refuse_question(err, "", "");
}

static int take_word(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    if (!c->question)
        return take_question(c, value, err);
    if (c->question->about == ABOUT_NOTHING)
        return error_set(err, "expected nothing behind %s", c->question->name);
    if (c->about_count == ABOUT_MAX)
        return error_set(err, "expected at most %d of them; @FILE has room for any number", ABOUT_MAX);
    if (value[0] == '@' && value[1] == '\0')
        return error_set(err, "expected a file behind @, or - for standard input");
    if (value[0] != '@' && question_check(c->question, value, err) != 0)
        return -1;
    c->about[c->about_count++] = value;
    return 0;
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept; else ./dnsflow-data, or what the service keeps",
     0},
    {0, "source", "clickhouse[,KEY=VALUE...]", take_source,
     "ask the tables of this ClickHouse, with the keys of --store of run, in place of a directory", 0},
    {0, "since", "TIME", take_since, "what was seen from then on: 2026-01-31, today, 10:00 (UTC), 10m, 2h or 7d (ago)",
     0},
    {0, "until", "TIME", take_until, "what was seen before then", 0},
    {0, "limit", "N", take_limit, "at most so many rows for each name or address, 1000 by default, 0 = all", 0},
    {0, "cursor", "start|CURSOR", take_cursor,
     "page by page, in an order that does not change while more arrives; each page tells what leads to the next", 0},
    {0, "max-time", "SECONDS", take_max_time,
     "how long an answer may take, 30 by default, 0 = as long, and as much memory, as it takes", 0},
    {0, "time", "TIME", take_time, "the moment of at, now by default", 0},
    {0, "client", "ADDRESS", take_client, "what this client asked for goes before what others did, for at", 0},
    {0, "format", "NAME", take_format, "how rows are printed, table by default;", 0},
    {0, "color", "WHEN", take_color, "colors in tables; by default on a terminal;", 0},
    {0, "no-refresh", NULL, NULL, "do not ask the collector to bring in what it has received in the last minute",
     offsetof(struct query_config, is_old)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct query_config, show_help)},
    {0, NULL, "QUESTION [WHAT|@FILE...]", take_word,
     "dnsflow_collect query name www.example.com      what it was answered with\n"
     "dnsflow_collect query below example.com         it and all names below it\n"
     "dnsflow_collect query contains exampl           names with this text in them\n"
     "dnsflow_collect query address 192.0.2.0/24      the names behind an address or prefix\n"
     "dnsflow_collect query at 192.0.2.1 --time 10:00 the name behind it at a moment\n"
     "dnsflow_collect query who www.example.com       who asked for it\n"
     "dnsflow_collect query client 192.0.2.7          what this client asked for\n"
     "dnsflow_collect query rcode NXDOMAIN            who was answered with it\n"
     "dnsflow_collect query top names --limit 20      which had most lookups\n"
     "dnsflow_collect query new domains --since 1h    answered for the first time\n"
     "dnsflow_collect query loss --since today        what came of each sensor, and what is missing where\n"
     "dnsflow_collect query name @list.txt            names, *.names, addresses and prefixes, a line for each; @- is\n"
     "                                                standard input",
     0},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= OPTION_ROWS_MAX, "options_parse() has room for every row");

/* ---- answers ---- */

/* All that is asked about, and how it came out. */
struct asking {
    const struct query_config *config;
    struct kept kept;
    struct answer_output *output;
    struct asked asked;
    struct ask_result result;
    bool has_rest;
    char lost[512]; /* why there is no database */
    char folder[SOURCE_FOLDER];
};

static int read_all(struct asking *a, struct error *err)
{
    const struct query_config *c = a->config;
    size_t i;
    if (c->question->about == ABOUT_NOTHING)
        return asked_add(&a->asked, "", err);
    for (i = 0; i < c->about_count; i++) {
        const char *what = c->about[i];
        if ((what[0] == '@' ? asked_read(&a->asked, c->question, what + 1, err) : asked_add(&a->asked, what, err)) != 0)
            return -1;
    }
    return 0;
}

static int64_t to_seconds(int64_t time_us, bool is_end)
{
    return time_us == INT64_MIN || time_us == INT64_MAX ? time_us
                                                        : (time_us + (is_end ? SECOND_US - 1 : 0)) / SECOND_US;
}

static struct ask make_ask(const struct asking *a, const struct cursor *from)
{
    const struct query_config *c = a->config;
    return (struct ask){.what = a->asked.list,
                        .what_count = a->asked.count,
                        .is_list = a->asked.lines_count > 0,
                        .since_s = from && from->is_behind ? from->since_s : to_seconds(c->since_us, false),
                        .until_s = from && from->is_behind ? from->until_s : to_seconds(c->until_us, true),
                        .limit = c->limit,
                        .from = from,
                        .at_s = to_seconds(c->at_us, false),
                        .client = c->client};
}

static int ask_all(struct asking *a, const struct cursor *from, struct error *err)
{
    const struct query_config *c = a->config;
    const struct kept_budget budget = {.time_us = (int64_t)c->most_s * SECOND_US,
                                       .rows = c->most_s > 0 ? KEPT_ROWS : 0,
                                       .bytes = c->most_s > 0 ? KEPT_BYTES : 0};
    const struct ask ask = make_ask(a, from);
    if (a->asked.count == 0) /* files without any line */
        return 0;
    kept_begin(&a->kept, &budget);
    return question_ask(c->question, &a->kept, &ask, a->output, &a->result, err);
}

/* What is kept, or what the question needs of a server. */
static int open_kept(struct asking *a, const struct cursor *from, struct error *err)
{
    const struct query_config *c = a->config;
    const char *directory = directory_to_ask(c->directory);
    const struct ask ask = make_ask(a, from);
    if (c->has_source)
        return source_open(&c->source, c->question, &ask, c->most_s > 0 ? SOURCE_ROWS : 0, c->most_s, NULL, a->folder,
                           &a->kept, &a->result.is_partial, err);
    if (!c->is_old)
        asking_refresh_or_tell(directory);
    if (kept_open(directory, &a->kept, err) != 0 && (!a->kept.is_lost || kept_open_lookups(directory, &a->kept) != 0))
        return -1;
    return 0;
}

/* Nothing was found: of what that is. */
static void tell_empty(const struct asking *a)
{
    const struct query_config *c = a->config;
    char since[ANSWER_TIME], until[ANSWER_TIME];
    int64_t first, last;
    fprintf(stderr, "nothing was found%s%s", c->about_count == 1 ? " of " : "", c->about_count == 1 ? c->about[0] : "");
    if (c->since_us != INT64_MIN || c->until_us != INT64_MAX)
        fputs(" in that time", stderr);
    if (a->kept.is_part) {
        fputs("\n", stderr);
        return;
    }
    if (sql_number(a->kept.db, "SELECT min(record_first) FROM partitions", INT64_MIN, &first, NULL) != 0 ||
        sql_number(a->kept.db, "SELECT max(record_last) FROM partitions", INT64_MIN, &last, NULL) != 0 ||
        first == INT64_MIN) {
        fputs("; nothing is kept yet\n", stderr);
        return;
    }
    answer_time(first, false, since);
    answer_time(last, false, until);
    fprintf(stderr, "; what is kept was seen from %s to %s UTC\n", since, until);
    if (strcmp(c->question->name, "below") == 0)
        fputs("names that had no answer are found by contains, and by who\n", stderr);
}

static bool takes_one(const struct question *question)
{
    return question->about == ABOUT_ADDRESS || question->about == ABOUT_RCODE || question->about == ABOUT_TOP ||
           question->about == ABOUT_NEW;
}

/* What a cursor belongs to. */
static void cursor_about(const struct asking *a, char about[LINE])
{
    snprintf(about, LINE, "%s %s", a->config->question->name, a->asked.count > 0 ? a->asked.list[0] : "");
}

/* What the rows do not show, on standard error. */
static void tell(const struct asking *a, uint64_t rows_count)
{
    const struct ask_result *result = &a->result;
    char cursor[CURSOR_TEXT], about[LINE];
    if (result->is_partial && a->config->most_s > 0)
        fprintf(
            stderr,
            "the answer is partial: it takes more than %" PRIu64
            " s, %d rows, %d MiB, or names of an address; --since and --until narrow it, --max-time gives it more\n",
            a->config->most_s, KEPT_ROWS, KEPT_BYTES >> 20);
    else if (result->is_partial)
        fputs("the answer is partial: more names led to an address than are followed\n", stderr);
    if (a->has_rest)
        fputs("a name that begins with * is the rest of a domain, or of what a client asked for, with too many names\n",
              stderr);
    if (result->has_next) {
        cursor_about(a, about);
        cursor_text(&result->next, about, cursor);
        fprintf(stderr, "there is more: --limit is %" PRIu64 "; go on with --cursor %s\n", a->config->limit, cursor);
    } else if (result->is_cut || result->is_partial) {
        fprintf(stderr, "there is more: --limit is %" PRIu64 "%s\n", a->config->limit,
                a->asked.count == 1 && a->config->question->pages == PAGES_WANTED
                    ? "; --cursor start gives all of it, page by page"
                    : "");
    }
    if (a->kept.missing > 0)
        fprintf(stderr,
                "the answer is partial: %" PRIu64
                " files of lookups are not there, as when they were let go meanwhile; \"check\" says more\n",
                a->kept.missing);
    if (a->kept.damaged > 0)
        fprintf(stderr, "the answer is partial: of lookups %" PRIu64 " file%s cannot be used: %s\n", a->kept.damaged,
                a->kept.damaged == 1 ? "" : "s", a->kept.damage.text);
    if (a->kept.is_lost)
        fprintf(stderr, "the answer is of lookups alone: %s\n", a->lost);
    if (rows_count == 0 && !a->kept.is_lost && a->config->format == ANSWER_TABLE)
        tell_empty(a);
}

/* From where the page begins; NULL in *from: no pages are wanted. Returns 0, or -1. */
static int read_cursor(const struct asking *a, struct cursor *room, const struct cursor **from, struct error *err)
{
    const struct query_config *c = a->config;
    struct error why;
    char about[LINE];
    *from = NULL;
    if (!c->cursor)
        return 0;
    *from = room;
    memset(room, 0, sizeof(*room));
    if (c->question->pages == PAGES_NONE || a->asked.count != 1 || a->asked.lines_count > 0)
        return error_set(err, "option --cursor: expected one name or address, and name, below, contains, address, who,"
                              " client or new: others have no pages");
    cursor_about(a, about);
    if (strcmp(c->cursor, "start") != 0 && cursor_parse(c->cursor, about, room, &why) != 0)
        return error_set(err, "option --cursor: %s", why.text);
    return 0;
}

static int run_asking(struct asking *a, struct error *err)
{
    const struct query_config *config = a->config;
    struct cursor room;
    const struct cursor *from;
    if (read_all(a, err) != 0)
        return EXIT_FAILURE;
    if (a->asked.count > 1 && takes_one(config->question)) {
        error_set(err, "query %s: expected one at a time", config->question->name);
        return 2;
    }
    if (read_cursor(a, &room, &from, err) != 0)
        return 2;
    if (open_kept(a, from, err) != 0)
        return EXIT_FAILURE;
    if (a->kept.is_lost)
        snprintf(a->lost, sizeof(a->lost), "%.400s", err->text);
    err->text[0] = '\0';
    a->output = answer_open(stdout, config->format, asking_wants_color(config->color), config->question->columns,
                            config->question->columns_count);
    int result = a->output ? ask_all(a, from, err) : error_set(err, "out of memory");
    a->has_rest = a->output && answer_has_rest(a->output);
    uint64_t count = a->output ? answer_close(a->output) : 0;
    if (asking_end_output(stdout, result == 0 ? err : NULL) != 0)
        result = -1;
    if (result == 0)
        tell(a, count);
    bool is_whole = a->kept.damaged == 0 && !a->kept.is_lost;
    return result == 0 && !a->asked.has_bad_lines && is_whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_query(const struct query_config *config, struct error *err)
{
    struct asking a = {.config = config};
    int status = run_asking(&a, err);
    source_close(a.folder, &a.kept);
    asked_free(&a.asked);
    return status;
}

/* What a question is about, "" = nothing; *rest is what it answers. */
static int about_of(const struct question *question, const char **rest)
{
    size_t len = question->about == ABOUT_NOTHING ? 0 : strcspn(question->help, ":");
    *rest = question->help + len + (len > 0 ? 2 : 0);
    return (int)len;
}

static void print_questions(FILE *out)
{
    const char *rest;
    char asked[32];
    size_t i;
    fputs("\nQuestions:\n", out);
    for (i = 0; i < questions_count; i++) {
        int len = about_of(questions[i], &rest);
        snprintf(asked, sizeof(asked), "%s %.*s", questions[i]->name, len, questions[i]->help);
        fprintf(out, "  %-17s %s\n", asked, rest);
    }
}

/* Returns 0, or -1 with what does not go together. */
static int check(const struct query_config *config, struct error *err)
{
    if (!config->question) {
        (void)refuse_question(err, "no question: ", "; --help has examples");
        return -1;
    }
    if (config->question->about != ABOUT_NOTHING && config->about_count == 0) {
        struct error words; /* what it is about is one of some words */
        const char *rest;
        int len = about_of(config->question, &rest);
        if ((config->question->about == ABOUT_TOP || config->question->about == ABOUT_NEW) &&
            question_check(config->question, "", &words) != 0)
            return error_set(err, "query %s: %.300s", config->question->name, words.text);
        return error_set(err, "query %s: expected %.*s behind it, or @FILE", config->question->name, len,
                         config->question->help);
    }
    if (config->question->about != ABOUT_ADDRESS && (config->client || config->has_time))
        return error_set(err, "option --%s: expected at, which alone has it", config->client ? "client" : "time");
    if (config->format == ANSWER_COF && !config->question->columns[0].cof)
        return error_set(err, "option --format cof: expected name, below, address or rdata, what passive DNS is");
    if (config->has_source && config->directory)
        return error_set(err, "option --source: expected no --directory with it");
    return config->since_us < config->until_us
               ? 0
               : error_set(err, "options --since and --until: expected the first to be before the second");
}

int command_query(int argc, char **argv, struct error *err)
{
    struct query_config config = {.now_us = clock_unix_us(),
                                  .since_us = INT64_MIN,
                                  .until_us = INT64_MAX,
                                  .limit = LIMIT_USUAL,
                                  .most_s = TIME_USUAL_S};
    int status = 2;
    config.at_us = config.now_us;
    bool is_good = options_parse(rows, argc, argv, &config, err) == 0;
    if (is_good && config.show_help) {
        options_help(rows, "dnsflow_collect query", "Asks what a collector keeps.", stdout);
        print_questions(stdout);
        status = EXIT_SUCCESS;
    } else if (is_good && check(&config, err) == 0) {
        status = run_query(&config, err);
    }
    feed_spec_free(&config.source);
    return status;
}
