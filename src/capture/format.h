/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of capture/: the two file formats, each a function that takes the next record off the bytes at hand. */
#ifndef DNSFLOW_CAPTURE_FORMAT_H
#define DNSFLOW_CAPTURE_FORMAT_H

#include <stdbool.h>

#include "base/error.h"
#include "net/packet.h"

enum {
    RECORD_CAPTURED_MAX = 256 * 1024, /* bytes of a frame; libpcap's limit too */
    BLOCK_MAX = 1024 * 1024,          /* bytes of a pcapng block that has to be read, not just passed over */
};

enum record_kind {
    RECORD_PACKET, /* *out is filled, *used bytes are taken */
    RECORD_OTHER,  /* *used bytes hold no packet; they may be more than are at hand */
    RECORD_SHORT,  /* more bytes are needed */
    RECORD_BROKEN  /* *err says what is wrong */
};

struct pcap_format {
    bool swapped;           /* numbers are in the other byte order than this machine's */
    bool lengths_swapped;   /* before version 2.3 the two lengths stood the other way round */
    bool nanoseconds;
    uint8_t record_header;  /* bytes: 16, or 24 in the modified format */
    uint16_t link_type;
};

/* Reads the 24 bytes of a file header. */
int pcap_format_open(struct pcap_format *format, const uint8_t *head, struct error *err);

enum record_kind pcap_record(struct pcap_format *format, const uint8_t *at, size_t left, struct packet *out,
                             uint64_t *used, struct error *err);

struct pcapng_interface {
    uint16_t link_type;
    uint8_t resolution; /* if_tsresol: 10^-n seconds, with bit 7 set 2^-n */
    uint32_t snap_len;  /* 0 = none */
    int64_t offset_us;  /* if_tsoffset */
};

struct pcapng_format {
    bool swapped;
    int64_t last_time_us; /* for simple packet blocks, which have none */
    struct pcapng_interface *interfaces;
    size_t interfaces_count, interfaces_size;
};

enum record_kind pcapng_record(struct pcapng_format *format, const uint8_t *at, size_t left, struct packet *out,
                               uint64_t *used, struct error *err);
void pcapng_format_close(struct pcapng_format *format);

#endif
