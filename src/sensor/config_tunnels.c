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

/* Those whose header tells them from other datagrams. */
int config_take_tunnel_port(void *config, const char *value, struct error *err)
{
    static const uint8_t kinds[] = {ENCAP_VXLAN, ENCAP_GENEVE, ENCAP_GTP, ENCAP_TZSP};
    const char *colon = strchr(value, ':');
    size_t i, len = colon ? (size_t)(colon - value) : 0;
    for (i = 0; i < sizeof(kinds); i++) {
        const char *token = net_encapsulations[kinds[i]].token;
        if (colon && strlen(token) == len && strncmp(token, value, len) == 0)
            return add_tunnel_port(config, (enum encapsulation)kinds[i], colon + 1, err);
    }
    return error_set(err, "expected vxlan, geneve, gtp or tzsp, a colon and a port, such as vxlan:4788");
}

static int expect_encapsulations(struct error *err)
{
    size_t i, used;
    error_set(err, "expected all, none or a list of");
    for (i = 0; i < ENCAP_JMIRROR; i++) {
        used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, "%s %s", i ? "," : "", net_encapsulations[i].token);
    }
    return -1;
}

/* Names with commas between; those of -J and -X are not among them. */
int config_take_decap(void *config, const char *value, struct error *err)
{
    struct config *c = config;
    c->decap_given = true;
    if (strcmp(value, "all") == 0 || strcmp(value, "none") == 0) {
        c->encapsulations = *value == 'a' ? ENCAP_ALL : 0;
        return 0;
    }
    for (;;) {
        size_t i, len = strcspn(value, ",");
        for (i = 0; i < ENCAP_JMIRROR; i++)
            if (strlen(net_encapsulations[i].token) == len && strncmp(net_encapsulations[i].token, value, len) == 0)
                break;
        if (i == ENCAP_JMIRROR)
            return expect_encapsulations(err);
        c->encapsulations |= 1u << i;
        if (value[len] == '\0')
            return 0;
        value += len + 1;
    }
}
