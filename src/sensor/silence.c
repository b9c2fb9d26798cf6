/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/silence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "capture/interface.h"
#include "capture/probe.h"
#include "net/numbers.h"
#include "sensor/input.h"
#include "sensor/sensor.h"
#include "sensor/why.h"

enum {
    FIRST_US = 10 * SECOND_US, /* before there was any record */
    LATER_US = 60 * SECOND_US,
    PAUSE_MAX_US = 600 * SECOND_US,
    LOOK_US = 8 * SECOND_US, /* how long all that passes is looked at before a line is due */
};

/* What passes an interface while it is looked at. */
struct look {
    const char *interface;
    struct probe *probe;
    struct interface_state before; /* received: UINT64_MAX = not known */
    const struct config *config;
    const struct net_options *options;
    uint64_t counts[DROP_REASON_COUNT];
    uint64_t llc; /* packets, as in struct why */
    unsigned packets;
    uint16_t link_type;
};

/* A look at all interfaces. */
struct looks {
    struct net_options options;
    uint8_t tunnels[65536];
    int64_t since_us;
    unsigned count;
    struct look each[CONFIG_INTERFACES_MAX];
};

/* NULL behind the last one. */
static const char *interface_of(const struct sensor *sensor, size_t i)
{
    if (i < sensor->config->interfaces_count)
        return sensor->config->interfaces[i];
    return i == sensor->config->interfaces_count && sensor->default_interface[0] ? sensor->default_interface : NULL;
}

_Static_assert((int)CONFIG_INTERFACES_MAX <= 32, "an interface is a bit of `known`");

void silence_start(struct silence *silence, const struct sensor *sensor, int64_t now_us)
{
    struct interface_state state;
    const char *name;
    size_t i;
    memset(silence, 0, sizeof(*silence));
    for (i = 0; (name = interface_of(sensor, i)); i++)
        silence->known |= interface_state(name, &state) == 0 ? 1u << i : 0;
    silence->since_us = now_us;
    silence->pause_us = FIRST_US;
}

void silence_stop(struct silence *silence)
{
    unsigned i;
    for (i = 0; silence->looks && i < silence->looks->count; i++)
        probe_close(silence->looks->each[i].probe);
    free(silence->looks);
    silence->looks = NULL;
}

/* What the filter would have said of it, if it could. */
static enum drop_reason classify(const struct look *look, const struct packet *packet)
{
    const struct net_options *options = look->options;
    struct net_payload p;
    enum drop_reason why = net_decode(packet, options, &p);
    if (why != DROP_NONE)
        return why;
    if (look->config->filter)
        return DROP_FILTERED;
    bool is_from_dns = net_is_dns_port(options, p.src_port);
    if (is_from_dns && p.depth > 0)
        return DROP_TUNNEL;
    if (is_from_dns && p.transport == NET_UDP && p.len > 2 && (p.bytes[2] & 0x80)) {
        /* A response that the filter does not pass: it looks behind fewer tags than the decoder. */
        size_t depth = (size_t)(p.src - packet->bytes);
        return packet->link_type == LINKTYPE_ETHERNET && depth > 14 + 2 * 4 + 12 ? DROP_VLAN_DEPTH : DROP_NONE;
    }
    if (net_is_dns_port(options, p.dst_port))
        return DROP_QUERY_PORT;
    return input_other_port(options, &p);
}

/* A length where the EtherType would be. */
static bool is_llc(const struct packet *packet)
{
    size_t at = 12;
    if (packet->link_type != LINKTYPE_ETHERNET)
        return false;
    for (; at + 6 <= packet->captured_len; at += 4) {
        uint16_t type = load_be16(packet->bytes + at);
        if (type != ETHERTYPE_CTAG && type != ETHERTYPE_STAG && type != ETHERTYPE_QINQ)
            return type < ETHERTYPE_MIN;
    }
    return false;
}

static void look_at(void *context, const struct packet *packet)
{
    struct look *look = context;
    enum drop_reason why = classify(look, packet);
    if ((why == DROP_NONE || why == DROP_QUERY_PORT) && is_llc(packet))
        look->llc++;
    else
        look->counts[why]++;
    look->link_type = packet->link_type;
    look->packets++;
}

static void begin_look(struct looks *looks, const struct config *config, const char *interface)
{
    struct look *look = &looks->each[looks->count++];
    look->interface = interface;
    look->config = config;
    look->options = &looks->options;
    look->probe = probe_open(interface);
    if (interface_state(interface, &look->before) != 0)
        look->before.received = UINT64_MAX;
}

/* Everything is unwrapped, so that DNS in tunnels shows. */
static void begin_looks(struct silence *s, const struct sensor *sensor, int64_t now_us)
{
    const struct config *c = sensor->config;
    const char *name;
    size_t i;
    if (!(s->looks = calloc(1, sizeof(*s->looks))))
        return;
    s->looks->since_us = now_us;
    net_tunnels_fill(s->looks->tunnels, ENCAP_ALL);
    config_net_options(c, &s->looks->options);
    s->looks->options.encapsulations = ENCAP_ALL;
    s->looks->options.tunnels = s->looks->tunnels;
    for (i = 0; (name = interface_of(sensor, i)); i++)
        begin_look(s->looks, c, name);
}

/* Not a packet: how the interface stands tells why. */
static void say_idle(const struct look *look, bool was_known, int silent_s, int looked_s)
{
    struct interface_state now;
    bool is_known = interface_state(look->interface, &now) == 0;
    if (!is_known && was_known)
        log_line("nothing to send for %d s: %s is gone", silent_s, look->interface);
    else if (!is_known)
        log_line("nothing to send for %d s: no packet has come on %s in %d s", silent_s, look->interface, looked_s);
    else if (!now.is_up || !now.has_link)
        log_line("nothing to send for %d s: %s %s; its receive counter stands at %" PRIu64, silent_s, look->interface,
                 now.is_up ? "has no link" : "is down", now.received);
    else
        log_line("nothing to send for %d s: no packet has come on %s in %d s; its link is up, its receive counter at "
                 "%" PRIu64 ", %" PRIu64
                 " more than before: is it the right interface, and is it sent what it is to see?",
                 silent_s, look->interface, looked_s, now.received,
                 look->before.received <= now.received ? now.received - look->before.received : 0);
}

static void say_look(const struct look *look, bool was_known, int silent_s, int looked_s)
{
    const struct why why = {look->config, look->counts, look->link_type, look->llc};
    char text[WHY_TEXT], filter[128] = "";
    if (look->config->filter)
        snprintf(filter, sizeof(filter), " \"%.100s\" (-f)", look->config->filter);
    if (look->packets == 0)
        say_idle(look, was_known, silent_s, looked_s);
    else if (why_describe(&why, text, sizeof(text)))
        log_line("nothing to send for %d s: no %s passes the filter%s on %s; of %u packet%s looked at, %s", silent_s,
                 filter[0] ? "packet" : "DNS response", filter, look->interface, look->packets,
                 look->packets == 1 ? "" : "s", text);
}

/* Its workers are the last ones, one for each socket. */
static void say_dnstap(const struct sensor *sensor, int silent_s)
{
    const struct config *c = sensor->config;
    uint64_t clients;
    size_t i;
    for (i = 0; i < c->dnstaps_count; i++) {
        const char *name = c->dnstaps[i].path ? c->dnstaps[i].path : c->dnstap_addresses[i].text;
        clients = counter_read(&sensor->clients[sensor->workers_count - c->dnstaps_count + i]);
        if (clients == 0)
            log_line("nothing to send for %d s: no name server is connected to %s", silent_s, name);
        else
            log_line("nothing to send for %d s: %" PRIu64 " name server%s connected to %s, but no message comes",
                     silent_s, clients, clients == 1 ? " is" : "s are", name);
    }
}

static void say_why(const struct silence *s, const struct sensor *sensor, const struct totals *now, int64_t now_us)
{
    int seconds = (int)((now_us - s->since_us) / SECOND_US);
    uint64_t counts[DROP_REASON_COUNT];
    const struct why why = {sensor->config, counts, now->unsupported_link, 0};
    char text[WHY_TEXT];
    size_t i;
    if (now->frames_seen > s->last.frames_seen) {
        for (i = 0; i < DROP_REASON_COUNT; i++)
            counts[i] = now->drops[i] - s->last.drops[i];
        if (why_describe(&why, text, sizeof(text)))
            log_line("nothing to send for %d s: %s", seconds, text);
        return;
    }
    for (i = 0; s->looks && i < s->looks->count; i++)
        say_look(&s->looks->each[i], s->known >> i & 1, seconds, (int)((now_us - s->looks->since_us) / SECOND_US));
    say_dnstap(sensor, seconds);
}

void silence_look(struct silence *silence, const struct sensor *sensor, int64_t now_us)
{
    struct totals now;
    int64_t silent_us = now_us - silence->since_us;
    unsigned i;
    summary_totals(sensor->workers, sensor->workers_count, &now);
    if (now.records > silence->last.records) {
        silence_stop(silence);
        silence->last = now;
        silence->since_us = now_us;
        silence->pause_us = LATER_US;
        return;
    }
    for (i = 0; silence->looks && i < silence->looks->count; i++)
        if (silence->looks->each[i].probe)
            probe_packets(silence->looks->each[i].probe, look_at, &silence->looks->each[i]);
    if (silent_us >= silence->pause_us) {
        say_why(silence, sensor, &now, now_us);
        silence_stop(silence);
        silence->pause_us =
            silence->pause_us < PAUSE_MAX_US / 2 ? 2 * silence->pause_us : silence->pause_us + PAUSE_MAX_US;
    } else if (silent_us >= silence->pause_us - LOOK_US && !silence->looks) {
        begin_looks(silence, sensor, now_us);
    }
}

void silence_end(const struct sensor *sensor)
{
    struct totals now;
    char text[WHY_TEXT];
    summary_totals(sensor->workers, sensor->workers_count, &now);
    const struct why why = {sensor->config, now.drops, now.unsupported_link, 0};
    if (now.records == 0 && why_describe(&why, text, sizeof(text)))
        log_line("no records: %s", text);
}
