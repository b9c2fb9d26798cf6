/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/interface.h"

#include <net/if.h>
#include <net/if_arp.h>
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

/* A number out of the interface's statistics in sysfs, 0 if it is not to be had. */
static uint64_t read_counter(const char *interface, const char *name)
{
    char path[128];
    unsigned long long value = 0;
    snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", interface, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &value) != 1)
        value = 0;
    fclose(file);
    return value;
}

uint64_t interface_drops(const char *interface)
{
    return read_counter(interface, "rx_dropped") + read_counter(interface, "rx_missed_errors") +
           read_counter(interface, "rx_fifo_errors");
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
