/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pcap format (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap).
 *   file:   magic 4 | major 2 | minor 2 | 0 4 | 0 4 | snap length 4 | FCS 4 bits, 0 12, link type 16
 *   record: seconds 4 | fraction 4 | captured length 4 | wire length 4 [| modified: interface 4 | protocol 2 | type 1 |
 * 0 1] */
#include <string.h>

#include "base/clock.h"
#include "capture/format.h"

int pcap_format_open(struct pcap_format *format, const uint8_t *head, struct error *err)
{
    uint32_t magic;
    memset(format, 0, sizeof(*format));
    memcpy(&magic, head, sizeof(magic));
    if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d && magic != 0xa1b2cd34) {
        format->swapped = true;
        magic = __builtin_bswap32(magic);
    }
    if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d && magic != 0xa1b2cd34)
        return error_set(err, "not a capture: neither pcap nor pcapng, plain or compressed");
    format->nanoseconds = magic == 0xa1b23c4d;
    format->record_header = magic == 0xa1b2cd34 ? 24 : 16;
    unsigned major = file_u16(format->swapped, head + 4), minor = file_u16(format->swapped, head + 6);
    if (major != 2)
        return error_set(err, "pcap version %u.%u is not known; 2.x is", major, minor);
    format->minor = (uint16_t)minor;
    format->link_type = (uint16_t)file_u32(format->swapped, head + 20);
    return 0;
}

int pcap_lend(const struct pcap_format *format, const uint8_t *at, size_t left, struct packet *packets, int max,
              uint64_t *used, struct error *err)
{
    const uint8_t *start = at, *end = at + left;
    int count;
    for (count = 0; count < max && (size_t)(end - at) >= format->record_header; count++) {
        struct packet *out = &packets[count];
        uint32_t seconds = file_u32(format->swapped, at), fraction = file_u32(format->swapped, at + 4);
        uint32_t captured = file_u32(format->swapped, at + 8), wire = file_u32(format->swapped, at + 12);
        if (format->minor < 3 || (format->minor == 3 && captured > wire)) {
            uint32_t swap = captured;
            captured = wire;
            wire = swap;
        }
        if (captured > RECORD_CAPTURED_MAX && count > 0)
            break;
        if (captured > RECORD_CAPTURED_MAX) {
            error_set(err, "a record claims %u captured bytes, over %d", captured, RECORD_CAPTURED_MAX);
            count = LEND_BROKEN;
            break;
        }
        if ((size_t)(end - at) - format->record_header < captured)
            break;
        out->bytes = at + format->record_header;
        out->captured_len = captured;
        out->wire_len = wire;
        out->time_us = (int64_t)seconds * SECOND_US + (format->nanoseconds ? fraction / 1000 : fraction);
        out->link_type = format->link_type;
        at = out->bytes + captured;
    }
    *used = (uint64_t)(at - start);
    return count;
}
