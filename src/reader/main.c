/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnsflow_read, the reader. Exit status: 0 done, stopped by a signal or by a closed pipe, 1 the environment failed,
 * 2 wrong usage. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/process.h"
#include "base/version.h"
#include "capture/capture.h"
#include "reader/session.h"

enum { FILTER_SIZE = 4096, MEMORY_MIB = 256 };

static atomic_bool stop;

static void note_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

static void catch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = note_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int fail(const struct error *why, int status)
{
    log_failure("dnsflow_read", why);
    return status;
}

/* libpcap's `vlan` moves all that stands behind it by one tag, so that the expression is written twice. Fragments have
 * a port only in the first. */
static int open_live(const struct reader_config *config, struct capture **out, struct error *err)
{
    static const char datagrams[] = "udp dst port 5300 or ip[6:2] & 0x1fff != 0";
    char filter[FILTER_SIZE];
    struct capture_live_options live = {.interface = config->interface, .filter = filter, .promiscuous = true};
    if (config->is_whole_filter) {
        live.filter = config->filter;
        return capture_open_live(&live, out, err);
    }
    const char *also = config->filter && *config->filter ? config->filter : "len >= 0";
    int len = snprintf(filter, sizeof(filter), "((%s) and (%s)) or (vlan and (%s) and (%s))", datagrams, also,
                       datagrams, also);
    if (len >= (int)sizeof(filter))
        return error_set(err, "option -f/--filter: expected at most %d characters", FILTER_SIZE / 2 - 100);
    return capture_open_live(&live, out, err);
}

static int open_capture(const struct reader_config *config, struct capture **out, struct error *err)
{
    return config->file ? capture_open_file(config->file, &stop, out, err) : open_live(config, out, err);
}

/* Prints until the input ends; returns the exit status. */
static int run(const struct reader_config *config, struct capture *capture)
{
    struct session session;
    struct packet packets[CAPTURE_BATCH];
    struct error why;
    int count = 0, i, status = EXIT_SUCCESS;
    if (session_open(&session, config, &why) != 0)
        return fail(&why, EXIT_FAILURE);
    while (!atomic_load(&stop) && !session.out.failed &&
           (count = capture_borrow(capture, packets, CAPTURE_BATCH, &why)) >= 0) {
        for (i = 0; i < count; i++)
            session_packet(&session, &packets[i]);
        if (config->interface)
            output_flush(&session.out);
    }
    if (count == CAPTURE_FAILED)
        status = fail(&why, EXIT_FAILURE);
    if (session_close(&session, &why) != 0)
        status = fail(&why, EXIT_FAILURE);
    return status;
}

int main(int argc, char **argv)
{
    struct reader_config config;
    struct capture *capture;
    struct error why;
    process_open_standard_files();
    process_limit_memory((size_t)MEMORY_MIB << 20);
    if (reader_config_parse(&config, argc, argv, &why) != 0)
        return fail(&why, 2);
    if (config.show_help || config.show_version) {
        if (config.show_help)
            reader_config_help(stdout);
        else
            printf("dnsflow_read %s\n", DNSFLOW_PROGRAM_VERSION);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    catch_signals();
    if (open_capture(&config, &capture, &why) != 0)
        return fail(&why, EXIT_FAILURE);
    int status = run(&config, capture);
    capture_close(capture);
    return status;
}
