/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live mode: one worker on one interface. */
#include <net/if.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "sensor/sensor.h"

enum { STATS_US = 10 * SECOND_US, TICK_US = SECOND_US / 10, FILTER_SIZE = 1024 };

/* UDP from one of the ports; fragments have a port only in the first. libpcap's `vlan` moves all that stands behind it
 * by one tag, so that the same test is written once for each depth. */
static void build_filter(const struct config *config, char *text, size_t size)
{
    char ports[FILTER_SIZE / 4] = "";
    size_t used = 0, i;
    for (i = 0; i < config->ports_count; i++)
        used += (size_t)snprintf(ports + used, sizeof(ports) - used, "%sudp src port %u", i ? " or " : "",
                                 config->ports[i]);
    if (config->mdns)
        snprintf(ports + used, sizeof(ports) - used, " or udp src port %d", MDNS_PORT);
    snprintf(text, size, "(%s) or (vlan and ((%s) or (vlan and (%s))))", ports, ports, ports);
}

int sensor_open_live(struct sensor *sensor, struct error *err)
{
    const struct config *c = sensor->config;
    char interface[IF_NAMESIZE], filter[FILTER_SIZE];
    struct capture_live_options options = {
        .interface = c->interface, .filter = c->filter, .promiscuous = c->promiscuous};
    if (!c->interface) {
        if (capture_default_interface(interface, sizeof(interface), err) != 0)
            return -1;
        options.interface = interface;
    }
    if (!c->filter) {
        build_filter(c, filter, sizeof(filter));
        options.filter = filter;
    }
    if (capture_open_live(&options, &sensor->capture, err) != 0)
        return -1;
    log_line("capturing on %s", options.interface);
    return 0;
}

/* Once every tick: what time alone brings about. */
static void pass_time(struct sensor *sensor, int64_t now, int64_t *next_stats)
{
    capture_stats(sensor->capture, &sensor->kernel);
    worker_tick(sensor->workers[0], clock_unix_us());
    if (now >= *next_stats) {
        *next_stats = now + STATS_US;
        worker_stats(sensor->workers[0], &sensor->kernel, clock_unix_us());
    }
    if (atomic_exchange(sensor->signals->reload, false))
        worker_reopen(sensor->workers[0]);
}

int sensor_run_live(struct sensor *sensor)
{
    struct packet packets[CAPTURE_BATCH];
    struct error why;
    int count = 0, i;
    int64_t next_tick = 0, next_stats = clock_monotonic_us() + STATS_US;
    while (!sensor_check_signals(sensor) &&
           (count = capture_borrow(sensor->capture, packets, CAPTURE_BATCH, &why)) != CAPTURE_FAILED) {
        for (i = 0; i < count; i++)
            worker_packet(sensor->workers[0], &packets[i]);
        int64_t now = clock_monotonic_us();
        if (now >= next_tick || count == 0) {
            next_tick = now + TICK_US;
            pass_time(sensor, now, &next_stats);
        }
    }
    if (count == CAPTURE_FAILED)
        log_line("error: %s", why.text);
    capture_stats(sensor->capture, &sensor->kernel);
    worker_finish(sensor->workers[0]);
    worker_stats(sensor->workers[0], &sensor->kernel, clock_unix_us());
    return count == CAPTURE_FAILED ? -1 : 0;
}
