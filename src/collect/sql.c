/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `sql`: statements over what is kept, which can read alone. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "collect/asking.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "query/sql_session.h"

enum { STATEMENTS_MAX = 64, TEXT_MAX = 1 << 20, MEMORY_MIB = 1024 };

struct sql_config {
    const char *directory;
    enum answer_format format;
    unsigned color;
    uint64_t timeout_s;
    bool is_old; /* --no-refresh */
    const char *statements[STATEMENTS_MAX];
    size_t count;
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct sql_config *)config)->directory, err);
}

/* Not passive DNS, which has columns of its own. */
static int take_format(void *config, const char *value, struct error *err)
{
    unsigned which;
    if (parse_choice(value, answer_format_names, ANSWER_COF, &which, err) != 0)
        return -1;
    ((struct sql_config *)config)->format = (enum answer_format)which;
    return 0;
}

static int take_color(void *config, const char *value, struct error *err)
{
    struct sql_config *c = config;
    return asking_parse_color(value, c ? &c->color : NULL, err);
}

static int take_timeout(void *config, const char *value, struct error *err)
{
    return parse_number(value, 0, 1000000, &((struct sql_config *)config)->timeout_s, err);
}

static int take_statement(void *config, const char *value, struct error *err)
{
    struct sql_config *c = config;
    if (c->count == STATEMENTS_MAX)
        return error_set(err, "expected at most %d of them; standard input has room for any number", STATEMENTS_MAX);
    c->statements[c->count++] = value;
    return 0;
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept; else ./dnsflow-data, or what the service keeps",
     0},
    {0, "format", "NAME", take_format, "how rows are printed, table by default;", 0},
    {0, "color", "WHEN", take_color, "colors in tables; by default on a terminal;", 0},
    {0, "timeout", "SECONDS", take_timeout, "how long a statement may take; 0, the default, is any time", 0},
    {0, "no-refresh", NULL, NULL, "do not ask the collector to bring in what it has received in the last minute",
     offsetof(struct sql_config, is_old)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct sql_config, show_help)},
    {0, NULL, "[STATEMENT...]", take_statement,
     "dnsflow_collect sql \"SELECT client, count FROM lookups WHERE name = 'www.example.com'\"\n"
     "dnsflow_collect sql \"SELECT * FROM answers_text WHERE rdata LIKE '192.0.2.%' LIMIT 10\"\n"
     "dnsflow_collect sql \"SELECT * FROM answers WHERE rname = rname('www.example.com')\"\n"
     "dnsflow_collect sql 'PRAGMA table_list'\n"
     "dnsflow_collect sql <statements.sql",
     0},
};

static int run_text(struct sql_session *session, const struct sql_config *config, const char *text, struct error *err)
{
    return sql_session_run(session, text, stdout, config->format, asking_wants_color(config->color), err);
}

/* What has been read and may be run. At a terminal what is wrong is said, and the next is taken. */
static int run_input(struct sql_session *session, const struct sql_config *config, const char *text, struct error *err)
{
    int result = run_text(session, config, text, err);
    if (result == 0 || !isatty(STDIN_FILENO))
        return result;
    fflush(stdout);
    log_failure("dnsflow_collect", err);
    return 0;
}

/* The text grows by the line. Returns 0, or -1: it has become too long. */
static int add_line(char **text, size_t *len, const char *line, size_t line_len, struct error *err)
{
    char *grown = *len + line_len < TEXT_MAX ? realloc(*text, *len + line_len + 1) : NULL;
    if (!grown)
        return error_set(err, "standard input: expected a statement of less than %d bytes, and a ; behind it",
                         TEXT_MAX);
    memcpy(grown + *len, line, line_len);
    *len += line_len;
    grown[*len] = '\0';
    *text = grown;
    return 0;
}

static void prompt(bool is_more)
{
    if (!isatty(STDIN_FILENO))
        return;
    fflush(stdout);
    fputs(is_more ? "  ...> " : "sql> ", stderr);
}

/* Each statement once its ; has come; the last one may be without. */
static int run_lines(struct sql_session *session, const struct sql_config *config, struct error *err)
{
    char *text = NULL, line[4096];
    size_t len = 0;
    int result = 0;
    prompt(false);
    while (result == 0 && fgets(line, sizeof(line), stdin)) {
        result = add_line(&text, &len, line, strlen(line), err);
        if (result == 0 && strchr(line, '\n') && sql_session_is_complete(text)) {
            result = run_input(session, config, text, err);
            fflush(stdout);
            len = 0;
        }
        prompt(len > 0);
    }
    if (result == 0 && ferror(stdin))
        result = error_errno(err, "standard input");
    if (result == 0 && len > 0)
        result = run_input(session, config, text, err);
    free(text);
    return result;
}

static int run_all(struct sql_session *session, const struct sql_config *config, struct error *err)
{
    size_t i;
    if (config->count == 0)
        return run_lines(session, config, err);
    for (i = 0; i < config->count; i++)
        if (run_text(session, config, config->statements[i], err) != 0)
            return -1;
    return 0;
}

static int run_sql(const struct sql_config *config, struct error *err)
{
    struct sql_session session;
    const char *directory = directory_to_ask(config->directory);
    process_limit_memory((size_t)MEMORY_MIB << 20);
    if (!config->is_old)
        asking_refresh_or_tell(directory);
    if (sql_session_open(&session, directory, (int64_t)config->timeout_s * SECOND_US, err) != 0)
        return EXIT_FAILURE;
    int result = run_all(&session, config, err);
    if (asking_end_output(stdout, result == 0 ? err : NULL) != 0)
        result = -1;
    if (session.kept.missing > 0)
        fprintf(stderr, "the answer is partial: files of lookups are not there, as when they were let go meanwhile\n");
    if (session.kept.damaged > 0)
        fprintf(stderr, "the answer is partial: of lookups %" PRIu64 " file%s cannot be used: %s\n",
                session.kept.damaged, session.kept.damaged == 1 ? "" : "s", session.kept.damage.text);
    result = result == 0 && session.kept.damaged > 0 ? -1 : result;
    sql_session_close(&session);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_sql(int argc, char **argv, struct error *err)
{
    struct sql_config config = {.directory = NULL};
    if (options_parse(rows, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(rows, "dnsflow_collect sql",
                     "Runs statements in SQL over what is kept; they can read, and nothing else.\n"
                     "Without one they come from standard input, each with a ; behind it.",
                     stdout);
        return EXIT_SUCCESS;
    }
    return run_sql(&config, err);
}
