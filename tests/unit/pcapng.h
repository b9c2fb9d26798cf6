/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pcapng files, block by block, in either byte order. */
#ifndef DNSFLOW_TESTS_PCAPNG_H
#define DNSFLOW_TESTS_PCAPNG_H

#include "files.h"

#define SECTION 0x0a0d0d0au
#define MAGIC   0x1a2b3c4du

enum { INTERFACE = 1, OLD_PACKET = 2, SIMPLE = 3, NAMES = 4, ENHANCED = 6, MIB = 1 << 20 };

static uint8_t space[8 << 20];
static struct maker m;
static struct reading r;
static uint8_t *block_at;

static inline void begin_block(uint32_t type)
{
    block_at = m.out.at;
    put32(&m, type);
    put32(&m, 0);
}

/* Pads the block and writes its two lengths. */
static inline void end_block(void)
{
    write_zeros(&m.out, (size_t)(block_at - m.out.at) & 3);
    uint32_t len = (uint32_t)(m.out.at - block_at) + 4;
    struct maker head = {writer_over(block_at + 4, 4), m.big};
    put32(&head, len);
    put32(&m, len);
}

static inline void section(bool big)
{
    m.big = big;
    begin_block(SECTION);
    put32(&m, MAGIC);
    put16(&m, 1);
    put16(&m, 0);
    put32(&m, 0xffffffff);
    put32(&m, 0xffffffff);
    end_block();
}

static inline void begin(bool big)
{
    m.out = writer_over(space, sizeof(space));
    section(big);
}

static inline void interface(uint16_t link, uint32_t snap_len, int resolution, const int64_t *offset)
{
    begin_block(INTERFACE);
    put16(&m, link);
    put16(&m, 0);
    put32(&m, snap_len);
    put16(&m, 2); /* if_name, of an odd length */
    put16(&m, 3);
    write_bytes(&m.out, "lo0\0", 4);
    if (resolution >= 0) {
        put16(&m, 9);
        put16(&m, 1);
        write_u8(&m.out, (size_t)resolution);
        write_zeros(&m.out, 3);
    }
    if (offset) {
        put16(&m, 14);
        put16(&m, 8);
        put32(&m, (uint32_t)((uint64_t)*offset >> (m.big ? 32 : 0)));
        put32(&m, (uint32_t)((uint64_t)*offset >> (m.big ? 0 : 32)));
    }
    put32(&m, 0);
    end_block();
}

static inline void packet(uint32_t interface_id, uint64_t time, uint32_t captured, uint32_t wire, size_t bytes)
{
    begin_block(ENHANCED);
    put32(&m, interface_id);
    put32(&m, (uint32_t)(time >> 32));
    put32(&m, (uint32_t)time);
    put32(&m, captured);
    put32(&m, wire);
    for (size_t i = 0; i < bytes; i++)
        write_u8(&m.out, i & 0xff);
    end_block();
}

#endif
