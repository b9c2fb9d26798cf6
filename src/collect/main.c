/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnsflow_collect, the collector. Exit status: 0 done or stopped by a signal, 1 the environment failed, 2 wrong
 * usage. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/process.h"
#include "base/version.h"
#include "collect/asking.h"
#include "collect/command.h"
#include "store/sql.h"

static const struct {
    const char *verb;
    command_run *run;
    const char *help;
} commands[] = {
    {"run", command_run_collector, "receive datagrams from sensors and keep them"},
    {"query", command_query, "ask what is kept: names, who asked, clients, losses"},
    {"status", command_status, "say how everything is"},
    {"import", command_import, "bring captures of datagrams into what is kept"},
    {"check", command_check, "say whether what is kept is whole"},
    {"export", command_export, "write what is kept as a capture file"},
    {"sql", command_sql, "ask what is kept in SQL"},
    {"backup", command_backup, "copy what is kept, while a collector runs or not"},
    {"forget", command_forget, "take names and clients out of all that is kept"},
    {"replay", command_replay, "bring the journal into a store again"},
    {"schema", command_schema, "print or make the tables of a store that is a server"},
    {"annotate", command_annotate, "add to each flow the name that its client had looked up"},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *out)
{
    size_t i;
    fputs("usage: dnsflow_collect VERB [options]\n\nKeeps the DNS records that dnsflow sensors send.\n\n", out);
    for (i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", commands[i].verb, commands[i].help);
    fputs("\n  -V, --version  print the version\n  -h, --help     print this help; behind a verb: its options\n", out);
}

static int print_end(void)
{
    struct error why;
    if (asking_end_output(stdout, &why) == 0)
        return EXIT_SUCCESS;
    log_failure("dnsflow_collect", &why);
    return EXIT_FAILURE;
}

/* Without a verb: 0 done, -1 = it is none of these. */
static int run_option(const char *option)
{
    if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0)
        print_help(stdout);
    else if (strcmp(option, "-V") == 0 || strcmp(option, "--version") == 0)
        printf("dnsflow_collect %s\n", DNSFLOW_PROGRAM_VERSION);
    else
        return -1;
    return 0;
}

/* Without a verb that there is. Returns the exit status. */
static int refuse(const char *word, struct error *err)
{
    char verbs[200] = "";
    size_t i, used = 0;
    for (i = 0; i < COMMANDS && used < sizeof(verbs); i++)
        used += (size_t)snprintf(verbs + used, sizeof(verbs) - used, "%s%s", i ? ", " : "", commands[i].verb);
    if (word)
        error_set(err, "%s: expected one of %s; --help says more", word, verbs);
    else
        error_set(err, "no verb: expected one of %s; --help says more", verbs);
    return 2;
}

/* Returns the exit status. */
static int run(int argc, char **argv, struct error *err)
{
    size_t i;
    for (i = 0; argc > 1 && i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].verb) == 0)
            return commands[i].run(argc - 1, argv + 1, err);
    if (argc == 2 && run_option(argv[1]) == 0)
        return EXIT_SUCCESS;
    return refuse(argc > 1 ? argv[1] : NULL, err);
}

int main(int argc, char **argv)
{
    struct error why = {""};
    process_open_standard_files();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* an error of write(2) will do */
    sql_start();
    int status = run(argc, argv, &why);
    if (why.text[0] && status != EXIT_SUCCESS)
        log_failure("dnsflow_collect", &why);
    return status == EXIT_SUCCESS ? print_end() : status;
}
