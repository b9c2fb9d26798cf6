/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/interface.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/capture.h"
#include "net/numbers.h"

#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519
#endif
#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823
#endif

static int send_request(int fd, const char *interface)
{
    struct request {
        struct nlmsghdr head;
        struct ifinfomsg info;
        struct rtattr name_head;
        char name[IF_NAMESIZE];
    } request = {.head = {.nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
                 .info = {.ifi_family = AF_UNSPEC},
                 .name_head = {.rta_type = IFLA_IFNAME}};
    snprintf(request.name, sizeof(request.name), "%s", interface);
    request.name_head.rta_len = (unsigned short)RTA_LENGTH(strlen(request.name) + 1);
    request.head.nlmsg_len = (uint32_t)(offsetof(struct request, name_head) + RTA_ALIGN(request.name_head.rta_len));
    return send(fd, &request, request.head.nlmsg_len, 0) == (ssize_t)request.head.nlmsg_len ? 0 : -1;
}

/* Copies the 64-bit counters among the attributes of the answer, as many as this kernel has. */
static void read_counters(const uint8_t *answer, size_t len, struct rtnl_link_stats64 *out)
{
    size_t at = NLMSG_SPACE(sizeof(struct ifinfomsg)), size;
    struct rtattr head;
    memset(out, 0, sizeof(*out));
    for (; at + sizeof(head) <= len; at += (head.rta_len + 3u) & ~3u) {
        memcpy(&head, answer + at, sizeof(head));
        if (head.rta_len < sizeof(head) || head.rta_len > len - at)
            return;
        size = head.rta_len - sizeof(head) < sizeof(*out) ? head.rta_len - sizeof(head) : sizeof(*out);
        if (head.rta_type == IFLA_STATS64)
            memcpy(out, answer + at + sizeof(head), size);
    }
}

/* By rtnetlink, as sysfs cannot be opened any more once the sensor has given up its rights. */
int interface_state(const char *interface, struct interface_state *out)
{
    union {
        struct nlmsghdr head;
        uint8_t bytes[16384];
    } answer;
    struct rtnl_link_stats64 stats;
    struct ifinfomsg info;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t len = fd >= 0 && send_request(fd, interface) == 0 ? recv(fd, answer.bytes, sizeof(answer), 0) : -1;
    if (fd >= 0)
        close(fd);
    if (len < (ssize_t)NLMSG_LENGTH(sizeof(info)) || answer.head.nlmsg_type != RTM_NEWLINK)
        return -1;
    memcpy(&info, answer.bytes + NLMSG_HDRLEN, sizeof(info));
    read_counters(answer.bytes, (size_t)len, &stats);
    *out = (struct interface_state){.is_up = info.ifi_flags & IFF_UP,
                                    .has_link = info.ifi_flags & IFF_RUNNING,
                                    .received = stats.rx_packets,
                                    .drops = stats.rx_dropped + stats.rx_missed_errors + stats.rx_fifo_errors};
    return 0;
}

uint64_t interface_drops(const char *interface)
{
    struct interface_state state;
    return interface_state(interface, &state) == 0 ? state.drops : 0;
}

unsigned interface_index(const char *interface)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    int result = fd >= 0 ? ioctl(fd, SIOCGIFINDEX, &request) : -1;
    if (fd >= 0)
        close(fd);
    return result == 0 ? (unsigned)request.ifr_ifindex : 0;
}

int interface_link_type(const char *interface, uint16_t *link_type)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    int result = fd >= 0 ? ioctl(fd, SIOCGIFHWADDR, &request) : -1;
    if (fd >= 0)
        close(fd);
    unsigned type = request.ifr_hwaddr.sa_family;
    *link_type = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? LINKTYPE_ETHERNET : LINKTYPE_RAW;
    return result;
}

bool capture_is_any(const char *interface)
{
    return strcmp(interface, "any") == 0;
}

bool capture_has_rings(const char *interface)
{
    /* Ethernet, and devices of bare IP packets; others have frames that only libpcap knows to read. */
    static const unsigned types[] = {ARPHRD_ETHER,  ARPHRD_LOOPBACK, ARPHRD_NONE, ARPHRD_RAWIP, ARPHRD_PPP,
                                     ARPHRD_TUNNEL, ARPHRD_TUNNEL6,  ARPHRD_SIT,  ARPHRD_IPGRE, ARPHRD_IP6GRE};
    struct ifreq request;
    size_t i;
    bool known = capture_is_any(interface);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    if (fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &request) == 0)
        for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
            known |= request.ifr_hwaddr.sa_family == types[i];
    if (fd >= 0)
        close(fd);
    return known;
}
