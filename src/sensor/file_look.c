/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/file_look.h"

#include <string.h>

#include "base/bytes.h"
#include "dnsflow.h"
#include "net/numbers.h"

enum { FAMILY = 4 };

int file_look_open(struct file_look *look, const struct config *config, struct error *err)
{
    *look = (struct file_look){.config = config};
    return config->filter ? filter_create(config->filter, &look->filter, err) : 0;
}

void file_look_begin(struct file_look *look)
{
    look->is_done = false;
    look->packets = 0;
    look->datagrams = 0;
}

/* To UDP port 5300, or behind an address family of 0, as some sensors write them. */
static bool is_datagram(const struct config *config, const struct packet *packet, const struct net_payload *udp)
{
    struct dnsflow_datagram datagram;
    bool is_bare = packet->link_type == LINKTYPE_NULL && packet->captured_len > FAMILY && load_be32(packet->bytes) == 0;
    if (is_bare)
        return dnsflow_decode(packet->bytes + FAMILY, packet->captured_len - FAMILY, &datagram) == DNSFLOW_OK;
    struct net_options options;
    config_net_options(config, &options);
    return udp->dst_port == DNSFLOW_PORT && !net_is_dns_port(&options, udp->src_port) &&
           dnsflow_decode(udp->bytes, udp->len, &datagram) == DNSFLOW_OK;
}

/* Fragments of datagrams that were too large for a packet are neither the one nor the other. */
static void look_for_datagram(struct file_look *look, const struct packet *packet)
{
    struct net_payload udp = {.transport = NET_UDP};
    enum drop_reason why = net_decode(packet, NULL, &udp);
    if (udp.fragment)
        return;
    if (why != DROP_NONE || udp.transport != NET_UDP)
        udp.dst_port = 0;
    if (is_datagram(look->config, packet, &udp))
        look->datagrams++;
    else
        look->is_done = true;
}

int file_look_packets(struct file_look *look, const struct packet *packets, int count, struct error *err)
{
    int i;
    for (i = 0; look->filter && i < count; i++)
        if (filter_check_link(look->filter, packets[i].link_type, err) != 0)
            count = i;
    look->packets += (uint64_t)count;
    for (i = 0; !look->is_done && i < count; i++)
        look_for_datagram(look, &packets[i]);
    return count;
}

bool file_look_is_datagrams(const struct file_look *look)
{
    return !look->is_done && look->datagrams > 0;
}

void file_look_close(struct file_look *look)
{
    filter_destroy(look->filter);
}
