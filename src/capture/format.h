/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of capture/: the two file formats, each a function that takes the next record off the bytes at hand. */
#ifndef DNSFLOW_CAPTURE_FORMAT_H
#define DNSFLOW_CAPTURE_FORMAT_H

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "net/packet.h"

enum {
    RECORD_CAPTURED_MAX = 256 * 1024, /* bytes of a frame; libpcap's limit too */
    BLOCK_MAX = 1024 * 1024,          /* bytes of a pcapng block that are looked at; behind them are only options */
};

/* A number in the byte order of the file; `swapped` when that is not this machine's. */
static inline uint32_t file_u32(bool swapped, const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return swapped ? __builtin_bswap32(v) : v;
}

/* The same with 2 bytes. */
static inline uint16_t file_u16(bool swapped, const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return swapped ? __builtin_bswap16(v) : v;
}

/* Both formats lend the same way: they fill packets[0..max) from the `left` bytes at hand and return their number.
 * *used gets the bytes these took, blocks without a packet included; it may be more than are at hand when the last
 * block is to be passed over. 0 means that more bytes are needed, LEND_BROKEN that the bytes at *used make no sense,
 * which *err explains; what came before has been lent by earlier calls. */
enum { LEND_BROKEN = -1 };

struct pcap_format {
    bool swapped;   /* numbers are in the other byte order than this machine's */
    uint16_t minor; /* before version 2.3 the two lengths stood the other way round, in 2.3 either way */
    bool nanoseconds;
    uint8_t record_header; /* bytes: 16, or 24 in the modified format */
    uint16_t link_type;
};

/* Reads the 24 bytes of a file header. */
MUST_CHECK int pcap_format_open(struct pcap_format *format, const uint8_t *head, struct error *err);

/* Records, each a packet. */
MUST_CHECK int pcap_lend(const struct pcap_format *format, const uint8_t *at, size_t left, struct packet *packets,
                         int max, uint64_t *used, struct error *err);

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
    uint32_t open_len;  /* of a block that is read in parts, 0 = none */
    uint32_t open_left; /* bytes of options in it, before its closing length */
};

/* Blocks, of any kind. *format is all zero before the first; it learns byte order and interfaces from them. */
MUST_CHECK int pcapng_lend(struct pcapng_format *format, const uint8_t *at, size_t left, struct packet *packets,
                           int max, uint64_t *used, struct error *err);

/* Frees what it has learned. */
void pcapng_format_close(struct pcapng_format *format);

#endif
