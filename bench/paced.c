/* SPDX-License-Identifier: BSD-3-Clause
 *
 * paced FILE PORT DATAGRAMS_A_SECOND SECONDS: sends the datagrams of a file that `dnsflow -w` has written to
 * 127.0.0.1:PORT at a steady rate, from the beginning again when it ends, with sequence numbers that go on and times
 * and a start of now. Prints how many datagrams and records it has sent. */
#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "dnsflow.h"

enum { HEADERS = 4 + 20 + 8, GATHER = 32, TICK_US = 1000 };

struct datagram {
    uint8_t *bytes;
    size_t len, trailer; /* where the trailer begins, 0 = none */
};

struct datagrams {
    size_t count, size;
    struct datagram *list;
};

/* The trailer's place, by its last byte and its sets: it is the last thing in the datagram. */
static size_t find_trailer(const uint8_t *bytes, size_t len)
{
    struct dnsflow_datagram d;
    if (dnsflow_decode(bytes, len, &d) != DNSFLOW_OK || !d.has_trailer || (d.flags & ~2u))
        return 0;
    return len - 24 - 16u * d.sets_count;
}

static int load(const char *path, struct datagrams *out)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    pcap_t *pcap = pcap_open_offline(path, text);
    while (pcap && pcap_next_ex(pcap, &header, &bytes) == 1 && header->caplen > HEADERS) {
        if (out->count == out->size) {
            out->size = 2 * out->size + 1024;
            out->list = realloc(out->list, out->size * sizeof(*out->list));
        }
        struct datagram one = {malloc(header->caplen), header->caplen - HEADERS, 0};
        if (!out->list || !one.bytes)
            return -1;
        memcpy(one.bytes, bytes + HEADERS, one.len);
        one.trailer = find_trailer(one.bytes, one.len);
        out->list[out->count++] = one;
    }
    if (pcap)
        pcap_close(pcap);
    return out->count > 0 ? 0 : -1;
}

static void renew(struct datagram *d, uint32_t sequence, uint32_t start)
{
    store_be32(d->bytes + 4, sequence);
    if (d->trailer == 0)
        return;
    store_be32(d->bytes + d->trailer + 8, start);
    store_be64(d->bytes + d->trailer + 16, (uint64_t)clock_unix_us());
}

int main(int argc, char **argv)
{
    struct datagrams all = {0, 0, NULL};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    unsigned long sent = 0, records = 0;
    if (argc != 5 || load(argv[1], &all) != 0)
        return 2;
    to.sin_port = htons((unsigned short)strtoul(argv[2], NULL, 10));
    double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL);
    uint32_t start = (uint32_t)time(NULL);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        return 1;
    int64_t begun = clock_monotonic_us(), now;
    while ((now = clock_monotonic_us() - begun) < (int64_t)(seconds * 1e6)) {
        while ((double)sent < (double)now / 1e6 * rate) {
            struct datagram *d = &all.list[sent % all.count];
            renew(d, (uint32_t)++sent, start);
            records += d->bytes[1];
            (void)send(fd, d->bytes, d->len, 0);
        }
        nanosleep(&(struct timespec){.tv_nsec = TICK_US * 1000}, NULL);
    }
    printf("%lu %lu\n", sent, records);
    return 0;
}
