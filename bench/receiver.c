/* SPDX-License-Identifier: BSD-3-Clause
 *
 * receiver PORT IDLE_MS [ADDRESS]: takes DNSFlow datagrams on ADDRESS:PORT, 127.0.0.1 by default, until none has come
 * for IDLE_MS. Prints "PORT" when it is ready, then "datagrams records lost", lost by gaps in the sequence. One source
 * at a time. It looks into its socket every 5 ms and never sleeps in it: a collector is on another host, so that
 * waking it is no cost of the sensor's. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dnsflow.h"

enum { BATCH = 64, BUFFER = 64 << 20, EVERY_MS = 5 };

struct counts {
    unsigned long datagrams, records;
    uint32_t highest;
};

static int open_socket(unsigned short port, const char *where)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = BUFFER;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, where, &address.sin_addr) != 1)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

static void take(struct counts *counts, const uint8_t *bytes, size_t len)
{
    struct dnsflow_datagram d;
    if (dnsflow_decode(bytes, len, &d) != DNSFLOW_OK)
        return;
    counts->datagrams++;
    if (!(d.flags & DNSFLOW_FLAG_STATS))
        counts->records += d.sets_count;
    if (d.sequence > counts->highest)
        counts->highest = d.sequence;
}

int main(int argc, char **argv)
{
    static uint8_t bytes[BATCH][2048];
    struct mmsghdr messages[BATCH];
    struct iovec slices[BATCH];
    struct counts counts = {0};
    int idle_ms = argc >= 3 ? (int)strtoul(argv[2], NULL, 10) : 0;
    const char *where = argc == 4 ? argv[3] : "127.0.0.1";
    int i, n, waited_ms, fd = argc >= 3 ? open_socket((unsigned short)strtoul(argv[1], NULL, 10), where) : -1;
    if (fd < 0) {
        fprintf(stderr, "usage: receiver PORT IDLE_MS [ADDRESS], with a free port\n");
        return 1;
    }
    memset(messages, 0, sizeof(messages));
    for (i = 0; i < BATCH; i++) {
        slices[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
        messages[i].msg_hdr.msg_iov = &slices[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    printf("%s\n", argv[1]);
    fflush(stdout);
    const struct timespec pause = {.tv_nsec = EVERY_MS * 1000000L};
    for (waited_ms = 0; waited_ms <= idle_ms; waited_ms += EVERY_MS) {
        (void)nanosleep(&pause, NULL);
        while ((n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL)) > 0) {
            waited_ms = 0;
            for (i = 0; i < n; i++)
                take(&counts, bytes[i], messages[i].msg_len);
        }
    }
    printf("%lu %lu %lu\n", counts.datagrams, counts.records, counts.highest - counts.datagrams);
    close(fd);
    return 0;
}
