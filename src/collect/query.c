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
#include "collect/command.h"
#include "collect/directory.h"
#include "query/ask.h"
#include "record/moment.h"

enum { ABOUT_MAX = 64, LIMIT_USUAL = 1000, LINE = 2048 };

struct query_config {
    const char *directory;
    enum answer_format format;
    unsigned color;
    int64_t now_us, since_us, until_us;
    uint64_t limit;
    bool is_old; /* --no-refresh */
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
    static const char *const names[] = {"auto", "always", "never"};
    unsigned which;
    if (parse_choice(value, names, 3, &which, err) != 0)
        return -1;
    ((struct query_config *)config)->color = which;
    return 0;
}

static int take_since(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    return moment_parse(value, c->now_us, &c->since_us, err);
}

static int take_until(void *config, const char *value, struct error *err)
{
    struct query_config *c = config;
    return moment_parse_end(value, c->now_us, &c->until_us, err);
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
    {0, "directory", "DIR", take_directory, "where everything is kept, ./dnsflow-data if it is left out", 0},
    {0, "since", "TIME", take_since, "what was seen from then on: 2026-01-31, today, 10:00 (UTC), 10m, 2h or 7d (ago)",
     0},
    {0, "until", "TIME", take_until, "what was seen before then", 0},
    {0, "limit", "N", take_limit, "at most so many rows for each name or address, 1000 by default, 0 = all", 0},
    {0, "format", "NAME", take_format, "how rows are printed, table by default;", 0},
    {0, "color", "WHEN", take_color, "colors in tables; by default on a terminal;", 0},
    {0, "no-refresh", NULL, NULL, "do not ask the collector to bring in what it has received in the last minute",
     offsetof(struct query_config, is_old)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct query_config, show_help)},
    {0, NULL, "QUESTION [WHAT|@FILE...]", take_word,
     "dnsflow_collect query name www.example.com      what it was answered with\n"
     "dnsflow_collect query below example.com         it and all names below it\n"
     "dnsflow_collect query address 192.0.2.0/24      the names behind an address or prefix\n"
     "dnsflow_collect query who www.example.com       who asked for it\n"
     "dnsflow_collect query client 192.0.2.7          what this client asked for\n"
     "dnsflow_collect query rcode NXDOMAIN            who was answered with it\n"
     "dnsflow_collect query top names --limit 20      which had most lookups\n"
     "dnsflow_collect query loss --since today        what came of each sensor, and what is missing where\n"
     "dnsflow_collect query who @names.txt            for each line of a file, @- for those of standard input",
     0},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= OPTION_ROWS_MAX, "options_parse() has room for every row");

/* ---- answers ---- */

/* What is asked of each name or address, one after the other in one output. */
struct asking {
    const struct query_config *config;
    struct kept kept;
    struct answer_output *output;
    bool is_cut, is_partial, has_bad_lines;
    char lost[512]; /* why there is no database */
};

static int ask_about(struct asking *a, const char *what, struct error *err)
{
    const struct query_config *c = a->config;
    const struct ask ask = {.what = what,
                            .since_s = c->since_us == INT64_MIN ? INT64_MIN : c->since_us / SECOND_US,
                            .until_s = c->until_us == INT64_MAX ? INT64_MAX : (c->until_us + SECOND_US - 1) / SECOND_US,
                            .limit = c->limit};
    struct ask_result result = {0, false, false};
    err->text[0] = '\0';
    if (c->question->run(&a->kept, &ask, a->output, &result, err) != 0)
        return err->text[0] ? -1 : error_set(err, "%s: no name", what);
    a->is_cut |= result.is_cut;
    a->is_partial |= result.is_partial;
    return 0;
}

/* The line without blanks around it, and without the mark that some editors begin a file with. */
static char *trim(char *line)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (strncmp(line, mark, sizeof(mark) - 1) == 0)
        line += sizeof(mark) - 1;
    line += strspn(line, " \t");
    size_t len = strcspn(line, "\r\n");
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    line[len] = '\0';
    return line;
}

/* A name or address on each line; blank lines and those that begin with # are passed over. A line that is neither is
 * told, and the others are asked all the same. */
static int ask_lines(struct asking *a, FILE *in, const char *path, struct error *err)
{
    char line[LINE];
    size_t number = 0;
    while (fgets(line, sizeof(line), in)) {
        struct error why;
        const char *what = trim(line);
        number++;
        if (what[0] == '\0' || what[0] == '#')
            continue;
        if (question_check(a->config->question, what, &why) != 0) {
            fprintf(stderr, "dnsflow_collect: %s: line %zu: %.100s: %s\n", path, number, what, why.text);
            a->has_bad_lines = true;
        } else if (ask_about(a, what, err) != 0) {
            return -1;
        }
    }
    return ferror(in) ? error_errno(err, "%s", path) : 0;
}

static int ask_file(struct asking *a, const char *path, struct error *err)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!in)
        return error_errno(err, "%s", path);
    int result = ask_lines(a, in, in == stdin ? "standard input" : path, err);
    if (in != stdin)
        fclose(in);
    return result;
}

static int ask_all(struct asking *a, struct error *err)
{
    const struct query_config *c = a->config;
    size_t i;
    if (c->question->about == ABOUT_NOTHING)
        return ask_about(a, "", err);
    for (i = 0; i < c->about_count; i++) {
        const char *what = c->about[i];
        if ((what[0] == '@' ? ask_file(a, what + 1, err) : ask_about(a, what, err)) != 0)
            return -1;
    }
    return 0;
}

static bool wants_color(unsigned color)
{
    const char *no = getenv("NO_COLOR"), *type = getenv("TERM");
    if (color != 0)
        return color == 1;
    return isatty(STDOUT_FILENO) && !(no && *no) && type && strcmp(type, "dumb") != 0;
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
    if (sql_number(a->kept.db, "SELECT min(record_first) FROM partitions", INT64_MIN, &first, NULL) != 0 ||
        sql_number(a->kept.db, "SELECT max(record_last) FROM partitions", INT64_MIN, &last, NULL) != 0 ||
        first == INT64_MIN) {
        fputs("; nothing is kept yet\n", stderr);
        return;
    }
    answer_time(first, false, since);
    answer_time(last, false, until);
    fprintf(stderr, "; what is kept was seen from %s to %s UTC\n", since, until);
}

/* What the rows do not show, on standard error. */
static void tell(const struct asking *a, uint64_t rows_count)
{
    if (a->is_cut)
        fprintf(stderr, "there is more: --limit is %" PRIu64 "\n", a->config->limit);
    if (a->is_partial)
        fprintf(stderr, "the answer is partial: more than %d rows had to be looked at; --since and --until narrow it\n",
                ASK_ROWS_MAX);
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

/* A collector that does not run has brought in all. */
static void refresh(const char *path)
{
    struct directory directory;
    char process[24];
    if (kept_refresh(path) || directory_look(path, &directory, NULL) != 0)
        return;
    if (directory_is_in_use(&directory, process))
        fprintf(stderr, "the collector (process %s) does not answer: what it has received last may be missing\n",
                process);
    directory_close(&directory);
}

static int run_query(const struct query_config *config, struct error *err)
{
    struct asking a = {.config = config};
    const char *directory = config->directory ? config->directory : DIRECTORY_DEFAULT;
    if (!config->is_old)
        refresh(directory);
    if (kept_open(directory, &a.kept, err) != 0 && (!a.kept.is_lost || kept_open_lookups(directory, &a.kept) != 0))
        return EXIT_FAILURE;
    if (a.kept.is_lost)
        snprintf(a.lost, sizeof(a.lost), "%.400s", err->text);
    err->text[0] = '\0';
    a.output = answer_open(stdout, config->format, wants_color(config->color), config->question->columns,
                           config->question->columns_count);
    int result = a.output ? ask_all(&a, err) : error_set(err, "out of memory");
    uint64_t count = a.output ? answer_close(a.output) : 0;
    bool is_closed = fflush(stdout) != 0 && errno == EPIPE;
    if (result == 0 && !is_closed && ferror(stdout))
        result = error_errno(err, "standard output");
    if (result == 0)
        tell(&a, count);
    bool is_whole = a.kept.damaged == 0 && !a.kept.is_lost;
    kept_close(&a.kept);
    return result == 0 && !a.has_bad_lines && is_whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_query(int argc, char **argv, struct error *err)
{
    struct query_config config = {
        .now_us = clock_unix_us(), .since_us = INT64_MIN, .until_us = INT64_MAX, .limit = LIMIT_USUAL};
    if (options_parse(rows, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(rows, "dnsflow_collect query", "Asks what a collector keeps.", stdout);
        return EXIT_SUCCESS;
    }
    if (!config.question) {
        (void)refuse_question(err, "no question: ", "; --help has examples");
        return 2;
    }
    if (config.question->about != ABOUT_NOTHING && config.about_count == 0) {
        size_t len = strcspn(config.question->help, ":");
        error_set(err, "query %s: expected %.*s behind it, or @FILE", config.question->name, (int)len,
                  config.question->help);
        return 2;
    }
    if (config.format == ANSWER_COF && !config.question->columns[0].cof) {
        error_set(err, "option --format cof: expected name, below or address, what passive DNS is");
        return 2;
    }
    if (config.since_us >= config.until_us) {
        error_set(err, "options --since and --until: expected the first to be before the second");
        return 2;
    }
    return run_query(&config, err);
}
