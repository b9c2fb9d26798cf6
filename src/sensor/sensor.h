/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The running sensor: its workers and the two ways to feed them. */
#ifndef DNSFLOW_SENSOR_SENSOR_H
#define DNSFLOW_SENSOR_SENSOR_H

#include <net/if.h>
#include <stdatomic.h>

#include "base/unix_socket.h"
#include "capture/capture.h"
#include "guard/helper.h"
#include "sensor/bad_file.h"
#include "sensor/config.h"
#include "sensor/worker.h"

/* What signal handlers leave behind. */
struct signals {
    atomic_bool *stop;   /* SIGINT, SIGTERM */
    atomic_bool *reload; /* SIGHUP */
    atomic_bool *report; /* SIGUSR1 */
};

struct sensor {
    const struct config *config;
    const struct signals *signals;
    struct bad_file *bad;
    unsigned workers_wanted, workers_count;
    struct worker *workers[CONFIG_WORKERS_MAX];
    bool is_live;
    struct capture *first;                        /* files: of the first useful one; NULL: not opened yet */
    bool is_file_all;                             /* files: all are on a disk, and only to a file is written */
    size_t useless;                               /* files before it, of which has been said why */
    char default_interface[IF_NAMESIZE];          /* the one that was chosen for want of -i */
    struct capture *captures[CONFIG_WORKERS_MAX]; /* live: one for each worker */
    struct helper *helper;                        /* live */
    counter helper_deaths, helper_is_gone;        /* of its processes; all of them, and not replaced */
    int softnet_fd;                               /* live: /proc/net/softnet_stat */
    int notify_fd;                                /* the service manager's socket, -1 = none */
    int metrics_fd;                               /* listens for --metrics, -1 = does not */
    struct unix_socket_id metrics_id;
    int ready_fd;                        /* who waits for the start in the foreground, -1 = nobody */
    counter clients[CONFIG_WORKERS_MAX]; /* live: of dnstap, by worker, as of the last look */
    struct capture_stats kernel;         /* live: sum over the captures, as of the last look */
};

/* Opens the live capture or looks for the files, then opens the outputs and makes the workers: what cannot start does
 * not touch an output. On failure what was made stays for sensor_close(). */
MUST_CHECK int sensor_open(struct sensor *sensor, const struct config *config, const struct signals *signals,
                           int ready_fd, struct error *err);

/* Looks for the files of the configuration, and into them up to the first useful one. Returns -1 with the cause when
 * one is missing or all are useless. What is no regular file is not waited for: it counts as useful. */
MUST_CHECK int sensor_look_at_files(struct sensor *sensor, struct error *err);

/* Reads the files of the configuration to their end, or until a stop signal. Returns -1 if one was broken, which has
 * been said. */
int sensor_run_files(struct sensor *sensor);

/* Opens the interfaces of the configuration and sets how many workers they need. Returns -1 with the cause. */
MUST_CHECK int sensor_open_live(struct sensor *sensor, struct error *err);

/* Says what packets are taken from, once all is open. */
void sensor_tell_live(const struct sensor *sensor);

/* Captures until a stop signal, each worker in a thread. Returns -1 if a capture broke, which has been said. */
int sensor_run_live(struct sensor *sensor);

/* Lets those who wait for the start know: the service manager, and who started it in the background. */
void sensor_tell_ready(struct sensor *sensor);

/* Prints the counters if SIGUSR1 came. Returns true when it is time to stop. */
bool sensor_check_signals(struct sensor *sensor);

/* Prints the summary. Returns -1 if an output failed or the accounts do not balance. */
int sensor_report(struct sensor *sensor);

/* Returns -1 if an output failed while closing. */
int sensor_close(struct sensor *sensor);

#endif
