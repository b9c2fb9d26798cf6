/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bare_sends FILE PORT: sends the datagrams of a file that `dnsflow -w` has written to 127.0.0.1:PORT, 32 by each
 * sendmmsg. Prints the CPU seconds that the sending alone took, user and system: with empty_loop the floor for `-u`. */
#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { GATHER = 32, HEADERS = 4 + 20 + 8 };

struct datagrams {
    size_t count, size;
    struct iovec *slices;
};

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int load(const char *path, struct datagrams *out)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    pcap_t *pcap = pcap_open_offline(path, text);
    while (pcap && pcap_next_ex(pcap, &header, &bytes) == 1 && header->caplen > HEADERS) {
        size_t len = header->caplen - HEADERS;
        if (out->count == out->size) {
            out->size = 2 * out->size + 1024;
            out->slices = realloc(out->slices, out->size * sizeof(*out->slices));
        }
        void *copy = malloc(len);
        if (!out->slices || !copy)
            return -1;
        memcpy(copy, bytes + HEADERS, len);
        out->slices[out->count++] = (struct iovec){copy, len};
    }
    if (pcap)
        pcap_close(pcap);
    return out->count > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct datagrams all = {0, 0, NULL};
    struct mmsghdr messages[GATHER];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t at, i;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
    to.sin_port = argc == 3 ? htons((unsigned short)strtoul(argv[2], NULL, 10)) : 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (argc != 3 || load(argv[1], &all) != 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        fprintf(stderr, "usage: bare_sends FILE PORT, with a file of datagrams\n");
        return 1;
    }
    memset(messages, 0, sizeof(messages));
    double before = cpu_seconds();
    for (at = 0; at < all.count; at += GATHER) {
        unsigned n = all.count - at < GATHER ? (unsigned)(all.count - at) : GATHER;
        for (i = 0; i < n; i++) {
            messages[i].msg_hdr.msg_iov = &all.slices[at + i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        if (sendmmsg(fd, messages, n, 0) < 0)
            perror("sendmmsg");
    }
    printf("%.6f\n", cpu_seconds() - before);
    return 0;
}
