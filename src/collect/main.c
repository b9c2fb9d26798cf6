/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnsflow_collect, the collector. Exit status: 0 done or stopped by a signal, 1 the environment failed, 2 wrong
 * usage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/process.h"
#include "base/version.h"
#include "collect/command.h"

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
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    error_errno(&why, "standard output");
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
    return print_end();
}

int main(int argc, char **argv)
{
    struct error why = {""};
    size_t i;
    int status = 2;
    process_open_standard_files();
    for (i = 0; argc > 1 && i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].verb) == 0) {
            status = commands[i].run(argc - 1, argv + 1, &why);
            break;
        }
    if (argc == 2 && i == COMMANDS && (status = run_option(argv[1])) >= 0)
        return status;
    if (argc < 2 || i == COMMANDS) {
        error_set(&why,
                  argc < 2 ? "no verb: expected run, check or export; --help lists them"
                           : "%s: expected run, check or export; --help lists them",
                  argc < 2 ? "" : argv[1]);
        status = 2;
    }
    if (why.text[0] && status != EXIT_SUCCESS)
        log_failure("dnsflow_collect", &why);
    return status;
}
