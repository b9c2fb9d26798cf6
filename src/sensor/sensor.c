/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/sensor.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "base/process.h"
#include "base/unix_socket.h"
#include "sensor/metrics.h"
#include "sensor/privileges.h"
#include "sensor/requests.h"
#include "sensor/summary.h"

void sensor_tell_ready(struct sensor *sensor)
{
    log_tell_started(&sensor->config->log);
    if (sensor->ready_fd >= 0)
        daemon_ready(sensor->ready_fd);
    sensor->ready_fd = -1;
    notify_send(sensor->notify_fd, "READY=1");
}

/* Everything is open: what is not needed any more is given up. The helper goes first, as it needs other rights. */
static int give_up_rights(struct sensor *sensor, struct error *err)
{
    if (sensor->ready_fd >= 0)
        process_leave_terminal();
    if (!sensor->is_live) {
        sensor_tell_ready(sensor);
        return 0;
    }
    sensor->softnet_fd = open("/proc/net/softnet_stat", O_RDONLY | O_CLOEXEC);
    if (requests_start(sensor->config, privileges_drop_helper, &sensor->helper, err) != 0)
        return -1;
    if (privileges_drop(sensor->config, err) != 0 || privileges_confine(sensor->config, err) != 0)
        return -1;
    sensor_tell_live(sensor);
    return 0;
}

static int create_workers(struct sensor *sensor, struct error *err)
{
    struct sink_owner owner;
    bool has_owner = sensor->is_live && privileges_owner(sensor->config, &owner);
    struct worker_start start = {.sinks = {.is_live = sensor->is_live,
                                           .is_for_good = sensor->is_file_all,
                                           .owner = has_owner ? &owner : NULL,
                                           .stop = sensor->signals->stop},
                                 .bad = sensor->bad,
                                 .stop = sensor->signals->stop};
    for (; sensor->workers_count < sensor->workers_wanted; sensor->workers_count++) {
        start.index = sensor->workers_count;
        start.sinks.is_quiet = start.index > 0;
        if (worker_create(sensor->config, &start, &sensor->workers[sensor->workers_count], err) != 0)
            return -1;
    }
    return 0;
}

int sensor_open(struct sensor *sensor, const struct config *config, const struct signals *signals, int ready_fd,
                struct error *err)
{
    memset(sensor, 0, sizeof(*sensor));
    sensor->softnet_fd = -1;
    sensor->metrics_fd = -1;
    sensor->notify_fd = notify_open();
    sensor->ready_fd = ready_fd;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    sensor->workers_wanted = config->workers;
    sensor->config = config;
    sensor->signals = signals;
    if ((config->files_count > 0 ? sensor_look_at_files(sensor, err) : sensor_open_live(sensor, err)) != 0)
        return -1;
    if (cpus > 0 && sensor->workers_wanted > (unsigned long)cpus)
        log_line("warning: %u workers on %ld CPUs", sensor->workers_wanted, cpus);
    if (config->has_metrics && (sensor->metrics_fd = metrics_listen(config, err)) < 0)
        return -1;
    if (config->metrics_path)
        unix_socket_find(config->metrics_path, &sensor->metrics_id);
    if (config->dump_bad_path && bad_file_open(config->dump_bad_path, &sensor->bad, err) != 0)
        return -1;
    if (create_workers(sensor, err) != 0)
        return -1;
    return give_up_rights(sensor, err);
}

static const struct capture_stats *kernel_stats(const struct sensor *sensor)
{
    return sensor->is_live ? &sensor->kernel : NULL;
}

bool sensor_check_signals(struct sensor *sensor)
{
    if (atomic_exchange(sensor->signals->report, false))
        summary_log(sensor->workers, sensor->workers_count, kernel_stats(sensor));
    return atomic_load(sensor->signals->stop);
}

int sensor_report(struct sensor *sensor)
{
    unsigned i;
    for (i = 0; i < sensor->workers_count; i++)
        worker_end(sensor->workers[i]);
    summary_log(sensor->workers, sensor->workers_count, kernel_stats(sensor));
    int result = summary_check(sensor->workers, sensor->workers_count) ? 0 : -1;
    for (i = 0; i < sensor->workers_count; i++)
        if (worker_report(sensor->workers[i]) != 0)
            result = -1;
    return result;
}

int sensor_close(struct sensor *sensor)
{
    unsigned i;
    for (i = 0; i < sensor->workers_count; i++)
        worker_destroy(sensor->workers[i]);
    sensor->workers_count = 0;
    for (i = 0; i < CONFIG_WORKERS_MAX; i++)
        capture_close(sensor->captures[i]);
    capture_close(sensor->first);
    helper_stop(sensor->helper);
    sensor->helper = NULL;
    if (sensor->softnet_fd >= 0)
        close(sensor->softnet_fd);
    if (sensor->notify_fd >= 0)
        close(sensor->notify_fd);
    if (sensor->metrics_fd >= 0) { /* it has not come to serving */
        close(sensor->metrics_fd);
        if (sensor->config->metrics_path)
            unix_socket_remove(sensor->config->metrics_path, &sensor->metrics_id);
    }
    int result = bad_file_close(sensor->bad);
    sensor->bad = NULL;
    return result;
}
