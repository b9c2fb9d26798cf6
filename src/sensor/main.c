/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnsflow, the sensor. Exit status: 0 done or stopped by a signal, 1 the environment failed, 2 wrong usage. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "base/pid_file.h"
#include "base/process.h"
#include "sensor/privileges.h"
#include "sensor/sensor.h"

/* Far above what is used (6 MiB for a file, 2.5 MiB more for each worker), as decompressors may need much. */
enum { MEMORY_MIB = 256, MEMORY_WORKER_MIB = 32 };

static atomic_bool stop, reload, report;

static void note_signal(int number)
{
    if (number == SIGHUP)
        atomic_store(&reload, true);
    else if (number == SIGUSR1)
        atomic_store(&report, true);
    else if (number == SIGINT || number == SIGTERM)
        atomic_store(&stop, true);
}

/* Without SA_RESTART, so that a waiting read returns. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction action;
    size_t i;
    memset(&action, 0, sizeof(action));
    action.sa_handler = note_signal;
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* the write fails instead, and is counted */
}

static int fail(const struct error *why, int status)
{
    log_failure("dnsflow", why);
    return status;
}

/* Runs to the end of the input or a signal; returns the exit status. Takes the pid file's descriptor. */
static int run_sensor(const struct config *config, int pid_fd, int ready_fd)
{
    const struct signals signals = {&stop, &reload, &report};
    struct sensor sensor;
    struct error why;
    int result = sensor_open(&sensor, config, &signals, ready_fd, &why);
    if (result != 0) {
        (void)fail(&why, 1);
        pid_file_remove(config->pid_path, pid_fd);
        pid_fd = -1;
    } else {
        result = config->files_count > 0 ? sensor_run_files(&sensor) : sensor_run_live(&sensor);
        if (sensor_report(&sensor) != 0)
            result = -1;
    }
    if (sensor_close(&sensor) != 0)
        result = -1;
    if (pid_fd >= 0)
        close(pid_fd);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Of the process that passes lines on. */
static void give_up_all(const void *config)
{
    (void)privileges_drop_all(config, NULL);
}

/* What comes before anything is opened. */
static int prepare(const struct config *config, int *pid_fd, int *ready_fd, struct error *err)
{
    if (config->background && daemon_start(ready_fd, err) != 0)
        return -1;
    if (config->pid_path && (*pid_fd = pid_file_lock(config->pid_path, err)) < 0)
        return -1;
    return log_process_start(&config->log, "dnsflow", give_up_all, config, err);
}

int main(int argc, char **argv)
{
    struct config config;
    struct error why;
    int pid_fd = -1, ready_fd = -1;
    process_open_standard_files();
    if (config_parse(&config, argc, argv, &why) != 0)
        return fail(&why, 2);
    if (config.show_help || config.show_version) {
        if (config.show_help)
            config_print_help(stdout);
        else
            config_print_version(stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (prepare(&config, &pid_fd, &ready_fd, &why) != 0) {
        pid_file_remove(config.pid_path, pid_fd);
        return fail(&why, 1);
    }
    catch_signals();
    size_t workers = config.workers * (config.interfaces_count ? config.interfaces_count : 1) + config.dnstaps_count;
    process_limit_memory((MEMORY_MIB + workers * MEMORY_WORKER_MIB) << 20);
    return run_sensor(&config, pid_fd, ready_fd);
}
