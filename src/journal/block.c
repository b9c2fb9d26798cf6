/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/block.h"

#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "net/numbers.h"

enum {
    SKIPPABLE = 0x184d2a5d,
    CRC_AT = 12, /* of the CRC; what it is of follows */
    FIXED = 8 + 8 + 8 + 2 + 2 + 4 + 4 * 8 + 4 * 4,
    TOTALS_MAX = 1024, /* that a later version may have */
    RECORD_HEADER = 16,
    IP4_HEADER = 20,
    IP6_HEADER = 40,
    UDP_HEADER = 8,
    SNAP_LEN = 256 * 1024,
    TTL = 64,
};

static const char mark[4] = {'D', 'F', 'J', '1'};

const struct journal_total_row journal_totals[TOTALS_COUNT] = {
#define JOURNAL_TOTAL(name, word, text) [TOTAL_##name] = {word, text},
    JOURNAL_TOTALS(JOURNAL_TOTAL)
#undef JOURNAL_TOTAL
};

/* ---- CRC ---- */

/* Four bits at a time: the polynomial 0x1edc6f41 with its bits turned round. What is checked is short. */
uint32_t journal_crc(uint32_t crc, const uint8_t *bytes, size_t len)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    size_t i;
    crc = ~crc;
    for (i = 0; i < len; i++) {
        crc = crc >> 4 ^ table[(crc ^ bytes[i]) & 15];
        crc = crc >> 4 ^ table[(crc ^ (uint32_t)bytes[i] >> 4) & 15];
    }
    return ~crc;
}

/* ---- the skippable frame ---- */

static void store_le32(uint8_t *p, uint32_t v)
{
    store_be32(p, __builtin_bswap32(v));
}

static void store_le16(uint8_t *p, uint16_t v)
{
    store_be16(p, __builtin_bswap16(v));
}

size_t journal_head_size(const struct journal_block *block)
{
    return FIXED + 8 * (size_t)TOTALS_COUNT + (size_t)block->streams_count * SOURCE_STATE;
}

size_t journal_head_write(const struct journal_block *block, uint8_t *bytes, size_t size)
{
    struct writer out = writer_over(bytes, size);
    size_t len = journal_head_size(block), i;
    if (size < len)
        return 0;
    write_zeros(&out, 8);
    write_bytes(&out, mark, sizeof(mark));
    write_zeros(&out, 4);
    write_be64(&out, block->number);
    write_be16(&out, block->flags);
    write_be16(&out, TOTALS_COUNT);
    write_be32(&out, block->streams_count);
    write_be64(&out, (uint64_t)block->first_us);
    write_be64(&out, (uint64_t)block->last_us);
    write_be64(&out, (uint64_t)block->record_first_us);
    write_be64(&out, (uint64_t)block->record_last_us);
    write_be32(&out, block->datagrams);
    write_be32(&out, block->records);
    write_be32(&out, block->plain_len);
    write_be32(&out, block->packed_len);
    for (i = 0; i < TOTALS_COUNT; i++)
        write_be64(&out, block->totals[i]);
    write_bytes(&out, block->streams, (size_t)block->streams_count * SOURCE_STATE);
    store_le32(bytes, SKIPPABLE);
    store_le32(bytes + 4, (uint32_t)len - 8);
    store_be32(bytes + CRC_AT, journal_crc(0, bytes + CRC_AT + 4, len - CRC_AT - 4));
    return len;
}

static void read_fields(struct reader *in, struct journal_block *out)
{
    uint32_t totals, i;
    out->number = read_be64(in);
    out->flags = read_be16(in);
    totals = read_be16(in);
    out->streams_count = read_be32(in);
    out->first_us = (int64_t)read_be64(in);
    out->last_us = (int64_t)read_be64(in);
    out->record_first_us = (int64_t)read_be64(in);
    out->record_last_us = (int64_t)read_be64(in);
    out->datagrams = read_be32(in);
    out->records = read_be32(in);
    out->plain_len = read_be32(in);
    out->packed_len = read_be32(in);
    for (i = 0; i < totals && !in->failed; i++) {
        uint64_t total = read_be64(in);
        if (i < TOTALS_COUNT)
            out->totals[i] = total;
    }
}

/* What does not fit together is not what was written. */
static bool is_whole(const struct reader *in, const struct journal_block *b)
{
    return !in->failed && b->streams_count <= SOURCES_MAX &&
           reader_left(in) >= (size_t)b->streams_count * SOURCE_STATE && b->plain_len <= JOURNAL_PLAIN_MAX &&
           b->packed_len > 0 && b->packed_len <= 2 * JOURNAL_PLAIN_MAX;
}

ptrdiff_t journal_head_read(const uint8_t *bytes, size_t len, struct journal_block *out)
{
    const size_t most = FIXED + 8 * (size_t)TOTALS_MAX + (size_t)SOURCES_MAX * SOURCE_STATE;
    if (len < 4)
        return memcmp(bytes, "\x5d\x2a\x4d\x18", len) == 0 ? 0 : -1;
    if (load_le32(bytes) != SKIPPABLE)
        return -1;
    if (len < JOURNAL_HEAD_MIN)
        return 0;
    size_t whole = (size_t)load_le32(bytes + 4) + 8;
    if (memcmp(bytes + 8, mark, sizeof(mark)) != 0 || whole < FIXED || whole > most)
        return -1;
    if (len < whole)
        return 0;
    if (load_be32(bytes + CRC_AT) != journal_crc(0, bytes + CRC_AT + 4, whole - CRC_AT - 4))
        return -1;
    struct reader in = reader_over(bytes + CRC_AT + 4, whole - CRC_AT - 4);
    memset(out, 0, sizeof(*out));
    read_fields(&in, out);
    if (!is_whole(&in, out))
        return -1;
    out->streams = in.at;
    return (ptrdiff_t)whole;
}

/* ---- pcap ---- */

void journal_file_header(uint8_t header[JOURNAL_FILE_HEADER])
{
    memset(header, 0, JOURNAL_FILE_HEADER);
    store_le32(header, 0xa1b2c3d4);
    store_le16(header + 4, 2);
    store_le16(header + 6, 4);
    store_le32(header + 16, SNAP_LEN);
    store_le32(header + 20, JOURNAL_LINK_TYPE);
}

static size_t headers_len(uint8_t ip_vers)
{
    return (ip_vers == 6 ? IP6_HEADER : IP4_HEADER) + UDP_HEADER;
}

size_t journal_record_size(const struct received *from)
{
    return RECORD_HEADER + headers_len(from->ip_vers) + from->len;
}

/* Sum of 16-bit words, an odd byte padded with zero (RFC 1071), folded. */
static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
    uint64_t all = sum;
    for (; len > 1; bytes += 2, len -= 2)
        all += load_be16(bytes);
    if (len == 1)
        all += (uint64_t)bytes[0] << 8;
    while (all >> 16)
        all = (all & 0xffff) + (all >> 16);
    return (uint32_t)all;
}

static uint8_t *put_ip4(uint8_t *p, const struct received *from)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    memset(p, 0, IP4_HEADER);
    p[0] = 0x45;
    store_be16(p + 2, (uint16_t)(headers_len(4) + from->len));
    p[8] = TTL;
    p[9] = PROTO_UDP;
    memcpy(p + 12, from->address, 4);
    memcpy(p + 16, loopback, 4);
    store_be16(p + 10, (uint16_t)~sum_words(0, p, IP4_HEADER));
    return p + IP4_HEADER;
}

static uint8_t *put_ip6(uint8_t *p, const struct received *from)
{
    memset(p, 0, IP6_HEADER);
    p[0] = 0x60;
    store_be16(p + 4, (uint16_t)(UDP_HEADER + from->len));
    p[6] = PROTO_UDP;
    p[7] = TTL;
    memcpy(p + 8, from->address, 16);
    p[39] = 1;
    return p + IP6_HEADER;
}

void journal_record_write(const struct received *from, uint8_t *bytes)
{
    uint32_t seconds, us, len = (uint32_t)(headers_len(from->ip_vers) + from->len);
    clock_split(from->time_us, &seconds, &us);
    store_le32(bytes, seconds);
    store_le32(bytes + 4, us);
    store_le32(bytes + 8, len);
    store_le32(bytes + 12, len);
    uint8_t *ip = bytes + RECORD_HEADER, *udp = from->ip_vers == 6 ? put_ip6(ip, from) : put_ip4(ip, from);
    store_be16(udp, from->port);
    store_be16(udp + 2, DNSFLOW_PORT);
    store_be16(udp + 4, (uint16_t)(UDP_HEADER + from->len));
    store_be16(udp + 6, 0);
    if (from->len > 0)
        memcpy(udp + UDP_HEADER, from->bytes, from->len);
    if (from->ip_vers != 6)
        return;
    uint32_t sum = sum_words(PROTO_UDP + UDP_HEADER + (uint32_t)from->len, ip + 8, 32);
    uint16_t check = (uint16_t)~sum_words(sum, udp, UDP_HEADER + from->len);
    store_be16(udp + 6, check ? check : 0xffff); /* over IPv6 it is needed (RFC 8200) */
}

/* The datagram in an IP packet, which ends with it. */
static bool read_packet(struct reader *in, struct received *out)
{
    uint8_t first = read_u8(in);
    out->ip_vers = first >> 4;
    if (first != 0x45 && first != 0x60)
        return false;
    read_skip(in, out->ip_vers == 6 ? 7 : 11);
    out->address = read_bytes(in, out->ip_vers == 6 ? 16 : 4);
    read_skip(in, out->ip_vers == 6 ? 16 : 4);
    out->port = read_be16(in);
    bool is_ours = read_be16(in) == DNSFLOW_PORT;
    uint16_t len = read_be16(in);
    read_skip(in, 2);
    out->bytes = in->at;
    out->len = reader_left(in);
    return !in->failed && is_ours && len == UDP_HEADER + out->len;
}

int journal_record_read(const uint8_t **at, const uint8_t *end, struct received *out)
{
    struct reader in = reader_over(*at, (size_t)(end - *at));
    if (in.at == in.end)
        return 0;
    const uint8_t *head = read_bytes(&in, RECORD_HEADER);
    if (!head)
        return -1;
    size_t len = load_le32(head + 8);
    if (load_le32(head + 12) != len || !reader_clamp(&in, len))
        return -1;
    *at = in.end;
    memset(out, 0, sizeof(*out));
    out->time_us = (int64_t)load_le32(head) * SECOND_US + load_le32(head + 4);
    return read_packet(&in, out) ? 1 : -1;
}

bool journal_data_read(const uint8_t **at, const uint8_t *end, struct received *out)
{
    while (journal_record_read(at, end, out) == 1)
        if (dnsflow_decode(out->bytes, out->len, &out->datagram) == DNSFLOW_OK &&
            !(out->datagram.flags & DNSFLOW_FLAG_STATS))
            return true;
    return false;
}
