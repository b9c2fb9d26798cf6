/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pcapng format (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng).
 *   block: type 4 | total length 4 | body, padded to 4 | total length 4 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "capture/format.h"

enum {
    BLOCK_HEADER = 8,
    CLOSING = 4,
    BLOCK_OVERHEAD = BLOCK_HEADER + CLOSING,
    INTERFACE_FRONT = BLOCK_HEADER + 8,
    INTERFACES_MAX = 65536,
    OPTION_TSRESOL = 9,
    OPTION_TSOFFSET = 14,
};

#define BLOCK_SECTION   0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    2u /* obsolete */
#define BLOCK_SIMPLE    3u
#define BLOCK_ENHANCED  6u
#define SECTION_MAGIC   0x1a2b3c4du

enum record_kind {
    RECORD_PACKET, /* a packet is filled in, *used bytes are taken */
    RECORD_OTHER,  /* *used bytes hold no packet; they may be more than are at hand */
    RECORD_SHORT,  /* more bytes are needed */
    RECORD_BROKEN  /* *err says what is wrong */
};

/* What is at hand of a block's body, and what is known of its byte order. */
struct block {
    struct pcapng_format *format;
    const uint8_t *body;
    size_t body_len;
    struct packet *out;
    struct error *err;
};

static enum record_kind broken(struct error *err, const char *text)
{
    error_set(err, "%s", text);
    return RECORD_BROKEN;
}

/* A timestamp in units of the interface's resolution, in microseconds. */
static int64_t to_us(uint64_t units, const struct pcapng_interface *interface)
{
    unsigned n = interface->resolution & 0x7f;
    uint64_t us = units;
    if (interface->resolution & 0x80) {
        uint64_t seconds = n < 64 ? units >> n : 0;
        uint64_t rest = n < 64 ? units & ((UINT64_C(1) << n) - 1) : units;
        for (; n > 40; n--) /* finer than needed: 2^-40 s and the product stay within 64 bits */
            rest >>= 1;
        us = seconds * SECOND_US + (rest * SECOND_US >> n);
    } else if (n == 9) {
        us = units / 1000;
    } else {
        for (; n > 6 && us > 0; n--)
            us /= 10;
        for (; n < 6; n++)
            us *= 10;
    }
    return (int64_t)(us + (uint64_t)interface->offset_us);
}

/* The value of an option of the last interface. */
static void take_option(struct pcapng_format *f, unsigned code, const uint8_t *value)
{
    struct pcapng_interface *interface = &f->interfaces[f->interfaces_count - 1];
    if (code == OPTION_TSRESOL)
        interface->resolution = value[0];
    if (code == OPTION_TSOFFSET) {
        uint64_t low = file_u32(f->swapped, value), high = file_u32(f->swapped, value + 4);
        uint64_t seconds =
            f->swapped == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) ? low << 32 | high : high << 32 | low;
        interface->offset_us = (int64_t)(seconds * SECOND_US);
    }
}

/* Options: code 2 | length 2 | value, padded to 4; code 0 ends them. One at a time, as their number has no limit. */
static enum record_kind read_option(struct pcapng_format *f, const uint8_t *at, size_t left, uint64_t *used)
{
    enum { OPTION_HEADER = 4 };
    size_t need = f->open_left < OPTION_HEADER ? f->open_left : OPTION_HEADER;
    if (left < need)
        return RECORD_SHORT;
    unsigned code = need == OPTION_HEADER ? file_u16(f->swapped, at) : 0;
    size_t len = code != 0 ? file_u16(f->swapped, at + 2) : 0, padded = OPTION_HEADER + ((len + 3) & ~(size_t)3);
    size_t wanted = code == OPTION_TSRESOL ? 1 : code == OPTION_TSOFFSET ? 8 : 0;
    if (code == 0 || padded > f->open_left) {
        *used = f->open_left;
    } else {
        if (wanted > 0 && len >= wanted && left < OPTION_HEADER + wanted)
            return RECORD_SHORT;
        if (wanted > 0 && len >= wanted)
            take_option(f, code, at + OPTION_HEADER);
        *used = padded;
    }
    f->open_left -= (uint32_t)*used;
    return RECORD_OTHER;
}

/* link type 2 | reserved 2 | snap length 4 */
static enum record_kind read_interface(struct block *b)
{
    struct pcapng_format *f = b->format;
    if (f->interfaces_count == f->interfaces_size) {
        size_t size = f->interfaces_size ? 2 * f->interfaces_size : 8;
        if (size > INTERFACES_MAX)
            return broken(b->err, "more than 65536 interfaces in a section");
        void *grown = realloc(f->interfaces, size * sizeof(*f->interfaces));
        if (!grown)
            return broken(b->err, "out of memory");
        f->interfaces = grown;
        f->interfaces_size = size;
    }
    struct pcapng_interface *interface = &f->interfaces[f->interfaces_count++];
    memset(interface, 0, sizeof(*interface));
    interface->link_type = file_u16(f->swapped, b->body);
    interface->snap_len = file_u32(f->swapped, b->body + 4);
    interface->resolution = 6;
    return RECORD_OTHER;
}

static enum record_kind fill_packet(struct block *b, size_t interface, const uint8_t *time, uint32_t captured,
                                    uint32_t wire, size_t data_at)
{
    struct pcapng_format *f = b->format;
    if (interface >= f->interfaces_count)
        return broken(b->err, "a packet names an interface that no block describes");
    if (captured > b->body_len - data_at || captured > RECORD_CAPTURED_MAX)
        return broken(b->err, "a packet claims more captured bytes than its block holds");
    const struct pcapng_interface *in = &f->interfaces[interface];
    if (time)
        f->last_time_us = to_us((uint64_t)file_u32(f->swapped, time) << 32 | file_u32(f->swapped, time + 4), in);
    b->out->bytes = b->body + data_at;
    b->out->captured_len = captured;
    b->out->wire_len = wire;
    b->out->time_us = f->last_time_us;
    b->out->link_type = in->link_type;
    return RECORD_PACKET;
}

/* enhanced: interface 4 | time 8 | captured length 4 | wire length 4 | data
 * obsolete: interface 2 | drops 2 | then the same */
static enum record_kind read_packet(struct block *b, uint32_t type)
{
    const struct pcapng_format *f = b->format;
    if (b->body_len < 20)
        return broken(b->err, "a packet block is too short");
    size_t interface = type == BLOCK_PACKET ? file_u16(f->swapped, b->body) : file_u32(f->swapped, b->body);
    return fill_packet(b, interface, b->body + 4, file_u32(f->swapped, b->body + 12),
                       file_u32(f->swapped, b->body + 16), 20);
}

/* wire length 4 | data; from interface 0, cut at its snap length */
static enum record_kind read_simple_packet(struct block *b)
{
    if (b->body_len < 4)
        return broken(b->err, "a packet block is too short");
    uint32_t wire = file_u32(b->format->swapped, b->body), captured = wire;
    if (b->format->interfaces_count > 0) {
        uint32_t snap_len = b->format->interfaces[0].snap_len;
        if (snap_len > 0 && captured > snap_len)
            captured = snap_len;
    }
    return fill_packet(b, 0, NULL, captured, wire, 4);
}

/* byte-order magic 4 | major 2 | minor 2 | section length 8 | options. A section forgets the interfaces of the last. */
static enum record_kind read_section(struct block *b)
{
    if (b->body_len < 16)
        return broken(b->err, "a section header is too short");
    if (file_u16(b->format->swapped, b->body + 4) != 1)
        return broken(b->err, "pcapng of a version other than 1.x");
    b->format->interfaces_count = 0;
    return RECORD_OTHER;
}

/* The total length of the block at `at`, of which 12 bytes are there; a section header sets the byte order first. */
static bool block_length(struct pcapng_format *format, const uint8_t *at, uint32_t *len)
{
    uint32_t type;
    memcpy(&type, at, sizeof(type));
    if (type == BLOCK_SECTION) {
        uint32_t magic;
        memcpy(&magic, at + BLOCK_HEADER, sizeof(magic));
        if (magic != SECTION_MAGIC && __builtin_bswap32(magic) != SECTION_MAGIC)
            return false;
        format->swapped = magic != SECTION_MAGIC;
    }
    *len = file_u32(format->swapped, at + 4);
    if (*len < BLOCK_OVERHEAD || *len > UINT32_MAX - 3)
        return false;
    *len = (*len + 3) & ~3u;
    return true;
}

/* Goes on in a block of which the front has been read. */
static enum record_kind read_on(struct pcapng_format *format, const uint8_t *at, size_t left, uint64_t *used,
                                struct error *err)
{
    if (format->open_left > 0)
        return read_option(format, at, left, used);
    if (left < CLOSING)
        return RECORD_SHORT;
    if (((file_u32(format->swapped, at) + 3) & ~3u) != format->open_len)
        return broken(err, "the two lengths of a block differ");
    *used = CLOSING;
    format->open_len = 0;
    return RECORD_OTHER;
}

static enum record_kind read_front(struct block *b, uint32_t type)
{
    switch (type) {
    case BLOCK_SECTION:
        return read_section(b);
    case BLOCK_INTERFACE:
        return read_interface(b);
    case BLOCK_SIMPLE:
        return read_simple_packet(b);
    default:
        return read_packet(b, type);
    }
}

/* The whole of a block, or its front: of an interface all but the options, of a large one what comes before the last of
 * them. The closing length is compared either way. */
static enum record_kind read_block(struct pcapng_format *format, const uint8_t *at, size_t left, struct packet *out,
                                   uint64_t *used, struct error *err)
{
    uint32_t len;
    if (format->open_len > 0)
        return read_on(format, at, left, used, err);
    if (left < BLOCK_OVERHEAD)
        return RECORD_SHORT;
    if (!block_length(format, at, &len))
        return broken(err, "a block header is damaged");
    uint32_t type = file_u32(format->swapped, at);
    *used = len;
    if (type != BLOCK_SECTION && type != BLOCK_INTERFACE && type != BLOCK_PACKET && type != BLOCK_SIMPLE &&
        type != BLOCK_ENHANCED)
        return RECORD_OTHER;
    if (type == BLOCK_INTERFACE && len < INTERFACE_FRONT + CLOSING)
        return broken(err, "an interface block is too short");
    bool is_interface = type == BLOCK_INTERFACE, is_whole = !is_interface && len <= BLOCK_MAX;
    uint32_t front = is_whole ? len : is_interface ? INTERFACE_FRONT : BLOCK_MAX;
    if (left < front)
        return RECORD_SHORT;
    if (is_whole && ((file_u32(format->swapped, at + len - CLOSING) + 3) & ~3u) != len)
        return broken(err, "the two lengths of a block differ");
    struct block b = {format, at + BLOCK_HEADER, front - (is_whole ? BLOCK_OVERHEAD : BLOCK_HEADER), out, err};
    enum record_kind kind = read_front(&b, type);
    if (kind != RECORD_BROKEN && !is_whole) {
        format->open_len = len;
        format->open_left = is_interface ? len - INTERFACE_FRONT - CLOSING : 0;
        *used = is_interface ? INTERFACE_FRONT : len - CLOSING;
    }
    return kind;
}

int pcapng_lend(struct pcapng_format *format, const uint8_t *at, size_t left, struct packet *packets, int max,
                uint64_t *used, struct error *err)
{
    int count = 0;
    *used = 0;
    while (count < max && *used < left) {
        uint64_t taken = 0;
        enum record_kind kind = read_block(format, at + *used, left - (size_t)*used, &packets[count], &taken, err);
        if (kind == RECORD_SHORT || (kind == RECORD_BROKEN && count > 0))
            break;
        if (kind == RECORD_BROKEN)
            return LEND_BROKEN;
        *used += taken;
        count += kind == RECORD_PACKET;
    }
    return count;
}

void pcapng_format_close(struct pcapng_format *format)
{
    free(format->interfaces);
    format->interfaces = NULL;
}
