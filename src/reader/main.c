/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnsflow_read, the reader. Exit status: 0 done, stopped by a signal or by a closed pipe, 1 the environment failed,
 * 2 wrong usage. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/version.h"
#include "record/domain.h"
#include "record/idn.h"
#include "reader/input.h"
#include "reader/rights.h"
#include "reader/view.h"

enum { MEMORY_MIB = 256 };

static atomic_bool stop, report;

static void note_signal(int number)
{
    atomic_store(number == SIGUSR1 ? &report : &stop, true);
}

/* With --top also that which would leave the terminal as it is then; not what was ignored before, as nohup does. */
static void catch_signals(bool has_screen)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGQUIT};
    struct sigaction action, before;
    size_t i;
    memset(&action, 0, sizeof(action));
    action.sa_handler = note_signal;
    for (i = 0; i < (has_screen ? 5 : 4); i++)
        if (i < 3 || (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN))
            sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int fail(const struct error *why, int status)
{
    log_failure("dnsflow_read", why);
    return status;
}

/* Rows, or what is gathered, until the input ends. Returns CAPTURE_FAILED when that broke. */
static int read_all(struct reader_input *input, struct session *session, struct error *err)
{
    bool is_live = input->config->files_count == 0;
    int count = 0;
    while (!atomic_load(&stop) && !session->out.failed && !session->is_done &&
           (count = reader_input_step(input, session, err)) >= 0) {
        if (is_live)
            session_tick(session, clock_unix_us());
        bool is_asked = atomic_exchange(&report, false);
        if (is_asked)
            session_report(session, reader_input_dropped(input));
        if (is_live || is_asked || input->config->speed > 0 || count == CAPTURE_IDLE)
            session_flush(session);
    }
    return count;
}

/* Returns the exit status. */
static int run_session(struct session *session, struct reader_input *input)
{
    struct error why;
    int status = EXIT_SUCCESS;
    if (!input->config->show_top && rights_give_up(input->config, &why) != 0)
        return fail(&why, EXIT_FAILURE);
    int end = input->config->show_top ? view_run(input, session, &stop, &why) : read_all(input, session, &why);
    if (end == VIEW_NOT_STARTED)
        return fail(&why, EXIT_FAILURE);
    if (atomic_load(&stop))
        reader_input_drain(input, session);
    if (input->has_failed)
        status = EXIT_FAILURE;
    if (end == CAPTURE_FAILED && !atomic_load(&stop)) /* a file that had to stop is cut */
        status = fail(&why, EXIT_FAILURE);
    if (session_finish(session, reader_input_dropped(input), &why) != 0)
        status = fail(&why, EXIT_FAILURE);
    return status;
}

static int read_input(const struct reader_config *config)
{
    struct session session;
    struct reader_input input;
    struct error why;
    if (reader_input_open(&input, config, &stop, &why) != 0)
        return atomic_load(&stop) ? EXIT_SUCCESS : fail(&why, EXIT_FAILURE);
    int status =
        session_open(&session, config, &stop, &why) == 0 ? run_session(&session, &input) : fail(&why, EXIT_FAILURE);
    session_close(&session);
    reader_input_close(&input);
    return status;
}

/* Returns the exit status. */
static int print_end(void)
{
    struct error why;
    if (fflush(stdout) == 0 && !ferror(stdout)) /* what was longer than the buffer was written before */
        return EXIT_SUCCESS;
    error_errno(&why, "standard output");
    return fail(&why, EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    struct reader_config config;
    struct error why;
    process_open_standard_files();
    process_limit_memory((size_t)MEMORY_MIB << 20);
    if (reader_config_parse(&config, argc, argv, &why) != 0)
        return fail(&why, 2);
    if (config.show_help)
        reader_config_help(stdout);
    else if (config.show_version)
        printf("dnsflow_read %s\n%s\n%s\n%s\n", DNSFLOW_PROGRAM_VERSION, domains_version(), idn_version(),
               view_version());
    if (config.show_help || config.show_version)
        return print_end();
    catch_signals(config.show_top);
    return read_input(&config);
}
