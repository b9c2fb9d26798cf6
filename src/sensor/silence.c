/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/silence.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "capture/probe.h"
#include "sensor/input.h"
#include "sensor/sensor.h"
#include "sensor/why.h"

enum {
    LINKTYPE_ETHERNET = 1,
    FIRST_US = 10 * SECOND_US, /* before there was any record */
    LATER_US = 60 * SECOND_US,
    PAUSE_MAX_US = 600 * SECOND_US,
};

struct look {
    struct net_options options;
    uint64_t counts[DROP_REASON_COUNT];
    uint16_t link_type;
    uint8_t tunnels[65536];
};

void silence_start(struct silence *silence, int64_t now_us)
{
    memset(silence, 0, sizeof(*silence));
    silence->since_us = now_us;
    silence->pause_us = FIRST_US;
}

/* What the filter would have said of it, if it could. */
static enum drop_reason classify(const struct look *look, const struct packet *packet)
{
    struct net_payload p;
    enum drop_reason why = net_decode(packet, &look->options, &p);
    if (why != DROP_NONE)
        return why;
    bool is_from_dns = net_is_dns_port(&look->options, p.src_port);
    if (is_from_dns && p.depth > 0)
        return DROP_TUNNEL;
    if (is_from_dns && p.transport == NET_UDP && p.len > 2 && (p.bytes[2] & 0x80)) {
        /* A response that the filter does not pass: it looks behind fewer tags than the decoder. */
        size_t depth = (size_t)(p.src - packet->bytes);
        return packet->link_type == LINKTYPE_ETHERNET && depth > 14 + 2 * 4 + 12 ? DROP_VLAN_DEPTH : DROP_NONE;
    }
    if (net_is_dns_port(&look->options, p.dst_port))
        return DROP_QUERY_PORT;
    return input_other_port(&look->options, &p);
}

static void take(void *context, const struct packet *packet)
{
    struct look *look = context;
    look->counts[classify(look, packet)]++;
    look->link_type = packet->link_type;
}

/* Everything is unwrapped, so that DNS in tunnels shows. */
static void look_at(const struct sensor *sensor, const char *interface, int seconds)
{
    struct look look;
    char text[256];
    memset(look.counts, 0, sizeof(look.counts));
    net_tunnels_fill(look.tunnels, ENCAP_ALL);
    config_net_options(sensor->config, &look.options);
    look.options.encapsulations = ENCAP_ALL;
    look.options.tunnels = look.tunnels;
    int count = capture_probe(interface, take, &look);
    if (count > 0 && why_describe(look.counts, look.link_type, text, sizeof(text)) != DROP_NONE)
        log_line("nothing to send for %d s: no DNS response passes the filter on %s; of %d packets looked at, %s",
                 seconds, interface, count, text);
}

static void say_why(const struct silence *s, const struct sensor *sensor, const struct totals *now, int seconds)
{
    uint64_t counts[DROP_REASON_COUNT];
    char text[256];
    size_t i;
    if (now->frames_seen > s->last.frames_seen) {
        for (i = 0; i < DROP_REASON_COUNT; i++)
            counts[i] = now->drops[i] - s->last.drops[i];
        if (why_describe(counts, now->unsupported_link, text, sizeof(text)) != DROP_NONE)
            log_line("nothing to send for %d s: %s", seconds, text);
        return;
    }
    for (i = 0; i < sensor->config->interfaces_count; i++)
        look_at(sensor, sensor->config->interfaces[i], seconds);
    if (sensor->default_interface[0])
        look_at(sensor, sensor->default_interface, seconds);
}

void silence_look(struct silence *silence, const struct sensor *sensor, int64_t now_us)
{
    struct totals now;
    summary_totals(sensor->workers, sensor->workers_count, &now);
    if (now.records > silence->last.records) {
        silence->last = now;
        silence->since_us = now_us;
        silence->pause_us = LATER_US;
    } else if (now_us - silence->since_us >= silence->pause_us) {
        say_why(silence, sensor, &now, (int)((now_us - silence->since_us) / SECOND_US));
        silence->pause_us =
            silence->pause_us < PAUSE_MAX_US / 2 ? 2 * silence->pause_us : silence->pause_us + PAUSE_MAX_US;
    }
}

void silence_end(const struct sensor *sensor)
{
    struct totals now;
    char text[256];
    summary_totals(sensor->workers, sensor->workers_count, &now);
    if (now.records == 0 && why_describe(now.drops, now.unsupported_link, text, sizeof(text)) != DROP_NONE)
        log_line("no records: %s", text);
}
