/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/probe.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/interface.h"

static int open_socket(const char *interface, uint16_t *link_type)
{
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(interface)};
    if (address.sll_ifindex == 0 || interface_link_type(interface, link_type) != 0)
        return -1;
    int kind = *link_type == LINK_ETHERNET ? SOCK_RAW : SOCK_DGRAM;
    int fd = socket(AF_PACKET, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int capture_probe(const char *interface, probe_take *take, void *context)
{
    uint8_t bytes[PROBE_BYTES];
    struct packet packet = {.bytes = bytes};
    int fd = open_socket(interface, &packet.link_type), count = 0;
    int64_t until = clock_monotonic_us() + PROBE_MS * 1000, now;
    if (fd < 0)
        return -1;
    while (count < PROBE_PACKETS && (now = clock_monotonic_us()) < until) {
        ssize_t len = recv(fd, bytes, sizeof(bytes), MSG_TRUNC);
        if (len <= 0) {
            struct pollfd ready = {.fd = fd, .events = POLLIN};
            (void)poll(&ready, 1, (int)((until - now) / 1000) + 1);
            continue;
        }
        packet.wire_len = (uint32_t)len;
        packet.captured_len = packet.wire_len < sizeof(bytes) ? packet.wire_len : (uint32_t)sizeof(bytes);
        take(context, &packet);
        count++;
    }
    close(fd);
    return count;
}
