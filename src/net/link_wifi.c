/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IEEE 802.11 and the capture headers in front of it. All their numbers are little-endian. */
#include "net/layers.h"

/* Byte 0 of the frame control: version 2 bits | type 2 | subtype 4; byte 1: flags. */
enum {
    WIFI_TYPE_MASK = 0x0c,
    WIFI_TYPE_DATA = 0x08,
    WIFI_SUBTYPE_NO_DATA = 0x40,
    WIFI_SUBTYPE_QOS = 0x80,
    WIFI_TO_DS = 0x01,
    WIFI_FROM_DS = 0x02,
    WIFI_PROTECTED = 0x40,
    WIFI_ORDER = 0x80, /* in a QoS frame: 4 bytes of HT control */
    WIFI_QOS_AGGREGATE = 0x80,
};

/* frame control 2 | duration 2 | address 6 x 3 | sequence 2 [| address 6] [| QoS 2] [| HT control 4], then LLC */
enum drop_reason net_wifi(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 24);
    size_t len = 24;
    if (!head)
        return DROP_LINK_SHORT;
    if ((head[0] & WIFI_TYPE_MASK) != WIFI_TYPE_DATA || (head[0] & WIFI_SUBTYPE_NO_DATA))
        return DROP_LINK_CONTROL;
    if (head[1] & WIFI_PROTECTED)
        return DROP_LINK_ENCRYPTED;
    if ((head[1] & WIFI_TO_DS) && (head[1] & WIFI_FROM_DS)) {
        read_skip(&walk->in, 6);
        len += 6;
    }
    if (head[0] & WIFI_SUBTYPE_QOS) {
        const uint8_t *qos = read_bytes(&walk->in, 2);
        if (qos && (qos[0] & WIFI_QOS_AGGREGATE))
            return DROP_LINK_UNSUPPORTED;
        len += 2;
        if (head[1] & WIFI_ORDER) {
            read_skip(&walk->in, 4);
            len += 4;
        }
    }
    if (walk->wifi_padded)
        read_skip(&walk->in, -len & 3);
    walk->next = LAYER_LLC;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* version 1 | pad 1 | length 2 | present 4, more present words while bit 31 is set | fields. Of the fields only the
 * flags matter (bit 1 of the first word), which follow the 8-byte, 8-aligned timestamp of bit 0. */
enum drop_reason net_radiotap(struct walk *walk)
{
    enum { HAS_TIMESTAMP = 1, HAS_FLAGS = 2, FLAG_PADDED = 0x20 };
    const uint8_t *start = walk->in.at;
    const uint8_t *head = read_bytes(&walk->in, 8);
    if (!head || load_le16(head + 2) < 8)
        return DROP_LINK_SHORT;
    size_t header_len = load_le16(head + 2);
    uint32_t present = load_le32(head + 4), more = present;
    while (more >> 31) {
        const uint8_t *word = read_bytes(&walk->in, 4);
        more = word ? load_le32(word) : 0;
    }
    size_t at = (size_t)(walk->in.at - start);
    if (present & HAS_TIMESTAMP)
        at = ((at + 7) & ~(size_t)7) + 8;
    if (walk->in.failed || (size_t)(walk->in.end - start) < header_len || at > header_len)
        return DROP_LINK_SHORT;
    if ((present & HAS_FLAGS) && at < header_len)
        walk->wifi_padded = (start[at] & FLAG_PADDED) != 0;
    walk->in.at = start + header_len;
    walk->next = LAYER_WIFI;
    return DROP_NONE;
}

/* version 1 | flags 1 | length 2 | link type 4 | fields */
enum drop_reason net_ppi(struct walk *walk)
{
    const uint8_t *head = read_bytes(&walk->in, 8);
    if (!head || load_le16(head + 2) < 8)
        return DROP_LINK_SHORT;
    read_skip(&walk->in, load_le16(head + 2) - 8u);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    uint32_t link_type = load_le32(head + 4);
    walk->next = link_type <= UINT16_MAX ? net_link_layer((uint16_t)link_type) : LAYER_NONE;
    return DROP_NONE;
}
