/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/probe.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/capture.h"
#include "capture/interface.h"
#include "net/numbers.h"

enum { BUFFER = 256 << 10 /* bytes; more than comes between two looks at it is not needed */ };

struct probe {
    int fd; /* -1: it is over */
    unsigned count;
    uint16_t link_type;
};

static int open_socket(const char *interface, uint16_t *link_type)
{
    bool is_any = capture_is_any(interface);
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = is_any ? 0 : (int)interface_index(interface)};
    int size = BUFFER;
    *link_type = LINKTYPE_RAW;
    if (!is_any && (address.sll_ifindex == 0 || interface_link_type(interface, link_type) != 0))
        return -1;
    int fd =
        socket(AF_PACKET, (*link_type == LINKTYPE_ETHERNET ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

struct probe *probe_open(const char *interface)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    if (!probe)
        return NULL;
    probe->fd = open_socket(interface, &probe->link_type);
    if (probe->fd >= 0)
        return probe;
    free(probe);
    return NULL;
}

static void end(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

void probe_packets(struct probe *probe, probe_take *take, void *context)
{
    uint8_t bytes[PROBE_BYTES];
    struct packet packet = {.bytes = bytes, .link_type = probe->link_type, .time_us = clock_unix_us()};
    ssize_t len;
    while (probe->fd >= 0 && (len = recv(probe->fd, bytes, sizeof(bytes), MSG_TRUNC)) > 0) {
        packet.wire_len = (uint32_t)len;
        packet.captured_len = packet.wire_len < sizeof(bytes) ? packet.wire_len : (uint32_t)sizeof(bytes);
        take(context, &packet);
        if (++probe->count == PROBE_PACKETS)
            end(probe);
    }
}

void probe_close(struct probe *probe)
{
    if (!probe)
        return;
    end(probe);
    free(probe);
}
