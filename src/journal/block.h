/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The journal's format. A file is a chain of zstd frames, which any reader of compressed captures reads as one pcap
 * file (LINKTYPE_RAW, microseconds, little-endian): first a frame with the file header alone, then blocks. A block is
 * a skippable frame, which other programs pass over, and a frame of whole pcap records. The skippable frame says what
 * the block holds and what had been lost by then:
 *
 *     magic 0x184D2A5D, little-endian | length of what follows, likewise
 *     "DFJ1" | CRC32C of what follows u32 | number u64 | flags u16 | totals_count u16 | streams_count u32 |
 *     first_us u64 | last_us u64 | record_first_us u64 | record_last_us u64 | datagrams u32 | records u32 |
 *     plain_len u32 | packed_len u32 | totals u64 x count | streams x count (receive/source.h)
 *
 * in network order; the other frame has a checksum of zstd's own. Each datagram is a packet from its sender's address
 * and port to loopback, port 5300, with the time at which it was received. Totals only grow along the chain, so that
 * the difference of any two says what lies between them, whatever is damaged there. */
#ifndef DNSFLOW_JOURNAL_BLOCK_H
#define DNSFLOW_JOURNAL_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "receive/listener.h"
#include "receive/received.h"
#include "receive/source.h"

enum {
    JOURNAL_PLAIN_MAX = 128 * 1024, /* bytes of a block before it is compressed */
    JOURNAL_HEAD_MIN = 8 + 8,       /* magic, length, "DFJ1" and CRC */
    JOURNAL_FILE_HEADER = 24,       /* of a pcap file */
    JOURNAL_LINK_TYPE = 101         /* LINKTYPE_RAW */
};

/* What is counted along the chain, in datagrams if nothing else is said. The order is that of the format: add at the
 * end. */
/* clang-format off */
#define JOURNAL_TOTALS(X) \
    X(DATAGRAMS, "datagrams", "written") \
    X(RECORDS, "records", "records in these") \
    X(STATISTICS, "statistics", "of these, with the sensor's statistics") \
    X(SOCKET, "socket", "no room in the socket") \
    X(MEMORY, "memory", "no free block in memory") \
    X(JOURNAL, "journal", "block that could not be written") \
    X(JOURNAL_RECORDS, "journal_records", "records in these") \
    X(DOUBLED, "doubled", "number that had come already") \
    X(NOT_ALLOWED, "not_allowed", "from an address that is not in --allow") \
    X(MALFORMED, "malformed", "no DNSFlow datagram") \
    X(UNSIGNED, "unsigned", "not signed") \
    X(FORGED, "forged", "signed with another key") \
    X(REPLAYED, "replayed", "signed, but come already") \
    X(STALE, "stale", "signed, but made more than 300 s ago, or ahead") \
    X(CROWDED, "crowded", "signed, but of more streams than there is room for")
/* clang-format on */

enum journal_total {
#define JOURNAL_TOTAL(name, word, text) TOTAL_##name,
    JOURNAL_TOTALS(JOURNAL_TOTAL)
#undef JOURNAL_TOTAL
        TOTALS_COUNT
};

struct journal_total_row {
    const char *word, *text;
};

extern const struct journal_total_row journal_totals[TOTALS_COUNT];

enum {
    JOURNAL_FIRST =
        1, /* flags: the first of a receiver; what streams miss up to their next datagram was missed before */
    JOURNAL_SIGNED = 2, /* only datagrams with a right tag were taken */
    JOURNAL_TABLE = 4   /* has the streams, as they stood before it */
};

struct journal_block {
    uint64_t number; /* counts up by one along the chain, over all files */
    uint16_t flags;
    int64_t first_us, last_us;               /* received */
    int64_t record_first_us, record_last_us; /* least and greatest time of a record; first > last: there is none */
    uint32_t datagrams, records;
    uint32_t plain_len, packed_len; /* bytes of the frame behind it, unpacked and as it is */
    uint64_t totals[TOTALS_COUNT];  /* with this block */
    uint32_t streams_count;         /* with JOURNAL_TABLE */
    const uint8_t *streams;         /* SOURCE_STATE bytes each; borrowed */
};

/* CRC-32C (RFC 3720), begun with 0. */
uint32_t journal_crc(uint32_t crc, const uint8_t *bytes, size_t len);

/* Bytes of the block's skippable frame. */
size_t journal_head_size(const struct journal_block *block);

/* Writes it. Returns how many bytes, 0 when they do not fit. */
size_t journal_head_write(const struct journal_block *block, uint8_t *bytes, size_t size);

/* Reads one. Returns its bytes, 0 = more than `len` are needed, -1 = there is none here, or a broken one. What the
 * block's streams lead to stays the caller's. */
ptrdiff_t journal_head_read(const uint8_t *bytes, size_t len, struct journal_block *out);

/* The pcap file header. */
void journal_file_header(uint8_t header[JOURNAL_FILE_HEADER]);

/* Bytes that a datagram takes in a block. */
size_t journal_record_size(const struct received *from);

/* Writes the datagram as a pcap record, which has room. */
void journal_record_write(const struct received *from, uint8_t *bytes);

/* Reads the record at *at, which is moved behind it: address, port, time and bytes of *out, which point there. 1, 0 at
 * the end, or -1: it is not one that journal_record_write() made. */
int journal_record_read(const uint8_t **at, const uint8_t *end, struct received *out);

/* Reads on to a datagram that has records, decoded; false: there is none up to the end. What cannot be decoded and
 * statistics are passed over. */
bool journal_data_read(const uint8_t **at, const uint8_t *end, struct received *out);

#endif
