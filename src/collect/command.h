/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What follows `dnsflow_collect`: a verb, then its options. A verb is one file, and a row of the table in main.c. */
#ifndef DNSFLOW_COLLECT_COMMAND_H
#define DNSFLOW_COLLECT_COMMAND_H

#include "base/error.h"

/* Exit status: 0 done, 1 the environment failed, 2 wrong usage. argv[0] is the verb. On 1 and 2 the line is in *err,
 * unless it is empty and all has been said. */
typedef int command_run(int argc, char **argv, struct error *err);

command_run command_run_collector, command_query, command_status, command_check, command_import, command_export,
    command_backup, command_sql, command_forget, command_replay, command_annotate, command_schema;

#endif
