/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `backup`: a copy of what is kept, beside who writes it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/options.h"
#include "collect/backup.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "collect/words.h"
#include "query/kept.h"
#include "query/output.h"

struct backup_config {
    const char *directory, *target;
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct backup_config *)config)->directory, err);
}

static int take_target(void *config, const char *value, struct error *err)
{
    struct backup_config *c = config;
    if (c->target)
        return error_set(err, "expected one directory for the copies");
    return parse_path(value, &c->target, err);
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept; else ./dnsflow-data, or what the service keeps",
     0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct backup_config, show_help)},
    {0, NULL, "TARGET", take_target, "dnsflow_collect backup --directory /srv/dns /mnt/backup", 0},
};

void backup_text(const struct backup_result *result, char text[BACKUP_TEXT])
{
    char until[ANSWER_TIME] = "nothing", all[WORDS], new[WORDS], out[80] = "";
    size_t count = result->partitions - result->left_out;
    if (result->left_out > 0)
        snprintf(out, sizeof(out), "; %zu more cannot be used, \"check\" says which", result->left_out);
    if (result->until_s > 0)
        answer_time(result->until_s, false, until);
    words_size(result->bytes, all);
    words_size(result->new_bytes, new);
    snprintf(text, BACKUP_TEXT,
             "%s: answers, accounts and %zu file%s of lookups; %s, of which %s are no links; %s %s%s%s", result->path,
             count, count == 1 ? "" : "s", all, new, result->until_s > 0 ? "received until" : "received", until,
             result->until_s > 0 ? " UTC" : "", out);
}

static int copy(const char *directory, const char *target, struct error *err)
{
    char text[BACKUP_TEXT];
    struct backup *backup;
    int result = 1;
    if (backup_open(directory, target, &backup, err) != 0)
        return -1;
    while (result == 1)
        result = backup_step(backup, err);
    if (result == 0) {
        backup_text(backup_result(backup), text);
        puts(text);
    }
    backup_close(backup);
    return result;
}

int command_backup(int argc, char **argv, struct error *err)
{
    struct backup_config config = {NULL, NULL, false};
    if (options_parse(rows, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(rows, "dnsflow_collect backup",
                     "Copies what is kept to TARGET/YYYYMMDD-HHMMSS, while a collector runs or not.", stdout);
        return EXIT_SUCCESS;
    }
    if (!config.target) {
        error_set(err, "no target: expected a directory for the copies, as in \"backup /mnt/backup\"");
        return 2;
    }
    const char *directory = directory_to_ask(config.directory);
    (void)umask(0027); /* it is as private as what it is of */
    (void)kept_refresh(directory);
    return copy(directory, config.target, err) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
