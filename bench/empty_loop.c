/* SPDX-License-Identifier: BSD-3-Clause
 *
 * empty_loop FILE: the least a libpcap program can do, read every packet and touch nothing. The yardstick. */
#include <pcap/pcap.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    unsigned long packets = 0;
    pcap_t *pcap = argc == 2 ? pcap_open_offline(argv[1], text) : NULL;
    if (!pcap) {
        fprintf(stderr, "usage: empty_loop FILE\n");
        return 1;
    }
    while (pcap_next_ex(pcap, &header, &bytes) == 1)
        packets++;
    printf("%lu\n", packets);
    pcap_close(pcap);
    return 0;
}
