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

/* By rtnetlink, as sysfs cannot be opened any more once the sensor has given up its rights. */
uint64_t interface_drops(const char *interface)
{
    union {
        struct nlmsghdr head;
        uint8_t bytes[16384];
    } answer;
    struct rtnl_link_stats64 stats;
    struct rtattr head;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t len = fd >= 0 && send_request(fd, interface) == 0 ? recv(fd, answer.bytes, sizeof(answer), 0) : -1;
    if (fd >= 0)
        close(fd);
    if (len < (ssize_t)NLMSG_LENGTH(sizeof(struct ifinfomsg)) || answer.head.nlmsg_type != RTM_NEWLINK)
        return 0;
    size_t at = NLMSG_SPACE(sizeof(struct ifinfomsg)), size;
    for (; at + sizeof(head) <= (size_t)len; at += (head.rta_len + 3u) & ~3u) {
        memcpy(&head, answer.bytes + at, sizeof(head));
        if (head.rta_len < sizeof(head) || head.rta_len > (size_t)len - at)
            break;
        if (head.rta_type != IFLA_STATS64)
            continue;
        size = head.rta_len - sizeof(head) < sizeof(stats) ? head.rta_len - sizeof(head) : sizeof(stats);
        memset(&stats, 0, sizeof(stats));
        memcpy(&stats, answer.bytes + at + sizeof(head), size);
        return stats.rx_dropped + stats.rx_missed_errors + stats.rx_fifo_errors;
    }
    return 0;
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
    *link_type = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? LINK_ETHERNET : LINK_RAW;
    return result;
}

bool capture_has_rings(const char *interface)
{
    /* Ethernet, and devices of bare IP packets; others have frames that only libpcap knows to read. */
    static const unsigned types[] = {ARPHRD_ETHER,  ARPHRD_LOOPBACK, ARPHRD_NONE, ARPHRD_RAWIP, ARPHRD_PPP,
                                     ARPHRD_TUNNEL, ARPHRD_TUNNEL6,  ARPHRD_SIT,  ARPHRD_IPGRE, ARPHRD_IP6GRE};
    struct ifreq request;
    size_t i;
    bool known = false;
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
