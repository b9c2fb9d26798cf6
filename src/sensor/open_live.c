/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening what a live sensor takes packets from. */

#include "base/log.h"
#include "sensor/sensor.h"

/* What AF_PACKET does not serve goes through libpcap, one worker. */
static int open_by_libpcap(struct sensor *sensor, const char *interface, struct error *err)
{
    const struct config *c = sensor->config;
    struct capture_live_options options = {.interface = interface, .filter = c->filter, .promiscuous = c->promiscuous};
    if (c->workers > 1) {
        bool is_known = if_nametoindex(interface) != 0 || capture_is_any(interface);
        error_set(err,
                  is_known
                      ? "%s: expected an interface with Ethernet or IP packets, and a filter that can be judged from "
                        "these; libpcap takes others, with -M 1"
                      : "%s: no such interface",
                  interface);
        capture_add_interfaces(err);
        return -1;
    }
    return capture_open_live(&options, &sensor->captures[sensor->workers_wanted], err);
}

static const char *interface_name(const struct sensor *sensor, size_t number)
{
    return sensor->config->interfaces_count > 0 ? sensor->config->interfaces[number] : sensor->default_interface;
}

/* Without any source named, the first interface that can be one. */
static size_t interfaces_wanted(const struct config *c)
{
    return c->interfaces_count || c->dnstaps_count ? c->interfaces_count : 1;
}

static int open_interface(struct sensor *sensor, size_t number, struct error *err)
{
    const struct config *c = sensor->config;
    const char *interface = interface_name(sensor, number);
    struct capture_ring_options options = {
        .interface = interface,
        .expression = c->filter,
        .filter = {.ports = c->ports,
                   .ports_count = c->ports_count,
                   .tcp = c->tcp,
                   .fragments = c->defrag,
                   .encapsulations = c->encapsulations,
                   .tunnel_ports = c->tunnel_ports,
                   .tunnel_ports_count = c->tunnel_ports_count,
                   .share = c->share,
                   .shares = c->shares,
                   .balance_checksum = c->balance_checksum},
        .workers = c->workers,
        .fanout = c->fanout,
        .ring_bytes = c->ring_bytes,
        .promiscuous = c->promiscuous,
        .pin = c->pin,
        .pin_first = sensor->workers_wanted,
    };
    int result = capture_has_rings(interface)
                     ? capture_open_rings(&options, sensor->captures + sensor->workers_wanted, err)
                     : CAPTURE_NOT_HERE;
    if (result == CAPTURE_NOT_HERE)
        result = open_by_libpcap(sensor, interface, err);
    if (result != 0)
        return -1;
    sensor->workers_wanted += c->workers;
    return 0;
}

static int open_dnstap(struct sensor *sensor, const struct capture_dnstap_options *options, struct error *err)
{
    if (capture_open_dnstap(options, &sensor->captures[sensor->workers_wanted], err) != 0)
        return -1;
    sensor->workers_wanted++;
    return 0;
}

int sensor_open_live(struct sensor *sensor, struct error *err)
{
    const struct config *c = sensor->config;
    size_t i, interfaces = interfaces_wanted(c);
    if (interfaces > c->interfaces_count &&
        capture_default_interface(sensor->default_interface, sizeof(sensor->default_interface), err) != 0)
        return -1;
    sensor->is_live = true;
    sensor->workers_wanted = 0;
    for (i = 0; i < interfaces; i++)
        if (open_interface(sensor, i, err) != 0)
            return -1;
    for (i = 0; i < c->dnstaps_count; i++)
        if (open_dnstap(sensor, &c->dnstaps[i], err) != 0)
            return -1;
    return 0;
}

void sensor_tell_live(const struct sensor *sensor)
{
    const struct config *c = sensor->config;
    size_t i;
    for (i = 0; i < interfaces_wanted(c); i++)
        log_line("capturing on %s with %u worker%s", interface_name(sensor, i), c->workers, c->workers > 1 ? "s" : "");
    for (i = 0; i < c->dnstaps_count; i++)
        log_line("listening for dnstap on %s%s%s", c->dnstaps[i].path ? c->dnstaps[i].path : c->dnstaps[i].host,
                 c->dnstaps[i].path ? "" : " port ", c->dnstaps[i].path ? "" : c->dnstaps[i].port);
}
