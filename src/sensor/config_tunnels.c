/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/config_tunnels.h"

#include <string.h>

#include "sensor/config.h"

static int add_tunnel_port(struct config *c, enum encapsulation encapsulation, const char *value, struct error *err)
{
    uint64_t port;
    if (c->tunnel_ports_count == CONFIG_TUNNEL_PORTS_MAX)
        return error_set(err, "expected at most %d ports of -J, -X and --tunnel-port", CONFIG_TUNNEL_PORTS_MAX);
    if (parse_number(value, 1, 65535, &port, err) != 0)
        return -1;
    c->tunnel_ports[c->tunnel_ports_count] = (uint16_t)port;
    c->tunnel_encapsulation[c->tunnel_ports_count++] = (uint8_t)encapsulation;
    return 0;
}

int config_take_jmirror(void *config, const char *value, struct error *err)
{
    return add_tunnel_port(config, ENCAP_JMIRROR, value, err);
}

int config_take_pcap_record(void *config, const char *value, struct error *err)
{
    return add_tunnel_port(config, ENCAP_PCAP_RECORD, value, err);
}

/* Sets of kinds: those of -J and -X have no name here; those whose header tells them from other datagrams may come to
 * any port. */
enum {
    NAMED_KINDS = ENCAP_ALL & ~(1u << ENCAP_JMIRROR | 1u << ENCAP_PCAP_RECORD),
    PORT_KINDS = 1u << ENCAP_VXLAN | 1u << ENCAP_GENEVE | 1u << ENCAP_GTP | 1u << ENCAP_TZSP
};

/* The kind of this name, ENCAP_COUNT when the set has none. */
static unsigned find_kind(const char *name, size_t len, uint32_t kinds)
{
    unsigned i;
    for (i = 0; i < ENCAP_COUNT; i++)
        if ((kinds >> i & 1) && strlen(net_encapsulations[i].token) == len &&
            strncmp(net_encapsulations[i].token, name, len) == 0)
            break;
    return i;
}

static int expect_kinds(const char *text, uint32_t kinds, struct error *err)
{
    const char *comma = "";
    unsigned i;
    error_set(err, "%s", text);
    for (i = 0; i < ENCAP_COUNT; i++) {
        size_t used = strlen(err->text);
        if (!(kinds >> i & 1))
            continue;
        snprintf(err->text + used, sizeof(err->text) - used, "%s %s", comma, net_encapsulations[i].token);
        comma = ",";
    }
    return -1;
}

int config_take_tunnel_port(void *config, const char *value, struct error *err)
{
    size_t len = strcspn(value, ":");
    unsigned kind = find_kind(value, len, PORT_KINDS);
    if (kind == ENCAP_COUNT || value[len] != ':')
        return expect_kinds("expected KIND:PORT such as vxlan:4788, KIND one of:", PORT_KINDS, err);
    return add_tunnel_port(config, (enum encapsulation)kind, value + len + 1, err);
}

/* Names with commas between. */
static int parse_kinds(const char *text, uint32_t *out, struct error *err)
{
    for (;; text++) {
        size_t len = strcspn(text, ",");
        unsigned kind = find_kind(text, len, NAMED_KINDS);
        if (kind == ENCAP_COUNT)
            return expect_kinds("expected one of: all, none or some of:", NAMED_KINDS, err);
        *out |= 1u << kind;
        text += len;
        if (!*text)
            return 0;
    }
}

int config_take_decap(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    bool is_all = strcmp(value, "all") == 0;
    uint32_t kinds = is_all ? (uint32_t)ENCAP_ALL : 0;
    if (!is_all && strcmp(value, "none") != 0 && parse_kinds(value, &kinds, err) != 0)
        return -1;
    c->encapsulations = kinds;
    c->decap_given = true;
    return 0;
}
